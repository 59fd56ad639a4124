// SPDX-License-Identifier: MIT
//! Ed25519: RFC 8032's signatures, OpenSSL's verdict, the forms of keys, and parameters that are none.

use crate::case::Need::{Own, Program};
use crate::case::cases;
use crate::subjects::signatures::{DATA, hold};
use cryptoki_sys::*;
use keyenclave_conformance::module::{Attr, Mech, bytes, flag, number};
use keyenclave_conformance::openssl::{export_ed25519, verifies_raw};
use keyenclave_conformance::place::Place;
use keyenclave_conformance::published::hex;
use keyenclave_conformance::token::Token;
use keyenclave_conformance::{Rv, two_calls};

cases! {
    "eddsa.published.pure" => an_ed25519_signature_is_that_of_the_rfc::<0>, "EdDSA",
        [CKM_EDDSA, CKM_EC_EDWARDS_KEY_PAIR_GEN], [];
    "eddsa.published.context" => an_ed25519_signature_is_that_of_the_rfc::<1>, "EdDSA",
        [CKM_EDDSA, CKM_EC_EDWARDS_KEY_PAIR_GEN], [];
    "eddsa.published.prehash" => an_ed25519_signature_is_that_of_the_rfc::<2>, "EdDSA",
        [CKM_EDDSA, CKM_EC_EDWARDS_KEY_PAIR_GEN], [];
    "eddsa.parts.pure" => an_ed25519_signature_is_made_and_verified_in_parts::<0>, "EdDSA",
        [CKM_EDDSA, CKM_EC_EDWARDS_KEY_PAIR_GEN], [];
    "eddsa.parts.context" => an_ed25519_signature_is_made_and_verified_in_parts::<1>, "EdDSA",
        [CKM_EDDSA, CKM_EC_EDWARDS_KEY_PAIR_GEN], [];
    "eddsa.parts.prehash" => an_ed25519_signature_is_made_and_verified_in_parts::<2>, "EdDSA",
        [CKM_EDDSA, CKM_EC_EDWARDS_KEY_PAIR_GEN], [];
    "eddsa.openssl.oid" => ed25519_signs_as_openssl_verifies_whatever_the_curve_was_called::<0>,
        "Edwards Elliptic Curve key pair generation",
        [CKM_EDDSA, CKM_EC_EDWARDS_KEY_PAIR_GEN], [Program("openssl")];
    "eddsa.openssl.name" => ed25519_signs_as_openssl_verifies_whatever_the_curve_was_called::<1>,
        "Edwards Elliptic Curve key pair generation",
        [CKM_EDDSA, CKM_EC_EDWARDS_KEY_PAIR_GEN], [Program("openssl")];
    "eddsa.openssl.other-name" => ed25519_signs_as_openssl_verifies_whatever_the_curve_was_called::<2>,
        "Edwards Elliptic Curve key pair generation",
        [CKM_EDDSA, CKM_EC_EDWARDS_KEY_PAIR_GEN], [Own, Program("openssl")];
    "eddsa.openssl.older-oid" => ed25519_signs_as_openssl_verifies_whatever_the_curve_was_called::<3>,
        "Edwards Elliptic Curve key pair generation",
        [CKM_EDDSA, CKM_EC_EDWARDS_KEY_PAIR_GEN], [Own, Program("openssl")];
    "eddsa.import" => an_ed25519_key_that_openssl_made_is_taken_in,
        "Edwards Elliptic Curve private key objects",
        [CKM_EDDSA], [Program("openssl")];
    "eddsa.point" => an_ed25519_point_is_taken_bare_and_in_der, "Edwards Elliptic Curve public key objects",
        [CKM_EDDSA], [Own];
    "eddsa.parameters" => eddsa_parameters_that_are_none_are_refused, "EdDSA",
        [CKM_EDDSA, CKM_EC_EDWARDS_KEY_PAIR_GEN], [];
    "eddsa.confusion" => ed25519_and_ecdsa_keys_are_not_taken_for_each_other, "EdDSA",
        [CKM_EDDSA, CKM_EC_EDWARDS_KEY_PAIR_GEN, CKM_ECDSA, CKM_EC_KEY_PAIR_GEN], [];
}

/// The ways in which programs name the curve.
const NAMES: [&[u8]; 4] = [
    b"\x06\x03\x2b\x65\x70",
    b"\x13\x0cedwards25519",
    b"\x13\x07Ed25519",
    b"\x06\x09\x2b\x06\x01\x04\x01\xda\x47\x0f\x01",
];

