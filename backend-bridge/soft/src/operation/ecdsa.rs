// SPDX-License-Identifier: MIT
//! ECDSA over a digest of any length, or over a message that is hashed here (PKCS#11 3.2, elliptic curves).

use std::sync::Arc;

use keyenclave_model::algorithm::Hash;
use keyenclave_model::error::Result;
use keyenclave_model::token::{CallCx, End, Operation, Out, OutputLen, Part, Step};

use super::{Message, mismatch, ready, sign_or_verify, signature_len};
use crate::keys::Key;

/// Signing or verifying.
pub(super) struct Signing {
    key: Arc<Key>,
    message: Message,
}

impl Signing {
    /// Starts to sign or verify; without a hash the application gives the digest.
    pub(super) fn new(hash: Option<Hash>, key: Arc<Key>) -> Self {
        let message = Message::new(hash);
        Self { key, message }
    }
}

fn end(key: &Key, digest: &[u8], end: End<'_>) -> Result<Out> {
    match (key, end) {
        (Key::EcPrivate(key), end @ End::Output(_)) => {
            sign_or_verify(end, |out| key.sign(digest, out), |_| Ok(()))
        }
        (Key::EcPublic(key), end @ End::Signature(_)) => {
            sign_or_verify(end, |_| Ok(0), |signature| key.verify(digest, signature))
        }
        _ => Err(mismatch()),
    }
}

impl Operation for Signing {
    fn output_len(&self, part: Part) -> Result<OutputLen> {
        let curve = match &*self.key {
            Key::EcPrivate(key) => key.curve(),
            Key::EcPublic(key) => key.curve(),
            _ => return Err(mismatch()),
        };
        Ok(signature_len(part, curve.field_len().saturating_mul(2)))
    }

    fn single(self: Box<Self>, _cx: &CallCx, input: &[u8], how: End<'_>) -> Step {
        ready(self.message.single(input, |digest| end(&self.key, digest, how)))
    }

    fn update(&mut self, _cx: &CallCx, input: &[u8], _out: &mut [u8]) -> Result<usize> {
        self.message.update(input).map(|()| 0)
    }

    fn finish(mut self: Box<Self>, _cx: &CallCx, how: End<'_>) -> Step {
        let Self { key, message } = &mut *self;
        ready(message.finish(|digest| end(key, digest, how)))
    }
}
