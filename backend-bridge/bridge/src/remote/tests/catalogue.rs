// SPDX-License-Identifier: MIT
//! What is known of the keys: listings, descriptions, patches, failures.

use super::*;
use crate::call::{Backend, KeyPage, ListKeys, PageToken};
use crate::capability::Capability;
use crate::key::ListedKey;

/// A service that does nothing but list: so many pages of a thousand keys, or pages without an end.
struct Lister {
    capability: Capability,
    pages: Option<usize>,
}

impl Backend for Lister {
    fn capability(&self) -> &Capability {
        &self.capability
    }

    async fn list(&self, call: &ListKeys) -> crate::error::Result<KeyPage> {
        let page: usize = call.page.as_ref().map_or(0, |token| token.0.parse().unwrap());
        let key = |number: usize| ListedKey {
            name: KeyName::new(format!("list/{number:06}")),
            label: Some(format!("key-{number}")),
            version: None,
            is_current: true,
        };
        let keys = (page * 1000..(page + 1) * 1000).map(key).collect();
        let next = match self.pages {
            Some(pages) => (page + 1 < pages).then(|| page + 1),
            None => Some((page + 1) % 3),
        };
        Ok(KeyPage {
            keys,
            next: next.map(|next| PageToken(next.to_string())),
        })
    }
}

fn lister(pages: Option<usize>) -> (Arc<Faulty>, RemoteToken) {
    let capability = Capability {
        calls: &[CallKind::List],
        algorithms: &[],
        generates: &[],
        max_sign_message: 0,
        max_mac_message: 0,
        max_tag_value: 0,
    };
    let faulty = Faulty::new(Arc::new(Lister { capability, pages }));
    let bridge = Bridge::new(faulty.clone(), Settings::default(), Arc::new(Runtime::new()));
    let options = RemoteOptions {
        label: "list".to_owned(),
        place: "list".to_owned(),
        model: "list",
        pin: None,
        sidecar: None,
    };
    (
        faulty,
        RemoteToken::new(bridge, options, Arc::new(HandleSource::starting_at(1))),
    )
}

#[test]
fn a_hundred_thousand_keys_are_listed_once_and_not_described() {
    let (faulty, token) = lister(Some(100));
    for label in ["none", "key-100000", "none"] {
        let label = template(vec![(ck::CKA_LABEL, Value::bytes(label))]);
        assert!(
            matches!(finish(token.submit(&cx(None), Work::Find(&label))), Ok(Out::Objects(found)) if found.is_empty())
        );
    }
    assert_eq!(faulty.total(), 100);
}

#[test]
fn a_listing_without_an_end_is_refused() {
    let (faulty, token) = lister(None);
    assert_eq!(
        rv(finish(token.submit(&cx(None), Work::Find(&template(vec![]))))),
        Some(Rv::FunctionFailed)
    );
    // Three pages, and the first token for the second time.
    assert_eq!(faulty.total(), 4);
}

#[test]
fn every_key_of_every_page_is_found_and_the_listing_is_remembered() {
    let bench = bench_with(service_with_keys(7, 2), Settings::default(), None);
    let private = vec![(ck::CKA_CLASS, Value::Ulong(ck::CKO_PRIVATE_KEY))];
    let found = bench.find(private.clone());
    assert_eq!((found.len(), bench.faulty.count(CallKind::List)), (7, 4));
    let (count, again) = bench.requests(|| bench.find(private));
    assert_eq!((count, again), (0, found));
    assert_eq!(bench.find(vec![]).len(), 14);
}

#[test]
fn finding_a_label_describes_one_key_only() {
    let bench = bench_with(service_with_keys(7, 10), Settings::default(), None);
    assert_eq!(bench.find(vec![(ck::CKA_LABEL, Value::bytes("key-3"))]).len(), 2);
    assert_eq!(
        (
            bench.faulty.count(CallKind::List),
            bench.faulty.count(CallKind::Describe)
        ),
        (1, 1)
    );
    assert!(
        bench
            .find(vec![(ck::CKA_LABEL, Value::bytes("key-9"))])
            .is_empty()
    );
    assert_eq!(bench.faulty.count(CallKind::Describe), 1);
}

