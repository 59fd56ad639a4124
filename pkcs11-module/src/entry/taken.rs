// SPDX-License-Identifier: MIT
//! A place in a session while what belongs there is out.
//!
//! Apart from the handlers because all that take something out of a session owe it the same: that the place is never
//! left behind, whatever happens, and that nothing is dropped under the session's lock.

use keyenclave_model::error::Result;
use keyenclave_model::token::OperationClass;

use crate::library::Caller;
use crate::session::activity::Activity;
use crate::session::operation::Active;

/// See the module. The place goes back empty unless something is put back: so every early return ends the operation.
pub(super) struct Taken<'a> {
    caller: &'a Caller<'a>,
    activity: Activity,
    back: Option<Active>,
}

impl<'a> Taken<'a> {
    /// Reserves a place for what is about to begin.
    ///
    /// # Errors
    /// As [`Operations::reserve`](crate::session::operation::Operations::reserve).
    pub(super) fn reserve(caller: &'a Caller<'a>, activity: impl Into<Activity>) -> Result<Self> {
        let activity = activity.into();
        let login = caller.slot.login_number();
        let stale = caller.session.operations.lock().reserve(activity, login)?;
        drop(stale);
        Ok(Self::of(caller, activity))
    }

    /// Takes an operation out.
    ///
    /// # Errors
    /// As [`Operations::take`](crate::session::operation::Operations::take).
    pub(super) fn take(caller: &'a Caller<'a>, class: OperationClass) -> Result<(Self, Active)> {
        let login = caller.slot.login_number();
        let active = caller.session.operations.lock().take(class, login)?;
        Ok((Self::of(caller, class.into()), active))
    }

    pub(super) fn put_back(mut self, active: Active) {
        self.back = Some(active);
    }

    fn of(caller: &'a Caller<'a>, activity: Activity) -> Self {
        Self {
            caller,
            activity,
            back: None,
        }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut operations = self.caller.session.operations.lock();
        // Asked for under the lock: a logout has its new number before it looks for what it ends.
        let login = self.caller.slot.login_number();
        let ended = operations.put_back(self.activity, self.back.take(), login);
        drop(operations);
        // What the session does not want back is dropped outside its lock.
        drop(ended);
    }
}
