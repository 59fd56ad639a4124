// SPDX-License-Identifier: MIT
//! The block modes ECB and CBC (NIST SP 800-38A), whole blocks or PKCS #7 padding (RFC 5652, section 6.3): of AES, and for
//! whatever other cipher has keyed a context.

use super::{AES_BLOCK_LEN, AesKey, Ciphers, Context, Direction, update};
use crate::error::{Error, Result, check, room};
use aws_lc_sys as sys;
use std::ptr::null;

/// How blocks depend on each other.
#[derive(Clone, Copy)]
pub enum BlockMode<'a> {
    /// Each block for itself.
    Ecb,
    /// Each block mixed with the one before, the first with the initialisation vector.
    Cbc {
        /// The initialisation vector.
        iv: &'a [u8; AES_BLOCK_LEN],
    },
}

/// What happens to the end of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// Nothing: the data must be whole blocks.
    None,
    /// One byte to a block of them is added, and removed again.
    Pkcs7,
}

/// The length of `plaintext_len` bytes when encrypted in blocks of `block_len`, which is not 0; none if it would not be
/// whole blocks, or is beyond counting.
pub fn padded_len(padding: Padding, plaintext_len: usize, block_len: usize) -> Option<usize> {
    let rest = plaintext_len.checked_rem(block_len)?;
    match padding {
        Padding::None => (rest == 0).then_some(plaintext_len),
        Padding::Pkcs7 => plaintext_len.checked_add(block_len.saturating_sub(rest)),
    }
}

const ECB: Ciphers = [sys::EVP_aes_128_ecb, sys::EVP_aes_192_ecb, sys::EVP_aes_256_ecb];
const CBC: Ciphers = [sys::EVP_aes_128_cbc, sys::EVP_aes_192_cbc, sys::EVP_aes_256_cbc];

/// A running encryption or decryption. It is over when [`Self::finish`] has succeeded.
pub struct BlockCipher {
    context: Context,
    padding: Padding,
    direction: Direction,
    /// Bytes taken in and not yet given out: none to a block.
    held: usize,
    /// Of the cipher, in bytes: 8 or 16.
    block_len: usize,
}

impl AesKey {
    /// Starts to encrypt or decrypt.
    pub fn cipher(&self, mode: BlockMode<'_>, direction: Direction, padding: Padding) -> Result<BlockCipher> {
        let (ciphers, iv) = match mode {
            BlockMode::Ecb => (ECB, null()),
            BlockMode::Cbc { iv } => (CBC, iv.as_ptr()),
        };
        // SAFETY: `iv` has the 16 bytes that CBC takes, and is null for ECB.
        let context = unsafe { self.keyed(ciphers, iv, direction)? };
        Ok(BlockCipher::new(context, direction, padding, AES_BLOCK_LEN))
    }
}

impl BlockCipher {
    /// What a new context in a block mode, with a key and blocks of `block_len` bytes, begins.
    pub(crate) fn new(context: Context, direction: Direction, padding: Padding, block_len: usize) -> Self {
        // SAFETY: a live context of ours alone. Cannot fail.
        unsafe { sys::EVP_CIPHER_CTX_set_padding(context.as_ptr(), (padding == Padding::Pkcs7).into()) };
        Self {
            context,
            padding,
            direction,
            held: 0,
            block_len,
        }
    }

    /// Exactly how many bytes [`Self::update`] will write for `input_len` more bytes.
    pub fn update_len(&self, input_len: usize) -> usize {
        let total = self.held.saturating_add(input_len);
        // With padding the last block stays back when decrypting: it may be the padded one.
        let ready = match (self.direction, self.padding) {
            (Direction::Decrypt, Padding::Pkcs7) => total.saturating_sub(1),
            _ => total,
        };
        let rest = ready.checked_rem(self.block_len).unwrap_or_default();
        ready.saturating_sub(rest)
    }

    /// How many bytes [`Self::finish`] will write: exact but for decryption with padding, where it is at most this.
    pub fn finish_len(&self) -> usize {
        match (self.direction, self.padding) {
            (_, Padding::None) => 0,
            (Direction::Encrypt, Padding::Pkcs7) => self.block_len,
            (Direction::Decrypt, Padding::Pkcs7) => self.block_len.saturating_sub(1),
        }
    }

    /// Adds data and writes what is ready to the front of `out`; returns its length. When `out` is too short nothing
    /// happens, and the call can be repeated.
    pub fn update(&mut self, input: &[u8], out: &mut [u8]) -> Result<usize> {
        let ready = self.update_len(input.len());
        let out = room(out, ready)?;
        // SAFETY: aws-lc writes exactly the whole blocks that `update_len` counted.
        let written = unsafe { update(&mut self.context, input, out)? };
        self.held = self.held.saturating_add(input.len()).saturating_sub(written);
        Ok(written)
    }

    /// Ends the operation and writes the last block to the front of `out`; returns its length.
    ///
    /// [`Error::InputLength`] if the data was not whole blocks, [`Error::Decryption`] for any fault of the padding.
    /// A party that can send ciphertexts and sees which of the two answers comes can decrypt (a padding oracle); only
    /// authentication helps against it. When `out` is too short nothing happens, and the call can be repeated.
    pub fn finish(&mut self, out: &mut [u8]) -> Result<usize> {
        if self.must_be_whole() && !self.held.is_multiple_of(self.block_len) {
            return Err(Error::InputLength);
        }
        if self.direction == Direction::Decrypt && self.padding == Padding::Pkcs7 {
            return self.finish_unpadding(out);
        }
        let out = room(out, self.finish_len())?;
        self.last(out.as_mut_ptr())
    }

    fn must_be_whole(&self) -> bool {
        self.direction == Direction::Decrypt || self.padding == Padding::None
    }

    /// The length is known only when the padding is off, so that a copy keeps the block in case `out` is too short.
    fn finish_unpadding(&mut self, out: &mut [u8]) -> Result<usize> {
        if self.held == 0 {
            return Err(Error::InputLength);
        }
        // No cipher's blocks are longer.
        let mut block = zeroize::Zeroizing::new([0; AES_BLOCK_LEN]);
        let len = self.last(block.as_mut_ptr())?;
        let plain = block.get(..len).ok_or(Error::Decryption)?;
        room(out, len)?.copy_from_slice(plain);
        Ok(len)
    }

    /// `to` points to room for a block if the mode writes one.
    fn last(&mut self, to: *mut u8) -> Result<usize> {
        let mut len = 0;
        // SAFETY: a live context that `&mut self` has for itself; at most one block is written, for which the callers
        // in this file see to the room. The context is unchanged by a second call.
        let code = unsafe { sys::EVP_CipherFinal_ex(self.context.as_ptr(), to, &mut len) };
        check(code, Error::Decryption)?;
        usize::try_from(len).map_err(|_| Error::Library(0))
    }
}
