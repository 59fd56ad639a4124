// SPDX-License-Identifier: MIT
//! Messages that are encrypted with ChaCha20-Poly1305.

use crate::case::Need::{Function, Own, Since};
use crate::case::cases;
use crate::subjects::chacha;
use cryptoki_sys::*;
use keyenclave_conformance::module::{Field, Out, Room, Structure};
use keyenclave_conformance::published::aes::counting;
use keyenclave_conformance::published::hex;
use keyenclave_conformance::token::Token;
use keyenclave_conformance::{Rv, two_calls};

cases! {
    "messages.chacha20-poly1305.published" => chacha20_poly1305_messages_equal_the_published_example,
        "Chacha20/Poly1305 and Salsa20/Poly1305 Authenticated Encryption / Decryption",
        [CKM_CHACHA20_POLY1305], [Since(3), Function("C_MessageEncryptInit")];
    "messages.chacha20-poly1305.parameters" => bad_parameters_of_chacha20_poly1305_messages_are_refused,
        "ChaCha20/Poly1305 and Salsa20/Poly1305 Mechanism parameters", [CKM_CHACHA20_POLY1305], [Since(3), Own];
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
