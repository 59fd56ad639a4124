// SPDX-License-Identifier: MIT
//! AES and RSA encryption against published vectors and OpenSSL.

use crate::case::Need::{Own, Program};
use crate::case::cases;
use crate::subjects::signatures::{hex, import_rsa};
use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::module::{Mech, flag};
use keyenclave_conformance::openssl::{export_rsa, openssl};
use keyenclave_conformance::place::Place;
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
    "rsa-pkcs.openssl-encryption" => rsa_pkcs1_encryption_goes_both_ways_with_openssl, "PKCS #1 v1.5 RSA",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_PKCS], [Program("openssl")];
    "rsa-oaep.openssl" => oaep_takes_split_hashes_and_labels_as_openssl_does, "PKCS #1 RSA OAEP",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_PKCS_OAEP], [Own, Program("openssl")];
    "rsa-oaep.room" => oaep_room_depends_on_the_hash, "PKCS #1 RSA OAEP",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_PKCS_OAEP], [Own];
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

fn rsa_pkcs1_encryption_goes_both_ways_with_openssl() {
    let place = Place::of_this_process();
    let (token, session) = Token::with_user();
    let (public, private) = token.rsa_for_all(session, 2048, &[]);
    export_rsa(&place, &token, session, public);
    place.write("data", "a secret");
    let sealing = [
        "pkeyutl",
        "-encrypt",
        "-pubin",
        "-keyform",
        "DER",
        "-inkey",
        "public.der",
    ];
    openssl(
        &place,
        &[&sealing[..], &["-in", "data", "-out", "sealed"]].concat(),
    );
    let sealed = std::fs::read(place.file("sealed")).unwrap();
    assert_eq!(
        token.decrypt(session, CKM_RSA_PKCS, private, &sealed).unwrap(),
        b"a secret"
    );

    let key = import_rsa(&place, &token, session, &[flag(CKA_DECRYPT, true)]);
    let sealed = token.encrypt(session, CKM_RSA_PKCS, public, b"back").unwrap();
    assert_eq!(
        token.decrypt(session, CKM_RSA_PKCS, private, &sealed).unwrap(),
        b"back"
    );
    let foreign = token.decrypt(session, CKM_RSA_PKCS, key, &sealed);
    assert_ne!(
        foreign.as_deref(),
        Ok(b"back".as_slice()),
        "another key must not decrypt it"
    );
    assert!(token.encrypt(session, CKM_RSA_PKCS, public, &[1; 245]).is_ok());
    assert_eq!(
        token
            .encrypt(session, CKM_RSA_PKCS, public, &[1; 246])
            .unwrap_err(),
        CKR_DATA_LEN_RANGE
    );
}

fn oaep_takes_split_hashes_and_labels_as_openssl_does() {
    let place = Place::of_this_process();
    let (token, session) = Token::with_user();
    let (public, private) = token.rsa_for_all(session, 2048, &[]);
    export_rsa(&place, &token, session, public);
    place.write("data", "a secret");
    let table = [
        (CKM_SHA_1, "sha1", CKG_MGF1_SHA1, "sha1", ""),
        (CKM_SHA256, "sha256", CKG_MGF1_SHA256, "sha256", ""),
        (CKM_SHA256, "sha256", CKG_MGF1_SHA1, "sha1", "6c6162656c"),
        (CKM_SHA_1, "sha1", CKG_MGF1_SHA512, "sha512", ""),
        (CKM_SHA512, "sha512", CKG_MGF1_SHA384, "sha384", "00ff"),
    ];
    for (hash, hash_name, mgf, mgf_name, label) in table {
        let mut options = vec!["rsa_padding_mode:oaep".to_owned()];
        options.push(format!("rsa_oaep_md:{hash_name}"));
        options.push(format!("rsa_mgf1_md:{mgf_name}"));
        if !label.is_empty() {
            options.push(format!("rsa_oaep_label:{label}"));
        }
        let options: Vec<&str> = options.iter().flat_map(|option| ["-pkeyopt", option]).collect();
        let sealing = [
            "pkeyutl",
            "-encrypt",
            "-pubin",
            "-keyform",
            "DER",
            "-inkey",
            "public.der",
        ];
        openssl(
            &place,
            &[&sealing, &options[..], &["-in", "data", "-out", "sealed"]].concat(),
        );
        let sealed = std::fs::read(place.file("sealed")).unwrap();
        let mech = Mech::oaep(hash, mgf, &hex(label));
        let opened = token.decrypt(session, mech.clone(), private, &sealed);
        assert_eq!(opened.unwrap(), b"a secret", "{hash_name}, {mgf_name}");
        let back = token.encrypt(session, mech, public, b"back").unwrap();
        let other = Mech::oaep(hash, mgf, b"another label");
        let refused = token.decrypt(session, other, private, &back).unwrap_err();
        assert_eq!(refused, CKR_ENCRYPTED_DATA_INVALID);
    }
}

fn oaep_room_depends_on_the_hash() {
    let (token, session) = Token::with_user();
    let (public, private) = token.rsa_for_all(session, 2048, &[]);
    let mech = Mech::oaep(CKM_SHA_1, CKG_MGF1_SHA1, b"");
    let sealed = token.encrypt(session, mech.clone(), public, &[5; 214]).unwrap();
    assert_eq!(
        token.decrypt(session, mech.clone(), private, &sealed).unwrap(),
        [5; 214]
    );
    assert_eq!(
        token
            .encrypt(session, mech.clone(), public, &[5; 215])
            .unwrap_err(),
        CKR_DATA_LEN_RANGE
    );
    let mut changed = sealed;
    changed[100] ^= 1;
    assert_eq!(
        token
            .decrypt(session, mech.clone(), private, &changed)
            .unwrap_err(),
        CKR_ENCRYPTED_DATA_INVALID
    );
    assert_eq!(
        token.decrypt(session, mech, private, &changed[1..]).unwrap_err(),
        CKR_ENCRYPTED_DATA_LEN_RANGE
    );
    for bad in [
        Mech::from(CKM_RSA_PKCS_OAEP),
        Mech::null(CKM_RSA_PKCS_OAEP, 40),
        Mech::with(CKM_RSA_PKCS_OAEP, [0; 39]),
        Mech::oaep(CKM_RSA_PKCS, CKG_MGF1_SHA1, b""),
        Mech::oaep(CKM_SHA_1, 77, b""),
    ] {
        let rv = token.encrypt_init(session, bad.clone(), public);
        let rv = if rv == CKR_ARGUMENTS_BAD && !keyenclave_conformance::place::is_keyenclave() {
            Rv(CKR_MECHANISM_PARAM_INVALID)
        } else {
            rv
        };
        assert_eq!(rv, CKR_MECHANISM_PARAM_INVALID, "{bad:?}");
    }
}
