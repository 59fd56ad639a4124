// SPDX-License-Identifier: MIT
//! The soft engine of KeyEnclave: stores, sealers and the soft token.
#![forbid(unsafe_code)]

mod derive;
mod described;
mod encapsulate;
mod engine;
mod error;
mod generate;
mod index;
mod keys;
mod login;
mod material;
mod objects;
mod opened;
mod operation;
#[cfg(test)]
mod races;
mod records;
mod search;
mod session;

pub mod codec;
pub mod pin_hash;
pub mod sealer;
pub mod sidecar;
pub mod store;
pub mod token;
pub mod vault;
mod wrap;

pub use login::{PIN_LEN, PinSealers, Sealers};
pub use pin_hash::PinHash;
pub use sidecar::{Sidecar, sidecar};
pub use token::{SoftOptions, SoftToken};
