// SPDX-License-Identifier: MIT
//! RSA: PKCS #1 v1.5 and PSS signatures, PKCS #1 v1.5 and OAEP encryption (PKCS#11 3.2, RSA mechanisms).

use std::sync::Arc;

use keyenclave_crypto::{self as crypto, RsaPrivateKey, RsaPublicKey};
use keyenclave_model::algorithm::Hash;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::{Mechanism, OaepParams, Params, PssParams};
use keyenclave_model::token::{CallCx, End, Operation, OutputLen, Part, Step};

use super::{Message, mismatch, output, ready, sign_or_verify, signature_len, written};
use crate::error::Doing;
use crate::keys::Key;

/// What `EMSA-PSS` and `EME-OAEP` take beside hashes, in bytes (RFC 8017, sections 9.1.1 and 7.1.1).
const OVERHEAD: usize = 2;

/// Signing or verifying.
pub(super) struct Signing {
    key: Arc<Key>,
    padding: Padding,
    message: Message,
}

#[derive(Clone, Copy)]
enum Padding {
    /// The application gives the whole block.
    Block,
    /// PKCS #1 v1.5 over a digest.
    Pkcs1(Hash),
    Pss(PssParams),
}

impl Signing {
    /// Starts to sign or verify.
    ///
    /// # Errors
    /// `CKR_KEY_SIZE_RANGE` if the mechanism's hash does not fit into the modulus, `CKR_MECHANISM_PARAM_INVALID` if a PSS
    /// salt does not.
    pub(super) fn begin(mechanism: &Mechanism, key: Arc<Key>) -> Result<Box<dyn Operation>> {
        let hash = mechanism.algorithm().hash();
        if u64::from(bits(&key)?) < mechanism.algorithm().least_rsa_bits() {
            return Err(Rv::KeySizeRange.into());
        }
        let padding = match (mechanism.params(), hash) {
            (Params::Pss(pss), _) => Padding::Pss(*pss),
            (_, Some(hash)) => Padding::Pkcs1(hash),
            (_, None) => Padding::Block,
        };
        if let Padding::Pss(pss) = padding {
            check_salt(&pss, bits(&key)?)?;
        }
        let message = Message::new(hash);
        Ok(Box::new(Self {
            key,
            padding,
            message,
        }))
    }
}

impl Padding {
    fn sign(self, key: &RsaPrivateKey, signed: &[u8], out: &mut [u8]) -> crypto::Result<usize> {
        match self {
            Self::Block => key.sign_pkcs1_raw(signed, out),
            Self::Pkcs1(hash) => key.sign_pkcs1(hash, signed, out),
            Self::Pss(pss) => key.sign_pss(pss.hash, pss.mgf, pss.salt_len, signed, out),
        }
    }

    fn verify(self, key: &RsaPublicKey, signed: &[u8], signature: &[u8]) -> crypto::Result<()> {
        match self {
            Self::Block => key.verify_pkcs1_raw(signed, signature),
            Self::Pkcs1(hash) => key.verify_pkcs1(hash, signed, signature),
            Self::Pss(pss) => key.verify_pss(pss.hash, pss.mgf, pss.salt_len, signed, signature),
        }
    }

    fn end(self, key: &Key, signed: &[u8], end: End<'_>) -> Result<keyenclave_model::token::Out> {
        self.check_signed(key, signed)?;
        match (key, end) {
            (Key::RsaPrivate(key), end @ End::Output(_)) => {
                sign_or_verify(end, |out| self.sign(key, signed, out), |_| Ok(()))
            }
            (Key::RsaPublic(key), end @ End::Signature(_)) => {
                sign_or_verify(end, |_| Ok(0), |signature| self.verify(key, signed, signature))
            }
            _ => Err(mismatch()),
        }
    }

    /// What the application gives to be signed must have a length that can be.
    fn check_signed(self, key: &Key, signed: &[u8]) -> Result<()> {
        let fits = match self {
            Self::Block => signed.len() <= modulus_len(key)?.saturating_sub(PKCS1_OVERHEAD),
            Self::Pkcs1(_) => true,
            Self::Pss(pss) => signed.len() == pss.hash.output_len(),
        };
        if fits {
            Ok(())
        } else {
            Err(Rv::DataLenRange.into())
        }
    }
}

/// What the padding of PKCS #1 v1.5 takes at least, in bytes (RFC 8017, sections 7.2.1 and 9.2).
const PKCS1_OVERHEAD: usize = 11;

impl Operation for Signing {
    fn output_len(&self, part: Part) -> Result<OutputLen> {
        Ok(signature_len(part, modulus_len(&self.key)?))
    }

    fn single(self: Box<Self>, _cx: &CallCx, input: &[u8], end: End<'_>) -> Step {
        ready(
            self.message
                .single(input, |signed| self.padding.end(&self.key, signed, end)),
        )
    }

    fn update(&mut self, _cx: &CallCx, input: &[u8], _out: &mut [u8]) -> Result<usize> {
        self.message.update(input).map(|()| 0)
    }

