// SPDX-License-Identifier: MIT
//! Keys made through PKCS#11: what the service has afterwards, what another process sees, and how they end.

use crate::slot::{Aws, case, lasting, session};
use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::case::{as_part, finish, part};
use keyenclave_conformance::module::{bytes, flag, number};
use keyenclave_conformance::token::{CURVES, RW, Token};
use serde_json::json;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// What another process of this case plays.
fn elsewhere(name: &str) {
    finish(as_part(name), LIMIT).unwrap_or_else(|output| panic!("{output}"));
}

#[test]
fn standard_templates_make_keys_of_the_right_kind() {
    case(|ministack| {
        let aws = Aws::new(ministack);
        let s = aws.session(RW);
        for (bits, spec) in [(2048, "RSA_2048"), (3072, "RSA_3072")] {
            let (public, private) = aws.rsa(s, bits, &lasting(spec));
            let signature = aws.sign(s, CKM_SHA256_RSA_PKCS, private, b"data").unwrap();
            assert_eq!(
                aws.check(s, CKM_SHA256_RSA_PKCS, public, b"data", &signature),
                Rv::OK
            );
        }
        let specs = ["ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521"];
        for ((curve, width, _), spec) in CURVES.iter().zip(specs) {
            let (public, private) = aws.ec(s, curve, &lasting(spec));
            let signature = aws.sign(s, CKM_ECDSA, private, &[7; 32]).unwrap();
            assert_eq!(signature.len(), 2 * width);
            assert_eq!(aws.check(s, CKM_ECDSA, public, &[7; 32], &signature), Rv::OK);
        }
        let keys = ["RSA_2048", "RSA_3072"].into_iter().chain(specs);
        for spec in keys {
            let described = aws.api.describe(&format!("alias/{spec}"));
            assert_eq!(
                (&described["KeySpec"], &described["KeyUsage"]),
                (&json!(spec), &json!("SIGN_VERIFY"))
            );
        }
        assert_eq!(aws.api.keys().len(), 5);
    });
}

#[test]
fn a_secret_key_for_codes_is_made_at_the_service() {
    case(|ministack| {
        let aws = Aws::new(ministack);
        let s = aws.session(RW);
        let template = [
            &lasting("mac")[..],
            &[number(CKA_VALUE_LEN, 32), flag(CKA_SIGN, true)],
        ]
        .concat();
        let key = aws
            .generate_key(s, CKM_GENERIC_SECRET_KEY_GEN, &template)
            .unwrap();
        assert_eq!(aws.sign(s, CKM_SHA256_HMAC, key, b"data").unwrap().len(), 32);
        assert_eq!(aws.api.describe("alias/mac")["KeySpec"], json!("HMAC_256"));
    });
}

#[test]
fn what_the_application_sets_is_seen_by_another_process() {
    case(|ministack| {
        if part().is_some() {
            let token = Token::existing();
            let s = token.session(RW);
            assert!(token.find(s, &[bytes(CKA_LABEL, "first")]).unwrap().is_empty());
            let class = number(CKA_CLASS, CKO_PRIVATE_KEY);
            let found = token
                .find(s, &[class.clone(), bytes(CKA_LABEL, "second")])
                .unwrap();
            assert_eq!(found.len(), 1);
            assert_eq!(token.read(s, found[0], CKA_ID).unwrap(), [1, 2, 3]);
            assert_eq!(token.find(s, &[class, bytes(CKA_ID, [1, 2, 3])]).unwrap(), found);
            assert!(token.sign(s, CKM_ECDSA_SHA256, found[0], b"data").is_ok());
            return;
        }
        let aws = Aws::new(ministack);
        let s = aws.session(RW);
        let (_, private) = aws.generate(s, "first").unwrap();
        let changed = [bytes(CKA_LABEL, "second"), bytes(CKA_ID, [1, 2, 3])];
        assert_eq!(aws.set_attributes(s, private, &changed), Rv::OK);
        assert_eq!(aws.read(s, private, CKA_LABEL).unwrap(), b"second");
        assert_eq!(aws.read(s, private, CKA_ID).unwrap(), [1, 2, 3]);
        elsewhere("reader");
    });
}

#[test]
fn labels_that_no_alias_can_have_are_kept_all_the_same() {
    case(|ministack| {
        let label = "Käse und Brot: 50 %";
        if part().is_some() {
            let token = Token::existing();
            let s = token.session(RW);
            let found = token
                .find(s, &[number(CKA_CLASS, CKO_PRIVATE_KEY), bytes(CKA_LABEL, label)])
                .unwrap();
            assert_eq!(found.len(), 1);
            return;
        }
        let aws = Aws::new(ministack);
        let s = aws.session(RW);
        aws.generate(s, label).unwrap();
        aws.object(s, CKO_PRIVATE_KEY, label);
        elsewhere("reader");
    });
}

#[test]
fn two_keys_may_have_one_label() {
    case(|ministack| {
        let aws = Aws::new(ministack);
        let s = aws.session(RW);
        let (_, first) = aws.generate(s, "twin").unwrap();
        let (_, second) = aws.generate(s, "twin").unwrap();
        let (one, other) = (
            aws.read(s, first, CKA_ID).unwrap(),
            aws.read(s, second, CKA_ID).unwrap(),
        );
        assert_ne!(one, other);
        for key in [first, second] {
            assert!(aws.sign(s, CKM_ECDSA_SHA256, key, b"data").is_ok());
        }
        assert_eq!(aws.api.keys().len(), 2);
    });
}

#[test]
fn a_destroyed_key_is_scheduled_for_deletion_and_gone_here() {
    case(|ministack| {
        let aws = Aws::with(ministack, |slot| slot.with("deletion_days", 7));
        let s = aws.session(RW);
        let key = aws.elsewhere("old");
        let (private, public) = aws.pair(s, "old");
        assert_eq!(aws.destroy_object(s, private), Rv::OK);
        assert_eq!(aws.api.describe(&key.id)["KeyState"], json!("PendingDeletion"));
        assert!(aws.find(s, &[]).unwrap().is_empty());
        assert_eq!(aws.sign_init(s, CKM_ECDSA, private), CKR_KEY_HANDLE_INVALID);
        assert_eq!(aws.verify_init(s, CKM_ECDSA, public), CKR_KEY_HANDLE_INVALID);
        // The name is free again.
        assert!(aws.generate(s, "old").is_ok());
    });
}

#[test]
fn a_read_only_session_makes_and_destroys_nothing() {
    case(|ministack| {
        let aws = Aws::new(ministack);
        aws.elsewhere("kept");
        let reader = aws.session(CKF_SERIAL_SESSION);
        let key = aws.object(reader, CKO_PRIVATE_KEY, "kept");
        assert_eq!(aws.destroy_object(reader, key), CKR_SESSION_READ_ONLY);
        assert_eq!(aws.generate(reader, "new").unwrap_err(), CKR_SESSION_READ_ONLY);
        assert_eq!(
            aws.proxy.counts().of("ScheduleKeyDeletion") + aws.proxy.counts().of("CreateKey"),
            0
        );
    });
}

#[test]
fn session_keys_never_reach_the_service() {
    case(|ministack| {
        let aws = Aws::new(ministack);
        let s = session(&aws, aws.slot);
        let (public, private) = aws.ec(s, CURVES[0].0, &[flag(CKA_TOKEN, false)]);
        let signature = aws.sign(s, CKM_ECDSA, private, &[1; 32]).unwrap();
        assert_eq!(aws.check(s, CKM_ECDSA, public, &[1; 32], &signature), Rv::OK);
        assert_eq!(aws.proxy.counts().total(), 0);
    });
}
