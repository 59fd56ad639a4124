// SPDX-License-Identifier: MIT
//! Notes: attributes that applications have set on the service's keys and that no tag holds, by the key's full name.
//!
//! A note is a data object with an application name of its own, so that the store attests it like any other; the
//! application never sees it. All notes are kept in memory and read again when the store has changed: they are the
//! exception, not the rule.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use cryptoki_sys as ck;
use keyenclave_model::access::Access;
use keyenclave_model::attribute::Value;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::object::{Object, Origin};
use keyenclave_model::template::Template;
use keyenclave_model::token::{CallCx, ObjectId, Role, SessionId};

use super::{Purpose, Sidecar};
use crate::codec;
use crate::store::Revision;

/// What is noted of one key: attributes that are bytes.
pub type Note = BTreeMap<ck::CK_ATTRIBUTE_TYPE, Vec<u8>>;

/// What is to be noted of one key; `None` takes an attribute away.
type Change = BTreeMap<ck::CK_ATTRIBUTE_TYPE, Option<Vec<u8>>>;

/// What is noted, by the key's full name at the service.
pub type Notes = HashMap<String, Arc<Note>>;

/// The `CKA_APPLICATION` of a note.
const APPLICATION: &[u8] = b"KeyEnclave: attributes of a key of the service";

/// What is known of the notes, and as of when.
#[derive(Default)]
pub(super) struct Known {
    as_of: Option<Revision>,
    notes: Arc<Notes>,
    handles: Arc<HashSet<ObjectId>>,
}

/// The sidecar itself asks.
const OURS: CallCx = CallCx {
    session: SessionId(ck::CK_INVALID_HANDLE),
    access: Access {
        writable: true,
        login: Some(Role::User),
    },
    deadline: None,
    may_pend: false,
};

/// Whether an object is a note.
pub(super) fn is_note(object: &Object) -> bool {
    object.bytes(ck::CKA_APPLICATION) == Some(APPLICATION)
}

/// Refuses an application's object that would be taken for a note.
pub(super) fn check_not_a_note(application: Option<&[u8]>) -> Result<()> {
    if application == Some(APPLICATION) {
        let detail = "this CKA_APPLICATION is the slot's own";
        return Err(Error::new(Rv::AttributeValueInvalid, detail));
    }
    Ok(())
}

impl Sidecar {
    /// All notes. As long as nothing in the store changes, the same `Arc`.
    ///
    /// # Errors
    /// `CKR_DEVICE_ERROR` for a store that is damaged.
    pub fn notes(&self) -> Result<Arc<Notes>> {
        if !self.open(Purpose::Reading)? {
            return Ok(Arc::clone(&self.none));
        }
        self.look().map(|(notes, _)| notes)
    }

    /// The handles of the notes.
    pub(super) fn note_handles(&self) -> Result<Arc<HashSet<ObjectId>>> {
        self.look().map(|(_, handles)| handles)
    }

    fn look(&self) -> Result<(Arc<Notes>, Arc<HashSet<ObjectId>>)> {
        let engine = self.engine();
        engine.refresh()?;
        let now = engine.index.read().revision();
        {
            let known = self.known.lock();
            if now.is_some() && known.as_of == now {
                return Ok((Arc::clone(&known.notes), Arc::clone(&known.handles)));
            }
        }
        let mut notes: HashMap<String, Note> = HashMap::new();
        let mut handles = HashSet::new();
        for handle in engine.find(OURS.access, &about(None))? {
            handles.insert(handle);
            let Ok(held) = engine.look_up(OURS.access, handle) else {
                continue;
            };
            if let Some((key, note)) = read(&held.opened().object) {
                merge(notes.entry(key).or_default(), note);
            }
        }
        let notes: Notes = notes
            .into_iter()
            .filter(|(_, note)| !note.is_empty())
            .map(|(key, note)| (key, Arc::new(note)))
            .collect();
        let mut known = self.known.lock();
        // What another object's change did not touch stays the same for who compares.
        if *known.notes != notes {
            known.notes = Arc::new(notes);
        }
        known.handles = Arc::new(handles);
        known.as_of = now;
        Ok((Arc::clone(&known.notes), Arc::clone(&known.handles)))
    }

