// SPDX-License-Identifier: MIT
//! The keys that were listed, and the index by which a label or a `CKA_ID` finds them: at the same cost for ten keys
//! and for a hundred thousand.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};

use super::entry::Entry;
use crate::key::KeyName;

/// What keys are indexed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Column {
    Label,
    Id,
    /// The label of the listing, which the versions of one key share.
    Family,
}

/// See the module.
#[derive(Default)]
pub(super) struct Entries {
    map: BTreeMap<KeyName, Entry>,
    /// The hashes of what each key is found by, as [`Entry::indexed`] has them.
    index: BTreeSet<(u64, KeyName)>,
    hasher: RandomState,
}

impl Entries {
    /// For changes that concern nothing that a key is found by.
    pub(super) fn get_mut(&mut self, name: &KeyName) -> Option<&mut Entry> {
        self.map.get_mut(name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&KeyName, &Entry)> {
        self.map.iter()
    }

    /// For changes that concern nothing that a key is found by.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&KeyName, &mut Entry)> {
        self.map.iter_mut()
    }

    pub(super) fn len(&self) -> usize {
        self.map.len()
    }

    /// Adds a key, unless it is there. Whether it was added.
    pub(super) fn add(&mut self, name: &KeyName, new: impl FnOnce() -> Entry) -> bool {
        if self.map.contains_key(name) {
            return false;
        }
        self.map.insert(name.clone(), new());
        self.reindex(name);
        true
    }

    /// Changes a key in any way.
    pub(super) fn change<T>(&mut self, name: &KeyName, change: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let done = change(self.map.get_mut(name)?);
        self.reindex(name);
        Some(done)
    }

    /// Takes a key out.
    pub(super) fn remove(&mut self, name: &KeyName) -> Option<Entry> {
        let entry = self.map.remove(name)?;
        for hash in entry.indexed {
            self.index.remove(&(hash, name.clone()));
        }
        Some(entry)
    }

    /// The keys that may have this value; others whose hash is the same may be among them.
    pub(super) fn with(&self, column: Column, value: &[u8]) -> Vec<KeyName> {
        let hash = self.hasher.hash_one((column, value));
        let from = (hash, KeyName::new(""));
        let same = self.index.range(from..).take_while(|(other, _)| *other == hash);
        same.map(|(_, name)| name.clone()).collect()
    }

    fn reindex(&mut self, name: &KeyName) {
        let Some(entry) = self.map.get_mut(name) else {
            return;
        };
        let hash = |column, value: &[u8]| self.hasher.hash_one((column, value));
        let label = hash(Column::Label, entry.label());
        let family = entry.listed.label.as_deref();
        let now = [
            label,
            hash(Column::Id, entry.id()),
            // A key of no family needs no row of its own for that.
            family.map_or(label, |family| hash(Column::Family, family.as_bytes())),
        ];
        let before = std::mem::replace(&mut entry.indexed, now);
        if before == now {
            return;
        }
        for hash in before.into_iter().filter(|hash| !now.contains(hash)) {
            self.index.remove(&(hash, name.clone()));
        }
        for hash in now {
            self.index.insert((hash, name.clone()));
        }
    }

    /// Gives the keys of some families their names here. A label means the current version; the others are
    /// `label/versions/N`. Several keys may be current under one label, if they are not versions of one key. A key
    /// without a label is called by the last part of its name, see [`Entry::new`].
    pub(super) fn relabel<'a>(&mut self, families: impl IntoIterator<Item = &'a str>) {
        for family in families {
            let mut names = self.with(Column::Family, family.as_bytes());
            names.retain(|name| {
                let listed = self.map.get(name).map(|entry| &entry.listed);
                listed.is_some_and(|listed| listed.label.as_deref() == Some(family))
            });
            self.name_family(family, names);
        }
    }

    fn name_family(&mut self, label: &str, mut names: Vec<KeyName>) {
        // Oldest first; the current ones last.
        names.sort_by_cached_key(|name| {
            let listed = self
                .map
                .get(name)
                .map(|entry| (entry.listed.is_current, entry.listed.version));
            (listed, name.clone())
        });
        let newest = names.pop();
        let mut seen = BTreeSet::new();
        for (index, name) in names.iter().enumerate() {
            let Some(entry) = self.map.get(name) else {
                continue;
            };
            if entry.listed.is_current {
                self.rename(name, label);
                continue;
            }
            let number = entry.listed.version.filter(|version| seen.insert(*version));
            let number = number.unwrap_or(index as u64 + 1);
            self.rename(name, &format!("{label}/versions/{number}"));
        }
        if let Some(name) = newest {
            self.rename(&name, label);
        }
    }

    fn rename(&mut self, name: &KeyName, family: &str) {
        if self.map.get(name).is_some_and(|entry| entry.family != family) {
            self.change(name, |entry| family.clone_into(&mut entry.family));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::key::ListedKey;

    fn entries(keys: &[(&str, Option<&str>, Option<u64>, bool)]) -> Entries {
        let mut entries = Entries::default();
        for (name, label, version, is_current) in keys {
            let listed = ListedKey {
                name: KeyName::new(*name),
                label: label.map(str::to_owned),
                version: *version,
                is_current: *is_current,
            };
            assert!(entries.add(&listed.name.clone(), || Entry::new(listed)));
        }
        let labels: BTreeSet<_> = keys.iter().filter_map(|(_, label, ..)| *label).collect();
        entries.relabel(labels);
        entries
    }

    fn labels(keys: &[(&str, Option<&str>, Option<u64>, bool)]) -> Vec<String> {
        let label = |(_, entry): (&KeyName, &Entry)| String::from_utf8(entry.label().to_vec()).unwrap();
        entries(keys).iter().map(label).collect()
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

    #[test]
    fn two_keys_may_have_one_label() {
        let keys = [("k/1", Some("web"), None, true), ("k/2", Some("web"), None, true)];
        assert_eq!(labels(&keys), ["web", "web"]);
    }

    #[test]
    fn the_index_follows_every_change() {
        let mut entries = entries(&[("k/1", Some("web"), None, true), ("k/2", None, None, true)]);
        let names = |found: Vec<KeyName>| found.iter().map(KeyName::to_string).collect::<Vec<_>>();
        let with = |entries: &Entries, label: &str| names(entries.with(Column::Label, label.as_bytes()));
        let first = KeyName::new("k/1");
        assert_eq!(with(&entries, "web"), ["k/1"]);
        assert_eq!(with(&entries, "2"), ["k/2"]);
        entries.change(&first, |entry| entry.listed.label = Some("mail".to_owned()));
        entries.relabel(["web", "mail"]);
        assert_eq!(with(&entries, "mail"), ["k/1"]);
        assert!(with(&entries, "web").is_empty());
        let id = entries.get_mut(&first).unwrap().id().to_vec();
        assert_eq!(names(entries.with(Column::Id, &id)), ["k/1"]);
        assert!(entries.remove(&first).is_some());
        assert!(entries.with(Column::Id, &id).is_empty() && entries.index.len() == 2);
    }
}
