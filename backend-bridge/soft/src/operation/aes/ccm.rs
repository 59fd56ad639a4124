// SPDX-License-Identifier: MIT
//! AES in CCM (PKCS#11 3.2, AES-CCM). The mode takes a message in one piece, so that one in parts comes out at its end; of
//! decryption nothing may come out before in any case.

use std::sync::Arc;

use keyenclave_crypto::Direction;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::{CcmParams, Mechanism, Params};
use keyenclave_model::token::{Operation, OperationClass};

use super::{aes, direction, doing};
use crate::keys::Key;
use crate::operation::in_one::{InOne, Piece};

/// Encrypting or decrypting.
pub(crate) struct Ccm {
    key: Arc<Key>,
    direction: Direction,
    params: CcmParams,
}

impl Ccm {
    /// Starts to encrypt or decrypt.
    ///
    /// # Errors
    /// `CKR_MECHANISM_PARAM_INVALID`, also for a message that is longer than the nonce allows.
    pub(crate) fn begin(
        class: OperationClass,
        mechanism: &Mechanism,
        key: Arc<Key>,
    ) -> Result<Box<dyn Operation>> {
        let Params::Ccm(params) = mechanism.params() else {
            return Err(Rv::MechanismParamInvalid.into());
        };
        if params.data_len > keyenclave_crypto::ccm_most(params.nonce.len()) {
            return Err(Rv::MechanismParamInvalid.into());
        }
        Ok(InOne::begin(Self {
            key,
            direction: direction(class)?,
            params: params.clone(),
        }))
    }

    /// How long input and output are, in bytes.
    fn lens(&self) -> (usize, usize) {
        let plain = self.params.data_len;
        let sealed = plain.saturating_add(self.params.tag_len);
        match self.direction {
            Direction::Encrypt => (plain, sealed),
            Direction::Decrypt => (sealed, plain),
        }
    }

    fn check_len(&self, fits: impl FnOnce(usize) -> bool) -> Result<()> {
        let (input, _) = self.lens();
        if fits(input) {
            return Ok(());
        }
        let rv = match self.direction {
            Direction::Encrypt => Rv::DataLenRange,
            Direction::Decrypt => Rv::EncryptedDataLenRange,
        };
        Err(Error::new(rv, "ulDataLen of the parameter says another length"))
    }
}

impl Piece for Ccm {
    fn output_len(&self, input: usize) -> Result<usize> {
        self.check_len(|wanted| wanted == input)?;
        let (_, output) = self.lens();
        Ok(output)
    }

    fn check_part(&self, so_far: usize) -> Result<()> {
        self.check_len(|len| so_far <= len)
    }

    fn run(&self, input: &[u8], out: &mut [u8]) -> Result<usize> {
        self.check_len(|len| len == input.len())?;
        let (
            key,
            CcmParams {
                nonce, aad, tag_len, ..
            },
        ) = (aes(&self.key)?, &self.params);
        match self.direction {
            Direction::Encrypt => key.ccm_seal(nonce, aad, *tag_len, input, out),
            Direction::Decrypt => key.ccm_open(nonce, aad, *tag_len, input, out),
        }
        .map_err(|error| doing(self.direction).failed(error))
    }
}
