// SPDX-License-Identifier: MIT
//! What starts, keeps and ends an operation.

use crate::case::Need::{Own, Sessions, Since};
use crate::case::cases;
use cryptoki_sys::*;
use keyenclave_conformance::module::{In, Mech, Out, flag};
use keyenclave_conformance::token::{CURVES, RW, Token};
use keyenclave_conformance::{Refused, Rv, short_buffer_first, two_calls};

cases! {
    "operations.one-a-class" => an_operation_of_each_class_can_be_active_at_once_and_no_second_one,
        "CKR_OPERATION_ACTIVE",
        [CKM_AES_CBC, CKM_SHA256_HMAC, CKM_SHA256], [];
    "operations.before-init" => nothing_works_before_its_init, "C_Encrypt", [], [];
    "sign.ecdsa.short-buffer" => a_result_ends_an_operation_and_a_question_or_a_short_buffer_does_not,
        "Conventions for functions returning output in a variable-length buffer",
        [CKM_EC_KEY_PAIR_GEN, CKM_ECDSA], [];
    "sign.ecdsa.exact-length" => the_length_of_an_ecdsa_signature_is_told_exactly,
        "Conventions for functions returning output in a variable-length buffer",
        [CKM_EC_KEY_PAIR_GEN, CKM_ECDSA], [Own];
    "short-buffer.digest" => a_short_buffer_does_not_end_a_digest,
        "Conventions for functions returning output in a variable-length buffer",
        [CKM_SHA256], [];
    "short-buffer.hmac" => a_short_buffer_does_not_end_an_hmac,
        "Conventions for functions returning output in a variable-length buffer",
        [CKM_SHA256_HMAC], [];
    "short-buffer.rsa" => a_short_buffer_does_not_end_an_rsa_signature,
        "Conventions for functions returning output in a variable-length buffer",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_SHA256_RSA_PKCS], [];
    "short-buffer.rsa-decryption" => a_short_buffer_does_not_end_an_rsa_decryption,
        "Conventions for functions returning output in a variable-length buffer",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_PKCS], [];
    "short-buffer.aes-cbc" => a_short_buffer_does_not_end_aes_cbc,
        "Conventions for functions returning output in a variable-length buffer",
        [CKM_AES_CBC], [];
    "short-buffer.aes-cbc-pad" => a_short_buffer_does_not_end_padded_aes_cbc,
        "Conventions for functions returning output in a variable-length buffer",
        [CKM_AES_CBC_PAD], [];
    "short-buffer.aes-gcm" => a_short_buffer_does_not_end_aes_gcm,
        "Conventions for functions returning output in a variable-length buffer",
        [CKM_AES_GCM], [];
    "operations.errors-end" => errors_end_an_operation_argument_errors_too, "C_Sign",
        [CKM_SHA256_HMAC, CKM_SHA256], [Own];
    "operations.bad-handle" => a_bad_session_handle_does_not_end_another_sessions_operation, "C_DigestUpdate",
        [CKM_SHA256], [];
    "operations.parts-mixed" => one_part_and_many_parts_do_not_mix, "C_Sign",
        [CKM_SHA256_HMAC, CKM_SHA256], [Own];
    "sign.ecdsa.update" => mechanisms_without_parts_refuse_update, "C_SignUpdate",
        [CKM_EC_KEY_PAIR_GEN, CKM_ECDSA], [Sessions];
    "operations.cancel" => a_null_mechanism_cancels, "C_SignInit",
        [CKM_AES_CBC, CKM_SHA256_HMAC, CKM_SHA256], [Since(3)];
    "operations.wrong-keys" => wrong_keys_and_mechanisms_are_told_apart, "C_SignInit",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_EC_KEY_PAIR_GEN, CKM_RSA_PKCS, CKM_SHA256_RSA_PKCS], [];
    "operations.usage" => a_key_does_only_what_its_flags_say, "C_SignInit", [CKM_AES_KEY_GEN, CKM_AES_CBC, CKM_GENERIC_SECRET_KEY_GEN, CKM_SHA256_HMAC, CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_PKCS], [];
    "operations.logout" => logout_ends_operations_with_private_keys, "C_Logout", [], [Own];
}

