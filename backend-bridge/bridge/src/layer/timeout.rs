// SPDX-License-Identifier: MIT
//! The timeout layer: a try ends when its time is up, at the operation's deadline at the latest.
//!
//! A call that may be repeated whatever became of it gets the time of a try, so that a hung connection leaves time for
//! another one. A call that may not be repeated gets all the time that there is: cutting it short would gain nothing
//! but an answer that nobody knows.
//!
//! Innermost. Right: `retry → timeout`. Wrong: `timeout → retry`, see there. The future of the backend is dropped when
//! its time is up; a backend's futures allow that at every await.

use std::time::Duration;

use tokio::time::Instant;

use super::{Cx, Layer, Next};
use crate::call::{Repeat, Reply, Request};
use crate::error::{Error, Sent};
use crate::settings::Settings;

/// See the module.
pub(super) struct Timeout {
    attempt: Duration,
}

impl Timeout {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            attempt: settings.attempt_timeout,
        }
    }
}

impl Layer for Timeout {
    fn name(&self) -> &'static str {
        "timeout"
    }

    fn call<'a>(&'a self, cx: &'a Cx, request: &'a Request, next: Next<'a>) -> Reply<'a> {
        Box::pin(async move {
            let (call, now) = (request.kind(), Instant::now());
            if now >= cx.deadline {
                return Err(Error::timeout(
                    call,
                    Sent::No,
                    "the time was up before the request was sent",
                ));
            }
            let end = match call.facts().repeat {
                Repeat::Always => cx.deadline.min(now + self.attempt),
                Repeat::IfNotDone | Repeat::Never => cx.deadline,
            };
            tokio::time::timeout_at(end, next.call(cx, request))
                .await
                .unwrap_or_else(|_| {
                    let what = format!("no answer within {:.1} s", (end - now).as_secs_f64());
                    Err(Error::timeout(call, Sent::Maybe, what))
                })
        })
    }
}
