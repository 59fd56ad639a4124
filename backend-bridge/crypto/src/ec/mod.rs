// SPDX-License-Identifier: MIT
//! ECDSA (FIPS 186-5, section 6) and ECDH over the NIST prime curves, secp256k1 and the brainpool curves.
//!
//! Signatures are `r ‖ s`, each as long as a field element, which is the form of PKCS#11; points are SEC 1 octets.
//! Nonces come from aws-lc's generator with the key and the digest mixed in.
//!
//! # Constant time
//! P-224, P-256, P-384 and P-521 have code of their own in aws-lc. secp256k1 and the brainpool curves go through its
//! general code: Montgomery arithmetic of fixed width, digits of a fixed window without signs, and a look-up that
//! touches every entry of the window's table. Nothing there depends on the scalar: the one branch, for the sum of equal
//! points, is never reached by such digits. What that code lacks beside the NIST curves' is a formal proof, and speed:
//! it takes some ten times as long as P-256.

mod agreement;
mod extra_bits;

use crate::error::{Error, Result, check, checked, clear_queue, room};
use crate::number::{Number, write_padded};
use crate::pkey::{self, Pkey, PrivateKey, PublicKey};
use crate::ptr::Owned;
use aws_lc_sys as sys;
use keyenclave_model::algorithm::Curve;
use std::ffi::c_int;
use std::ptr::{null, null_mut};
use zeroize::Zeroizing;

/// A private key with its public point. Any number of threads may sign with it at once.
pub struct EcPrivateKey {
    key: Pkey,
    curve: Curve,
}

impl EcPrivateKey {
    /// Makes a key.
    pub fn generate(curve: Curve) -> Result<Self> {
        let ec = empty(curve)?;
        // SAFETY: a live key of ours alone, with its group.
        checked(unsafe { sys::EC_KEY_generate_key(ec.as_ptr()) })?;
        Ok(Self {
            key: pkey::from_ec(&ec)?,
            curve,
        })
    }

    /// Makes a key as FIPS 186-5, appendix A.2.1, has it: from 64 more random bits than the order of the curve has.
    pub fn generate_with_extra_bits(curve: Curve) -> Result<Self> {
        Self::from_scalar(curve, &extra_bits::scalar(curve)?)
    }

    /// The key with a big-endian scalar, shorter or longer by zeros than a field element; [`Error::InvalidKey`] if
    /// it is zero or not below the order of the curve. The public point is computed.
    pub fn from_scalar(curve: Curve, scalar: &[u8]) -> Result<Self> {
        let start = scalar.iter().position(|byte| *byte != 0).unwrap_or(scalar.len());
        let digits = scalar.get(start..).unwrap_or_default();
        if digits.len() > curve.field_len() {
            return Err(Error::InvalidKey);
        }
        let number = Number::from_be(digits)?;
        let ec = empty(curve)?;
        // SAFETY: a live key of ours alone; the number is copied.
        let code = unsafe { sys::EC_KEY_set_private_key(ec.as_ptr(), number.as_ptr()) };
        check(code, Error::InvalidKey)?;
        let point = Point::new(&ec)?;
        let (group, to) = (group(&ec), point.0.as_ptr());
        // SAFETY: group and point belong together and the point is ours alone; without a second point this is a
        // constant-time multiple of the generator.
        checked(unsafe { sys::EC_POINT_mul(group, to, number.as_ptr(), null(), null(), null_mut()) })?;
        point.give_to(&ec)?;
        Ok(Self {
            key: pkey::from_ec(&ec)?,
            curve,
        })
    }

