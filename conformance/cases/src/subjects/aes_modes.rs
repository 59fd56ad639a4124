// SPDX-License-Identifier: MIT
//! AES beside ECB, CBC and GCM: streams, ciphertext stealing, XTS, CCM, codes, and keys that are encrypted data.

use crate::case::Need::Own;
use crate::case::cases;
use crate::subjects::signatures::hex;
use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::module::{Attr, Field, Mech, bytes, flag, number};
use keyenclave_conformance::token::Token;

cases! {
    "aes-ctr.published" => aes_ctr_equals_the_published_examples, "AES with Counter Encryption / Decryption",
        [CKM_AES_CTR], [];
    "aes-ctr.end" => a_counter_does_not_begin_anew, "AES with Counter Encryption / Decryption",
        [CKM_AES_CTR], [];
    "aes-ctr.parameters" => a_counter_has_one_to_128_bits, "AES with Counter mechanism parameters", [CKM_AES_CTR], [];
    "aes-ofb.published" => aes_ofb_equals_the_published_examples, "AES-OFB", [CKM_AES_OFB], [];
    "aes-cfb8.published" => aes_cfb8_equals_the_published_examples, "AES-CFB", [CKM_AES_CFB8], [];
    "aes-cfb128.published" => aes_cfb128_equals_the_published_examples, "AES-CFB", [CKM_AES_CFB128], [];
    "aes-cts.published" => aes_cts_equals_the_published_examples, "AES CBC with CipherText Stealing CTS",
        [CKM_AES_CTS], [];
    "aes-cts.short" => less_than_a_block_is_not_stolen_from, "AES CBC with CipherText Stealing CTS",
        [CKM_AES_CTS], [];
    "aes-cts.parts" => aes_cts_takes_parts_of_any_length, "AES CBC with CipherText Stealing CTS",
        [CKM_AES_CTS], [Own];
    "aes-xts.published" => aes_xts_equals_the_published_examples, "AES XTS", [CKM_AES_XTS], [];
    "aes-xts.keys" => an_xts_key_has_two_different_halves, "AES-XTS secret key objects",
        [CKM_AES_XTS, CKM_AES_XTS_KEY_GEN], [];
    "aes-xts.others" => an_xts_key_is_for_xts_alone, "AES XTS", [CKM_AES_XTS, CKM_AES_ECB], [];
    "aes-ccm.published" => aes_ccm_equals_the_published_examples,
        "AES-CCM Authenticated Encryption / Decryption", [CKM_AES_CCM], [];
    "aes-ccm.changes" => aes_ccm_notices_every_change, "AES-CCM Authenticated Encryption / Decryption",
        [CKM_AES_CCM], [Own];
    "aes-ccm.lengths" => aes_ccm_wants_the_length_that_it_was_told, "AES-CCM Authenticated Encryption / Decryption",
        [CKM_AES_CCM], [Own];
    "aes-ccm.parameters" => bad_ccm_parameters_are_refused, "AES GCM and CCM Mechanism parameters",
        [CKM_AES_CCM], [Own];
    "aes-gmac.published" => aes_gmac_equals_the_published_example, "AES-GMAC", [CKM_AES_GMAC], [];
    "aes-cmac.published" => aes_cmac_equals_the_published_examples, "AES-CMAC", [CKM_AES_CMAC], [];
    "aes-cmac.general" => a_general_cmac_is_as_long_as_the_parameter_says, "General-length AES-CMAC",
        [CKM_AES_CMAC_GENERAL], [];
    "aes-encrypt-data.ecb" => data_encrypted_block_by_block_becomes_a_key,
        "Key derivation by data encryption – DES & AES", [CKM_AES_ECB_ENCRYPT_DATA], [];
    "aes-encrypt-data.cbc" => data_encrypted_in_cbc_becomes_a_key,
        "Key derivation by data encryption – DES & AES", [CKM_AES_CBC_ENCRYPT_DATA], [];
    "aes-encrypt-data.lengths" => data_for_a_key_is_whole_blocks_and_enough,
        "Key derivation by data encryption – DES & AES",
        [CKM_AES_ECB_ENCRYPT_DATA, CKM_AES_CBC_ENCRYPT_DATA], [Own];
    "aes.check-value" => the_check_value_of_an_aes_key_is_a_block_of_zeros_encrypted, "AES secret key objects",
        [CKM_AES_ECB], [];
}

