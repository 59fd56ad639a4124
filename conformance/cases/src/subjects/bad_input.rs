// SPDX-License-Identifier: MIT
//! Hostile arguments: each gets a return value, none a crash, and the token goes on working.

use crate::case::Need::{Data, Own, Sessions};
use crate::case::cases;
use cryptoki_sys::*;
use keyenclave_conformance::module::{In, Mech, Out, Want, huge, null, number};
use keyenclave_conformance::token::{RW, Token, data_object};
use keyenclave_conformance::{Refused, Rv};

cases! {
    "bad-input.null.results" => null_pointers_for_results_are_argument_errors,
        "All other Cryptoki function return values",
        [], [];
    "bad-input.null.templates" => null_templates_with_a_count_are_argument_errors,
        "All other Cryptoki function return values",
        [], [Data];
    "bad-input.attributes.impossible-length" => attributes_of_impossible_length_are_refused, "CK_ATTRIBUTE",
        [CKM_AES_KEY_GEN], [Own, Data];
    "bad-input.attributes.wrong-size" => numbers_and_flags_of_the_wrong_size_are_refused, "Creating objects",
        [], [Data];
    "bad-input.data.impossible-length" => impossible_lengths_of_data_are_refused,
        "All other Cryptoki function return values",
        [CKM_SHA256, CKM_SHA256_HMAC, CKM_AES_CBC], [Own];
    "bad-input.handles" => stale_and_invented_handles_are_refused_everywhere,
        "Cryptoki function return values for functions that use a session",
        [], [Sessions];
    "bad-input.handles.first" => the_session_is_looked_at_before_the_arguments,
        "Cryptoki function return values for functions that use a session",
        [], [Own];
    "bad-input.parallel" => functions_of_old_versions_say_so, "C_GetFunctionStatus", [], [];
    "bad-input.large" => large_data_is_processed_whole, "C_Encrypt", [CKM_SHA256, CKM_AES_CBC_PAD], [Data];
}

fn null_pointers_for_results_are_argument_errors() {
    let (token, session) = Token::with_user();
    for (function, rv) in token.infos_without_room(token.slot, session) {
        assert_eq!(rv, CKR_ARGUMENTS_BAD, "{function}");
    }
}

fn null_templates_with_a_count_are_argument_errors() {
    let (token, session) = Token::with_user();
    let object = token
        .create_object(session, &data_object("x", false, b"1"))
        .unwrap();
    for count in [1, 1000, CK_ULONG::MAX] {
        for (function, rv) in token.null_templates(session, object, count) {
            assert_eq!(rv, CKR_ARGUMENTS_BAD, "{function} with {count} attributes");
        }
    }
}

fn attributes_of_impossible_length_are_refused() {
    let (token, session) = Token::with_user();
    let object = token
        .create_object(session, &data_object("x", false, b"1"))
        .unwrap();
    for kind in [
        CKA_LABEL,
        CKA_CLASS,
        CKA_TOKEN,
        CKA_VALUE,
        CKA_MODULUS,
        0x7fff_0000,
    ] {
        for hostile in [huge(kind), null(kind, 1), null(kind, CK_ULONG::MAX)] {
            let attrs = [number(CKA_CLASS, CKO_DATA), hostile];
            for rv in [
                token.create_object(session, &attrs).unwrap_err(),
                token.copy_object(session, object, &attrs[1..]).unwrap_err(),
                token.set_attributes(session, object, &attrs[1..]),
                token
                    .generate_key(session, CKM_AES_KEY_GEN, &attrs[1..])
                    .unwrap_err(),
            ] {
                let fitting = [
                    CKR_ARGUMENTS_BAD,
                    CKR_ATTRIBUTE_VALUE_INVALID,
                    CKR_ATTRIBUTE_TYPE_INVALID,
                ];
                rv.refused_with(&fitting, format!("{attrs:?}"));
            }
            let found = token.find_init(session, &attrs[1..]);
            found.refused_with(
                &[CKR_ARGUMENTS_BAD, CKR_ATTRIBUTE_VALUE_INVALID],
                format!("{attrs:?}"),
            );
        }
    }
    assert_eq!(token.stored(session), [object]);
}

fn numbers_and_flags_of_the_wrong_size_are_refused() {
    let (token, session) = Token::with_user();
    for length in [0, 1, 7, 9, 16] {
        let class = keyenclave_conformance::module::bytes(CKA_CLASS, vec![0; length]);
        let made = token.create_object(session, &[class]);
        let right = [CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCOMPLETE];
        made.refused_with(&right, format!("{length} bytes"));
    }
    for length in [0, 2, 8] {
        let mut attrs = data_object("x", false, b"1");
        attrs[1] = keyenclave_conformance::module::bytes(CKA_TOKEN, vec![1; length]);
        assert_eq!(
            token.create_object(session, &attrs).unwrap_err(),
            CKR_ATTRIBUTE_VALUE_INVALID,
            "{length} bytes"
        );
    }
}

