// SPDX-License-Identifier: MIT
//! What is known of one key of a service.

use std::sync::{Arc, OnceLock};

use cryptoki_sys as ck;
use keyenclave_crypto::PublicKey;
use keyenclave_model::error::{Result, Rv};
use keyenclave_model::mechanism::Mechanism;
use keyenclave_model::token::{ObjectId, Operation, OperationClass};
use keyenclave_soft::sidecar::Note;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::kept::{put_note, tagged_id};
use super::local::{LocalKey, PublicKeys};
use super::objects::{Half, KeyObjects, key_id};
use crate::key::{KeyInfo, ListedKey};

/// A key as it was described, with its objects.
pub(super) struct Detail {
    pub(super) info: KeyInfo,
    pub(super) objects: KeyObjects,
    /// Until when it is believed.
    pub(super) until: Instant,
    label: String,
    note: Option<Arc<Note>>,
    spki: Option<Vec<u8>>,
    local: OnceLock<LocalKey>,
    verifier: OnceLock<Option<PublicKey>>,
}

impl Detail {
    pub(super) fn new(
        info: KeyInfo,
        spki: Option<Vec<u8>>,
        names: Names,
        is_private: bool,
        until: Instant,
    ) -> Result<Self> {
        let Names { label, note } = names;
        let mut objects = KeyObjects::new(&info, &label, spki.as_deref(), is_private)?;
        if let Some(note) = &note {
            put_note(&mut objects.private, note);
            objects
                .public
                .iter_mut()
                .for_each(|public| put_note(public, note));
        }
        Ok(Self {
            info,
            objects,
            until,
            label,
            note,
            spki,
            local: OnceLock::new(),
            verifier: OnceLock::new(),
        })
    }

    /// The same key under other names.
    fn renamed(&self, names: Names, is_private: bool) -> Result<Self> {
        Self::new(
            self.info.clone(),
            self.spki.clone(),
            names,
            is_private,
            self.until,
        )
    }

    /// The public half for checking what the service answers; `None` for a key that has none.
    pub(super) fn verifier(&self) -> Option<&PublicKey> {
        let parse = || PublicKey::from_spki_der(self.spki.as_deref()?).ok();
        self.verifier.get_or_init(parse).as_ref()
    }

    /// Begins an operation with the public half, here.
    pub(super) fn begin_public(
        &self,
        keys: &Arc<PublicKeys>,
        class: OperationClass,
        mechanism: &Mechanism,
    ) -> Result<Box<dyn Operation>> {
        let public = self.objects.public.as_ref().ok_or(Rv::KeyHandleInvalid)?;
        let local = match self.local.get() {
            Some(local) => local,
            None => {
                let made = keys.add(public)?;
                self.local.get_or_init(|| made)
            }
        };
        local.begin(class, mechanism)
    }
}

/// What a key is called here: its label, and what the sidecar says instead of that and of its tags.
#[derive(Clone)]
pub(super) struct Names {
    pub(super) label: String,
    pub(super) note: Option<Arc<Note>>,
}

/// What only a description tells, and searches must know. It stays when the description is forgotten.
pub(super) struct Hint {
    /// A label that is not the listing's: kept in a tag.
    pub(super) label: Option<Box<str>>,
    /// A `CKA_ID` that was set: kept in a tag.
    pub(super) id: Option<Box<[u8]>>,
    /// When it was looked at.
    pub(super) seen: Instant,
}

/// A key that was listed.
pub(super) struct Entry {
    pub(super) listed: ListedKey,
    /// What the listing makes of its label, among the versions of its key.
    pub(super) family: String,
    /// `CKA_ID`, unless a tag or a note says otherwise.
    own_id: Box<[u8]>,
    /// What was seen when it was described.
    pub(super) hint: Option<Hint>,
    /// What the sidecar says of it.
    pub(super) note: Option<Arc<Note>>,
    /// What it is found by, in [`Entries`](super::entries::Entries).
    pub(super) indexed: [u64; 3],
    /// Somebody has destroyed the public object: it is not shown by this process any more.
    pub(super) hides_public: bool,
    /// When we made or changed it ourselves: listings may be behind for a while.
    pub(super) patched: Option<Instant>,
    /// Until when it is left out of searches, because it cannot be described.
    pub(super) passed_over: Option<Instant>,
    /// When it was used last, on the catalogue's counter.
    pub(super) used: u64,
    /// Filled by whoever comes first; the others wait.
    pub(super) detail: Arc<OnceCell<Arc<Detail>>>,
    /// What was described before, until a new description is there: for what of a key never changes.
    before: Option<Arc<Detail>>,
    handles: [Option<ObjectId>; 2],
}

