// SPDX-License-Identifier: MIT
//! AES against published vectors and OpenSSL.

use crate::case::Need::{Own, Program};
use crate::case::cases;
use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::module::Mech;
use keyenclave_conformance::openssl::openssl;
use keyenclave_conformance::place::Place;
use keyenclave_conformance::published::hex;
use keyenclave_conformance::token::Token;

cases! {
    "aes-cbc.published" => aes_cbc_equals_the_published_examples, "AES-CBC", [CKM_AES_CBC], [];
    "aes-cbc.parts" => aes_cbc_takes_parts_of_any_length, "C_EncryptUpdate", [CKM_AES_CBC], [];
    "aes-cbc-pad.lengths" => padded_aes_cbc_takes_any_length_and_notices_bad_padding,
        "AES-CBC with PKCS padding",
        [CKM_AES_CBC_PAD], [];
    "aes-cbc-pad.openssl" => padded_aes_cbc_equals_openssl, "AES-CBC with PKCS padding",
        [CKM_AES_CBC_PAD], [Program("openssl")];
    "aes-cbc.iv" => a_wrong_iv_length_is_a_parameter_error, "AES-CBC", [CKM_AES_CBC, CKM_AES_CBC_PAD], [];
    "aes-gcm.published" => aes_gcm_equals_the_published_examples,
        "AES-GCM Authenticated Encryption / Decryption",
        [CKM_AES_GCM], [];
    "aes-gcm.changes" => aes_gcm_notices_every_change, "AES-GCM Authenticated Encryption / Decryption",
        [CKM_AES_GCM], [];
    "aes-gcm.unchecked" => no_unchecked_gcm_plaintext_is_given_out,
        "AES-GCM Authenticated Encryption / Decryption",
        [CKM_AES_GCM], [Own];
    "aes-gcm.parameters" => bad_gcm_parameters_are_refused, "AES GCM and CCM Mechanism parameters",
        [CKM_AES_GCM], [Own];
}

/// NIST SP 800-38A, F.2: AES-CBC, first two blocks.
const PLAIN: &str = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51";
const IV: &str = "000102030405060708090a0b0c0d0e0f";
const CBC: [(&str, &str); 3] = [
    (
        "2b7e151628aed2a6abf7158809cf4f3c",
        "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2",
    ),
    (
        "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
        "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a",
    ),
    (
        "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
        "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d",
    ),
];

fn aes_cbc_equals_the_published_examples() {
    let (token, session) = Token::with_user();
    for (key, expected) in CBC {
        let key = token.secret(session, CKK_AES, &hex(key));
        let mech = Mech::with(CKM_AES_CBC, hex(IV));
        let sealed = token.encrypt(session, mech.clone(), key, &hex(PLAIN)).unwrap();
        assert_eq!(sealed, hex(expected));
        assert_eq!(
            token.decrypt(session, mech.clone(), key, &sealed).unwrap(),
            hex(PLAIN)
        );
        for part in [16, 32] {
            assert_eq!(
                token
                    .encrypt_parts(session, mech.clone(), key, &hex(PLAIN), part)
                    .unwrap(),
                sealed
            );
            assert_eq!(
                token
                    .decrypt_parts(session, mech.clone(), key, &sealed, part)
                    .unwrap(),
                hex(PLAIN)
            );
        }
        let odd = token
            .encrypt(session, mech.clone(), key, b"not whole")
            .unwrap_err();
        assert_eq!(odd, CKR_DATA_LEN_RANGE);
        let odd = token.decrypt(session, mech, key, &sealed[1..]).unwrap_err();
        assert_eq!(odd, CKR_ENCRYPTED_DATA_LEN_RANGE);
    }
}

fn aes_cbc_takes_parts_of_any_length() {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_AES, &hex(CBC[0].0));
    let mech = Mech::with(CKM_AES_CBC, hex(IV));
    let sealed = hex(CBC[0].1);
    for part in [1, 7, 17] {
        let whole = token.encrypt_parts(session, mech.clone(), key, &hex(PLAIN), part);
        assert_eq!(whole.unwrap(), sealed);
        let whole = token.decrypt_parts(session, mech.clone(), key, &sealed, part);
        assert_eq!(whole.unwrap(), hex(PLAIN));
    }
}

