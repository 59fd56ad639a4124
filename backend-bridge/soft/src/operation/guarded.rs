// SPDX-License-Identifier: MIT
//! Operations with a key that asks for the PIN each time (`CKA_ALWAYS_AUTHENTICATE`): they begin, and go on once the user
//! has logged in for them (`C_Login` as `CKU_CONTEXT_SPECIFIC`; PKCS#11 3.2, private key objects).
//!
//! Which operation a login is for is known by its session: the last one that has begun there.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::token::{CallCx, End, Operation, OutputLen, Part, SessionId, Step};
use parking_lot::Mutex;

/// The operations that wait for a login, or have had theirs and are not over.
#[derive(Default)]
pub(crate) struct Waiting(Mutex<HashMap<SessionId, Weak<AtomicBool>>>);

impl Waiting {
    /// An operation that waits for its login.
    pub(crate) fn guard(&self, session: SessionId, inner: Box<dyn Operation>) -> Box<dyn Operation> {
        let granted = Arc::new(AtomicBool::new(false));
        let mut waiting = self.0.lock();
        waiting.retain(|_, granted| granted.strong_count() > 0);
        waiting.insert(session, Arc::downgrade(&granted));
        Box::new(Guarded { inner, granted })
    }

    /// What lets the operation of a session go on.
    ///
    /// # Errors
    /// `CKR_OPERATION_NOT_INITIALIZED` if none waits.
    pub(crate) fn of(&self, session: SessionId) -> Result<Grant> {
        let granted = self.0.lock().get(&session).and_then(Weak::upgrade);
        let waits = |granted: &Arc<AtomicBool>| !granted.load(Ordering::Acquire);
        granted.filter(waits).map(Grant).ok_or_else(|| {
            Error::new(
                Rv::OperationNotInitialized,
                "no operation of this session asks for a PIN",
            )
        })
    }
}

/// Lets an operation go on.
pub(crate) struct Grant(Arc<AtomicBool>);

impl Grant {
    /// The PIN was right.
    pub(crate) fn give(self) {
        self.0.store(true, Ordering::Release);
    }
}

struct Guarded {
    inner: Box<dyn Operation>,
    granted: Arc<AtomicBool>,
}

impl Guarded {
    fn check(&self) -> Result<()> {
        if self.granted.load(Ordering::Acquire) {
            return Ok(());
        }
        Err(Error::new(
            Rv::UserNotLoggedIn,
            "the key asks for the PIN each time (CKA_ALWAYS_AUTHENTICATE): log in as CKU_CONTEXT_SPECIFIC first",
        ))
    }
}

impl Operation for Guarded {
    fn output_len(&self, part: Part) -> Result<OutputLen> {
        self.inner.output_len(part)
    }

    fn single(self: Box<Self>, cx: &CallCx, input: &[u8], end: End<'_>) -> Step {
        match self.check() {
            Ok(()) => self.inner.single(cx, input, end),
            Err(error) => error.into(),
        }
    }

    fn update(&mut self, cx: &CallCx, input: &[u8], out: &mut [u8]) -> Result<usize> {
        self.check()?;
        self.inner.update(cx, input, out)
    }

    fn finish(self: Box<Self>, cx: &CallCx, end: End<'_>) -> Step {
        match self.check() {
            Ok(()) => self.inner.finish(cx, end),
            Err(error) => error.into(),
        }
    }
}
