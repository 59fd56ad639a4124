// SPDX-License-Identifier: MIT
//! Keys as DER: SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7) and PKCS #8 PrivateKeyInfo (RFC 5208).
//!
//! RSA and EC keys are held as `EVP_PKEY`, the type that these formats and RSA-OAEP want.

use crate::ec::{EcPrivateKey, EcPublicKey};
use crate::ed25519::{Ed25519PrivateKey, Ed25519PublicKey};
use crate::error::{Error, Result, checked, clear_queue};
use crate::lattice::{MlDsaPrivateKey, MlDsaPublicKey, MlKemPrivateKey, MlKemPublicKey, both_forms};
use crate::ptr::Owned;
use crate::rsa::{RsaPrivateKey, RsaPublicKey};
use crate::x25519::{X25519PrivateKey, X25519PublicKey};
use aws_lc_sys as sys;
use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::ptr::null_mut;
use zeroize::Zeroizing;

/// Room for the DER of any key: an RSA private key of 16384 bits takes about 9.3 kB.
const DER_ROOM: usize = 10 * 1024;

/// A public key of any kind.
pub enum PublicKey {
    /// An RSA key.
    Rsa(RsaPublicKey),
    /// A key on one of the Weierstrass curves.
    Ec(EcPublicKey),
    /// A key on edwards25519.
    Ed25519(Ed25519PublicKey),
    /// A key on curve25519.
    X25519(X25519PublicKey),
    /// A key of ML-DSA.
    MlDsa(MlDsaPublicKey),
    /// A key of ML-KEM.
    MlKem(MlKemPublicKey),
}

impl PublicKey {
    /// Reads a DER SubjectPublicKeyInfo; [`Error::Unsupported`] for other algorithms and curves.
    pub fn from_spki_der(der: &[u8]) -> Result<Self> {
        let key = parse(der, sys::EVP_parse_public_key)?;
        match kind(&key) {
            sys::EVP_PKEY_RSA => RsaPublicKey::from_pkey(key).map(Self::Rsa),
            sys::EVP_PKEY_EC => EcPublicKey::from_pkey(key).map(Self::Ec),
            sys::EVP_PKEY_ED25519 => Ed25519PublicKey::from_pkey(&key).map(Self::Ed25519),
            sys::EVP_PKEY_X25519 => X25519PublicKey::from_pkey(&key).map(Self::X25519),
            sys::EVP_PKEY_PQDSA => MlDsaPublicKey::from_pkey(&key).map(Self::MlDsa),
            sys::EVP_PKEY_KEM => MlKemPublicKey::from_pkey(&key).map(Self::MlKem),
            _ => Err(Error::Unsupported),
        }
    }

    /// The key as a DER SubjectPublicKeyInfo.
    pub fn spki_der(&self) -> Result<Vec<u8>> {
        match self {
            Self::Rsa(key) => key.spki_der(),
            Self::Ec(key) => key.spki_der(),
            Self::Ed25519(key) => key.spki_der(),
            Self::X25519(key) => key.spki_der(),
            Self::MlDsa(key) => key.spki_der(),
            Self::MlKem(key) => key.spki_der(),
        }
    }
}

/// A private key of any kind.
pub enum PrivateKey {
    /// An RSA key.
    Rsa(RsaPrivateKey),
    /// A key on one of the Weierstrass curves.
    Ec(EcPrivateKey),
    /// A key on edwards25519.
    Ed25519(Ed25519PrivateKey),
    /// A key on curve25519.
    X25519(X25519PrivateKey),
    /// A key of ML-DSA.
    MlDsa(MlDsaPrivateKey),
    /// A key of ML-KEM.
    MlKem(MlKemPrivateKey),
}

impl PrivateKey {
    /// Reads a DER PrivateKeyInfo without encryption; [`Error::Unsupported`] for other algorithms and curves.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self> {
        if let Some((set, seed, expanded)) = both_forms(der) {
            return MlKemPrivateKey::from_parts(set, seed, expanded).map(Self::MlKem);
        }
        let key = parse(der, sys::EVP_parse_private_key)?;
        match kind(&key) {
            sys::EVP_PKEY_RSA => RsaPrivateKey::from_pkey(key).map(Self::Rsa),
            sys::EVP_PKEY_EC => EcPrivateKey::from_pkey(key).map(Self::Ec),
            sys::EVP_PKEY_ED25519 => Ed25519PrivateKey::from_pkey(&key).map(Self::Ed25519),
            sys::EVP_PKEY_X25519 => X25519PrivateKey::from_pkey(&key).map(Self::X25519),
            sys::EVP_PKEY_PQDSA => MlDsaPrivateKey::from_pkey(&key).map(Self::MlDsa),
            sys::EVP_PKEY_KEM => MlKemPrivateKey::from_pkey(&key).map(Self::MlKem),
            _ => Err(Error::Unsupported),
        }
    }

    /// The key as a DER PrivateKeyInfo.
    pub fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>> {
        match self {
            Self::Rsa(key) => key.to_pkcs8_der(),
            Self::Ec(key) => key.to_pkcs8_der(),
            Self::Ed25519(key) => key.to_pkcs8_der(),
            Self::X25519(key) => key.to_pkcs8_der(),
            Self::MlDsa(key) => key.to_pkcs8_der(),
            Self::MlKem(key) => key.to_pkcs8_der(),
        }
    }
}

