// SPDX-License-Identifier: MIT
//! RSA (RFC 8017): keys, PKCS #1 v1.5, PSS and OAEP.
//!
//! A private key always carries its prime factors, computed on import when they were not given, so that every
//! operation takes the fast way; aws-lc blinds each one and checks its result with the public exponent.

mod components;
mod oaep;
mod private;
mod public;
mod unpad;
mod x931;

pub use components::RsaComponents;
pub use private::RsaPrivateKey;
pub use public::RsaPublicKey;

use crate::error::{Error, Result, clear_queue};
use crate::pkey::Pkey;
use aws_lc_sys as sys;
use std::ffi::c_uint;

/// The smallest modulus that is made and taken, in bits: who wants none that is broken asks [`RsaPrivateKey::bits`].
pub const RSA_MIN_BITS: u32 = 512;
/// The largest modulus that is made and taken, in bits, which is aws-lc's limit.
pub const RSA_MAX_BITS: u32 = 16384;

const MAX_BYTES: usize = RSA_MAX_BITS as usize / 8;

/// The padding of PKCS #1 v1.5 takes at least this much of the modulus, in bytes (RFC 8017, sections 7.2 and 9.2).
const PKCS1_OVERHEAD: usize = 11;

/// The RSA key inside; lives as long as `key`. Null if it is of another kind.
fn rsa(key: &Pkey) -> *mut sys::RSA {
    // SAFETY: a live key, only read.
    unsafe { sys::EVP_PKEY_get0_RSA(key.as_ptr()) }
}

/// Refuses what is not an RSA key of an offered size.
fn check_size(key: &Pkey) -> Result<()> {
    let rsa = rsa(key);
    if rsa.is_null() {
        clear_queue();
        return Err(Error::InvalidKey);
    }
    if (RSA_MIN_BITS..=RSA_MAX_BITS).contains(&bits(key)) {
        Ok(())
    } else {
        Err(Error::Unsupported)
    }
}

fn bits(key: &Pkey) -> c_uint {
    // SAFETY: a live RSA key with a modulus, as every constructor sees to; only read.
    unsafe { sys::RSA_bits(rsa(key)) }
}

/// The length of the modulus, in bytes.
fn modulus_len(key: &Pkey) -> usize {
    bits(key).div_ceil(8) as usize
}

/// A number with zeros in front of it; [`Error::InputLength`] if it is longer than `len`.
fn left_padded(number: &[u8], len: usize) -> Result<Vec<u8>> {
    let zeros = len.checked_sub(number.len()).ok_or(Error::InputLength)?;
    Ok([vec![0; zeros].as_slice(), number].concat())
}
