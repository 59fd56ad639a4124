// SPDX-License-Identifier: MIT
//! AES in GCM (PKCS#11 3.2, AES-GCM), and what its other modes share.
//!
//! GCM decryption in parts gives nothing out before the tag is checked. A wrong tag is `CKR_ENCRYPTED_DATA_INVALID`;
//! `CKR_AEAD_DECRYPT_FAILED` belongs to the message functions (PKCS#11 3.2, C_DecryptMessage).

mod ccm;
mod code;
mod modes;

pub(super) use ccm::Ccm;
pub(super) use code::Mac;
pub(super) use modes::Modes;

use keyenclave_crypto::{AesGcmDecrypt, AesGcmEncrypt, AesKey, Direction};
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::{Mechanism, Params};
use keyenclave_model::token::{CallCx, End, Operation, OperationClass, OutputLen, Part, Step};

use super::{mismatch, output, ready, written};
use crate::error::Doing;
use crate::keys::Key;

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
