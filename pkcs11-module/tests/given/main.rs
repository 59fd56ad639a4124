// SPDX-License-Identifier: MIT
//! The functions that only tokens have which take things as given: messages with one key, and keys that are wrapped,
//! derived and encapsulated. What the module itself sees to in them, in front of a token that notes what it is asked.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod keys;
mod messages;
mod signatures;
mod token;
