// SPDX-License-Identifier: MIT
//! Objects of a soft token: who sees, makes, changes and destroys them, and for how long.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod token_fixture;

use cryptoki_sys as ck;
use keyenclave_model::attribute::Value;
use keyenclave_model::error::Rv;
use keyenclave_model::token::{CallCx, Out, Role, SessionId, Token, Work};
use token_fixture::*;

fn certificate(value: &[u8]) -> keyenclave_model::template::Template {
    template([
        (ck::CKA_CLASS, number(ck::CKO_CERTIFICATE)),
        (ck::CKA_CERTIFICATE_TYPE, number(ck::CKC_X_509)),
        (ck::CKA_SUBJECT, bytes("subject")),
        (ck::CKA_VALUE, bytes(value)),
    ])
}

#[test]
fn a_token_describes_itself_to_everybody_and_nobody_changes_that() {
    let fixture = Fixture::initialised();
    let of_class = |class| template([(ck::CKA_CLASS, number(class))]);
    assert!(
        fixture.find(public(), &template([])).is_empty(),
        "a list of all objects is of keys"
    );
    let profiles = |fixture: &Fixture| {
        let found = fixture.find(public(), &of_class(ck::CKO_PROFILE));
        let of = |id: &keyenclave_model::token::ObjectId| {
            fixture.view(public(), *id).unwrap().ulong(ck::CKA_PROFILE_ID)
        };
        found.iter().filter_map(of).collect::<Vec<_>>()
    };
    let usual = [
        ck::CKP_BASELINE_PROVIDER,
        ck::CKP_AUTHENTICATION_TOKEN,
        ck::CKP_PUBLIC_CERTIFICATES_TOKEN,
    ];
    assert_eq!(profiles(&fixture), usual);
    // Its test case states RSA keys of 512 bits.
    let with_all = profiles(&Fixture::with_legacy_mechanisms());
    assert!(with_all.contains(&ck::CKP_EXTENDED_PROVIDER) && with_all.len() == usual.len() + 1);
    let told = fixture.token.mechanisms().unwrap();
    let mechanisms = fixture.find(public(), &of_class(ck::CKO_MECHANISM));
    assert_eq!(mechanisms.len(), told.len());
    let wanted = template([
        (ck::CKA_CLASS, number(ck::CKO_MECHANISM)),
        (ck::CKA_MECHANISM_TYPE, number(ck::CKM_SHA256)),
    ]);
    let found = fixture.find(public(), &wanted);
    let [sha256] = found.as_slice() else {
        panic!("not one object");
    };
    let label = template([(ck::CKA_LABEL, Value::bytes("mine"))]);
    assert_eq!(rv(fixture.set(public(), *sha256, &label)), Rv::ActionProhibited);
    assert_eq!(rv(fixture.destroy(public(), *sha256)), Rv::ActionProhibited);
    assert_eq!(rv(fixture.copy(public(), *sha256, &label)), Rv::ActionProhibited);
    assert_eq!(fixture.find(public(), &wanted), found, "the same again");
    let another = template([
        (ck::CKA_CLASS, number(ck::CKO_PROFILE)),
        (ck::CKA_PROFILE_ID, number(ck::CKP_COMPLETE_PROVIDER)),
    ]);
    assert!(fixture.find(public(), &another).is_empty());
    assert_eq!(rv(fixture.create(public(), &another)), Rv::AttributeValueInvalid);
}

#[test]
fn objects_are_found_by_every_attribute_and_by_several() {
    let fixture = Fixture::for_user();
    for cx in [false, true] {
        for private in [false, true] {
            let label = format!("{cx}-{private}");
            fixture.create(user(), &data(&label, cx, private)).unwrap();
        }
    }
    let find = |attributes: Vec<(u64, Value)>| fixture.find(user(), &template(attributes)).len();
    assert_eq!(find(vec![]), 4);
    assert_eq!(find(vec![(ck::CKA_CLASS, number(ck::CKO_DATA))]), 4);
    assert_eq!(find(vec![(ck::CKA_CLASS, number(ck::CKO_SECRET_KEY))]), 0);
    assert_eq!(find(vec![(ck::CKA_TOKEN, yes())]), 2);
    assert_eq!(find(vec![(ck::CKA_PRIVATE, yes())]), 2);
    assert_eq!(find(vec![(ck::CKA_TOKEN, no()), (ck::CKA_PRIVATE, yes())]), 1);
    assert_eq!(find(vec![(ck::CKA_LABEL, bytes("true-true"))]), 1);
    assert_eq!(
        find(vec![(ck::CKA_LABEL, bytes("true-true")), (ck::CKA_TOKEN, no())]),
        0
    );
    assert_eq!(find(vec![(ck::CKA_VALUE, bytes("value"))]), 4);
    assert_eq!(find(vec![(ck::CKA_ID, bytes(""))]), 0);
}

