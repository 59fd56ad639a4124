// SPDX-License-Identifier: MIT
//! The C functions: a row each, with what its arguments are made of.
//!
//! A word is a method of [`Sequence`] that makes an argument, one in brackets a method that makes two, and what stands
//! in parentheses is given as it is. What goes together stands together, see [`Sequence::step`].
#![allow(unsafe_code, reason = "what is tried out takes pointers")]

use super::Sequence;
use cryptoki_sys::*;
use keyenclave_module::abi::functions::*;

/// Makes the arguments of a row, one after the other, and the call.
macro_rules! call {
    ($sequence:ident $function:ident ($($argument:expr,)*)) => {
        // SAFETY: the arguments are made by `Sequence`, which keeps what the specification makes a caller owe.
        unsafe { $function($($argument),*) }
    };
    ($sequence:ident $function:ident ($($argument:expr,)*) ($value:expr) $($rest:tt)*) => {
        call!($sequence $function ($($argument,)* $value,) $($rest)*)
    };
    ($sequence:ident $function:ident ($($argument:expr,)*) [$two:ident] $($rest:tt)*) => {{
        let (first, second) = $sequence.$two();
        call!($sequence $function ($($argument,)* first, second,) $($rest)*)
    }};
    ($sequence:ident $function:ident ($($argument:expr,)*) $one:ident $($rest:tt)*) => {{
        let value = $sequence.$one();
        call!($sequence $function ($($argument,)* value,) $($rest)*)
    }};
}

/// Makes a table of rows.
macro_rules! rows {
    ($($function:ident($($arguments:tt)*);)*) => {
        &[$((stringify!($function), |sequence| call!(sequence $function () $($arguments)*)),)*]
    };
}

/// A function's name, and what calls it.
pub(super) type Row = (&'static str, fn(&mut Sequence<'_>) -> CK_RV);

/// The functions after which the token is what it was, but for objects that are known to be new or touched.
pub(super) const CALLS: &[Row] = rows! {
    C_GetInfo(place);
    C_GetFunctionList(place);
    C_GetInterfaceList([list]);
    C_GetInterface(name place place flags);

    C_GetSlotList(truth [list]);
    C_GetSlotInfo(slot place);
    C_GetTokenInfo(slot place);
    C_WaitForSlotEvent((CKF_DONT_BLOCK) place reserved);
    C_GetMechanismList(slot [list]);
    C_GetMechanismInfo(slot mechanism_type place);

    C_OpenSession(slot flags reserved (None) new_session);
    C_CloseSession(other_session);
    C_GetSessionInfo(session place);
    C_SessionCancel(session flags);
    C_GetOperationState(session [room]);
    C_SetOperationState(session [input] object object);
    C_GetSessionValidationFlags(session number place);

    C_CreateObject(session [template] new_object);
    C_CopyObject(session object [template] new_object);
    C_DestroyObject(session touched);
    C_GetObjectSize(session object place);
    C_GetAttributeValue(session object [template]);
    C_SetAttributeValue(session touched [template]);
    C_FindObjectsInit(session [template]);
    C_FindObjects(session [found] place);
    C_FindObjectsFinal(session);

    C_EncryptInit(session mechanism object);
    C_Encrypt(session [input] [room]);
    C_EncryptUpdate(session [input] [room]);
    C_EncryptFinal(session [room]);

    C_MessageEncryptInit(session messages object);
    C_EncryptMessage(session [parameter] [input] [input] [room]);
    C_EncryptMessageBegin(session [parameter] [input]);
    C_EncryptMessageNext(session [parameter] [input] [room] flags);
    C_MessageEncryptFinal(session);

    C_DecryptInit(session mechanism object);
    C_Decrypt(session [input] [room]);
    C_DecryptUpdate(session [input] [room]);
    C_DecryptFinal(session [room]);

    C_MessageDecryptInit(session messages object);
    C_DecryptMessage(session [parameter] [input] [input] [room]);
    C_DecryptMessageBegin(session [parameter] [input]);
    C_DecryptMessageNext(session [parameter] [input] [room] flags);
    C_MessageDecryptFinal(session);

    C_DigestInit(session mechanism);
    C_Digest(session [input] [room]);
    C_DigestUpdate(session [input]);
    C_DigestKey(session object);
    C_DigestFinal(session [room]);

    C_SignInit(session mechanism object);
    C_Sign(session [input] [room]);
    C_SignUpdate(session [input]);
    C_SignFinal(session [room]);
    C_SignRecoverInit(session mechanism object);
    C_SignRecover(session [input] [room]);

    C_MessageSignInit(session messages object);
    C_SignMessage(session [parameter] [input] [room]);
    C_SignMessageBegin(session [parameter]);
    C_SignMessageNext(session [parameter] [input] [room]);
    C_MessageSignFinal(session);

    C_VerifyInit(session mechanism object);
    C_Verify(session [input] [input]);
    C_VerifyUpdate(session [input]);
    C_VerifyFinal(session [input]);
    C_VerifyRecoverInit(session mechanism object);
    C_VerifyRecover(session [input] [room]);

    C_VerifySignatureInit(session mechanism object [input]);
    C_VerifySignature(session [input]);
    C_VerifySignatureUpdate(session [input]);
    C_VerifySignatureFinal(session);

    C_MessageVerifyInit(session messages object);
    C_VerifyMessage(session [parameter] [input] [input]);
    C_VerifyMessageBegin(session [parameter]);
    C_VerifyMessageNext(session [parameter] [input] [input]);
    C_MessageVerifyFinal(session);

    C_DigestEncryptUpdate(session [input] [room]);
    C_DecryptDigestUpdate(session [input] [room]);
    C_SignEncryptUpdate(session [input] [room]);
    C_DecryptVerifyUpdate(session [input] [room]);

    C_GenerateKey(session mechanism [template] new_object);
    C_GenerateKeyPair(session mechanism [template] [template] new_object new_object);
    C_WrapKey(session wrapping object object [room]);
    C_UnwrapKey(session wrapping object [input] [template] new_object);
    C_WrapKeyAuthenticated(session messages object object [input] [room]);
    C_UnwrapKeyAuthenticated(session messages object [input] [template] [input] new_object);
    C_DeriveKey(session mechanism object [template] new_object);
    C_EncapsulateKey(session mechanism object [template] [room] new_object);
    C_DecapsulateKey(session mechanism object [template] [input] new_object);

    C_SeedRandom(session [input]);
    C_GenerateRandom(session [bytes]);

    C_AsyncComplete(session name place);
    C_AsyncGetID(session name place);
    C_AsyncJoin(session name number [bytes]);
    C_GetFunctionStatus(session);
    C_CancelFunction(session);
};

/// The functions that try a PIN, which takes as long as hundreds of other calls, or end what the others need.
pub(super) const ENDING: &[Row] = rows! {
    C_Initialize(reserved);
    C_Finalize(reserved);
    C_InitToken(slot [input] label);
    C_InitPIN(session [input]);
    C_SetPIN(session [input] [input]);
    C_Login(session user [input]);
    C_LoginUser(session user [input] [input]);
    C_Logout(session);
    C_CloseAllSessions(slot);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_called() {
        let names = |names: &mut dyn Iterator<Item = &'static str>| -> Vec<_> {
            let mut names: Vec<_> = names.collect();
            names.sort_unstable();
            names
        };
        assert_eq!(
            names(&mut CALLS.iter().chain(ENDING).map(|(name, _)| *name)),
            names(&mut FUNCTIONS.iter().map(|row| row.name))
        );
    }
}
