// SPDX-License-Identifier: MIT
//! Key material in objects: what an application gave is checked, and what follows from it is added.
//!
//! Works on an object between `Object::admit` and `Object::conclude`. Everything that an object says of its key
//! (sizes, public halves, check values) is computed here, so that it is true of every key, however it was made.

use cryptoki_sys as ck;
use keyenclave_crypto::{
    AES_BLOCK_LEN, AesKey, BlockMode, CHACHA_KEY_LEN, DES_BLOCK_LEN, DES3_KEY_LEN, Des3Key, Direction,
    EcPrivateKey, EcPublicKey, Ed25519PrivateKey, Ed25519PublicKey, MlDsaPrivateKey, MlDsaPublicKey,
    MlKemPrivateKey, MlKemPublicKey, Padding, PrivateKey, RsaPrivateKey, RsaPublicKey, X25519PrivateKey,
    X25519PublicKey, digest, has_odd_parity, set_odd_parity,
};
use keyenclave_model::algorithm::Hash;
use keyenclave_model::attribute::{self, Value};
use keyenclave_model::edwards;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::montgomery;
use keyenclave_model::object::Object;
use keyenclave_model::post_quantum::ParameterSet;
use zeroize::Zeroizing;

use crate::error::Doing;
use crate::keys::{Key, wrap_octet_string};

/// Nobody finds out so many bytes by trying: 112 bits.
pub(crate) const UNGUESSABLE: usize = 14;

/// The length of a check value, in bytes (PKCS#11 3.2, secret key objects).
const CHECK_VALUE_LEN: usize = 3;

/// Checks and completes an object that an application made (`C_CreateObject`). For keys, the key.
///
/// # Errors
/// `CKR_ATTRIBUTE_VALUE_INVALID` for material that is no key or contradicts itself, `CKR_CURVE_NOT_SUPPORTED`,
/// `CKR_TEMPLATE_INCOMPLETE` for an RSA private key without its public exponent.
pub(crate) fn complete(object: &mut Object) -> Result<Option<Key>> {
    match object.class() {
        Some(ck::CKO_CERTIFICATE) => complete_certificate(object).map(|()| None),
        Some(ck::CKO_PUBLIC_KEY | ck::CKO_PRIVATE_KEY | ck::CKO_SECRET_KEY) => complete_key(object).map(Some),
        _ => Ok(None),
    }
}

/// Puts a new RSA key into its two objects.
pub(crate) fn put_rsa_pair(key: &RsaPrivateKey, public: &mut Object, private: &mut Object) -> Result<()> {
    put_rsa_private(private, key)?;
    put_rsa_public(
        public,
        &key.public().map_err(|error| Doing::Internal.failed(error))?,
    )
}

/// Puts a new EC key into its two objects.
pub(crate) fn put_ec_pair(key: &EcPrivateKey, public: &mut Object, private: &mut Object) -> Result<()> {
    put_ec_private(private, key)?;
    put_ec_public(
        public,
        &key.public().map_err(|error| Doing::Internal.failed(error))?,
    )
}

/// Puts a new Ed25519 key into its two objects. Both name the curve as the public template does.
pub(crate) fn put_ed25519_pair(
    key: &Ed25519PrivateKey,
    public: &mut Object,
    private: &mut Object,
) -> Result<()> {
    if let Some(params) = public.get(ck::CKA_EC_PARAMS) {
        private.put(ck::CKA_EC_PARAMS, params.clone());
    }
    put_ed25519_private(private, key)?;
    put_ed25519_public(public, &key.public())
}

/// Puts a new X25519 key into its two objects. Both name the curve as the public template does.
pub(crate) fn put_x25519_pair(
    key: &X25519PrivateKey,
    public: &mut Object,
    private: &mut Object,
) -> Result<()> {
    if let Some(params) = public.get(ck::CKA_EC_PARAMS) {
        private.put(ck::CKA_EC_PARAMS, params.clone());
    }
    put_x25519_private(private, key)?;
    put_x25519_public(public, &key.public())
}

