// SPDX-License-Identifier: MIT
//! AES in the modes that need no whole blocks: CTR, OFB, CFB, CBC with ciphertext stealing, and XTS (PKCS#11 3.2, AES;
//! AES with Counter; AES CBC with CipherText Stealing CTS; AES XTS).
//!
//! `CKM_AES_CTS` is CBC-CS1, the variant that the specification's reference names first and whose result for whole blocks
//! is that of CBC. Stealing needs the end, so that up to two blocks come out with the last part.

use keyenclave_crypto::{self as crypto, AesStealing, AesStream, AesXtsKey, Direction};
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::{Algorithm, CounterParams, Mechanism, Params, StreamMode};
use keyenclave_model::token::{CallCx, End, Operation, OperationClass, OutputLen, Part, Step};
use zeroize::Zeroize;

use super::{aes, direction, doing};
use crate::keys::Key;
use crate::operation::{mismatch, output, ready, written};

/// Encrypting or decrypting.
pub(crate) struct Modes {
    cipher: Cipher,
    direction: Direction,
}

enum Cipher {
    Stream(AesStream),
    Stealing(AesStealing),
}

impl Modes {
    /// Starts to encrypt or decrypt.
    ///
    /// # Errors
    /// `CKR_MECHANISM_PARAM_INVALID`.
    pub(crate) fn begin(
        class: OperationClass,
        mechanism: &Mechanism,
        key: &Key,
    ) -> Result<Box<dyn Operation>> {
        let direction = direction(class)?;
        let begun = match (mechanism.algorithm(), mechanism.params()) {
            (Algorithm::AesStream(StreamMode::Ctr), Params::Counter(CounterParams { bits, block })) => {
                let counter_bits = u32::try_from(*bits).unwrap_or_default();
                let mode = crypto::StreamMode::Ctr { counter_bits };
                aes(key)?.stream(mode, block, direction).map(Cipher::Stream)
            }
            (Algorithm::AesStream(mode), Params::Bytes(iv)) => {
                let mode = match mode {
                    StreamMode::Cfb8 => crypto::StreamMode::Cfb8,
                    StreamMode::Cfb128 => crypto::StreamMode::Cfb128,
                    StreamMode::Ofb | StreamMode::Ctr => crypto::StreamMode::Ofb,
                };
                let iv = block(iv)?;
                aes(key)?.stream(mode, iv, direction).map(Cipher::Stream)
            }
            (Algorithm::AesCts, Params::Bytes(iv)) => {
                let iv = block(iv)?;
                aes(key)?.cbc_stealing(iv, direction).map(Cipher::Stealing)
            }
            (Algorithm::AesXts, Params::Bytes(number)) => {
                let number = block(number)?;
                xts(key)?.data_unit(number, direction).map(Cipher::Stealing)
            }
            _ => return Err(Rv::MechanismParamInvalid.into()),
        };
        let cipher = begun.map_err(|error| doing(direction).failed(error))?;
        Ok(Box::new(Self { cipher, direction }))
    }

    fn update(&mut self, input: &[u8], out: &mut [u8]) -> crypto::Result<usize> {
        match &mut self.cipher {
            Cipher::Stream(cipher) => cipher.update(input, out),
            Cipher::Stealing(cipher) => cipher.update(input, out),
        }
    }

    fn finish(&mut self, out: &mut [u8]) -> crypto::Result<usize> {
        match &mut self.cipher {
            Cipher::Stream(_) => Ok(0),
            Cipher::Stealing(cipher) => cipher.finish(out),
        }
    }

    fn whole(&mut self, input: &[u8], out: &mut [u8]) -> crypto::Result<usize> {
        let front = self.update(input, out)?;
        let rest = out.get_mut(front..).unwrap_or_default();
        Ok(front.saturating_add(self.finish(rest)?))
    }
}

impl Operation for Modes {
    fn output_len(&self, part: Part) -> Result<OutputLen> {
        Ok(OutputLen::Exact(match (part, &self.cipher) {
            (Part::Single(len), _) | (Part::Update(len), Cipher::Stream(_)) => len,
            (Part::Update(len), Cipher::Stealing(cipher)) => cipher.update_len(len),
            (Part::Finish, Cipher::Stream(_)) => 0,
            (Part::Finish, Cipher::Stealing(cipher)) => cipher.finish_len(),
        }))
    }

    fn single(mut self: Box<Self>, _cx: &CallCx, input: &[u8], end: End<'_>) -> Step {
        let done = output(end).and_then(|out| {
            self.whole(input, out).map_err(|error| {
                out.zeroize();
                doing(self.direction).failed(error)
            })
        });
        ready(written(done))
    }

    fn update(&mut self, _cx: &CallCx, input: &[u8], out: &mut [u8]) -> Result<usize> {
        Self::update(self, input, out).map_err(|error| doing(self.direction).failed(error))
    }

    fn finish(mut self: Box<Self>, _cx: &CallCx, end: End<'_>) -> Step {
        ready(written(output(end).and_then(|out| {
            Self::finish(&mut self, out).map_err(|error| doing(self.direction).failed(error))
        })))
    }
}

fn block(bytes: &[u8]) -> Result<&[u8; crypto::AES_BLOCK_LEN]> {
    bytes
        .try_into()
        .map_err(|_| Error::from(Rv::MechanismParamInvalid))
}

fn xts(key: &Key) -> Result<&AesXtsKey> {
    match key {
        Key::Secret(key) => key.xts(),
        _ => Err(mismatch()),
    }
}
