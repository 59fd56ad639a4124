// SPDX-License-Identifier: MIT
//! The runtime that remote calls run on: started by the first of them, never inherited, ended within bounds.
//!
//! Constructing a [`Runtime`] starts nothing. A forked child has none of its parent's threads, so a runtime knows the
//! process that it was made in: anywhere else it refuses work, and is leaked instead of dropped, because dropping waits
//! for threads that are not there.

use std::future::Future;
use std::mem::ManuallyDrop;
use std::time::Duration;

use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_sys::fork;
use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle};
use tokio::task::AbortHandle;

/// Threads that carry out remote calls. They only wait for the network, so that two are plenty.
const WORKERS: usize = 2;
/// How long the end waits for them, at the most.
const PATIENCE: Duration = Duration::from_secs(2);

/// See the module. The lock is held for the length of a look, and while the runtime is being started.
pub struct Runtime {
    state: ManuallyDrop<Mutex<State>>,
    /// The process, in [`fork::generation`]'s count.
    generation: u64,
}

enum State {
    Idle,
    Running(tokio::runtime::Runtime),
    Closed,
}

impl Default for Runtime {
    fn default() -> Self {
        Self::new()
    }
}

impl Runtime {
    /// A runtime that has not been started.
    pub fn new() -> Self {
        Self {
            state: ManuallyDrop::new(Mutex::new(State::Idle)),
            generation: fork::check(),
        }
    }

    /// Whether it has been started and not been closed.
    pub fn is_running(&self) -> bool {
        self.is_ours() && matches!(*self.state.lock(), State::Running(_))
    }

    /// Has a future run, starting the runtime if need be. Aborting drops the future at its next await.
    ///
    /// # Errors
    /// `CKR_CRYPTOKI_NOT_INITIALIZED` in a forked child and after [`Runtime::close`], `CKR_HOST_MEMORY` if the system
    /// gives no threads.
    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> Result<AbortHandle> {
        Ok(self.handle()?.spawn(future).abort_handle())
    }

    /// Ends all work and all threads; waits no longer than two seconds, and not at all on a thread of some other
    /// runtime, where waiting is not allowed.
    pub fn close(&self) {
        if !self.is_ours() {
            return;
        }
        let state = std::mem::replace(&mut *self.state.lock(), State::Closed);
        if let State::Running(runtime) = state {
            end(runtime);
        }
    }

    fn is_ours(&self) -> bool {
        fork::check() == self.generation
    }

    fn handle(&self) -> Result<Handle> {
        if !self.is_ours() {
            return Err(Error::new(
                Rv::CryptokiNotInitialized,
                "this process was forked off the one that began: call C_Initialize here",
            ));
        }
        let mut state = self.state.lock();
        match &*state {
            State::Running(runtime) => Ok(runtime.handle().clone()),
            State::Closed => Err(Error::new(
                Rv::CryptokiNotInitialized,
                "the slot has been shut down",
            )),
            State::Idle => {
                let runtime = start()?;
                let handle = runtime.handle().clone();
                *state = State::Running(runtime);
                Ok(handle)
            }
        }
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // Anywhere else the state is leaked: a lock in it may be held for ever by a thread that is not there.
        self.close();
    }
}

fn start() -> Result<tokio::runtime::Runtime> {
    Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(WORKERS)
        .thread_name("keyenclave")
        .enable_all()
        .build()
        .map_err(|error| {
            let detail = format!(
                "no threads for remote calls: {error}; see the limits of this process (ulimit -u, -n)"
            );
            Error::new(Rv::HostMemory, detail)
        })
}

fn end(runtime: tokio::runtime::Runtime) {
    if Handle::try_current().is_ok() {
        runtime.shutdown_background();
    } else {
        runtime.shutdown_timeout(PATIENCE);
    }
}
