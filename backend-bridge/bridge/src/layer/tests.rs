// SPDX-License-Identifier: MIT
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use keyenclave_model::algorithm::Curve;
use tokio::time::Instant;

use super::*;
use crate::call::{CallKind, DestroyKey, FetchPublicKey, GenerateKey, ListKeys, SignDigest, Usage, ask};
use crate::contract::fault::{Fault, Faulty, failure};
use crate::contract::{self, memory::MemoryService};
use crate::error::{ErrorKind, Sent};
use crate::key::{Algorithm, KeyName, KeySpec};

const SECOND: Duration = Duration::from_secs(1);

struct Bench {
    memory: Arc<MemoryService>,
    faulty: Arc<Faulty>,
    stack: Arc<Stack>,
    key: KeyName,
}

async fn bench_with(settings: Settings) -> Bench {
    let memory = Arc::new(MemoryService::new(2));
    let key = ask(&*memory, generation()).await.unwrap().listed.name;
    let faulty = Faulty::new(memory.clone());
    let stack = Stack::with_jitter(faulty.clone(), settings, Arc::new(|longest| longest));
    Bench {
        memory,
        faulty,
        stack: Arc::new(stack),
        key,
    }
}

async fn bench() -> Bench {
    bench_with(Settings::default()).await
}

fn generation() -> GenerateKey {
    GenerateKey {
        spec: KeySpec::Ec(Curve::P256),
        usage: Usage::Sign,
        label: None,
        tags: BTreeMap::new(),
    }
}

fn within(time: Duration) -> Cx {
    Cx::until(Instant::now() + time)
}

impl Bench {
    fn sign(&self) -> SignDigest {
        SignDigest {
            key: self.key.clone(),
            algorithm: Algorithm::Ecdsa,
            digest: vec![1; 32],
        }
    }

    async fn signs(&self) -> Result<Vec<u8>> {
        self.stack.ask(&within(5 * SECOND), self.sign()).await
    }

    fn fault(&self, kind: ErrorKind, sent: Sent) -> Fault {
        Fault::Fail(failure(kind, CallKind::Sign, sent))
    }
}

#[tokio::test]
async fn the_order_of_the_layers_is_fixed() {
    let order = bench().await.stack.order();
    assert_eq!(order, ["trace", "cache", "retry", "breaker", "limit", "timeout"]);
}

