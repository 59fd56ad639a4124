// SPDX-License-Identifier: MIT
//! Authenticated encryption where nonce and tag may be the module's: messages with AES-GCM, AES-CCM and
//! ChaCha20-Poly1305, and keys wrapped.

use crate::case::Need::{Function, Own, Since};
use crate::case::cases;
use crate::subjects::chacha;
use crate::subjects::signatures::hex;
use cryptoki_sys::*;
use keyenclave_conformance::module::{Attr, Field, Mech, Out, Room, Structure, bytes, flag, number};
use keyenclave_conformance::token::Token;
use keyenclave_conformance::{Rv, two_calls};
use std::collections::BTreeSet;

cases! {
    "messages.gcm.published" => gcm_messages_equal_the_published_examples, "C_EncryptMessage",
        [CKM_AES_GCM], [Since(3), Function("C_MessageEncryptInit")];
    "messages.gcm.parts" => a_gcm_message_comes_in_parts, "C_EncryptMessageNext", [CKM_AES_GCM], [Since(3), Function("C_MessageEncryptInit")];
    "messages.gcm.changes" => a_changed_message_is_not_decrypted, "C_DecryptMessage", [CKM_AES_GCM], [Since(3), Function("C_MessageEncryptInit")];
    "messages.gcm.unchecked" => no_unchecked_part_of_a_message_is_given_out, "C_DecryptMessageNext",
        [CKM_AES_GCM], [Since(3), Own];
    "messages.gcm.random" => generated_nonces_differ_and_leave_the_fixed_bits,
        "AES-GCM Authenticated Encryption / Decryption", [CKM_AES_GCM], [Since(3), Function("C_MessageEncryptInit")];
    "messages.gcm.counter" => counted_nonces_count_from_zero, "AES-GCM Authenticated Encryption / Decryption",
        [CKM_AES_GCM], [Since(3), Function("C_MessageEncryptInit")];
    "messages.gcm.counter-xor" => a_counter_is_added_to_the_nonce_that_was_given_first,
        "AES-GCM Authenticated Encryption / Decryption", [CKM_AES_GCM], [Since(3), Function("C_MessageEncryptInit")];
    "messages.gcm.exhausted" => a_counter_that_has_no_bits_left_makes_no_nonce,
        "AES-GCM Authenticated Encryption / Decryption", [CKM_AES_GCM], [Since(3), Function("C_MessageEncryptInit")];
    "messages.gcm.parameters" => bad_parameters_of_messages_are_refused, "AES GCM and CCM Mechanism parameters",
        [CKM_AES_GCM], [Since(3), Own];
    "messages.order" => messages_come_one_after_the_other, "C_EncryptMessageBegin", [CKM_AES_GCM], [Since(3), Own];
    "messages.flags" => mechanisms_for_messages_say_so, "Mechanism Information Flags",
        [CKM_AES_GCM, CKM_CHACHA20_POLY1305], [Since(3), Own];
    "messages.ccm.published" => ccm_messages_equal_the_published_examples, "C_EncryptMessage",
        [CKM_AES_CCM], [Since(3), Function("C_MessageEncryptInit")];
    "messages.ccm.parts" => a_ccm_message_in_parts_comes_out_at_its_end, "C_EncryptMessageNext",
        [CKM_AES_CCM], [Since(3), Own];
    "messages.chacha20-poly1305.published" => chacha20_poly1305_messages_equal_the_published_example,
        "Chacha20/Poly1305 and Salsa20/Poly1305 Authenticated Encryption / Decryption",
        [CKM_CHACHA20_POLY1305], [Since(3), Function("C_MessageEncryptInit")];
    "messages.chacha20-poly1305.parameters" => bad_parameters_of_chacha20_poly1305_messages_are_refused,
        "ChaCha20/Poly1305 and Salsa20/Poly1305 Mechanism parameters", [CKM_CHACHA20_POLY1305], [Since(3), Own];
    "wrap.gcm" => gcm_wraps_a_key_with_a_nonce_of_its_own, "AES-GCM Authenticated Wrap / Unwrap",
        [CKM_AES_GCM], [Since(3), Own];
    "wrap.ccm" => ccm_wraps_a_key_with_a_nonce_of_its_own, "AES-CCM Authenticated Wrap / Unwrap",
        [CKM_AES_CCM], [Since(3), Own];
    "wrap.authenticated.gcm" => gcm_wraps_a_key_with_data_that_is_authenticated, "C_WrapKeyAuthenticated",
        [CKM_AES_GCM], [Since(3), Own];
    "wrap.authenticated.ccm" => ccm_wraps_a_key_with_data_that_is_authenticated, "C_WrapKeyAuthenticated",
        [CKM_AES_CCM], [Since(3), Own];
    "wrap.authenticated.others" => only_authenticated_encryption_wraps_with_data, "C_WrapKeyAuthenticated",
        [CKM_AES_KEY_WRAP, CKM_AES_GCM], [Since(3), Own];
}

