// SPDX-License-Identifier: MIT
//! The PKCS#11 module of KeyEnclave: ABI, entry points, state machine, configuration.
//!
//! ```text
//! abi/        pointers ⇄ values, panic boundary, function lists
//! entry/      one safe handler per C function, by specification chapter
//! session/    state machine: login, sessions, operations (pure: no clock, no I/O)
//! slot        a token and its state; library: everything between C_Initialize and C_Finalize
//! lifecycle   initialising, finalising, and what a forked child finds
//! config/     what the configuration file says; assemble: configuration → slots
//! ```
//!
//! Unsafe code is allowed in `abi` alone.
#![deny(unsafe_code)]

pub mod abi;
pub mod assemble;
pub mod config;
pub mod entry;
pub mod library;
pub mod lifecycle;
pub mod pin_file;
pub mod session;
pub mod slot;
