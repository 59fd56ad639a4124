// SPDX-License-Identifier: MIT
//! ML-KEM (FIPS 203).

use super::{adopt, der, from_parts, nid, operation, private_part, public_part, seed_part, set_of};
use crate::error::{Error, Result, check, checked, room};
use crate::pkey::{self, Pkey};
use crate::ptr::Owned;
use crate::rand;
use aws_lc_sys as sys;
use keyenclave_model::post_quantum::{ParameterSet, SHARED_SECRET_LEN, Scheme};
use std::ptr::null_mut;
use zeroize::Zeroizing;

/// How long the seed of a public matrix is, with which a public key ends, in bytes. What is before it is as long as the
/// first part of an expanded private key (FIPS 203, algorithms 13 and 16).
const RHO_LEN: usize = 32;

/// A private key, `dk`. Any number of threads may use it at once.
pub struct MlKemPrivateKey {
    key: Pkey,
    set: &'static ParameterSet,
}

impl MlKemPrivateKey {
    /// Makes a key.
    pub fn generate(set: &'static ParameterSet) -> Result<Self> {
        let mut seed = Zeroizing::new(vec![0; set.seed_len]);
        rand::fill(&mut seed)?;
        Self::from_parts(set, &seed, &[])
    }

    /// The key with a seed (d and z), with an expanded private key, or with both, which must then be the same key; one
    /// may be empty. [`Error::InvalidKey`] for what is no key (FIPS 203, section 7.3, and both halves tried out).
    pub fn from_parts(set: &'static ParameterSet, seed: &[u8], expanded: &[u8]) -> Result<Self> {
        let key = from_parts(
            set,
            seed,
            expanded,
            |seed| from_seed(set, seed),
            |key| from_expanded(set, key),
        )?;
        Ok(Self { key, set })
    }

    pub(crate) fn from_pkey(key: &Pkey) -> Result<Self> {
        let set = set_of(Scheme::MlKem, key)?;
        let seed = seed_part(set, key).unwrap_or_default();
        Self::from_parts(set, &seed, &private_part(set, key)?)
    }

    /// Its parameter set.
    pub fn set(&self) -> &'static ParameterSet {
        self.set
    }

    /// The seed, if it is known: d and z.
    pub fn seed(&self) -> Option<Zeroizing<Vec<u8>>> {
        seed_part(self.set, &self.key)
    }

    /// The expanded private key `dk`.
    pub fn expanded(&self) -> Result<Zeroizing<Vec<u8>>> {
        private_part(self.set, &self.key)
    }

    /// The public half.
    pub fn public(&self) -> Result<MlKemPublicKey> {
        MlKemPublicKey::from_bytes(self.set, &public_part(self.set, &self.key)?)
    }

    /// The key as a DER PKCS #8 PrivateKeyInfo: its seed, or where that is not known the expanded key (RFC 9935).
    pub fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>> {
        match self.seed() {
            Some(_) => pkey::pkcs8_der(&self.key),
            None => der::private_key_info(self.set, &der::expanded_key(&self.expanded()?)?),
        }
    }

    /// The secret in a ciphertext. One that was made for another key, or changed, gives another secret and no error
    /// (FIPS 203, algorithm 18). [`Error::InputLength`] for another length than the parameter set's.
    pub fn decapsulate(&self, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        if ciphertext.len() != self.set.output_len {
            return Err(Error::InputLength);
        }
        let operation = operation(&self.key, None)?;
        let mut secret = Zeroizing::new(vec![0; SHARED_SECRET_LEN]);
        let (mut len, to) = (secret.len(), secret.as_mut_ptr());
        let (from, from_len) = (ciphertext.as_ptr(), ciphertext.len());
        // SAFETY: a live operation of ours alone; pointers and lengths describe the two slices.
        checked(unsafe { sys::EVP_PKEY_decapsulate(operation.as_ptr(), to, &mut len, from, from_len) })?;
        Ok(secret)
    }
}