/// The GCM specification (McGrew and Viega), appendix B, test case 4.
const KEY: &str = "feffe9928665731c6d6a8f9467308308";
const PLAIN: &str = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525\
                     b16aedf5aa0de657ba637b39";
const AAD: &str = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
const IV: &str = "cafebabefacedbaddecaf888";
const SEALED: &str = "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa05\
                      1ba30b396a0aac973d58e091";
const TAG: &str = "5bc94fbc3221a5db94fae95ae7121a47";

fn len(bytes: &[u8]) -> Field {
    Field::Number(CK_ULONG::try_from(bytes.len()).unwrap())
}

/// `CK_GCM_MESSAGE_PARAMS`.
fn gcm(iv: &Room, fixed_bits: CK_ULONG, generator: CK_GENERATOR_FUNCTION, tag: &Room) -> Structure {
    let numbers = [fixed_bits, generator].map(Field::Number);
    let [fixed_bits, generator] = numbers;
    Structure::new([
        Field::Room(iv.clone()),
        len(&iv.bytes()),
        fixed_bits,
        generator,
        Field::Room(tag.clone()),
        Field::Number(CK_ULONG::try_from(tag.bytes().len() * 8).unwrap()),
    ])
}

/// `CK_CCM_MESSAGE_PARAMS`.
fn ccm(data_len: usize, nonce: &Room, generator: CK_GENERATOR_FUNCTION, tag: &Room) -> Structure {
    Structure::new(ccm_fields(data_len, nonce, generator, tag))
}

fn ccm_fields(data_len: usize, nonce: &Room, generator: CK_GENERATOR_FUNCTION, tag: &Room) -> Vec<Field> {
    vec![
        Field::Number(CK_ULONG::try_from(data_len).unwrap()),
        Field::Room(nonce.clone()),
        len(&nonce.bytes()),
        Field::Number(0),
        Field::Number(generator),
        Field::Room(tag.clone()),
        len(&tag.bytes()),
    ]
}

fn gcm_fields(iv: &Room, generator: CK_GENERATOR_FUNCTION, tag: &Room) -> Vec<Field> {
    vec![
        Field::Room(iv.clone()),
        len(&iv.bytes()),
        Field::Number(0),
        Field::Number(generator),
        Field::Room(tag.clone()),
        Field::Number(CK_ULONG::try_from(tag.bytes().len() * 8).unwrap()),
    ]
}

fn begun(key: &str) -> (Token, CK_SESSION_HANDLE, CK_OBJECT_HANDLE) {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_AES, &hex(key));
    assert_eq!(token.message_encrypt_init(session, CKM_AES_GCM, key), Rv::OK);
    assert_eq!(token.message_decrypt_init(session, CKM_AES_GCM, key), Rv::OK);
    (token, session, key)
}

