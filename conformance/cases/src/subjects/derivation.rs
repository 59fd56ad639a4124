// SPDX-License-Identifier: MIT
//! Keys derived from keys by hashing them; and what the files about other ways of derivation share: a key to derive
//! from, and what a key is.

use crate::case::cases;
use cryptoki_sys::*;
use keyenclave_conformance::Refused;
use keyenclave_conformance::module::{bytes, flag, number};
use keyenclave_conformance::published::hex;
use keyenclave_conformance::token::{Token, shown};

cases! {
    "hash-derivation.digest" => a_hashed_key_is_the_digest_of_its_base, "Hash-based key derivation",
        [CKM_SHA256_KEY_DERIVATION], [];
}

/// An imported key that keys are derived from.
pub(super) fn base(
    token: &Token,
    session: CK_SESSION_HANDLE,
    kind: CK_KEY_TYPE,
    value: &[u8],
) -> CK_OBJECT_HANDLE {
    let attrs = [
        number(CKA_CLASS, CKO_SECRET_KEY),
        number(CKA_KEY_TYPE, kind),
        flag(CKA_TOKEN, false),
        flag(CKA_SENSITIVE, false),
        flag(CKA_EXTRACTABLE, true),
        flag(CKA_DERIVE, true),
        flag(CKA_SIGN, true),
        flag(CKA_VERIFY, true),
        bytes(CKA_VALUE, value),
    ];
    token.create_object(session, &attrs).unwrap()
}

pub(super) fn value(token: &Token, session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE) -> Vec<u8> {
    token.read(session, key, CKA_VALUE).unwrap()
}

fn a_hashed_key_is_the_digest_of_its_base() {
    let (token, session) = Token::with_user();
    let range: Vec<u8> = (0..32).collect();
    let from = base(&token, session, CKK_GENERIC_SECRET, &range);
    let digest = hex("630dcd2966c4336691125448bbb25b4ff412a49c732db2c8abc1b8581bd710dd");
    let whole = token
        .derive(session, CKM_SHA256_KEY_DERIVATION, from, &shown(None))
        .unwrap();
    assert_eq!(value(&token, session, whole), digest);
    let front = token
        .derive(session, CKM_SHA256_KEY_DERIVATION, from, &shown(Some(16)))
        .unwrap();
    assert_eq!(value(&token, session, front), digest[..16]);
    let more = token.derive(session, CKM_SHA256_KEY_DERIVATION, from, &shown(Some(33)));
    let right = [
        CKR_KEY_SIZE_RANGE,
        CKR_TEMPLATE_INCONSISTENT,
        CKR_ATTRIBUTE_VALUE_INVALID,
    ];
    more.refused_with(&right, "more bytes than the digest has");
}
