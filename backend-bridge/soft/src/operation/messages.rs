// SPDX-License-Identifier: MIT
//! AES-GCM, AES-CCM and ChaCha20-Poly1305 for messages: many of them with one key, each with a nonce and a tag of its own,
//! which may be the token's to make (PKCS#11 3.2, AES-GCM, MessageEncrypt and MessageDecrypt).
//!
//! Of a message that is decrypted in parts nothing comes out before its tag has been checked with the last one.

use std::sync::Arc;

use keyenclave_crypto::{self as crypto, AesGcmEncrypt, Direction};
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::gathered::Gathered;
use keyenclave_model::mechanism::{AeadParams, Algorithm, Mechanism, ParamShape, Tag};
use keyenclave_model::token::{
    CallCx, Message, MessageEnd, MessageStep, Messages, OperationClass, Processed,
};
use zeroize::Zeroize;

use super::aes::{aes, direction, doing};
use super::chacha::chacha;
use super::mismatch;
use super::nonces::Nonces;
use crate::error::Doing;
use crate::keys::Key;

/// Encrypting or decrypting messages.
pub(crate) struct AeadMessages {
    key: Arc<Key>,
    shape: ParamShape,
    direction: Direction,
    nonces: Nonces,
    running: Option<Running>,
}

/// A message that has begun.
struct Running {
    nonce: Vec<u8>,
    aad: Vec<u8>,
    tag_len: usize,
    /// How long the data is, where the parameter said it.
    data_len: Option<usize>,
    data: Data,
}

enum Data {
    /// Comes out as it goes in.
    Streamed(AesGcmEncrypt),
    /// Comes out at the end.
    Held(Gathered),
}

impl AeadMessages {
    /// Starts to encrypt or decrypt messages.
    ///
    /// # Errors
    /// `CKR_MECHANISM_INVALID`.
    pub(crate) fn begin(
        class: OperationClass,
        mechanism: &Mechanism,
        key: Arc<Key>,
    ) -> Result<Box<dyn Messages>> {
        let shape = match mechanism.algorithm() {
            Algorithm::AesGcm => ParamShape::Gcm,
            Algorithm::AesCcm => ParamShape::Ccm,
            Algorithm::ChaChaPoly => ParamShape::ChaChaPoly,
            _ => return Err(Rv::MechanismInvalid.into()),
        };
        Ok(Box::new(Self {
            key,
            shape,
            direction: direction(class)?,
            nonces: Nonces::default(),
            running: None,
        }))
    }

    /// A message in one piece.
    fn whole(&mut self, params: &mut AeadParams, message: Message<'_>) -> Result<Processed> {
        let (input, aad) = (message.input, message.associated);
        self.check_len(params.data_len, input.len())?;
        let Some(out) = room(message.end, input.len()) else {
            return Ok(Processed::Needs(input.len()));
        };
        let mut tag = self.tag_of(params)?;
        let nonce = self.nonce(params)?;
        let (shape, direction) = (self.shape, self.direction);
        process(&self.key, (shape, direction), (&nonce, aad), &mut tag, input, out)?;
        self.answer(params, Some(nonce), Some(tag));
        Ok(Processed::Written(input.len()))
    }

    fn start(&mut self, params: &mut AeadParams, aad: &[u8]) -> Result<Processed> {
        if let Some(len) = params.data_len
            && len > crypto::ccm_most(params.nonce.len())
        {
            return Err(Rv::MechanismParamInvalid.into());
        }
        let nonce = self.nonce(params)?;
        let data = match (self.shape, self.direction) {
            (ParamShape::Gcm, Direction::Encrypt) => {
                let running = aes(&self.key)?.gcm_encrypt(&nonce, aad, params.tag_len);
                Data::Streamed(running.map_err(|error| Doing::Producing.failed(error))?)
            }
            _ => Data::Held(Gathered::default()),
        };
        self.running = Some(Running {
            nonce: nonce.clone(),
            aad: aad.to_vec(),
            tag_len: params.tag_len,
            data_len: params.data_len,
            data,
        });
        self.answer(params, Some(nonce), None);
        Ok(Processed::Written(0))
    }

    fn next(&mut self, params: &mut AeadParams, message: Message<'_>, last: bool) -> Result<Processed> {
        let input = message.input;
        let running = self.running.as_ref().ok_or_else(mismatch)?;
        if running.tag_len != params.tag_len {
            return Err(Rv::MechanismParamInvalid.into());
        }
        let held = match &running.data {
            Data::Streamed(_) => 0,
            Data::Held(held) => held.len(),
        };
        let total = held.saturating_add(input.len());
        self.check_part(running.data_len, total, last)?;
        let len = match (&running.data, last) {
            (Data::Streamed(_), _) | (Data::Held(_), true) => total,
            (Data::Held(_), false) => 0,
        };
        let Some(out) = room(message.end, len) else {
            return Ok(Processed::Needs(len));
        };
        let mut tag = if last { self.tag_of(params)? } else { Vec::new() };
        let (shape, direction) = (self.shape, self.direction);
        let mut running = self.running.take().ok_or_else(mismatch)?;
        match &mut running.data {
            Data::Streamed(cipher) => {
                let done = cipher.update(input, out);
                done.map_err(|error| Doing::Producing.failed(error))?;
            }
            Data::Held(held) => {
                held.extend(input)?;
                if last {
                    let with = (&running.nonce[..], &running.aad[..]);
                    process(&self.key, (shape, direction), with, &mut tag, held, out)?;
                }
            }
        }
        match (running.data, last) {
            (Data::Streamed(cipher), true) => {
                let done = cipher.finish(&mut tag);
                done.map_err(|error| Doing::Producing.failed(error))?;
            }
            (Data::Held(_), true) => {}
            (data, false) => self.running = Some(Running { data, ..running }),
        }
        if last {
            self.answer(params, None, Some(tag));
        }
        Ok(Processed::Written(len))
    }

