// SPDX-License-Identifier: MIT
//! Keys of a soft token that leave it wrapped and come back.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod token_fixture;

use cryptoki_sys as ck;
use keyenclave_model::algorithm::{Curve, Hash};
use keyenclave_model::attribute::Value;
use keyenclave_model::error::Rv;
use keyenclave_model::mechanism::{GcmParams, Mechanism, OaepParams, Params};
use keyenclave_model::template::Template;
use keyenclave_model::token::{ObjectId, OperationClass};
use token_fixture::*;

/// Every mechanism that wraps with an AES key.
fn aes_mechanisms() -> Vec<Mechanism> {
    let gcm = GcmParams {
        iv: vec![3; 12],
        aad: b"with".to_vec(),
        tag_len: 16,
    };
    vec![
        plain(ck::CKM_AES_ECB),
        mechanism(ck::CKM_AES_CBC, Params::Bytes(vec![1; 16])),
        mechanism(ck::CKM_AES_CBC_PAD, Params::Bytes(vec![1; 16])),
        mechanism(ck::CKM_AES_GCM, Params::Gcm(gcm)),
        plain(ck::CKM_AES_KEY_WRAP),
        mechanism(ck::CKM_AES_KEY_WRAP, Params::Bytes(vec![5; 8])),
        plain(ck::CKM_AES_KEY_WRAP_KWP),
        mechanism(ck::CKM_AES_KEY_WRAP_KWP, Params::Bytes(vec![5; 4])),
        plain(ck::CKM_AES_KEY_WRAP_PKCS7),
    ]
}

fn oaep() -> Mechanism {
    let params = OaepParams {
        hash: Hash::Sha256,
        mgf: Hash::Sha256,
        label: vec![],
    };
    mechanism(ck::CKM_RSA_PKCS_OAEP, Params::Oaep(params))
}

fn extractable(template: &Template) -> Template {
    merged(
        template,
        [(ck::CKA_EXTRACTABLE, yes()), (ck::CKA_SENSITIVE, no())],
    )
}

fn secret(key_type: u64) -> Template {
    template([
        (ck::CKA_CLASS, number(ck::CKO_SECRET_KEY)),
        (ck::CKA_KEY_TYPE, number(key_type)),
        (ck::CKA_SENSITIVE, no()),
        (ck::CKA_EXTRACTABLE, yes()),
    ])
}

fn kek(fixture: &Fixture) -> ObjectId {
    let key = merged(&aes_key(&[9; 32]), [(ck::CKA_WRAP, yes())]);
    fixture.create(user(), &key).unwrap()
}

fn value(fixture: &Fixture, key: ObjectId) -> Vec<u8> {
    let object = fixture.view(user(), key).unwrap();
    object.bytes(ck::CKA_VALUE).unwrap().to_vec()
}

#[test]
fn secret_keys_come_back_with_every_mechanism() {
    let fixture = Fixture::for_user();
    let kek = kek(&fixture);
    for (key_type, content) in [(ck::CKK_AES, vec![4; 24]), (ck::CKK_GENERIC_SECRET, vec![6; 29])] {
        let key = extractable(&secret_key(key_type, &content));
        let key = fixture.create(user(), &key).unwrap();
        for how in aes_mechanisms() {
            let wrapped = fixture.wrap(user(), &how, kek, key).unwrap();
            let len = (ck::CKA_VALUE_LEN, number(content.len() as u64));
            let back = merged(&secret(key_type), [len]);
            let back = fixture.unwrap(user(), &how, kek, &wrapped, &back).unwrap();
            assert_eq!(value(&fixture, back), content);
            let object = fixture.view(user(), back).unwrap();
            assert!(!object.is_true(ck::CKA_LOCAL) && !object.is_true(ck::CKA_ALWAYS_SENSITIVE));
            assert_eq!(
                object.ulong(ck::CKA_KEY_GEN_MECHANISM),
                Some(ck::CK_UNAVAILABLE_INFORMATION)
            );
        }
    }
}

