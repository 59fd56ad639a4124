// SPDX-License-Identifier: MIT
//! The keys that were just made here.
//!
//! Services spread the news of a key over many machines. For some seconds one of them may say that there is no such
//! key, although another one has just made it.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::call::{Request, Response};
use crate::error::{Error, ErrorKind};
use crate::key::KeyName;

/// How long it may take until a key is known everywhere.
const SPREAD: Duration = Duration::from_secs(30);

/// See the module. The lock is held for the length of a look-up, which only what makes, destroys or misses keys does.
#[derive(Default)]
pub(super) struct Newborn(Mutex<HashMap<KeyName, Instant>>);

impl Newborn {
    /// Takes note of keys that come and go.
    pub(super) fn see(&self, request: &Request, response: &Response) {
        match (request, response) {
            (_, Response::Generate(info) | Response::Import(info) | Response::Rotate(info)) => {
                let (now, mut made) = (Instant::now(), self.0.lock());
                made.retain(|_, until| *until > now);
                made.insert(info.listed.name.clone(), now + SPREAD);
            }
            (Request::Destroy(call), _) => drop(self.0.lock().remove(&call.key)),
            _ => {}
        }
    }

    /// What a failure means: that there is no such key is not believed of one that was just made.
    pub(super) fn judge(&self, request: &Request, error: Error) -> Error {
        if error.kind() != ErrorKind::NotFound {
            return error;
        }
        let until = request.key().and_then(|key| self.0.lock().get(key).copied());
        match until.is_some_and(|until| until > Instant::now()) {
            true => error.turned(ErrorKind::Unsettled),
            false => error,
        }
    }
}
