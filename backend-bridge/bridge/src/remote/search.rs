// SPDX-License-Identifier: MIT
//! Searching the catalogue: on every attribute, and at once where everything that may match is known.

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
use super::entry::Detail;
use super::objects::{Half, unique_id};
use crate::bridge::Asker;
use crate::error::{Error, ErrorKind, Result};
use crate::key::KeyName;

/// How many keys are described at the same time for one search.
const PARALLEL: usize = 32;

impl Catalogue {
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
}

/// Whether a session may see an object.
pub(super) fn is_visible(object: &Object, sees_private: bool) -> bool {
    sees_private || !object.is_private()
}
