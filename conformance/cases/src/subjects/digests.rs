// SPDX-License-Identifier: MIT
//! Digests against the examples of FIPS 180, and random numbers.

use crate::case::Need::{Own, SavedState, Sessions};
use crate::case::cases;
use cryptoki_sys::*;
use keyenclave_conformance::module::{In, Mech, Out};
use keyenclave_conformance::published::hex;
use keyenclave_conformance::token::{RO, RW, Token};
use keyenclave_conformance::{Rv, two_calls};

cases! {
    "digest.published" => digests_equal_the_published_examples, "C_Digest",
        [CKM_SHA_1, CKM_SHA224, CKM_SHA256, CKM_SHA384, CKM_SHA512], [];
    "digest.published.sha512-t" => digests_of_sha_512_t_equal_the_published_examples, "Truncated Digest",
        [CKM_SHA512_224, CKM_SHA512_256], [];
    "digest.published.sha3" => digests_of_sha_3_equal_the_published_examples, "Digest",
        [CKM_SHA3_224, CKM_SHA3_256, CKM_SHA3_384, CKM_SHA3_512], [];
    "digest.published.md5" => digests_of_md5_equal_the_published_examples, "C_Digest", [CKM_MD5], [];
    "digest.state.sha3" => a_sponge_is_not_saved, "C_GetOperationState", [CKM_SHA3_256], [Own];
    "digest.key" => the_value_of_a_key_is_digested, "C_DigestKey", [CKM_SHA3_256, CKM_SHA512_256], [];
    "digest.empty" => a_digest_of_nothing_has_a_value, "C_Digest", [CKM_SHA256], [];
    "digest.empty.null" => a_null_pointer_without_a_length_is_no_data, "C_Digest", [CKM_SHA256], [Own];
    "digest.state.moved" => a_digest_can_be_moved_to_another_session, "C_SetOperationState",
        [CKM_SHA256], [Sessions, SavedState];
    "digest.state.two-calls" => a_saved_state_follows_the_two_call_rule, "C_GetOperationState",
        [CKM_SHA512], [SavedState];
    "digest.state.started" => an_unstarted_digest_is_restored_unstarted_and_a_started_one_started,
        "C_SetOperationState",
        [CKM_SHA_1, CKM_SHA224, CKM_SHA256, CKM_SHA384, CKM_SHA512], [Sessions, SavedState];
    "digest.state.sha512-t" => digests_of_sha_512_t_and_md5_are_saved, "C_GetOperationState",
        [CKM_SHA512_224, CKM_SHA512_256, CKM_MD5], [Own];
    "digest.state.keys" => what_depends_on_a_key_is_not_saved, "C_GetOperationState",
        [CKM_SHA256, CKM_AES_CBC], [Own];
    "digest.state.replaces" => a_restored_digest_takes_the_place_of_what_was_active, "C_SetOperationState",
        [CKM_SHA_1, CKM_AES_CBC], [Own];
    "random.bytes" => random_bytes_differ_and_fill_the_buffer, "C_GenerateRandom", [], [];
    "random.null" => random_bytes_for_a_null_pointer_are_refused, "C_GenerateRandom", [], [];
    "digest.unknown" => unknown_digests_are_refused, "C_DigestInit", [CKM_SHA256], [];
}

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

/// FIPS 180-4 example values for "abc", the same place.
const ABC_T: [(CK_MECHANISM_TYPE, &str); 2] = [
    (
        CKM_SHA512_224,
        "4634270f707b6a54daae7530460842e20e37ed265ceee9a43e8924aa",
    ),
    (
        CKM_SHA512_256,
        "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23",
    ),
];

/// FIPS 202: values for "abc".
const ABC_3: [(CK_MECHANISM_TYPE, &str); 4] = [
    (
        CKM_SHA3_224,
        "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf",
    ),
    (
        CKM_SHA3_256,
        "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
    ),
    (
        CKM_SHA3_384,
        "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b298d88cea927ac7f539f1edf228376d25",
    ),
    (
        CKM_SHA3_512,
        "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e10e116e9192af3c91a7ec57647e39340\
         57340b4cf408d5a56592f8274eec53f0",
    ),
];

/// RFC 1321, appendix A.5.
const ABC_5: [(CK_MECHANISM_TYPE, &str); 1] = [(CKM_MD5, "900150983cd24fb0d6963f7d28e17f72")];

fn digests_equal_the_published_examples() {
    equal_the_published_examples(&ABC);
}

fn digests_of_sha_512_t_equal_the_published_examples() {
    equal_the_published_examples(&ABC_T);
}

fn digests_of_sha_3_equal_the_published_examples() {
    equal_the_published_examples(&ABC_3);
}

fn digests_of_md5_equal_the_published_examples() {
    equal_the_published_examples(&ABC_5);
}

