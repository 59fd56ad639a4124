// SPDX-License-Identifier: MIT
//! The limit layer: so many calls at a time, so many in the queue, and no more.
//!
//! Right: `limit → timeout`: the time of a try begins when it has a connection. Waiting for one is bounded by the
//! operation's deadline. Wrong: `timeout → limit`: with a long queue, tries would time out that were never made. Wrong:
//! `limit → retry`: a call would keep its connection while it pauses.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit, TryAcquireError};

use super::{Cx, Layer, Next};
use crate::call::{CallKind, Reply, Request};
use crate::error::{Error, Result, Sent};
use crate::settings::Settings;

/// See the module.
pub(super) struct Limit {
    connections: Semaphore,
    waiting: AtomicUsize,
    queue: usize,
}

/// A place in the queue, given back when it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Limit {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            connections: Semaphore::new(settings.connections.clamp(1, Semaphore::MAX_PERMITS)),
            waiting: AtomicUsize::new(0),
            queue: settings.queue,
        }
    }

    async fn connection(&self, cx: &Cx, call: CallKind) -> Result<SemaphorePermit<'_>> {
        match self.connections.try_acquire() {
            Ok(permit) => return Ok(permit),
            Err(TryAcquireError::NoPermits) => {}
            Err(TryAcquireError::Closed) => return Err(closed(call)),
        }
        let place = Waiting(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.queue {
            let what = format!(
                "{} calls wait already, and the queue has no room for more",
                self.queue
            );
            return Err(Error::throttled(call, Sent::No, what));
        }
        let permit = tokio::time::timeout_at(cx.deadline, self.connections.acquire()).await;
        drop(place);
        match permit {
            Ok(permit) => permit.map_err(|_| closed(call)),
            Err(_) => Err(Error::timeout(
                call,
                Sent::No,
                "no connection became free in time",
            )),
        }
    }
}

fn closed(call: CallKind) -> Error {
    Error::internal(call, Sent::No, "the queue was closed, which nobody does")
}

impl Layer for Limit {
    fn name(&self) -> &'static str {
        "limit"
    }

    fn call<'a>(&'a self, cx: &'a Cx, request: &'a Request, next: Next<'a>) -> Reply<'a> {
        Box::pin(async move {
            let _connection = self.connection(cx, request.kind()).await?;
            next.call(cx, request).await
        })
    }
}
