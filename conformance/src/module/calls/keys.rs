// SPDX-License-Identifier: MIT
//! Keys, random numbers, and what of operations has no shape in common.

use crate::Rv;
use crate::module::buffer::length;
use crate::module::{Attr, In, Mech, Module, template};
use cryptoki_sys::*;
use std::ptr::null_mut;

impl Module {
    /// `C_DigestInit`.
    pub fn digest_init(&self, session: CK_SESSION_HANDLE, mech: impl Into<Mech>) -> Rv {
        mech.into().lend(|mech| call!(self, C_DigestInit(session, mech)))
    }

    /// `C_DigestKey`.
    pub fn digest_key(&self, session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE) -> Rv {
        call!(self, C_DigestKey(session, key))
    }

    /// `C_Verify`.
    pub fn verify<'a>(
        &self,
        session: CK_SESSION_HANDLE,
        data: impl Into<In<'a>>,
        signature: impl Into<In<'a>>,
    ) -> Rv {
        let ((data, data_len), (signature, signature_len)) = (data.into().raw(), signature.into().raw());
        call!(self, C_Verify(session, data, data_len, signature, signature_len))
    }

    /// `C_GenerateKey`.
    pub fn generate_key(
        &self,
        session: CK_SESSION_HANDLE,
        mech: impl Into<Mech>,
        attrs: &[Attr],
    ) -> Result<CK_OBJECT_HANDLE, Rv> {
        let (mut raw, mut key) = (template::raw(attrs), 0);
        let mech = mech.into();
        let rv = mech.lend(|mech| {
            call!(
                self,
                C_GenerateKey(session, mech, raw.as_mut_ptr(), length(&raw), &raw mut key)
            )
        });
        rv.ok()?;
        Ok(key)
    }

    /// `C_GenerateKeyPair`: public key, private key.
    pub fn generate_key_pair(
        &self,
        session: CK_SESSION_HANDLE,
        mech: impl Into<Mech>,
        public: &[Attr],
        private: &[Attr],
    ) -> Result<(CK_OBJECT_HANDLE, CK_OBJECT_HANDLE), Rv> {
        let (mut public, mut private) = (template::raw(public), template::raw(private));
        let (mut public_key, mut private_key) = (0, 0);
        let (count, private_count) = (length(&public), length(&private));
        let mech = mech.into();
        let rv = mech.lend(|mech| {
            let (public, private) = (public.as_mut_ptr(), private.as_mut_ptr());
            let (first, second) = (&raw mut public_key, &raw mut private_key);
            call!(
                self,
                C_GenerateKeyPair(
                    session,
                    mech,
                    public,
                    count,
                    private,
                    private_count,
                    first,
                    second
                )
            )
        });
        rv.ok()?;
        Ok((public_key, private_key))
    }

    /// The functions that make keys by a mechanism, each with a null pointer for it, by name.
    pub fn null_mechanisms(
        &self,
        session: CK_SESSION_HANDLE,
        key: CK_OBJECT_HANDLE,
    ) -> [(&'static str, Rv); 3] {
        let (mut first, mut second) = (0, 0);
        let none = null_mut();
        [
            (
                "C_GenerateKey",
                call!(self, C_GenerateKey(session, null_mut(), none, 0, &raw mut first)),
            ),
            (
                "C_GenerateKeyPair",
                call!(
                    self,
                    C_GenerateKeyPair(
                        session,
                        null_mut(),
                        none,
                        0,
                        none,
                        0,
                        &raw mut first,
                        &raw mut second
                    )
                ),
            ),
            (
                "C_DeriveKey",
                call!(
                    self,
                    C_DeriveKey(session, null_mut(), key, none, 0, &raw mut first)
                ),
            ),
        ]
    }

    /// `C_GenerateRandom`.
    pub fn random(&self, session: CK_SESSION_HANDLE, room: &mut [u8]) -> Rv {
        call!(self, C_GenerateRandom(session, room.as_mut_ptr(), length(room)))
    }

    /// `C_GenerateRandom` with a null pointer.
    pub fn random_into_null(&self, session: CK_SESSION_HANDLE, length: CK_ULONG) -> Rv {
        call!(self, C_GenerateRandom(session, null_mut(), length))
    }

    /// `C_SetOperationState` without keys.
    pub fn set_operation_state<'a>(&self, session: CK_SESSION_HANDLE, state: impl Into<In<'a>>) -> Rv {
        self.set_operation_state_with(session, state, 0, 0)
    }

    /// `C_SetOperationState`.
    pub fn set_operation_state_with<'a>(
        &self,
        session: CK_SESSION_HANDLE,
        state: impl Into<In<'a>>,
        encryption: CK_OBJECT_HANDLE,
        authentication: CK_OBJECT_HANDLE,
    ) -> Rv {
        let (state, state_len) = state.into().raw();
        call!(
            self,
            C_SetOperationState(session, state, state_len, encryption, authentication)
        )
    }
}
