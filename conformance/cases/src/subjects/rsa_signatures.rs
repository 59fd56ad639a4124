// SPDX-License-Identifier: MIT
//! RSA signatures, verified by the module, by OpenSSL, and against changed data.

use crate::case::Need::{Own, Program};
use crate::case::cases;
use crate::subjects::signatures::{DATA, DIGEST, HASHES, hold};
use cryptoki_sys::*;
use keyenclave_conformance::module::{Attr, Mech, flag, number};
use keyenclave_conformance::openssl::{self, export_rsa};
use keyenclave_conformance::place::Place;
use keyenclave_conformance::published::hex;
use keyenclave_conformance::token::Token;
use keyenclave_conformance::{Rv, rsa, two_calls};

cases! {
    "sign.rsa-2048.openssl" => rsa_2048_signs_as_openssl_verifies, "PKCS #1 v1.5 RSA signature with hashing",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_SHA256_RSA_PKCS, CKM_SHA256_RSA_PKCS_PSS], [Program("openssl")];
    "sign.rsa-3072.openssl" => rsa_3072_signs_as_openssl_verifies, "PKCS #1 v1.5 RSA signature with hashing",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_SHA256_RSA_PKCS, CKM_SHA256_RSA_PKCS_PSS], [Program("openssl")];
    "sign.rsa-4096.openssl" => rsa_4096_signs_as_openssl_verifies, "PKCS #1 v1.5 RSA signature with hashing",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_SHA256_RSA_PKCS, CKM_SHA256_RSA_PKCS_PSS], [Program("openssl")];
    "sign.rsa-pkcs.lengths" => raw_rsa_signs_a_digest_info_up_to_eleven_bytes_less_than_the_modulus,
        "PKCS #1 v1.5 RSA",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_PKCS, CKM_SHA256_RSA_PKCS], [];
    "sign.rsa-pss.parameters" => raw_pss_signs_a_digest_and_checks_its_parameters, "PKCS #1 RSA PSS",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_PKCS_PSS, CKM_SHA256_RSA_PKCS_PSS], [];
    "sign.rsa-pss.salts" => pss_takes_a_salt_of_any_length,
        "PKCS #1 RSA PSS signature with hashing",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_SHA256_RSA_PKCS_PSS], [Program("openssl")];
    "sign.rsa-pss.mask-hash" => pss_takes_a_mask_hash_of_its_own, "PKCS #1 RSA PSS mechanism parameters",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_SHA256_RSA_PKCS_PSS], [Program("openssl")];
    "verify.rsa.length" => an_rsa_signature_of_another_length_is_told_apart, "C_Verify",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_SHA256_RSA_PKCS], [];
    "sign.rsa.imported" => an_imported_rsa_key_makes_the_signature_that_openssl_makes,
        "RSA private key objects",
        [CKM_SHA256_RSA_PKCS], [Program("openssl")];
    "sign.rsa.empty" => signing_of_nothing_is_signing_of_the_empty_message, "C_SignFinal",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_SHA256_RSA_PKCS], [];
    // The specification speaks of one or more parts.
    "sign.rsa.no-parts" => signing_of_no_parts_is_signing_of_the_empty_message, "C_SignInit",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_SHA256_RSA_PKCS], [Own];
}

fn rsa_signatures_of(bits: CK_ULONG) {
    let place = Place::of_this_process();
    let (token, session) = Token::with_user();
    let (public, private) = token.rsa_for_all(session, bits, &[]);
    assert_eq!(
        CK_ULONG::try_from(token.read(session, public, CKA_MODULUS).unwrap().len()).unwrap() * 8,
        bits
    );
    export_rsa(&place, &token, session, public);
    for (pkcs1, pss, hash, mgf, name, size) in HASHES {
        let mech = Mech::from(pkcs1);
        let signature = token.sign(session, mech.clone(), private, DATA).unwrap();
        assert_eq!(signature.len() * 8, usize::try_from(bits).unwrap());
        assert_eq!(
            signature,
            token.sign_parts(session, mech.clone(), private, DATA, 7).unwrap()
        );
        hold(&token, session, public, &mech, DATA, &signature);
        token
            .check_parts(session, mech, public, (DATA, 10), &signature)
            .unwrap();
        openssl::verifies(&place, name, &[], DATA, &signature).unwrap();

        let mech = Mech::pss(pss, hash, mgf, size);
        let signature = token.sign(session, mech.clone(), private, DATA).unwrap();
        hold(&token, session, public, &mech, DATA, &signature);
        let salt = format!("rsa_pss_saltlen:{size}");
        let options = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", &salt];
        openssl::verifies(&place, name, &options, DATA, &signature).unwrap();
        let parts = token
            .sign_parts(session, mech.clone(), private, DATA, 33)
            .unwrap();
        token
            .check_parts(session, mech, public, (DATA, 64), &parts)
            .unwrap();
    }
}

