// SPDX-License-Identifier: MIT
//! Keys that the service's own API has made: every kind is found and used, and OpenSSL agrees with each signature.

use crate::openssl::{ecdsa_der, openssl};
use crate::slot::{Aws, SIGNS, case};
use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::cloud::Key;
use keyenclave_conformance::module::Mech;
use keyenclave_conformance::token::{CURVES, RW};
use serde_json::json;

const MESSAGE: &[u8] = b"hello";
/// The same in base64.
const MESSAGE_TEXT: &str = "aGVsbG8=";

/// Whether OpenSSL verifies with the public key as the service's API tells it.
fn openssl_verifies(aws: &Aws, key: &Key, signature: &[u8], hash: &str, options: &[&str]) {
    write(aws, key, signature);
    let hash = format!("-{hash}");
    let start = ["dgst", &hash, "-verify", "public.pem", "-signature", "signature"];
    openssl(&aws.place, &[&start, options, &["message"]].concat());
}

fn write(aws: &Aws, key: &Key, signature: &[u8]) {
    aws.place.write("public.pem", &aws.api.public_key(key));
    std::fs::write(aws.place.file("signature"), signature).unwrap();
    std::fs::write(aws.place.file("message"), MESSAGE).unwrap();
}

/// PKCS #1 v1.5 and PSS with three hashes.
fn rsa_signatures(spec: &str, bits: CK_ULONG) {
    case(|ministack| {
        let aws = Aws::new(ministack);
        let key = aws.api.create_named_key("web", spec, SIGNS);
        let s = aws.session(RW);
        let (private, public) = aws.pair(s, "web");
        assert_eq!(aws.read_number(s, public, CKA_MODULUS_BITS), Ok(bits));
        let pkcs1 = [
            (CKM_SHA256_RSA_PKCS, "sha256"),
            (CKM_SHA384_RSA_PKCS, "sha384"),
            (CKM_SHA512_RSA_PKCS, "sha512"),
        ];
        for (mechanism, hash) in pkcs1 {
            let signature = aws.sign(s, mechanism, private, MESSAGE).unwrap();
            assert_eq!(aws.check(s, mechanism, public, MESSAGE, &signature), Rv::OK);
            openssl_verifies(&aws, &key, &signature, hash, &[]);
        }
        let pss = [
            (CKM_SHA256_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, 32, "sha256"),
            (CKM_SHA384_RSA_PKCS_PSS, CKM_SHA384, CKG_MGF1_SHA384, 48, "sha384"),
            (CKM_SHA512_RSA_PKCS_PSS, CKM_SHA512, CKG_MGF1_SHA512, 64, "sha512"),
        ];
        for (mechanism, hash, mgf, salt, name) in pss {
            let mech = Mech::pss(mechanism, hash, mgf, salt);
            let signature = aws.sign(s, mech.clone(), private, MESSAGE).unwrap();
            assert_eq!(aws.check(s, mech, public, MESSAGE, &signature), Rv::OK);
            let salt = format!("rsa_pss_saltlen:{salt}");
            let options = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", &salt];
            openssl_verifies(&aws, &key, &signature, name, &options);
        }
        // The block that TLS servers and OpenSSL's engine sign: the digest with its name around it.
        let named_digest = [
            &[
                0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01,
                0x05, 0x00, 0x04, 0x20,
            ],
            aws.digest(s, CKM_SHA256, MESSAGE).unwrap().as_slice(),
        ]
        .concat();
        let signature = aws.sign(s, CKM_RSA_PKCS, private, &named_digest).unwrap();
        openssl_verifies(&aws, &key, &signature, "sha256", &[]);
    });
}

#[test]
fn rsa_2048_keys_sign_pkcs1_and_pss() {
    rsa_signatures("RSA_2048", 2048);
}

#[test]
fn rsa_3072_keys_sign_pkcs1_and_pss() {
    rsa_signatures("RSA_3072", 3072);
}

