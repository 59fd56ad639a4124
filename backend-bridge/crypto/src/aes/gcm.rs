// SPDX-License-Identifier: MIT
//! AES-GCM (NIST SP 800-38D) with the tag after the ciphertext, as PKCS#11 has it.
//!
//! Encryption streams. Decryption gives nothing out before the tag is checked, so in parts it must hold the
//! ciphertext back until the end.

use super::{AesKey, Ciphers, Context, Direction, update};
use crate::error::{Error, Result, check, checked, room};
use aws_lc_sys as sys;
use std::ffi::c_int;
use std::ops::RangeInclusive;
use std::ptr::{null, null_mut};
use zeroize::Zeroize;

const GCM: Ciphers = [sys::EVP_aes_128_gcm, sys::EVP_aes_192_gcm, sys::EVP_aes_256_gcm];

/// Allowed lengths of the initialisation vector, in bytes: `CK_GCM_PARAMS` takes twice as many, aws-lc counts in `int`.
const IV_LEN: RangeInclusive<usize> = 1..=0x7fff_ffff;
/// Allowed lengths of the tag, in bytes.
const TAG_LEN: RangeInclusive<usize> = 4..=16;
/// The longest plaintext, in bytes (SP 800-38D, section 5.2.1.1).
const MAX_LEN: u64 = (1 << 36) - 32;

/// A running encryption.
pub struct AesGcmEncrypt {
    context: Context,
    tag_len: usize,
    total: u64,
}

/// A running decryption in parts; holds the ciphertext until it can be checked.
pub struct AesGcmDecrypt {
    context: Context,
    tag_len: usize,
    held: Vec<u8>,
}

impl AesKey {
    /// Starts to encrypt with an initialisation vector of at least a byte, which must never be used twice with a key,
    /// additional data, and a tag of 4 to 16 bytes.
    pub fn gcm_encrypt(&self, iv: &[u8], aad: &[u8], tag_len: usize) -> Result<AesGcmEncrypt> {
        let context = self.gcm(iv, aad, tag_len, Direction::Encrypt)?;
        Ok(AesGcmEncrypt {
            context,
            tag_len,
            total: 0,
        })
    }

    /// Starts to decrypt in parts, with the parameters of [`Self::gcm_encrypt`].
    pub fn gcm_decrypt(&self, iv: &[u8], aad: &[u8], tag_len: usize) -> Result<AesGcmDecrypt> {
        let context = self.gcm(iv, aad, tag_len, Direction::Decrypt)?;
        Ok(AesGcmDecrypt {
            context,
            tag_len,
            held: Vec::new(),
        })
    }

    /// Decrypts ciphertext and tag in one go, without a copy; returns the length of the plaintext. [`Error::Decryption`]
    /// if the tag does not match; `out` then holds zeros where the plaintext would be.
    pub fn gcm_open(
        &self,
        iv: &[u8],
        aad: &[u8],
        tag_len: usize,
        input: &[u8],
        out: &mut [u8],
    ) -> Result<usize> {
        let mut context = self.gcm(iv, aad, tag_len, Direction::Decrypt)?;
        open(&mut context, tag_len, input, out)
    }

    /// Decrypts a ciphertext whose tag is elsewhere. Errors as in [`Self::gcm_open`].
    pub fn gcm_open_apart(
        &self,
        iv: &[u8],
        aad: &[u8],
        tag: &[u8],
        ciphertext: &[u8],
        out: &mut [u8],
    ) -> Result<()> {
        let mut context = self.gcm(iv, aad, tag.len(), Direction::Decrypt)?;
        open_apart(&mut context, tag, ciphertext, out).map(drop)
    }

    pub(super) fn gcm(&self, iv: &[u8], aad: &[u8], tag_len: usize, direction: Direction) -> Result<Context> {
        if !IV_LEN.contains(&iv.len()) || !TAG_LEN.contains(&tag_len) {
            return Err(Error::InvalidInput);
        }
        let mut context = self.gcm_context()?;
        let iv_len = c_int::try_from(iv.len()).map_err(|_| Error::InvalidInput)?;
        let (raw, command) = (context.as_ptr(), sys::EVP_CTRL_AEAD_SET_IVLEN);
        // SAFETY: a live GCM context of ours alone; this command takes no pointer.
        checked(unsafe { sys::EVP_CIPHER_CTX_ctrl(raw, command, iv_len, null_mut()) })?;
        let (iv, flag) = (iv.as_ptr(), direction.flag());
        // SAFETY: as above; `iv` has the length that was just set; null keeps cipher and key.
        checked(unsafe { sys::EVP_CipherInit_ex(raw, null(), null_mut(), null(), iv, flag) })?;
        add_aad(&mut context, aad)?;
        Ok(context)
    }

    /// A context for one operation, with the key and still without initialisation vector and direction.
    fn gcm_context(&self) -> Result<Context> {
        let template = match self.gcm.get() {
            Some(ready) => ready,
            None => {
                // SAFETY: the initialisation vector comes later.
                let made = unsafe { self.keyed(GCM, null(), Direction::Encrypt)? };
                self.gcm.get_or_init(|| made)
            }
        };
        let fresh = Context::new()?;
        // SAFETY: both live; the destination is ours alone and the template is only read, by whichever threads.
        checked(unsafe { sys::EVP_CIPHER_CTX_copy(fresh.as_ptr(), template.as_ptr()) })?;
        Ok(fresh)
    }
}

