// SPDX-License-Identifier: MIT
//! The C boundary from the outside: hostile pointers and lengths, and the table of functions.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod asynchronous;
mod failures;
pub(crate) mod forking;
mod functions;
mod parameters;
mod templates;
mod values;

use cryptoki_sys as ck;
use keyenclave_model::error::{Error, Result, Rv};

/// The return value of a failure; `None` for success.
fn rv<T>(result: Result<T>) -> Option<Rv> {
    result.err().as_ref().map(Error::rv)
}

/// A length for C.
fn ulong(len: usize) -> ck::CK_ULONG {
    ck::CK_ULONG::try_from(len).unwrap()
}

/// Lengths that no memory has.
const HUGE: [ck::CK_ULONG; 3] = [
    ck::CK_ULONG::MAX,
    ck::CK_ULONG::MAX - 7,
    1 << (ck::CK_ULONG::BITS - 1),
];
