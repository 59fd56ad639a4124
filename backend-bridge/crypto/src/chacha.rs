// SPDX-License-Identifier: MIT
//! ChaCha20 as a stream, and with Poly1305 as authenticated encryption (RFC 8439).
//!
//! The stream is over `CRYPTO_chacha_20`, which counts blocks in 32 bits; the original cipher's counter of 64 bits is
//! that one and the first word of the nonce, which is carried into here.

use crate::error::{Error, Result, check, checked, room};
use crate::ptr::Owned;
use aws_lc_sys as sys;
use std::ptr::null;
use zeroize::Zeroizing;

/// The length of a key, in bytes.
pub const CHACHA_KEY_LEN: usize = 32;
/// The length of a tag of Poly1305, in bytes.
pub const POLY1305_TAG_LEN: usize = 16;
/// What the stream is made in, in bytes.
const BLOCK_LEN: usize = 64;

/// A key for ChaCha20.
pub struct ChaChaKey(Zeroizing<[u8; CHACHA_KEY_LEN]>);

impl ChaChaKey {
    /// The key with these 32 bytes; [`Error::InvalidKey`] for other lengths.
    pub fn new(key: &[u8]) -> Result<Self> {
        let key = key.try_into().map_err(|_| Error::InvalidKey)?;
        Ok(Self(Zeroizing::new(key)))
    }

    /// Starts to encrypt or decrypt, which is the same, from a block on. A nonce of 12 bytes goes with a counter of 32
    /// bits (RFC 8439), one of 8 bytes with a counter of 64, as the cipher was first published.
    ///
    /// [`Error::InvalidInput`] for other nonces, and for a block beyond the last.
    pub fn stream(&self, first_block: u64, nonce: &[u8]) -> Result<ChaChaStream> {
        let mut words = [0; 12];
        let last_block = match nonce.len() {
            8 => u64::MAX,
            12 => u64::from(u32::MAX),
            _ => return Err(Error::InvalidInput),
        };
        if first_block > last_block {
            return Err(Error::InvalidInput);
        }
        words
            .iter_mut()
            .rev()
            .zip(nonce.iter().rev())
            .for_each(|(to, from)| *to = *from);
        Ok(ChaChaStream {
            key: self.0.clone(),
            nonce: words,
            next: Some(first_block),
            last_block,
            pad: Zeroizing::new([0; BLOCK_LEN]),
            used: BLOCK_LEN,
        })
    }

    /// Encrypts and authenticates: the ciphertext, as long as `plaintext`, goes to the front of `out`; returns the tag.
    /// The nonce is 12 bytes, or 24 for XChaCha20, and must never be used twice with a key.
    pub fn seal(
        &self,
        nonce: &[u8],
        aad: &[u8],
        plaintext: &[u8],
        out: &mut [u8],
    ) -> Result<[u8; POLY1305_TAG_LEN]> {
        let context = self.keyed(nonce)?;
        let out = room(out, plaintext.len())?;
        let (mut tag, mut tag_len) = ([0; POLY1305_TAG_LEN], 0);
        // SAFETY: a live context; all pointers and lengths describe slices; `out` is as long as `plaintext` and does not
        // overlap it; there is no extra input.
        let done = unsafe {
            sys::EVP_AEAD_CTX_seal_scatter(
                context.as_ptr(),
                out.as_mut_ptr(),
                tag.as_mut_ptr(),
                &mut tag_len,
                tag.len(),
                nonce.as_ptr(),
                nonce.len(),
                plaintext.as_ptr(),
                plaintext.len(),
                null(),
                0,
                aad.as_ptr(),
                aad.len(),
            )
        };
        checked(done)?;
        Ok(tag)
    }

    /// Checks the tag and decrypts to the front of `out`, which gets nothing if the tag is wrong
    /// ([`Error::Decryption`]).
    pub fn open(
        &self,
        nonce: &[u8],
        aad: &[u8],
        ciphertext: &[u8],
        tag: &[u8; POLY1305_TAG_LEN],
        out: &mut [u8],
    ) -> Result<usize> {
        let context = self.keyed(nonce)?;
        let out = room(out, ciphertext.len())?;
        // SAFETY: a live context; all pointers and lengths describe slices; `out` is as long as `ciphertext` and does
        // not overlap it.
        let done = unsafe {
            sys::EVP_AEAD_CTX_open_gather(
                context.as_ptr(),
                out.as_mut_ptr(),
                nonce.as_ptr(),
                nonce.len(),
                ciphertext.as_ptr(),
                ciphertext.len(),
                tag.as_ptr(),
                tag.len(),
                aad.as_ptr(),
                aad.len(),
            )
        };
        check(done, Error::Decryption)?;
        Ok(ciphertext.len())
    }

