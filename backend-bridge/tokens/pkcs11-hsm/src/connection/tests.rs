// SPDX-License-Identifier: MIT
//! The connection over a device of words.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod fake;
mod logins;

use super::*;
use fake::{connection, cx, sign, signed, with};

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

/// A deadline that is over, as a worker finds it that was held up elsewhere.
fn over() -> Option<Instant> {
    Some(Instant::now())
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
