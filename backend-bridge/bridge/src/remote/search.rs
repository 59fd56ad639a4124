// SPDX-License-Identifier: MIT
//! Searching the catalogue: on every attribute, and at once where everything that may match is known.

use std::collections::BTreeSet;
use std::sync::Arc;

use cryptoki_sys as ck;
use keyenclave_model::error::{Error as ModelError, Result as ModelResult, Rv};
use keyenclave_model::object::Object;
use keyenclave_model::template::Template;
use keyenclave_model::token::ObjectId;
use keyenclave_model::vendor::CKA_KEYENCLAVE_REMOTE_NAME;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::catalogue::Catalogue;
use super::entries::{Column, Entries};
use super::entry::{Detail, Entry};
use super::objects::Half;
use super::survey::{PARALLEL, Scope};
use crate::bridge::Asker;
use crate::error::{Error, ErrorKind, Result};
use crate::key::KeyName;

impl Catalogue {
    /// The objects that match, if that can be said without asking.
    pub(super) fn find_known(&self, template: &Template, sees_private: bool) -> Option<Vec<ObjectId>> {
        if !self.is_fresh() {
            return None;
        }
        let mut found = Found::default();
        for (name, detail) in self.candidates(template) {
            found.take(name, &*detail?, template, sees_private);
        }
        let is_final = self.missing(template, &found).is_none();
        is_final.then(|| self.objects(found))
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
        let found = self.look_through(&asker, &template, sees_private).await?;
        let Some(scope) = self.missing(&template, &found) else {
            return Ok(self.objects(found));
        };
        self.survey(&asker, scope).await?;
        let found = self.look_through(&asker, &template, sees_private).await?;
        Ok(self.objects(found))
    }

    /// Which keys must be looked at before it can be said that nothing else matches. A label that is listed, and an id
    /// that is some key's, are taken for that key's alone, so that finding it costs nothing more. Another key that has
    /// the same label in a tag is not found by it, one that has the same id is once it has been looked at.
    fn missing(&self, template: &Template, found: &Found) -> Option<Scope> {
        if template.get(CKA_KEYENCLAVE_REMOTE_NAME).is_some() || template.get(ck::CKA_UNIQUE_ID).is_some() {
            return None;
        }
        let scope = Scope::of(template)?;
        let is_miss = match scope {
            Scope::Unlabelled => found.matching.is_empty(),
            Scope::All => !found.has_candidates,
        };
        (is_miss && self.is_unsurveyed(scope)).then_some(scope)
    }

    /// Compares everything that may match, described if need be. What was compared need not stay in memory.
    async fn look_through(
        self: &Arc<Self>,
        asker: &Asker,
        template: &Template,
        sees_private: bool,
    ) -> ModelResult<Found> {
        let mut found = Found::default();
        let mut unknown = Vec::new();
        for (name, detail) in self.candidates(template) {
            match detail {
                Some(detail) => found.take(name, &detail, template, sees_private),
                None => unknown.push(name),
            }
        }
        let mut unknown = unknown.into_iter();
        let mut tasks = JoinSet::new();
        loop {
            while tasks.len() < PARALLEL
                && let Some(name) = unknown.next()
            {
                let (catalogue, asker) = (Arc::clone(self), asker.clone());
                tasks.spawn(async move {
                    let detail = catalogue.detail(&asker, &name).await;
                    (name, detail)
                });
            }
            match tasks.join_next().await {
                None => break,
                Some(Ok((name, Ok(detail)))) => found.take(name, &detail, template, sees_private),
                Some(Ok((name, Err(error)))) => self.pass_over(&name, error)?,
                Some(Err(_)) => return Err(ModelError::new(Rv::FunctionCanceled, "the slot was shut down")),
            }
        }
        found.matching.sort();
        Ok(found)
    }

