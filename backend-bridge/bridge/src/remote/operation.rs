// SPDX-License-Identifier: MIT
//! Operations with the private half of a remote key: exactly one request each, made at the end.
//!
//! Hashing is done here as the message comes in; sizes come from the description of the key and are never asked for.

use std::sync::Arc;

use keyenclave_crypto::{Digest, ct_eq, digest};
use keyenclave_model::algorithm::Hash;
use keyenclave_model::edwards;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::gathered::Gathered;
use keyenclave_model::token::{CallCx, End, Operation, Out, OutputLen, Part, Step};
use zeroize::Zeroizing;

use super::entry::Detail;
use super::plan::{Plan, sign_block};
use super::proof;
use crate::bridge::Bridge;
use crate::call::{CallKind, DecryptData, EncryptData, MacMessage, SignDigest};
use crate::digest::fit;
use crate::error::{Error as CallError, Sent};
use crate::key::{Algorithm, KeyName, KeySpec};

/// What PKCS #1 v1.5 padding takes at least, in bytes (RFC 8017, section 7.2.1).
const PKCS1_OVERHEAD: usize = 11;

/// The longest plaintext and ciphertext of `CKM_KEYENCLAVE_AWS_SYMMETRIC`, in bytes: what the service's interface takes
/// and gives (AWS KMS API reference, Encrypt, `Plaintext` and `CiphertextBlob`). How much longer than its plaintext a
/// ciphertext is, the service does not say, so that the longest is what a size query is told.
const SYMMETRIC_PLAINTEXT: usize = 4096;
const SYMMETRIC_CIPHERTEXT: usize = 6144;

/// An operation with a remote key.
pub(super) struct Remote {
    bridge: Bridge,
    detail: Arc<Detail>,
    spec: KeySpec,
    plan: Plan,
    message: Message,
}

/// What comes in before the end.
enum Message {
    /// Nothing: the mechanism is for single-part use.
    Single,
    /// A message that is hashed here.
    Hashed(Hash, Option<Digest>),
    /// A message that the service must have whole.
    Whole(Gathered),
}

impl Remote {
    /// Starts an operation. `hash` is the one that the mechanism computes over the message.
    pub(super) fn new(
        bridge: Bridge,
        detail: &Arc<Detail>,
        spec: KeySpec,
        plan: Plan,
        hash: Option<Hash>,
    ) -> Self {
        let message = match (plan, hash) {
            (Plan::Mac(..) | Plan::Encrypt, _)
            | (Plan::Sign(Algorithm::Ed25519) | Plan::Decrypt(Algorithm::Symmetric), _) => {
                Message::Whole(Gathered::default())
            }
            (Plan::Sign(Algorithm::Ed25519ph), _) => Message::Hashed(Hash::Sha512, None),
            (Plan::Sign(_), Some(hash)) => Message::Hashed(hash, None),
            _ => Message::Single,
        };
        Self {
            bridge,
            detail: Arc::clone(detail),
            spec,
            plan,
            message,
        }
    }

    /// The result's length, in bytes.
    fn len(&self) -> OutputLen {
        let key_len = match self.spec {
            KeySpec::Rsa(bits) => (bits as usize).div_ceil(8),
            KeySpec::Ec(curve) => 2 * curve.field_len(),
            KeySpec::Ed25519 => edwards::SIGNATURE_LEN,
            KeySpec::Hmac(_) | KeySpec::Symmetric => 0,
        };
        match self.plan {
            Plan::Sign(_) | Plan::SignBlock => OutputLen::Exact(key_len),
            Plan::Mac(_, len) => OutputLen::Exact(len),
            Plan::Encrypt => OutputLen::AtMost(SYMMETRIC_CIPHERTEXT),
            Plan::Decrypt(Algorithm::Symmetric) => OutputLen::AtMost(SYMMETRIC_PLAINTEXT),
            Plan::Decrypt(Algorithm::RsaOaep(hash)) => {
                OutputLen::AtMost(key_len.saturating_sub(2 * hash.output_len() + 2))
            }
            Plan::Decrypt(_) => OutputLen::AtMost(key_len.saturating_sub(PKCS1_OVERHEAD)),
        }
    }

