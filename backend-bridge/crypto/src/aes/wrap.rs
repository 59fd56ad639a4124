// SPDX-License-Identifier: MIT
//! AES key wrap: KW (RFC 3394, NIST SP 800-38F, section 6.2), KWP (RFC 5649, section 6.3 there), and KW over data that
//! is padded as in PKCS #7.

use super::AesKey;
use crate::error::{Error, Result, check, checked, clear_queue, room};
use aws_lc_sys as sys;
use std::mem::MaybeUninit;
use std::ptr::null;
use zeroize::{Zeroize, Zeroizing};

/// What the algorithm works on, in bytes: half a block.
const SEMIBLOCK: usize = 8;
/// The longest input, in bytes: aws-lc counts in `int`.
const MOST: usize = 1 << 30;
/// The first half of KWP's initial value where nobody gives another (RFC 5649, section 3).
const KWP_IV: [u8; 4] = [0xa6, 0x59, 0x59, 0xa6];

/// How a key is wrapped; with an initial value of one's own, or the standard's.
#[derive(Clone, Copy)]
pub enum KeyWrap {
    /// KW: at least two semiblocks, and nothing but whole ones.
    Kw(Option<[u8; 8]>),
    /// KWP: any number of bytes but none.
    Kwp(Option<[u8; 4]>),
    /// KW over 1 to 8 bytes of padding, each of which is their number.
    Pkcs7(Option<[u8; 8]>),
}

impl KeyWrap {
    /// How long `len` bytes are when they are wrapped; none if they cannot be.
    pub fn wrapped_len(self, len: usize) -> Option<usize> {
        let whole = match self {
            Self::Kw(_) => (len.is_multiple_of(SEMIBLOCK) && len >= 2 * SEMIBLOCK).then_some(len),
            Self::Kwp(_) => (len > 0).then(|| len.next_multiple_of(SEMIBLOCK)),
            Self::Pkcs7(_) => Some((len + 1).next_multiple_of(SEMIBLOCK)).filter(|_| len >= SEMIBLOCK),
        };
        whole.filter(|_| len < MOST)?.checked_add(SEMIBLOCK)
    }
}

impl AesKey {
    /// Wraps `input` into the front of `out`; returns the length. [`Error::InputLength`] for what has no
    /// [`KeyWrap::wrapped_len`].
    pub fn wrap(&self, how: KeyWrap, input: &[u8], out: &mut [u8]) -> Result<usize> {
        let len = how.wrapped_len(input.len()).ok_or(Error::InputLength)?;
        let out = room(out, len)?;
        let key = Schedule::new(&self.key)?;
        match how {
            KeyWrap::Kw(iv) => key.wrap(iv, input, out),
            KeyWrap::Pkcs7(iv) => key.wrap(iv, &padded(input), out),
            KeyWrap::Kwp(None) => key.wrap_padded(input, out),
            KeyWrap::Kwp(Some(iv)) if iv == KWP_IV => key.wrap_padded(input, out),
            KeyWrap::Kwp(Some(iv)) => key.wrap_padded_after(iv, input, out),
        }
    }

    /// The opposite. [`Error::InputLength`] for what was never wrapped, [`Error::Decryption`] for any other fault.
    pub fn unwrap(&self, how: KeyWrap, input: &[u8], out: &mut [u8]) -> Result<usize> {
        let least = match how {
            KeyWrap::Kwp(_) => 2 * SEMIBLOCK,
            KeyWrap::Kw(_) | KeyWrap::Pkcs7(_) => 3 * SEMIBLOCK,
        };
        if input.len() < least || !input.len().is_multiple_of(SEMIBLOCK) || input.len() > MOST {
            return Err(Error::InputLength);
        }
        let out = room(out, input.len().saturating_sub(SEMIBLOCK))?;
        let done = Schedule::for_unwrapping(&self.key, how, input, out);
        if done.is_err() {
            out.zeroize();
        }
        done
    }
}

/// An expanded key. aws-lc's structure is plain memory.
struct Schedule(Box<MaybeUninit<sys::AES_KEY>>);

type Expand = unsafe extern "C" fn(*const u8, std::ffi::c_uint, *mut sys::AES_KEY) -> std::ffi::c_int;

