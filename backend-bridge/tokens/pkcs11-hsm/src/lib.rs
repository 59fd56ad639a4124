// SPDX-License-Identifier: MIT
//! Any vendor's PKCS#11 module as a token of KeyEnclave. See [`Pkcs11Token`].
#![deny(unsafe_code)]
#![allow(dead_code, reason = "the token over it follows")]

mod connection;
#[allow(
    unsafe_code,
    reason = "the vendor's functions are C; see the file's own documentation"
)]
mod ffi;
mod heal;
mod login;
mod pool;
mod quirks;
mod select;
mod template;

pub use login::PinSource;
pub use quirks::{QUIRKS, Quirk, QuirkRow};
pub use select::TokenChoice;
