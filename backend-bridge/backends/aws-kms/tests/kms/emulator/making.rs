// SPDX-License-Identifier: MIT
//! From the making of a key to its end, whatever fails on the way.

use std::collections::BTreeMap;
use std::time::Duration;

use keyenclave_bridge::call::{
    DecryptData, DestroyKey, EncryptData, GenerateKey, MacMessage, Service, SignDigest, Usage,
};
use keyenclave_bridge::error::{ErrorKind, Sent};
use keyenclave_bridge::key::{Algorithm, KeyInfo, KeySpec, KeyState};
use keyenclave_conformance::cloud::{Fault, On};
use zeroize::Zeroizing;

use super::{Place, emulated, pair, sign};
use crate::{asked, backend};

#[test]
fn every_kind_of_key_is_made_and_does_what_it_says() {
    emulated!(async |place| {
        for spec in Service::capability(&place.kms).generates {
            let usage = match spec {
                KeySpec::Symmetric => Usage::Decrypt,
                _ => Usage::Sign,
            };
            let call = GenerateKey {
                spec: *spec,
                usage,
                label: None,
                tags: BTreeMap::new(),
            };
            let made = asked(&place.kms, call).await.unwrap();
            assert_eq!((made.spec, made.state), (Some(*spec), KeyState::Enabled));
            assert!(!made.algorithms.is_empty(), "{spec:?}");
            for algorithm in &made.algorithms {
                exercise(place, &made, *algorithm).await;
            }
        }
    });
}

