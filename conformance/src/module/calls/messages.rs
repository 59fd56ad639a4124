// SPDX-License-Identifier: MIT
//! Messages, and keys wrapped with data that is authenticated: functions of version 3.0 and later.

use crate::Rv;
use crate::module::buffer::length;
use crate::module::{Attr, In, Mech, Module, Out, Structure, Written, template};
use cryptoki_sys::*;

/// Calls one entry of the function list of version 3.2 and checks what it returned.
macro_rules! call_3_2 {
    ($module:expr, $function:ident ( $($argument:expr),* )) => {{
        let list = $module.list_3_2().expect("a function list of version 3.2");
        let entry = list.$function.expect(concat!("the list has no ", stringify!($function)));
        // SAFETY: as for `call!`: pointers with lengths made by `In`, `Out`, `template`, `Structure` and `Mech`.
        let rv = unsafe { entry($($argument),*) };
        $module.seen(stringify!($function), rv)
    }};
}

/// The functions of one direction.
macro_rules! messages {
    ($($init:ident $c_init:ident, $whole:ident $c_whole:ident, $begin:ident $c_begin:ident, $next:ident $c_next:ident,
        $finish:ident $c_finish:ident;)*) => { impl Module { $(
        #[doc = concat!("`", stringify!($c_init), "`.")]
        pub fn $init(&self, session: CK_SESSION_HANDLE, mech: impl Into<Mech>, key: CK_OBJECT_HANDLE) -> Rv {
            mech.into().lend(|mech| call_3_2!(self, $c_init(session, mech, key)))
        }

        #[doc = concat!("`", stringify!($c_whole), "`.")]
        pub fn $whole<'a>(
            &self,
            session: CK_SESSION_HANDLE,
            parameter: &Structure,
            associated: &[u8],
            data: impl Into<In<'a>>,
            output: Out<'_>,
        ) -> Written {
            let ((aad, aad_len), (data, data_len)) = (In::from(associated).raw(), data.into().raw());
            parameter.lend(|param, len| output.fill(|to, to_len| {
                call_3_2!(self, $c_whole(session, param, len, aad, aad_len, data, data_len, to, to_len))
            }))
        }

        #[doc = concat!("`", stringify!($c_begin), "`.")]
        pub fn $begin(&self, session: CK_SESSION_HANDLE, parameter: &Structure, associated: &[u8]) -> Rv {
            let (aad, aad_len) = In::from(associated).raw();
            parameter.lend(|param, len| call_3_2!(self, $c_begin(session, param, len, aad, aad_len)))
        }

        #[doc = concat!("`", stringify!($c_next), "`, with `CKF_END_OF_MESSAGE` if it is the last part.")]
        pub fn $next<'a>(
            &self,
            session: CK_SESSION_HANDLE,
            parameter: &Structure,
            part: impl Into<In<'a>>,
            output: Out<'_>,
            last: bool,
        ) -> Written {
            let (part, part_len) = part.into().raw();
            let flags = if last { CKF_END_OF_MESSAGE } else { 0 };
            parameter.lend(|param, len| output.fill(|to, to_len| {
                call_3_2!(self, $c_next(session, param, len, part, part_len, to, to_len, flags))
            }))
        }

        #[doc = concat!("`", stringify!($c_finish), "`.")]
        pub fn $finish(&self, session: CK_SESSION_HANDLE) -> Rv {
            call_3_2!(self, $c_finish(session))
        }
    )* } };
}

messages! {
    message_encrypt_init C_MessageEncryptInit, encrypt_message C_EncryptMessage,
        encrypt_message_begin C_EncryptMessageBegin, encrypt_message_next C_EncryptMessageNext,
        message_encrypt_final C_MessageEncryptFinal;
    message_decrypt_init C_MessageDecryptInit, decrypt_message C_DecryptMessage,
        decrypt_message_begin C_DecryptMessageBegin, decrypt_message_next C_DecryptMessageNext,
        message_decrypt_final C_MessageDecryptFinal;
}

impl Module {
    /// `C_WrapKeyAuthenticated`.
    pub fn wrap_authenticated(
        &self,
        session: CK_SESSION_HANDLE,
        mech: &Mech,
        (wrapping, key): (CK_OBJECT_HANDLE, CK_OBJECT_HANDLE),
        associated: &[u8],
        output: Out<'_>,
    ) -> Written {
        let (aad, aad_len) = In::from(associated).raw();
        mech.lend(|mech| {
            output.fill(|to, to_len| {
                call_3_2!(
                    self,
                    C_WrapKeyAuthenticated(session, mech, wrapping, key, aad, aad_len, to, to_len)
                )
            })
        })
    }

    /// `C_UnwrapKeyAuthenticated`.
    pub fn unwrap_authenticated(
        &self,
        session: CK_SESSION_HANDLE,
        mech: &Mech,
        unwrapping: CK_OBJECT_HANDLE,
        (wrapped, associated): (&[u8], &[u8]),
        attrs: &[Attr],
    ) -> Result<CK_OBJECT_HANDLE, Rv> {
        let (mut raw, mut key) = (template::raw(attrs), 0);
        let ((data, data_len), (aad, aad_len)) = (In::from(wrapped).raw(), In::from(associated).raw());
        let (to, count) = (raw.as_mut_ptr(), length(&raw));
        let rv = mech.lend(|mech| {
            let made = &raw mut key;
            call_3_2!(
                self,
                C_UnwrapKeyAuthenticated(
                    session, mech, unwrapping, data, data_len, to, count, aad, aad_len, made
                )
            )
        });
        rv.ok().map(|()| key)
    }
}