fn from_seed(set: &ParameterSet, seed: &[u8]) -> Result<Pkey> {
    // SAFETY: plain number; no engine.
    let raw = unsafe { sys::EVP_PKEY_CTX_new_id(sys::EVP_PKEY_KEM, null_mut()) };
    // SAFETY: null or a new operation.
    let operation = unsafe { Owned::<sys::EVP_PKEY_CTX>::adopt(raw)? };
    // SAFETY: a live operation of ours alone.
    checked(unsafe { sys::EVP_PKEY_CTX_kem_set_params(operation.as_ptr(), nid(set)?) })?;
    // SAFETY: as above.
    checked(unsafe { sys::EVP_PKEY_keygen_init(operation.as_ptr()) })?;
    let (mut key, mut len) = (null_mut(), seed.len());
    // SAFETY: as above; pointer and length describe `seed`; `key` is null, so that a new one is put there.
    checked(unsafe {
        sys::EVP_PKEY_keygen_deterministic(operation.as_ptr(), &mut key, seed.as_ptr(), &mut len)
    })?;
    adopt(key)
}

/// aws-lc does not look for the public key in an expanded private one, and compares nothing before it is asked.
fn from_expanded(set: &ParameterSet, expanded: &[u8]) -> Result<Pkey> {
    let number = nid(set)?;
    let public = expanded
        .get(set.public_len.saturating_sub(RHO_LEN)..)
        .and_then(|rest| rest.get(..set.public_len))
        .ok_or(Error::InvalidKey)?;
    let (from, len) = (public.as_ptr(), public.len());
    let (secret, secret_len) = (expanded.as_ptr(), expanded.len());
    // SAFETY: pointers and lengths describe the two slices, which are copied.
    let key = adopt(unsafe { sys::EVP_PKEY_kem_new_raw_key(number, from, len, secret, secret_len) })?;
    // SAFETY: a live key of ours alone.
    let code = unsafe { sys::EVP_PKEY_kem_check_key(key.as_ptr()) };
    check(code, Error::InvalidKey)?;
    Ok(key)
}

/// A public key, `ek`.
pub struct MlKemPublicKey {
    key: Pkey,
    set: &'static ParameterSet,
}

impl MlKemPublicKey {
    /// The key with these bytes; [`Error::InvalidKey`] for what is none (FIPS 203, section 7.2).
    pub fn from_bytes(set: &'static ParameterSet, bytes: &[u8]) -> Result<Self> {
        let number = nid(set)?;
        // SAFETY: pointer and length describe `bytes`, which are copied.
        let raw = unsafe { sys::EVP_PKEY_kem_new_raw_public_key(number, bytes.as_ptr(), bytes.len()) };
        let key = adopt(raw)?;
        let operation = operation(&key, None)?;
        // SAFETY: a live operation of ours alone.
        let code = unsafe { sys::EVP_PKEY_public_check(operation.as_ptr()) };
        check(code, Error::InvalidKey)?;
        Ok(Self { key, set })
    }

    pub(crate) fn from_pkey(key: &Pkey) -> Result<Self> {
        let set = set_of(Scheme::MlKem, key)?;
        Self::from_bytes(set, &public_part(set, key)?)
    }

    /// Its parameter set.
    pub fn set(&self) -> &'static ParameterSet {
        self.set
    }

    /// The key as FIPS 203 writes it.
    pub fn as_bytes(&self) -> Result<Vec<u8>> {
        public_part(self.set, &self.key)
    }

    /// The key as a DER SubjectPublicKeyInfo (RFC 9935).
    pub fn spki_der(&self) -> Result<Vec<u8>> {
        pkey::spki_der(&self.key)
    }

    /// Makes a secret; writes the ciphertext to the front of `out`, and returns the ciphertext's length and the secret
    /// of 32 bytes.
    pub fn encapsulate(&self, out: &mut [u8]) -> Result<(usize, Zeroizing<Vec<u8>>)> {
        let out = room(out, self.set.output_len)?;
        let operation = operation(&self.key, None)?;
        let mut secret = Zeroizing::new(vec![0; SHARED_SECRET_LEN]);
        let (mut len, to) = (out.len(), out.as_mut_ptr());
        let (mut secret_len, secret_at) = (secret.len(), secret.as_mut_ptr());
        // SAFETY: a live operation of ours alone; pointers and lengths describe the two slices.
        checked(unsafe {
            sys::EVP_PKEY_encapsulate(operation.as_ptr(), to, &mut len, secret_at, &mut secret_len)
        })?;
        Ok((len, secret))
    }
}
