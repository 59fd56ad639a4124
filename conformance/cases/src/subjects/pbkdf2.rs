// SPDX-License-Identifier: MIT
//! Keys derived from passwords, against published examples.

use crate::case::Need::Own;
use crate::case::cases;
use crate::subjects::derivation::value;
use cryptoki_sys::*;
use keyenclave_conformance::module::{Mech, Member};
use keyenclave_conformance::published::hex;
use keyenclave_conformance::token::{Token, shown};

cases! {
    "pbkdf2.published" => pbkdf2_equals_the_published_examples, "PKCS #5 PBKD2 key generation", [CKM_PKCS5_PBKD2], [Own];
}

/// RFC 6070 and RFC 7914, section 11.
fn pbkdf2_equals_the_published_examples() {
    let (token, session) = Token::with_user();
    let examples: [(CK_ULONG, &str, &str, CK_ULONG, &str); 3] = [
        (
            CKP_PKCS5_PBKD2_HMAC_SHA1,
            "password",
            "salt",
            1,
            "0c60c80f961f0e71f3a9b524af6012062fe037a6",
        ),
        (
            CKP_PKCS5_PBKD2_HMAC_SHA1,
            "password",
            "salt",
            4096,
            "4b007901b765489abead49d926f721d065a429c1",
        ),
        (
            CKP_PKCS5_PBKD2_HMAC_SHA256,
            "passwd",
            "salt",
            1,
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc49ca9cccf179b645991664b39d77ef31\
             7c71b845b1e30bd509112041d3a19783",
        ),
    ];
    for (prf, password, salt, iterations, expected) in examples {
        let len = password.len() as CK_ULONG;
        for last in [Member::Word(len), Member::To(vec![Member::Word(len)])] {
            let members = [
                Member::Word(CKZ_SALT_SPECIFIED),
                Member::Sized(salt.into()),
                Member::Word(iterations),
                Member::Word(prf),
                Member::Sized(vec![]),
                Member::Bytes(password.into()),
                last,
            ];
            let mech = Mech::nested(CKM_PKCS5_PBKD2, members);
            let attrs = shown(Some(hex(expected).len() as CK_ULONG));
            let key = token.generate_key(session, mech, &attrs).unwrap();
            assert_eq!(value(&token, session, key), hex(expected));
        }
    }
    let huge = [
        Member::Word(CKZ_SALT_SPECIFIED),
        Member::Sized(b"salt".to_vec()),
        Member::Word(1),
        Member::Word(CKP_PKCS5_PBKD2_HMAC_SHA1),
        Member::Sized(vec![]),
        Member::Bytes(b"password".to_vec()),
        Member::Word(CK_ULONG::MAX),
    ];
    let mech = Mech::nested(CKM_PKCS5_PBKD2, huge);
    let refused = token.generate_key(session, mech, &shown(Some(16))).unwrap_err();
    assert_eq!(refused, CKR_MECHANISM_PARAM_INVALID);
}
