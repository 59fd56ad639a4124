// SPDX-License-Identifier: MIT
//! AES beside ECB, CBC and GCM: streams, ciphertext stealing and XTS.

use crate::case::Need::Own;
use crate::case::cases;
use cryptoki_sys::*;
use keyenclave_conformance::Refused;
use keyenclave_conformance::module::{Field, Mech, bytes, number};
use keyenclave_conformance::published::aes::*;
use keyenclave_conformance::published::hex;
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
}

fn ctr(bits: CK_ULONG, block: [u8; 16]) -> Mech {
    Mech::structure(CKM_AES_CTR, [Field::Number(bits), Field::Inline(block.to_vec())])
}

/// A token and a session of its user.
pub(super) type At<'a> = (&'a Token, CK_SESSION_HANDLE);

/// Both ways, whole and in parts.
pub(super) fn both_ways(
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
    streams(&Mech::with(CKM_AES_OFB, IV), OFB);
}

fn aes_cfb8_equals_the_published_examples() {
    streams(&Mech::with(CKM_AES_CFB8, IV), CFB8);
}

fn aes_cfb128_equals_the_published_examples() {
    streams(&Mech::with(CKM_AES_CFB128, IV), CFB128);
}

/// The specification's own example: two bits that are 1 leave three blocks.
fn a_counter_does_not_begin_anew() {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_AES, &[3; 16]);
    let mech = ctr(2, [&[0; 15][..], &[0xfd]].concat().try_into().unwrap());
    let three = token.encrypt(session, mech.clone(), key, &[0; 48]).unwrap();
    assert_eq!(three.len(), 48);
    let four = token.encrypt(session, mech.clone(), key, &[0; 49]);
    assert_eq!(four.unwrap_err(), CKR_DATA_LEN_RANGE);
    let four = token.encrypt_parts(session, mech, key, &[0; 64], 16);
    assert_eq!(four.unwrap_err(), CKR_DATA_LEN_RANGE);
    let last = ctr(128, [0xff; 16]);
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
        both_ways((&token, session), &mech, (CKK_AES, CTS_KEY), data, parts);
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

fn aes_xts_equals_the_published_examples() {
    let (token, session) = Token::with_user();
    for (key, number, plain, sealed) in XTS {
        let mech = Mech::with(CKM_AES_XTS, hex(number));
        let (plain, sealed) = (hex(plain), hex(sealed));
        let key = (CKK_AES_XTS, &hex(key)[..]);
        both_ways((&token, session), &mech, key, (&plain, &sealed), &[1, 16, 17]);
    }
    let key = token.secret(session, CKK_AES_XTS, &hex(XTS_256));
    let plain: Vec<u8> = (0..=255).chain(0..=255).collect();
    let mech = Mech::with(CKM_AES_XTS, hex("ff000000000000000000000000000000"));
    let sealed = token.encrypt(session, mech, key, &plain).unwrap();
    assert!(sealed.starts_with(&hex(XTS_256_BEGINS)));
    assert!(sealed.ends_with(&hex(XTS_256_ENDS)));
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
        let right = [CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCONSISTENT];
        refused.refused_with(&right, format!("{len} bytes"));
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
