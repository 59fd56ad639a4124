// SPDX-License-Identifier: MIT
//! Keys and data derived with HKDF, against published examples.

use crate::case::Need::Own;
use crate::case::cases;
use crate::subjects::derivation::{base, value};
use cryptoki_sys::*;
use keyenclave_conformance::module::{Attr, Mech, Member, flag, number};
use keyenclave_conformance::published::hex;
use keyenclave_conformance::token::{Token, shown};

cases! {
    "hkdf.published" => hkdf_equals_the_published_examples, "HKDF derive", [CKM_HKDF_DERIVE], [];
    "hkdf.halves" => the_halves_of_hkdf_make_the_whole, "HKDF derive", [CKM_HKDF_DERIVE], [];
    "hkdf.data" => hkdf_gives_data_as_well, "HKDF Data", [CKM_HKDF_DATA], [];
    "hkdf.parameters" => bad_hkdf_parameters_are_refused, "HKDF mechanism parameters", [CKM_HKDF_DERIVE], [Own];
    "hkdf.key-gen" => an_hkdf_key_is_generated, "HKDF Key gen", [CKM_HKDF_KEY_GEN, CKM_HKDF_DERIVE], [];
}

enum Salt<'a> {
    Null,
    Data(&'a [u8]),
    Key(CK_OBJECT_HANDLE),
}

fn hkdf(kind: CK_MECHANISM_TYPE, extract: Option<Salt<'_>>, info: Option<&[u8]>) -> Mech {
    let steps = CK_ULONG::from(extract.is_some()) | CK_ULONG::from(info.is_some()) << 8;
    let (flag, data, key) = match extract {
        Some(Salt::Null) | None => (CKF_HKDF_SALT_NULL, &[][..], 0),
        Some(Salt::Data(data)) => (CKF_HKDF_SALT_DATA, data, 0),
        Some(Salt::Key(key)) => (CKF_HKDF_SALT_KEY, &[][..], key),
    };
    let members = [
        Member::Word(steps),
        Member::Word(CKM_SHA256),
        Member::Word(flag),
        Member::Sized(data.to_vec()),
        Member::Word(key),
        Member::Sized(info.unwrap_or_default().to_vec()),
    ];
    Mech::nested(kind, members)
}

/// RFC 5869, appendix A.1 to A.3: keying material, salt, information, key.
fn published() -> [[Vec<u8>; 4]; 3] {
    let range = |from: u8, to: u8| (from..=to).collect::<Vec<_>>();
    [
        [
            vec![0x0b; 22],
            range(0, 0x0c),
            range(0xf0, 0xf9),
            hex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"),
        ],
        [
            range(0, 0x4f),
            range(0x60, 0xaf),
            range(0xb0, 0xff),
            hex(
                "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09\
                 da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
            ),
        ],
        [
            vec![0x0b; 22],
            vec![],
            vec![],
            hex("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"),
        ],
    ]
}

fn hkdf_equals_the_published_examples() {
    let (token, session) = Token::with_user();
    for [material, salt, info, expected] in published() {
        let from = base(&token, session, CKK_GENERIC_SECRET, &material);
        let template = shown(Some(expected.len() as CK_ULONG));
        let given = if salt.is_empty() {
            Salt::Null
        } else {
            Salt::Data(&salt)
        };
        let mech = hkdf(CKM_HKDF_DERIVE, Some(given), Some(&info));
        let key = token.derive(session, mech, from, &template).unwrap();
        assert_eq!(value(&token, session, key), expected);
        if salt.is_empty() {
            continue;
        }
        let salt = base(&token, session, CKK_GENERIC_SECRET, &salt);
        let mech = hkdf(CKM_HKDF_DERIVE, Some(Salt::Key(salt)), Some(&info));
        let key = token.derive(session, mech, from, &template).unwrap();
        assert_eq!(value(&token, session, key), expected, "with the salt as a key");
    }
}

