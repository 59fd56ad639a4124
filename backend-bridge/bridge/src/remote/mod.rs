// SPDX-License-Identifier: MIT
//! The token that makes a key service look like PKCS#11.
//!
//! It plans: what is local is done at once, what needs the service becomes calls over the [`Bridge`](crate::bridge::Bridge).
//!
//! | work | who does it |
//! |---|---|
//! | keys of the service: sign, decrypt, MAC | the service, exactly one request each |
//! | verify, encrypt to a public key, digest, random, sizes | here |
//! | session objects | the soft engine, in memory |
//! | certificates, data objects | the sidecar, if the slot has one |
//! | find, attributes | the catalogue: a listing that is fetched once and patched |

mod begin;
mod catalogue;
mod entry;
mod generate;
mod listing;
mod local;
mod login;
mod objects;
mod operation;
mod plan;
mod search;
mod token;
mod work;

#[cfg(test)]
mod tests;

pub use login::PinCheck;
pub use token::{RemoteOptions, RemoteToken};
