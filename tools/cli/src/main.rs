// SPDX-License-Identifier: MIT
//! The command-line tool of KeyEnclave.
fn main() {}
