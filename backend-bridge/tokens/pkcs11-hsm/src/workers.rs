// SPDX-License-Identifier: MIT
//! Threads for work that somebody waits for only so long.
//!
//! A vendor's function cannot be interrupted. Work with a deadline is therefore done by a worker, and when the deadline
//! comes first the worker is given up: it counts as stuck until its function returns, another takes its place, and its
//! result is dropped. When too many are stuck the device counts as hung, and new work is refused at once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::Instant;

use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::token::{Out, Pending};
use parking_lot::{Condvar, Mutex};

/// Workers at a time that are not stuck.
const WORKERS: usize = 16;
/// Stuck workers at a time.
const STUCK: usize = 8;
/// Work that waits for a worker.
const QUEUE: usize = 1024;

type Job = Box<dyn FnOnce() -> Result<Out> + Send>;

/// The workers of one token. They start when there is work, and end when the token does.
#[derive(Clone, Default)]
pub(crate) struct Workers(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
    /// Nobody is at work any more.
    rest: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Task>,
    /// Workers that wait for work.
    idle: usize,
    /// Workers that are not stuck.
    live: usize,
    stuck: usize,
    closed: bool,
}

impl State {
    fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.idle == self.live && self.stuck == 0
    }
}

struct Task {
    job: Job,
    unwanted: Box<dyn FnOnce(Out) + Send>,
    fate: Arc<Mutex<Fate>>,
    result: SyncSender<Result<Out>>,
}

/// What has become of a piece of work.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Queued,
    Running,
    /// Nobody waits for it any more.
    GivenUp,
    Done,
}

impl Workers {
    /// Has a worker do this.
    ///
    /// # Errors
    /// `CKR_DEVICE_ERROR` at once when too many workers are stuck, or too much work waits.
    pub fn submit(&self, job: impl FnOnce() -> Result<Out> + Send + 'static) -> Result<Waiting> {
        self.submit_or(job, drop)
    }

    /// The same, with what is done with a result that nobody waits for any more when it comes.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub fn submit_or(
        &self,
        job: impl FnOnce() -> Result<Out> + Send + 'static,
        unwanted: impl FnOnce(Out) + Send + 'static,
    ) -> Result<Waiting> {
        let (sender, result) = sync_channel(1);
        let fate = Arc::new(Mutex::new(Fate::Queued));
        let mut state = self.0.state.lock();
        if state.stuck >= STUCK || state.queue.len() >= QUEUE {
            return Err(Error::new(
                Rv::DeviceError,
                "the vendor's module hangs: calls into it do not return; look at the device and its connection",
            ));
        }
        state.queue.push_back(Task {
            job: Box::new(job),
            unwanted: Box::new(unwanted),
            fate: Arc::clone(&fate),
            result: sender,
        });
        if state.idle < state.queue.len() && state.live < WORKERS {
            let shared = Arc::clone(&self.0);
            let thread = std::thread::Builder::new().name("keyenclave-hsm".into());
            match thread.spawn(move || shared.work()) {
                Ok(_) => state.live += 1,
                Err(error) if state.live == 0 => {
                    let task = state.queue.pop_back();
                    // What it holds may have work for a worker as it ends.
                    drop(state);
                    drop(task);
                    let detail = format!("no thread for work on a vendor's module: {error}");
                    return Err(Error::new(Rv::HostMemory, detail));
                }
                Err(_) => {}
            }
        }
        self.0.work.notify_one();
        Ok(Waiting {
            fate,
            result,
            shared: Arc::clone(&self.0),
        })
    }

    /// Whether any worker was ever needed: then there are deadlines, and nothing may hang without one.
    pub fn are_in_use(&self) -> bool {
        let state = self.0.state.lock();
        state.live + state.stuck > 0
    }

    /// Waits for all work that was submitted, given up or not; at most until then.
    pub fn wait_until_idle(&self, until: Instant) {
        let mut state = self.0.state.lock();
        while !state.is_idle() && !self.0.rest.wait_until(&mut state, until).timed_out() {}
    }

    /// The workers end after the work that they are at.
    pub fn close(&self) {
        self.0.state.lock().closed = true;
        self.0.work.notify_all();
    }
}

impl Shared {
    fn work(&self) {
        let mut state = self.state.lock();
        loop {
            let Some(task) = state.queue.pop_front() else {
                if state.closed {
                    state.live = state.live.saturating_sub(1);
                    self.note_rest(&state);
                    return;
                }
                state.idle += 1;
                self.note_rest(&state);
                self.work.wait(&mut state);
                state.idle -= 1;
                continue;
            };
            drop(state);
            let was_stuck = task.run();
            state = self.state.lock();
            if was_stuck {
                state.stuck = state.stuck.saturating_sub(1);
                // Its place was taken, perhaps.
                if state.live >= WORKERS || state.closed {
                    self.note_rest(&state);
                    return;
                }
                state.live += 1;
            }
        }
    }

    fn note_rest(&self, state: &State) {
        if state.is_idle() {
            self.rest.notify_all();
        }
    }
}

impl Task {
    /// Does the work, unless nobody waits for it. Whether it was given up meanwhile.
    fn run(self) -> bool {
        {
            let mut fate = self.fate.lock();
            match *fate {
                Fate::GivenUp => return false,
                Fate::Queued => *fate = Fate::Running,
                Fate::Running | Fate::Done => {}
            }
        }
        // The worker lives on; whoever waits finds that there is no result.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(self.job));
        let given_up = std::mem::replace(&mut *self.fate.lock(), Fate::Done) == Fate::GivenUp;
        match result {
            Ok(Ok(out)) if given_up => {
                let unwanted = self.unwanted;
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| unwanted(out)));
            }
            Ok(result) => {
                let _ = self.result.send(result);
            }
            Err(_) => {}
        }
        given_up
    }
}

