// SPDX-License-Identifier: MIT
//! The C boundary: pointers become values, errors become return values, panics stop.
//!
//! The only place of the module where `unsafe` is written. A raw pointer never leaves it: an exported function makes
//! values of its arguments ([`values`]) and calls a safe handler of [`entry`](crate::entry) inside the boundary.
//! Which functions there are, and what each takes, stands in one table ([`functions`]).

#![allow(unsafe_code, reason = "this is where C's pointers are read and written")]

mod aead;
mod asynchronous;
pub(crate) mod bootstrap;
pub(crate) mod boundary;
pub mod functions;
mod interfaces;
pub mod own;
mod parameters;
mod refusal;
pub(crate) mod root;
mod templates;
pub mod values;

#[cfg(test)]
pub(crate) mod tests;
