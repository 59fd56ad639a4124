// SPDX-License-Identifier: MIT
//! A token with a hundred thousand objects: opened, searched and added to by a process that comes later.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

mod token_fixture;

use cryptoki_sys as ck;
use keyenclave_model::attribute::Value;
use keyenclave_model::object::Object;
use keyenclave_model::token::Role;
use keyenclave_soft::codec;
use keyenclave_soft::store::{Change, Columns, RecordId, SqliteStore, Store};
use keyenclave_soft::vault::{PlainRecord, PublicVault};
use std::time::{Duration, Instant};
use token_fixture::*;

const MANY: u32 = 100_000;
/// More than any machine takes, unless the work grows with the number of objects more than once.
const SANE: Duration = Duration::from_secs(20);

/// Puts so many public objects into the store, in one commit: one by one each would wait for the disk.
fn fill(fixture: &Fixture) {
    let store = SqliteStore::new(&fixture.directory.path().join("token.db"));
    let vault = PublicVault::new(store.header().unwrap().unwrap().identity);
    let create = |number: u32| {
        let label = format!("object {number}").into_bytes();
        let object = Object::restore(vec![
            (ck::CKA_CLASS, Value::Ulong(ck::CKO_DATA)),
            (ck::CKA_TOKEN, yes()),
            (ck::CKA_PRIVATE, no()),
            (ck::CKA_LABEL, bytes(&label)),
            (ck::CKA_VALUE, bytes(number.to_le_bytes())),
        ]);
        let columns = Columns {
            class: ck::CKO_DATA.to_le_bytes().to_vec(),
            label,
            key_id: Vec::new(),
        };
        let plain = PlainRecord {
            id: RecordId(u128::from(number).to_be_bytes()),
            private: false,
            columns,
            body: codec::encode(&object),
        };
        Change::Create(vault.seal(&plain).unwrap())
    };
    let changes: Vec<_> = (0..MANY).map(create).collect();
    let base = store.changes_since(None).unwrap().revision;
    store.commit(&changes, base).unwrap();
}

/// Does something, and says how long it took.
fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let done = work();
    let took = start.elapsed();
    println!("{what}: {took:?}");
    assert!(took < SANE, "{what}: {took:?}");
    done
}

#[test]
fn a_hundred_thousand_objects_are_opened_searched_and_added_to() {
    let first = Fixture::initialised();
    fill(&first);
    let later = first.other();
    later.login(Role::User, USER_PIN).unwrap();
    let all = timed("first search", || later.find(user(), &template([])));
    assert_eq!(all.len(), MANY as usize);
    timed("a thousand searches by label", || {
        for number in (0..MANY).step_by(100) {
            assert_eq!(
                later.find(user(), &by_label(&format!("object {number}"))).len(),
                1
            );
        }
    });
    timed("one object more, private", || {
        later.create(user(), &data("one more", true, true)).unwrap();
    });
    first.login(Role::User, USER_PIN).unwrap();
    assert_eq!(
        first.find(user(), &by_label("one more")).len(),
        1,
        "seen at the next call"
    );
    assert_eq!(first.find(user(), &by_label("object 99999")).len(), 1);
}
