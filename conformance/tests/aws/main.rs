// SPDX-License-Identifier: MIT
//! A slot of AWS Key Management Service, seen through the shared library: against an emulator, with a proxy between
//! that counts requests and makes things go wrong.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // test code

mod asynchronous;
mod counts;
mod elsewhere;
mod emulator;
mod faults;
mod hosts;
mod identity;
mod lost;
mod lying;
mod made_here;
mod slot;
mod told;
mod tool;

use keyenclave_conformance::openssl;
