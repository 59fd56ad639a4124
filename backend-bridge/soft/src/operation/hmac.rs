// SPDX-License-Identifier: MIT
//! HMAC, whole or cut to the length that the parameter gives. MACs are compared in constant time.

use std::sync::Arc;

use keyenclave_crypto::Hmac;
use keyenclave_model::algorithm::Hash;
use keyenclave_model::error::Result;
use keyenclave_model::mechanism::{Mechanism, Params};
use keyenclave_model::token::{CallCx, End, Operation, Out, OutputLen, Part, Step};

use super::{code, mismatch, ready, signature_len};
use crate::error::Doing;
use crate::keys::{Key, SecretKey};

/// Signing or verifying.
pub(super) struct Mac {
    key: Arc<Key>,
    hash: Hash,
    /// Of the MAC, in bytes.
    len: usize,
    /// Once the first part has come.
    running: Option<Hmac>,
}

impl Mac {
    /// Starts to sign or verify.
    pub(super) fn begin(hash: Hash, mechanism: &Mechanism, key: Arc<Key>) -> Result<Box<dyn Operation>> {
        let len = match mechanism.params() {
            Params::Length(len) => *len,
            _ => hash.output_len(),
        };
        secret(&key)?.hmac(hash)?;
        Ok(Box::new(Self {
            key,
            hash,
            len,
            running: None,
        }))
    }

    fn start(&self) -> Result<Hmac> {
        let key = secret(&self.key)?.hmac(self.hash)?;
        key.start().map_err(|error| Doing::Internal.failed(error))
    }

    fn finished(&mut self, end: End<'_>) -> Result<Out> {
        let running = match self.running.take() {
            Some(running) => running,
            None => self.start()?,
        };
        let mac = running.finish().map_err(|error| Doing::Internal.failed(error))?;
        code(&mac, self.len, end)
    }

    fn whole(&self, input: &[u8], end: End<'_>) -> Result<Out> {
        let key = secret(&self.key)?.hmac(self.hash)?;
        let mac = key.sign(input).map_err(|error| Doing::Internal.failed(error))?;
        code(&mac, self.len, end)
    }
}

impl Operation for Mac {
    fn output_len(&self, part: Part) -> Result<OutputLen> {
        Ok(signature_len(part, self.len))
    }

    fn single(self: Box<Self>, _cx: &CallCx, input: &[u8], end: End<'_>) -> Step {
        ready(self.whole(input, end))
    }

    fn update(&mut self, _cx: &CallCx, input: &[u8], _out: &mut [u8]) -> Result<usize> {
        let mut running = match self.running.take() {
            Some(running) => running,
            None => self.start()?,
        };
        running
            .update(input)
            .map_err(|error| Doing::Internal.failed(error))?;
        self.running = Some(running);
        Ok(0)
    }

    fn finish(mut self: Box<Self>, _cx: &CallCx, end: End<'_>) -> Step {
        ready(self.finished(end))
    }
}

fn secret(key: &Key) -> Result<&SecretKey> {
    match key {
        Key::Secret(key) => Ok(key),
        _ => Err(mismatch()),
    }
}
