// SPDX-License-Identifier: MIT
//! Asynchronous sessions over a token that answers when the test pleases.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../late/mod.rs"]
mod late;

mod arguments;
mod ending;
mod keys;
mod many;
mod meanwhile;
mod results;
mod scene;
#[cfg(feature = "aws-kms")]
mod service;
