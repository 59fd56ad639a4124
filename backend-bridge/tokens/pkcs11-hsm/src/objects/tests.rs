// SPDX-License-Identifier: MIT
//! Handles through losses of connection, login and session.

#![allow(clippy::unwrap_used)]
use super::*;

const ONE: SessionId = SessionId(1);

fn objects() -> Objects {
    Objects::new(Arc::new(HandleSource::starting_at(100)))
}

fn known_as(label: &str, private: bool) -> Vec<Attribute> {
    vec![
        (ck::CKA_TOKEN, Ok(Value::Bool(true))),
        (ck::CKA_PRIVATE, Ok(Value::Bool(private))),
        (ck::CKA_UNIQUE_ID, Err(Rv::AttributeTypeInvalid)),
        (ck::CKA_LABEL, Ok(Value::bytes(label.as_bytes()))),
    ]
}

fn lease(number: u64) -> Lease {
    Lease {
        session: 5,
        generation: 0,
        number,
        logins: 0,
    }
}

const FIRST: Lease = Lease {
    session: 5,
    generation: 0,
    number: 1,
    logins: 0,
};
/// After a loss of the connection.
const LATER: Lease = Lease {
    generation: 2,
    ..FIRST
};
/// After a loss of the login.
const LOGGED_IN_AGAIN: Lease = Lease { logins: 2, ..FIRST };

fn nothing(_: &Template) -> Answer<Vec<Handle>> {
    Ok(Vec::new())
}

#[test]
fn one_object_has_one_handle() {
    let objects = objects();
    let id = objects.adopt(7, &FIRST, None);
    assert_eq!(objects.adopt(7, &FIRST, None), id);
    assert_eq!(objects.of(7, &FIRST), Some(id));
    assert_ne!(objects.adopt(8, &FIRST, None), id);
}

#[test]
fn a_token_object_is_found_again_after_a_loss() {
    let objects = objects();
    let id = objects.adopt(7, &FIRST, Some(known_as("key", true)));
    objects.lose();
    let find = |template: &Template| {
        assert_eq!(template.bytes(ck::CKA_LABEL), Some(b"key".as_slice()));
        Ok(vec![70])
    };
    let found = objects.resolve(id, &LATER, Rv::KeyHandleInvalid, find).unwrap();
    assert_eq!(found.0, 70);
    assert_eq!(objects.of(70, &LATER), Some(id), "it keeps its handle");
}

#[test]
fn private_objects_are_searched_for_again_after_a_lost_login() {
    let objects = objects();
    let private = objects.adopt(7, &FIRST, Some(known_as("key", true)));
    let public = objects.adopt(8, &FIRST, Some(known_as("public", false)));
    objects.lose_private();
    let (found, _) = objects
        .resolve(private, &LOGGED_IN_AGAIN, Rv::KeyHandleInvalid, |_| Ok(vec![70]))
        .unwrap();
    assert_eq!((found, objects.peek(public, &LOGGED_IN_AGAIN)), (70, Some(8)));
}

#[test]
fn a_private_object_that_was_found_before_a_login_was_lost_is_searched_for_again() {
    let objects = objects();
    objects.lose_private();
    let key = objects.adopt(7, &FIRST, Some(known_as("key", true)));
    assert_eq!(objects.peek(key, &LOGGED_IN_AGAIN), None);
    let again = objects.adopt(7, &LOGGED_IN_AGAIN, Some(known_as("other", true)));
    assert_ne!(again, key, "the vendor has given the handle to another");
}

#[test]
fn an_object_that_is_found_after_a_loss_keeps_its_handle() {
    let objects = objects();
    let key = objects.adopt(7, &FIRST, Some(known_as("key", true)));
    let other = objects.adopt(8, &FIRST, Some(known_as("other", true)));
    objects.lose();
    assert_eq!(objects.adopt(8, &LATER, Some(known_as("key", true))), key);
    assert_ne!(objects.adopt(9, &LATER, Some(known_as("new", true))), other);
    assert_eq!(objects.peek(key, &LATER), Some(8));
}

#[test]
fn an_object_that_cannot_be_told_from_another_is_not_guessed() {
    let objects = objects();
    let id = objects.adopt(7, &FIRST, None);
    let lost = |objects: &Objects, found: Vec<Handle>| {
        let missing = objects.resolve(id, &LATER, Rv::KeyHandleInvalid, |_| Ok(found));
        missing.err()
    };
    objects.lose();
    assert_eq!(
        lost(&objects, vec![70]),
        Some(Rv::KeyHandleInvalid),
        "nothing is known of it"
    );
    objects.get(id).unwrap().note(known_as("key", true));
    assert_eq!(lost(&objects, vec![70, 71]), Some(Rv::KeyHandleInvalid));
    assert_eq!(lost(&objects, vec![]), Some(Rv::KeyHandleInvalid));
}

#[test]
fn session_objects_die_with_their_session() {
    let objects = objects();
    let mine = objects.made(7, &FIRST, Some((ONE, lease(1)))).0;
    let other = objects.made(8, &FIRST, Some((SessionId(2), lease(2)))).0;
    objects.close_session(ONE);
    assert!(objects.get(mine).is_none() && objects.get(other).is_some());
    objects.lose_session(&lease(2));
    assert!(
        objects
            .resolve(other, &FIRST, Rv::ObjectHandleInvalid, nothing)
            .is_err()
    );
}

#[test]
fn objects_of_a_closed_session_are_hidden() {
    let objects = objects();
    let gone = objects.made(7, &FIRST, Some((ONE, lease(1)))).0;
    let other = objects.made(8, &FIRST, Some((SessionId(2), lease(1)))).0;
    objects.hide_session(ONE);
    assert!(objects.get(gone).is_none() && objects.get(other).is_some());
    let hides = |handle| objects.hidden.look(std::time::Instant::now()).hides(handle);
    assert!(hides(7) && !hides(8));
    objects.made(7, &FIRST, None);
    assert!(!hides(7), "that is another object");
}

#[test]
fn a_logout_voids_the_handles_of_private_objects() {
    let objects = objects();
    let public = objects.adopt(7, &FIRST, Some(known_as("public", false)));
    let private = objects.adopt(8, &FIRST, Some(known_as("private", true)));
    objects.log_out();
    assert!(objects.get(public).is_some() && objects.get(private).is_none());
    assert_ne!(
        objects.adopt(8, &FIRST, None),
        private,
        "handles are not used twice"
    );
}

#[test]
fn a_handle_that_the_vendor_uses_again_is_another_object() {
    let objects = objects();
    let first = objects.made(7, &FIRST, None).0;
    let second = objects.made(7, &FIRST, None).0;
    assert!(objects.get(first).is_none() && objects.get(second).is_some());
}
