// SPDX-License-Identifier: MIT
//! Black-box tests of a PKCS#11 module, through its shared library and through real clients.
//!
//! The library here is what the tests in `tests/` share. It knows nothing of KeyEnclave's insides: pointed at another
//! vendor's module by `KEYENCLAVE_TEST_MODULE`, most cases run on that.
#![deny(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // all of it is test code

pub mod case;
pub mod cloud;
pub mod module;
pub mod openssl;
pub mod place;
pub mod published;
pub mod returns;
pub mod rsa;
mod rv;
pub mod tested;
pub mod token;
mod whole;

pub use module::Module;
pub use rv::{Refused, Rv};
pub use whole::{short_buffer_first, two_calls};
