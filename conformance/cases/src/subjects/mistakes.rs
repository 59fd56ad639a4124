// SPDX-License-Identifier: MIT
//! Mistakes that modules have made and no other subject's case is about; each case names a module that made it.

use crate::case::Need::{Data, Own};
use crate::case::cases;
use cryptoki_sys::*;
use keyenclave_conformance::module::{Attr, bytes, flag, number};
use keyenclave_conformance::token::{CURVES, RW, Token, data_object};
use keyenclave_conformance::{Refused, Rv};
use std::collections::BTreeSet;

cases! {
    "find.classes" => the_keys_of_a_pair_are_told_apart_by_class_and_type, "C_FindObjectsInit",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_EC_KEY_PAIR_GEN], [];
    "find.beside-operation" => a_search_does_not_keep_a_signature_from_being_begun, "C_FindObjectsInit",
        [CKM_EC_KEY_PAIR_GEN, CKM_ECDSA], [Own];
    "find.same-label" => objects_may_share_their_label, "Storage Objects", [], [Data];
    "attributes.id.any-bytes" => an_id_is_any_bytes, "Key objects", [CKM_AES_KEY_GEN], [];
    "logout.key" => a_private_key_signs_nothing_after_logout, "C_Logout",
        [CKM_EC_KEY_PAIR_GEN, CKM_ECDSA], [];
    "operations.unlisted" => mechanisms_that_are_not_listed_are_refused, "C_GetMechanismList",
        [CKM_RSA_PKCS_KEY_PAIR_GEN], [];
    "slots.tokens.distinct" => tokens_can_be_told_apart, "CK_TOKEN_INFO", [], [];
    "slots.mechanisms.flags" => mechanisms_have_the_flags_of_what_they_do, "CK_MECHANISM_INFO", [], [];
    "bad-input.null.mechanisms" => null_mechanisms_make_no_keys, "All other Cryptoki function return values",
        [CKM_AES_KEY_GEN], [];
}

/// aws-kms-pkcs11 finds a private key when asked for a public one; native-pkcs11 looks at the id alone, nethsm-pkcs11
/// at class, id and label alone.
fn the_keys_of_a_pair_are_told_apart_by_class_and_type() {
    let (token, session) = Token::with_user();
    let shared = [bytes(CKA_ID, b"\x07"), bytes(CKA_LABEL, "pair")];
    let (rsa_public, rsa_private) = token.rsa_for_all(session, 2048, &shared);
    let (ec_public, ec_private) = token.ec_for_signing(session, CURVES[0].0, &shared);
    for (class, kind, expected) in [
        (CKO_PUBLIC_KEY, CKK_RSA, rsa_public),
        (CKO_PRIVATE_KEY, CKK_RSA, rsa_private),
        (CKO_PUBLIC_KEY, CKK_EC, ec_public),
        (CKO_PRIVATE_KEY, CKK_EC, ec_private),
    ] {
        let wanted = [number(CKA_CLASS, class), number(CKA_KEY_TYPE, kind)];
        let found = token.find(session, &[&shared[..], &wanted].concat()).unwrap();
        assert_eq!(found, [expected], "class {class}, key type {kind}");
        assert_eq!(token.read_number(session, expected, CKA_CLASS).unwrap(), class);
    }
}

/// kmsp11 has room for one operation in a session, whatever it is. The specification allows that (CKR_OPERATION_ACTIVE),
/// but programs do not expect it.
fn a_search_does_not_keep_a_signature_from_being_begun() {
    let (token, session) = Token::with_user();
    let (_, private) = token.ec_for_signing(session, CURVES[0].0, &[bytes(CKA_LABEL, "searched")]);
    assert_eq!(token.find_init(session, &[bytes(CKA_LABEL, "searched")]), Rv::OK);
    assert!(token.sign(session, CKM_ECDSA, private, &[1; 32]).is_ok());
    let found = token.find_next(session, 10).unwrap();
    assert_eq!(found.len(), 2, "the search goes on after the signature");
    assert_eq!(token.find_final(session), Rv::OK);
}

/// Modules on services whose keys have one name each refuse the second (Cosmian KMS).
fn objects_may_share_their_label() {
    let (token, session) = Token::with_user();
    let [first, second] = [b"1", b"2"].map(|value| {
        let object = token.create_object(session, &data_object("same", false, value));
        object.unwrap()
    });
    let mut found = token.find(session, &[bytes(CKA_LABEL, "same")]).unwrap();
    found.sort_unstable();
    let mut both = [first, second];
    both.sort_unstable();
    assert_eq!(found, both);
}

/// nethsm-pkcs11 could only keep ids that are names of its service.
fn an_id_is_any_bytes() {
    let (token, session) = Token::with_user();
    let ids: [&[u8]; 5] = [b"\x00", b"\x00\x00", b"\xff\xfe\x80", b"a/b c", &[0x5a; 100]];
    for id in ids {
        let attrs = [number(CKA_VALUE_LEN, 16), bytes(CKA_ID, id)];
        let key = token.generate_key(session, CKM_AES_KEY_GEN, &attrs).unwrap();
        assert_eq!(token.read(session, key, CKA_ID).unwrap(), id);
        assert_eq!(token.find(session, &[bytes(CKA_ID, id)]).unwrap(), [key]);
    }
}

