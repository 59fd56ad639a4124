// SPDX-License-Identifier: MIT
//! Keys: made, and wrapped, derived or encapsulated by others.

use std::ptr::null_mut;

use super::memory::{bytes, count, made, written};
use super::{Answer, Handle, Mech, Module, Session};
use crate::template::Attributes;

impl Module {
    /// `C_GenerateKey`.
    pub fn generate(&self, session: Session, mech: Mech<'_>, template: &Attributes<'_>) -> Answer<Handle> {
        let mut mechanism = mech.raw();
        let (attributes, len) = template.raw();
        made(|out| {
            call!(
                self,
                C_GenerateKey(session, &raw mut mechanism, attributes, len, out)
            )
        })
    }

    /// `C_GenerateKeyPair`: the public key, then the private one.
    pub fn generate_pair(
        &self,
        session: Session,
        mech: Mech<'_>,
        public: &Attributes<'_>,
        private: &Attributes<'_>,
    ) -> Answer<(Handle, Handle)> {
        let mut mechanism = mech.raw();
        let ((public, public_len), (private, private_len)) = (public.raw(), private.raw());
        let mut second = 0;
        let first = made(|out| {
            let (mechanism, second) = (&raw mut mechanism, &raw mut second);
            call!(
                self,
                C_GenerateKeyPair(
                    session,
                    mechanism,
                    public,
                    public_len,
                    private,
                    private_len,
                    out,
                    second
                )
            )
        })?;
        Ok((first, second))
    }

    /// `C_WrapKey`; how long the result is, if there is no room.
    pub fn wrap(
        &self,
        session: Session,
        mech: Mech<'_>,
        wrapping: Handle,
        key: Handle,
        out: Option<&mut [u8]>,
    ) -> Answer<usize> {
        let mut mechanism = mech.raw();
        written(out, |out, len| {
            call!(
                self,
                C_WrapKey(session, &raw mut mechanism, wrapping, key, out, len)
            )
        })
    }

    /// `C_UnwrapKey`.
    pub fn unwrap(
        &self,
        session: Session,
        mech: Mech<'_>,
        unwrapping: Handle,
        wrapped: &[u8],
        template: &Attributes<'_>,
    ) -> Answer<Handle> {
        let mut mechanism = mech.raw();
        let (attributes, len) = template.raw();
        made(|out| {
            let (data, data_len) = (bytes(wrapped), count(wrapped));
            let mechanism = &raw mut mechanism;
            call!(
                self,
                C_UnwrapKey(
                    session, mechanism, unwrapping, data, data_len, attributes, len, out
                )
            )
        })
    }

    /// `C_WrapKeyAuthenticated`, from version 3.2 on.
    pub fn wrap_authenticated(
        &self,
        session: Session,
        mech: Mech<'_>,
        wrapping: Handle,
        key: Handle,
        associated: &[u8],
        out: Option<&mut [u8]>,
    ) -> Answer<usize> {
        let mut mechanism = mech.raw();
        written(out, |out, len| {
            let (data, data_len) = (bytes(associated), count(associated));
            let mechanism = &raw mut mechanism;
            call!(
                self,
                C_WrapKeyAuthenticated(session, mechanism, wrapping, key, data, data_len, out, len)
            )
        })
    }

    /// `C_UnwrapKeyAuthenticated`, from version 3.2 on.
    pub fn unwrap_authenticated(
        &self,
        session: Session,
        mech: Mech<'_>,
        unwrapping: Handle,
        (wrapped, associated): (&[u8], &[u8]),
        template: &Attributes<'_>,
    ) -> Answer<Handle> {
        let mut mechanism = mech.raw();
        let (attributes, len) = template.raw();
        made(|out| {
            let (data, data_len) = (bytes(wrapped), count(wrapped));
            let (with, with_len) = (bytes(associated), count(associated));
            let mechanism = &raw mut mechanism;
            call!(
                self,
                C_UnwrapKeyAuthenticated(
                    session, mechanism, unwrapping, data, data_len, attributes, len, with, with_len, out
                )
            )
        })
    }

    /// `C_DeriveKey`; without a handle where the mechanism's parameter says where the keys go.
    pub fn derive(
        &self,
        session: Session,
        mech: Mech<'_>,
        base: Handle,
        template: &Attributes<'_>,
        has_handle: bool,
    ) -> Answer<Handle> {
        let mut mechanism = mech.raw();
        let (attributes, len) = template.raw();
        made(|out| {
            let out = if has_handle { out } else { null_mut() };
            call!(
                self,
                C_DeriveKey(session, &raw mut mechanism, base, attributes, len, out)
            )
        })
    }

    /// `C_EncapsulateKey`, from version 3.2 on: the length of the ciphertext in `out`, and the new key. With no room,
    /// the length alone; the handle is then 0.
    pub fn encapsulate(
        &self,
        session: Session,
        mech: Mech<'_>,
        public: Handle,
        template: &Attributes<'_>,
        out: Option<&mut [u8]>,
    ) -> Answer<(usize, Handle)> {
        let mut mechanism = mech.raw();
        let (attributes, count) = template.raw();
        let mut key = 0;
        let len = written(out, |out, len| {
            let (mechanism, key) = (&raw mut mechanism, &raw mut key);
            call!(
                self,
                C_EncapsulateKey(session, mechanism, public, attributes, count, out, len, key)
            )
        })?;
        Ok((len, key))
    }

    /// `C_DecapsulateKey`, from version 3.2 on.
    pub fn decapsulate(
        &self,
        session: Session,
        mech: Mech<'_>,
        private: Handle,
        ciphertext: &[u8],
        template: &Attributes<'_>,
    ) -> Answer<Handle> {
        let mut mechanism = mech.raw();
        let (attributes, len) = template.raw();
        made(|out| {
            let (data, data_len) = (bytes(ciphertext), count(ciphertext));
            let mechanism = &raw mut mechanism;
            call!(
                self,
                C_DecapsulateKey(session, mechanism, private, attributes, len, data, data_len, out)
            )
        })
    }
}
