// SPDX-License-Identifier: MIT
//! Operations on data, and random numbers.
//!
//! The functions of the classes that have the same type stand in one column of a [`Family`].

use cryptoki_sys as ck;
use keyenclave_model::token::OperationClass;

use super::memory::{bytes, count, written};
use super::{Answer, Handle, Mech, Module, Session};

/// The functions of one class of operation. Those of one column have the same type.
pub(super) struct Family {
    init: ck::CK_C_SignInit,
    single: ck::CK_C_Sign,
    update: ck::CK_C_EncryptUpdate,
    absorb: ck::CK_C_SignUpdate,
    finish: ck::CK_C_SignFinal,
    pub(super) message: ck::CK_C_SignInit,
    pub(super) message_final: ck::CK_C_MessageSignFinal,
}

impl Module {
    pub(super) fn family(&self, class: OperationClass) -> Family {
        use OperationClass::*;
        let list = &self.list;
        let none = Family {
            init: None,
            single: None,
            update: None,
            absorb: None,
            finish: None,
            message: None,
            message_final: None,
        };
        match class {
            Encrypt => Family {
                init: list.C_EncryptInit,
                single: list.C_Encrypt,
                update: list.C_EncryptUpdate,
                finish: list.C_EncryptFinal,
                message: list.C_MessageEncryptInit,
                message_final: list.C_MessageEncryptFinal,
                ..none
            },
            Decrypt => Family {
                init: list.C_DecryptInit,
                single: list.C_Decrypt,
                update: list.C_DecryptUpdate,
                finish: list.C_DecryptFinal,
                message: list.C_MessageDecryptInit,
                message_final: list.C_MessageDecryptFinal,
                ..none
            },
            Digest => Family {
                single: list.C_Digest,
                absorb: list.C_DigestUpdate,
                finish: list.C_DigestFinal,
                ..none
            },
            Sign => Family {
                init: list.C_SignInit,
                single: list.C_Sign,
                absorb: list.C_SignUpdate,
                finish: list.C_SignFinal,
                message: list.C_MessageSignInit,
                message_final: list.C_MessageSignFinal,
                ..none
            },
            SignRecover => Family {
                init: list.C_SignRecoverInit,
                single: list.C_SignRecover,
                ..none
            },
            Verify => Family {
                init: list.C_VerifyInit,
                absorb: list.C_VerifyUpdate,
                message: list.C_MessageVerifyInit,
                message_final: list.C_MessageVerifyFinal,
                ..none
            },
            VerifyRecover => Family {
                init: list.C_VerifyRecoverInit,
                single: list.C_VerifyRecover,
                ..none
            },
        }
    }

    /// `C_SignInit` and the like; digests have no key.
    pub fn begin(&self, session: Session, class: OperationClass, mech: Mech<'_>, key: Handle) -> Answer<()> {
        let mut mechanism = mech.raw();
        let mechanism = &raw mut mechanism;
        if class == OperationClass::Digest {
            return call!(self, C_DigestInit(session, mechanism));
        }
        call!(self.family(class).init, (session, mechanism, key))
    }

    /// `C_Sign` and the like; how long the result is, if there is no room.
    pub fn single(
        &self,
        session: Session,
        class: OperationClass,
        input: &[u8],
        out: Option<&mut [u8]>,
    ) -> Answer<usize> {
        produced(self.family(class).single, session, input, out)
    }

    /// `C_Verify`.
    pub fn verify(&self, session: Session, input: &[u8], signature: &[u8]) -> Answer<()> {
        let (data, len) = (bytes(input), count(input));
        call!(
            self,
            C_Verify(session, data, len, bytes(signature), count(signature))
        )
    }

    /// `C_EncryptUpdate` and `C_DecryptUpdate`; how long the result is, if there is no room.
    pub fn update(
        &self,
        session: Session,
        class: OperationClass,
        input: &[u8],
        out: Option<&mut [u8]>,
    ) -> Answer<usize> {
        produced(self.family(class).update, session, input, out)
    }

    /// `C_DigestUpdate`, `C_SignUpdate` and `C_VerifyUpdate`.
    pub fn absorb(&self, session: Session, class: OperationClass, input: &[u8]) -> Answer<()> {
        call!(self.family(class).absorb, (session, bytes(input), count(input)))
    }

    /// `C_DigestKey`.
    pub fn digest_key(&self, session: Session, key: Handle) -> Answer<()> {
        call!(self, C_DigestKey(session, key))
    }

    /// `C_SignFinal` and the like; how long the result is, if there is no room.
    pub fn finish(&self, session: Session, class: OperationClass, out: Option<&mut [u8]>) -> Answer<usize> {
        let function = self.family(class).finish;
        written(out, |out, len| call!(function, (session, out, len)))
    }

    /// `C_VerifyFinal`.
    pub fn verify_final(&self, session: Session, signature: &[u8]) -> Answer<()> {
        call!(self, C_VerifyFinal(session, bytes(signature), count(signature)))
    }

    /// `C_VerifySignatureInit`, from version 3.2 on.
    pub fn begin_with_signature(
        &self,
        session: Session,
        mech: Mech<'_>,
        key: Handle,
        signature: &[u8],
    ) -> Answer<()> {
        let mut mechanism = mech.raw();
        let (signature, len) = (bytes(signature), count(signature));
        call!(
            self,
            C_VerifySignatureInit(session, &raw mut mechanism, key, signature, len)
        )
    }

    /// `C_VerifySignature`.
    pub fn verify_signature(&self, session: Session, input: &[u8]) -> Answer<()> {
        call!(self, C_VerifySignature(session, bytes(input), count(input)))
    }

    /// `C_VerifySignatureUpdate`.
    pub fn absorb_with_signature(&self, session: Session, input: &[u8]) -> Answer<()> {
        call!(self, C_VerifySignatureUpdate(session, bytes(input), count(input)))
    }

    /// `C_VerifySignatureFinal`.
    pub fn verify_signature_final(&self, session: Session) -> Answer<()> {
        call!(self, C_VerifySignatureFinal(session))
    }

    /// `C_GetOperationState`; how long it is, if there is no room.
    pub fn operation_state(&self, session: Session, out: Option<&mut [u8]>) -> Answer<usize> {
        written(out, |out, len| {
            call!(self, C_GetOperationState(session, out, len))
        })
    }

    /// `C_SetOperationState`.
    pub fn set_operation_state(
        &self,
        session: Session,
        state: &[u8],
        encryption: Handle,
        authentication: Handle,
    ) -> Answer<()> {
        let (state, len) = (bytes(state), count(state));
        call!(
            self,
            C_SetOperationState(session, state, len, encryption, authentication)
        )
    }

    /// `C_GenerateRandom`.
    pub fn random(&self, session: Session, out: &mut [u8]) -> Answer<()> {
        let len = out.len() as ck::CK_ULONG;
        call!(self, C_GenerateRandom(session, out.as_mut_ptr(), len))
    }

    /// `C_SeedRandom`.
    pub fn seed(&self, session: Session, seed: &[u8]) -> Answer<()> {
        call!(self, C_SeedRandom(session, bytes(seed), count(seed)))
    }
}

/// A function that takes data and gives data; how long the result is, if there is no room.
fn produced(
    function: ck::CK_C_Sign,
    session: Session,
    input: &[u8],
    out: Option<&mut [u8]>,
) -> Answer<usize> {
    let (data, data_len) = (bytes(input), count(input));
    written(out, |out, len| {
        call!(function, (session, data, data_len, out, len))
    })
}