fn generate(token: &Token, session: CK_SESSION_HANDLE, name: &[u8]) -> (CK_ULONG, CK_ULONG) {
    let public = [bytes(CKA_EC_PARAMS, name), flag(CKA_VERIFY, true)];
    let private = [flag(CKA_SIGN, true)];
    let pair = token.generate_key_pair(session, CKM_EC_EDWARDS_KEY_PAIR_GEN, &public, &private);
    pair.expect("an Ed25519 key pair")
}

fn private(seed: &[u8]) -> Vec<Attr> {
    vec![
        number(CKA_CLASS, CKO_PRIVATE_KEY),
        number(CKA_KEY_TYPE, CKK_EC_EDWARDS),
        flag(CKA_SIGN, true),
        bytes(CKA_EC_PARAMS, NAMES[0]),
        bytes(CKA_VALUE, seed),
    ]
}

fn public(point: &[u8]) -> Vec<Attr> {
    vec![
        number(CKA_CLASS, CKO_PUBLIC_KEY),
        number(CKA_KEY_TYPE, CKK_EC_EDWARDS),
        flag(CKA_VERIFY, true),
        bytes(CKA_EC_PARAMS, NAMES[0]),
        bytes(CKA_EC_POINT, point),
    ]
}

/// Seed, public key, message, mechanism, signature.
fn published() -> Vec<(&'static str, &'static str, &'static str, Mech, &'static str)> {
    let abc = "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42";
    let abc_public = "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf";
    vec![
        // RFC 8032, section 7.1, test 3: Ed25519.
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            CKM_EDDSA.into(),
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9\
             716ed28dc027beceea1ec40a",
        ),
        // Section 7.2, "foo": Ed25519ctx.
        (
            "0305334e381af78f141cb666f6199f57bc3495335a256a95bd2a55bf546663f6",
            "dfc9425e4f968f7f0c29f0259cf5f9aed6851c2bb4ad8bfb860cfee0ab248292",
            "f726936d19c800494e3fdaff20b276a8",
            Mech::eddsa(CK_FALSE, b"foo"),
            "55a4cc2f70a54e04288c5f4cd1e45a7bb520b36292911876cada7323198dd87a8b36950b95130022907a7fb7c4e9b2d5f6cca685\
             a587b4b21f4b888e4e7edb0d",
        ),
        // Section 7.3: Ed25519ph.
        (
            abc,
            abc_public,
            "616263",
            Mech::eddsa(CK_TRUE, b""),
            "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae4131f85042463c2a355a2003d062adf5aaa10b8c61\
             e636062aaad11c2a26083406",
        ),
    ]
}

fn an_ed25519_signature_is_that_of_the_rfc<const EXAMPLE: usize>() {
    let (token, session) = Token::with_user();
    let (seed, point, message, mech, signature) = published().swap_remove(EXAMPLE);
    let (message, signature) = (hex(message), hex(signature));
    let key = token.create_object(session, &private(&hex(seed))).unwrap();
    let made = token.sign(session, mech.clone(), key, &message).unwrap();
    assert_eq!(made, signature, "{mech:?}");
    let point = form(&token, session, hex(point));
    let key = token.create_object(session, &public(&point)).unwrap();
    hold(&token, session, key, &mech, &message, &signature);
}

fn an_ed25519_signature_is_made_and_verified_in_parts<const EXAMPLE: usize>() {
    let (token, session) = Token::with_user();
    let (seed, point, message, mech, signature) = published().swap_remove(EXAMPLE);
    let (message, signature) = (hex(message), hex(signature));
    let key = token.create_object(session, &private(&hex(seed))).unwrap();
    let made = token.sign_parts(session, mech.clone(), key, &message, 1).unwrap();
    assert_eq!(made, signature, "{mech:?}");
    let point = form(&token, session, hex(point));
    let key = token.create_object(session, &public(&point)).unwrap();
    token
        .check_parts(session, mech, key, (&message, 1), &signature)
        .unwrap();
}

/// The point as this module writes points: bare as in version 3.1 and later, or in DER as in 3.0 and before.
fn form(token: &Token, session: CK_SESSION_HANDLE, point: Vec<u8>) -> Vec<u8> {
    let (key, _) = generate(token, session, NAMES[0]);
    match token.read(session, key, CKA_EC_POINT).unwrap().len() {
        32 => point,
        _ => keyenclave_conformance::openssl::der(4, &point),
    }
}

