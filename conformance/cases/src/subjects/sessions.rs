// SPDX-License-Identifier: MIT
//! Sessions: read-only and read-write, login states, and what ends them.

use crate::case::Need::{Data, Officer, Own, Sessions};
use crate::case::cases;
use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::token::{RO, RW, SO_PIN, Token, USER_PIN, data_object};

cases! {
    "sessions.parallel" => parallel_sessions_are_refused, "C_OpenSession", [], [];
    "sessions.states" => the_state_follows_login_and_kind, "CK_STATE", [], [Officer, Sessions];
    "sessions.after-login" => a_session_opened_after_login_is_logged_in, "C_Login", [], [Sessions];
    "sessions.officer.read-only" => the_security_officer_has_no_read_only_sessions, "C_Login",
        [], [Officer, Sessions];
    "sessions.second-login" => a_second_login_says_who_is_logged_in, "C_Login", [], [Officer];
    "sessions.last-logs-out" => the_last_session_of_a_token_logs_out, "C_CloseSession", [], [];
    "sessions.closed" => a_closed_session_is_unknown_and_its_objects_are_gone, "C_CloseSession",
        [CKM_EC_KEY_PAIR_GEN, CKM_ECDSA], [Sessions];
    "logout.private-objects" => logout_takes_private_objects_out_of_sight, "C_Logout", [], [Data];
    "logout.search" => logout_ends_a_search, "C_Logout", [], [Data, Own];
    "logout.session-objects" => logout_destroys_private_session_objects_for_good, "C_Logout", [], [Data];
    "sessions.read-only" => a_read_only_session_changes_nothing_on_the_token, "C_OpenSession",
        [], [Sessions, Data];
    "objects.private-need-user" => private_objects_need_the_user, "C_CreateObject", [], [Data];
    "sessions.officer.no-private" => the_security_officer_sees_no_private_object, "C_Login", [], [Officer, Data];
    "sessions.close-none" => closing_all_sessions_of_one_slot_is_not_an_error_without_any,
        "C_CloseAllSessions",
        [], [];
    "sessions.handles.unique" => handles_are_not_used_twice, "CK_SESSION_HANDLE", [], [Own];
}

fn parallel_sessions_are_refused() {
    let token = Token::fresh();
    assert_eq!(
        token.open_session(token.slot, CKF_RW_SESSION).unwrap_err(),
        CKR_SESSION_PARALLEL_NOT_SUPPORTED
    );
    assert_eq!(
        token.open_session(token.slot, 0).unwrap_err(),
        CKR_SESSION_PARALLEL_NOT_SUPPORTED
    );
    assert_eq!(token.open_session_without_room(token.slot, RW), CKR_ARGUMENTS_BAD);
}

fn the_state_follows_login_and_kind() {
    let token = Token::fresh();
    let (reading, writing) = (token.session(RO), token.session(RW));
    let states = || [reading, writing].map(|session| token.session_info(session).unwrap().state);
    assert_eq!(states(), [CKS_RO_PUBLIC_SESSION, CKS_RW_PUBLIC_SESSION]);
    assert_eq!(token.login(reading, CKU_USER, USER_PIN), Rv::OK);
    assert_eq!(
        states(),
        [CKS_RO_USER_FUNCTIONS, CKS_RW_USER_FUNCTIONS],
        "login is the token's"
    );
    assert_eq!(token.logout(writing), Rv::OK);
    assert_eq!(states(), [CKS_RO_PUBLIC_SESSION, CKS_RW_PUBLIC_SESSION]);
    assert_eq!(token.close_session(reading), Rv::OK);
    assert_eq!(token.login(writing, CKU_SO, SO_PIN), Rv::OK);
    let info = token.session_info(writing).unwrap();
    assert_eq!(
        (info.state, info.flags, info.slotID),
        (CKS_RW_SO_FUNCTIONS, RW, token.slot)
    );
}

fn a_session_opened_after_login_is_logged_in() {
    let (token, _session) = Token::with_user();
    let later = token.session(RO);
    assert_eq!(token.session_info(later).unwrap().state, CKS_RO_USER_FUNCTIONS);
}

