// SPDX-License-Identifier: MIT
//! The keys of a service, as far as they are known.
//!
//! Listed when somebody first looks ([`listing`](super::listing)); described one by one when a
//! [`search`](super::search) needs it, each by one request for everybody. Both are forgotten after a while. What only a
//! description tells of a key's label and `CKA_ID` is remembered for longer ([`survey`](super::survey)). What this
//! process makes and destroys is patched in, and outlives listings that do not know of it yet.
//!
//! The lock is held for the length of a look, never over an await.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use keyenclave_model::error::Rv;
use keyenclave_model::token::{HandleSource, ObjectId};
use keyenclave_soft::sidecar::Notes;
use parking_lot::Mutex;
use tokio::sync::{OnceCell, watch};
use tokio::time::Instant;

use super::entries::Entries;
use super::entry::{Detail, Entry, Hint};
use super::kept::{Kept, retagged_id};
use super::objects::Half;
use super::survey::Scope;
use crate::bridge::Asker;
use crate::call::{CallKind, DescribeKey, FetchPublicKey};
use crate::error::{Error, ErrorKind, Result, Sent};
use crate::key::{KeyInfo, KeyName, KeySpec, KeyState, ListedKey};
use crate::settings::Settings;

/// See the module.
pub(super) struct Catalogue {
    pub(super) settings: Settings,
    pub(super) handles: Arc<HandleSource>,
    /// Whether the objects of private and secret keys are private.
    pub(super) is_private: bool,
    pub(super) state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) entries: Entries,
    pub(super) by_handle: HashMap<ObjectId, (KeyName, Half)>,
    /// Public objects whose private key was destroyed here: who destroys them too has nothing to complain of.
    pub(super) orphans: BTreeSet<ObjectId>,
    /// What the sidecar says.
    pub(super) notes: Arc<Notes>,
    /// Keys that we destroyed, and when.
    pub(super) destroyed: HashMap<KeyName, Instant>,
    pub(super) listed: Option<Instant>,
    pub(super) failed: Option<(Error, Instant)>,
    pub(super) flight: Option<Flight>,
    pub(super) survey: Option<Flight>,
    /// Until when the tags of the keys of a scope are all known, unless a key is listed that was not.
    pub(super) surveyed: HashMap<Scope, Instant>,
    pub(super) survey_failed: Option<(Error, Instant)>,
    pub(super) uses: u64,
    pub(super) described: usize,
}

impl State {
    pub(super) fn is_fresh(&self, settings: &Settings) -> bool {
        self.listed
            .is_some_and(|listed| listed.elapsed() < settings.listing_expiry)
    }

    /// Takes a key out, and its handles with it.
    pub(super) fn drop_entry(&mut self, name: &KeyName) {
        let entry = self.entries.remove(name);
        for handle in entry.iter().flat_map(Entry::handles) {
            self.by_handle.remove(&handle);
        }
    }
}

/// How many destroyed keys' public objects are remembered.
const ORPHANS: usize = 10_000;

/// A listing or survey under way, and its outcome once there is one.
pub(super) type Flight = watch::Receiver<Option<Result<()>>>;

impl Catalogue {
    pub(super) fn new(settings: Settings, handles: Arc<HandleSource>, is_private: bool) -> Arc<Self> {
        Arc::new(Self {
            settings,
            handles,
            is_private,
            state: Mutex::default(),
        })
    }

    /// Which object a handle leads to.
    pub(super) fn by_handle(&self, handle: ObjectId) -> Option<(KeyName, Half)> {
        self.state.lock().by_handle.get(&handle).cloned()
    }

    /// A key that is known and believed.
    pub(super) fn known(&self, name: &KeyName) -> Option<Arc<Detail>> {
        self.used(name, |entry| entry.known(self.is_private))
            .filter(|detail| detail.until > Instant::now())
    }

    /// A key that has been described, however long ago: what it is and can do never changes.
    pub(super) fn described(&self, name: &KeyName) -> Option<Arc<Detail>> {
        self.used(name, |entry| entry.latest(self.is_private))
    }

    /// Looks at a key that is being used.
    fn used<T>(&self, name: &KeyName, look: impl FnOnce(&mut Entry) -> Option<T>) -> Option<T> {
        let mut state = self.state.lock();
        let uses = state.uses + 1;
        state.uses = uses;
        let entry = state.entries.get_mut(name)?;
        entry.used = uses;
        look(entry)
    }

