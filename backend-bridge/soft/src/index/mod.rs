// SPDX-License-Identifier: MIT
//! What is known of a token's objects without looking at them, and which of them are open.
//!
//! One entry an object: its name, its revision, hashes of its columns, by which it is on [lists](lists::Lists). Finding,
//! adding and removing cost the same with ten objects and with a hundred thousand, and an object costs some two hundred
//! bytes. No I/O and no cryptography here: the engine holds the lock around an index only for the length of one of
//! these calls.

mod lists;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use keyenclave_model::number_map::NumberMap;
use keyenclave_model::token::{HandleSource, ObjectId};

use crate::opened::Opened;
use crate::store::{Changes, Columns, Identity, RecordId, Revision, Stamp, Summary};
use crate::vault::Attestation;
use lists::{COLUMNS, Column, Lists, NONE};

/// How many objects are kept open; the one that was opened first makes room.
const OPEN_LIMIT: usize = 4096;

/// What to look for: the columns that a template gives.
#[derive(Default)]
pub(crate) struct Wanted<'a> {
    /// `CKA_ID`.
    pub(crate) key_id: Option<&'a [u8]>,
    /// `CKA_LABEL`.
    pub(crate) label: Option<&'a [u8]>,
    /// `CKA_CLASS`, as a column.
    pub(crate) class: Option<&'a [u8]>,
}

impl<'a> Wanted<'a> {
    fn column(&self, column: Column) -> Option<&'a [u8]> {
        match column {
            Column::KeyId => self.key_id,
            Column::Label => self.label,
            Column::Class => self.class,
        }
    }
}

struct Entry {
    id: RecordId,
    revision: u64,
    private: bool,
    /// Whether the log has told that it cannot be opened.
    reported: bool,
    handle: Option<ObjectId>,
    opened: Option<Arc<Opened>>,
}

/// What the engine is told of one object.
#[derive(Clone)]
pub(crate) struct Found {
    /// Its name.
    pub(crate) id: RecordId,
    /// The revision that last changed it.
    pub(crate) revision: u64,
    /// `CKA_PRIVATE`.
    pub(crate) private: bool,
    /// The object, if it is open.
    pub(crate) opened: Option<Arc<Opened>>,
}

/// See the module.
pub(crate) struct Index {
    /// What is known is of this revision; `None` before the first look and while there is no token.
    revision: Option<Revision>,
    /// The token's identity, as long as there is a revision.
    identity: Option<Identity>,
    /// The mark of the store when it was last looked at.
    stamp: Option<Stamp>,
    slots: Vec<Option<Entry>>,
    free: Vec<u32>,
    by_record: HashMap<RecordId, u32>,
    by_handle: NumberMap<ObjectId, u32>,
    lists: Lists,
    open: VecDeque<RecordId>,
    hasher: RandomState,
}

impl Index {
    pub(crate) fn new() -> Self {
        Self {
            revision: None,
            identity: None,
            stamp: None,
            slots: Vec::new(),
            free: Vec::new(),
            by_record: HashMap::new(),
            by_handle: NumberMap::default(),
            lists: Lists::default(),
            open: VecDeque::new(),
            hasher: RandomState::new(),
        }
    }

    /// Whether nothing has changed since the last look, judging by a new mark.
    pub(crate) fn is_current(&self, stamp: Stamp) -> bool {
        self.stamp.is_some_and(|seen| seen.is_still(stamp))
    }

    /// What is known is of this revision.
    pub(crate) fn revision(&self) -> Option<Revision> {
        self.revision
    }

    /// The token's identity, if there is a token.
    pub(crate) fn identity(&self) -> Option<Identity> {
        self.identity
    }

    /// Forgets everything: there is no token, or another one.
    pub(crate) fn clear(&mut self, stamp: Option<Stamp>) {
        *self = Self::new();
        self.stamp = stamp;
    }

    /// Takes in what happened since `self.revision()`.
    pub(crate) fn apply(&mut self, changes: Changes, identity: Identity, stamp: Stamp) {
        if changes.complete {
            self.keep_only(&changes);
        }
        for id in &changes.deleted {
            self.remove(*id);
        }
        let more = changes.changed.len().saturating_sub(self.by_record.len());
        self.by_record.reserve(more);
        self.slots.reserve(more);
        for summary in changes.changed {
            self.insert(summary, None);
        }
        self.revision = Some(changes.revision);
        self.identity = Some(identity);
        self.stamp = Some(stamp);
    }

