// SPDX-License-Identifier: MIT
//! A soft token that others use too: other instances on the same directory, other threads, and somebody who edits
//! the file.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod token_fixture;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cryptoki_sys as ck;
use keyenclave_model::algorithm::Curve;
use keyenclave_model::error::Rv;
use keyenclave_model::token::{CallCx, OperationClass, Role, SessionId, Token, Work};
use token_fixture::*;

/// Two instances with the user logged in to both.
fn two() -> (Fixture, Fixture) {
    let one = Fixture::for_user();
    let other = one.other();
    other.login(Role::User, USER_PIN).unwrap();
    (one, other)
}

#[test]
fn two_instances_see_each_others_changes_at_the_next_call() {
    let (one, other) = two();
    for private in [false, true] {
        let handle = one.create(user(), &data("shared", true, private)).unwrap();
        let seen = other.find(user(), &by_label("shared"));
        assert_eq!(seen.len(), 1);
        let renamed = template([(ck::CKA_LABEL, bytes("renamed")), (ck::CKA_VALUE, bytes("new"))]);
        other.set(user(), seen[0], &renamed).unwrap();
        assert!(one.find(user(), &by_label("shared")).is_empty());
        assert_eq!(one.find(user(), &by_label("renamed")), [handle]);
        assert_eq!(
            one.view(user(), handle).unwrap().bytes(ck::CKA_VALUE),
            Some(&b"new"[..])
        );
        one.destroy(user(), handle).unwrap();
        assert_eq!(rv(other.view(user(), seen[0])), Rv::ObjectHandleInvalid);
        assert_eq!(rv(other.destroy(user(), seen[0])), Rv::ObjectHandleInvalid);
        assert!(other.find(user(), &template([])).is_empty());
    }
}

#[test]
fn a_key_made_by_one_instance_signs_in_the_other_and_ends_with_its_object() {
    let (one, other) = two();
    let (of_public, of_private) = kept(ec_pair(Curve::P256), "key");
    let (public_key, private_key) = one
        .generate_pair(user(), ck::CKM_EC_KEY_PAIR_GEN, &of_public, &of_private)
        .unwrap();
    let class = |class| template([(ck::CKA_LABEL, bytes("key")), (ck::CKA_CLASS, number(class))]);
    let theirs = other.find(user(), &class(ck::CKO_PRIVATE_KEY))[0];
    let ecdsa = plain(ck::CKM_ECDSA_SHA256);
    let sign = || other.run(user(), OperationClass::Sign, &ecdsa, theirs, b"message");
    let signature = sign().unwrap();
    one.verify(user(), &ecdsa, public_key, b"message", &signature)
        .unwrap();
    // The parsed key is cached; so is the right to use it, and both end at once.
    one.set(user(), private_key, &template([(ck::CKA_SIGN, no())]))
        .unwrap();
    assert_eq!(rv(sign()), Rv::KeyFunctionNotPermitted);
    one.destroy(user(), private_key).unwrap();
    assert_eq!(rv(sign()), Rv::KeyHandleInvalid);
}

#[test]
fn a_token_initialised_anew_elsewhere_ends_login_and_handles() {
    let (one, other) = two();
    let token = one.create(user(), &data("t", true, false)).unwrap();
    let secret = one.create(user(), &data("s", false, true)).unwrap();
    let open = one.create(user(), &data("o", false, false)).unwrap();
    let epoch = one.token.epoch();
    other.init_token(SO_PIN, "new").unwrap();
    assert_ne!(one.token.epoch(), epoch);
    assert_eq!(one.token.epoch(), other.token.epoch());
    assert!(one.token.info().unwrap().label.starts_with(b"new "));
    assert_eq!(rv(one.view(user(), token)), Rv::ObjectHandleInvalid);
    assert_eq!(rv(one.view(user(), secret)), Rv::ObjectHandleInvalid);
    assert!(one.view(user(), open).is_ok());
    // With the vault of the old token nothing is written to the new one.
    assert_eq!(
        rv(one.create(user(), &data("x", true, true))),
        Rv::UserNotLoggedIn
    );
    assert!(other.find(public(), &by_label("x")).is_empty());
}

