// SPDX-License-Identifier: MIT
//! The connection to one token: found, kept open and logged in, and made anew when it was lost.
//!
//! One session of the vendor's, the anchor, stays open so that the login does; it serves no operation. Everything else
//! borrows from the [`Pool`]. Work goes through [`Connection::run`], which repairs what is lost and does the work once
//! more where that is right. Nothing here is C: what the vendor does is behind [`Device`].

mod logins;
mod repair;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Acquire, Ordering::Release};
use std::time::{Duration, Instant};

use keyenclave_model::error::{Result, Rv};
use keyenclave_model::token::{CallCx, Role};
use parking_lot::Mutex;

use crate::deadline::{is_late, too_late};
use crate::ffi::{Answer, Session};
use crate::heal::{Loss, Repeat, is_about_a_handle, loss, misses_an_object};
use crate::login::{Credentials, Login};
use crate::pool::{Fate, Lease, Need, Offer, Pool};
use repair::Since;

/// What a vendor does for a connection.
pub(crate) trait Device: Send + Sync {
    /// Finds the token, which may have moved to another slot.
    fn locate(&self) -> Answer<()>;
    /// Opens a session.
    fn open(&self, writable: bool) -> Answer<Session>;
    /// Closes a session.
    fn close(&self, session: Session) -> Answer<()>;
    /// Logs in.
    fn log_in(&self, session: Session, with: &Credentials<'_>) -> Answer<()>;
    /// Logs out.
    fn log_out(&self, session: Session) -> Answer<()>;
    /// Whether a session shows that the device is there.
    fn is_alive(&self, session: Session) -> bool;
    /// Makes the module usable again after somebody finalised it.
    fn revive(&self) -> Answer<()>;
    /// Finalises and initialises the module where only that brings a lost device back; `false` where it does not.
    fn restart(&self) -> Answer<bool>;
    /// One session is gone, or all are, and what belongs to them.
    fn lost(&self, lease: Option<&Lease>);
    /// Whether a login that the vendor has and we do not may be one of ours all the same, and not the application's.
    fn may_have_our_login(&self) -> bool;
    /// Whether a session shows that nobody is logged in.
    fn is_logged_out(&self, session: Session) -> bool;
    /// The login was lost and is back: private objects have other handles.
    fn login_was_repeated(&self);
    /// Nobody is logged in any more.
    fn login_is_over(&self);
    /// Another number after the module was initialised again, for whomever: it has forgotten all sessions, and gives their
    /// handles to others.
    fn starts(&self) -> u64;
}

/// See the [module](self).
pub(crate) struct Connection<D> {
    pub device: D,
    pub pool: Pool,
    login: Mutex<Login>,
    /// Held while the connection is made, so that it is made once.
    anchor: Mutex<Option<Anchor>>,
    /// Odd while the connection stands; counts up when it is made and when it is lost.
    phase: AtomicU64,
    /// [`Device::starts`] when the connection was made.
    started: AtomicU64,
    /// Odd while a login that the vendor has forgotten is repeated; counts up when that begins and when it ends.
    logins: AtomicU64,
    /// Counts logins that are void though nobody logged out.
    epoch: AtomicU64,
    /// Whether the token refused the PIN by reference, and nobody is logged in.
    refused: AtomicBool,
    /// Whether a logout failed, so that somebody may be logged in there still.
    owes_logout: AtomicBool,
}

#[derive(Clone, Copy)]
struct Anchor {
    session: Session,
    writable: bool,
}

/// How long a call waits for a vendor session when it has no deadline.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often work is repeated: while one thread repairs what is lost, another may meet it a second time.
pub(crate) const REPEATS: usize = 3;
/// How many sessions more are tried when one has an operation in it already.
const OTHER_SESSIONS: usize = 4;

impl<D: Device> Connection<D> {
    /// A connection with at most so many sessions beside the anchor. Nothing is opened yet.
    pub fn new(device: D, max_sessions: usize) -> Self {
        Self {
            device,
            pool: Pool::new(max_sessions),
            login: Mutex::new(Login::default()),
            anchor: Mutex::new(None),
            phase: AtomicU64::new(0),
            started: AtomicU64::new(0),
            logins: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
            refused: AtomicBool::new(false),
            owes_logout: AtomicBool::new(false),
        }
    }

