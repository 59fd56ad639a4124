// SPDX-License-Identifier: MIT
//! Several processes and threads on one store, and processes that are killed in the middle of a write.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod store_support;
use keyenclave_soft::sealer::unlock;
use keyenclave_soft::store::*;
use keyenclave_soft::vault::RootKey;
use keyenclave_sys::page::{CounterPage, Owner};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::process::Child;
use store_support::*;

/// What an engine does: remembers an index and asks for changes only when the stamp says so.
struct Index {
    store: SqliteStore,
    seen: Stamp,
    revision: Option<Revision>,
    labels: HashMap<RecordId, String>,
}

impl Index {
    fn new(store: SqliteStore) -> Self {
        Self {
            store,
            seen: Stamp::Unsettled,
            revision: None,
            labels: HashMap::new(),
        }
    }

    fn refresh(&mut self) {
        let stamp = self.store.stamp().unwrap();
        if self.seen.is_still(stamp) {
            return;
        }
        let changes = self.store.changes_since(self.revision).unwrap();
        if changes.complete {
            self.labels.clear();
        }
        changes.deleted.iter().for_each(|id| drop(self.labels.remove(id)));
        for summary in changes.changed {
            self.labels
                .insert(summary.id, String::from_utf8(summary.columns.label).unwrap());
        }
        self.revision = Some(changes.revision);
        self.seen = stamp;
    }

    fn has(&mut self, label: &str) -> bool {
        self.refresh();
        self.labels.values().any(|known| known == label)
    }
}

/// The lines that the other process has said so far, until it ends.
fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let output = BufReader::new(child.stdout.take().unwrap());
    output
        .lines()
        .map(Result::unwrap)
        .filter_map(|line| line.split_once("ack ").map(|(_, what)| what.to_owned()))
}

fn acknowledge(what: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "ack {what}").unwrap();
    out.flush().unwrap();
}

/// The other process of several tests.
fn commit_until_killed(store: &SqliteStore) {
    let me = std::process::id();
    for n in 0.. {
        let label = format!("{me} {n}");
        let (id, revision) = create(store, &label);
        acknowledge(&label);
        if n % 3 == 2 {
            // Deleting makes pages free and later commits use them again; nothing acknowledged may suffer.
            let gone = record(&format!("gone {label}"));
            let base = store.commit(&[Change::Create(gone.clone())], revision).unwrap();
            store.commit(&[Change::Delete(gone.id)], base).unwrap();
        }
        assert!(store.read(id).unwrap().is_some());
    }
}

/// The other process of a test in which a writer that never pauses would keep the reader out: without shared memory
/// they exclude each other, and nothing sees to it that both come to their turn.
fn commit_when_told(store: &SqliteStore) {
    let me = std::process::id();
    for (n, line) in std::io::stdin().lines().enumerate() {
        line.unwrap();
        let label = format!("{me} {n}");
        create(store, &label);
        acknowledge(&label);
    }
}

#[test]
fn a_hundred_kills_lose_nothing_that_was_acknowledged() {
    if let Some(store) = as_other_process() {
        return commit_until_killed(&store);
    }
    let (place, store) = Place::ready();
    let mut index = Index::new(place.store());
    let mut acknowledged = Vec::new();
    for round in 0..100 {
        let mut writer = other_process(
            "a_hundred_kills_lose_nothing_that_was_acknowledged",
            &place.path(),
        );
        let mut said = lines(&mut writer);
        // The kill falls on another point of the write each time: after so many acknowledgements and some spinning.
        for _ in 0..=round % 7 {
            let label = said.next().unwrap();
            assert!(index.has(&label), "the index missed {label}");
            acknowledged.push(label);
        }
        (0..round * 997 % 50_000).for_each(|_| std::hint::spin_loop());
        writer.kill().unwrap();
        acknowledged.extend(said);
        writer.wait().unwrap();
        let missed: Vec<_> = acknowledged.iter().filter(|label| !index.has(label)).collect();
        assert!(missed.is_empty(), "after kill {round}: {missed:?}");
    }
    drop((store, index));
    let connection = rusqlite::Connection::open(place.path()).unwrap();
    let check: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
    println!("{} acknowledged commits survived 100 kills", acknowledged.len());
}

