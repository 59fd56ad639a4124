// SPDX-License-Identifier: MIT
//! Calls in the vendor's session where an operation is, which begins again in another as long as nothing is lost.

use std::time::Instant;

use keyenclave_model::error::{Result, Rv};
use keyenclave_model::token::CallCx;

use super::VendorOperation;
use crate::connection::REPEATS;
use crate::core::Core;
use crate::deadline::is_for_worker;
use crate::ffi::{Answer, Session};
use crate::pool::{Fate, Lease};

impl VendorOperation {
    /// Where it is; nowhere any more where a call in the vendor's session did not come back in time.
    pub(super) fn place(&self) -> Answer<Lease> {
        match self.late.get() {
            Some(_) => Err(Rv::DeviceError),
            None => self.lease.ok_or(Rv::OperationNotInitialized),
        }
    }

    /// A call in the vendor's session; begun again first, if it was lost before any data came.
    pub(super) fn call<T>(&mut self, mut work: impl FnMut(&Core, Session) -> Answer<T>) -> Result<T> {
        self.call_at(|core, lease| work(core, lease.session))
    }

    /// The same for what depends on more than the session: handles of objects are other ones after a loss.
    pub(super) fn call_at<T>(&mut self, mut work: impl FnMut(&Core, &Lease) -> Answer<T>) -> Result<T> {
        let mut left = REPEATS;
        loop {
            let lease = self.place()?;
            let core = &self.core;
            let rv = match core.connection.ask(&lease, |lease| work(core, lease)) {
                Ok(done) => return Ok(done),
                Err(rv) => rv,
            };
            if left == 0 || !self.again(rv)? {
                return Err(rv.into());
            }
            left -= 1;
        }
    }

    /// After a failure: whether the operation has begun again.
    #[cold]
    pub(super) fn again(&mut self, rv: Rv) -> Result<bool> {
        let consumed = rv == Rv::OperationNotInitialized && !self.started;
        let Some(begun) = self
            .begun
            .as_ref()
            .filter(|begun| !self.started && !begun.has_news)
        else {
            self.over(rv)?;
            return Ok(false);
        };
        if !consumed {
            let Some(lease) = self.lease.as_ref().filter(|_| rv != Rv::BufferTooSmall) else {
                return Ok(false);
            };
            // Any other answer has ended the operation, and with it the lease.
            let repeat = self.core.connection.ended(lease, rv, false);
            self.lease = None;
            let lost = crate::heal::loss(rv, true).is_some();
            if !repeat? || !lost {
                return Ok(false);
            }
        } else if let Some(lease) = self.lease.take() {
            // The query for the length ended it: this module is not asked again.
            self.core.note_size_query_ends();
            self.core.connection.give_back(&lease, Fate::Clean);
        }
        let mut new = Self::begin(
            &self.core,
            &self.call_cx(),
            self.class,
            &begun.mechanism(),
            begun.key,
            begun.signature.as_deref(),
        )?;
        self.lease = new.lease.take();
        // What the vendor has been given stays.
        if is_for_worker(&self.cx) {
            self.begun = new.begun.take();
        }
        Ok(true)
    }

    /// The operation is over at the vendor's.
    #[cold]
    pub(super) fn over(&mut self, rv: Rv) -> Result<()> {
        if rv == Rv::BufferTooSmall {
            return Ok(());
        }
        if let Some(lease) = self.lease.take() {
            self.core.connection.ended(&lease, rv, true)?;
        }
        Ok(())
    }

    /// As the call that began it, with as much time from now on.
    pub(super) fn call_cx(&self) -> CallCx {
        CallCx {
            deadline: self.budget.map(|budget| Instant::now() + budget),
            ..self.cx
        }
    }

    pub(super) fn end(&mut self) {
        if let Some(lease) = self.lease.take() {
            self.core.connection.give_back(&lease, Fate::Clean);
        }
    }
}
