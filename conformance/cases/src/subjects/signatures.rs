// SPDX-License-Identifier: MIT
//! RSA and ECDSA signatures, verified by the module, by OpenSSL, and against changed data.

use crate::case::Need::{Curve, Own, Program};
use crate::case::cases;
use cryptoki_sys::*;
use keyenclave_conformance::module::{Mech, bytes, flag, number};
use keyenclave_conformance::openssl::{self, ecdsa_der, export_ec, export_rsa};
use keyenclave_conformance::place::Place;
use keyenclave_conformance::published::hex;
use keyenclave_conformance::token::{CURVES, Token};
use keyenclave_conformance::{Refused, Rv, rsa, two_calls};

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
    "sign.ecdsa.p-256.openssl" => ecdsa_signs_as_openssl_verifies::<0>,
        "ECDSA without hashing",
        [CKM_EC_KEY_PAIR_GEN, CKM_ECDSA], [Curve(0), Program("openssl")];
    "sign.ecdsa.p-384.openssl" => ecdsa_signs_as_openssl_verifies::<1>,
        "ECDSA without hashing",
        [CKM_EC_KEY_PAIR_GEN, CKM_ECDSA], [Curve(1), Program("openssl")];
    "sign.ecdsa.p-521.openssl" => ecdsa_signs_as_openssl_verifies::<2>,
        "ECDSA without hashing",
        [CKM_EC_KEY_PAIR_GEN, CKM_ECDSA], [Curve(2), Program("openssl")];
    "sign.ecdsa.secp256k1.openssl" => ecdsa_signs_as_openssl_verifies::<3>,
        "ECDSA without hashing",
        [CKM_EC_KEY_PAIR_GEN, CKM_ECDSA], [Curve(3), Program("openssl")];
    "sign.ecdsa.p-256.halves" => ecdsa_halves_keep_their_size_over_many_signatures::<0>, "EC Signatures",
        [CKM_EC_KEY_PAIR_GEN, CKM_ECDSA], [Curve(0)];
    "sign.ecdsa.p-384.halves" => ecdsa_halves_keep_their_size_over_many_signatures::<1>, "EC Signatures",
        [CKM_EC_KEY_PAIR_GEN, CKM_ECDSA], [Curve(1)];
    "sign.ecdsa.p-521.halves" => ecdsa_halves_keep_their_size_over_many_signatures::<2>, "EC Signatures",
        [CKM_EC_KEY_PAIR_GEN, CKM_ECDSA], [Curve(2)];
    "sign.ecdsa.secp256k1.halves" => ecdsa_halves_keep_their_size_over_many_signatures::<3>, "EC Signatures",
        [CKM_EC_KEY_PAIR_GEN, CKM_ECDSA], [Curve(3)];
    "sign.ecdsa.p-256.digest-lengths" => ecdsa_takes_digests_of_any_length::<0>, "ECDSA without hashing",
        [CKM_EC_KEY_PAIR_GEN, CKM_ECDSA], [Curve(0)];
    "sign.ecdsa.p-384.digest-lengths" => ecdsa_takes_digests_of_any_length::<1>, "ECDSA without hashing",
        [CKM_EC_KEY_PAIR_GEN, CKM_ECDSA], [Curve(1)];
    "sign.ecdsa.p-521.digest-lengths" => ecdsa_takes_digests_of_any_length::<2>, "ECDSA without hashing",
        [CKM_EC_KEY_PAIR_GEN, CKM_ECDSA], [Curve(2)];
    "sign.ecdsa.secp256k1.digest-lengths" => ecdsa_takes_digests_of_any_length::<3>, "ECDSA without hashing",
        [CKM_EC_KEY_PAIR_GEN, CKM_ECDSA], [Curve(3)];
    "sign.ecdsa.p-224.openssl" => ecdsa_signs_as_openssl_verifies::<4>,
        "ECDSA without hashing",
        [CKM_EC_KEY_PAIR_GEN, CKM_ECDSA], [Curve(4), Program("openssl")];
    "sign.ecdsa.p-224.digest-lengths" => ecdsa_takes_digests_of_any_length::<4>, "ECDSA without hashing",
        [CKM_EC_KEY_PAIR_GEN, CKM_ECDSA], [Curve(4)];
    "sign.ecdsa.brainpool-256.openssl" => ecdsa_signs_as_openssl_verifies::<5>,
        "ECDSA without hashing",
        [CKM_EC_KEY_PAIR_GEN, CKM_ECDSA], [Curve(5), Program("openssl")];
    "sign.ecdsa.brainpool-256.digest-lengths" => ecdsa_takes_digests_of_any_length::<5>, "ECDSA without hashing",
        [CKM_EC_KEY_PAIR_GEN, CKM_ECDSA], [Curve(5)];
    "sign.ecdsa.brainpool-384.openssl" => ecdsa_signs_as_openssl_verifies::<6>,
        "ECDSA without hashing",
        [CKM_EC_KEY_PAIR_GEN, CKM_ECDSA], [Curve(6), Program("openssl")];
    "sign.ecdsa.brainpool-384.digest-lengths" => ecdsa_takes_digests_of_any_length::<6>, "ECDSA without hashing",
        [CKM_EC_KEY_PAIR_GEN, CKM_ECDSA], [Curve(6)];
    "sign.ecdsa.brainpool-512.openssl" => ecdsa_signs_as_openssl_verifies::<7>,
        "ECDSA without hashing",
        [CKM_EC_KEY_PAIR_GEN, CKM_ECDSA], [Curve(7), Program("openssl")];
    "sign.ecdsa.brainpool-512.digest-lengths" => ecdsa_takes_digests_of_any_length::<7>, "ECDSA without hashing",
        [CKM_EC_KEY_PAIR_GEN, CKM_ECDSA], [Curve(7)];
    "verify.ecdsa.zeros" => ecdsa_refuses_signatures_of_zeros, "C_Verify",
        [CKM_EC_KEY_PAIR_GEN, CKM_ECDSA], [];
    "verify.rsa.length" => an_rsa_signature_of_another_length_is_told_apart, "C_Verify",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_SHA256_RSA_PKCS], [];
    "verify.ecdsa.length" => an_ecdsa_signature_of_another_length_is_told_apart, "C_Verify",
        [CKM_EC_KEY_PAIR_GEN, CKM_ECDSA], [];
    "verify.ecdsa.sha1.published" => known_ecdsa_signatures_of_sha_1_verify, "ECDSA with hashing",
        [CKM_ECDSA_SHA1, CKM_SHA_1], [Curve(0)];
    "verify.ecdsa.published" => a_known_ecdsa_signature_verifies, "ECDSA without hashing", [CKM_ECDSA], [];
    "sign.rsa.imported" => an_imported_rsa_key_makes_the_signature_that_openssl_makes,
        "RSA private key objects",
        [CKM_SHA256_RSA_PKCS], [Program("openssl")];
    "sign.rsa.empty" => signing_of_nothing_is_signing_of_the_empty_message, "C_SignFinal",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_SHA256_RSA_PKCS], [];
    // The specification speaks of one or more parts.
    "sign.rsa.no-parts" => signing_of_no_parts_is_signing_of_the_empty_message, "C_SignInit",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_SHA256_RSA_PKCS], [Own];
}

