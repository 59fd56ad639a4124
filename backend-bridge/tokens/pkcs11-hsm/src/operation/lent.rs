// SPDX-License-Identifier: MIT
//! An operation that a worker goes on with, as long as somebody waits for it.

use std::sync::Arc;
use std::time::Instant;

use keyenclave_model::error::{Result, Rv};
use keyenclave_model::token::{CallCx, End, Out, Part, Pending, Step};
use once_cell::sync::OnceCell;
use parking_lot::Mutex;
use zeroize::Zeroizing;

use super::unfinished::cancel;
use super::{Late, VendorOperation};
use crate::core::Core;
use crate::deadline::{too_late, wait};
use crate::ffi::{Answer, Session};
use crate::heal::outward;
use crate::owned::memory;
use crate::pool::Lease;
use crate::workers::Waiting;

impl VendorOperation {
    /// What stays behind while a worker has the operation, or for good if the worker does not come back.
    pub(super) fn lent_out(&self) -> Self {
        Self {
            core: Arc::clone(&self.core),
            class: self.class,
            has_signature: self.has_signature,
            lease: None,
            begun: None,
            key: None,
            started: true,
            pending: Some(0),
            cx: self.cx,
            budget: self.budget,
            late: OnceCell::new(),
        }
    }

    /// Has a worker go on with the operation, and waits until it comes back with it.
    pub(super) fn lend(
        &mut self,
        cx: &CallCx,
        work: impl FnOnce(&mut Self) -> Result<Out> + Send + 'static,
    ) -> Result<Out> {
        let behind = self.lent_out();
        let lease = self.place()?;
        let mut lent = std::mem::replace(self, behind);
        let place = Arc::new(Mutex::new(None));
        let back = Arc::clone(&place);
        let waiting = self.core.workers.clone().submit(move || {
            let outcome = work(&mut lent);
            *back.lock() = Some(lent);
            outcome
        })?;
        let outcome = wait(waiting, cx);
        match place.lock().take() {
            Some(returned) => *self = returned,
            None => self.core.connection.pool.shut(&lease),
        }
        outcome
    }

    /// Asks something of the vendor's session that has no deadline of its own: in as much time as the operation has.
    pub(super) fn in_time(
        &self,
        work: impl FnOnce(&Core, Session) -> Answer<Out> + Send + 'static,
    ) -> Result<Out> {
        let lease = self.place()?;
        let Some(budget) = self.budget else {
            let core = &self.core;
            return Ok(core.connection.ask(&lease, |lease| work(core, lease.session))?);
        };
        let (core, ending, what) = (Arc::clone(&self.core), Arc::clone(&self.core), self.unfinished());
        let place = Arc::new(Mutex::new(None));
        let told = Arc::clone(&place);
        let mut waiting = self.core.workers.submit_or(
            move || {
                *told.lock() = Some(core.connection.ask(&lease, |lease| work(&core, lease.session)));
                Ok(Out::Done)
            },
            // Nobody knows of the operation in there any more.
            move |_| cancel(&ending, &lease, what),
        )?;
        if let Some(outcome) = waiting.wait(Some(Instant::now() + budget)) {
            outcome?;
            let told = place.lock().take().ok_or(Rv::GeneralError)?;
            return Ok(told?);
        }
        let late = if waiting.give_up() {
            self.core.connection.pool.shut(&lease);
            Late::Inside
        } else {
            Late::Outside
        };
        let _ = self.late.set(late);
        too_late()
    }

    /// Does the rest of the operation on a worker, with a copy of the input.
    #[inline(never)]
    pub(super) fn detach(
        self: Box<Self>,
        part: Part,
        (input, end): (&[u8], End<'_>),
        work: fn(&mut Self, &[u8], End<'_>) -> Result<Out>,
    ) -> Step {
        let mut this = self;
        let work = move |this: &mut Self, input: &[u8], end: End<'_>| work(this, input, end).map_err(outward);
        let input = Zeroizing::new(input.to_vec());
        let (workers, core, lease) = (this.core.workers.clone(), Arc::clone(&this.core), this.lease);
        let submitted = match end {
            End::Signature(signature) => {
                let signature = signature.to_vec();
                workers.submit(move || work(&mut this, &input, End::Signature(&signature)))
            }
            End::Begun => workers.submit(move || work(&mut this, &input, End::Begun)),
            End::Output(out) => {
                // Of the room that the application says it has, as much as there can be output.
                let room = out.len().min(this.longest(part));
                workers.submit(move || {
                    let mut out = memory(room)?;
                    match work(&mut this, &input, End::Output(&mut out))? {
                        Out::Written(len) => {
                            out.truncate(len);
                            Ok(Out::Bytes(out))
                        }
                        done => Ok(done),
                    }
                })
            }
        };
        match submitted {
            Ok(waiting) => Step::Pending(Box::new(Last { waiting, core, lease })),
            Err(error) => error.into(),
        }
    }
}

/// The end of an operation, on a worker.
struct Last {
    waiting: Waiting,
    core: Arc<Core>,
    /// Where it is, as long as it has not come back: if nobody waits for it any more, nothing else begins there.
    lease: Option<Lease>,
}

impl Last {
    fn told(&mut self, outcome: Option<Result<Out>>) -> Option<Result<Out>> {
        if outcome.is_some() {
            self.lease = None;
        }
        outcome
    }
}

impl Pending for Last {
    fn poll(&mut self) -> Option<Result<Out>> {
        let outcome = self.waiting.poll();
        self.told(outcome)
    }

    fn wait(&mut self, deadline: Option<Instant>) -> Option<Result<Out>> {
        let outcome = self.waiting.wait(deadline);
        self.told(outcome)
    }

    fn cancel(self: Box<Self>) {}
}

impl Drop for Last {
    fn drop(&mut self) {
        if let Some(lease) = &self.lease {
            self.core.connection.pool.shut(lease);
        }
    }
}
