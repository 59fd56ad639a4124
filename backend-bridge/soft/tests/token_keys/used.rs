// SPDX-License-Identifier: MIT
//! What a key may be used for, and what it keeps to itself.

use super::*;
use keyenclave_model::token::{End, Operation, Out, Pin, Role, Step};

#[test]
fn a_sensitive_key_gives_its_value_to_nobody() {
    let fixture = Fixture::for_user();
    let value = [0x42; 32];
    let sensitive = merged(
        &aes_key(&value),
        [
            (ck::CKA_TOKEN, yes()),
            (ck::CKA_PRIVATE, yes()),
            (ck::CKA_EXTRACTABLE, yes()),
        ],
    );
    let key = fixture.create(user(), &sensitive).unwrap();
    assert_conceals_its_secrets(&fixture.view(user(), key).unwrap());
    // Neither by a search, nor by making it less sensitive, nor through a copy.
    assert!(
        fixture
            .find(user(), &template([(ck::CKA_VALUE, bytes(value))]))
            .is_empty()
    );
    let insensitive = template([(ck::CKA_SENSITIVE, no())]);
    assert_eq!(rv(fixture.set(user(), key, &insensitive)), Rv::AttributeReadOnly);
    assert_eq!(rv(fixture.copy(user(), key, &insensitive)), Rv::AttributeReadOnly);
    let copy = fixture
        .copy(user(), key, &template([(ck::CKA_TOKEN, no())]))
        .unwrap();
    assert_conceals_its_secrets(&fixture.view(user(), copy).unwrap());
    fixture
        .set(user(), key, &template([(ck::CKA_EXTRACTABLE, no())]))
        .unwrap();
    let extractable = template([(ck::CKA_EXTRACTABLE, yes())]);
    assert_eq!(rv(fixture.set(user(), key, &extractable)), Rv::AttributeReadOnly);
    let file = std::fs::read(fixture.directory.path().join("token.db")).unwrap();
    let log = std::fs::read(fixture.directory.path().join("token.db-wal")).unwrap_or_default();
    assert!(
        !file
            .windows(32)
            .chain(log.windows(32))
            .any(|bytes| bytes == value)
    );
}

#[test]
fn use_is_checked_before_a_key_is_used() {
    let fixture = Fixture::blank();
    let begin = |class, mechanism: u64, key| rv(fixture.begin(public(), class, &plain(mechanism), key));
    let key = |more: Vec<(u64, _)>| {
        let template = merged(&secret_key(ck::CKK_GENERIC_SECRET, b"0123456789abcdef"), more);
        fixture.create(public(), &template).unwrap()
    };
    let (sign, encrypt) = (OperationClass::Sign, OperationClass::Encrypt);
    let hmac = ck::CKM_SHA256_HMAC;
    assert_eq!(
        begin(sign, hmac, key(vec![(ck::CKA_SIGN, no())])),
        Rv::KeyFunctionNotPermitted
    );
    assert_eq!(
        begin(encrypt, ck::CKM_AES_ECB, key(vec![])),
        Rv::KeyTypeInconsistent
    );
    assert_eq!(
        begin(sign, ck::CKM_SHA256_RSA_PKCS, key(vec![])),
        Rv::KeyTypeInconsistent
    );
    assert_eq!(begin(encrypt, hmac, key(vec![])), Rv::MechanismInvalid);
    assert_eq!(begin(sign, ck::CKM_SHA256, key(vec![])), Rv::MechanismInvalid);
    let other_hash = merged(&secret_key(ck::CKK_SHA512_HMAC, b"k"), []);
    let other_hash = fixture.create(public(), &other_hash).unwrap();
    assert_eq!(begin(sign, hmac, other_hash), Rv::KeyTypeInconsistent);
    let only = keyenclave_model::attribute::Value::Mechanisms(vec![ck::CKM_SHA512_HMAC]);
    let only = key(vec![(ck::CKA_ALLOWED_MECHANISMS, only)]);
    assert_eq!(begin(sign, hmac, only), Rv::MechanismInvalid);
    assert!(
        fixture
            .begin(public(), sign, &plain(ck::CKM_SHA512_HMAC), only)
            .is_ok()
    );
    let not_a_key = fixture.create(public(), &data("d", false, false)).unwrap();
    assert_eq!(begin(sign, hmac, not_a_key), Rv::KeyHandleInvalid);
    for handle in [0, 12345, u64::MAX] {
        assert_eq!(
            begin(sign, hmac, keyenclave_model::token::ObjectId(handle)),
            Rv::KeyHandleInvalid
        );
    }
    let (of_public, of_private) = ec_pair(Curve::P256);
    let (public_key, private_key) = fixture
        .generate_pair(public(), ck::CKM_EC_KEY_PAIR_GEN, &of_public, &of_private)
        .unwrap();
    assert_eq!(
        begin(sign, ck::CKM_ECDSA, public_key),
        Rv::KeyFunctionNotPermitted
    );
    assert_eq!(
        begin(OperationClass::Verify, ck::CKM_ECDSA, private_key),
        Rv::KeyFunctionNotPermitted
    );
}

