// SPDX-License-Identifier: MIT
//! AES-CCM (NIST SP 800-38C, RFC 3610) with the tag after the ciphertext, as PKCS#11 has it. The mode has to know how long
//! the message is before it begins, and aws-lc takes it in one piece.

use super::{AesKey, Ciphers, Context, Direction};
use crate::error::{Error, Result, check, checked, room};
use aws_lc_sys as sys;
use std::ffi::c_int;
use std::ptr::{null, null_mut};
use zeroize::Zeroize;

const CCM: Ciphers = [sys::EVP_aes_128_ccm, sys::EVP_aes_192_ccm, sys::EVP_aes_256_ccm];

/// Whether a nonce can be so long, in bytes.
pub const fn is_ccm_nonce_len(len: usize) -> bool {
    matches!(len, 7..=13)
}

/// Whether a tag can be so long, in bytes.
pub const fn is_ccm_tag_len(len: usize) -> bool {
    matches!(len, 4 | 6 | 8 | 10 | 12 | 14 | 16)
}

/// The longest message with a nonce of so many bytes, in bytes; aws-lc counts in `int`.
pub const fn ccm_most(nonce_len: usize) -> usize {
    match nonce_len {
        13 => (1 << 16) - 1,
        12 => (1 << 24) - 1,
        _ => c_int::MAX as usize,
    }
}

impl AesKey {
    /// Encrypts a message and appends the tag; returns the length of both. The nonce must never be used twice with a
    /// key. [`Error::InvalidInput`] for lengths of nonce and tag that CCM does not have, [`Error::InputLength`] for a
    /// message longer than [`ccm_most`].
    pub fn ccm_seal(
        &self,
        nonce: &[u8],
        aad: &[u8],
        tag_len: usize,
        input: &[u8],
        out: &mut [u8],
    ) -> Result<usize> {
        let all = input.len().checked_add(tag_len).ok_or(Error::InputLength)?;
        let (body, tag) = room(out, all)?
            .split_at_mut_checked(input.len())
            .ok_or(Error::OutputLength)?;
        self.ccm_seal_apart(nonce, aad, tag, input, body)?;
        Ok(all)
    }

    /// The same with the tag elsewhere: as much of it as `tag` is long.
    pub fn ccm_seal_apart(
        &self,
        nonce: &[u8],
        aad: &[u8],
        tag: &mut [u8],
        input: &[u8],
        out: &mut [u8],
    ) -> Result<()> {
        let out = room(out, input.len())?;
        let context = self.ccm(nonce, tag.len(), Direction::Encrypt, null_mut())?;
        check_len(nonce, input.len())?;
        message(&context, aad, input, out, Error::Library(0))?;
        let (raw, command) = (context.as_ptr(), sys::EVP_CTRL_AEAD_GET_TAG);
        let len = int(tag.len())?;
        // SAFETY: a live CCM context of ours alone; the command writes `len` bytes, which `tag` has.
        checked(unsafe { sys::EVP_CIPHER_CTX_ctrl(raw, command, len, tag.as_mut_ptr().cast()) })
    }

    /// Decrypts a message with its tag after it; returns the length of the plaintext. [`Error::Decryption`] if the tag
    /// does not match; `out` then holds zeros where the plaintext would be. Other errors as in [`Self::ccm_seal`].
    pub fn ccm_open(
        &self,
        nonce: &[u8],
        aad: &[u8],
        tag_len: usize,
        input: &[u8],
        out: &mut [u8],
    ) -> Result<usize> {
        let body = input.len().checked_sub(tag_len).ok_or(Error::InputLength)?;
        let (ciphertext, tag) = input.split_at_checked(body).ok_or(Error::InputLength)?;
        self.ccm_open_apart(nonce, aad, tag, ciphertext, out)?;
        Ok(body)
    }

    /// The same with the tag elsewhere.
    pub fn ccm_open_apart(
        &self,
        nonce: &[u8],
        aad: &[u8],
        tag: &[u8],
        ciphertext: &[u8],
        out: &mut [u8],
    ) -> Result<()> {
        let out = room(out, ciphertext.len())?;
        let mut expected = [0; 16];
        let to = expected.get_mut(..tag.len()).ok_or(Error::InvalidInput)?;
        to.copy_from_slice(tag);
        let context = self.ccm(nonce, tag.len(), Direction::Decrypt, expected.as_mut_ptr())?;
        check_len(nonce, ciphertext.len())?;
        let opened = message(&context, aad, ciphertext, out, Error::Decryption);
        if opened.is_err() {
            out.zeroize();
        }
        opened
    }

    /// A context for one message. `tag` is null, or the 16 bytes that the tag stands at the front of.
    fn ccm(&self, nonce: &[u8], tag_len: usize, direction: Direction, tag: *mut u8) -> Result<Context> {
        if !is_ccm_nonce_len(nonce.len()) || !is_ccm_tag_len(tag_len) {
            return Err(Error::InvalidInput);
        }
        let (context, flag) = (Context::new()?, direction.flag());
        let raw = context.as_ptr();
        let cipher = self.describe(CCM);
        // SAFETY: a live context of ours alone; null leaves key and nonce for later.
        checked(unsafe { sys::EVP_CipherInit_ex(raw, cipher, null_mut(), null(), null(), flag) })?;
        let (nonce_len, tag_len) = (int(nonce.len())?, int(tag_len)?);
        // SAFETY: a live CCM context of ours alone; this command takes no pointer.
        checked(unsafe {
            sys::EVP_CIPHER_CTX_ctrl(raw, sys::EVP_CTRL_AEAD_SET_IVLEN, nonce_len, null_mut())
        })?;
        // SAFETY: as above; `tag` is null, or can be read for the length of a tag.
        checked(unsafe { sys::EVP_CIPHER_CTX_ctrl(raw, sys::EVP_CTRL_AEAD_SET_TAG, tag_len, tag.cast()) })?;
        let (key, nonce) = (self.key.as_ptr(), nonce.as_ptr());
        // SAFETY: as above; key and nonce have the lengths that the cipher takes.
        checked(unsafe { sys::EVP_CipherInit_ex(raw, null(), null_mut(), key, nonce, flag) })?;
        Ok(context)
    }
}

/// The length, the additional data and the data, in this order. `out` has the length of `input`.
fn message(context: &Context, aad: &[u8], input: &[u8], out: &mut [u8], failure: Error) -> Result<()> {
    let (raw, len) = (context.as_ptr(), int(input.len())?);
    let mut written = 0;
    // SAFETY: a live CCM context that the caller has for itself; without pointers it takes the message's length.
    let code = unsafe { sys::EVP_CipherUpdate(raw, null_mut(), &mut written, null(), len) };
    check(code, Error::InputLength)?;
    if !aad.is_empty() {
        let size = int(aad.len())?;
        // SAFETY: as above; without a destination these are additional data, which pointer and size describe.
        let code = unsafe { sys::EVP_CipherUpdate(raw, null_mut(), &mut written, aad.as_ptr(), size) };
        check(code, Error::InputLength)?;
    }
    let to = out.as_mut_ptr();
    // SAFETY: as above; CCM writes as many bytes as it reads, and `out` has that many.
    let code = unsafe { sys::EVP_CipherUpdate(raw, to, &mut written, input.as_ptr(), len) };
    check(code, failure)
}

fn check_len(nonce: &[u8], len: usize) -> Result<()> {
    if len <= ccm_most(nonce.len()) {
        Ok(())
    } else {
        Err(Error::InputLength)
    }
}

fn int(len: usize) -> Result<c_int> {
    c_int::try_from(len).map_err(|_| Error::InputLength)
}