impl Schedule {
    fn new(key: &[u8]) -> Result<Self> {
        Self::expand(key, sys::AES_set_encrypt_key)
    }

    fn expand(key: &[u8], expand: Expand) -> Result<Self> {
        let mut schedule = Self(Box::new(MaybeUninit::zeroed()));
        let bits = u32::try_from(key.len().saturating_mul(8)).map_err(|_| Error::InvalidKey)?;
        // SAFETY: `key` has the `bits` that are said, 128, 192 or 256 as `AesKey::new` saw to; the structure is ours.
        let code = unsafe { expand(key.as_ptr(), bits, schedule.0.as_mut_ptr()) };
        if code == 0 {
            Ok(schedule)
        } else {
            clear_queue();
            Err(Error::InvalidKey)
        }
    }

    /// `out` has a semiblock more than `input`, which is two or more.
    fn wrap(&self, iv: Option<[u8; 8]>, input: &[u8], out: &mut [u8]) -> Result<usize> {
        let iv = iv.as_ref().map_or(null(), |iv| iv.as_ptr());
        // SAFETY: an expanded key; `iv` is null or 8 bytes; `out` has 8 bytes more than `input`, as the caller saw to.
        let len =
            unsafe { sys::AES_wrap_key(self.0.as_ptr(), iv, out.as_mut_ptr(), input.as_ptr(), input.len()) };
        counted(len, Error::InputLength)
    }

    fn wrap_padded(&self, input: &[u8], out: &mut [u8]) -> Result<usize> {
        let (mut len, most) = (0, out.len());
        // SAFETY: an expanded key; both lengths are those of the slices.
        checked(unsafe {
            sys::AES_wrap_key_padded(
                self.0.as_ptr(),
                out.as_mut_ptr(),
                &mut len,
                most,
                input.as_ptr(),
                input.len(),
            )
        })?;
        Ok(len)
    }

    /// KWP after an initial value of one's own.
    fn wrap_padded_after(&self, iv: [u8; 4], input: &[u8], out: &mut [u8]) -> Result<usize> {
        let mut zeros = Zeroizing::new(input.to_vec());
        zeros.resize(input.len().next_multiple_of(SEMIBLOCK), 0);
        let iv = initial(iv, input.len())?;
        if zeros.len() > SEMIBLOCK {
            return self.wrap(Some(iv), &zeros, out);
        }
        let mut block = Zeroizing::new([iv, [0; 8]].concat());
        block
            .get_mut(SEMIBLOCK..)
            .unwrap_or_default()
            .copy_from_slice(&zeros);
        let out = room(out, block.len())?;
        // SAFETY: an expanded key, and one block each.
        unsafe { sys::AES_encrypt(block.as_ptr(), out.as_mut_ptr(), self.0.as_ptr()) };
        Ok(block.len())
    }

    /// `out` has a semiblock less than `input`.
    fn for_unwrapping(key: &[u8], how: KeyWrap, input: &[u8], out: &mut [u8]) -> Result<usize> {
        let schedule = Self::expand(key, sys::AES_set_decrypt_key)?;
        match how {
            KeyWrap::Kw(iv) => schedule.unwrap(iv, input, out),
            KeyWrap::Pkcs7(iv) => {
                let len = schedule.unwrap(iv, input, out)?;
                unpadded_len(out.get(..len).unwrap_or_default())
            }
            KeyWrap::Kwp(None) => schedule.unwrap_padded(input, out),
            KeyWrap::Kwp(Some(iv)) if iv == KWP_IV => schedule.unwrap_padded(input, out),
            KeyWrap::Kwp(Some(iv)) => schedule.unwrap_padded_after(iv, input, out),
        }
    }

    fn unwrap(&self, iv: Option<[u8; 8]>, input: &[u8], out: &mut [u8]) -> Result<usize> {
        let iv = iv.as_ref().map_or(null(), |iv| iv.as_ptr());
        // SAFETY: an expanded key; `iv` is null or 8 bytes; `out` has all of `input` but 8 bytes.
        let len = unsafe {
            sys::AES_unwrap_key(self.0.as_ptr(), iv, out.as_mut_ptr(), input.as_ptr(), input.len())
        };
        counted(len, Error::Decryption)
    }