fn rsa_2048_signs_as_openssl_verifies() {
    rsa_signatures_of(2048);
}

fn rsa_3072_signs_as_openssl_verifies() {
    rsa_signatures_of(3072);
}

fn rsa_4096_signs_as_openssl_verifies() {
    rsa_signatures_of(4096);
}

fn raw_rsa_signs_a_digest_info_up_to_eleven_bytes_less_than_the_modulus() {
    let (token, session) = Token::with_user();
    let (public, private) = token.rsa_for_all(session, 2048, &[]);
    let digest = hex(DIGEST);
    let head = [
        0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20,
    ];
    let info = [head.as_slice(), &digest].concat();
    let signature = token.sign(session, CKM_RSA_PKCS, private, &info).unwrap();
    assert_eq!(
        signature,
        token.sign(session, CKM_SHA256_RSA_PKCS, private, DATA).unwrap()
    );
    hold(&token, session, public, &CKM_RSA_PKCS.into(), &info, &signature);
    assert!(token.sign(session, CKM_RSA_PKCS, private, &[7; 245]).is_ok());
    assert_eq!(
        token.sign(session, CKM_RSA_PKCS, private, &[7; 246]).unwrap_err(),
        CKR_DATA_LEN_RANGE
    );
    assert!(
        token.sign(session, CKM_RSA_PKCS, private, b"short").is_ok(),
        "any data, not only a DigestInfo"
    );
}

fn raw_pss_signs_a_digest_and_checks_its_parameters() {
    let (token, session) = Token::with_user();
    let (public, private) = token.rsa_for_all(session, 2048, &[]);
    let digest = hex(DIGEST);
    let mech = Mech::pss(CKM_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, 32);
    let signature = token.sign(session, mech.clone(), private, &digest).unwrap();
    hold(&token, session, public, &mech, &digest, &signature);
    let hashing = Mech::pss(CKM_SHA256_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, 32);
    assert_eq!(token.check(session, hashing, public, DATA, &signature), Rv::OK);
    assert_eq!(
        token.sign(session, mech, private, &digest[1..]).unwrap_err(),
        CKR_DATA_LEN_RANGE
    );
    for bad in [
        Mech::pss(CKM_SHA256_RSA_PKCS_PSS, CKM_SHA384, CKG_MGF1_SHA256, 32),
        Mech::pss(CKM_RSA_PKCS_PSS, CKM_RSA_PKCS, CKG_MGF1_SHA256, 32),
        Mech::pss(CKM_RSA_PKCS_PSS, CKM_SHA256, 99, 32),
        Mech::pss(CKM_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, 5000),
        Mech::pss(CKM_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, CK_ULONG::MAX),
        Mech::null(CKM_RSA_PKCS_PSS, 24),
        Mech::null(CKM_RSA_PKCS_PSS, 0),
        Mech::with(CKM_RSA_PKCS_PSS, [0; 23]),
    ] {
        assert_eq!(
            token.sign_init(session, bad.clone(), private),
            CKR_MECHANISM_PARAM_INVALID,
            "{bad:?}"
        );
    }
}

