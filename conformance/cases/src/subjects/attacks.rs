// SPDX-License-Identifier: MIT
//! The known ways to get a key out of a token by calls that are each allowed, and that none of them works on a key that
//! is not extractable, or is wrapped by trusted keys only.
//!
//! From "On the Security of PKCS #11" (Clulow, 2003), "Attacking and Fixing PKCS#11 Security Tokens" (Bortolozzo et al.,
//! 2010) and "Efficient Padding Oracle Attacks on Cryptographic Hardware" (Bardou et al., 2012).

use crate::case::Need::{Officer, Own};
use crate::case::cases;
use crate::subjects::combination::{extract, string};
use cryptoki_sys::*;
use keyenclave_conformance::module::{Attr, Mech, bytes, flag, number};
use keyenclave_conformance::token::{SO_PIN, Token, USER_PIN};
use keyenclave_conformance::{Refused, Rv};

cases! {
    "attacks.wrap-decrypt" => no_key_wraps_and_decrypts_unless_asked_to, "C_WrapKey", [CKM_AES_KEY_WRAP], [Own];
    "attacks.one-way" => what_closes_a_key_is_not_undone, "Modifying objects", [CKM_AES_KEY_GEN], [];
    "attacks.unextractable" => an_unextractable_key_is_not_wrapped, "C_WrapKey", [CKM_AES_KEY_WRAP], [];
    "attacks.trusted.only-officer" => nobody_but_the_officer_makes_a_key_trusted, "Secret key objects",
        [CKM_AES_KEY_GEN], [];
    "attacks.trusted.untrusted" => a_key_for_trusted_keys_is_wrapped_by_no_other, "C_WrapKey", [CKM_AES_KEY_WRAP], [];
    "attacks.trusted.opened" => what_a_trusted_key_has_wrapped_stays_closed, "C_WrapKey",
        [CKM_AES_KEY_WRAP, CKM_AES_CBC_PAD, CKM_AES_ECB], [Own, Officer];
    "attacks.trusted.stored" => the_officer_trusts_a_stored_key, "Secret key objects",
        [CKM_AES_KEY_GEN, CKM_AES_KEY_WRAP, CKM_AES_ECB], [Own, Officer];
    "attacks.derived.open" => a_key_is_not_opened_by_deriving_from_it,
        "Miscellaneous simple key derivation mechanisms",
        [CKM_CONCATENATE_BASE_AND_DATA, CKM_XOR_BASE_AND_DATA, CKM_EXTRACT_KEY_FROM_KEY], [];
    "attacks.derived.short" => no_derived_key_is_short_enough_to_be_guessed,
        "Miscellaneous simple key derivation mechanisms",
        [CKM_CONCATENATE_BASE_AND_DATA, CKM_XOR_BASE_AND_DATA, CKM_EXTRACT_KEY_FROM_KEY], [Own];
    "attacks.templates" => what_a_key_demands_of_others_cannot_be_evaded, "Secret key objects",
        [CKM_AES_KEY_WRAP], [Own];
    "attacks.allowed-mechanisms" => a_key_is_used_with_its_allowed_mechanisms_only, "Key objects",
        [CKM_AES_CBC, CKM_AES_ECB], [Own];
    "always-authenticate.each-use" => a_key_that_asks_each_time_is_used_once_after_each_pin, "Private key objects",
        [CKM_ECDSA, CKM_EC_KEY_PAIR_GEN], [Own];
}

/// What refuses to open a key, to trust one or to free it of its demands: the attribute is not to be set, or not so.
const NOT_TO_BE_SET: [CK_RV; 3] = [
    CKR_ATTRIBUTE_READ_ONLY,
    CKR_ATTRIBUTE_VALUE_INVALID,
    CKR_TEMPLATE_INCONSISTENT,
];

const SESSION: (CK_ATTRIBUTE_TYPE, bool) = (CKA_TOKEN, false);

fn with(attrs: &[(CK_ATTRIBUTE_TYPE, bool)]) -> Vec<Attr> {
    attrs.iter().map(|(kind, value)| flag(*kind, *value)).collect()
}

