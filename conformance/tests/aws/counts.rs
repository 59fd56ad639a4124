// SPDX-License-Identifier: MIT
//! What is asked of the service, counted there: one signature is one request, and what can be known here is not asked.

use crate::slot::{Aws, SIGNS, case, slots};
use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::module::{Out, bytes, number};
use keyenclave_conformance::token::{RW, THREADS};
use std::collections::BTreeMap;
use std::sync::Barrier;

/// One page of each listing.
const ONE_LISTING: (u64, u64) = (1, 1);

fn listings(aws: &Aws) -> (u64, u64) {
    let counts = aws.proxy.counts();
    (counts.of("ListKeys"), counts.of("ListAliases"))
}

#[test]
fn starting_and_looking_around_asks_for_nothing() {
    case(|ministack| {
        let aws = Aws::new(ministack);
        for slot in slots(&aws) {
            assert!(aws.slot_info(slot).is_ok() && aws.token_info(slot).is_ok());
            let (rv, count, _) = aws.mechanism_list(slot, None);
            assert_eq!(rv, Rv::OK);
            let (_, _, kinds) = aws.mechanism_list(slot, usize::try_from(count).ok());
            for kind in kinds {
                assert!(aws.mechanism_info(slot, kind).is_ok());
            }
        }
        let s = aws.session(RW);
        assert!(aws.session_info(s).is_ok());
        assert!(aws.digest(s, CKM_SHA256, b"data").is_ok());
        assert_eq!(aws.random(s, &mut [0; 32]), Rv::OK);
        assert_eq!(aws.close_session(s), Rv::OK);
        assert_eq!((aws.finalize(false), aws.initialize(THREADS)), (Rv::OK, Rv::OK));
        let counts = aws.proxy.counts();
        assert_eq!((counts.total(), counts.opened), (0, 0));
    });
}

#[test]
fn one_signature_is_exactly_one_request() {
    case(|ministack| {
        let aws = Aws::new(ministack);
        aws.elsewhere("web");
        aws.api.create_named_key("rsa", "RSA_2048", SIGNS);
        let s = aws.session(RW);
        let (private, _) = aws.pair(s, "web");
        let (rsa, _) = aws.pair(s, "rsa");
        for (mechanism, key, in_parts) in [
            (CKM_ECDSA_SHA256, private, false),
            (CKM_ECDSA_SHA256, private, true),
            (CKM_SHA256_RSA_PKCS, rsa, false),
            (CKM_SHA256_RSA_PKCS, rsa, true),
        ] {
            aws.proxy.forget();
            // Both ask for the length first, and offer too little room.
            let signature = match in_parts {
                false => aws.sign(s, mechanism, key, &[5; 5000]),
                true => aws.sign_parts(s, mechanism, key, &[5; 5000], 700),
            };
            assert!(signature.is_ok());
            let only_sign = BTreeMap::from([("Sign".to_owned(), 1)]);
            assert_eq!(aws.proxy.counts().requests, only_sign);
        }
    });
}

#[test]
fn hashing_verifying_public_encryption_and_sizes_stay_here() {
    case(|ministack| {
        let aws = Aws::new(ministack);
        aws.elsewhere("web");
        aws.api.create_named_key("box", "RSA_2048", "ENCRYPT_DECRYPT");
        let s = aws.session(RW);
        let (private, public) = aws.pair(s, "web");
        let (_, lid) = aws.pair(s, "box");
        let signature = aws.sign(s, CKM_ECDSA_SHA256, private, b"data").unwrap();
        aws.proxy.forget();
        assert_eq!(
            aws.check(s, CKM_ECDSA_SHA256, public, b"data", &signature),
            Rv::OK
        );
        assert_eq!(
            aws.check(s, CKM_ECDSA_SHA256, public, b"else", &signature),
            CKR_SIGNATURE_INVALID
        );
        let oaep = keyenclave_conformance::module::Mech::oaep(CKM_SHA256, CKG_MGF1_SHA256, b"");
        assert!(aws.encrypt(s, oaep, lid, b"data").is_ok());
        assert!(aws.digest(s, CKM_SHA512, b"data").is_ok());
        assert_eq!(aws.random(s, &mut [0; 64]), Rv::OK);
        assert_eq!(aws.sign_init(s, CKM_ECDSA_SHA256, private), Rv::OK);
        assert_eq!(aws.sign_into(s, b"data", Out::Size).len, 64);
        assert_eq!(aws.sign_cancel(s), Rv::OK);
        for kind in [CKA_LABEL, CKA_ID, CKA_PUBLIC_KEY_INFO, CKA_UNIQUE_ID] {
            assert!(aws.read(s, public, kind).is_ok());
        }
        assert!(aws.token_info(aws.slot).is_ok());
        assert_eq!(aws.proxy.counts().total(), 0);
    });
}

