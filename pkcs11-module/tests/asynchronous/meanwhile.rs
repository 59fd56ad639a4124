// SPDX-License-Identifier: MIT
//! What another thread ends while a function is inside the token: nothing that was ended is said to be pending.

use std::sync::Arc;

use cryptoki_sys as ck;
use keyenclave_model::error::{Result, Rv};
use keyenclave_model::token::OperationClass::Sign;
use keyenclave_model::token::{Pin, Role, SessionId};
use keyenclave_module::entry::{crypt, sessions};
use keyenclave_module::library::Library;

use crate::keys::{generate_key, generate_key_pair};
use crate::late::{KEY, MOST, Meanwhile, Scene, init, rv, sign_init};
use crate::scene::{Memory, asynchronous, complete, input, name, open_async, refused, single, start};

/// A way to end what a session has under way, and what the functions that are inside say then.
struct Way {
    end: fn(&Library, SessionId) -> Result<()>,
    operation: Rv,
    begun: Rv,
}

/// `C_SessionCancel` is none of them: it refuses to end what is inside a function.
const WAYS: [Way; 3] = [
    Way {
        end: sessions::close_session,
        operation: Rv::SessionClosed,
        begun: Rv::SessionClosed,
    },
    Way {
        end: |lib, _| sessions::close_all_sessions(lib, 0),
        operation: Rv::SessionClosed,
        begun: Rv::SessionClosed,
    },
    Way {
        end: sessions::logout,
        operation: Rv::OperationNotInitialized,
        begun: Rv::UserNotLoggedIn,
    },
];

/// A session in which somebody is logged in.
fn logged_in() -> (Scene, SessionId) {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    let slot = scene.lib.slot(0).unwrap().1;
    slot.login(session, true, Role::User, Pin(b"1234")).unwrap();
    (scene, session)
}

fn end_at(
    moment: &Meanwhile,
    scene: &Scene,
    session: SessionId,
    end: impl FnOnce(&Library, SessionId) -> Result<()> + Send + 'static,
) {
    let lib = Arc::clone(&scene.lib);
    moment.next(move || end(&lib, session).unwrap());
}

#[test]
fn work_that_was_ended_before_its_function_returned_is_not_pending() {
    for way in WAYS {
        let (scene, session) = logged_in();
        sign_init(&scene.lib, session).unwrap();
        end_at(&scene.moments.asked, &scene, session, way.end);
        let mut memory = Memory::of(MOST);
        assert_eq!(
            single(&scene.lib, session, Sign, &mut memory),
            Some(way.operation)
        );
        assert_eq!(scene.cancelled(), 1);
        assert!(!scene.asked().bytes(b"late"), "nobody listens any more");
        assert!(memory.is_untouched());
    }
}

#[test]
fn a_key_whose_making_was_ended_is_not_pending() {
    for way in WAYS {
        let (scene, session) = logged_in();
        end_at(&scene.moments.asked, &scene, session, way.end);
        assert_eq!(generate_key(&scene.lib, session), (Some(way.begun), 7));
        assert_eq!(scene.cancelled(), 1);
    }
}

#[test]
fn an_operation_does_not_begin_in_a_session_that_is_closed() {
    let (scene, session) = logged_in();
    end_at(&scene.moments.found, &scene, session, sessions::close_session);
    assert_eq!(rv(init(&scene.lib, session, Sign, KEY)), Some(Rv::SessionClosed));
}

#[test]
fn a_closed_session_has_no_key_made() {
    let (scene, session) = logged_in();
    end_at(&scene.moments.found, &scene, session, sessions::close_session);
    assert_eq!(generate_key_pair(&scene.lib, session), Some(Rv::SessionClosed));
    assert!(scene.asked_already().is_none(), "the token was not asked");
}

#[test]
fn work_that_was_ended_while_it_was_asked_for_is_not_pending() {
    let cancel = || Way {
        end: |lib, session| sessions::session_cancel(lib, session, ck::CKF_SIGN),
        operation: Rv::OperationNotInitialized,
        begun: Rv::OperationNotInitialized,
    };
    for answered in [false, true] {
        for way in WAYS.into_iter().chain([cancel()]) {
            let (scene, session) = logged_in();
            let (memory, asked) = start(&scene, session, Sign);
            assert!(!answered || asked.bytes(b"late"));
            end_at(&scene.moments.polled, &scene, session, way.end);
            assert_eq!(refused(&scene.lib, session, c"C_Sign"), Some(way.operation));
            assert!(memory.is_untouched());
        }
    }
}

#[test]
fn a_login_that_ends_while_work_is_asked_for_names_the_buffer() {
    let (scene, session) = logged_in();
    let (memory, asked) = start(&scene, session, Sign);
    assert!(asked.bytes(b"late"));
    // Without what C_Logout does about sessions: as if the token was initialised anew.
    end_at(&scene.moments.polled, &scene, session, |lib, _| {
        lib.slot(0)?.1.logout()
    });
    let (outcome, data) = complete(&scene.lib, session, name(c"C_Sign"));
    assert_eq!(outcome, Some(Rv::OperationNotInitialized));
    let buffer = memory.bytes.as_ptr();
    assert_eq!((data.pValue.cast_const(), data.ulValue), (buffer, 0));
    assert!(memory.is_untouched());
}

#[test]
fn a_part_that_was_taken_in_too_late_says_so() {
    for way in WAYS {
        let (scene, session) = logged_in();
        sign_init(&scene.lib, session).unwrap();
        end_at(&scene.moments.taken_in, &scene, session, way.end);
        let part = crypt::absorb(&scene.lib, session, Sign, input(b"part"));
        assert_eq!(rv(part), Some(way.operation));
    }
}