/// NIST SP 800-38A, appendix F: the plaintext and the keys of all examples.
const PLAIN: &str = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51\
                     30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";
const KEYS: [&str; 3] = [
    "2b7e151628aed2a6abf7158809cf4f3c",
    "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
    "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
];
const IV: &str = "000102030405060708090a0b0c0d0e0f";
const COUNTER: &str = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";

/// Section F.5.
const CTR: [&str; 3] = [
    "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff\
     5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee",
    "1abc932417521ca24f2b0459fe7e6e0b090339ec0aa6faefd5ccc2c6f4ce8e94\
     1e36b26bd1ebc670d1bd1d665620abf74f78a7f6d29809585a97daec58c6b050",
    "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5\
     2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6",
];
/// Section F.4.
const OFB: [&str; 3] = [
    "3b3fd92eb72dad20333449f8e83cfb4a7789508d16918f03f53c52dac54ed825\
     9740051e9c5fecf64344f7a82260edcc304c6528f659c77866a510d9c1d6ae5e",
    "cdc80d6fddf18cab34c25909c99a4174fcc28b8d4c63837c09e81700c1100401\
     8d9a9aeac0f6596f559c6d4daf59a5f26d9f200857ca6c3e9cac524bd9acc92a",
    "dc7e84bfda79164b7ecd8486985d38604febdc6740d20b3ac88f6ad82a4fb08d\
     71ab47a086e86eedf39d1c5bba97c4080126141d67f37be8538f5a8be740e484",
];
/// Sections F.3.13 to F.3.18.
const CFB128: [&str; 3] = [
    "3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b\
     26751f67a3cbb140b1808cf187a4f4dfc04b05357c5d1c0eeac4c66f9ff7f2e6",
    "cdc80d6fddf18cab34c25909c99a417467ce7f7f81173621961a2b70171d3d7a\
     2e1e8a1dd59b88b1c8e60fed1efac4c9c05f9f9ca9834fa042ae8fba584b09ff",
    "dc7e84bfda79164b7ecd8486985d386039ffed143b28b1c832113c6331e5407b\
     df10132415e54b92a13ed0a8267ae2f975a385741ab9cef82031623d55b1e471",
];
/// Sections F.3.7 to F.3.12.
const CFB8: [&str; 3] = [
    "3b79424c9c0dd436bace9e0ed4586a4f32b9",
    "cda2521ef0a905ca44cd057cbf0d47a0678a",
    "dc1f1a8520a64db55fcc8ac554844e889700",
];

fn ctr(bits: CK_ULONG, block: &str) -> Mech {
    Mech::structure(CKM_AES_CTR, [Field::Number(bits), Field::Inline(hex(block))])
}

/// A token and a session of its user.
type At<'a> = (&'a Token, CK_SESSION_HANDLE);

/// Both ways, whole and in parts.
fn both_ways(
    (token, session): At<'_>,
    mech: &Mech,
    (kind, key): (CK_KEY_TYPE, &[u8]),
    (plain, sealed): (&[u8], &[u8]),
    parts: &[usize],
) {
    let key = token.secret(session, kind, key);
    let whole = token.encrypt(session, mech.clone(), key, plain);
    assert_eq!(whole.unwrap(), sealed, "{mech:?}");
    let whole = token.decrypt(session, mech.clone(), key, sealed);
    assert_eq!(whole.unwrap(), plain, "{mech:?}");
    for part in parts {
        let pieces = token.encrypt_parts(session, mech.clone(), key, plain, *part);
        assert_eq!(pieces.unwrap(), sealed, "{mech:?} in parts of {part}");
        let pieces = token.decrypt_parts(session, mech.clone(), key, sealed, *part);
        assert_eq!(pieces.unwrap(), plain, "{mech:?} in parts of {part}");
    }
}

fn streams(mech: &Mech, expected: [&str; 3]) {
    let (token, session) = Token::with_user();
    let at = (&token, session);
    for (key, sealed) in KEYS.into_iter().zip(expected) {
        let sealed = hex(sealed);
        let plain = &hex(PLAIN)[..sealed.len()];
        both_ways(at, mech, (CKK_AES, &hex(key)), (plain, &sealed), &[1, 7, 16, 33]);
        // Data of any length.
        both_ways(
            at,
            mech,
            (CKK_AES, &hex(key)),
            (&plain[..13], &sealed[..13]),
            &[5],
        );
    }
}

