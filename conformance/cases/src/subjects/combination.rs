// SPDX-License-Identifier: MIT
//! Keys that are put together from keys and data, and keys that are cut out of others.

use crate::case::Need::Own;
use crate::case::cases;
use crate::subjects::derivation::{base, value};
use cryptoki_sys::*;
use keyenclave_conformance::Refused;
use keyenclave_conformance::module::{Attr, Mech, Member, bytes, flag, number};
use keyenclave_conformance::published::hex;
use keyenclave_conformance::token::{Token, shown};

cases! {
    "derive.concatenate.key" => a_key_is_put_behind_its_base, "Concatenation of a base key and another key",
        [CKM_CONCATENATE_BASE_AND_KEY], [];
    "derive.concatenate.data" => data_is_put_behind_a_key, "Concatenation of a base key and data",
        [CKM_CONCATENATE_BASE_AND_DATA], [];
    "derive.concatenate.data-first" => data_is_put_before_a_key, "Concatenation of data and a base key",
        [CKM_CONCATENATE_DATA_AND_BASE], [];
    "derive.xor" => a_key_is_xored_with_data, "XORing of a key and data", [CKM_XOR_BASE_AND_DATA], [];
    "derive.extract" => bits_of_a_key_are_a_key, "Extraction of one key from another key",
        [CKM_EXTRACT_KEY_FROM_KEY], [];
    "derive.concatenate.closed" => a_key_is_as_closed_as_both_that_it_is_made_of,
        "Concatenation of a base key and another key", [CKM_CONCATENATE_BASE_AND_KEY], [];
    "derive.combination.refused" => what_cannot_be_combined_is_refused,
        "Parameters for miscellaneous simple key derivation mechanisms",
        [CKM_CONCATENATE_BASE_AND_KEY, CKM_CONCATENATE_BASE_AND_DATA, CKM_CONCATENATE_DATA_AND_BASE,
        CKM_XOR_BASE_AND_DATA, CKM_EXTRACT_KEY_FROM_KEY], [Own];
}

/// With a `CK_KEY_DERIVATION_STRING_DATA`.
pub(super) fn string(kind: CK_MECHANISM_TYPE, data: &[u8]) -> Mech {
    Mech::nested(kind, [Member::Sized(data.to_vec())])
}

/// From this bit on.
pub(super) fn extract(bit: CK_ULONG) -> Mech {
    Mech::with(CKM_EXTRACT_KEY_FROM_KEY, bit.to_ne_bytes())
}

fn with_key(other: CK_OBJECT_HANDLE) -> Mech {
    Mech::with(CKM_CONCATENATE_BASE_AND_KEY, other.to_ne_bytes())
}

/// The examples that each section gives: the key and what it is combined with.
const KEY: [u8; 4] = [0x01, 0x23, 0x45, 0x67];
const OTHER: [u8; 4] = [0x89, 0xab, 0xcd, 0xef];

/// Holds a mechanism to its example, without a length, with a length that cuts, and with one that is too long.
fn combined(token: &Token, session: CK_SESSION_HANDLE, how: &Mech, expected: &str) {
    let key = base(token, session, CKK_GENERIC_SECRET, &KEY);
    let expected = hex(expected);
    let whole = token.derive(session, how.clone(), key, &shown(None)).unwrap();
    assert_eq!(value(token, session, whole), expected);
    assert_eq!(
        token.read_number(session, whole, CKA_KEY_TYPE).unwrap(),
        CKK_GENERIC_SECRET
    );
    let front = token.derive(session, how.clone(), key, &shown(Some(3))).unwrap();
    assert_eq!(value(token, session, front), expected[..3]);
    let long = token.derive(session, how.clone(), key, &shown(Some(9)));
    long.refused_with(&TOO_LONG, "more bytes than there are");
}

/// What refuses a key of more bytes than there are.
const TOO_LONG: [CK_RV; 3] = [
    CKR_KEY_SIZE_RANGE,
    CKR_ATTRIBUTE_VALUE_INVALID,
    CKR_TEMPLATE_INCONSISTENT,
];

fn a_key_is_put_behind_its_base() {
    let (token, session) = Token::with_user();
    let other = base(&token, session, CKK_GENERIC_SECRET, &OTHER);
    combined(&token, session, &with_key(other), "0123456789abcdef");
}

fn data_is_put_behind_a_key() {
    let (token, session) = Token::with_user();
    let how = string(CKM_CONCATENATE_BASE_AND_DATA, &OTHER);
    combined(&token, session, &how, "0123456789abcdef");
}

fn data_is_put_before_a_key() {
    let (token, session) = Token::with_user();
    let how = string(CKM_CONCATENATE_DATA_AND_BASE, &OTHER);
    combined(&token, session, &how, "89abcdef01234567");
}

