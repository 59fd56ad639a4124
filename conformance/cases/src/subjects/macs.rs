// SPDX-License-Identifier: MIT
//! HMAC against RFC 4231 and RFC 2202, shortened ones, and keys of any length.

use crate::case::Need::Own;
use crate::case::cases;
use crate::subjects::signatures::hex;
use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::module::{Mech, flag, number};
use keyenclave_conformance::token::Token;

cases! {
    "hmac.published" => hmacs_equal_the_published_examples, "HMAC mechanisms",
        [CKM_SHA_1_HMAC, CKM_SHA224_HMAC, CKM_SHA256_HMAC, CKM_SHA384_HMAC, CKM_SHA512_HMAC], [];
    "hmac.published.short-key" => hmacs_with_a_key_of_four_bytes_equal_the_published_examples, "HMAC mechanisms",
        [CKM_SHA_1_HMAC, CKM_SHA224_HMAC, CKM_SHA256_HMAC, CKM_SHA384_HMAC, CKM_SHA512_HMAC], [Own];
    "hmac.general" => shortened_hmacs_are_the_beginning_of_the_whole, "HMAC mechanisms",
        [CKM_SHA_1_HMAC_GENERAL, CKM_SHA224_HMAC_GENERAL, CKM_SHA256_HMAC_GENERAL,
         CKM_SHA384_HMAC_GENERAL, CKM_SHA512_HMAC_GENERAL], [];
    "hmac.key-lengths" => hmac_keys_have_any_length, "HMAC mechanisms",
        [CKM_SHA_1_HMAC, CKM_SHA224_HMAC, CKM_SHA256_HMAC, CKM_SHA384_HMAC, CKM_SHA512_HMAC], [Own];
    "generate.secret.length" => generated_secrets_have_the_length_asked_for, "C_GenerateKey",
        [CKM_GENERIC_SECRET_KEY_GEN, CKM_AES_KEY_GEN], [];
}

