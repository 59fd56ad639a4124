// SPDX-License-Identifier: MIT
//! Ed25519, Ed25519ctx and Ed25519ph (RFC 8032, section 5.1).
//!
//! Apart from `ec.rs`, because keys and signatures are byte strings and not numbers. A private key is kept expanded
//! (seed and public key) in aws-lc's memory, so that a signature costs no more than the bare function.

use crate::error::{Error, Result, check, checked, room};
use crate::pkey::{self, Pkey, PrivateKey, PublicKey};
use crate::ptr::{Foreign, Owned};
use crate::rand;
use aws_lc_sys as sys;
use keyenclave_model::edwards::{MAX_CONTEXT, PUBLIC_LEN, SEED_LEN, SIGNATURE_LEN};
use std::ptr::null_mut;
use zeroize::Zeroizing;

/// The digest that Ed25519ph signs, in bytes: SHA-512's.
const DIGEST_LEN: usize = 64;

/// Which of RFC 8032's schemes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ed25519Scheme<'a> {
    /// Ed25519 over a message.
    Pure,
    /// Ed25519ctx over a message, with a context of 1 to 255 bytes.
    Context(&'a [u8]),
    /// Ed25519ph over a message's SHA-512 digest of 64 bytes, with a context of 0 to 255 bytes.
    Prehashed(&'a [u8]),
}

impl Ed25519Scheme<'_> {
    /// Refuses contexts and digests of lengths that the scheme does not have, of which some functions read a fixed
    /// number of bytes.
    fn check(self, message: &[u8]) -> Result<()> {
        match self {
            Self::Pure => Ok(()),
            Self::Context([]) => Err(Error::InvalidInput),
            Self::Context(context) | Self::Prehashed(context) if context.len() > MAX_CONTEXT => {
                Err(Error::InvalidInput)
            }
            Self::Context(_) => Ok(()),
            Self::Prehashed(_) if message.len() == DIGEST_LEN => Ok(()),
            Self::Prehashed(_) => Err(Error::InputLength),
        }
    }
}

/// The seed and after it the public key: what aws-lc calls a private key.
#[repr(transparent)]
struct Expanded([u8; SEED_LEN + PUBLIC_LEN]);

// SAFETY: plain bytes without affinity to a thread, allocated and freed by aws-lc, which wipes what it frees.
unsafe impl Foreign for Expanded {
    unsafe fn free(raw: *mut Self) {
        // SAFETY: the caller owns `raw`, which came from `OPENSSL_malloc`.
        unsafe { sys::OPENSSL_free(raw.cast()) }
    }
}

/// A private key. Any number of threads may sign with it at once.
pub struct Ed25519PrivateKey {
    expanded: Owned<Expanded>,
    public: [u8; PUBLIC_LEN],
}

impl Ed25519PrivateKey {
    /// Makes a key.
    pub fn generate() -> Result<Self> {
        let mut seed = Zeroizing::new([0; SEED_LEN]);
        rand::fill(seed.as_mut_slice())?;
        Self::from_seed(seed.as_slice())
    }

    /// The key with a seed of 32 bytes; [`Error::InvalidKey`] for another length. Every seed is one of a key.
    pub fn from_seed(seed: &[u8]) -> Result<Self> {
        let seed: &[u8; SEED_LEN] = seed.try_into().map_err(|_| Error::InvalidKey)?;
        // SAFETY: a plain number.
        let raw = unsafe { sys::OPENSSL_malloc(size_of::<Expanded>()) };
        // SAFETY: null or new memory of the right size, which nobody else owns; bytes have no alignment.
        let expanded = unsafe { Owned::adopt(raw.cast::<Expanded>())? };
        let mut public = [0; PUBLIC_LEN];
        let to = expanded.as_ptr().cast();
        // SAFETY: the function writes 32 bytes to `public` and 64 to the memory, and reads 32 of `seed`.
        unsafe { sys::ED25519_keypair_from_seed(public.as_mut_ptr(), to, seed.as_ptr()) };
        Ok(Self { expanded, public })
    }

    /// Reads a DER PKCS #8 PrivateKeyInfo that holds an Ed25519 key (RFC 8410).
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self> {
        match PrivateKey::from_pkcs8_der(der)? {
            PrivateKey::Ed25519(key) => Ok(key),
            _ => Err(Error::InvalidKey),
        }
    }

    pub(crate) fn from_pkey(key: &Pkey) -> Result<Self> {
        let mut seed = Zeroizing::new([0; SEED_LEN]);
        let mut len = seed.len();
        // SAFETY: a live key, only read; pointer and length describe `seed`.
        let code = unsafe { sys::EVP_PKEY_get_raw_private_key(key.as_ptr(), seed.as_mut_ptr(), &mut len) };
        checked(code)?;
        Self::from_seed(seed.get(..len).ok_or(Error::InvalidKey)?)
    }

    /// The key as a DER PKCS #8 PrivateKeyInfo (RFC 8410).
    pub fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>> {
        let seed = self.seed();
        let (from, len) = (seed.as_ptr(), seed.len());
        // SAFETY: pointer and length describe `seed`, which is copied.
        let raw = unsafe { sys::EVP_PKEY_new_raw_private_key(sys::EVP_PKEY_ED25519, null_mut(), from, len) };
        // SAFETY: null or a new key.
        pkey::pkcs8_der(&unsafe { Pkey::adopt(raw)? })
    }