fn aes(token: &Token, session: CK_SESSION_HANDLE, attrs: &[(CK_ATTRIBUTE_TYPE, bool)]) -> CK_OBJECT_HANDLE {
    let attrs = [
        vec![number(CKA_VALUE_LEN, 32), flag(CKA_TOKEN, false)],
        with(attrs),
    ]
    .concat();
    token.generate_key(session, CKM_AES_KEY_GEN, &attrs).unwrap()
}

/// A key type, and open for everybody.
fn opened(kind: CK_KEY_TYPE) -> Vec<Attr> {
    vec![
        number(CKA_CLASS, CKO_SECRET_KEY),
        number(CKA_KEY_TYPE, kind),
        flag(CKA_TOKEN, false),
        flag(CKA_SENSITIVE, false),
        flag(CKA_EXTRACTABLE, true),
    ]
}

fn reads(token: &Token, session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE) -> bool {
    token.read(session, key, CKA_VALUE).is_ok()
}

fn no_key_wraps_and_decrypts_unless_asked_to() {
    let (token, session) = Token::with_user();
    let uses = |key| [CKA_WRAP, CKA_DECRYPT].map(|usage| token.read_flag(session, key, usage).unwrap());
    assert_eq!(uses(aes(&token, session, &[])), [false, true]);
    assert_eq!(uses(aes(&token, session, &[(CKA_WRAP, true)])), [true, false]);
    assert_eq!(uses(aes(&token, session, &[(CKA_DECRYPT, true)])), [false, true]);
    let asked = [(CKA_WRAP, true), (CKA_DECRYPT, true)];
    assert_eq!(uses(aes(&token, session, &asked)), [true, true]);
    // Nor does it learn the other one later.
    for (has, learns) in [(CKA_WRAP, CKA_DECRYPT), (CKA_DECRYPT, CKA_WRAP)] {
        let key = aes(&token, session, &[(has, true)]);
        let other = [flag(learns, true)];
        assert_eq!(
            token.set_attributes(session, key, &other),
            CKR_TEMPLATE_INCONSISTENT
        );
        let refused = token.copy_object(session, key, &other).unwrap_err();
        assert_eq!(refused, CKR_TEMPLATE_INCONSISTENT);
        assert_eq!(token.set_attributes(session, key, &with(&asked)), Rv::OK);
        assert_eq!(uses(key), [true, true]);
    }
}

/// Neither the key nor a copy of it.
fn cannot_be_set(token: &Token, session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE, attrs: &[Attr]) {
    let (set, copied) = (
        token.set_attributes(session, key, attrs),
        token.copy_object(session, key, attrs),
    );
    set.refused_with(&NOT_TO_BE_SET, format!("set to {attrs:?}"));
    copied.refused_with(&NOT_TO_BE_SET, format!("copied with {attrs:?}"));
}

fn what_closes_a_key_is_not_undone() {
    let (token, session) = Token::with_user();
    let key = aes(
        &token,
        session,
        &[
            (CKA_SENSITIVE, true),
            (CKA_EXTRACTABLE, false),
            (CKA_WRAP_WITH_TRUSTED, true),
        ],
    );
    for (kind, value) in [
        (CKA_SENSITIVE, false),
        (CKA_EXTRACTABLE, true),
        (CKA_WRAP_WITH_TRUSTED, false),
        (CKA_ALWAYS_SENSITIVE, false),
        (CKA_NEVER_EXTRACTABLE, false),
    ] {
        let attrs = [flag(kind, value)];
        cannot_be_set(&token, session, key, &attrs);
    }
    let copy = token
        .copy_object(session, key, &[flag(CKA_TOKEN, false)])
        .unwrap();
    assert!(!reads(&token, session, copy) && !reads(&token, session, key));
}

fn an_unextractable_key_is_not_wrapped() {
    let (token, session) = Token::with_user();
    let key = aes(&token, session, &[(CKA_EXTRACTABLE, false)]);
    let wrapping = aes(&token, session, &[(CKA_WRAP, true), (CKA_DECRYPT, true)]);
    let refused = token.wrap(session, CKM_AES_KEY_WRAP, wrapping, key).unwrap_err();
    assert_eq!(refused, CKR_KEY_UNEXTRACTABLE);
}