fn padded_aes_cbc_takes_any_length_and_notices_bad_padding() {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_AES, &[3; 32]);
    let mech = Mech::with(CKM_AES_CBC_PAD, hex(IV));
    for length in [0, 1, 15, 16, 17, 100] {
        let data = vec![9; length];
        let sealed = token.encrypt(session, mech.clone(), key, &data).unwrap();
        assert_eq!(sealed.len(), length / 16 * 16 + 16);
        assert_eq!(token.decrypt(session, mech.clone(), key, &sealed).unwrap(), data);
        for part in [1, 16, 33] {
            assert_eq!(
                token
                    .encrypt_parts(session, mech.clone(), key, &data, part)
                    .unwrap(),
                sealed
            );
            assert_eq!(
                token
                    .decrypt_parts(session, mech.clone(), key, &sealed, part)
                    .unwrap(),
                data
            );
        }
    }
    let mut sealed = token.encrypt(session, mech.clone(), key, &[9; 16]).unwrap();
    sealed[15] ^= 0xff;
    assert_eq!(
        token.decrypt(session, mech.clone(), key, &sealed).unwrap_err(),
        CKR_ENCRYPTED_DATA_INVALID
    );
    let cut = token
        .decrypt(session, mech.clone(), key, &sealed[..20])
        .unwrap_err();
    assert_eq!(cut, CKR_ENCRYPTED_DATA_LEN_RANGE);
    let none = token.decrypt(session, mech, key, &[]).unwrap_err();
    assert_eq!(none, CKR_ENCRYPTED_DATA_LEN_RANGE);
}

fn padded_aes_cbc_equals_openssl() {
    let place = Place::of_this_process();
    let (token, session) = Token::with_user();
    let key = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4";
    let object = token.secret(session, CKK_AES, &hex(key));
    let data = place.write("data", "some text, of no particular length");
    let sealing = [
        "enc",
        "-aes-256-cbc",
        "-K",
        key,
        "-iv",
        IV,
        "-in",
        "data",
        "-out",
        "sealed",
    ];
    openssl(&place, &sealing);
    let mech = Mech::with(CKM_AES_CBC_PAD, hex(IV));
    let sealed = token
        .encrypt(session, mech, object, &std::fs::read(data).unwrap())
        .unwrap();
    assert_eq!(sealed, std::fs::read(place.file("sealed")).unwrap());
}

fn a_wrong_iv_length_is_a_parameter_error() {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_AES, &[3; 16]);
    for kind in [CKM_AES_CBC, CKM_AES_CBC_PAD] {
        for bad in [
            Mech::from(kind),
            Mech::null(kind, 16),
            Mech::with(kind, [0; 15]),
            Mech::with(kind, [0; 17]),
        ] {
            assert_eq!(
                token.encrypt_init(session, bad.clone(), key),
                CKR_MECHANISM_PARAM_INVALID,
                "{bad:?}"
            );
            assert_eq!(token.decrypt_init(session, bad, key), CKR_MECHANISM_PARAM_INVALID);
        }
    }
}

/// The GCM specification (McGrew and Viega), appendix B: test cases 4 (AES-128) and 16 (AES-256).
const GCM_PLAIN: &str = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525\
                         b16aedf5aa0de657ba637b39";
const GCM_AAD: &str = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
const GCM_IV: &str = "cafebabefacedbaddecaf888";
const GCM: [(&str, &str, &str); 2] = [
    (
        "feffe9928665731c6d6a8f9467308308",
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa05\
         1ba30b396a0aac973d58e091",
        "5bc94fbc3221a5db94fae95ae7121a47",
    ),
    (
        "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838\
         c5f61e6393ba7a0abcc9f662",
        "76fc6ece0f4e1768cddf8853bb2d551b",
    ),
];

