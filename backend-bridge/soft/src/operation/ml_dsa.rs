// SPDX-License-Identifier: MIT
//! ML-DSA and HashML-DSA (FIPS 204; PKCS#11 3.2, ML-DSA).
//!
//! A message is read once, in one part or many: what is signed is a hash of it in every case.

use std::sync::Arc;

use keyenclave_crypto::{self as crypto, MlDsaMessage, MlDsaPublicKey, Shake, ShakeKind};
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::{Hedge, Mechanism, Params, SignedInput};
use keyenclave_model::post_quantum::{Prehash, prefix};
use keyenclave_model::token::{CallCx, End, Operation, Out, OutputLen, Part, Step};
use zeroize::Zeroizing;

use super::{mismatch, ready, sign_or_verify, signature_len};
use crate::error::Doing;
use crate::keys::Key;

/// Signing or verifying.
pub(super) struct Signing {
    key: Arc<Key>,
    deterministic: bool,
    input: Input,
}

/// What has been read.
enum Input {
    /// The message, as it goes.
    Message(MlDsaMessage),
    /// The hash of the message, as it goes, and the message that this will be.
    Hashing(Running, MlDsaMessage),
    /// A hash of so many bytes, which comes in one part, and the message that this will be.
    Hash(usize, MlDsaMessage),
}

/// A hash of either kind.
enum Running {
    Hash(crypto::Digest),
    Shake(Shake, usize),
}

impl Running {
    fn new(prehash: Prehash) -> Result<Self> {
        let shake = |kind| {
            let shake = Shake::new(kind).map_err(internal)?;
            Ok(Self::Shake(shake, prehash.len()))
        };
        match prehash {
            Prehash::Hash(hash) => Ok(Self::Hash(crypto::Digest::new(hash))),
            Prehash::Shake128 => shake(ShakeKind::Shake128),
            Prehash::Shake256 => shake(ShakeKind::Shake256),
        }
    }

    fn update(&mut self, data: &[u8]) -> Result<()> {
        match self {
            Self::Hash(digest) => {
                digest.update(data);
                Ok(())
            }
            Self::Shake(shake, _) => shake.update(data).map_err(internal),
        }
    }

    fn value(self) -> Result<Zeroizing<Vec<u8>>> {
        match self {
            Self::Hash(digest) => Ok(Zeroizing::new(digest.value().to_vec())),
            Self::Shake(shake, len) => {
                let mut value = Zeroizing::new(vec![0; len]);
                shake.finish(&mut value).map_err(internal)?;
                Ok(value)
            }
        }
    }
}

impl Signing {
    /// Starts to sign or verify.
    ///
    /// # Errors
    /// `CKR_MECHANISM_PARAM_INVALID` for a hash that the standard does not approve of.
    pub(super) fn begin(
        input: SignedInput,
        mechanism: &Mechanism,
        key: Arc<Key>,
    ) -> Result<Box<dyn Operation>> {
        let (hedge, context, given) = match mechanism.params() {
            Params::MlDsa(params) => (params.hedge, params.context.as_slice(), params.prehash),
            _ => (Hedge::Preferred, [].as_slice(), None),
        };
        let prehash = match input {
            SignedInput::Message => None,
            SignedInput::Hashed(prehash) => Some(prehash),
            SignedInput::Hash => Some(given.ok_or(Rv::MechanismParamInvalid)?),
        };
        let prefix = prefix(prehash, context).ok_or(Rv::MechanismParamInvalid)?;
        let message = public(&key)?.message(&prefix).map_err(internal)?;
        let input = match (input, prehash) {
            (SignedInput::Hashed(_), Some(prehash)) => Input::Hashing(Running::new(prehash)?, message),
            (SignedInput::Hash, Some(prehash)) => Input::Hash(prehash.len(), message),
            _ => Input::Message(message),
        };
        Ok(Box::new(Self {
            key,
            deterministic: hedge == Hedge::Deterministic,
            input,
        }))
    }

    fn end(self, end: End<'_>) -> Result<Out> {
        let message = match self.input {
            Input::Message(message) => message,
            Input::Hashing(running, mut message) => {
                message.update(&running.value()?).map_err(internal)?;
                message
            }
            Input::Hash(..) => return Err(Rv::FunctionNotSupported.into()),
        };
        finish(&self.key, message, self.deterministic, end)
    }
}

fn finish(key: &Key, message: MlDsaMessage, deterministic: bool, end: End<'_>) -> Result<Out> {
    match (key, end) {
        (Key::MlDsaPrivate(key), end @ End::Output(_)) => {
            sign_or_verify(end, |out| key.sign(message, deterministic, out), |_| Ok(()))
        }
        (Key::MlDsaPublic(key), end @ End::Signature(_)) => {
            sign_or_verify(end, |_| Ok(0), |signature| key.verify(message, signature))
        }
        _ => Err(mismatch()),
    }
}

fn public(key: &Key) -> Result<&MlDsaPublicKey> {
    match key {
        Key::MlDsaPrivate(key) => Ok(key.public()),
        Key::MlDsaPublic(key) => Ok(key),
        _ => Err(mismatch()),
    }
}

fn internal(error: crypto::Error) -> Error {
    Doing::Internal.failed(error)
}

impl Operation for Signing {
    fn output_len(&self, part: Part) -> Result<OutputLen> {
        Ok(signature_len(part, public(&self.key)?.set().output_len))
    }

    fn single(mut self: Box<Self>, cx: &CallCx, input: &[u8], end: End<'_>) -> Step {
        if let Input::Hash(len, mut message) = self.input {
            if input.len() != len {
                return Error::from(Rv::DataLenRange).into();
            }
            let read = message.update(input).map_err(internal);
            return ready(read.and_then(|()| finish(&self.key, message, self.deterministic, end)));
        }
        match self.update(cx, input, &mut []) {
            Ok(_) => ready(self.end(end)),
            Err(error) => error.into(),
        }
    }

    fn update(&mut self, _cx: &CallCx, input: &[u8], _out: &mut [u8]) -> Result<usize> {
        match &mut self.input {
            Input::Message(message) => message.update(input).map_err(internal)?,
            Input::Hashing(running, _) => running.update(input)?,
            Input::Hash(..) => return Err(Rv::FunctionNotSupported.into()),
        }
        Ok(0)
    }

    fn finish(self: Box<Self>, _cx: &CallCx, end: End<'_>) -> Step {
        ready(self.end(end))
    }
}