fn nobody_but_the_officer_makes_a_key_trusted() {
    let (token, session) = Token::with_user();
    let trusted = [number(CKA_VALUE_LEN, 32), flag(CKA_TRUSTED, true)];
    let made = token.generate_key(session, CKM_AES_KEY_GEN, &trusted);
    made.refused_with(&NOT_TO_BE_SET, "generated");
    let key = aes(&token, session, &[]);
    cannot_be_set(&token, session, key, &trusted[1..]);
    let value = [&opened(CKK_AES)[..], &[bytes(CKA_VALUE, [1; 32])], &trusted[1..]].concat();
    let made = token.create_object(session, &value);
    made.refused_with(&NOT_TO_BE_SET, "created");
}

fn a_key_for_trusted_keys_is_wrapped_by_no_other() {
    let (token, session) = Token::with_user();
    let key = aes(
        &token,
        session,
        &[(CKA_EXTRACTABLE, true), (CKA_WRAP_WITH_TRUSTED, true)],
    );
    let wrapping = aes(&token, session, &[(CKA_WRAP, true), (CKA_DECRYPT, false)]);
    let refused = token.wrap(session, CKM_AES_KEY_WRAP, wrapping, key).unwrap_err();
    assert_eq!(refused, CKR_KEY_NOT_WRAPPABLE);
}

/// The officer makes a trusted key; then the user tries everything.
fn what_a_trusted_key_has_wrapped_stays_closed() {
    let (token, session) = Token::with_user();
    assert_eq!(token.logout(session), Rv::OK);
    assert_eq!(token.login(session, CKU_SO, SO_PIN), Rv::OK);
    let attrs = [
        number(CKA_VALUE_LEN, 32),
        flag(CKA_TOKEN, false),
        flag(CKA_PRIVATE, false),
        flag(CKA_WRAP, true),
        flag(CKA_UNWRAP, true),
        flag(CKA_EXTRACTABLE, false),
        flag(CKA_TRUSTED, true),
    ];
    let trusted = token.generate_key(session, CKM_AES_KEY_GEN, &attrs).unwrap();
    assert_eq!(token.logout(session), Rv::OK);
    assert_eq!(token.login(session, CKU_USER, USER_PIN), Rv::OK);
    let key = aes(
        &token,
        session,
        &[(CKA_EXTRACTABLE, true), (CKA_WRAP_WITH_TRUSTED, true)],
    );
    let wrapped = token.wrap(session, CKM_AES_KEY_WRAP, trusted, key).unwrap();
    // With what could be asked about paddings, cut, or encrypted once more, it is not wrapped at all.
    let cbc_pad = Mech::with(CKM_AES_CBC_PAD, [0; 16]);
    for weak in [
        Mech::from(CKM_AES_ECB),
        Mech::gcm(&[1; 12], b"", 128),
        cbc_pad.clone(),
    ] {
        let refused = token.wrap(session, weak, trusted, key).unwrap_err();
        assert_eq!(refused, CKR_KEY_NOT_WRAPPABLE);
    }
    // The trusted key is no cipher, even if it was told to be.
    let cipher = [
        flag(CKA_DECRYPT, true),
        flag(CKA_ENCRYPT, true),
        flag(CKA_DERIVE, true),
    ];
    let _ = token.set_attributes(session, trusted, &cipher);
    for kind in [CKM_AES_KEY_WRAP, CKM_AES_ECB] {
        let refused = token.decrypt_init(session, kind, trusted);
        assert_eq!(refused, CKR_KEY_FUNCTION_NOT_PERMITTED);
        let refused = token.encrypt_init(session, kind, trusted);
        assert_eq!(refused, CKR_KEY_FUNCTION_NOT_PERMITTED);
    }
    // Nor becomes it one by losing the officer's trust, in itself or in a copy.
    let distrusted = [flag(CKA_TRUSTED, false)];
    cannot_be_set(&token, session, trusted, &distrusted);
    // What comes back is as closed as it was, and by another mechanism nothing comes back.
    let open = token.unwrap(session, CKM_AES_KEY_WRAP, trusted, &wrapped[..], &opened(CKK_AES));
    assert_eq!(open.unwrap_err(), CKR_TEMPLATE_INCONSISTENT);
    let silent = [
        number(CKA_CLASS, CKO_SECRET_KEY),
        number(CKA_KEY_TYPE, CKK_GENERIC_SECRET),
        flag(CKA_TOKEN, false),
        flag(CKA_EXTRACTABLE, true),
    ];
    let back = token
        .unwrap(session, CKM_AES_KEY_WRAP, trusted, &wrapped[..], &silent)
        .unwrap();
    assert!(!reads(&token, session, back));
    let untrusted = aes(&token, session, &[(CKA_WRAP, true), (CKA_DECRYPT, true)]);
    let refused = token
        .wrap(session, CKM_AES_KEY_WRAP, untrusted, back)
        .unwrap_err();
    assert_eq!(refused, CKR_KEY_NOT_WRAPPABLE);
    for weak in [Mech::from(CKM_AES_ECB), cbc_pad] {
        let refused = token
            .unwrap(session, weak, trusted, &wrapped[..32], &silent)
            .unwrap_err();
        assert_eq!(refused, CKR_KEY_FUNCTION_NOT_PERMITTED);
    }
}

