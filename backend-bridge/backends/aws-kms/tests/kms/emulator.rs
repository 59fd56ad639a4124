// SPDX-License-Identifier: MIT
//! The contract, and what is AWS's own, against the emulator; the contract against the real service where the
//! environment says so.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyenclave_aws_kms::{AwsKms, AwsOptions};
use keyenclave_bridge::call::{
    DecryptData, DescribeKey, DestroyKey, EncryptData, GenerateKey, ListKeys, MacMessage, RandomBytes,
    Service, SignDigest, UpdateKey, Usage,
};
use keyenclave_bridge::contract::{self, Verdict};
use keyenclave_bridge::error::{ErrorKind, Sent};
use keyenclave_bridge::key::{Algorithm, KeyInfo, KeySpec, KeyState, ListedKey};
use keyenclave_bridge::layer::Stack;
use keyenclave_bridge::settings::Settings;
use keyenclave_conformance::case::skipped;
use keyenclave_conformance::cloud::{Account, Api, Fault, Lie, Ministack, On, Proxy};
use keyenclave_model::algorithm::{Curve, Hash};
use serde_json::json;
use zeroize::Zeroizing;

use crate::{asked, backend, options, run};

/// What the emulator does not do as AWS does.
const GAPS: &[(&str, &str)] = &[
    (
        "an_ed25519ph_signature_is_over_the_digest",
        "the emulator has no Ed25519ph",
    ),
    (
        "a_ciphertext_of_another_key_is_bad_input",
        "the emulator does not authenticate ciphertexts",
    ),
];

#[test]
fn the_emulator_keeps_the_contract() {
    Ministack::in_own_process(|ministack| {
        let proxy = Proxy::before(ministack);
        let kms = AwsKms::new(AwsOptions {
            page_size: 5,
            ..options(proxy.url())
        });
        let (mut results, mut gaps) = (run(contract::run(&kms)), GAPS.to_vec());
        for (name, result) in &mut results {
            let Some(place) = gaps.iter().position(|(gap, _)| gap == name) else {
                continue;
            };
            assert!(result.is_err(), "{name} passes now: it is no gap any more");
            *result = Ok(Verdict::Skipped(gaps.remove(place).1.to_owned()));
        }
        assert_eq!(gaps, [], "these are no cases");
        contract::summary(&results).unwrap();
    });
}

#[test]
fn the_real_service_keeps_the_contract() {
    const NAME: &str = "emulator::the_real_service_keeps_the_contract";
    if std::env::var("KEYENCLAVE_TEST_AWS").as_deref() != Ok("1") {
        return skipped(
            NAME,
            "KEYENCLAVE_TEST_AWS is not 1: it makes keys and costs money",
        );
    }
    let kms = AwsKms::new(AwsOptions {
        page_size: 5,
        deletion_days: 7,
        ..AwsOptions::default()
    });
    let results = run(contract::run(&kms));
    contract::summary(&results).unwrap();
}

/// A backend, the proxy before it, and the service's own API past both.
struct Place {
    kms: AwsKms,
    proxy: Proxy,
    api: Api,
}

fn on(ministack: &Ministack, body: impl AsyncFnOnce(&Place)) {
    let proxy = Proxy::before(ministack);
    let place = Place {
        kms: backend(proxy.url()),
        api: ministack.api(&Account::of_this_process()),
        proxy,
    };
    run(body(&place));
}

fn pair(label: Option<&str>) -> GenerateKey {
    GenerateKey {
        spec: KeySpec::Ec(Curve::P256),
        usage: Usage::Sign,
        label: label.map(str::to_owned),
        tags: BTreeMap::from([("team".to_owned(), "x".to_owned())]),
    }
}

fn relabelling(key: &KeyInfo, label: &str) -> UpdateKey {
    UpdateKey {
        key: key.listed.name.clone(),
        label: Some(label.to_owned()),
        tags: BTreeMap::new(),
    }
}

impl Place {
    /// The proxy waits until it is done, which must not hold up the runtime.
    fn heal(&self) {
        tokio::task::block_in_place(|| self.proxy.heal());
    }

    fn refuse(&self) {
        tokio::task::block_in_place(|| self.proxy.refuse());
    }

    async fn generate(&self, label: Option<&str>) -> KeyInfo {
        self.try_generate(label).await.unwrap()
    }

    async fn try_generate(&self, label: Option<&str>) -> keyenclave_bridge::error::Result<KeyInfo> {
        asked(&self.kms, pair(label)).await
    }

    async fn describe(&self, key: &KeyInfo) -> KeyInfo {
        let key = key.listed.name.clone();
        asked(&self.kms, DescribeKey { key }).await.unwrap()
    }

