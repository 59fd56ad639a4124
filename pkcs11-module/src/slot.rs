// SPDX-License-Identifier: MIT
//! One slot: its token, and the token's state in this application.
//!
//! Here the pure state of [`session::login`](crate::session::login) meets the token: a change of the login begins
//! under the lock, the token is called without it, and the end is reported under the lock again. A thread that needs
//! the outcome of another thread's change waits for its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cryptoki_sys as ck;
use keyenclave_model::access::Access;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::token::{CallCx, Out, Pin, Role, SessionId, Step, Token, Work};
use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::session::login::{Begin, TokenState};

/// A slot and its token.
pub struct Slot {
    /// The number that applications know it by.
    pub id: ck::CK_SLOT_ID,
    /// `slotDescription`, 64 bytes at the most are shown.
    pub description: String,
    /// How long a call may take; `None` where nothing is ever waited for.
    pub timeout: Option<Duration>,
    /// Whoever holds the keys.
    pub token: Arc<dyn Token>,
    /// [`Token::takes_as_given`].
    pub takes_as_given: bool,
    state: Mutex<TokenState>,
    settled: Condvar,
    /// Who is logged in, as every operation asks for it: published under the lock of `state`, read without it.
    role: AtomicU8,
    /// The token's epoch when they logged in; published likewise, and before the role.
    epoch: AtomicU64,
    /// Whether anybody has looked for events, and whether there was a token the last time.
    watched: AtomicBool,
    was_present: AtomicBool,
    /// Another number after every logout, so that operations begun before it are known to be over.
    logins: AtomicU64,
}

/// The session that a call belongs to which no session makes (`C_InitToken`, the logout after the last one).
const NO_SESSION: SessionId = SessionId(ck::CK_INVALID_HANDLE);

impl Slot {
    /// A slot in which nobody has opened a session yet.
    pub fn new(
        id: ck::CK_SLOT_ID,
        description: String,
        timeout: Option<Duration>,
        token: Arc<dyn Token>,
    ) -> Self {
        Self {
            id,
            description,
            timeout,
            takes_as_given: token.takes_as_given(),
            token,
            state: Mutex::default(),
            settled: Condvar::new(),
            role: AtomicU8::new(publish(None)),
            epoch: AtomicU64::new(0),
            watched: AtomicBool::new(false),
            was_present: AtomicBool::new(false),
            logins: AtomicU64::new(0),
        }
    }

    /// Whether tokens of this slot come and go: those of vendors' modules.
    pub fn has_events(&self) -> bool {
        self.takes_as_given
    }

    /// Whether a token has come or gone since this was asked last. What the first one to ask finds is no event.
    pub fn take_event(&self) -> bool {
        let is_present = self.token.is_present();
        let was_present = self.was_present.swap(is_present, Ordering::AcqRel);
        self.watched.swap(true, Ordering::AcqRel) && was_present != is_present
    }

    /// What a session of this kind may do now.
    pub fn access(&self, writable: bool) -> Access {
        Access {
            writable,
            login: self.role(),
        }
    }

    /// A call on behalf of a session.
    pub fn call(&self, session: SessionId, writable: bool) -> CallCx {
        let deadline = self.timeout.map(|timeout| Instant::now() + timeout);
        CallCx {
            session,
            access: self.access(writable),
            deadline,
            may_pend: false,
        }
    }

    /// The number of the present login, or of the time without one.
    pub fn login_number(&self) -> u64 {
        self.logins.load(Ordering::Acquire)
    }

    /// How many sessions are open, and how many of these are read/write sessions.
    pub fn sessions(&self) -> (usize, usize) {
        self.state.lock().sessions()
    }

    /// Counts a session that is about to open.
    pub fn open(&self, writable: bool) -> Result<()> {
        self.begin(|state| state.open(writable))
    }

    /// Counts a session that was closed; after the last one nobody is logged in.
    pub fn closed(&self, writable: bool) {
        let mut state = self.state.lock();
        if state.closed(writable) {
            self.leave(state);
        }
    }

    /// `C_Login`.
    pub fn login(&self, session: SessionId, writable: bool, role: Role, pin: Pin<'_>) -> Result<()> {
        self.login_user(session, writable, (role, &[]), pin)
    }

    /// `C_LoginUser`: a role, and the name of the one who takes it; empty where there is none.
    pub fn login_user(
        &self,
        session: SessionId,
        writable: bool,
        (role, name): (Role, &[u8]),
        pin: Pin<'_>,
    ) -> Result<()> {
        let work = match name {
            [] => Work::Login { role, pin },
            name => Work::LoginUser { role, name, pin },
        };
        let change = self.change(|state| state.begin_login(role))?;
        // Asked before: if somebody replaces the token while its PIN is tried, the login is void at the next call.
        let epoch = self.token.epoch();
        let result = self.run(&self.call(session, writable), work);
        change.end(|slot, mut state| {
            let unused = state.end_login(result.is_ok().then_some(role), epoch);
            slot.settle(&state);
            if unused {
                slot.leave(state);
            }
        });
        result.map(drop)
    }

