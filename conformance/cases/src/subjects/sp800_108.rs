// SPDX-License-Identifier: MIT
//! Keys derived in the modes of NIST SP 800-108, against published examples.

use crate::case::Need::Own;
use crate::case::cases;
use crate::subjects::derivation::{base, value};
use cryptoki_sys::*;
use keyenclave_conformance::module::{Attr, Kept, Mech, Member};
use keyenclave_conformance::published::hex;
use keyenclave_conformance::token::{Token, shown};

cases! {
    "sp800-108.published" => counter_mode_equals_the_published_examples, "Counter Mode KDF",
        [CKM_SP800_108_COUNTER_KDF], [];
    "sp800-108.modes" => feedback_and_double_pipeline_iterate_what_came_out, "Feedback Mode KDF",
        [CKM_SP800_108_FEEDBACK_KDF, CKM_SP800_108_DOUBLE_PIPELINE_KDF], [Own];
    "sp800-108.several" => several_keys_come_from_segments_of_their_own, "Deriving Additional Keys",
        [CKM_SP800_108_COUNTER_KDF], [Own];
}

/// A piece of input: a `CK_PRF_DATA_PARAM`.
fn piece(kind: CK_ULONG, format: &[CK_ULONG]) -> Vec<Member> {
    let words: Vec<_> = format.iter().map(|word| Member::Word(*word)).collect();
    let place = if words.is_empty() {
        Member::Word(0)
    } else {
        Member::To(words)
    };
    vec![
        Member::Word(kind),
        place,
        Member::Word(format.len() as CK_ULONG * 8),
    ]
}

fn text(data: &[u8]) -> Vec<Member> {
    vec![
        Member::Word(CK_SP800_108_BYTE_ARRAY),
        Member::Sized(data.to_vec()),
    ]
}

/// `iv` for the feedback mode; `more` keys beside the first.
fn kdf(
    kind: CK_MECHANISM_TYPE,
    prf: CK_MECHANISM_TYPE,
    pieces: &[Vec<Member>],
    iv: Option<&[u8]>,
    more: &[(Vec<Attr>, Kept)],
) -> Mech {
    let mut members = vec![
        Member::Word(prf),
        Member::Word(pieces.len() as CK_ULONG),
        Member::To(pieces.concat()),
    ];
    if let Some(iv) = iv {
        members.extend([Member::Word(iv.len() as CK_ULONG), Member::Bytes(iv.to_vec())]);
    }
    members.push(Member::Word(more.len() as CK_ULONG));
    let keys = more
        .iter()
        .flat_map(|(attrs, handle)| [Member::Template(attrs.clone()), Member::Written(handle.clone())]);
    let keys: Vec<_> = keys.collect();
    members.push(if keys.is_empty() {
        Member::Word(0)
    } else {
        Member::To(keys)
    });
    Mech::nested(kind, members)
}

/// CAVP, KDFCTR_gen: HMAC-SHA-1 and CMAC-AES-128, a counter of 8 bits before the fixed input.
fn counter_mode_equals_the_published_examples() {
    let (token, session) = Token::with_user();
    let examples = [
        (
            CKM_SHA_1_HMAC,
            CKK_GENERIC_SECRET,
            "00a39bd547fb88b2d98727cf64c195c61e1cad6c",
            "98132c1ffaf59ae5cbc0a3133d84c551bb97e0c75ecaddfc30056f6876f59803009bffc7d75c4ed46f40b8f80426750d\
             15bc1ddb14ac5dcb69a68242",
            "0611e1903609b47ad7a5fc2c82e47702",
        ),
        (
            CKM_AES_CMAC,
            CKK_AES,
            "dff1e50ac0b69dc40f1051d46c2b069c",
            "c16e6e02c5a3dcc8d78b9ac1306877761310455b4e41469951d9e6c2245a064b33fd8c3b01203a7824485bf0a64060c4\
             648b707d2607935699316ea5",
            "8be8f0869b3c0ba97b71863d1b9f7813",
        ),
    ];
    for (prf, kind, key, fixed, expected) in examples {
        let from = base(&token, session, kind, &hex(key));
        let pieces = [piece(CK_SP800_108_ITERATION_VARIABLE, &[0, 8]), text(&hex(fixed))];
        let mech = kdf(CKM_SP800_108_COUNTER_KDF, prf, &pieces, None, &[]);
        let key = token.derive(session, mech, from, &shown(Some(16))).unwrap();
        assert_eq!(value(&token, session, key), hex(expected));
    }
}

