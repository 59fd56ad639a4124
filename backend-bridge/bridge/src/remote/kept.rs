// SPDX-License-Identifier: MIT
//! Where what an application sets on a remote key is kept: in the key's label and tags, else in the sidecar.
//!
//! Both halves of a pair are one key at the service: they have one label, one `CKA_ID`, one subject and one pair of
//! dates. What is set on either is set on both, and where `C_GenerateKeyPair` is given two, the private key's count.
//! Security attributes are never kept: they are the service's.

use std::collections::BTreeMap;
use std::sync::Arc;

use cryptoki_sys as ck;
use keyenclave_model::attribute::{self, Value};
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::object::Object;
use keyenclave_model::template::{RawData, Template};
use keyenclave_soft::sidecar::Note;

/// The tags that keep what applications set, in hexadecimal digits, which every service takes in a tag.
const TAGS: &[(&str, ck::CK_ATTRIBUTE_TYPE)] = &[
    (ID_TAG, ck::CKA_ID),
    ("keyenclave-subject", ck::CKA_SUBJECT),
    ("keyenclave-start-date", ck::CKA_START_DATE),
    ("keyenclave-end-date", ck::CKA_END_DATE),
];
const ID_TAG: &str = "keyenclave-id";

/// How much there is room for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// The longest value of a tag, in bytes; 0 where there are no tags.
    pub(super) max_tag_value: usize,
    /// Whether there is a sidecar.
    pub(super) has_sidecar: bool,
}

/// What a template says that is kept: at the service the label and the tags, and what neither holds beside it.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) label: Option<String>,
    pub(super) tags: BTreeMap<String, Option<String>>,
    /// For the sidecar; `None` takes away what was noted before.
    pub(super) beside: BTreeMap<ck::CK_ATTRIBUTE_TYPE, Option<Vec<u8>>>,
}

impl Kept {
    /// What the template of a new key says. What is given empty there is as good as not given.
    ///
    /// # Errors
    /// `CKR_ATTRIBUTE_VALUE_INVALID` for what there is no room for.
    pub(super) fn of_new(template: &Template, room: Room) -> Result<Self> {
        let mut kept = Self::default();
        for (id, value) in given(template).filter(|(_, value)| !value.is_empty()) {
            kept.keep(id, value, room)?;
        }
        kept.beside.retain(|_, noted| noted.is_some());
        Ok(kept)
    }

    /// What a template says in which everything else has been refused or is what it was. What is empty is taken away.
    ///
    /// # Errors
    /// As [`Self::of_new`].
    pub(super) fn of_change(template: &Template, room: Room) -> Result<Self> {
        let mut kept = Self::default();
        for (id, value) in given(template) {
            kept.keep(id, value, room)?;
        }
        Ok(kept)
    }

    fn keep(&mut self, id: ck::CK_ATTRIBUTE_TYPE, value: &[u8], room: Room) -> Result<()> {
        let at_service = match tag(id) {
            None => self.keep_label(value, room),
            Some(tag) => {
                let fits = value.len().saturating_mul(2) <= room.max_tag_value;
                if fits {
                    self.tags
                        .insert(tag.to_owned(), (!value.is_empty()).then(|| hex::encode(value)));
                }
                fits
            }
        };
        if !at_service && !room.has_sidecar {
            let detail = format!(
                "{}: neither the service's label nor its tags ({} bytes in hexadecimal digits) can keep this; a sidecar \
                 can: set `sidecar` for this slot",
                attribute::name(id),
                room.max_tag_value
            );
            return Err(Error::new(Rv::AttributeValueInvalid, detail));
        }
        self.beside.insert(id, (!at_service).then(|| value.to_vec()));
        Ok(())
    }

    /// A label that is no text, or none, is not for the service, nor is one that a tag could not hold.
    fn keep_label(&mut self, value: &[u8], room: Room) -> bool {
        let is_long = room.max_tag_value != 0 && value.len().saturating_mul(2) > room.max_tag_value;
        let text = std::str::from_utf8(value)
            .ok()
            .filter(|text| !text.is_empty() && (!is_long || !room.has_sidecar));
        self.label = text.map(str::to_owned);
        text.is_some()
    }

    /// Adds what is said of the other half; where both say something, this one counts.
    pub(super) fn or(mut self, other: Self) -> Self {
        for (id, noted) in other.beside {
            let says = match tag(id) {
                None => self.label.is_some() || self.beside.contains_key(&id),
                Some(tag) => self.tags.contains_key(tag) || self.beside.contains_key(&id),
            };
            if !says {
                self.beside.insert(id, noted);
            }
        }
        if self.label.is_none() && !self.beside.contains_key(&ck::CKA_LABEL) {
            self.label = other.label;
        }
        for (name, value) in other.tags {
            let is_beside = attribute_of(&name).is_some_and(|id| self.beside.contains_key(&id));
            if !is_beside {
                self.tags.entry(name).or_insert(value);
            }
        }
        self
    }