#[test]
fn rsa_4096_keys_sign_pkcs1_and_pss() {
    rsa_signatures("RSA_4096", 4096);
}

#[test]
fn rsa_keys_decrypt_what_was_encrypted_here_and_by_openssl() {
    case(|ministack| {
        let aws = Aws::new(ministack);
        let key = aws.api.create_named_key("box", "RSA_2048", "ENCRYPT_DECRYPT");
        let s = aws.session(RW);
        let (private, public) = aws.pair(s, "box");
        write(&aws, &key, &[]);
        let hashes = [
            (CKM_SHA_1, CKG_MGF1_SHA1, "sha1"),
            (CKM_SHA256, CKG_MGF1_SHA256, "sha256"),
        ];
        for (hash, mgf, name) in hashes {
            let mech = Mech::oaep(hash, mgf, b"");
            let ours = aws.encrypt(s, mech.clone(), public, MESSAGE).unwrap();
            assert_eq!(
                aws.decrypt(s, mech.clone(), private, &ours).unwrap(),
                MESSAGE,
                "{name}"
            );
            let (digest, mask) = (format!("rsa_oaep_md:{name}"), format!("rsa_mgf1_md:{name}"));
            openssl(
                &aws.place,
                &[
                    "pkeyutl",
                    "-encrypt",
                    "-pubin",
                    "-inkey",
                    "public.pem",
                    "-in",
                    "message",
                    "-out",
                    "box",
                    "-pkeyopt",
                    "rsa_padding_mode:oaep",
                    "-pkeyopt",
                    &digest,
                    "-pkeyopt",
                    &mask,
                ],
            );
            let theirs = std::fs::read(aws.place.file("box")).unwrap();
            assert_eq!(aws.decrypt(s, mech, private, &theirs).unwrap(), MESSAGE, "{name}");
        }
    });
}

/// 200 signatures a curve: a leading zero in r or s comes once in 128 or less, and must not shorten them.
fn ecdsa_signatures(spec: &str, curve: usize, mechanism: CK_MECHANISM_TYPE, hash: &str) {
    case(|ministack| {
        let aws = Aws::new(ministack);
        let key = aws.api.create_named_key("web", spec, SIGNS);
        let s = aws.session(RW);
        let (private, public) = aws.pair(s, "web");
        assert_eq!(aws.read(s, public, CKA_EC_PARAMS).unwrap(), CURVES[curve].0);
        for number in 0..200u8 {
            let signature = aws.sign(s, mechanism, private, &[number]).unwrap();
            assert_eq!(signature.len(), 2 * CURVES[curve].1);
            assert_eq!(aws.check(s, mechanism, public, &[number], &signature), Rv::OK);
        }
        let signature = aws.sign(s, mechanism, private, MESSAGE).unwrap();
        openssl_verifies(&aws, &key, &ecdsa_der(&signature), hash, &[]);
        // A digest that somebody else has made.
        let digest = aws.digest(s, CKM_SHA256, MESSAGE).unwrap();
        let signature = aws.sign(s, CKM_ECDSA, private, &digest).unwrap();
        openssl_verifies(&aws, &key, &ecdsa_der(&signature), "sha256", &[]);
    });
}

#[test]
fn p256_keys_sign_with_the_right_width() {
    ecdsa_signatures("ECC_NIST_P256", 0, CKM_ECDSA_SHA256, "sha256");
}

#[test]
fn p384_keys_sign_with_the_right_width() {
    ecdsa_signatures("ECC_NIST_P384", 1, CKM_ECDSA_SHA384, "sha384");
}

#[test]
fn p521_keys_sign_with_the_right_width() {
    ecdsa_signatures("ECC_NIST_P521", 2, CKM_ECDSA_SHA512, "sha512");
}

