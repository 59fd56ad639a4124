// SPDX-License-Identifier: MIT
//! RSA without padding, keys of X9.31, and what is left of PKCS #1 v1.5 where nobody may learn of the padding.

use crate::case::Need::{Own, Program};
use crate::case::cases;
use crate::subjects::rsa_signatures::import_rsa;
use crate::subjects::signatures::{DATA, hold};
use cryptoki_sys::*;
use keyenclave_conformance::module::{Mech, bytes, flag, number};
use keyenclave_conformance::openssl::{self, export_rsa, openssl};
use keyenclave_conformance::place::Place;
use keyenclave_conformance::token::Token;
use keyenclave_conformance::{Rv, two_calls};

cases! {
    "rsa-x509.openssl" => raw_rsa_goes_both_ways_with_openssl, "X.509 (raw) RSA",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_X_509], [Program("openssl")];
    "rsa-x509.padding" => shorter_data_get_zeros_in_front, "X.509 (raw) RSA",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_X_509], [Own];
    "rsa-x509.recover" => raw_signatures_give_back_what_was_signed, "C_VerifyRecover",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_X_509], [Own];
    "rsa-x509.range" => numbers_beyond_the_modulus_are_refused, "X.509 (raw) RSA",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_X_509], [Own];
    "rsa-x9-31.openssl" => a_key_of_x9_31_signs_as_openssl_verifies, "X9.31 RSA key pair generation",
        [CKM_RSA_X9_31_KEY_PAIR_GEN, CKM_SHA256_RSA_PKCS], [Program("openssl")];
    "rsa-pkcs.no-oracle" => bad_padding_gives_a_message_that_is_always_the_same, "PKCS #1 v1.5 RSA",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_PKCS, CKM_RSA_X_509], [Own];
    "rsa.import.short" => an_rsa_key_without_its_primes_signs_as_openssl_verifies, "RSA private key objects",
        [CKM_SHA256_RSA_PKCS], [Own, Program("openssl")];
    "sign.rsa-sha3.openssl" => rsa_signs_with_sha_3_as_openssl_verifies,
        "PKCS #1 v1.5 RSA signature with hashing",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_SHA3_256_RSA_PKCS, CKM_SHA3_256_RSA_PKCS_PSS], [Program("openssl")];
}

fn raw_rsa_goes_both_ways_with_openssl() {
    let place = Place::of_this_process();
    let (token, session) = Token::with_user();
    let (public, private) = token.rsa_for_all(session, 2048, &[]);
    export_rsa(&place, &token, session, public);
    let mut block = vec![0; 256];
    block[100..].fill(0x37);
    std::fs::write(place.file("data"), &block).unwrap();
    let none = [
        "-pubin",
        "-keyform",
        "DER",
        "-inkey",
        "public.der",
        "-pkeyopt",
        "rsa_padding_mode:none",
    ];
    let run = |options: &[&str]| openssl(&place, &[&["pkeyutl"][..], &none, options].concat());
    run(&["-encrypt", "-in", "data", "-out", "sealed"]);
    let sealed = std::fs::read(place.file("sealed")).unwrap();
    assert_eq!(
        token.decrypt(session, CKM_RSA_X_509, private, &sealed).unwrap(),
        block
    );
    assert_eq!(
        token.encrypt(session, CKM_RSA_X_509, public, &block).unwrap(),
        sealed
    );

    let signature = token.sign(session, CKM_RSA_X_509, private, &block).unwrap();
    std::fs::write(place.file("signature"), &signature).unwrap();
    run(&["-verifyrecover", "-in", "signature", "-out", "recovered"]);
    assert_eq!(std::fs::read(place.file("recovered")).unwrap(), block);
    hold(&token, session, public, &CKM_RSA_X_509.into(), &block, &signature);
}

fn shorter_data_get_zeros_in_front() {
    let (token, session) = Token::with_user();
    let (public, private) = token.rsa_for_all(session, 2048, &[]);
    let whole = [vec![0; 251], b"short".to_vec()].concat();
    let signature = token.sign(session, CKM_RSA_X_509, private, b"short").unwrap();
    assert_eq!(
        token.sign(session, CKM_RSA_X_509, private, &whole).unwrap(),
        signature
    );
    for data in [b"short".as_slice(), &whole, &whole[10..]] {
        assert_eq!(
            token.check(session, CKM_RSA_X_509, public, data, &signature),
            Rv::OK
        );
    }
    let other = [vec![1; 251], b"short".to_vec()].concat();
    assert_eq!(
        token.check(session, CKM_RSA_X_509, public, &other, &signature),
        CKR_SIGNATURE_INVALID
    );
    let sealed = token.encrypt(session, CKM_RSA_X_509, public, b"short").unwrap();
    assert_eq!(
        token.decrypt(session, CKM_RSA_X_509, private, &sealed).unwrap(),
        whole
    );
}