#[test]
fn each_object_has_one_handle_while_it_lives_and_a_unique_id() {
    let fixture = Fixture::for_user();
    let mut ids = std::collections::HashSet::new();
    for (token, private) in [(false, false), (false, true), (true, false), (true, true)] {
        let label = format!("{token}{private}");
        let handle = fixture.create(user(), &data(&label, token, private)).unwrap();
        assert_eq!(fixture.find(user(), &by_label(&label)), [handle]);
        let id = fixture.view(reader(), handle).unwrap();
        let id = id.bytes(ck::CKA_UNIQUE_ID).unwrap().to_vec();
        assert_eq!(id.len(), 32);
        assert_eq!(
            fixture.find(user(), &template([(ck::CKA_UNIQUE_ID, bytes(&id))])),
            [handle]
        );
        assert!(ids.insert(id));
        fixture.destroy(user(), handle).unwrap();
        assert_eq!(rv(fixture.view(user(), handle)), Rv::ObjectHandleInvalid);
        assert_eq!(rv(fixture.destroy(user(), handle)), Rv::ObjectHandleInvalid);
    }
    for handle in [0, 999_999, u64::MAX] {
        let handle = keyenclave_model::token::ObjectId(handle);
        assert_eq!(rv(fixture.view(user(), handle)), Rv::ObjectHandleInvalid);
    }
}

#[test]
fn only_the_user_sees_private_objects() {
    let fixture = Fixture::for_user();
    let token = fixture.create(user(), &data("t", true, true)).unwrap();
    let session = fixture.create(user(), &data("s", false, true)).unwrap();
    for cx in [public(), so()] {
        assert!(fixture.find(cx, &template([])).is_empty());
        for handle in [token, session] {
            assert_eq!(rv(fixture.view(cx, handle)), Rv::ObjectHandleInvalid);
            assert_eq!(rv(fixture.destroy(cx, handle)), Rv::ObjectHandleInvalid);
            assert_eq!(
                rv(fixture.copy(cx, handle, &template([]))),
                Rv::ObjectHandleInvalid
            );
        }
        for token in [false, true] {
            assert_eq!(
                rv(fixture.create(cx, &data("x", token, true))),
                Rv::UserNotLoggedIn
            );
        }
    }
}

#[test]
fn a_read_only_session_changes_session_objects_only() {
    let fixture = Fixture::for_user();
    let kept = fixture.create(user(), &data("kept", true, false)).unwrap();
    let gone = fixture.create(reader(), &data("gone", false, true)).unwrap();
    let label = template([(ck::CKA_LABEL, bytes("new"))]);
    assert_eq!(
        rv(fixture.create(reader(), &data("x", true, false))),
        Rv::SessionReadOnly
    );
    assert_eq!(rv(fixture.set(reader(), kept, &label)), Rv::SessionReadOnly);
    assert_eq!(rv(fixture.destroy(reader(), kept)), Rv::SessionReadOnly);
    let to_token = template([(ck::CKA_TOKEN, yes())]);
    assert_eq!(rv(fixture.copy(reader(), gone, &to_token)), Rv::SessionReadOnly);
    fixture.set(reader(), gone, &label).unwrap();
    assert_eq!(fixture.find(reader(), &by_label("new")), [gone]);
    fixture.destroy(reader(), gone).unwrap();
}

#[test]
fn a_logout_ends_private_session_objects_and_all_private_handles() {
    let fixture = Fixture::for_user();
    let make = |token, private| fixture.create(user(), &data("x", token, private)).unwrap();
    let (token_private, token_public) = (make(true, true), make(true, false));
    let (session_private, session_public) = (make(false, true), make(false, false));
    fixture.work(user(), Work::Logout).unwrap();
    assert_eq!(
        fixture.find(public(), &template([])),
        [session_public, token_public]
    );
    fixture.login(Role::User, USER_PIN).unwrap();
    for handle in [token_private, session_private] {
        assert_eq!(rv(fixture.view(user(), handle)), Rv::ObjectHandleInvalid);
    }
    assert!(fixture.view(user(), token_public).is_ok() && fixture.view(user(), session_public).is_ok());
    let found = fixture.find(user(), &template([]));
    assert_eq!(found.len(), 3);
    assert!(!found.contains(&token_private) && !found.contains(&session_private));
}

