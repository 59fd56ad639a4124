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
//! | certificates, data objects, public keys | the sidecar, if the slot has one |
//! | label, id, subject, dates of the service's keys | the key's label and tags, else the sidecar |
//! | find, attributes | the catalogue: a listing that is fetched once and patched |

mod begin;
mod catalogue;
mod entries;
mod entry;
mod generate;
mod keeper;
mod kept;
mod listing;
mod local;
mod login;
mod objects;
mod operation;
mod pin;
mod plan;
mod proof;
mod search;
mod simulated;
mod survey;
mod token;
mod work;

#[cfg(test)]
mod tests;

pub use pin::{HashedPin, PinCheck};
pub use simulated::Simulated;
pub use token::{RemoteOptions, RemoteToken};
