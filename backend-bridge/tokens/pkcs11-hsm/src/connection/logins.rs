// SPDX-License-Identifier: MIT
//! The login of a connection: made by the application or by reference, and repeated where the vendor has forgotten it.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::time::Instant;

use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::token::Role;

use super::{Anchor, Connection, Device};
use crate::deadline::{is_late, too_late};
use crate::ffi::Session;
use crate::heal::{Repeat, loss};
use crate::login::{Attempt, Credentials, KeptPin, SlotNumber, ToRepeat};

const REFUSED: &str = "the token refused the configured PIN, which is not tried again: compare the reference in the \
                       configuration with the token's PIN";

/// What the vendor knew of a login when it was repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Nobody is logged in, here or there.
    Nobody,
    /// It had forgotten it.
    Not,
    /// It knew of it still.
    Still,
}

impl<D: Device> Connection<D> {
    /// Logs in as before, or by reference. A PIN that is refused is never tried again: that would lock the token.
    /// Whether the vendor knew of the login.
    ///
    /// To be called by whoever holds the anchor; nothing else is locked while the vendor decides.
    pub(super) fn log_in_again(&self, session: Session) -> Result<Known> {
        let to_repeat = self.login.lock().to_repeat()?;
        let (kept, by_reference) = match to_repeat {
            ToRepeat::Nothing => return Ok(Known::Nobody),
            ToRepeat::Refused => {
                self.refused.store(true, Release);
                return Ok(Known::Nobody);
            }
            ToRepeat::Kept(kept) => (kept, false),
            ToRepeat::ByReference(kept) => (kept, true),
        };
        let credentials = kept.credentials();
        let answer = self.device.log_in(session, &credentials);
        let mut login = self.login.lock();
        match answer {
            Ok(()) | Err(Rv::UserAlreadyLoggedIn) => {
                if by_reference {
                    login.accepted(None, &credentials);
                }
                self.refused.store(false, Release);
                Ok(if answer.is_ok() { Known::Not } else { Known::Still })
            }
            Err(rv) if loss(rv, false).is_some() => Err(rv.into()),
            Err(rv) if by_reference => {
                log::error!("{REFUSED} ({})", rv.name());
                login.reference_refused(credentials.pin.unwrap_or_default())?;
                self.refused.store(true, Release);
                Ok(Known::Nobody)
            }
            Err(rv) => {
                log::warn!(
                    "the login to a token could not be repeated after its device was lost: {}",
                    rv.name()
                );
                login.forget();
                self.epoch.fetch_add(1, Release);
                Ok(Known::Nobody)
            }
        }
    }

    /// Logs in by reference if the reference gives another PIN than the one that was refused.
    ///
    /// # Errors
    /// `CKR_FUNCTION_FAILED` if it does not; the vendor's.
    pub(super) fn try_reference_again(&self) -> Result<()> {
        let anchor = self.anchor.lock();
        if let Some(Anchor { session, .. }) = *anchor
            && self.role().is_none()
        {
            self.log_in_again(session)?;
        }
        if self.role().is_some() {
            self.refused.store(false, Release);
            return Ok(());
        }
        Err(Error::new(Rv::FunctionFailed, REFUSED))
    }

    /// Repeats the login where it was lost; what the vendor knew of it. `None` where that fails.
    pub(super) fn repeat_login(&self, session: Session) -> Option<Known> {
        // Others must not take for whole what they were told meanwhile. Where the login may well stand, their handles
        // are not to be lost for nothing.
        let is_lost = self.device.is_logged_out(session);
        if is_lost {
            self.logins.fetch_add(1, AcqRel);
        }
        let known = self.log_in_again(session);
        let stood = !is_lost && matches!(known, Ok(Known::Still));
        if !stood && known.is_ok() {
            self.device.login_was_repeated();
        }
        if !stood {
            self.logins.fetch_add(if is_lost { 1 } else { 2 }, AcqRel);
        }
        match known {
            Ok(Known::Still) if is_lost => Some(Known::Not),
            Ok(known) => Some(known),
            Err(_) => None,
        }
    }

