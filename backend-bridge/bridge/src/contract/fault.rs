// SPDX-License-Identifier: MIT
//! A service that fails on purpose, and counts what it is asked.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::call::{CallKind, Reply, Request, Service};
use crate::capability::Capability;
use crate::error::{Error, ErrorKind, Sent};

/// What becomes of a call.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It is answered.
    None,
    /// It fails and does nothing.
    Fail(Error),
    /// It is done, and the answer is lost on the way.
    LoseAnswer,
    /// It is answered after a while.
    Delay(Duration),
    /// It is never answered.
    Hang,
}

/// See the module.
pub struct Faulty {
    inner: Arc<dyn Service>,
    /// For the calls to come, in order.
    plan: Mutex<VecDeque<Fault>>,
    /// For all calls of which `plan` says nothing.
    otherwise: Mutex<Fault>,
    counts: Mutex<HashMap<CallKind, usize>>,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
}

/// A call under way, also if it is abandoned.
struct UnderWay<'a>(&'a AtomicUsize);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Faulty {
    /// A service that does not fail yet.
    pub fn new(inner: Arc<dyn Service>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            plan: Mutex::default(),
            otherwise: Mutex::new(Fault::None),
            counts: Mutex::default(),
            under_way: AtomicUsize::new(0),
            most_under_way: AtomicUsize::new(0),
        })
    }

    /// What becomes of the next calls, one after the other.
    pub fn plan(&self, faults: impl IntoIterator<Item = Fault>) {
        self.plan.lock().extend(faults);
    }

    /// Nothing is planned any more.
    pub fn clear(&self) {
        self.plan.lock().clear();
    }

    /// Only the call number `index`, counted from 0 and from now, fails.
    pub fn fail_nth(&self, index: usize, fault: Fault) {
        let mut plan = self.plan.lock();
        plan.clear();
        plan.extend(std::iter::repeat_n(Fault::None, index));
        plan.push_back(fault);
    }

    /// What becomes of all calls of which the plan says nothing.
    pub fn otherwise(&self, fault: Fault) {
        *self.otherwise.lock() = fault;
    }

    /// How many faults are still planned.
    pub fn planned(&self) -> usize {
        self.plan.lock().len()
    }

    /// How often a call was asked for.
    pub fn count(&self, call: CallKind) -> usize {
        self.counts.lock().get(&call).copied().unwrap_or_default()
    }

    /// How many calls there were.
    pub fn total(&self) -> usize {
        self.counts.lock().values().sum()
    }

    /// How many calls are being answered.
    pub fn under_way(&self) -> usize {
        self.under_way.load(Ordering::SeqCst)
    }

    /// How many calls were being answered at the same time, at the most.
    pub fn most_under_way(&self) -> usize {
        self.most_under_way.load(Ordering::SeqCst)
    }
}

impl Service for Faulty {
    fn capability(&self) -> &Capability {
        self.inner.capability()
    }

    fn answer<'a>(&'a self, request: &'a Request) -> Reply<'a> {
        let call = request.kind();
        *self.counts.lock().entry(call).or_default() += 1;
        let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_under_way.fetch_max(now, Ordering::SeqCst);
        let place = UnderWay(&self.under_way);
        let planned = self.plan.lock().pop_front();
        let fault = planned.unwrap_or_else(|| self.otherwise.lock().clone());
        Box::pin(async move {
            let _place = place;
            match fault {
                Fault::None => self.inner.answer(request).await,
                Fault::Fail(error) => Err(error),
                Fault::LoseAnswer => {
                    drop(self.inner.answer(request).await?);
                    Err(Error::unavailable(call, Sent::Maybe, "the connection was reset"))
                }
                Fault::Delay(time) => {
                    tokio::time::sleep(time).await;
                    self.inner.answer(request).await
                }
                Fault::Hang => std::future::pending().await,
            }
        })
    }
}

/// A failure of a kind, for whatever call.
pub fn failure(kind: ErrorKind, call: CallKind, sent: Sent) -> Error {
    Error::of(kind, call, sent, "a fault that was asked for")
}
