// SPDX-License-Identifier: MIT
//! What attributes keys have, which of them can be read, and how `C_GetAttributeValue` says so.

use crate::case::Need::{Curve, Data, Own, Since};
use crate::case::cases;
use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::module::{Attr, Want, bytes, flag, number};
use keyenclave_conformance::token::{CURVES, Token, data_object};

cases! {
    "attributes.usage.defaults" => usage_flags_default_to_what_the_key_type_allows, "Key objects",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_EC_KEY_PAIR_GEN, CKM_AES_KEY_GEN], [Own];
    "attributes.private-key.sensitive" => generated_private_keys_are_sensitive_and_local,
        "Private key objects",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_EC_KEY_PAIR_GEN], [];
    "attributes.private-key.open" => a_session_key_that_is_declared_open_can_be_read, "Private key objects",
        [CKM_EC_KEY_PAIR_GEN], [];
    "attributes.one-way" => sensitive_can_only_be_switched_on_and_extractable_only_off, "C_SetAttributeValue",
        [CKM_AES_KEY_GEN], [];
    "attributes.read.every-one" => asking_goes_through_every_attribute_and_returns_what_went_wrong,
        "C_GetAttributeValue",
        [CKM_RSA_PKCS_KEY_PAIR_GEN], [];
    "attributes.read.foreign" => reading_an_attribute_that_the_class_does_not_have_is_a_type_error,
        "C_GetAttributeValue",
        [], [Data];
    "attributes.unique-id" => every_object_has_a_unique_id_that_nobody_sets, "The CKA_UNIQUE_ID attribute",
        [], [Since(3), Data];
    "attributes.allowed-mechanisms" => allowed_mechanisms_are_kept_and_enforced, "Key objects",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_SHA256_RSA_PKCS, CKM_SHA512_RSA_PKCS], [];
    "attributes.private-key.public-part" => private_keys_carry_what_their_public_keys_say,
        "Private key objects",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_EC_KEY_PAIR_GEN], [Curve(2)];
}

fn usage_flags_default_to_what_the_key_type_allows() {
    let (token, session) = Token::with_user();
    let (public, private) = token.rsa(session, 2048, &[]);
    for kind in [CKA_VERIFY, CKA_ENCRYPT, CKA_WRAP] {
        assert!(token.read_flag(session, public, kind).unwrap(), "{kind:#x}");
    }
    for kind in [CKA_SIGN, CKA_DECRYPT, CKA_UNWRAP] {
        assert!(token.read_flag(session, private, kind).unwrap(), "{kind:#x}");
    }
    assert!(!token.read_flag(session, private, CKA_DERIVE).unwrap());
    assert!(!token.read_flag(session, private, CKA_EXTRACTABLE).unwrap());
    for kind in [
        CKA_PRIVATE,
        CKA_SENSITIVE,
        CKA_ALWAYS_SENSITIVE,
        CKA_NEVER_EXTRACTABLE,
    ] {
        assert!(token.read_flag(session, private, kind).unwrap(), "{kind:#x}");
    }
    let (public, private) = token.ec(session, CURVES[0].0, &[]);
    assert!(token.read_flag(session, public, CKA_VERIFY).unwrap());
    assert!(token.read_flag(session, private, CKA_SIGN).unwrap());
    let key = token
        .generate_key(session, CKM_AES_KEY_GEN, &[number(CKA_VALUE_LEN, 16)])
        .unwrap();
    for kind in [CKA_ENCRYPT, CKA_DECRYPT] {
        assert!(token.read_flag(session, key, kind).unwrap(), "{kind:#x}");
    }
}

