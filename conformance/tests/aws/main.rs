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

mod emulator;