fn aes_ctr_equals_the_published_examples() {
    streams(&ctr(128, COUNTER), CTR);
}

fn aes_ofb_equals_the_published_examples() {
    streams(&Mech::with(CKM_AES_OFB, hex(IV)), OFB);
}

fn aes_cfb8_equals_the_published_examples() {
    streams(&Mech::with(CKM_AES_CFB8, hex(IV)), CFB8);
}

fn aes_cfb128_equals_the_published_examples() {
    streams(&Mech::with(CKM_AES_CFB128, hex(IV)), CFB128);
}

/// The specification's own example: two bits that are 1 leave three blocks.
fn a_counter_does_not_begin_anew() {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_AES, &[3; 16]);
    let mech = ctr(2, "000000000000000000000000000000fd");
    let three = token.encrypt(session, mech.clone(), key, &[0; 48]).unwrap();
    assert_eq!(three.len(), 48);
    let four = token.encrypt(session, mech.clone(), key, &[0; 49]);
    assert_eq!(four.unwrap_err(), CKR_DATA_LEN_RANGE);
    let four = token.encrypt_parts(session, mech, key, &[0; 64], 16);
    assert_eq!(four.unwrap_err(), CKR_DATA_LEN_RANGE);
    let last = ctr(128, "ffffffffffffffffffffffffffffffff");
    let two = token.encrypt(session, last.clone(), key, &[0; 17]);
    assert_eq!(two.unwrap_err(), CKR_DATA_LEN_RANGE);
    assert_eq!(token.encrypt(session, last, key, &[0; 16]).unwrap().len(), 16);
}

fn a_counter_has_one_to_128_bits() {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_AES, &[3; 16]);
    for bits in [0, 129, CK_ULONG::MAX] {
        let refused = token.encrypt_init(session, ctr(bits, COUNTER), key);
        assert_eq!(refused, CKR_MECHANISM_PARAM_INVALID, "{bits} bits");
    }
}

/// RFC 3962, appendix B, which has CBC-CS3: the last two blocks are the other way round in CBC-CS1.
const CTS_TEXT: &[u8] = b"I would like the General Gau's Chicken, please, and wonton soup.";
const CTS: [(usize, &str); 4] = [
    (17, "97c6353568f2bf8cb4d8a580362da7ff7f"),
    (
        31,
        "97687268d6ecccc0c07b25e25ecfe5fc00783e0efdb2c1d445d4c8eff7ed22",
    ),
    (
        32,
        "97687268d6ecccc0c07b25e25ecfe58439312523a78662d5be7fcbcc98ebf5a8",
    ),
    (
        47,
        "97687268d6ecccc0c07b25e25ecfe58439312523a78662d5be7fcbcc98ebf5b3fffd940c16a18c1b5549d2f838029e",
    ),
];

fn aes_cts_equals_the_published_examples() {
    cts(&[]);
}

fn aes_cts_takes_parts_of_any_length() {
    cts(&[1, 15, 16, 17, 40]);
}

fn cts(parts: &[usize]) {
    let (token, session) = Token::with_user();
    for (len, expected) in CTS {
        let mech = Mech::with(CKM_AES_CTS, [0; 16]);
        let data = (&CTS_TEXT[..len], &hex(expected)[..]);
        both_ways(
            (&token, session),
            &mech,
            (CKK_AES, b"chicken teriyaki"),
            data,
            parts,
        );
    }
}

fn less_than_a_block_is_not_stolen_from() {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_AES, &[3; 16]);
    let mech = || Mech::with(CKM_AES_CTS, [0; 16]);
    let short = token.encrypt(session, mech(), key, &[1; 15]);
    assert_eq!(short.unwrap_err(), CKR_DATA_LEN_RANGE);
    let short = token.decrypt(session, mech(), key, &[1; 15]);
    assert_eq!(short.unwrap_err(), CKR_ENCRYPTED_DATA_LEN_RANGE);
}

