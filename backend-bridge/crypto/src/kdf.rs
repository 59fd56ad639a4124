// SPDX-License-Identifier: MIT
//! Key derivation: HKDF (RFC 5869), PBKDF2 (RFC 8018) and the pseudorandom functions of TLS (RFC 2246, RFC 5246).

use crate::error::{Error, Result, check};
use crate::hash::{HashValue, evp_md};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_sys as sys;
use keyenclave_model::algorithm::Hash;

/// The number of bytes that are wanted from HKDF.
struct Wanted(usize);

impl KeyType for Wanted {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF with SHA-256: fills `out`, at most 8160 bytes ([`Error::InputLength`] beyond), from the keying material
/// `ikm`, the `salt` (may be empty) and the context `info`.
pub fn hkdf_sha256(ikm: &[u8], salt: &[u8], info: &[u8], out: &mut [u8]) -> Result<()> {
    let wanted = Wanted(out.len());
    let keying = Salt::new(HKDF_SHA256, salt).extract(ikm);
    let info = [info];
    let stream = keying.expand(&info, wanted).map_err(|_| Error::InputLength)?;
    stream.fill(out).map_err(|_| Error::library())
}

/// The first half of HKDF: a pseudorandom key from keying material and a salt.
pub fn hkdf_extract(hash: Hash, salt: &[u8], ikm: &[u8]) -> Result<HashValue> {
    crate::hmac(hash, salt, ikm)
}

/// The second half of HKDF: fills `out`, at most 255 times the length of the hash ([`Error::InputLength`] beyond).
pub fn hkdf_expand(hash: Hash, key: &[u8], info: &[u8], out: &mut [u8]) -> Result<()> {
    if out.len() > hash.output_len().saturating_mul(255) {
        return Err(Error::InputLength);
    }
    // SAFETY: each pointer and length describe a live slice; `out` is the only one that is written.
    let done = unsafe {
        sys::HKDF_expand(
            out.as_mut_ptr(),
            out.len(),
            evp_md(hash),
            key.as_ptr(),
            key.len(),
            info.as_ptr(),
            info.len(),
        )
    };
    check(done, Error::InvalidInput)
}

/// PBKDF2 with HMAC: fills `out` from a password.
pub fn pbkdf2(hash: Hash, password: &[u8], salt: &[u8], iterations: u32, out: &mut [u8]) -> Result<()> {
    // SAFETY: each pointer and length describe a live slice; `out` is the only one that is written.
    let done = unsafe {
        sys::PKCS5_PBKDF2_HMAC(
            password.as_ptr().cast(),
            password.len(),
            salt.as_ptr(),
            salt.len(),
            iterations,
            evp_md(hash),
            out.len(),
            out.as_mut_ptr(),
        )
    };
    check(done, Error::InvalidInput)
}

/// The pseudorandom function of TLS 1.2 over a hash, or without one that of TLS 1.0 and 1.1: fills `out`. The seed is
/// `seeds`, one after the other.
pub fn tls_prf(
    hash: Option<Hash>,
    secret: &[u8],
    label: &[u8],
    seeds: [&[u8]; 2],
    out: &mut [u8],
) -> Result<()> {
    let [first, second] = seeds;
    // SAFETY: no arguments; returns a static.
    let legacy = || unsafe { sys::EVP_md5_sha1() };
    // SAFETY: each pointer and length describe a live slice; `out` is the only one that is written.
    let done = unsafe {
        sys::CRYPTO_tls1_prf(
            hash.map_or_else(legacy, evp_md),
            out.as_mut_ptr(),
            out.len(),
            secret.as_ptr(),
            secret.len(),
            label.as_ptr().cast(),
            label.len(),
            first.as_ptr(),
            first.len(),
            second.as_ptr(),
            second.len(),
        )
    };
    check(done, Error::InvalidInput)
}