    /// Takes in an object that has just been committed. False if it is gone again already: the index has seen later
    /// revisions than its own, and none of it, or another token.
    pub(crate) fn committed(&mut self, revision: Revision, summary: Summary, opened: Arc<Opened>) -> bool {
        let same_token = |known: &Revision| known.incarnation == revision.incarnation;
        let Some(known) = self.revision.filter(same_token) else {
            return false;
        };
        if known.number >= revision.number && !self.by_record.contains_key(&summary.id) {
            return false;
        }
        self.insert(summary, Some(opened));
        true
    }

    /// Adds an object, or what changed of it. What was open of an older revision is forgotten.
    fn insert(&mut self, summary: Summary, opened: Option<Arc<Opened>>) {
        match self.by_record.get(&summary.id).copied() {
            Some(slot) => self.renew(slot, summary, opened),
            None => self.add(summary, opened),
        }
    }

    /// Removes an object; its handle is invalid for ever.
    pub(crate) fn remove(&mut self, id: RecordId) {
        let Some(slot) = self.by_record.remove(&id) else {
            return;
        };
        self.lists.remove(slot);
        let entry = self.slots.get_mut(slot as usize).and_then(Option::take);
        if let Some(handle) = entry.and_then(|entry| entry.handle) {
            self.by_handle.remove(&handle);
        }
        self.free.push(slot);
    }

    /// The object with a handle.
    pub(crate) fn by_handle(&self, handle: ObjectId) -> Option<Found> {
        self.found(*self.by_handle.get(&handle)?)
    }

    /// The handle of an object, given at first need.
    pub(crate) fn handle(&mut self, id: RecordId, source: &HandleSource) -> Option<ObjectId> {
        let slot = *self.by_record.get(&id)?;
        let entry = self.slots.get_mut(slot as usize)?.as_mut()?;
        let handle = *entry.handle.get_or_insert_with(|| ObjectId(source.next()));
        self.by_handle.insert(handle, slot);
        Some(handle)
    }

    /// Remembers an opened object, if it is still the one that was read.
    pub(crate) fn opened(&mut self, id: RecordId, revision: u64, opened: &Arc<Opened>) {
        let entry = self.entry_mut(id).filter(|entry| entry.revision == revision);
        if let Some(entry) = entry {
            entry.opened = Some(Arc::clone(opened));
            self.make_room(id);
        }
    }

    /// Closes an object.
    pub(crate) fn close(&mut self, id: RecordId) {
        if let Some(entry) = self.entry_mut(id) {
            entry.opened = None;
        }
    }

    /// Whether it has not been told yet that an object cannot be opened; from now on it has.
    pub(crate) fn is_news(&mut self, id: RecordId) -> bool {
        self.entry_mut(id)
            .is_some_and(|entry| !std::mem::replace(&mut entry.reported, true))
    }

    /// The public or private objects that have the wanted columns. Others may be among them: hashes are compared.
    pub(crate) fn candidates(&self, private: bool, wanted: &Wanted<'_>) -> Vec<Found> {
        let given = COLUMNS.into_iter().filter_map(|column| {
            let bytes = wanted.column(column)?;
            Some((column, self.hash(private, bytes)))
        });
        let hashes: Vec<_> = given.collect();
        let fits = |slot: &u32| {
            self.entry(*slot).is_some_and(|entry| entry.private == private)
                && hashes
                    .iter()
                    .all(|(column, hash)| self.lists.hash(*slot, *column) == Some(*hash))
        };
        let found = |slot| self.found(slot);
        match hashes.first() {
            Some((column, hash)) => self
                .lists
                .iter(*column, *hash)
                .filter(fits)
                .filter_map(found)
                .collect(),
            None => (0..self.end()).filter(fits).filter_map(found).collect(),
        }
    }

    /// Closes all private objects; their handles are invalid for ever.
    pub(crate) fn forget_private(&mut self) {
        for entry in self.slots.iter_mut().flatten().filter(|entry| entry.private) {
            entry.opened = None;
            if let Some(handle) = entry.handle.take() {
                self.by_handle.remove(&handle);
            }
        }
    }