#[tokio::test]
async fn a_backend_keeps_the_contract_inside_its_layers_and_without_them() {
    let memory = Arc::new(MemoryService::new(2));
    contract::summary(&contract::run(&*memory).await).unwrap();
    let stack = Stack::new(memory, Settings::default());
    contract::summary(&contract::run(&stack).await).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_the_moment_is_repeated_with_growing_pauses() {
    let bench = bench().await;
    bench.faulty.plan([
        bench.fault(ErrorKind::Unavailable, Sent::Maybe),
        bench.fault(ErrorKind::Throttled, Sent::Refused),
    ]);
    let begun = Instant::now();
    bench.signs().await.unwrap();
    assert_eq!(bench.faulty.count(CallKind::Sign), 3);
    assert_eq!(begun.elapsed(), Duration::from_millis(50 + 100));
}

#[tokio::test(start_paused = true)]
async fn no_failure_of_the_nth_call_is_seen_for_any_n() {
    for index in 0..4 {
        let bench = bench().await;
        bench
            .faulty
            .fail_nth(index, bench.fault(ErrorKind::Unavailable, Sent::Maybe));
        for _ in 0..4 {
            bench.signs().await.unwrap();
        }
        assert_eq!(
            (bench.faulty.planned(), bench.faulty.count(CallKind::Sign)),
            (0, 5)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_will_fail_again_is_not_repeated() {
    for kind in ErrorKind::ALL.iter().filter(|kind| !kind.is_transient()) {
        let bench = bench().await;
        bench.faulty.otherwise(bench.fault(*kind, Sent::Refused));
        assert_eq!(bench.signs().await.unwrap_err().kind(), *kind);
        assert_eq!(bench.faulty.total(), 1, "{kind:?}");
    }
}

impl Bench {
    /// With a key that was made through it, of which the service does not know.
    async fn with_newborn() -> Self {
        let mut bench = bench().await;
        let made = bench.stack.ask(&within(5 * SECOND), generation()).await.unwrap();
        bench.key = made.listed.name;
        bench.unknown();
        bench
    }

    fn unknown(&self) {
        self.faulty
            .otherwise(self.fault(ErrorKind::NotFound, Sent::Refused));
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_just_made_is_asked_for_until_it_is_known() {
    let bench = Bench::with_newborn().await;
    let begun = Instant::now();
    let known = async {
        tokio::time::sleep(3 * SECOND).await;
        bench.faulty.otherwise(Fault::None);
    };
    let (signature, ()) = tokio::join!(bench.signs(), known);
    signature.unwrap();
    assert!(begun.elapsed() < 5 * SECOND);
    assert!(bench.faulty.count(CallKind::Sign) > 4);
}

#[tokio::test(start_paused = true)]
async fn that_a_new_key_is_not_known_yet_is_said_at_the_deadline_and_not_remembered() {
    let bench = Bench::with_newborn().await;
    let fetch = || FetchPublicKey {
        key: bench.key.clone(),
    };
    let begun = Instant::now();
    let error = bench.stack.ask(&within(5 * SECOND), fetch()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.sent()),
        (ErrorKind::Unsettled, Sent::Refused)
    );
    assert!(begun.elapsed() > 2 * SECOND && begun.elapsed() <= 5 * SECOND);
    bench.faulty.otherwise(Fault::None);
    bench.stack.ask(&within(5 * SECOND), fetch()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_made_a_while_ago_or_destroyed_is_believed_to_be_gone() {
    let old = Bench::with_newborn().await;
    tokio::time::advance(30 * SECOND).await;
    let destroyed = Bench::with_newborn().await;
    destroyed.faulty.otherwise(Fault::None);
    let call = DestroyKey {
        key: destroyed.key.clone(),
    };
    destroyed.stack.ask(&within(SECOND), call).await.unwrap();
    destroyed.unknown();
    for bench in [old, destroyed] {
        assert_eq!(bench.signs().await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(bench.faulty.count(CallKind::Sign), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_never_makes_a_second_key() {
    let bench = bench().await;
    bench.faulty.plan([Fault::LoseAnswer]);
    let error = bench
        .stack
        .ask(&within(5 * SECOND), generation())
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.sent()),
        (ErrorKind::Unavailable, Sent::Maybe)
    );
    assert_eq!(bench.memory.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_generation_that_never_left_is_repeated() {
    let bench = bench().await;
    bench.faulty.plan([Fault::Fail(failure(
        ErrorKind::Unavailable,
        CallKind::Generate,
        Sent::No,
    ))]);
    bench.stack.ask(&within(5 * SECOND), generation()).await.unwrap();
    assert_eq!(bench.memory.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_time_that_the_service_asks_for_is_granted_if_there_is_so_much() {
    let bench = bench().await;
    let asks = |time| {
        let error = failure(ErrorKind::Throttled, CallKind::Sign, Sent::Refused).with_retry_after(Some(time));
        bench.faulty.plan([Fault::Fail(error)]);
    };
    asks(3 * SECOND);
    let begun = Instant::now();
    bench.signs().await.unwrap();
    assert_eq!(begun.elapsed(), 3 * SECOND);
    asks(6 * SECOND);
    let begun = Instant::now();
    assert_eq!(bench.signs().await.unwrap_err().retry_after(), Some(6 * SECOND));
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_hung_try_leaves_time_for_another_one() {
    let bench = bench().await;
    bench.faulty.plan([Fault::Hang]);
    let begun = Instant::now();
    bench.signs().await.unwrap();
    assert_eq!(begun.elapsed(), 2 * SECOND + Duration::from_millis(50));
    assert_eq!(bench.faulty.under_way(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_hung_service_ends_at_the_deadline_and_not_later() {
    let bench = bench().await;
    bench.faulty.otherwise(Fault::Hang);
    let begun = Instant::now();
    let error = bench.signs().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(begun.elapsed() <= 5 * SECOND, "{:?}", begun.elapsed());
    assert_eq!(bench.faulty.under_way(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_generation_gets_all_the_time_there_is() {
    let bench = bench().await;
    bench.faulty.plan([Fault::Delay(4 * SECOND)]);
    bench.stack.ask(&within(5 * SECOND), generation()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_reached_is_left_alone_and_found_again() {
    let settings = Settings {
        retries: 0,
        ..Settings::default()
    };
    let bench = bench_with(settings).await;
    bench
        .faulty
        .otherwise(bench.fault(ErrorKind::Unavailable, Sent::No));
    for _ in 0..20 {
        assert_eq!(bench.signs().await.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    assert_eq!(bench.faulty.total(), 5);
    assert!(bench.signs().await.unwrap_err().retry_after().unwrap() <= SECOND);
    tokio::time::advance(SECOND).await;
    assert!(bench.signs().await.is_err());
    assert!(bench.signs().await.is_err());
    assert_eq!(bench.faulty.total(), 6);
    bench.faulty.otherwise(Fault::None);
    tokio::time::advance(SECOND).await;
    for _ in 0..3 {
        bench.signs().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_does_not_open_the_breaker() {
    let bench = bench().await;
    bench
        .faulty
        .otherwise(bench.fault(ErrorKind::Denied, Sent::Refused));
    for _ in 0..20 {
        assert!(bench.signs().await.is_err());
    }
    assert_eq!(bench.faulty.total(), 20);
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_probe_does_not_keep_the_breaker_open() {
    let settings = Settings {
        retries: 0,
        ..Settings::default()
    };
    let bench = bench_with(settings).await;
    bench
        .faulty
        .plan((0..5).map(|_| bench.fault(ErrorKind::Unavailable, Sent::No)));
    for _ in 0..5 {
        assert!(bench.signs().await.is_err());
    }
    tokio::time::advance(SECOND).await;
    bench.faulty.plan([Fault::Hang]);
    let probe = tokio::time::timeout(Duration::from_millis(1), bench.signs()).await;
    assert!(probe.is_err(), "the probe hangs");
    tokio::time::advance(SECOND).await;
    bench.signs().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_calls_share_the_connections() {
    let bench = Arc::new(bench().await);
    bench.faulty.otherwise(Fault::Delay(Duration::from_millis(10)));
    let calls: Vec<_> = (0..10_000)
        .map(|_| {
            let bench = bench.clone();
            tokio::spawn(async move { bench.signs().await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(bench.faulty.most_under_way(), 64);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_says_so_at_once() {
    let settings = Settings {
        connections: 1,
        queue: 1,
        retries: 0,
        ..Settings::default()
    };
    let bench = Arc::new(bench_with(settings).await);
    bench.faulty.otherwise(Fault::Hang);
    let calls: Vec<_> = (0..3)
        .map(|_| {
            let bench = bench.clone();
            tokio::spawn(async move { bench.stack.ask(&within(SECOND), bench.sign()).await })
        })
        .collect();
    let mut errors = Vec::new();
    for call in calls {
        errors.push(call.await.unwrap().unwrap_err());
    }
    let kinds: Vec<_> = errors.iter().map(|error| (error.kind(), error.sent())).collect();
    assert_eq!(
        kinds,
        [
            (ErrorKind::Timeout, Sent::Maybe),
            (ErrorKind::Timeout, Sent::No),
            (ErrorKind::Throttled, Sent::No),
        ]
    );
    bench.faulty.otherwise(Fault::None);
    bench.signs().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_public_key_is_asked_for_once_until_the_key_changes() {
    let bench = bench().await;
    let fetch = || FetchPublicKey {
        key: bench.key.clone(),
    };
    for _ in 0..3 {
        bench.stack.ask(&within(SECOND), fetch()).await.unwrap();
    }
    assert_eq!(bench.faulty.count(CallKind::PublicKey), 1);
    bench
        .stack
        .ask(
            &within(SECOND),
            DestroyKey {
                key: bench.key.clone(),
            },
        )
        .await
        .unwrap();
    bench.stack.ask(&within(SECOND), fetch()).await.unwrap();
    assert_eq!(bench.faulty.count(CallKind::PublicKey), 2);
    tokio::time::advance(Settings::default().answer_expiry).await;
    bench.stack.ask(&within(SECOND), fetch()).await.unwrap();
    assert_eq!(bench.faulty.count(CallKind::PublicKey), 3);
}

#[tokio::test(start_paused = true)]
async fn that_a_key_is_not_there_is_remembered_briefly() {
    let bench = bench().await;
    let missing = || FetchPublicKey {
        key: KeyName::new("memory:key/none"),
    };
    for _ in 0..3 {
        let error = bench.stack.ask(&within(SECOND), missing()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    assert_eq!(bench.faulty.total(), 1);
    tokio::time::advance(2 * SECOND).await;
    assert!(bench.stack.ask(&within(SECOND), missing()).await.is_err());
    assert_eq!(bench.faulty.total(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_cache_that_is_full_makes_room() {
    let bench = bench_with(Settings {
        answers: 4,
        ..Settings::default()
    })
    .await;
    for number in 0..20 {
        let key = KeyName::new(format!("memory:key/none-{number}"));
        assert!(
            bench
                .stack
                .ask(&within(SECOND), FetchPublicKey { key })
                .await
                .is_err()
        );
    }
    assert_eq!(bench.faulty.total(), 20);
}

#[tokio::test(start_paused = true)]
async fn listings_are_not_answered_from_memory() {
    let bench = bench().await;
    for _ in 0..2 {
        bench
            .stack
            .ask(&within(SECOND), ListKeys { page: None })
            .await
            .unwrap();
    }
    assert_eq!(bench.faulty.total(), 2);
}

#[tokio::test(start_paused = true)]
async fn with_one_call_in_ten_failing_999_operations_of_1000_succeed() {
    let bench = bench().await;
    // A linear congruential sequence with a fixed seed (Knuth, MMIX).
    let mut seed = 42_u64;
    let mut failed = 0;
    for _ in 0..10_000 {
        bench.faulty.plan((0..4).map(|_| {
            seed = seed
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            match (seed >> 33) % 10 {
                0 => bench.fault(ErrorKind::Unavailable, Sent::Maybe),
                _ => Fault::None,
            }
        }));
        failed += usize::from(bench.signs().await.is_err());
        bench.faulty.clear();
    }
    assert!(failed <= 10, "{failed} of 10,000 failed");
}
