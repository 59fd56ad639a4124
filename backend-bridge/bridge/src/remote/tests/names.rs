// SPDX-License-Identifier: MIT
//! Labels and ids that no listing tells, because they are in tags: found, and what finding them costs.

use super::*;
use crate::call::{Reply, Request, Response};
use crate::capability::Capability;
use crate::key::ListedKey;

/// A service whose listings tell no labels, or one key's not, as if they were in tags.
pub(super) struct Unlisted(pub(super) Arc<MemoryService>, pub(super) Option<KeyName>);

impl Service for Unlisted {
    fn capability(&self) -> &Capability {
        self.0.capability()
    }

    fn answer<'a>(&'a self, request: &'a Request) -> Reply<'a> {
        Box::pin(async move {
            let mut response = self.0.answer(request).await?;
            if let Response::List(page) = &mut response {
                let is_concerned =
                    |key: &&mut ListedKey| self.1.as_ref().is_none_or(|only| *only == key.name);
                for key in page.keys.iter_mut().filter(is_concerned) {
                    *key = ListedKey {
                        label: None,
                        version: None,
                        ..key.clone()
                    };
                }
            }
            Ok(response)
        })
    }
}

fn unlisted(memory: Arc<MemoryService>, settings: Settings) -> Bench {
    let service = Arc::new(Unlisted(Arc::clone(&memory), None));
    bench_over(service, memory, settings, None, None)
}

fn labelled(label: &str) -> Attributes {
    vec![(ck::CKA_LABEL, Value::bytes(label))]
}

fn with_id(id: &[u8]) -> Attributes {
    vec![(ck::CKA_ID, Value::bytes(id))]
}

fn set(bench: &Bench, object: ObjectId, attributes: Attributes) -> Result<()> {
    let template = template(attributes);
    bench
        .run(Work::Set {
            object,
            template: &template,
        })
        .map(drop)
}

#[test]
fn a_label_in_a_tag_is_found_and_misses_are_free_afterwards() {
    let bench = unlisted(service_with_keys(40, 50), Settings::default());
    assert_eq!(bench.find(labelled("key-3")).len(), 2);
    let described = bench.faulty.count(CallKind::Describe);
    assert!((40..=41).contains(&described), "{described}");
    let (count, ()) = bench.requests(|| {
        assert!(bench.find(labelled("key-40")).is_empty());
        assert!(bench.find(labelled("none")).is_empty());
    });
    assert_eq!(count, 0);
    // The next key that is found costs its own description and no more.
    let (count, found) = bench.requests(|| bench.find(labelled("key-4")));
    assert_eq!((count, found.len()), (2, 2));
}

#[test]
fn a_listed_label_has_nobody_else_described() {
    let bench = bench_with(service_with_keys(7, 10), Settings::default(), None);
    bench.find(labelled("key-3"));
    bench.find(labelled("none"));
    assert_eq!(bench.faulty.count(CallKind::Describe), 1);
}

#[test]
fn an_id_in_a_tag_is_found_and_a_keys_own_id_has_nobody_else_described() {
    let memory = service_with_keys(20, 50);
    let first = bench_with(memory.clone(), Settings::default(), None);
    let key = first.find(labelled("key-7"))[0];
    let other = first.find(labelled("key-8"))[0];
    set(&first, key, with_id(b"seven")).unwrap();
    // Who has set it knows it without asking anybody.
    let (count, found) = first.requests(|| first.find(with_id(b"seven")));
    assert_eq!((count, found.len()), (2, 2));
    let bench = bench_with(memory, Settings::default(), None);
    let own = first.view(other).bytes(ck::CKA_ID).unwrap().to_vec();
    assert_eq!(bench.find(with_id(&own)).len(), 2);
    assert_eq!(bench.faulty.count(CallKind::Describe), 1);
    assert_eq!(bench.find(with_id(b"seven")).len(), 2);
    let described = bench.faulty.count(CallKind::Describe);
    assert!((20..=22).contains(&described), "{described}");
    let (count, found) = bench.requests(|| bench.find(with_id(b"eight")));
    assert_eq!((count, found.len()), (0, 0));
}

#[test]
fn threads_that_miss_at_once_share_the_look_at_the_tags() {
    let bench = unlisted(service_with_keys(50, 50), Settings::default());
    bench.faulty.otherwise(Fault::Delay(Duration::from_millis(2)));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert!(bench.find(labelled("none")).is_empty()));
        }
    });
    assert_eq!(bench.faulty.count(CallKind::Describe), 50);
    assert!(bench.faulty.most_under_way() <= 32);
}

#[test]
fn a_look_at_the_tags_goes_on_when_nobody_waits_for_it_any_more() {
    let bench = unlisted(service_with_keys(200, 500), Settings::default());
    bench.find(vec![(
        ck::CKA_UNIQUE_ID,
        Value::bytes("only the listing is fetched"),
    )]);
    bench.faulty.otherwise(Fault::Delay(Duration::from_millis(200)));
    let impatient = CallCx {
        deadline: Some(Instant::now() + Duration::from_millis(600)),
        ..cx(None)
    };
    // The keys are looked at in the order of their names, which are random: only a miss needs them all.
    let label = template(labelled("none"));
    let error = finish(bench.token.submit(&impatient, Work::Find(&label)))
        .map(drop)
        .unwrap_err();
    assert_eq!(error.rv(), Rv::DeviceError);
    assert!(
        error.detail().unwrap().contains("still to be looked at"),
        "{error}"
    );
    bench.faulty.otherwise(Fault::None);
    assert!(bench.find(labelled("none")).is_empty());
    assert_eq!(bench.faulty.count(CallKind::Describe), 200);
    assert_eq!(bench.find(labelled("key-199")).len(), 2);
}

