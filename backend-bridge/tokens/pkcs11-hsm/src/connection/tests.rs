// SPDX-License-Identifier: MIT
//! The connection over a device of words: it does what its script says.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::{BTreeSet, VecDeque};

use keyenclave_model::access::Access;
use keyenclave_model::token::SessionId;
use zeroize::Zeroizing;

use super::*;

#[derive(Default)]
struct Fake(Mutex<State>);

#[derive(Default)]
struct State {
    open: BTreeSet<Session>,
    last: Session,
    writable: BTreeSet<Session>,
    role: Option<Role>,
    attempts: usize,
    gone: bool,
    finalised: bool,
    needs_restart: bool,
    /// Whether a session shows who is logged in.
    tells_login: bool,
    /// Whether the application has initialised it.
    foreign: bool,
    /// Logins that were repeated.
    repeated: usize,
    /// Logins that have ended.
    over: usize,
    /// How often it was initialised again.
    starts: u64,
    /// Answers for the next calls of `open`, before it works.
    refuse_open: VecDeque<Rv>,
    /// The same for `log_out`.
    refuse_log_out: VecDeque<Rv>,
}

const PIN: &[u8] = b"1234";

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

fn with(role: Role) -> Credentials<'static> {
    Credentials {
        role,
        name: &[],
        pin: Some(PIN),
    }
}

impl State {
    fn lose(&mut self) {
        self.open.clear();
        self.role = None;
    }
}

fn cx(session: u64) -> CallCx {
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

fn connection() -> Connection<Fake> {
    Connection::new(Fake::default(), 4)
}

/// Work that a lost session refuses, and that the user must be logged in for.
fn sign(connection: &Connection<Fake>, lease: &Lease) -> Answer<&'static str> {
    let state = connection.device.0.lock();
    match state.role {
        _ if state.finalised => Err(Rv::CryptokiNotInitialized),
        _ if state.gone => Err(Rv::DeviceRemoved),
        _ if !state.open.contains(&lease.session) => Err(Rv::SessionHandleInvalid),
        Some(Role::User) => Ok("signature"),
        _ => Err(Rv::UserNotLoggedIn),
    }
}

fn signed(connection: &Connection<Fake>) -> Result<&'static str> {
    connection.run(&cx(1), Repeat::Always, |lease| sign(connection, lease))
}

#[test]
fn a_lost_session_is_opened_again_and_the_work_done_once_more() {
    let connection = connection();
    connection.log_in(1, &with(Role::User), None).unwrap();
    assert_eq!(signed(&connection).unwrap(), "signature");
    let mut tries = 0;
    let done = connection.run(&cx(1), Repeat::Always, |lease| {
        tries += 1;
        if tries == 1 {
            connection.device.0.lock().open.remove(&lease.session);
        }
        sign(&connection, lease)
    });
    assert_eq!((done.unwrap(), tries), ("signature", 2));
    assert_eq!(connection.device.0.lock().attempts, 1, "the login was not lost");
}

#[test]
fn a_login_survives_the_loss_of_all_sessions() {
    let connection = connection();
    connection.log_in(1, &with(Role::User), None).unwrap();
    assert_eq!(signed(&connection).unwrap(), "signature");
    connection.device.0.lock().lose();
    assert_eq!(signed(&connection).unwrap(), "signature");
    assert_eq!(connection.device.0.lock().attempts, 2);
    assert_eq!(connection.epoch(), 0);
}

#[test]
fn a_login_that_was_lost_alone_is_made_again() {
    let connection = connection();
    connection.log_in(1, &with(Role::User), None).unwrap();
    connection.device.0.lock().role = None;
    assert_eq!(signed(&connection).unwrap(), "signature");
}

#[test]
fn a_pin_that_is_refused_is_not_tried_again() {
    let connection = connection();
    connection.log_in(1, &with(Role::User), None).unwrap();
    connection.pin_changed(Some(Zeroizing::new(b"old".to_vec())));
    connection.device.0.lock().lose();
    for _ in 0..3 {
        let rv = signed(&connection).map_err(|error| error.rv());
        assert_eq!(rv, Err(Rv::UserNotLoggedIn));
    }
    assert_eq!(connection.device.0.lock().attempts, 2);
    assert_eq!(connection.epoch(), 1, "the module learns that the login is void");
}

