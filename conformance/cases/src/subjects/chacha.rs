// SPDX-License-Identifier: MIT
//! ChaCha20 and ChaCha20-Poly1305 against RFC 8439.

use crate::case::Need::Own;
use crate::case::cases;
use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::module::{Mech, Out, flag, number};
use keyenclave_conformance::published::hex;
use keyenclave_conformance::token::Token;

cases! {
    "chacha20.published" => chacha20_equals_the_published_example, "ChaCha20 mechanism", [CKM_CHACHA20], [];
    "chacha20.parameters" => bad_chacha20_parameters_are_refused, "ChaCha20 mechanism parameters",
        [CKM_CHACHA20], [Own];
    "chacha20.end" => a_chacha20_stream_ends_with_its_counter, "ChaCha20 mechanism", [CKM_CHACHA20], [Own];
    "chacha20.key-gen" => chacha20_keys_have_256_bits, "ChaCha20 key generation", [CKM_CHACHA20_KEY_GEN], [];
    "chacha20-poly1305.published" => chacha20_poly1305_equals_the_published_example,
        "Chacha20/Poly1305 and Salsa20/Poly1305 Authenticated Encryption / Decryption",
        [CKM_CHACHA20_POLY1305], [];
    "chacha20-poly1305.bits" => the_nonces_length_is_in_bits_or_bytes,
        "ChaCha20/Poly1305 and Salsa20/Poly1305 Mechanism parameters",
        [CKM_CHACHA20_POLY1305], [Own];
    "chacha20-poly1305.changes" => chacha20_poly1305_notices_every_change,
        "Chacha20/Poly1305 and Salsa20/Poly1305 Authenticated Encryption / Decryption",
        [CKM_CHACHA20_POLY1305], [];
    "chacha20-poly1305.parameters" => bad_chacha20_poly1305_parameters_are_refused,
        "ChaCha20/Poly1305 and Salsa20/Poly1305 Mechanism parameters",
        [CKM_CHACHA20_POLY1305, CKM_AES_CBC], [Own];
    "chacha20-poly1305.short" => a_short_buffer_for_chacha20_poly1305_loses_nothing,
        "C_Decrypt", [CKM_CHACHA20_POLY1305], [];
}

pub(super) const SUNSCREEN: &[u8] =
    b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, \
    sunscreen would be it.";

/// RFC 8439, section 2.4.2: the key counts up from 0.
const STREAM_NONCE: &str = "000000000000004a00000000";
const STREAM: &str = "6e2e359a2568f98041ba0728dd0d6981e97e7aec1d4360c20a27afccfd9fae0bf91b65c5524733ab8f593dabcd62b357\
    1639d624e65152ab8f530c359f0861d807ca0dbf500d6a6156a38e088a22b65e52bc514d16ccf806818ce91ab77937365af90bbf74\
    a35be6b40b8eedf2785e42874d";

/// RFC 8439, section 2.8.2: the key counts up from 0x80.
pub(super) const SEALING_NONCE: &str = "070000004041424344454647";
pub(super) const AAD: &str = "50515253c0c1c2c3c4c5c6c7";
pub(super) const SEALED: &str = "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a\
    71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9d\
    e576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691";

fn counting_from(first: u8) -> Vec<u8> {
    (first..first + 32).collect()
}

fn sealing() -> Mech {
    Mech::chacha20_poly1305(&hex(SEALING_NONCE), 12, &hex(AAD))
}

fn chacha20_equals_the_published_example() {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_CHACHA20, &counting_from(0));
    let mech = Mech::chacha20(&1_u32.to_le_bytes(), &hex(STREAM_NONCE));
    let sealed = token.encrypt(session, mech.clone(), key, SUNSCREEN).unwrap();
    assert_eq!(sealed, hex(STREAM));
    assert_eq!(
        token.decrypt(session, mech.clone(), key, &sealed).unwrap(),
        SUNSCREEN
    );
    for part in [1, 7, 64, 65] {
        let parts = token.encrypt_parts(session, mech.clone(), key, SUNSCREEN, part);
        assert_eq!(parts.unwrap(), sealed, "in parts of {part}");
        let parts = token.decrypt_parts(session, mech.clone(), key, &sealed, part);
        assert_eq!(parts.unwrap(), SUNSCREEN, "in parts of {part}");
    }
}

fn bad_chacha20_parameters_are_refused() {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_CHACHA20, &counting_from(0));
    for (counter, nonce) in [(4, 24), (4, 0), (0, 12), (8, 12), (3, 12), (4, 11), (16, 8)] {
        let mech = Mech::chacha20(&vec![0; counter], &vec![0; nonce]);
        assert_eq!(
            token.encrypt_init(session, mech, key),
            CKR_MECHANISM_PARAM_INVALID,
            "a counter of {counter} bytes and a nonce of {nonce}"
        );
    }
    for (counter, nonce) in [(4, 12), (4, 8), (8, 8)] {
        let mech = Mech::chacha20(&vec![0; counter], &vec![0; nonce]);
        assert_eq!(token.encrypt(session, mech, key, b"data").unwrap().len(), 4);
    }
    let none = Mech::null(CKM_CHACHA20, 0);
    assert_eq!(
        token.encrypt_init(session, none, key),
        CKR_MECHANISM_PARAM_INVALID
    );
    let aes = token.secret(session, CKK_AES, &[1; 32]);
    let good = Mech::chacha20(&[0; 4], &[0; 12]);
    assert_eq!(token.encrypt_init(session, good, aes), CKR_KEY_TYPE_INCONSISTENT);
}

