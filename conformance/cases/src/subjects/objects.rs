// SPDX-License-Identifier: MIT
//! Objects: creating, copying, finding, changing, destroying.

use crate::case::Need::{Curve, Data, Own, Since};
use crate::case::cases;
use cryptoki_sys::*;
use keyenclave_conformance::module::{Attr, bytes, flag, number};
use keyenclave_conformance::token::{CURVES, RO, RW, Token, data_object};
use keyenclave_conformance::{Refused, Rv};

cases! {
    "objects.profiles" => a_token_names_its_profiles, "Profile objects", [], [Since(3)];
    "objects.mechanisms" => a_token_has_an_object_for_each_of_its_mechanisms, "Mechanism objects", [], [Own];
    "objects.kept" => data_certificates_and_public_keys_are_kept_until_destroyed, "C_CreateObject", [], [Data];
    "objects.not-private" => a_stored_key_that_is_asked_for_as_not_private_is_made_and_kept,
        "Storage Objects",
        [CKM_AES_ECB], [];
    "find.every-attribute" => finding_matches_on_every_attribute, "C_FindObjectsInit", [], [Data];
    "find.attribute-twice" => a_search_for_one_attribute_twice_finds_what_has_both_or_is_refused,
        "C_FindObjectsInit",
        [], [Data];
    "find.through-changes" => a_search_goes_on_through_changes_and_ends_on_request, "C_FindObjects", [], [Data];
    "objects.templates" => incomplete_and_contradicting_templates_are_refused, "Creating objects", [], [Data];
    "objects.attribute-twice" => an_attribute_given_twice_is_refused, "Creating objects", [], [Data];
    "copy.own" => copies_are_objects_of_their_own, "C_CopyObject", [], [Data];
    "copy.key" => a_copied_key_works_and_never_gets_weaker, "C_CopyObject",
        [CKM_EC_KEY_PAIR_GEN, CKM_ECDSA], [];
    "objects.fixed" => what_is_not_copyable_modifiable_or_destroyable_stays, "Storage Objects", [], [Data];
    "objects.changed" => label_and_id_can_be_changed_and_are_kept, "C_SetAttributeValue",
        [CKM_EC_KEY_PAIR_GEN, CKM_ECDSA], [];
    "generate.pair.kept" => generated_keys_survive_and_go_on_signing, "C_GenerateKeyPair",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_EC_KEY_PAIR_GEN, CKM_RSA_PKCS, CKM_ECDSA], [Curve(1), Curve(2)];
    "generate.pair.impossible" => key_pairs_that_cannot_be_are_refused, "C_GenerateKeyPair",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_EC_KEY_PAIR_GEN], [];
    "generate.pair.curve-name" => a_curve_can_be_given_by_its_printable_name, "EC mechanism parameters",
        [CKM_EC_KEY_PAIR_GEN, CKM_ECDSA], [Own];
}

/// A certificate of P-256 and ECDSA, signed by itself: modules may look into what they store.
const CERTIFICATE: &[u8] = include_bytes!("certificate.der");

/// Its subject and issuer: the common name "KeyEnclave test".
const NAME: &[u8] = b"\x30\x1a\x31\x18\x30\x16\x06\x03\x55\x04\x03\x0c\x0fKeyEnclave test";

fn certificate(label: &str, id: &[u8]) -> Vec<Attr> {
    vec![
        number(CKA_CLASS, CKO_CERTIFICATE),
        number(CKA_CERTIFICATE_TYPE, CKC_X_509),
        flag(CKA_TOKEN, true),
        flag(CKA_PRIVATE, false),
        bytes(CKA_LABEL, label),
        bytes(CKA_ID, id),
        bytes(CKA_SUBJECT, NAME),
        bytes(CKA_ISSUER, NAME),
        bytes(CKA_SERIAL_NUMBER, [0x02, 0x01, 0x01]),
        bytes(CKA_VALUE, CERTIFICATE),
    ]
}

