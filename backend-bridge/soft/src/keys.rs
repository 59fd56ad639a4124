// SPDX-License-Identifier: MIT
//! Keys ready for use, made once from an object and then shared by all operations.

use once_cell::sync::OnceCell;

use cryptoki_sys as ck;
use keyenclave_crypto::{
    AesKey, AesXtsKey, ChaChaKey, Des3Key, EcPrivateKey, EcPublicKey, Ed25519PrivateKey, Ed25519PublicKey,
    HmacKey, MlDsaPrivateKey, MlDsaPublicKey, MlKemPrivateKey, MlKemPublicKey, RsaComponents, RsaPrivateKey,
    RsaPublicKey, X25519PrivateKey, X25519PublicKey,
};
use keyenclave_model::algorithm::{CURVES, Curve, HASHES, Hash};
use keyenclave_model::attribute;
use keyenclave_model::edwards;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::RsaSizes;
use keyenclave_model::montgomery;
use keyenclave_model::object::Object;
use keyenclave_model::octet_curve::{self, OctetCurve};
use keyenclave_model::post_quantum::{ParameterSet, Scheme};
use zeroize::Zeroizing;

use crate::error::Doing;

/// A key of the cryptographic library. No `Debug`: it is a secret.
pub(crate) enum Key {
    RsaPrivate(RsaPrivateKey),
    RsaPublic(RsaPublicKey),
    EcPrivate(EcPrivateKey),
    EcPublic(EcPublicKey),
    Ed25519Private(Ed25519PrivateKey),
    Ed25519Public(Ed25519PublicKey),
    X25519Private(X25519PrivateKey),
    X25519Public(X25519PublicKey),
    MlDsaPrivate(MlDsaPrivateKey),
    MlDsaPublic(MlDsaPublicKey),
    MlKemPrivate(MlKemPrivateKey),
    MlKemPublic(MlKemPublicKey),
    Secret(SecretKey),
}

/// A secret key, and what was made of it so far.
pub(crate) struct SecretKey {
    value: Zeroizing<Vec<u8>>,
    aes: OnceCell<AesKey>,
    xts: OnceCell<Box<AesXtsKey>>,
    /// One for each hash.
    hmac: OnceCell<Box<[OnceCell<HmacKey>; HASHES.len()]>>,
}

impl Key {
    /// The key that an object holds.
    ///
    /// # Errors
    /// `CKR_KEY_HANDLE_INVALID` if it is not a key, and what [`Doing::Importing`] says of bad material.
    pub(crate) fn parse(object: &Object) -> Result<Self> {
        match (object.class(), object.key_type()) {
            (Some(ck::CKO_PRIVATE_KEY), Some(ck::CKK_RSA)) => rsa_private(object).map(Self::RsaPrivate),
            (Some(ck::CKO_PUBLIC_KEY), Some(ck::CKK_RSA)) => rsa_public(object).map(Self::RsaPublic),
            (Some(ck::CKO_PRIVATE_KEY), Some(ck::CKK_EC)) => ec_private(object).map(Self::EcPrivate),
            (Some(ck::CKO_PUBLIC_KEY), Some(ck::CKK_EC)) => ec_public(object).map(Self::EcPublic),
            (Some(ck::CKO_PRIVATE_KEY), Some(ck::CKK_EC_EDWARDS)) => {
                ed25519_private(object).map(Self::Ed25519Private)
            }
            (Some(ck::CKO_PUBLIC_KEY), Some(ck::CKK_EC_EDWARDS)) => {
                ed25519_public(object).map(Self::Ed25519Public)
            }
            (Some(ck::CKO_PRIVATE_KEY), Some(ck::CKK_EC_MONTGOMERY)) => {
                x25519_private(object).map(Self::X25519Private)
            }
            (Some(ck::CKO_PUBLIC_KEY), Some(ck::CKK_EC_MONTGOMERY)) => {
                x25519_public(object).map(Self::X25519Public)
            }
            (Some(ck::CKO_PRIVATE_KEY), Some(ck::CKK_ML_DSA)) => {
                lattice_private(object, Scheme::MlDsa, MlDsaPrivateKey::from_parts).map(Self::MlDsaPrivate)
            }
            (Some(ck::CKO_PUBLIC_KEY), Some(ck::CKK_ML_DSA)) => {
                lattice_public(object, Scheme::MlDsa, MlDsaPublicKey::from_bytes).map(Self::MlDsaPublic)
            }
            (Some(ck::CKO_PRIVATE_KEY), Some(ck::CKK_ML_KEM)) => {
                lattice_private(object, Scheme::MlKem, MlKemPrivateKey::from_parts).map(Self::MlKemPrivate)
            }
            (Some(ck::CKO_PUBLIC_KEY), Some(ck::CKK_ML_KEM)) => {
                lattice_public(object, Scheme::MlKem, MlKemPublicKey::from_bytes).map(Self::MlKemPublic)
            }
            (Some(ck::CKO_SECRET_KEY), Some(_)) => Ok(Self::Secret(SecretKey::new(object))),
            _ => Err(Rv::KeyHandleInvalid.into()),
        }
    }
}