    /// Reads a DER PKCS #8 PrivateKeyInfo that holds an EC key on one of the curves.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self> {
        match PrivateKey::from_pkcs8_der(der)? {
            PrivateKey::Ec(key) => Ok(key),
            _ => Err(Error::InvalidKey),
        }
    }

    pub(crate) fn from_pkey(key: Pkey) -> Result<Self> {
        let curve = curve_of(&key)?;
        Ok(Self { key, curve })
    }

    /// The key as a DER PKCS #8 PrivateKeyInfo.
    pub fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>> {
        pkey::pkcs8_der(&self.key)
    }

    /// The curve.
    pub fn curve(&self) -> Curve {
        self.curve
    }

    /// The scalar, big-endian, always as long as a field element.
    pub fn scalar(&self) -> Result<Zeroizing<Vec<u8>>> {
        let mut scalar = Zeroizing::new(vec![0; self.curve.field_len()]);
        // SAFETY: a live key, only read; the number belongs to it.
        let number = unsafe { sys::EC_KEY_get0_private_key(ec_key(&self.key)) };
        // SAFETY: every constructor sets the scalar, so this is a live number that nobody writes to.
        unsafe { write_padded(number, &mut scalar)? };
        Ok(scalar)
    }

    /// The public half.
    pub fn public(&self) -> Result<EcPublicKey> {
        EcPublicKey::from_point(self.curve, &point_of(&self.key, self.curve)?)
    }

    /// Signs a digest of any length (the leftmost bits count, FIPS 186-5 section 6.4.1), writes `r ‖ s` to the
    /// front of `out` and returns its length: twice that of a field element.
    pub fn sign(&self, digest: &[u8], out: &mut [u8]) -> Result<usize> {
        let half = self.curve.field_len();
        let out = room(out, half.saturating_mul(2))?;
        // SAFETY: pointer and length describe `digest`; signing only reads the key, so threads may share it.
        let raw = unsafe { sys::ECDSA_do_sign(digest.as_ptr(), digest.len(), ec_key(&self.key)) };
        // SAFETY: null or a new signature.
        let signature = unsafe { Owned::adopt(raw)? };
        let (mut r, mut s) = (null(), null());
        // SAFETY: a live signature; it keeps both numbers.
        unsafe { sys::ECDSA_SIG_get0(signature.as_ptr(), &mut r, &mut s) };
        let (front, back) = out.split_at_mut(half);
        // SAFETY: a number of the live signature.
        unsafe { write_padded(r, front)? };
        // SAFETY: a number of the live signature.
        unsafe { write_padded(s, back)? };
        Ok(half.saturating_mul(2))
    }
}

/// A public key: a point that is known to be on its curve.
pub struct EcPublicKey {
    key: Pkey,
    curve: Curve,
}

impl EcPublicKey {
    /// The key with a point in SEC 1 form, uncompressed or compressed; [`Error::InvalidKey`] if it is not a point
    /// of the curve, or the one at infinity.
    pub fn from_point(curve: Curve, octets: &[u8]) -> Result<Self> {
        // aws-lc reads the hybrid form as well, which says the same thing twice and has no user.
        if !matches!(octets, [2..=4, ..]) {
            return Err(Error::InvalidKey);
        }
        let ec = empty(curve)?;
        let point = Point::new(&ec)?;
        let (group, to) = (group(&ec), point.0.as_ptr());
        check(
            // SAFETY: group and point belong together and the point is ours alone; pointer and length describe
            // `octets`.
            unsafe { sys::EC_POINT_oct2point(group, to, octets.as_ptr(), octets.len(), null_mut()) },
            Error::InvalidKey,
        )?;
        point.give_to(&ec)?;
        Ok(Self {
            key: pkey::from_ec(&ec)?,
            curve,
        })
    }

    /// Reads a DER SubjectPublicKeyInfo that holds an EC key on one of the curves.
    pub fn from_spki_der(der: &[u8]) -> Result<Self> {
        match PublicKey::from_spki_der(der)? {
            PublicKey::Ec(key) => Ok(key),
            _ => Err(Error::InvalidKey),
        }
    }

    pub(crate) fn from_pkey(key: Pkey) -> Result<Self> {
        let curve = curve_of(&key)?;
        Ok(Self { key, curve })
    }

    /// The curve.
    pub fn curve(&self) -> Curve {
        self.curve
    }

    /// The point in uncompressed SEC 1 form.
    pub fn point(&self) -> Result<Vec<u8>> {
        point_of(&self.key, self.curve)
    }

    /// The key as a DER SubjectPublicKeyInfo.
    pub fn spki_der(&self) -> Result<Vec<u8>> {
        pkey::spki_der(&self.key)
    }

    /// Checks `r ‖ s`, two halves of equal length up to that of a field element (PKCS#11 3.2, EC signatures),
    /// against a digest of any length. [`Error::InputLength`] for other lengths, else [`Error::Verification`].
    pub fn verify(&self, digest: &[u8], signature: &[u8]) -> Result<()> {
        let half = signature.len() / 2;
        if half == 0 || !signature.len().is_multiple_of(2) || half > self.curve.field_len() {
            return Err(Error::InputLength);
        }
        let (r, s) = signature.split_at(half);
        let (r, s) = (Number::from_be(r)?, Number::from_be(s)?);
        let parsed = Owned::<sys::ECDSA_SIG>::new()?;
        // SAFETY: a live signature of ours alone, which takes ownership of both numbers; it cannot fail, as neither
        // is null.
        checked(unsafe { sys::ECDSA_SIG_set0(parsed.as_ptr(), r.into_raw(), s.into_raw()) })?;
        let (key, parsed) = (ec_key(&self.key), parsed.as_ptr());
        // SAFETY: pointer and length describe `digest`; key and signature are live and only read.
        let code = unsafe { sys::ECDSA_do_verify(digest.as_ptr(), digest.len(), parsed, key) };
        check(code, Error::Verification)
    }
}

