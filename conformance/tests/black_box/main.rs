// SPDX-License-Identifier: MIT
//! Black-box cases through the C functions, one process each; a file for each subject.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // test code

mod attributes;
mod bad_input;
mod digests;
mod eddsa;
mod encryption;
mod life_cycle;
mod macs;
mod objects;
mod openssl;
mod operations;
mod pins;
mod sessions;
mod signatures;
mod slots;