    /// A key, described if need be.
    pub(super) async fn detail(&self, asker: &Asker, name: &KeyName) -> Result<Arc<Detail>> {
        if let Some(known) = self.known(name) {
            return Ok(known);
        }
        let cell = self.cell(name)?;
        let described = cell
            .get_or_try_init(async || self.describe(asker, name).await.map(Arc::new))
            .await;
        match described {
            Ok(detail) => {
                self.make_room();
                // The label may have changed while the service was being asked.
                Ok(self.known(name).unwrap_or_else(|| Arc::clone(detail)))
            }
            Err(error) => {
                if error.kind() == ErrorKind::NotFound {
                    self.remove(name);
                }
                Err(error)
            }
        }
    }

    /// The place where a key's description belongs; an old one is believed no more.
    fn cell(&self, name: &KeyName) -> Result<Arc<OnceCell<Arc<Detail>>>> {
        let mut state = self.state.lock();
        let entry = state.entries.get_mut(name).ok_or_else(|| gone(name))?;
        if entry
            .detail
            .get()
            .is_some_and(|detail| detail.until <= Instant::now())
        {
            entry.renew();
        }
        Ok(Arc::clone(&entry.detail))
    }

    async fn describe(&self, asker: &Asker, name: &KeyName) -> Result<Detail> {
        let info = asker.ask(DescribeKey { key: name.clone() }).await?;
        if info.state == KeyState::Destroying {
            return Err(gone(name));
        }
        let spki = match info.spec {
            Some(spec) if spec.is_pair() => Some(asker.ask(FetchPublicKey { key: name.clone() }).await?),
            _ => None,
        };
        self.build(info, spki)
    }

    /// What is known of a key now.
    fn build(&self, info: KeyInfo, spki: Option<Vec<u8>>) -> Result<Detail> {
        let name = &info.listed.name;
        let learned = self.state.lock().entries.change(name, |entry| {
            entry.learn(&info);
            entry.names()
        });
        let names = learned.ok_or_else(|| gone(name))?;
        let until = Instant::now() + self.settings.description_expiry;
        Detail::new(info, spki, names, self.is_private, until).map_err(|error| {
            let what = error.detail().unwrap_or("the key cannot be shown").to_owned();
            match error.rv() {
                Rv::KeyTypeInconsistent => Error::unsupported(CallKind::Describe, Sent::Refused, what),
                _ => Error::integrity(CallKind::PublicKey, Sent::Refused, what),
            }
        })
    }

    /// Forgets the descriptions that were not used for longest, if there are too many.
    fn make_room(&self) {
        let mut state = self.state.lock();
        state.described += 1;
        if state.described <= self.settings.described_keys {
            return;
        }
        let described = state.entries.iter().filter(|(_, entry)| entry.is_described());
        let mut uses: Vec<_> = described.map(|(_, entry)| entry.used).collect();
        uses.sort_unstable();
        let excess = uses.len().saturating_sub(self.settings.described_keys);
        // A tenth more than needed, so that this does not happen at every key.
        let surplus = if excess == 0 { 0 } else { excess + uses.len() / 10 };
        let oldest = uses.get(surplus).copied().unwrap_or_default();
        for (_, entry) in state.entries.iter_mut().filter(|(_, entry)| entry.used < oldest) {
            entry.forget();
        }
        state.described = uses.len() - surplus.min(uses.len());
    }

    /// The handle of an object of a key that is listed.
    pub(super) fn handle(&self, name: &KeyName, half: Half) -> Option<ObjectId> {
        let mut state = self.state.lock();
        let State {
            entries, by_handle, ..
        } = &mut *state;
        let entry = entries.get_mut(name)?;
        if entry.hides_public && half == Half::Public {
            return None;
        }
        let handle = entry.handle(half);
        Some(*handle.get_or_insert_with(|| {
            let new = ObjectId(self.handles.next());
            by_handle.insert(new, (name.clone(), half));
            new
        }))
    }

