// SPDX-License-Identifier: MIT
//! Initialising a token, PINs, their counters and flags.

use crate::case::Need::{Data, Officer, Own};
use crate::case::cases;
use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::module::In;
use keyenclave_conformance::token::{RO, RW, SO_PIN, THREADS, Token, USER_PIN, data_object};

cases! {
    "pins.user.change" => the_user_pin_is_set_by_the_security_officer_and_changed_by_the_user, "C_SetPIN",
        [], [];
    "pins.user.change-without-login" => the_user_pin_can_be_changed_without_login, "C_SetPIN", [], [];
    "pins.officer.change" => the_security_officer_changes_their_own_pin, "C_SetPIN", [], [Officer];
    "pins.user.reset-keeps" => a_reset_user_pin_keeps_the_private_objects, "C_InitPIN", [], [Officer, Data];
    "pins.sessions" => pin_functions_want_the_right_session, "C_InitPIN", [], [];
    "pins.length.own" => a_pin_has_four_to_255_bytes, "C_SetPIN", [], [Own];
    "pins.length" => a_pin_has_the_length_that_the_token_says, "C_SetPIN", [], [];
    "pins.missing" => a_missing_pin_is_an_argument_error, "C_Login", [], [];
    "pins.locked" => wrong_pins_are_counted_shown_and_finally_locked, "CK_TOKEN_INFO", [], [Own];
    "pins.last-try" => the_last_try_is_announced, "CK_TOKEN_INFO", [], [Own];
    "pins.officer.counted" => wrong_pins_of_the_security_officer_are_counted_apart, "CK_TOKEN_INFO",
        [], [Own];
    "pins.counts-kept" => counts_survive_the_process, "CK_TOKEN_INFO", [], [Own];
    "token.again" => initialising_again_needs_the_pin_and_no_session_and_destroys_the_objects, "C_InitToken",
        [], [Officer, Data];
    "token.label" => a_label_of_all_32_bytes_is_kept, "C_InitToken", [], [Officer];
}

const NEW_PIN: &[u8; 8] = b"new-5678";

fn the_user_pin_is_set_by_the_security_officer_and_changed_by_the_user() {
    let token = Token::fresh();
    let session = token.session(RW);
    assert_eq!(token.login(session, CKU_USER, NEW_PIN), CKR_PIN_INCORRECT);
    assert_eq!(token.login(session, CKU_USER, USER_PIN), Rv::OK);
    assert_eq!(token.set_pin(session, NEW_PIN, USER_PIN), CKR_PIN_INCORRECT);
    assert_eq!(token.set_pin(session, USER_PIN, NEW_PIN), Rv::OK);
    assert_eq!(token.logout(session), Rv::OK);
    assert_eq!(token.login(session, CKU_USER, USER_PIN), CKR_PIN_INCORRECT);
    assert_eq!(token.login(session, CKU_USER, NEW_PIN), Rv::OK);
}

fn the_user_pin_can_be_changed_without_login() {
    let token = Token::fresh();
    let session = token.session(RW);
    assert_eq!(token.set_pin(session, USER_PIN, NEW_PIN), Rv::OK);
    assert_eq!(token.login(session, CKU_USER, NEW_PIN), Rv::OK);
}

fn the_security_officer_changes_their_own_pin() {
    let token = Token::fresh();
    let session = token.session(RW);
    assert_eq!(token.login(session, CKU_SO, SO_PIN), Rv::OK);
    assert_eq!(token.set_pin(session, SO_PIN, NEW_PIN), Rv::OK);
    assert_eq!(token.logout(session), Rv::OK);
    assert_eq!(token.login(session, CKU_SO, SO_PIN), CKR_PIN_INCORRECT);
    assert_eq!(token.login(session, CKU_SO, NEW_PIN), Rv::OK);
}

fn a_reset_user_pin_keeps_the_private_objects() {
    let (token, session) = Token::with_user();
    token
        .create_object(session, &data_object("kept", true, b"value"))
        .unwrap();
    assert_eq!(token.logout(session), Rv::OK);
    assert_eq!(token.login(session, CKU_SO, SO_PIN), Rv::OK);
    assert_eq!(token.init_pin(session, NEW_PIN), Rv::OK);
    assert_eq!(token.logout(session), Rv::OK);
    assert_eq!(token.login(session, CKU_USER, USER_PIN), CKR_PIN_INCORRECT);
    assert_eq!(token.login(session, CKU_USER, NEW_PIN), Rv::OK);
    let found = token.find(session, &data_object("kept", true, b"value")).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(token.read(session, found[0], CKA_VALUE).unwrap(), b"value");
}

