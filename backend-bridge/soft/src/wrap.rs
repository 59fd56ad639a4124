// SPDX-License-Identifier: MIT
//! Keys in the form in which they leave the token and come to it: `C_WrapKey` and `C_UnwrapKey`.
//!
//! What is wrapped is the value of a secret key, or the PKCS #8 PrivateKeyInfo of a private key (PKCS#11 3.2, "Wrapping
//! and unwrapping private keys"); how it is wrapped is an encryption like any other.

mod aead;
mod envelope;
mod rsa;

use std::sync::Arc;

use cryptoki_sys as ck;
use keyenclave_crypto::{AES_BLOCK_LEN, DES_BLOCK_LEN, PrivateKey, ct_eq};
use keyenclave_model::access::{check_unwrap, check_wrap, closes_unwrapped, demanded, keep_closed};
use keyenclave_model::attribute::Value;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::{Algorithm, Mechanism, Params, WrapForm};
use keyenclave_model::object::{Object, Origin};
use keyenclave_model::template::Template;
use keyenclave_model::token::{CallCx, End, ObjectId, OperationClass, Out, Part, Step, Wrapping};
use zeroize::Zeroizing;

use self::envelope::Envelope;
use crate::engine::Engine;
use crate::keys::Key;
use crate::login::Sealers;
use crate::material::UNGUESSABLE;
use crate::opened::Opened;
use crate::store::Store;
use crate::{material, objects, operation};

/// What is wrapped with what, found and allowed.
pub(crate) struct Allowed {
    wrapping: Arc<Key>,
    content: Zeroizing<Vec<u8>>,
}

impl<S: Store, K: Sealers> Engine<S, K> {
    /// Finds both keys.
    ///
    /// # Errors
    /// As [`check_wrap`], with `CKR_KEY_HANDLE_INVALID`.
    pub(crate) fn allowed(&self, cx: &CallCx, what: &Wrapping<'_>) -> Result<Allowed> {
        if what.mechanism.row().flags & ck::CKF_WRAP == 0 || !goes_with(what.mechanism, what.associated) {
            return Err(Rv::MechanismInvalid.into());
        }
        let wrapping = self
            .key(cx.access, what.wrapping)
            .map_err(|error| match error.rv() {
                Rv::KeyHandleInvalid => Rv::WrappingKeyHandleInvalid.into(),
                _ => error,
            })?;
        let key = self.key(cx.access, what.key)?;
        check_wrap(&wrapping.object, &key.object, what.mechanism)?;
        self.check_other_half(cx, &wrapping.object, &key.object)?;
        if what.mechanism.algorithm() == Algorithm::RsaRaw && key.object.class() != Some(ck::CKO_SECRET_KEY) {
            return Err(Error::new(
                Rv::KeyNotWrappable,
                "this mechanism wraps secret keys only",
            ));
        }
        Ok(Allowed {
            wrapping: wrapping.ready_key()?,
            content: content(&key)?,
        })
    }

    /// Under a trusted public key, what only trusted keys wrap goes to another token: with the private half in this one,
    /// the user would open it.
    ///
    /// # Errors
    /// `CKR_KEY_NOT_WRAPPABLE`, also where private keys cannot be seen.
    fn check_other_half(&self, cx: &CallCx, wrapping: &Object, key: &Object) -> Result<()> {
        if wrapping.class() != Some(ck::CKO_PUBLIC_KEY) || !key.is_true(ck::CKA_WRAP_WITH_TRUSTED) {
            return Ok(());
        }
        let refused = |what| Err(Error::new(Rv::KeyNotWrappable, what));
        let info = wrapping.get(ck::CKA_PUBLIC_KEY_INFO);
        let (Some(info), true) = (info, cx.access.sees_private()) else {
            return refused(
                "whether the token has the private half of the trusted key is seen by the user only",
            );
        };
        let half = [
            (ck::CKA_CLASS, Value::Ulong(ck::CKO_PRIVATE_KEY)),
            (ck::CKA_PUBLIC_KEY_INFO, info.clone()),
        ];
        if !self.find(cx.access, &half.into_iter().collect())?.is_empty() {
            return refused("the token has the private half of the trusted key, which would open it again");
        }
        Ok(())
    }

