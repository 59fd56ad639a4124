// SPDX-License-Identifier: MIT
//! What KeyEnclave asks of the operating system: fork handlers, a heap that no core dump shows, locked memory, shared
//! mappings, and what its files and SQLite's connections need.
//!
//! Everything here wraps `unsafe` calls in safe types, so that the crates above can forbid `unsafe`. Nothing in
//! it knows PKCS#11, and nothing in it logs: some of it runs inside `fork`.

pub mod clock;
pub mod filesystem;
pub mod fork;
#[cfg(feature = "secret-heap")]
pub mod heap;
mod leaf;
pub mod page;
pub mod privilege;
pub mod secret;
pub mod sqlite;