#[test]
fn threads_that_search_at_once_share_one_listing_and_one_description_a_key() {
    let bench = bench_with(service_with_keys(6, 2), Settings::default(), None);
    bench.faulty.otherwise(Fault::Delay(Duration::from_millis(5)));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(bench.find(vec![]).len(), 12));
        }
    });
    let count = |call| bench.faulty.count(call);
    assert_eq!(
        (
            count(CallKind::List),
            count(CallKind::Describe),
            count(CallKind::PublicKey)
        ),
        (3, 6, 6)
    );
}

#[test]
fn a_failed_listing_is_told_again_without_asking_and_heals() {
    let settings = Settings {
        negative_expiry: Duration::from_secs(3600),
        ..Settings::default()
    };
    let bench = bench_with(service_with_keys(1, 1), settings, None);
    bench.faulty.plan([Fault::Fail(failure(
        ErrorKind::Denied,
        CallKind::List,
        Sent::Refused,
    ))]);
    for _ in 0..3 {
        assert_eq!(
            rv(bench.run(Work::Find(&template(vec![])))),
            Some(Rv::FunctionRejected)
        );
    }
    assert_eq!(bench.faulty.total(), 1);
    let healing = bench_with(
        service_with_keys(1, 1),
        Settings {
            negative_expiry: Duration::ZERO,
            ..Settings::default()
        },
        None,
    );
    healing.faulty.plan([Fault::Fail(failure(
        ErrorKind::Denied,
        CallKind::List,
        Sent::Refused,
    ))]);
    assert!(healing.run(Work::Find(&template(vec![]))).is_err());
    assert_eq!(healing.find(vec![]).len(), 2);
}

#[test]
fn a_listing_goes_on_when_nobody_waits_for_it_any_more() {
    let bench = bench_with(service_with_keys(4, 1), Settings::default(), None);
    bench.faulty.otherwise(Fault::Delay(Duration::from_millis(60)));
    let impatient = CallCx {
        deadline: Some(Instant::now() + Duration::from_millis(50)),
        ..cx(None)
    };
    let label = template(vec![(ck::CKA_LABEL, Value::bytes("none"))]);
    assert_eq!(
        rv(finish(bench.token.submit(&impatient, Work::Find(&label)))),
        Some(Rv::DeviceError)
    );
    assert!(bench.find(vec![(ck::CKA_LABEL, Value::bytes("none"))]).is_empty());
    assert_eq!(bench.faulty.count(CallKind::List), 4);
}

#[test]
fn what_is_made_and_destroyed_is_known_without_another_listing() {
    let bench = bench();
    let (_, first) = bench.ec("one");
    assert_eq!(bench.find(vec![]).len(), 2);
    let lists = bench.faulty.count(CallKind::List);
    bench.ec("two");
    assert_eq!(bench.find(vec![]).len(), 4);
    bench.run(Work::Destroy(first)).unwrap();
    assert_eq!(bench.find(vec![]).len(), 2);
    assert_eq!(bench.faulty.count(CallKind::List), lists);
    assert_eq!(rv(bench.run(Work::View(first))), Some(Rv::ObjectHandleInvalid));
    assert_eq!(
        rv(bench.sign(&mechanism(ck::CKM_ECDSA_SHA256), first, b"message")),
        Some(Rv::KeyHandleInvalid)
    );
}

#[test]
fn a_destroyed_key_stays_away_when_the_service_still_lists_it() {
    let settings = Settings {
        listing_expiry: Duration::ZERO,
        ..Settings::default()
    };
    let bench = bench_with(service_with_keys(2, 1), settings, None);
    let found = bench.find(vec![(ck::CKA_CLASS, Value::Ulong(ck::CKO_PRIVATE_KEY))]);
    bench.run(Work::Destroy(found[0])).unwrap();
    assert_eq!(bench.memory.len(), 2);
    assert_eq!(
        bench.find(vec![(ck::CKA_CLASS, Value::Ulong(ck::CKO_PRIVATE_KEY))]),
        found[1..]
    );
}

#[test]
fn handles_outlive_a_new_listing_and_end_with_their_key() {
    let settings = Settings {
        listing_expiry: Duration::ZERO,
        ..Settings::default()
    };
    let memory = service_with_keys(2, 10);
    let bench = bench_with(memory.clone(), settings, None);
    let found = bench.find(vec![]);
    assert_eq!(bench.find(vec![]), found);
    let name = String::from_utf8(
        bench
            .view(found[0])
            .bytes(CKA_KEYENCLAVE_REMOTE_NAME)
            .unwrap()
            .to_vec(),
    )
    .unwrap();
    memory.erase(&KeyName::new(name));
    assert_eq!(bench.find(vec![]), found[2..]);
    assert_eq!(rv(bench.run(Work::View(found[0]))), Some(Rv::ObjectHandleInvalid));
}