#[test]
fn four_processes_write_at_once() {
    if let Some(store) = as_other_process() {
        return commit_until_killed(&store);
    }
    let (place, _store) = Place::ready();
    let mut index = Index::new(place.store());
    let mut writers: Vec<_> = (0..4)
        .map(|_| other_process("four_processes_write_at_once", &place.path()))
        .collect();
    let mut said: Vec<_> = writers.iter_mut().map(lines).collect();
    for _ in 0..25 {
        for said in &mut said {
            let label = said.next().unwrap();
            assert!(index.has(&label), "the index missed {label}");
        }
    }
    for writer in &mut writers {
        writer.kill().unwrap();
        writer.wait().unwrap();
    }
}

#[test]
fn an_attempt_stays_counted_when_the_process_dies_before_the_check() {
    if let Some(store) = as_other_process() {
        let attempts = store.count_attempt(Role::User).unwrap();
        acknowledge(&attempts.failed.to_string());
        std::process::abort();
    }
    let place = Place::new();
    let store = place.store();
    store
        .initialise(&new_token(&RootKey::generate().unwrap()), None)
        .unwrap();
    for expected in 1..=3_u32 {
        let mut child = other_process(
            "an_attempt_stays_counted_when_the_process_dies_before_the_check",
            &place.path(),
        );
        assert_eq!(lines(&mut child).next().unwrap(), expected.to_string());
        assert!(!child.wait().unwrap().success());
        assert_eq!(store.sealer(Role::User).unwrap().unwrap().failed, expected);
    }
    assert!(unlock(&store, Role::User, &pin(b"user-pin")).is_ok());
}

/// Commits, and ends as if it were in the middle of another commit.
fn die_inside_the_page(store: &SqliteStore) -> ! {
    let header = store.header().unwrap().unwrap();
    create(store, "before the end");
    let path = store.path().with_file_name("store.db-page");
    let meta = std::fs::metadata(&path).unwrap();
    let owner = Owner {
        user: meta.uid(),
        group: meta.gid(),
    };
    CounterPage::open(&path, header.incarnation.0, 0, owner)
        .unwrap()
        .begin();
    acknowledge("begun");
    std::process::abort();
}

#[test]
fn a_writer_that_dies_inside_its_commit_hides_nothing() {
    if let Some(store) = as_other_process() {
        die_inside_the_page(&store);
    }
    let (place, store) = Place::ready();
    let mut index = Index::new(place.store());
    index.refresh();
    let settled = store.stamp().unwrap();
    let mut child = other_process(
        "a_writer_that_dies_inside_its_commit_hides_nothing",
        &place.path(),
    );
    assert_eq!(lines(&mut child).next().unwrap(), "begun");
    child.wait().unwrap();
    assert_eq!(store.stamp().unwrap(), Stamp::Unsettled);
    assert!(index.has("before the end"));
    assert_eq!(index.seen, Stamp::Unsettled);
    create(&store, "after the end");
    assert!(index.has("after the end"));
    let now = store.stamp().unwrap();
    assert!(now.is_still(store.stamp().unwrap()) && !settled.is_still(now));
}

#[test]
fn two_stores_of_one_process_see_each_others_commits() {
    let (place, store) = Place::ready();
    let mut index = Index::new(place.store());
    index.refresh();
    let (object, base) = create(&store, "seen");
    assert!(index.has("seen"));
    store.commit(&[Change::Delete(object)], base).unwrap();
    assert!(!index.has("seen"));
    let other = bare_token();
    store.initialise(&other, Some(base.incarnation)).unwrap();
    create(&store, "a new life");
    assert!(index.has("a new life"));
    assert_eq!(index.revision.unwrap().incarnation, other.header.incarnation);
}

#[test]
fn without_shared_memory_two_stores_see_each_other_too() {
    if let Some(store) = as_other_process() {
        return commit_when_told(&store);
    }
    let (place, store) = Place::ready();
    drop(store);
    // What a store on a network file system looks like.
    place.edit("PRAGMA journal_mode = DELETE");
    let (one, mut index) = (place.store(), Index::new(place.store()));
    index.refresh();
    let (object, base) = create(&one, "from the other connection");
    assert!(index.has("from the other connection"));
    create(&index.store, "from this connection");
    assert!(index.has("from this connection"));
    one.commit(&[Change::Delete(object)], base).unwrap();
    assert!(!index.has("from the other connection"));
    let quiet = index.store.stamp().unwrap();
    assert!(quiet.is_still(index.store.stamp().unwrap()));
    let program = std::env::current_exe().unwrap();
    let test = "without_shared_memory_two_stores_see_each_other_too";
    let mut writer = again(&program, test, &place.path())
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = lines(&mut writer);
    let mut told = writer.stdin.take().unwrap();
    for _ in 0..10 {
        writeln!(told, "commit").unwrap();
        let label = said.next().unwrap();
        assert!(index.has(&label), "the index missed {label}");
    }
    drop(told);
    assert!(writer.wait().unwrap().success());
    assert!(!place.path().with_file_name("store.db-page").exists());
}

