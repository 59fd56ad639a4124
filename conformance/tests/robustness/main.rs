// SPDX-License-Identifier: MIT
//! Load, crashes, forks, hosts of all kinds, and files that somebody damaged.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // test code

mod configuration;
mod damage;
mod fork;
mod host;
mod kills;
mod load;
mod log;
mod memory;
mod processes;
mod simulation;
