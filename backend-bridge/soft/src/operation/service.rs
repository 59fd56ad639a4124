// SPDX-License-Identifier: MIT
//! Encrypting in a format of one's own, where a soft token stands in for a service that has one.
//!
//! What comes out is a new nonce of 12 bytes, the ciphertext and the tag of AES-256-GCM (NIST SP 800-38D). The service
//! that is stood in for does not read it, and its own ciphertexts are not read here.

use std::sync::Arc;

use keyenclave_crypto::{Direction, rand};
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::token::{Operation, OperationClass};

use super::aes::{aes, direction, doing};
use super::in_one::{InOne, Piece};
use super::mismatch;
use crate::error::Doing;
use crate::keys::Key;

/// In bytes.
const NONCE_LEN: usize = 12;
/// In bytes.
const TAG_LEN: usize = 16;

/// Encrypting or decrypting one message.
pub(super) struct Sealing {
    key: Arc<Key>,
    direction: Direction,
}

impl Sealing {
    /// Starts to encrypt or decrypt.
    ///
    /// # Errors
    /// `CKR_MECHANISM_INVALID` for anything else.
    pub(super) fn begin(class: OperationClass, key: Arc<Key>) -> Result<Box<dyn Operation>> {
        let direction = direction(class)?;
        Ok(InOne::begin(Self { key, direction }))
    }

    fn seal(&self, input: &[u8], out: &mut [u8]) -> Result<usize> {
        let failed = |error| doing(self.direction).failed(error);
        let (nonce, rest) = out.split_at_mut_checked(NONCE_LEN).ok_or_else(mismatch)?;
        let (body, tag) = rest.split_at_mut_checked(input.len()).ok_or_else(mismatch)?;
        rand::fill(nonce).map_err(|error| Doing::Internal.failed(error))?;
        let mut running = aes(&self.key)?.gcm_encrypt(nonce, &[], TAG_LEN).map_err(failed)?;
        running.update(input, body).map_err(failed)?;
        running.finish(tag).map_err(failed)?;
        Ok(NONCE_LEN.saturating_add(input.len()).saturating_add(TAG_LEN))
    }

    fn open(&self, input: &[u8], out: &mut [u8]) -> Result<usize> {
        let failed = |error| doing(self.direction).failed(error);
        let too_short = || Error::from(Rv::EncryptedDataLenRange);
        let (nonce, sealed) = input.split_at_checked(NONCE_LEN).ok_or_else(too_short)?;
        let mut running = aes(&self.key)?.gcm_decrypt(nonce, &[], TAG_LEN).map_err(failed)?;
        running.update(sealed).map_err(failed)?;
        running.finish(out).map_err(failed)
    }
}

impl Piece for Sealing {
    fn output_len(&self, input: usize) -> Result<usize> {
        let more = NONCE_LEN + TAG_LEN;
        let len = match self.direction {
            Direction::Encrypt => input.checked_add(more).ok_or(Rv::DataLenRange),
            Direction::Decrypt => input.checked_sub(more).ok_or(Rv::EncryptedDataLenRange),
        };
        Ok(len?)
    }

    fn run(&self, input: &[u8], out: &mut [u8]) -> Result<usize> {
        match self.direction {
            Direction::Encrypt => self.seal(input, out),
            Direction::Decrypt => self.open(input, out),
        }
    }
}