    /// See [`Token::epoch`](keyenclave_model::token::Token::epoch).
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Acquire)
    }

    /// How often the connection was made and lost.
    pub fn phase(&self) -> u64 {
        self.phase.load(Acquire)
    }

    /// Whether the vendor has forgotten the login there is at any time since the lease was given, though it may know it
    /// again by now: what was asked in between was perhaps answered as if there were no private objects.
    pub fn has_lost_login(&self, lease: &Lease) -> bool {
        let is_as_it_was = || {
            let logins = self.logins.load(Acquire);
            self.phase() == lease.phase() && logins == lease.logins && logins.is_multiple_of(2)
        };
        self.role() == Some(Role::User) && (self.device.is_logged_out(lease.session) || !is_as_it_was())
    }

    /// Who is logged in.
    pub fn role(&self) -> Option<Role> {
        self.login.lock().role()
    }

    /// With access to the login, for what is told of it.
    pub fn with_login<T>(&self, look: impl FnOnce(&mut Login) -> T) -> T {
        look(&mut self.login.lock())
    }

    /// Does work that begins no operation in a vendor session of `cx.session`, which is given back afterwards, and repairs
    /// what is lost.
    ///
    /// # Errors
    /// The work's; `CKR_SESSION_COUNT`; what the vendor answers when the connection cannot be made.
    pub fn run<T>(&self, cx: &CallCx, repeat: Repeat, work: impl FnMut(&Lease) -> Answer<T>) -> Result<T> {
        self.run_in(cx, Need::Call, repeat, work)
    }

    /// The same in a session of a certain kind.
    pub fn run_in<T>(
        &self,
        cx: &CallCx,
        need: Need,
        repeat: Repeat,
        mut work: impl FnMut(&Lease) -> Answer<T>,
    ) -> Result<T> {
        self.run_keeping(cx, need, repeat, |lease| work(lease).map(|done| (done, false)))
            .map(|(done, _)| done)
    }

    /// The same for work that may keep its session, for an operation or for an object that it made: it says so with
    /// its result. Then the caller has the lease, and gives it back.
    pub fn run_keeping<T>(
        &self,
        cx: &CallCx,
        mut need: Need,
        repeat: Repeat,
        mut work: impl FnMut(&Lease) -> Answer<(T, bool)>,
    ) -> Result<(T, Option<Lease>)> {
        let (mut others, mut left) = (OTHER_SESSIONS, REPEATS);
        loop {
            let since = self.since();
            let lease = match self.lease(cx, need) {
                Ok(lease) => lease,
                Err(error) => match loss(error.rv(), false) {
                    // Nothing was done yet: it may be tried again even if the work may not be repeated. Where the
                    // connection could not be made there is nothing to repair.
                    Some(lost) if repeat != Repeat::Never && left > 0 && since.phase % 2 == 1 => {
                        self.repair(lost, since, left < REPEATS, error.rv())?;
                        left -= 1;
                        continue;
                    }
                    _ => return Err(error),
                },
            };
            // The application was told that it failed, and may have begun something else.
            if is_late(cx.deadline) {
                self.give_back(&lease, Fate::Clean);
                return too_late();
            }
            let rv = match self.ask(&lease, &mut work) {
                Ok((done, true)) => return Ok((done, Some(lease))),
                Ok((done, false)) => {
                    self.give_back(&lease, Fate::Clean);
                    return Ok((done, None));
                }
                Err(rv) => rv,
            };
            let again = repeat == Repeat::Never || left < REPEATS;
            let may_repeat = self.ended(&lease, rv, again)? && repeat.allows(rv) && left > 0;
            // Some modules have one operation in a session, whatever its class, or one was left behind: another session
            // has room for this work.
            if rv == Rv::OperationActive && others > 0 {
                others -= 1;
                need = Need::Alone;
                continue;
            }
            if !may_repeat {
                return Err(rv.into());
            }
            left -= 1;
        }
    }

    /// Does something in a lease, unless its session is another's by now: a module that was initialised again gives the
    /// same handles anew.
    ///
    /// # Errors
    /// Those of `work`; `CKR_SESSION_HANDLE_INVALID` where the session is another's, or was as the work failed.
    pub fn ask<T>(&self, lease: &Lease, work: impl FnOnce(&Lease) -> Answer<T>) -> Answer<T> {
        if self.may_be_anothers(lease) {
            return Err(Rv::SessionHandleInvalid);
        }
        work(lease).map_err(|rv| match is_about_a_handle(rv) && self.is_over(lease) {
            true => Rv::SessionHandleInvalid,
            false => rv,
        })
    }

    /// Whether the connection that a lease is of stands no more.
    fn is_over(&self, lease: &Lease) -> bool {
        self.phase() != lease.phase() || !self.stands()
    }

    fn may_be_anothers(&self, lease: &Lease) -> bool {
        self.is_over(lease) && (self.is_started_anew() || !self.pool.knows(lease))
    }

    fn is_started_anew(&self) -> bool {
        self.device.starts() != self.started.load(Acquire)
    }

    fn stands(&self) -> bool {
        self.phase() % 2 == 1 && !self.is_started_anew()
    }

    /// Work in a lease failed: gives the session back and repairs what is lost. Whether anything was. `again` is whether
    /// the same work failed before.
    ///
    /// # Errors
    /// The module's, where it cannot even be initialised again.
    #[cold]
    pub fn ended(&self, lease: &Lease, rv: Rv, again: bool) -> Result<bool> {
        let logged_in = self.role() == Some(Role::User);
        let lost = loss(rv, logged_in).or_else(|| {
            // Private objects are not there for somebody who is not logged in. Kryoptic fails at them.
            let hidden = misses_an_object(rv) || rv == Rv::GeneralError;
            (hidden && self.has_lost_login(lease)).then_some(Loss::Login)
        });
        let fate = match (lost, rv) {
            (Some(Loss::Session), _) => Fate::Lost,
            (None, Rv::OperationActive) => Fate::Dirty,
            (Some(_), _) | (None, Rv::GeneralError | Rv::FunctionFailed) => Fate::Doubtful,
            (None, _) => Fate::Clean,
        };
        self.give_back(lease, fate);
        if fate == Fate::Lost {
            self.device.lost(Some(lease));
        }
        let Some(lost) = lost else { return Ok(false) };
        let since = Since {
            phase: lease.phase(),
            logins: lease.logins,
        };
        self.repair(lost, since, again, rv)
    }

    /// A vendor session for an operation of `cx.session`.
    ///
    /// # Errors
    /// `CKR_SESSION_COUNT`; what the vendor answers when the connection cannot be made or the session not opened.
    pub fn lease(&self, cx: &CallCx, need: Need) -> Result<Lease> {
        let writable = cx.access.writable;
        let mut may_open = true;
        // A session that was opened for a connection that is lost meanwhile is tried for once more.
        for _ in 0..3 {
            self.stand()?;
            if self.refused.load(Acquire) {
                self.try_reference_again()?;
            }
            let logins = self.logins.load(Acquire);
            let at = |lease| Lease { logins, ..lease };
            let patience = || cx.deadline.unwrap_or_else(|| Instant::now() + PATIENCE);
            match self.pool.take(cx.session, writable, need, may_open, patience)? {
                Offer::Ready(lease) => return Ok(at(lease)),
                Offer::Open {
                    first_close,
                    generation,
                } => {
                    if let Some(session) = first_close {
                        self.close(session);
                    }
                    match self.open(cx, generation) {
                        Ok(Some(lease)) => return Ok(at(lease)),
                        Ok(None) => {}
                        // The vendor has no more: one of ours has to come free.
                        Err(Rv::SessionCount) if may_open => may_open = false,
                        Err(rv) => return Err(rv.into()),
                    }
                }
            }
        }
        Err(Rv::DeviceError.into())
    }

    /// A new session for a session of ours; `None` where it is lost already.
    #[inline(never)]
    fn open(&self, cx: &CallCx, generation: u64) -> Answer<Option<Lease>> {
        let writable = cx.access.writable;
        let opened = self.device.open(writable);
        let session = opened.inspect_err(|_| self.pool.not_opened(generation))?;
        let lease = self.pool.opened(cx.session, writable, session, generation);
        if lease.is_none() {
            self.close(session);
        }
        Ok(lease)
    }

    /// Gives a lease back.
    pub fn give_back(&self, lease: &Lease, fate: Fate) {
        if let Some(session) = self.pool.give_back(lease, fate) {
            self.close(session);
        }
    }

    /// Closes a session that nobody needs. That it cannot be closed harms nobody but the vendor.
    pub fn close(&self, session: Session) {
        if let Err(rv) = self.device.close(session) {
            log::debug!("a vendor's session could not be closed: {}", rv.name());
        }
    }

    /// Work in the anchor session, once more after a loss: what concerns the login. After its deadline it is not begun:
    /// somebody may have logged in since the application was told that it failed.
    ///
    /// # Errors
    /// The work's; the vendor's; `CKR_DEVICE_ERROR` after the deadline.
    pub fn on_anchor<T>(
        &self,
        repeat: Repeat,
        deadline: Option<Instant>,
        mut work: impl FnMut(&AnchorSession) -> Result<T>,
    ) -> Result<T> {
        for again in [false, true] {
            self.stand()?;
            let since = self.since();
            let held = self.anchor.lock();
            let Some(anchor) = *held else { continue };
            if is_late(deadline) {
                return too_late();
            }
            let done = work(&AnchorSession {
                session: anchor.session,
                writable: anchor.writable,
            });
            drop(held);
            match done {
                Err(error) => match loss(error.rv(), false) {
                    Some(lost) if !again => {
                        self.repair(lost, since, false, error.rv())?;
                        if !repeat.allows(error.rv()) {
                            return Err(error);
                        }
                    }
                    _ => return Err(error),
                },
                done => return done,
            }
        }
        Err(Rv::DeviceError.into())
    }

    /// Lets go of everything: closes all sessions and forgets the login. The token is new (`C_InitToken`), or is not
    /// needed any more.
    ///
    /// # Errors
    /// `CKR_DEVICE_ERROR` after the `deadline`: nothing has changed, and nothing may follow.
    pub fn disconnect(&self, deadline: Option<Instant>) -> Result<()> {
        let mut anchor = self.anchor.lock();
        if is_late(deadline) {
            return too_late();
        }
        self.login.lock().forget();
        let phase = self.phase.load(Acquire);
        let phase = phase + 1 + (phase + 1) % 2;
        let sessions = self.pool.lose_all(phase);
        let anchored = anchor.take().map(|anchor| anchor.session);
        self.phase.store(phase, Release);
        self.device.lost(None);
        sessions
            .into_iter()
            .chain(anchored)
            .for_each(|session| self.close(session));
        Ok(())
    }

    /// The token was initialised anew: every login is void.
    pub fn renewed(&self) {
        self.epoch.fetch_add(1, Release);
    }
}

/// The session that the login hangs on.
pub(crate) struct AnchorSession {
    pub session: Session,
    pub writable: bool,
}

#[cfg(test)]
mod tests;