fn the_security_officer_has_no_read_only_sessions() {
    let token = Token::fresh();
    let (reading, writing) = (token.session(RO), token.session(RW));
    assert_eq!(token.login(writing, CKU_SO, SO_PIN), CKR_SESSION_READ_ONLY_EXISTS);
    assert_eq!(token.close_session(reading), Rv::OK);
    assert_eq!(token.login(writing, CKU_SO, SO_PIN), Rv::OK);
    assert_eq!(
        token.open_session(token.slot, RO).unwrap_err(),
        CKR_SESSION_READ_WRITE_SO_EXISTS
    );
}

fn a_second_login_says_who_is_logged_in() {
    let (token, session) = Token::with_user();
    assert_eq!(
        token.login(session, CKU_USER, USER_PIN),
        CKR_USER_ALREADY_LOGGED_IN
    );
    assert_eq!(
        token.login(session, CKU_SO, SO_PIN),
        CKR_USER_ANOTHER_ALREADY_LOGGED_IN
    );
    assert_eq!(token.login(session, 77, USER_PIN), CKR_USER_TYPE_INVALID);
    assert_eq!(token.logout(session), Rv::OK);
    assert_eq!(token.logout(session), CKR_USER_NOT_LOGGED_IN);
    assert_eq!(
        token.login(session, CKU_CONTEXT_SPECIFIC, USER_PIN),
        CKR_OPERATION_NOT_INITIALIZED
    );
}

fn the_last_session_of_a_token_logs_out() {
    let (token, session) = Token::with_user();
    assert_eq!(token.close_session(session), Rv::OK);
    let next = token.session(RW);
    assert_eq!(token.session_info(next).unwrap().state, CKS_RW_PUBLIC_SESSION);
    assert_eq!(token.login(next, CKU_USER, USER_PIN), Rv::OK);
    assert_eq!(token.close_all_sessions(token.slot), Rv::OK);
    assert_eq!(token.session_info(next).unwrap_err(), CKR_SESSION_HANDLE_INVALID);
    let last = token.session(RW);
    assert_eq!(token.session_info(last).unwrap().state, CKS_RW_PUBLIC_SESSION);
}

fn a_closed_session_is_unknown_and_its_objects_are_gone() {
    let (token, keeper) = Token::with_user();
    let session = token.session(RW);
    let (public, private) = token.ec_for_signing(session, keyenclave_conformance::token::CURVES[0].0, &[]);
    assert!(
        token.read(keeper, public, CKA_EC_POINT).is_ok(),
        "other sessions of the application see it"
    );
    assert_eq!(token.close_session(session), Rv::OK);
    assert_eq!(token.close_session(session), CKR_SESSION_HANDLE_INVALID);
    assert_eq!(
        token.session_info(session).unwrap_err(),
        CKR_SESSION_HANDLE_INVALID
    );
    assert_eq!(token.find_init(session, &[]), CKR_SESSION_HANDLE_INVALID);
    assert_eq!(
        token.read(keeper, public, CKA_EC_POINT).unwrap_err(),
        CKR_OBJECT_HANDLE_INVALID
    );
    assert_eq!(
        token.sign_init(keeper, CKM_ECDSA, private),
        CKR_KEY_HANDLE_INVALID
    );
}

fn logout_takes_private_objects_out_of_sight() {
    let (token, session) = Token::with_user();
    let seen = token
        .create_object(session, &data_object("open", false, b"1"))
        .unwrap();
    let hidden = token
        .create_object(session, &data_object("closed", true, b"2"))
        .unwrap();
    assert_eq!(token.stored(session).len(), 2);
    assert_eq!(token.logout(session), Rv::OK);
    let found = token.stored(session);
    assert_eq!(found.len(), 1);
    assert_eq!(token.read(session, found[0], CKA_LABEL).unwrap(), b"open");
    assert_eq!(token.read(session, seen, CKA_VALUE).unwrap(), b"1");
    assert_eq!(
        token.read(session, hidden, CKA_VALUE).unwrap_err(),
        CKR_OBJECT_HANDLE_INVALID
    );
    assert_eq!(token.destroy_object(session, hidden), CKR_OBJECT_HANDLE_INVALID);
    assert_eq!(token.login(session, CKU_USER, USER_PIN), Rv::OK);
    assert_eq!(token.stored(session).len(), 2);
}

