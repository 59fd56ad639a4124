// SPDX-License-Identifier: MIT
//! What is known of one key of a service, and what its versions are called.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::Mechanism;
use keyenclave_model::token::{ObjectId, Operation, OperationClass};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::local::{LocalKey, PublicKeys};
use super::objects::{Half, KeyObjects, key_id};
use crate::key::{KeyInfo, KeyName, ListedKey};

/// A key as it was described, with its objects.
pub(super) struct Detail {
    pub(super) info: KeyInfo,
    pub(super) objects: KeyObjects,
    /// Until when it is believed.
    pub(super) until: Instant,
    label: String,
    spki: Option<Vec<u8>>,
    local: OnceLock<LocalKey>,
}

impl Detail {
    pub(super) fn new(
        info: KeyInfo,
        spki: Option<Vec<u8>>,
        label: &str,
        is_private: bool,
        until: Instant,
    ) -> Result<Self> {
        let objects = KeyObjects::new(&info, label, spki.as_deref(), is_private)?;
        Ok(Self {
            info,
            objects,
            until,
            label: label.to_owned(),
            spki,
            local: OnceLock::new(),
        })
    }

    /// The same key under another label.
    fn relabelled(&self, label: &str, is_private: bool) -> Result<Self> {
        Self::new(
            self.info.clone(),
            self.spki.clone(),
            label,
            is_private,
            self.until,
        )
    }

    /// Begins an operation with the public half, here.
    pub(super) fn begin_public(
        &self,
        keys: &Arc<PublicKeys>,
        class: OperationClass,
        mechanism: &Mechanism,
    ) -> Result<Box<dyn Operation>> {
        let public = self
            .objects
            .public
            .as_ref()
            .ok_or(Error::from(Rv::KeyHandleInvalid))?;
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

/// A key that was listed.
pub(super) struct Entry {
    pub(super) listed: ListedKey,
    /// What it is called here.
    pub(super) label: String,
    /// `CKA_ID`, unless a tag says otherwise.
    pub(super) id: Vec<u8>,
    /// When we made or changed it ourselves: listings may be behind for a while.
    pub(super) patched: Option<Instant>,
    /// Until when it is left out of searches, because it cannot be described.
    pub(super) passed_over: Option<Instant>,
    /// When it was used last, on the catalogue's counter.
    pub(super) used: u64,
    /// Filled by whoever comes first; the others wait.
    pub(super) detail: Arc<OnceCell<Arc<Detail>>>,
    handles: [Option<ObjectId>; 2],
}

impl Entry {
    pub(super) fn new(listed: ListedKey) -> Self {
        Self {
            label: listed.name.short().to_owned(),
            id: key_id(&listed.name),
            listed,
            patched: None,
            passed_over: None,
            used: 0,
            detail: Arc::default(),
            handles: [None; 2],
        }
    }

    /// What is known, under the present label.
    pub(super) fn known(&mut self, is_private: bool) -> Option<Arc<Detail>> {
        let known = self.detail.get()?;
        if known.label == self.label {
            return Some(Arc::clone(known));
        }
        let renamed = Arc::new(known.relabelled(&self.label, is_private).ok()?);
        self.detail = Arc::new(OnceCell::new_with(Some(Arc::clone(&renamed))));
        Some(renamed)
    }

    /// Forgets what was described.
    pub(super) fn forget(&mut self) {
        self.detail = Arc::default();
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

/// Gives the keys of some labels their names here. A label means the current version; the others are
/// `label/versions/N`. A key without a label is called by the last part of its name, see [`Entry::new`].
pub(super) fn relabel(entries: &mut BTreeMap<KeyName, Entry>, concerns: impl Fn(&str) -> bool) {
    let mut families: BTreeMap<String, Vec<KeyName>> = BTreeMap::new();
    for (name, entry) in entries.iter() {
        if let Some(label) = entry.listed.label.as_deref().filter(|label| concerns(label)) {
            families.entry(label.to_owned()).or_default().push(name.clone());
        }
    }
    for (label, mut names) in families {
        // Oldest first; the current one last.
        names.sort_by_key(|name| {
            let listed = entries
                .get(name)
                .map(|entry| (entry.listed.is_current, entry.listed.version));
            (listed, name.clone())
        });
        let current = names.pop();
        let mut seen = BTreeSet::new();
        for (index, name) in names.iter().enumerate() {
            let Some(entry) = entries.get_mut(name) else {
                continue;
            };
            let number = entry.listed.version.filter(|version| seen.insert(*version));
            let number = number.unwrap_or(index as u64 + 1);
            entry.label = format!("{label}/versions/{number}");
        }
        if let Some(entry) = current.and_then(|name| entries.get_mut(&name)) {
            entry.label = label;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn labels(keys: &[(&str, Option<&str>, Option<u64>, bool)]) -> Vec<String> {
        let listed =
            |(name, label, version, is_current): &(&str, Option<&str>, Option<u64>, bool)| ListedKey {
                name: KeyName::new(*name),
                label: label.map(str::to_owned),
                version: *version,
                is_current: *is_current,
            };
        let mut entries = keys
            .iter()
            .map(|key| (KeyName::new(key.0), Entry::new(listed(key))))
            .collect();
        relabel(&mut entries, |_| true);
        entries.into_values().map(|entry| entry.label).collect()
    }

    #[test]
    fn a_label_means_the_current_version_and_older_ones_have_their_number() {
        let keys = [
            ("k/1", Some("web"), Some(1), false),
            ("k/2", Some("web"), Some(2), true),
            ("k/3", Some("web"), Some(3), false),
            ("arn:x/abc", None, None, false),
        ];
        assert_eq!(labels(&keys), ["abc", "web/versions/1", "web", "web/versions/3"]);
    }

    #[test]
    fn without_a_current_version_the_newest_is() {
        let keys = [
            ("k/1", Some("web"), Some(7), false),
            ("k/2", Some("web"), Some(6), false),
        ];
        assert_eq!(labels(&keys), ["web", "web/versions/6"]);
    }
}
