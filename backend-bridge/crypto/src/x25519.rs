// SPDX-License-Identifier: MIT
//! X25519 (RFC 7748, section 5): keys and the secret that two of them share.
//!
//! Apart from `ec`, because keys are byte strings and not numbers and points. A private key is kept in aws-lc's memory.

use crate::error::{Error, Result, check, checked};
use crate::pkey::{self, Pkey, PrivateKey, PublicKey};
use crate::rand;
use aws_lc_sys as sys;
use keyenclave_model::montgomery::KEY_LEN;
use std::ptr::null_mut;
use zeroize::Zeroizing;

/// A private key. Any number of threads may use it at once.
pub struct X25519PrivateKey {
    key: Pkey,
    public: [u8; KEY_LEN],
}

impl X25519PrivateKey {
    /// Makes a key.
    pub fn generate() -> Result<Self> {
        let mut bytes = Zeroizing::new([0; KEY_LEN]);
        rand::fill(bytes.as_mut_slice())?;
        Self::from_bytes(bytes.as_slice())
    }

    /// The key with these 32 bytes; [`Error::InvalidKey`] for another length. Any bytes are a key: the bits that RFC
    /// 7748 sets and clears are set and cleared when it is used.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let bytes: &[u8; KEY_LEN] = bytes.try_into().map_err(|_| Error::InvalidKey)?;
        let (from, len) = (bytes.as_ptr(), bytes.len());
        // SAFETY: pointer and length describe `bytes`, which are copied.
        let raw = unsafe { sys::EVP_PKEY_new_raw_private_key(sys::EVP_PKEY_X25519, null_mut(), from, len) };
        // SAFETY: null or a new key.
        let key = unsafe { Pkey::adopt(raw)? };
        let mut public = [0; KEY_LEN];
        // SAFETY: the function writes 32 bytes to `public` and reads as many of `bytes`.
        unsafe { sys::X25519_public_from_private(public.as_mut_ptr(), from) };
        Ok(Self { key, public })
    }

    /// Reads a DER PKCS #8 PrivateKeyInfo that holds an X25519 key (RFC 8410).
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self> {
        match PrivateKey::from_pkcs8_der(der)? {
            PrivateKey::X25519(key) => Ok(key),
            _ => Err(Error::InvalidKey),
        }
    }

    pub(crate) fn from_pkey(key: &Pkey) -> Result<Self> {
        Self::from_bytes(bytes_of(key)?.as_slice())
    }

    /// The key as a DER PKCS #8 PrivateKeyInfo (RFC 8410).
    pub fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>> {
        pkey::pkcs8_der(&self.key)
    }

    /// The key as RFC 7748 writes it. 32 bytes.
    pub fn bytes(&self) -> Result<Zeroizing<Vec<u8>>> {
        bytes_of(&self.key).map(|bytes| Zeroizing::new(bytes.to_vec()))
    }

    /// The public half.
    pub fn public(&self) -> X25519PublicKey {
        X25519PublicKey { u: self.public }
    }

    /// The secret shared with the owner of a public key, 32 bytes. [`Error::InvalidKey`] if it is all zeros, which a
    /// key of small order makes it for everybody (RFC 7748, section 6.1).
    pub fn agree(&self, peer: &X25519PublicKey) -> Result<Zeroizing<Vec<u8>>> {
        let private = bytes_of(&self.key)?;
        let mut secret = Zeroizing::new(vec![0; KEY_LEN]);
        // SAFETY: 32 bytes each: room, private key, public value.
        let code = unsafe { sys::X25519(secret.as_mut_ptr(), private.as_ptr(), peer.u.as_ptr()) };
        check(code, Error::InvalidKey)?;
        Ok(secret)
    }
}

fn bytes_of(key: &Pkey) -> Result<Zeroizing<[u8; KEY_LEN]>> {
    let mut bytes = Zeroizing::new([0; KEY_LEN]);
    let mut len = bytes.len();
    // SAFETY: a live key, only read; pointer and length describe `bytes`.
    checked(unsafe { sys::EVP_PKEY_get_raw_private_key(key.as_ptr(), bytes.as_mut_ptr(), &mut len) })?;
    if len == KEY_LEN {
        Ok(bytes)
    } else {
        Err(Error::InvalidKey)
    }
}

/// A public key: 32 bytes, any at all. The highest bit does not count (RFC 7748, section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct X25519PublicKey {
    u: [u8; KEY_LEN],
}

impl X25519PublicKey {
    /// The key with these bytes; [`Error::InvalidKey`] for another length than 32.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let u = bytes.try_into().map_err(|_| Error::InvalidKey)?;
        Ok(Self { u })
    }

    /// Reads a DER SubjectPublicKeyInfo that holds an X25519 key (RFC 8410).
    pub fn from_spki_der(der: &[u8]) -> Result<Self> {
        match PublicKey::from_spki_der(der)? {
            PublicKey::X25519(key) => Ok(key),
            _ => Err(Error::InvalidKey),
        }
    }

    pub(crate) fn from_pkey(key: &Pkey) -> Result<Self> {
        let mut u = [0; KEY_LEN];
        let mut len = u.len();
        // SAFETY: a live key, only read; pointer and length describe `u`.
        checked(unsafe { sys::EVP_PKEY_get_raw_public_key(key.as_ptr(), u.as_mut_ptr(), &mut len) })?;
        Self::from_bytes(u.get(..len).ok_or(Error::InvalidKey)?)
    }

    /// The key as RFC 7748 writes it.
    pub fn as_bytes(&self) -> &[u8; KEY_LEN] {
        &self.u
    }

    /// The key as a DER SubjectPublicKeyInfo (RFC 8410).
    pub fn spki_der(&self) -> Result<Vec<u8>> {
        let (from, len) = (self.u.as_ptr(), self.u.len());
        // SAFETY: pointer and length describe the key, which is copied.
        let raw = unsafe { sys::EVP_PKEY_new_raw_public_key(sys::EVP_PKEY_X25519, null_mut(), from, len) };
        // SAFETY: null or a new key.
        pkey::spki_der(&unsafe { Pkey::adopt(raw)? })
    }
}
