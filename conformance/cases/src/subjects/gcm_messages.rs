// SPDX-License-Identifier: MIT
//! Messages that are encrypted with AES-GCM, under nonces that the caller gives.

use crate::case::Need::{Function, Own, Since};
use crate::case::cases;
use crate::subjects::message_parameters::{ccm_fields, gcm, gcm_fields};
use cryptoki_sys::*;
use keyenclave_conformance::module::{Field, Mech, Out, Room, Structure, Written};
use keyenclave_conformance::published::hex;
use keyenclave_conformance::token::Token;
use keyenclave_conformance::{Rv, two_calls};

cases! {
    "messages.gcm.published" => gcm_messages_equal_the_published_examples, "C_EncryptMessage",
        [CKM_AES_GCM], [Since(3), Function("C_MessageEncryptInit")];
    "messages.gcm.parts" => a_gcm_message_comes_in_parts, "C_EncryptMessageNext", [CKM_AES_GCM], [Since(3), Function("C_MessageEncryptInit")];
    "messages.gcm.changes" => a_changed_message_is_not_decrypted, "C_DecryptMessage", [CKM_AES_GCM], [Since(3), Function("C_MessageEncryptInit")];
    "messages.gcm.unchecked" => no_unchecked_part_of_a_message_is_given_out, "C_DecryptMessageNext",
        [CKM_AES_GCM], [Since(3), Own];
    "messages.gcm.parameters" => bad_parameters_of_messages_are_refused, "AES GCM and CCM Mechanism parameters",
        [CKM_AES_GCM], [Since(3), Own];
    "messages.order" => messages_come_one_after_the_other, "C_EncryptMessageBegin", [CKM_AES_GCM], [Since(3), Own];
    "messages.flags" => mechanisms_for_messages_say_so, "Mechanism Information Flags",
        [CKM_AES_GCM, CKM_CHACHA20_POLY1305], [Since(3), Own];
}

/// The GCM specification (McGrew and Viega), appendix B, test case 4.
pub(super) const KEY: &str = "feffe9928665731c6d6a8f9467308308";
const PLAIN: &str = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525\
                     b16aedf5aa0de657ba637b39";
pub(super) const AAD: &str = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
pub(super) const IV: &str = "cafebabefacedbaddecaf888";
const SEALED: &str = "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa05\
                      1ba30b396a0aac973d58e091";
const TAG: &str = "5bc94fbc3221a5db94fae95ae7121a47";

pub(super) fn begun(key: &str) -> (Token, CK_SESSION_HANDLE, CK_OBJECT_HANDLE) {
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

/// What comes of data that is given in parts of so many bytes; the last one is marked.
fn in_parts(data: &[u8], part: usize, next: impl Fn(&[u8], Out<'_>, bool) -> Written) -> Vec<u8> {
    let pieces = data.chunks(part).enumerate();
    let last = data.len().div_ceil(part) - 1;
    pieces
        .flat_map(|(place, piece)| two_calls(|out| next(piece, out, place == last)).unwrap())
        .collect()
}

fn a_gcm_message_comes_in_parts() {
    let (token, session, _) = begun(KEY);
    for part in [7, 16, 60] {
        let (iv, tag) = (Room::new(hex(IV)), Room::new([0; 16]));
        let param = gcm(&iv, 0, CKG_NO_GENERATE, &tag);
        assert_eq!(token.encrypt_message_begin(session, &param, &hex(AAD)), Rv::OK);
        let sealed = in_parts(&hex(PLAIN), part, |piece, out, last| {
            token.encrypt_message_next(session, &param, piece, out, last)
        });
        assert_eq!((sealed, tag.bytes()), (hex(SEALED), hex(TAG)), "parts of {part}");
        assert_eq!(token.decrypt_message_begin(session, &param, &hex(AAD)), Rv::OK);
        let opened = in_parts(&hex(SEALED), part, |piece, out, last| {
            token.decrypt_message_next(session, &param, piece, out, last)
        });
        assert_eq!(opened, hex(PLAIN), "parts of {part}");
    }
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
    // A message that fails is over.
    assert_eq!(token.encrypt_message_begin(session, &param, b""), Rv::OK);
    let shorter = gcm(&iv, 0, CKG_NO_GENERATE, &Room::new([0; 12]));
    let other = token.encrypt_message_next(session, &shorter, b"data", Out::Room(&mut out), true);
    assert_eq!(other.rv, CKR_MECHANISM_PARAM_INVALID, "a tag of another length");
    let more = token.encrypt_message_next(session, &param, b"data", Out::Room(&mut out), true);
    assert_eq!(more.rv, CKR_OPERATION_NOT_INITIALIZED);
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