    async fn relabel(&self, key: &KeyInfo, label: &str) {
        asked(&self.kms, relabelling(key, label)).await.unwrap();
    }

    /// The label as whoever lists and describes sees it: the description's, else the listing's.
    async fn label(&self, key: &KeyInfo) -> Option<String> {
        let listed = listing(&self.kms).await.0;
        let listed = listed
            .into_iter()
            .find(|listed| listed.name == key.listed.name)
            .unwrap();
        self.describe(key).await.listed.label.or(listed.label)
    }

    fn aliases(&self) -> BTreeMap<String, String> {
        let answer = self.api.call("ListAliases", &json!({}));
        let aliases = answer["Aliases"].as_array().unwrap().iter();
        let ours = aliases.filter(|alias| !alias["AliasName"].as_str().unwrap().starts_with("alias/aws/"));
        ours.map(|alias| {
            let text = |name: &str| alias[name].as_str().unwrap_or_default().to_owned();
            (text("AliasName"), text("TargetKeyId"))
        })
        .collect()
    }
}

async fn listing(service: &dyn Service) -> (Vec<ListedKey>, usize) {
    let (mut keys, mut page, mut pages) = (Vec::new(), None, 0);
    loop {
        let answer = asked(service, ListKeys { page }).await.unwrap();
        keys.extend(answer.keys);
        pages += 1;
        page = answer.next;
        if page.is_none() {
            return (keys, pages);
        }
    }
}

