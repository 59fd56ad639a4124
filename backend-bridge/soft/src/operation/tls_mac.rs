// SPDX-License-Identifier: MIT
//! The `verify_data` of TLS: a piece of its pseudorandom function over what the application gives, which is the hash of
//! the handshake (RFC 5246, section 7.4.9). Compared in constant time.

use std::sync::Arc;

use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::gathered::Gathered;
use keyenclave_model::mechanism::{Mechanism, Params, TlsMacParams};
use keyenclave_model::token::{CallCx, End, Operation, Out, OutputLen, Part, Step};

use super::{code, mismatch, ready, signature_len};
use crate::derive::tls;
use crate::keys::Key;

/// Signing or verifying.
pub(super) struct Finished {
    key: Arc<Key>,
    params: TlsMacParams,
    parts: Gathered,
}

impl Finished {
    /// Starts to sign or verify.
    pub(super) fn begin(mechanism: &Mechanism, key: Arc<Key>) -> Result<Box<dyn Operation>> {
        let Params::TlsMac(params) = *mechanism.params() else {
            return Err(Error::from(Rv::MechanismParamInvalid));
        };
        Ok(Box::new(Self {
            key,
            params,
            parts: Gathered::default(),
        }))
    }

    fn end(&self, input: &[u8], end: End<'_>) -> Result<Out> {
        let Key::Secret(key) = &*self.key else {
            return Err(mismatch());
        };
        let label: &[u8] = if self.params.server {
            b"server finished"
        } else {
            b"client finished"
        };
        let len = self.params.len;
        let mac = tls::prf(self.params.prf, key.value(), label, [input, &[]], len)?;
        code(&mac, len, end)
    }
}

impl Operation for Finished {
    fn output_len(&self, part: Part) -> Result<OutputLen> {
        Ok(signature_len(part, self.params.len))
    }

    fn single(self: Box<Self>, _cx: &CallCx, input: &[u8], end: End<'_>) -> Step {
        ready(self.end(input, end))
    }

    fn update(&mut self, _cx: &CallCx, input: &[u8], _out: &mut [u8]) -> Result<usize> {
        self.parts.extend(input).map(|()| 0)
    }

    fn finish(self: Box<Self>, _cx: &CallCx, end: End<'_>) -> Step {
        ready(self.end(&self.parts, end))
    }
}