    /// `C_Logout`.
    pub fn logout(&self) -> Result<()> {
        let change = self.change(TokenState::begin_logout)?;
        let result = self.run(&self.call(NO_SESSION, false), Work::Logout);
        change.end(|slot, mut state| {
            state.end_logout();
            slot.settle(&state);
        });
        result.map(drop)
    }

    /// `C_InitToken`.
    pub fn init_token(&self, so_pin: Pin<'_>, label: [u8; 32]) -> Result<()> {
        let change = self.change(TokenState::begin_init)?;
        let result = self.run(&self.call(NO_SESSION, true), Work::InitToken { so_pin, label });
        change.end(|slot, mut state| {
            state.end_init();
            slot.settle(&state);
        });
        result.map(drop)
    }

    /// Looks whether the token is still the one that somebody logged in to; if not, nobody is logged in.
    pub fn check_epoch(&self) {
        if self.role().is_none() {
            return;
        }
        let epoch = self.token.epoch();
        if epoch == self.epoch.load(Ordering::Acquire) {
            return;
        }
        let mut state = self.state.lock();
        if state.moved_to(epoch) {
            log::warn!(
                "slot {}: the token was initialised anew by somebody; the login is over",
                self.id
            );
            self.leave(state);
        }
    }

    /// Has the token do a piece of work, and waits for it until the deadline.
    ///
    /// # Errors
    /// The token's own; `CKR_DEVICE_ERROR` when the deadline came first.
    pub fn run(&self, cx: &CallCx, work: Work<'_>) -> Result<Out> {
        complete(self.token.submit(cx, work), cx.deadline)
    }

    /// Asks whatever is behind the token whether it would do its work now, and waits for the answer until the slot's
    /// deadline. Needs no session and no login.
    ///
    /// # Errors
    /// As [`Slot::run`].
    pub fn health(&self) -> Result<()> {
        let cx = self.call(NO_SESSION, false);
        complete(self.token.health(&cx), cx.deadline).map(drop)
    }

    fn role(&self) -> Option<Role> {
        match self.role.load(Ordering::Acquire) {
            USER => Some(Role::User),
            SO => Some(Role::So),
            _ => None,
        }
    }

    /// Makes a transition, once no other change is under way.
    fn begin(&self, mut transition: impl FnMut(&mut TokenState) -> Result<Begin>) -> Result<()> {
        let mut state = self.state.lock();
        while transition(&mut state)? == Begin::Wait {
            self.settled.wait(&mut state);
        }
        self.settle(&state);
        Ok(())
    }

    /// Begins a change that a call to the token decides.
    fn change(&self, transition: impl FnMut(&mut TokenState) -> Result<Begin>) -> Result<Changing<'_>> {
        self.begin(transition)?;
        Ok(Changing(self))
    }

    /// Logs out on nobody's request; the state says already that it is under way.
    fn leave(&self, state: MutexGuard<'_, TokenState>) {
        self.settle(&state);
        drop(state);
        let change = Changing(self);
        if let Err(error) = self.run(&self.call(NO_SESSION, false), Work::Logout) {
            log::warn!(
                "slot {}: the token could not be told of the logout: {error}",
                self.id
            );
        }
        drop(change);
    }

    /// Publishes what the state says, and wakes whoever waits for it.
    fn settle(&self, state: &TokenState) {
        let now = publish(state.role());
        self.epoch.store(state.epoch(), Ordering::Release);
        let before = self.role.swap(now, Ordering::AcqRel);
        if before != now && now == NOBODY {
            self.logins.fetch_add(1, Ordering::AcqRel);
        }
        self.settled.notify_all();
    }
}

/// A change of the login that is under way. One of which no end is reported, because the token panicked or because it is
/// one, ends as a logout.
struct Changing<'a>(&'a Slot);

impl Changing<'_> {
    fn end(self, report: impl FnOnce(&Slot, MutexGuard<'_, TokenState>)) {
        let slot = self.0;
        std::mem::forget(self);
        report(slot, slot.state.lock());
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.end_logout();
        self.0.settle(&state);
    }
}

/// Waits for work until its deadline.
///
/// # Errors
/// The token's own; `CKR_DEVICE_ERROR` when the deadline came first.
pub fn complete(step: Step, deadline: Option<Instant>) -> Result<Out> {
    let mut pending = match step {
        Step::Ready(result) => return result,
        Step::Pending(pending) => pending,
    };
    match pending.wait(deadline) {
        Some(result) => result,
        None => {
            pending.cancel();
            Err(too_late())
        }
    }
}

/// The deadline came before the answer.
pub fn too_late() -> Error {
    Error::new(
        Rv::DeviceError,
        "no answer within the slot's operation timeout: see whether the service or device can be reached",
    )
}

const NOBODY: u8 = 0;
const USER: u8 = 1;
const SO: u8 = 2;

const fn publish(role: Option<Role>) -> u8 {
    match role {
        None => NOBODY,
        Some(Role::User) => USER,
        Some(Role::So) => SO,
    }
}
