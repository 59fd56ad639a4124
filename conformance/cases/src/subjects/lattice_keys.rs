// SPDX-License-Identifier: MIT
//! Keys of ML-DSA and ML-KEM alike: taken in from their parts, and what they do not show.

use crate::case::cases;
use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::module::{Attr, bytes, flag, number};
use keyenclave_conformance::token::Token;

cases! {
    "ml-dsa.sensitive" => a_sensitive_seed_is_not_shown::<0>, "ML-DSA private key objects",
        [CKM_ML_DSA_KEY_PAIR_GEN], [];
    "ml-kem.sensitive" => a_sensitive_seed_is_not_shown::<1>, "ML-KEM private key objects",
        [CKM_ML_KEM_KEY_PAIR_GEN], [];
}

/// What refuses a part of a key that does not fit its parameter set: the value is none, or not beside the set.
pub(super) const UNFIT_PART: [CK_RV; 2] = [CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCONSISTENT];

pub(super) fn readable(usage: CK_ATTRIBUTE_TYPE) -> [Attr; 3] {
    [
        flag(usage, true),
        flag(CKA_SENSITIVE, false),
        flag(CKA_EXTRACTABLE, true),
    ]
}

/// A private key from some of a key's parts.
pub(super) fn import(
    token: &Token,
    session: CK_SESSION_HANDLE,
    (kind, set): (CK_KEY_TYPE, CK_ULONG),
    parts: &[(CK_ATTRIBUTE_TYPE, &[u8])],
) -> Result<CK_ULONG, Rv> {
    let mut template = vec![
        number(CKA_CLASS, CKO_PRIVATE_KEY),
        number(CKA_KEY_TYPE, kind),
        number(CKA_PARAMETER_SET, set),
    ];
    template.extend(readable(if kind == CKK_ML_DSA {
        CKA_SIGN
    } else {
        CKA_DECAPSULATE
    }));
    template.extend(parts.iter().map(|(id, value)| bytes(*id, *value)));
    token.create_object(session, &template)
}

pub(super) fn public_key(
    token: &Token,
    session: CK_SESSION_HANDLE,
    (kind, set): (CK_KEY_TYPE, CK_ULONG),
    value: &[u8],
) -> Result<CK_ULONG, Rv> {
    let usage = if kind == CKK_ML_DSA {
        CKA_VERIFY
    } else {
        CKA_ENCAPSULATE
    };
    let template = [
        number(CKA_CLASS, CKO_PUBLIC_KEY),
        number(CKA_KEY_TYPE, kind),
        number(CKA_PARAMETER_SET, set),
        flag(usage, true),
        bytes(CKA_VALUE, value),
    ];
    token.create_object(session, &template)
}

fn a_sensitive_seed_is_not_shown<const SCHEME: usize>() {
    let (token, session) = Token::with_user();
    let (mechanism, set) = [
        (CKM_ML_DSA_KEY_PAIR_GEN, CKP_ML_DSA_44),
        (CKM_ML_KEM_KEY_PAIR_GEN, CKP_ML_KEM_512),
    ][SCHEME];
    for private in [
        [flag(CKA_SENSITIVE, true), flag(CKA_EXTRACTABLE, true)],
        [flag(CKA_SENSITIVE, false), flag(CKA_EXTRACTABLE, false)],
    ] {
        let public = [number(CKA_PARAMETER_SET, set)];
        let (_, key) = token
            .generate_key_pair(session, mechanism, &public, &private)
            .unwrap();
        for id in [CKA_SEED, CKA_VALUE] {
            assert_eq!(token.read(session, key, id).unwrap_err(), CKR_ATTRIBUTE_SENSITIVE);
        }
    }
}
