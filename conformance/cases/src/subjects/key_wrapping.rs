// SPDX-License-Identifier: MIT
//! Keys that are wrapped with AES key wrap in all its forms, against published examples.

use crate::case::Need::Own;
use crate::case::cases;
use crate::subjects::derivation::value;
use cryptoki_sys::*;
use keyenclave_conformance::Refused;
use keyenclave_conformance::module::{Mech, bytes, flag, number};
use keyenclave_conformance::published::hex;
use keyenclave_conformance::published::key_wrap::{KW, KWP};
use keyenclave_conformance::token::{Token, shown};

cases! {
    "aes-kw.published" => key_wrap_equals_the_published_examples::<CKM_AES_KEY_WRAP>, "CKM_AES_KEY_WRAP",
        [CKM_AES_KEY_WRAP], [];
    "aes-kw.kwp.published" => key_wrap_equals_the_published_examples::<CKM_AES_KEY_WRAP_KWP>, "CKM_AES_KEY_WRAP_KWP",
        [CKM_AES_KEY_WRAP_KWP], [];
    // It is deprecated, and the specification no longer says what it pads with.
    "aes-kw.pad.published" => key_wrap_equals_the_published_examples::<CKM_AES_KEY_WRAP_PAD>, "CKM_AES_KEY_WRAP_PAD",
        [CKM_AES_KEY_WRAP_PAD], [Own];
    "aes-kw.pkcs7.padding" => pkcs7_padding_is_wrapped_with_the_key, "CKM_AES_KEY_WRAP_PKCS7",
        [CKM_AES_KEY_WRAP_PKCS7, CKM_AES_KEY_WRAP], [];
    "aes-kw.changed" => a_changed_key_is_not_unwrapped::<CKM_AES_KEY_WRAP>, "C_UnwrapKey", [CKM_AES_KEY_WRAP], [];
    "aes-kw.kwp.changed" => a_changed_key_is_not_unwrapped::<CKM_AES_KEY_WRAP_KWP>, "C_UnwrapKey",
        [CKM_AES_KEY_WRAP_KWP], [];
    "aes-kw.pad.changed" => a_changed_key_is_not_unwrapped::<CKM_AES_KEY_WRAP_PAD>, "C_UnwrapKey",
        [CKM_AES_KEY_WRAP_PAD], [];
    "aes-kw.pkcs7.changed" => a_changed_key_is_not_unwrapped::<CKM_AES_KEY_WRAP_PKCS7>, "C_UnwrapKey",
        [CKM_AES_KEY_WRAP_PKCS7], [];
    "aes-kw.parameters" => bad_initial_values_and_keys_of_other_types_are_refused, "AES Key Wrap Mechanism parameters",
        [CKM_AES_KEY_WRAP, CKM_AES_KEY_WRAP_KWP, CKM_AES_KEY_WRAP_PAD, CKM_AES_KEY_WRAP_PKCS7], [Own];
}

pub(super) fn wrapping_key(token: &Token, session: CK_SESSION_HANDLE, value: &[u8]) -> CK_OBJECT_HANDLE {
    let attrs = [
        number(CKA_CLASS, CKO_SECRET_KEY),
        number(CKA_KEY_TYPE, CKK_AES),
        flag(CKA_TOKEN, false),
        bytes(CKA_VALUE, value),
        flag(CKA_WRAP, true),
        flag(CKA_UNWRAP, true),
        flag(CKA_ENCRYPT, true),
        flag(CKA_DECRYPT, true),
    ];
    token.create_object(session, &attrs).unwrap()
}

pub(super) fn wrapped_key(token: &Token, session: CK_SESSION_HANDLE, value: &[u8]) -> CK_OBJECT_HANDLE {
    let attrs = [&shown(None)[..], &[bytes(CKA_VALUE, value)]].concat();
    token.create_object(session, &attrs).unwrap()
}

fn key_wrap_equals_the_published_examples<const MECHANISM: CK_MECHANISM_TYPE>() {
    let (token, session) = Token::with_user();
    let examples = match MECHANISM {
        CKM_AES_KEY_WRAP => &KW[..],
        _ => &KWP,
    };
    for [kek, secret, expected] in examples.iter().map(|example| example.map(hex)) {
        let wrapping = wrapping_key(&token, session, &kek);
        let key = wrapped_key(&token, session, &secret);
        let wrapped = token.wrap(session, MECHANISM, wrapping, key).unwrap();
        assert_eq!(wrapped, expected);
        let back = token.unwrap(session, MECHANISM, wrapping, &expected, &shown(None));
        assert_eq!(value(&token, session, back.unwrap()), secret);
    }
}