#[test]
fn a_deleted_page_does_not_part_two_processes() {
    let (place, store) = Place::ready();
    let mut index = Index::new(place.store());
    create(&store, "one");
    assert!(index.has("one"));
    let page = place.path().with_file_name("store.db-page");
    std::fs::remove_file(&page).unwrap();
    let stranger = place.store();
    create(&stranger, "two");
    assert!(page.exists());
    // Where nothing else tells, the file's name is looked at every second.
    let start = std::time::Instant::now();
    while !index.has("two") {
        assert!(start.elapsed() < std::time::Duration::from_secs(60));
        std::thread::yield_now();
    }
    create(&store, "three");
    assert!(index.has("three"));
}

#[test]
fn a_file_replaced_under_a_running_process_is_not_mixed_with_the_old_log() {
    let (place, store) = Place::ready();
    let (old, base) = create(&store, "old");
    let backup = Place::new();
    let other = bare_token();
    backup.store().initialise(&other, None).unwrap();
    std::fs::rename(backup.path(), place.path()).unwrap();
    let before = std::fs::read(place.path()).unwrap();
    for _ in 0..2 {
        let error = store.commit(&[Change::Delete(old)], base).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains("replaced"), "{error}");
    }
    assert!(std::fs::read(place.path()).unwrap() == before);
    for rest in ["store.db-wal", "store.db-shm"] {
        std::fs::remove_file(place.path().with_file_name(rest)).unwrap();
    }
    assert!(matches!(
        store.commit(&[Change::Delete(old)], base),
        Err(StoreError::TokenChanged)
    ));
    assert_eq!(store.header().unwrap().unwrap(), other.header);
}

#[test]
fn a_store_behind_a_symbolic_link_is_the_same_store() {
    let (place, store) = Place::ready();
    let link = place.dir.path().join("link.db");
    std::os::unix::fs::symlink(place.path(), &link).unwrap();
    let mut index = Index::new(SqliteStore::new(&link));
    index.refresh();
    create(&store, "through the other name");
    assert!(index.has("through the other name"));
    create(&index.store, "through the link");
    let mut other = Index::new(store);
    assert!(other.has("through the link"));
}

#[test]
fn sixteen_threads_share_one_store() {
    let (place, store) = Place::ready();
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let store = &store;
            scope.spawn(move || {
                for n in 0..50 {
                    let (id, base) = create(store, &format!("{thread} {n}"));
                    store.stamp().unwrap();
                    assert!(store.read(id).unwrap().is_some());
                    if n % 2 == 0 {
                        store.commit(&[Change::Delete(id)], base).unwrap();
                    }
                }
            });
        }
    });
    assert_eq!(place.store().changes_since(None).unwrap().changed.len(), 16 * 25);
}

#[test]
fn two_first_tokens_at_once_leave_one() {
    let place = Place::new();
    let made: Vec<bool> = std::thread::scope(|scope| {
        let start = || {
            let store = place.store();
            move || store.initialise(&bare_token(), None).is_ok()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(start())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(made.iter().filter(|made| **made).count(), 1);
    assert!(place.store().header().unwrap().is_some());
}

#[test]
fn a_store_that_another_process_keeps_locked_is_reported_busy() {
    let (place, store) = Place::ready();
    let base = now(&store);
    let blocker = rusqlite::Connection::open(place.path()).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    // Reading, and opening to read, goes on.
    assert_eq!(now(&place.store()), base);
    let error = store.commit(&[Change::Create(record("late"))], base).unwrap_err();
    assert!(matches!(error, StoreError::Busy { .. }), "{error}");
    blocker.execute_batch("ROLLBACK").unwrap();
    store.commit(&[Change::Create(record("late"))], base).unwrap();
}