impl Key {
    /// A private key as PKCS #8.
    ///
    /// # Errors
    /// `CKR_KEY_NOT_WRAPPABLE` for any other.
    pub(crate) fn pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>> {
        let der = match self {
            Self::RsaPrivate(key) => key.to_pkcs8_der(),
            Self::EcPrivate(key) => key.to_pkcs8_der(),
            Self::Ed25519Private(key) => key.to_pkcs8_der(),
            Self::X25519Private(key) => key.to_pkcs8_der(),
            Self::MlDsaPrivate(key) => key.to_pkcs8_der(),
            Self::MlKemPrivate(key) => key.to_pkcs8_der(),
            _ => return Err(Rv::KeyNotWrappable.into()),
        };
        der.map_err(|error| Doing::Internal.failed(error))
    }
}

impl SecretKey {
    fn new(object: &Object) -> Self {
        Self {
            value: Zeroizing::new(object.bytes(ck::CKA_VALUE).unwrap_or_default().to_vec()),
            aes: OnceCell::new(),
            xts: OnceCell::new(),
            hmac: OnceCell::new(),
        }
    }

    /// As a ChaCha20 key.
    pub(crate) fn chacha(&self) -> Result<ChaChaKey> {
        ChaChaKey::new(&self.value).map_err(|error| Doing::Internal.failed(error))
    }

    /// As a triple DES key.
    pub(crate) fn des3(&self) -> Result<Des3Key> {
        Des3Key::new(&self.value).map_err(|error| Doing::Internal.failed(error))
    }

    /// The value.
    pub(crate) fn value(&self) -> &[u8] {
        &self.value
    }

    /// As an AES key.
    pub(crate) fn aes(&self) -> Result<&AesKey> {
        if let Some(key) = self.aes.get() {
            return Ok(key);
        }
        let made = AesKey::new(&self.value).map_err(|error| Doing::Internal.failed(error))?;
        Ok(self.aes.get_or_init(|| made))
    }

    /// As a key for AES-XTS.
    pub(crate) fn xts(&self) -> Result<&AesXtsKey> {
        if let Some(key) = self.xts.get() {
            return Ok(key);
        }
        let made = AesXtsKey::new(&self.value).map_err(|error| Doing::Internal.failed(error))?;
        Ok(self.xts.get_or_init(|| Box::new(made)))
    }

    /// As a key for the HMAC with a hash.
    pub(crate) fn hmac(&self, hash: Hash) -> Result<&HmacKey> {
        let slot = self
            .hmac
            .get_or_init(Box::default)
            .get(hash as usize)
            .ok_or(Rv::GeneralError)?;
        if let Some(key) = slot.get() {
            return Ok(key);
        }
        let made = HmacKey::new(hash, &self.value).map_err(|error| Doing::Internal.failed(error))?;
        Ok(slot.get_or_init(|| made))
    }
}

/// Whether an object that may be an RSA key has a size that is taken in and used; if not, the error is `rv`.
pub(crate) fn check_rsa_size(object: &Object, sizes: RsaSizes, rv: Rv) -> Result<()> {
    let Some(modulus) = rsa_modulus(object) else {
        return Ok(());
    };
    let (min, max) = sizes.taken();
    let modulus = attribute::without_zeros(modulus);
    let unused = modulus
        .first()
        .map_or(0, |first| u64::from(first.leading_zeros()));
    let bits = (modulus.len() as u64).saturating_mul(8).saturating_sub(unused);
    if (min..=max).contains(&bits) {
        return Ok(());
    }
    let detail = format!("an RSA key of {bits} bits; keys of {min} to {max} bits are used");
    Err(Error::new(rv, detail))
}

/// `CKA_MODULUS` of an RSA key.
fn rsa_modulus(object: &Object) -> Option<&[u8]> {
    let is_rsa = object.key_type() == Some(ck::CKK_RSA);
    object.bytes(ck::CKA_MODULUS).filter(|_| is_rsa)
}

