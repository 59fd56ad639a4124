// SPDX-License-Identifier: MIT
//! Learning the labels and ids that no listing tells, because they are in tags.
//!
//! A search for a label or `CKA_ID` that no key is known by asks for the descriptions of the keys of which nothing is
//! known yet: those without a listed label, or, for an id, all. So a first miss costs a request a key, [`PARALLEL`] at a
//! time, once for everybody; it goes on when whoever began it has lost patience. What was seen is remembered without
//! the description, for [`Settings::description_expiry`](crate::settings::Settings) and, if there are many keys, for so
//! long that looking again takes [`PACE`] a key on average. Then the next miss is free.

use std::sync::Arc;
use std::time::Duration;

use cryptoki_sys as ck;
use keyenclave_model::template::Template;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::catalogue::{Catalogue, Flight, State};
use super::entry::{Entry, Hint};
use super::listing::{Landed, broken_off, landed};
use crate::bridge::Asker;
use crate::call::{CallKind, DescribeKey};
use crate::error::{Error, ErrorKind, Result, Sent};
use crate::key::KeyName;

/// How many keys are described at the same time.
pub(super) const PARALLEL: usize = 32;
/// What is remembered of many keys is looked at again at this pace, a key: 28 requests a second.
const PACE: Duration = Duration::from_millis(36);

/// Which keys a search must know the tags of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Scope {
    /// Those that the listing gives no label.
    Unlabelled,
    /// Each.
    All,
}

impl Scope {
    /// What a search by these attributes needs, if it finds nothing among what is known.
    pub(super) fn of(template: &Template) -> Option<Self> {
        if template.get(ck::CKA_LABEL).is_some() {
            return Some(Self::Unlabelled);
        }
        template.get(ck::CKA_ID).map(|_| Self::All)
    }

    fn concerns(self, entry: &Entry) -> bool {
        self == Self::All || entry.listed.label.is_none()
    }
}

impl Catalogue {
    /// Whether there are keys whose tags a search must know and nobody does.
    pub(super) fn is_unsurveyed(&self, scope: Scope) -> bool {
        let mut state = self.state.lock();
        let now = Instant::now();
        if state.surveyed.get(&scope).is_some_and(|until| *until > now) {
            return false;
        }
        if self.unsurveyed(&state, scope).next().is_some() {
            return true;
        }
        let expiry = self.hint_expiry(&state);
        let concerned = state.entries.iter().filter(|(_, entry)| scope.concerns(entry));
        let oldest = concerned
            .filter_map(|(_, entry)| Some(entry.hint.as_ref()?.seen))
            .min();
        state.surveyed.insert(scope, oldest.unwrap_or(now) + expiry);
        false
    }

    /// How long it is believed what was seen in tags.
    fn hint_expiry(&self, state: &State) -> Duration {
        let many = u32::try_from(state.entries.len()).unwrap_or(u32::MAX);
        self.settings.description_expiry.max(PACE.saturating_mul(many))
    }

    fn unsurveyed<'a>(&self, state: &'a State, scope: Scope) -> impl Iterator<Item = &'a KeyName> + use<'a> {
        let expiry = self.hint_expiry(state);
        let is_known = move |entry: &Entry| {
            entry
                .hint
                .as_ref()
                .is_some_and(|hint| hint.seen.elapsed() < expiry)
        };
        state
            .entries
            .iter()
            .filter(move |(_, entry)| scope.concerns(entry) && !is_known(entry))
            .map(|(name, _)| name)
    }

    /// Sees to it that the tags of the keys are known.
    pub(super) async fn survey(self: &Arc<Self>, asker: &Asker, scope: Scope) -> Result<()> {
        // A survey of fewer keys may be under way: then ours is the next.
        while let Some(mut flight) = self.survey_flight(asker, scope)? {
            match landed(&mut flight, asker).await {
                Landed::Outcome(outcome) => outcome?,
                Landed::Lost => {
                    let mut state = self.state.lock();
                    drop(state.survey.take_if(|ended| ended.same_channel(&flight)));
                    return Err(broken_off(CallKind::Describe));
                }
                Landed::Late => {
                    let left = self.unsurveyed(&self.state.lock(), scope).count();
                    let what = format!(
                        "no key is listed under this name, and the tags of {left} keys are still to be looked at for \
                         it; that goes on, try again later"
                    );
                    return Err(Error::timeout(CallKind::Describe, Sent::Maybe, what));
                }
            }
        }
        Ok(())
    }

    /// The survey under way, or a new one. `None` if nothing is left to be looked at.
    fn survey_flight(self: &Arc<Self>, asker: &Asker, scope: Scope) -> Result<Option<Flight>> {
        let mut state = self.state.lock();
        if let Some(flight) = &state.survey {
            return Ok(Some(flight.clone()));
        }
        let names: Vec<_> = self.unsurveyed(&state, scope).cloned().collect();
        if names.is_empty() {
            return Ok(None);
        }
        match &state.survey_failed {
            Some((error, until)) if *until > Instant::now() => return Err(error.clone()),
            _ => {}
        }
        let (sender, receiver) = watch::channel(None);
        state.survey = Some(receiver.clone());
        drop(state);
        let (catalogue, asker) = (Arc::clone(self), asker.clone());
        tokio::spawn(async move {
            let outcome = catalogue.look_at(&asker, names).await;
            let mut state = catalogue.state.lock();
            state.survey = None;
            state.survey_failed = match &outcome {
                Ok(()) => None,
                Err(error) => Some((error.clone(), Instant::now() + catalogue.settings.negative_expiry)),
            };
            drop(state);
            drop(sender.send(Some(outcome)));
        });
        Ok(Some(receiver))
    }

    /// Looks at keys, some at a time, as long as a listing may take.
    async fn look_at(self: &Arc<Self>, asker: &Asker, names: Vec<KeyName>) -> Result<()> {
        let end = Instant::now() + self.settings.listing_timeout;
        let mut names = names.into_iter();
        let mut tasks = JoinSet::new();
        loop {
            while tasks.len() < PARALLEL
                && let Some(name) = names.next()
            {
                let asker = asker.until(end.min(Instant::now() + self.settings.operation_timeout));
                let catalogue = Arc::clone(self);
                tasks.spawn(async move { catalogue.look_at_one(&asker, &name).await });
            }
            match tasks.join_next().await {
                None => return Ok(()),
                Some(Ok(outcome)) => outcome?,
                Some(Err(_)) => return Err(broken_off(CallKind::Describe)),
            }
        }
    }

    /// Looks at one key. That it cannot be seen is as good as that it has no tags.
    async fn look_at_one(&self, asker: &Asker, name: &KeyName) -> Result<()> {
        let info = match asker.ask(DescribeKey { key: name.clone() }).await {
            Ok(info) => Some(info),
            Err(error) => match error.kind() {
                ErrorKind::NotFound
                | ErrorKind::Denied
                | ErrorKind::Disabled
                | ErrorKind::Unsupported
                | ErrorKind::Integrity => None,
                _ => return Err(error),
            },
        };
        self.state.lock().entries.change(name, |entry| match &info {
            Some(info) => entry.learn(info),
            None => {
                entry.hint = Some(Hint {
                    label: None,
                    id: None,
                    seen: Instant::now(),
                });
            }
        });
        Ok(())
    }
}