/// Puts the value of a secret key and its length into its object.
///
/// # Errors
/// `CKR_ATTRIBUTE_VALUE_INVALID` for a length that the key type does not have, `CKR_TEMPLATE_INCONSISTENT` where the
/// object is no secret key.
pub(crate) fn put_secret(object: &mut Object, value: Zeroizing<Vec<u8>>) -> Result<()> {
    check_class(object, ck::CKO_SECRET_KEY)?;
    if value.is_empty() || lengths(object.key_type()).is_some_and(|fit| !fit.contains(&value.len())) {
        return Err(wrong(
            ck::CKA_VALUE,
            "has a length that a key of this type cannot have",
        ));
    }
    if object.key_type() == Some(ck::CKK_AES_XTS) && has_equal_halves(&value) {
        return Err(wrong(
            ck::CKA_VALUE,
            "has two equal halves, which AES-XTS does not take",
        ));
    }
    if object.key_type() == Some(ck::CKK_DES3) && !has_odd_parity(&value) {
        return Err(wrong(
            ck::CKA_VALUE,
            "has wrong parity bits: each byte of a DES key has an odd number of ones",
        ));
    }
    object.put(ck::CKA_VALUE_LEN, Value::Ulong(value.len() as ck::CK_ULONG));
    object.put(ck::CKA_VALUE, Value::Bytes(value));
    Ok(())
}

/// Puts the value of a secret key that the token made into its object: of a DES key the token sets the parity bits (PKCS#11
/// 3.2, triple-length DES; miscellaneous simple key derivation mechanisms).
///
/// # Errors
/// As [`put_secret`].
pub(crate) fn put_made_secret(object: &mut Object, mut value: Zeroizing<Vec<u8>>) -> Result<()> {
    if object.key_type() == Some(ck::CKK_DES3) {
        set_odd_parity(&mut value);
    }
    put_secret(object, value)
}

/// Puts a private key that came from elsewhere into its object.
///
/// # Errors
/// `CKR_ATTRIBUTE_VALUE_INVALID` where the object is for another type of key, `CKR_TEMPLATE_INCONSISTENT` where it is no
/// private key.
pub(crate) fn put_private(object: &mut Object, key: PrivateKey) -> Result<Key> {
    check_class(object, ck::CKO_PRIVATE_KEY)?;
    Ok(match (object.key_type(), key) {
        (Some(ck::CKK_RSA), PrivateKey::Rsa(key)) => {
            put_rsa_private(object, &key)?;
            Key::RsaPrivate(key)
        }
        (Some(ck::CKK_EC), PrivateKey::Ec(key)) => {
            put_ec_private(object, &key)?;
            Key::EcPrivate(key)
        }
        (Some(ck::CKK_EC_EDWARDS), PrivateKey::Ed25519(key)) => {
            object.put(ck::CKA_EC_PARAMS, Value::bytes(edwards::CURVE.oid));
            put_ed25519_private(object, &key)?;
            Key::Ed25519Private(key)
        }
        (Some(ck::CKK_EC_MONTGOMERY), PrivateKey::X25519(key)) => {
            object.put(ck::CKA_EC_PARAMS, Value::bytes(montgomery::CURVE.oid));
            put_x25519_private(object, &key)?;
            Key::X25519Private(key)
        }
        (Some(ck::CKK_ML_DSA), PrivateKey::MlDsa(key)) => {
            put_ml_dsa_private(object, &key)?;
            Key::MlDsaPrivate(key)
        }
        (Some(ck::CKK_ML_KEM), PrivateKey::MlKem(key)) => {
            put_ml_kem_private(object, &key)?;
            Key::MlKemPrivate(key)
        }
        _ => return Err(wrong(ck::CKA_KEY_TYPE, "is not the type of the key")),
    })
}

/// Secret material goes into objects only that conceal it.
fn check_class(object: &Object, class: ck::CK_OBJECT_CLASS) -> Result<()> {
    if object.class() == Some(class) {
        return Ok(());
    }
    Err(Error::new(
        Rv::TemplateInconsistent,
        "CKA_CLASS is not that of the key",
    ))
}

/// The lengths that a secret key of a type may have, in bytes and ascending; `None` where any but 0 will do.
pub(crate) const fn lengths(key_type: Option<ck::CK_KEY_TYPE>) -> Option<&'static [usize]> {
    match key_type {
        Some(ck::CKK_AES) => Some(&[16, 24, 32]),
        Some(ck::CKK_AES_XTS) => Some(&[32, 64]),
        Some(ck::CKK_CHACHA20) => Some(&[CHACHA_KEY_LEN]),
        Some(ck::CKK_DES3) => Some(&[DES3_KEY_LEN]),
        _ => None,
    }
}

/// With two equal keys XTS is no more than ECB to somebody who chooses the data (SP 800-38E, IG C.I of FIPS 140-3).
fn has_equal_halves(value: &[u8]) -> bool {
    let (data, tweak) = value.split_at(value.len() / 2);
    keyenclave_crypto::ct_eq(data, tweak)
}