fn raw_signatures_give_back_what_was_signed() {
    let (token, session) = Token::with_user();
    let (public, private) = token.rsa_for_all(session, 2048, &[]);
    let block = [vec![0; 16], vec![9; 240]].concat();
    assert_eq!(token.sign_recover_init(session, CKM_RSA_X_509, private), Rv::OK);
    let signature = two_calls(|out| token.sign_recover_into(session, &block, out)).unwrap();
    assert_eq!(token.verify_recover_init(session, CKM_RSA_X_509, public), Rv::OK);
    assert_eq!(
        two_calls(|out| token.verify_recover_into(session, &signature, out)).unwrap(),
        block
    );
}

fn numbers_beyond_the_modulus_are_refused() {
    let (token, session) = Token::with_user();
    let (public, private) = token.rsa_for_all(session, 2048, &[]);
    let (beyond, long) = ([0xff; 256], [1; 257]);
    let sign = |data: &[u8]| token.sign(session, CKM_RSA_X_509, private, data).unwrap_err();
    let encrypt = |data: &[u8]| token.encrypt(session, CKM_RSA_X_509, public, data).unwrap_err();
    let decrypt = |data: &[u8]| token.decrypt(session, CKM_RSA_X_509, private, data).unwrap_err();
    let check = |signature: &[u8]| token.check(session, CKM_RSA_X_509, public, DATA, signature);
    assert_eq!(sign(&beyond), CKR_DATA_INVALID);
    assert_eq!(sign(&long), CKR_DATA_LEN_RANGE);
    assert_eq!(encrypt(&beyond), CKR_DATA_INVALID);
    assert_eq!(encrypt(&long), CKR_DATA_LEN_RANGE);
    assert_eq!(decrypt(&beyond), CKR_ENCRYPTED_DATA_INVALID);
    assert_eq!(decrypt(&long), CKR_ENCRYPTED_DATA_LEN_RANGE);
    assert_eq!(decrypt(&long[2..]), CKR_ENCRYPTED_DATA_LEN_RANGE);
    assert_eq!(check(&beyond), CKR_SIGNATURE_INVALID);
    assert_eq!(check(&long), CKR_SIGNATURE_LEN_RANGE);
    assert_eq!(
        token.check(session, CKM_RSA_X_509, public, &long, &[1; 256]),
        CKR_DATA_LEN_RANGE
    );
}

fn a_key_of_x9_31_signs_as_openssl_verifies() {
    let place = Place::of_this_process();
    let (token, session) = Token::with_user();
    let public = [
        number(CKA_MODULUS_BITS, 2048),
        bytes(CKA_PUBLIC_EXPONENT, [1, 0, 1]),
        flag(CKA_VERIFY, true),
    ];
    let pair = token.generate_key_pair(
        session,
        CKM_RSA_X9_31_KEY_PAIR_GEN,
        &public,
        &[flag(CKA_SIGN, true)],
    );
    let (public, private) = pair.unwrap();
    export_rsa(&place, &token, session, public);
    assert_eq!(token.read(session, public, CKA_MODULUS).unwrap().len(), 256);
    let signature = token.sign(session, CKM_SHA256_RSA_PKCS, private, DATA).unwrap();
    openssl::verifies(&place, "sha256", &[], DATA, &signature).unwrap();
    let made = token.read_number(session, private, CKA_KEY_GEN_MECHANISM);
    assert_eq!(made.unwrap(), CKM_RSA_X9_31_KEY_PAIR_GEN);
}

