// SPDX-License-Identifier: MIT
//! Logins over a device of words: what they survive, and what ends them.

use keyenclave_model::access::Access;
use zeroize::Zeroizing;

use super::super::*;
use super::fake::*;
use super::over;

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
