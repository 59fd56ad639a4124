// SPDX-License-Identifier: MIT
//! Ed25519 and its variants with a context and with a digest (RFC 8032; PKCS#11 3.2, EdDSA).
//!
//! Without a digest the message is read twice, so that one in parts is kept until its end.

use std::sync::Arc;

use keyenclave_crypto::Ed25519Scheme;
use keyenclave_model::algorithm::Hash;
use keyenclave_model::edwards::SIGNATURE_LEN;
use keyenclave_model::error::Result;
use keyenclave_model::gathered::Gathered;
use keyenclave_model::mechanism::{EdDsaParams, Mechanism, Params};
use keyenclave_model::token::{CallCx, End, Operation, Out, OutputLen, Part, Step};

use super::{Message, mismatch, ready, sign_or_verify, signature_len};
use crate::keys::Key;

/// Signing or verifying.
pub(super) struct Signing {
    key: Arc<Key>,
    params: Option<EdDsaParams>,
    message: Message,
}

impl Signing {
    /// Starts to sign or verify.
    pub(super) fn new(mechanism: &Mechanism, key: Arc<Key>) -> Self {
        let params = match mechanism.params() {
            Params::EdDsa(params) => Some(params.clone()),
            _ => None,
        };
        let message = match &params {
            Some(params) if params.prehash => Message::new(Some(Hash::Sha512)),
            _ => Message::Whole(Gathered::default()),
        };
        Self { key, params, message }
    }
}

/// The scheme that a parameter asks for. RFC 8032 wants a context of Ed25519ctx not to be empty; a parameter that says
/// neither digest nor context, as programs give it that do the same for every curve, asks for Ed25519 itself.
fn scheme(params: Option<&EdDsaParams>) -> Ed25519Scheme<'_> {
    match params {
        Some(params) if params.prehash => Ed25519Scheme::Prehashed(&params.context),
        Some(params) if !params.context.is_empty() => Ed25519Scheme::Context(&params.context),
        _ => Ed25519Scheme::Pure,
    }
}

fn end(key: &Key, scheme: Ed25519Scheme<'_>, message: &[u8], end: End<'_>) -> Result<Out> {
    match (key, end) {
        (Key::Ed25519Private(key), end @ End::Output(_)) => {
            sign_or_verify(end, |out| key.sign(scheme, message, out), |_| Ok(()))
        }
        (Key::Ed25519Public(key), end @ End::Signature(_)) => {
            sign_or_verify(end, |_| Ok(0), |signature| key.verify(scheme, message, signature))
        }
        _ => Err(mismatch()),
    }
}

impl Operation for Signing {
    fn output_len(&self, part: Part) -> Result<OutputLen> {
        Ok(signature_len(part, SIGNATURE_LEN))
    }

    fn single(self: Box<Self>, _cx: &CallCx, input: &[u8], how: End<'_>) -> Step {
        let scheme = scheme(self.params.as_ref());
        ready(
            self.message
                .single(input, |message| end(&self.key, scheme, message, how)),
        )
    }

    fn update(&mut self, _cx: &CallCx, input: &[u8], _out: &mut [u8]) -> Result<usize> {
        self.message.update(input).map(|()| 0)
    }

    fn finish(mut self: Box<Self>, _cx: &CallCx, how: End<'_>) -> Step {
        let Self { key, params, message } = &mut *self;
        let scheme = scheme(params.as_ref());
        ready(message.finish(|message| end(key, scheme, message, how)))
    }
}