pub(super) const DATA: &[u8] = &[0x5a; 150];

/// Its SHA-256.
const DIGEST: &str = "e05fb3d2908ace7276233c43a78b11a92066af7d1da2552b96fbe98fa7fd492a";

/// Mechanism that hashes, hash mechanism, mask generation, OpenSSL's name, bytes.
const HASHES: [(
    CK_MECHANISM_TYPE,
    CK_MECHANISM_TYPE,
    CK_MECHANISM_TYPE,
    CK_ULONG,
    &str,
    CK_ULONG,
); 4] = [
    (
        CKM_SHA1_RSA_PKCS,
        CKM_SHA1_RSA_PKCS_PSS,
        CKM_SHA_1,
        CKG_MGF1_SHA1,
        "sha1",
        20,
    ),
    (
        CKM_SHA256_RSA_PKCS,
        CKM_SHA256_RSA_PKCS_PSS,
        CKM_SHA256,
        CKG_MGF1_SHA256,
        "sha256",
        32,
    ),
    (
        CKM_SHA384_RSA_PKCS,
        CKM_SHA384_RSA_PKCS_PSS,
        CKM_SHA384,
        CKG_MGF1_SHA384,
        "sha384",
        48,
    ),
    (
        CKM_SHA512_RSA_PKCS,
        CKM_SHA512_RSA_PKCS_PSS,
        CKM_SHA512,
        CKG_MGF1_SHA512,
        "sha512",
        64,
    ),
];

