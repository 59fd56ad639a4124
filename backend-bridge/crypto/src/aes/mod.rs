// SPDX-License-Identifier: MIT
//! AES (FIPS 197): a key whose schedules are computed once, and the operations that start from it.
//!
//! The schedule for a mode and direction is made when it is first needed and copied for each operation, which is
//! cheaper than making it again and lets any number of threads use one key.

mod block;
mod gcm;

pub use block::{AesCipher, BlockMode, Padding, padded_len};
pub use gcm::{AesGcmDecrypt, AesGcmEncrypt};

use crate::error::{Error, Result, checked};
use crate::ptr::Owned;
use aws_lc_sys as sys;
use std::ffi::c_int;
use std::ptr::{null, null_mut};
use std::sync::OnceLock;
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
    fn flag(self) -> c_int {
        match self {
            Self::Encrypt => 1,
            Self::Decrypt => 0,
        }
    }
}

type Context = Owned<sys::EVP_CIPHER_CTX>;

/// The schedules that a key may need, one slot each.
#[derive(Clone, Copy)]
enum Schedule {
    EcbEncrypt,
    EcbDecrypt,
    CbcEncrypt,
    CbcDecrypt,
    Gcm,
}

const SCHEDULES: usize = Schedule::Gcm as usize + 1;

/// An AES key of 128, 192 or 256 bits.
pub struct AesKey {
    key: Zeroizing<Vec<u8>>,
    schedules: [OnceLock<Context>; SCHEDULES],
}

impl AesKey {
    /// The key with these 16, 24 or 32 bytes; [`Error::InvalidKey`] for other lengths.
    pub fn new(key: &[u8]) -> Result<Self> {
        if !matches!(key.len(), 16 | 24 | 32) {
            return Err(Error::InvalidKey);
        }
        Ok(Self {
            key: Zeroizing::new(key.to_vec()),
            schedules: Default::default(),
        })
    }

    /// A context of its own for one operation, keyed and waiting for its initialisation vector.
    fn context(&self, schedule: Schedule) -> Result<Context> {
        let fresh = Context::new()?;
        let template = self.template(schedule)?;
        // SAFETY: both live; the destination is ours alone and the template is only read, by whichever threads.
        checked(unsafe { sys::EVP_CIPHER_CTX_copy(fresh.as_ptr(), template.as_ptr()) })?;
        Ok(fresh)
    }

    fn template(&self, schedule: Schedule) -> Result<&Context> {
        let slot = self.schedules.get(schedule as usize).ok_or(Error::Unsupported)?;
        if let Some(ready) = slot.get() {
            return Ok(ready);
        }
        let made = self.keyed(schedule)?;
        Ok(slot.get_or_init(|| made))
    }

    fn keyed(&self, schedule: Schedule) -> Result<Context> {
        let direction = match schedule {
            Schedule::EcbDecrypt | Schedule::CbcDecrypt => Direction::Decrypt,
            Schedule::EcbEncrypt | Schedule::CbcEncrypt | Schedule::Gcm => Direction::Encrypt,
        };
        let context = Context::new()?;
        let cipher = cipher(schedule, self.key.len());
        let (to, key) = (context.as_ptr(), self.key.as_ptr());
        // SAFETY: a live context of ours alone; `cipher` is a static that takes a key of exactly this length; null
        // leaves the initialisation vector for later.
        checked(unsafe { sys::EVP_CipherInit_ex(to, cipher, null_mut(), key, null(), direction.flag()) })?;
        Ok(context)
    }
}

/// aws-lc's description of AES in a mode, for a key of so many bytes.
fn cipher(schedule: Schedule, key_len: usize) -> *const sys::EVP_CIPHER {
    let by_len: [unsafe extern "C" fn() -> *const sys::EVP_CIPHER; 3] = match schedule {
        Schedule::EcbEncrypt | Schedule::EcbDecrypt => {
            [sys::EVP_aes_128_ecb, sys::EVP_aes_192_ecb, sys::EVP_aes_256_ecb]
        }
        Schedule::CbcEncrypt | Schedule::CbcDecrypt => {
            [sys::EVP_aes_128_cbc, sys::EVP_aes_192_cbc, sys::EVP_aes_256_cbc]
        }
        Schedule::Gcm => [sys::EVP_aes_128_gcm, sys::EVP_aes_192_gcm, sys::EVP_aes_256_gcm],
    };
    let [short, middle, long] = by_len;
    let describe = match key_len {
        16 => short,
        24 => middle,
        _ => long,
    };
    // SAFETY: no arguments; returns a static.
    unsafe { describe() }
}

/// Gives a keyed context its initialisation vector and direction.
///
/// # Safety
/// `iv` must point to as many bytes as the context expects, or be null if it expects none.
unsafe fn set_iv(context: &Context, iv: *const u8, direction: Direction) -> Result<()> {
    // SAFETY: a live context that the caller has for itself, with the caller's promise for `iv`; null keeps cipher
    // and key.
    checked(unsafe {
        sys::EVP_CipherInit_ex(context.as_ptr(), null(), null_mut(), null(), iv, direction.flag())
    })
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