impl AesGcmEncrypt {
    /// Encrypts more data to the front of `out`, which takes as many bytes as the data has; returns their number.
    pub fn update(&mut self, input: &[u8], out: &mut [u8]) -> Result<usize> {
        let out = room(out, input.len())?;
        let total = self
            .total
            .saturating_add(u64::try_from(input.len()).unwrap_or(u64::MAX));
        if total > MAX_LEN {
            return Err(Error::InputLength);
        }
        // SAFETY: GCM writes as many bytes as it reads, and `out` has that many.
        let written = unsafe { update(&mut self.context, input, out)? };
        self.total = total;
        Ok(written)
    }

    /// How many bytes [`Self::finish`] will write: the tag.
    pub fn finish_len(&self) -> usize {
        self.tag_len
    }

    /// Ends the operation and writes the tag to the front of `out`; returns its length.
    pub fn finish(self, out: &mut [u8]) -> Result<usize> {
        tag(&self.context, self.tag_len, out)
    }
}

impl AesGcmDecrypt {
    /// Takes more ciphertext, the tag being its end; writes nothing. [`Error::InputLength`] if there is no memory to
    /// hold it.
    pub fn update(&mut self, input: &[u8]) -> Result<()> {
        self.held
            .try_reserve(input.len())
            .map_err(|_| Error::InputLength)?;
        self.held.extend_from_slice(input);
        Ok(())
    }

    /// How many bytes [`Self::finish`] will write if the tag matches.
    pub fn finish_len(&self) -> usize {
        self.held.len().saturating_sub(self.tag_len)
    }

    /// Checks the tag and writes the plaintext to the front of `out`; returns its length. Errors as in
    /// [`AesKey::gcm_open`].
    pub fn finish(mut self, out: &mut [u8]) -> Result<usize> {
        open(&mut self.context, self.tag_len, &self.held, out)
    }
}

/// More additional data.
pub(super) fn add_aad(context: &mut Context, aad: &[u8]) -> Result<()> {
    for piece in aad.chunks(super::PIECE) {
        let (mut len, size) = (0, c_int::try_from(piece.len()).map_err(|_| Error::InputLength)?);
        // SAFETY: a live GCM context that `&mut` has for itself; without a destination the piece, which pointer and
        // size describe, is additional data.
        checked(unsafe {
            sys::EVP_CipherUpdate(context.as_ptr(), null_mut(), &mut len, piece.as_ptr(), size)
        })?;
    }
    Ok(())
}

/// Ends an encryption and writes its tag to the front of `out`; returns its length.
pub(super) fn tag(context: &Context, tag_len: usize, out: &mut [u8]) -> Result<usize> {
    let out = room(out, tag_len)?;
    last(context, Error::Library(0))?;
    let (raw, command) = (context.as_ptr(), sys::EVP_CTRL_AEAD_GET_TAG);
    let len = c_int::try_from(tag_len).map_err(|_| Error::InvalidInput)?;
    // SAFETY: a live GCM context that the caller has for itself; the command writes `len` bytes, which `out` has.
    checked(unsafe { sys::EVP_CIPHER_CTX_ctrl(raw, command, len, out.as_mut_ptr().cast()) })?;
    Ok(tag_len)
}

/// Decrypts everything and clears it away again if the tag does not match.
fn open(context: &mut Context, tag_len: usize, input: &[u8], out: &mut [u8]) -> Result<usize> {
    let body = input.len().checked_sub(tag_len).ok_or(Error::InputLength)?;
    let (ciphertext, tag) = input.split_at_checked(body).ok_or(Error::InputLength)?;
    open_apart(context, tag, ciphertext, out)
}

fn open_apart(context: &mut Context, tag: &[u8], ciphertext: &[u8], out: &mut [u8]) -> Result<usize> {
    let body = ciphertext.len();
    if u64::try_from(body).unwrap_or(u64::MAX) > MAX_LEN {
        return Err(Error::InputLength);
    }
    let out = room(out, body)?;
    let mut expected = [0u8; 16];
    let to_set = room(&mut expected, tag.len())?;
    to_set.copy_from_slice(tag);
    let len = c_int::try_from(tag.len()).map_err(|_| Error::InputLength)?;
    let (raw, command) = (context.as_ptr(), sys::EVP_CTRL_AEAD_SET_TAG);
    // SAFETY: a live GCM context that `&mut` has for itself; the command copies `len` bytes of `expected`.
    checked(unsafe { sys::EVP_CIPHER_CTX_ctrl(raw, command, len, expected.as_mut_ptr().cast()) })?;
    // SAFETY: GCM writes as many bytes as it reads, and `out` has that many.
    let opened = unsafe { update(context, ciphertext, out) }.and_then(|_| last(context, Error::Decryption));
    if opened.is_err() {
        out.zeroize();
    }
    opened.map(|()| body)
}

/// Computes the tag, or checks it when decrypting; takes and gives no data.
fn last(context: &Context, failure: Error) -> Result<()> {
    let (mut none, mut len) = ([0u8; 16], 0);
    // SAFETY: a live GCM context that the caller has for itself; GCM writes nothing here.
    check(
        unsafe { sys::EVP_CipherFinal_ex(context.as_ptr(), none.as_mut_ptr(), &mut len) },
        failure,
    )
}