fn aes_gcm_equals_the_published_examples() {
    let (token, session) = Token::with_user();
    for (key, expected, tag) in GCM {
        let key = token.secret(session, CKK_AES, &hex(key));
        let mech = Mech::gcm(&hex(GCM_IV), &hex(GCM_AAD), 128);
        let whole = [hex(expected), hex(tag)].concat();
        assert_eq!(
            token
                .encrypt(session, mech.clone(), key, &hex(GCM_PLAIN))
                .unwrap(),
            whole
        );
        assert_eq!(
            token.decrypt(session, mech.clone(), key, &whole).unwrap(),
            hex(GCM_PLAIN)
        );
        for part in [1, 16, 25] {
            assert_eq!(
                token
                    .encrypt_parts(session, mech.clone(), key, &hex(GCM_PLAIN), part)
                    .unwrap(),
                whole
            );
            assert_eq!(
                token
                    .decrypt_parts(session, mech.clone(), key, &whole, part)
                    .unwrap(),
                hex(GCM_PLAIN)
            );
        }
        let cut = Mech::gcm(&hex(GCM_IV), &hex(GCM_AAD), 96);
        assert_eq!(
            token.encrypt(session, cut, key, &hex(GCM_PLAIN)).unwrap(),
            whole[..whole.len() - 4]
        );
    }
}

fn aes_gcm_notices_every_change() {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_AES, &[3; 32]);
    let mech = Mech::gcm(&[1; 12], b"header", 128);
    let sealed = token.encrypt(session, mech.clone(), key, b"some data").unwrap();
    for place in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[place] ^= 1;
        let refused = token.decrypt(session, mech.clone(), key, &changed).unwrap_err();
        assert_eq!(refused, CKR_ENCRYPTED_DATA_INVALID, "byte {place}");
    }
    let other = Mech::gcm(&[1; 12], b"Header", 128);
    assert_eq!(
        token.decrypt(session, other, key, &sealed).unwrap_err(),
        CKR_ENCRYPTED_DATA_INVALID
    );
    let cut = token
        .decrypt(session, mech.clone(), key, &sealed[..15])
        .unwrap_err();
    assert!(
        cut == CKR_ENCRYPTED_DATA_LEN_RANGE || cut == CKR_ENCRYPTED_DATA_INVALID,
        "{cut:?}"
    );
    assert_eq!(
        token.decrypt(session, mech.clone(), key, &sealed).unwrap(),
        b"some data"
    );
    let empty = token.encrypt(session, mech.clone(), key, b"").unwrap();
    assert_eq!(
        (empty.len(), token.decrypt(session, mech, key, &empty).unwrap()),
        (16, vec![])
    );
}

fn no_unchecked_gcm_plaintext_is_given_out() {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_AES, &[3; 32]);
    let mech = Mech::gcm(&[1; 12], b"", 128);
    let mut sealed = token.encrypt(session, mech.clone(), key, &[b'x'; 1000]).unwrap();
    *sealed.last_mut().unwrap() ^= 1;
    assert_eq!(token.decrypt_init(session, mech, key), Rv::OK);
    let mut room = vec![0; 2000];
    let part = token.decrypt_update_into(
        session,
        &sealed,
        keyenclave_conformance::module::Out::Room(&mut room),
    );
    assert_eq!(
        (part.rv, part.len),
        (Rv::OK, 0),
        "plaintext before the tag was checked"
    );
    let end = token.decrypt_final_into(session, keyenclave_conformance::module::Out::Room(&mut room));
    assert_eq!(end.rv, CKR_ENCRYPTED_DATA_INVALID);
    assert!(!room.contains(&b'x'));
}

fn bad_gcm_parameters_are_refused() {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_AES, &[3; 32]);
    let bad = [
        Mech::from(CKM_AES_GCM),
        Mech::null(CKM_AES_GCM, 48),
        Mech::with(CKM_AES_GCM, [0; 12]),
        Mech::with(CKM_AES_GCM, [0; 48]),
        Mech::gcm(&[], b"", 128),
        Mech::gcm(&[1; 12], b"", 127),
        Mech::gcm(&[1; 12], b"", 129),
        Mech::gcm(&[1; 12], b"", 0),
        Mech::gcm(&[1; 12], b"", CK_ULONG::MAX),
    ];
    for mech in bad {
        assert_eq!(
            token.encrypt_init(session, mech.clone(), key),
            CKR_MECHANISM_PARAM_INVALID,
            "{mech:?}"
        );
    }
}