#[test]
fn a_closed_session_takes_its_own_objects_with_it() {
    let fixture = Fixture::blank();
    let session = |id| CallCx {
        session: SessionId(id),
        ..public()
    };
    let own = fixture.create(session(7), &data("own", false, false)).unwrap();
    let others = [6, 8].map(|id| fixture.create(session(id), &data("other", false, false)).unwrap());
    assert!(fixture.view(session(8), own).is_ok());
    fixture.token.close_session(SessionId(7));
    assert_eq!(rv(fixture.view(session(8), own)), Rv::ObjectHandleInvalid);
    assert_eq!(fixture.find(session(8), &by_label("other")), others);
}

#[test]
fn changes_are_kept_and_found_under_their_new_columns() {
    let fixture = Fixture::for_user();
    for private in [false, true] {
        for token in [false, true] {
            let handle = fixture.create(user(), &data("before", token, private)).unwrap();
            fixture
                .set(user(), handle, &template([(ck::CKA_LABEL, bytes("after"))]))
                .unwrap();
            assert!(fixture.find(user(), &by_label("before")).is_empty());
            assert_eq!(fixture.find(user(), &by_label("after")), [handle]);
            let expected = usize::from(token);
            let other = fixture.other();
            other.login(Role::User, USER_PIN).unwrap();
            assert_eq!(other.find(user(), &by_label("after")).len(), expected);
            fixture.destroy(user(), handle).unwrap();
        }
    }
}

#[test]
fn what_may_not_be_changed_stays() {
    let fixture = Fixture::for_user();
    let set = |handle, id, value| fixture.set(user(), handle, &template([(id, value)]));
    let handle = fixture.create(user(), &data("x", true, true)).unwrap();
    assert_eq!(rv(set(handle, ck::CKA_TOKEN, no())), Rv::AttributeReadOnly);
    assert_eq!(
        rv(set(handle, ck::CKA_UNIQUE_ID, bytes("1"))),
        Rv::AttributeReadOnly
    );
    assert_eq!(
        rv(set(handle, ck::CKA_MODULUS, bytes("1"))),
        Rv::AttributeTypeInvalid
    );
    let stuck = merged(
        &data("stuck", true, true),
        [
            (ck::CKA_MODIFIABLE, no()),
            (ck::CKA_COPYABLE, no()),
            (ck::CKA_DESTROYABLE, no()),
        ],
    );
    let stuck = fixture.create(user(), &stuck).unwrap();
    assert_eq!(rv(set(stuck, ck::CKA_LABEL, bytes("y"))), Rv::ActionProhibited);
    assert_eq!(
        rv(fixture.copy(user(), stuck, &template([]))),
        Rv::ActionProhibited
    );
    assert_eq!(rv(fixture.destroy(user(), stuck)), Rv::ActionProhibited);
}

#[test]
fn a_copy_is_an_object_of_its_own() {
    let fixture = Fixture::for_user();
    let original = fixture.create(user(), &data("original", false, true)).unwrap();
    let changes = template([(ck::CKA_TOKEN, yes()), (ck::CKA_VALUE, bytes("other"))]);
    let copy = fixture.copy(user(), original, &changes).unwrap();
    let (a, b) = (
        fixture.view(user(), original).unwrap(),
        fixture.view(user(), copy).unwrap(),
    );
    assert_ne!(a.bytes(ck::CKA_UNIQUE_ID), b.bytes(ck::CKA_UNIQUE_ID));
    assert_eq!((a.is_token(), b.is_token()), (false, true));
    assert_eq!(
        (a.bytes(ck::CKA_VALUE), b.bytes(ck::CKA_VALUE)),
        (Some(&b"value"[..]), Some(&b"other"[..]))
    );
    fixture.destroy(user(), original).unwrap();
    assert!(fixture.view(user(), copy).is_ok());
    let public_copy = template([(ck::CKA_PRIVATE, no())]);
    assert_eq!(
        rv(fixture.copy(user(), copy, &public_copy)),
        Rv::TemplateInconsistent
    );
}