fn gcm_messages_equal_the_published_examples() {
    let (token, session, _) = begun(KEY);
    for _ in 0..3 {
        let (iv, tag) = (Room::new(hex(IV)), Room::new([0; 16]));
        let param = gcm(&iv, 0, CKG_NO_GENERATE, &tag);
        let sealed = two_calls(|out| token.encrypt_message(session, &param, &hex(AAD), &hex(PLAIN), out));
        assert_eq!(sealed.unwrap(), hex(SEALED));
        assert_eq!((tag.bytes(), iv.bytes()), (hex(TAG), hex(IV)));
        let opened = two_calls(|out| token.decrypt_message(session, &param, &hex(AAD), &hex(SEALED), out));
        assert_eq!(opened.unwrap(), hex(PLAIN));
        let short = Room::new([0; 12]);
        let param = gcm(&iv, 0, CKG_NO_GENERATE, &short);
        let sealed = two_calls(|out| token.encrypt_message(session, &param, &hex(AAD), &hex(PLAIN), out));
        assert_eq!(
            (sealed.unwrap(), short.bytes()),
            (hex(SEALED), hex(TAG)[..12].to_vec())
        );
    }
    // Nothing but a tag.
    let (iv, tag) = (Room::new(hex(IV)), Room::new([0; 16]));
    let param = gcm(&iv, 0, CKG_NO_GENERATE, &tag);
    let mut none = [0; 1];
    let sealed = token.encrypt_message(session, &param, b"header", b"", Out::Room(&mut none));
    assert_eq!((sealed.rv, sealed.len), (Rv::OK, 0));
    let opened = token.decrypt_message(session, &param, b"header", b"", Out::Room(&mut none));
    assert_eq!((opened.rv, opened.len), (Rv::OK, 0));
    assert_eq!(token.message_encrypt_final(session), Rv::OK);
    assert_eq!(token.message_decrypt_final(session), Rv::OK);
    assert_eq!(
        token.message_encrypt_final(session),
        CKR_OPERATION_NOT_INITIALIZED
    );
}

fn a_gcm_message_comes_in_parts() {
    let (token, session, _) = begun(KEY);
    for part in [7, 16, 60] {
        let (iv, tag) = (Room::new(hex(IV)), Room::new([0; 16]));
        let param = gcm(&iv, 0, CKG_NO_GENERATE, &tag);
        assert_eq!(token.encrypt_message_begin(session, &param, &hex(AAD)), Rv::OK);
        let (plain, mut sealed) = (hex(PLAIN), Vec::new());
        let pieces: Vec<_> = plain.chunks(part).collect();
        for (place, piece) in pieces.iter().enumerate() {
            let last = place + 1 == pieces.len();
            let done = two_calls(|out| token.encrypt_message_next(session, &param, *piece, out, last));
            sealed.extend(done.unwrap());
        }
        assert_eq!((sealed, tag.bytes()), (hex(SEALED), hex(TAG)), "parts of {part}");
    }
    let (iv, tag) = (Room::new(hex(IV)), Room::new(hex(TAG)));
    let param = gcm(&iv, 0, CKG_NO_GENERATE, &tag);
    assert_eq!(token.decrypt_message_begin(session, &param, &hex(AAD)), Rv::OK);
    let opened = two_calls(|out| token.decrypt_message_next(session, &param, &hex(SEALED), out, true));
    assert_eq!(opened.unwrap(), hex(PLAIN));
}

fn a_changed_message_is_not_decrypted() {
    let (token, session, _) = begun(KEY);
    let mut room = [0; 60];
    let mut open = |iv: &[u8], aad: &[u8], sealed: &[u8], tag: &[u8]| {
        let (iv, tag) = (Room::new(iv), Room::new(tag));
        let param = gcm(&iv, 0, CKG_NO_GENERATE, &tag);
        token
            .decrypt_message(session, &param, aad, &sealed.to_vec(), Out::Room(&mut room))
            .rv
    };
    let changed = |text: &str| {
        let mut bytes = hex(text);
        bytes[5] ^= 1;
        bytes
    };
    let (iv, aad, sealed, tag) = (hex(IV), hex(AAD), hex(SEALED), hex(TAG));
    assert_eq!(open(&changed(IV), &aad, &sealed, &tag), CKR_AEAD_DECRYPT_FAILED);
    assert_eq!(open(&iv, &changed(AAD), &sealed, &tag), CKR_AEAD_DECRYPT_FAILED);
    assert_eq!(open(&iv, &aad, &changed(SEALED), &tag), CKR_AEAD_DECRYPT_FAILED);
    assert_eq!(open(&iv, &aad, &sealed, &changed(TAG)), CKR_AEAD_DECRYPT_FAILED);
    // The operation goes on.
    assert_eq!(open(&iv, &aad, &sealed, &tag), Rv::OK);
}

