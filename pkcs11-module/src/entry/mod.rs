// SPDX-License-Identifier: MIT
//! One safe handler per C function, by the specification's chapters.
//!
//! A handler gets values, never pointers. Its order is always the same: the session or slot first, then the
//! arguments, then the token. No lock is held while a token works.

pub mod asynchronous;
pub mod crypt;
pub mod dual;
pub mod general;
pub mod keys;
pub mod messages;
pub mod objects;
pub mod random;
pub mod sessions;
pub mod signatures;
pub mod slots;
pub mod state;
mod taken;

use keyenclave_model::error::{Error, Rv};

/// A token answered with something that this work does not come to: a fault in the token.
fn unexpected() -> Error {
    Error::new(
        Rv::GeneralError,
        "the token gave an answer that does not belong to the question; please report this",
    )
}