    /// Closes the objects that could not be checked before, so that they are checked now.
    pub(crate) fn forget_unverified(&mut self) {
        for entry in self.slots.iter_mut().flatten() {
            let unverified = |opened: &Arc<Opened>| opened.attestation == Attestation::Unverified;
            if entry.opened.as_ref().is_some_and(unverified) {
                entry.opened = None;
            }
        }
    }

    fn hash(&self, private: bool, column: &[u8]) -> u64 {
        self.hasher.hash_one((private, column))
    }

    fn entry(&self, slot: u32) -> Option<&Entry> {
        self.slots.get(slot as usize)?.as_ref()
    }

    fn entry_mut(&mut self, id: RecordId) -> Option<&mut Entry> {
        let slot = *self.by_record.get(&id)?;
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    fn found(&self, slot: u32) -> Option<Found> {
        let entry = self.entry(slot)?;
        Some(Found {
            id: entry.id,
            revision: entry.revision,
            private: entry.private,
            opened: entry.opened.clone(),
        })
    }

    /// The number of slots, used or free.
    fn end(&self) -> u32 {
        u32::try_from(self.slots.len()).unwrap_or(NONE)
    }

    /// Removes what is gone by a complete list; what was committed after the list was made stays.
    fn keep_only(&mut self, changes: &Changes) {
        let present: HashSet<_> = changes.changed.iter().map(|summary| summary.id).collect();
        let gone: Vec<_> = self
            .slots
            .iter()
            .flatten()
            .filter(|entry| entry.revision <= changes.revision.number && !present.contains(&entry.id))
            .map(|entry| entry.id)
            .collect();
        gone.into_iter().for_each(|id| self.remove(id));
    }

    fn add(&mut self, summary: Summary, opened: Option<Arc<Opened>>) {
        let Some(slot) = self.free.pop().or_else(|| self.grow()) else {
            return;
        };
        let is_open = opened.is_some();
        let id = summary.id;
        let hashes = self.hashes(summary.private, &summary.columns);
        let entry = Entry {
            id,
            revision: summary.revision,
            private: summary.private,
            reported: false,
            handle: None,
            opened,
        };
        if let Some(place) = self.slots.get_mut(slot as usize) {
            *place = Some(entry);
        }
        self.by_record.insert(id, slot);
        self.lists.append(slot, hashes);
        if is_open {
            self.make_room(id);
        }
    }

    /// A new slot; none beyond four thousand million objects.
    fn grow(&mut self) -> Option<u32> {
        let slot = u32::try_from(self.slots.len())
            .ok()
            .filter(|slot| *slot != NONE)?;
        self.slots.push(None);
        Some(slot)
    }

    fn renew(&mut self, slot: u32, summary: Summary, opened: Option<Arc<Opened>>) {
        let known = self.entry(slot).map(|entry| entry.revision);
        if known.is_none_or(|known| known > summary.revision) {
            return;
        }
        let unchanged = known == Some(summary.revision);
        let is_open = opened.is_some();
        if let Some(entry) = self.slots.get_mut(slot as usize).and_then(Option::as_mut) {
            if !unchanged {
                entry.revision = summary.revision;
                entry.private = summary.private;
                entry.reported = false;
                entry.opened = None;
            }
            if is_open {
                entry.opened = opened;
            }
        }
        if !unchanged {
            let hashes = self.hashes(summary.private, &summary.columns);
            self.lists.remove(slot);
            self.lists.append(slot, hashes);
        }
        if is_open {
            self.make_room(summary.id);
        }
    }

    fn hashes(&self, private: bool, columns: &Columns) -> [u64; COLUMNS.len()] {
        COLUMNS.map(|column| {
            let bytes = match column {
                Column::KeyId => &columns.key_id,
                Column::Label => &columns.label,
                Column::Class => &columns.class,
            };
            self.hash(private, bytes)
        })
    }

    /// Notes that an object is open, and closes the oldest if they are too many.
    fn make_room(&mut self, newest: RecordId) {
        self.open.push_back(newest);
        while self.open.len() > OPEN_LIMIT {
            let oldest = self.open.pop_front();
            if let Some(entry) = oldest.and_then(|id| self.entry_mut(id)) {
                entry.opened = None;
            }
        }
    }
}
