// SPDX-License-Identifier: MIT
//! Digests, signatures and their verification, whole and in parts.

use cryptoki_sys as ck;

use super::Module;
use super::arguments::{Mechanism, Raw, input, output, raw_mechanism};
use super::refusal::Returned;

/// The methods of an operation that results in bytes, one row each: the whole of it, its parts, and its end.
macro_rules! resulting_in_bytes {
    ($($whole:ident = $single:ident, $part:ident = $update:ident, $end:ident = $final:ident;)*) => {$(
        #[doc = concat!("`", stringify!($single), "`, with room for `room` bytes.")]
        pub fn $whole(&self, session: ck::CK_SESSION_HANDLE, message: &[u8], room: usize) -> Returned<Vec<u8>> {
            let (message, message_len) = input(message);
            output(room, |out, len| call!(self, $single(session, message, message_len, out, len)))
        }

        #[doc = concat!("`", stringify!($update), "`.")]
        pub fn $part(&self, session: ck::CK_SESSION_HANDLE, part: &[u8]) -> Returned<()> {
            let (part, part_len) = input(part);
            call!(self, $update(session, part, part_len))
        }

        #[doc = concat!("`", stringify!($final), "`, with room for `room` bytes.")]
        pub fn $end(&self, session: ck::CK_SESSION_HANDLE, room: usize) -> Returned<Vec<u8>> {
            output(room, |out, len| call!(self, $final(session, out, len)))
        }
    )*};
}

impl Module {
    resulting_in_bytes! {
        digest = C_Digest, digest_update = C_DigestUpdate, digest_final = C_DigestFinal;
        sign = C_Sign, sign_update = C_SignUpdate, sign_final = C_SignFinal;
    }

    /// `C_DigestInit`.
    pub fn digest_init(&self, session: ck::CK_SESSION_HANDLE, kind: ck::CK_MECHANISM_TYPE) -> Returned<()> {
        let mut mechanism = raw_mechanism(kind, &mut Raw::None);
        call!(self, C_DigestInit(session, &raw mut mechanism))
    }

    /// `C_SignInit`.
    pub fn sign_init(
        &self,
        session: ck::CK_SESSION_HANDLE,
        mechanism: Mechanism,
        key: ck::CK_OBJECT_HANDLE,
    ) -> Returned<()> {
        let mut parameter = Raw::from(mechanism.parameter);
        let mut mechanism = raw_mechanism(mechanism.kind, &mut parameter);
        call!(self, C_SignInit(session, &raw mut mechanism, key))
    }

    /// `C_VerifyInit`.
    pub fn verify_init(
        &self,
        session: ck::CK_SESSION_HANDLE,
        mechanism: Mechanism,
        key: ck::CK_OBJECT_HANDLE,
    ) -> Returned<()> {
        let mut parameter = Raw::from(mechanism.parameter);
        let mut mechanism = raw_mechanism(mechanism.kind, &mut parameter);
        call!(self, C_VerifyInit(session, &raw mut mechanism, key))
    }

    /// `C_Verify`.
    pub fn verify(&self, session: ck::CK_SESSION_HANDLE, message: &[u8], signature: &[u8]) -> Returned<()> {
        let (message, message_len) = input(message);
        let (signature, signature_len) = input(signature);
        call!(
            self,
            C_Verify(session, message, message_len, signature, signature_len)
        )
    }

    /// `C_VerifyUpdate`.
    pub fn verify_update(&self, session: ck::CK_SESSION_HANDLE, part: &[u8]) -> Returned<()> {
        let (part, part_len) = input(part);
        call!(self, C_VerifyUpdate(session, part, part_len))
    }

    /// `C_VerifyFinal`.
    pub fn verify_final(&self, session: ck::CK_SESSION_HANDLE, signature: &[u8]) -> Returned<()> {
        let (signature, signature_len) = input(signature);
        call!(self, C_VerifyFinal(session, signature, signature_len))
    }
}