fn no_unchecked_part_of_a_message_is_given_out() {
    let (token, session, _) = begun(KEY);
    let (iv, tag) = (Room::new(hex(IV)), Room::new([7; 16]));
    let param = gcm(&iv, 0, CKG_NO_GENERATE, &tag);
    assert_eq!(token.decrypt_message_begin(session, &param, &hex(AAD)), Rv::OK);
    let (sealed, mut room) = (hex(SEALED), [0; 60]);
    let part = token.decrypt_message_next(session, &param, &sealed[..30], Out::Room(&mut room), false);
    assert_eq!((part.rv, part.len), (Rv::OK, 0));
    let asked = token.decrypt_message_next(session, &param, &sealed[30..], Out::Size, true);
    assert_eq!((asked.rv, asked.len), (Rv::OK, 60));
    let last = token.decrypt_message_next(session, &param, &sealed[30..], Out::Room(&mut room), true);
    assert_eq!(last.rv, CKR_AEAD_DECRYPT_FAILED);
    assert_eq!(room, [0; 60]);
    // The message is over.
    let more = token.decrypt_message_next(session, &param, &sealed[..1], Out::Room(&mut room), true);
    assert_eq!(more.rv, CKR_OPERATION_NOT_INITIALIZED);
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
    assert_ne!(refused.rv, Rv::OK);
    assert_eq!(room, [0; 9]);
}

fn bad_parameters_of_messages_are_refused() {
    let (token, session, key) = begun(KEY);
    let room = |len: usize| Room::new(vec![0; len]);
    let none = Room::default();
    let bad = [
        gcm(&none, 0, CKG_NO_GENERATE, &room(16)),
        gcm(&room(12), 0, CKG_NO_GENERATE, &none),
        gcm(&room(12), 0, CKG_NO_GENERATE, &room(3)),
        gcm(&room(12), 97, CKG_GENERATE, &room(16)),
        gcm(&room(12), 96, CKG_GENERATE, &room(16)),
        gcm(&room(12), 0, 99, &room(16)),
        Structure::new([Field::Number(0)]),
        Structure::new(ccm_fields(4, &room(12), CKG_NO_GENERATE, &room(16))),
    ];
    let mut out = [0; 16];
    for param in &bad {
        let refused = token.encrypt_message(session, param, b"", b"data", Out::Room(&mut out));
        assert_eq!(refused.rv, CKR_MECHANISM_PARAM_INVALID, "{param:?}");
        let refused = token.encrypt_message_begin(session, param, b"");
        assert_eq!(refused, CKR_MECHANISM_PARAM_INVALID, "{param:?}");
    }
    // Who decrypts generates nothing, whatever the parameter says.
    let (iv, tag) = (Room::new(hex(IV)), Room::new(hex(TAG)));
    let param = gcm(&iv, 4711, 99, &tag);
    let opened = two_calls(|out| token.decrypt_message(session, &param, &hex(AAD), &hex(SEALED), out));
    assert_eq!(opened.unwrap(), hex(PLAIN));
    assert_eq!(token.message_encrypt_final(session), Rv::OK);
    let params = gcm_fields(&room(12), CKG_NO_GENERATE, &room(16));
    let with = Mech::structure(CKM_AES_GCM, params);
    assert_eq!(token.message_encrypt_init(session, with, key), Rv::OK);
    assert_eq!(token.message_encrypt_final(session), Rv::OK);
    for bad in [Mech::with(CKM_AES_GCM, [0; 12]), Mech::null(CKM_AES_GCM, 7)] {
        let refused = token.message_encrypt_init(session, bad, key);
        assert_eq!(refused, CKR_MECHANISM_PARAM_INVALID);
    }
    let refused = token.message_encrypt_init(session, CKM_AES_ECB, key);
    assert_eq!(refused, CKR_MECHANISM_INVALID);
}