#[test]
fn contradictory_and_hostile_templates_are_refused() {
    let fixture = Fixture::for_user();
    let refused = |attributes: Vec<(u64, Value)>| rv(fixture.create(user(), &template(attributes)));
    assert_eq!(refused(vec![]), Rv::TemplateIncomplete);
    assert_eq!(
        refused(vec![(ck::CKA_CLASS, number(99))]),
        Rv::AttributeValueInvalid
    );
    let key = aes_key(&[7; 16]);
    let with = |more: Vec<(u64, Value)>| rv(fixture.create(user(), &merged(&key, more)));
    assert_eq!(
        with(vec![(ck::CKA_ALWAYS_SENSITIVE, yes())]),
        Rv::AttributeReadOnly
    );
    assert_eq!(
        with(vec![(ck::CKA_NEVER_EXTRACTABLE, yes())]),
        Rv::AttributeReadOnly
    );
    assert_eq!(with(vec![(ck::CKA_LOCAL, yes())]), Rv::AttributeReadOnly);
    assert_eq!(with(vec![(ck::CKA_UNIQUE_ID, bytes("1"))]), Rv::AttributeReadOnly);
    assert_eq!(with(vec![(ck::CKA_TRUSTED, yes())]), Rv::AttributeReadOnly);
    assert_eq!(
        with(vec![(ck::CKA_MODULUS, bytes("1"))]),
        Rv::AttributeTypeInvalid
    );
    assert_eq!(
        with(vec![(ck::CKA_KEY_TYPE, number(ck::CKK_RSA))]),
        Rv::AttributeValueInvalid
    );
    assert_eq!(
        with(vec![(ck::CKA_VALUE, bytes("short"))]),
        Rv::AttributeValueInvalid
    );
    assert_eq!(
        with(vec![(ck::CKA_CHECK_VALUE, bytes("abc"))]),
        Rv::AttributeValueInvalid
    );
    let huge = merged(
        &data("huge", true, true),
        [(ck::CKA_VALUE, bytes(vec![0; 5 << 20]))],
    );
    assert_eq!(rv(fixture.create(user(), &huge)), Rv::DeviceMemory);
    assert!(fixture.find(user(), &template([])).is_empty());
}

/// Whether these bytes can be read in any file of the token's directory.
fn stands_in_the_files(fixture: &Fixture, bytes: &[u8]) -> bool {
    let mut files = std::fs::read_dir(fixture.directory.path()).unwrap();
    files.any(|file| {
        let content = std::fs::read(file.unwrap().path()).unwrap();
        content.windows(bytes.len()).any(|window| window == bytes)
    })
}

#[test]
fn a_stored_secret_that_is_not_private_is_sealed_and_shown_after_a_login_alone() {
    let fixture = Fixture::for_user();
    let value = *b"in clear nowhere";
    let kept = merged(&aes_key(&value), [(ck::CKA_TOKEN, yes())]);
    assert_eq!(rv(fixture.create(public(), &kept)), Rv::UserNotLoggedIn);
    let key = fixture.create(user(), &kept).unwrap();
    let session = fixture.create(user(), &aes_key(&value)).unwrap();
    let to_token = template([(ck::CKA_TOKEN, yes())]);
    assert_eq!(
        rv(fixture.copy(public(), session, &to_token)),
        Rv::UserNotLoggedIn
    );
    let copy = fixture.copy(user(), session, &to_token).unwrap();
    assert!(!fixture.view(user(), key).unwrap().is_private());
    let stored = |private| template([(ck::CKA_TOKEN, yes()), (ck::CKA_PRIVATE, private)]);
    assert_eq!(fixture.find(user(), &stored(no())), [key, copy]);
    assert_eq!(fixture.find(user(), &stored(yes())), []);
    assert_eq!(fixture.find(public(), &stored(no())), []);
    assert_eq!(rv(fixture.view(public(), key)), Rv::ObjectHandleInvalid);
    let other = fixture.other();
    other.login(Role::User, USER_PIN).unwrap();
    assert_eq!(other.find(user(), &stored(no())).len(), 2);
    assert!(!stands_in_the_files(&fixture, &value));
    let label = template([(ck::CKA_LABEL, bytes("in clear neither"))]);
    fixture.set(user(), key, &label).unwrap();
    assert!(!stands_in_the_files(&fixture, b"in clear neither"));
    assert_eq!(rv(fixture.destroy(public(), key)), Rv::ObjectHandleInvalid);
    fixture.destroy(user(), key).unwrap();
}

