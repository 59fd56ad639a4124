// SPDX-License-Identifier: MIT
//! The black-box cases, what is expected of each module, and how they are run and reported on.
//!
//! A case is a row ([`case::Case`]): a stable id, the section of PKCS#11 3.2 that it is about, what it needs of a
//! module, and a function that panics if the module is wrong. Each runs in a process of its own ([`isolated`]), by
//! `cargo test` as a test and by the program `keyenclave-conformance` against any module, held to a file of
//! expectations ([`expectations`]).
//!
//! Beside them stand the test cases of the OASIS profiles, which are cases as well ([`profiles`]), and Wycheproof's test
//! vectors, all in one process ([`wycheproof`]).
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // all of it is test code

pub mod abilities;
pub mod case;
pub mod expectations;
pub mod isolated;
pub mod peers;
pub mod profiles;
pub mod report;
pub mod run;
mod subjects;
pub mod wycheproof;

pub use subjects::all;