fn an_operation_of_each_class_can_be_active_at_once_and_no_second_one() {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_AES, &[3; 16]);
    let mac = token.secret(session, CKK_GENERIC_SECRET, &[3; 16]);
    let cbc = Mech::with(CKM_AES_CBC, [0; 16]);
    let all: [&dyn Fn() -> Rv; 6] = [
        &|| token.encrypt_init(session, cbc.clone(), key),
        &|| token.decrypt_init(session, cbc.clone(), key),
        &|| token.sign_init(session, CKM_SHA256_HMAC, mac),
        &|| token.verify_init(session, CKM_SHA256_HMAC, mac),
        &|| token.digest_init(session, CKM_SHA256),
        &|| token.find_init(session, &[]),
    ];
    if keyenclave_conformance::place::is_keyenclave() {
        assert_eq!(all.map(|start| start()), [Rv::OK; 6]);
        assert_eq!(
            all.map(|start| start()),
            [Rv(CKR_OPERATION_ACTIVE); 6],
            "and the first ones live on"
        );
        assert_eq!(
            two_calls(|out| token.encrypt_into(session, &[1; 16], out))
                .unwrap()
                .len(),
            16
        );
        assert_eq!(
            two_calls(|out| token.digest_into(session, b"x", out))
                .unwrap()
                .len(),
            32
        );
        assert_eq!(
            two_calls(|out| token.sign_into(session, b"x", out))
                .unwrap()
                .len(),
            32
        );
    } else {
        assert_eq!(all[4](), Rv::OK);
        assert_eq!(all[4](), CKR_OPERATION_ACTIVE);
    }
}

fn nothing_works_before_its_init() {
    let (token, session) = Token::with_user();
    let none = CKR_OPERATION_NOT_INITIALIZED;
    let mut room = [0; 300];
    assert_eq!(token.encrypt_into(session, b"x", Out::Room(&mut room)).rv, none);
    assert_eq!(
        token.encrypt_update_into(session, b"x", Out::Room(&mut room)).rv,
        none
    );
    assert_eq!(token.encrypt_final_into(session, Out::Room(&mut room)).rv, none);
    assert_eq!(token.decrypt_into(session, b"x", Out::Room(&mut room)).rv, none);
    assert_eq!(
        token.decrypt_update_into(session, b"x", Out::Room(&mut room)).rv,
        none
    );
    assert_eq!(token.decrypt_final_into(session, Out::Room(&mut room)).rv, none);
    assert_eq!(token.digest_update(session, b"x"), none);
    assert_eq!(token.digest_final_into(session, Out::Room(&mut room)).rv, none);
    assert_eq!(token.sign_into(session, b"x", Out::Room(&mut room)).rv, none);
    assert_eq!(token.sign_update(session, b"x"), none);
    assert_eq!(token.sign_final_into(session, Out::Room(&mut room)).rv, none);
    assert_eq!(token.verify(session, b"x", b"y"), none);
    assert_eq!(token.verify_update(session, b"x"), none);
    assert_eq!(token.verify_final(session, b"y"), none);
}

fn a_result_ends_an_operation_and_a_question_or_a_short_buffer_does_not() {
    let (token, session) = Token::with_user();
    let (_, private) = token.ec_for_signing(session, CURVES[0].0, &[]);
    assert_eq!(token.sign_init(session, CKM_ECDSA, private), Rv::OK);
    for _ in 0..3 {
        let asked = token.sign_into(session, &[1; 32], Out::Size);
        // The answer may be larger than what will come.
        assert!(asked.rv == Rv::OK && asked.len >= 64, "{asked:?}");
        let short = token.sign_into(session, &[1; 32], Out::Room(&mut [0; 63]));
        assert!(short.rv == CKR_BUFFER_TOO_SMALL && short.len >= 64, "{short:?}");
    }
    assert_eq!(
        token.sign_into(session, &[1; 32], Out::Room(&mut [0; 64])).rv,
        Rv::OK
    );
    assert_eq!(
        token.sign_into(session, &[1; 32], Out::Room(&mut [0; 64])).rv,
        CKR_OPERATION_NOT_INITIALIZED
    );
}

fn the_length_of_an_ecdsa_signature_is_told_exactly() {
    let (token, session) = Token::with_user();
    for (curve, size, name) in CURVES {
        let (_, private) = token.ec_for_signing(session, curve, &[]);
        assert_eq!(token.sign_init(session, CKM_ECDSA, private), Rv::OK);
        let asked = token.sign_into(session, &[1; 32], Out::Size);
        let expected = CK_ULONG::try_from(size * 2).unwrap();
        assert_eq!((asked.rv, asked.len), (Rv::OK, expected), "{name}");
        let short = token.sign_into(session, &[1; 32], Out::Room(&mut vec![0; size * 2 - 1]));
        assert_eq!(
            (short.rv, short.len),
            (Rv(CKR_BUFFER_TOO_SMALL), expected),
            "{name}"
        );
        assert_eq!(token.sign_cancel(session), Rv::OK);
    }
}