    /// Makes the request with what the service is to work on.
    fn send(self, cx: &CallCx, input: &[u8], end: &End<'_>) -> Result<Step> {
        self.check_len(input.len())?;
        match self.plan {
            Plan::Sign(algorithm) => {
                let digest = self.digest_for(algorithm, input)?;
                Ok(self.sign(cx, algorithm, digest))
            }
            Plan::SignBlock => {
                let (algorithm, digest) = sign_block(input, &self.detail.info.algorithms)?;
                Ok(self.sign(cx, algorithm, digest))
            }
            Plan::Encrypt => Ok(self.encrypt(cx, input)),
            Plan::Decrypt(algorithm) => Ok(self.decrypt(cx, algorithm, input)),
            Plan::Mac(algorithm, len) => self.mac(cx, algorithm, len, input, end),
        }
    }

    /// Whether the service takes an input of so many bytes.
    fn check_len(&self, len: usize) -> Result<()> {
        match self.limit() {
            Some((most, rv, what)) if len > most => {
                Err(Error::new(rv, format!("{what} of {most} bytes at the most")))
            }
            _ => Ok(()),
        }
    }

    /// The longest input, in bytes, what is said to a longer one, and what it is that has this limit.
    fn limit(&self) -> Option<(usize, Rv, &'static str)> {
        let capability = self.bridge.capability();
        match self.plan {
            Plan::Mac(..) => Some((
                capability.max_mac_message,
                Rv::DataLenRange,
                "this service makes codes of messages",
            )),
            Plan::Sign(Algorithm::Ed25519) => Some((
                capability.max_sign_message,
                Rv::DataLenRange,
                "longer messages are for Ed25519ph (CK_EDDSA_PARAMS with phFlag); Ed25519 needs the whole message at the \
                 service, which takes messages",
            )),
            Plan::Encrypt => Some((
                SYMMETRIC_PLAINTEXT,
                Rv::DataLenRange,
                "this service encrypts plaintexts",
            )),
            Plan::Decrypt(Algorithm::Symmetric) => Some((
                SYMMETRIC_CIPHERTEXT,
                Rv::EncryptedDataLenRange,
                "this service decrypts ciphertexts",
            )),
            Plan::Sign(_) | Plan::SignBlock | Plan::Decrypt(_) => None,
        }
    }

    /// The digest in the form that the service takes.
    fn digest_for(&self, algorithm: Algorithm, digest: &[u8]) -> Result<Vec<u8>> {
        let wrong = || Error::from(Rv::DataLenRange);
        match (algorithm, self.spec) {
            (Algorithm::Ecdsa, KeySpec::Ec(_)) if digest.is_empty() => Err(wrong()),
            (Algorithm::Ecdsa, KeySpec::Ec(curve)) => fit(curve, digest).ok_or_else(wrong),
            (Algorithm::RsaPkcs1(hash) | Algorithm::RsaPss(hash), _) if digest.len() != hash.output_len() => {
                Err(wrong())
            }
            _ => Ok(digest.to_vec()),
        }
    }

    fn key(&self) -> KeyName {
        self.detail.info.listed.name.clone()
    }

    fn sign(&self, cx: &CallCx, algorithm: Algorithm, digest: Vec<u8>) -> Step {
        let (wanted, detail) = (self.len().max(), Arc::clone(&self.detail));
        let call = SignDigest {
            key: self.key(),
            algorithm,
            digest: digest.clone(),
        };
        self.bridge.step(cx.deadline, async move |asker| {
            let signature = asker.ask(call).await?;
            let wrong = |what: String| Err(CallError::integrity(CallKind::Sign, Sent::Maybe, what).into());
            if signature.len() != wanted {
                return wrong(format!(
                    "the signature has {} bytes, not {wanted}",
                    signature.len()
                ));
            }
            let verifier = detail.verifier();
            if verifier.is_some_and(|key| !proof::holds(key, algorithm, &digest, &signature)) {
                return wrong("the signature is not this key's over this message".to_owned());
            }
            Ok(Out::Bytes(Zeroizing::new(signature)))
        })
    }

    fn encrypt(&self, cx: &CallCx, plaintext: &[u8]) -> Step {
        let most = self.len().max();
        let call = EncryptData {
            key: self.key(),
            plaintext: Zeroizing::new(plaintext.to_vec()),
        };
        self.bridge.step(cx.deadline, async move |asker| {
            let ciphertext = asker.ask(call).await?;
            check_fits(CallKind::Encrypt, &ciphertext, most)?;
            Ok(Out::Bytes(Zeroizing::new(ciphertext)))
        })
    }