fn data_certificates_and_public_keys_are_kept_until_destroyed() {
    let (mut token, session) = Token::with_user();
    let public = [
        number(CKA_CLASS, CKO_PUBLIC_KEY),
        number(CKA_KEY_TYPE, CKK_RSA),
        flag(CKA_TOKEN, true),
        bytes(CKA_LABEL, "public"),
        bytes(CKA_MODULUS, vec![0xc5; 256]),
        bytes(CKA_PUBLIC_EXPONENT, [1, 0, 1]),
    ];
    let made = [
        &data_object("data", false, b"value")[..],
        &certificate("certificate", b"7"),
        &public,
    ];
    for attrs in made {
        token.create_object(session, attrs).unwrap();
    }
    token.restart();
    let session = token.user_session();
    for attrs in made {
        let found = token.find(session, attrs).unwrap();
        assert_eq!(found.len(), 1, "{attrs:?}");
        assert_eq!(token.destroy_object(session, found[0]), Rv::OK);
        assert_eq!(token.destroy_object(session, found[0]), CKR_OBJECT_HANDLE_INVALID);
        assert!(token.find(session, attrs).unwrap().is_empty());
    }
}

fn a_stored_key_that_is_asked_for_as_not_private_is_made_and_kept() {
    let (mut token, session) = Token::with_user();
    let secret = [
        number(CKA_CLASS, CKO_SECRET_KEY),
        number(CKA_KEY_TYPE, CKK_AES),
        flag(CKA_TOKEN, true),
        flag(CKA_PRIVATE, false),
        bytes(CKA_LABEL, "not private"),
        bytes(CKA_VALUE, [7; 32]),
        flag(CKA_ENCRYPT, true),
    ];
    token.create_object(session, &secret).unwrap();
    token.restart();
    let session = token.user_session();
    let wanted = [flag(CKA_PRIVATE, false), bytes(CKA_LABEL, "not private")];
    let found = token.find(session, &wanted).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(
        token
            .encrypt(session, CKM_AES_ECB, found[0], &[0; 16])
            .unwrap()
            .len(),
        16
    );
}

fn finding_matches_on_every_attribute() {
    let (token, session) = Token::with_user();
    let first = token.create_object(session, &certificate("same", b"1")).unwrap();
    let second = token.create_object(session, &certificate("same", b"2")).unwrap();
    token
        .create_object(session, &data_object("same", false, b"1"))
        .unwrap();
    let mut same = token
        .find(
            session,
            &[bytes(CKA_LABEL, "same"), number(CKA_CLASS, CKO_CERTIFICATE)],
        )
        .unwrap();
    same.sort_unstable();
    let mut both = vec![first, second];
    both.sort_unstable();
    assert_eq!(same, both);
    for attr in certificate("same", b"2")
        .into_iter()
        .filter(|attr| attr.kind != CKA_ID)
    {
        let found = token.find(session, &[attr.clone(), bytes(CKA_ID, b"2")]).unwrap();
        assert_eq!(found, [second], "{attr:?}");
    }
    assert!(
        token
            .find(session, &[bytes(CKA_LABEL, "sam")])
            .unwrap()
            .is_empty(),
        "no prefix matches"
    );
    assert!(
        token
            .find(session, &[bytes(CKA_LABEL, "same"), bytes(CKA_ID, b"3")])
            .unwrap()
            .is_empty()
    );
    assert!(
        token
            .find(session, &[bytes(CKA_MODULUS, b"1")])
            .unwrap()
            .is_empty(),
        "nobody has the attribute"
    );
    assert_eq!(token.stored(session).len(), 3);
}

fn a_search_for_one_attribute_twice_finds_what_has_both_or_is_refused() {
    let (token, session) = Token::with_user();
    let object = token
        .create_object(session, &data_object("x", false, b"1"))
        .unwrap();
    let same = token.find(session, &[bytes(CKA_LABEL, "x"), bytes(CKA_LABEL, "x")]);
    let refused = Err(Rv(CKR_ATTRIBUTE_VALUE_INVALID));
    assert!(same == refused || same == Ok(vec![object]), "{same:?}");
    let other = token.find(session, &[bytes(CKA_LABEL, "x"), bytes(CKA_LABEL, "y")]);
    assert!(other == refused || other == Ok(vec![]), "{other:?}");
}

