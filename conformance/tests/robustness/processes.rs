// SPDX-License-Identifier: MIT
//! Several processes on one store.

use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::case::{as_part, finish, in_own_process, own_module, part};
use keyenclave_conformance::module::bytes;
use keyenclave_conformance::token::{RW, SO_PIN, Token, USER_PIN, data_object};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);

fn play(name: &str) {
    finish(as_part(name), LIMIT).unwrap_or_else(|output| panic!("{output}"));
}

#[test]
fn what_one_process_commits_another_sees_at_once() {
    in_own_process(|| {
        own_module(|| {
            let label = |name: &str| [bytes(CKA_LABEL, name)];
            if let Some(part) = part() {
                let token = Token::existing();
                let session = token.user_session();
                match part.as_str() {
                    "create" => drop(
                        token
                            .create_object(session, &data_object("other", true, b"1"))
                            .unwrap(),
                    ),
                    "change" => {
                        let found = token.find(session, &label("other")).unwrap();
                        assert_eq!(token.set_attributes(session, found[0], &label("renamed")), Rv::OK);
                    }
                    _ => {
                        let found = token.find(session, &label("renamed")).unwrap();
                        assert_eq!(token.destroy_object(session, found[0]), Rv::OK);
                    }
                }
                return;
            }
            let (token, session) = Token::with_user();
            assert!(token.find(session, &label("other")).unwrap().is_empty());
            play("create");
            let found = token.find(session, &label("other")).unwrap();
            assert_eq!(found.len(), 1);
            play("change");
            assert!(token.find(session, &label("other")).unwrap().is_empty());
            assert_eq!(
                token.find(session, &label("renamed")).unwrap(),
                found,
                "the handle stays"
            );
            assert_eq!(token.read(session, found[0], CKA_LABEL).unwrap(), b"renamed");
            play("destroy");
            assert!(token.find(session, &label("renamed")).unwrap().is_empty());
            assert_eq!(
                token.read(session, found[0], CKA_LABEL).unwrap_err(),
                CKR_OBJECT_HANDLE_INVALID
            );
        });
    });
}

#[test]
fn four_processes_write_at_once_and_nothing_is_lost() {
    in_own_process(|| {
        own_module(|| {
            if let Some(part) = part() {
                let token = Token::existing();
                let session = token.user_session();
                for round in 0..50 {
                    let label = format!("{part}-{round}");
                    token
                        .create_object(session, &data_object(&label, round % 2 == 0, label.as_bytes()))
                        .unwrap();
                }
                return;
            }
            let (token, session) = Token::with_user();
            std::thread::scope(|scope| {
                for writer in 0..4 {
                    scope.spawn(move || play(&writer.to_string()));
                }
            });
            let found = token.find(session, &[]).unwrap();
            assert_eq!(found.len(), 200);
            for object in found {
                let label = token.read(session, object, CKA_LABEL).unwrap();
                assert_eq!(token.read(session, object, CKA_VALUE).unwrap(), label);
            }
        });
    });
}

#[test]
fn a_token_initialised_elsewhere_is_logged_out_here() {
    in_own_process(|| {
        own_module(|| {
            if part().is_some() {
                let token = Token::existing();
                assert_eq!(token.init_token(token.slot, SO_PIN, "new"), Rv::OK);
                let session = token.session(RW);
                assert_eq!(token.login(session, CKU_SO, SO_PIN), Rv::OK);
                assert_eq!(token.init_pin(session, USER_PIN), Rv::OK);
                return;
            }
            let (token, session) = Token::with_user();
            let object = token
                .create_object(session, &data_object("old", true, b"1"))
                .unwrap();
            play("initialise");
            let gone = token.read(session, object, CKA_VALUE).unwrap_err();
            assert_eq!(gone, CKR_OBJECT_HANDLE_INVALID);
            let private = token.create_object(session, &data_object("new", true, b"1"));
            assert_eq!(private.unwrap_err(), CKR_USER_NOT_LOGGED_IN);
            let again = token.open_session(token.slot, RW).unwrap();
            assert_eq!(token.session_info(again).unwrap().state, CKS_RW_PUBLIC_SESSION);
            assert_eq!(token.login(again, CKU_USER, USER_PIN), Rv::OK);
            assert!(token.find(again, &[]).unwrap().is_empty());
        });
    });
}

#[test]
fn wrong_pins_are_counted_over_processes() {
    in_own_process(|| {
        own_module(|| {
            if part().is_some() {
                let token = Token::existing();
                let session = token.session(RW);
                assert_eq!(token.login(session, CKU_USER, b"wrong"), CKR_PIN_INCORRECT);
                return;
            }
            let token = Token::fresh();
            let mut tries = 0;
            while token.flags() & CKF_USER_PIN_LOCKED == 0 {
                play("try");
                tries += 1;
                assert!(tries <= 100, "the PIN never locks");
            }
            let session = token.session(RW);
            assert_eq!(token.login(session, CKU_USER, USER_PIN), CKR_PIN_LOCKED);
        });
    });
}
