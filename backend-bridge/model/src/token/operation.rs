// SPDX-License-Identifier: MIT
//! What lies between `C_SignInit` and `C_Sign`, and the like.

use cryptoki_sys as ck;
use zeroize::Zeroizing;

use super::{CallCx, ObjectId, Step};
use crate::error::{Result, Rv};

/// The kinds of operation of which a session has one each. The find operation is the module's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(
    missing_docs,
    reason = "each variant is the C_ function family of the same name"
)]
pub enum OperationClass {
    Encrypt,
    Decrypt,
    Digest,
    Sign,
    SignRecover,
    Verify,
    VerifyRecover,
}

impl OperationClass {
    /// Every class, in the order of the variants.
    pub const ALL: [Self; 7] = [
        Self::Encrypt,
        Self::Decrypt,
        Self::Digest,
        Self::Sign,
        Self::SignRecover,
        Self::Verify,
        Self::VerifyRecover,
    ];

    /// The mechanism flag that allows it.
    pub const fn flag(self) -> ck::CK_FLAGS {
        match self {
            Self::Encrypt => ck::CKF_ENCRYPT,
            Self::Decrypt => ck::CKF_DECRYPT,
            Self::Digest => ck::CKF_DIGEST,
            Self::Sign => ck::CKF_SIGN,
            Self::SignRecover => ck::CKF_SIGN_RECOVER,
            Self::Verify => ck::CKF_VERIFY,
            Self::VerifyRecover => ck::CKF_VERIFY_RECOVER,
        }
    }

    /// The mechanism flag that allows it for messages; none for what has no messages.
    pub const fn message_flag(self) -> ck::CK_FLAGS {
        match self {
            Self::Encrypt => ck::CKF_MESSAGE_ENCRYPT,
            Self::Decrypt => ck::CKF_MESSAGE_DECRYPT,
            Self::Sign => ck::CKF_MESSAGE_SIGN,
            Self::Verify => ck::CKF_MESSAGE_VERIFY,
            Self::Digest | Self::SignRecover | Self::VerifyRecover => 0,
        }
    }

    /// The key attribute that allows it; `None` for digests, which have no key.
    pub const fn usage(self) -> Option<ck::CK_ATTRIBUTE_TYPE> {
        match self {
            Self::Encrypt => Some(ck::CKA_ENCRYPT),
            Self::Decrypt => Some(ck::CKA_DECRYPT),
            Self::Digest => None,
            Self::Sign => Some(ck::CKA_SIGN),
            Self::SignRecover => Some(ck::CKA_SIGN_RECOVER),
            Self::Verify => Some(ck::CKA_VERIFY),
            Self::VerifyRecover => Some(ck::CKA_VERIFY_RECOVER),
        }
    }
}

/// One operation between its `Init` and its end. It is in one thread's hands at a time.
///
/// # Behaviour
/// - `output_len` never asks a remote service and changes nothing.
/// - Where `output_len` is exact, `out` is at least that long when a method is called; otherwise it is at least the
///   maximum, because the module lends memory of its own if the caller's is shorter.
/// - An error ends the operation: the module drops it.
pub trait Operation: Send {
    /// What the next call of `part` writes, in bytes.
    fn output_len(&self, part: Part) -> Result<OutputLen>;

    /// The whole of it in one call (`C_Sign`, `C_Encrypt`, …), when no `update` came before.
    fn single(self: Box<Self>, cx: &CallCx, input: &[u8], end: End<'_>) -> Step;

    /// One part (`C_SignUpdate`, `C_EncryptUpdate`, …). Returns how many bytes were written to `out`.
    fn update(&mut self, cx: &CallCx, input: &[u8], out: &mut [u8]) -> Result<usize>;

    /// The end of a multi-part operation (`C_SignFinal`, `C_EncryptFinal`, …).
    fn finish(self: Box<Self>, cx: &CallCx, end: End<'_>) -> Step;

    /// `C_DigestKey`: the value of a secret key is digested.
    fn digest_key(&mut self, _cx: &CallCx, _key: ObjectId) -> Result<()> {
        Err(Rv::FunctionNotSupported.into())
    }

    /// `C_GetOperationState`: bytes that [`Work::Restore`](super::Work::Restore) takes, in any session of the token.
    /// Never asks a remote service and changes nothing.
    ///
    /// # Errors
    /// `CKR_STATE_UNSAVEABLE` where the state depends on a key: such a state does not leave the token.
    fn state(&self) -> Result<Zeroizing<Vec<u8>>> {
        Err(Rv::StateUnsaveable.into())
    }
}

/// A call of an operation, for asking how much it writes.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    /// `single`, with so many bytes of input.
    Single(usize),
    /// `update`, with so many bytes of input.
    Update(usize),
    /// `finish`.
    Finish,
}

/// How much is written, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputLen {
    /// Always this much.
    Exact(usize),
    /// At most this much; how much is known only afterwards (removed padding).
    AtMost(usize),
}

impl OutputLen {
    /// The most that may be written, in bytes.
    pub const fn max(self) -> usize {
        match self {
            Self::Exact(len) | Self::AtMost(len) => len,
        }
    }
}

/// What ends an operation: memory for its output, or the signature to be checked, if it has not come already.
pub enum End<'a> {
    /// The output goes here.
    Output(&'a mut [u8]),
    /// The signature or MAC that the application has.
    Signature(&'a [u8]),
    /// The signature came when the operation began ([`Work::BeginVerifySignature`](super::Work::BeginVerifySignature)).
    Begun,
}
