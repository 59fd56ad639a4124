// SPDX-License-Identifier: MIT
//! A device of words: it does what its script says.

use std::collections::{BTreeSet, VecDeque};

use keyenclave_model::access::Access;
use keyenclave_model::token::SessionId;

use super::super::*;

#[derive(Default)]
pub(super) struct Fake(pub Mutex<State>);

#[derive(Default)]
pub(super) struct State {
    pub open: BTreeSet<Session>,
    pub last: Session,
    pub writable: BTreeSet<Session>,
    pub role: Option<Role>,
    pub attempts: usize,
    pub gone: bool,
    pub finalised: bool,
    pub needs_restart: bool,
    /// Whether a session shows who is logged in.
    pub tells_login: bool,
    /// Whether the application has initialised it.
    pub foreign: bool,
    /// Logins that were repeated.
    pub repeated: usize,
    /// Logins that have ended.
    pub over: usize,
    /// How often it was initialised again.
    pub starts: u64,
    /// Answers for the next calls of `open`, before it works.
    pub refuse_open: VecDeque<Rv>,
    /// The same for `log_out`.
    pub refuse_log_out: VecDeque<Rv>,
}

pub(super) const PIN: &[u8] = b"1234";

impl Device for Fake {
    fn locate(&self) -> Answer<()> {
        let state = self.0.lock();
        match (state.finalised, state.gone) {
            (true, _) => Err(Rv::CryptokiNotInitialized),
            (false, true) => Err(Rv::TokenNotPresent),
            (false, false) => Ok(()),
        }
    }

    fn open(&self, writable: bool) -> Answer<Session> {
        let mut state = self.0.lock();
        if let Some(rv) = state.refuse_open.pop_front() {
            return Err(rv);
        }
        if !writable && state.role == Some(Role::So) {
            return Err(Rv::SessionReadWriteSoExists);
        }
        state.last += 1;
        let session = state.last;
        state.open.insert(session);
        if writable {
            state.writable.insert(session);
        }
        Ok(session)
    }

    fn close(&self, session: Session) -> Answer<()> {
        let mut state = self.0.lock();
        let there = state.open.remove(&session);
        if state.open.is_empty() {
            state.role = None;
        }
        there.then_some(()).ok_or(Rv::SessionHandleInvalid)
    }

    fn log_in(&self, session: Session, with: &Credentials<'_>) -> Answer<()> {
        let Credentials { role, pin, .. } = *with;
        let mut state = self.0.lock();
        if !state.open.contains(&session) {
            return Err(Rv::SessionHandleInvalid);
        }
        if role == Role::So && state.open.iter().any(|open| !state.writable.contains(open)) {
            return Err(Rv::SessionReadOnlyExists);
        }
        if state.role.is_some() {
            return Err(Rv::UserAlreadyLoggedIn);
        }
        state.attempts += 1;
        if pin != Some(PIN) {
            return Err(Rv::PinIncorrect);
        }
        state.role = Some(role);
        Ok(())
    }

    fn log_out(&self, _session: Session) -> Answer<()> {
        let mut state = self.0.lock();
        if let Some(rv) = state.refuse_log_out.pop_front() {
            return Err(rv);
        }
        state.role.take().map(drop).ok_or(Rv::UserNotLoggedIn)
    }

    fn is_alive(&self, session: Session) -> bool {
        let state = self.0.lock();
        !state.gone && state.open.contains(&session)
    }

    fn revive(&self) -> Answer<()> {
        let mut state = self.0.lock();
        state.finalised = false;
        state.starts += 1;
        Ok(())
    }

    fn restart(&self) -> Answer<bool> {
        let mut state = self.0.lock();
        if state.needs_restart {
            state.lose();
            state.gone = false;
        }
        Ok(state.needs_restart)
    }

    fn lost(&self, _lease: Option<&Lease>) {}

    fn is_logged_out(&self, _session: Session) -> bool {
        self.0.lock().tells_login && self.0.lock().role.is_none()
    }

    fn may_have_our_login(&self) -> bool {
        !self.0.lock().foreign
    }

    fn login_was_repeated(&self) {
        self.0.lock().repeated += 1;
    }

    fn starts(&self) -> u64 {
        self.0.lock().starts
    }

    fn login_is_over(&self) {
        self.0.lock().over += 1;
    }
}

pub(super) fn with(role: Role) -> Credentials<'static> {
    Credentials {
        role,
        name: &[],
        pin: Some(PIN),
    }
}

impl State {
    pub fn lose(&mut self) {
        self.open.clear();
        self.role = None;
    }
}

pub(super) fn cx(session: u64) -> CallCx {
    CallCx {
        session: SessionId(session),
        access: Access {
            writable: true,
            login: None,
        },
        deadline: None,
        may_pend: false,
    }
}

pub(super) fn connection() -> Connection<Fake> {
    Connection::new(Fake::default(), 4)
}

/// Work that a lost session refuses, and that the user must be logged in for.
pub(super) fn sign(connection: &Connection<Fake>, lease: &Lease) -> Answer<&'static str> {
    let state = connection.device.0.lock();
    match state.role {
        _ if state.finalised => Err(Rv::CryptokiNotInitialized),
        _ if state.gone => Err(Rv::DeviceRemoved),
        _ if !state.open.contains(&lease.session) => Err(Rv::SessionHandleInvalid),
        Some(Role::User) => Ok("signature"),
        _ => Err(Rv::UserNotLoggedIn),
    }
}

pub(super) fn signed(connection: &Connection<Fake>) -> Result<&'static str> {
    connection.run(&cx(1), Repeat::Always, |lease| sign(connection, lease))
}