fn equal_the_published_examples(examples: &[(CK_MECHANISM_TYPE, &str)]) {
    let token = Token::fresh();
    let session = token.session(RO);
    for &(mech, expected) in examples {
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
}

fn digests_of_sha_512_t_and_md5_are_saved() {
    let token = Token::fresh();
    let (first, second) = (token.session(RO), token.session(RO));
    for (mech, expected) in ABC_T.into_iter().chain(ABC_5) {
        assert_eq!(token.digest_init(first, mech), Rv::OK);
        assert_eq!(token.digest_update(first, b"ab"), Rv::OK);
        let state = two_calls(|out| token.operation_state_into(first, out)).unwrap();
        assert_eq!(token.set_operation_state(second, &state), Rv::OK);
        for session in [first, second] {
            assert_eq!(token.digest_update(session, b"c"), Rv::OK);
            let value = two_calls(|out| token.digest_final_into(session, out)).unwrap();
            assert_eq!(value, hex(expected), "{mech:#x}");
        }
    }
}

fn a_sponge_is_not_saved() {
    let token = Token::fresh();
    let session = token.session(RO);
    assert_eq!(token.digest_init(session, CKM_SHA3_256), Rv::OK);
    assert_eq!(token.digest_update(session, b"abc"), Rv::OK);
    let refused = token.operation_state_into(session, Out::Room(&mut [0; 400]));
    assert_eq!(refused.rv, CKR_STATE_UNSAVEABLE);
    let value = two_calls(|out| token.digest_final_into(session, out)).unwrap();
    assert_eq!(value, hex(ABC_3[1].1), "and goes on");
}

fn the_value_of_a_key_is_digested() {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_GENERIC_SECRET, b"b");
    for (mech, expected) in [ABC_3[1], ABC_T[1]] {
        assert_eq!(token.digest_init(session, mech), Rv::OK);
        assert_eq!(token.digest_update(session, b"a"), Rv::OK);
        assert_eq!(token.digest_key(session, key), Rv::OK);
        assert_eq!(token.digest_update(session, b"c"), Rv::OK);
        let value = two_calls(|out| token.digest_final_into(session, out)).unwrap();
        assert_eq!(value, hex(expected), "{mech:#x}");
    }
}

fn a_digest_of_nothing_has_a_value() {
    let token = Token::fresh();
    let session = token.session(RO);
    let empty = hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(token.digest(session, CKM_SHA256, b"").unwrap(), empty);
    assert_eq!(token.digest_init(session, CKM_SHA256), Rv::OK);
    assert_eq!(
        two_calls(|out| token.digest_final_into(session, out)).unwrap(),
        empty
    );
}

fn a_null_pointer_without_a_length_is_no_data() {
    let token = Token::fresh();
    let session = token.session(RO);
    let empty = token.digest(session, CKM_SHA256, b"").unwrap();
    assert_eq!(token.digest_init(session, CKM_SHA256), Rv::OK);
    assert_eq!(
        two_calls(|out| token.digest_into(session, In::Null(0), out)).unwrap(),
        empty
    );
}

fn a_digest_can_be_moved_to_another_session() {
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
}

fn a_saved_state_follows_the_two_call_rule() {
    let token = Token::fresh();
    let session = token.session(RO);
    assert_eq!(token.digest_init(session, CKM_SHA512), Rv::OK);
    assert_eq!(token.digest_update(session, &[7; 200]), Rv::OK);
    let need = token.operation_state_into(session, Out::Size);
    assert_eq!(need.rv, Rv::OK);
    let mut room = vec![0xee; need.len as usize];
    let short = room.len() - 1;
    let refused = token.operation_state_into(session, Out::Room(&mut room[..short]));
    assert_eq!((refused.rv, refused.len), (Rv(CKR_BUFFER_TOO_SMALL), need.len));
    assert!(room.iter().all(|byte| *byte == 0xee), "nothing is written");
    let no_length = token.operation_state_into(session, Out::NoLength(&mut room));
    assert_eq!(no_length.rv, CKR_ARGUMENTS_BAD);
    let saved = token.operation_state_into(session, Out::Room(&mut room));
    assert_eq!((saved.rv, saved.len), (Rv::OK, need.len));
    let value = two_calls(|out| token.digest_final_into(session, out)).unwrap();
    assert_eq!(token.set_operation_state(session, &room), Rv::OK);
    assert_eq!(
        two_calls(|out| token.digest_final_into(session, out)).unwrap(),
        value
    );
}