#[test]
fn two_searches_list_once_and_describe_each_key_once() {
    case(|ministack| {
        let aws = Aws::new(ministack);
        for label in ["one", "two", "three"] {
            aws.elsewhere(label);
        }
        let s = aws.session(RW);
        for _ in 0..2 {
            assert_eq!(
                aws.find(s, &[number(CKA_CLASS, CKO_PRIVATE_KEY)]).unwrap().len(),
                3
            );
            assert_eq!(aws.found(s, CKO_PUBLIC_KEY, "two").unwrap().len(), 1);
        }
        assert_eq!(listings(&aws), ONE_LISTING);
        let counts = aws.proxy.counts();
        assert_eq!((counts.of("DescribeKey"), counts.of("GetPublicKey")), (3, 3));
    });
}

#[test]
fn a_search_by_label_describes_only_that_key() {
    case(|ministack| {
        let aws = Aws::new(ministack);
        for number in 0..8 {
            aws.elsewhere(&format!("key-{number}"));
        }
        let s = aws.session(RW);
        aws.object(s, CKO_PRIVATE_KEY, "key-5");
        assert_eq!(aws.proxy.counts().of("DescribeKey"), 1);
    });
}

#[test]
fn sixteen_threads_share_one_listing() {
    case(|ministack| {
        let aws = Aws::new(ministack);
        aws.elsewhere("web");
        aws.proxy.latency(std::time::Duration::from_millis(50));
        let (start, threads) = (Barrier::new(16), 16);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    let s = aws.session(RW);
                    start.wait();
                    aws.object(s, CKO_PRIVATE_KEY, "web");
                });
            }
        });
        assert_eq!(listings(&aws), ONE_LISTING);
        assert_eq!(aws.proxy.counts().of("DescribeKey"), 1);
    });
}

#[test]
fn every_page_of_a_long_listing_is_read() {
    case(|ministack| {
        let aws = Aws::new(ministack);
        for number in 0..11 {
            aws.elsewhere(&format!("key-{number}"));
        }
        aws.proxy.pages_of(3);
        let s = aws.session(RW);
        let found = aws.find(s, &[number(CKA_CLASS, CKO_PRIVATE_KEY)]).unwrap();
        assert_eq!(found.len(), 11);
        let mut labels: Vec<_> = found
            .iter()
            .map(|key| aws.read(s, *key, CKA_LABEL).unwrap())
            .collect();
        labels.sort();
        labels.dedup();
        assert_eq!(labels.len(), 11);
        assert_eq!(listings(&aws), (4, 4));
    });
}

#[test]
fn making_renaming_and_destroying_list_nothing_anew() {
    case(|ministack| {
        let aws = Aws::new(ministack);
        aws.elsewhere("old");
        let s = aws.session(RW);
        let old = aws.object(s, CKO_PRIVATE_KEY, "old");
        let before = aws.proxy.counts().of("ListKeys");
        aws.generate(s, "new").unwrap();
        let new = aws.object(s, CKO_PRIVATE_KEY, "new");
        assert_eq!(aws.set_attributes(s, new, &[bytes(CKA_LABEL, "newer")]), Rv::OK);
        aws.object(s, CKO_PRIVATE_KEY, "newer");
        assert!(aws.found(s, CKO_PRIVATE_KEY, "new").unwrap().is_empty());
        assert_eq!(aws.destroy_object(s, old), Rv::OK);
        assert!(aws.found(s, CKO_PRIVATE_KEY, "old").unwrap().is_empty());
        assert_eq!(aws.find(s, &[]).unwrap().len(), 2);
        // Which aliases a key has is asked of that key alone.
        assert_eq!(aws.proxy.counts().of("ListKeys"), before);
        assert_eq!(aws.proxy.counts().of("CreateKey"), 1);
    });
}

#[test]
fn an_expired_listing_shows_what_others_did() {
    case(|ministack| {
        let aws = Aws::with(ministack, |slot| slot.with("listing_expiry", 1));
        let s = aws.session(RW);
        assert!(aws.find(s, &[]).unwrap().is_empty());
        aws.elsewhere("late");
        let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while aws.found(s, CKO_PRIVATE_KEY, "late").unwrap().is_empty() {
            assert!(std::time::Instant::now() < until, "the listing never expires");
            std::thread::yield_now();
        }
    });
}

#[test]
fn connections_are_used_again() {
    case(|ministack| {
        let aws = Aws::new(ministack);
        aws.elsewhere("web");
        let s = aws.session(RW);
        let (private, _) = aws.pair(s, "web");
        for _ in 0..50 {
            assert!(aws.sign(s, CKM_ECDSA_SHA256, private, b"data").is_ok());
        }
        // Listing keys and aliases may go side by side, and so may describing.
        let opened = aws.proxy.counts().opened;
        assert!((1..=4).contains(&opened), "{opened} connections for one thread");
    });
}
