// SPDX-License-Identifier: MIT
//! The trace layer: one line a call, whatever happens inside.
//!
//! Outermost. Right: `trace → retry`: a call is one line with the time that the application waited. Wrong:
//! `retry → trace`: three tries look like three calls, and the pauses between them are nobody's. Nothing of the request
//! but the call and the key's name is written.

use tokio::time::Instant;

use super::{Cx, Layer, Next};
use crate::call::{Reply, Request};

/// See the module.
pub(super) struct Trace;

impl Layer for Trace {
    fn name(&self) -> &'static str {
        "trace"
    }

    fn call<'a>(&'a self, cx: &'a Cx, request: &'a Request, next: Next<'a>) -> Reply<'a> {
        if !log::log_enabled!(log::Level::Debug) {
            return next.call(cx, request);
        }
        Box::pin(async move {
            let begun = Instant::now();
            let result = next.call(cx, request).await;
            let key = request.key().map_or("-", |key| key.as_str());
            let (call, number, time) = (request.kind().name(), cx.number, begun.elapsed());
            match &result {
                Ok(_) => log::debug!("remote call {call}, operation {number}, key {key}: done in {time:.1?}"),
                Err(error) => log::debug!(
                    "remote call {call}, operation {number}, key {key}: {:?} after {time:.1?}: {error}",
                    error.kind()
                ),
            }
            result
        })
    }
}