#[test]
fn ed25519_keys_sign_whole_messages() {
    case(|ministack| {
        let aws = Aws::new(ministack);
        let key = aws.api.create_named_key("ed", "ECC_NIST_EDWARDS25519", SIGNS);
        let s = aws.session(RW);
        let (private, public) = aws.pair(s, "ed");
        let signature = aws.sign(s, CKM_EDDSA, private, MESSAGE).unwrap();
        assert_eq!(aws.check(s, CKM_EDDSA, public, MESSAGE, &signature), Rv::OK);
        write(&aws, &key, &signature);
        openssl(
            &aws.place,
            &[
                "pkeyutl",
                "-verify",
                "-pubin",
                "-inkey",
                "public.pem",
                "-rawin",
                "-in",
                "message",
                "-sigfile",
                "signature",
            ],
        );
    });
}

#[test]
fn hmac_keys_make_the_service_s_codes() {
    case(|ministack| {
        let aws = Aws::new(ministack);
        let s = aws.session(RW);
        let rows = [
            ("HMAC_224", "HMAC_SHA_224", CKM_SHA224_HMAC),
            ("HMAC_256", "HMAC_SHA_256", CKM_SHA256_HMAC),
            ("HMAC_384", "HMAC_SHA_384", CKM_SHA384_HMAC),
            ("HMAC_512", "HMAC_SHA_512", CKM_SHA512_HMAC),
        ];
        for (spec, ..) in rows {
            aws.api.create_named_key(spec, spec, "GENERATE_VERIFY_MAC");
        }
        for (spec, algorithm, mechanism) in rows {
            let key = aws.object(s, CKO_SECRET_KEY, spec);
            let code = aws.sign(s, mechanism, key, MESSAGE).unwrap();
            assert_eq!(aws.check(s, mechanism, key, MESSAGE, &code), Rv::OK);
            assert_eq!(
                aws.check(s, mechanism, key, b"another", &code),
                CKR_SIGNATURE_INVALID
            );
            let alias = format!("alias/{spec}");
            let asked = json!({"KeyId": alias, "Message": MESSAGE_TEXT, "MacAlgorithm": algorithm});
            let theirs = aws.api.call("GenerateMac", &asked);
            std::fs::write(aws.place.file("code"), code).unwrap();
            let ours = openssl(&aws.place, &["base64", "-A", "-in", "code"]);
            assert_eq!(theirs["Mac"].as_str(), Some(ours.trim()), "{spec}");
        }
    });
}

#[test]
fn symmetric_keys_are_listed_and_give_nothing_away() {
    case(|ministack| {
        let aws = Aws::new(ministack);
        aws.api
            .create_named_key("wrap", "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT");
        let s = aws.session(RW);
        let key = aws.object(s, CKO_SECRET_KEY, "wrap");
        assert_eq!(aws.read_flag(s, key, CKA_EXTRACTABLE), Ok(false));
        assert_eq!(
            aws.read(s, key, CKA_VALUE).map_err(|rv| rv.0),
            Err(CKR_ATTRIBUTE_SENSITIVE)
        );
    });
}

#[test]
fn keys_without_an_alias_are_called_by_their_id_and_disabled_ones_do_not_sign() {
    case(|ministack| {
        let aws = Aws::new(ministack);
        let key = aws.api.create_key("ECC_NIST_P256", SIGNS);
        let s = aws.session(RW);
        let private = aws.object(s, CKO_PRIVATE_KEY, &key.id);
        assert!(aws.sign(s, CKM_ECDSA_SHA256, private, MESSAGE).is_ok());
        aws.api.call("DisableKey", &json!({"KeyId": key.id}));
        let refused = aws.sign(s, CKM_ECDSA_SHA256, private, MESSAGE).unwrap_err();
        assert_eq!(refused, CKR_KEY_FUNCTION_NOT_PERMITTED);
        aws.api.call("EnableKey", &json!({"KeyId": key.id}));
        assert!(aws.sign(s, CKM_ECDSA_SHA256, private, MESSAGE).is_ok());
    });
}