fn a_search_goes_on_through_changes_and_ends_on_request() {
    let (token, session) = Token::with_user();
    for round in 0u8..10 {
        token
            .create_object(session, &data_object("many", false, &[round]))
            .unwrap();
    }
    assert_eq!(
        token.find_next(session, 1).unwrap_err(),
        CKR_OPERATION_NOT_INITIALIZED
    );
    assert_eq!(token.find_init(session, &[bytes(CKA_LABEL, "many")]), Rv::OK);
    assert_eq!(token.find_init(session, &[]), CKR_OPERATION_ACTIVE);
    let first = token.find_next(session, 4).unwrap();
    assert_eq!(first.len(), 4);
    assert_eq!(token.destroy_object(session, first[0]), Rv::OK);
    let rest = token.find_next(session, 100).unwrap();
    assert_eq!(rest.len(), 6);
    assert!(rest.iter().all(|object| !first.contains(object)));
    assert!(token.find_next(session, 100).unwrap().is_empty());
    assert_eq!(token.find_final(session), Rv::OK);
    assert_eq!(token.find_final(session), CKR_OPERATION_NOT_INITIALIZED);
}

fn incomplete_and_contradicting_templates_are_refused() {
    let (token, session) = Token::with_user();
    let made = |attrs: &[Attr]| token.create_object(session, attrs).unwrap_err();
    assert_eq!(made(&[]), CKR_TEMPLATE_INCOMPLETE);
    assert_eq!(
        made(&[number(CKA_CLASS, CKO_SECRET_KEY), number(CKA_KEY_TYPE, CKK_AES)]),
        CKR_TEMPLATE_INCOMPLETE
    );
    assert_eq!(
        made(&[number(CKA_CLASS, CKO_PRIVATE_KEY)]),
        CKR_TEMPLATE_INCOMPLETE
    );
    let unknown = made(&[number(CKA_CLASS, 0x4242)]);
    assert!(
        unknown == CKR_ATTRIBUTE_VALUE_INVALID || unknown == CKR_TEMPLATE_INCONSISTENT,
        "{unknown:?}"
    );
    let with = |attr: Attr| made(&[&data_object("x", false, b"1")[..], &[attr]].concat());
    let strange = with(bytes(CKA_MODULUS, [1]));
    assert!(
        strange == CKR_ATTRIBUTE_TYPE_INVALID || strange == CKR_TEMPLATE_INCONSISTENT,
        "{strange:?}"
    );
    assert_eq!(token.stored(session), [0; 0], "nothing was left behind");
}

fn an_attribute_given_twice_is_refused() {
    let (token, session) = Token::with_user();
    let twice = [&data_object("x", false, b"1")[..], &[bytes(CKA_LABEL, "y")]].concat();
    assert_eq!(
        token.create_object(session, &twice).unwrap_err(),
        CKR_TEMPLATE_INCONSISTENT
    );
}

fn copies_are_objects_of_their_own() {
    let (token, session) = Token::with_user();
    let object = token
        .create_object(session, &data_object("first", false, b"value"))
        .unwrap();
    let copy = token
        .copy_object(session, object, &[bytes(CKA_LABEL, "second")])
        .unwrap();
    assert_eq!(token.read(session, copy, CKA_LABEL).unwrap(), b"second");
    assert_eq!(token.read(session, copy, CKA_VALUE).unwrap(), b"value");
    assert_eq!(token.destroy_object(session, object), Rv::OK);
    assert_eq!(token.read(session, copy, CKA_VALUE).unwrap(), b"value");
    let loose = token
        .copy_object(session, copy, &[flag(CKA_TOKEN, false)])
        .unwrap();
    assert!(!token.read_flag(session, loose, CKA_TOKEN).unwrap());
}