fn pin_functions_want_the_right_session() {
    let token = Token::fresh();
    let reading = token.session(RO);
    assert_eq!(token.set_pin(reading, USER_PIN, NEW_PIN), CKR_SESSION_READ_ONLY);
    assert_eq!(token.close_session(reading), Rv::OK);
    let session = token.session(RW);
    assert_eq!(token.init_pin(session, NEW_PIN), CKR_USER_NOT_LOGGED_IN);
    assert_eq!(token.login(session, CKU_USER, USER_PIN), Rv::OK);
    assert_eq!(token.init_pin(session, NEW_PIN), CKR_USER_NOT_LOGGED_IN);
}

fn a_pin_has_four_to_255_bytes() {
    let token = Token::fresh();
    let info = token.token_info(token.slot).unwrap();
    assert_eq!((info.ulMinPinLen, info.ulMaxPinLen), (4, 255));
    let session = token.session(RW);
    for length in [0, 3, 256, 5000] {
        let rv = token.set_pin(session, USER_PIN, &vec![b'1'; length]);
        assert_eq!(rv, CKR_PIN_LEN_RANGE, "{length} bytes");
    }
    let longest = vec![b'1'; 255];
    assert_eq!(token.set_pin(session, USER_PIN, &longest), Rv::OK);
    assert_eq!(token.set_pin(session, &longest, b"1234"), Rv::OK);
    assert_eq!(token.login(session, CKU_USER, b"1234"), Rv::OK);
    assert_eq!(token.logout(session), Rv::OK);
    assert_eq!(token.login(session, CKU_SO, SO_PIN), Rv::OK);
    assert_eq!(token.init_pin(session, b"123"), CKR_PIN_LEN_RANGE);
    assert_eq!(token.init_pin(session, &vec![b'1'; 256]), CKR_PIN_LEN_RANGE);
}

fn a_pin_has_the_length_that_the_token_says() {
    let token = Token::fresh();
    let session = token.user_session();
    let info = token.token_info(token.slot).unwrap();
    let [least, most] = [info.ulMinPinLen, info.ulMaxPinLen].map(|length| usize::try_from(length).unwrap());
    let too_long = (most < 5000).then_some(most + 1);
    for length in least.checked_sub(1).into_iter().chain(too_long) {
        let rv = token.set_pin(session, USER_PIN, &vec![b'1'; length]);
        assert_eq!(rv, CKR_PIN_LEN_RANGE, "{length} bytes");
    }
    // Shorter ones may be too weak for the module.
    let longest = vec![b'1'; most.min(5000)];
    assert_eq!(token.set_pin(session, USER_PIN, &longest), Rv::OK);
    assert_eq!(token.logout(session), Rv::OK);
    assert_eq!(token.login(session, CKU_USER, &longest), Rv::OK);
}

fn a_missing_pin_is_an_argument_error() {
    let token = Token::fresh();
    let session = token.session(RW);
    assert_eq!(token.login(session, CKU_USER, In::Null(8)), CKR_ARGUMENTS_BAD);
    assert_eq!(token.set_pin(session, In::Null(4), NEW_PIN), CKR_ARGUMENTS_BAD);
    assert_eq!(token.set_pin(session, USER_PIN, In::Null(4)), CKR_ARGUMENTS_BAD);
    assert_eq!(token.login(session, CKU_USER, USER_PIN), Rv::OK);
}

