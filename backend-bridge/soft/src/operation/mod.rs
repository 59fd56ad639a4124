// SPDX-License-Identifier: MIT
//! Operations, one file a family. Each has its key by reference count and holds nothing else of the token, so that
//! it goes on undisturbed when the object is changed or the token is at work elsewhere.
//!
//! Mechanisms that the specification makes single-part (raw RSA and ECDSA, RSA encryption) refuse `update` with
//! `CKR_FUNCTION_NOT_SUPPORTED`, which is what clients look for when they try.

mod aes;
mod blocks;
mod chacha;
mod digest;
mod ecdsa;
mod eddsa;
mod guarded;
mod hmac;
mod in_one;
mod key_wrap;
mod messages;
mod ml_dsa;
mod nonces;
mod rsa;
mod rsa_raw;
mod service;
mod tls_mac;

use std::sync::Arc;

use keyenclave_crypto as crypto;
use keyenclave_model::algorithm::Hash;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::gathered::Gathered;
use keyenclave_model::mechanism::{Algorithm, Mechanism};
use keyenclave_model::token::{End, Messages, Operation, OperationClass, Out, OutputLen, Part, Step};

use crate::error::Doing;
use crate::keys::Key;

pub(crate) use digest::{Digesting, SecretValues};
pub(crate) use guarded::Waiting;
pub(crate) use nonces::single as single_nonce;

/// Starts an operation with a key that has been found fit for it.
///
/// # Errors
/// `CKR_MECHANISM_PARAM_INVALID` or `CKR_KEY_SIZE_RANGE` where parameter and key do not go together.
pub(crate) fn begin(
    class: OperationClass,
    mechanism: &Mechanism,
    key: Arc<Key>,
) -> Result<Box<dyn Operation>> {
    match (mechanism.algorithm(), class) {
        (
            Algorithm::RsaPkcs1(None) | Algorithm::RsaOaep,
            OperationClass::Encrypt | OperationClass::Decrypt,
        ) => rsa::Crypt::begin(mechanism, key),
        (Algorithm::RsaRaw, _) => Ok(Box::new(rsa_raw::Raw::new(class, key))),
        (Algorithm::RsaPkcs1(None), OperationClass::VerifyRecover) => Ok(Box::new(rsa::Recovering::new(key))),
        (Algorithm::RsaPkcs1(_) | Algorithm::RsaPss(_), _) => rsa::Signing::begin(mechanism, key),
        (Algorithm::Ecdsa(hash), _) => Ok(Box::new(ecdsa::Signing::new(hash, key))),
        (Algorithm::MlDsa(input), _) => ml_dsa::Signing::begin(input, mechanism, key),
        (Algorithm::EdDsa, _) => Ok(Box::new(eddsa::Signing::new(mechanism, key))),
        (
            Algorithm::AesEcb | Algorithm::AesCbc { .. } | Algorithm::Des3Ecb | Algorithm::Des3Cbc { .. },
            _,
        ) => blocks::Blocks::begin(class, mechanism, &key),
        (Algorithm::AesGcm, _) => aes::begin_gcm(class, mechanism, &key),
        (Algorithm::AesStream(_) | Algorithm::AesCts | Algorithm::AesXts, _) => {
            aes::Modes::begin(class, mechanism, &key)
        }
        (Algorithm::AesCcm, _) => aes::Ccm::begin(class, mechanism, key),
        (Algorithm::AesCmac { .. } | Algorithm::AesGmac | Algorithm::Des3Cmac, _) => {
            aes::Mac::begin(mechanism, &key)
        }
        (Algorithm::AesKeyWrap(form), _) => key_wrap::Wrapping::begin(class, form, mechanism, key),
        (Algorithm::ChaCha20, _) => chacha::begin_stream(class, mechanism, &key),
        (Algorithm::ChaChaPoly, _) => chacha::Sealing::begin(class, mechanism, &key),
        (Algorithm::Hmac { hash, .. }, _) => hmac::Mac::begin(hash, mechanism, key),
        (Algorithm::RemoteSymmetric, _) => service::Sealing::begin(class, key),
        (Algorithm::TlsMac, _) => tls_mac::Finished::begin(mechanism, key),
        _ => Err(Rv::MechanismInvalid.into()),
    }
}

