// SPDX-License-Identifier: MIT
//! ML-DSA (FIPS 204) and ML-KEM (FIPS 203): what the keys of both have in common.
//!
//! A private key is made from a seed, or read in its expanded form; where both are there, they must be the same key.

mod der;
mod ml_dsa;
mod ml_kem;

pub use ml_dsa::{MlDsaMessage, MlDsaPrivateKey, MlDsaPublicKey};
pub use ml_kem::{MlKemPrivateKey, MlKemPublicKey};

pub(crate) use der::both_forms;

use crate::error::{Error, Result, checked, clear_queue};
use crate::pkey::Pkey;
use crate::ptr::Owned;
use aws_lc_sys as sys;
use keyenclave_model::post_quantum::{PARAMETER_SETS, ParameterSet, Scheme};
use std::ffi::c_int;
use std::ptr::null_mut;
use zeroize::Zeroizing;

/// aws-lc's number of a parameter set, by its number in PKCS#11.
fn nid(set: &ParameterSet) -> Result<c_int> {
    match (set.scheme, set.number) {
        (Scheme::MlDsa, cryptoki_sys::CKP_ML_DSA_44) => Ok(sys::NID_MLDSA44),
        (Scheme::MlDsa, cryptoki_sys::CKP_ML_DSA_65) => Ok(sys::NID_MLDSA65),
        (Scheme::MlDsa, cryptoki_sys::CKP_ML_DSA_87) => Ok(sys::NID_MLDSA87),
        (Scheme::MlKem, cryptoki_sys::CKP_ML_KEM_512) => Ok(sys::NID_MLKEM512),
        (Scheme::MlKem, cryptoki_sys::CKP_ML_KEM_768) => Ok(sys::NID_MLKEM768),
        (Scheme::MlKem, cryptoki_sys::CKP_ML_KEM_1024) => Ok(sys::NID_MLKEM1024),
        _ => Err(Error::Unsupported),
    }
}

/// The parameter set of a key of aws-lc's.
fn set_of(scheme: Scheme, key: &Pkey) -> Result<&'static ParameterSet> {
    let number = match scheme {
        // SAFETY: a live key of this kind, only read.
        Scheme::MlDsa => unsafe { sys::EVP_PKEY_pqdsa_get_type(key.as_ptr()) },
        // SAFETY: a live key of this kind, only read.
        Scheme::MlKem => unsafe { sys::EVP_PKEY_kem_get_type(key.as_ptr()) },
    };
    let mut sets = PARAMETER_SETS.iter().filter(|set| set.scheme == scheme);
    sets.find(|set| nid(set) == Ok(number)).ok_or(Error::Unsupported)
}

/// Reads a part of a key: the key, where to, and how much there is room for.
type Part = unsafe extern "C" fn(*const sys::EVP_PKEY, *mut u8, *mut usize) -> c_int;

/// A part of a key that is `len` bytes long.
fn part(key: &Pkey, read: Part, len: usize) -> Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(vec![0; len]);
    let mut written = len;
    // SAFETY: a live key, only read; pointer and length describe `bytes`.
    checked(unsafe { read(key.as_ptr(), bytes.as_mut_ptr(), &mut written) })?;
    if written == len {
        Ok(bytes)
    } else {
        Err(Error::Library(0))
    }
}

fn public_part(set: &ParameterSet, key: &Pkey) -> Result<Vec<u8>> {
    part(key, sys::EVP_PKEY_get_raw_public_key, set.public_len).map(|mut bytes| std::mem::take(&mut *bytes))
}

fn private_part(set: &ParameterSet, key: &Pkey) -> Result<Zeroizing<Vec<u8>>> {
    part(key, sys::EVP_PKEY_get_raw_private_key, set.private_len)
}

/// The seed, of a key that was made from one.
fn seed_part(set: &ParameterSet, key: &Pkey) -> Option<Zeroizing<Vec<u8>>> {
    part(key, sys::EVP_PKEY_get_private_seed, set.seed_len).ok()
}

type Init = unsafe extern "C" fn(*mut sys::EVP_PKEY_CTX) -> c_int;

/// An operation with a key.
fn operation(key: &Pkey, init: Option<Init>) -> Result<Owned<sys::EVP_PKEY_CTX>> {
    // SAFETY: a live key, to which the operation takes a counted reference; no engine.
    let raw = unsafe { sys::EVP_PKEY_CTX_new(key.as_ptr(), null_mut()) };
    // SAFETY: null or a new operation.
    let operation = unsafe { Owned::adopt(raw)? };
    if let Some(init) = init {
        // SAFETY: a live operation of ours alone; `init` is one of aws-lc's.
        checked(unsafe { init(operation.as_ptr()) })?;
    }
    Ok(operation)
}

/// Makes a key of aws-lc's from the bytes that one of its functions takes.
fn adopt(raw: *mut sys::EVP_PKEY) -> Result<Pkey> {
    // SAFETY: only called with what a constructor has just returned: null or a new key.
    let key = unsafe { Owned::adopt(raw) }.map_err(|_| Error::InvalidKey);
    clear_queue();
    key
}

/// A private key from a seed, an expanded key, or both, of which the seed is the one that counts.
fn from_parts(
    set: &ParameterSet,
    seed: &[u8],
    expanded: &[u8],
    from_seed: impl FnOnce(&[u8]) -> Result<Pkey>,
    from_expanded: impl FnOnce(&[u8]) -> Result<Pkey>,
) -> Result<Pkey> {
    if seed.is_empty() {
        return match expanded.len() == set.private_len {
            true => from_expanded(expanded),
            false => Err(Error::InvalidKey),
        };
    }
    if seed.len() != set.seed_len {
        return Err(Error::InvalidKey);
    }
    let key = from_seed(seed)?;
    if !expanded.is_empty() && !crate::ct_eq(&private_part(set, &key)?, expanded) {
        return Err(Error::InvalidKey);
    }
    Ok(key)
}