    /// `C_UnwrapKey`.
    pub(crate) fn unwrap(
        &self,
        cx: &CallCx,
        mechanism: &Mechanism,
        unwrapping: ObjectId,
        (wrapped, associated): (&[u8], Option<&[u8]>),
        template: &Template,
    ) -> Result<ObjectId> {
        if mechanism.row().flags & ck::CKF_UNWRAP == 0 || !goes_with(mechanism, associated) {
            return Err(Rv::MechanismInvalid.into());
        }
        let unwrapping = self
            .key(cx.access, unwrapping)
            .map_err(|error| match error.rv() {
                Rv::KeyHandleInvalid => Rv::UnwrappingKeyHandleInvalid.into(),
                _ => error,
            })?;
        check_unwrap(&unwrapping.object, mechanism)?;
        let template = demanded(&unwrapping.object, ck::CKA_UNWRAP_TEMPLATE, template)?;
        let mut object = Object::admit(Origin::Unwrap, None, &template, cx.access.login)?;
        keep_closed(&unwrapping.object, &template, &mut object)?;
        // An object of another class would show what was put into it.
        if !matches!(object.class(), Some(ck::CKO_SECRET_KEY | ck::CKO_PRIVATE_KEY)) {
            return Err(Error::new(
                Rv::TemplateInconsistent,
                "CKA_CLASS is not that of a secret or private key",
            ));
        }
        objects::check_new(cx.access, &object)?;
        let ticket = self.session.ticket(cx.session);
        let key = unwrapping.ready_key()?;
        let content = unsealed(cx, mechanism, key, (wrapped, associated), &object)?;
        let how = Unpacking {
            algorithm: mechanism.algorithm(),
            stays_closed: closes_unwrapped(&unwrapping.object),
        };
        let key = how.take_in(&mut object, content)?;
        object.conclude(Origin::Unwrap);
        let [handle] = self.add(&ticket, [(object, Some(key))])?;
        Ok(handle)
    }
}

impl Allowed {
    /// How long the wrapped key is at the most, in bytes.
    pub(crate) fn len(&self, what: &Wrapping<'_>) -> Result<usize> {
        if let Some(envelope) = Envelope::of(what.mechanism) {
            return envelope.len(&self.wrapping, self.content.len());
        }
        let content = padded(self.content.clone(), what.mechanism.algorithm());
        let mechanism = aead::plain(what.mechanism, what.associated, content.len())?;
        let operation = operation::begin(OperationClass::Encrypt, &mechanism, Arc::clone(&self.wrapping))?;
        let len = operation.output_len(Part::Single(content.len()));
        let apart = aead::apart(what.mechanism);
        Ok(len.map_err(unwrappable)?.max().saturating_sub(apart))
    }

    /// The wrapped key.
    pub(crate) fn wrap(self, cx: &CallCx, what: &Wrapping<'_>) -> Result<Out> {
        if let Some(envelope) = Envelope::of(what.mechanism) {
            return envelope.seal(&self.wrapping, &self.content).map(Out::Bytes);
        }
        let content = padded(self.content, what.mechanism.algorithm());
        let encrypt = |mechanism: &Mechanism| {
            let class = OperationClass::Encrypt;
            run(cx, class, mechanism, self.wrapping, &content).map_err(unwrappable)
        };
        match what.mechanism.params() {
            Params::Aead(params) => aead::seal(what, params, content.len(), encrypt),
            _ => {
                let plain = aead::plain(what.mechanism, None, content.len())?;
                encrypt(&plain).map(Out::Bytes)
            }
        }
    }
}

/// A key's own complaint about the length of what it wraps.
fn unwrappable(error: Error) -> Error {
    match error.rv() {
        Rv::DataLenRange => Error::new(
            Rv::KeySizeRange,
            "the key is too long or too short to be wrapped by this key and mechanism",
        ),
        _ => error,
    }
}

/// What was wrapped, in the way of the mechanism.
fn unsealed(
    cx: &CallCx,
    mechanism: &Mechanism,
    key: Arc<Key>,
    (wrapped, associated): (&[u8], Option<&[u8]>),
    object: &Object,
) -> Result<Zeroizing<Vec<u8>>> {
    if let Some(envelope) = Envelope::of(mechanism) {
        return envelope.open(&key, wrapped);
    }
    let is_secret = object.class() == Some(ck::CKO_SECRET_KEY);
    let decrypted = |key| decrypt(cx, mechanism, key, (wrapped, associated));
    match (mechanism.algorithm(), &*key) {
        (Algorithm::RsaPkcs1(_), Key::RsaPrivate(key)) if is_secret => rsa::unpadded(key, wrapped, object),
        (Algorithm::RsaRaw, _) if is_secret => rsa::tail(&decrypted(Arc::clone(&key))?, object),
        (Algorithm::RsaRaw, _) => Err(Error::new(
            Rv::TemplateInconsistent,
            "this mechanism wraps secret keys only",
        )),
        _ => decrypted(Arc::clone(&key)),
    }
}

