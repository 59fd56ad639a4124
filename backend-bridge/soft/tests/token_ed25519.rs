// SPDX-License-Identifier: MIT
//! Ed25519 keys and signatures of a soft token, against RFC 8032's and in every form that keys are written in.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../crypto/tests/testkit/mod.rs"]
mod testkit;
mod token_fixture;

use cryptoki_sys as ck;
use keyenclave_crypto::PublicKey;
use keyenclave_model::edwards;
use keyenclave_model::error::Rv;
use keyenclave_model::mechanism::{EdDsaParams, Mechanism, Params};
use keyenclave_model::template::Template;
use keyenclave_model::token::{End, OperationClass as Class, OutputLen, Part};
use testkit::ed25519::{CASES, Case, Scheme};
use testkit::unhex;
use token_fixture::*;

fn private(params: &[u8], seed: &[u8]) -> Template {
    template([
        (ck::CKA_CLASS, number(ck::CKO_PRIVATE_KEY)),
        (ck::CKA_KEY_TYPE, number(ck::CKK_EC_EDWARDS)),
        (ck::CKA_PRIVATE, no()),
        (ck::CKA_EC_PARAMS, bytes(params)),
        (ck::CKA_VALUE, bytes(seed)),
    ])
}

fn public_half(params: &[u8], point: &[u8]) -> Template {
    template([
        (ck::CKA_CLASS, number(ck::CKO_PUBLIC_KEY)),
        (ck::CKA_KEY_TYPE, number(ck::CKK_EC_EDWARDS)),
        (ck::CKA_EC_PARAMS, bytes(params)),
        (ck::CKA_EC_POINT, bytes(point)),
    ])
}

fn eddsa(prehash: bool, context: &[u8]) -> Mechanism {
    let context = context.to_vec();
    mechanism(ck::CKM_EDDSA, Params::EdDsa(EdDsaParams { prehash, context }))
}

fn mechanism_of(case: &Case) -> Mechanism {
    match case.scheme {
        Scheme::Pure => plain(ck::CKM_EDDSA),
        Scheme::Context => eddsa(false, &unhex(case.context)),
        Scheme::Prehashed => eddsa(true, &unhex(case.context)),
    }
}

#[test]
fn published_signatures_come_out_whole_and_in_parts_and_verify() {
    let fixture = Fixture::blank();
    for case in CASES {
        let (message, signature, mechanism) =
            (unhex(case.message), unhex(case.signature), mechanism_of(case));
        let key = fixture
            .create(public(), &private(edwards::CURVE.oid, &unhex(case.seed)))
            .unwrap();
        let whole = fixture
            .run(public(), Class::Sign, &mechanism, key, &message)
            .unwrap();
        assert_eq!(whole, signature, "{}", case.name);
        let (front, back) = message.split_at(message.len() / 2);
        let parts = fixture.run_in_parts(public(), Class::Sign, &mechanism, key, &[front, &[], back]);
        assert_eq!(parts.unwrap(), signature, "{}", case.name);

        let public_key = public_half(edwards::CURVE.oid, &unhex(case.public));
        let public_key = fixture.create(public(), &public_key).unwrap();
        let verify = |message: &[u8], signature: &[u8]| {
            fixture.verify(public(), &mechanism, public_key, message, signature)
        };
        verify(&message, &signature).unwrap();
        let mut operation = fixture
            .begin(public(), Class::Verify, &mechanism, public_key)
            .unwrap();
        operation.update(&public(), front, &mut []).unwrap();
        operation.update(&public(), back, &mut []).unwrap();
        ready(operation.finish(&public(), End::Signature(&signature))).unwrap();
        assert_eq!(rv(verify(b"another", &signature)), Rv::SignatureInvalid);
        for wrong in [&signature[1..], &[]] {
            assert_eq!(rv(verify(&message, wrong)), Rv::SignatureLenRange);
        }
    }
}

#[test]
fn a_parameter_with_neither_digest_nor_context_is_ed25519_itself() {
    let fixture = Fixture::blank();
    let (public_key, private_key) = ed25519_pair(&fixture);
    let sign = |mechanism| {
        fixture
            .run(public(), Class::Sign, &mechanism, private_key, b"m")
            .unwrap()
    };
    let pure = sign(plain(ck::CKM_EDDSA));
    assert_eq!(sign(eddsa(false, b"")), pure);
    for other in [eddsa(true, b""), eddsa(false, b"c"), eddsa(true, b"c")] {
        assert_ne!(sign(other.clone()), pure);
        let verified = fixture.verify(public(), &other, public_key, b"m", &pure);
        assert_eq!(rv(verified), Rv::SignatureInvalid);
    }
}

#[test]
fn a_signature_has_64_bytes_and_is_told_so_before() {
    let fixture = Fixture::blank();
    let (_, key) = ed25519_pair(&fixture);
    let operation = fixture
        .begin(public(), Class::Sign, &plain(ck::CKM_EDDSA), key)
        .unwrap();
    for (part, len) in [(Part::Single(9), 64), (Part::Finish, 64), (Part::Update(9), 0)] {
        assert_eq!(operation.output_len(part).unwrap(), OutputLen::Exact(len));
    }
}

