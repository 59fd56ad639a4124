// SPDX-License-Identifier: MIT
//! Build tasks of KeyEnclave.
fn main() {}