/// Bleichenbacher's question, in all the ways in which it has been asked.
fn bad_padding_gives_a_message_that_is_always_the_same() {
    let (token, session) = Token::with_user();
    let (public, private) = token.rsa_for_all(session, 2048, &[]);
    let good = [&[0, 2], [7; 249].as_slice(), &[0], b"data"].concat();
    let changed = |at: usize, to: u8| {
        let mut block = good.clone();
        block[at] = to;
        block
    };
    let seal = |block: &[u8]| token.encrypt(session, CKM_RSA_X_509, public, block).unwrap();
    let open = |sealed: &[u8]| token.decrypt(session, CKM_RSA_PKCS, private, sealed);
    assert_eq!(open(&seal(&good)).unwrap(), b"data");
    for bad in [
        changed(0, 1),
        changed(1, 1),
        changed(1, 0),
        changed(5, 0),
        changed(251, 7),
    ] {
        let sealed = seal(&bad);
        let first = open(&sealed).expect("a message");
        assert_eq!(open(&sealed).unwrap(), first, "the same one each time");
        assert_ne!(first, b"data");
    }
}

fn an_rsa_key_without_its_primes_signs_as_openssl_verifies() {
    let place = Place::of_this_process();
    let (token, session) = Token::with_user();
    let open = [
        flag(CKA_SIGN, true),
        flag(CKA_SENSITIVE, false),
        flag(CKA_EXTRACTABLE, true),
    ];
    let whole = import_rsa(&place, &token, session, &open);
    let read = |kind| token.read(session, whole, kind).unwrap();
    let short = [
        number(CKA_CLASS, CKO_PRIVATE_KEY),
        number(CKA_KEY_TYPE, CKK_RSA),
        bytes(CKA_MODULUS, read(CKA_MODULUS)),
        bytes(CKA_PUBLIC_EXPONENT, read(CKA_PUBLIC_EXPONENT)),
        bytes(CKA_PRIVATE_EXPONENT, read(CKA_PRIVATE_EXPONENT)),
    ];
    let short = token
        .create_object(session, &[&short[..], &open].concat())
        .unwrap();
    let signature = token.sign(session, CKM_SHA256_RSA_PKCS, short, DATA).unwrap();
    assert_eq!(
        signature,
        token.sign(session, CKM_SHA256_RSA_PKCS, whole, DATA).unwrap()
    );
    for kind in [CKA_PRIME_1, CKA_PRIME_2, CKA_COEFFICIENT, CKA_PUBLIC_KEY_INFO] {
        let found = token.read(session, short, kind).unwrap();
        assert!(!found.is_empty(), "{kind:#x}");
        if kind == CKA_PUBLIC_KEY_INFO {
            assert_eq!(found, read(kind));
        }
    }
}

fn rsa_signs_with_sha_3_as_openssl_verifies() {
    let place = Place::of_this_process();
    let (token, session) = Token::with_user();
    let (public, private) = token.rsa_for_all(session, 2048, &[]);
    export_rsa(&place, &token, session, public);
    for (pkcs1, pss, hash, mgf, name, size) in [
        (
            CKM_SHA3_224_RSA_PKCS,
            CKM_SHA3_224_RSA_PKCS_PSS,
            CKM_SHA3_224,
            CKG_MGF1_SHA3_224,
            "sha3-224",
            28,
        ),
        (
            CKM_SHA3_256_RSA_PKCS,
            CKM_SHA3_256_RSA_PKCS_PSS,
            CKM_SHA3_256,
            CKG_MGF1_SHA3_256,
            "sha3-256",
            32,
        ),
        (
            CKM_SHA3_384_RSA_PKCS,
            CKM_SHA3_384_RSA_PKCS_PSS,
            CKM_SHA3_384,
            CKG_MGF1_SHA3_384,
            "sha3-384",
            48,
        ),
        (
            CKM_SHA3_512_RSA_PKCS,
            CKM_SHA3_512_RSA_PKCS_PSS,
            CKM_SHA3_512,
            CKG_MGF1_SHA3_512,
            "sha3-512",
            64,
        ),
    ] {
        let mech = Mech::from(pkcs1);
        let signature = token.sign(session, mech.clone(), private, DATA).unwrap();
        hold(&token, session, public, &mech, DATA, &signature);
        openssl::verifies(&place, name, &[], DATA, &signature).unwrap();
        let mech = Mech::pss(pss, hash, mgf, size);
        let signature = token
            .sign_parts(session, mech.clone(), private, DATA, 11)
            .unwrap();
        hold(&token, session, public, &mech, DATA, &signature);
        let salt = format!("rsa_pss_saltlen:{size}");
        let options = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", &salt];
        openssl::verifies(&place, name, &options, DATA, &signature).unwrap();
    }
}