fn logout_ends_a_search() {
    let (token, session) = Token::with_user();
    let other = token.session(RW);
    for label in ["a", "b"] {
        token
            .create_object(session, &data_object(label, true, b"1"))
            .unwrap();
    }
    for searching in [session, other] {
        assert_eq!(token.find_init(searching, &[]), Rv::OK);
        assert_eq!(token.find_next(searching, 1).unwrap().len(), 1);
    }
    assert_eq!(token.logout(session), Rv::OK);
    let gone = CKR_OPERATION_NOT_INITIALIZED;
    assert_eq!(
        token.find_next(session, 1).unwrap_err(),
        gone,
        "its handles are void"
    );
    assert_eq!(token.find_final(other), gone);
    assert_eq!(token.find_init(session, &[]), Rv::OK);
    assert!(token.find_next(session, 1).unwrap().is_empty());
    assert_eq!(token.find_final(session), Rv::OK);
}

fn logout_destroys_private_session_objects_for_good() {
    let (token, session) = Token::with_user();
    let mut attrs = data_object("session", true, b"1");
    attrs.retain(|attr| attr.kind != CKA_TOKEN);
    let object = token.create_object(session, &attrs).unwrap();
    assert_eq!(token.logout(session), Rv::OK);
    assert_eq!(token.login(session, CKU_USER, USER_PIN), Rv::OK);
    assert_eq!(
        token.read(session, object, CKA_VALUE).unwrap_err(),
        CKR_OBJECT_HANDLE_INVALID
    );
    assert!(token.stored(session).is_empty());
}

fn a_read_only_session_changes_nothing_on_the_token() {
    let (token, writing) = Token::with_user();
    let object = token
        .create_object(writing, &data_object("fixed", false, b"1"))
        .unwrap();
    let reading = token.session(RO);
    let refused = CKR_SESSION_READ_ONLY;
    assert_eq!(
        token
            .create_object(reading, &data_object("x", false, b"1"))
            .unwrap_err(),
        refused
    );
    assert_eq!(token.destroy_object(reading, object), refused);
    assert_eq!(token.copy_object(reading, object, &[]).unwrap_err(), refused);
    let label = [keyenclave_conformance::module::bytes(CKA_LABEL, "y")];
    assert_eq!(token.set_attributes(reading, object, &label), refused);
    let mut attrs = data_object("session", false, b"1");
    attrs.retain(|attr| attr.kind != CKA_TOKEN);
    assert!(
        token.create_object(reading, &attrs).is_ok(),
        "session objects are allowed"
    );
}

fn private_objects_need_the_user() {
    let token = Token::fresh();
    let session = token.session(RW);
    let refused = CKR_USER_NOT_LOGGED_IN;
    assert_eq!(
        token
            .create_object(session, &data_object("x", true, b"1"))
            .unwrap_err(),
        refused
    );
    assert!(
        token
            .create_object(session, &data_object("x", false, b"1"))
            .is_ok()
    );
}

fn the_security_officer_sees_no_private_object() {
    let (token, session) = Token::with_user();
    token
        .create_object(session, &data_object("closed", true, b"1"))
        .unwrap();
    assert_eq!(token.logout(session), Rv::OK);
    assert_eq!(token.login(session, CKU_SO, SO_PIN), Rv::OK);
    assert!(token.stored(session).is_empty());
    let refused = token
        .create_object(session, &data_object("x", true, b"1"))
        .unwrap_err();
    assert_eq!(refused, CKR_USER_NOT_LOGGED_IN);
}

fn closing_all_sessions_of_one_slot_is_not_an_error_without_any() {
    let token = Token::fresh();
    assert_eq!(token.close_all_sessions(token.slot), Rv::OK);
    assert_eq!(token.close_all_sessions(token.slot), Rv::OK);
}

fn handles_are_not_used_twice() {
    let token = Token::fresh();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..100 {
        let session = token.session(RW);
        assert_ne!(session, 0, "zero is CK_INVALID_HANDLE");
        assert!(seen.insert(session), "{session} came twice");
        assert_eq!(token.close_session(session), Rv::OK);
    }
}
