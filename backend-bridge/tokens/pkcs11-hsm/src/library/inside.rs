// SPDX-License-Identifier: MIT
//! Threads that are inside of a vendor's module, which must not come back to us.

use std::cell::Cell;

use keyenclave_model::error::{Error, Result, Rv};

use crate::ffi::Answer;

thread_local! {
    /// Whether this thread is inside of a vendor's module: one that calls us back would have us behind ourselves.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// The thread is inside of the module, and leaves it.
pub(super) struct Inside;

impl Inside {
    /// # Errors
    /// `CKR_FUNCTION_FAILED` where it is inside of one already.
    pub(super) fn enter() -> Answer<Self> {
        if INSIDE.replace(true) {
            return Err(Rv::FunctionFailed);
        }
        Ok(Self)
    }
}

/// Refuses what a vendor's module asks of us while we are inside of it: it would be asked in turn.
///
/// # Errors
/// `CKR_TOKEN_NOT_PRESENT`.
pub(crate) fn refuse_inside() -> Result<()> {
    if INSIDE.get() {
        return Err(Error::new(
            Rv::TokenNotPresent,
            "the vendor's module calls KeyEnclave itself, which cannot stand behind itself",
        ));
    }
    Ok(())
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(false);
    }
}