/// The officer sees what is stored and not private, and trusts it; from then on it wraps, and opens nothing.
fn the_officer_trusts_a_stored_key() {
    let (token, session) = Token::with_user();
    let stored = |private: bool| {
        let attrs = [
            number(CKA_VALUE_LEN, 32),
            flag(CKA_TOKEN, true),
            flag(CKA_PRIVATE, private),
            flag(CKA_WRAP, true),
            flag(CKA_DECRYPT, false),
        ];
        token.generate_key(session, CKM_AES_KEY_GEN, &attrs).unwrap()
    };
    let (open, closed) = (stored(false), stored(true));
    let trusted = [flag(CKA_TRUSTED, true)];
    let set = token.set_attributes(session, open, &trusted);
    set.refused_with(&NOT_TO_BE_SET, "by the user");
    assert_eq!(token.logout(session), Rv::OK);
    assert_eq!(token.login(session, CKU_SO, SO_PIN), Rv::OK);
    let shown = token.stored(session);
    assert_eq!(shown.len(), 1, "the private one is not shown");
    assert_eq!(token.set_attributes(session, shown[0], &trusted), Rv::OK);
    let refused = token.set_attributes(session, closed, &trusted);
    assert_eq!(refused, CKR_OBJECT_HANDLE_INVALID);
    assert_eq!(token.logout(session), Rv::OK);
    assert_eq!(token.login(session, CKU_USER, USER_PIN), Rv::OK);
    // A login may have ended the handle.
    let open = token.find(session, &trusted).unwrap()[0];
    let key = aes(
        &token,
        session,
        &[(CKA_EXTRACTABLE, true), (CKA_WRAP_WITH_TRUSTED, true)],
    );
    assert!(token.wrap(session, CKM_AES_KEY_WRAP, open, key).is_ok());
    let refused = token.encrypt_init(session, CKM_AES_ECB, open);
    assert_eq!(refused, CKR_KEY_FUNCTION_NOT_PERMITTED);
}

fn a_key_is_not_opened_by_deriving_from_it() {
    let (token, session) = Token::with_user();
    let key = aes(
        &token,
        session,
        &[
            (CKA_SENSITIVE, true),
            (CKA_EXTRACTABLE, false),
            (CKA_DERIVE, true),
        ],
    );
    let ways = [
        string(CKM_CONCATENATE_BASE_AND_DATA, &[0; 16]),
        string(CKM_XOR_BASE_AND_DATA, &[0; 32]),
        extract(0),
    ];
    for way in ways {
        let attrs = [opened(CKK_GENERIC_SECRET), vec![number(CKA_VALUE_LEN, 32)]].concat();
        if let Ok(derived) = token.derive(session, way, key, &attrs) {
            assert!(!reads(&token, session, derived));
            assert!(token.read_flag(session, derived, CKA_SENSITIVE).unwrap());
            assert!(!token.read_flag(session, derived, CKA_EXTRACTABLE).unwrap());
        }
    }
}

