// SPDX-License-Identifier: MIT
//! Authenticated encryption for stored bodies: AES-256-GCM with a 12-byte nonce and a 16-byte tag at the end.

use crate::{Error, Result};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

/// The length of a key, in bytes.
pub const KEY_LEN: usize = 32;
/// The length of a nonce, in bytes. A nonce must never seal twice under one key.
pub const NONCE_LEN: usize = 12;
/// How much longer the sealed form is, in bytes.
pub const TAG_LEN: usize = 16;

/// Encrypts `plaintext` and binds `aad` to it; the tag follows the ciphertext.
pub fn seal(key: &[u8; KEY_LEN], nonce: &[u8; NONCE_LEN], aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>> {
    let mut sealed = Vec::with_capacity(plaintext.len().saturating_add(TAG_LEN));
    sealed.extend_from_slice(plaintext);
    keyed(key)?
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(*nonce), Aad::from(aad), &mut sealed)
        .map_err(|_| Error::library())?;
    Ok(sealed)
}

/// Decrypts what [`seal`] made; [`Error::Decryption`] if key, nonce, `aad` or data differ in the least.
pub fn open(
    key: &[u8; KEY_LEN],
    nonce: &[u8; NONCE_LEN],
    aad: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>> {
    let mut body = Zeroizing::new(sealed.to_vec());
    let len = keyed(key)?
        .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(aad), &mut body)
        .map_err(|_| {
            crate::error::clear_queue();
            Error::Decryption
        })?
        .len();
    body.truncate(len);
    Ok(body)
}

fn keyed(key: &[u8; KEY_LEN]) -> Result<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key)
        .map(LessSafeKey::new)
        .map_err(|_| Error::library())
}
