// SPDX-License-Identifier: MIT
//! What ends work before it was fetched: deadlines, cancellation, the end of logins, sessions and the library.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cryptoki_sys as ck;
use keyenclave_model::error::{Result, Rv};
use keyenclave_model::token::OperationClass::{Decrypt, Encrypt, Sign};
use keyenclave_model::token::{Pin, Role, SessionId};
use keyenclave_module::abi::values::RawMechanism;
use keyenclave_module::entry::{crypt, sessions};
use keyenclave_module::library::Library;

use crate::late::{KEY, MOST, sign_init, within_patience};
use crate::scene::{
    Memory, asynchronous, complete, fetched, name, open_async, refused, scene_of, single, start,
};

#[test]
fn work_is_cancelled_at_its_deadline() {
    let scene = scene_of(Some(Duration::ZERO));
    let session = open_async(&scene.lib);
    let (memory, asked) = start(&scene, session, Sign);
    let (outcome, data) = complete(&scene.lib, session, name(c"C_Sign"));
    assert_eq!(outcome, Some(Rv::DeviceError));
    assert_eq!(data.pValue.cast_const(), memory.bytes.as_ptr());
    assert_eq!(scene.cancelled(), 1);
    assert!(!asked.bytes(b"late"), "nobody listens any more");
    assert_eq!(
        refused(&scene.lib, session, c"C_Sign"),
        Some(Rv::OperationNotInitialized)
    );
    assert!(memory.is_untouched());
}

#[test]
fn an_answer_that_is_there_at_the_deadline_counts() {
    let scene = scene_of(Some(Duration::ZERO));
    let session = open_async(&scene.lib);
    let (memory, asked) = start(&scene, session, Sign);
    assert!(asked.bytes(b"late"));
    assert_eq!(fetched(&scene.lib, session, c"C_Sign", &memory), b"late");
    assert_eq!(scene.cancelled(), 0);
}

/// A way to end work that is pending.
type Canceller = fn(&Library, SessionId) -> Result<()>;

#[test]
fn whatever_ends_an_operation_cancels_its_work() {
    let ways: HashMap<&str, Canceller> = HashMap::from([
        (
            "C_SessionCancel",
            (|lib, session| sessions::session_cancel(lib, session, ck::CKF_SIGN)) as Canceller,
        ),
        ("C_CloseSession", |lib, session| {
            sessions::close_session(lib, session)
        }),
        ("C_CloseAllSessions", |lib, _| {
            sessions::close_all_sessions(lib, 0)
        }),
        ("C_Logout", |lib, session| sessions::logout(lib, session)),
        ("C_SignInit with null", |lib, session| {
            // SAFETY: null is not read.
            let null = unsafe { RawMechanism::new(std::ptr::null()) };
            crypt::init(lib, session, Sign, null, Some(KEY))
        }),
        ("C_Finalize", |lib, _| {
            lib.close();
            Ok(())
        }),
    ]);
    for (way, cancel) in ways {
        let scene = asynchronous();
        let session = open_async(&scene.lib);
        let slot = scene.lib.slot(0).unwrap().1;
        slot.login(session, true, Role::User, Pin(b"1234")).unwrap();
        let (memory, asked) = start(&scene, session, Sign);
        assert_eq!(refused(&scene.lib, session, c"C_Sign"), Some(Rv::Pending));
        cancel(&scene.lib, session).unwrap();
        assert_eq!(scene.cancelled(), 1, "{way}");
        assert!(!asked.bytes(b"late"), "{way}: nobody listens any more");
        let gone = refused(&scene.lib, session, c"C_Sign");
        assert!(
            matches!(gone, Some(Rv::OperationNotInitialized | Rv::SessionHandleInvalid)),
            "{way}"
        );
        assert!(memory.is_untouched(), "{way}");
    }
}

#[test]
fn the_end_of_the_library_cancels_all_work() {
    let scene = asynchronous();
    let pending: Vec<_> = [Sign, Decrypt, Encrypt]
        .into_iter()
        .map(|class| start(&scene, open_async(&scene.lib), class))
        .collect();
    scene.lib.close();
    assert_eq!(scene.cancelled(), 3);
    for (memory, asked) in &pending {
        assert!(!asked.bytes(b"late"));
        assert!(memory.is_untouched());
    }
}

#[test]
fn the_end_of_a_login_is_enough_to_end_its_work() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    let slot = scene.lib.slot(0).unwrap().1;
    slot.login(session, true, Role::User, Pin(b"1234")).unwrap();
    sign_init(&scene.lib, session).unwrap();
    // Without what C_Logout does about sessions: the number of the login alone has to do.
    slot.logout().unwrap();
    let mut memory = Memory::of(MOST);
    assert_eq!(
        single(&scene.lib, session, Sign, &mut memory),
        Some(Rv::OperationNotInitialized)
    );
    slot.login(session, true, Role::User, Pin(b"1234")).unwrap();
    let (memory, asked) = start(&scene, session, Sign);
    slot.logout().unwrap();
    assert!(asked.bytes(b"late"));
    let (outcome, data) = complete(&scene.lib, session, name(c"C_Sign"));
    assert_eq!(outcome, Some(Rv::OperationNotInitialized));
    let buffer = memory.bytes.as_ptr();
    assert_eq!((data.pValue.cast_const(), data.ulValue), (buffer, 0));
    assert_eq!(scene.cancelled(), 1, "and that was the end of it");
    assert_eq!(
        refused(&scene.lib, session, c"C_Sign"),
        Some(Rv::OperationNotInitialized),
        "the buffer is named once"
    );
    assert!(memory.is_untouched());
}

#[test]
fn the_place_of_work_from_a_login_that_is_over_is_free() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    let slot = scene.lib.slot(0).unwrap().1;
    slot.login(session, true, Role::User, Pin(b"1234")).unwrap();
    let (memory, _asked) = start(&scene, session, Sign);
    slot.logout().unwrap();
    assert!(sign_init(&scene.lib, session).is_ok());
    assert_eq!(scene.cancelled(), 1, "what was left there is gone");
    assert!(memory.is_untouched());
}

#[test]
fn a_token_that_panics_ends_the_operation() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    let (memory, asked) = start(&scene, session, Sign);
    asked.panic();
    let lib = Arc::clone(&scene.lib);
    let outcome = std::thread::spawn(move || refused(&lib, session, c"C_Sign")).join();
    assert!(outcome.is_err());
    assert_eq!(
        refused(&scene.lib, session, c"C_Sign"),
        Some(Rv::OperationNotInitialized)
    );
    assert!(memory.is_untouched());
    assert!(sign_init(&scene.lib, session).is_ok());
}

#[test]
fn nothing_is_written_once_a_cancellation_has_returned() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    for _ in 0..300 {
        let (memory, asked) = start(&scene, session, Sign);
        let lib = Arc::clone(&scene.lib);
        let fetcher = std::thread::spawn(move || {
            loop {
                let (outcome, _) = complete(&lib, session, name(c"C_Sign"));
                if outcome != Some(Rv::Pending) {
                    return outcome;
                }
            }
        });
        // It may be there before or after.
        asked.bytes(b"late");
        sessions::session_cancel(&scene.lib, session, ck::CKF_SIGN).unwrap();
        let after = memory.bytes.to_vec();
        let outcome = within_patience("the fetcher", move || fetcher.join().unwrap());
        assert!(matches!(outcome, None | Some(Rv::OperationNotInitialized)));
        assert_eq!(outcome.is_none(), after[..4] == *b"late");
        assert_eq!(memory.bytes[..], after);
    }
}
