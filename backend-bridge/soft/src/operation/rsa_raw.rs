// SPDX-License-Identifier: MIT
//! RSA without padding, always in one part (PKCS#11 3.2, X.509 (raw) RSA). Shorter data get zeros in front.

use std::sync::Arc;

use keyenclave_crypto::{self as crypto, ct_eq};
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::token::{CallCx, End, Operation, OperationClass, Out, OutputLen, Part, Step};
use zeroize::Zeroizing;

use super::{mismatch, output, ready, written};
use crate::error::Doing;
use crate::keys::Key;

/// Any operation with one key: its halves do the same thing with another exponent.
pub(super) struct Raw {
    class: OperationClass,
    key: Arc<Key>,
}

impl Raw {
    /// Starts an operation.
    pub(super) fn new(class: OperationClass, key: Arc<Key>) -> Self {
        Self { class, key }
    }

    fn raise(&self, number: &[u8], out: &mut [u8]) -> Result<usize> {
        let raised = match &*self.key {
            Key::RsaPrivate(key) => key.raise(number, out),
            Key::RsaPublic(key) => key.raise(number, out),
            _ => return Err(mismatch()),
        };
        raised.map_err(|error| self.failed(error))
    }

    /// A number that is not below the modulus is told by what it is.
    fn failed(&self, error: crypto::Error) -> Error {
        let (rv, doing) = match self.class {
            OperationClass::Decrypt => (Rv::EncryptedDataInvalid, Doing::Decrypting),
            OperationClass::Verify | OperationClass::VerifyRecover => {
                (Rv::SignatureInvalid, Doing::Verifying)
            }
            _ => (Rv::DataInvalid, Doing::Producing),
        };
        match error {
            crypto::Error::InvalidInput => rv.into(),
            error => doing.failed(error),
        }
    }

    /// What comes with a length of its own has the modulus's.
    fn check_len(&self, input: &[u8]) -> Result<()> {
        let is_made = matches!(
            self.class,
            OperationClass::Decrypt | OperationClass::Verify | OperationClass::VerifyRecover
        );
        if is_made && input.len() != self.modulus_len()? {
            return Err(self.failed(crypto::Error::InputLength));
        }
        Ok(())
    }

    fn modulus_len(&self) -> Result<usize> {
        match &*self.key {
            Key::RsaPrivate(key) => Ok(key.modulus_len()),
            Key::RsaPublic(key) => Ok(key.modulus_len()),
            _ => Err(mismatch()),
        }
    }

    fn transform(&self, input: &[u8], out: &mut [u8]) -> Result<Out> {
        self.check_len(input)?;
        written(self.raise(input, out))
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<Out> {
        let len = self.modulus_len()?;
        let zeros = len.checked_sub(data.len()).ok_or(Rv::DataLenRange)?;
        self.check_len(signature)?;
        let mut recovered = Zeroizing::new(vec![0; len]);
        self.raise(signature, &mut recovered)?;
        let (front, back) = recovered.split_at(zeros.min(len));
        if front.iter().all(|byte| *byte == 0) && ct_eq(back, data) {
            Ok(Out::Done)
        } else {
            Err(Rv::SignatureInvalid.into())
        }
    }
}

impl Operation for Raw {
    fn output_len(&self, part: Part) -> Result<OutputLen> {
        match part {
            Part::Single(_) => self.modulus_len().map(OutputLen::Exact),
            Part::Update(_) | Part::Finish => Err(Rv::FunctionNotSupported.into()),
        }
    }

    fn single(self: Box<Self>, _cx: &CallCx, input: &[u8], end: End<'_>) -> Step {
        ready(match end {
            End::Signature(signature) => self.verify(input, signature),
            end => output(end).and_then(|out| self.transform(input, out)),
        })
    }

    fn update(&mut self, _cx: &CallCx, _input: &[u8], _out: &mut [u8]) -> Result<usize> {
        Err(Rv::FunctionNotSupported.into())
    }

    fn finish(self: Box<Self>, _cx: &CallCx, _end: End<'_>) -> Step {
        Error::from(Rv::FunctionNotSupported).into()
    }
}