/// A point that is being made for a key.
struct Point(Owned<sys::EC_POINT>);

impl Point {
    fn new(ec: &Owned<sys::EC_KEY>) -> Result<Self> {
        // SAFETY: the group of a live key.
        let raw = unsafe { sys::EC_POINT_new(group(ec)) };
        // SAFETY: null or a new point.
        unsafe { Owned::adopt(raw) }.map(Self)
    }

    /// Makes this the public point of the key and checks the whole key.
    fn give_to(&self, ec: &Owned<sys::EC_KEY>) -> Result<()> {
        // SAFETY: a live key of ours alone; the point is copied.
        let code = unsafe { sys::EC_KEY_set_public_key(ec.as_ptr(), self.0.as_ptr()) };
        check(code, Error::InvalidKey)?;
        // SAFETY: a live key, only read.
        check(unsafe { sys::EC_KEY_check_key(ec.as_ptr()) }, Error::InvalidKey)
    }
}

const NIDS: [(Curve, c_int); 8] = [
    (Curve::P224, sys::NID_secp224r1),
    (Curve::P256, sys::NID_X9_62_prime256v1),
    (Curve::P384, sys::NID_secp384r1),
    (Curve::P521, sys::NID_secp521r1),
    (Curve::Secp256k1, sys::NID_secp256k1),
    (Curve::BrainpoolP256r1, sys::NID_brainpoolP256r1),
    (Curve::BrainpoolP384r1, sys::NID_brainpoolP384r1),
    (Curve::BrainpoolP512r1, sys::NID_brainpoolP512r1),
];

/// A key with a group and nothing else.
fn empty(curve: Curve) -> Result<Owned<sys::EC_KEY>> {
    let (_, nid) = NIDS
        .into_iter()
        .find(|(known, _)| *known == curve)
        .ok_or(Error::Unsupported)?;
    // SAFETY: a plain number.
    let raw = unsafe { sys::EC_KEY_new_by_curve_name(nid) };
    // SAFETY: null or a new key.
    unsafe { Owned::adopt(raw) }
}

/// The group of a key made by [`empty`]; lives as long as the key.
fn group(ec: &Owned<sys::EC_KEY>) -> *const sys::EC_GROUP {
    // SAFETY: a live key, only read.
    unsafe { sys::EC_KEY_get0_group(ec.as_ptr()) }
}

/// The EC key inside; lives as long as `key`. Null if it is of another kind.
fn ec_key(key: &Pkey) -> *mut sys::EC_KEY {
    // SAFETY: a live key, only read.
    unsafe { sys::EVP_PKEY_get0_EC_KEY(key.as_ptr()) }
}

/// The curve of a key that was read from DER; refuses other kinds of keys and other curves.
fn curve_of(key: &Pkey) -> Result<Curve> {
    let ec = ec_key(key);
    if ec.is_null() {
        clear_queue();
        return Err(Error::InvalidKey);
    }
    // SAFETY: a live key, only read.
    let group = unsafe { sys::EC_KEY_get0_group(ec) };
    // SAFETY: the group of a live key; the parsers never leave it out.
    let nid = unsafe { sys::EC_GROUP_get_curve_name(group) };
    NIDS.into_iter()
        .find(|(_, known)| *known == nid)
        .map(|(curve, _)| curve)
        .ok_or(Error::Unsupported)
}

fn point_of(key: &Pkey, curve: Curve) -> Result<Vec<u8>> {
    let ec = ec_key(key);
    let form = sys::point_conversion_form_t::POINT_CONVERSION_UNCOMPRESSED;
    let mut octets = vec![0; curve.field_len().saturating_mul(2).saturating_add(1)];
    // SAFETY: a live EC key, as every constructor sees to.
    let group = unsafe { sys::EC_KEY_get0_group(ec) };
    // SAFETY: as above.
    let point = unsafe { sys::EC_KEY_get0_public_key(ec) };
    let (to, room) = (octets.as_mut_ptr(), octets.len());
    // SAFETY: every constructor sets the point; pointer and length describe `octets`.
    let written = unsafe { sys::EC_POINT_point2oct(group, point, form, to, room, null_mut()) };
    if written == octets.len() {
        Ok(octets)
    } else {
        Err(Error::library())
    }
}