/// Work that a worker does.
pub(crate) struct Waiting {
    fate: Arc<Mutex<Fate>>,
    result: Receiver<Result<Out>>,
    shared: Arc<Shared>,
}

impl Waiting {
    /// Lets the work be done though nobody waits for it.
    pub fn leave(self) {
        *self.fate.lock() = Fate::Done;
    }

    /// Nobody waits for it any more. Whether a worker is at it, and finds what to do with the result.
    pub fn give_up(&self) -> bool {
        let mut fate = self.fate.lock();
        let is_running = *fate == Fate::Running;
        if is_running {
            let mut state = self.shared.state.lock();
            state.stuck += 1;
            state.live = state.live.saturating_sub(1);
        }
        if *fate != Fate::Done {
            *fate = Fate::GivenUp;
        }
        is_running
    }
}

/// The worker is gone without an answer: it panicked.
fn lost() -> Error {
    Error::new(
        Rv::GeneralError,
        "a call into the vendor's module ended without a result",
    )
}

impl Pending for Waiting {
    fn poll(&mut self) -> Option<Result<Out>> {
        match self.result.try_recv() {
            Ok(result) => Some(result),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(lost())),
        }
    }

    fn wait(&mut self, deadline: Option<Instant>) -> Option<Result<Out>> {
        let Some(deadline) = deadline else {
            return Some(self.result.recv().unwrap_or_else(|_| Err(lost())));
        };
        let left = deadline.saturating_duration_since(Instant::now());
        match self.result.recv_timeout(left) {
            Ok(result) => Some(result),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Err(lost())),
        }
    }

    fn cancel(self: Box<Self>) {}
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.give_up();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::mpsc::channel;

    use super::*;

    fn soon() -> Option<Instant> {
        Some(Instant::now())
    }

    #[test]
    fn work_is_done_and_its_result_comes_back() {
        let workers = Workers::default();
        let mut waiting = workers.submit(|| Ok(Out::Size(7))).unwrap();
        assert!(matches!(waiting.wait(None), Some(Ok(Out::Size(7)))));
    }

    #[test]
    fn a_hung_device_is_noticed_and_forgiven_when_it_comes_back() {
        let workers = Workers::default();
        let (mut hold, mut started) = (Vec::new(), Vec::new());
        for _ in 0..STUCK {
            let (release, held) = channel::<()>();
            let (start, begun) = channel();
            let waiting = workers.submit(move || {
                let _ = start.send(());
                let _ = held.recv();
                Ok(Out::Done)
            });
            let mut waiting = waiting.unwrap();
            begun.recv().unwrap();
            assert!(waiting.wait(soon()).is_none());
            drop(waiting);
            hold.push(release);
            started.push(begun);
        }
        let refused = workers.submit(|| Ok(Out::Done)).map(drop);
        assert_eq!(refused.map_err(|error| error.rv()), Err(Rv::DeviceError));
        drop(hold);
        let mut again = loop {
            match workers.submit(|| Ok(Out::Done)) {
                Ok(waiting) => break waiting,
                Err(_) => std::thread::yield_now(),
            }
        };
        assert!(matches!(again.wait(None), Some(Ok(Out::Done))));
    }

    #[test]
    fn a_result_that_nobody_waits_for_is_handed_to_whoever_undoes_it() {
        let workers = Workers::default();
        let (release, held) = channel::<()>();
        let (start, begun) = channel();
        let (undo, undone) = channel();
        let waiting = workers.submit_or(
            move || {
                let _ = start.send(());
                let _ = held.recv();
                Ok(Out::Size(7))
            },
            move |out| {
                let _ = undo.send(matches!(out, Out::Size(7)));
            },
        );
        begun.recv().unwrap();
        drop(waiting);
        release.send(()).unwrap();
        assert_eq!(undone.recv(), Ok(true));
    }

    #[test]
    fn work_that_was_given_up_is_waited_for_at_the_end() {
        let workers = Workers::default();
        workers.wait_until_idle(Instant::now());
        let (release, held) = channel::<()>();
        let (start, begun) = channel();
        let done = Arc::new(Mutex::new(false));
        let at_last = Arc::clone(&done);
        let waiting = workers.submit(move || {
            let _ = start.send(());
            let _ = held.recv();
            *at_last.lock() = true;
            Ok(Out::Done)
        });
        begun.recv().unwrap();
        drop(waiting);
        workers.wait_until_idle(Instant::now());
        assert!(!*done.lock(), "not for longer than it may");
        release.send(()).unwrap();
        workers.wait_until_idle(Instant::now() + std::time::Duration::from_secs(60));
        assert!(*done.lock());
    }

    #[test]
    fn work_that_nobody_waits_for_is_not_begun() {
        let workers = Workers::default();
        let (release, held) = channel::<()>();
        let mut blocked: Vec<_> = Vec::new();
        let held = Arc::new(Mutex::new(held));
        for _ in 0..WORKERS {
            let held = Arc::clone(&held);
            blocked.push(workers.submit(move || {
                let _ = held.lock().recv();
                Ok(Out::Done)
            }));
        }
        let (ran, result) = channel();
        drop(workers.submit(move || {
            let _ = ran.send(());
            Ok(Out::Done)
        }));
        drop(release);
        for waiting in blocked {
            assert!(matches!(waiting.unwrap().wait(None), Some(Ok(Out::Done))));
        }
        let mut last = workers.submit(|| Ok(Out::Done)).unwrap();
        assert!(last.wait(None).is_some());
        assert!(result.recv().is_err(), "it was dropped unbegun");
    }
}