async fn exercise(place: &Place, made: &KeyInfo, algorithm: Algorithm) {
    let key = || made.listed.name.clone();
    let digest = |len| SignDigest {
        key: key(),
        algorithm,
        digest: vec![7; len],
    };
    match algorithm {
        Algorithm::RsaPkcs1(hash) | Algorithm::RsaPss(hash) => {
            drop(asked(&place.kms, digest(hash.output_len())).await.unwrap());
        }
        Algorithm::Ecdsa => {
            let Some(KeySpec::Ec(curve)) = made.spec else {
                panic!("ECDSA without a curve")
            };
            let len = keyenclave_bridge::digest::curve_hash(curve).output_len();
            let signature = asked(&place.kms, digest(len)).await.unwrap();
            assert_eq!(signature.len(), 2 * curve.field_len());
        }
        Algorithm::Ed25519 => drop(asked(&place.kms, digest(5)).await.unwrap()),
        // The emulator has no such signatures; that it says so shows that it was asked for one.
        Algorithm::Ed25519ph => {
            let error = asked(&place.kms, digest(64)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        }
        Algorithm::Hmac(hash) => {
            let message = Zeroizing::new(vec![1; 100]);
            let code = asked(
                &place.kms,
                MacMessage {
                    key: key(),
                    algorithm,
                    message,
                },
            )
            .await
            .unwrap();
            assert_eq!(code.len(), hash.output_len());
        }
        Algorithm::Symmetric => {
            let plaintext = Zeroizing::new(b"secret".to_vec());
            let ciphertext = asked(
                &place.kms,
                EncryptData {
                    key: key(),
                    plaintext,
                },
            )
            .await
            .unwrap();
            let back = asked(
                &place.kms,
                DecryptData {
                    key: key(),
                    algorithm,
                    ciphertext,
                },
            )
            .await
            .unwrap();
            assert_eq!(back.as_slice(), b"secret");
        }
        other => panic!("{other:?} is not AWS's"),
    }
}

#[test]
fn a_failure_after_the_key_exists_loses_neither_key_nor_label_and_makes_no_second() {
    emulated!(async |place| {
        for (number, (operation, fault)) in [
            ("CreateAlias", Fault::Refused("AccessDeniedException")),
            ("CreateAlias", Fault::Refused("LimitExceededException")),
            ("CreateAlias", Fault::Throttled),
            ("CreateAlias", Fault::Status(500)),
            ("CreateAlias", Fault::Lost),
            ("CreateAlias", Fault::Garbage),
            ("UntagResource", Fault::Refused("AccessDeniedException")),
            ("UntagResource", Fault::Lost),
        ]
        .into_iter()
        .enumerate()
        {
            place.only(operation, fault);
            let label = format!("label-{number}");
            let before = place.api.keys().len();
            let key = place.generate(Some(&label)).await;
            assert_eq!(
                key.listed.label.as_deref(),
                Some(label.as_str()),
                "{operation} {fault:?}"
            );
            assert_eq!(place.api.keys().len(), before + 1, "{operation} {fault:?}");
            place.heal();
            assert_eq!(
                place.label(&key).await.as_deref(),
                Some(label.as_str()),
                "{operation} {fault:?}"
            );
        }
    });
}

#[test]
fn a_new_key_does_not_wait_for_an_alias_that_hangs() {
    emulated!(async |place| {
        let stack = place.stack();
        for (number, (operation, fault)) in [
            ("CreateAlias", Fault::Hang),
            ("CreateAlias", Fault::Silent),
            ("UntagResource", Fault::Hang),
        ]
        .into_iter()
        .enumerate()
        {
            place.only(operation, fault);
            place.proxy.forget();
            let label = format!("label-{number}");
            let key = asked(&stack, pair(Some(&label))).await.unwrap();
            assert_eq!(
                key.listed.label.as_deref(),
                Some(label.as_str()),
                "{operation} {fault:?}"
            );
            assert_eq!(place.proxy.counts().of("CreateKey"), 1, "{operation} {fault:?}");
            place.heal();
            assert_eq!(
                place.label(&key).await.as_deref(),
                Some(label.as_str()),
                "{operation} {fault:?}"
            );
        }
    });
}

#[test]
fn a_lost_answer_to_the_making_of_a_key_may_not_be_repeated() {
    emulated!(async |place| {
        for (fault, sent) in [
            (Fault::Lost, Sent::Maybe),
            (Fault::Truncated, Sent::Maybe),
            (Fault::Garbage, Sent::Maybe),
            (Fault::Status(503), Sent::Maybe),
            (Fault::Throttled, Sent::Refused),
            (Fault::TooMany(3), Sent::Refused),
        ] {
            place.only("CreateKey", fault);
            let error = place.try_generate(Some("x")).await.unwrap_err();
            assert_eq!(error.sent(), sent, "{fault:?}: {error}");
            if let Fault::TooMany(seconds) = fault {
                assert_eq!(error.retry_after(), Some(Duration::from_secs(seconds.into())));
            }
        }
        place.refuse();
        // Of a connection that was open, nobody knows at first that it is closed.
        let unconnected = backend(place.proxy.url());
        let error = asked(&unconnected, pair(Some("x"))).await.unwrap_err();
        assert_eq!(error.sent(), Sent::No, "{error}");
    });
}

#[test]
fn a_new_key_that_is_not_known_everywhere_yet_is_asked_for_again() {
    emulated!(async |place| {
        let stack = place.stack();
        let key = asked(&stack, pair(None)).await.unwrap();
        let at_first = On::the("Sign").first(5);
        place.proxy.fault(at_first, Fault::Refused("NotFoundException"));
        assert_eq!(sign(&stack, &key, 1).await.unwrap().len(), 64);
        assert_eq!(place.proxy.counts().of("Sign"), 6);
    });
}

#[test]
fn a_key_that_is_about_to_be_deleted_says_so_and_can_be_deleted_again() {
    emulated!(async |place| {
        let key = place.generate(None).await;
        for _ in 0..2 {
            let key = key.listed.name.clone();
            asked(&place.kms, DestroyKey { key }).await.unwrap();
        }
        assert_eq!(place.describe(&key).await.state, KeyState::Destroying);
        // A refusal for another reason stays one.
        let other = place.generate(None).await;
        place.proxy.fault(
            On::the("ScheduleKeyDeletion"),
            Fault::Refused("KMSInvalidStateException"),
        );
        let call = DestroyKey {
            key: other.listed.name.clone(),
        };
        assert_eq!(
            asked(&place.kms, call).await.unwrap_err().kind(),
            ErrorKind::Disabled
        );
    });
}