/// The length of keys of a type that are all of one length, in bytes.
pub(crate) fn only_len(key_type: ck::CK_KEY_TYPE) -> Option<usize> {
    match lengths(Some(key_type)) {
        Some([len]) => Some(*len),
        _ => None,
    }
}

/// Adds the check value of a secret key. A template that gives it empty does without; one that gives another value
/// is refused (PKCS#11 3.2, secret key objects).
pub(crate) fn put_secret_check_value(object: &mut Object, key: &Key) -> Result<()> {
    let checksum = match (key, object.key_type()) {
        (Key::Secret(secret), Some(ck::CKK_AES)) => encrypted_zeros(secret.aes()?)?,
        (Key::Secret(secret), Some(ck::CKK_DES3)) => des3_encrypted_zeros(&secret.des3()?)?,
        // Of the key that the data is encrypted with.
        (Key::Secret(secret), Some(ck::CKK_AES_XTS)) => encrypted_zeros(secret.xts()?.data())?,
        _ => digest(Hash::Sha1, object.bytes(ck::CKA_VALUE).unwrap_or_default()).to_vec(),
    };
    put_check_value(object, &checksum)
}

/// A block of zeros, encrypted.
fn encrypted_zeros(key: &AesKey) -> Result<Vec<u8>> {
    let mut block = [0; AES_BLOCK_LEN];
    key.cipher(BlockMode::Ecb, Direction::Encrypt, Padding::None)
        .and_then(|mut cipher| cipher.update(&[0; AES_BLOCK_LEN], &mut block))
        .map_err(|error| Doing::Internal.failed(error))?;
    Ok(block.to_vec())
}

fn des3_encrypted_zeros(key: &Des3Key) -> Result<Vec<u8>> {
    let mut block = [0; DES_BLOCK_LEN];
    key.cipher(None, Direction::Encrypt, Padding::None)
        .and_then(|mut cipher| cipher.update(&[0; DES_BLOCK_LEN], &mut block))
        .map_err(|error| Doing::Internal.failed(error))?;
    Ok(block.to_vec())
}

fn complete_key(object: &mut Object) -> Result<Key> {
    if object.class() == Some(ck::CKO_SECRET_KEY) {
        let value = object.bytes(ck::CKA_VALUE).unwrap_or_default().to_vec();
        put_secret(object, Zeroizing::new(value))?;
    }
    if object.class() == Some(ck::CKO_PRIVATE_KEY) && object.key_type() == Some(ck::CKK_RSA) {
        needs_public_exponent(object)?;
    }
    if object.class() == Some(ck::CKO_PRIVATE_KEY) {
        needs_seed_or_value(object)?;
    }
    let key = Key::parse(object)?;
    match &key {
        Key::RsaPrivate(key) => put_rsa_private(object, key)?,
        Key::RsaPublic(key) => put_rsa_public(object, key)?,
        Key::EcPrivate(key) => put_ec_private(object, key)?,
        Key::EcPublic(key) => put_ec_public(object, key)?,
        Key::Ed25519Private(key) => put_ed25519_private(object, key)?,
        Key::Ed25519Public(key) => put_ed25519_public(object, key)?,
        Key::X25519Private(key) => put_x25519_private(object, key)?,
        Key::X25519Public(key) => put_x25519_public(object, key)?,
        Key::MlDsaPrivate(key) => put_ml_dsa_private(object, key)?,
        Key::MlDsaPublic(key) => put_ml_dsa_public(object, key)?,
        Key::MlKemPrivate(key) => put_ml_kem_private(object, key)?,
        Key::MlKemPublic(key) => put_ml_kem_public(object, key)?,
        Key::Secret(_) => put_secret_check_value(object, &key)?,
    }
    Ok(key)
}

/// The specification lets the public exponent be left out, but without it no key can be checked or blinded.
fn needs_public_exponent(object: &Object) -> Result<()> {
    if object.bytes(ck::CKA_PUBLIC_EXPONENT).is_none_or(<[u8]>::is_empty) {
        return Err(Error::new(
            Rv::TemplateIncomplete,
            "CKA_PUBLIC_EXPONENT is missing: an RSA private key cannot be imported without it",
        ));
    }
    Ok(())
}

/// Of a private key that can be told from its seed, either that or the value must be given.
fn needs_seed_or_value(object: &Object) -> Result<()> {
    let is_missing = |id| object.bytes(id).is_none_or(<[u8]>::is_empty);
    let has_seed = matches!(object.key_type(), Some(ck::CKK_ML_DSA | ck::CKK_ML_KEM));
    if has_seed && is_missing(ck::CKA_SEED) && is_missing(ck::CKA_VALUE) {
        return Err(Error::new(
            Rv::TemplateIncomplete,
            "CKA_SEED and CKA_VALUE are missing: give one of them, or both",
        ));
    }
    Ok(())
}

