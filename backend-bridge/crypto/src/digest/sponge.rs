// SPDX-License-Identifier: MIT
//! SHA-3 (FIPS 202) that is fed in parts.
//!
//! Over `EVP_MD_CTX`, because aws-lc keeps the sponge's context to itself: nothing here can save its state.

use crate::hash::{HashValue, evp_md};
use crate::ptr::Owned;
use aws_lc_sys as sys;
use keyenclave_model::algorithm::Hash;
use std::alloc::{Layout, handle_alloc_error};
use std::ffi::c_int;
use std::ptr::null_mut;

/// A running hash of aws-lc.
pub(super) struct Sponge {
    running: Owned<sys::EVP_MD_CTX>,
    hash: Hash,
}

impl Sponge {
    pub(super) fn new(hash: Hash) -> Self {
        let running = empty();
        // SAFETY: a live empty context, a description that lives for ever, no engine.
        allocated(unsafe { sys::EVP_DigestInit_ex(running.as_ptr(), evp_md(hash), null_mut()) });
        Self { running, hash }
    }

    pub(super) fn hash(&self) -> Hash {
        self.hash
    }

    pub(super) fn update(&mut self, data: &[u8]) {
        // SAFETY: a started context that `&mut self` has for itself; pointer and length describe `data`.
        // It cannot fail.
        unsafe { sys::EVP_DigestUpdate(self.running.as_ptr(), data.as_ptr().cast(), data.len()) };
    }

    /// Writes the value; the context is of no further use.
    pub(super) fn finish(&mut self, out: &mut [u8; HashValue::CAPACITY]) {
        // SAFETY: a started context that `&mut self` has for itself; `out` has room for the longest value; the
        // length is not asked for. It cannot fail.
        unsafe { sys::EVP_DigestFinal_ex(self.running.as_ptr(), out.as_mut_ptr(), null_mut()) };
    }
}

impl Clone for Sponge {
    fn clone(&self) -> Self {
        let running = empty();
        // SAFETY: both are live contexts, and the source is only read.
        allocated(unsafe { sys::EVP_MD_CTX_copy_ex(running.as_ptr(), self.running.as_ptr()) });
        Self {
            running,
            hash: self.hash,
        }
    }
}

fn empty() -> Owned<sys::EVP_MD_CTX> {
    Owned::<sys::EVP_MD_CTX>::new().unwrap_or_else(|_| handle_alloc_error(Layout::new::<sys::EVP_MD_CTX>()))
}

/// What allocates fails for want of memory only, and then as `Box` does.
fn allocated(done: c_int) {
    if done != 1 {
        handle_alloc_error(Layout::new::<sys::EVP_MD_CTX>());
    }
}