fn generated_private_keys_are_sensitive_and_local() {
    let (token, session) = Token::with_user();
    let closed = [CKA_TOKEN, CKA_PRIVATE, CKA_SENSITIVE].map(|kind| flag(kind, true));
    let closed = [&closed[..], &[flag(CKA_EXTRACTABLE, false)]].concat();
    let make = |mech, public: &[Attr]| token.generate_key_pair(session, mech, public, &closed).unwrap();
    let public = [
        number(CKA_MODULUS_BITS, 2048),
        bytes(CKA_PUBLIC_EXPONENT, [1, 0, 1]),
    ];
    let (_, private) = make(CKM_RSA_PKCS_KEY_PAIR_GEN, &public);
    for kind in [
        CKA_PRIVATE,
        CKA_SENSITIVE,
        CKA_ALWAYS_SENSITIVE,
        CKA_NEVER_EXTRACTABLE,
        CKA_LOCAL,
    ] {
        assert!(token.read_flag(session, private, kind).unwrap(), "{kind:#x}");
    }
    assert_eq!(
        token
            .read_number(session, private, CKA_KEY_GEN_MECHANISM)
            .unwrap(),
        CKM_RSA_PKCS_KEY_PAIR_GEN
    );
    assert_eq!(
        token.read_number(session, private, CKA_CLASS).unwrap(),
        CKO_PRIVATE_KEY
    );
    assert_eq!(token.read(session, private, CKA_MODULUS).unwrap().len(), 256);
    for kind in [CKA_PRIVATE_EXPONENT, CKA_PRIME_1, CKA_COEFFICIENT] {
        assert_eq!(
            token.read(session, private, kind).unwrap_err(),
            CKR_ATTRIBUTE_SENSITIVE,
            "{kind:#x}"
        );
    }
    let (_, private) = make(CKM_EC_KEY_PAIR_GEN, &[bytes(CKA_EC_PARAMS, CURVES[1].0)]);
    assert_eq!(
        token.read(session, private, CKA_VALUE).unwrap_err(),
        CKR_ATTRIBUTE_SENSITIVE
    );
}

fn a_session_key_that_is_declared_open_can_be_read() {
    let (token, session) = Token::with_user();
    let open = [flag(CKA_SENSITIVE, false), flag(CKA_EXTRACTABLE, true)];
    let public = [bytes(CKA_EC_PARAMS, CURVES[0].0)];
    let (_, private) = token
        .generate_key_pair(session, CKM_EC_KEY_PAIR_GEN, &public, &open)
        .unwrap();
    assert!(token.read(session, private, CKA_VALUE).unwrap().len() <= 32);
    assert!(!token.read_flag(session, private, CKA_ALWAYS_SENSITIVE).unwrap());
    assert!(!token.read_flag(session, private, CKA_NEVER_EXTRACTABLE).unwrap());
}

fn sensitive_can_only_be_switched_on_and_extractable_only_off() {
    let (token, session) = Token::with_user();
    let open = [
        flag(CKA_SENSITIVE, false),
        flag(CKA_EXTRACTABLE, true),
        number(CKA_VALUE_LEN, 16),
    ];
    let key = token.generate_key(session, CKM_AES_KEY_GEN, &open).unwrap();
    let set = |attr| token.set_attributes(session, key, &[attr]);
    assert_eq!(set(flag(CKA_SENSITIVE, true)), Rv::OK);
    assert_eq!(
        token.read(session, key, CKA_VALUE).unwrap_err(),
        CKR_ATTRIBUTE_SENSITIVE
    );
    assert_eq!(set(flag(CKA_SENSITIVE, false)), CKR_ATTRIBUTE_READ_ONLY);
    assert_eq!(set(flag(CKA_EXTRACTABLE, false)), Rv::OK);
    assert_eq!(set(flag(CKA_EXTRACTABLE, true)), CKR_ATTRIBUTE_READ_ONLY);
    assert!(!token.read_flag(session, key, CKA_ALWAYS_SENSITIVE).unwrap());
    for kind in [CKA_LOCAL, CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE] {
        assert_eq!(set(flag(kind, true)), CKR_ATTRIBUTE_READ_ONLY, "{kind:#x}");
    }
    for kind in [CKA_CLASS, CKA_KEY_TYPE] {
        assert_eq!(set(number(kind, 0)), CKR_ATTRIBUTE_READ_ONLY, "{kind:#x}");
    }
}

fn asking_goes_through_every_attribute_and_returns_what_went_wrong() {
    let (token, session) = Token::with_user();
    let (_, private) = token.rsa_for_all(session, 2048, &[bytes(CKA_ID, b"id")]);
    let unavailable = CK_UNAVAILABLE_INFORMATION;
    let mut wants = [
        Want::value(CKA_ID, 2),
        Want::length(CKA_PRIVATE_EXPONENT),
        Want::value(CKA_MODULUS, 256),
        Want::value(CKA_VALUE_LEN, 8),
        Want::value(CKA_PUBLIC_EXPONENT, 16),
    ];
    let rv = token.attribute_values(session, private, &mut wants);
    assert!(
        rv == CKR_ATTRIBUTE_SENSITIVE || rv == CKR_ATTRIBUTE_TYPE_INVALID,
        "{rv:?}"
    );
    assert_eq!(
        wants.clone().map(|want| want.len),
        [2, unavailable, 256, unavailable, 3]
    );
    assert_eq!(wants[0].room.as_deref(), Some(&b"id"[..]));
    assert_eq!(&wants[4].room.as_ref().unwrap()[..3], [1, 0, 1]);

    let mut wants = [Want::value(CKA_MODULUS, 255), Want::value(CKA_ID, 10)];
    assert_eq!(
        token.attribute_values(session, private, &mut wants),
        CKR_BUFFER_TOO_SMALL
    );
    assert_eq!(wants.clone().map(|want| want.len), [unavailable, 2]);
    assert_eq!(&wants[1].room.as_ref().unwrap()[..2], b"id");

    let mut wants = [Want::length(CKA_MODULUS), Want::length(CKA_ID)];
    assert_eq!(token.attribute_values(session, private, &mut wants), Rv::OK);
    assert_eq!(wants.map(|want| want.len), [256, 2]);

    assert_eq!(token.attribute_values(session, private, &mut []), Rv::OK);
}

