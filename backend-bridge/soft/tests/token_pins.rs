// SPDX-License-Identifier: MIT
//! Initialising a soft token, its PINs, and what it tells of itself.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod token_fixture;

use cryptoki_sys as ck;
use keyenclave_model::error::Rv;
use keyenclave_model::token::{Pin, Role, Token, Work};
use token_fixture::*;

fn flags(fixture: &Fixture) -> ck::CK_FLAGS {
    fixture.token.info().unwrap().flags
}

fn has(fixture: &Fixture, flag: ck::CK_FLAGS) -> bool {
    flags(fixture) & flag != 0
}

fn set_pin<'a>(old: &'a [u8], new: &'a [u8]) -> Work<'a> {
    Work::SetPin {
        old: Pin(old),
        new: Pin(new),
    }
}

#[test]
fn a_blank_token_says_so_and_makes_no_file() {
    let (one, other) = (Fixture::blank(), Fixture::blank());
    let info = one.token.info().unwrap();
    let always = ck::CKF_RNG | ck::CKF_LOGIN_REQUIRED | ck::CKF_RESTORE_KEY_NOT_NEEDED;
    assert_eq!(info.flags, always);
    assert_eq!(info.label, [b' '; 32]);
    assert_ne!(info.serial, other.token.info().unwrap().serial);
    assert_eq!(one.token.epoch(), 0);
    assert!(one.find(public(), &template([])).is_empty());
    assert_eq!(rv(one.login(Role::User, USER_PIN)), Rv::UserPinNotInitialized);
    assert_eq!(rv(one.login(Role::So, SO_PIN)), Rv::TokenNotInitialized);
    assert_eq!(
        rv(one.create(public(), &data("d", true, false))),
        Rv::TokenNotInitialized
    );
    assert_eq!(std::fs::read_dir(one.directory.path()).unwrap().count(), 0);
}

#[test]
fn session_objects_and_random_bytes_work_on_a_blank_token() {
    let fixture = Fixture::blank();
    let object = fixture.create(public(), &data("d", false, false)).unwrap();
    assert_eq!(fixture.find(public(), &by_label("d")), [object]);
    let mut random = [0; 32];
    fixture.work(public(), Work::Random(&mut random)).unwrap();
    assert_ne!(random, [0; 32]);
    assert_eq!(
        rv(fixture.work(public(), Work::Seed(&[1]))),
        Rv::RandomSeedNotSupported
    );
}

#[test]
fn the_life_of_a_token_from_blank_to_login() {
    let fixture = Fixture::blank();
    assert_eq!(rv(fixture.init_token(b"abc", "x")), Rv::PinLenRange);
    assert_eq!(rv(fixture.init_token(&[b'x'; 256], "x")), Rv::PinLenRange);
    fixture.init_token(SO_PIN, "life").unwrap();
    let info = fixture.token.info().unwrap();
    assert!(info.label.starts_with(b"life  "));
    assert!(info.serial.iter().all(u8::is_ascii_hexdigit));
    assert!(has(&fixture, ck::CKF_TOKEN_INITIALIZED) && !has(&fixture, ck::CKF_USER_PIN_INITIALIZED));
    assert_eq!(rv(fixture.login(Role::User, USER_PIN)), Rv::UserPinNotInitialized);

    fixture.login(Role::So, SO_PIN).unwrap();
    assert_eq!(
        rv(fixture.work(so(), Work::InitPin(Pin(b"abc")))),
        Rv::PinLenRange
    );
    fixture.work(so(), Work::InitPin(Pin(USER_PIN))).unwrap();
    fixture.work(so(), Work::Logout).unwrap();
    assert!(has(&fixture, ck::CKF_USER_PIN_INITIALIZED));
    fixture.login(Role::User, USER_PIN).unwrap();
    assert_eq!(
        rv(fixture.work(user(), Work::InitPin(Pin(USER_PIN)))),
        Rv::UserNotLoggedIn
    );
}