/// Each way to verify says yes to the signature and no to a changed one.
pub fn hold(
    token: &Token,
    session: CK_SESSION_HANDLE,
    key: CK_ULONG,
    mech: &Mech,
    data: &[u8],
    signature: &[u8],
) {
    let check = |data: &[u8], signature: &[u8]| token.check(session, mech.clone(), key, data, signature);
    assert_eq!(check(data, signature), Rv::OK, "{mech:?}");
    let mut changed = signature.to_vec();
    *changed.last_mut().unwrap() ^= 1;
    assert_eq!(check(data, &changed), CKR_SIGNATURE_INVALID, "{mech:?}");
    let short = check(data, &signature[..signature.len() - 1]);
    short.refused_with(
        &[CKR_SIGNATURE_LEN_RANGE, CKR_SIGNATURE_INVALID],
        format!("{mech:?}"),
    );
    let mut other = data.to_vec();
    other[0] ^= 1;
    assert_eq!(check(&other, signature), CKR_SIGNATURE_INVALID, "{mech:?}");
    assert_eq!(
        check(data, signature),
        Rv::OK,
        "a failed verification leaves nothing behind"
    );
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

fn ecdsa_signs_as_openssl_verifies<const CURVE: usize>() {
    let place = Place::of_this_process();
    let (token, session) = Token::with_user();
    let (curve, size, _) = CURVES[CURVE];
    let (public, private) = token.ec_for_signing(session, curve, &[]);
    export_ec(&place, &token, session, public);
    for (_, _, _, _, name, _) in HASHES {
        let digest = openssl::digest(&place, name, DATA);
        let signature = token.sign(session, CKM_ECDSA, private, &digest).unwrap();
        assert_eq!(signature.len(), size * 2, "two halves of the field's size");
        hold(&token, session, public, &CKM_ECDSA.into(), &digest, &signature);
        openssl::verifies(&place, name, &[], DATA, &ecdsa_der(&signature)).unwrap();
    }
}

fn ecdsa_halves_keep_their_size_over_many_signatures<const CURVE: usize>() {
    let (token, session) = Token::with_user();
    let (curve, size, name) = CURVES[CURVE];
    let (public, private) = token.ec_for_signing(session, curve, &[]);
    // One in 256 has a leading zero byte in r, one in 256 in s; on P-521 one in two.
    for round in 0..600u32 {
        let digest = round.to_be_bytes().repeat(8);
        assert_eq!(token.sign_init(session, CKM_ECDSA, private), Rv::OK);
        let signature = two_calls(|out| token.sign_into(session, &digest, out)).unwrap();
        assert_eq!(signature.len(), size * 2, "{name}");
        assert_eq!(
            token.check(session, CKM_ECDSA, public, &digest, &signature),
            Rv::OK,
            "{name}"
        );
    }
}

fn ecdsa_takes_digests_of_any_length<const CURVE: usize>() {
    let (token, session) = Token::with_user();
    let (curve, size, name) = CURVES[CURVE];
    let (public, private) = token.ec_for_signing(session, curve, &[]);
    for length in [1, 20, 28, size - 1, size, 64] {
        let digest = vec![0xa5; length];
        let signature = token.sign(session, CKM_ECDSA, private, &digest);
        let signature = signature.unwrap_or_else(|rv| panic!("{name}, {length} bytes: {rv:?}"));
        assert_eq!(
            token.check(session, CKM_ECDSA, public, &digest, &signature),
            Rv::OK,
            "{name}"
        );
    }
}

fn ecdsa_refuses_signatures_of_zeros() {
    let (token, session) = Token::with_user();
    let (public, _) = token.ec_for_signing(session, CURVES[0].0, &[]);
    assert_eq!(
        token.check(session, CKM_ECDSA, public, &[1; 32], &[0; 64]),
        CKR_SIGNATURE_INVALID
    );
    assert_eq!(
        token.check(session, CKM_ECDSA, public, &[1; 32], &[0xff; 64]),
        CKR_SIGNATURE_INVALID
    );
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

fn an_ecdsa_signature_of_another_length_is_told_apart() {
    let (token, session) = Token::with_user();
    let (public, private) = token.ec_for_signing(session, CURVES[0].0, &[]);
    let digest = hex(DIGEST);
    let signature = token.sign(session, CKM_ECDSA, private, &digest).unwrap();
    for other in [&signature[1..], &[&signature[..], &[0]].concat(), &[]] {
        assert_eq!(
            token.check(session, CKM_ECDSA, public, &digest, other),
            CKR_SIGNATURE_LEN_RANGE
        );
    }
}

/// The public key of RFC 6979, A.2.5, on P-256.
fn known_ecdsa_key(token: &Token, session: CK_SESSION_HANDLE) -> CK_ULONG {
    let x = "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6";
    let y = "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299";
    let point = keyenclave_conformance::openssl::der(4, &[vec![4], hex(x), hex(y)].concat());
    let attrs = [
        number(CKA_CLASS, CKO_PUBLIC_KEY),
        number(CKA_KEY_TYPE, CKK_EC),
        flag(CKA_VERIFY, true),
        bytes(CKA_EC_PARAMS, CURVES[0].0),
        bytes(CKA_EC_POINT, point),
    ];
    token.create_object(session, &attrs).unwrap()
}

/// RFC 6979, A.2.5: message "sample", SHA-256.
fn a_known_ecdsa_signature_verifies() {
    let (token, session) = Token::with_user();
    let key = known_ecdsa_key(&token, session);
    let digest = hex("af2bdbe1aa9b6ec1e2ade1d694f41fc71a831d0268e9891562113d8a62add1bf");
    let signature = hex("efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716\
         f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8");
    hold(&token, session, key, &CKM_ECDSA.into(), &digest, &signature);
}

/// RFC 6979, A.2.5: the messages with SHA-1.
fn known_ecdsa_signatures_of_sha_1_verify() {
    let (token, session) = Token::with_user();
    let key = known_ecdsa_key(&token, session);
    for (message, signature) in [
        (
            &b"sample"[..],
            "61340c88c3aaebeb4f6d667f672ca9759a6ccaa9fa8811313039ee4a35471d32\
             6d7f147dac089441bb2e2fe8f7a3fa264b9c475098fdcf6e00d7c996e1b8b7eb",
        ),
        (
            b"test",
            "0cbcc86fd6abd1d99e703e1ec50069ee5c0b4ba4b9ac60e409e8ec5910d81a89\
             01b9d7b73dfaa60d5651ec4591a0136f87653e0fd780c3b1bc872ffdeae479b1",
        ),
    ] {
        hold(
            &token,
            session,
            key,
            &CKM_ECDSA_SHA1.into(),
            message,
            &hex(signature),
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
    extra: &[keyenclave_conformance::module::Attr],
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