#[test]
fn a_device_that_is_gone_is_found_again_when_it_comes_back() {
    let connection = connection();
    connection.log_in(1, &with(Role::User), None).unwrap();
    assert_eq!(signed(&connection).unwrap(), "signature");
    {
        let mut state = connection.device.0.lock();
        state.gone = true;
        state.lose();
    }
    for _ in 0..2 {
        let rv = signed(&connection).map_err(|error| error.rv());
        assert_eq!(rv, Err(Rv::TokenNotPresent));
    }
    connection.device.0.lock().gone = false;
    assert_eq!(signed(&connection).unwrap(), "signature");
}

#[test]
fn a_device_that_needs_it_is_restarted() {
    let connection = connection();
    connection.log_in(1, &with(Role::User), None).unwrap();
    {
        let mut state = connection.device.0.lock();
        state.gone = true;
        state.needs_restart = true;
    }
    assert_eq!(signed(&connection).unwrap(), "signature");
}

#[test]
fn a_module_that_somebody_finalised_is_initialised_again() {
    let connection = connection();
    connection.log_in(1, &with(Role::User), None).unwrap();
    assert_eq!(signed(&connection).unwrap(), "signature");
    {
        let mut state = connection.device.0.lock();
        state.finalised = true;
        state.lose();
    }
    assert_eq!(signed(&connection).unwrap(), "signature");
}

#[test]
fn a_handle_that_became_anothers_is_not_what_the_work_is_told_of() {
    for rv in [
        Rv::ObjectHandleInvalid,
        Rv::OperationActive,
        Rv::KeyFunctionNotPermitted,
    ] {
        let connection = connection();
        connection.log_in(1, &with(Role::User), None).unwrap();
        let mut tries = 0;
        let done = connection.run(&cx(1), Repeat::IfRefused, |lease| {
            tries += 1;
            if tries > 1 {
                return sign(&connection, lease);
            }
            // Somebody finalises the module, and another thread has it initialised again before this call is in it.
            {
                let mut state = connection.device.0.lock();
                state.finalised = true;
                state.lose();
            }
            assert_eq!(signed(&connection).unwrap(), "signature");
            Err(rv)
        });
        assert_eq!((done.unwrap(), tries), ("signature", 2), "{}", rv.name());
    }
}

#[test]
fn a_module_that_was_initialised_again_for_others_has_none_of_our_sessions() {
    let connection = connection();
    connection.log_in(1, &with(Role::User), None).unwrap();
    let lease = connection.lease(&cx(2), Need::Shared).unwrap();
    assert_eq!(signed(&connection).unwrap(), "signature");
    let phase = connection.phase();
    {
        let mut state = connection.device.0.lock();
        state.lose();
        state.starts += 1;
        // Somebody has the sessions with these handles now, and nobody has logged in.
        state.open = (1..=state.last).collect();
    }
    assert!(connection.may_be_anothers(&lease));
    assert_eq!(signed(&connection).unwrap(), "signature");
    assert_eq!(connection.phase(), phase + 2);
    assert!(connection.may_be_anothers(&lease));
    connection.give_back(&lease, Fate::Clean);
    assert!(
        connection.device.0.lock().open.contains(&lease.session),
        "it is another's"
    );
}

#[test]
fn what_a_device_may_have_made_is_not_made_again() {
    let connection = connection();
    let mut made = 0;
    let done: Result<()> = connection.run(&cx(1), Repeat::IfRefused, |_| {
        made += 1;
        Err(Rv::DeviceError)
    });
    assert_eq!(done.map_err(|error| error.rv()), Err(Rv::DeviceError));
    assert_eq!(made, 1);
}

#[test]
fn a_device_error_is_believed_when_no_session_can_be_opened_any_more() {
    let connection = connection();
    connection.log_in(1, &with(Role::User), None).unwrap();
    let phase = connection.phase();
    let done: Result<()> = connection.run(&cx(1), Repeat::Always, |_| {
        connection.device.0.lock().refuse_open = [Rv::DeviceError; 2].into();
        Err(Rv::DeviceError)
    });
    assert!(done.is_err());
    assert_ne!(connection.phase(), phase, "though its sessions seem to live");
    assert!(
        connection.device.0.lock().open.is_empty(),
        "nothing is left open at the vendor"
    );
}

#[test]
fn wrong_data_that_a_device_answers_with_a_device_error_loses_nothing() {
    let connection = connection();
    connection.log_in(1, &with(Role::User), None).unwrap();
    let (phase, mut tries) = (connection.phase(), 0);
    let done: Result<()> = connection.run(&cx(1), Repeat::Always, |_| {
        tries += 1;
        Err(Rv::DeviceError)
    });
    assert_eq!(done.map_err(|error| error.rv()), Err(Rv::DeviceError));
    assert!(tries > 1, "it may have been the device");
    assert_eq!(connection.phase(), phase);
}

