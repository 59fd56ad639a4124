// SPDX-License-Identifier: MIT
//! HMAC against RFC 4231 and RFC 2202, shortened ones, and keys of any length.

use crate::case::Need::Own;
use crate::case::cases;
use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::module::{Mech, flag, number};
use keyenclave_conformance::published::hex;
use keyenclave_conformance::token::Token;

cases! {
    "hmac.published" => hmacs_equal_the_published_examples, "HMAC mechanisms",
        [CKM_SHA_1_HMAC, CKM_SHA224_HMAC, CKM_SHA256_HMAC, CKM_SHA384_HMAC, CKM_SHA512_HMAC], [];
    "hmac.published.short-key" => hmacs_with_a_key_of_four_bytes_equal_the_published_examples, "HMAC mechanisms",
        [CKM_SHA_1_HMAC, CKM_SHA224_HMAC, CKM_SHA256_HMAC, CKM_SHA384_HMAC, CKM_SHA512_HMAC], [Own];
    "hmac.published.sha512-t" => hmacs_of_sha_512_t_equal_those_of_another_library, "HMAC mechanisms",
        [CKM_SHA512_224_HMAC, CKM_SHA512_256_HMAC], [];
    "hmac.published.sha3" => hmacs_of_sha_3_equal_the_published_examples, "HMAC mechanisms",
        [CKM_SHA3_224_HMAC, CKM_SHA3_256_HMAC, CKM_SHA3_384_HMAC, CKM_SHA3_512_HMAC], [];
    "hmac.general.sha3" => hmacs_of_sha_3_are_shortened, "HMAC mechanisms",
        [CKM_SHA3_224_HMAC_GENERAL, CKM_SHA3_256_HMAC_GENERAL, CKM_SHA3_384_HMAC_GENERAL,
         CKM_SHA3_512_HMAC_GENERAL], [];
    "hmac.key-gen" => keys_are_generated_for_one_hmac, "HMAC mechanisms",
        [CKM_SHA_1_KEY_GEN, CKM_SHA224_KEY_GEN, CKM_SHA256_KEY_GEN, CKM_SHA384_KEY_GEN, CKM_SHA512_KEY_GEN], [];
    "hmac.key-gen.sha3" => keys_are_generated_for_one_hmac_of_sha_3, "HMAC mechanisms",
        [CKM_SHA3_224_KEY_GEN, CKM_SHA3_256_KEY_GEN, CKM_SHA3_384_KEY_GEN, CKM_SHA3_512_KEY_GEN], [];
    "hmac.key-gen.sha512-t" => keys_are_generated_for_one_hmac_of_sha_512_t, "HMAC mechanisms",
        [CKM_SHA512_224_KEY_GEN, CKM_SHA512_256_KEY_GEN], [];
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

/// The key is 131 bytes 0xaa, as in RFC 4231, test case 6. There is no published example: Python's hmac module over
/// OpenSSL gives these.
const TRUNCATED: [(CK_MECHANISM_TYPE, &str); 2] = [
    (
        CKM_SHA512_224_HMAC,
        "29bef8ce88b54d4226c3c7718ea9e32ace2429026f089e38cea9aeda",
    ),
    (
        CKM_SHA512_256_HMAC,
        "87123c45f7c537a404f8f47cdbedda1fc9bec60eeb971982ce7ef10e774e6539",
    ),
];

/// csrc.nist.gov, example values of HMAC with SHA-3, sample 1: the key counts up from 0 and is as long as the MAC.
const SPONGES: [(CK_MECHANISM_TYPE, CK_MECHANISM_TYPE, &str); 4] = [
    (
        CKM_SHA3_224_HMAC,
        CKM_SHA3_224_HMAC_GENERAL,
        "332cfd59347fdb8e576e77260be4aba2d6dc53117b3bfb52c6d18c04",
    ),
    (
        CKM_SHA3_256_HMAC,
        CKM_SHA3_256_HMAC_GENERAL,
        "4fe8e202c4f058e8dddc23d8c34e467343e23555e24fc2f025d598f558f67205",
    ),
    (
        CKM_SHA3_384_HMAC,
        CKM_SHA3_384_HMAC_GENERAL,
        "d588a3c51f3f2d906e8298c1199aa8ff6296218127f6b38a90b6afe2c5617725bc99987f79b22a557b6520db710b7f42",
    ),
    (
        CKM_SHA3_512_HMAC,
        CKM_SHA3_512_HMAC_GENERAL,
        "4efd629d6c71bf86162658f29943b1c308ce27cdfa6db0d9c3ce81763f9cbce5f7ebe9868031db1a8f8eb7b6b95e5c5e\
         3f657a8996c86a2f6527e307f0213196",
    ),
];

const SAMPLE: &[u8] = b"Sample message for keylen<blocklen";

fn hmacs_of_sha_512_t_equal_those_of_another_library() {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_GENERIC_SECRET, &[0xaa; 131]);
    for (mech, expected) in TRUNCATED {
        published(&token, session, (mech, key), LARGER, &hex(expected));
    }
}

