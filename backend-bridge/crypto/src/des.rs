// SPDX-License-Identifier: MIT
//! Triple DES (NIST SP 800-67), which is outdated: for programs that cannot do without.
//!
//! What runs is the same as for AES, in blocks of half the length.

use crate::aes::{BlockCipher, Cmac, Context, Direction, Padding};
use crate::error::{Error, Result, checked};
use aws_lc_sys as sys;
use std::ptr::{null, null_mut};
use zeroize::Zeroizing;

/// The length of a block, in bytes.
pub const DES_BLOCK_LEN: usize = 8;

/// The length of three keys with their parity bits, in bytes.
pub const DES3_KEY_LEN: usize = 24;

/// Three keys, with which a block is encrypted, decrypted and encrypted. Parity bits are not looked at.
pub struct Des3Key(Zeroizing<[u8; DES3_KEY_LEN]>);

impl Des3Key {
    /// The key with these 24 bytes; [`Error::InvalidKey`] for other lengths.
    pub fn new(key: &[u8]) -> Result<Self> {
        let key = key.try_into().map_err(|_| Error::InvalidKey)?;
        Ok(Self(Zeroizing::new(key)))
    }

    /// Starts to encrypt or decrypt: in CBC mode after an initialisation vector, without one in ECB mode.
    pub fn cipher(
        &self,
        iv: Option<&[u8; DES_BLOCK_LEN]>,
        direction: Direction,
        padding: Padding,
    ) -> Result<BlockCipher> {
        let (cipher, iv) = match iv {
            Some(iv) => (chained(), iv.as_ptr()),
            // SAFETY: no arguments; returns a static.
            None => (unsafe { sys::EVP_des_ede3() }, null()),
        };
        let context = Context::new()?;
        let (to, key) = (context.as_ptr(), self.0.as_ptr());
        // SAFETY: a live context of ours alone; the key has the 24 bytes that both ciphers take, and `iv` the 8 that CBC
        // takes; it is null for ECB.
        checked(unsafe { sys::EVP_CipherInit_ex(to, cipher, null_mut(), key, iv, direction.flag()) })?;
        Ok(BlockCipher::new(context, direction, padding, DES_BLOCK_LEN))
    }

    /// Starts a CMAC (NIST SP 800-38B), of which the first 8 bytes are the code.
    pub fn cmac(&self) -> Result<Cmac> {
        // SAFETY: the description is a static of aws-lc's.
        unsafe { Cmac::new(chained(), &*self.0) }
    }
}

/// aws-lc's description of the CBC mode.
fn chained() -> *const sys::EVP_CIPHER {
    // SAFETY: no arguments; returns a static.
    unsafe { sys::EVP_des_ede3_cbc() }
}

/// Whether each byte has an odd number of ones, in time that depends on the length only.
pub fn has_odd_parity(key: &[u8]) -> bool {
    key.iter().fold(1, |all, byte| all & byte.count_ones()) == 1
}

/// Sets the last bit of each byte so that the number of ones is odd (FIPS 46-3).
pub fn set_odd_parity(key: &mut [u8]) {
    for byte in key {
        *byte ^= u8::from(byte.count_ones() & 1 == 0);
    }
}