/// RFC 2202 and RFC 4231, test case 6: a key longer than a block, which every range of key sizes has.
const LONG: [(CK_MECHANISM_TYPE, usize, &str); 5] = [
    (CKM_SHA_1_HMAC, 80, "aa4ae5e15272d00e95705637ce8a3b55ed402112"),
    (
        CKM_SHA224_HMAC,
        131,
        "95e9a0db962095adaebe9b2d6f0dbce2d499f112f2d2b7273fa6870e",
    ),
    (
        CKM_SHA256_HMAC,
        131,
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
    (
        CKM_SHA384_HMAC,
        131,
        "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952",
    ),
    (
        CKM_SHA512_HMAC,
        131,
        "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e5295e64f73\
         f63f0aec8b915a985d786598",
    ),
];

const LARGER: &[u8] = b"Test Using Larger Than Block-Size Key - Hash Key First";

const JEFE: &[u8] = b"what do ya want for nothing?";

/// RFC 2202 and RFC 4231, test case 2: key "Jefe".
const EXPECTED: [(CK_MECHANISM_TYPE, CK_MECHANISM_TYPE, &str); 5] = [
    (
        CKM_SHA_1_HMAC,
        CKM_SHA_1_HMAC_GENERAL,
        "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
    ),
    (
        CKM_SHA224_HMAC,
        CKM_SHA224_HMAC_GENERAL,
        "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44",
    ),
    (
        CKM_SHA256_HMAC,
        CKM_SHA256_HMAC_GENERAL,
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    (
        CKM_SHA384_HMAC,
        CKM_SHA384_HMAC_GENERAL,
        "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
    ),
    (
        CKM_SHA512_HMAC,
        CKM_SHA512_HMAC_GENERAL,
        "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fd\
         caeab1a34d4a6b4b636e070a38bce737",
    ),
];

fn hmacs_equal_the_published_examples() {
    let (token, session) = Token::with_user();
    for (mech, length, expected) in LONG {
        let key = token.secret(session, CKK_GENERIC_SECRET, &vec![0xaa; length]);
        published(&token, session, (mech, key), LARGER, &hex(expected));
    }
}

fn hmacs_with_a_key_of_four_bytes_equal_the_published_examples() {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_GENERIC_SECRET, b"Jefe");
    for (mech, _, expected) in EXPECTED {
        published(&token, session, (mech, key), JEFE, &hex(expected));
    }
}

fn published(
    token: &Token,
    session: CK_SESSION_HANDLE,
    (mech, key): (CK_MECHANISM_TYPE, CK_OBJECT_HANDLE),
    data: &[u8],
    expected: &[u8],
) {
    let mac = token.sign(session, mech, key, data).unwrap();
    assert_eq!(mac, expected, "{mech:#x}");
    assert_eq!(token.sign_parts(session, mech, key, data, 5).unwrap(), mac);
    assert_eq!(token.check(session, mech, key, data, &mac), Rv::OK);
    assert_eq!(
        token.check(session, mech, key, b"other", &mac),
        CKR_SIGNATURE_INVALID
    );
    assert_eq!(
        token.check(session, mech, key, data, &mac[1..]),
        CKR_SIGNATURE_LEN_RANGE
    );
    token.check_parts(session, mech, key, (data, 3), &mac).unwrap();
}

fn shortened_hmacs_are_the_beginning_of_the_whole() {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_GENERIC_SECRET, b"Jefe");
    for (_, general, expected) in EXPECTED {
        let whole = hex(expected);
        for length in [4, 10, whole.len()] {
            let mech = Mech::with(general, CK_ULONG::try_from(length).unwrap().to_ne_bytes());
            let mac = token.sign(session, mech.clone(), key, JEFE).unwrap();
            assert_eq!(mac, whole[..length], "{general:#x}");
            assert_eq!(token.check(session, mech.clone(), key, JEFE, &mac), Rv::OK);
            assert_eq!(
                token.check(session, mech, key, JEFE, &whole[..length - 1]),
                CKR_SIGNATURE_LEN_RANGE
            );
        }
        let too_long = CK_ULONG::try_from(whole.len() + 1).unwrap();
        let bad = Mech::with(general, too_long.to_ne_bytes());
        assert_eq!(token.sign_init(session, bad, key), CKR_MECHANISM_PARAM_INVALID);
        assert_eq!(
            token.sign_init(session, Mech::null(general, 8), key),
            CKR_MECHANISM_PARAM_INVALID
        );
        assert_eq!(
            token.sign_init(session, Mech::with(general, [4]), key),
            CKR_MECHANISM_PARAM_INVALID
        );
    }
}

fn hmac_keys_have_any_length() {
    let (token, session) = Token::with_user();
    for length in [1, 16, 64, 65, 128, 129, 1000] {
        let key = token.secret(session, CKK_GENERIC_SECRET, &vec![7; length]);
        for (mech, ..) in EXPECTED {
            let mac = token.sign(session, mech, key, b"data").unwrap();
            assert_eq!(
                token.check(session, mech, key, b"data", &mac),
                Rv::OK,
                "{length} bytes"
            );
        }
    }
}

fn generated_secrets_have_the_length_asked_for() {
    let (token, session) = Token::with_user();
    for (kind, length) in [
        (CKM_GENERIC_SECRET_KEY_GEN, 20),
        (CKM_AES_KEY_GEN, 16),
        (CKM_AES_KEY_GEN, 32),
    ] {
        let open = [flag(CKA_SENSITIVE, false), flag(CKA_EXTRACTABLE, true)];
        let attrs = [&[number(CKA_VALUE_LEN, length)][..], &open].concat();
        let key = token.generate_key(session, kind, &attrs).unwrap();
        let value = token.read(session, key, CKA_VALUE).unwrap();
        assert_eq!(CK_ULONG::try_from(value.len()).unwrap(), length);
        assert_eq!(token.read_number(session, key, CKA_VALUE_LEN).unwrap(), length);
    }
    let odd = token
        .generate_key(session, CKM_AES_KEY_GEN, &[number(CKA_VALUE_LEN, 17)])
        .unwrap_err();
    assert!(
        odd == CKR_ATTRIBUTE_VALUE_INVALID || odd == CKR_KEY_SIZE_RANGE,
        "{odd:?}"
    );
    let none = token.generate_key(session, CKM_AES_KEY_GEN, &[]).unwrap_err();
    assert_eq!(none, CKR_TEMPLATE_INCOMPLETE);
}
