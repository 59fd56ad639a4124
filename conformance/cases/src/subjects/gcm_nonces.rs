// SPDX-License-Identifier: MIT
//! The nonces that a module makes for messages with AES-GCM.

use crate::case::Need::{Function, Since};
use crate::case::cases;
use crate::subjects::gcm_messages::{IV, KEY, begun};
use crate::subjects::message_parameters::gcm;
use cryptoki_sys::*;
use keyenclave_conformance::module::{Out, Room, Structure};
use keyenclave_conformance::published::hex;
use keyenclave_conformance::token::Token;
use keyenclave_conformance::{Refused, Rv, two_calls};
use std::collections::BTreeSet;

cases! {
    "messages.gcm.random" => generated_nonces_differ_and_leave_the_fixed_bits,
        "AES-GCM Authenticated Encryption / Decryption", [CKM_AES_GCM], [Since(3), Function("C_MessageEncryptInit")];
    "messages.gcm.counter" => counted_nonces_count_from_zero, "AES-GCM Authenticated Encryption / Decryption",
        [CKM_AES_GCM], [Since(3), Function("C_MessageEncryptInit")];
    "messages.gcm.counter-xor" => a_counter_is_added_to_the_nonce_that_was_given_first,
        "AES-GCM Authenticated Encryption / Decryption", [CKM_AES_GCM], [Since(3), Function("C_MessageEncryptInit")];
    "messages.gcm.exhausted" => a_counter_that_has_no_bits_left_makes_no_nonce,
        "AES-GCM Authenticated Encryption / Decryption", [CKM_AES_GCM], [Since(3), Function("C_MessageEncryptInit")];
}

/// Encrypts a message and says under which nonce; decrypts it again.
fn sealed_once(
    token: &Token,
    session: CK_SESSION_HANDLE,
    iv: &Room,
    param: &Structure,
    tag: &Room,
) -> Vec<u8> {
    let sealed =
        two_calls(|out| token.encrypt_message(session, param, b"header", b"a message", out)).unwrap();
    let nonce = iv.bytes();
    let given = gcm(&Room::new(nonce.clone()), 0, CKG_NO_GENERATE, tag);
    let opened = two_calls(|out| token.decrypt_message(session, &given, b"header", &sealed, out));
    assert_eq!(opened.unwrap(), b"a message");
    nonce
}

fn generated_nonces_differ_and_leave_the_fixed_bits() {
    let (token, session, _) = begun(KEY);
    let mut seen = BTreeSet::new();
    for generator in [CKG_GENERATE, CKG_GENERATE_RANDOM] {
        assert_eq!(token.message_encrypt_final(session), Rv::OK);
        let key = token.secret(session, CKK_AES, &hex(KEY));
        assert_eq!(token.message_encrypt_init(session, CKM_AES_GCM, key), Rv::OK);
        assert_eq!(token.message_decrypt_final(session), Rv::OK);
        assert_eq!(token.message_decrypt_init(session, CKM_AES_GCM, key), Rv::OK);
        for _ in 0..20 {
            let (iv, tag) = (Room::new([0xa5; 12]), Room::new([0; 16]));
            let param = gcm(&iv, 32, generator, &tag);
            let nonce = sealed_once(&token, session, &iv, &param, &tag);
            assert_eq!(nonce[..4], [0xa5; 4]);
            seen.insert((generator, nonce));
        }
    }
    assert_eq!(seen.len(), 40, "a nonce came twice");
}

fn counted_nonces_count_from_zero() {
    let (token, session, _) = begun(KEY);
    let (iv, tag) = (Room::new([0xa5; 12]), Room::new([0; 16]));
    let param = gcm(&iv, 64, CKG_GENERATE_COUNTER, &tag);
    for count in 0..5 {
        let nonce = sealed_once(&token, session, &iv, &param, &tag);
        assert_eq!(nonce[..8], [0xa5; 8]);
        assert_eq!(nonce[8..], [0, 0, 0, count]);
    }
    // In parts it is the beginning that makes the nonce.
    assert_eq!(token.encrypt_message_begin(session, &param, b""), Rv::OK);
    assert_eq!(iv.bytes()[8..], [0, 0, 0, 5]);
    let mut room = [0; 4];
    let last = token.encrypt_message_next(session, &param, b"data", Out::Room(&mut room), true);
    assert_eq!((last.rv, last.len), (Rv::OK, 4));
    assert_eq!(iv.bytes()[8..], [0, 0, 0, 5]);
}

fn a_counter_is_added_to_the_nonce_that_was_given_first() {
    let (token, session, _) = begun(KEY);
    for count in 0..4 {
        let (iv, tag) = (Room::new(hex(IV)), Room::new([0; 16]));
        let param = gcm(&iv, 64, CKG_GENERATE_COUNTER_XOR, &tag);
        let nonce = sealed_once(&token, session, &iv, &param, &tag);
        let mut expected = hex(IV);
        expected[11] ^= count;
        assert_eq!(nonce, expected);
    }
}

fn a_counter_that_has_no_bits_left_makes_no_nonce() {
    let (token, session, _) = begun(KEY);
    let (iv, tag) = (Room::new([0; 12]), Room::new([0; 16]));
    let param = gcm(&iv, 94, CKG_GENERATE_COUNTER, &tag);
    let nonces: BTreeSet<_> = (0..4)
        .map(|_| sealed_once(&token, session, &iv, &param, &tag))
        .collect();
    assert_eq!(nonces.len(), 4);
    let mut room = [0; 9];
    let refused = token.encrypt_message(session, &param, b"header", b"a message", Out::Room(&mut room));
    let right = [
        CKR_DATA_LEN_RANGE,
        CKR_MECHANISM_PARAM_INVALID,
        CKR_FUNCTION_FAILED,
    ];
    refused.rv.refused_with(&right, "the fifth message");
    assert_eq!(room, [0; 9]);
}
