// SPDX-License-Identifier: MIT
//! Published examples that the cryptography and the C functions above it are held to alike.
//!
//! Hexadecimal where it is not said otherwise.

pub mod aes;
pub mod des;
pub mod ecdh;
pub mod key_wrap;
