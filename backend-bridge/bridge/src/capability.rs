// SPDX-License-Identifier: MIT
//! What a backend can do, and the gate that keeps everything else away from it.
//!
//! A capability is a promise that the [contract](crate::contract) holds a backend to, both ways: what is named works,
//! and what is not named is refused here, before the backend is asked.

use crate::call::{CallKind, Request, not_offered};
use crate::error::{Error, Result, Sent};
use crate::key::{Algorithm, KeySpec};

/// What a backend can do.
#[derive(Clone, Debug)]
pub struct Capability {
    /// The calls that it answers.
    pub calls: &'static [CallKind],
    /// What it computes, with one key or another.
    pub algorithms: &'static [Algorithm],
    /// The keys that it makes.
    pub generates: &'static [KeySpec],
    /// The longest message for [`CallKind::Sign`] with an algorithm that takes messages and not digests
    /// ([`Algorithm::Ed25519`]), in bytes; 0 where there is none.
    pub max_sign_message: usize,
    /// The longest message for [`CallKind::Mac`], in bytes.
    pub max_mac_message: usize,
    /// The longest value of a tag, in bytes; 0 where there are no tags.
    pub max_tag_value: usize,
}

impl Capability {
    /// Whether a call is offered.
    pub fn offers(&self, call: CallKind) -> bool {
        self.calls.contains(&call)
    }

    /// Whether something is computed, as far as no key has a say in it.
    pub fn computes(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// Whether a request may be put to the backend.
    ///
    /// # Errors
    /// `Unsupported` for what is not offered, `BadInput` for what is longer than it may be.
    pub fn check(&self, request: &Request) -> Result<()> {
        let kind = request.kind();
        if !self.offers(kind) {
            return Err(not_offered(kind));
        }
        let needed = match request {
            Request::Sign(call) => Some(call.algorithm),
            Request::Decrypt(call) => Some(call.algorithm),
            Request::Mac(call) => Some(call.algorithm),
            Request::Encrypt(_) => Some(Algorithm::Symmetric),
            _ => None,
        };
        if let Some(algorithm) = needed.filter(|algorithm| !self.computes(*algorithm)) {
            let what = format!("this backend does not compute {algorithm:?}");
            return Err(Error::unsupported(kind, Sent::No, what));
        }
        match request {
            Request::Generate(call) if !self.generates.contains(&call.spec) => {
                let what = format!("this backend does not make {:?} keys", call.spec);
                Err(Error::unsupported(kind, Sent::No, what))
            }
            Request::Mac(call) => check_message(kind, call.message.len(), self.max_mac_message),
            Request::Sign(call) if call.algorithm == Algorithm::Ed25519 => {
                check_message(kind, call.digest.len(), self.max_sign_message)
            }
            _ => Ok(()),
        }
    }
}

/// Whether a message of so many bytes is short enough.
fn check_message(call: CallKind, len: usize, most: usize) -> Result<()> {
    if len <= most {
        return Ok(());
    }
    let what = format!("a message has {most} bytes at the most");
    Err(Error::bad_input(call, Sent::No, what))
}