fn complete_certificate(object: &mut Object) -> Result<()> {
    let value = object.bytes(ck::CKA_VALUE).unwrap_or_default();
    let has_url = object.bytes(ck::CKA_URL).is_some_and(|url| !url.is_empty());
    if value.is_empty() && !has_url {
        return Err(wrong(
            ck::CKA_VALUE,
            "is empty, and there is no CKA_URL in its place",
        ));
    }
    if value.is_empty() {
        return Ok(());
    }
    let checksum = digest(Hash::Sha1, value);
    put_check_value(object, &checksum)
}

fn put_check_value(object: &mut Object, checksum: &[u8]) -> Result<()> {
    let value = checksum.get(..CHECK_VALUE_LEN).unwrap_or_default();
    match object.bytes(ck::CKA_CHECK_VALUE) {
        Some([]) => Ok(()),
        Some(given) if given != value => {
            Err(wrong(ck::CKA_CHECK_VALUE, "is not the check value of CKA_VALUE"))
        }
        _ => {
            object.put(ck::CKA_CHECK_VALUE, Value::bytes(value));
            Ok(())
        }
    }
}

fn put_rsa_private(object: &mut Object, key: &RsaPrivateKey) -> Result<()> {
    let numbers = key.components();
    for (id, number) in [
        (ck::CKA_MODULUS, numbers.modulus),
        (ck::CKA_PUBLIC_EXPONENT, numbers.public_exponent),
        (ck::CKA_PRIVATE_EXPONENT, numbers.private_exponent),
        (ck::CKA_PRIME_1, numbers.prime_1),
        (ck::CKA_PRIME_2, numbers.prime_2),
        (ck::CKA_EXPONENT_1, numbers.exponent_1),
        (ck::CKA_EXPONENT_2, numbers.exponent_2),
        (ck::CKA_COEFFICIENT, numbers.coefficient),
    ] {
        object.put(id, Value::Bytes(number));
    }
    let public = key.public().map_err(|error| Doing::Internal.failed(error))?;
    put_public_key_info(object, public.spki_der())
}

fn put_rsa_public(object: &mut Object, key: &RsaPublicKey) -> Result<()> {
    object.put(ck::CKA_MODULUS, Value::bytes(key.modulus()));
    object.put(ck::CKA_PUBLIC_EXPONENT, Value::bytes(key.exponent()));
    object.put(ck::CKA_MODULUS_BITS, Value::Ulong(key.bits().into()));
    put_public_key_info(object, key.spki_der())
}

fn put_ec_private(object: &mut Object, key: &EcPrivateKey) -> Result<()> {
    let internal = |error| Doing::Internal.failed(error);
    let public = key.public().map_err(internal)?;
    if let Some(given) = object.bytes(ck::CKA_EC_POINT).filter(|given| !given.is_empty()) {
        let given = crate::keys::point(key.curve(), given)?;
        if given.point().map_err(internal)? != public.point().map_err(internal)? {
            return Err(wrong(ck::CKA_EC_POINT, "is not the point of CKA_VALUE"));
        }
    }
    object.put(ck::CKA_VALUE, Value::Bytes(key.scalar().map_err(internal)?));
    put_ec_public(object, &public)
}

/// The public half, which private key objects carry as well: several clients look for it there.
fn put_ec_public(object: &mut Object, key: &EcPublicKey) -> Result<()> {
    let point = key.point().map_err(|error| Doing::Internal.failed(error))?;
    object.put(ck::CKA_EC_PARAMS, Value::bytes(key.curve().row().oid));
    object.put(ck::CKA_EC_POINT, Value::bytes(wrap_octet_string(&point)));
    put_public_key_info(object, key.spki_der())
}

fn put_ed25519_private(object: &mut Object, key: &Ed25519PrivateKey) -> Result<()> {
    let public = key.public();
    if let Some(given) = object.bytes(ck::CKA_EC_POINT).filter(|given| !given.is_empty())
        && crate::keys::ed25519_point(given)? != public
    {
        return Err(wrong(ck::CKA_EC_POINT, "is not the point of CKA_VALUE"));
    }
    object.put(ck::CKA_VALUE, Value::Bytes(key.seed()));
    put_ed25519_public(object, &public)
}

