// SPDX-License-Identifier: MIT
//! AES: block by block, in CBC with and without padding, and GCM (PKCS#11 3.2, AES). Triple DES, the first two of these
//! (PKCS#11 3.2, Double and Triple-length DES).
//!
//! GCM decryption in parts gives nothing out before the tag is checked. A wrong tag is `CKR_ENCRYPTED_DATA_INVALID`;
//! `CKR_AEAD_DECRYPT_FAILED` belongs to the message functions (PKCS#11 3.2, C_DecryptMessage).

mod ccm;
mod code;
mod modes;

pub(super) use ccm::Ccm;
pub(super) use code::Mac;
pub(super) use modes::Modes;

use keyenclave_crypto::{
    AES_BLOCK_LEN, AesGcmDecrypt, AesGcmEncrypt, AesKey, BlockCipher, BlockMode, DES_BLOCK_LEN, Des3Key,
    Direction, Padding, padded_len,
};
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::{Algorithm, Mechanism, Params};
use keyenclave_model::token::{CallCx, End, Operation, OperationClass, OutputLen, Part, Step};
use zeroize::Zeroize;

use super::{mismatch, output, ready, written};
use crate::error::Doing;
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

/// Starts to encrypt or decrypt in GCM.
///
/// # Errors
/// `CKR_MECHANISM_PARAM_INVALID`.
pub(super) fn begin_gcm(
    class: OperationClass,
    mechanism: &Mechanism,
    key: &Key,
) -> Result<Box<dyn Operation>> {
    let Params::Gcm(gcm) = mechanism.params() else {
        return Err(Rv::MechanismParamInvalid.into());
    };
    let (key, direction) = (aes(key)?, direction(class)?);
    let failed = |error| doing(direction).failed(error);
    Ok(match direction {
        Direction::Encrypt => Box::new(GcmEncrypt(
            key.gcm_encrypt(&gcm.iv, &gcm.aad, gcm.tag_len).map_err(failed)?,
        )),
        Direction::Decrypt => Box::new(GcmDecrypt {
            running: key.gcm_decrypt(&gcm.iv, &gcm.aad, gcm.tag_len).map_err(failed)?,
            tag_len: gcm.tag_len,
        }),
    })
}

/// Encrypting in GCM.
struct GcmEncrypt(AesGcmEncrypt);

impl Operation for GcmEncrypt {
    fn output_len(&self, part: Part) -> Result<OutputLen> {
        let tag = self.0.finish_len();
        Ok(OutputLen::Exact(match part {
            Part::Single(len) => len.checked_add(tag).ok_or(Rv::DataLenRange)?,
            Part::Update(len) => len,
            Part::Finish => tag,
        }))
    }

    fn single(self: Box<Self>, _cx: &CallCx, input: &[u8], end: End<'_>) -> Step {
        let Self(mut running) = *self;
        let done = output(end).and_then(|out| {
            let (body, tag) = out.split_at_mut_checked(input.len()).ok_or_else(mismatch)?;
            running
                .update(input, body)
                .and_then(|front| Ok(front.saturating_add(running.finish(tag)?)))
                .map_err(|error| Doing::Producing.failed(error))
        });
        ready(written(done))
    }

    fn update(&mut self, _cx: &CallCx, input: &[u8], out: &mut [u8]) -> Result<usize> {
        self.0
            .update(input, out)
            .map_err(|error| Doing::Producing.failed(error))
    }

    fn finish(self: Box<Self>, _cx: &CallCx, end: End<'_>) -> Step {
        ready(written(output(end).and_then(|out| {
            self.0.finish(out).map_err(|error| Doing::Producing.failed(error))
        })))
    }
}

/// Decrypting in GCM.
struct GcmDecrypt {
    running: AesGcmDecrypt,
    tag_len: usize,
}

impl Operation for GcmDecrypt {
    fn output_len(&self, part: Part) -> Result<OutputLen> {
        match part {
            Part::Single(len) => len
                .checked_sub(self.tag_len)
                .map(OutputLen::Exact)
                .ok_or_else(|| Rv::EncryptedDataLenRange.into()),
            Part::Update(_) => Ok(OutputLen::Exact(0)),
            Part::Finish => Ok(OutputLen::Exact(self.running.finish_len())),
        }
    }

    fn single(mut self: Box<Self>, cx: &CallCx, input: &[u8], end: End<'_>) -> Step {
        match self.update(cx, input, &mut []) {
            Ok(_) => self.finish(cx, end),
            Err(error) => error.into(),
        }
    }

    fn update(&mut self, _cx: &CallCx, input: &[u8], _out: &mut [u8]) -> Result<usize> {
        self.running.update(input).map(|()| 0).map_err(|_| {
            Error::new(
                Rv::HostMemory,
                "no memory to hold the ciphertext until its tag is checked",
            )
        })
    }

    fn finish(self: Box<Self>, _cx: &CallCx, end: End<'_>) -> Step {
        ready(written(output(end).and_then(|out| {
            self.running
                .finish(out)
                .map_err(|error| Doing::Decrypting.failed(error))
        })))
    }
}

pub(super) fn aes(key: &Key) -> Result<&AesKey> {
    match key {
        Key::Secret(key) => key.aes(),
        _ => Err(mismatch()),
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

pub(super) fn direction(class: OperationClass) -> Result<Direction> {
    match class {
        OperationClass::Encrypt => Ok(Direction::Encrypt),
        OperationClass::Decrypt => Ok(Direction::Decrypt),
        _ => Err(Rv::MechanismInvalid.into()),
    }
}

pub(super) fn doing(direction: Direction) -> Doing {
    match direction {
        Direction::Encrypt => Doing::Producing,
        Direction::Decrypt => Doing::Decrypting,
    }
}
