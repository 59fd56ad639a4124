// SPDX-License-Identifier: MIT
//! The functions that look alike: a macro for each shape, and a row for each function.

use crate::Rv;
use crate::module::{In, Mech, Module, Out, Written};
use cryptoki_sys::*;
use std::ptr::null_mut;

/// (session, input, output)
macro_rules! transforms {
    ($($method:ident $function:ident;)*) => { impl Module { $(
        #[doc = concat!("`", stringify!($function), "`.")]
        pub fn $method<'a>(&self, session: CK_SESSION_HANDLE, input: impl Into<In<'a>>, output: Out<'_>) -> Written {
            let (data, data_len) = input.into().raw();
            output.fill(|to, to_len| call!(self, $function(session, data, data_len, to, to_len)))
        }
    )* } };
}

transforms! {
    encrypt_into C_Encrypt;
    encrypt_update_into C_EncryptUpdate;
    decrypt_into C_Decrypt;
    decrypt_update_into C_DecryptUpdate;
    digest_into C_Digest;
    sign_into C_Sign;
    sign_recover_into C_SignRecover;
    verify_recover_into C_VerifyRecover;
    digest_encrypt_update_into C_DigestEncryptUpdate;
    decrypt_digest_update_into C_DecryptDigestUpdate;
    sign_encrypt_update_into C_SignEncryptUpdate;
    decrypt_verify_update_into C_DecryptVerifyUpdate;
}

/// (session, output)
macro_rules! finals {
    ($($method:ident $function:ident;)*) => { impl Module { $(
        #[doc = concat!("`", stringify!($function), "`.")]
        pub fn $method(&self, session: CK_SESSION_HANDLE, output: Out<'_>) -> Written {
            output.fill(|to, to_len| call!(self, $function(session, to, to_len)))
        }
    )* } };
}

finals! {
    encrypt_final_into C_EncryptFinal;
    decrypt_final_into C_DecryptFinal;
    digest_final_into C_DigestFinal;
    sign_final_into C_SignFinal;
    operation_state_into C_GetOperationState;
}

/// (session, input)
macro_rules! feeds {
    ($($method:ident $function:ident;)*) => { impl Module { $(
        #[doc = concat!("`", stringify!($function), "`.")]
        pub fn $method<'a>(&self, session: CK_SESSION_HANDLE, input: impl Into<In<'a>>) -> Rv {
            let (data, data_len) = input.into().raw();
            call!(self, $function(session, data, data_len))
        }
    )* } };
}

feeds! {
    digest_update C_DigestUpdate;
    sign_update C_SignUpdate;
    verify_update C_VerifyUpdate;
    verify_final C_VerifyFinal;
    init_pin C_InitPIN;
    seed_random C_SeedRandom;
}

/// (session, mechanism or null to cancel, key)
macro_rules! inits {
    ($($method:ident $function:ident;)*) => { impl Module { $(
        #[doc = concat!("`", stringify!($function), "`.")]
        pub fn $method(&self, session: CK_SESSION_HANDLE, mech: impl Into<Mech>, key: CK_OBJECT_HANDLE) -> Rv {
            mech.into().lend(|mech| call!(self, $function(session, mech, key)))
        }
    )* } };
}

inits! {
    encrypt_init C_EncryptInit;
    decrypt_init C_DecryptInit;
    sign_init C_SignInit;
    verify_init C_VerifyInit;
    sign_recover_init C_SignRecoverInit;
    verify_recover_init C_VerifyRecoverInit;
}

/// The classes of operation that `C_*Init` with a null mechanism cancels.
macro_rules! cancels {
    ($($method:ident $function:ident ( $($key:expr)? );)*) => { impl Module { $(
        #[doc = concat!("`", stringify!($function), "` with a null mechanism.")]
        pub fn $method(&self, session: CK_SESSION_HANDLE) -> Rv {
            call!(self, $function(session, null_mut() $(, $key)?))
        }
    )* } };
}

cancels! {
    encrypt_cancel C_EncryptInit(0);
    decrypt_cancel C_DecryptInit(0);
    sign_cancel C_SignInit(0);
    verify_cancel C_VerifyInit(0);
    digest_cancel C_DigestInit();
}

/// (one number)
macro_rules! plain {
    ($($method:ident $function:ident;)*) => { impl Module { $(
        #[doc = concat!("`", stringify!($function), "`.")]
        pub fn $method(&self, handle: CK_ULONG) -> Rv {
            call!(self, $function(handle))
        }
    )* } };
}

plain! {
    close_session C_CloseSession;
    close_all_sessions C_CloseAllSessions;
    logout C_Logout;
    find_final C_FindObjectsFinal;
    function_status C_GetFunctionStatus;
}

/// Structures that a function fills: (numbers) → structure.
macro_rules! infos {
    ($($method:ident $function:ident ( $($number:ident),* ) -> $info:ty;)*) => { impl Module { $(
        #[doc = concat!("`", stringify!($function), "`.")]
        pub fn $method(&self, $($number: CK_ULONG),*) -> Result<$info, Rv> {
            let mut info = <$info>::default();
            call!(self, $function($($number,)* &raw mut info)).ok()?;
            Ok(info)
        }
    )* } };
}

infos! {
    info C_GetInfo() -> CK_INFO;
    slot_info C_GetSlotInfo(slot) -> CK_SLOT_INFO;
    token_info C_GetTokenInfo(slot) -> CK_TOKEN_INFO;
    mechanism_info C_GetMechanismInfo(slot, mechanism) -> CK_MECHANISM_INFO;
    session_info C_GetSessionInfo(session) -> CK_SESSION_INFO;
    object_size C_GetObjectSize(session, object) -> CK_ULONG;
}