#[test]
fn a_key_that_is_about_to_be_deleted_is_not_shown() {
    let memory = service_with_keys(2, 10);
    let first = bench_with(memory.clone(), Settings::default(), None);
    let object = first.view(first.find(vec![])[0]);
    let name = String::from_utf8(object.bytes(CKA_KEYENCLAVE_REMOTE_NAME).unwrap().to_vec()).unwrap();
    memory.set_state(&KeyName::new(name), KeyState::Destroying);
    assert_eq!(
        bench_with(memory, Settings::default(), None).find(vec![]).len(),
        2
    );
}

#[test]
fn a_label_means_the_current_version_and_older_versions_go_on_signing() {
    let memory = Arc::new(MemoryService::new(2));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let old = made(&memory, Some("web")).await;
        ask(&*memory, RotateKey { key: old }).await.unwrap();
    });
    let bench = bench_with(memory, Settings::default(), None);
    let private = |label: &str| {
        bench.find(vec![
            (ck::CKA_LABEL, Value::bytes(label)),
            (ck::CKA_CLASS, Value::Ulong(ck::CKO_PRIVATE_KEY)),
        ])
    };
    let (current, old) = (private("web"), private("web/versions/1"));
    assert_eq!((current.len(), old.len()), (1, 1));
    assert_ne!(current, old);
    bench
        .sign(&mechanism(ck::CKM_ECDSA_SHA256), old[0], b"message")
        .unwrap();
}

#[test]
fn a_lost_answer_to_a_generation_makes_one_key_which_is_found_later() {
    let bench = bench();
    assert!(bench.find(vec![]).is_empty());
    bench.faulty.plan([Fault::LoseAnswer]);
    let curve = (ck::CKA_EC_PARAMS, Value::bytes(Curve::P256.row().oid));
    let error = bench
        .pair(ck::CKM_EC_KEY_PAIR_GEN, vec![curve], vec![])
        .unwrap_err();
    assert!(error.detail().unwrap().contains("may have been done"), "{error}");
    assert_eq!(bench.memory.len(), 1);
    assert_eq!(bench.find(vec![]).len(), 2);
}

#[test]
fn a_key_that_may_not_be_described_is_left_out_and_the_others_are_found() {
    let bench = bench_with(service_with_keys(3, 10), Settings::default(), None);
    bench.faulty.plan([
        Fault::None,
        Fault::Fail(failure(ErrorKind::Denied, CallKind::Describe, Sent::Refused)),
    ]);
    assert_eq!(bench.find(vec![]).len(), 4);
    let (count, found) = bench.requests(|| bench.find(vec![]));
    assert_eq!((count, found.len()), (0, 4));
}

#[test]
fn whichever_call_fails_for_good_a_second_try_succeeds() {
    for kind in [
        ErrorKind::Credential,
        ErrorKind::Integrity,
        ErrorKind::Configuration,
    ] {
        for index in 0..6 {
            let settings = Settings {
                negative_expiry: Duration::ZERO,
                listing_expiry: Duration::ZERO,
                ..Settings::default()
            };
            let bench = bench_with(service_with_keys(2, 1), settings, None);
            let attempt = || -> Result<Vec<u8>> {
                let class = template(vec![(ck::CKA_CLASS, Value::Ulong(ck::CKO_PRIVATE_KEY))]);
                let Out::Objects(found) = bench.run(Work::Find(&class))? else {
                    panic!()
                };
                let key = found.get(1).copied().ok_or(Rv::KeyHandleInvalid)?;
                bench.sign(&mechanism(ck::CKM_ECDSA_SHA256), key, b"message")
            };
            bench
                .faulty
                .fail_nth(index, Fault::Fail(failure(kind, CallKind::Sign, Sent::Refused)));
            assert!(attempt().is_err(), "{kind:?} {index}");
            assert_eq!(attempt().unwrap().len(), 64, "{kind:?} {index}");
        }
    }
}