#[test]
fn the_so_sees_and_trusts_stored_keys_that_are_not_private() {
    let fixture = Fixture::for_user();
    let kept = |private| {
        let key = [(ck::CKA_TOKEN, yes()), (ck::CKA_PRIVATE, private)];
        fixture.create(user(), &merged(&aes_key(&[3; 32]), key)).unwrap()
    };
    let (open, closed) = (kept(no()), kept(yes()));
    let trusted = template([(ck::CKA_TRUSTED, yes())]);
    assert_eq!(rv(fixture.set(user(), open, &trusted)), Rv::AttributeReadOnly);
    fixture.work(user(), Work::Logout).unwrap();
    assert_eq!(fixture.find(public(), &template([])), []);
    let of_so = fixture.other();
    of_so.login(Role::So, SO_PIN).unwrap();
    let all = of_so.find(so(), &template([]));
    assert_eq!(all.len(), 1, "the private one is not shown");
    assert_eq!(of_so.find(so(), &template([(ck::CKA_PRIVATE, yes())])), []);
    of_so.set(so(), all[0], &trusted).unwrap();
    fixture.login(Role::So, SO_PIN).unwrap();
    for refused in [
        fixture.set(so(), closed, &trusted),
        fixture.view(so(), closed).map(drop),
        fixture.destroy(so(), closed),
    ] {
        assert_eq!(rv(refused), Rv::ObjectHandleInvalid);
    }
    fixture.work(so(), Work::Logout).unwrap();
    fixture.login(Role::User, USER_PIN).unwrap();
    for (private, is_trusted) in [(no(), true), (yes(), false)] {
        let found = fixture.find(user(), &template([(ck::CKA_PRIVATE, private)]));
        assert_eq!(found.len(), 1);
        let key = fixture.view(user(), found[0]).unwrap();
        assert_eq!(key.is_true(ck::CKA_TRUSTED), is_trusted);
    }
}

#[test]
fn certificates_get_a_check_value_and_trust_only_from_the_so() {
    let fixture = Fixture::initialised();
    let kept = |trusted| {
        merged(
            &certificate(b"abc"),
            [(ck::CKA_TOKEN, yes()), (ck::CKA_TRUSTED, trusted)],
        )
    };
    assert_eq!(rv(fixture.create(public(), &kept(yes()))), Rv::AttributeReadOnly);
    assert_eq!(
        rv(fixture.create(public(), &certificate(b""))),
        Rv::AttributeValueInvalid
    );
    fixture.login(Role::So, SO_PIN).unwrap();
    let handle = fixture.create(so(), &kept(yes())).unwrap();
    let view = |cx| fixture.view(cx, handle).unwrap();
    assert_eq!(
        view(so()).bytes(ck::CKA_CHECK_VALUE),
        Some(&[0xa9, 0x99, 0x3e][..])
    );
    assert!(view(so()).is_true(ck::CKA_TRUSTED));
    // Without a login nobody can tell whether the file was edited.
    let other = fixture.other();
    let found = other.find(
        public(),
        &template([(ck::CKA_CLASS, number(ck::CKO_CERTIFICATE))]),
    );
    assert!(!other.view(public(), found[0]).unwrap().is_true(ck::CKA_TRUSTED));
    other.login(Role::User, USER_PIN).unwrap();
    assert!(other.view(user(), found[0]).unwrap().is_true(ck::CKA_TRUSTED));
}

#[test]
fn public_objects_are_made_and_changed_without_a_login() {
    let fixture = Fixture::initialised();
    let handle = fixture.create(public(), &data("open", true, false)).unwrap();
    fixture
        .set(public(), handle, &template([(ck::CKA_LABEL, bytes("renamed"))]))
        .unwrap();
    fixture.login(Role::User, USER_PIN).unwrap();
    assert_eq!(fixture.find(user(), &by_label("renamed")), [handle]);
    assert!(fixture.view(user(), handle).is_ok());
    fixture.work(user(), Work::Logout).unwrap();
    fixture.destroy(public(), handle).unwrap();
}

#[test]
fn the_size_of_an_object_grows_with_it() {
    let fixture = Fixture::blank();
    let size = |len| {
        let object = merged(&data("x", false, false), [(ck::CKA_VALUE, bytes(vec![0; len]))]);
        let handle = fixture.create(public(), &object).unwrap();
        match fixture.work(public(), Work::Size(handle)).unwrap() {
            Out::Size(size) => size,
            _ => panic!("no size"),
        }
    };
    assert_eq!(size(100), size(50) + 50);
}
