// SPDX-License-Identifier: MIT
//! ML-DSA (FIPS 204).
//!
//! What is signed is μ, a hash of the public key, a prefix and the message (algorithm 7, line 6), which is computed here
//! in parts: so one path serves messages in one piece and in many, contexts, and HashML-DSA.

use super::{adopt, der, from_parts, nid, operation, private_part, public_part, seed_part, set_of};
use crate::error::{Error, Result, check, checked, room};
use crate::pkey::{self, Pkey};
use crate::rand;
use crate::shake::{Shake, ShakeKind};
use aws_lc_sys as sys;
use keyenclave_model::post_quantum::{ParameterSet, Scheme};
use std::ffi::c_int;
use std::ptr::null;
use zeroize::Zeroizing;

/// μ, and the hash of a public key, in bytes.
const MU_LEN: usize = 64;
/// The randomness of a signature, in bytes: zeros in one that has none.
const RND_LEN: usize = 32;

/// A message that is being read.
pub struct MlDsaMessage(Shake);

impl MlDsaMessage {
    /// More of the message.
    pub fn update(&mut self, data: &[u8]) -> Result<()> {
        self.0.update(data)
    }

    fn mu(self) -> Result<[u8; MU_LEN]> {
        let mut mu = [0; MU_LEN];
        self.0.finish(&mut mu)?;
        Ok(mu)
    }
}

/// A private key. Any number of threads may sign with it at once.
pub struct MlDsaPrivateKey {
    key: Pkey,
    public: MlDsaPublicKey,
}

impl MlDsaPrivateKey {
    /// Makes a key.
    pub fn generate(set: &'static ParameterSet) -> Result<Self> {
        let mut seed = Zeroizing::new(vec![0; set.seed_len]);
        rand::fill(&mut seed)?;
        Self::from_parts(set, &seed, &[])
    }

    /// The key with a seed, with an expanded private key, or with both, which must then be the same key; one may be
    /// empty. [`Error::InvalidKey`] for what is no key.
    pub fn from_parts(set: &'static ParameterSet, seed: &[u8], expanded: &[u8]) -> Result<Self> {
        let number = nid(set)?;
        let read = |bytes: &[u8]| {
            // SAFETY: pointer and length describe `bytes`, which are copied. The length says which form they are.
            adopt(unsafe { sys::EVP_PKEY_pqdsa_new_raw_private_key(number, bytes.as_ptr(), bytes.len()) })
        };
        let key = from_parts(set, seed, expanded, read, read)?;
        let public = MlDsaPublicKey::from_bytes(set, &public_part(set, &key)?)?;
        Ok(Self { key, public })
    }

    pub(crate) fn from_pkey(key: &Pkey) -> Result<Self> {
        let set = set_of(Scheme::MlDsa, key)?;
        let seed = seed_part(set, key).unwrap_or_default();
        Self::from_parts(set, &seed, &private_part(set, key)?)
    }

    /// Its parameter set.
    pub fn set(&self) -> &'static ParameterSet {
        self.public.set
    }

    /// The seed ξ, if it is known.
    pub fn seed(&self) -> Option<Zeroizing<Vec<u8>>> {
        seed_part(self.set(), &self.key)
    }

    /// The expanded private key `sk`.
    pub fn expanded(&self) -> Result<Zeroizing<Vec<u8>>> {
        private_part(self.set(), &self.key)
    }

    /// The public half.
    pub fn public(&self) -> &MlDsaPublicKey {
        &self.public
    }

    /// The key as a DER PKCS #8 PrivateKeyInfo: its seed, or where that is not known the expanded key (RFC 9881).
    pub fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>> {
        match self.seed() {
            Some(_) => pkey::pkcs8_der(&self.key),
            None => der::private_key_info(self.set(), &der::expanded_key(&self.expanded()?)?),
        }
    }

    /// Signs; writes the signature to the front of `out` and returns its length. `deterministic`: without randomness.
    pub fn sign(&self, message: MlDsaMessage, deterministic: bool, out: &mut [u8]) -> Result<usize> {
        let mu = message.mu()?;
        let out = room(out, self.set().output_len)?;
        if deterministic {
            return self.sign_without_randomness(&mu, out);
        }
        let operation = operation(&self.key, Some(sys::EVP_PKEY_sign_init))?;
        let (mut len, to) = (out.len(), out.as_mut_ptr());
        // SAFETY: a live operation of ours alone; pointers and lengths describe the two slices.
        checked(unsafe { sys::EVP_PKEY_sign(operation.as_ptr(), to, &mut len, mu.as_ptr(), mu.len()) })?;
        Ok(len)
    }

    fn sign_without_randomness(&self, mu: &[u8; MU_LEN], out: &mut [u8]) -> Result<usize> {
        let (sign, expanded) = (internal::of(self.set())?, self.expanded()?);
        let (mut len, to, rnd) = (out.len(), out.as_mut_ptr(), [0u8; RND_LEN]);
        let (key, mu_at) = (expanded.as_ptr(), mu.as_ptr());
        // SAFETY: the key and the room for the signature have the lengths of the parameter set that the function is
        // of, as `private_part` and `room` saw to; μ with its length; no prefix; the 32 bytes of randomness.
        checked(unsafe { sign(key, to, &mut len, mu_at, MU_LEN, null(), 0, rnd.as_ptr()) })?;
        Ok(len)
    }
}