fn rsa_private(object: &Object) -> Result<RsaPrivateKey> {
    let number = |id| object.bytes(id).unwrap_or_default();
    RsaPrivateKey::from_components(&RsaComponents {
        modulus: number(ck::CKA_MODULUS),
        public_exponent: number(ck::CKA_PUBLIC_EXPONENT),
        private_exponent: number(ck::CKA_PRIVATE_EXPONENT),
        prime_1: number(ck::CKA_PRIME_1),
        prime_2: number(ck::CKA_PRIME_2),
        exponent_1: number(ck::CKA_EXPONENT_1),
        exponent_2: number(ck::CKA_EXPONENT_2),
        coefficient: number(ck::CKA_COEFFICIENT),
    })
    .map_err(|error| Doing::Importing.failed(error))
}

fn rsa_public(object: &Object) -> Result<RsaPublicKey> {
    let number = |id| object.bytes(id).unwrap_or_default();
    RsaPublicKey::from_components(number(ck::CKA_MODULUS), number(ck::CKA_PUBLIC_EXPONENT))
        .map_err(|error| Doing::Importing.failed(error))
}

fn ec_private(object: &Object) -> Result<EcPrivateKey> {
    EcPrivateKey::from_scalar(curve(object)?, object.bytes(ck::CKA_VALUE).unwrap_or_default())
        .map_err(|error| Doing::Importing.failed(error))
}

fn ec_public(object: &Object) -> Result<EcPublicKey> {
    point(curve(object)?, object.bytes(ck::CKA_EC_POINT).unwrap_or_default())
}

fn ed25519_private(object: &Object) -> Result<Ed25519PrivateKey> {
    check_curve(object, &edwards::CURVE)?;
    Ed25519PrivateKey::from_seed(object.bytes(ck::CKA_VALUE).unwrap_or_default())
        .map_err(|error| Doing::Importing.failed(error))
}

fn ed25519_public(object: &Object) -> Result<Ed25519PublicKey> {
    check_curve(object, &edwards::CURVE)?;
    ed25519_point(object.bytes(ck::CKA_EC_POINT).unwrap_or_default())
}

fn x25519_private(object: &Object) -> Result<X25519PrivateKey> {
    check_curve(object, &montgomery::CURVE)?;
    X25519PrivateKey::from_bytes(object.bytes(ck::CKA_VALUE).unwrap_or_default())
        .map_err(|error| Doing::Importing.failed(error))
}

fn x25519_public(object: &Object) -> Result<X25519PublicKey> {
    check_curve(object, &montgomery::CURVE)?;
    x25519_point(object.bytes(ck::CKA_EC_POINT).unwrap_or_default())
}

/// Makes a private key of a parameter set, a seed and a value, of which one may be empty.
type FromParts<T> = fn(&'static ParameterSet, &[u8], &[u8]) -> keyenclave_crypto::Result<T>;

fn lattice_private<T>(object: &Object, scheme: Scheme, from_parts: FromParts<T>) -> Result<T> {
    let part = |id| object.bytes(id).unwrap_or_default();
    from_parts(
        parameter_set(object, scheme)?,
        part(ck::CKA_SEED),
        part(ck::CKA_VALUE),
    )
    .map_err(|error| Doing::Importing.failed(error))
}

/// Makes a public key of a parameter set and a value.
type FromBytes<T> = fn(&'static ParameterSet, &[u8]) -> keyenclave_crypto::Result<T>;

fn lattice_public<T>(object: &Object, scheme: Scheme, from_bytes: FromBytes<T>) -> Result<T> {
    let value = object.bytes(ck::CKA_VALUE).unwrap_or_default();
    from_bytes(parameter_set(object, scheme)?, value).map_err(|error| Doing::Importing.failed(error))
}

/// The parameter set that an object's `CKA_PARAMETER_SET` names.
///
/// # Errors
/// `CKR_PARAMETER_SET_NOT_SUPPORTED`.
pub(crate) fn parameter_set(object: &Object, scheme: Scheme) -> Result<&'static ParameterSet> {
    let number = object.ulong(ck::CKA_PARAMETER_SET).unwrap_or_default();
    scheme.set(number).ok_or_else(|| {
        let known: Vec<_> = scheme.sets().map(|set| set.name).collect();
        let detail = format!(
            "CKA_PARAMETER_SET is {number}, which is none of {}",
            known.join(", ")
        );
        Error::new(Rv::ParameterSetNotSupported, detail)
    })
}

/// Whether an object's `CKA_EC_PARAMS` names a curve.
///
/// # Errors
/// `CKR_CURVE_NOT_SUPPORTED`.
pub(crate) fn check_curve(object: &Object, curve: &OctetCurve) -> Result<()> {
    let params = object.bytes(ck::CKA_EC_PARAMS).unwrap_or_default();
    if curve.is_named_by(params) {
        return Ok(());
    }
    let detail = format!("CKA_EC_PARAMS does not name {}", curve.name);
    Err(Error::new(Rv::CurveNotSupported, detail))
}

/// The bytes of a public key on a curve, in any of the forms that applications write it in.
fn octets<'a>(point: &'a [u8], curve: &OctetCurve) -> Result<&'a [u8; 32]> {
    octet_curve::point(point).ok_or_else(|| {
        let detail = format!(
            "{} is no {} public key",
            attribute::name(ck::CKA_EC_POINT),
            curve.keys
        );
        Error::new(Rv::AttributeValueInvalid, detail)
    })
}