#[test]
fn a_pin_changed_elsewhere_holds_here() {
    let (one, other) = two();
    let work = Work::SetPin {
        old: keyenclave_model::token::Pin(USER_PIN),
        new: keyenclave_model::token::Pin(b"changed"),
    };
    other.work(user(), work).unwrap();
    let handle = one.create(user(), &data("still logged in", true, true)).unwrap();
    one.work(user(), Work::Logout).unwrap();
    assert_eq!(rv(one.login(Role::User, USER_PIN)), Rv::PinIncorrect);
    one.login(Role::User, b"changed").unwrap();
    assert_eq!(rv(one.view(user(), handle)), Rv::ObjectHandleInvalid);
    assert_eq!(one.find(user(), &by_label("still logged in")).len(), 1);
}

/// Runs SQL on the store of a fixture whose instances have gone.
fn edit(directory: &std::path::Path, sql: &str) {
    let connection = rusqlite::Connection::open(directory.join("token.db")).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    let changed = connection.execute(sql, []).unwrap();
    assert!(changed > 0, "{sql}");
}

#[test]
fn edited_objects_are_left_out_of_searches_and_the_others_stay() {
    for private in [false, true] {
        let fixture = Fixture::for_user();
        for label in ["one", "two", "three"] {
            fixture.create(user(), &data(label, true, private)).unwrap();
        }
        let directory = fixture.directory.clone();
        drop(fixture.token);
        // The body of one object in the row of another.
        edit(
            directory.path(),
            "UPDATE objects SET body = (SELECT body FROM objects ORDER BY number LIMIT 1)
             WHERE number = (SELECT number FROM objects ORDER BY number LIMIT 1 OFFSET 1)",
        );
        let fixture = Fixture::in_directory(directory);
        fixture.login(Role::User, USER_PIN).unwrap();
        assert_eq!(fixture.find(user(), &template([])).len(), 2, "private: {private}");
    }
}

#[test]
fn exchanged_bodies_of_public_objects_are_noticed_without_a_login() {
    let fixture = Fixture::for_user();
    for label in ["one", "two", "three"] {
        fixture.create(user(), &data(label, true, false)).unwrap();
    }
    let directory = fixture.directory.clone();
    drop(fixture.token);
    // Body and MAC together: nobody can check a MAC without the key, but the columns are not those of the body.
    edit(
        directory.path(),
        "UPDATE objects SET body = other.body, mac = other.mac FROM (SELECT number, body, mac FROM objects) AS other
             WHERE objects.number IN (1, 2) AND other.number = 3 - objects.number",
    );
    let fixture = Fixture::in_directory(directory);
    assert_eq!(fixture.find(public(), &template([])).len(), 1);
}

#[test]
fn an_unsealed_key_that_somebody_puts_into_the_file_is_not_used() {
    let fixture = Fixture::for_user();
    fixture.create(user(), &data("bait", true, false)).unwrap();
    let directory = fixture.directory.clone();
    drop(fixture.token);
    // The class of a data object becomes that of a secret key; anybody can make the hash that goes with it, and a
    // wrong one is as good here.
    edit(
        directory.path(),
        "UPDATE objects SET class = x'0400000000000000', mac = x'00'",
    );
    let fixture = Fixture::in_directory(directory);
    assert!(fixture.find(public(), &template([])).is_empty());
    fixture.login(Role::User, USER_PIN).unwrap();
    assert!(fixture.find(user(), &template([])).is_empty());
}

#[test]
fn a_mac_is_checked_as_soon_as_somebody_logs_in() {
    let fixture = Fixture::for_user();
    fixture.create(user(), &data("label-a", true, false)).unwrap();
    let directory = fixture.directory.clone();
    drop(fixture.token);
    edit(
        directory.path(),
        "UPDATE objects SET body = unhex(replace(hex(body), hex('value'), hex('VALUE')))",
    );
    let fixture = Fixture::in_directory(directory);
    let handle = fixture.find(public(), &by_label("label-a"))[0];
    assert_eq!(
        fixture.view(public(), handle).unwrap().bytes(ck::CKA_VALUE),
        Some(&b"VALUE"[..]),
        "nobody can tell without the key"
    );
    fixture.login(Role::User, USER_PIN).unwrap();
    assert_eq!(rv(fixture.view(user(), handle)), Rv::DeviceError);
    assert!(fixture.find(user(), &by_label("label-a")).is_empty());
}