/// IEEE 1619, appendix B, vectors 2, 15 and 18: key, data unit, plaintext, ciphertext.
const XTS: [(&str, &str, &str, &str); 3] = [
    (
        "1111111111111111111111111111111122222222222222222222222222222222",
        "33333333330000000000000000000000",
        "4444444444444444444444444444444444444444444444444444444444444444",
        "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0",
    ),
    (
        "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0bfbebdbcbbbab9b8b7b6b5b4b3b2b1b0",
        "9a785634120000000000000000000000",
        "000102030405060708090a0b0c0d0e0f10",
        "6c1625db4671522d3d7599601de7ca09ed",
    ),
    (
        "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0bfbebdbcbbbab9b8b7b6b5b4b3b2b1b0",
        "9a785634120000000000000000000000",
        "000102030405060708090a0b0c0d0e0f10111213",
        "9d84c813f719aa2c7be3f66171c7c5c2edbf9dac",
    ),
];
/// Vector 10, which is of 256 bits: how the ciphertext of the numbers from 0 to 255, twice, begins and ends.
const XTS_256: (&str, &str, &str) = (
    "27182818284590452353602874713526624977572470936999595749669676273141592653589793238462643383279502884\
     197169399375105820974944592",
    "1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b",
    "a9fcea70b9c6e693e148c151",
);

fn aes_xts_equals_the_published_examples() {
    let (token, session) = Token::with_user();
    for (key, number, plain, sealed) in XTS {
        let mech = Mech::with(CKM_AES_XTS, hex(number));
        let (plain, sealed) = (hex(plain), hex(sealed));
        let key = (CKK_AES_XTS, &hex(key)[..]);
        both_ways((&token, session), &mech, key, (&plain, &sealed), &[1, 16, 17]);
    }
    let (key, begins, ends) = XTS_256;
    let key = token.secret(session, CKK_AES_XTS, &hex(key));
    let plain: Vec<u8> = (0..=255).chain(0..=255).collect();
    let mech = Mech::with(CKM_AES_XTS, hex("ff000000000000000000000000000000"));
    let sealed = token.encrypt(session, mech, key, &plain).unwrap();
    assert!(sealed.starts_with(&hex(begins)));
    assert!(sealed.ends_with(&hex(ends)));
}

fn an_xts_key_has_two_different_halves() {
    let (token, session) = Token::with_user();
    let attrs = |value: &[u8]| {
        [
            number(CKA_CLASS, CKO_SECRET_KEY),
            number(CKA_KEY_TYPE, CKK_AES_XTS),
            bytes(CKA_VALUE, value),
        ]
    };
    for bad in [vec![7; 32], vec![7; 64], (0..48).collect(), (0..16).collect()] {
        let refused = token.create_object(session, &attrs(&bad)).unwrap_err();
        assert_eq!(refused, CKR_ATTRIBUTE_VALUE_INVALID, "{} bytes", bad.len());
    }
    for len in [32, 64] {
        let made = token.generate_key(session, CKM_AES_XTS_KEY_GEN, &[number(CKA_VALUE_LEN, len)]);
        let made = made.unwrap();
        assert_eq!(token.read_number(session, made, CKA_KEY_TYPE), Ok(CKK_AES_XTS));
        let mech = || Mech::with(CKM_AES_XTS, [5; 16]);
        let sealed = token.encrypt(session, mech(), made, &[1; 40]).unwrap();
        assert_eq!(token.decrypt(session, mech(), made, &sealed).unwrap(), [1; 40]);
        let short = token.encrypt(session, mech(), made, &[1; 15]);
        assert_eq!(short.unwrap_err(), CKR_DATA_LEN_RANGE);
    }
    for len in [16, 48, 0] {
        let refused = token.generate_key(session, CKM_AES_XTS_KEY_GEN, &[number(CKA_VALUE_LEN, len)]);
        assert!(refused.is_err(), "{len} bytes");
    }
}

fn an_xts_key_is_for_xts_alone() {
    let (token, session) = Token::with_user();
    let xts = token.secret(session, CKK_AES_XTS, &hex(XTS[0].0));
    let aes = token.secret(session, CKK_AES, &[1; 32]);
    let mech = || Mech::with(CKM_AES_XTS, [5; 16]);
    assert_eq!(
        token.encrypt_init(session, CKM_AES_ECB, xts),
        CKR_KEY_TYPE_INCONSISTENT
    );
    assert_eq!(
        token.encrypt_init(session, mech(), aes),
        CKR_KEY_TYPE_INCONSISTENT
    );
}

fn counting(first: u8, len: usize) -> Vec<u8> {
    (0..len)
        .map(|place| first.wrapping_add((place % 256) as u8))
        .collect()
}

