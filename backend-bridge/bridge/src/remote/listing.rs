// SPDX-License-Identifier: MIT
//! Listing a service's keys: all pages, one listing at a time for everybody.
//!
//! A listing goes on when whoever began it has lost patience, else a big one would never end. A failed one is told
//! again for a moment, without asking.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::catalogue::{Catalogue, Flight, State};
use super::entry::Entry;
use crate::bridge::Asker;
use crate::call::{CallKind, ListKeys};
use crate::error::{Error, Result, Sent};
use crate::key::{KeyName, ListedKey};

/// How long a listing may be behind what we did ourselves.
const GRACE: Duration = Duration::from_secs(120);
/// More keys than this are not a listing but a service that never ends.
const MOST_KEYS: usize = 1_000_000;

impl Catalogue {
    /// Whether the last listing is still believed.
    pub(super) fn is_fresh(&self) -> bool {
        self.state.lock().is_fresh(&self.settings)
    }

    /// Sees to a listing that is not too old.
    pub(super) async fn fresh(self: &Arc<Self>, asker: &Asker) -> Result<()> {
        if self.is_fresh() {
            return Ok(());
        }
        let Some(mut flight) = self.flight(asker)? else {
            return Ok(());
        };
        match landed(&mut flight, asker).await {
            Landed::Outcome(outcome) => outcome,
            Landed::Lost => {
                let mut state = self.state.lock();
                drop(state.flight.take_if(|ended| ended.same_channel(&flight)));
                Err(broken_off(CallKind::List))
            }
            Landed::Late => Err(Error::timeout(
                CallKind::List,
                Sent::Maybe,
                "the keys are not all listed yet; the listing goes on, try again later",
            )),
        }
    }

    /// The listing under way, or a new one. `None` if one has just landed.
    fn flight(self: &Arc<Self>, asker: &Asker) -> Result<Option<Flight>> {
        let mut state = self.state.lock();
        if let Some(flight) = &state.flight {
            return Ok(Some(flight.clone()));
        }
        if state.is_fresh(&self.settings) {
            return Ok(None);
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
        Ok(Some(receiver))
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
        // Before the lock, which signatures take, too.
        let outcome = outcome.map(|keys| {
            let named = keys.into_iter().map(|key| (key.name.clone(), key));
            named.collect::<HashMap<_, _>>()
        });
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

/// What becomes of a flight, as far as one caller sees.
pub(super) enum Landed {
    Outcome(Result<()>),
    /// It ended without an outcome, which only the end of the runtime does.
    Lost,
    /// The caller has no more time. It goes on.
    Late,
}

/// Waits for a flight, no longer than the caller has time.
pub(super) async fn landed(flight: &mut Flight, asker: &Asker) -> Landed {
    let landed = tokio::time::timeout_at(asker.deadline(), flight.wait_for(Option::is_some)).await;
    match landed.map(|landed| landed.map(|outcome| outcome.clone())) {
        Ok(Ok(outcome)) => Landed::Outcome(outcome.unwrap_or(Ok(()))),
        Ok(Err(_)) => Landed::Lost,
        Err(_) => Landed::Late,
    }
}

/// What is told of a flight that was lost.
pub(super) fn broken_off(call: CallKind) -> Error {
    Error::internal(call, Sent::Maybe, "what several waited for was broken off")
}

/// Puts a listing in the place of the last one; handles of keys that are still there stay.
fn merge(state: &mut State, mut listed: HashMap<KeyName, ListedKey>, now: Instant) {
    let is_recent = |time: &Instant| now.duration_since(*time) < GRACE;
    state.destroyed.retain(|_, time| is_recent(time));
    listed.retain(|name, _| !state.destroyed.contains_key(name));
    // Labels of which the keys may be other ones now.
    let mut families = HashSet::new();
    let is_gone = |name: &KeyName, entry: &Entry| {
        !listed.contains_key(name) && !entry.patched.as_ref().is_some_and(is_recent)
    };
    let gone = state.entries.iter().filter(|(name, entry)| is_gone(name, entry));
    for name in gone.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
        let entry = state.entries.get_mut(&name);
        families.extend(entry.and_then(|entry| entry.listed.label.clone()));
        state.drop_entry(&name);
    }
    for (name, key) in listed {
        match state.entries.get_mut(&name) {
            Some(entry) if entry.patched.as_ref().is_some_and(is_recent) || entry.listed == key => continue,
            Some(entry) => {
                families.extend(entry.listed.label.clone());
                families.extend(key.label.clone());
                state.entries.change(&name, |entry| entry.relist(key));
            }
            None => {
                let note = state.notes.get(name.as_str()).cloned();
                families.extend(key.label.clone());
                state.entries.add(&name, || Entry::new(key).with_note(note));
            }
        }
        state.surveyed.clear();
    }
    state.entries.relabel(families.iter().map(String::as_str));
}
