// SPDX-License-Identifier: MIT
//! Keys made with other keys: wrapped, unwrapped, derived.

use crate::Rv;
use crate::module::buffer::length;
use crate::module::{Attr, In, Mech, Module, Out, Written, template};
use cryptoki_sys::*;

impl Module {
    /// `C_WrapKey`.
    pub fn wrap_into(
        &self,
        session: CK_SESSION_HANDLE,
        mech: impl Into<Mech>,
        wrapping: CK_OBJECT_HANDLE,
        key: CK_OBJECT_HANDLE,
        output: Out<'_>,
    ) -> Written {
        let mech = mech.into();
        mech.lend(|mech| {
            output.fill(|to, to_len| call!(self, C_WrapKey(session, mech, wrapping, key, to, to_len)))
        })
    }

    /// The wrapped key, by two calls.
    pub fn wrap(
        &self,
        session: CK_SESSION_HANDLE,
        mech: impl Into<Mech>,
        wrapping: CK_OBJECT_HANDLE,
        key: CK_OBJECT_HANDLE,
    ) -> Result<Vec<u8>, Rv> {
        let mech = mech.into();
        crate::two_calls(|out| self.wrap_into(session, mech.clone(), wrapping, key, out))
    }

    /// `C_UnwrapKey`.
    pub fn unwrap<'a>(
        &self,
        session: CK_SESSION_HANDLE,
        mech: impl Into<Mech>,
        unwrapping: CK_OBJECT_HANDLE,
        wrapped: impl Into<In<'a>>,
        attrs: &[Attr],
    ) -> Result<CK_OBJECT_HANDLE, Rv> {
        let (mut raw, mut key) = (template::raw(attrs), 0);
        let (data, len) = wrapped.into().raw();
        let (to, count) = (raw.as_mut_ptr(), length(&raw));
        let rv = mech.into().lend(|mech| {
            call!(
                self,
                C_UnwrapKey(session, mech, unwrapping, data, len, to, count, &raw mut key)
            )
        });
        rv.ok().map(|()| key)
    }

    /// `C_DeriveKey`.
    pub fn derive(
        &self,
        session: CK_SESSION_HANDLE,
        mech: impl Into<Mech>,
        base: CK_OBJECT_HANDLE,
        attrs: &[Attr],
    ) -> Result<CK_OBJECT_HANDLE, Rv> {
        let (mut raw, mut key) = (template::raw(attrs), 0);
        let (to, count) = (raw.as_mut_ptr(), length(&raw));
        let rv = mech
            .into()
            .lend(|mech| call!(self, C_DeriveKey(session, mech, base, to, count, &raw mut key)));
        rv.ok().map(|()| key)
    }
}