fn the_halves_of_hkdf_make_the_whole() {
    let (token, session) = Token::with_user();
    let [[material, salt, info, expected], ..] = published();
    let from = base(&token, session, CKK_GENERIC_SECRET, &material);
    let extract = hkdf(CKM_HKDF_DERIVE, Some(Salt::Data(&salt)), None);
    let template = [shown(None), vec![flag(CKA_DERIVE, true)]].concat();
    let prk = token.derive(session, extract, from, &template).unwrap();
    assert_eq!(
        value(&token, session, prk),
        hex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5")
    );
    let expand = hkdf(CKM_HKDF_DERIVE, None, Some(&info));
    let key = token.derive(session, expand, prk, &shown(Some(42))).unwrap();
    assert_eq!(value(&token, session, key), expected);
}

fn hkdf_gives_data_as_well() {
    let (token, session) = Token::with_user();
    let [[material, salt, info, expected], ..] = published();
    let from = base(&token, session, CKK_GENERIC_SECRET, &material);
    let mech = hkdf(CKM_HKDF_DATA, Some(Salt::Data(&salt)), Some(&info));
    let attrs = [
        number(CKA_CLASS, CKO_DATA),
        flag(CKA_TOKEN, false),
        number(CKA_VALUE_LEN, 42),
    ];
    let data = token.derive(session, mech, from, &attrs).unwrap();
    assert_eq!(value(&token, session, data), expected);
    assert_eq!(token.read_number(session, data, CKA_CLASS).unwrap(), CKO_DATA);
}

fn bad_hkdf_parameters_are_refused() {
    let (token, session) = Token::with_user();
    let from = base(&token, session, CKK_GENERIC_SECRET, &[7; 32]);
    let refused = |mech: Mech, template: &[Attr]| token.derive(session, mech, from, template).unwrap_err();
    let neither = hkdf(CKM_HKDF_DERIVE, None, None);
    assert_eq!(refused(neither, &shown(Some(32))), CKR_MECHANISM_PARAM_INVALID);
    let bare = Mech::from(CKM_HKDF_DERIVE);
    assert_eq!(refused(bare, &shown(Some(32))), CKR_MECHANISM_PARAM_INVALID);
    let expand = || hkdf(CKM_HKDF_DERIVE, None, Some(b"info"));
    assert_eq!(refused(expand(), &shown(None)), CKR_TEMPLATE_INCOMPLETE);
    assert_eq!(refused(expand(), &shown(Some(255 * 32 + 1))), CKR_KEY_SIZE_RANGE);
    let odd = [
        number(CKA_CLASS, CKO_SECRET_KEY),
        number(CKA_KEY_TYPE, CKK_AES),
        number(CKA_VALUE_LEN, 17),
    ];
    assert_eq!(refused(expand(), &odd), CKR_ATTRIBUTE_VALUE_INVALID);
    let missing = hkdf(CKM_HKDF_DERIVE, Some(Salt::Key(0)), None);
    assert_eq!(refused(missing, &shown(None)), CKR_KEY_HANDLE_INVALID);
    let aes = base(&token, session, CKK_AES, &[7; 32]);
    let other = token.derive(session, expand(), aes, &shown(Some(32)));
    assert_eq!(other.unwrap_err(), CKR_KEY_TYPE_INCONSISTENT);
}

fn an_hkdf_key_is_generated() {
    let (token, session) = Token::with_user();
    let attrs = [
        number(CKA_VALUE_LEN, 32),
        flag(CKA_TOKEN, false),
        flag(CKA_DERIVE, true),
    ];
    let key = token.generate_key(session, CKM_HKDF_KEY_GEN, &attrs).unwrap();
    assert_eq!(token.read_number(session, key, CKA_KEY_TYPE).unwrap(), CKK_HKDF);
    let mech = hkdf(CKM_HKDF_DERIVE, Some(Salt::Null), Some(b"info"));
    assert!(token.derive(session, mech, key, &shown(Some(16))).is_ok());
}