fn a_key_is_xored_with_data() {
    let (token, session) = Token::with_user();
    combined(
        &token,
        session,
        &string(CKM_XOR_BASE_AND_DATA, &OTHER),
        "88888888",
    );
    // The shorter one counts.
    for (len, expected) in [(2, "8888"), (7, "88888888")] {
        let key = base(&token, session, CKK_GENERIC_SECRET, &KEY);
        let data = [&OTHER[..], &OTHER].concat();
        let how = string(CKM_XOR_BASE_AND_DATA, &data[..len]);
        let made = token.derive(session, how, key, &shown(None)).unwrap();
        assert_eq!(value(&token, session, made), hex(expected), "{len} bytes");
    }
}

fn bits_of_a_key_are_a_key() {
    let (token, session) = Token::with_user();
    let key = base(&token, session, CKK_GENERIC_SECRET, &hex("329f84a9"));
    for (bit, len, expected) in [
        (21, 2, "9526"),
        (0, 4, "329f84a9"),
        (8, 4, "9f84a932"),
        (31, 1, "99"),
    ] {
        let made = token
            .derive(session, extract(bit), key, &shown(Some(len)))
            .unwrap();
        assert_eq!(value(&token, session, made), hex(expected), "from bit {bit}");
    }
    let long = token.derive(session, extract(0), key, &shown(Some(5)));
    long.refused_with(&TOO_LONG, "more bytes than the key has");
    let right = [CKR_TEMPLATE_INCOMPLETE, CKR_TEMPLATE_INCONSISTENT];
    let endless = token.derive(session, extract(0), key, &shown(None));
    endless.refused_with(&right, "no length");
}

fn a_key_is_as_closed_as_both_that_it_is_made_of() {
    let (token, session) = Token::with_user();
    let key = |closed: bool| {
        let attrs = [
            number(CKA_CLASS, CKO_SECRET_KEY),
            number(CKA_KEY_TYPE, CKK_GENERIC_SECRET),
            flag(CKA_TOKEN, false),
            flag(CKA_DERIVE, true),
            flag(CKA_SENSITIVE, closed),
            flag(CKA_EXTRACTABLE, !closed),
            bytes(CKA_VALUE, [7; 16]),
        ];
        token.create_object(session, &attrs).unwrap()
    };
    let open = shown(None);
    for (one, other) in [(true, false), (false, true), (true, true), (false, false)] {
        for attrs in [&open[..3], &open[..]] {
            let made = token.derive(session, with_key(key(other)), key(one), attrs);
            let made = match made {
                // What asks for more than it may have need not be given less.
                Err(refused) if attrs.len() > 3 && (one || other) => {
                    assert_eq!(refused, CKR_TEMPLATE_INCONSISTENT);
                    continue;
                }
                made => made.unwrap(),
            };
            let is = |id| token.read_flag(session, made, id).unwrap();
            if one || other {
                assert!(is(CKA_SENSITIVE) && !is(CKA_EXTRACTABLE), "{one}, {other}");
            } else if attrs.len() > 3 {
                assert!(!is(CKA_SENSITIVE) && is(CKA_EXTRACTABLE), "as it was asked to be");
            }
            assert!(
                !is(CKA_ALWAYS_SENSITIVE) && !is(CKA_NEVER_EXTRACTABLE),
                "they came from outside"
            );
        }
    }
}

fn what_cannot_be_combined_is_refused() {
    let (token, session) = Token::with_user();
    let key = base(&token, session, CKK_GENERIC_SECRET, &KEY);
    let refused = |how: Mech, attrs: &[Attr]| token.derive(session, how, key, attrs).unwrap_err();
    for kind in [
        CKM_CONCATENATE_BASE_AND_KEY,
        CKM_CONCATENATE_BASE_AND_DATA,
        CKM_CONCATENATE_DATA_AND_BASE,
        CKM_XOR_BASE_AND_DATA,
        CKM_EXTRACT_KEY_FROM_KEY,
    ] {
        for how in [Mech::from(kind), Mech::with(kind, [0; 3])] {
            assert_eq!(
                refused(how, &shown(Some(2))),
                CKR_MECHANISM_PARAM_INVALID,
                "{kind:#x}"
            );
        }
    }
    assert_eq!(refused(with_key(0), &shown(None)), CKR_KEY_HANDLE_INVALID);
    assert_eq!(refused(extract(32), &shown(Some(2))), CKR_MECHANISM_PARAM_INVALID);
    let mut aes = shown(Some(6));
    aes[1] = number(CKA_KEY_TYPE, CKK_AES);
    let how = string(CKM_CONCATENATE_BASE_AND_DATA, &OTHER);
    assert_eq!(refused(how, &aes), CKR_ATTRIBUTE_VALUE_INVALID);
}
