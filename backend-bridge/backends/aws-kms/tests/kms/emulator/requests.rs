// SPDX-License-Identifier: MIT
//! How many requests things take, over which connections, and which answers are believed.

use std::collections::BTreeSet;

use keyenclave_bridge::call::{RandomBytes, SignDigest};
use keyenclave_bridge::error::{ErrorKind, Sent};
use keyenclave_bridge::key::Algorithm;
use keyenclave_conformance::cloud::{Fault, Lie, On};
use keyenclave_model::algorithm::Hash;

use super::{emulated, listing, sign};
use crate::asked;

#[test]
fn a_listing_asks_once_a_page_whatever_the_number_of_keys() {
    emulated!(async |place| {
        for number in 0..7 {
            place
                .generate((number % 2 == 0).then(|| format!("key-{number}")).as_deref())
                .await;
        }
        place.proxy.pages_of(3);
        place.proxy.forget();
        let (keys, pages) = listing(&place.kms).await;
        let labels = keys.iter().filter(|key| key.label.is_some()).count();
        let names: BTreeSet<_> = keys.iter().map(|key| key.name.clone()).collect();
        assert_eq!((keys.len(), names.len(), labels), (7, 7, 4));
        let counts = place.proxy.counts();
        assert_eq!(counts.of("ListKeys"), 3);
        assert_eq!(counts.total(), pages as u64);
    });
}

#[test]
fn one_signature_is_one_request_over_a_connection_that_stays() {
    emulated!(async |place| {
        let key = place.generate(None).await;
        place.proxy.forget();
        for number in 0..20_u8 {
            assert_eq!(sign(&place.kms, &key, number).await.unwrap().len(), 64);
        }
        let counts = place.proxy.counts();
        assert_eq!((counts.of("Sign"), counts.total()), (20, 20));
        // A request that begins before the connection of the last one is put back opens another, which stays too.
        assert!(counts.opened <= 4, "{counts:?}");
    });
}

#[test]
fn connections_that_the_service_closes_are_opened_again() {
    emulated!(async |place| {
        let key = place.generate(None).await;
        place.proxy.fault(On::all(), Fault::Closing);
        place.proxy.forget();
        // A connection may be closed in the very moment of a request; that one is for the layers to repeat.
        let stack = place.stack();
        for number in 0..10_u8 {
            assert_eq!(sign(&stack, &key, number).await.unwrap().len(), 64);
        }
        assert_eq!(place.proxy.counts().of("Sign"), 10);
    });
}

#[test]
fn lies_are_noticed() {
    emulated!(async |place| {
        let key = place.generate(None).await;
        for lie in [Lie::OtherKey, Lie::CutSignature] {
            place.only("Sign", Fault::Lying(lie));
            assert_eq!(
                sign(&place.kms, &key, 1).await.unwrap_err().kind(),
                ErrorKind::Integrity,
                "{lie:?}"
            );
        }
    });
}

#[test]
fn a_digest_of_another_length_never_leaves() {
    emulated!(async |place| {
        let key = place.generate(None).await;
        place.proxy.forget();
        for algorithm in [
            Algorithm::Ecdsa,
            Algorithm::RsaPss(Hash::Sha256),
            Algorithm::Ed25519ph,
        ] {
            let call = SignDigest {
                key: key.listed.name.clone(),
                algorithm,
                digest: vec![1; 20],
            };
            let error = asked(&place.kms, call).await.unwrap_err();
            assert_eq!((error.kind(), error.sent()), (ErrorKind::BadInput, Sent::No));
        }
        assert_eq!(place.proxy.counts().total(), 0);
    });
}

#[test]
fn more_random_bytes_than_a_request_gives_come_in_several() {
    emulated!(async |place| {
        place.proxy.forget();
        let bytes = asked(&place.kms, RandomBytes { len: 2500 }).await.unwrap();
        assert_eq!(
            (bytes.len(), place.proxy.counts().of("GenerateRandom")),
            (2500, 3)
        );
        assert!(
            asked(&place.kms, RandomBytes { len: 0 })
                .await
                .unwrap()
                .is_empty()
        );
    });
}