#[test]
fn private_keys_come_back_and_sign_alike() {
    let fixture = Fixture::for_user();
    let kek = kek(&fixture);
    let pairs = [
        (
            ck::CKK_RSA,
            ck::CKM_RSA_PKCS_KEY_PAIR_GEN,
            ck::CKM_SHA256_RSA_PKCS,
            rsa_pair(2048),
        ),
        (
            ck::CKK_EC,
            ck::CKM_EC_KEY_PAIR_GEN,
            ck::CKM_ECDSA_SHA256,
            ec_pair(Curve::P384),
        ),
        (
            ck::CKK_EC_EDWARDS,
            ck::CKM_EC_EDWARDS_KEY_PAIR_GEN,
            ck::CKM_EDDSA,
            (
                template([(ck::CKA_EC_PARAMS, bytes(keyenclave_model::edwards::CURVE.oid))]),
                template([]),
            ),
        ),
    ];
    for (key_type, generator, signing, (of_public, of_private)) in pairs {
        let of_private = merged(&of_private, [(ck::CKA_EXTRACTABLE, yes())]);
        let (public_key, key) = fixture
            .generate_pair(user(), generator, &of_public, &of_private)
            .unwrap();
        for how in aes_mechanisms() {
            let wrapped = fixture.wrap(user(), &how, kek, key).unwrap();
            let back = template([
                (ck::CKA_CLASS, number(ck::CKO_PRIVATE_KEY)),
                (ck::CKA_KEY_TYPE, number(key_type)),
            ]);
            let back = fixture.unwrap(user(), &how, kek, &wrapped, &back).unwrap();
            let signature = fixture
                .run(user(), OperationClass::Sign, &plain(signing), back, b"message")
                .unwrap();
            fixture
                .verify(user(), &plain(signing), public_key, b"message", &signature)
                .unwrap();
            let (was, is) = (
                fixture.view(user(), key).unwrap(),
                fixture.view(user(), back).unwrap(),
            );
            assert_eq!(
                was.bytes(ck::CKA_PUBLIC_KEY_INFO),
                is.bytes(ck::CKA_PUBLIC_KEY_INFO)
            );
            assert!(
                is.is_true(ck::CKA_SENSITIVE),
                "unless the template says otherwise"
            );
        }
    }
}

#[test]
fn rsa_keys_wrap_secret_keys_and_nothing_too_long_for_them() {
    let fixture = Fixture::for_user();
    let (of_public, of_private) = rsa_pair(2048);
    let (public_key, private_key) = fixture
        .generate_pair(user(), ck::CKM_RSA_PKCS_KEY_PAIR_GEN, &of_public, &of_private)
        .unwrap();
    for how in [plain(ck::CKM_RSA_PKCS), oaep()] {
        let key = fixture.create(user(), &extractable(&aes_key(&[4; 32]))).unwrap();
        let wrapped = fixture.wrap(user(), &how, public_key, key).unwrap();
        let back = fixture
            .unwrap(user(), &how, private_key, &wrapped, &secret(ck::CKK_AES))
            .unwrap();
        assert_eq!(value(&fixture, back), [4; 32]);
        let long = extractable(&secret_key(ck::CKK_GENERIC_SECRET, &[1; 250]));
        let long = fixture.create(user(), &long).unwrap();
        assert_eq!(rv(fixture.wrap(user(), &how, public_key, long)), Rv::KeySizeRange);
    }
}

#[test]
fn a_key_is_wrapped_only_where_it_may_be() {
    let fixture = Fixture::for_user();
    let kek = kek(&fixture);
    let how = plain(ck::CKM_AES_KEY_WRAP);
    let make = |of: &[(u64, Value)]| {
        let key = merged(&extractable(&aes_key(&[4; 16])), of.iter().cloned());
        fixture.create(user(), &key).unwrap()
    };
    let sealed = make(&[(ck::CKA_EXTRACTABLE, no())]);
    assert_eq!(rv(fixture.wrap(user(), &how, kek, sealed)), Rv::KeyUnextractable);
    let for_trusted = make(&[(ck::CKA_WRAP_WITH_TRUSTED, yes())]);
    assert_eq!(
        rv(fixture.wrap(user(), &how, kek, for_trusted)),
        Rv::KeyNotWrappable
    );
    let key = make(&[]);
    let idle = make(&[(ck::CKA_WRAP, no())]);
    assert_eq!(
        rv(fixture.wrap(user(), &how, idle, key)),
        Rv::KeyFunctionNotPermitted
    );
    let generic = fixture
        .create(user(), &secret_key(ck::CKK_GENERIC_SECRET, &[1; 16]))
        .unwrap();
    assert_eq!(
        rv(fixture.wrap(user(), &how, generic, key)),
        Rv::WrappingKeyTypeInconsistent
    );
    assert_eq!(
        rv(fixture.wrap(user(), &how, ObjectId(9999), key)),
        Rv::WrappingKeyHandleInvalid
    );
    assert_eq!(
        rv(fixture.wrap(user(), &how, kek, ObjectId(9999))),
        Rv::KeyHandleInvalid
    );
    assert_eq!(
        rv(fixture.wrap(user(), &plain(ck::CKM_SHA256_HMAC), kek, key)),
        Rv::MechanismInvalid
    );
    let (of_public, of_private) = ec_pair(Curve::P256);
    let (public_key, _) = fixture
        .generate_pair(user(), ck::CKM_EC_KEY_PAIR_GEN, &of_public, &of_private)
        .unwrap();
    assert_eq!(
        rv(fixture.wrap(user(), &how, kek, public_key)),
        Rv::KeyNotWrappable
    );
}