/// A public key.
pub struct MlDsaPublicKey {
    key: Pkey,
    set: &'static ParameterSet,
    /// `tr`, the hash of the key, with which every message begins.
    hash: [u8; MU_LEN],
}

impl MlDsaPublicKey {
    /// The key with these bytes; [`Error::InvalidKey`] for another length than the parameter set's.
    pub fn from_bytes(set: &'static ParameterSet, bytes: &[u8]) -> Result<Self> {
        let number = nid(set)?;
        // SAFETY: pointer and length describe `bytes`, which are copied.
        let raw = unsafe { sys::EVP_PKEY_pqdsa_new_raw_public_key(number, bytes.as_ptr(), bytes.len()) };
        let key = adopt(raw)?;
        let (mut shake, mut hash) = (Shake::new(ShakeKind::Shake256)?, [0; MU_LEN]);
        shake.update(bytes)?;
        shake.finish(&mut hash)?;
        Ok(Self { key, set, hash })
    }

    pub(crate) fn from_pkey(key: &Pkey) -> Result<Self> {
        let set = set_of(Scheme::MlDsa, key)?;
        Self::from_bytes(set, &public_part(set, key)?)
    }

    /// Its parameter set.
    pub fn set(&self) -> &'static ParameterSet {
        self.set
    }

    /// The key as FIPS 204 writes it.
    pub fn as_bytes(&self) -> Result<Vec<u8>> {
        public_part(self.set, &self.key)
    }

    /// The key as a DER SubjectPublicKeyInfo (RFC 9881).
    pub fn spki_der(&self) -> Result<Vec<u8>> {
        pkey::spki_der(&self.key)
    }

    /// A message for this key, after what
    /// [`post_quantum::prefix`](keyenclave_model::post_quantum::prefix) says comes before it.
    pub fn message(&self, prefix: &[u8]) -> Result<MlDsaMessage> {
        let mut shake = Shake::new(ShakeKind::Shake256)?;
        shake.update(&self.hash)?;
        shake.update(prefix)?;
        Ok(MlDsaMessage(shake))
    }

    /// Checks a signature. [`Error::InputLength`] for another length than the parameter set's, else
    /// [`Error::Verification`].
    pub fn verify(&self, message: MlDsaMessage, signature: &[u8]) -> Result<()> {
        let mu = message.mu()?;
        if signature.len() != self.set.output_len {
            return Err(Error::InputLength);
        }
        let operation = operation(&self.key, Some(sys::EVP_PKEY_verify_init))?;
        let (given, len) = (signature.as_ptr(), signature.len());
        // SAFETY: a live operation of ours alone; pointers and lengths describe the two slices.
        let code = unsafe { sys::EVP_PKEY_verify(operation.as_ptr(), given, len, mu.as_ptr(), mu.len()) };
        check(code, Error::Verification)
    }
}

/// ML-DSA.Sign_internal over μ (FIPS 204, algorithm 7). aws-lc exports it for its validation, and gives it the same
/// version in its name as everything else, but says nothing of it in its public headers; there is no other way to a
/// signature without randomness.
mod internal {
    use super::*;

    /// Private key; signature and its length; μ and its length; a prefix and its length; randomness.
    pub(super) type Sign = unsafe extern "C" fn(
        *const u8,
        *mut u8,
        *mut usize,
        *const u8,
        usize,
        *const u8,
        usize,
        *const u8,
    ) -> c_int;

    /// One row a parameter set: what aws-lc calls it, and what we do.
    macro_rules! sign {
        ($($symbol:literal $name:ident $set:ident;)*) => {
            unsafe extern "C" {
                $(#[link_name = $symbol]
                fn $name(
                    key: *const u8, signature: *mut u8, signature_len: *mut usize, mu: *const u8, mu_len: usize,
                    prefix: *const u8, prefix_len: usize, randomness: *const u8,
                ) -> c_int;)*
            }

            pub(super) fn of(set: &ParameterSet) -> Result<Sign> {
                match nid(set)? {
                    $(sys::$set => Ok($name),)*
                    _ => Err(Error::Unsupported),
                }
            }
        };
    }

    sign! {
        "aws_lc_0_47_0_ml_dsa_extmu_44_sign_internal" sign_44 NID_MLDSA44;
        "aws_lc_0_47_0_ml_dsa_extmu_65_sign_internal" sign_65 NID_MLDSA65;
        "aws_lc_0_47_0_ml_dsa_extmu_87_sign_internal" sign_87 NID_MLDSA87;
    }
}