    /// The seed: what PKCS#11 and RFC 8410 call the private key. 32 bytes.
    pub fn seed(&self) -> Zeroizing<Vec<u8>> {
        // SAFETY: live memory that is written to only while it is made; a shared reference for this call.
        let Expanded(expanded) = unsafe { &*self.expanded.as_ptr() };
        Zeroizing::new(expanded.get(..SEED_LEN).unwrap_or_default().to_vec())
    }

    /// The public half.
    pub fn public(&self) -> Ed25519PublicKey {
        Ed25519PublicKey { point: self.public }
    }

    /// Signs a message, or for [`Ed25519Scheme::Prehashed`] its digest; writes 64 bytes to the front of `out` and
    /// returns their number.
    pub fn sign(&self, scheme: Ed25519Scheme<'_>, message: &[u8], out: &mut [u8]) -> Result<usize> {
        scheme.check(message)?;
        let out = room(out, SIGNATURE_LEN)?.as_mut_ptr();
        let (from, len, key) = (
            message.as_ptr(),
            message.len(),
            self.expanded.as_ptr().cast::<u8>(),
        );
        let code = match scheme {
            // SAFETY: room for 64 bytes, a message with its length, and the 64 bytes of a live key, only read.
            Ed25519Scheme::Pure => unsafe { sys::ED25519_sign(out, from, len, key) },
            Ed25519Scheme::Context(context) => {
                let (context, context_len) = (context.as_ptr(), context.len());
                // SAFETY: as above; the context with its length.
                unsafe { sys::ED25519ctx_sign(out, from, len, key, context, context_len) }
            }
            Ed25519Scheme::Prehashed(context) => {
                let (context, context_len) = (context.as_ptr(), context.len());
                // SAFETY: as above; `check` has seen to it that the digest has the 64 bytes that are read.
                unsafe { sys::ED25519ph_sign_digest(out, from, key, context, context_len) }
            }
        };
        checked(code)?;
        Ok(SIGNATURE_LEN)
    }
}

/// A public key: 32 bytes. That they are a point of the curve is found out when a signature is verified; where they
/// are not, none is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ed25519PublicKey {
    point: [u8; PUBLIC_LEN],
}

impl Ed25519PublicKey {
    /// The key with these bytes; [`Error::InvalidKey`] for another length than 32.
    pub fn from_bytes(point: &[u8]) -> Result<Self> {
        let point = point.try_into().map_err(|_| Error::InvalidKey)?;
        Ok(Self { point })
    }

    /// Reads a DER SubjectPublicKeyInfo that holds an Ed25519 key (RFC 8410).
    pub fn from_spki_der(der: &[u8]) -> Result<Self> {
        match PublicKey::from_spki_der(der)? {
            PublicKey::Ed25519(key) => Ok(key),
            _ => Err(Error::InvalidKey),
        }
    }

    pub(crate) fn from_pkey(key: &Pkey) -> Result<Self> {
        let mut point = [0; PUBLIC_LEN];
        let mut len = point.len();
        // SAFETY: a live key, only read; pointer and length describe `point`.
        let code = unsafe { sys::EVP_PKEY_get_raw_public_key(key.as_ptr(), point.as_mut_ptr(), &mut len) };
        checked(code)?;
        Self::from_bytes(point.get(..len).ok_or(Error::InvalidKey)?)
    }

    /// The key as RFC 8032 writes it.
    pub fn as_bytes(&self) -> &[u8; PUBLIC_LEN] {
        &self.point
    }

    /// The key as a DER SubjectPublicKeyInfo (RFC 8410).
    pub fn spki_der(&self) -> Result<Vec<u8>> {
        let (from, len) = (self.point.as_ptr(), self.point.len());
        // SAFETY: pointer and length describe the point, which is copied.
        let raw = unsafe { sys::EVP_PKEY_new_raw_public_key(sys::EVP_PKEY_ED25519, null_mut(), from, len) };
        // SAFETY: null or a new key.
        pkey::spki_der(&unsafe { Pkey::adopt(raw)? })
    }

    /// Checks a signature of 64 bytes over a message, or for [`Ed25519Scheme::Prehashed`] over its digest.
    /// [`Error::InputLength`] for other lengths, else [`Error::Verification`].
    pub fn verify(&self, scheme: Ed25519Scheme<'_>, message: &[u8], signature: &[u8]) -> Result<()> {
        scheme.check(message)?;
        if signature.len() != SIGNATURE_LEN {
            return Err(Error::InputLength);
        }
        let (from, len) = (message.as_ptr(), message.len());
        let (given, key) = (signature.as_ptr(), self.point.as_ptr());
        let code = match scheme {
            // SAFETY: a message with its length, 64 bytes of signature, 32 of the key.
            Ed25519Scheme::Pure => unsafe { sys::ED25519_verify(from, len, given, key) },
            Ed25519Scheme::Context(context) => {
                let (context, context_len) = (context.as_ptr(), context.len());
                // SAFETY: as above; the context with its length.
                unsafe { sys::ED25519ctx_verify(from, len, given, key, context, context_len) }
            }
            Ed25519Scheme::Prehashed(context) => {
                let (context, context_len) = (context.as_ptr(), context.len());
                // SAFETY: as above; `check` has seen to it that the digest has the 64 bytes that are read.
                unsafe { sys::ED25519ph_verify_digest(from, given, key, context, context_len) }
            }
        };
        check(code, Error::Verification)
    }
}
