// SPDX-License-Identifier: MIT
//! Ways to get a key out of a token piece by piece, or by having it put into an object that shows it. Apart from the other
//! attacks because none of these needs a key with the wrong flags: each asks for a new object that should not be.

use crate::case::Need::{Officer, Own};
use crate::case::cases;
use crate::subjects::combination::{extract, string};
use cryptoki_sys::*;
use keyenclave_conformance::module::{Attr, Mech, bytes, flag, flags, number};
use keyenclave_conformance::token::{SO_PIN, Token, USER_PIN};
use keyenclave_conformance::{Refused, Rv};

cases! {
    "attacks.derived.class" => a_key_is_derived_into_no_object_that_shows_it, "C_DeriveKey",
        [CKM_AES_KEY_GEN, CKM_CONCATENATE_BASE_AND_DATA], [];
    "attacks.derived.chain" => known_bytes_beside_a_key_do_not_help_to_cut_it,
        "Miscellaneous simple key derivation mechanisms",
        [CKM_AES_KEY_GEN, CKM_CONCATENATE_BASE_AND_DATA, CKM_XOR_BASE_AND_DATA, CKM_EXTRACT_KEY_FROM_KEY], [];
    "attacks.unwrapped.class" => a_key_is_unwrapped_into_no_object_that_shows_it, "C_UnwrapKey",
        [CKM_AES_KEY_GEN, CKM_AES_KEY_WRAP_KWP, CKM_RSA_PKCS_KEY_PAIR_GEN], [];
    "attacks.unwrapped.pieces" => what_stays_closed_is_not_unwrapped_byte_by_byte, "C_UnwrapKey",
        [CKM_AES_KEY_GEN, CKM_AES_KEY_WRAP, CKM_AES_CBC], [];
    "attacks.unwrapped.cut" => nothing_but_zeros_is_cut_off_an_unwrapped_key, "AES Key Wrap",
        [CKM_AES_KEY_GEN, CKM_AES_KEY_WRAP], [];
    "attacks.unwrapped.rsa-x509" => the_end_of_a_bare_number_is_no_key, "X.509 (raw) RSA",
        [CKM_AES_KEY_GEN, CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_X_509], [Own];
    "attacks.trusted.stream" => no_key_that_wraps_encrypts_unless_asked_to, "C_WrapKey",
        [CKM_AES_KEY_GEN, CKM_AES_CTR], [Own];
    "attacks.trusted.pair" => a_trusted_public_key_wraps_for_another_token_only, "C_WrapKey",
        [CKM_AES_KEY_GEN, CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_PKCS_OAEP], [Own, Officer];
    "attacks.trusted.leaves" => a_trusted_key_that_can_be_had_wraps_nothing_for_trusted_keys, "C_WrapKey",
        [CKM_AES_KEY_GEN, CKM_AES_KEY_WRAP], [Own, Officer];
}

/// What refuses a template that makes no secret key, or none that the mechanism makes.
const NO_SECRET: [CK_RV; 3] = [
    CKR_ATTRIBUTE_VALUE_INVALID,
    CKR_TEMPLATE_INCOMPLETE,
    CKR_TEMPLATE_INCONSISTENT,
];

/// What refuses a part of a key that is derived, by what is wrong: the length, the template that names it, or the key.
const NO_PIECE: [CK_RV; 4] = [
    CKR_ATTRIBUTE_VALUE_INVALID,
    CKR_KEY_FUNCTION_NOT_PERMITTED,
    CKR_KEY_SIZE_RANGE,
    CKR_TEMPLATE_INCONSISTENT,
];

/// The same of a part that is unwrapped, where a token may take no length at all.
const NO_CUT: [CK_RV; 5] = [
    CKR_ATTRIBUTE_READ_ONLY,
    CKR_ATTRIBUTE_VALUE_INVALID,
    CKR_TEMPLATE_INCONSISTENT,
    CKR_WRAPPED_KEY_INVALID,
    CKR_WRAPPED_KEY_LEN_RANGE,
];

fn aes(token: &Token, session: CK_SESSION_HANDLE, attrs: &[Attr]) -> CK_OBJECT_HANDLE {
    let attrs = [
        &[
            number(CKA_VALUE_LEN, 32),
            flag(CKA_TOKEN, false),
            flag(CKA_SENSITIVE, true),
        ],
        attrs,
    ]
    .concat();
    token.generate_key(session, CKM_AES_KEY_GEN, &attrs).unwrap()
}

fn generic(len: CK_ULONG) -> Vec<Attr> {
    vec![
        number(CKA_CLASS, CKO_SECRET_KEY),
        number(CKA_KEY_TYPE, CKK_GENERIC_SECRET),
        flag(CKA_TOKEN, false),
        number(CKA_VALUE_LEN, len),
    ]
}

