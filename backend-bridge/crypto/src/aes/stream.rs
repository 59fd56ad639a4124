// SPDX-License-Identifier: MIT
//! AES as a stream cipher: CTR, OFB and CFB (NIST SP 800-38A). As many bytes come out as go in, at once.

use super::{AES_BLOCK_LEN, AesKey, Ciphers, Context, Direction, update};
use crate::error::{Error, Result, room};
use aws_lc_sys as sys;

/// What the key stream is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamMode {
    /// The blocks of a counter.
    Ctr {
        /// How many bits at the end of the initial block count: 1 to 128.
        counter_bits: u32,
    },
    /// The block before, encrypted.
    Ofb,
    /// The ciphertext before, byte by byte.
    Cfb8,
    /// The ciphertext before, block by block.
    Cfb128,
}

const CTR: Ciphers = [sys::EVP_aes_128_ctr, sys::EVP_aes_192_ctr, sys::EVP_aes_256_ctr];
const OFB: Ciphers = [sys::EVP_aes_128_ofb, sys::EVP_aes_192_ofb, sys::EVP_aes_256_ofb];
const CFB8: Ciphers = [
    sys::EVP_aes_128_cfb8,
    sys::EVP_aes_192_cfb8,
    sys::EVP_aes_256_cfb8,
];
const CFB128: Ciphers = [
    sys::EVP_aes_128_cfb128,
    sys::EVP_aes_192_cfb128,
    sys::EVP_aes_256_cfb128,
];

/// A running encryption or decryption.
pub struct AesStream {
    context: Context,
    /// How many bytes there is key stream for; a counter that began anew would give the same stream again.
    left: u128,
}

impl AesKey {
    /// Starts to encrypt or decrypt after an initialisation vector, or an initial counter block.
    /// [`Error::InvalidInput`] for a counter that does not fit into a block.
    pub fn stream(
        &self,
        mode: StreamMode,
        iv: &[u8; AES_BLOCK_LEN],
        direction: Direction,
    ) -> Result<AesStream> {
        let (ciphers, left) = match mode {
            StreamMode::Ctr { counter_bits } => (CTR, counted(iv, counter_bits)?),
            StreamMode::Ofb => (OFB, u128::MAX),
            StreamMode::Cfb8 => (CFB8, u128::MAX),
            StreamMode::Cfb128 => (CFB128, u128::MAX),
        };
        // SAFETY: all of these modes take an initialisation vector of one block, which `iv` is.
        let context = unsafe { self.keyed(ciphers, iv.as_ptr(), direction)? };
        Ok(AesStream { context, left })
    }
}

impl AesStream {
    /// Adds data and writes as many bytes to the front of `out`; returns their number. [`Error::InputLength`], and
    /// nothing happens, where the counter has no blocks left for all of it.
    pub fn update(&mut self, input: &[u8], out: &mut [u8]) -> Result<usize> {
        let left = self
            .left
            .checked_sub(input.len() as u128)
            .ok_or(Error::InputLength)?;
        let out = room(out, input.len())?;
        // SAFETY: these modes write as many bytes as they read, and `out` has that many.
        let written = unsafe { update(&mut self.context, input, out)? };
        self.left = left;
        Ok(written)
    }
}

/// How many bytes can be processed until the last `bits` of a counter block begin anew.
fn counted(block: &[u8; AES_BLOCK_LEN], bits: u32) -> Result<u128> {
    let unused = u128::BITS.checked_sub(bits).filter(|_| bits > 0);
    let mask = u128::MAX >> unused.ok_or(Error::InvalidInput)?;
    let blocks_after_the_first = mask - (u128::from_be_bytes(*block) & mask);
    Ok(blocks_after_the_first
        .saturating_add(1)
        .saturating_mul(AES_BLOCK_LEN as u128))
}