fn a_short_buffer_does_not_end_a_digest() {
    let token = Token::fresh();
    let session = token.session(RW);
    assert_eq!(token.digest_init(session, CKM_SHA256), Rv::OK);
    let whole = short_buffer_first(|out| token.digest_into(session, b"abc", out)).unwrap();
    assert_eq!(whole.len(), 32);
    assert_eq!(token.digest_init(session, CKM_SHA256), Rv::OK);
    assert_eq!(token.digest_update(session, b"abc"), Rv::OK);
    let parts = short_buffer_first(|out| token.digest_final_into(session, out)).unwrap();
    assert_eq!(parts, whole);
}

fn a_short_buffer_does_not_end_an_hmac() {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_GENERIC_SECRET, &[3; 32]);
    assert_eq!(token.sign_init(session, CKM_SHA256_HMAC, key), Rv::OK);
    let whole = short_buffer_first(|out| token.sign_into(session, b"abc", out)).unwrap();
    assert_eq!(whole.len(), 32);
    assert_eq!(token.sign_init(session, CKM_SHA256_HMAC, key), Rv::OK);
    assert_eq!(token.sign_update(session, b"abc"), Rv::OK);
    let parts = short_buffer_first(|out| token.sign_final_into(session, out)).unwrap();
    assert_eq!(parts, whole);
}

fn a_short_buffer_does_not_end_an_rsa_signature() {
    let (token, session) = Token::with_user();
    let (public, private) = token.rsa_for_all(session, 2048, &[]);
    assert_eq!(token.sign_init(session, CKM_SHA256_RSA_PKCS, private), Rv::OK);
    let signature = short_buffer_first(|out| token.sign_into(session, b"abc", out)).unwrap();
    let checked = token.check(session, CKM_SHA256_RSA_PKCS, public, b"abc", &signature);
    assert_eq!(checked, Rv::OK);
}

fn a_short_buffer_does_not_end_an_rsa_decryption() {
    let (token, session) = Token::with_user();
    let (public, private) = token.rsa_for_all(session, 2048, &[]);
    let sealed = token.encrypt(session, CKM_RSA_PKCS, public, b"abc").unwrap();
    assert_eq!(token.decrypt_init(session, CKM_RSA_PKCS, private), Rv::OK);
    let opened = short_buffer_first(|out| token.decrypt_into(session, &sealed, out)).unwrap();
    assert_eq!(opened, b"abc");
}

fn a_short_buffer_does_not_end_aes_cbc() {
    short_buffers_with(&Mech::with(CKM_AES_CBC, [0; 16]));
}

fn a_short_buffer_does_not_end_padded_aes_cbc() {
    short_buffers_with(&Mech::with(CKM_AES_CBC_PAD, [0; 16]));
}

fn a_short_buffer_does_not_end_aes_gcm() {
    short_buffers_with(&Mech::gcm(&[0; 12], b"", 128));
}

/// Encryption and decryption of two blocks.
fn short_buffers_with(mech: &Mech) {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_AES, &[3; 16]);
    assert_eq!(token.encrypt_init(session, mech.clone(), key), Rv::OK);
    let sealed = short_buffer_first(|out| token.encrypt_into(session, &[7; 32], out)).unwrap();
    assert_eq!(token.decrypt_init(session, mech.clone(), key), Rv::OK);
    let opened = short_buffer_first(|out| token.decrypt_into(session, &sealed, out)).unwrap();
    assert_eq!(opened, [7; 32]);
}

