// SPDX-License-Identifier: MIT
//! The contract of a store, on the SQLite one: tokens, records, revisions, conflicts, attempts.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod store_support;
use keyenclave_soft::sealer::unlock;
use keyenclave_soft::store::*;
use keyenclave_soft::vault::RootKey;
use std::os::unix::fs::MetadataExt;
use store_support::*;

#[test]
fn a_store_without_a_token_makes_nothing() {
    let place = Place::new();
    let store = place.store();
    assert!(store.header().unwrap().is_none());
    assert!(store.sealer(Role::User).unwrap().is_none());
    assert!(store.read(id()).unwrap().is_none());
    assert!(matches!(
        store.changes_since(None),
        Err(StoreError::Missing { .. })
    ));
    assert!(matches!(
        store.count_attempt(Role::User),
        Err(StoreError::Missing { .. })
    ));
    let stamp = store.stamp().unwrap();
    assert!(matches!(
        stamp,
        Stamp::Settled {
            incarnation: None,
            ..
        }
    ));
    assert_eq!(std::fs::read_dir(place.dir.path()).unwrap().count(), 0);
}

#[test]
fn a_new_token_is_private_to_its_user() {
    let (place, store) = Place::ready();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().mode() & 0o777;
    store.changes_since(None).unwrap();
    assert_eq!(mode(place.path().parent().unwrap()), 0o700);
    let files: Vec<_> = std::fs::read_dir(place.path().parent().unwrap())
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    assert!(files.len() >= 2, "{files:?}");
    assert!(files.iter().all(|file| mode(file) == 0o600), "{files:?}");
    assert!(
        files.iter().all(|file| !file.to_string_lossy().contains("-new-")),
        "{files:?}"
    );
}

#[test]
fn a_header_comes_back_as_it_was_written() {
    let place = Place::new();
    let token = bare_token();
    place.store().initialise(&token, None).unwrap();
    assert_eq!(place.store().header().unwrap().unwrap(), token.header);
}

#[test]
fn initialising_replaces_only_the_token_it_was_meant_for() {
    let (_place, store) = Place::ready();
    let old = store.header().unwrap().unwrap();
    let before = store.stamp().unwrap();
    let (object, _) = create(&store, "old");
    let newer = bare_token();
    assert!(matches!(
        store.initialise(&newer, None),
        Err(StoreError::TokenChanged)
    ));
    assert!(matches!(
        store.initialise(&newer, Some(Incarnation(random()))),
        Err(StoreError::TokenChanged)
    ));
    assert!(store.read(object).unwrap().is_some());
    store.initialise(&newer, Some(old.incarnation)).unwrap();
    assert_eq!(store.header().unwrap().unwrap(), newer.header);
    assert!(store.read(object).unwrap().is_none());
    assert!(!before.is_still(store.stamp().unwrap()));
    let Stamp::Settled { incarnation, .. } = store.stamp().unwrap() else {
        panic!("a writer is at work")
    };
    assert_eq!(incarnation, Some(newer.header.incarnation));
    let base = Revision {
        incarnation: old.incarnation,
        number: 0,
    };
    assert!(matches!(store.commit(&[], base), Err(StoreError::TokenChanged)));
    assert!(store.changes_since(Some(base)).unwrap().complete);
}

#[test]
fn changes_are_told_in_order_and_without_bodies() {
    let (_place, store) = Place::ready();
    let start = now(&store);
    let (first, after_first) = create(&store, "first");
    let (second, after_second) = create(&store, "second");
    let all = store.changes_since(Some(start)).unwrap();
    assert!(!all.complete);
    assert_eq!(all.revision, after_second);
    assert_eq!(
        all.changed.iter().map(|s| s.id).collect::<Vec<_>>(),
        [first, second]
    );
    let newest = store.changes_since(Some(after_first)).unwrap();
    assert_eq!(newest.changed.len(), 1);
    assert_eq!(newest.changed[0].columns.label, b"second");
    assert!(
        store
            .changes_since(Some(after_second))
            .unwrap()
            .changed
            .is_empty()
    );
    assert!(store.changes_since(None).unwrap().complete);
    assert_eq!(store.read(first).unwrap().unwrap().body, b"first".repeat(40));
}

#[test]
fn a_deletion_is_told_to_who_knew_the_object() {
    let (_place, store) = Place::ready();
    let (object, created) = create(&store, "short-lived");
    store.commit(&[Change::Delete(object)], created).unwrap();
    let changes = store.changes_since(Some(created)).unwrap();
    assert_eq!((changes.changed.len(), changes.deleted), (0, vec![object]));
    assert!(store.changes_since(None).unwrap().changed.is_empty());
}

#[test]
fn a_change_of_what_somebody_else_changed_conflicts() {
    let (_place, store) = Place::ready();
    let mut object = record("contended");
    let base = store
        .commit(&[Change::Create(object.clone())], now(&store))
        .unwrap();
    object.body = b"mine".to_vec();
    let after = store.commit(&[Change::Update(object.clone())], base).unwrap();
    let is_conflict = |change: Change, base| match store.commit(&[change], base) {
        Err(StoreError::Conflict(id)) => id == object.id,
        _ => false,
    };
    assert!(is_conflict(Change::Update(object.clone()), base));
    assert!(is_conflict(Change::Delete(object.id), base));
    assert!(is_conflict(Change::Create(object.clone()), after));
    let gone = store.commit(&[Change::Delete(object.id)], after).unwrap();
    assert!(is_conflict(Change::Update(object.clone()), gone));
    assert!(is_conflict(Change::Delete(object.id), gone));
}