#[test]
fn an_operation_that_wants_a_login_of_its_own_loses_no_other() {
    for tells_login in [false, true] {
        let connection = connection();
        connection.device.0.lock().tells_login = tells_login;
        connection.log_in(1, &with(Role::User), None).unwrap();
        let mut leases = Vec::new();
        let done: Result<()> = connection.run(&cx(1), Repeat::Always, |lease| {
            leases.push(lease.logins);
            Err(Rv::UserNotLoggedIn)
        });
        assert_eq!(done.map_err(|error| error.rv()), Err(Rv::UserNotLoggedIn));
        assert_eq!(leases, [0], "it is not done again");
        connection
            .run(&cx(1), Repeat::Always, |lease| {
                leases.push(lease.logins);
                sign(&connection, lease)
            })
            .unwrap();
        assert_eq!(leases, [0, 0], "handles are as good as before");
        assert_eq!(connection.device.0.lock().repeated, 0);
    }
}

#[test]
fn nothing_is_done_before_a_logout_that_failed_was_made_up_for() {
    let connection = connection();
    connection.log_in(1, &with(Role::So), None).unwrap();
    connection.device.0.lock().refuse_log_out = [Rv::GeneralError; 3].into();
    assert!(connection.log_out(1, None).unwrap());
    // Some devices keep the login though all sessions are closed.
    connection.device.0.lock().role = Some(Role::So);
    let refused = signed(&connection).map_err(|error| error.rv());
    assert_eq!(refused, Err(Rv::GeneralError));
    connection.log_in(1, &with(Role::User), None).unwrap();
    assert_eq!(signed(&connection).unwrap(), "signature");
}

#[test]
fn a_device_that_fails_at_any_logout_without_a_login_is_used_all_the_same() {
    let connection = connection();
    connection.device.0.lock().tells_login = true;
    connection.log_in(1, &with(Role::User), None).unwrap();
    connection.device.0.lock().refuse_log_out = [Rv::GeneralError; 3].into();
    connection.log_out(1, None).unwrap();
    connection.log_in(1, &with(Role::User), None).unwrap();
    assert_eq!(signed(&connection).unwrap(), "signature");
}

#[test]
fn a_logout_that_fails_once_loses_no_session() {
    let connection = connection();
    connection.log_in(1, &with(Role::User), None).unwrap();
    connection.device.0.lock().refuse_log_out = [Rv::FunctionFailed].into();
    let phase = connection.phase();
    connection.log_out(1, None).unwrap();
    assert_eq!(connection.phase(), phase);
    assert_eq!(connection.device.0.lock().role, None);
}

#[test]
fn a_login_that_comes_too_late_is_none() {
    let connection = connection();
    let late = connection.log_in(1, &with(Role::So), Some(Instant::now()));
    assert_eq!(late.map_err(|error| error.rv()), Err(Rv::DeviceError));
    assert_eq!(connection.role(), None);
    assert_eq!(connection.device.0.lock().role, None);
}

/// A deadline that is over, as a worker finds it that was held up elsewhere.
fn over() -> Option<Instant> {
    Some(Instant::now())
}

#[test]
fn a_login_that_begins_too_late_leaves_a_newer_one_alone() {
    for role in [Role::User, Role::So] {
        let connection = connection();
        let deadline = over();
        connection.log_in(1, &with(Role::User), None).unwrap();
        let late = connection.log_in(1, &with(role), deadline);
        assert_eq!(late.map_err(|error| error.rv()), Err(Rv::DeviceError));
        assert_eq!(connection.role(), Some(Role::User));
        assert_eq!(signed(&connection).unwrap(), "signature");
        let state = connection.device.0.lock();
        assert_eq!((state.attempts, state.over), (1, 0), "the device was not asked");
    }
}

#[test]
fn a_logout_that_begins_too_late_leaves_a_newer_login_alone() {
    let connection = connection();
    let deadline = over();
    connection.log_in(1, &with(Role::User), None).unwrap();
    let late = connection.log_out(1, deadline);
    assert_eq!(late.map_err(|error| error.rv()), Err(Rv::UserNotLoggedIn));
    assert_eq!(signed(&connection).unwrap(), "signature");
    assert_eq!(connection.device.0.lock().over, 0);
}

#[test]
fn a_logout_that_comes_too_late_ends_the_login_that_it_was_for() {
    let connection = connection();
    connection.log_in(1, &with(Role::User), None).unwrap();
    assert!(connection.log_out(1, over()).unwrap());
    assert_eq!(connection.device.0.lock().role, None);
    assert_eq!(connection.device.0.lock().over, 1);
}

