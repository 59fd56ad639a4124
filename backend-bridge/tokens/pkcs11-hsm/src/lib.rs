// SPDX-License-Identifier: MIT
//! Any vendor's PKCS#11 module as a token of KeyEnclave. See [`Pkcs11Token`].
#![deny(unsafe_code)]

mod connection;
mod core;
mod deadline;
#[cfg(test)]
mod faults;
#[allow(
    unsafe_code,
    reason = "the vendor's functions are C; see the module's own documentation"
)]
mod ffi;
mod given;
mod heal;
mod hidden;
mod library;
mod login;
mod messages;
mod objects;
mod operation;
mod owned;
mod params;
mod pool;
mod quirks;
mod select;
mod template;
mod token;
mod workers;
mod works;

pub use library::Libraries;
pub use login::PinSource;
pub use quirks::{QUIRKS, Quirk, QuirkRow};
pub use select::TokenChoice;
pub use token::{HsmOptions, Pkcs11Token};