#[test]
fn a_failed_look_at_the_tags_is_told_again_without_asking_and_goes_on_where_it_ended() {
    let settings = Settings {
        negative_expiry: Duration::from_secs(3600),
        retries: 0,
        ..Settings::default()
    };
    let bench = unlisted(service_with_keys(5, 50), settings);
    bench.faulty.plan([
        Fault::None,
        Fault::None,
        Fault::Fail(failure(ErrorKind::Throttled, CallKind::Describe, Sent::Refused)),
    ]);
    let search = || rv(bench.run(Work::Find(&template(labelled("none")))));
    assert_eq!(search(), Some(Rv::TokenResourceExceeded));
    let before = bench.faulty.count(CallKind::List);
    let described = bench.faulty.count(CallKind::Describe);
    assert_eq!(search(), Some(Rv::TokenResourceExceeded));
    assert_eq!(bench.faulty.count(CallKind::List), before);
    // Those that were under way may have come back since, but no other was asked for.
    assert_eq!(bench.faulty.count(CallKind::Describe), described);
}

#[test]
fn a_key_that_may_not_be_described_does_not_keep_others_from_being_found() {
    let bench = unlisted(service_with_keys(3, 10), Settings::default());
    bench.faulty.plan([
        Fault::None,
        Fault::Fail(failure(ErrorKind::Denied, CallKind::Describe, Sent::Refused)),
    ]);
    assert!(bench.find(labelled("none")).is_empty());
    let (count, found) = bench.requests(|| bench.find(labelled("none")));
    assert_eq!((count, found.len()), (0, 0));
}

#[test]
fn a_label_that_two_keys_have_finds_both() {
    let memory = Arc::new(MemoryService::new(10));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        made(&memory, Some("twin")).await;
        made(&memory, Some("twin")).await;
        made(&memory, Some("other")).await;
    });
    for bench in [
        unlisted(memory.clone(), Settings::default()),
        bench_with(memory, Settings::default(), None),
    ] {
        assert_eq!(bench.find(labelled("twin")).len(), 4);
        assert_eq!(bench.find(labelled("other")).len(), 2);
    }
}

#[test]
fn a_tag_does_not_give_a_key_the_label_that_another_one_is_listed_by() {
    let memory = Arc::new(MemoryService::new(10));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (listed, tagged) = runtime.block_on(async {
        (
            made(&memory, Some("release")).await,
            made(&memory, Some("release")).await,
        )
    });
    let settings = Settings {
        listing_expiry: Duration::ZERO,
        ..Settings::default()
    };
    let service = Arc::new(Unlisted(memory.clone(), Some(tagged.clone())));
    let bench = bench_over(service, memory.clone(), settings, None, None);
    let names = || {
        let found = bench.find(labelled("release")).into_iter();
        let name = |object| {
            bench
                .view(object)
                .bytes(CKA_KEYENCLAVE_REMOTE_NAME)
                .map(<[u8]>::to_vec)
        };
        found.map(name).collect::<Vec<_>>()
    };
    let twice = |name: &KeyName| vec![Some(name.as_str().as_bytes().to_vec()); 2];
    assert_eq!(names(), twice(&listed));
    // Now the tag is known.
    assert!(bench.find(labelled("none")).is_empty());
    assert_eq!(names(), twice(&listed));
    memory.erase(&listed);
    assert_eq!(names(), twice(&tagged));
}

#[test]
fn a_label_that_was_set_here_is_found_here_at_once_and_elsewhere_after_a_look() {
    let memory = service_with_keys(10, 50);
    let bench = unlisted(memory.clone(), Settings::default());
    let key = bench.find(labelled("key-5"))[0];
    set(&bench, key, labelled("renamed")).unwrap();
    let lists = bench.faulty.count(CallKind::List);
    let (count, found) = bench.requests(|| bench.find(labelled("renamed")));
    assert_eq!((count, found.len()), (2, 2));
    assert!(bench.find(labelled("key-5")).is_empty());
    assert_eq!(bench.faulty.count(CallKind::List), lists);
    let other = unlisted(memory, Settings::default());
    assert_eq!(other.find(labelled("renamed")).len(), 2);
    assert!(other.find(labelled("key-5")).is_empty());
}

#[test]
fn a_key_is_found_by_its_full_name_and_by_its_unique_id_alone() {
    let bench = unlisted(service_with_keys(10, 50), Settings::default());
    let object = bench.view(bench.find(labelled("key-5"))[0]);
    let fresh = unlisted(bench.memory.clone(), Settings::default());
    for id in [CKA_KEYENCLAVE_REMOTE_NAME, ck::CKA_UNIQUE_ID] {
        let value = Value::bytes(object.bytes(id).unwrap());
        let expected = if id == ck::CKA_UNIQUE_ID { 1 } else { 2 };
        assert_eq!(fresh.find(vec![(id, value)]).len(), expected, "{id:#x}");
        assert_eq!(fresh.faulty.count(CallKind::Describe), 1);
    }
    let none = vec![(ck::CKA_UNIQUE_ID, Value::bytes([0xff, 0xfe]))];
    assert!(fresh.find(none).is_empty());
    assert_eq!(fresh.faulty.count(CallKind::Describe), 1);
}
