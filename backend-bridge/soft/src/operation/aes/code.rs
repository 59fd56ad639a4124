// SPDX-License-Identifier: MIT
//! Authentication codes of AES, and of triple DES the first: CMAC, whole or cut to the length that the parameter gives,
//! and GMAC (PKCS#11 3.2, AES CMAC and AES-GMAC). Codes are compared in constant time.

use keyenclave_crypto::{self as crypto, AES_BLOCK_LEN, AesGmac, Cmac, DES_BLOCK_LEN};
use keyenclave_model::error::{Result, Rv};
use keyenclave_model::mechanism::{Algorithm, Mechanism, Params};
use keyenclave_model::token::{CallCx, End, Operation, OutputLen, Part, Step};

use super::aes;
use crate::error::Doing;
use crate::keys::Key;
use crate::operation::blocks::des3;
use crate::operation::{code, ready, signature_len};

/// Signing or verifying.
pub(crate) struct Mac {
    running: Running,
    /// Of the code, in bytes.
    len: usize,
}

enum Running {
    Cmac(Cmac),
    Gmac(AesGmac),
}

impl Mac {
    /// Starts to sign or verify.
    ///
    /// # Errors
    /// `CKR_MECHANISM_PARAM_INVALID`.
    pub(crate) fn begin(mechanism: &Mechanism, key: &Key) -> Result<Box<dyn Operation>> {
        let (running, len) = match (mechanism.algorithm(), mechanism.params()) {
            (Algorithm::Des3Cmac, _) => (des3(key)?.cmac().map(Running::Cmac), DES_BLOCK_LEN),
            (Algorithm::AesCmac { .. }, Params::Length(len)) => (aes(key)?.cmac().map(Running::Cmac), *len),
            (Algorithm::AesCmac { .. }, _) => (aes(key)?.cmac().map(Running::Cmac), AES_BLOCK_LEN),
            (_, Params::Gcm(gcm)) => {
                let running = aes(key)?.gmac(&gcm.iv, gcm.tag_len);
                (running.map(Running::Gmac), gcm.tag_len)
            }
            _ => return Err(Rv::MechanismParamInvalid.into()),
        };
        let running = running.map_err(|error| Doing::Producing.failed(error))?;
        Ok(Box::new(Self { running, len }))
    }

    fn absorb(&mut self, input: &[u8]) -> crypto::Result<()> {
        match &mut self.running {
            Running::Cmac(running) => running.update(input),
            Running::Gmac(running) => running.update(input),
        }
    }
}

impl Operation for Mac {
    fn output_len(&self, part: Part) -> Result<OutputLen> {
        Ok(signature_len(part, self.len))
    }

    fn single(mut self: Box<Self>, cx: &CallCx, input: &[u8], end: End<'_>) -> Step {
        match self.update(cx, input, &mut []) {
            Ok(_) => self.finish(cx, end),
            Err(error) => error.into(),
        }
    }

    fn update(&mut self, _cx: &CallCx, input: &[u8], _out: &mut [u8]) -> Result<usize> {
        let done = self.absorb(input).map(|()| 0);
        done.map_err(|error| Doing::Producing.failed(error))
    }

    fn finish(self: Box<Self>, _cx: &CallCx, end: End<'_>) -> Step {
        let Self { running, len } = *self;
        let made = match running {
            Running::Cmac(running) => running.finish(),
            Running::Gmac(running) => running.finish(),
        };
        let made = made.map_err(|error| Doing::Internal.failed(error));
        ready(made.and_then(|made| code(&made, len, end)))
    }
}
