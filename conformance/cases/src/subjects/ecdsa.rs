// SPDX-License-Identifier: MIT
//! ECDSA signatures, verified by the module, by OpenSSL, and against changed data.

use crate::case::Need::{Curve, Program};
use crate::case::cases;
use crate::subjects::signatures::{DATA, DIGEST, HASHES, hold};
use cryptoki_sys::*;
use keyenclave_conformance::module::{bytes, flag, number};
use keyenclave_conformance::openssl::{self, ecdsa_der, export_ec};
use keyenclave_conformance::place::Place;
use keyenclave_conformance::published::hex;
use keyenclave_conformance::token::{CURVES, Token};
use keyenclave_conformance::{Rv, two_calls};

cases! {
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
    "verify.ecdsa.length" => an_ecdsa_signature_of_another_length_is_told_apart, "C_Verify",
        [CKM_EC_KEY_PAIR_GEN, CKM_ECDSA], [];
    "verify.ecdsa.sha1.published" => known_ecdsa_signatures_of_sha_1_verify, "ECDSA with hashing",
        [CKM_ECDSA_SHA1, CKM_SHA_1], [Curve(0)];
    "verify.ecdsa.published" => a_known_ecdsa_signature_verifies, "ECDSA without hashing", [CKM_ECDSA], [];
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