/// Whether data goes with a key that is wrapped just where the mechanism's parameter has a place for the tag.
fn goes_with(mechanism: &Mechanism, associated: Option<&[u8]>) -> bool {
    associated.is_some() == aead::is_apart(mechanism)
}

fn decrypt(
    cx: &CallCx,
    mechanism: &Mechanism,
    key: Arc<Key>,
    (wrapped, associated): (&[u8], Option<&[u8]>),
) -> Result<Zeroizing<Vec<u8>>> {
    let wrapped = aead::with_tag(mechanism, wrapped)?;
    let tag_len = aead::tag_len(mechanism);
    let plain = aead::plain(mechanism, associated, wrapped.len().saturating_sub(tag_len))?;
    run(cx, OperationClass::Decrypt, &plain, key, &wrapped).map_err(|error| match error.rv() {
        Rv::EncryptedDataInvalid => Rv::WrappedKeyInvalid.into(),
        Rv::EncryptedDataLenRange => Rv::WrappedKeyLenRange.into(),
        _ => error,
    })
}

/// An encryption or decryption in one part.
fn run(
    cx: &CallCx,
    class: OperationClass,
    mechanism: &Mechanism,
    key: Arc<Key>,
    input: &[u8],
) -> Result<Zeroizing<Vec<u8>>> {
    let operation = operation::begin(class, mechanism, key)?;
    let most = operation.output_len(Part::Single(input.len()))?.max();
    let mut out = Zeroizing::new(vec![0; most]);
    match operation.single(cx, input, End::Output(&mut out)) {
        Step::Ready(done) => match done? {
            Out::Written(len) => {
                out.truncate(len);
                Ok(out)
            }
            _ => Err(Rv::GeneralError.into()),
        },
        Step::Pending(_) => Err(Rv::GeneralError.into()),
    }
}

/// What is wrapped of a key.
fn content(opened: &Opened) -> Result<Zeroizing<Vec<u8>>> {
    if opened.object.class() == Some(ck::CKO_SECRET_KEY) {
        let value = opened.object.bytes(ck::CKA_VALUE).unwrap_or_default();
        return Ok(Zeroizing::new(value.to_vec()));
    }
    opened.ready_key()?.pkcs8_der()
}

/// Whole blocks, where the mechanism takes nothing else: zeros are added (PKCS#11 3.2, AES-CBC, AES Key Wrap).
fn padded(mut content: Zeroizing<Vec<u8>>, algorithm: Algorithm) -> Zeroizing<Vec<u8>> {
    if let Some(unit) = unit(algorithm) {
        let mut padded = Zeroizing::new(vec![0; content.len().next_multiple_of(unit)]);
        if let Some(front) = padded.get_mut(..content.len()) {
            front.copy_from_slice(&content);
        }
        content = padded;
    }
    content
}

/// What the input of a mechanism that does not pad must be a multiple of, in bytes.
fn unit(algorithm: Algorithm) -> Option<usize> {
    match algorithm {
        Algorithm::AesEcb | Algorithm::AesCbc { padded: false } => Some(AES_BLOCK_LEN),
        Algorithm::Des3Ecb | Algorithm::Des3Cbc { padded: false } => Some(DES_BLOCK_LEN),
        Algorithm::AesKeyWrap(WrapForm::Kw) => Some(AES_BLOCK_LEN / 2),
        _ => None,
    }
}

/// How what was unwrapped becomes a key.
struct Unpacking {
    algorithm: Algorithm,
    /// Whether the key stays closed whatever the application says. It is not cut short then: whoever could do that, and
    /// learn whether it went well or what its check value is, would have the key byte by byte.
    stays_closed: bool,
}