    /// Leaves a key out of searches for a while, if the reason lies with the key.
    fn pass_over(&self, name: &KeyName, error: Error) -> Result<()> {
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::Unsettled => return Ok(()),
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
        let mut state = self.state.lock();
        let consider = |name: &KeyName, entry: &mut Entry| {
            if entry.passed_over.is_some_and(|until| until > now) || !may_match(name, entry, template) {
                return None;
            }
            let known = entry.known(self.is_private).filter(|detail| detail.until > now);
            Some((name.clone(), known))
        };
        let Some(mut names) = narrowed(&state.entries, template) else {
            let all = state.entries.iter_mut();
            return all.filter_map(|(name, entry)| consider(name, entry)).collect();
        };
        if let Some(label) = template.bytes(ck::CKA_LABEL) {
            leave_to_owners(&mut state.entries, label, &mut names);
        }
        let narrow = names.iter();
        narrow
            .filter_map(|name| consider(name, state.entries.get_mut(name)?))
            .collect()
    }

    /// The handles of what was found.
    fn objects(&self, found: Found) -> Vec<ObjectId> {
        let matching = found.matching.iter();
        matching
            .flat_map(|(name, halves)| halves.iter().filter_map(|half| self.handle(name, *half)))
            .collect()
    }
}

/// What a search has come to.
#[derive(Default)]
struct Found {
    /// Keys of which at least one object matches, and which.
    matching: Vec<(KeyName, Vec<Half>)>,
    /// Whether there was anything to be compared.
    has_candidates: bool,
}

impl Found {
    fn take(&mut self, name: KeyName, detail: &Detail, template: &Template, sees_private: bool) {
        self.has_candidates = true;
        let matches = |half: &Half| {
            let object = detail.objects.half(*half);
            object.is_some_and(|object| is_visible(object, sees_private) && object.matches(template))
        };
        let halves: Vec<_> = [Half::Private, Half::Public]
            .into_iter()
            .filter(matches)
            .collect();
        if !halves.is_empty() {
            self.matching.push((name, halves));
        }
    }
}

/// The few keys that a template can mean, if it says which.
fn narrowed(entries: &Entries, template: &Template) -> Option<Vec<KeyName>> {
    let text = |id| template.get(id).map(|_| template.bytes(id).unwrap_or_default());
    let unique = text(ck::CKA_UNIQUE_ID).map(|unique| {
        let end = unique
            .iter()
            .rposition(|byte| *byte == b'#')
            .unwrap_or(unique.len());
        unique.get(..end).unwrap_or_default()
    });
    if let Some(name) = text(CKA_KEYENCLAVE_REMOTE_NAME).or(unique) {
        return Some(std::str::from_utf8(name).map(KeyName::new).into_iter().collect());
    }
    let (label, id) = (text(ck::CKA_LABEL), text(ck::CKA_ID));
    let by_label = label.map(|label| entries.with(Column::Label, label));
    by_label.or_else(|| id.map(|id| entries.with(Column::Id, id)))
}

/// Leaves a label to the keys that have it otherwise than by a tag, if there are any: who may tag some key cannot have it
/// taken for another one.
fn leave_to_owners(entries: &mut Entries, label: &[u8], names: &mut Vec<KeyName>) {
    let (mut tagged, mut is_owned) = (BTreeSet::new(), false);
    for name in names.iter() {
        match entries.get_mut(name).filter(|entry| entry.label() == label) {
            Some(entry) if entry.is_label_tagged() => drop(tagged.insert(name.clone())),
            Some(_) => is_owned = true,
            None => {}
        }
    }
    if is_owned {
        names.retain(|name| !tagged.contains(name));
    }
}

/// Whether what is known of a key's names speaks against it. A key that has been looked at has no other names.
fn may_match(name: &KeyName, entry: &Entry, template: &Template) -> bool {
    let is = |id, value: &[u8]| {
        template
            .get(id)
            .is_none_or(|wanted| wanted.as_bytes() == Some(value))
    };
    is(ck::CKA_LABEL, entry.label())
        && (entry.hint.is_none() || is(ck::CKA_ID, entry.id()))
        && is(CKA_KEYENCLAVE_REMOTE_NAME, name.as_str().as_bytes())
}

/// Whether a session may see an object.
pub(super) fn is_visible(object: &Object, sees_private: bool) -> bool {
    sees_private || !object.is_private()
}
