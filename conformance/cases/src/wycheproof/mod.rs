// SPDX-License-Identifier: MIT
//! The test vectors of Wycheproof, put to a module through its C functions.
//!
//! A row of [`table`] is a set of vectors, the mechanisms that a token must list for it, and how it is played: how a key
//! is imported, which function is called. Every vector says what must come of it (`vector.rs`); what a module is known to
//! do otherwise is data with a reason ([`expected`]). The crate with the vectors is the whole of the input.

mod encoding;
pub mod expected;
mod keys;
mod parameters;
mod run;
mod sets;
pub mod table;
mod vector;

pub use run::{Absent, Played, play};
pub(crate) use run::{PLAY, child};
pub use vector::Tally;