fn ed25519_signs_as_openssl_verifies_whatever_the_curve_was_called<const NAME: usize>() {
    let place = Place::of_this_process();
    let (token, session) = Token::with_user();
    let name = NAMES[NAME];
    let (public, private) = generate(&token, session, name);
    export_ed25519(&place, &token, session, public);
    assert_eq!(token.sign_init(session, CKM_EDDSA, private), Rv::OK);
    let signature = two_calls(|out| token.sign_into(session, DATA, out)).unwrap();
    assert_eq!(signature.len(), 64);
    hold(&token, session, public, &CKM_EDDSA.into(), DATA, &signature);
    verifies_raw(&place, DATA, &signature).unwrap();
    let mut other = DATA.to_vec();
    other[0] ^= 1;
    verifies_raw(&place, &other, &signature).expect_err("OpenSSL sees the difference");
    assert_eq!(token.read(session, private, CKA_EC_PARAMS).unwrap(), name);
}

fn an_ed25519_key_that_openssl_made_is_taken_in() {
    let place = Place::of_this_process();
    let (token, session) = Token::with_user();
    let make = [
        "genpkey",
        "-algorithm",
        "ed25519",
        "-outform",
        "DER",
        "-out",
        "key.der",
    ];
    keyenclave_conformance::openssl::openssl(&place, &make);
    let export = [
        "-inform",
        "DER",
        "-pubout",
        "-outform",
        "DER",
        "-out",
        "public.der",
    ];
    keyenclave_conformance::openssl::openssl(&place, &[&["pkey", "-in", "key.der"][..], &export].concat());
    let der = std::fs::read(place.file("key.der")).unwrap();
    let key = token
        .create_object(session, &private(&der[der.len() - 32..]))
        .unwrap();
    let signature = token.sign(session, CKM_EDDSA, key, DATA).unwrap();
    verifies_raw(&place, DATA, &signature).unwrap();
}

fn an_ed25519_point_is_taken_bare_and_in_der() {
    let (token, session) = Token::with_user();
    let (_, point, message, mech, signature) = published().swap_remove(0);
    let (point, message, signature) = (hex(point), hex(message), hex(signature));
    for form in [point.clone(), keyenclave_conformance::openssl::der(4, &point)] {
        let key = token.create_object(session, &public(&form)).unwrap();
        hold(&token, session, key, &mech, &message, &signature);
    }
    let refused = token.create_object(session, &public(&point[1..]));
    assert_eq!(refused.unwrap_err(), CKR_ATTRIBUTE_VALUE_INVALID);
}

fn eddsa_parameters_that_are_none_are_refused() {
    let (token, session) = Token::with_user();
    let (_, private) = generate(&token, session, NAMES[0]);
    for mech in [
        Mech::null(CKM_EDDSA, 24),
        Mech::null(CKM_EDDSA, CK_ULONG::MAX),
        Mech::with(CKM_EDDSA, [0; 23]),
        Mech::with(CKM_EDDSA, [0; 25]),
        Mech::eddsa(2, b""),
        Mech::eddsa(CK_FALSE, &[1; 256]),
        Mech::eddsa(CK_TRUE, &[1; 256]),
    ] {
        assert_eq!(
            token.sign_init(session, mech.clone(), private),
            CKR_MECHANISM_PARAM_INVALID,
            "{mech:?}"
        );
    }
    assert!(
        token
            .sign(session, Mech::eddsa(CK_TRUE, &[1; 255]), private, DATA)
            .is_ok()
    );
}

fn ed25519_and_ecdsa_keys_are_not_taken_for_each_other() {
    let (token, session) = Token::with_user();
    let (_, edwards) = generate(&token, session, NAMES[0]);
    let (curve, ..) = keyenclave_conformance::token::CURVES[0];
    let (_, weierstrass) = token.ec_for_signing(session, curve, &[]);
    assert_eq!(
        token.sign_init(session, CKM_ECDSA, edwards),
        CKR_KEY_TYPE_INCONSISTENT
    );
    assert_eq!(
        token.sign_init(session, CKM_EDDSA, weierstrass),
        CKR_KEY_TYPE_INCONSISTENT
    );
    let pair = |mechanism, params: &[u8]| {
        token.generate_key_pair(session, mechanism, &[bytes(CKA_EC_PARAMS, params)], &[])
    };
    assert_eq!(
        pair(CKM_EC_KEY_PAIR_GEN, NAMES[0]).unwrap_err(),
        CKR_CURVE_NOT_SUPPORTED
    );
    assert_eq!(
        pair(CKM_EC_EDWARDS_KEY_PAIR_GEN, curve).unwrap_err(),
        CKR_CURVE_NOT_SUPPORTED
    );
}