#[test]
fn many_threads_mix_everything_without_an_error() {
    const THREADS: u64 = 8;
    const ROUNDS: u64 = 30;
    let (one, other) = two();
    let (of_public, of_private) = kept(ec_pair(Curve::P256), "shared key");
    let (public_key, private_key) = one
        .generate_pair(user(), ck::CKM_EC_KEY_PAIR_GEN, &of_public, &of_private)
        .unwrap();
    let ecdsa = plain(ck::CKM_ECDSA_SHA256);
    let signed = AtomicUsize::new(0);
    let worker = |fixture: &Fixture, thread: u64| {
        let cx = CallCx {
            session: SessionId(100 + thread),
            ..user()
        };
        for round in 0..ROUNDS {
            let label = format!("{thread}-{round}");
            let object = fixture
                .create(cx, &data(&label, round % 2 == 0, round % 3 == 0))
                .unwrap();
            assert_eq!(fixture.find(cx, &by_label(&label)), [object]);
            let renamed = format!("renamed {label}");
            fixture
                .set(cx, object, &template([(ck::CKA_LABEL, bytes(&renamed))]))
                .unwrap();
            assert_eq!(fixture.find(cx, &by_label(&renamed)), [object]);
            fixture.destroy(cx, object).unwrap();
            assert_eq!(rv(fixture.view(cx, object)), Rv::ObjectHandleInvalid);
        }
        fixture.token.close_session(cx.session);
    };
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let fixture = if thread % 2 == 0 { &one } else { &other };
            scope.spawn(move || worker(fixture, thread));
        }
        scope.spawn(|| {
            for _ in 0..ROUNDS {
                let signature = one
                    .run(user(), OperationClass::Sign, &ecdsa, private_key, b"m")
                    .unwrap();
                one.verify(user(), &ecdsa, public_key, b"m", &signature).unwrap();
                signed.fetch_add(1, Ordering::Relaxed);
            }
        });
    });
    assert_eq!(signed.into_inner() as u64, ROUNDS);
    for fixture in [&one, &other] {
        assert_eq!(fixture.find(user(), &template([])).len(), 2);
    }
}

#[test]
fn threads_that_change_the_same_object_do_not_lose_changes() {
    let (one, other) = two();
    let handle = one.create(user(), &data("contended", true, true)).unwrap();
    let theirs = other.find(user(), &by_label("contended"))[0];
    std::thread::scope(|scope| {
        for (fixture, handle, id) in [
            (&one, handle, ck::CKA_APPLICATION),
            (&other, theirs, ck::CKA_VALUE),
            (&one, handle, ck::CKA_OBJECT_ID),
        ] {
            scope.spawn(move || {
                for round in 0..10 {
                    let value = bytes(format!("round {round}"));
                    fixture.set(user(), handle, &template([(id, value)])).unwrap();
                }
            });
        }
    });
    let third = one.other();
    third.login(Role::User, USER_PIN).unwrap();
    let object = third.find(user(), &by_label("contended"))[0];
    let object = third.view(user(), object).unwrap();
    for id in [ck::CKA_APPLICATION, ck::CKA_VALUE, ck::CKA_OBJECT_ID] {
        assert_eq!(object.bytes(id), Some(&b"round 9"[..]));
    }
}

#[test]
fn a_session_that_closes_while_its_key_is_made_keeps_nothing() {
    let fixture = Fixture::blank();
    let session = CallCx {
        session: SessionId(55),
        ..public()
    };
    let (of_public, of_private) = rsa_pair(4096);
    std::thread::scope(|scope| {
        let making = scope
            .spawn(|| fixture.generate_pair(session, ck::CKM_RSA_PKCS_KEY_PAIR_GEN, &of_public, &of_private));
        while !making.is_finished() {
            fixture.token.close_session(session.session);
            std::thread::yield_now();
        }
        assert_eq!(rv(making.join().unwrap()), Rv::SessionClosed);
    });
    assert!(fixture.find(public(), &template([])).is_empty());
}