/// `CKA_EC_PARAMS` stays as it was given: programs compare it with the one form that they know. The point is put in an
/// OCTET STRING, which is what libp11 and the older releases of OpenSC and pkcs11-provider insist on; their newer ones
/// read PKCS#11 3.2's bare bytes as well (Java 17's SunPKCS11 has no Edwards keys).
fn put_ed25519_public(object: &mut Object, key: &Ed25519PublicKey) -> Result<()> {
    object.put(ck::CKA_EC_POINT, Value::bytes(wrap_octet_string(key.as_bytes())));
    put_public_key_info(object, key.spki_der())
}

fn put_x25519_private(object: &mut Object, key: &X25519PrivateKey) -> Result<()> {
    let public = key.public();
    if let Some(given) = object.bytes(ck::CKA_EC_POINT).filter(|given| !given.is_empty())
        && crate::keys::x25519_point(given)? != public
    {
        return Err(wrong(ck::CKA_EC_POINT, "is not the point of CKA_VALUE"));
    }
    let bytes = key.bytes().map_err(|error| Doing::Internal.failed(error))?;
    object.put(ck::CKA_VALUE, Value::Bytes(bytes));
    put_x25519_public(object, &public)
}

/// In the same form as the points of edwards25519, for the same reason.
fn put_x25519_public(object: &mut Object, key: &X25519PublicKey) -> Result<()> {
    object.put(ck::CKA_EC_POINT, Value::bytes(wrap_octet_string(key.as_bytes())));
    put_public_key_info(object, key.spki_der())
}

/// Puts an ML-DSA private key into its object.
pub(crate) fn put_ml_dsa_private(object: &mut Object, key: &MlDsaPrivateKey) -> Result<()> {
    put_lattice_private(object, key.set(), key.seed(), key.expanded())?;
    put_public_key_info(object, key.public().spki_der())
}

/// Puts an ML-DSA public key into its object.
pub(crate) fn put_ml_dsa_public(object: &mut Object, key: &MlDsaPublicKey) -> Result<()> {
    put_lattice_public(object, key.set(), key.as_bytes())?;
    put_public_key_info(object, key.spki_der())
}

/// Puts an ML-KEM private key into its object.
pub(crate) fn put_ml_kem_private(object: &mut Object, key: &MlKemPrivateKey) -> Result<()> {
    put_lattice_private(object, key.set(), key.seed(), key.expanded())?;
    let public = key.public().map_err(|error| Doing::Internal.failed(error))?;
    put_public_key_info(object, public.spki_der())
}

/// Puts an ML-KEM public key into its object.
pub(crate) fn put_ml_kem_public(object: &mut Object, key: &MlKemPublicKey) -> Result<()> {
    put_lattice_public(object, key.set(), key.as_bytes())?;
    put_public_key_info(object, key.spki_der())
}

/// The seed where it is known, and always the value, which programs look for.
fn put_lattice_private(
    object: &mut Object,
    set: &ParameterSet,
    seed: Option<Zeroizing<Vec<u8>>>,
    value: keyenclave_crypto::Result<Zeroizing<Vec<u8>>>,
) -> Result<()> {
    let value = value.map_err(|error| Doing::Internal.failed(error))?;
    object.put(ck::CKA_PARAMETER_SET, Value::Ulong(set.number));
    object.put(ck::CKA_VALUE, Value::Bytes(value));
    if let Some(seed) = seed {
        object.put(ck::CKA_SEED, Value::Bytes(seed));
    }
    Ok(())
}

fn put_lattice_public(
    object: &mut Object,
    set: &ParameterSet,
    value: keyenclave_crypto::Result<Vec<u8>>,
) -> Result<()> {
    let value = value.map_err(|error| Doing::Internal.failed(error))?;
    object.put(ck::CKA_PARAMETER_SET, Value::Ulong(set.number));
    object.put(ck::CKA_VALUE, Value::bytes(value));
    Ok(())
}

/// Puts the SubjectPublicKeyInfo in; one that the application gave must be the same.
fn put_public_key_info(object: &mut Object, spki: keyenclave_crypto::Result<Vec<u8>>) -> Result<()> {
    let spki = spki.map_err(|error| Doing::Internal.failed(error))?;
    match object.bytes(ck::CKA_PUBLIC_KEY_INFO) {
        Some(given) if !given.is_empty() && given != spki => {
            Err(wrong(ck::CKA_PUBLIC_KEY_INFO, "is not of this key"))
        }
        _ => {
            object.put(ck::CKA_PUBLIC_KEY_INFO, Value::bytes(spki));
            Ok(())
        }
    }
}

fn wrong(id: ck::CK_ATTRIBUTE_TYPE, what: &str) -> Error {
    Error::new(
        Rv::AttributeValueInvalid,
        format!("{} {what}", attribute::name(id)),
    )
}
