// SPDX-License-Identifier: MIT
//! What AES makes sure of a message with: CCM, GMAC and CMAC.

use crate::case::Need::Own;
use crate::case::cases;
use crate::subjects::aes_modes::{At, both_ways};
use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::module::{Field, Mech};
use keyenclave_conformance::published::aes::*;
use keyenclave_conformance::published::hex;
use keyenclave_conformance::token::Token;

cases! {
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

fn aes_ccm_equals_the_published_examples() {
    let (token, session) = Token::with_user();
    for (nonce, aad, plain, tag_len, expected) in CCM {
        let mech = ccm(
            plain,
            &counting(0x10, nonce),
            &counting(0, aad),
            tag_len as CK_ULONG,
        );
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

fn aes_gmac_equals_the_published_example() {
    let (key, [_, iv, message, expected]) = (GMAC[0], GMAC.map(hex));
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