fn a_key_is_derived_into_no_object_that_shows_it() {
    let (token, session) = Token::with_user();
    let key = aes(&token, session, &[flag(CKA_DERIVE, true)]);
    for attrs in [
        vec![
            number(CKA_CLASS, CKO_PUBLIC_KEY),
            number(CKA_KEY_TYPE, CKK_ML_DSA),
            number(CKA_PARAMETER_SET, CKP_ML_DSA_44),
        ],
        vec![number(CKA_CLASS, CKO_DATA)],
    ] {
        let attrs = [&attrs[..], &[flag(CKA_TOKEN, false)]].concat();
        let how = string(CKM_CONCATENATE_BASE_AND_DATA, &[0; 1280]);
        token
            .derive(session, how, key, &attrs)
            .refused_with(&NO_SECRET, format!("{attrs:?}"));
    }
}

/// The key with sixteen known bytes behind it, then all of those and one byte of the key: its check value tells the byte.
fn known_bytes_beside_a_key_do_not_help_to_cut_it() {
    let (token, session) = Token::with_user();
    let key = aes(
        &token,
        session,
        &[flag(CKA_DERIVE, true), flag(CKA_EXTRACTABLE, false)],
    );
    let all = [&generic(48)[..], &[flag(CKA_DERIVE, true)]].concat();
    let how = string(CKM_CONCATENATE_BASE_AND_DATA, &[0; 16]);
    let mixed = token.derive(session, how, key, &all).unwrap();
    for bit in (8..256).step_by(8) {
        let refused = token.derive(session, extract(bit), mixed, &generic(16));
        refused.refused_with(&NO_PIECE, format!("from bit {bit}"));
    }
    let how = string(CKM_XOR_BASE_AND_DATA, &[0; 48]);
    let refused = token.derive(session, how, mixed, &generic(47));
    refused.refused_with(&NO_PIECE, "with zeros");
}

fn a_key_is_unwrapped_into_no_object_that_shows_it() {
    let (token, session) = Token::with_user();
    let public = [
        number(CKA_MODULUS_BITS, 2048),
        bytes(CKA_PUBLIC_EXPONENT, [1, 0, 1]),
    ];
    let of_private = [
        flag(CKA_TOKEN, false),
        flag(CKA_SENSITIVE, true),
        flag(CKA_EXTRACTABLE, true),
    ];
    let pair = token.generate_key_pair(session, CKM_RSA_PKCS_KEY_PAIR_GEN, &public, &of_private);
    let (_, private) = pair.unwrap();
    let kek = aes(&token, session, &[flag(CKA_WRAP, true), flag(CKA_UNWRAP, true)]);
    let wrapped = token.wrap(session, CKM_AES_KEY_WRAP_KWP, kek, private).unwrap();
    for attrs in [
        vec![number(CKA_CLASS, CKO_PUBLIC_KEY), number(CKA_KEY_TYPE, CKK_RSA)],
        vec![number(CKA_CLASS, CKO_DATA)],
    ] {
        let attrs = [&attrs[..], &[flag(CKA_TOKEN, false)]].concat();
        let shown = token.unwrap(session, CKM_AES_KEY_WRAP_KWP, kek, &wrapped, &attrs);
        shown.refused_with(&NO_SECRET, format!("{attrs:?}"));
    }
}

fn what_stays_closed_is_not_unwrapped_byte_by_byte() {
    let (token, session) = Token::with_user();
    let wrapping = aes(
        &token,
        session,
        &[
            flag(CKA_WRAP, true),
            flag(CKA_UNWRAP, true),
            flags(CKA_UNWRAP_TEMPLATE, &[(CKA_SENSITIVE, true)]),
        ],
    );
    let key = aes(&token, session, &[flag(CKA_EXTRACTABLE, true)]);
    for how in [Mech::from(CKM_AES_KEY_WRAP), Mech::with(CKM_AES_CBC, [1; 16])] {
        let wrapped = token.wrap(session, how.clone(), wrapping, key).unwrap();
        for len in 1..32 {
            let piece = token.unwrap(session, how.clone(), wrapping, &wrapped, &generic(len));
            piece.refused_with(&NO_CUT, format!("{len} bytes"));
        }
        assert!(
            token
                .unwrap(session, how, wrapping, &wrapped, &generic(32))
                .is_ok()
        );
    }
}

fn nothing_but_zeros_is_cut_off_an_unwrapped_key() {
    let (token, session) = Token::with_user();
    let wrapping = aes(&token, session, &[flag(CKA_WRAP, true), flag(CKA_UNWRAP, true)]);
    let open = [flag(CKA_EXTRACTABLE, true), bytes(CKA_VALUE, [4; 16])];
    let key = [&generic(16)[..3], &open].concat();
    let key = token.create_object(session, &key).unwrap();
    let wrapped = token.wrap(session, CKM_AES_KEY_WRAP, wrapping, key).unwrap();
    for len in 9..16 {
        let cut = token.unwrap(session, CKM_AES_KEY_WRAP, wrapping, &wrapped, &generic(len));
        cut.refused_with(&NO_CUT, format!("{len} bytes"));
    }
}