    /// `C_Login` of one of our slots.
    ///
    /// # Errors
    /// The vendor's; `CKR_USER_ANOTHER_ALREADY_LOGGED_IN`; `CKR_PIN_INCORRECT`; `CKR_DEVICE_ERROR` for a login that comes
    /// after its `deadline`, which is undone.
    pub fn log_in(&self, slot: SlotNumber, with: &Credentials<'_>, deadline: Option<Instant>) -> Result<()> {
        self.on_anchor(Repeat::UnlessFailed, deadline, |anchor| {
            let attempt = self.login.lock().attempt(slot, with)?;
            let log_out_first = match attempt {
                Attempt::Joined => return Ok(()),
                Attempt::Ask { log_out_first } => log_out_first,
            };
            if log_out_first {
                match self.device.log_out(anchor.session) {
                    Ok(()) | Err(Rv::UserNotLoggedIn) => self.login.lock().forget(),
                    Err(rv) => return Err(rv.into()),
                }
                self.device.login_is_over();
            }
            if with.role == Role::So {
                self.pool
                    .drain_read_only()
                    .into_iter()
                    .for_each(|session| self.close(session));
                if !anchor.writable {
                    return Err(Rv::TokenWriteProtected.into());
                }
            }
            match self.device.log_in(anchor.session, with) {
                // A login that was over here, but not there: the vendor is to look at the PIN all the same.
                Err(Rv::UserAlreadyLoggedIn | Rv::UserAnotherAlreadyLoggedIn)
                    if self.device.may_have_our_login() =>
                {
                    self.device.log_out(anchor.session)?;
                    self.device.log_in(anchor.session, with)?;
                }
                Err(Rv::UserAlreadyLoggedIn) => {
                    return Err(Error::new(
                        Rv::UserAlreadyLoggedIn,
                        "the application, or a library beside this one, is logged in to the vendor's module itself; the \
                         PIN cannot be checked until it logs out",
                    ));
                }
                answer => answer?,
            }
            // The application was told that it is not logged in.
            if is_late(deadline) {
                self.device.log_out(anchor.session)?;
                return too_late();
            }
            self.login.lock().accepted(Some(slot), with);
            self.refused.store(false, Release);
            Ok(())
        })
    }

    /// `C_Logout` of one of our slots. `true` if nobody is logged in any more. After its `deadline` it ends no login of
    /// afterwards.
    ///
    /// # Errors
    /// `CKR_USER_NOT_LOGGED_IN`. What the vendor answers does not matter: the login is over here, and nothing else is
    /// done there before it is over there too.
    pub fn log_out(&self, slot: SlotNumber, deadline: Option<Instant>) -> Result<bool> {
        let entry = self.login.lock().entry(slot, deadline)?;
        let mut anchor = self.anchor.lock();
        let (last, by_reference) = {
            let mut login = self.login.lock();
            (login.leave(slot, entry)?, login.is_by_reference())
        };
        if !last {
            return Ok(false);
        }
        // While nobody can log in: what is known of a login of afterwards stays.
        self.device.login_is_over();
        let Some(Anchor { session, .. }) = *anchor else {
            self.owes_logout.store(true, Release);
            return Ok(true);
        };
        let once = self.device.log_out(session);
        match once.or_else(|_| self.device.log_out(session)) {
            Ok(()) | Err(Rv::UserNotLoggedIn) if by_reference => {
                self.log_in_again(session)?;
            }
            Ok(()) | Err(Rv::UserNotLoggedIn) => {}
            Err(rv) => {
                log::debug!("a vendor's token did not log out: {}", rv.name());
                self.owes_logout.store(true, Release);
                self.leave(&mut anchor)
                    .into_iter()
                    .for_each(|session| self.close(session));
            }
        }
        Ok(true)
    }

    /// Makes up for a logout that failed, in a new connection.
    ///
    /// # Errors
    /// The vendor's: then there is no connection.
    pub(super) fn pay_logout(&self, session: Session) -> Result<()> {
        if !self.owes_logout.load(Acquire) {
            return Ok(());
        }
        match self.device.log_out(session) {
            Ok(()) | Err(Rv::UserNotLoggedIn) => {}
            Err(_) if self.device.is_logged_out(session) => {}
            Err(rv) => return Err(rv.into()),
        }
        self.owes_logout.store(false, Release);
        Ok(())
    }

    /// The PIN that the login was made with is another now.
    pub fn pin_changed(&self, pin: KeptPin) {
        self.login.lock().changed(pin);
    }
}
