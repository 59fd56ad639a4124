// SPDX-License-Identifier: MIT
//! Hash functions (FIPS 180-4) in one call, and the names that aws-lc gives them.

use aws_lc_rs::digest::{self, Algorithm};
use aws_lc_sys as sys;
use keyenclave_model::algorithm::Hash;
use std::ffi::c_int;
use std::ops::Deref;
use zeroize::Zeroize;

/// A digest or a MAC: up to 64 bytes, on the stack. Put it into [`zeroize::Zeroizing`] where it is a secret.
#[derive(Clone, Copy)]
pub struct HashValue {
    bytes: [u8; Self::CAPACITY],
    len: usize,
}

impl HashValue {
    /// The longest output of any hash, in bytes.
    pub const CAPACITY: usize = 64;

    /// A value of `len` bytes, written by `write`, which is told the whole room.
    pub(crate) fn written_by(len: usize, write: impl FnOnce(&mut [u8; Self::CAPACITY])) -> Self {
        let mut bytes = [0; Self::CAPACITY];
        write(&mut bytes);
        Self {
            bytes,
            len: len.min(Self::CAPACITY),
        }
    }
}

impl Deref for HashValue {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.split_at(self.len).0
    }
}

impl Zeroize for HashValue {
    fn zeroize(&mut self) {
        self.bytes.zeroize();
        self.len = 0;
    }
}

impl AsRef<[u8]> for HashValue {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

/// The hash of `data`, without touching the heap.
pub fn digest(hash: Hash, data: &[u8]) -> HashValue {
    from_digest(&digest::digest(algorithm(hash), data))
}

fn from_digest(digest: &digest::Digest) -> HashValue {
    let value = digest.as_ref();
    HashValue::written_by(value.len(), |bytes| {
        for (to, from) in bytes.iter_mut().zip(value) {
            *to = *from;
        }
    })
}

fn algorithm(hash: Hash) -> &'static Algorithm {
    match hash {
        Hash::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        Hash::Sha224 => &digest::SHA224,
        Hash::Sha256 => &digest::SHA256,
        Hash::Sha384 => &digest::SHA384,
        Hash::Sha512 => &digest::SHA512,
    }
}

/// aws-lc's description of a hash, a constant that lives for ever.
pub(crate) fn evp_md(hash: Hash) -> *const sys::EVP_MD {
    let describe = match hash {
        Hash::Sha1 => sys::EVP_sha1,
        Hash::Sha224 => sys::EVP_sha224,
        Hash::Sha256 => sys::EVP_sha256,
        Hash::Sha384 => sys::EVP_sha384,
        Hash::Sha512 => sys::EVP_sha512,
    };
    // SAFETY: no arguments; returns a static.
    unsafe { describe() }
}

/// aws-lc's number of a hash, which selects the `DigestInfo` prefix.
pub(crate) fn nid(hash: Hash) -> c_int {
    match hash {
        Hash::Sha1 => sys::NID_sha1,
        Hash::Sha224 => sys::NID_sha224,
        Hash::Sha256 => sys::NID_sha256,
        Hash::Sha384 => sys::NID_sha384,
        Hash::Sha512 => sys::NID_sha512,
    }
}