#[test]
fn a_key_for_trusted_keys_is_not_wrapped_by_one_that_decrypts() {
    let fixture = Fixture::initialised();
    fixture.login(keyenclave_model::token::Role::So, SO_PIN).unwrap();
    let trusted = |decrypts: bool| {
        let key = [
            (ck::CKA_TRUSTED, yes()),
            (ck::CKA_WRAP, yes()),
            (ck::CKA_DECRYPT, Value::Bool(decrypts)),
            (ck::CKA_EXTRACTABLE, no()),
        ];
        fixture.create(so(), &merged(&aes_key(&[9; 32]), key)).unwrap()
    };
    let (good, bad) = (trusted(false), trusted(true));
    let key = [(ck::CKA_WRAP_WITH_TRUSTED, yes())];
    let key = merged(&extractable(&aes_key(&[4; 16])), key);
    let key = fixture.create(so(), &key).unwrap();
    let how = plain(ck::CKM_AES_KEY_WRAP);
    assert_eq!(rv(fixture.wrap(user(), &how, bad, key)), Rv::KeyNotWrappable);
    assert!(fixture.wrap(user(), &how, good, key).is_ok());
}

#[test]
fn what_keys_demand_of_each_other_holds() {
    let fixture = Fixture::for_user();
    let demands = template([(ck::CKA_SENSITIVE, yes()), (ck::CKA_EXTRACTABLE, no())]);
    let only_aes = template([(ck::CKA_KEY_TYPE, number(ck::CKK_AES))]);
    let kek = [
        (ck::CKA_WRAP, yes()),
        (ck::CKA_UNWRAP_TEMPLATE, Value::Template(demands)),
        (ck::CKA_WRAP_TEMPLATE, Value::Template(only_aes)),
    ];
    let kek = fixture.create(user(), &merged(&aes_key(&[9; 32]), kek)).unwrap();
    let how = plain(ck::CKM_AES_KEY_WRAP);
    let generic = extractable(&secret_key(ck::CKK_GENERIC_SECRET, &[1; 16]));
    let generic = fixture.create(user(), &generic).unwrap();
    assert_eq!(rv(fixture.wrap(user(), &how, kek, generic)), Rv::KeyHandleInvalid);
    let key = fixture.create(user(), &extractable(&aes_key(&[4; 16]))).unwrap();
    let wrapped = fixture.wrap(user(), &how, kek, key).unwrap();
    let open = secret(ck::CKK_AES);
    assert_eq!(
        rv(fixture.unwrap(user(), &how, kek, &wrapped, &open)),
        Rv::TemplateInconsistent
    );
    let silent = template([
        (ck::CKA_CLASS, number(ck::CKO_SECRET_KEY)),
        (ck::CKA_KEY_TYPE, number(ck::CKK_AES)),
    ]);
    let back = fixture.unwrap(user(), &how, kek, &wrapped, &silent).unwrap();
    let back = fixture.view(user(), back).unwrap();
    assert!(back.is_true(ck::CKA_SENSITIVE) && !back.is_true(ck::CKA_EXTRACTABLE));
}

