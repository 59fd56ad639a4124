// SPDX-License-Identifier: MIT
//! A hundred thousand keys: how long things take, and how much memory. It makes that many keys, so it is run by hand:
//! `cargo test --profile ci -p keyenclave-bridge --lib figures -- --ignored --nocapture`.

use super::*;
use crate::call::ListKeys;

const MANY: usize = 100_000;
/// So many are described at the same time at the most, a tenth less after some were forgotten.
const DESCRIBED: usize = 20_000;

/// Memory that this process has to itself, in kilobytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Tells what a search takes, and gives the number of requests and of objects.
fn search(bench: &Bench, what: &str, attributes: Attributes) -> (usize, Vec<ObjectId>) {
    let patient = CallCx {
        deadline: Some(Instant::now() + Duration::from_secs(600)),
        ..cx(None)
    };
    let (before, asked) = (resident(), bench.faulty.total());
    let template = template(attributes);
    let begun = Instant::now();
    let answer = match bench.token.submit(&patient, Work::Find(&template)) {
        Step::Ready(answer) => answer,
        Step::Pending(mut pending) => pending.wait(patient.deadline).unwrap(),
    };
    let took = begun.elapsed();
    let Ok(Out::Objects(found)) = answer else {
        panic!("{what}: {:?}", rv(answer))
    };
    let requests = bench.faulty.total() - asked;
    let grown = resident().saturating_sub(before);
    println!(
        "{what}: {took:?}, {requests} requests, {} objects, {grown} kB",
        found.len()
    );
    (requests, found)
}

/// How many keys the bare service lists.
fn listed(memory: &MemoryService) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (mut count, mut page) = (0, None);
        loop {
            let answer = ask(memory, ListKeys { page }).await.unwrap();
            count += answer.keys.len();
            page = answer.next;
            if page.is_none() {
                return count;
            }
        }
    })
}

fn label(label: &str) -> Attributes {
    vec![(ck::CKA_LABEL, Value::bytes(label))]
}

fn id(id: &[u8]) -> Attributes {
    vec![(ck::CKA_ID, Value::bytes(id))]
}

#[test]
#[ignore = "makes a hundred thousand keys, to tell figures"]
fn figures_for_a_hundred_thousand_keys() {
    let settings = Settings {
        described_keys: DESCRIBED,
        listing_timeout: Duration::from_secs(600),
        ..Settings::default()
    };
    let bench = bench_with(service_with_keys(MANY, 1000), settings, None);
    let begun = Instant::now();
    assert_eq!(listed(&bench.memory), MANY);
    println!("the service's own part of a listing: {:?}", begun.elapsed());
    assert_eq!(search(&bench, "first search, by label", label("key-5")).0, 102);
    let (requests, found) = search(&bench, "another label", label("key-99999"));
    assert_eq!((requests, found.len()), (2, 2));
    assert_eq!(search(&bench, "the same again", label("key-99999")).0, 0);
    assert_eq!(search(&bench, "a label that nobody has", label("none")).0, 0);
    let own = bench.view(found[0]).bytes(ck::CKA_ID).unwrap().to_vec();
    assert_eq!(search(&bench, "by the key's own id", id(&own)).0, 0);
    let (requests, _) = search(&bench, "an id that nobody has", id(b"none"));
    assert!((MANY - 10..=MANY).contains(&requests), "{requests}");
    assert_eq!(search(&bench, "another such id", id(b"neither")).0, 0);
    let (_, found) = search(&bench, "everything", vec![]);
    assert_eq!(found.len(), 2 * MANY);
    let described = {
        let state = bench.token.parts.catalogue.state.lock();
        state
            .entries
            .iter()
            .filter(|(_, entry)| entry.detail.initialized())
            .count()
    };
    assert!(described <= DESCRIBED, "{described}");
    assert_eq!(search(&bench, "a label that nobody has", label("none")).0, 0);
    bench.token.parts.catalogue.doubt();
    assert_eq!(search(&bench, "a label, listed anew", label("key-99999")).0, 102);
}
