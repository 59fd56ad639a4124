// SPDX-License-Identifier: MIT
//! Messages that are encrypted with AES-CCM.

use crate::case::Need::{Function, Own, Since};
use crate::case::cases;
use crate::subjects::message_parameters::ccm;
use cryptoki_sys::*;
use keyenclave_conformance::module::{Out, Room};
use keyenclave_conformance::published::aes::{CCM, counting};
use keyenclave_conformance::published::hex;
use keyenclave_conformance::token::Token;
use keyenclave_conformance::{Rv, two_calls};

cases! {
    "messages.ccm.published" => ccm_messages_equal_the_published_examples, "C_EncryptMessage",
        [CKM_AES_CCM], [Since(3), Function("C_MessageEncryptInit")];
    "messages.ccm.parts" => a_ccm_message_in_parts_comes_out_at_its_end, "C_EncryptMessageNext",
        [CKM_AES_CCM], [Since(3), Own];
}

fn ccm_begun() -> (Token, CK_SESSION_HANDLE) {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_AES, &counting(0x40, 16));
    assert_eq!(token.message_encrypt_init(session, CKM_AES_CCM, key), Rv::OK);
    assert_eq!(token.message_decrypt_init(session, CKM_AES_CCM, key), Rv::OK);
    (token, session)
}

fn ccm_messages_equal_the_published_examples() {
    let (token, session) = ccm_begun();
    for (nonce, aad, plain, tag_len, expected) in CCM[..3].iter().copied() {
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
