// SPDX-License-Identifier: MIT
//! SHAKE128 and SHAKE256 (FIPS 202), fed in parts.
//!
//! Apart from [`Digest`](crate::Digest), because the output is as long as one asks, and the state cannot be saved.

use crate::error::{Result, checked};
use crate::ptr::Owned;
use aws_lc_sys as sys;
use std::ptr::null_mut;

/// Which of the two functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShakeKind {
    /// SHAKE128.
    Shake128,
    /// SHAKE256.
    Shake256,
}

/// A running SHAKE. The state is in aws-lc's memory, which is wiped when it is freed.
pub struct Shake(Owned<sys::EVP_MD_CTX>);

impl Shake {
    /// Starts one.
    pub fn new(kind: ShakeKind) -> Result<Self> {
        let context = Owned::<sys::EVP_MD_CTX>::new()?;
        let describe = match kind {
            ShakeKind::Shake128 => sys::EVP_shake128,
            ShakeKind::Shake256 => sys::EVP_shake256,
        };
        // SAFETY: no arguments; returns a static.
        let description = unsafe { describe() };
        // SAFETY: a live context of ours alone; the description is a static; no engine.
        checked(unsafe { sys::EVP_DigestInit_ex(context.as_ptr(), description, null_mut()) })?;
        Ok(Self(context))
    }

    /// Adds data.
    pub fn update(&mut self, data: &[u8]) -> Result<()> {
        // SAFETY: a started context of ours alone; pointer and length describe `data`.
        checked(unsafe { sys::EVP_DigestUpdate(self.0.as_ptr(), data.as_ptr().cast(), data.len()) })
    }

    /// The output, as long as `out` is.
    pub fn finish(self, out: &mut [u8]) -> Result<()> {
        // SAFETY: a started context of ours alone; pointer and length describe `out`.
        checked(unsafe { sys::EVP_DigestFinalXOF(self.0.as_ptr(), out.as_mut_ptr(), out.len()) })
    }
}