/// The result is what key wrap without padding makes of the same bytes with PKCS #7's behind them.
fn pkcs7_padding_is_wrapped_with_the_key() {
    let (token, session) = Token::with_user();
    let [kek, secret, _] = KWP[0].map(hex);
    let wrapping = wrapping_key(&token, session, &kek);
    for len in [8, 9, 15, 16, 20] {
        let key = wrapped_key(&token, session, &secret[..len]);
        let pad = 8 - len % 8;
        let padded = [&secret[..len], &vec![pad as u8; pad]].concat();
        let expected = token.encrypt(session, CKM_AES_KEY_WRAP, wrapping, &padded);
        let wrapped = token
            .wrap(session, CKM_AES_KEY_WRAP_PKCS7, wrapping, key)
            .unwrap();
        assert_eq!(wrapped, expected.unwrap(), "{len} bytes");
        let back = token.unwrap(session, CKM_AES_KEY_WRAP_PKCS7, wrapping, &wrapped, &shown(None));
        assert_eq!(value(&token, session, back.unwrap()), secret[..len]);
    }
}

fn a_changed_key_is_not_unwrapped<const MECHANISM: CK_MECHANISM_TYPE>() {
    let (token, session) = Token::with_user();
    let wrapping = wrapping_key(&token, session, &[5; 32]);
    let key = wrapped_key(&token, session, &[6; 32]);
    let wrapped = token.wrap(session, MECHANISM, wrapping, key).unwrap();
    let right = [CKR_WRAPPED_KEY_INVALID, CKR_WRAPPED_KEY_LEN_RANGE];
    for place in 0..wrapped.len() {
        let mut changed = wrapped.clone();
        changed[place] ^= 0x10;
        let refused = token.unwrap(session, MECHANISM, wrapping, &changed, &shown(None));
        refused.refused_with(&right[..1], format!("changed at {place}"));
    }
    for len in [0, 8, 15, wrapped.len() - 8, wrapped.len() - 1] {
        let refused = token.unwrap(session, MECHANISM, wrapping, &wrapped[..len], &shown(None));
        refused.refused_with(&right, format!("{len} bytes"));
    }
}

fn bad_initial_values_and_keys_of_other_types_are_refused() {
    let (token, session) = Token::with_user();
    let wrapping = wrapping_key(&token, session, &[5; 32]);
    let key = wrapped_key(&token, session, &[6; 32]);
    let other = [
        &shown(None)[..],
        &[bytes(CKA_VALUE, [5; 32]), flag(CKA_WRAP, true)],
    ]
    .concat();
    let other = token.create_object(session, &other).unwrap();
    for (mechanism, len) in [
        (CKM_AES_KEY_WRAP, 8),
        (CKM_AES_KEY_WRAP_PKCS7, 8),
        (CKM_AES_KEY_WRAP_KWP, 4),
        (CKM_AES_KEY_WRAP_PAD, 4),
    ] {
        let own = Mech::with(mechanism, vec![7; len]);
        let wrapped = token.wrap(session, own.clone(), wrapping, key).unwrap();
        let back = token.unwrap(session, own.clone(), wrapping, &wrapped, &shown(None));
        assert_eq!(value(&token, session, back.unwrap()), [6; 32]);
        let refused = token.unwrap(session, mechanism, wrapping, &wrapped, &shown(None));
        assert_eq!(
            refused.unwrap_err(),
            CKR_WRAPPED_KEY_INVALID,
            "another initial value"
        );
        for wrong in [1, 12 - len, 16] {
            let wrong = Mech::with(mechanism, vec![7; wrong]);
            let refused = token.wrap(session, wrong, wrapping, key).unwrap_err();
            assert_eq!(refused, CKR_MECHANISM_PARAM_INVALID);
        }
        let refused = token.wrap(session, own, other, key).unwrap_err();
        assert_eq!(refused, CKR_WRAPPING_KEY_TYPE_INCONSISTENT);
    }
}
