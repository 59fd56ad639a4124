// SPDX-License-Identifier: MIT
//! The aliases that were keys' labels until a moment ago.
//!
//! Another label is several requests, and the last deletes the old alias. If the call is cut off before that and
//! repeated, the repeat finds the new label in its place, and cannot see any more which of the other aliases was the
//! old one. So that is remembered until it is deleted, but not for long: later, an alias of that name may be somebody
//! else's work.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use keyenclave_bridge::key::KeyName;
use parking_lot::Mutex;

/// So long an alias is known to be a former label: longer than any call with its repeats.
const REMEMBERED: Duration = Duration::from_secs(300);

/// See the module.
#[derive(Default)]
pub(crate) struct FormerLabels(Mutex<HashMap<KeyName, Former>>);

struct Former {
    aliases: BTreeSet<String>,
    until: Instant,
}

impl FormerLabels {
    /// Remembers the alias that is a key's label and will not be, if there is one, and returns all that are known.
    pub(crate) fn with(&self, key: &KeyName, alias: Option<&String>, now: Instant) -> BTreeSet<String> {
        let mut keys = self.0.lock();
        keys.retain(|_, former| former.until > now);
        if let Some(alias) = alias {
            let former = keys.entry(key.clone()).or_insert_with(|| Former {
                aliases: BTreeSet::new(),
                until: now + REMEMBERED,
            });
            former.aliases.insert(alias.clone());
        }
        keys.get(key)
            .map(|former| former.aliases.clone())
            .unwrap_or_default()
    }

    /// The key has its label, and its former ones are deleted.
    pub(crate) fn forget(&self, key: &KeyName) {
        self.0.lock().remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_former_label_is_known_until_it_is_deleted_or_old() {
        let (labels, key, now) = (FormerLabels::default(), KeyName::new("key"), Instant::now());
        let (first, second) = ("alias/a".to_owned(), "alias/b".to_owned());
        assert!(labels.with(&key, None, now).is_empty());
        labels.with(&key, Some(&first), now);
        let both = BTreeSet::from([first.clone(), second.clone()]);
        assert_eq!(labels.with(&key, Some(&second), now), both);
        assert_eq!(labels.with(&key, None, now), both);
        assert!(labels.with(&KeyName::new("other"), None, now).is_empty());
        labels.forget(&key);
        assert!(labels.with(&key, None, now).is_empty());
        labels.with(&key, Some(&first), now);
        assert!(labels.with(&key, None, now + REMEMBERED).is_empty());
    }
}
