// SPDX-License-Identifier: MIT
//! The breaker layer: a service that is not reached is left alone for a while.
//!
//! After some failures of connectivity in a row, calls fail at once until the pause is over; then one call is let
//! through to see. Any answer of the service, also one that refuses, closes the breaker: it is about reaching the
//! service, not about liking the answer. What our own queue did to a call does not count.
//!
//! Right: `retry → breaker → limit`: an open breaker costs no place in the queue. Wrong: `limit → breaker`: while the
//! service hangs, callers would queue up only to be turned away.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Cx, Layer, Next};
use crate::call::{CallKind, Reply, Request};
use crate::error::{Error, ErrorKind, Result, Sent};
use crate::settings::Settings;

/// See the module. The lock is held for the length of a look.
pub(super) struct Breaker {
    state: Mutex<State>,
    limit: u32,
    pause: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed {
        failures: u32,
    },
    Open {
        until: Instant,
    },
    /// One call is out to see; should it be abandoned, another one may go after `until`.
    Probing {
        until: Instant,
    },
}

impl Breaker {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            state: Mutex::new(State::Closed { failures: 0 }),
            limit: settings.breaker_failures.max(1),
            pause: settings.breaker_pause,
        }
    }

    fn admit(&self, call: CallKind) -> Result<()> {
        let now = Instant::now();
        let mut state = self.state.lock();
        match *state {
            State::Closed { .. } => Ok(()),
            State::Open { until } | State::Probing { until } if until > now => {
                let what =
                    "the service was not reached several times in a row and is left alone for a moment";
                Err(Error::unavailable(call, Sent::No, what).with_retry_after(Some(until - now)))
            }
            State::Open { .. } | State::Probing { .. } => {
                *state = State::Probing {
                    until: now + self.pause,
                };
                Ok(())
            }
        }
    }

    fn reached(&self) {
        let before = std::mem::replace(&mut *self.state.lock(), State::Closed { failures: 0 });
        if !matches!(before, State::Closed { .. }) {
            log::info!("the service is reached again");
        }
    }

    fn missed(&self, error: &Error) {
        let until = Instant::now() + self.pause;
        let mut state = self.state.lock();
        *state = match *state {
            State::Closed { failures } if failures + 1 < self.limit => State::Closed {
                failures: failures + 1,
            },
            State::Closed { .. } => {
                log::warn!("the service is left alone for {:.1?}: {error}", self.pause);
                State::Open { until }
            }
            State::Open { .. } | State::Probing { .. } => State::Open { until },
        };
    }
}

/// Whether a failure says anything about the service being reached, and what.
fn tells(error: &Error) -> Option<bool> {
    match (error.kind(), error.sent()) {
        (ErrorKind::Unavailable, _) | (ErrorKind::Timeout, Sent::Maybe) => Some(false),
        // Our own queue, our own checks.
        (_, Sent::No) => None,
        _ => Some(true),
    }
}

impl Layer for Breaker {
    fn name(&self) -> &'static str {
        "breaker"
    }

    fn call<'a>(&'a self, cx: &'a Cx, request: &'a Request, next: Next<'a>) -> Reply<'a> {
        Box::pin(async move {
            self.admit(request.kind())?;
            let result = next.call(cx, request).await;
            match result.as_ref().map_err(tells) {
                Ok(_) | Err(Some(true)) => self.reached(),
                Err(Some(false)) => {
                    if let Err(error) = &result {
                        self.missed(error);
                    }
                }
                Err(None) => {}
            }
            result
        })
    }
}