fn ccm(data_len: usize, nonce: &[u8], aad: &[u8], tag_len: CK_ULONG) -> Mech {
    let len = |len: usize| Field::Number(CK_ULONG::try_from(len).unwrap());
    Mech::structure(
        CKM_AES_CCM,
        [
            len(data_len),
            Field::Bytes(nonce.to_vec()),
            len(nonce.len()),
            Field::Bytes(aad.to_vec()),
            len(aad.len()),
            Field::Number(tag_len),
        ],
    )
}

/// NIST SP 800-38C, appendix C: nonce, length of the additional data, plaintext, tag length, result.
const CCM: [(usize, usize, usize, CK_ULONG, &str); 4] = [
    (7, 8, 4, 4, "7162015b4dac255d"),
    (8, 16, 16, 6, "d2a1f0e051ea5f62081a7792073d593d1fc64fbfaccd"),
    (
        12,
        20,
        24,
        8,
        "e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5484392fbc1b09951",
    ),
    (
        13,
        65536,
        32,
        14,
        "69915dad1e84c6376a68c2967e4dab615ae0fd1faec44cc484828529463ccf72b4ac6bec93e8598e7f0dadbcea5b",
    ),
];

fn aes_ccm_equals_the_published_examples() {
    let (token, session) = Token::with_user();
    for (nonce, aad, plain, tag_len, expected) in CCM {
        let mech = ccm(plain, &counting(0x10, nonce), &counting(0, aad), tag_len);
        let (plain, key) = (counting(0x20, plain), counting(0x40, 16));
        let data = (&plain[..], &hex(expected)[..]);
        both_ways((&token, session), &mech, (CKK_AES, &key), data, &[1, 5, 64]);
    }
}

fn aes_ccm_notices_every_change() {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_AES, &[3; 32]);
    let mech = |aad: &[u8]| ccm(9, &[1; 12], aad, 16);
    let sealed = token
        .encrypt(session, mech(b"header"), key, b"some data")
        .unwrap();
    for place in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[place] ^= 1;
        let refused = token.decrypt(session, mech(b"header"), key, &changed);
        assert_eq!(refused.unwrap_err(), CKR_ENCRYPTED_DATA_INVALID, "byte {place}");
        let refused = token.decrypt_parts(session, mech(b"header"), key, &changed, 4);
        assert_eq!(refused.unwrap_err(), CKR_ENCRYPTED_DATA_INVALID, "byte {place}");
    }
    let refused = token.decrypt(session, mech(b"Header"), key, &sealed);
    assert_eq!(refused.unwrap_err(), CKR_ENCRYPTED_DATA_INVALID);
}

fn aes_ccm_wants_the_length_that_it_was_told() {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_AES, &[3; 32]);
    let mech = |len| ccm(len, &[1; 12], b"", 16);
    for len in [8, 10] {
        let other = token.encrypt(session, mech(len), key, b"some data");
        assert_eq!(other.unwrap_err(), CKR_DATA_LEN_RANGE);
        let other = token.encrypt_parts(session, mech(len), key, b"some data", 4);
        assert_eq!(other.unwrap_err(), CKR_DATA_LEN_RANGE);
        let other = token.decrypt(session, mech(len), key, &[1; 25]);
        assert_eq!(other.unwrap_err(), CKR_ENCRYPTED_DATA_LEN_RANGE);
    }
    let empty = token.encrypt(session, mech(0), key, b"").unwrap();
    assert_eq!(empty.len(), 16);
    assert_eq!(token.decrypt(session, mech(0), key, &empty).unwrap(), b"");
}

fn bad_ccm_parameters_are_refused() {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_AES, &[3; 32]);
    let bad = [
        Mech::from(CKM_AES_CCM),
        Mech::null(CKM_AES_CCM, 48),
        Mech::with(CKM_AES_CCM, [0; 12]),
        ccm(9, &[1; 6], b"", 16),
        ccm(9, &[1; 14], b"", 16),
        ccm(9, &[], b"", 16),
        ccm(9, &[1; 12], b"", 0),
        ccm(9, &[1; 12], b"", 2),
        ccm(9, &[1; 12], b"", 15),
        ccm(9, &[1; 12], b"", 18),
        ccm(9, &[1; 12], b"", CK_ULONG::MAX),
        // A nonce of 13 bytes leaves two for the length.
        ccm(1 << 16, &[1; 13], b"", 16),
    ];
    for mech in bad {
        let refused = token.encrypt_init(session, mech.clone(), key);
        assert_eq!(refused, CKR_MECHANISM_PARAM_INVALID, "{mech:?}");
    }
}

