// SPDX-License-Identifier: MIT
//! From a caller's thread to the runtime and back.
//!
//! The caller's thread may belong to another runtime, so it never enters ours: work is spawned there, and the answer
//! comes back through a plain channel. Deadlines run from here, the moment of acceptance.

use std::future::Future;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::token::{Out, Pending, Step};
use keyenclave_sys::fork;
use tokio::task::AbortHandle;

use crate::call::{Call, Service};
use crate::capability::Capability;
use crate::layer::{Cx, Stack};
use crate::runtime::Runtime;
use crate::settings::Settings;

/// So much before the caller's deadline ours ends, so that the caller hears what was wrong and not just that it was
/// late.
const MARGIN: Duration = Duration::from_millis(20);

/// A backend in its layers, and the runtime that its calls run on. Cheap to clone. Starts nothing.
#[derive(Clone)]
pub struct Bridge {
    stack: Arc<Stack>,
    runtime: Arc<Runtime>,
}

impl Bridge {
    /// A bridge to a backend. Several may share a runtime.
    pub fn new(service: Arc<dyn Service>, settings: Settings, runtime: Arc<Runtime>) -> Self {
        Self {
            stack: Arc::new(Stack::new(service, settings)),
            runtime,
        }
    }

    /// What the backend can do.
    pub fn capability(&self) -> &Capability {
        self.stack.capability()
    }

    /// The numbers that rule calls.
    pub fn settings(&self) -> &Settings {
        self.stack.settings()
    }

    /// Makes one call.
    pub fn call<C: Call>(&self, call: C, deadline: Option<Instant>) -> Result<Answer<C::Answer>> {
        self.start(deadline, async move |asker| {
            asker.ask(call).await.map_err(Error::from)
        })
    }

    /// Begins work that makes calls. It is dropped at an await when nobody wants its answer any more.
    ///
    /// # Errors
    /// As [`Runtime::spawn`].
    pub fn start<T, W, F>(&self, deadline: Option<Instant>, work: W) -> Result<Answer<T>>
    where
        T: Send + 'static,
        W: FnOnce(Asker) -> F + Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let asker = Asker {
            stack: Arc::clone(&self.stack),
            cx: Cx::until(self.end(deadline)),
        };
        let (sender, receiver) = sync_channel(1);
        let task = self.runtime.spawn(async move {
            let result = work(asker).await;
            // Nobody may be there to hear it any more.
            drop(sender.send(result));
        })?;
        Ok(Answer {
            receiver,
            task,
            generation: fork::generation(),
        })
    }

    /// As [`Bridge::start`], for a token.
    pub fn step<W, F>(&self, deadline: Option<Instant>, work: W) -> Step
    where
        W: FnOnce(Asker) -> F + Send + 'static,
        F: Future<Output = Result<Out>> + Send + 'static,
    {
        match self.start(deadline, work) {
            Ok(answer) => Step::Pending(Box::new(answer)),
            Err(error) => error.into(),
        }
    }

    fn end(&self, deadline: Option<Instant>) -> tokio::time::Instant {
        let end = match deadline {
            Some(deadline) => deadline.checked_sub(MARGIN).unwrap_or(deadline),
            None => Instant::now() + self.settings().operation_timeout,
        };
        tokio::time::Instant::from_std(end)
    }
}

/// Makes the calls of one operation.
#[derive(Clone)]
pub struct Asker {
    stack: Arc<Stack>,
    cx: Cx,
}

impl Asker {
    /// Makes a call within the operation's deadline.
    ///
    /// # Errors
    /// As [`Stack::ask`].
    pub async fn ask<C: Call>(&self, call: C) -> crate::error::Result<C::Answer> {
        self.stack.ask(&self.cx, call).await
    }

    /// What the backend can do.
    pub fn capability(&self) -> &Capability {
        self.stack.capability()
    }

    /// When the operation ends.
    pub fn deadline(&self) -> tokio::time::Instant {
        self.cx.deadline
    }

    /// For work of its own, with another deadline, that outlives the operation.
    pub fn until(&self, deadline: tokio::time::Instant) -> Self {
        Self {
            stack: Arc::clone(&self.stack),
            cx: Cx::until(deadline),
        }
    }
}

/// The answer to come. Dropping it aborts the work.
pub struct Answer<T> {
    receiver: Receiver<Result<T>>,
    task: AbortHandle,
    /// The process that the work runs in, in [`fork::generation`]'s count.
    generation: u64,
}

impl<T> Answer<T> {
    /// The answer, if there is one already.
    pub fn poll(&mut self) -> Option<Result<T>> {
        match self.receiver.try_recv() {
            Ok(result) => Some(result),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(ended())),
        }
    }

    /// Waits for the answer on a plain channel; `None` when the deadline came first.
    pub fn wait(&mut self, deadline: Option<Instant>) -> Option<Result<T>> {
        let Some(deadline) = deadline else {
            return Some(self.receiver.recv().unwrap_or_else(|_| Err(ended())));
        };
        match self
            .receiver
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            Ok(result) => Some(result),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Err(ended())),
        }
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        // A forked child must not touch its parent's runtime: there are locks in it, and descriptors that both share.
        if fork::generation() == self.generation {
            self.task.abort();
        }
    }
}

impl Pending for Answer<Out> {
    fn poll(&mut self) -> Option<Result<Out>> {
        Answer::poll(self)
    }

    fn wait(&mut self, deadline: Option<Instant>) -> Option<Result<Out>> {
        Answer::wait(self, deadline)
    }

    fn cancel(self: Box<Self>) {
        drop(self);
    }
}

/// The work ended without an answer: it panicked, or the runtime was closed under it.
fn ended() -> Error {
    Error::new(
        Rv::FunctionCanceled,
        "the slot was shut down, or the call failed inside, before there was an answer",
    )
}