    /// Lists a key that was just made.
    pub(super) fn add(&self, listed: &ListedKey) {
        let name = &listed.name;
        let mut state = self.state.lock();
        state.destroyed.remove(name);
        let note = state.notes.get(name.as_str()).cloned();
        // A listing may have been quicker.
        state.entries.add(name, || Entry::new(listed.clone()));
        state.surveyed.clear();
        state.entries.change(name, |entry| {
            entry.patched = Some(Instant::now());
            entry.note = note;
        });
        state.entries.relabel(listed.label.as_deref());
    }

    /// Takes over the description of a key that is listed.
    pub(super) fn take(&self, info: KeyInfo, spki: Option<Vec<u8>>) -> Result<()> {
        let name = info.listed.name.clone();
        let detail = Arc::new(self.build(info, spki)?);
        if let Some(entry) = self.state.lock().entries.get_mut(&name) {
            entry.detail = Arc::new(OnceCell::new_with(Some(detail)));
        }
        Ok(())
    }

    /// Takes a key out that was destroyed, or is not there.
    pub(super) fn remove(&self, name: &KeyName) {
        let mut state = self.state.lock();
        state.destroyed.insert(name.clone(), Instant::now());
        let gone = state.entries.get_mut(name);
        let (label, public) = gone.map_or((None, None), |entry| {
            (entry.listed.label.clone(), *entry.handle(Half::Public))
        });
        state.orphans.extend(public);
        if state.orphans.len() > ORPHANS {
            state.orphans.pop_first();
        }
        state.drop_entry(name);
        state.entries.relabel(label.as_deref());
    }

    /// Whether a handle is the public object of a key that was destroyed here. It is so once.
    pub(super) fn was_orphan(&self, handle: ObjectId) -> bool {
        self.state.lock().orphans.remove(&handle)
    }

    /// Shows the public object of a key no more.
    pub(super) fn hide_public(&self, name: &KeyName) {
        let mut state = self.state.lock();
        let State {
            entries, by_handle, ..
        } = &mut *state;
        if let Some(entry) = entries.get_mut(name) {
            entry.hides_public = true;
            let handle = entry.handle(Half::Public).take();
            handle.and_then(|handle| by_handle.remove(&handle));
        }
    }

    /// Notes what was set on a key, and has it described anew.
    pub(super) fn changed(&self, name: &KeyName, kept: &Kept) {
        let mut state = self.state.lock();
        let id = retagged_id(&kept.tags);
        let before = state.entries.change(name, |entry| {
            entry.renew();
            let now = Instant::now();
            let hint = entry.hint.get_or_insert(Hint {
                label: None,
                id: None,
                seen: now,
            });
            if let Some(id) = id {
                hint.id = id.map(Into::into);
            }
            let label = kept.label.clone()?;
            hint.label = None;
            entry.patched = Some(now);
            Some(entry.listed.label.replace(label))
        });
        if let Some(Some(before)) = before {
            let families = [before.as_deref(), kept.label.as_deref()];
            state.entries.relabel(families.into_iter().flatten());
        }
    }

    /// Forgets what a key is called, for nobody knows what became of a change.
    pub(super) fn unsure(&self, name: &KeyName) {
        let mut state = self.state.lock();
        state.listed = None;
        state.surveyed.clear();
        state.entries.change(name, |entry| {
            entry.hint = None;
            entry.patched = None;
            entry.renew();
        });
    }

    /// Takes over what the sidecar says of the keys.
    pub(super) fn take_notes(&self, notes: &Arc<Notes>) {
        let mut state = self.state.lock();
        if Arc::ptr_eq(&state.notes, notes) {
            return;
        }
        let before = std::mem::replace(&mut state.notes, Arc::clone(notes));
        let names: BTreeSet<_> = before.keys().chain(notes.keys()).collect();
        for name in names
            .into_iter()
            .filter(|name| before.get(*name) != notes.get(*name))
        {
            let note = notes.get(name).cloned();
            let name = KeyName::new(name.as_str());
            state.entries.change(&name, |entry| entry.note = note);
        }
    }

    /// Has the next search list anew: something may have happened that we do not know of.
    pub(super) fn doubt(&self) {
        self.state.lock().listed = None;
    }
}

pub(super) fn gone(name: &KeyName) -> Error {
    Error::not_found(
        CallKind::Describe,
        Sent::Refused,
        format!("{name} is no longer there"),
    )
}

/// Whether a key has a public half that must be fetched.
pub(super) fn has_public_half(info: &KeyInfo) -> bool {
    info.spec.is_some_and(KeySpec::is_pair)
}