#[test]
fn what_is_no_wrapped_key_is_refused() {
    let fixture = Fixture::for_user();
    let kek = kek(&fixture);
    let how = plain(ck::CKM_AES_KEY_WRAP);
    let key = fixture.create(user(), &extractable(&aes_key(&[4; 16]))).unwrap();
    let wrapped = fixture.wrap(user(), &how, kek, key).unwrap();
    let take = |how: &Mechanism, wrapped: &[u8], template: &Template| {
        rv(fixture.unwrap(user(), how, kek, wrapped, template))
    };
    let aes = secret(ck::CKK_AES);
    let mut changed = wrapped.clone();
    changed[3] ^= 1;
    assert_eq!(take(&how, &changed, &aes), Rv::WrappedKeyInvalid);
    assert_eq!(take(&how, &wrapped[1..], &aes), Rv::WrappedKeyLenRange);
    assert_eq!(take(&how, &[], &aes), Rv::WrappedKeyLenRange);
    let longer = merged(&aes, [(ck::CKA_VALUE_LEN, number(32))]);
    assert_eq!(take(&how, &wrapped, &longer), Rv::WrappedKeyLenRange);
    let private = template([
        (ck::CKA_CLASS, number(ck::CKO_PRIVATE_KEY)),
        (ck::CKA_KEY_TYPE, number(ck::CKK_RSA)),
    ]);
    assert_eq!(take(&how, &wrapped, &private), Rv::WrappedKeyInvalid);
    assert_eq!(
        take(
            &how,
            &wrapped,
            &template([(ck::CKA_CLASS, number(ck::CKO_SECRET_KEY))])
        ),
        Rv::TemplateIncomplete
    );
    let odd = extractable(&secret_key(ck::CKK_GENERIC_SECRET, &[1; 29]));
    let odd = fixture.create(user(), &odd).unwrap();
    let how = plain(ck::CKM_AES_KEY_WRAP_KWP);
    let wrapped = fixture.wrap(user(), &how, kek, odd).unwrap();
    assert_eq!(
        take(&how, &wrapped, &aes),
        Rv::WrappedKeyLenRange,
        "29 bytes are no AES key"
    );
}

#[test]
fn a_length_that_is_not_told_is_not_guessed() {
    let fixture = Fixture::for_user();
    let kek = kek(&fixture);
    let key = fixture.create(user(), &extractable(&aes_key(&[4; 24]))).unwrap();
    let aes = secret(ck::CKK_AES);
    let cbc = mechanism(ck::CKM_AES_CBC, Params::Bytes(vec![1; 16]));
    let wrapped = fixture.wrap(user(), &cbc, kek, key).unwrap();
    let unsaid = fixture.unwrap(user(), &cbc, kek, &wrapped, &aes);
    assert_eq!(rv(unsaid), Rv::TemplateIncomplete);
    let generic = fixture.unwrap(user(), &cbc, kek, &wrapped, &secret(ck::CKK_GENERIC_SECRET));
    assert_eq!(rv(generic), Rv::TemplateIncomplete);
    // Of AES key wrap the lengths of AES keys are told apart, and so is the shortest one of whole blocks.
    let kw = plain(ck::CKM_AES_KEY_WRAP);
    let wrapped = fixture.wrap(user(), &kw, kek, key).unwrap();
    let back = fixture.unwrap(user(), &kw, kek, &wrapped, &aes).unwrap();
    assert_eq!(value(&fixture, back), [4; 24]);
    let key = fixture.create(user(), &extractable(&aes_key(&[4; 16]))).unwrap();
    let wrapped = fixture.wrap(user(), &cbc, kek, key).unwrap();
    let back = fixture.unwrap(user(), &cbc, kek, &wrapped, &aes).unwrap();
    assert_eq!(value(&fixture, back), [4; 16]);
}

#[test]
fn a_secret_that_would_not_come_back_is_not_wrapped() {
    let fixture = Fixture::for_user();
    let kek = kek(&fixture);
    let kw = plain(ck::CKM_AES_KEY_WRAP);
    for len in [1, 8] {
        let key = extractable(&secret_key(ck::CKK_GENERIC_SECRET, &vec![6; len]));
        let key = fixture.create(user(), &key).unwrap();
        assert_eq!(rv(fixture.wrap(user(), &kw, kek, key)), Rv::KeySizeRange, "{len}");
    }
}