fn wrong_pins_are_counted_shown_and_finally_locked() {
    let token = Token::fresh();
    let session = token.session(RW);
    let shown = CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED;
    assert_eq!(token.flags() & shown, 0);
    assert_eq!(token.login(session, CKU_USER, b"wrong"), CKR_PIN_INCORRECT);
    assert_eq!(token.flags() & shown, CKF_USER_PIN_COUNT_LOW);
    assert_eq!(token.login(session, CKU_USER, USER_PIN), Rv::OK);
    assert_eq!(token.flags() & shown, 0, "a right PIN resets the count");
    assert_eq!(token.logout(session), Rv::OK);

    let mut tries = 0;
    while token.flags() & CKF_USER_PIN_LOCKED == 0 {
        assert_eq!(token.login(session, CKU_USER, b"wrong"), CKR_PIN_INCORRECT);
        tries += 1;
        assert!(tries <= 100, "the PIN never locks");
        let last = token.flags() & (CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED);
        assert_ne!(
            last,
            CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED,
            "both cannot be"
        );
    }
    assert!(tries >= 3, "locked after {tries}");
    assert_eq!(token.login(session, CKU_USER, USER_PIN), CKR_PIN_LOCKED);
    assert_eq!(token.set_pin(session, USER_PIN, NEW_PIN), CKR_PIN_LOCKED);

    assert_eq!(token.login(session, CKU_SO, SO_PIN), Rv::OK);
    assert_eq!(token.init_pin(session, NEW_PIN), Rv::OK);
    assert_eq!(token.flags() & shown, 0, "the security officer unlocks");
    assert_eq!(token.logout(session), Rv::OK);
    assert_eq!(token.login(session, CKU_USER, NEW_PIN), Rv::OK);
}

fn the_last_try_is_announced() {
    let token = Token::fresh();
    let session = token.session(RW);
    let mut tries = 0;
    while token.flags() & CKF_USER_PIN_FINAL_TRY == 0 {
        assert_eq!(token.login(session, CKU_USER, b"wrong"), CKR_PIN_INCORRECT);
        tries += 1;
        assert!(tries <= 100, "the last try is never announced");
    }
    assert_eq!(token.flags() & CKF_USER_PIN_LOCKED, 0);
    assert_eq!(token.login(session, CKU_USER, b"wrong"), CKR_PIN_INCORRECT);
    assert_ne!(token.flags() & CKF_USER_PIN_LOCKED, 0);
}

fn wrong_pins_of_the_security_officer_are_counted_apart() {
    let token = Token::fresh();
    let session = token.session(RW);
    assert_eq!(token.login(session, CKU_SO, b"wrong"), CKR_PIN_INCORRECT);
    assert_ne!(token.flags() & CKF_SO_PIN_COUNT_LOW, 0);
    assert_eq!(token.flags() & CKF_USER_PIN_COUNT_LOW, 0);
    assert_eq!(token.close_session(session), Rv::OK);
    assert_eq!(token.init_token(token.slot, b"wrong-so", "x"), CKR_PIN_INCORRECT);
    assert_eq!(token.init_token(token.slot, SO_PIN, "x"), Rv::OK);
    assert_eq!(token.flags() & CKF_SO_PIN_COUNT_LOW, 0);
}

fn counts_survive_the_process() {
    let token = Token::fresh();
    let session = token.session(RW);
    assert_eq!(token.login(session, CKU_USER, b"wrong"), CKR_PIN_INCORRECT);
    assert_eq!(token.finalize(false), Rv::OK);
    assert_eq!(token.initialize(THREADS), Rv::OK);
    assert_ne!(token.flags() & CKF_USER_PIN_COUNT_LOW, 0);
}

fn initialising_again_needs_the_pin_and_no_session_and_destroys_the_objects() {
    let (token, session) = Token::with_user();
    token
        .create_object(session, &data_object("gone", false, b"value"))
        .unwrap();
    assert_eq!(token.init_token(token.slot, SO_PIN, "second"), CKR_SESSION_EXISTS);
    assert_eq!(token.close_session(session), Rv::OK);
    assert_eq!(
        token.init_token(token.slot, b"not-the-pin", "second"),
        CKR_PIN_INCORRECT
    );
    assert_eq!(token.init_token(token.slot, SO_PIN, "second"), Rv::OK);
    assert_eq!(token.flags() & CKF_USER_PIN_INITIALIZED, 0);
    let session = token.session(RW);
    assert_eq!(
        token.login(session, CKU_USER, USER_PIN),
        CKR_USER_PIN_NOT_INITIALIZED
    );
    assert!(token.stored(session).is_empty());
    assert_eq!(&token.token_info(token.slot).unwrap().label[..7], b"second ");
}

fn a_label_of_all_32_bytes_is_kept() {
    let token = Token::fresh();
    let label = "0123456789abcdef0123456789abcdef";
    assert_eq!(token.init_token(token.slot, SO_PIN, label), Rv::OK);
    assert_eq!(&token.token_info(token.slot).unwrap().label[..], label.as_bytes());
}