fn hmacs_of_sha_3_equal_the_published_examples() {
    let (token, session) = Token::with_user();
    for (mech, _, expected) in SPONGES {
        let expected = hex(expected);
        let key: Vec<u8> = (0..=u8::MAX).take(expected.len()).collect();
        let key = token.secret(session, CKK_GENERIC_SECRET, &key);
        published(&token, session, (mech, key), SAMPLE, &expected);
    }
}

fn hmacs_of_sha_3_are_shortened() {
    let (token, session) = Token::with_user();
    for (_, general, expected) in SPONGES {
        let whole = hex(expected);
        let key: Vec<u8> = (0..=u8::MAX).take(whole.len()).collect();
        let key = token.secret(session, CKK_GENERIC_SECRET, &key);
        let of = |length: usize| Mech::with(general, CK_ULONG::try_from(length).unwrap().to_ne_bytes());
        let mac = token.sign(session, of(16), key, SAMPLE).unwrap();
        assert_eq!(mac, whole[..16], "{general:#x}");
        assert_eq!(token.check(session, of(16), key, SAMPLE, &mac), Rv::OK);
        let long = of(whole.len() + 1);
        assert_eq!(token.sign_init(session, long, key), CKR_MECHANISM_PARAM_INVALID);
    }
}

fn keys_are_generated_for_one_hmac() {
    generated_for_one_hmac(&[
        (CKM_SHA_1_KEY_GEN, CKK_SHA_1_HMAC, CKM_SHA_1_HMAC),
        (CKM_SHA224_KEY_GEN, CKK_SHA224_HMAC, CKM_SHA224_HMAC),
        (CKM_SHA256_KEY_GEN, CKK_SHA256_HMAC, CKM_SHA256_HMAC),
        (CKM_SHA384_KEY_GEN, CKK_SHA384_HMAC, CKM_SHA384_HMAC),
        (CKM_SHA512_KEY_GEN, CKK_SHA512_HMAC, CKM_SHA512_HMAC),
    ]);
}

fn keys_are_generated_for_one_hmac_of_sha_3() {
    generated_for_one_hmac(&[
        (CKM_SHA3_224_KEY_GEN, CKK_SHA3_224_HMAC, CKM_SHA3_224_HMAC),
        (CKM_SHA3_256_KEY_GEN, CKK_SHA3_256_HMAC, CKM_SHA3_256_HMAC),
        (CKM_SHA3_384_KEY_GEN, CKK_SHA3_384_HMAC, CKM_SHA3_384_HMAC),
        (CKM_SHA3_512_KEY_GEN, CKK_SHA3_512_HMAC, CKM_SHA3_512_HMAC),
    ]);
}

fn keys_are_generated_for_one_hmac_of_sha_512_t() {
    generated_for_one_hmac(&[
        (CKM_SHA512_224_KEY_GEN, CKK_SHA512_224_HMAC, CKM_SHA512_224_HMAC),
        (CKM_SHA512_256_KEY_GEN, CKK_SHA512_256_HMAC, CKM_SHA512_256_HMAC),
    ]);
}

fn generated_for_one_hmac(rows: &[(CK_MECHANISM_TYPE, CK_KEY_TYPE, CK_MECHANISM_TYPE)]) {
    let (token, session) = Token::with_user();
    for &(generation, kind, hmac) in rows {
        let attrs = [
            number(CKA_VALUE_LEN, 32),
            flag(CKA_SIGN, true),
            flag(CKA_VERIFY, true),
        ];
        let key = token.generate_key(session, generation, &attrs).unwrap();
        assert_eq!(token.read_number(session, key, CKA_KEY_TYPE).unwrap(), kind);
        assert_eq!(
            token.read_number(session, key, CKA_KEY_GEN_MECHANISM).unwrap(),
            generation
        );
        let mac = token.sign(session, hmac, key, SAMPLE).unwrap();
        assert_eq!(token.check(session, hmac, key, SAMPLE, &mac), Rv::OK);
        let other = match hmac {
            CKM_SHA256_HMAC => CKM_SHA512_HMAC,
            _ => CKM_SHA256_HMAC,
        };
        assert_eq!(
            token.sign_init(session, other, key),
            CKR_KEY_TYPE_INCONSISTENT,
            "{generation:#x}"
        );
        let none = token.generate_key(session, generation, &[]).unwrap_err();
        assert_eq!(none, CKR_TEMPLATE_INCOMPLETE);
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
