// SPDX-License-Identifier: MIT
//! ChaCha20, and ChaCha20 with Poly1305 (PKCS#11 3.2, ChaCha20; ChaCha20/Poly1305).
//!
//! What is sealed is gathered and sealed in one piece; what is opened is given out once its tag has been checked.

use keyenclave_crypto::{ChaChaKey, ChaChaStream, Direction, POLY1305_TAG_LEN};
use keyenclave_model::error::{Result, Rv};
use keyenclave_model::mechanism::{Mechanism, Params};
use keyenclave_model::token::{CallCx, End, Operation, OperationClass, OutputLen, Part, Step};

use super::aes::{direction, doing};
use super::in_one::{InOne, Piece};
use super::{mismatch, output, ready, written};
use crate::keys::Key;

/// Starts to encrypt or decrypt with ChaCha20.
///
/// # Errors
/// `CKR_MECHANISM_PARAM_INVALID`.
pub(super) fn begin_stream(
    class: OperationClass,
    mechanism: &Mechanism,
    key: &Key,
) -> Result<Box<dyn Operation>> {
    let Params::ChaCha20(start) = mechanism.params() else {
        return Err(Rv::MechanismParamInvalid.into());
    };
    let direction = direction(class)?;
    let running = chacha(key)?
        .stream(start.block, &start.nonce)
        .map_err(|error| doing(direction).failed(error))?;
    Ok(Box::new(Stream { running, direction }))
}

/// Encrypting or decrypting with ChaCha20.
struct Stream {
    running: ChaChaStream,
    direction: Direction,
}

impl Operation for Stream {
    fn output_len(&self, part: Part) -> Result<OutputLen> {
        Ok(OutputLen::Exact(match part {
            Part::Single(len) | Part::Update(len) => len,
            Part::Finish => 0,
        }))
    }

    fn single(mut self: Box<Self>, cx: &CallCx, input: &[u8], end: End<'_>) -> Step {
        ready(written(output(end).and_then(|out| self.update(cx, input, out))))
    }

    fn update(&mut self, _cx: &CallCx, input: &[u8], out: &mut [u8]) -> Result<usize> {
        self.running
            .update(input, out)
            .map_err(|error| doing(self.direction).failed(error))
    }

    fn finish(self: Box<Self>, _cx: &CallCx, end: End<'_>) -> Step {
        ready(written(output(end).map(|_| 0)))
    }
}

/// Encrypting or decrypting with ChaCha20 and Poly1305.
pub(super) struct Sealing {
    key: ChaChaKey,
    nonce: Vec<u8>,
    aad: Vec<u8>,
    direction: Direction,
}

impl Sealing {
    /// Starts to encrypt or decrypt.
    ///
    /// # Errors
    /// `CKR_MECHANISM_PARAM_INVALID`.
    pub(super) fn begin(
        class: OperationClass,
        mechanism: &Mechanism,
        key: &Key,
    ) -> Result<Box<dyn Operation>> {
        let Params::ChaChaPoly(params) = mechanism.params() else {
            return Err(Rv::MechanismParamInvalid.into());
        };
        Ok(InOne::begin(Self {
            key: chacha(key)?,
            nonce: params.nonce.clone(),
            aad: params.aad.clone(),
            direction: direction(class)?,
        }))
    }
}

impl Piece for Sealing {
    fn output_len(&self, input: usize) -> Result<usize> {
        let len = match self.direction {
            Direction::Encrypt => input.checked_add(POLY1305_TAG_LEN).ok_or(Rv::DataLenRange),
            Direction::Decrypt => input
                .checked_sub(POLY1305_TAG_LEN)
                .ok_or(Rv::EncryptedDataLenRange),
        };
        Ok(len?)
    }

    fn run(&self, input: &[u8], out: &mut [u8]) -> Result<usize> {
        let done = match self.direction {
            Direction::Encrypt => {
                let (body, tag) = out.split_at_mut_checked(input.len()).ok_or_else(mismatch)?;
                let tag = tag.first_chunk_mut().ok_or_else(mismatch)?;
                self.key.seal(&self.nonce, &self.aad, input, body).map(|made| {
                    *tag = made;
                    input.len().saturating_add(POLY1305_TAG_LEN)
                })
            }
            Direction::Decrypt => {
                let (body, tag) = input.split_last_chunk().ok_or(Rv::EncryptedDataLenRange)?;
                self.key.open(&self.nonce, &self.aad, body, tag, out)
            }
        };
        done.map_err(|error| doing(self.direction).failed(error))
    }
}

pub(super) fn chacha(key: &Key) -> Result<ChaChaKey> {
    match key {
        Key::Secret(key) => key.chacha(),
        _ => Err(mismatch()),
    }
}