/// Signs whole and in parts, verifies both, and refuses everything else.
fn codes((token, session): At<'_>, mech: &Mech, key: &str, message: &[u8], expected: &[u8]) {
    let key = token.secret(session, CKK_AES, &hex(key));
    let whole = token.sign(session, mech.clone(), key, message).unwrap();
    assert_eq!(whole, expected, "{mech:?}");
    let parts = token.sign_parts(session, mech.clone(), key, message, 7).unwrap();
    assert_eq!(parts, expected, "{mech:?} in parts");
    let verify = |message: &[u8], code: &[u8]| {
        assert_eq!(token.verify_init(session, mech.clone(), key), Rv::OK);
        token.verify(session, message, code)
    };
    assert_eq!(verify(message, expected), Rv::OK);
    let mut changed = expected.to_vec();
    changed[0] ^= 1;
    assert_eq!(verify(message, &changed), CKR_SIGNATURE_INVALID);
    assert_eq!(verify(b"another", expected), CKR_SIGNATURE_INVALID);
    assert_eq!(verify(message, &expected[1..]), CKR_SIGNATURE_LEN_RANGE);
}

/// NIST CAVP, gcmEncryptExtIV128: a case without plaintext.
fn aes_gmac_equals_the_published_example() {
    let (key, iv) = (
        "77be63708971c4e240d1cb79e8d77feb",
        hex("e0e00f19fed7ba0136a797f3"),
    );
    let message = hex("7a43ec1d9c0a5a78a0b16533a6213cab");
    let expected = hex("209fcc8d3675ed938e9c7166709dd946");
    let (token, session) = Token::with_user();
    for (bits, len) in [(96, 12), (128, 16)] {
        let mech = Mech::gmac(&iv, b"", bits);
        codes((&token, session), &mech, key, &message, &expected[..len]);
    }
    let key = token.secret(session, CKK_AES, &hex(key));
    for bad in [
        Mech::gmac(&[], b"", 128),
        Mech::gmac(&iv, b"", 129),
        Mech::from(CKM_AES_GMAC),
    ] {
        assert_eq!(token.sign_init(session, bad, key), CKR_MECHANISM_PARAM_INVALID);
    }
}

/// NIST SP 800-38B, appendix D (RFC 4493): a key each; none, 16, 40 and 64 bytes.
const CMAC: [[&str; 4]; 3] = [
    [
        "bb1d6929e95937287fa37d129b756746",
        "070a16b46b4d4144f79bdd9dd04a287c",
        "dfa66747de9ae63030ca32611497c827",
        "51f0bebf7e3b9d92fc49741779363cfe",
    ],
    [
        "d17ddf46adaacde531cac483de7a9367",
        "9e99a7bf31e710900662f65e617c5184",
        "8a1de5be2eb31aad089a82e6ee908b0e",
        "a1d5df0eed790f794d77589659f39a11",
    ],
    [
        "028962f61b7bf89efc6b551f4667d983",
        "28a7023f452e8f82bd4bf28d8c37c35c",
        "aaf3d8f1de5640c232f5b169b9c911e6",
        "e1992190549f6ed5696a2c056c315410",
    ],
];

fn aes_cmac_equals_the_published_examples() {
    let (token, session) = Token::with_user();
    let (at, mech) = ((&token, session), Mech::from(CKM_AES_CMAC));
    for (key, expected) in KEYS.into_iter().zip(CMAC) {
        for (len, code) in [0, 16, 40, 64].into_iter().zip(expected) {
            codes(at, &mech, key, &hex(PLAIN)[..len], &hex(code));
        }
    }
}

fn a_general_cmac_is_as_long_as_the_parameter_says() {
    let general = |len: CK_ULONG| Mech::with(CKM_AES_CMAC_GENERAL, len.to_ne_bytes());
    let (token, session) = Token::with_user();
    for (len, bytes) in [(8, 8), (12, 12), (16, 16)] {
        let (mech, expected) = (general(len), &hex(CMAC[0][2])[..bytes]);
        codes((&token, session), &mech, KEYS[0], &hex(PLAIN)[..40], expected);
    }
    let key = token.secret(session, CKK_AES, &hex(KEYS[0]));
    for len in [0, 17] {
        let refused = token.sign_init(session, general(len), key);
        assert_eq!(refused, CKR_MECHANISM_PARAM_INVALID, "{len} bytes");
    }
}