fn impossible_lengths_of_data_are_refused() {
    let (token, session) = Token::with_user();
    let mac = token.secret(session, CKK_GENERIC_SECRET, &[3; 16]);
    let aes = token.secret(session, CKK_AES, &[3; 16]);
    let cbc = Mech::with(CKM_AES_CBC, [0; 16]);
    let mut room = [0; 64];
    for hostile in [In::Huge(&[0]), In::Null(1), In::Null(CK_ULONG::MAX)] {
        assert_eq!(token.digest_init(session, CKM_SHA256), Rv::OK);
        assert_eq!(
            token.digest_into(session, hostile, Out::Room(&mut room)).rv,
            CKR_ARGUMENTS_BAD
        );
        assert_eq!(token.digest_init(session, CKM_SHA256), Rv::OK);
        assert_eq!(token.digest_update(session, hostile), CKR_ARGUMENTS_BAD);
        assert_eq!(token.sign_init(session, CKM_SHA256_HMAC, mac), Rv::OK);
        assert_eq!(
            token.sign_into(session, hostile, Out::Room(&mut room)).rv,
            CKR_ARGUMENTS_BAD
        );
        assert_eq!(token.verify_init(session, CKM_SHA256_HMAC, mac), Rv::OK);
        assert_eq!(token.verify(session, b"x", hostile), CKR_ARGUMENTS_BAD);
        assert_eq!(token.encrypt_init(session, cbc.clone(), aes), Rv::OK);
        assert_eq!(
            token.encrypt_into(session, hostile, Out::Room(&mut room)).rv,
            CKR_ARGUMENTS_BAD
        );
        assert_eq!(token.decrypt_init(session, cbc.clone(), aes), Rv::OK);
        assert_eq!(
            token
                .decrypt_update_into(session, hostile, Out::Room(&mut room))
                .rv,
            CKR_ARGUMENTS_BAD
        );
        assert_eq!(token.login(session, CKU_SO, hostile), CKR_ARGUMENTS_BAD);
        assert_eq!(token.set_pin(session, hostile, b"1234"), CKR_ARGUMENTS_BAD);
        assert_eq!(token.seed_random(session, hostile), CKR_ARGUMENTS_BAD);
    }
    let other = Token {
        module: keyenclave_conformance::Module::load(&keyenclave_conformance::place::module_path()),
        slot: token.slot,
    };
    assert_eq!(
        other.digest(session, CKM_SHA256, b"x").unwrap().len(),
        32,
        "still alive"
    );
}

fn stale_and_invented_handles_are_refused_everywhere() {
    let (token, session) = Token::with_user();
    let gone = token.session(RW);
    assert_eq!(token.close_session(gone), Rv::OK);
    let refused = CKR_SESSION_HANDLE_INVALID;
    for bad in [0, gone, session + 4096, CK_ULONG::MAX] {
        assert_eq!(token.session_info(bad).unwrap_err(), refused);
        assert_eq!(token.close_session(bad), refused);
        assert_eq!(token.login(bad, CKU_USER, b"1234"), refused);
        assert_eq!(token.logout(bad), refused);
        assert_eq!(token.create_object(bad, &[]).unwrap_err(), refused);
        assert_eq!(token.destroy_object(bad, 1), refused);
        assert_eq!(
            token.attribute_values(bad, 1, &mut [Want::length(CKA_CLASS)]),
            refused
        );
        assert_eq!(token.find_init(bad, &[]), refused);
        assert_eq!(token.find_next(bad, 1).unwrap_err(), refused);
        assert_eq!(token.find_final(bad), refused);
        assert_eq!(token.digest_init(bad, CKM_SHA256), refused);
        assert_eq!(token.sign_init(bad, CKM_RSA_PKCS, 1), refused);
        assert_eq!(token.sign_into(bad, b"x", Out::Size).rv, refused);
        assert_eq!(
            token.generate_key(bad, CKM_AES_KEY_GEN, &[]).unwrap_err(),
            refused
        );
        assert_eq!(token.random(bad, &mut [0; 8]), refused);
    }
}

fn the_session_is_looked_at_before_the_arguments() {
    let token = Token::fresh();
    for (function, rv) in token.with_null_arguments(CK_INVALID_HANDLE) {
        assert_eq!(rv, CKR_SESSION_HANDLE_INVALID, "{function}");
    }
}

fn functions_of_old_versions_say_so() {
    let (token, session) = Token::with_user();
    assert_eq!(token.function_status(session), CKR_FUNCTION_NOT_PARALLEL);
    if keyenclave_conformance::place::is_keyenclave() {
        assert_eq!(
            token.function_status(session + 99),
            CKR_SESSION_HANDLE_INVALID,
            "the handle is checked first"
        );
    }
}

fn large_data_is_processed_whole() {
    let (token, session) = Token::with_user();
    let data = vec![0x61; 1_000_000];
    // FIPS 180-2, B.3: a million times "a".
    let expected = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
    assert_eq!(
        token.digest(session, CKM_SHA256, &data).unwrap(),
        keyenclave_conformance::published::hex(expected)
    );
    let key = token.secret(session, CKK_AES, &[3; 16]);
    let mech = Mech::with(CKM_AES_CBC_PAD, [0; 16]);
    let sealed = token.encrypt(session, mech.clone(), key, &data).unwrap();
    assert_eq!(token.decrypt(session, mech, key, &sealed).unwrap(), data);
    let large = data_object("large", true, &data);
    let object = token.create_object(session, &large).unwrap();
    assert_eq!(token.read(session, object, CKA_VALUE).unwrap(), data);
}