fn a_chacha20_stream_ends_with_its_counter() {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_CHACHA20, &counting_from(0));
    let last = Mech::chacha20(&[0xff; 4], &[0; 12]);
    assert_eq!(
        token.encrypt(session, last.clone(), key, &[0; 64]).unwrap().len(),
        64
    );
    let beyond = token.encrypt(session, last, key, &[0; 65]).unwrap_err();
    assert_eq!(beyond, CKR_DATA_LEN_RANGE);
}

fn chacha20_keys_have_256_bits() {
    let (token, session) = Token::with_user();
    let open = [
        number(CKA_VALUE_LEN, 32),
        flag(CKA_SENSITIVE, false),
        flag(CKA_EXTRACTABLE, true),
    ];
    let key = token.generate_key(session, CKM_CHACHA20_KEY_GEN, &open).unwrap();
    assert_eq!(
        token.read_number(session, key, CKA_KEY_TYPE).unwrap(),
        CKK_CHACHA20
    );
    assert_eq!(token.read(session, key, CKA_VALUE).unwrap().len(), 32);
    let other = token
        .generate_key(session, CKM_CHACHA20_KEY_GEN, &[number(CKA_VALUE_LEN, 16)])
        .unwrap_err();
    assert!(
        other == CKR_ATTRIBUTE_VALUE_INVALID
            || other == CKR_KEY_SIZE_RANGE
            || other == CKR_TEMPLATE_INCONSISTENT,
        "{other:?}"
    );
}

fn chacha20_poly1305_equals_the_published_example() {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_CHACHA20, &counting_from(0x80));
    let sealed = token.encrypt(session, sealing(), key, SUNSCREEN).unwrap();
    assert_eq!(sealed, hex(SEALED));
    assert_eq!(
        token.decrypt(session, sealing(), key, &sealed).unwrap(),
        SUNSCREEN
    );
    for part in [1, 16, 100] {
        let parts = token.encrypt_parts(session, sealing(), key, SUNSCREEN, part);
        assert_eq!(parts.unwrap(), sealed, "in parts of {part}");
        let parts = token.decrypt_parts(session, sealing(), key, &sealed, part);
        assert_eq!(parts.unwrap(), SUNSCREEN, "in parts of {part}");
    }
}

fn the_nonces_length_is_in_bits_or_bytes() {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_CHACHA20, &counting_from(0x80));
    let bits = Mech::chacha20_poly1305(&hex(SEALING_NONCE), 96, &hex(AAD));
    assert_eq!(token.encrypt(session, bits, key, SUNSCREEN).unwrap(), hex(SEALED));
    let long = [7; 24];
    let sealed = [24, 192].map(|len| {
        let mech = Mech::chacha20_poly1305(&long, len, b"");
        token.encrypt(session, mech, key, SUNSCREEN).unwrap()
    });
    assert_eq!(sealed[0], sealed[1]);
}

fn chacha20_poly1305_notices_every_change() {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_CHACHA20, &counting_from(0x80));
    let sealed = hex(SEALED);
    for place in [0, sealed.len() / 2, sealed.len() - 1] {
        let mut changed = sealed.clone();
        changed[place] ^= 1;
        let refused = token.decrypt(session, sealing(), key, &changed).unwrap_err();
        assert_eq!(refused, CKR_ENCRYPTED_DATA_INVALID);
    }
    let other = Mech::chacha20_poly1305(&hex(SEALING_NONCE), 12, b"other");
    let refused = token.decrypt(session, other, key, &sealed).unwrap_err();
    assert_eq!(refused, CKR_ENCRYPTED_DATA_INVALID);
    let short = token.decrypt(session, sealing(), key, &sealed[..15]).unwrap_err();
    assert!(
        short == CKR_ENCRYPTED_DATA_LEN_RANGE || short == CKR_ENCRYPTED_DATA_INVALID,
        "{short:?}"
    );
}

fn bad_chacha20_poly1305_parameters_are_refused() {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_CHACHA20, &counting_from(0x80));
    for len in [0, 8, 11, 13, 25, 64, 97] {
        let mech = Mech::chacha20_poly1305(&[0; 32], len.min(32), b"");
        assert_eq!(
            token.encrypt_init(session, mech, key),
            CKR_MECHANISM_PARAM_INVALID,
            "{len}"
        );
    }
    let none = Mech::null(CKM_CHACHA20_POLY1305, 0);
    assert_eq!(
        token.encrypt_init(session, none, key),
        CKR_MECHANISM_PARAM_INVALID
    );
    let aes = token.secret(session, CKK_AES, &[1; 32]);
    assert_eq!(
        token.encrypt_init(session, sealing(), aes),
        CKR_KEY_TYPE_INCONSISTENT
    );
    let cbc = Mech::with(CKM_AES_CBC, [0; 16]);
    assert_eq!(token.encrypt_init(session, cbc, key), CKR_KEY_TYPE_INCONSISTENT);
}

fn a_short_buffer_for_chacha20_poly1305_loses_nothing() {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_CHACHA20, &counting_from(0x80));
    assert_eq!(token.decrypt_init(session, sealing(), key), Rv::OK);
    let mut short = [0xee; 113];
    let refused = token.decrypt_into(session, hex(SEALED).as_slice(), Out::Room(&mut short));
    assert_eq!((refused.rv, refused.len), (Rv(CKR_BUFFER_TOO_SMALL), 114));
    let mut room = [0; 114];
    let done = token.decrypt_into(session, hex(SEALED).as_slice(), Out::Room(&mut room));
    assert_eq!((done.rv, done.len), (Rv::OK, 114));
    assert_eq!(room, SUNSCREEN);
}