/// Computed with another implementation.
fn feedback_and_double_pipeline_iterate_what_came_out() {
    let (token, session) = Token::with_user();
    let range: Vec<u8> = (0..32).collect();
    let from = base(&token, session, CKK_GENERIC_SECRET, &range);
    let variable = piece(CK_SP800_108_ITERATION_VARIABLE, &[]);
    let label = text(b"label\0context");
    let pieces = [
        variable.clone(),
        piece(CK_SP800_108_COUNTER, &[0, 8]),
        label.clone(),
    ];
    let mech = kdf(
        CKM_SP800_108_FEEDBACK_KDF,
        CKM_SHA256_HMAC,
        &pieces,
        Some(&[0x11; 32]),
        &[],
    );
    let key = token.derive(session, mech, from, &shown(Some(80))).unwrap();
    let expected = "e83b5a0f5d237fc84e07677ed31a6fb46d23082bd1a096066dc48a33c94f267b74cfe9c11b0f82160ca53d39c12ce774\
                    d541396fd7c7dc85a60f3893d98530d1d5987129c2149aa7ac8152dba567e576";
    assert_eq!(value(&token, session, key), hex(expected));
    let pieces = [variable, piece(CK_SP800_108_COUNTER, &[0, 32]), label];
    let mech = kdf(
        CKM_SP800_108_DOUBLE_PIPELINE_KDF,
        CKM_SHA256_HMAC,
        &pieces,
        None,
        &[],
    );
    let key = token.derive(session, mech, from, &shown(Some(80))).unwrap();
    let expected = "80d3e0462dfaf65bdca1b3602dd52bd373e6c927a1a184164c6b71fe08fc665b5bb5a1a7788f40db135c5f3095d0974e\
                    45dbd350e0feaa4fdd9108b203068c0a44c36ad8f83b2302c803f433b8731238";
    assert_eq!(value(&token, session, key), hex(expected));
}

fn several_keys_come_from_segments_of_their_own() {
    let (token, session) = Token::with_user();
    let range: Vec<u8> = (0..32).collect();
    let from = base(&token, session, CKK_GENERIC_SECRET, &range);
    let expected = [
        (
            CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS,
            "d624c6c36f1d000aa15a1d8b5e16c7ee37faf7791a4c7d831f630194196e4d49202b8c7501340ebb9162d289edb414d9",
            "82bbf3470619676f2abfa5157b9e2342",
        ),
        (
            CK_SP800_108_DKM_LENGTH_SUM_OF_SEGMENTS,
            "1d17ce06b58d59609d1c84445f288a45d3dabf879cc83ba64af2fb1b4342ffad8308e834d1018e6252fc2fd55a3dcdc8",
            "f3d301f0e6aa694a60c286345ee4a29a",
        ),
    ];
    let pieces = |method| {
        [
            piece(CK_SP800_108_ITERATION_VARIABLE, &[0, 16]),
            text(b"label\0context"),
            piece(CK_SP800_108_DKM_LENGTH, &[method, 0, 16]),
        ]
    };
    for (method, first, second) in expected {
        let handle = Kept::new([0xff; 8]);
        let more = [(shown(Some(16)), handle.clone())];
        let mech = kdf(
            CKM_SP800_108_COUNTER_KDF,
            CKM_SHA256_HMAC,
            &pieces(method),
            None,
            &more,
        );
        let key = token.derive(session, mech, from, &shown(Some(48))).unwrap();
        assert_eq!(value(&token, session, key), hex(first));
        assert_eq!(value(&token, session, handle.words()[0]), hex(second));
    }
    let (good, bad) = (Kept::new([0xff; 8]), Kept::new([0xff; 8]));
    let before = token.find(session, &[]).unwrap().len();
    let more = [(shown(Some(16)), good.clone()), (shown(None), bad.clone())];
    let pieces = pieces(CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS);
    let mech = kdf(CKM_SP800_108_COUNTER_KDF, CKM_SHA256_HMAC, &pieces, None, &more);
    let refused = token.derive(session, mech, from, &shown(Some(48))).unwrap_err();
    assert_eq!(refused, CKR_TEMPLATE_INCOMPLETE);
    assert_eq!(
        (good.words()[0], bad.words()[0]),
        (CK_ULONG::MAX, CK_INVALID_HANDLE)
    );
    assert_eq!(token.find(session, &[]).unwrap().len(), before, "no key is made");
}
