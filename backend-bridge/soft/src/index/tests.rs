// SPDX-License-Identifier: MIT
//! The index against a list of objects that is searched from one end to the other.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::store::Incarnation;

/// What happens to an object; few names and few columns, so that they meet.
#[derive(Clone, Debug)]
enum Event {
    Put { id: u8, private: bool, columns: [u8; 3] },
    Delete { id: u8 },
    Handle { id: u8 },
    Logout,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0u8..12, any::<bool>(), [0u8..3, 0u8..3, 0u8..3])
            .prop_map(|(id, private, columns)| Event::Put { id, private, columns }),
        2 => (0u8..12).prop_map(|id| Event::Delete { id }),
        2 => (0u8..12).prop_map(|id| Event::Handle { id }),
        1 => Just(Event::Logout),
    ]
}

const LIFE: Incarnation = Incarnation([1; 16]);

fn name(id: u8) -> RecordId {
    RecordId([id; 16])
}

fn summary(id: u8, revision: u64, private: bool, [key_id, label, class]: [u8; 3]) -> Summary {
    Summary {
        id: name(id),
        revision,
        private,
        columns: Columns {
            class: vec![class],
            label: vec![label],
            key_id: vec![key_id],
        },
    }
}

fn changes(number: u64, changed: Vec<Summary>, deleted: Vec<RecordId>, complete: bool) -> Changes {
    Changes {
        revision: Revision {
            incarnation: LIFE,
            number,
        },
        changed,
        deleted,
        complete,
    }
}

fn apply(index: &mut Index, changes: Changes) {
    index.apply(changes, Identity([2; 16]), Stamp::Unsettled);
}

fn opened() -> Arc<Opened> {
    Arc::new(Opened::new(
        keyenclave_model::object::Object::restore(Vec::new()),
        Attestation::Attested,
        None,
    ))
}

/// Whether the index finds what a search from one end to the other finds, by each combination of columns.
fn assert_same(index: &Index, model: &BTreeMap<u8, (bool, [u8; 3])>) {
    for mask in 0..8u8 {
        for value in 0..3u8 {
            for private in [false, true] {
                let bytes = [value];
                let given = |bit: u8| (mask & bit != 0).then_some(&bytes[..]);
                let wanted = Wanted {
                    key_id: given(1),
                    label: given(2),
                    class: given(4),
                };
                let mut found: Vec<_> = index
                    .candidates(private, &wanted)
                    .iter()
                    .map(|found| found.id)
                    .collect();
                found.sort_unstable();
                let fits = |columns: &[u8; 3]| {
                    [1u8, 2, 4]
                        .iter()
                        .zip(columns)
                        .all(|(bit, column)| mask & bit == 0 || *column == value)
                };
                let expected: Vec<_> = model
                    .iter()
                    .filter(|(_, (is_private, columns))| *is_private == private && fits(columns))
                    .map(|(id, _)| name(*id))
                    .collect();
                assert_eq!(found, expected);
            }
        }
    }
}

proptest! {
    #[test]
    fn the_index_finds_what_a_search_through_everything_finds(events in proptest::collection::vec(event(), 0..80)) {
        let source = HandleSource::starting_at(1);
        let mut index = Index::new();
        let mut model = BTreeMap::new();
        let mut handles = BTreeMap::new();
        apply(&mut index, changes(0, Vec::new(), Vec::new(), true));
        for (revision, event) in (1..).zip(events) {
            match event {
                Event::Put { id, private, columns } => {
                    model.insert(id, (private, columns));
                    apply(&mut index, changes(revision, vec![summary(id, revision, private, columns)], Vec::new(), false));
                }
                Event::Delete { id } => {
                    model.remove(&id);
                    handles.remove(&id);
                    apply(&mut index, changes(revision, Vec::new(), vec![name(id)], false));
                }
                Event::Handle { id } => {
                    let handle = index.handle(name(id), &source);
                    prop_assert_eq!(handle.is_some(), model.contains_key(&id));
                    if let Some(handle) = handle {
                        prop_assert_eq!(*handles.entry(id).or_insert(handle), handle);
                    }
                }
                Event::Logout => {
                    index.forget_private();
                    handles.retain(|id, _| !model[id].0);
                }
            }
            assert_same(&index, &model);
            for handle in 1..=source.next() {
                let known = handles.iter().find(|(_, known)| known.0 == handle).map(|(id, _)| name(*id));
                prop_assert_eq!(index.by_handle(ObjectId(handle)).map(|found| found.id), known);
            }
        }
        let present: Vec<_> = model.iter().map(|(id, (private, columns))| summary(*id, 1000, *private, *columns)).collect();
        apply(&mut index, changes(1000, present.into_iter().skip(1).collect(), Vec::new(), true));
        model.pop_first();
        assert_same(&index, &model);
    }
}

#[test]
fn an_object_that_is_gone_before_its_commit_is_noted_stays_gone() {
    let mut index = Index::new();
    apply(&mut index, changes(7, Vec::new(), Vec::new(), true));
    let at = |number| Revision {
        incarnation: LIFE,
        number,
    };
    // Another thread has looked at revision 7 already, and in it the object of revision 6 is deleted.
    assert!(!index.committed(at(6), summary(1, 6, false, [0; 3]), opened()));
    assert!(index.committed(at(8), summary(2, 8, false, [0; 3]), opened()));
    let elsewhere = Revision {
        incarnation: Incarnation([9; 16]),
        number: 9,
    };
    assert!(!index.committed(elsewhere, summary(3, 9, false, [0; 3]), opened()));
    // A complete list from before the commit does not know it.
    apply(&mut index, changes(7, Vec::new(), Vec::new(), true));
    assert_eq!(index.candidates(false, &Wanted::default()).len(), 1);
}

#[test]
fn only_so_many_objects_stay_open() {
    let mut index = Index::new();
    apply(&mut index, changes(0, Vec::new(), Vec::new(), true));
    let many = OPEN_LIMIT as u64 + 10;
    for number in 1..=many {
        let mut new = summary(0, number, false, [0; 3]);
        new.id = RecordId(u128::from(number).to_be_bytes());
        let revision = Revision {
            incarnation: LIFE,
            number,
        };
        index.committed(revision, new, opened());
    }
    let found = index.candidates(false, &Wanted::default());
    assert_eq!(found.len() as u64, many);
    assert_eq!(
        found.iter().filter(|found| found.opened.is_some()).count(),
        OPEN_LIMIT
    );
}
