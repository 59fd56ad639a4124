// SPDX-License-Identifier: MIT
//! AES and triple DES block by block: ECB, and CBC with and without padding (PKCS#11 3.2, AES; Double and Triple-length
//! DES).

use keyenclave_crypto::{
    AES_BLOCK_LEN, BlockCipher, BlockMode, DES_BLOCK_LEN, Des3Key, Direction, Padding, padded_len,
};
use keyenclave_model::error::{Result, Rv};
use keyenclave_model::mechanism::{Algorithm, Mechanism, Params};
use keyenclave_model::token::{CallCx, End, Operation, OperationClass, OutputLen, Part, Step};
use zeroize::Zeroize;

use super::aes::{aes, direction, doing};
use super::{mismatch, output, ready, written};
use crate::keys::Key;

/// Encrypting or decrypting in ECB or CBC mode.
pub(super) struct Blocks {
    cipher: BlockCipher,
    direction: Direction,
    padding: Padding,
    /// In bytes.
    block_len: usize,
}

impl Blocks {
    /// Starts to encrypt or decrypt.
    ///
    /// # Errors
    /// `CKR_MECHANISM_PARAM_INVALID` for an initialisation vector that is not one block.
    pub(super) fn begin(
        class: OperationClass,
        mechanism: &Mechanism,
        key: &Key,
    ) -> Result<Box<dyn Operation>> {
        let padding = match mechanism.algorithm() {
            Algorithm::AesCbc { padded: true } | Algorithm::Des3Cbc { padded: true } => Padding::Pkcs7,
            _ => Padding::None,
        };
        let direction = direction(class)?;
        let (cipher, block_len) = match mechanism.algorithm() {
            Algorithm::Des3Ecb | Algorithm::Des3Cbc { .. } => {
                let iv = iv(mechanism.params())?;
                (des3(key)?.cipher(iv, direction, padding), DES_BLOCK_LEN)
            }
            _ => {
                let mode = iv(mechanism.params())?.map_or(BlockMode::Ecb, |iv| BlockMode::Cbc { iv });
                (aes(key)?.cipher(mode, direction, padding), AES_BLOCK_LEN)
            }
        };
        Ok(Box::new(Self {
            cipher: cipher.map_err(|error| doing(direction).failed(error))?,
            direction,
            padding,
            block_len,
        }))
    }

    fn whole(&mut self, input: &[u8], out: &mut [u8]) -> Result<usize> {
        self.single_len(input.len())?;
        let done = self.cipher.update(input, out).and_then(|front| {
            let rest = out.get_mut(front..).unwrap_or_default();
            Ok(front.saturating_add(self.cipher.finish(rest)?))
        });
        done.map_err(|error| {
            // What was decrypted before the padding turned out to be wrong is nobody's business.
            out.zeroize();
            doing(self.direction).failed(error)
        })
    }

    fn single_len(&self, input_len: usize) -> Result<OutputLen> {
        let whole_blocks = input_len.is_multiple_of(self.block_len);
        match (self.direction, self.padding) {
            (Direction::Encrypt, padding) => padded_len(padding, input_len, self.block_len)
                .map(OutputLen::Exact)
                .ok_or_else(|| Rv::DataLenRange.into()),
            (Direction::Decrypt, _) if !whole_blocks => Err(Rv::EncryptedDataLenRange.into()),
            (Direction::Decrypt, Padding::None) => Ok(OutputLen::Exact(input_len)),
            (Direction::Decrypt, Padding::Pkcs7) if input_len == 0 => Err(Rv::EncryptedDataLenRange.into()),
            (Direction::Decrypt, Padding::Pkcs7) => Ok(OutputLen::AtMost(input_len)),
        }
    }
}

impl Operation for Blocks {
    fn output_len(&self, part: Part) -> Result<OutputLen> {
        match part {
            Part::Single(len) => self.single_len(len),
            Part::Update(len) => Ok(OutputLen::Exact(self.cipher.update_len(len))),
            Part::Finish => Ok(match (self.direction, self.padding) {
                (Direction::Decrypt, Padding::Pkcs7) => OutputLen::AtMost(self.cipher.finish_len()),
                _ => OutputLen::Exact(self.cipher.finish_len()),
            }),
        }
    }

    fn single(mut self: Box<Self>, _cx: &CallCx, input: &[u8], end: End<'_>) -> Step {
        ready(written(output(end).and_then(|out| self.whole(input, out))))
    }

    fn update(&mut self, _cx: &CallCx, input: &[u8], out: &mut [u8]) -> Result<usize> {
        self.cipher
            .update(input, out)
            .map_err(|error| doing(self.direction).failed(error))
    }

    fn finish(mut self: Box<Self>, _cx: &CallCx, end: End<'_>) -> Step {
        let direction = self.direction;
        ready(written(output(end).and_then(|out| {
            self.cipher
                .finish(out)
                .map_err(|error| doing(direction).failed(error))
        })))
    }
}

pub(super) fn des3(key: &Key) -> Result<Des3Key> {
    match key {
        Key::Secret(key) => key.des3(),
        _ => Err(mismatch()),
    }
}

/// The initialisation vector, if the mechanism has one: a block.
fn iv<const BLOCK_LEN: usize>(params: &Params) -> Result<Option<&[u8; BLOCK_LEN]>> {
    match params {
        Params::Bytes(iv) => match iv.as_slice().try_into() {
            Ok(iv) => Ok(Some(iv)),
            Err(_) => Err(Rv::MechanismParamInvalid.into()),
        },
        _ => Ok(None),
    }
}