#[test]
fn an_old_base_is_no_conflict_for_an_untouched_object() {
    let (_place, store) = Place::ready();
    let (object, base) = create(&store, "quiet");
    create(&store, "noise");
    store.commit(&[Change::Delete(object)], base).unwrap();
}

#[test]
fn a_commit_is_made_whole_or_not_at_all() {
    let (_place, store) = Place::ready();
    let base = now(&store);
    let (good, missing) = (record("good"), record("missing"));
    let id = good.id;
    let changes = [Change::Create(good), Change::Delete(missing.id)];
    assert!(matches!(store.commit(&changes, base), Err(StoreError::Conflict(id)) if id == missing.id));
    assert!(store.read(id).unwrap().is_none());
    assert_eq!(now(&store), base);
}

#[test]
fn a_long_forgotten_revision_lists_everything() {
    let (place, store) = Place::ready();
    let (kept, _) = create(&store, "kept");
    let (gone, base) = create(&store, "gone");
    let deleted = store.commit(&[Change::Delete(gone)], base).unwrap();
    drop(store);
    place.edit("UPDATE token SET revision = 19999");
    let store = place.store();
    create(&store, "the commit that prunes");
    let late = store.changes_since(Some(deleted)).unwrap();
    assert!(late.complete && late.deleted.is_empty());
    assert!(late.changed.iter().any(|summary| summary.id == kept));
    let recent = Revision {
        number: 15_000,
        ..deleted
    };
    assert!(!store.changes_since(Some(recent)).unwrap().complete);
    let future = Revision {
        number: 30_000,
        ..deleted
    };
    assert!(store.changes_since(Some(future)).unwrap().complete);
}

#[test]
fn a_stamp_changes_with_every_commit_and_only_then() {
    let (_place, store) = Place::ready();
    let before = store.stamp().unwrap();
    store.changes_since(None).unwrap();
    assert!(before.is_still(store.stamp().unwrap()));
    create(&store, "new");
    assert!(!before.is_still(store.stamp().unwrap()));
    assert!(!Stamp::Unsettled.is_still(Stamp::Unsettled));
}

#[test]
fn attempts_are_counted_before_the_pin_is_checked_and_forgotten_when_it_was_right() {
    let place = Place::new();
    let store = place.store();
    let root = RootKey::generate().unwrap();
    store.initialise(&new_token(&root), None).unwrap();
    let failed = || store.sealer(Role::User).unwrap().unwrap().attempts();
    for expected in 1..=3 {
        let refused = unlock(&store, Role::User, &pin(b"wrong")).err().unwrap();
        assert_eq!(refused.attempts.unwrap().failed, expected);
        assert_eq!(failed().failed, expected);
    }
    assert!(failed().is_low() && !failed().is_locked());
    let unlocked = unlock(&store, Role::User, &pin(b"user-pin"))
        .map_err(|e| e.error)
        .unwrap();
    assert!(unlocked.root.expose() == root.expose());
    assert!(!failed().is_low());
}

#[test]
fn the_last_attempt_locks_the_role_and_a_new_sealer_unlocks_it() {
    let place = Place::new();
    let store = place.store();
    let token = new_token(&RootKey::generate().unwrap());
    store.initialise(&token, None).unwrap();
    let mut last = None;
    for _ in 0..10 {
        last = Some(store.count_attempt(Role::User).unwrap());
    }
    assert!(last.unwrap().is_locked());
    assert!(matches!(
        store.count_attempt(Role::User),
        Err(StoreError::Locked(Role::User))
    ));
    assert!(!store.count_attempt(Role::So).unwrap().is_locked());
    let (role, record) = &token.sealers[1];
    let other = Incarnation(random());
    assert!(matches!(
        store.put_sealer(*role, record, other, InsteadOf::Anything),
        Err(StoreError::TokenChanged)
    ));
    store
        .put_sealer(*role, record, token.header.incarnation, InsteadOf::Anything)
        .unwrap();
    assert_eq!(store.count_attempt(Role::User).unwrap().failed, 1);
    // Who thought that there was none takes nothing of the count away.
    assert!(matches!(
        store.put_sealer(*role, record, token.header.incarnation, InsteadOf::Nothing),
        Err(StoreError::SealerChanged(_))
    ));
    assert_eq!(store.count_attempt(Role::User).unwrap().failed, 2);
    assert!(matches!(
        store.count_attempt(Role::Machine),
        Err(StoreError::NoSealer(_))
    ));
}

#[test]
fn a_hundred_thousand_objects_are_listed_by_one_scan_of_an_index() {
    let (place, store) = Place::ready();
    let base = now(&store);
    for chunk in 0..10 {
        let changes: Vec<_> = (0..10_000)
            .map(|n| Change::Create(record(&format!("object {chunk} {n}"))))
            .collect();
        store.commit(&changes, base).unwrap();
    }
    let start = std::time::Instant::now();
    let all = store.changes_since(None).unwrap();
    println!("100,000 summaries in {:?}", start.elapsed());
    assert_eq!(all.changed.len(), 100_000);
    let connection = rusqlite::Connection::open(place.path()).unwrap();
    let plan: String = connection
        .query_row(
            "EXPLAIN QUERY PLAN SELECT id, revision, private, class, label, key_id FROM objects
             INDEXED BY objects_by_revision WHERE revision > 0 ORDER BY revision",
            [],
            |row| row.get(3),
        )
        .unwrap();
    assert!(plan.contains("COVERING INDEX objects_by_revision"), "{plan}");
}