fn messages_come_one_after_the_other() {
    let (token, session, key) = begun(KEY);
    let (iv, tag) = (Room::new(hex(IV)), Room::new([0; 16]));
    let param = gcm(&iv, 0, CKG_NO_GENERATE, &tag);
    let mut out = [0; 16];
    let early = token.encrypt_message_next(session, &param, b"data", Out::Room(&mut out), true);
    assert_eq!(early.rv, CKR_OPERATION_NOT_INITIALIZED);
    assert_eq!(
        token.message_encrypt_init(session, CKM_AES_GCM, key),
        CKR_OPERATION_ACTIVE
    );
    assert_eq!(token.encrypt_message_begin(session, &param, b""), Rv::OK);
    let whole = token.encrypt_message(session, &param, b"", b"data", Out::Room(&mut out));
    assert_eq!(whole.rv, CKR_OPERATION_ACTIVE);
    assert_eq!(
        token.encrypt_message_begin(session, &param, b""),
        CKR_OPERATION_ACTIVE
    );
    let last = token.encrypt_message_next(session, &param, b"data", Out::Room(&mut out), true);
    assert_eq!((last.rv, last.len), (Rv::OK, 4));
    let whole = token.encrypt_message(session, &param, b"", b"data", Out::Room(&mut out));
    assert_eq!((whole.rv, whole.len), (Rv::OK, 4));
}

fn mechanisms_for_messages_say_so() {
    let (token, session) = Token::with_user();
    let all = CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT | CKF_MULTI_MESSAGE;
    for mechanism in [CKM_AES_GCM, CKM_AES_CCM, CKM_CHACHA20_POLY1305] {
        let told = token.mechanism_info(token.slot, mechanism).unwrap();
        assert_eq!(told.flags & all, all);
    }
    let told = token.mechanism_info(token.slot, CKM_AES_CTR).unwrap();
    assert_eq!(told.flags & (all | CKF_MESSAGE_SIGN | CKF_MESSAGE_VERIFY), 0);
    let _ = session;
}

fn counting(first: u8, len: usize) -> Vec<u8> {
    (first..).take(len).collect()
}

/// NIST SP 800-38C, appendix C, examples 1 to 3: nonce, length of the additional data, plaintext, tag length, result.
const CCM: [(usize, usize, usize, usize, &str); 3] = [
    (7, 8, 4, 4, "7162015b4dac255d"),
    (8, 16, 16, 6, "d2a1f0e051ea5f62081a7792073d593d1fc64fbfaccd"),
    (
        12,
        20,
        24,
        8,
        "e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5484392fbc1b09951",
    ),
];

fn ccm_begun() -> (Token, CK_SESSION_HANDLE) {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_AES, &counting(0x40, 16));
    assert_eq!(token.message_encrypt_init(session, CKM_AES_CCM, key), Rv::OK);
    assert_eq!(token.message_decrypt_init(session, CKM_AES_CCM, key), Rv::OK);
    (token, session)
}

fn ccm_messages_equal_the_published_examples() {
    let (token, session) = ccm_begun();
    for (nonce, aad, plain, tag_len, expected) in CCM {
        let (nonce, tag) = (Room::new(counting(0x10, nonce)), Room::new(vec![0; tag_len]));
        let param = ccm(plain, &nonce, CKG_NO_GENERATE, &tag);
        let (aad, plain) = (counting(0, aad), counting(0x20, plain));
        let sealed = two_calls(|out| token.encrypt_message(session, &param, &aad, &plain, out)).unwrap();
        assert_eq!([&sealed[..], &tag.bytes()].concat(), hex(expected));
        let opened = two_calls(|out| token.decrypt_message(session, &param, &aad, &sealed, out));
        assert_eq!(opened.unwrap(), plain);
        let (mut wrong, mut room) = (tag.bytes(), vec![0; plain.len()]);
        wrong[0] ^= 1;
        tag.put(&wrong);
        let refused = token.decrypt_message(session, &param, &aad, &sealed, Out::Room(&mut room));
        assert_eq!(refused.rv, CKR_AEAD_DECRYPT_FAILED);
    }
}