#[test]
fn a_generated_pair_describes_itself_in_the_form_that_its_template_has() {
    let fixture = Fixture::blank();
    for params in [
        edwards::CURVE.oid,
        b"\x06\x09\x2b\x06\x01\x04\x01\xda\x47\x0f\x01",
        b"\x13\x0cedwards25519",
        b"\x13\x07Ed25519",
    ] {
        let of_public = template([(ck::CKA_EC_PARAMS, bytes(params))]);
        let of_private = template([(ck::CKA_PRIVATE, no())]);
        let made = fixture.generate_pair(public(), ck::CKM_EC_EDWARDS_KEY_PAIR_GEN, &of_public, &of_private);
        let (public_key, private_key) = made.unwrap();
        let public_key = fixture.view(public(), public_key).unwrap();
        let private_key = fixture.view(public(), private_key).unwrap();
        for object in [&public_key, &private_key] {
            assert_eq!(object.key_type(), Some(ck::CKK_EC_EDWARDS));
            assert_eq!(object.bytes(ck::CKA_EC_PARAMS), Some(params));
            assert!(object.is_true(ck::CKA_LOCAL));
        }
        let point = public_key.bytes(ck::CKA_EC_POINT).unwrap();
        assert_eq!((point.len(), &point[..2]), (34, &[4, 32][..]));
        assert_eq!(private_key.bytes(ck::CKA_EC_POINT), Some(point));
        let spki = public_key.bytes(ck::CKA_PUBLIC_KEY_INFO).unwrap();
        assert!(
            matches!(PublicKey::from_spki_der(spki), Ok(PublicKey::Ed25519(key)) if key.as_bytes() == &point[2..])
        );
        assert!(private_key.reveal(ck::CKA_VALUE).is_err());
    }
}

#[test]
fn other_curves_and_other_mechanisms_are_refused() {
    let fixture = Fixture::blank();
    let generate = |mechanism, params: &[u8]| {
        let of_public = template([(ck::CKA_EC_PARAMS, bytes(params))]);
        rv(fixture.generate_pair(public(), mechanism, &of_public, &template([])))
    };
    // P-256 and id-Ed448.
    for params in [
        b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07".as_slice(),
        b"\x06\x03\x2b\x65\x71",
        b"",
    ] {
        assert_eq!(
            generate(ck::CKM_EC_EDWARDS_KEY_PAIR_GEN, params),
            Rv::CurveNotSupported
        );
    }
    assert_eq!(
        generate(ck::CKM_EC_KEY_PAIR_GEN, edwards::CURVE.oid),
        Rv::CurveNotSupported
    );
    let (_, key) = ed25519_pair(&fixture);
    let ecdsa = fixture.begin(public(), Class::Sign, &plain(ck::CKM_ECDSA), key);
    assert_eq!(rv(ecdsa), Rv::KeyTypeInconsistent);
}

#[test]
fn points_are_taken_in_every_form_and_seeds_of_one_length() {
    let fixture = Fixture::blank();
    let case = &CASES[2];
    let (seed, point) = (unhex(case.seed), unhex(case.public));
    for form in [
        point.clone(),
        [&[4, 32], point.as_slice()].concat(),
        [&[3, 33, 0], point.as_slice()].concat(),
    ] {
        let key = fixture
            .create(public(), &public_half(edwards::CURVE.oid, &form))
            .unwrap();
        let object = fixture.view(public(), key).unwrap();
        assert_eq!(object.bytes(ck::CKA_EC_POINT).unwrap()[2..], point);
        let with_point = merged(
            &private(edwards::CURVE.oid, &seed),
            [(ck::CKA_EC_POINT, bytes(&form))],
        );
        fixture.create(public(), &with_point).unwrap();
    }
    let refused = |template| rv(fixture.create(public(), &template));
    for wrong in [&point[1..], &[]] {
        assert_eq!(
            refused(public_half(edwards::CURVE.oid, wrong)),
            Rv::AttributeValueInvalid
        );
    }
    assert_eq!(
        refused(private(edwards::CURVE.oid, &seed[1..])),
        Rv::AttributeValueInvalid
    );
    assert_eq!(
        refused(private(b"\x06\x03\x2b\x65\x71", &seed)),
        Rv::CurveNotSupported
    );
    let of_another = merged(
        &private(edwards::CURVE.oid, &seed),
        [(ck::CKA_EC_POINT, bytes(unhex(CASES[1].public)))],
    );
    assert_eq!(refused(of_another), Rv::AttributeValueInvalid);
}

#[test]
fn a_stored_key_signs_after_the_token_is_opened_again() {
    let fixture = Fixture::for_user();
    let (of_public, of_private) = kept(
        (
            template([(ck::CKA_EC_PARAMS, bytes(edwards::CURVE.oid))]),
            template([]),
        ),
        "stored",
    );
    let made = fixture.generate_pair(user(), ck::CKM_EC_EDWARDS_KEY_PAIR_GEN, &of_public, &of_private);
    let (public_key, private_key) = made.unwrap();
    let mechanism = plain(ck::CKM_EDDSA);
    let first = fixture
        .run(user(), Class::Sign, &mechanism, private_key, b"m")
        .unwrap();
    let other = fixture.other();
    other
        .login(keyenclave_model::token::Role::User, USER_PIN)
        .unwrap();
    let private_only = merged(
        &by_label("stored"),
        [(ck::CKA_CLASS, number(ck::CKO_PRIVATE_KEY))],
    );
    let [key] = other.find(user(), &private_only)[..] else {
        panic!("the key is not there once");
    };
    let again = other.run(user(), Class::Sign, &mechanism, key, b"m").unwrap();
    assert_eq!(again, first);
    fixture
        .verify(user(), &mechanism, public_key, b"m", &again)
        .unwrap();
}