/// nethsm-pkcs11 goes on signing after C_Logout: it forgets the state, but not the credentials.
fn a_private_key_signs_nothing_after_logout() {
    let (token, session) = Token::with_user();
    let kept = [flag(CKA_TOKEN, true), flag(CKA_PRIVATE, true)];
    let public = [bytes(CKA_EC_PARAMS, CURVES[0].0), flag(CKA_TOKEN, true)];
    let private = [&kept[..], &[flag(CKA_SIGN, true)]].concat();
    let pair = token.generate_key_pair(session, CKM_EC_KEY_PAIR_GEN, &public, &private);
    let (_, private) = pair.unwrap();
    assert!(token.sign(session, CKM_ECDSA, private, &[1; 32]).is_ok());
    assert_eq!(token.logout(session), Rv::OK);
    let refused = token.sign_init(session, CKM_ECDSA, private);
    let right = [
        CKR_USER_NOT_LOGGED_IN,
        CKR_KEY_HANDLE_INVALID,
        CKR_KEY_FUNCTION_NOT_PERMITTED,
    ];
    refused.refused_with(&right, "after C_Logout");
}

/// aws-kms-pkcs11 takes CKM_RSA_PKCS_PSS, which it does not list.
fn mechanisms_that_are_not_listed_are_refused() {
    let (token, session) = Token::with_user();
    let (_, count, _) = token.mechanism_list(token.slot, None);
    let (_, _, listed) = token.mechanism_list(token.slot, usize::try_from(count).ok());
    let (_, private) = token.rsa_for_all(session, 2048, &[]);
    let known = [
        CKM_MD2_RSA_PKCS,
        CKM_MD5_RSA_PKCS,
        CKM_RIPEMD128_RSA_PKCS,
        CKM_RIPEMD160_RSA_PKCS,
        CKM_RSA_X9_31,
        CKM_RSA_9796,
        CKM_RC4,
        CKM_VENDOR_DEFINED | 0x4242,
    ];
    for kind in known.iter().filter(|kind| !listed.contains(kind)) {
        assert_eq!(
            token.sign_init(session, *kind, private),
            CKR_MECHANISM_INVALID,
            "{kind:#x}"
        );
    }
}

/// Of kmsp11 and aws-kms-pkcs11 all tokens have the same serial number and label, so no URI tells them apart.
fn tokens_can_be_told_apart() {
    let token = Token::fresh();
    let (_, count, _) = token.slot_list(true, None);
    let (_, _, slots) = token.slot_list(true, usize::try_from(count).ok());
    let mut seen = BTreeSet::new();
    for slot in slots {
        let info = token.token_info(slot).unwrap();
        // A token that is not initialised has no label yet.
        if info.flags & CKF_TOKEN_INITIALIZED != 0 {
            let names = (info.label, info.manufacturerID, info.model, info.serialNumber);
            assert!(seen.insert(names), "slot {slot} is like another one");
        }
    }
}

/// kmsp11 says of CKM_AES_KEY_GEN that it encrypts.
fn mechanisms_have_the_flags_of_what_they_do() {
    let token = Token::fresh();
    let (_, count, _) = token.mechanism_list(token.slot, None);
    let (_, _, listed) = token.mechanism_list(token.slot, usize::try_from(count).ok());
    let (signing, sealing) = (CKF_SIGN | CKF_VERIFY, CKF_ENCRYPT | CKF_DECRYPT);
    let all = signing | sealing | CKF_GENERATE | CKF_GENERATE_KEY_PAIR | CKF_DIGEST | CKF_DERIVE;
    for (kind, can) in [
        (CKM_RSA_PKCS_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR),
        (CKM_EC_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR),
        (CKM_EC_EDWARDS_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR),
        (CKM_AES_KEY_GEN, CKF_GENERATE),
        (CKM_GENERIC_SECRET_KEY_GEN, CKF_GENERATE),
        (CKM_SHA256, CKF_DIGEST),
        (CKM_SHA256_HMAC, signing),
        (CKM_SHA256_RSA_PKCS, signing),
        (CKM_SHA256_RSA_PKCS_PSS, signing),
        (CKM_ECDSA, signing),
        (CKM_EDDSA, signing),
        (CKM_AES_CBC, sealing),
        (CKM_AES_GCM, sealing),
    ] {
        if listed.contains(&kind) {
            let info = token.mechanism_info(token.slot, kind).unwrap();
            assert_eq!(info.flags & all, can, "mechanism {kind:#x}");
        }
    }
}

/// p11-kit's remoting read a null mechanism in C_DeriveKey.
fn null_mechanisms_make_no_keys() {
    let (token, session) = Token::with_user();
    let attrs: [Attr; 1] = [number(CKA_VALUE_LEN, 16)];
    let key = token.generate_key(session, CKM_AES_KEY_GEN, &attrs).unwrap();
    for (function, rv) in token.null_mechanisms(session, key) {
        rv.refused_with(&[CKR_ARGUMENTS_BAD, CKR_MECHANISM_INVALID], function);
    }
    assert!(token.session_info(session).is_ok(), "still alive");
    assert!(token.session_info(token.session(RW)).is_ok());
}
