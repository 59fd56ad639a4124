// SPDX-License-Identifier: MIT
//! AES (FIPS 197): a key, and the operations that start from it.
//!
//! Block modes compute the key schedule anew for each operation, which was measured to be cheaper than copying one.
//! For GCM, whose tables cost more, they are made once and copied.

mod block;
mod ccm;
mod cmac;
mod gcm;
mod stealing;
mod stream;
mod wrap;

pub use block::{BlockCipher, BlockMode, Padding, padded_len};
pub use ccm::{ccm_most, is_ccm_nonce_len, is_ccm_tag_len};
pub use cmac::{AesGmac, Cmac};
pub use gcm::{AesGcmDecrypt, AesGcmEncrypt};
pub use stealing::{AesStealing, AesXtsKey};
pub use stream::{AesStream, StreamMode};
pub use wrap::KeyWrap;

use crate::error::{Error, Result, checked};
use crate::ptr::Owned;
use aws_lc_sys as sys;
use once_cell::sync::OnceCell;
use std::ffi::c_int;
use std::ptr::null_mut;
use zeroize::Zeroizing;

/// The length of a block, in bytes.
pub const AES_BLOCK_LEN: usize = 16;

/// Whether data is made unreadable or readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Plaintext in, ciphertext out.
    Encrypt,
    /// Ciphertext in, plaintext out.
    Decrypt,
}

impl Direction {
    /// aws-lc's number for it.
    pub(crate) fn flag(self) -> c_int {
        match self {
            Self::Encrypt => 1,
            Self::Decrypt => 0,
        }
    }
}

pub(crate) type Context = Owned<sys::EVP_CIPHER_CTX>;

/// aws-lc's descriptions of one mode, for keys of 128, 192 and 256 bits.
type Ciphers = [unsafe extern "C" fn() -> *const sys::EVP_CIPHER; 3];

/// An AES key of 128, 192 or 256 bits.
pub struct AesKey {
    key: Zeroizing<Vec<u8>>,
    /// A context keyed for GCM, made when first needed and never used itself.
    gcm: OnceCell<Context>,
}

impl AesKey {
    /// The key with these 16, 24 or 32 bytes; [`Error::InvalidKey`] for other lengths.
    pub fn new(key: &[u8]) -> Result<Self> {
        if !matches!(key.len(), 16 | 24 | 32) {
            return Err(Error::InvalidKey);
        }
        Ok(Self {
            key: Zeroizing::new(key.to_vec()),
            gcm: OnceCell::new(),
        })
    }

    /// aws-lc's description of a mode for keys of this length.
    fn describe(&self, ciphers: Ciphers) -> *const sys::EVP_CIPHER {
        let [short, middle, long] = ciphers;
        let describe = match self.key.len() {
            16 => short,
            24 => middle,
            _ => long,
        };
        // SAFETY: no arguments; returns a static.
        unsafe { describe() }
    }

    /// A new context for one operation, with the key and its initialisation vector.
    ///
    /// # Safety
    /// `iv` must point to as many bytes as the mode takes, or be null if it takes none or gets them later.
    unsafe fn keyed(&self, ciphers: Ciphers, iv: *const u8, direction: Direction) -> Result<Context> {
        let cipher = self.describe(ciphers);
        let context = Context::new()?;
        let (to, key) = (context.as_ptr(), self.key.as_ptr());
        // SAFETY: a live context of ours alone; the key has the length that this cipher takes; the caller's promise for
        // `iv`.
        checked(unsafe { sys::EVP_CipherInit_ex(to, cipher, null_mut(), key, iv, direction.flag()) })?;
        Ok(context)
    }
}

/// The largest piece that one call of aws-lc gets, which counts in `int`: a multiple of the block, below 2^31.
const PIECE: usize = 1 << 30;

/// Sends `input` through a context piece by piece; returns how much was written.
///
/// # Safety
/// `out` must be at least as long as what the context writes for `input`.
unsafe fn update(context: &mut Context, input: &[u8], out: &mut [u8]) -> Result<usize> {
    let mut written = 0usize;
    for piece in input.chunks(PIECE) {
        let to = out.get_mut(written..).unwrap_or_default().as_mut_ptr();
        let (mut len, size) = (0, c_int::try_from(piece.len()).unwrap_or_default());
        // SAFETY: a live context that `&mut` has for itself; the caller promised the room, and pieces before the last
        // are whole blocks, so that they need no more than their share.
        checked(unsafe { sys::EVP_CipherUpdate(context.as_ptr(), to, &mut len, piece.as_ptr(), size) })?;
        written = written.saturating_add(usize::try_from(len).unwrap_or_default());
    }
    Ok(written)
}
