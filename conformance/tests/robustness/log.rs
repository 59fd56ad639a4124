// SPDX-License-Identifier: MIT
//! What the library writes to standard error: nothing where it is told so, and never a secret.

use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::case::{as_part, finish, in_own_process, own_module, part};
use keyenclave_conformance::module::{Mech, bytes};
use keyenclave_conformance::place::Place;
use keyenclave_conformance::token::{RW, SO_PIN, Token, USER_PIN, data_object};
use std::process::Command;
use std::time::Duration;

/// The beginning of each of the library's lines.
const OURS: &str = "keyenclave[";
const WRONG_PIN: &[u8] = b"canary-wrong-pin";
const NEW_PIN: &[u8] = b"canary-new-pin";
const KEY: &[u8; 32] = b"canary-key-of-thirty-two-bytes!!";
const DATA: &[u8] = b"canary-private-data";
const SECRETS: [&[u8]; 6] = [USER_PIN, SO_PIN, WRONG_PIN, NEW_PIN, KEY, DATA];

/// Has every secret go through the library, in calls that succeed and in calls that fail.
fn work() {
    let token = Token::fresh();
    let session = token.session(RW);
    assert_eq!(token.login(session, CKU_USER, WRONG_PIN), CKR_PIN_INCORRECT);
    assert_eq!(token.login(session, CKU_USER, USER_PIN), Rv::OK);
    assert_eq!(token.set_pin(session, WRONG_PIN, NEW_PIN), CKR_PIN_INCORRECT);
    assert_eq!(token.set_pin(session, USER_PIN, NEW_PIN), Rv::OK);
    let key = token.secret(session, CKK_AES, KEY);
    token
        .create_object(session, &data_object("kept", true, DATA))
        .unwrap();
    token
        .encrypt(session, Mech::gcm(&[1; 12], DATA, 128), key, DATA)
        .unwrap();
    let wrong = [data_object("kept", true, DATA), vec![bytes(CKA_VALUE_LEN, KEY)]].concat();
    let refused = token.create_object(session, &wrong).unwrap_err();
    assert_eq!(refused, CKR_ATTRIBUTE_VALUE_INVALID);
    let refused = token.sign(session, CKM_SHA256_HMAC, key, DATA).unwrap_err();
    assert_eq!(refused, CKR_KEY_TYPE_INCONSISTENT);
}

/// Everything that the process which works writes.
fn written(prepare: impl FnOnce(&mut Command)) -> String {
    let mut command = as_part("work");
    command.env_remove("KEYENCLAVE_LOG");
    prepare(&mut command);
    finish(command, Duration::from_secs(60)).unwrap_or_else(|output| panic!("{output}"))
}

/// How a secret might be printed: as it is, in hexadecimal digits, as a list of numbers.
fn forms(secret: &[u8]) -> [String; 4] {
    let list = format!("{secret:?}");
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    [
        String::from_utf8_lossy(secret).into_owned(),
        hex.to_uppercase(),
        hex,
        list.trim_matches(['[', ']']).to_owned(),
    ]
}

#[test]
fn no_level_of_the_log_tells_a_secret() {
    in_own_process(|| {
        if part().is_some() {
            return work();
        }
        own_module(|| {
            let said = written(|command| {
                command.env("KEYENCLAVE_LOG", "trace");
            });
            for function in ["C_Login: CKR_OK", "C_CreateObject: CKR_OK", "C_SetPIN: CKR_OK"] {
                assert!(said.contains(function), "the log is on: {said}");
            }
            for form in SECRETS.into_iter().flat_map(forms) {
                assert!(!said.contains(&form), "{form} is in the log:\n{said}");
            }
        });
    });
}

#[test]
fn a_log_that_is_off_prints_nothing() {
    in_own_process(|| {
        if part().is_some() {
            return work();
        }
        own_module(|| {
            let place = Place::of_this_process();
            assert!(written(|_| {}).contains(OURS), "by default there are warnings");
            let silent = written(|command| {
                command.env("KEYENCLAVE_LOG", "off");
            });
            place.configure("[log]\nlevel = \"off\"");
            for said in [silent, written(|_| {})] {
                assert!(!said.contains("keyenclave"), "{said}");
            }
        });
    });
}