    fn without_tags(mut self) -> Self {
        for (name, value) in std::mem::take(&mut self.tags) {
            if let Some(id) = attribute_of(&name) {
                let value = value.and_then(|value| hex::decode(value).ok());
                self.beside.insert(id, Some(value.unwrap_or_default()));
            }
        }
        self
    }

    /// The same, with everything in the sidecar: for who may change nothing at the service.
    pub(super) fn without_service(mut self) -> Self {
        if let Some(label) = self.label.take() {
            self.beside.insert(ck::CKA_LABEL, Some(label.into_bytes()));
        }
        // A tag that may not be taken away is hidden by what stands in its place.
        let hidden: Vec<_> = self
            .beside
            .iter()
            .filter_map(|(id, noted)| noted.is_some().then_some(*id))
            .collect();
        self.tags
            .retain(|name, _| attribute_of(name).is_none_or(|id| !hidden.contains(&id)));
        self.without_tags()
    }

    /// The tags of a new key.
    pub(super) fn new_tags(&self) -> BTreeMap<String, String> {
        let given = self
            .tags
            .iter()
            .filter_map(|(tag, value)| Some((tag.clone(), value.clone()?)));
        given.collect()
    }

    /// Takes away tags that the key has and that what is noted stands in place of.
    pub(super) fn untag(&mut self, present: &BTreeMap<String, String>) {
        for (name, id) in TAGS {
            let is_noted = self.beside.get(id).is_some_and(Option::is_some);
            if is_noted && present.contains_key(*name) {
                self.tags.insert((*name).to_owned(), None);
            }
        }
    }

    /// Whether the service has nothing to do with it.
    pub(super) fn is_beside_only(&self) -> bool {
        self.label.is_none() && self.tags.is_empty()
    }

    /// Whether an attribute is one of those that are kept.
    pub(super) fn keeps(id: ck::CK_ATTRIBUTE_TYPE) -> bool {
        id == ck::CKA_LABEL || tag(id).is_some()
    }
}

/// What of a template is kept at all.
fn given(template: &Template) -> impl Iterator<Item = (ck::CK_ATTRIBUTE_TYPE, &[u8])> {
    let kept = template.iter().filter(|(id, _)| Kept::keeps(*id));
    kept.filter_map(|(id, value)| Some((id, value.as_bytes()?)))
}

/// The tag of an attribute.
fn tag(id: ck::CK_ATTRIBUTE_TYPE) -> Option<&'static str> {
    TAGS.iter().find(|(_, kept)| *kept == id).map(|(tag, _)| *tag)
}

fn attribute_of(tag: &str) -> Option<ck::CK_ATTRIBUTE_TYPE> {
    TAGS.iter().find(|(name, _)| *name == tag).map(|(_, id)| *id)
}

/// Puts what the tags hold on an object.
pub(super) fn put_tags(object: &mut Object, tags: &BTreeMap<String, String>) {
    for (tag, id) in TAGS {
        let value = tags.get(*tag).and_then(|value| hex::decode(value).ok());
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            put(object, *id, &value);
        }
    }
}

/// Puts what is noted in the sidecar on an object: what somebody else may have written into its file, too, so that
/// only what is kept there is taken.
pub(super) fn put_note(object: &mut Arc<Object>, note: &Note) {
    let object = Arc::make_mut(object);
    for (id, value) in note.iter().filter(|(id, _)| Kept::keeps(**id)) {
        put(object, *id, value);
    }
}

/// Anybody may have written it: what the rules refuse is left out.
fn put(object: &mut Object, id: ck::CK_ATTRIBUTE_TYPE, value: &[u8]) {
    if let Ok(value) = Value::parse(id, &RawData::Bytes(value)) {
        object.put(id, value);
    }
}

/// The `CKA_ID` that a tag holds.
pub(super) fn tagged_id(tags: &BTreeMap<String, String>) -> Option<Vec<u8>> {
    let id = tags.get(ID_TAG).and_then(|id| hex::decode(id).ok());
    id.filter(|id| !id.is_empty())
}

/// What a change of the tags makes of the `CKA_ID` that a tag holds; `None` leaves it.
pub(super) fn retagged_id(tags: &BTreeMap<String, Option<String>>) -> Option<Option<Vec<u8>>> {
    tags.get(ID_TAG)
        .map(|id| id.as_ref().and_then(|id| hex::decode(id).ok()))
}