#[test]
fn wrong_pins_are_counted_until_the_pin_is_locked_and_the_so_unlocks_it() {
    let fixture = Fixture::for_user();
    let key = fixture.create(user(), &data("survivor", true, true)).unwrap();
    assert!(fixture.view(user(), key).is_ok());
    fixture.work(user(), Work::Logout).unwrap();
    let low = ck::CKF_USER_PIN_COUNT_LOW;
    assert_eq!(flags(&fixture) & low, 0);

    assert_eq!(rv(fixture.login(Role::User, b"wrong")), Rv::PinIncorrect);
    assert!(has(&fixture, low) && !has(&fixture, ck::CKF_USER_PIN_FINAL_TRY));
    assert_eq!(rv(fixture.login(Role::User, b"")), Rv::PinIncorrect);
    assert!(has(&fixture, ck::CKF_USER_PIN_FINAL_TRY));
    fixture.login(Role::User, USER_PIN).unwrap();
    fixture.work(user(), Work::Logout).unwrap();
    assert_eq!(flags(&fixture) & (low | ck::CKF_USER_PIN_FINAL_TRY), 0);

    // A wrong old PIN counts as well.
    assert_eq!(
        rv(fixture.work(public(), set_pin(b"wrong", b"new-pin"))),
        Rv::PinIncorrect
    );
    for _ in 0..2 {
        assert_eq!(rv(fixture.login(Role::User, b"wrong")), Rv::PinIncorrect);
    }
    assert!(has(&fixture, ck::CKF_USER_PIN_LOCKED) && !has(&fixture, ck::CKF_USER_PIN_FINAL_TRY));
    assert_eq!(rv(fixture.login(Role::User, USER_PIN)), Rv::PinLocked);
    assert_eq!(rv(fixture.other().login(Role::User, USER_PIN)), Rv::PinLocked);

    fixture.login(Role::So, SO_PIN).unwrap();
    fixture.work(so(), Work::InitPin(Pin(b"second-pin"))).unwrap();
    fixture.work(so(), Work::Logout).unwrap();
    assert!(!has(&fixture, ck::CKF_USER_PIN_LOCKED));
    fixture.login(Role::User, b"second-pin").unwrap();
    assert_eq!(fixture.find(user(), &by_label("survivor")).len(), 1);
}

#[test]
fn user_and_so_change_their_own_pins() {
    let fixture = Fixture::initialised();
    assert_eq!(
        rv(fixture.work(public(), set_pin(USER_PIN, b"abc"))),
        Rv::PinLenRange
    );
    fixture.work(public(), set_pin(USER_PIN, b"user-pin-1")).unwrap();
    fixture.work(so(), set_pin(SO_PIN, b"so-pin-1")).unwrap();
    assert_eq!(rv(fixture.login(Role::User, USER_PIN)), Rv::PinIncorrect);
    assert_eq!(rv(fixture.login(Role::So, SO_PIN)), Rv::PinIncorrect);
    assert!(has(&fixture, ck::CKF_SO_PIN_COUNT_LOW));
    fixture.login(Role::User, b"user-pin-1").unwrap();
    fixture.login(Role::So, b"so-pin-1").unwrap();
}

#[test]
fn initialising_again_needs_the_so_pin_and_leaves_nothing() {
    let fixture = Fixture::for_user();
    let (secret, open) = (data("secret", true, true), data("open", true, false));
    let handles = [
        fixture.create(user(), &secret).unwrap(),
        fixture.create(user(), &open).unwrap(),
    ];
    let (epoch, info) = (fixture.token.epoch(), fixture.token.info().unwrap());
    assert_ne!(epoch, 0);

    assert_eq!(rv(fixture.init_token(b"wrong-so", "again")), Rv::PinIncorrect);
    assert_eq!(fixture.token.epoch(), epoch);
    assert_eq!(fixture.find(user(), &template([])).len(), 2);
    assert!(has(&fixture, ck::CKF_SO_PIN_COUNT_LOW));

    fixture.init_token(SO_PIN, "again").unwrap();
    assert_ne!(fixture.token.epoch(), epoch);
    assert_ne!(fixture.token.info().unwrap().serial, info.serial);
    assert!(!has(
        &fixture,
        ck::CKF_USER_PIN_INITIALIZED | ck::CKF_SO_PIN_COUNT_LOW
    ));
    assert!(fixture.find(user(), &template([])).is_empty());
    for handle in handles {
        assert_eq!(rv(fixture.view(user(), handle)), Rv::ObjectHandleInvalid);
    }
    assert_eq!(rv(fixture.login(Role::User, USER_PIN)), Rv::UserPinNotInitialized);
}

#[test]
fn a_file_that_is_no_store_is_an_error_and_stays_as_it_is() {
    let fixture = Fixture::blank();
    let file = fixture.directory.path().join("token.db");
    std::fs::write(&file, "this is not a store, but somebody's letters".repeat(200)).unwrap();
    let before = std::fs::read(&file).unwrap();
    let error = fixture.token.info().unwrap_err();
    assert_eq!(error.rv(), Rv::DeviceError);
    assert!(error.detail().unwrap().contains("token.db"), "{error}");
    assert_eq!(rv(fixture.init_token(SO_PIN, "x")), Rv::DeviceError);
    assert_eq!(rv(fixture.login(Role::User, USER_PIN)), Rv::DeviceError);
    assert_eq!(
        rv(fixture.work(public(), Work::Find(&template([])))),
        Rv::DeviceError
    );
    assert!(fixture.create(public(), &data("d", false, false)).is_ok());
    assert_eq!(std::fs::read(&file).unwrap(), before);
}