    /// The nonce of a message: the application's, or one that is made.
    fn nonce(&mut self, params: &AeadParams) -> Result<Vec<u8>> {
        match self.direction {
            Direction::Encrypt => self.nonces.next(params),
            Direction::Decrypt => Ok(params.nonce.clone()),
        }
    }

    /// The tag that stands in the application's memory, or room for one that goes there. It is wanted with the end of
    /// the message.
    fn tag_of(&self, params: &AeadParams) -> Result<Vec<u8>> {
        match (&params.tag, self.direction) {
            (Tag::Apart(_), Direction::Encrypt) => Ok(vec![0; params.tag_len]),
            (Tag::Apart(tag), Direction::Decrypt) if tag.len() == params.tag_len => Ok(tag.clone()),
            _ => Err(Error::new(
                Rv::MechanismParamInvalid,
                "the parameter of the message has no place for the tag",
            )),
        }
    }

    /// What the application gets to know of an encryption.
    fn answer(&self, params: &mut AeadParams, nonce: Option<Vec<u8>>, tag: Option<Vec<u8>>) {
        if self.direction == Direction::Decrypt {
            return;
        }
        if let Some(nonce) = nonce {
            params.nonce = nonce;
        }
        if let Some(tag) = tag {
            params.tag = Tag::Apart(tag);
        }
    }

    /// Whether data has the length that the parameter says.
    fn check_len(&self, said: Option<usize>, len: usize) -> Result<()> {
        self.check_part(said, len, true)
    }

    fn check_part(&self, said: Option<usize>, len: usize, last: bool) -> Result<()> {
        match said {
            Some(said) if len > said || (last && len < said) => {
                let rv = match self.direction {
                    Direction::Encrypt => Rv::DataLenRange,
                    Direction::Decrypt => Rv::EncryptedDataLenRange,
                };
                Err(Error::new(
                    rv,
                    "ulDataLen of the message's parameter says another length",
                ))
            }
            _ => Ok(()),
        }
    }
}

impl Messages for AeadMessages {
    fn shape(&self) -> Option<ParamShape> {
        Some(self.shape)
    }

    fn process(&mut self, _cx: &CallCx, mut message: Message<'_>) -> Result<Processed> {
        let params = message.read.take().ok_or_else(mismatch)?;
        let done = if params.fits(self.shape) {
            match message.step {
                MessageStep::Whole => self.whole(params, message),
                MessageStep::Begin => self.start(params, message.associated),
                MessageStep::Next { last } => self.next(params, message, last),
            }
        } else {
            Err(Rv::MechanismParamInvalid.into())
        };
        if done.is_err() {
            self.running = None;
        }
        done
    }

    fn finish(self: Box<Self>, _cx: &CallCx) -> Result<()> {
        Ok(())
    }
}

/// Encrypts, which makes the tag, or decrypts if the tag is right.
fn process(
    key: &Key,
    (shape, direction): (ParamShape, Direction),
    (nonce, aad): (&[u8], &[u8]),
    tag: &mut [u8],
    input: &[u8],
    out: &mut [u8],
) -> Result<()> {
    let done = match (shape, direction) {
        (ParamShape::Gcm, Direction::Encrypt) => {
            aes(key)?
                .gcm_encrypt(nonce, aad, tag.len())
                .and_then(|mut cipher| {
                    cipher.update(input, out)?;
                    cipher.finish(tag).map(drop)
                })
        }
        (ParamShape::Gcm, Direction::Decrypt) => aes(key)?.gcm_open_apart(nonce, aad, tag, input, out),
        (ParamShape::ChaChaPoly, Direction::Encrypt) => {
            let place = tag.first_chunk_mut().ok_or_else(mismatch)?;
            chacha(key)?
                .seal(nonce, aad, input, out)
                .map(|made| *place = made)
        }
        (ParamShape::ChaChaPoly, Direction::Decrypt) => {
            let tag = tag.first_chunk().ok_or_else(mismatch)?;
            chacha(key)?.open(nonce, aad, input, tag, out).map(drop)
        }
        (_, Direction::Encrypt) => aes(key)?.ccm_seal_apart(nonce, aad, tag, input, out),
        (_, Direction::Decrypt) => aes(key)?.ccm_open_apart(nonce, aad, tag, input, out),
    };
    done.map_err(|error| {
        out.zeroize();
        match error {
            crypto::Error::Decryption => Rv::AeadDecryptFailed.into(),
            _ => doing(direction).failed(error),
        }
    })
}

/// The application's memory, if it is enough.
fn room(end: MessageEnd<'_>, len: usize) -> Option<&mut [u8]> {
    match end {
        MessageEnd::Output(out) => out.get_mut(..len),
        MessageEnd::Nothing | MessageEnd::Query | MessageEnd::Signature(_) => None,
    }
}