fn a_ccm_message_in_parts_comes_out_at_its_end() {
    let (token, session) = ccm_begun();
    let (nonce, aad, plain, tag_len, expected) = CCM[2];
    let (nonce, tag) = (Room::new(counting(0x10, nonce)), Room::new(vec![0; tag_len]));
    let param = ccm(plain, &nonce, CKG_NO_GENERATE, &tag);
    let (aad, plain) = (counting(0, aad), counting(0x20, plain));
    let mut room = vec![0; plain.len()];
    assert_eq!(token.encrypt_message_begin(session, &param, &aad), Rv::OK);
    let part = token.encrypt_message_next(session, &param, &plain[..9], Out::Room(&mut room), false);
    assert_eq!((part.rv, part.len), (Rv::OK, 0));
    let sealed =
        two_calls(|out| token.encrypt_message_next(session, &param, &plain[9..], out, true)).unwrap();
    assert_eq!([&sealed[..], &tag.bytes()].concat(), hex(expected));
    // More than was announced ends the message.
    assert_eq!(token.encrypt_message_begin(session, &param, &aad), Rv::OK);
    let long = token.encrypt_message_next(session, &param, &[0; 25], Out::Room(&mut room), false);
    assert_eq!(long.rv, CKR_DATA_LEN_RANGE);
    assert_eq!(token.encrypt_message_begin(session, &param, &aad), Rv::OK);
    let few = token.encrypt_message_next(session, &param, &[0; 23], Out::Room(&mut room), true);
    assert_eq!(few.rv, CKR_DATA_LEN_RANGE);
}

/// `CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS`, the nonce's length as it is given.
fn chacha_params(nonce: &Room, nonce_len: CK_ULONG, tag: &Room) -> Structure {
    Structure::new([
        Field::Room(nonce.clone()),
        Field::Number(nonce_len),
        Field::Room(tag.clone()),
    ])
}

fn chacha_begun() -> (Token, CK_SESSION_HANDLE, CK_OBJECT_HANDLE) {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_CHACHA20, &counting(0x80, 32));
    assert_eq!(
        token.message_encrypt_init(session, CKM_CHACHA20_POLY1305, key),
        Rv::OK
    );
    assert_eq!(
        token.message_decrypt_init(session, CKM_CHACHA20_POLY1305, key),
        Rv::OK
    );
    (token, session, key)
}

fn chacha20_poly1305_messages_equal_the_published_example() {
    let (token, session, _) = chacha_begun();
    let published = hex(chacha::SEALED);
    let (expected, expected_tag) = published.split_at(chacha::SUNSCREEN.len());
    let (nonce, tag) = (Room::new(hex(chacha::SEALING_NONCE)), Room::new([0; 16]));
    let (param, aad) = (chacha_params(&nonce, 96, &tag), hex(chacha::AAD));
    let sealed =
        two_calls(|out| token.encrypt_message(session, &param, &aad, chacha::SUNSCREEN, out)).unwrap();
    assert_eq!((&sealed[..], &tag.bytes()[..]), (expected, expected_tag));
    let opened = two_calls(|out| token.decrypt_message(session, &param, &aad, &sealed, out));
    assert_eq!(opened.unwrap(), chacha::SUNSCREEN);
    assert_eq!(token.encrypt_message_begin(session, &param, &aad), Rv::OK);
    let mut parts = Vec::new();
    for (piece, last) in [
        (&chacha::SUNSCREEN[..50], false),
        (&chacha::SUNSCREEN[50..], true),
    ] {
        let done = two_calls(|out| token.encrypt_message_next(session, &param, piece, out, last));
        parts.extend(done.unwrap());
    }
    assert_eq!(parts, expected);
    let (mut wrong, mut room) = (tag.bytes(), [0; 200]);
    wrong[0] ^= 1;
    tag.put(&wrong);
    let refused = token.decrypt_message(session, &param, &aad, &sealed, Out::Room(&mut room));
    assert_eq!(refused.rv, CKR_AEAD_DECRYPT_FAILED);
    assert_eq!(room, [0; 200]);
}

fn bad_parameters_of_chacha20_poly1305_messages_are_refused() {
    let (token, session, _) = chacha_begun();
    let room = |len: usize| Room::new(vec![0; len]);
    let mut out = [0; 16];
    let bad = [
        chacha_params(&room(12), 88, &room(16)),
        chacha_params(&room(8), 64, &room(16)),
        chacha_params(&Room::default(), 96, &room(16)),
        chacha_params(&room(12), 96, &Room::default()),
        Structure::new([Field::Number(0)]),
    ];
    for param in &bad {
        let refused = token.encrypt_message(session, param, b"", b"data", Out::Room(&mut out));
        assert_eq!(refused.rv, CKR_MECHANISM_PARAM_INVALID, "{param:?}");
    }
    // The nonce of XChaCha20, and its length in bytes.
    for len in [192, 24] {
        let param = chacha_params(&room(24), len, &room(16));
        let done = token.encrypt_message(session, &param, b"", b"data", Out::Room(&mut out));
        assert_eq!((done.rv, done.len), (Rv::OK, 4));
    }
}