    fn finish(mut self: Box<Self>, _cx: &CallCx, end: End<'_>) -> Step {
        let Self {
            key,
            padding,
            message,
        } = &mut *self;
        ready(message.finish(|signed| padding.end(key, signed, end)))
    }
}

/// Taking the signed block out of a PKCS #1 v1.5 signature (`C_VerifyRecover`), which is always done in one part.
pub(super) struct Recovering(Arc<Key>);

impl Recovering {
    /// Starts to recover.
    pub(super) fn new(key: Arc<Key>) -> Self {
        Self(key)
    }
}

impl Operation for Recovering {
    fn output_len(&self, part: Part) -> Result<OutputLen> {
        match part {
            Part::Single(_) => Ok(OutputLen::AtMost(modulus_len(&self.0)?)),
            Part::Update(_) | Part::Finish => Err(Rv::FunctionNotSupported.into()),
        }
    }

    fn single(self: Box<Self>, _cx: &CallCx, signature: &[u8], end: End<'_>) -> Step {
        let done = output(end).and_then(|out| match &*self.0 {
            Key::RsaPublic(key) => key
                .recover_pkcs1(signature, out)
                .map_err(|error| Doing::Verifying.failed(error)),
            _ => Err(mismatch()),
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

/// Encrypting or decrypting, which is always done in one part.
pub(super) struct Crypt {
    key: Arc<Key>,
    /// `None` is PKCS #1 v1.5.
    oaep: Option<OaepParams>,
}

impl Crypt {
    /// Starts to encrypt or decrypt.
    ///
    /// # Errors
    /// `CKR_KEY_SIZE_RANGE` if the modulus has no room for OAEP's two hashes.
    pub(super) fn begin(mechanism: &Mechanism, key: Arc<Key>) -> Result<Box<dyn Operation>> {
        let oaep = match mechanism.params() {
            Params::Oaep(oaep) => Some(oaep.clone()),
            _ => None,
        };
        if let Some(oaep) = &oaep {
            let needed = oaep.hash.output_len().saturating_mul(2).saturating_add(OVERHEAD);
            if modulus_len(&key)? < needed {
                return Err(Rv::KeySizeRange.into());
            }
        }
        Ok(Box::new(Self { key, oaep }))
    }

    fn encrypt(&self, key: &RsaPublicKey, input: &[u8], out: &mut [u8]) -> Result<usize> {
        match &self.oaep {
            None => key.encrypt_pkcs1(input, out),
            Some(oaep) => key.encrypt_oaep(oaep.hash, oaep.mgf, &oaep.label, input, out),
        }
        .map_err(|error| Doing::Producing.failed(error))
    }

    fn decrypt(&self, key: &RsaPrivateKey, input: &[u8], out: &mut [u8]) -> Result<usize> {
        match &self.oaep {
            None => key.decrypt_pkcs1(input, out),
            Some(oaep) => key.decrypt_oaep(oaep.hash, oaep.mgf, &oaep.label, input, out),
        }
        .map_err(|error| Doing::Decrypting.failed(error))
    }
}

impl Operation for Crypt {
    fn output_len(&self, part: Part) -> Result<OutputLen> {
        match (part, &*self.key) {
            (Part::Single(_), Key::RsaPublic(key)) => Ok(OutputLen::Exact(key.modulus_len())),
            (Part::Single(_), Key::RsaPrivate(key)) => Ok(OutputLen::AtMost(key.modulus_len())),
            _ => Err(Rv::FunctionNotSupported.into()),
        }
    }

    fn single(self: Box<Self>, _cx: &CallCx, input: &[u8], end: End<'_>) -> Step {
        let done = output(end).and_then(|out| match &*self.key {
            Key::RsaPublic(key) => self.encrypt(key, input, out),
            Key::RsaPrivate(key) => self.decrypt(key, input, out),
            _ => Err(mismatch()),
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

fn modulus_len(key: &Key) -> Result<usize> {
    match key {
        Key::RsaPrivate(key) => Ok(key.modulus_len()),
        Key::RsaPublic(key) => Ok(key.modulus_len()),
        _ => Err(mismatch()),
    }
}

fn bits(key: &Key) -> Result<u32> {
    match key {
        Key::RsaPrivate(key) => Ok(key.bits()),
        Key::RsaPublic(key) => Ok(key.bits()),
        _ => Err(mismatch()),
    }
}

/// Whether hash and salt fit into the encoded message, which is one bit shorter than the modulus.
fn check_salt(pss: &PssParams, bits: u32) -> Result<()> {
    let room = usize::try_from(bits.saturating_sub(1).div_ceil(8)).unwrap_or_default();
    let needed = pss
        .hash
        .output_len()
        .saturating_add(OVERHEAD)
        .saturating_add(pss.salt_len);
    if needed <= room {
        Ok(())
    } else {
        Err(Rv::MechanismParamInvalid.into())
    }
}
