// SPDX-License-Identifier: MIT
//! HMAC (RFC 2104, FIPS 198-1).
//!
//! A key is absorbed once into a state in aws-lc's memory; each message starts from a copy of that state, so a
//! cached key costs nothing per message.

use crate::error::{Error, Result, checked};
use crate::hash::{HashValue, evp_md};
use crate::{ct_eq, ptr::Owned};
use aws_lc_sys as sys;
use keyenclave_model::algorithm::Hash;
use std::mem::MaybeUninit;
use std::ptr::null_mut;

/// An absorbed HMAC key; any number of messages may be authenticated with it at once.
pub struct HmacKey {
    state: Owned<sys::HMAC_CTX>,
    hash: Hash,
}

impl HmacKey {
    /// Absorbs a key of any length, zero included.
    pub fn new(hash: Hash, key: &[u8]) -> Result<Self> {
        let state = Owned::<sys::HMAC_CTX>::new()?;
        let raw = state.as_ptr();
        // SAFETY: `raw` is a live empty context of ours; pointer and length describe `key`, and the pointer of an
        // empty slice is not null, which would mean "keep the last key".
        let done =
            unsafe { sys::HMAC_Init_ex(raw, key.as_ptr().cast(), key.len(), evp_md(hash), null_mut()) };
        checked(done)?;
        Ok(Self { state, hash })
    }

    /// The length of a MAC, in bytes.
    pub fn output_len(&self) -> usize {
        self.hash.output_len()
    }

    /// Starts a message that comes in parts.
    pub fn start(&self) -> Result<Hmac> {
        let running = Owned::<sys::HMAC_CTX>::new()?;
        // SAFETY: both are live contexts; the source is only read, and nothing writes to it after `new`.
        checked(unsafe { sys::HMAC_CTX_copy_ex(running.as_ptr(), self.state.as_ptr()) })?;
        Ok(Hmac {
            running,
            len: self.output_len(),
        })
    }

    /// The MAC of a whole message, without touching the heap.
    pub fn sign(&self, message: &[u8]) -> Result<HashValue> {
        let mut scratch = Scratch(MaybeUninit::uninit());
        let raw = scratch.0.as_mut_ptr();
        // SAFETY: `raw` has room for a context, which is written whole; the source is only read.
        checked(unsafe { sys::HMAC_CTX_copy_ex(raw, self.state.as_ptr()) })?;
        // SAFETY: `raw` was filled just above and stays where it is until it is wiped.
        unsafe { run(raw, message)? };
        // SAFETY: as above.
        unsafe { last(raw, self.output_len()) }
    }

    /// Checks the full-length MAC of a whole message, in constant time.
    pub fn verify(&self, message: &[u8], mac: &[u8]) -> Result<()> {
        compare(&self.sign(message)?, mac)
    }
}

/// A running HMAC.
pub struct Hmac {
    running: Owned<sys::HMAC_CTX>,
    len: usize,
}

impl Hmac {
    /// Absorbs a key of any length, for one message in parts.
    pub fn new(hash: Hash, key: &[u8]) -> Result<Self> {
        let HmacKey { state: running, hash } = HmacKey::new(hash, key)?;
        Ok(Self {
            running,
            len: hash.output_len(),
        })
    }

    /// Adds data.
    pub fn update(&mut self, data: &[u8]) -> Result<()> {
        // SAFETY: a live initialised context that `&mut self` has for itself.
        unsafe { run(self.running.as_ptr(), data) }
    }

    /// The MAC of everything that was added; a shorter MAC (RFC 2104, section 5) is its front.
    pub fn finish(self) -> Result<HashValue> {
        // SAFETY: a live initialised context that `self` has for itself.
        unsafe { last(self.running.as_ptr(), self.len) }
    }

    /// Checks the full-length MAC of everything that was added, in constant time.
    pub fn verify(self, mac: &[u8]) -> Result<()> {
        compare(&self.finish()?, mac)
    }
}

/// The MAC of a whole message with a key that is used once.
pub fn hmac(hash: Hash, key: &[u8], message: &[u8]) -> Result<HashValue> {
    HmacKey::new(hash, key)?.sign(message)
}

/// A context on the stack for the length of one call; wiped before the frame goes.
struct Scratch(MaybeUninit<sys::HMAC_CTX>);

impl Drop for Scratch {
    fn drop(&mut self) {
        // SAFETY: overwrites the bytes of the context and reads none, so it need not be initialised.
        unsafe { sys::HMAC_CTX_cleanup(self.0.as_mut_ptr()) }
    }
}

/// # Safety
/// `raw` must be an initialised context that no other thread uses.
unsafe fn run(raw: *mut sys::HMAC_CTX, data: &[u8]) -> Result<()> {
    // SAFETY: the caller's promise; pointer and length describe `data`.
    checked(unsafe { sys::HMAC_Update(raw, data.as_ptr(), data.len()) })
}

/// # Safety
/// `raw` must be an initialised context that no other thread uses.
unsafe fn last(raw: *mut sys::HMAC_CTX, len: usize) -> Result<HashValue> {
    let mut done = 0;
    let value = HashValue::written_by(len, |bytes| {
        // SAFETY: the caller's promise; `bytes` has room for the longest hash that aws-lc has (64 bytes).
        done = unsafe { sys::HMAC_Final(raw, bytes.as_mut_ptr(), null_mut()) };
    });
    checked(done)?;
    Ok(value)
}

fn compare(expected: &[u8], mac: &[u8]) -> Result<()> {
    if ct_eq(expected, mac) {
        Ok(())
    } else {
        Err(Error::Verification)
    }
}
