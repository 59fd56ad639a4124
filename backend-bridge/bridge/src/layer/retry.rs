// SPDX-License-Identifier: MIT
//! The retry layer: a call that failed for the moment is made again, if a repeat can do no harm.
//!
//! What may be repeated is decided by the call and by whether it was sent ([`Repeat`](crate::call::Repeat)), not by the
//! kind of failure alone. Pauses grow exponentially with full jitter, are never shorter than the service asks for, and
//! never reach past the deadline: one deadline and one budget for all tries. Only a key that the service does not know
//! yet, though it has just made it ([`newborn`](super::newborn)), is asked for until the deadline: that passes by itself,
//! and nobody is spared by giving up.
//!
//! Right: `retry → breaker → timeout`: each try has a time of its own and is counted by the breaker. Wrong:
//! `timeout → retry`: one hung try uses up all the time. Wrong: `breaker → retry`: the breaker would learn of three
//! failures only as of one.

use std::sync::Arc;
use std::time::Duration;

use keyenclave_crypto::rand;
use tokio::time::Instant;

use super::newborn::Newborn;
use super::{Cx, Layer, Next};
use crate::call::{Reply, Request};
use crate::error::{Error, ErrorKind};
use crate::settings::Settings;

/// Some duration between zero and the given one.
pub type Jitter = Arc<dyn Fn(Duration) -> Duration + Send + Sync>;

/// Evenly distributed over the whole duration, so that clients who failed together do not come back together.
pub(super) fn full_jitter() -> Jitter {
    Arc::new(|longest| {
        let mut bytes = [0; 4];
        match rand::fill(&mut bytes) {
            Ok(()) => longest.mul_f64(f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)),
            Err(_) => longest,
        }
    })
}

/// See the module.
pub(super) struct Retry {
    retries: u32,
    backoff: Duration,
    max_backoff: Duration,
    jitter: Jitter,
    newborn: Newborn,
}

impl Retry {
    pub(super) fn new(settings: &Settings, jitter: Jitter) -> Self {
        Self {
            retries: settings.retries,
            backoff: settings.backoff,
            max_backoff: settings.max_backoff,
            jitter,
            newborn: Newborn::default(),
        }
    }

    /// How long to pause before try number `tries`, counted from 0; `None` to give up.
    fn pause(&self, cx: &Cx, request: &Request, error: &Error, tries: u32) -> Option<Duration> {
        let repeat = request.kind().facts().repeat;
        let is_spent = tries >= self.retries && error.kind() != ErrorKind::Unsettled;
        if is_spent || !error.kind().is_transient() || !repeat.allows(error.sent()) {
            return None;
        }
        let longest = self
            .backoff
            .saturating_mul(1 << tries.min(20))
            .min(self.max_backoff);
        let pause = (self.jitter)(longest).max(error.retry_after().unwrap_or_default());
        (Instant::now() + pause < cx.deadline).then_some(pause)
    }
}

impl Layer for Retry {
    fn name(&self) -> &'static str {
        "retry"
    }

    fn call<'a>(&'a self, cx: &'a Cx, request: &'a Request, next: Next<'a>) -> Reply<'a> {
        Box::pin(async move {
            let mut tries = 0;
            loop {
                let error = match next.call(cx, request).await {
                    Ok(response) => {
                        self.newborn.see(request, &response);
                        return Ok(response);
                    }
                    Err(error) => self.newborn.judge(request, error),
                };
                let Some(pause) = self.pause(cx, request, &error, tries) else {
                    return Err(error);
                };
                tries += 1;
                log::debug!(
                    "operation {}: try {tries} failed, next in {pause:.1?}: {error}",
                    cx.number
                );
                tokio::time::sleep(pause).await;
            }
        })
    }
}