fn wrapping_key(token: &Token, session: CK_SESSION_HANDLE) -> CK_OBJECT_HANDLE {
    token
        .create_object(
            session,
            &[
                number(CKA_CLASS, CKO_SECRET_KEY),
                number(CKA_KEY_TYPE, CKK_AES),
                bytes(CKA_VALUE, [5; 32]),
                flag(CKA_WRAP, true),
                flag(CKA_UNWRAP, true),
                flag(CKA_ENCRYPT, true),
                flag(CKA_DECRYPT, true),
            ],
        )
        .unwrap()
}

const SECRET: [u8; 24] = *b"a generic secret of ours";

fn wrapped_key(token: &Token, session: CK_SESSION_HANDLE) -> CK_OBJECT_HANDLE {
    let value = [bytes(CKA_VALUE, SECRET), number(CKA_CLASS, CKO_SECRET_KEY)];
    token
        .create_object(session, &[&value[..], &readable()].concat())
        .unwrap()
}

fn readable() -> Vec<Attr> {
    vec![
        number(CKA_KEY_TYPE, CKK_GENERIC_SECRET),
        flag(CKA_SENSITIVE, false),
        flag(CKA_EXTRACTABLE, true),
    ]
}

fn unwrapped() -> Vec<Attr> {
    [&[number(CKA_CLASS, CKO_SECRET_KEY)][..], &readable()].concat()
}

fn gcm_wrap(iv: &Room, generator: CK_GENERATOR_FUNCTION) -> Mech {
    let aad = hex(AAD);
    Mech::structure(
        CKM_AES_GCM,
        [
            Field::Room(iv.clone()),
            len(&iv.bytes()),
            Field::Number(0),
            Field::Number(generator),
            Field::Bytes(aad.clone()),
            len(&aad),
            Field::Number(128),
        ],
    )
}

fn ccm_wrap(nonce: &Room, generator: CK_GENERATOR_FUNCTION) -> Mech {
    let aad = hex(AAD);
    Mech::structure(
        CKM_AES_CCM,
        [
            Field::Number(0),
            Field::Room(nonce.clone()),
            len(&nonce.bytes()),
            Field::Number(0),
            Field::Number(generator),
            Field::Bytes(aad.clone()),
            len(&aad),
            Field::Number(16),
        ],
    )
}

fn gcm_wraps_a_key_with_a_nonce_of_its_own() {
    wraps(gcm_wrap, |nonce| Mech::gcm(nonce, &hex(AAD), 128));
}

fn ccm_wraps_a_key_with_a_nonce_of_its_own() {
    let plain = |nonce: &[u8]| {
        let aad = hex(AAD);
        let fields = [
            len(&SECRET),
            Field::Bytes(nonce.to_vec()),
            len(nonce),
            Field::Bytes(aad.clone()),
            len(&aad),
            Field::Number(16),
        ];
        Mech::structure(CKM_AES_CCM, fields)
    };
    wraps(ccm_wrap, plain);
}

