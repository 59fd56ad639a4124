// SPDX-License-Identifier: MIT
//! The cache layer: answers that do not change are remembered, and so, briefly, is that a key is not there.
//!
//! Right: `cache → retry`: what is remembered costs no try, no place in the queue and works while the service is away.
//! Wrong: `limit → cache`: a remembered answer would wait for a connection that it does not need.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Cx, Layer, Next};
use crate::call::{CallKind, Reply, Request, Response};
use crate::error::{ErrorKind, Result};
use crate::key::KeyName;
use crate::settings::Settings;

/// See the module. The lock is held for the length of a look-up.
pub(super) struct Cache {
    answers: Mutex<HashMap<(CallKind, KeyName), Remembered>>,
    expiry: Duration,
    negative_expiry: Duration,
    capacity: usize,
}

struct Remembered {
    result: Result<Response>,
    until: Instant,
}

impl Cache {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            answers: Mutex::default(),
            expiry: settings.answer_expiry,
            negative_expiry: settings.negative_expiry,
            capacity: settings.answers,
        }
    }

    fn recall(&self, place: &(CallKind, KeyName)) -> Option<Result<Response>> {
        let now = Instant::now();
        let mut answers = self.answers.lock();
        let remembered = answers.get(place)?;
        if remembered.until <= now {
            answers.remove(place);
            return None;
        }
        Some(remembered.result.clone())
    }

    fn remember(&self, place: (CallKind, KeyName), result: &Result<Response>) {
        let expiry = match result {
            Ok(_) => self.expiry,
            Err(error) if error.kind() == ErrorKind::NotFound => self.negative_expiry,
            Err(_) => return,
        };
        let now = Instant::now();
        let mut answers = self.answers.lock();
        if answers.len() >= self.capacity {
            answers.retain(|_, remembered| remembered.until > now);
        }
        if answers.len() >= self.capacity {
            // Whatever ends first makes room; one pass over the table for a tenth of it.
            let mut ends: Vec<_> = answers.values().map(|remembered| remembered.until).collect();
            ends.sort_unstable();
            if let Some(cut) = ends.get(ends.len() / 10).copied() {
                answers.retain(|_, remembered| remembered.until > cut);
            }
        }
        answers.insert(
            place,
            Remembered {
                result: result.clone(),
                until: now + expiry,
            },
        );
    }

    fn forget(&self, key: &KeyName) {
        let mut answers = self.answers.lock();
        for call in CallKind::ALL.iter().filter(|call| !call.facts().needs_network) {
            answers.remove(&(*call, key.clone()));
        }
    }
}

impl Layer for Cache {
    fn name(&self) -> &'static str {
        "cache"
    }

    fn call<'a>(&'a self, cx: &'a Cx, request: &'a Request, next: Next<'a>) -> Reply<'a> {
        let facts = request.kind().facts();
        let Some(key) = request.key().filter(|_| facts.changes || !facts.needs_network) else {
            return next.call(cx, request);
        };
        Box::pin(async move {
            if facts.changes {
                self.forget(key);
                return next.call(cx, request).await;
            }
            let place = (request.kind(), key.clone());
            if let Some(result) = self.recall(&place) {
                return result;
            }
            let result = next.call(cx, request).await;
            self.remember(place, &result);
            result
        })
    }
}