fn reading_an_attribute_that_the_class_does_not_have_is_a_type_error() {
    let (token, session) = Token::with_user();
    let object = token
        .create_object(session, &data_object("x", false, b"1"))
        .unwrap();
    for kind in [CKA_MODULUS, CKA_KEY_TYPE, CKA_SIGN, 0x7fff_fff0] {
        assert_eq!(
            token.read(session, object, kind).unwrap_err(),
            CKR_ATTRIBUTE_TYPE_INVALID,
            "{kind:#x}"
        );
    }
    assert_eq!(
        token.read(session, 0, CKA_CLASS).unwrap_err(),
        CKR_OBJECT_HANDLE_INVALID
    );
    assert_eq!(
        token.read(session, object + 1000, CKA_CLASS).unwrap_err(),
        CKR_OBJECT_HANDLE_INVALID
    );
}

fn every_object_has_a_unique_id_that_nobody_sets() {
    let (token, session) = Token::with_user();
    let first = token
        .create_object(session, &data_object("x", false, b"1"))
        .unwrap();
    let second = token
        .create_object(session, &data_object("x", false, b"1"))
        .unwrap();
    let id = |object| token.read(session, object, CKA_UNIQUE_ID).unwrap();
    assert!(!id(first).is_empty());
    assert_ne!(id(first), id(second));
    assert_eq!(
        token.find(session, &[bytes(CKA_UNIQUE_ID, id(second))]).unwrap(),
        [second]
    );
    assert_eq!(
        token.set_attributes(session, first, &[bytes(CKA_UNIQUE_ID, b"x")]),
        CKR_ATTRIBUTE_READ_ONLY
    );
    let given = [&data_object("x", false, b"1")[..], &[bytes(CKA_UNIQUE_ID, b"x")]].concat();
    let made = token.create_object(session, &given).unwrap_err();
    assert_eq!(made, CKR_ATTRIBUTE_READ_ONLY);
}

fn allowed_mechanisms_are_kept_and_enforced() {
    let (token, session) = Token::with_user();
    let only: Vec<u8> = [CKM_SHA256_RSA_PKCS, CKM_RSA_PKCS]
        .iter()
        .flat_map(|kind| kind.to_ne_bytes())
        .collect();
    let (_, private) = token.rsa_for_all(session, 2048, &[bytes(CKA_ALLOWED_MECHANISMS, only.clone())]);
    let mut kept = token.read(session, private, CKA_ALLOWED_MECHANISMS).unwrap();
    if kept != only {
        // They are a set: their order is the module's.
        kept.rotate_left(only.len() / 2);
    }
    assert_eq!(kept, only);
    assert!(token.sign(session, CKM_SHA256_RSA_PKCS, private, b"x").is_ok());
    assert_eq!(
        token.sign_init(session, CKM_SHA512_RSA_PKCS, private),
        CKR_MECHANISM_INVALID
    );
}

fn private_keys_carry_what_their_public_keys_say() {
    let (token, session) = Token::with_user();
    let (public, private) = token.rsa_for_all(session, 2048, &[]);
    for kind in [CKA_MODULUS, CKA_PUBLIC_EXPONENT] {
        assert_eq!(
            token.read(session, public, kind),
            token.read(session, private, kind)
        );
    }
    let (public, private) = token.ec_for_signing(session, CURVES[2].0, &[]);
    assert_eq!(token.read(session, private, CKA_EC_PARAMS).unwrap(), CURVES[2].0);
    assert_eq!(token.read(session, public, CKA_EC_POINT).unwrap().len(), 3 + 133);
}