fn a_copied_key_works_and_never_gets_weaker() {
    let (token, session) = Token::with_user();
    let closed = [
        flag(CKA_SIGN, true),
        flag(CKA_SENSITIVE, true),
        flag(CKA_EXTRACTABLE, false),
    ];
    let template = [bytes(CKA_EC_PARAMS, CURVES[0].0), flag(CKA_VERIFY, true)];
    let pair = token.generate_key_pair(session, CKM_EC_KEY_PAIR_GEN, &template, &closed);
    let (public, private) = pair.unwrap();
    let copy = token
        .copy_object(session, private, &[bytes(CKA_LABEL, "copy")])
        .unwrap();
    let signature = token.sign(session, CKM_ECDSA, copy, &[1; 32]).unwrap();
    assert_eq!(
        token.check(session, CKM_ECDSA, public, &[1; 32], &signature),
        Rv::OK
    );
    for attr in [flag(CKA_SENSITIVE, false), flag(CKA_EXTRACTABLE, true)] {
        let refused = token.copy_object(session, private, std::slice::from_ref(&attr));
        refused.refused_with(
            &[CKR_ATTRIBUTE_READ_ONLY, CKR_TEMPLATE_INCONSISTENT],
            format!("{attr:?}"),
        );
    }
}

fn what_is_not_copyable_modifiable_or_destroyable_stays() {
    let (token, session) = Token::with_user();
    let make = |kind| {
        let attrs = [&data_object("fixed", false, b"1")[..], &[flag(kind, false)]].concat();
        token.create_object(session, &attrs).unwrap()
    };
    let fixed = make(CKA_COPYABLE);
    assert_eq!(
        token.copy_object(session, fixed, &[]).unwrap_err(),
        CKR_ACTION_PROHIBITED
    );
    let fixed = make(CKA_MODIFIABLE);
    assert_eq!(
        token.set_attributes(session, fixed, &[bytes(CKA_LABEL, "x")]),
        CKR_ACTION_PROHIBITED
    );
    let fixed = make(CKA_DESTROYABLE);
    assert_eq!(token.destroy_object(session, fixed), CKR_ACTION_PROHIBITED);
    assert!(token.read(session, fixed, CKA_VALUE).is_ok());
}

fn label_and_id_can_be_changed_and_are_kept() {
    let (mut token, session) = Token::with_user();
    let (_, private) = token.ec_for_signing(
        session,
        CURVES[0].0,
        &[flag(CKA_TOKEN, true), bytes(CKA_LABEL, "before")],
    );
    let after = [bytes(CKA_LABEL, "after"), bytes(CKA_ID, b"\x01\x02")];
    assert_eq!(token.set_attributes(session, private, &after), Rv::OK);
    assert_eq!(token.find(session, &after).unwrap(), [private]);
    token.restart();
    let session = token.user_session();
    let found = token.find(session, &after).unwrap();
    assert_eq!(found.len(), 1);
    let before = [bytes(CKA_LABEL, "before"), number(CKA_CLASS, CKO_PRIVATE_KEY)];
    assert!(token.find(session, &before).unwrap().is_empty());
    assert!(token.sign(session, CKM_ECDSA, found[0], &[1; 32]).is_ok());
}

fn generated_keys_survive_and_go_on_signing() {
    let (mut token, session) = Token::with_user();
    let kept = [flag(CKA_TOKEN, true), bytes(CKA_ID, b"kept")];
    token.rsa_for_all(session, 2048, &kept);
    for (curve, ..) in &CURVES[..3] {
        token.ec_for_signing(session, curve, &kept);
    }
    token.restart();
    let session = token.user_session();
    let class = |class| {
        token
            .find(session, &[number(CKA_CLASS, class), bytes(CKA_ID, b"kept")])
            .unwrap()
    };
    let made = 4;
    assert_eq!(
        (class(CKO_PUBLIC_KEY).len(), class(CKO_PRIVATE_KEY).len()),
        (made, made)
    );
    for private in class(CKO_PRIVATE_KEY) {
        let rsa = token.read_number(session, private, CKA_KEY_TYPE).unwrap() == CKK_RSA;
        let mech = if rsa { CKM_RSA_PKCS } else { CKM_ECDSA };
        let signature = token.sign(session, mech, private, &[1; 32]).unwrap();
        let matched = class(CKO_PUBLIC_KEY).into_iter();
        let good = matched.filter(|key| token.check(session, mech, *key, &[1; 32], &signature) == Rv::OK);
        assert_eq!(good.count(), 1);
    }
}