    /// A context for one message.
    fn keyed(&self, nonce: &[u8]) -> Result<Owned<sys::EVP_AEAD_CTX>> {
        let describe = match nonce.len() {
            12 => sys::EVP_aead_chacha20_poly1305,
            24 => sys::EVP_aead_xchacha20_poly1305,
            _ => return Err(Error::InvalidInput),
        };
        // SAFETY: no arguments; returns a static.
        let aead = unsafe { describe() };
        // SAFETY: the key has the length that is given; the tag's length is the algorithm's.
        let raw = unsafe { sys::EVP_AEAD_CTX_new(aead, self.0.as_ptr(), self.0.len(), POLY1305_TAG_LEN) };
        // SAFETY: fresh from its constructor, so nobody else owns it.
        unsafe { Owned::adopt(raw) }
    }
}

/// A running stream.
pub struct ChaChaStream {
    key: Zeroizing<[u8; CHACHA_KEY_LEN]>,
    /// A short nonce leaves the first word free.
    nonce: [u8; 12],
    /// The number of the next block; none after the last.
    next: Option<u64>,
    last_block: u64,
    /// The last block of the stream, of which so many bytes have been used.
    pad: Zeroizing<[u8; BLOCK_LEN]>,
    used: usize,
}

impl ChaChaStream {
    /// Encrypts or decrypts `input` to the front of `out`, and returns how much that is: as much as went in.
    ///
    /// [`Error::InputLength`] where the counter would start again from the beginning; nothing has been done then.
    pub fn update(&mut self, input: &[u8], out: &mut [u8]) -> Result<usize> {
        let out = room(out, input.len())?;
        let left = BLOCK_LEN.saturating_sub(self.used).min(input.len());
        let (front, rest) = input.split_at(left);
        let (out_front, out_rest) = out.split_at_mut(left);
        self.check_room(rest.len())?;
        self.use_pad(front, out_front);
        let (blocks, end) = rest.split_at(rest.len() - rest.len() % BLOCK_LEN);
        let (out_blocks, out_end) = out_rest.split_at_mut(blocks.len());
        self.blocks(blocks, out_blocks)?;
        if !end.is_empty() {
            let mut pad = Zeroizing::new([0; BLOCK_LEN]);
            self.blocks(&[0; BLOCK_LEN], pad.as_mut_slice())?;
            self.pad = pad;
            self.used = 0;
            self.use_pad(end, out_end);
        }
        Ok(input.len())
    }

    fn check_room(&self, len: usize) -> Result<()> {
        let wanted = u64::try_from(len.div_ceil(BLOCK_LEN)).map_err(|_| Error::InputLength)?;
        let Some(after_first) = wanted.checked_sub(1) else {
            return Ok(());
        };
        match self.next.and_then(|next| next.checked_add(after_first)) {
            Some(end) if end <= self.last_block => Ok(()),
            _ => Err(Error::InputLength),
        }
    }

    /// What is left of the last block goes over `input`, which is no longer.
    fn use_pad(&mut self, input: &[u8], out: &mut [u8]) {
        let pad = self.pad.iter().skip(self.used);
        for ((to, from), pad) in out.iter_mut().zip(input).zip(pad) {
            *to = from ^ pad;
        }
        self.used = self.used.saturating_add(input.len());
    }

    /// Whole blocks, for which there is room.
    fn blocks(&mut self, mut input: &[u8], mut out: &mut [u8]) -> Result<()> {
        while !input.is_empty() {
            let next = self.next.ok_or(Error::InputLength)?;
            // Until the lower word of the counter is full.
            let most = usize::try_from((1 << 32) - (next & u64::from(u32::MAX))).unwrap_or(usize::MAX);
            let count = (input.len() / BLOCK_LEN).min(most);
            let (piece, input_rest) = input.split_at(count.saturating_mul(BLOCK_LEN));
            let (to, out_rest) = out.split_at_mut(piece.len());
            self.piece(next, piece, to);
            let count = u64::try_from(count).map_err(|_| Error::InputLength)?;
            self.next = next.checked_add(count).filter(|next| *next <= self.last_block);
            (input, out) = (input_rest, out_rest);
        }
        Ok(())
    }

    /// Blocks over which the lower word of the counter does not overflow. `out` is as long as `input`.
    fn piece(&self, block: u64, input: &[u8], out: &mut [u8]) {
        let mut nonce = self.nonce;
        if self.last_block == u64::MAX {
            let high = (block >> 32) as u32;
            nonce
                .iter_mut()
                .zip(high.to_le_bytes())
                .for_each(|(to, from)| *to = from);
        }
        let (to, from, key) = (out.as_mut_ptr(), input.as_ptr(), self.key.as_ptr());
        // SAFETY: `out` is as long as `input` and does not overlap it; the key has 32 bytes and the nonce 12.
        unsafe { sys::CRYPTO_chacha_20(to, from, input.len(), key, nonce.as_ptr(), block as u32) };
    }
}