#[test]
fn a_key_that_asks_each_time_signs_once_after_each_pin() {
    let fixture = Fixture::for_user();
    let (of_public, of_private) = ec_pair(Curve::P256);
    let of_private = merged(&of_private, [(ck::CKA_ALWAYS_AUTHENTICATE, yes())]);
    let (_, key) = fixture
        .generate_pair(user(), ck::CKM_EC_KEY_PAIR_GEN, &of_public, &of_private)
        .unwrap();
    let authenticate = |pin: &'static [u8]| {
        let done = fixture.work(user(), Work::Authenticate(Pin(pin)));
        done.map(drop).map_err(|error| error.rv())
    };
    assert_eq!(authenticate(USER_PIN), Err(Rv::OperationNotInitialized));
    let how = plain(ck::CKM_ECDSA_SHA256);
    let begin = || match fixture.work(
        user(),
        Work::Begin {
            class: OperationClass::Sign,
            mechanism: &how,
            key: Some(key),
        },
    ) {
        Ok(Out::Operation(operation)) => operation,
        _ => panic!("no operation"),
    };
    let sign = |operation: Box<dyn Operation>| {
        let mut out = [0; 64];
        match operation.single(&user(), b"message", End::Output(&mut out)) {
            Step::Ready(done) => done.map(drop).map_err(|error| error.rv()),
            Step::Pending(_) => panic!("pending"),
        }
    };
    assert_eq!(sign(begin()), Err(Rv::UserNotLoggedIn));
    let operation = begin();
    assert_eq!(authenticate(b"wrong-pin"), Err(Rv::PinIncorrect));
    assert_eq!(authenticate(USER_PIN), Ok(()));
    assert_eq!(sign(operation), Ok(()));
    assert_eq!(sign(begin()), Err(Rv::UserNotLoggedIn), "once");
    assert_eq!(authenticate(USER_PIN), Err(Rv::OperationNotInitialized));
}

#[test]
fn an_operation_goes_on_when_its_key_is_destroyed() {
    let fixture = Fixture::blank();
    let key = fixture
        .create(public(), &secret_key(ck::CKK_GENERIC_SECRET, b"k"))
        .unwrap();
    let hmac = plain(ck::CKM_SHA256_HMAC);
    let mut operation: Box<dyn Operation> =
        fixture.begin(public(), OperationClass::Sign, &hmac, key).unwrap();
    fixture.destroy(public(), key).unwrap();
    operation.update(&public(), b"message", &mut []).unwrap();
    let mut mac = [0; 32];
    ready(operation.finish(&public(), keyenclave_model::token::End::Output(&mut mac))).unwrap();
    assert_ne!(mac, [0; 32]);
    assert_eq!(
        rv(fixture.begin(public(), OperationClass::Sign, &hmac, key)),
        Rv::KeyHandleInvalid
    );
}

#[test]
fn an_rsa_key_of_outdated_size_is_made_and_used_only_where_that_is_asked_for() {
    let with = Fixture::with_legacy_mechanisms().with_pins();
    with.login(Role::User, USER_PIN).unwrap();
    let (of_public, of_private) = kept(rsa_pair(512), "short");
    let made = with.generate_pair(user(), ck::CKM_RSA_PKCS_KEY_PAIR_GEN, &of_public, &of_private);
    let begin = |fixture: &Fixture, key| {
        let sign = OperationClass::Sign;
        fixture.begin(user(), sign, &plain(ck::CKM_SHA256_RSA_PKCS), key)
    };
    assert!(begin(&with, made.unwrap().1).is_ok());

    let without = with.other();
    without.login(Role::User, USER_PIN).unwrap();
    let found = without.find(user(), &template([(ck::CKA_CLASS, number(ck::CKO_PRIVATE_KEY))]));
    assert_eq!(rv(begin(&without, found[0])), Rv::KeySizeRange);
    let short = RsaPrivateKey::generate(512, &[1, 0, 1]).unwrap();
    let short = template([
        (ck::CKA_CLASS, number(ck::CKO_PUBLIC_KEY)),
        (ck::CKA_KEY_TYPE, number(ck::CKK_RSA)),
        (ck::CKA_MODULUS, bytes(&*short.components().modulus)),
        (ck::CKA_PUBLIC_EXPONENT, bytes([1, 0, 1])),
    ]);
    assert!(with.create(public(), &short).is_ok());
    assert_eq!(rv(without.create(public(), &short)), Rv::AttributeValueInvalid);
}