fn errors_end_an_operation_argument_errors_too() {
    let (token, session) = Token::with_user();
    let mac = token.secret(session, CKK_GENERIC_SECRET, &[3; 16]);
    assert_eq!(token.sign_init(session, CKM_SHA256_HMAC, mac), Rv::OK);
    assert_eq!(
        token.sign_into(session, In::Null(3), Out::Room(&mut [0; 32])).rv,
        CKR_ARGUMENTS_BAD
    );
    assert_eq!(
        token.sign_into(session, b"x", Out::Room(&mut [0; 32])).rv,
        CKR_OPERATION_NOT_INITIALIZED
    );
    assert_eq!(token.sign_init(session, CKM_SHA256_HMAC, mac), Rv::OK);
    assert_eq!(
        token.sign_into(session, b"x", Out::NoLength(&mut [0; 32])).rv,
        CKR_ARGUMENTS_BAD
    );
    assert_eq!(token.sign_init(session, CKM_SHA256_HMAC, mac), Rv::OK);
    assert_eq!(token.sign_update(session, In::Null(3)), CKR_ARGUMENTS_BAD);
    assert_eq!(token.sign_update(session, b"x"), CKR_OPERATION_NOT_INITIALIZED);
    assert_eq!(token.verify_init(session, CKM_SHA256_HMAC, mac), Rv::OK);
    assert_eq!(token.verify(session, b"x", &[0; 32]), CKR_SIGNATURE_INVALID);
    assert_eq!(
        token.verify(session, b"x", &[0; 32]),
        CKR_OPERATION_NOT_INITIALIZED
    );
    assert_eq!(token.digest_init(session, CKM_SHA256), Rv::OK);
    assert_eq!(
        token
            .digest_into(session, In::Null(3), Out::Room(&mut [0; 32]))
            .rv,
        CKR_ARGUMENTS_BAD
    );
    assert_eq!(token.digest_init(session, CKM_SHA256), Rv::OK);
}

fn a_bad_session_handle_does_not_end_another_sessions_operation() {
    let (token, session) = Token::with_user();
    assert_eq!(token.digest_init(session, CKM_SHA256), Rv::OK);
    assert_eq!(
        token.digest_update(session + 1000, b"x"),
        CKR_SESSION_HANDLE_INVALID
    );
    assert_eq!(
        token.digest_into(session + 1000, b"x", Out::Size).rv,
        CKR_SESSION_HANDLE_INVALID
    );
    assert_eq!(token.digest_update(session, b"x"), Rv::OK);
}

fn one_part_and_many_parts_do_not_mix() {
    let (token, session) = Token::with_user();
    let mac = token.secret(session, CKK_GENERIC_SECRET, &[3; 16]);
    assert_eq!(token.sign_init(session, CKM_SHA256_HMAC, mac), Rv::OK);
    assert_eq!(token.sign_update(session, b"x"), Rv::OK);
    assert_eq!(
        token.sign_into(session, b"x", Out::Room(&mut [0; 32])).rv,
        CKR_OPERATION_ACTIVE
    );
    assert_eq!(token.digest_init(session, CKM_SHA256), Rv::OK);
    assert_eq!(token.digest_update(session, b"x"), Rv::OK);
    assert_eq!(
        token.digest_into(session, b"x", Out::Room(&mut [0; 32])).rv,
        CKR_OPERATION_ACTIVE
    );
    assert_eq!(token.verify_init(session, CKM_SHA256_HMAC, mac), Rv::OK);
    assert_eq!(token.verify_update(session, b"x"), Rv::OK);
    assert_eq!(token.verify(session, b"x", &[0; 32]), CKR_OPERATION_ACTIVE);
}

fn mechanisms_without_parts_refuse_update() {
    let (token, session) = Token::with_user();
    let (_, private) = token.ec_for_signing(session, CURVES[0].0, &[]);
    assert_eq!(token.sign_init(session, CKM_ECDSA, private), Rv::OK);
    let refused = token.sign_update(session, b"x");
    let fitting = [
        CKR_OPERATION_NOT_INITIALIZED,
        CKR_FUNCTION_NOT_SUPPORTED,
        CKR_OPERATION_ACTIVE,
    ];
    refused.refused_with(&fitting, "C_SignUpdate");
    assert!(
        token
            .sign(token.session(RW), CKM_ECDSA, private, &[1; 32])
            .is_ok()
    );
}

fn a_null_mechanism_cancels() {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_AES, &[3; 16]);
    let mac = token.secret(session, CKK_GENERIC_SECRET, &[3; 16]);
    let cbc = Mech::with(CKM_AES_CBC, [0; 16]);
    for _ in 0..2 {
        assert_eq!(token.encrypt_init(session, cbc.clone(), key), Rv::OK);
        assert_eq!(token.encrypt_cancel(session), Rv::OK);
        assert_eq!(token.decrypt_init(session, cbc.clone(), key), Rv::OK);
        assert_eq!(token.decrypt_cancel(session), Rv::OK);
        assert_eq!(token.sign_init(session, CKM_SHA256_HMAC, mac), Rv::OK);
        assert_eq!(token.sign_cancel(session), Rv::OK);
        assert_eq!(token.verify_init(session, CKM_SHA256_HMAC, mac), Rv::OK);
        assert_eq!(token.verify_cancel(session), Rv::OK);
        assert_eq!(token.digest_init(session, CKM_SHA256), Rv::OK);
        assert_eq!(token.digest_cancel(session), Rv::OK);
    }
    assert_eq!(
        token.sign_into(session, b"x", Out::Size).rv,
        CKR_OPERATION_NOT_INITIALIZED
    );
}

