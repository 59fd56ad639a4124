// SPDX-License-Identifier: MIT
//! A token that answers late and one that never answers: blocking calls wait, deadlines hold, and nothing is locked
//! meanwhile.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod late;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use keyenclave_model::error::{Result, Rv};
use keyenclave_model::token::{Pin, Role, SessionId, Work};
use keyenclave_module::entry::{objects, sessions};
use keyenclave_module::library::Library;
use late::{open, scene, sign, sign_init, within_patience};

#[test]
fn a_blocking_call_waits_for_the_answer() {
    let scene = scene(None);
    let session = open(&scene.lib);
    sign_init(&scene.lib, session).unwrap();
    let lib = scene.lib.clone();
    let signer = thread::spawn(move || sign(&lib, session));
    let answer = scene.asked();
    assert!(!signer.is_finished());
    assert!(answer.bytes(b"late"));
    let signature = within_patience("the signer", move || signer.join().unwrap());
    assert_eq!(signature.unwrap(), b"late");
    assert_eq!(scene.cancelled(), 0);
}

#[test]
fn a_token_that_hangs_is_abandoned_at_the_deadline() {
    let scene = scene(Some(Duration::from_millis(50)));
    let session = open(&scene.lib);
    sign_init(&scene.lib, session).unwrap();
    let lib = scene.lib.clone();
    let outcome = within_patience("the signer", move || sign(&lib, session));
    assert_eq!(outcome.unwrap_err().rv(), Rv::DeviceError);
    assert_eq!(scene.cancelled(), 1);
    assert_eq!(
        sign(&scene.lib, session).unwrap_err().rv(),
        Rv::OperationNotInitialized
    );
    assert!(sign_init(&scene.lib, session).is_ok(), "the session goes on");
}

#[test]
fn nothing_is_locked_while_a_call_waits() {
    let scene = scene(None);
    let (waiting, other) = (open(&scene.lib), open(&scene.lib));
    sign_init(&scene.lib, waiting).unwrap();
    let lib = scene.lib.clone();
    let signer = thread::spawn(move || sign(&lib, waiting));
    let answer = scene.asked();
    let lib = scene.lib.clone();
    within_patience("another call", move || {
        let busy = |outcome: Result<()>| outcome.map_err(|error| error.rv());
        assert_eq!(
            busy(sign_init(&lib, waiting)),
            Err(Rv::OperationActive),
            "one operation of a class"
        );
        for session in [waiting, other] {
            // SAFETY: an empty template.
            let template = unsafe { keyenclave_module::abi::values::RawTemplate::new(std::ptr::null(), 0) };
            objects::find_objects_init(&lib, session, template).unwrap();
            objects::find_objects_final(&lib, session).unwrap();
        }
        let slot = lib.slot(0).unwrap().1;
        slot.login(other, true, Role::User, Pin(b"1234")).unwrap();
        slot.logout().unwrap();
        sign_init(&lib, other).unwrap();
        sessions::close_session(&lib, open(&lib)).unwrap();
        sessions::close_session(&lib, waiting).unwrap();
    });
    assert!(answer.bytes(b"late"));
    let signature = within_patience("the signer", move || signer.join().unwrap());
    assert_eq!(
        signature.unwrap(),
        b"late",
        "a call that is inside ends as it would have"
    );
    assert_eq!(
        sign(&scene.lib, waiting).unwrap_err().rv(),
        Rv::SessionHandleInvalid
    );
}

#[test]
fn two_sessions_wait_side_by_side() {
    let scene = scene(None);
    let signers: Vec<_> = (0..8)
        .map(|_| {
            let (lib, session) = (scene.lib.clone(), open(&scene.lib));
            sign_init(&lib, session).unwrap();
            thread::spawn(move || sign(&lib, session))
        })
        .collect();
    let answers: Vec<_> = signers.iter().map(|_| scene.asked()).collect();
    // The last that asked is answered first.
    for answer in answers.iter().rev() {
        assert!(answer.bytes(b"late"));
    }
    for signer in signers {
        assert_eq!(
            within_patience("a signer", move || signer.join().unwrap()).unwrap(),
            b"late"
        );
    }
}

/// Has the token panic when it is told of the logout that `leave` brings about on nobody's request; then others come.
fn the_token_panics_at_a_logout(leave: impl FnOnce(&Library, SessionId)) {
    let scene = scene(None);
    let session = open(&scene.lib);
    let slot = scene.lib.slot(0).unwrap().1;
    slot.login(session, true, Role::User, Pin(b"1234")).unwrap();
    scene.moments.left.next(|| panic!("a fault of the token's"));
    let outcome = catch_unwind(AssertUnwindSafe(|| leave(&scene.lib, session)));
    assert!(outcome.is_err(), "the token was told");
    let lib = scene.lib.clone();
    within_patience("whoever comes next", move || {
        let session = open(&lib);
        let slot = lib.slot(0).unwrap().1;
        assert_eq!(slot.access(true).login, None);
        slot.login(session, true, Role::User, Pin(b"1234")).unwrap();
        slot.logout().unwrap();
    });
}

#[test]
fn a_token_that_panics_after_the_last_session_stops_nobody() {
    the_token_panics_at_a_logout(|lib, session| sessions::close_session(lib, session).unwrap());
}

#[test]
fn a_token_that_panics_after_it_was_replaced_stops_nobody() {
    the_token_panics_at_a_logout(|lib, session| {
        let caller = lib.session(session).unwrap();
        // Which this token takes for another process that replaces it.
        let (role, pin) = (Role::So, Pin(b"1234"));
        drop(
            caller
                .slot
                .token
                .submit(&caller.call(), Work::Login { role, pin }),
        );
        drop(lib.session(session));
    });
}

#[test]
fn a_login_is_void_if_the_token_was_replaced_while_the_pin_was_tried() {
    let scene = scene(None);
    let session = open(&scene.lib);
    let slot = scene.lib.slot(0).unwrap().1;
    slot.login(session, true, Role::So, Pin(b"1234")).unwrap();
    let caller = scene.lib.session(session).unwrap();
    assert_eq!(caller.call().access.login, None);
    slot.login(session, true, Role::User, Pin(b"1234")).unwrap();
    let caller = scene.lib.session(session).unwrap();
    assert_eq!(caller.call().access.login, Some(Role::User));
}
