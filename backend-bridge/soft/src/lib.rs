// SPDX-License-Identifier: MIT
//! The soft engine of KeyEnclave: stores, sealers and the soft token.
#![forbid(unsafe_code)]

pub mod sealer;
pub mod store;
pub mod vault;
