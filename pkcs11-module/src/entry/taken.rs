// SPDX-License-Identifier: MIT
//! A place in a session while what belongs there is out.
//!
//! Apart from the handlers because all that take something out of a session owe it the same: that the place is never
//! left behind, whatever happens, and that nothing is dropped under the session's lock.

use keyenclave_model::error::{Result, Rv};
use keyenclave_model::token::OperationClass;

use crate::library::Caller;
use crate::session::activity::Activity;
use crate::session::operation::Active;

/// See the module. The place goes back empty unless something is put back: so every early return ends the operation.
pub(super) struct Taken<'a> {
    caller: &'a Caller<'a>,
    activity: Activity,
    /// What is answered if the login ends meanwhile.
    logged_out: Rv,
    /// Whether the place is still out.
    out: bool,
}

impl<'a> Taken<'a> {
    /// Reserves a place for what is about to begin.
    ///
    /// # Errors
    /// As [`Operations::reserve`](crate::session::operation::Operations::reserve).
    pub(super) fn reserve(caller: &'a Caller<'a>, activity: impl Into<Activity>) -> Result<Self> {
        let activity = activity.into();
        let mut operations = caller.session.operations.lock();
        // Asked for under the lock: what is over is ended, and must not be of a later login.
        let reserved = operations.reserve(activity, caller.slot.login_number());
        drop(operations);
        drop(reserved?);
        Ok(Self::of(caller, activity, Rv::UserNotLoggedIn))
    }

    /// Takes an operation out.
    ///
    /// # Errors
    /// As [`Operations::take`](crate::session::operation::Operations::take).
    pub(super) fn take(caller: &'a Caller<'a>, activity: impl Into<Activity>) -> Result<(Self, Active)> {
        Self::take_if(caller, activity.into(), |active| !active.is_with_signature())
    }

    /// Takes the verification out that has had its signature. It has the place of one that has not, and each is
    /// nothing to the functions of the other.
    ///
    /// # Errors
    /// As [`Operations::take`](crate::session::operation::Operations::take).
    pub(super) fn take_with_signature(caller: &'a Caller<'a>) -> Result<(Self, Active)> {
        Self::take_if(caller, OperationClass::Verify.into(), Active::is_with_signature)
    }

    fn take_if(
        caller: &'a Caller<'a>,
        activity: Activity,
        is_wanted: impl Fn(&Active) -> bool,
    ) -> Result<(Self, Active)> {
        let login = caller.slot.login_number();
        let mut operations = caller.session.operations.lock();
        let active = operations.take(activity, login)?;
        let refused = if is_wanted(&active) {
            Ok(active)
        } else {
            Err(operations.put_back(activity, Some(active), login))
        };
        drop(operations);
        match refused {
            Ok(active) => Ok((Self::of(caller, activity, Rv::OperationNotInitialized), active)),
            Err(_) => Err(Rv::OperationNotInitialized.into()),
        }
    }

    /// Puts an operation back, or for the first time.
    ///
    /// # Errors
    /// It was not wanted any more, and has ended: `CKR_SESSION_CLOSED` if another thread has closed the session
    /// meanwhile. If the login is over, `CKR_OPERATION_NOT_INITIALIZED` for an operation that was active before, and
    /// `CKR_USER_NOT_LOGGED_IN` for what begins: the specification's lists have no other.
    pub(super) fn put_back(mut self, active: Active) -> Result<()> {
        self.return_place(Some(active))
    }

    fn of(caller: &'a Caller<'a>, activity: Activity, logged_out: Rv) -> Self {
        Self {
            caller,
            activity,
            logged_out,
            out: true,
        }
    }

    fn return_place(&mut self, back: Option<Active>) -> Result<()> {
        self.out = false;
        let mut operations = self.caller.session.operations.lock();
        // Asked for under the lock: a logout has its new number before it looks for what it ends.
        let login = self.caller.slot.login_number();
        let refused = operations.put_back(self.activity, back, login);
        let closed = operations.is_closed();
        drop(operations);
        match refused {
            None => Ok(()),
            // What the session does not want back is dropped here, outside its lock.
            Some(_) if closed => Err(Rv::SessionClosed.into()),
            Some(_) => Err(self.logged_out.into()),
        }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if self.out {
            // Nothing comes back, so nothing can be refused.
            let _ = self.return_place(None);
        }
    }
}