#[test]
fn nothing_is_begun_after_its_deadline() {
    let connection = connection();
    let late = CallCx {
        deadline: over(),
        ..cx(1)
    };
    let done: Result<()> = connection.run(&late, Repeat::Always, |_| panic!("it is too late"));
    assert_eq!(done.map_err(|error| error.rv()), Err(Rv::DeviceError));
    let done: Result<()> = connection.on_anchor(Repeat::Always, over(), |_| panic!("it is too late"));
    assert_eq!(done.map_err(|error| error.rv()), Err(Rv::DeviceError));
    let phase = connection.phase();
    assert!(connection.disconnect(over()).is_err());
    assert_eq!(connection.phase(), phase);
}

struct Source(Mutex<&'static [u8]>);

impl crate::login::PinSource for Source {
    fn pin(&self) -> Result<Zeroizing<Vec<u8>>> {
        Ok(Zeroizing::new(self.0.lock().to_vec()))
    }
}

#[test]
fn a_configured_pin_that_is_refused_is_tried_once_and_no_login_is_barred_by_it() {
    let connection = connection();
    let source = std::sync::Arc::new(Source(Mutex::new(b"wrong")));
    connection.with_login(|login| login.configure(Some(source.clone())));
    for _ in 0..5 {
        let rv = signed(&connection).map_err(|error| error.rv());
        assert_eq!(rv, Err(Rv::FunctionFailed));
    }
    assert_eq!(connection.device.0.lock().attempts, 1);
    connection.device.0.lock().lose();
    assert!(signed(&connection).is_err());
    assert_eq!(
        connection.device.0.lock().attempts,
        1,
        "nor when the device was lost"
    );
    connection.log_in(1, &with(Role::User), None).unwrap();
    assert_eq!(signed(&connection).unwrap(), "signature");
    connection.log_out(1, None).unwrap();
    assert!(signed(&connection).is_err(), "that login is over");
    assert_eq!(
        connection.device.0.lock().attempts,
        2,
        "nor when somebody logs out"
    );
    *source.0.lock() = PIN;
    assert_eq!(signed(&connection).unwrap(), "signature");
    assert_eq!(connection.device.0.lock().attempts, 3);
}

#[test]
fn a_login_of_the_applications_own_is_not_ended() {
    let connection = connection();
    {
        let mut state = connection.device.0.lock();
        state.foreign = true;
        state.role = Some(Role::User);
    }
    let rv = connection
        .log_in(1, &with(Role::User), None)
        .map_err(|error| error.rv());
    assert_eq!(rv, Err(Rv::UserAlreadyLoggedIn));
    assert_eq!(connection.device.0.lock().role, Some(Role::User));
}

#[test]
fn a_pin_is_not_changed_twice_by_a_device_that_failed_in_the_midst_of_it() {
    let connection = connection();
    for (rv, expected) in [(Rv::DeviceError, 1), (Rv::SessionHandleInvalid, 2)] {
        let mut tries = 0;
        let done: Result<()> = connection.on_anchor(Repeat::IfRefused, None, |_| {
            tries += 1;
            Err(rv.into())
        });
        assert!(done.is_err());
        assert_eq!(tries, expected, "{}", rv.name());
    }
}

#[test]
fn read_only_sessions_are_closed_before_the_security_officer_logs_in() {
    let connection = connection();
    let read_only = CallCx {
        access: Access {
            writable: false,
            login: None,
        },
        ..cx(1)
    };
    connection.run(&read_only, Repeat::Always, |_| Ok(())).unwrap();
    connection.log_in(1, &with(Role::So), None).unwrap();
    assert!(connection.log_out(1, None).unwrap());
    connection.run(&read_only, Repeat::Always, |_| Ok(())).unwrap();
}

#[test]
fn faults_at_any_call_of_open_leave_a_connection_that_works() {
    for rv in [
        Rv::DeviceError,
        Rv::DeviceRemoved,
        Rv::SessionCount,
        Rv::TokenNotPresent,
        Rv::HostMemory,
    ] {
        for n in 0..6 {
            let connection = connection();
            let script = (0..n).map(|_| rv);
            connection.device.0.lock().refuse_open = script.collect();
            for _ in 0..n {
                let _ = connection.log_in(1, &with(Role::User), None);
                let _ = signed(&connection);
            }
            let again = connection.log_in(1, &with(Role::User), None);
            assert!(again.is_ok(), "{}: {again:?}", rv.name());
            assert_eq!(signed(&connection).unwrap(), "signature");
        }
    }
}