fn base_key(token: &Token, session: CK_SESSION_HANDLE) -> CK_OBJECT_HANDLE {
    let attrs = [
        number(CKA_CLASS, CKO_SECRET_KEY),
        number(CKA_KEY_TYPE, CKK_AES),
        bytes(CKA_VALUE, hex(KEYS[0])),
        flag(CKA_DERIVE, true),
        flag(CKA_SENSITIVE, false),
        flag(CKA_EXTRACTABLE, true),
    ];
    token.create_object(session, &attrs).unwrap()
}

fn readable(kind: CK_KEY_TYPE, len: CK_ULONG) -> Vec<Attr> {
    vec![
        number(CKA_CLASS, CKO_SECRET_KEY),
        number(CKA_KEY_TYPE, kind),
        number(CKA_VALUE_LEN, len),
        flag(CKA_SENSITIVE, false),
        flag(CKA_EXTRACTABLE, true),
    ]
}

fn string_data(data: &[u8]) -> Mech {
    let len = Field::Number(CK_ULONG::try_from(data.len()).unwrap());
    Mech::structure(CKM_AES_ECB_ENCRYPT_DATA, [Field::Bytes(data.to_vec()), len])
}

fn chained_data(data: &[u8]) -> Mech {
    let len = Field::Number(CK_ULONG::try_from(data.len()).unwrap());
    let fields = [Field::Inline(hex(IV)), Field::Bytes(data.to_vec()), len];
    Mech::structure(CKM_AES_CBC_ENCRYPT_DATA, fields)
}

fn derived((token, session): At<'_>, mech: &Mech, len: CK_ULONG) -> Result<Vec<u8>, Rv> {
    let base = base_key(token, session);
    let made = token.derive(session, mech.clone(), base, &readable(CKK_GENERIC_SECRET, len))?;
    Ok(token
        .read(session, made, CKA_VALUE)
        .expect("the value of the new key"))
}

/// SP 800-38A, section F.1.1.
fn data_encrypted_block_by_block_becomes_a_key() {
    let expected = hex("3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf");
    let data = &hex(PLAIN)[..32];
    let (token, session) = Token::with_user();
    let at = (&token, session);
    assert_eq!(derived(at, &string_data(data), 32).unwrap(), expected);
    assert_eq!(derived(at, &string_data(data), 24).unwrap(), expected[..24]);
}

/// SP 800-38A, section F.2.1.
fn data_encrypted_in_cbc_becomes_a_key() {
    let expected = hex("7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2");
    let data = &hex(PLAIN)[..32];
    let (token, session) = Token::with_user();
    let at = (&token, session);
    assert_eq!(derived(at, &chained_data(data), 32).unwrap(), expected);
    assert_eq!(derived(at, &chained_data(data), 16).unwrap(), expected[..16]);
}

fn data_for_a_key_is_whole_blocks_and_enough() {
    let (token, session) = Token::with_user();
    let at = (&token, session);
    for mech in [string_data, chained_data] {
        for len in [0, 1, 15, 17] {
            let refused = derived(at, &mech(&vec![1; len]), 16).unwrap_err();
            assert_eq!(refused, CKR_MECHANISM_PARAM_INVALID, "{len} bytes");
        }
        let refused = derived(at, &mech(&[1; 16]), 17).unwrap_err();
        assert_eq!(refused, CKR_KEY_SIZE_RANGE);
    }
}

fn the_check_value_of_an_aes_key_is_a_block_of_zeros_encrypted() {
    let (token, session) = Token::with_user();
    for key in KEYS {
        let key = token.secret(session, CKK_AES, &hex(key));
        let zeros = token.encrypt(session, CKM_AES_ECB, key, &[0; 16]).unwrap();
        let check = token.read(session, key, CKA_CHECK_VALUE).unwrap();
        assert_eq!(check, zeros[..3]);
    }
    // FIPS 197's first published key: AES-128 with a key of zeros (CAVP, KAT).
    let key = token.secret(session, CKK_AES, &[0; 16]);
    let check = token.read(session, key, CKA_CHECK_VALUE).unwrap();
    assert_eq!(check, hex("66e94b"));
}