pub(crate) type Pkey = Owned<sys::EVP_PKEY>;

type Parse = unsafe extern "C" fn(*mut sys::CBS) -> *mut sys::EVP_PKEY;
type Marshal = unsafe extern "C" fn(*mut sys::CBB, *const sys::EVP_PKEY) -> c_int;

/// What a key is: `EVP_PKEY_RSA`, `EVP_PKEY_EC` …
fn kind(key: &Pkey) -> c_int {
    // SAFETY: a live key, only read.
    unsafe { sys::EVP_PKEY_id(key.as_ptr()) }
}

/// Reads one key and nothing after it.
fn parse(der: &[u8], read: Parse) -> Result<Pkey> {
    let mut input = MaybeUninit::<sys::CBS>::uninit();
    // SAFETY: initialises `input` to read `der`, which outlives it.
    unsafe { sys::CBS_init(input.as_mut_ptr(), der.as_ptr(), der.len()) };
    // SAFETY: `input` was initialised just above; `read` is one of aws-lc's two parsers.
    let raw = unsafe { read(input.as_mut_ptr()) };
    // SAFETY: the parser returns null or a new key.
    let key = unsafe { Owned::adopt(raw) }.map_err(|_| Error::InvalidKey)?;
    clear_queue();
    // SAFETY: `input` is initialised.
    let rest = unsafe { sys::CBS_len(input.as_ptr()) };
    if rest == 0 {
        Ok(key)
    } else {
        Err(Error::InvalidKey)
    }
}

fn marshal(key: &Pkey, write: Marshal) -> Result<Zeroizing<Vec<u8>>> {
    let mut room = Zeroizing::new(vec![0u8; DER_ROOM]);
    let mut output = MaybeUninit::<sys::CBB>::uninit();
    // SAFETY: initialises `output` to write into `room`, which outlives it and does not move or grow.
    checked(unsafe { sys::CBB_init_fixed(output.as_mut_ptr(), room.as_mut_ptr(), room.len()) })?;
    // SAFETY: `output` is initialised and has not moved; the key is live and only read.
    checked(unsafe { write(output.as_mut_ptr(), key.as_ptr()) })?;
    let mut len = 0;
    // SAFETY: as above; null leaves the bytes where they are, in `room`.
    checked(unsafe { sys::CBB_finish(output.as_mut_ptr(), null_mut(), &mut len) })?;
    room.get(..len)
        .map(|der| Zeroizing::new(der.to_vec()))
        .ok_or(Error::Library(0))
}

pub(crate) fn spki_der(key: &Pkey) -> Result<Vec<u8>> {
    marshal(key, sys::EVP_marshal_public_key).map(|mut der| std::mem::take(&mut *der))
}

pub(crate) fn pkcs8_der(key: &Pkey) -> Result<Zeroizing<Vec<u8>>> {
    marshal(key, sys::EVP_marshal_private_key)
}

/// Wraps an RSA key.
pub(crate) fn from_rsa(rsa: &Owned<sys::RSA>) -> Result<Pkey> {
    let key = Pkey::new()?;
    // SAFETY: both live; the function takes a reference of its own to `rsa`.
    checked(unsafe { sys::EVP_PKEY_set1_RSA(key.as_ptr(), rsa.as_ptr()) })?;
    Ok(key)
}

/// Wraps an EC key.
pub(crate) fn from_ec(ec: &Owned<sys::EC_KEY>) -> Result<Pkey> {
    let key = Pkey::new()?;
    // SAFETY: both live; the function takes a reference of its own to `ec`.
    checked(unsafe { sys::EVP_PKEY_set1_EC_KEY(key.as_ptr(), ec.as_ptr()) })?;
    Ok(key)
}