fn an_unstarted_digest_is_restored_unstarted_and_a_started_one_started() {
    let token = Token::fresh();
    let (first, second) = (token.session(RO), token.session(RW));
    for (mech, expected) in ABC {
        assert_eq!(token.digest_init(first, mech), Rv::OK);
        let fresh = two_calls(|out| token.operation_state_into(first, out)).unwrap();
        assert_eq!(token.digest_update(first, b"abc"), Rv::OK);
        let started = two_calls(|out| token.operation_state_into(first, out)).unwrap();
        assert_eq!(token.set_operation_state(second, &fresh), Rv::OK);
        let value = two_calls(|out| token.digest_into(second, b"abc", out)).unwrap();
        assert_eq!(value, hex(expected), "{mech:#x}");
        assert_eq!(token.set_operation_state(second, &started), Rv::OK);
        assert_eq!(
            token.digest_into(second, b"abc", Out::Room(&mut [0; 64])).rv,
            CKR_OPERATION_ACTIVE
        );
        assert_eq!(token.set_operation_state(second, &started), Rv::OK);
        let value = two_calls(|out| token.digest_final_into(second, out)).unwrap();
        assert_eq!(value, hex(expected), "{mech:#x}");
        two_calls(|out| token.digest_final_into(first, out)).unwrap();
    }
}

fn what_depends_on_a_key_is_not_saved() {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_AES, &[3; 16]);
    let unsaveable = || {
        let outcome = token.operation_state_into(session, Out::Size);
        assert_eq!(outcome.rv, CKR_STATE_UNSAVEABLE);
    };
    let cbc = Mech::with(CKM_AES_CBC, [0; 16]);
    assert_eq!(token.encrypt_init(session, cbc, key), Rv::OK);
    unsaveable();
    assert_eq!(token.digest_init(session, CKM_SHA256), Rv::OK);
    unsaveable();
    assert!(two_calls(|out| token.encrypt_into(session, &[1; 16], out)).is_ok());
    assert_eq!(token.operation_state_into(session, Out::Size).rv, Rv::OK);
    assert_eq!(token.digest_key(session, key), Rv::OK);
    unsaveable();
    assert!(two_calls(|out| token.digest_final_into(session, out)).is_ok());
}

fn a_restored_digest_takes_the_place_of_what_was_active() {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_AES, &[3; 16]);
    assert_eq!(token.digest_init(session, CKM_SHA_1), Rv::OK);
    let state = two_calls(|out| token.operation_state_into(session, out)).unwrap();
    let cbc = Mech::with(CKM_AES_CBC, [0; 16]);
    assert_eq!(token.encrypt_init(session, cbc, key), Rv::OK);
    assert_eq!(token.find_init(session, &[]), Rv::OK);
    for (encryption, authentication) in [(key, 0), (0, key), (key, key)] {
        let refused = token.set_operation_state_with(session, &state, encryption, authentication);
        assert_eq!(refused, CKR_KEY_NOT_NEEDED);
    }
    for hostile in [&state[..state.len() - 1], &[], &state[1..], &[0xff; 4096]] {
        assert_eq!(
            token.set_operation_state(session, hostile),
            CKR_SAVED_STATE_INVALID
        );
    }
    assert_eq!(token.set_operation_state(session, In::Null(9)), CKR_ARGUMENTS_BAD);
    let query = token.encrypt_into(session, &[1; 16], Out::Size);
    assert_eq!(query.rv, Rv::OK, "a refusal ends nothing");
    assert_eq!(token.set_operation_state(session, &state), Rv::OK);
    assert_eq!(
        token.encrypt_into(session, &[1; 16], Out::Size).rv,
        CKR_OPERATION_NOT_INITIALIZED
    );
    assert_eq!(token.find_final(session), CKR_OPERATION_NOT_INITIALIZED);
    let value = two_calls(|out| token.digest_into(session, b"abc", out)).unwrap();
    assert_eq!(value, hex(ABC[0].1));
}

fn random_bytes_differ_and_fill_the_buffer() {
    let token = Token::fresh();
    let session = token.session(RW);
    let (mut first, mut second) = ([0; 64], [0; 64]);
    assert_eq!(token.random(session, &mut first), Rv::OK);
    assert_eq!(token.random(session, &mut second), Rv::OK);
    assert_ne!(first, second);
    assert!(first[32..].iter().any(|byte| *byte != 0));
    assert_eq!(token.random(session, &mut []), Rv::OK);
    let seeded = token.seed_random(session, &[0x5a; 64]);
    assert!(
        seeded == Rv::OK || seeded == CKR_RANDOM_SEED_NOT_SUPPORTED,
        "{seeded:?}"
    );
}

fn random_bytes_for_a_null_pointer_are_refused() {
    let token = Token::fresh();
    let session = token.session(RW);
    assert_eq!(token.random_into_null(session, 8), CKR_ARGUMENTS_BAD);
}

fn unknown_digests_are_refused() {
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
}
