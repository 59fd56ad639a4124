// SPDX-License-Identifier: MIT
//! A slot before a vendor's module whose device fails: `programs/faulty.c` stands between it and SoftHSM2 or Kryoptic and
//! misbehaves at every call in turn, `programs/vendor.c` works through it meanwhile and afterwards.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // test code

mod asynchronous;
mod device;
mod edges;
mod faults;
mod hangs;
mod keys;
mod messages;
mod objects;
mod processes;
mod special;