    /// Changes what is noted of a key: `None` takes an attribute away. Durable when it returns. What other processes
    /// note of the same key meanwhile stays.
    ///
    /// # Errors
    /// What keeps the store from being written.
    pub fn note(&self, key: &str, change: &Change) -> Result<()> {
        let before = self.notes()?.get(key).cloned();
        let mut after = before.as_deref().cloned().unwrap_or_default();
        apply(change, &mut after);
        if before.as_deref() == Some(&after) || (before.is_none() && after.is_empty()) {
            return Ok(());
        }
        self.open(Purpose::Writing)?;
        self.change_note(key, change)
    }

    /// Forgets a key that is gone.
    ///
    /// # Errors
    /// As [`Self::note`].
    pub fn forget(&self, key: &str) -> Result<()> {
        if !self.open(Purpose::Reading)? {
            return Ok(());
        }
        self.destroy_all(self.engine().find(OURS.access, &about(Some(key)))?)
    }

    /// Changes the note that there is of a key, as it is when it is written, or makes one. A note that has become empty
    /// stays until the key is gone: another process may be about to write into it.
    fn change_note(&self, key: &str, change: &Change) -> Result<()> {
        let engine = self.engine();
        let mut present = engine.find(OURS.access, &about(Some(key)))?.into_iter();
        let Some(first) = present.next() else {
            let mut note = Note::new();
            apply(change, &mut note);
            return self.make_note(key, &note);
        };
        // Two processes may each have made one: the first takes in what the others say.
        let others: Vec<ObjectId> = present.collect();
        let mut said = Note::new();
        for other in &others {
            // Who has merged it already has written it into the first.
            if let Ok(held) = engine.look_up(OURS.access, *other) {
                merge(&mut said, read_note(&held.opened().object));
            }
        }
        engine.rewrite(&OURS, first, |object| {
            let mut note = read_note(object);
            merge(&mut note, said.clone());
            apply(change, &mut note);
            let mut changed = object.clone();
            changed.put(ck::CKA_VALUE, Value::bytes(encode(&note).as_slice()));
            Ok(changed)
        })?;
        self.destroy_all(others)
    }

    fn destroy_all(&self, notes: impl IntoIterator<Item = ObjectId>) -> Result<()> {
        notes
            .into_iter()
            .try_for_each(|note| match self.engine().destroy(&OURS, note) {
                Err(error) if error.rv() == Rv::ObjectHandleInvalid => Ok(()),
                done => done,
            })
    }

    fn make_note(&self, key: &str, note: &Note) -> Result<()> {
        let about = about(Some(key));
        let template = about.iter().map(|(id, value)| (id, value.clone())).chain([
            (ck::CKA_TOKEN, Value::Bool(true)),
            (ck::CKA_PRIVATE, Value::Bool(false)),
            (ck::CKA_VALUE, Value::bytes(encode(note).as_slice())),
        ]);
        let object = Object::admit(Origin::Create, None, &template.collect(), OURS.access.login)?;
        let engine = self.engine();
        let ticket = engine.session.ticket(OURS.session);
        engine.add(&ticket, [(object, None)]).map(drop)
    }
}

/// Takes in what another note of the same key says and this one does not.
fn merge(note: &mut Note, other: Note) {
    for (id, value) in other {
        note.entry(id).or_insert(value);
    }
}

fn apply(change: &Change, note: &mut Note) {
    for (id, value) in change {
        match value {
            Some(value) => drop(note.insert(*id, value.clone())),
            None => drop(note.remove(id)),
        }
    }
}

/// What notes are found by: those of one key, or all.
fn about(key: Option<&str>) -> Template {
    let all = [
        (ck::CKA_CLASS, Value::Ulong(ck::CKO_DATA)),
        (ck::CKA_APPLICATION, Value::bytes(APPLICATION)),
    ];
    let key = key.map(|key| (ck::CKA_LABEL, Value::bytes(key)));
    all.into_iter().chain(key).collect()
}

fn encode(note: &Note) -> zeroize::Zeroizing<Vec<u8>> {
    let attributes = note
        .iter()
        .map(|(id, value)| (*id, Value::bytes(value.as_slice())));
    codec::encode(&Object::restore(attributes.collect()))
}

/// The key that a note is about, and what it says.
fn read(object: &Object) -> Option<(String, Note)> {
    let key = String::from_utf8(object.bytes(ck::CKA_LABEL)?.to_vec()).ok()?;
    let content = codec::decode(object.bytes(ck::CKA_VALUE)?)?;
    let bytes = content
        .iter()
        .filter_map(|(id, value)| Some((id, value.as_bytes()?.to_vec())));
    Some((key, bytes.collect()))
}

fn read_note(object: &Object) -> Note {
    read(object).map(|(_, note)| note).unwrap_or_default()
}
