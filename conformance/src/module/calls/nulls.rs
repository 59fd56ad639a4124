// SPDX-License-Identifier: MIT
//! Every function of a session, with nothing but null pointers and zeros: what it says of the session is said first.

use crate::Rv;
use crate::module::Module;
use cryptoki_sys::*;
use std::ptr::null_mut;

/// A row for each function: its name, and after the session's handle a `p` for each pointer and an `n` for each number.
macro_rules! with_nulls {
    ($($function:ident $($argument:ident)*;)*) => { impl Module {
        /// What each function of version 3.2 that takes a session answers to this one and no other argument.
        ///
        /// # Panics
        /// If the module has no list of version 3.2.
        pub fn with_null_arguments(&self, session: CK_SESSION_HANDLE) -> Vec<(&'static str, Rv)> {
            let list = self.list_3_2().expect("the module has a list of version 3.2");
            vec![$({
                let entry = list.$function.expect(concat!("the list has no ", stringify!($function)));
                // SAFETY: the entry comes from the module's own list; null is not followed.
                let rv = unsafe { entry(session $(, with_nulls!(@$argument))*) };
                (stringify!($function), self.seen(stringify!($function), rv))
            }),*]
        }
    } };
    (@p) => { null_mut() };
    (@n) => { 0 };
}

with_nulls! {
    C_InitPIN p n;
    C_SetPIN p n p n;
    C_CloseSession;
    C_GetSessionInfo p;
    C_GetOperationState p p;
    C_SetOperationState p n n n;
    C_Login n p n;
    C_Logout;
    C_CreateObject p n p;
    C_CopyObject n p n p;
    C_DestroyObject n;
    C_GetObjectSize n p;
    C_GetAttributeValue n p n;
    C_SetAttributeValue n p n;
    C_FindObjectsInit p n;
    C_FindObjects p n p;
    C_FindObjectsFinal;
    C_EncryptInit p n;
    C_Encrypt p n p p;
    C_EncryptUpdate p n p p;
    C_EncryptFinal p p;
    C_DecryptInit p n;
    C_Decrypt p n p p;
    C_DecryptUpdate p n p p;
    C_DecryptFinal p p;
    C_DigestInit p;
    C_Digest p n p p;
    C_DigestUpdate p n;
    C_DigestKey n;
    C_DigestFinal p p;
    C_SignInit p n;
    C_Sign p n p p;
    C_SignUpdate p n;
    C_SignFinal p p;
    C_SignRecoverInit p n;
    C_SignRecover p n p p;
    C_VerifyInit p n;
    C_Verify p n p n;
    C_VerifyUpdate p n;
    C_VerifyFinal p n;
    C_VerifyRecoverInit p n;
    C_VerifyRecover p n p p;
    C_DigestEncryptUpdate p n p p;
    C_DecryptDigestUpdate p n p p;
    C_SignEncryptUpdate p n p p;
    C_DecryptVerifyUpdate p n p p;
    C_GenerateKey p p n p;
    C_GenerateKeyPair p p n p n p p;
    C_WrapKey p n n p p;
    C_UnwrapKey p n p n p n p;
    C_DeriveKey p n p n p;
    C_SeedRandom p n;
    C_GenerateRandom p n;
    C_GetFunctionStatus;
    C_CancelFunction;
    C_LoginUser n p n p n;
    C_SessionCancel n;
    C_MessageEncryptInit p n;
    C_EncryptMessage p n p n p n p p;
    C_EncryptMessageBegin p n p n;
    C_EncryptMessageNext p n p n p p n;
    C_MessageEncryptFinal;
    C_MessageDecryptInit p n;
    C_DecryptMessage p n p n p n p p;
    C_DecryptMessageBegin p n p n;
    C_DecryptMessageNext p n p n p p n;
    C_MessageDecryptFinal;
    C_MessageSignInit p n;
    C_SignMessage p n p n p p;
    C_SignMessageBegin p n;
    C_SignMessageNext p n p n p p;
    C_MessageSignFinal;
    C_MessageVerifyInit p n;
    C_VerifyMessage p n p n p n;
    C_VerifyMessageBegin p n;
    C_VerifyMessageNext p n p n p n;
    C_MessageVerifyFinal;
    C_EncapsulateKey p n p n p p p;
    C_DecapsulateKey p n p n p n p;
    C_VerifySignatureInit p n p n;
    C_VerifySignature p n;
    C_VerifySignatureUpdate p n;
    C_VerifySignatureFinal;
    C_GetSessionValidationFlags n p;
    C_AsyncComplete p p;
    C_AsyncGetID p p;
    C_AsyncJoin p n p n;
    C_WrapKeyAuthenticated p n n p n p p;
    C_UnwrapKeyAuthenticated p n p n p n p n p;
}