fn pss_takes_a_salt_of_any_length() {
    let place = Place::of_this_process();
    let (token, session) = Token::with_user();
    let (public, private) = token.rsa_for_all(session, 2048, &[]);
    export_rsa(&place, &token, session, public);
    for salt in [0, 10, 32, 222] {
        let mech = Mech::pss(CKM_SHA256_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, salt);
        let signature = token.sign(session, mech.clone(), private, DATA).unwrap();
        let option = format!("rsa_pss_saltlen:{salt}");
        let options = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", &option];
        openssl::verifies(&place, "sha256", &options, DATA, &signature).unwrap();
        assert_eq!(token.check(session, mech, public, DATA, &signature), Rv::OK);
    }
}

fn pss_takes_a_mask_hash_of_its_own() {
    let place = Place::of_this_process();
    let (token, session) = Token::with_user();
    let (public, private) = token.rsa_for_all(session, 2048, &[]);
    export_rsa(&place, &token, session, public);
    let mech = Mech::pss(CKM_SHA256_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA1, 20);
    let signature = token.sign(session, mech, private, DATA).unwrap();
    let mode = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:20"];
    let options = [&mode[..], &["-sigopt", "rsa_mgf1_md:sha1"]].concat();
    openssl::verifies(&place, "sha256", &options, DATA, &signature).unwrap();
}

fn an_rsa_signature_of_another_length_is_told_apart() {
    let (token, session) = Token::with_user();
    let (public, private) = token.rsa_for_all(session, 2048, &[]);
    let signature = token.sign(session, CKM_SHA256_RSA_PKCS, private, DATA).unwrap();
    for other in [&signature[1..], &[&signature[..], &[0]].concat(), &[]] {
        assert_eq!(
            token.check(session, CKM_SHA256_RSA_PKCS, public, DATA, other),
            CKR_SIGNATURE_LEN_RANGE
        );
    }
}

fn an_imported_rsa_key_makes_the_signature_that_openssl_makes() {
    let place = Place::of_this_process();
    let (token, session) = Token::with_user();
    let private = import_rsa(&place, &token, session, &[flag(CKA_SIGN, true)]);
    std::fs::write(place.file("data"), DATA).unwrap();
    openssl::openssl(
        &place,
        &["dgst", "-sha256", "-sign", "rsa.pem", "-out", "expected", "data"],
    );
    let signature = token.sign(session, CKM_SHA256_RSA_PKCS, private, DATA).unwrap();
    assert_eq!(signature, std::fs::read(place.file("expected")).unwrap());
}

/// Makes an RSA key with OpenSSL (`rsa.pem`) and imports it as a session object.
pub fn import_rsa(
    place: &Place,
    token: &Token,
    session: CK_SESSION_HANDLE,
    extra: &[Attr],
) -> CK_OBJECT_HANDLE {
    openssl::openssl(place, &["genrsa", "-traditional", "-out", "rsa.pem", "2048"]);
    let in_der = ["-traditional", "-outform", "DER", "-out", "rsa.der"];
    openssl::openssl(place, &[&["rsa", "-in", "rsa.pem"][..], &in_der].concat());
    let der = std::fs::read(place.file("rsa.der")).unwrap();
    let attrs = [number(CKA_CLASS, CKO_PRIVATE_KEY), number(CKA_KEY_TYPE, CKK_RSA)];
    let numbers = rsa::attributes(rsa::numbers(&der));
    token
        .create_object(session, &[&attrs, &numbers[..], extra].concat())
        .unwrap()
}

fn signing_of_nothing_is_signing_of_the_empty_message() {
    let (token, session) = Token::with_user();
    let (public, private) = token.rsa_for_all(session, 2048, &[]);
    let signature = token.sign(session, CKM_SHA256_RSA_PKCS, private, b"").unwrap();
    assert_eq!(
        token.check(session, CKM_SHA256_RSA_PKCS, public, b"", &signature),
        Rv::OK
    );
}

fn signing_of_no_parts_is_signing_of_the_empty_message() {
    let (token, session) = Token::with_user();
    let (_, private) = token.rsa_for_all(session, 2048, &[]);
    let signature = token.sign(session, CKM_SHA256_RSA_PKCS, private, b"").unwrap();
    assert_eq!(token.sign_init(session, CKM_SHA256_RSA_PKCS, private), Rv::OK);
    assert_eq!(
        two_calls(|out| token.sign_final_into(session, out)).unwrap(),
        signature
    );
}
