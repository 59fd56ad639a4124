// SPDX-License-Identifier: MIT
//! Digests against the examples of FIPS 180, and random numbers.

use crate::signatures::hex;
use cryptoki_sys::*;
use keyenclave_conformance::case::in_own_process;
use keyenclave_conformance::module::{In, Out};
use keyenclave_conformance::token::{RO, RW, Token};
use keyenclave_conformance::{Rv, two_calls};

/// FIPS 180-4 example values for "abc" (csrc.nist.gov, Cryptographic Standards and Guidelines, example values).
const ABC: [(CK_MECHANISM_TYPE, &str); 5] = [
    (CKM_SHA_1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
    (
        CKM_SHA224,
        "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
    ),
    (
        CKM_SHA256,
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    ),
    (
        CKM_SHA384,
        "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
    ),
    (
        CKM_SHA512,
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd\
         454d4423643ce80e2a9ac94fa54ca49f",
    ),
];

#[test]
fn digests_equal_the_published_examples() {
    in_own_process(|| {
        let token = Token::fresh();
        let session = token.session(RO);
        for (mech, expected) in ABC {
            assert_eq!(
                token.digest(session, mech, b"abc").unwrap(),
                hex(expected),
                "{mech:#x}"
            );
            assert_eq!(token.digest_init(session, mech), Rv::OK);
            for byte in [b"a", b"b", b"c"] {
                assert_eq!(token.digest_update(session, byte), Rv::OK);
            }
            let parts = two_calls(|out| token.digest_final_into(session, out)).unwrap();
            assert_eq!(parts, hex(expected), "{mech:#x}");
        }
    });
}

#[test]
fn a_digest_of_nothing_has_a_value() {
    in_own_process(|| {
        let token = Token::fresh();
        let session = token.session(RO);
        let empty = hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(token.digest(session, CKM_SHA256, b"").unwrap(), empty);
        assert_eq!(token.digest_init(session, CKM_SHA256), Rv::OK);
        assert_eq!(
            two_calls(|out| token.digest_into(session, In::Null(0), out)).unwrap(),
            empty
        );
        assert_eq!(token.digest_init(session, CKM_SHA256), Rv::OK);
        assert_eq!(
            two_calls(|out| token.digest_final_into(session, out)).unwrap(),
            empty
        );
    });
}

#[test]
fn a_digest_can_be_moved_to_another_session() {
    in_own_process(|| {
        keyenclave_conformance::case::own_module(|| {
            let token = Token::fresh();
            let (first, second) = (token.session(RO), token.session(RO));
            assert_eq!(token.digest_init(first, CKM_SHA256), Rv::OK);
            assert_eq!(token.digest_update(first, b"ab"), Rv::OK);
            let state = two_calls(|out| token.operation_state_into(first, out)).unwrap();
            assert_eq!(token.set_operation_state(second, &state), Rv::OK);
            for session in [first, second] {
                assert_eq!(token.digest_update(session, b"c"), Rv::OK);
                let value = two_calls(|out| token.digest_final_into(session, out)).unwrap();
                assert_eq!(value, hex(ABC[2].1));
            }
            assert_eq!(
                token.set_operation_state(second, &state[1..]),
                CKR_SAVED_STATE_INVALID
            );
            assert_eq!(
                token.set_operation_state(second, b"nonsense"),
                CKR_SAVED_STATE_INVALID
            );
            assert_eq!(
                token.operation_state_into(first, Out::Size).rv,
                CKR_OPERATION_NOT_INITIALIZED
            );
        });
    });
}

#[test]
fn random_bytes_differ_and_fill_the_buffer() {
    in_own_process(|| {
        let token = Token::fresh();
        let session = token.session(RW);
        let (mut first, mut second) = ([0; 64], [0; 64]);
        assert_eq!(token.random(session, &mut first), Rv::OK);
        assert_eq!(token.random(session, &mut second), Rv::OK);
        assert_ne!(first, second);
        assert!(first[32..].iter().any(|byte| *byte != 0));
        assert_eq!(token.random(session, &mut []), Rv::OK);
        assert_eq!(token.random_into_null(session, 8), CKR_ARGUMENTS_BAD);
        let seeded = token.seed_random(session, b"seed");
        assert!(
            seeded == Rv::OK || seeded == CKR_RANDOM_SEED_NOT_SUPPORTED,
            "{seeded:?}"
        );
    });
}

#[test]
fn unknown_digests_are_refused() {
    in_own_process(|| {
        let token = Token::fresh();
        let session = token.session(RO);
        assert_eq!(token.digest_init(session, CKM_RSA_PKCS), CKR_MECHANISM_INVALID);
        assert_eq!(
            token.digest_init(session, CKM_VENDOR_DEFINED | 7),
            CKR_MECHANISM_INVALID
        );
        assert_eq!(
            token.digest_into(session, b"abc", Out::Size).rv,
            CKR_OPERATION_NOT_INITIALIZED
        );
    });
}
