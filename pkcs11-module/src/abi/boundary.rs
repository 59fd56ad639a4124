// SPDX-License-Identifier: MIT
//! What every exported function goes through, whatever it does: the life-cycle check, the end of every panic, and
//! the one place where a failure is logged.
//!
//! The log gets the function's name, the return value's name and the error's own sentence, never an argument.
//! Failures that carry a sentence are warnings, since somebody has to do something about them; those without (a buffer
//! that is too small, a signature that is wrong) are an application's ordinary life and are seen at `debug`.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use cryptoki_sys as ck;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::token::SessionId;

use crate::library::Library;
use crate::lifecycle;

thread_local! {
    /// The function that this thread is in. Without a destructor, so that it can be used at any time.
    static FUNCTION: Cell<Option<&'static str>> = const { Cell::new(None) };
    /// The session that the present call is made on. Without a destructor.
    static SESSION: Cell<Option<SessionId>> = const { Cell::new(None) };
    /// The last failed call of this thread.
    static FAILURE: RefCell<Option<Error>> = const { RefCell::new(None) };
}

/// Runs the handler of a function that needs the module to be initialised.
pub(crate) fn call(function: &'static str, handler: impl FnOnce(&Library) -> Result<()>) -> ck::CK_RV {
    guarded(function, || {
        let library = lifecycle::enter().inspect_err(remember)?;
        on(&library, handler)
    })
}

/// Runs the handler of a function that needs no library. What it refuses is remembered all the same.
pub(crate) fn alone(function: &'static str, handler: impl FnOnce() -> Result<()>) -> ck::CK_RV {
    guarded(function, || handler().inspect_err(remember))
}

/// Runs a handler with the library, and keeps the record of what failed.
pub(super) fn on(library: &Library, handler: impl FnOnce(&Library) -> Result<()>) -> Result<()> {
    SESSION.set(None);
    handler(library).inspect_err(|error| note(library, error))
}

/// The present call is made on this session.
pub(crate) fn on_behalf_of(session: SessionId) {
    SESSION.set(Some(session));
}

/// Remembers a failure: for the session's `ulDeviceError`, and for whoever asks on this thread.
#[cold]
fn note(library: &Library, error: &Error) {
    if !is_failure(error) {
        return;
    }
    let number = error.remote().map_or(0, |remote| remote.number);
    if let Some(session) = SESSION.get().and_then(|id| library.sessions().find(id).ok()) {
        session.device_error.store(number, Ordering::Relaxed);
    }
    remember(error);
}

/// For whoever asks on this thread.
#[cold]
fn remember(error: &Error) {
    if !is_failure(error) {
        return;
    }
    // On a thread that is ending there is nobody left to ask.
    let _ = FAILURE.try_with(|last| last.replace(Some(error.clone())));
}

/// Whether the call has failed. One that is asked to come back, later or with more memory, has not: what failed before
/// it is still the last failure.
fn is_failure(error: &Error) -> bool {
    !matches!(error.rv(), Rv::Pending | Rv::BufferTooSmall)
}

/// The last failed call of this thread.
pub(crate) fn last_failure() -> Option<Error> {
    FAILURE.try_with(|last| last.borrow().clone()).ok().flatten()
}

/// Runs the handler of any function: nothing but a return value comes out, and nothing is remembered.
pub(crate) fn guarded(function: &'static str, handler: impl FnOnce() -> Result<()>) -> ck::CK_RV {
    let caller = FUNCTION.replace(Some(function));
    let outcome = catch_unwind(AssertUnwindSafe(|| report(function, handler())));
    FUNCTION.set(caller);
    outcome.unwrap_or_else(|payload| {
        // Dropping it could panic again.
        std::mem::forget(payload);
        ck::CKR_GENERAL_ERROR
    })
}

fn report(function: &str, outcome: Result<()>) -> ck::CK_RV {
    match &outcome {
        Ok(()) => log::trace!("{function}: CKR_OK"),
        Err(error) if error.detail().is_some() => log::warn!("{function}: {error}"),
        Err(error) => log::debug!("{function}: {error}"),
    }
    outcome.map_or_else(|error| error.rv().raw(), |()| ck::CKR_OK)
}

/// Has panics inside our functions logged in one line instead of printed to the host's standard error. Panics
/// elsewhere go where they went before. The hook is that of our own copy of the standard library, not the host's.
pub(crate) fn install_panic_hook() {
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    if INSTALLED.swap(true, Ordering::Relaxed) {
        return;
    }
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| match FUNCTION.get() {
        Some(function) => log_panic(function, panic),
        None => previous(panic),
    }));
}

/// A message that was put together at run time could hold anything, so only one from the source code is shown.
fn log_panic(function: &str, panic: &PanicHookInfo<'_>) {
    let message = panic
        .payload()
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or("a check failed");
    let (file, line) = panic
        .location()
        .map_or(("?", 0), |location| (location.file(), location.line()));
    log::error!("{function}: CKR_GENERAL_ERROR: {message} at {file}:{line}; please report this as a bug");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::*;

    #[test]
    fn a_panic_in_a_handler_becomes_a_general_error() {
        install_panic_hook();
        assert_eq!(guarded("C_Test", || panic!("on purpose")), ck::CKR_GENERAL_ERROR);
        assert_eq!(
            guarded("C_Test", || panic!("on purpose, number {}", 2)),
            ck::CKR_GENERAL_ERROR
        );
        assert_eq!(
            guarded("C_Test", || Ok(())),
            ck::CKR_OK,
            "and the next call works"
        );
    }

    #[test]
    fn a_payload_that_panics_when_dropped_does_not_get_out() {
        struct Vicious;
        impl Drop for Vicious {
            fn drop(&mut self) {
                panic!("once more");
            }
        }
        let outcome = guarded("C_Test", || std::panic::panic_any(Vicious));
        assert_eq!(outcome, ck::CKR_GENERAL_ERROR);
    }

    #[test]
    fn an_error_becomes_its_return_value() {
        assert_eq!(
            guarded("C_Test", || Err(Rv::PinIncorrect.into())),
            ck::CKR_PIN_INCORRECT
        );
        assert_eq!(
            guarded("C_Test", || Err(Rv::Other(0x8000_0001).into())),
            0x8000_0001
        );
    }
}