fn wrong_keys_and_mechanisms_are_told_apart() {
    let (token, session) = Token::with_user();
    let aes = token.secret(session, CKK_AES, &[3; 16]);
    let (public, private) = token.rsa_for_all(session, 2048, &[]);
    let (_, ec) = token.ec_for_signing(session, CURVES[0].0, &[]);
    for handle in [0, 999_999, CK_ULONG::MAX] {
        assert_eq!(
            token.sign_init(session, CKM_SHA256_RSA_PKCS, handle),
            CKR_KEY_HANDLE_INVALID,
            "{handle}"
        );
    }
    for mech in [CKM_RSA_PKCS, CKM_SHA256_RSA_PKCS] {
        assert_eq!(token.sign_init(session, mech, aes), CKR_KEY_TYPE_INCONSISTENT);
        assert_eq!(token.sign_init(session, mech, ec), CKR_KEY_TYPE_INCONSISTENT);
    }
    assert_eq!(
        token.sign_init(session, CKM_VENDOR_DEFINED | 7, private),
        CKR_MECHANISM_INVALID
    );
    assert_eq!(
        token.encrypt_init(session, CKM_SHA256, private),
        CKR_MECHANISM_INVALID
    );
    let wrong_class = token.sign_init(session, CKM_RSA_PKCS, public);
    let right = [CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_KEY_TYPE_INCONSISTENT];
    wrong_class.refused_with(&right, "a public key that is to sign");
}

fn a_key_does_only_what_its_flags_say() {
    let (token, session) = Token::with_user();
    let refused = CKR_KEY_FUNCTION_NOT_PERMITTED;
    let uses = [CKA_SIGN, CKA_VERIFY, CKA_ENCRYPT, CKA_DECRYPT];
    let attrs = [
        &[keyenclave_conformance::module::number(CKA_VALUE_LEN, 16)][..],
        &uses.map(|usage| flag(usage, false)),
    ]
    .concat();
    let key = token.generate_key(session, CKM_AES_KEY_GEN, &attrs).unwrap();
    let cbc = Mech::with(CKM_AES_CBC, [0; 16]);
    assert_eq!(token.encrypt_init(session, cbc.clone(), key), refused);
    assert_eq!(token.decrypt_init(session, cbc, key), refused);
    let key = token
        .generate_key(session, CKM_GENERIC_SECRET_KEY_GEN, &attrs)
        .unwrap();
    assert_eq!(token.sign_init(session, CKM_SHA256_HMAC, key), refused);
    assert_eq!(token.verify_init(session, CKM_SHA256_HMAC, key), refused);
    let public = [
        keyenclave_conformance::module::number(CKA_MODULUS_BITS, 2048),
        flag(CKA_VERIFY, false),
        flag(CKA_ENCRYPT, true),
    ];
    let private = [flag(CKA_SIGN, false), flag(CKA_DECRYPT, true)];
    let pair = token.generate_key_pair(session, CKM_RSA_PKCS_KEY_PAIR_GEN, &public, &private);
    let (public, private) = pair.unwrap();
    assert_eq!(token.sign_init(session, CKM_RSA_PKCS, private), refused);
    assert_eq!(token.verify_init(session, CKM_RSA_PKCS, public), refused);
    assert_eq!(token.decrypt_init(session, CKM_RSA_PKCS, private), Rv::OK);
}

fn logout_ends_operations_with_private_keys() {
    let (token, session) = Token::with_user();
    let (_, private) = token.ec_for_signing(session, CURVES[0].0, &[flag(CKA_TOKEN, true)]);
    assert_eq!(token.sign_init(session, CKM_ECDSA, private), Rv::OK);
    assert_eq!(token.logout(session), Rv::OK);
    let after = token.sign_into(session, &[1; 32], Out::Room(&mut [0; 64])).rv;
    let right = [CKR_OPERATION_NOT_INITIALIZED, CKR_USER_NOT_LOGGED_IN];
    after.refused_with(&right, "after C_Logout");
}