    fn decrypt(&self, cx: &CallCx, algorithm: Algorithm, ciphertext: &[u8]) -> Step {
        let most = self.len().max();
        let call = DecryptData {
            key: self.key(),
            algorithm,
            ciphertext: ciphertext.to_vec(),
        };
        self.bridge.step(cx.deadline, async move |asker| {
            let plaintext = asker.ask(call).await?;
            check_fits(CallKind::Decrypt, &plaintext, most)?;
            Ok(Out::Bytes(plaintext))
        })
    }

    /// Makes a code of `len` bytes; the service never sees the one to compare it with.
    fn mac(
        &self,
        cx: &CallCx,
        algorithm: Algorithm,
        len: usize,
        message: &[u8],
        end: &End<'_>,
    ) -> Result<Step> {
        let given = match end {
            End::Output(_) => None,
            End::Signature(given) if given.len() != len => return Err(Rv::SignatureLenRange.into()),
            End::Signature(given) => Some(given.to_vec()),
            End::Begun => return Err(Rv::GeneralError.into()),
        };
        let call = MacMessage {
            key: self.key(),
            algorithm,
            message: Zeroizing::new(message.to_vec()),
        };
        Ok(self.bridge.step(cx.deadline, async move |asker| {
            let mac = asker.ask(call).await?;
            finish_mac(mac, len, given)
        }))
    }
}

/// Whether an answer is as long as the caller was told to make room for.
fn check_fits(call: CallKind, answer: &[u8], most: usize) -> Result<()> {
    if answer.len() <= most {
        return Ok(());
    }
    let what = format!("the answer has {} bytes, and {most} are the most", answer.len());
    Err(CallError::integrity(call, Sent::Maybe, what).into())
}

fn finish_mac(mac: Vec<u8>, len: usize, given: Option<Vec<u8>>) -> Result<Out> {
    let Some(mac) = mac.get(..len) else {
        return Err(CallError::integrity(CallKind::Mac, Sent::Maybe, "the code is too short").into());
    };
    match given {
        None => Ok(Out::Bytes(Zeroizing::new(mac.to_vec()))),
        Some(given) if ct_eq(&given, mac) => Ok(Out::Done),
        Some(_) => Err(Rv::SignatureInvalid.into()),
    }
}

impl Operation for Remote {
    fn output_len(&self, part: Part) -> Result<OutputLen> {
        Ok(match part {
            Part::Update(_) => OutputLen::Exact(0),
            Part::Single(_) | Part::Finish => self.len(),
        })
    }

    fn single(self: Box<Self>, cx: &CallCx, input: &[u8], end: End<'_>) -> Step {
        let sent = match &self.message {
            Message::Hashed(hash, _) => {
                let digest = digest(*hash, input);
                self.send(cx, &digest, &end)
            }
            Message::Single | Message::Whole(_) => self.send(cx, input, &end),
        };
        sent.unwrap_or_else(Step::from)
    }

    fn update(&mut self, _cx: &CallCx, input: &[u8], _out: &mut [u8]) -> Result<usize> {
        if let Message::Whole(message) = &self.message {
            self.check_len(message.len().saturating_add(input.len()))?;
        }
        match &mut self.message {
            Message::Single => return Err(Rv::FunctionNotSupported.into()),
            Message::Hashed(hash, running) => running.get_or_insert_with(|| Digest::new(*hash)).update(input),
            Message::Whole(message) => message.extend(input)?,
        }
        Ok(0)
    }

    fn finish(mut self: Box<Self>, cx: &CallCx, end: End<'_>) -> Step {
        let sent = match std::mem::replace(&mut self.message, Message::Single) {
            Message::Single => Err(Rv::FunctionNotSupported.into()),
            Message::Hashed(hash, running) => {
                let digest = running.unwrap_or_else(|| Digest::new(hash)).value();
                self.send(cx, &digest, &end)
            }
            Message::Whole(message) => self.send(cx, &message, &end),
        };
        sent.unwrap_or_else(Step::from)
    }
}