fn no_derived_key_is_short_enough_to_be_guessed() {
    let (token, session) = Token::with_user();
    let key = aes(&token, session, &[(CKA_DERIVE, true)]);
    for len in [1, 7, 8, 13] {
        let attrs = [
            number(CKA_CLASS, CKO_SECRET_KEY),
            number(CKA_KEY_TYPE, CKK_GENERIC_SECRET),
            flag(SESSION.0, SESSION.1),
            number(CKA_VALUE_LEN, len),
        ];
        for way in [
            string(CKM_CONCATENATE_BASE_AND_DATA, b"x"),
            string(CKM_XOR_BASE_AND_DATA, &[0; 32]),
            extract(0),
            extract(128),
        ] {
            let refused = token.derive(session, way, key, &attrs).unwrap_err();
            assert_eq!(refused, CKR_KEY_SIZE_RANGE);
        }
    }
}

fn what_a_key_demands_of_others_cannot_be_evaded() {
    let (token, session) = Token::with_user();
    let wrapping = aes(&token, session, &[(CKA_WRAP, true), (CKA_UNWRAP, true)]);
    for kind in [
        CKA_WRAP_TEMPLATE,
        CKA_UNWRAP_TEMPLATE,
        CKA_DERIVE_TEMPLATE,
        CKA_ALLOWED_MECHANISMS,
    ] {
        let attrs = [bytes(kind, [])];
        cannot_be_set(&token, session, wrapping, &attrs);
    }
}

fn a_key_is_used_with_its_allowed_mechanisms_only() {
    let (token, session) = Token::with_user();
    let attrs = [
        number(CKA_VALUE_LEN, 32),
        flag(CKA_TOKEN, false),
        bytes(CKA_ALLOWED_MECHANISMS, CKM_AES_CBC.to_ne_bytes()),
    ];
    let key = token.generate_key(session, CKM_AES_KEY_GEN, &attrs).unwrap();
    assert_eq!(
        token.encrypt_init(session, CKM_AES_ECB, key),
        CKR_MECHANISM_INVALID
    );
    let cbc = Mech::with(CKM_AES_CBC, [0; 16]);
    assert!(token.encrypt(session, cbc, key, &[0; 16]).is_ok());
}

fn a_key_that_asks_each_time_is_used_once_after_each_pin() {
    let (token, session) = Token::with_user();
    let private = [flag(CKA_ALWAYS_AUTHENTICATE, true), flag(CKA_SIGN, true)];
    let p256 = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    let public = [bytes(CKA_EC_PARAMS, p256)];
    let pair = token.generate_key_pair(session, CKM_EC_KEY_PAIR_GEN, &public, &private);
    let (_, key) = pair.unwrap();
    let digest = [7; 32];
    let again = token.login(session, CKU_CONTEXT_SPECIFIC, USER_PIN);
    assert_eq!(again, CKR_OPERATION_NOT_INITIALIZED);
    let refused = token.sign(session, CKM_ECDSA, key, &digest).unwrap_err();
    assert_eq!(refused, CKR_USER_NOT_LOGGED_IN);
    for _ in 0..2 {
        assert_eq!(token.sign_init(session, CKM_ECDSA, key), Rv::OK);
        assert_eq!(
            token.login(session, CKU_CONTEXT_SPECIFIC, b"wrong-pin"),
            CKR_PIN_INCORRECT
        );
        assert_eq!(token.login(session, CKU_CONTEXT_SPECIFIC, USER_PIN), Rv::OK);
        let signed = keyenclave_conformance::two_calls(|out| token.sign_into(session, &digest[..], out));
        assert_eq!(signed.unwrap().len(), 64);
    }
}
