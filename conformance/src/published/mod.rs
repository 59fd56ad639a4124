// SPDX-License-Identifier: MIT
//! Published examples that the cryptography and the C functions above it are held to alike.
//!
//! Hexadecimal where it is not said otherwise.

pub mod aes;
pub mod des;
pub mod ecdh;
pub mod key_wrap;

/// Hexadecimal as bytes.
pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().map(|digit| digit.to_digit(16).unwrap()).collect();
    digits
        .chunks(2)
        .map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap())
        .collect()
}