/// Wraps with a nonce of the module's, decrypts by hand, and unwraps.
fn wraps(mech: impl Fn(&Room, CK_GENERATOR_FUNCTION) -> Mech, plain: impl Fn(&[u8]) -> Mech) {
    let (token, session) = Token::with_user();
    let (wrapping, key) = (wrapping_key(&token, session), wrapped_key(&token, session));
    let mut nonces = BTreeSet::new();
    for generator in [CKG_GENERATE, CKG_GENERATE_RANDOM, CKG_NO_GENERATE] {
        let nonce = Room::new([0; 12]);
        let wrapped = token
            .wrap(session, mech(&nonce, generator), wrapping, key)
            .unwrap();
        assert_eq!(wrapped.len(), SECRET.len() + 16);
        nonces.insert(nonce.bytes());
        let by_hand = token.decrypt(session, plain(&nonce.bytes()), wrapping, &wrapped);
        assert_eq!(by_hand.unwrap(), SECRET);
        for mech in [mech(&nonce, generator), plain(&nonce.bytes())] {
            let made = token
                .unwrap(session, mech.clone(), wrapping, &wrapped, &unwrapped())
                .unwrap();
            assert_eq!(token.read(session, made, CKA_VALUE).unwrap(), SECRET);
            let mut changed = wrapped.clone();
            changed[3] ^= 1;
            let refused = token.unwrap(session, mech, wrapping, &changed, &unwrapped());
            assert_eq!(refused.unwrap_err(), CKR_WRAPPED_KEY_INVALID);
        }
    }
    assert_eq!(nonces.len(), 3);
    // A counter would begin anew with the next key, and give the same nonce again.
    for generator in [CKG_GENERATE_COUNTER, CKG_GENERATE_COUNTER_XOR] {
        let mut room = [0; 64];
        let mech = mech(&Room::new([0; 12]), generator);
        let refused = token.wrap_into(session, mech, wrapping, key, Out::Room(&mut room));
        assert_eq!(refused.rv, CKR_MECHANISM_PARAM_INVALID);
    }
}

fn gcm_wraps_a_key_with_data_that_is_authenticated() {
    wraps_with_data(|nonce, generator, tag| Mech::structure(CKM_AES_GCM, gcm_fields(nonce, generator, tag)));
}

fn ccm_wraps_a_key_with_data_that_is_authenticated() {
    wraps_with_data(|nonce, generator, tag| {
        Mech::structure(CKM_AES_CCM, ccm_fields(0, nonce, generator, tag))
    });
}

fn wraps_with_data(mech: impl Fn(&Room, CK_GENERATOR_FUNCTION, &Room) -> Mech) {
    let (token, session) = Token::with_user();
    let (wrapping, key) = (wrapping_key(&token, session), wrapped_key(&token, session));
    for generator in [CKG_GENERATE, CKG_GENERATE_RANDOM, CKG_NO_GENERATE] {
        let (nonce, tag) = (Room::new([1; 12]), Room::new([0; 16]));
        let mech = mech(&nonce, generator, &tag);
        let keys = (wrapping, key);
        let wrapped =
            two_calls(|out| token.wrap_authenticated(session, &mech, keys, b"header", out)).unwrap();
        assert_eq!(wrapped.len(), SECRET.len());
        assert_eq!(nonce.bytes() == [1; 12], generator == CKG_NO_GENERATE);
        assert_ne!(tag.bytes(), [0; 16]);
        let open = |wrapped: &[u8], header: &[u8]| {
            token.unwrap_authenticated(session, &mech, wrapping, (wrapped, header), &unwrapped())
        };
        let made = open(&wrapped, b"header").unwrap();
        assert_eq!(token.read(session, made, CKA_VALUE).unwrap(), SECRET);
        assert_eq!(open(&wrapped, b"Header").unwrap_err(), CKR_WRAPPED_KEY_INVALID);
        let mut changed = wrapped.clone();
        changed[3] ^= 1;
        assert_eq!(open(&changed, b"header").unwrap_err(), CKR_WRAPPED_KEY_INVALID);
        let mut wrong = tag.bytes();
        wrong[15] ^= 1;
        tag.put(&wrong);
        assert_eq!(open(&wrapped, b"header").unwrap_err(), CKR_WRAPPED_KEY_INVALID);
    }
}

fn only_authenticated_encryption_wraps_with_data() {
    let (token, session) = Token::with_user();
    let keys = (wrapping_key(&token, session), wrapped_key(&token, session));
    let mut room = [0; 64];
    let kw = Mech::from(CKM_AES_KEY_WRAP);
    let refused = token.wrap_authenticated(session, &kw, keys, b"header", Out::Room(&mut room));
    assert_eq!(refused.rv, CKR_MECHANISM_INVALID);
    // The structure of C_WrapKey is another one.
    let other = gcm_wrap(&Room::new([1; 12]), CKG_GENERATE);
    let refused = token.wrap_authenticated(session, &other, keys, b"header", Out::Room(&mut room));
    assert_eq!(refused.rv, CKR_MECHANISM_PARAM_INVALID);
}
