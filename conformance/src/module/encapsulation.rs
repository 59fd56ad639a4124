// SPDX-License-Identifier: MIT
//! Key encapsulation, which only the function list of version 3.2 has (specification, key management functions).

use super::buffer::length;
use super::{Attr, In, Mech, Module, template};
use crate::Rv;
use cryptoki_sys::*;
use std::ptr::null_mut;

/// Calls one of the functions that only version 3.2 has. `CKR_FUNCTION_NOT_SUPPORTED` where the module has none.
macro_rules! call {
    ($module:expr, $function:ident ( $($argument:expr),* )) => {{
        let entry = $module.list_3_2().and_then(|list| list.$function);
        let rv = match entry {
            // SAFETY: the entry comes from the module's own list; the arguments are pointers to values that live
            // through the call.
            Some(entry) => unsafe { entry($($argument),*) },
            None => CKR_FUNCTION_NOT_SUPPORTED,
        };
        $module.seen(stringify!($function), rv)
    }};
}

impl Module {
    /// `C_EncapsulateKey` with room for so many bytes, or none: what it returned, the length that it told, and what was
    /// written.
    pub fn encapsulate_into(
        &self,
        session: CK_SESSION_HANDLE,
        mech: impl Into<Mech>,
        key: CK_OBJECT_HANDLE,
        attrs: &[Attr],
        room: Option<usize>,
    ) -> (Rv, CK_ULONG, Vec<u8>, CK_OBJECT_HANDLE) {
        let (mut raw, mut made) = (template::raw(attrs), 0);
        let (list, count) = (raw.as_mut_ptr(), length(&raw));
        let mut buffer = vec![0; room.unwrap_or_default()];
        let (to, mut len) = match room {
            Some(_) => (buffer.as_mut_ptr(), length(&buffer)),
            None => (null_mut(), 0),
        };
        let rv = mech.into().lend(|mech| {
            call!(
                self,
                C_EncapsulateKey(session, mech, key, list, count, to, &raw mut len, &raw mut made)
            )
        });
        (rv, len, buffer, made)
    }

    /// The ciphertext and the new key.
    pub fn encapsulate(
        &self,
        session: CK_SESSION_HANDLE,
        mech: impl Into<Mech>,
        key: CK_OBJECT_HANDLE,
        attrs: &[Attr],
    ) -> Result<(Vec<u8>, CK_OBJECT_HANDLE), Rv> {
        let mech = mech.into();
        let (rv, len, ..) = self.encapsulate_into(session, mech.clone(), key, attrs, None);
        rv.ok()?;
        let room = usize::try_from(len).expect("a length");
        let (rv, len, mut ciphertext, made) = self.encapsulate_into(session, mech, key, attrs, Some(room));
        rv.ok()?;
        ciphertext.truncate(usize::try_from(len).expect("a length"));
        Ok((ciphertext, made))
    }

    /// `C_DecapsulateKey`.
    pub fn decapsulate<'a>(
        &self,
        session: CK_SESSION_HANDLE,
        mech: impl Into<Mech>,
        key: CK_OBJECT_HANDLE,
        attrs: &[Attr],
        ciphertext: impl Into<In<'a>>,
    ) -> Result<CK_OBJECT_HANDLE, Rv> {
        let (mut raw, mut made) = (template::raw(attrs), 0);
        let (list, count) = (raw.as_mut_ptr(), length(&raw));
        let (data, len) = ciphertext.into().raw();
        let rv = mech.into().lend(|mech| {
            call!(
                self,
                C_DecapsulateKey(session, mech, key, list, count, data, len, &raw mut made)
            )
        });
        rv.ok().map(|()| made)
    }
}