impl Entry {
    pub(super) fn new(listed: ListedKey) -> Self {
        Self {
            family: listed.name.short().to_owned(),
            own_id: key_id(&listed.name).into(),
            hint: None,
            note: None,
            indexed: [0; 3],
            hides_public: false,
            listed,
            patched: None,
            passed_over: None,
            used: 0,
            detail: Arc::default(),
            before: None,
            handles: [None; 2],
        }
    }

    pub(super) fn with_note(self, note: Option<Arc<Note>>) -> Self {
        Self { note, ..self }
    }

    /// `CKA_LABEL`.
    pub(super) fn label(&self) -> &[u8] {
        let noted = self.note.as_ref().and_then(|note| note.get(&ck::CKA_LABEL));
        noted.map_or_else(|| self.text().as_bytes(), Vec::as_slice)
    }

    /// `CKA_ID`.
    pub(super) fn id(&self) -> &[u8] {
        let noted = self.note.as_ref().and_then(|note| note.get(&ck::CKA_ID));
        let tagged = self.hint.as_ref().and_then(|hint| hint.id.as_deref());
        noted.map(Vec::as_slice).or(tagged).unwrap_or(&self.own_id)
    }

    /// The label that the service keeps.
    fn text(&self) -> &str {
        let tagged = self.hint.as_ref().and_then(|hint| hint.label.as_deref());
        tagged.unwrap_or(&self.family)
    }

    /// Whether it is a tag that gives it its label.
    pub(super) fn is_label_tagged(&self) -> bool {
        let is_noted = self
            .note
            .as_ref()
            .is_some_and(|note| note.contains_key(&ck::CKA_LABEL));
        !is_noted && self.hint.as_ref().is_some_and(|hint| hint.label.is_some())
    }

    /// What its objects are called.
    pub(super) fn names(&self) -> Names {
        Names {
            label: self.text().to_owned(),
            note: self.note.clone(),
        }
    }

    /// Takes over what a new listing tells. A label that is news there counts more than one that was seen in a tag.
    pub(super) fn relist(&mut self, listed: ListedKey) {
        if listed.label != self.listed.label {
            match &listed.label {
                Some(_) => self.hint = None,
                // An alias is gone, or what we set here is in a tag: only another look at the key tells.
                None => {
                    self.listed.name.short().clone_into(&mut self.family);
                    self.hint = None;
                    self.renew();
                }
            }
        }
        self.listed = listed;
    }

    /// Notes what a description tells that the listing does not.
    pub(super) fn learn(&mut self, info: &KeyInfo) {
        let label = info.listed.label.as_deref();
        let is_news = label.is_some() && label != self.listed.label.as_deref();
        self.hint = Some(Hint {
            label: label.filter(|_| is_news).map(Into::into),
            id: tagged_id(&info.tags).map(Into::into),
            seen: Instant::now(),
        });
    }

    /// What is known, under the present names.
    pub(super) fn known(&mut self, is_private: bool) -> Option<Arc<Detail>> {
        let known = self.detail.get()?;
        self.before = None;
        if known.label == self.text() && known.note == self.note {
            return Some(Arc::clone(known));
        }
        let renamed = Arc::new(known.renamed(self.names(), is_private).ok()?);
        self.detail = Arc::new(OnceCell::new_with(Some(Arc::clone(&renamed))));
        Some(renamed)
    }

    /// What was described last, even if it is believed no more.
    pub(super) fn latest(&mut self, is_private: bool) -> Option<Arc<Detail>> {
        self.known(is_private).or_else(|| self.before.clone())
    }

    /// Makes room for a new description. The present one stays until that is there.
    pub(super) fn renew(&mut self) {
        if let Some(detail) = std::mem::take(&mut self.detail).get() {
            self.before = Some(Arc::clone(detail));
        }
    }

    /// Forgets what was described.
    pub(super) fn forget(&mut self) {
        self.detail = Arc::default();
        self.before = None;
    }

    /// Whether anything is kept of a description.
    pub(super) fn is_described(&self) -> bool {
        self.detail.initialized() || self.before.is_some()
    }

    /// The handle of one of the objects, if it has been given out.
    pub(super) fn handle(&mut self, half: Half) -> &mut Option<ObjectId> {
        let [private, public] = &mut self.handles;
        match half {
            Half::Private => private,
            Half::Public => public,
        }
    }

    /// All handles that have been given out.
    pub(super) fn handles(&self) -> impl Iterator<Item = ObjectId> {
        self.handles.into_iter().flatten()
    }
}
