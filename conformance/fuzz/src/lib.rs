// SPDX-License-Identifier: MIT
//! What the fuzz targets do with bytes: one module a target, whose `run` panics where something is wrong.
//!
//! ```text
//! calls          a sequence of calls of the C functions, on a soft token in a directory of its own
//! templates      arrays of CK_ATTRIBUTE, read and filled
//! parameters     mechanisms with their structures, read and written
//! stored         the body of a stored object, and what a token makes of it
//! configuration  a configuration file
//! ```
//!
//! [`source`] makes numbers and lengths of bytes, [`memory`] what a C function is given pointers to: each piece of it
//! is exactly as long as is said, so that the address sanitizer sees every byte that is read or written beside it.
//! `cargo xtask fuzz` runs them; the replay of `corpus/` is a test like any other.

pub mod calls;
pub mod configuration;
pub mod memory;
pub mod parameters;
pub mod source;
pub mod stored;
pub mod templates;

/// What a target does with the fuzzer's bytes.
pub type Run = fn(&[u8]);

/// Every target: its name, which is that of its program and of its directory in `corpus/`, and what it does.
pub const TARGETS: &[(&str, Run)] = &[
    ("calls", calls::run),
    ("configuration", configuration::run),
    ("parameters", parameters::run),
    ("stored", stored::run),
    ("templates", templates::run),
];