fn key_pairs_that_cannot_be_are_refused() {
    let (token, session) = Token::with_user();
    let rsa = |attrs: &[Attr]| {
        token
            .generate_key_pair(session, CKM_RSA_PKCS_KEY_PAIR_GEN, attrs, &[])
            .unwrap_err()
    };
    assert_eq!(rsa(&[]), CKR_TEMPLATE_INCOMPLETE);
    for bits in [0, 1, 8, CK_ULONG::MAX] {
        let refused = rsa(&[number(CKA_MODULUS_BITS, bits)]);
        refused.refused_with(&[CKR_KEY_SIZE_RANGE, CKR_ATTRIBUTE_VALUE_INVALID], bits);
    }
    let ec = |attrs: &[Attr]| {
        token
            .generate_key_pair(session, CKM_EC_KEY_PAIR_GEN, attrs, &[])
            .unwrap_err()
    };
    assert_eq!(ec(&[]), CKR_TEMPLATE_INCOMPLETE);
    let nonsense = ec(&[bytes(CKA_EC_PARAMS, b"nonsense")]);
    let fitting = [
        CKR_CURVE_NOT_SUPPORTED,
        CKR_DOMAIN_PARAMS_INVALID,
        CKR_ATTRIBUTE_VALUE_INVALID,
    ];
    assert!(
        fitting.contains(&nonsense.0) || !keyenclave_conformance::place::is_keyenclave(),
        "{nonsense:?}"
    );
    assert!(token.stored(session).is_empty(), "nothing was left behind");
}

fn a_curve_can_be_given_by_its_printable_name() {
    let (token, session) = Token::with_user();
    let name = [&[0x13, 10][..], b"prime256v1"].concat();
    let (public, private) = token.ec_for_signing(session, &name, &[]);
    let signature = token.sign(session, CKM_ECDSA, private, &[1; 32]).unwrap();
    assert_eq!(
        token.check(session, CKM_ECDSA, public, &[1; 32], &signature),
        Rv::OK
    );
}

fn a_token_names_its_profiles() {
    let token = Token::fresh();
    let session = token.session(RO);
    let baseline = [
        number(CKA_CLASS, CKO_PROFILE),
        number(CKA_PROFILE_ID, CKP_BASELINE_PROVIDER),
    ];
    let found = token.find(session, &baseline).unwrap();
    assert_eq!(found.len(), 1, "one object for a profile");
    assert_eq!(
        token.read_number(session, found[0], CKA_CLASS).unwrap(),
        CKO_PROFILE
    );
    assert_eq!(
        token.read_number(session, found[0], CKA_PROFILE_ID).unwrap(),
        CKP_BASELINE_PROVIDER
    );
    assert!(token.read_flag(session, found[0], CKA_TOKEN).unwrap());
    assert!(!token.read_flag(session, found[0], CKA_PRIVATE).unwrap());
}

fn a_token_has_an_object_for_each_of_its_mechanisms() {
    let token = Token::fresh();
    let session = token.session(RW);
    let all = token.find(session, &[number(CKA_CLASS, CKO_MECHANISM)]).unwrap();
    let (_, count, _) = token.mechanism_list(token.slot, None);
    assert_eq!(CK_ULONG::try_from(all.len()).unwrap(), count);
    let wanted = [
        number(CKA_CLASS, CKO_MECHANISM),
        number(CKA_MECHANISM_TYPE, CKM_SHA256),
    ];
    let found = token.find(session, &wanted).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(token.destroy_object(session, found[0]), CKR_ACTION_PROHIBITED);
    assert_eq!(token.find(session, &wanted).unwrap(), found);
}