impl Unpacking {
    /// Puts what was unwrapped into its object.
    fn take_in(&self, object: &mut Object, content: Zeroizing<Vec<u8>>) -> Result<Key> {
        if object.class() == Some(ck::CKO_SECRET_KEY) {
            let value = self.cut(object, content)?;
            material::put_secret(object, value).map_err(unfit)?;
            let key = Key::parse(object)?;
            material::put_secret_check_value(object, &key)?;
            return Ok(key);
        }
        let has_zeros = unit(self.algorithm).is_some();
        let der = der(&content, has_zeros).ok_or(Rv::WrappedKeyInvalid)?;
        let key = PrivateKey::from_pkcs8_der(der).map_err(|error| {
            let detail = format!("the wrapped key is no PKCS #8 private key: {error}");
            Error::new(Rv::WrappedKeyInvalid, detail)
        })?;
        material::put_private(object, key).map_err(unfit)
    }

    /// The value of a secret key: without the zeros, where some were added.
    ///
    /// # Errors
    /// `CKR_WRAPPED_KEY_LEN_RANGE`, `CKR_TEMPLATE_INCOMPLETE`; `CKR_WRAPPED_KEY_INVALID` where more than zeros would be
    /// cut off.
    fn cut(&self, object: &Object, mut content: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>> {
        let of_type = material::lengths(object.key_type());
        let len = match object.ulong(ck::CKA_VALUE_LEN) {
            Some(len) => usize::try_from(len).unwrap_or(usize::MAX),
            None => self.only_len(of_type, content.len())?,
        };
        let slack = unit(self.algorithm).map_or(0, |unit| unit - 1);
        let is_short = self.stays_closed
            && ((of_type.is_none() && len < content.len())
                || (len < UNGUESSABLE && !self.algorithm.protects_wrapped()));
        let fits = of_type.is_none_or(|fit| fit.contains(&len));
        if len > content.len() || content.len() - len > slack || is_short || !fits {
            let detail = format!(
                "the wrapped key has {} bytes, and the new one {len}",
                content.len()
            );
            return Err(Error::new(Rv::WrappedKeyLenRange, detail));
        }
        let rest = content.get(len..).unwrap_or_default();
        if !ct_eq(rest, &vec![0; rest.len()]) {
            return Err(Error::new(
                Rv::WrappedKeyInvalid,
                "the wrapped key is longer than the new one",
            ));
        }
        content.truncate(len);
        Ok(content)
    }

    /// The length of a key that the template does not tell. What AES key wrap gives is taken as it is, where the type
    /// allows that; whole blocks tell less.
    fn only_len(&self, of_type: Option<&[usize]>, content: usize) -> Result<usize> {
        let (Some(unit), Some(of_type)) = (unit(self.algorithm), of_type) else {
            return match self.algorithm {
                Algorithm::AesEcb
                | Algorithm::AesCbc { padded: false }
                | Algorithm::Des3Ecb
                | Algorithm::Des3Cbc { padded: false } => Err(no_length()),
                _ => Ok(content),
            };
        };
        let mut fitting = of_type.iter().filter(|len| len.next_multiple_of(unit) == content);
        match (fitting.next(), fitting.next()) {
            (Some(len), None) => Ok(*len),
            (Some(_), Some(_)) => Err(no_length()),
            _ => Ok(content),
        }
    }
}

fn no_length() -> Error {
    Error::new(
        Rv::TemplateIncomplete,
        "CKA_VALUE_LEN is missing: the mechanism adds zeros and does not say how many",
    )
}

/// The material does not fit the template, which is not the template's fault.
fn unfit(error: Error) -> Error {
    match error.rv() {
        Rv::AttributeValueInvalid => {
            let detail = error
                .detail()
                .unwrap_or("it does not fit the template")
                .to_owned();
            Error::new(Rv::WrappedKeyInvalid, format!("the wrapped key: {detail}"))
        }
        _ => error,
    }
}

/// The one DER value that is there, without the zeros after it where some were added.
fn der(content: &[u8], has_zeros: bool) -> Option<&[u8]> {
    let len = match content {
        [_, len @ 0..=0x7f, ..] => usize::from(*len) + 2,
        [_, 0x81, len, ..] => usize::from(*len) + 3,
        [_, 0x82, high, low, ..] => usize::from(u16::from_be_bytes([*high, *low])) + 4,
        _ => return None,
    };
    let (der, rest) = content.split_at_checked(len)?;
    (rest.is_empty() || (has_zeros && rest.iter().all(|byte| *byte == 0))).then_some(der)
}
