// SPDX-License-Identifier: MIT
//! Hash functions (FIPS 180-4, FIPS 202) in one call, and the names that aws-lc gives them.

use crate::digest::Digest;
use aws_lc_rs::digest;
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

/// The hash of `data`.
pub fn digest(hash: Hash, data: &[u8]) -> HashValue {
    match hash {
        Hash::Sha1 => from_digest(&digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, data)),
        Hash::Sha224 => from_digest(&digest::digest(&digest::SHA224, data)),
        Hash::Sha256 => from_digest(&digest::digest(&digest::SHA256, data)),
        Hash::Sha384 => from_digest(&digest::digest(&digest::SHA384, data)),
        Hash::Sha512 => from_digest(&digest::digest(&digest::SHA512, data)),
        Hash::Sha512_256 => from_digest(&digest::digest(&digest::SHA512_256, data)),
        Hash::Sha3_256 => from_digest(&digest::digest(&digest::SHA3_256, data)),
        Hash::Sha3_384 => from_digest(&digest::digest(&digest::SHA3_384, data)),
        Hash::Sha3_512 => from_digest(&digest::digest(&digest::SHA3_512, data)),
        // The safe API does not have these.
        Hash::Sha512_224 | Hash::Sha3_224 | Hash::Md5 => {
            let mut running = Digest::new(hash);
            running.update(data);
            running.value()
        }
    }
}

fn from_digest(digest: &digest::Digest) -> HashValue {
    let value = digest.as_ref();
    HashValue::written_by(value.len(), |bytes| {
        for (to, from) in bytes.iter_mut().zip(value) {
            *to = *from;
        }
    })
}

/// One row a hash: aws-lc's function that describes it, and aws-lc's number.
macro_rules! names {
    ($($hash:ident: $describe:ident, $nid:ident;)+) => {
        /// aws-lc's description of a hash, a constant that lives for ever.
        pub(crate) fn evp_md(hash: Hash) -> *const sys::EVP_MD {
            let describe = match hash {
                $(Hash::$hash => sys::$describe,)+
            };
            // SAFETY: no arguments; returns a static.
            unsafe { describe() }
        }

        /// aws-lc's number of a hash, which selects the `DigestInfo` prefix.
        pub(crate) fn nid(hash: Hash) -> c_int {
            match hash {
                $(Hash::$hash => sys::$nid,)+
            }
        }
    };
}

names! {
    Sha1: EVP_sha1, NID_sha1;
    Sha224: EVP_sha224, NID_sha224;
    Sha256: EVP_sha256, NID_sha256;
    Sha384: EVP_sha384, NID_sha384;
    Sha512: EVP_sha512, NID_sha512;
    Sha512_224: EVP_sha512_224, NID_sha512_224;
    Sha512_256: EVP_sha512_256, NID_sha512_256;
    Sha3_224: EVP_sha3_224, NID_sha3_224;
    Sha3_256: EVP_sha3_256, NID_sha3_256;
    Sha3_384: EVP_sha3_384, NID_sha3_384;
    Sha3_512: EVP_sha3_512, NID_sha3_512;
    Md5: EVP_md5, NID_md5;
}