/// Starts an operation on messages with a key that has been found fit for it.
///
/// # Errors
/// `CKR_MECHANISM_INVALID`.
pub(crate) fn begin_messages(
    class: OperationClass,
    mechanism: &Mechanism,
    key: Arc<Key>,
) -> Result<Box<dyn Messages>> {
    messages::AeadMessages::begin(class, mechanism, key)
}

/// What a signature is made over: a digest that is computed here, or what the application gives.
enum Message {
    /// In one part, as it is.
    Raw,
    /// In one part or many, as it is.
    Whole(Gathered),
    /// Its digest.
    Hashed {
        hash: Hash,
        running: Option<crypto::Digest>,
    },
}

impl Message {
    fn new(hash: Option<Hash>) -> Self {
        match hash {
            None => Self::Raw,
            Some(hash) => Self::Hashed { hash, running: None },
        }
    }

    /// More of the message.
    fn update(&mut self, input: &[u8]) -> Result<()> {
        match self {
            Self::Raw => Err(Rv::FunctionNotSupported.into()),
            Self::Whole(message) => message.extend(input),
            Self::Hashed { hash, running } => {
                running
                    .get_or_insert_with(|| crypto::Digest::new(*hash))
                    .update(input);
                Ok(())
            }
        }
    }

    /// Hands on what is signed when the whole message is `input`.
    fn single<T>(&self, input: &[u8], then: impl FnOnce(&[u8]) -> T) -> T {
        match self {
            Self::Raw | Self::Whole(_) => then(input),
            Self::Hashed { hash, .. } => then(&crypto::digest(*hash, input)),
        }
    }

    /// Hands on what is signed when the message came in parts.
    fn finish<T>(&mut self, then: impl FnOnce(&[u8]) -> Result<T>) -> Result<T> {
        match self {
            Self::Raw => Err(Rv::FunctionNotSupported.into()),
            Self::Whole(message) => then(message),
            Self::Hashed { hash, running } => {
                let running = running.take().unwrap_or_else(|| crypto::Digest::new(*hash));
                then(&running.value())
            }
        }
    }
}

/// How long the output of a signing operation is: nothing until the end, then always the same.
fn signature_len(part: Part, len: usize) -> OutputLen {
    OutputLen::Exact(match part {
        Part::Update(_) => 0,
        Part::Single(_) | Part::Finish => len,
    })
}

/// The end of a signing operation: a signature is written, or compared.
fn sign_or_verify(
    end: End<'_>,
    sign: impl FnOnce(&mut [u8]) -> crypto::Result<usize>,
    verify: impl FnOnce(&[u8]) -> crypto::Result<()>,
) -> Result<Out> {
    match end {
        End::Output(out) => written(sign(out).map_err(|error| Doing::Producing.failed(error))),
        End::Signature(signature) => verify(signature)
            .map(|()| Out::Done)
            .map_err(|error| Doing::Verifying.failed(error)),
        End::Begun => Err(mismatch()),
    }
}

/// The end of a code that was computed: as many bytes of it are written, or compared in constant time.
fn code(code: &[u8], len: usize, end: End<'_>) -> Result<Out> {
    let code = code.get(..len).ok_or_else(mismatch)?;
    match end {
        End::Output(out) => {
            out.get_mut(..len).ok_or_else(mismatch)?.copy_from_slice(code);
            Ok(Out::Written(len))
        }
        End::Signature(given) if given.len() != len => Err(Rv::SignatureLenRange.into()),
        End::Signature(given) if crypto::ct_eq(given, code) => Ok(Out::Done),
        End::Signature(_) => Err(Rv::SignatureInvalid.into()),
        End::Begun => Err(mismatch()),
    }
}

/// The memory of an operation that makes output.
fn output(end: End<'_>) -> Result<&mut [u8]> {
    match end {
        End::Output(out) => Ok(out),
        End::Signature(_) | End::Begun => Err(mismatch()),
    }
}

/// The memory was too short, or the key is not of the kind that was looked for: neither can happen, because the
/// module asks for the length and the engine checks the key.
fn mismatch() -> Error {
    Error::new(
        Rv::GeneralError,
        "an operation was ended in a way that it does not have",
    )
}

fn written(result: Result<usize>) -> Result<Out> {
    result.map(Out::Written)
}

fn ready(result: Result<Out>) -> Step {
    Step::Ready(result)
}