/// A bare number is shifted from outside; where it says nothing of its end, that tells the key byte by byte.
fn the_end_of_a_bare_number_is_no_key() {
    let (token, session) = Token::with_user();
    let public = [
        number(CKA_MODULUS_BITS, 2048),
        bytes(CKA_PUBLIC_EXPONENT, [1, 0, 1]),
        flag(CKA_WRAP, true),
    ];
    let key = aes(&token, session, &[flag(CKA_EXTRACTABLE, true)]);
    let demands = flags(CKA_UNWRAP_TEMPLATE, &[(CKA_SENSITIVE, true)]);
    for (demands, expected) in [
        (vec![], CKR_WRAPPED_KEY_INVALID),
        (vec![demands], CKR_KEY_FUNCTION_NOT_PERMITTED),
    ] {
        let private = [&[flag(CKA_UNWRAP, true)], &demands[..]].concat();
        let pair = token.generate_key_pair(session, CKM_RSA_PKCS_KEY_PAIR_GEN, &public, &private);
        let (public, private) = pair.unwrap();
        let wrapped = token.wrap(session, CKM_RSA_X_509, public, key).unwrap();
        for len in [1, 16, 31] {
            let cut = token.unwrap(session, CKM_RSA_X_509, private, &wrapped, &generic(len));
            assert_eq!(cut.unwrap_err(), expected);
        }
    }
}

/// What is wrapped with a key stream is opened by encrypting it with the same one.
fn no_key_that_wraps_encrypts_unless_asked_to() {
    let (token, session) = Token::with_user();
    let wrapping = aes(&token, session, &[flag(CKA_WRAP, true)]);
    for usage in [CKA_ENCRYPT, CKA_DECRYPT, CKA_DERIVE] {
        assert!(!token.read_flag(session, wrapping, usage).unwrap(), "{usage:#x}");
        let learns = [flag(usage, true)];
        let refused = token.set_attributes(session, wrapping, &learns);
        assert_eq!(refused, CKR_TEMPLATE_INCONSISTENT);
        let refused = token.copy_object(session, wrapping, &learns).unwrap_err();
        assert_eq!(refused, CKR_TEMPLATE_INCONSISTENT);
    }
}

/// What the security officer makes, and a session of the user's.
fn trusted<T>(make: impl FnOnce(&Token, CK_SESSION_HANDLE) -> T) -> (Token, CK_SESSION_HANDLE, T) {
    let (token, session) = Token::with_user();
    assert_eq!(token.logout(session), Rv::OK);
    assert_eq!(token.login(session, CKU_SO, SO_PIN), Rv::OK);
    let made = make(&token, session);
    assert_eq!(token.logout(session), Rv::OK);
    assert_eq!(token.login(session, CKU_USER, USER_PIN), Rv::OK);
    (token, session, made)
}

fn for_trusted(token: &Token, session: CK_SESSION_HANDLE) -> CK_OBJECT_HANDLE {
    aes(
        token,
        session,
        &[flag(CKA_EXTRACTABLE, true), flag(CKA_WRAP_WITH_TRUSTED, true)],
    )
}

fn a_trusted_public_key_wraps_for_another_token_only() {
    let (token, session, (public, private)) = trusted(|token, session| {
        let public = [
            number(CKA_MODULUS_BITS, 2048),
            bytes(CKA_PUBLIC_EXPONENT, [1, 0, 1]),
            flag(CKA_WRAP, true),
            flag(CKA_TRUSTED, true),
        ];
        let private = [flag(CKA_PRIVATE, false)];
        token
            .generate_key_pair(session, CKM_RSA_PKCS_KEY_PAIR_GEN, &public, &private)
            .unwrap()
    });
    let key = for_trusted(&token, session);
    let how = Mech::oaep(CKM_SHA256, CKG_MGF1_SHA256, b"");
    let refused = token.wrap(session, how.clone(), public, key).unwrap_err();
    assert_eq!(refused, CKR_KEY_NOT_WRAPPABLE);
    assert_eq!(token.destroy_object(session, private), Rv::OK);
    assert!(token.wrap(session, how, public, key).is_ok());
}

fn a_trusted_key_that_can_be_had_wraps_nothing_for_trusted_keys() {
    let made = [[(CKA_SENSITIVE, false)], [(CKA_EXTRACTABLE, true)]];
    let (token, session, keys) = trusted(|token, session| {
        made.map(|with| {
            let attrs = [
                number(CKA_VALUE_LEN, 32),
                flag(CKA_PRIVATE, false),
                flag(CKA_WRAP, true),
                flag(CKA_TRUSTED, true),
                flag(with[0].0, with[0].1),
            ];
            token.generate_key(session, CKM_AES_KEY_GEN, &attrs).unwrap()
        })
    });
    let key = for_trusted(&token, session);
    for wrapping in keys {
        let refused = token.wrap(session, CKM_AES_KEY_WRAP, wrapping, key).unwrap_err();
        assert_eq!(refused, CKR_KEY_NOT_WRAPPABLE);
    }
}
