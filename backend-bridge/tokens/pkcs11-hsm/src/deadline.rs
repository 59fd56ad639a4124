// SPDX-License-Identifier: MIT
//! How long somebody waits for a call.

use std::time::{Duration, Instant};

use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::token::{CallCx, Out, Pending};

/// Whether work goes to a worker.
pub(crate) fn is_for_worker(cx: &CallCx) -> bool {
    cx.deadline.is_some() || cx.may_pend
}

/// Waits for a part that has to be there before the call returns.
pub(crate) fn wait(mut waiting: impl Pending, cx: &CallCx) -> Result<Out> {
    waiting.wait(cx.deadline).unwrap_or_else(too_late)
}

/// Whether nobody waits any more for a call with this deadline.
pub(crate) fn is_late(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| deadline <= Instant::now())
}

/// The vendor was given up.
pub(crate) fn too_late<T>() -> Result<T> {
    Err(Error::new(
        Rv::DeviceError,
        "the vendor's module did not answer in the time that the configuration gives it",
    ))
}

/// As much time as the call that began the operation had.
pub(crate) fn budget(cx: &CallCx) -> Option<Duration> {
    cx.deadline
        .map(|deadline| deadline.saturating_duration_since(Instant::now()))
}