/// The X25519 public key in `CKA_EC_POINT`.
///
/// # Errors
/// `CKR_ATTRIBUTE_VALUE_INVALID` if it is none.
pub(crate) fn x25519_point(point: &[u8]) -> Result<X25519PublicKey> {
    X25519PublicKey::from_bytes(octets(point, &montgomery::CURVE)?)
        .map_err(|error| Doing::Importing.failed(error))
}

/// The Ed25519 public key in `CKA_EC_POINT`.
///
/// # Errors
/// `CKR_ATTRIBUTE_VALUE_INVALID` if it is none.
pub(crate) fn ed25519_point(point: &[u8]) -> Result<Ed25519PublicKey> {
    Ed25519PublicKey::from_bytes(octets(point, &edwards::CURVE)?)
        .map_err(|error| Doing::Importing.failed(error))
}

/// The curve that an object's `CKA_EC_PARAMS` names.
///
/// # Errors
/// `CKR_CURVE_NOT_SUPPORTED`.
pub(crate) fn curve(object: &Object) -> Result<Curve> {
    let params = object.bytes(ck::CKA_EC_PARAMS).unwrap_or_default();
    Curve::from_ec_params(params).ok_or_else(|| {
        let known: Vec<_> = CURVES.iter().map(|row| row.name).collect();
        let detail = format!("CKA_EC_PARAMS names none of {}", known.join(", "));
        Error::new(Rv::CurveNotSupported, detail)
    })
}

/// The public key with a point as applications write it: SEC 1 octets, in a DER OCTET STRING or bare.
///
/// # Errors
/// `CKR_ATTRIBUTE_VALUE_INVALID` if it is not a point of the curve.
pub(crate) fn point(curve: Curve, point: &[u8]) -> Result<EcPublicKey> {
    // A bare uncompressed point begins with the tag of an OCTET STRING, and one in 256 goes on with a fitting
    // length; only its own length tells it from a wrapped one.
    let bare = point.len() == curve.field_len().saturating_mul(2).saturating_add(1);
    let octets = if bare { None } else { unwrap_octet_string(point) };
    EcPublicKey::from_point(curve, octets.unwrap_or(point)).map_err(|error| Doing::Importing.failed(error))
}

/// Bytes as a DER OCTET STRING.
pub(crate) fn wrap_octet_string(content: &[u8]) -> Vec<u8> {
    let mut der = vec![OCTET_STRING];
    match u8::try_from(content.len()) {
        Ok(len) if len < 0x80 => der.push(len),
        Ok(len) => der.extend([0x81, len]),
        // No point of a curve that we know is that long.
        Err(_) => {
            der.push(0x82);
            der.extend((content.len() as u16).to_be_bytes());
        }
    }
    der.extend_from_slice(content);
    der
}

const OCTET_STRING: u8 = 0x04;

/// The content of a DER OCTET STRING that is the whole of `der`.
pub(crate) fn unwrap_octet_string(der: &[u8]) -> Option<&[u8]> {
    match der {
        [OCTET_STRING, 0x81, len, content @ ..] if *len >= 0x80 && usize::from(*len) == content.len() => {
            Some(content)
        }
        [OCTET_STRING, len, content @ ..] if *len < 0x80 && usize::from(*len) == content.len() => {
            Some(content)
        }
        _ => None,
    }
}