#[test]
fn every_kind_of_key_is_made_and_does_what_it_says() {
    Ministack::in_own_process(|ministack| {
        on(ministack, async |place| {
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
fn a_legal_label_becomes_an_alias_and_another_one_a_tag() {
    Ministack::in_own_process(|ministack| {
        on(ministack, async |place| {
            let (legal, other) = (
                place.generate(Some("ca/root")).await,
                place.generate(Some("Größe 1")).await,
            );
            assert_eq!(place.label(&legal).await.as_deref(), Some("ca/root"));
            assert_eq!(place.label(&other).await.as_deref(), Some("Größe 1"));
            assert_eq!(place.aliases().keys().collect::<Vec<_>>(), ["alias/ca/root"]);
            // The alias has taken the tag's place.
            assert_eq!(place.describe(&legal).await.listed.label, None);
            assert_eq!(
                place.describe(&legal).await.tags,
                BTreeMap::from([("team".to_owned(), "x".to_owned())])
            );
        })
    });
}

#[test]
fn a_label_that_another_key_has_is_left_to_it() {
    Ministack::in_own_process(|ministack| {
        on(ministack, async |place| {
            let first = place.generate(Some("twice")).await;
            let second = place.generate(Some("twice")).await;
            for key in [&first, &second] {
                assert_eq!(place.label(key).await.as_deref(), Some("twice"));
            }
            let third = place.generate(None).await;
            place.relabel(&third, "twice").await;
            assert_eq!(place.label(&third).await.as_deref(), Some("twice"));
            let target = place.aliases()["alias/twice"].clone();
            assert_eq!(target, first.listed.name.short());
        })
    });
}

#[test]
fn a_failure_after_the_key_exists_loses_neither_key_nor_label_and_makes_no_second() {
    Ministack::in_own_process(|ministack| {
        on(ministack, async |place| {
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
                place.heal();
                place.proxy.fault(On::the(operation), fault);
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
        })
    });
}

#[test]
fn a_new_key_does_not_wait_for_an_alias_that_hangs() {
    Ministack::in_own_process(|ministack| {
        on(ministack, async |place| {
            let stack = Stack::new(Arc::new(backend(place.proxy.url())), Settings::default());
            for (number, (operation, fault)) in [
                ("CreateAlias", Fault::Hang),
                ("CreateAlias", Fault::Silent),
                ("UntagResource", Fault::Hang),
            ]
            .into_iter()
            .enumerate()
            {
                place.heal();
                place.proxy.fault(On::the(operation), fault);
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
        })
    });
}

#[test]
fn a_lost_answer_to_the_making_of_a_key_may_not_be_repeated() {
    Ministack::in_own_process(|ministack| {
        on(ministack, async |place| {
            for (fault, sent) in [
                (Fault::Lost, Sent::Maybe),
                (Fault::Truncated, Sent::Maybe),
                (Fault::Garbage, Sent::Maybe),
                (Fault::Status(503), Sent::Maybe),
                (Fault::Throttled, Sent::Refused),
                (Fault::TooMany(3), Sent::Refused),
            ] {
                place.heal();
                place.proxy.fault(On::the("CreateKey"), fault);
                let error = place.try_generate(Some("x")).await.unwrap_err();
                assert_eq!(error.sent(), sent, "{fault:?}: {error}");
                if let Fault::TooMany(seconds) = fault {
                    assert_eq!(
                        error.retry_after(),
                        Some(std::time::Duration::from_secs(seconds.into()))
                    );
                }
            }
            place.refuse();
            // Of a connection that was open, nobody knows at first that it is closed.
            let unconnected = backend(place.proxy.url());
            let error = asked(&unconnected, pair(Some("x"))).await.unwrap_err();
            assert_eq!(error.sent(), Sent::No, "{error}");
        })
    });
}

#[test]
fn another_label_takes_the_old_ones_place_and_leaves_other_aliases_alone() {
    Ministack::in_own_process(|ministack| {
        on(ministack, async |place| {
            let key = place.generate(Some("b-old")).await;
            let id = key.listed.name.short();
            place.api.call(
                "CreateAlias",
                &json!({ "AliasName": "alias/c-other", "TargetKeyId": id }),
            );
            for label in ["a-first", "z-last", "not legal", "a-again", "a-again"] {
                place.relabel(&key, label).await;
                assert_eq!(place.label(&key).await.as_deref(), Some(label));
                assert_eq!(
                    place.aliases().get("alias/c-other").map(String::as_str),
                    Some(id),
                    "{label}"
                );
            }
            let aliases = place.aliases();
            assert!(
                !aliases.contains_key("alias/b-old") && aliases.contains_key("alias/a-again"),
                "{aliases:?}"
            );
            assert_eq!(place.describe(&key).await.tags["team"], "x");
        })
    });
}

#[test]
fn a_label_is_not_changed_by_whoever_cannot_see_which_it_is() {
    Ministack::in_own_process(|ministack| {
        on(ministack, async |place| {
            let key = place.generate(Some("not legal")).await;
            let id = key.listed.name.short();
            place.api.call(
                "CreateAlias",
                &json!({ "AliasName": "alias/theirs", "TargetKeyId": id }),
            );
            let denied = Fault::Refused("AccessDeniedException");
            place.proxy.fault(On::the("ListResourceTags"), denied);
            let error = asked(&place.kms, relabelling(&key, "new")).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
            let aliases = place.aliases();
            assert_eq!(aliases.keys().collect::<Vec<_>>(), ["alias/theirs"]);
            place.heal();
            assert_eq!(place.label(&key).await.as_deref(), Some("not legal"));
        })
    });
}

#[test]
fn a_change_of_label_that_was_cut_short_is_finished_when_it_is_repeated() {
    Ministack::in_own_process(|ministack| {
        on(ministack, async |place| {
            let stack = Stack::new(Arc::new(backend(place.proxy.url())), Settings::default());
            // One comes before the old alias, one is a tag, one is an alias and a tag, and one comes after the old alias.
            for (old, other, label) in [
                ("b-old", "c-other", "a-first"),
                ("d-old", "e-other", "not legal"),
                ("f-old", "g-other", "z-last"),
                ("h-old", "j-other", "i-next"),
            ] {
                let key = place.generate(Some(old)).await;
                let other = format!("alias/{other}");
                let id = key.listed.name.short();
                place
                    .api
                    .call("CreateAlias", &json!({ "AliasName": other, "TargetKeyId": id }));
                let once = On::the("DeleteAlias").first(1);
                place.proxy.fault(once, Fault::Status(500));
                place.proxy.forget();
                asked(&stack, relabelling(&key, label)).await.unwrap();
                place.heal();
                assert_eq!(place.proxy.counts().of("DeleteAlias"), 2, "{label}");
                let aliases = place.aliases();
                assert!(!aliases.contains_key(&format!("alias/{old}")), "{aliases:?}");
                assert_eq!(aliases.get(&other).map(String::as_str), Some(id), "{label}");
                assert_eq!(place.label(&key).await.as_deref(), Some(label));
            }
        })
    });
}

#[test]
fn a_listing_asks_once_a_page_whatever_the_number_of_keys() {
    Ministack::in_own_process(|ministack| {
        on(ministack, async |place| {
            for number in 0..7 {
                place
                    .generate((number % 2 == 0).then(|| format!("key-{number}")).as_deref())
                    .await;
            }
            place.proxy.pages_of(3);
            place.proxy.forget();
            let (keys, pages) = listing(&place.kms).await;
            let labels = keys.iter().filter(|key| key.label.is_some()).count();
            let names: std::collections::BTreeSet<_> = keys.iter().map(|key| key.name.clone()).collect();
            assert_eq!((keys.len(), names.len(), labels), (7, 7, 4));
            let counts = place.proxy.counts();
            assert_eq!(counts.of("ListKeys"), 3);
            assert_eq!(counts.total(), pages as u64);
        })
    });
}

#[test]
fn one_signature_is_one_request_over_a_connection_that_stays() {
    Ministack::in_own_process(|ministack| {
        on(ministack, async |place| {
            let key = place.generate(None).await;
            place.proxy.forget();
            for number in 0..20_u8 {
                let call = SignDigest {
                    key: key.listed.name.clone(),
                    algorithm: Algorithm::Ecdsa,
                    digest: vec![number; 32],
                };
                assert_eq!(asked(&place.kms, call).await.unwrap().len(), 64);
            }
            let counts = place.proxy.counts();
            assert_eq!((counts.of("Sign"), counts.total()), (20, 20));
            assert!(counts.opened <= 1, "{counts:?}");
        })
    });
}

#[test]
fn connections_that_the_service_closes_are_opened_again() {
    Ministack::in_own_process(|ministack| {
        on(ministack, async |place| {
            let key = place.generate(None).await;
            place.proxy.fault(On::all(), Fault::Closing);
            place.proxy.forget();
            // A connection may be closed in the very moment of a request; that one is for the layers to repeat.
            let stack = Stack::new(Arc::new(backend(place.proxy.url())), Settings::default());
            for number in 0..10_u8 {
                let call = SignDigest {
                    key: key.listed.name.clone(),
                    algorithm: Algorithm::Ecdsa,
                    digest: vec![number; 32],
                };
                assert_eq!(asked(&stack, call).await.unwrap().len(), 64);
            }
            assert_eq!(place.proxy.counts().of("Sign"), 10);
        })
    });
}

#[test]
fn a_new_key_that_is_not_known_everywhere_yet_is_asked_for_again() {
    Ministack::in_own_process(|ministack| {
        on(ministack, async |place| {
            let stack = Stack::new(Arc::new(backend(place.proxy.url())), Settings::default());
            let key = asked(&stack, pair(None)).await.unwrap().listed.name;
            let at_first = On::the("Sign").first(5);
            place.proxy.fault(at_first, Fault::Refused("NotFoundException"));
            let call = SignDigest {
                key,
                algorithm: Algorithm::Ecdsa,
                digest: vec![1; 32],
            };
            assert_eq!(asked(&stack, call).await.unwrap().len(), 64);
            assert_eq!(place.proxy.counts().of("Sign"), 6);
        })
    });
}

#[test]
fn lies_are_noticed() {
    Ministack::in_own_process(|ministack| {
        on(ministack, async |place| {
            let key = place.generate(None).await;
            for lie in [Lie::OtherKey, Lie::CutSignature] {
                place.heal();
                place.proxy.fault(On::the("Sign"), Fault::Lying(lie));
                let call = SignDigest {
                    key: key.listed.name.clone(),
                    algorithm: Algorithm::Ecdsa,
                    digest: vec![1; 32],
                };
                assert_eq!(
                    asked(&place.kms, call).await.unwrap_err().kind(),
                    ErrorKind::Integrity,
                    "{lie:?}"
                );
            }
        })
    });
}

#[test]
fn a_digest_of_another_length_never_leaves() {
    Ministack::in_own_process(|ministack| {
        on(ministack, async |place| {
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
        })
    });
}

#[test]
fn a_key_that_is_about_to_be_deleted_says_so_and_can_be_deleted_again() {
    Ministack::in_own_process(|ministack| {
        on(ministack, async |place| {
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
        })
    });
}

#[test]
fn tags_that_may_not_be_read_hide_no_key() {
    Ministack::in_own_process(|ministack| {
        on(ministack, async |place| {
            let key = place.generate(Some("not legal")).await;
            place.proxy.fault(
                On::the("ListResourceTags"),
                Fault::Refused("AccessDeniedException"),
            );
            let described = place.describe(&key).await;
            assert!(described.tags.is_empty() && described.spec.is_some());
            place.heal();
            place.proxy.fault(On::the("ListResourceTags"), Fault::Throttled);
            let call = DescribeKey {
                key: key.listed.name.clone(),
            };
            assert_eq!(
                asked(&place.kms, call).await.unwrap_err().kind(),
                ErrorKind::Throttled
            );
        })
    });
}

#[test]
fn more_random_bytes_than_a_request_gives_come_in_several() {
    Ministack::in_own_process(|ministack| {
        on(ministack, async |place| {
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
        })
    });
}
