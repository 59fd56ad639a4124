// SPDX-License-Identifier: MIT
//! The keys of a service, as far as they are known.
//!
//! Listed when somebody first looks, all pages, by one listing at a time for everybody; described one by one when a
//! search needs it, each by one request for everybody. Both are forgotten after a while, and failures very soon. What
//! this process makes and destroys is patched in, and outlives listings that do not know of it yet. A listing goes on
//! when whoever began it has lost patience, else a big one would never end.
//!
//! The lock is held for the length of a look, never over an await.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use cryptoki_sys as ck;
use keyenclave_model::error::{Error as ModelError, Result as ModelResult, Rv};
use keyenclave_model::template::Template;
use keyenclave_model::token::{HandleSource, ObjectId};
use parking_lot::Mutex;
use tokio::sync::{OnceCell, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::entry::{Detail, Entry, relabel};
use super::objects::{CKA_KEYENCLAVE_REMOTE_NAME, Half, unique_id};
use crate::bridge::Asker;
use crate::call::{CallKind, DescribeKey, FetchPublicKey, ListKeys};
use crate::error::{Error, ErrorKind, Result, Sent};
use crate::key::{KeyInfo, KeyName, KeySpec, KeyState, ListedKey};
use crate::settings::Settings;

/// How long a listing may be behind what we did ourselves.
const GRACE: Duration = Duration::from_secs(120);
/// How many keys are described at the same time for one search.
const PARALLEL: usize = 32;
/// More keys than this are not a listing but a service that never ends.
const MOST_KEYS: usize = 1_000_000;

/// See the module.
pub(super) struct Catalogue {
    settings: Settings,
    handles: Arc<HandleSource>,
    /// Whether the objects of private and secret keys are private.
    is_private: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entries: BTreeMap<KeyName, Entry>,
    by_handle: HashMap<ObjectId, (KeyName, Half)>,
    /// Keys that we destroyed, and when.
    destroyed: HashMap<KeyName, Instant>,
    listed: Option<Instant>,
    failed: Option<(Error, Instant)>,
    flight: Option<Flight>,
    uses: u64,
    described: usize,
}

/// A listing under way, and its outcome once there is one.
type Flight = watch::Receiver<Option<Result<()>>>;

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
        let now = Instant::now();
        let mut state = self.state.lock();
        let uses = state.uses + 1;
        state.uses = uses;
        let entry = state.entries.get_mut(name)?;
        entry.used = uses;
        entry.known(self.is_private).filter(|detail| detail.until > now)
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

    /// The place where a key's description belongs; an old one is forgotten.
    fn cell(&self, name: &KeyName) -> Result<Arc<OnceCell<Arc<Detail>>>> {
        let mut state = self.state.lock();
        let entry = state.entries.get_mut(name).ok_or_else(|| gone(name))?;
        if entry.detail.initialized() {
            entry.forget();
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
        let label = self
            .state
            .lock()
            .entries
            .get(name)
            .map(|entry| entry.label.clone());
        self.build(info, spki, &label.ok_or_else(|| gone(name))?)
    }

    fn build(&self, info: KeyInfo, spki: Option<Vec<u8>>, label: &str) -> Result<Detail> {
        let until = Instant::now() + self.settings.description_expiry;
        Detail::new(info, spki, label, self.is_private, until).map_err(|error| {
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
        let described = state.entries.values().filter(|entry| entry.detail.initialized());
        let mut uses: Vec<_> = described.map(|entry| entry.used).collect();
        uses.sort_unstable();
        let excess = uses.len().saturating_sub(self.settings.described_keys);
        // A tenth more than needed, so that this does not happen at every key.
        let surplus = if excess == 0 { 0 } else { excess + uses.len() / 10 };
        let oldest = uses.get(surplus).copied().unwrap_or_default();
        for entry in state.entries.values_mut().filter(|entry| entry.used < oldest) {
            entry.forget();
        }
        state.described = uses.len() - surplus.min(uses.len());
    }

    /// The objects that match, if that can be said without asking.
    pub(super) fn find_known(&self, template: &Template, sees_private: bool) -> Option<Vec<ObjectId>> {
        if !self.is_fresh() {
            return None;
        }
        let candidates = self.candidates(template);
        let known: Option<Vec<_>> = candidates
            .into_iter()
            .map(|(name, known)| Some((name, known?)))
            .collect();
        Some(self.matching(&known?, template, sees_private))
    }

    /// The objects that match.
    ///
    /// # Errors
    /// What kept the service from telling. A key that we may not see, or do not understand, is left out instead.
    pub(super) async fn find(
        self: Arc<Self>,
        asker: Asker,
        template: Template,
        sees_private: bool,
    ) -> ModelResult<Vec<ObjectId>> {
        self.fresh(&asker).await?;
        let mut known = Vec::new();
        let mut unknown = Vec::new();
        for (name, detail) in self.candidates(&template) {
            match detail {
                Some(detail) => known.push((name, detail)),
                None => unknown.push(name),
            }
        }
        let mut unknown = unknown.into_iter();
        let mut tasks = JoinSet::new();
        loop {
            while tasks.len() < PARALLEL
                && let Some(name) = unknown.next()
            {
                let (catalogue, asker) = (Arc::clone(&self), asker.clone());
                tasks.spawn(async move {
                    let detail = catalogue.detail(&asker, &name).await;
                    (name, detail)
                });
            }
            match tasks.join_next().await {
                None => break,
                Some(Ok((name, Ok(detail)))) => known.push((name, detail)),
                Some(Ok((name, Err(error)))) => self.pass_over(&name, error)?,
                Some(Err(_)) => return Err(ModelError::new(Rv::FunctionCanceled, "the slot was shut down")),
            }
        }
        known.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(self.matching(&known, &template, sees_private))
    }

    /// Leaves a key out of searches for a while, if the reason lies with the key.
    fn pass_over(&self, name: &KeyName, error: Error) -> Result<()> {
        match error.kind() {
            ErrorKind::NotFound => return Ok(()),
            ErrorKind::Denied | ErrorKind::Disabled | ErrorKind::Unsupported | ErrorKind::Integrity => {}
            _ => return Err(error),
        }
        let mut state = self.state.lock();
        if let Some(entry) = state.entries.get_mut(name) {
            let is_news = entry.passed_over.is_none();
            entry.passed_over = Some(Instant::now() + self.settings.listing_expiry);
            if is_news {
                log::warn!(
                    "{name} is left out of searches: {error}; {}",
                    error.kind().advice()
                );
            }
        }
        Ok(())
    }

    /// The keys that may match, each with what is known and believed of it.
    fn candidates(&self, template: &Template) -> Vec<(KeyName, Option<Arc<Detail>>)> {
        let now = Instant::now();
        let (label, id) = (template.bytes(ck::CKA_LABEL), template.bytes(ck::CKA_ID));
        let remote_name = template.bytes(CKA_KEYENCLAVE_REMOTE_NAME);
        let unique = template.bytes(ck::CKA_UNIQUE_ID);
        let mut state = self.state.lock();
        let has_own_id = id.is_some_and(|id| state.entries.values().any(|entry| entry.id == id));
        let mut candidates = Vec::new();
        for (name, entry) in &mut state.entries {
            let named = |wanted: Option<&[u8]>, is: &str| wanted.is_none_or(|wanted| wanted == is.as_bytes());
            let unique_fits = unique.is_none_or(|unique| {
                let classes = [ck::CKO_PRIVATE_KEY, ck::CKO_PUBLIC_KEY, ck::CKO_SECRET_KEY];
                classes
                    .iter()
                    .any(|class| unique_id(name, *class).as_bytes() == unique)
            });
            if !named(label, &entry.label) || !named(remote_name, name.as_str()) || !unique_fits {
                continue;
            }
            if entry.passed_over.is_some_and(|until| until > now) {
                continue;
            }
            let known = entry.known(self.is_private).filter(|detail| detail.until > now);
            // An id that is some key's own is not likely to be another key's tag as well: that one is not asked for.
            if known.is_none() && has_own_id && id.is_some_and(|id| entry.id != id) {
                continue;
            }
            candidates.push((name.clone(), known));
        }
        candidates
    }

    fn matching(
        &self,
        known: &[(KeyName, Arc<Detail>)],
        template: &Template,
        sees_private: bool,
    ) -> Vec<ObjectId> {
        let mut found = Vec::new();
        for (name, detail) in known {
            for half in [Half::Private, Half::Public] {
                let object = detail.objects.half(half);
                let matches = |object: &&Arc<_>| is_visible(object, sees_private) && object.matches(template);
                if object.filter(matches).is_some() {
                    found.extend(self.handle(name, half));
                }
            }
        }
        found
    }

    /// The handle of an object of a key that is listed.
    pub(super) fn handle(&self, name: &KeyName, half: Half) -> Option<ObjectId> {
        let mut state = self.state.lock();
        let State {
            entries, by_handle, ..
        } = &mut *state;
        let handle = entries.get_mut(name)?.handle(half);
        Some(*handle.get_or_insert_with(|| {
            let new = ObjectId(self.handles.next());
            by_handle.insert(new, (name.clone(), half));
            new
        }))
    }

    /// Adds a key that was just made.
    pub(super) fn add(&self, info: KeyInfo, spki: Option<Vec<u8>>) -> Result<Arc<Detail>> {
        let name = info.listed.name.clone();
        let label = {
            let mut state = self.state.lock();
            let mut entry = Entry::new(info.listed.clone());
            entry.patched = Some(Instant::now());
            state.entries.insert(name.clone(), entry);
            state.destroyed.remove(&name);
            relabel(&mut state.entries);
            state
                .entries
                .get(&name)
                .map(|entry| entry.label.clone())
                .unwrap_or_default()
        };
        let detail = Arc::new(self.build(info, spki, &label)?);
        if let Some(entry) = self.state.lock().entries.get_mut(&name) {
            entry.detail = Arc::new(OnceCell::new_with(Some(Arc::clone(&detail))));
        }
        Ok(detail)
    }

    /// Takes a key out that was destroyed, or is not there.
    pub(super) fn remove(&self, name: &KeyName) {
        let mut state = self.state.lock();
        state.destroyed.insert(name.clone(), Instant::now());
        drop_entries(&mut state, |gone| gone == name);
        relabel(&mut state.entries);
    }

    /// Notes another label, and forgets what was described.
    pub(super) fn changed(&self, name: &KeyName, label: Option<String>) {
        let mut state = self.state.lock();
        if let Some(entry) = state.entries.get_mut(name) {
            entry.forget();
            if label.is_some() {
                entry.listed.label = label;
                entry.patched = Some(Instant::now());
            }
        }
        relabel(&mut state.entries);
    }

    /// Has the next search list anew: something may have happened that we do not know of.
    pub(super) fn doubt(&self) {
        self.state.lock().listed = None;
    }

    fn is_fresh(&self) -> bool {
        let state = self.state.lock();
        state
            .listed
            .is_some_and(|listed| listed.elapsed() < self.settings.listing_expiry)
    }

    /// Sees to a listing that is not too old.
    async fn fresh(self: &Arc<Self>, asker: &Asker) -> Result<()> {
        if self.is_fresh() {
            return Ok(());
        }
        let mut flight = self.flight(asker)?;
        let landed = tokio::time::timeout_at(asker.deadline(), flight.wait_for(Option::is_some)).await;
        match landed {
            Ok(Ok(outcome)) => outcome.clone().unwrap_or(Ok(())),
            Ok(Err(_)) => {
                // It ended without an outcome, which only the end of the runtime does.
                self.state.lock().flight = None;
                Err(Error::internal(
                    CallKind::List,
                    Sent::Maybe,
                    "the listing was broken off",
                ))
            }
            Err(_) => Err(Error::timeout(
                CallKind::List,
                Sent::Maybe,
                "the keys are not all listed yet; the listing goes on, try again later",
            )),
        }
    }

    /// The listing under way, or a new one.
    fn flight(self: &Arc<Self>, asker: &Asker) -> Result<Flight> {
        let mut state = self.state.lock();
        if let Some(flight) = &state.flight {
            return Ok(flight.clone());
        }
        match &state.failed {
            Some((error, until)) if *until > Instant::now() => return Err(error.clone()),
            _ => {}
        }
        let (sender, receiver) = watch::channel(None);
        state.flight = Some(receiver.clone());
        drop(state);
        let (catalogue, asker) = (Arc::clone(self), asker.clone());
        tokio::spawn(async move {
            let outcome = catalogue.list(&asker).await;
            drop(sender.send(Some(catalogue.land(outcome))));
        });
        Ok(receiver)
    }

    /// All pages.
    async fn list(&self, asker: &Asker) -> Result<Vec<ListedKey>> {
        let end = Instant::now() + self.settings.listing_timeout;
        let (mut keys, mut page, mut pages) = (Vec::new(), None, BTreeSet::new());
        loop {
            let page_end = end.min(Instant::now() + self.settings.operation_timeout);
            let answer = asker.until(page_end).ask(ListKeys { page: page.take() }).await?;
            keys.extend(answer.keys);
            let Some(next) = answer.next else { return Ok(keys) };
            if !pages.insert(next.0.clone()) || keys.len() > MOST_KEYS {
                return Err(Error::integrity(
                    CallKind::List,
                    Sent::Refused,
                    "the listing never ends",
                ));
            }
            page = Some(next);
        }
    }

    /// Ends a listing.
    fn land(&self, outcome: Result<Vec<ListedKey>>) -> Result<()> {
        let now = Instant::now();
        let mut state = self.state.lock();
        state.flight = None;
        match outcome {
            Ok(keys) => {
                merge(&mut state, keys, now);
                state.listed = Some(now);
                state.failed = None;
                Ok(())
            }
            Err(error) => {
                state.failed = Some((error.clone(), now + self.settings.negative_expiry));
                Err(error)
            }
        }
    }
}

/// Whether a session may see an object.
pub(super) fn is_visible(object: &keyenclave_model::object::Object, sees_private: bool) -> bool {
    sees_private || !object.is_private()
}

fn gone(name: &KeyName) -> Error {
    Error::not_found(
        CallKind::Describe,
        Sent::Refused,
        format!("{name} is no longer there"),
    )
}

/// Puts a listing in the place of the last one; handles of keys that are still there stay.
fn merge(state: &mut State, keys: Vec<ListedKey>, now: Instant) {
    let is_recent = |time: &Instant| now.duration_since(*time) < GRACE;
    state.destroyed.retain(|_, time| is_recent(time));
    let mut listed: HashMap<_, _> = keys.into_iter().map(|key| (key.name.clone(), key)).collect();
    listed.retain(|name, _| !state.destroyed.contains_key(name));
    let kept: BTreeSet<_> = state
        .entries
        .iter()
        .filter(|(name, entry)| listed.contains_key(name) || entry.patched.as_ref().is_some_and(is_recent))
        .map(|(name, _)| name.clone())
        .collect();
    drop_entries(state, |name| !kept.contains(name));
    for (name, key) in listed {
        match state.entries.get_mut(&name) {
            Some(entry) if entry.patched.as_ref().is_some_and(is_recent) => {}
            Some(entry) => entry.listed = key,
            None => drop(state.entries.insert(name, Entry::new(key))),
        }
    }
    relabel(&mut state.entries);
}

fn drop_entries(state: &mut State, is_gone: impl Fn(&KeyName) -> bool) {
    let State {
        entries, by_handle, ..
    } = state;
    entries.retain(|name, entry| {
        let is_gone = is_gone(name);
        if is_gone {
            for handle in entry.handles() {
                by_handle.remove(&handle);
            }
        }
        !is_gone
    });
}

/// Whether a key has a public half that must be fetched.
pub(super) fn has_public_half(info: &KeyInfo) -> bool {
    info.spec.is_some_and(KeySpec::is_pair)
}
