// SPDX-License-Identifier: MIT
//! AES key wrap as encryption and decryption, in one part (PKCS#11 3.2, AES Key Wrap).

use keyenclave_crypto::KeyWrap;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::{Mechanism, Params, WrapForm};
use keyenclave_model::token::{CallCx, End, Operation, OperationClass, OutputLen, Part, Step};
use std::sync::Arc;

use super::{mismatch, output, ready, written};
use crate::error::Doing;
use crate::keys::{Key, SecretKey};

/// See the module.
pub(super) struct Wrapping {
    key: Arc<Key>,
    how: KeyWrap,
    encrypts: bool,
}

impl Wrapping {
    /// Starts to encrypt or decrypt.
    ///
    /// # Errors
    /// `CKR_MECHANISM_PARAM_INVALID` for an initial value of another length.
    pub(super) fn begin(
        class: OperationClass,
        form: WrapForm,
        mechanism: &Mechanism,
        key: Arc<Key>,
    ) -> Result<Box<dyn Operation>> {
        let invalid = || Error::from(Rv::MechanismParamInvalid);
        let given = match mechanism.params() {
            Params::Bytes(iv) => Some(iv.as_slice()),
            _ => None,
        };
        let long = || given.map(|iv| iv.try_into().map_err(|_| invalid())).transpose();
        let how = match form {
            WrapForm::Kw => KeyWrap::Kw(long()?),
            WrapForm::Pkcs7 => KeyWrap::Pkcs7(long()?),
            WrapForm::Kwp => KeyWrap::Kwp(given.map(|iv| iv.try_into().map_err(|_| invalid())).transpose()?),
        };
        Ok(Box::new(Self {
            key,
            how,
            encrypts: class == OperationClass::Encrypt,
        }))
    }

    fn secret(&self) -> Result<&SecretKey> {
        match &*self.key {
            Key::Secret(key) => Ok(key),
            _ => Err(mismatch()),
        }
    }
}

impl Operation for Wrapping {
    fn output_len(&self, part: Part) -> Result<OutputLen> {
        let Part::Single(len) = part else {
            return Err(Rv::FunctionNotSupported.into());
        };
        if self.encrypts {
            let len = self.how.wrapped_len(len).ok_or(Rv::DataLenRange)?;
            return Ok(OutputLen::Exact(len));
        }
        let len = len.checked_sub(8).ok_or(Rv::EncryptedDataLenRange)?;
        Ok(match self.how {
            KeyWrap::Kw(_) => OutputLen::Exact(len),
            KeyWrap::Kwp(_) | KeyWrap::Pkcs7(_) => OutputLen::AtMost(len),
        })
    }

    fn single(self: Box<Self>, _cx: &CallCx, input: &[u8], end: End<'_>) -> Step {
        let done = output(end).and_then(|out| {
            let key = self.secret()?.aes()?;
            if self.encrypts {
                let done = key.wrap(self.how, input, out);
                done.map_err(|error| Doing::Producing.failed(error))
            } else {
                let done = key.unwrap(self.how, input, out);
                done.map_err(|error| Doing::Decrypting.failed(error))
            }
        });
        ready(written(done))
    }

    fn update(&mut self, _cx: &CallCx, _input: &[u8], _out: &mut [u8]) -> Result<usize> {
        Err(Rv::FunctionNotSupported.into())
    }

    fn finish(self: Box<Self>, _cx: &CallCx, _end: End<'_>) -> Step {
        Error::from(Rv::FunctionNotSupported).into()
    }
}