    fn unwrap_padded(&self, input: &[u8], out: &mut [u8]) -> Result<usize> {
        let (mut len, most) = (0, out.len());
        // SAFETY: an expanded key; both lengths are those of the slices.
        let code = unsafe {
            sys::AES_unwrap_key_padded(
                self.0.as_ptr(),
                out.as_mut_ptr(),
                &mut len,
                most,
                input.as_ptr(),
                input.len(),
            )
        };
        check(code, Error::Decryption)?;
        Ok(len)
    }

    /// The initial value says how long the data is, which can be one of eight lengths.
    fn unwrap_padded_after(&self, iv: [u8; 4], input: &[u8], out: &mut [u8]) -> Result<usize> {
        let most = input.len().saturating_sub(SEMIBLOCK);
        for len in (most.saturating_sub(SEMIBLOCK).saturating_add(1)..=most).rev() {
            let iv = initial(iv, len)?;
            let matches = if most == SEMIBLOCK {
                self.unwrap_block(iv, input, out)
            } else {
                self.unwrap(Some(iv), input, out).is_ok()
            };
            if matches {
                let padding = out.get(len..most).unwrap_or_default();
                let is_zero = padding.iter().fold(0, |all, byte| all | byte) == 0;
                return if is_zero { Ok(len) } else { Err(Error::Decryption) };
            }
        }
        Err(Error::Decryption)
    }

    /// One block; whether it begins with `iv`.
    fn unwrap_block(&self, iv: [u8; 8], input: &[u8], out: &mut [u8]) -> bool {
        let mut block = Zeroizing::new([0; 2 * SEMIBLOCK]);
        if input.len() != block.len() {
            return false;
        }
        // SAFETY: an expanded key, and one block each.
        unsafe { sys::AES_decrypt(input.as_ptr(), block.as_mut_ptr(), self.0.as_ptr()) };
        let (head, tail) = block.split_at(SEMIBLOCK);
        let matches = crate::ct_eq(head, &iv);
        if matches && let Some(out) = out.get_mut(..SEMIBLOCK) {
            out.copy_from_slice(tail);
        }
        matches
    }
}

impl Drop for Schedule {
    fn drop(&mut self) {
        // SAFETY: plain memory of that size, which is ours.
        unsafe { sys::OPENSSL_cleanse(self.0.as_mut_ptr().cast(), size_of::<sys::AES_KEY>()) }
    }
}

/// KWP's initial value: four bytes, and the length of the data.
fn initial(iv: [u8; 4], len: usize) -> Result<[u8; 8]> {
    let [a, b, c, d] = iv;
    let [e, f, g, h] = u32::try_from(len).map_err(|_| Error::InputLength)?.to_be_bytes();
    Ok([a, b, c, d, e, f, g, h])
}

/// aws-lc's length, or -1.
fn counted(len: std::ffi::c_int, failure: Error) -> Result<usize> {
    usize::try_from(len).map_err(|_| {
        clear_queue();
        failure
    })
}

fn padded(input: &[u8]) -> Zeroizing<Vec<u8>> {
    let missing = SEMIBLOCK - input.len() % SEMIBLOCK;
    let mut padded = Zeroizing::new(Vec::with_capacity(input.len().saturating_add(missing)));
    padded.extend_from_slice(input);
    padded.resize(
        input.len().saturating_add(missing),
        u8::try_from(missing).unwrap_or_default(),
    );
    padded
}

/// The data is authentic already: padding that is wrong is not an oracle.
fn unpadded_len(padded: &[u8]) -> Result<usize> {
    let last = padded.last().copied().map(usize::from).unwrap_or_default();
    let (len, padding) = padded
        .len()
        .checked_sub(last)
        .map(|len| padded.split_at(len))
        .map(|(data, padding)| (data.len(), padding))
        .ok_or(Error::Decryption)?;
    let is_padding = (1..=SEMIBLOCK).contains(&last) && padding.iter().all(|byte| usize::from(*byte) == last);
    if is_padding {
        Ok(len)
    } else {
        Err(Error::Decryption)
    }
}
