// SPDX-License-Identifier: MIT
//! Listing: first all aliases, then all keys, one request a page.
//!
//! AWS lists keys without their aliases. One listing therefore first gathers the aliases of the region, whose pages
//! give no keys, and joins them to the keys of the pages that follow: no key costs a request of its own. What was
//! gathered is kept here under the listing's number, which is in its page tokens.
//!
//! A key with several aliases is called by the first in the order of their characters. Keys with an alias of AWS's own
//! are AWS's, and left out.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use aws_sdk_kms::types::{AliasListEntry, KeyListEntry};
use keyenclave_bridge::call::{CallKind, KeyPage, ListKeys, PageToken};
use keyenclave_bridge::error::{Error, Result, Sent};
use keyenclave_bridge::key::{KeyName, ListedKey};
use parking_lot::Mutex;

use crate::{AwsKms, label};

/// So many listings are remembered at the same time; the oldest gives way.
const MOST: usize = 4;
/// The longest page of aliases that AWS gives.
const ALIASES: i32 = 100;

/// The listings under way.
#[derive(Default)]
pub(crate) struct Listings(Mutex<State>);

#[derive(Default)]
struct State {
    begun: u64,
    under_way: BTreeMap<u64, Aliases>,
}

/// The aliases of a region, as far as they are known.
#[derive(Default)]
struct Aliases {
    /// By the key's id.
    labels: HashMap<String, String>,
    /// The ids of AWS's own keys.
    reserved: HashSet<String>,
    /// The last page was given. It may be asked for again, until another listing begins.
    is_over: bool,
}

impl Aliases {
    fn add(&mut self, alias: &AliasListEntry) {
        let (Some(name), Some(key)) = (alias.alias_name(), alias.target_key_id()) else {
            return;
        };
        if label::is_reserved(name) {
            self.reserved.insert(key.to_owned());
        } else if let Some(label) = label::of_alias(name) {
            let first = self
                .labels
                .entry(key.to_owned())
                .or_insert_with(|| label.to_owned());
            if label < first.as_str() {
                label.clone_into(first);
            }
        }
    }

    /// A key with its label; `None` for one of AWS's own.
    fn join(&self, key: &KeyListEntry) -> Option<ListedKey> {
        let (id, arn) = (key.key_id()?, key.key_arn()?);
        let listed = || ListedKey {
            name: KeyName::new(arn),
            label: self.labels.get(id).cloned(),
            version: None,
            is_current: true,
        };
        (!self.reserved.contains(id)).then(listed)
    }
}

/// Where a listing is.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    listing: u64,
    phase: Phase,
    /// AWS's own word for where its last page ended.
    marker: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Aliases,
    Keys,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match self.phase {
            Phase::Aliases => "aliases",
            Phase::Keys => "keys",
        };
        write!(
            f,
            "{}/{phase}/{}",
            self.listing,
            self.marker.as_deref().unwrap_or_default()
        )
    }
}

impl Place {
    fn parse(token: &PageToken) -> Option<Self> {
        let (listing, rest) = token.0.split_once('/')?;
        let (phase, marker) = rest.split_once('/')?;
        Some(Self {
            listing: listing.parse().ok()?,
            phase: match phase {
                "aliases" => Phase::Aliases,
                "keys" => Phase::Keys,
                _ => return None,
            },
            marker: (!marker.is_empty()).then(|| marker.to_owned()),
        })
    }
}

impl Listings {
    fn begin(&self) -> Place {
        let mut state = self.0.lock();
        state.begun += 1;
        let listing = state.begun;
        state.under_way.retain(|_, aliases| !aliases.is_over);
        while state.under_way.len() >= MOST {
            state.under_way.pop_first();
        }
        state.under_way.insert(listing, Aliases::default());
        Place {
            listing,
            phase: Phase::Aliases,
            marker: None,
        }
    }

    /// Looks at a listing, or changes it.
    fn with<T>(&self, listing: u64, look: impl FnOnce(&mut Aliases) -> T) -> Result<T> {
        let mut state = self.0.lock();
        state.under_way.get_mut(&listing).map(look).ok_or_else(overtaken)
    }
}

fn overtaken() -> Error {
    let what = "the listing was overtaken by others: list again from the beginning";
    Error::conflict(CallKind::List, Sent::No, what)
}

impl AwsKms {
    pub(crate) async fn page(&self, call: &ListKeys) -> Result<KeyPage> {
        let place = match &call.page {
            None => self.listings.begin(),
            Some(token) => Place::parse(token)
                .ok_or_else(|| Error::internal(CallKind::List, Sent::No, "the page token is not ours"))?,
        };
        match place.phase {
            Phase::Aliases => self.page_of_aliases(place).await,
            Phase::Keys => self.page_of_keys(place).await,
        }
    }

    async fn page_of_aliases(&self, place: Place) -> Result<KeyPage> {
        let request = self.ask(CallKind::List, |kms| {
            let request = kms.list_aliases().limit(ALIASES);
            request.set_marker(place.marker.clone()).send()
        });
        let answer = request.await?;
        self.listings.with(place.listing, |aliases| {
            answer.aliases().iter().for_each(|alias| aliases.add(alias));
        })?;
        let marker = next(answer.truncated(), answer.next_marker())?;
        let phase = match marker {
            Some(_) => Phase::Aliases,
            None => Phase::Keys,
        };
        let next = Place {
            phase,
            marker,
            ..place
        };
        Ok(KeyPage {
            keys: Vec::new(),
            next: Some(PageToken(next.to_string())),
        })
    }

    async fn page_of_keys(&self, place: Place) -> Result<KeyPage> {
        // `check` holds it to AWS's limits.
        let limit = i32::try_from(self.clients.options().page_size).unwrap_or(i32::MAX);
        let request = self.ask(CallKind::List, |kms| {
            let request = kms.list_keys().limit(limit);
            request.set_marker(place.marker.clone()).send()
        });
        let answer = request.await?;
        let marker = next(answer.truncated(), answer.next_marker())?;
        let keys = self.listings.with(place.listing, |aliases| {
            aliases.is_over = marker.is_none();
            answer.keys().iter().filter_map(|key| aliases.join(key)).collect()
        })?;
        let next = marker.map(|marker| Place {
            marker: Some(marker),
            ..place
        });
        Ok(KeyPage {
            keys,
            next: next.map(|place| PageToken(place.to_string())),
        })
    }

    /// The aliases of one key, AWS's order.
    pub(crate) async fn aliases(&self, call: CallKind, key: &KeyName) -> Result<Vec<String>> {
        let (mut aliases, mut marker) = (Vec::new(), None);
        loop {
            let request = self.ask(call, |kms| {
                let request = kms.list_aliases().key_id(key.as_str()).limit(ALIASES);
                request.set_marker(marker.take()).send()
            });
            let answer = request.await?;
            let names = answer.aliases().iter().filter_map(AliasListEntry::alias_name);
            aliases.extend(names.map(str::to_owned));
            marker = next(answer.truncated(), answer.next_marker())?;
            if marker.is_none() {
                return Ok(aliases);
            }
        }
    }
}

/// Where to go on.
///
/// # Errors
/// `Integrity` for a page that is not the last and does not say which is next.
pub(crate) fn next(truncated: bool, marker: Option<&str>) -> Result<Option<String>> {
    match (truncated, marker) {
        (false, _) => Ok(None),
        (true, Some(marker)) if !marker.is_empty() => Ok(Some(marker.to_owned())),
        (true, _) => Err(Error::integrity(
            CallKind::List,
            Sent::Maybe,
            "a page says that there are more, and not where",
        )),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn alias(name: &str, key: &str) -> AliasListEntry {
        AliasListEntry::builder()
            .alias_name(name)
            .target_key_id(key)
            .build()
    }

    fn key(id: &str) -> KeyListEntry {
        KeyListEntry::builder()
            .key_id(id)
            .key_arn(format!("arn:key/{id}"))
            .build()
    }

    #[test]
    fn a_key_is_called_by_its_first_alias_whatever_order_they_come_in() {
        let mut aliases = Aliases::default();
        for name in ["alias/m", "alias/b", "alias/z"] {
            aliases.add(&alias(name, "1"));
        }
        assert_eq!(aliases.join(&key("1")).unwrap().label.as_deref(), Some("b"));
        assert_eq!(aliases.join(&key("2")).unwrap().label, None);
    }

    #[test]
    fn keys_of_aws_are_left_out_and_unused_aliases_are_nobodys() {
        let mut aliases = Aliases::default();
        aliases.add(&alias("alias/aws/s3", "1"));
        aliases.add(&AliasListEntry::builder().alias_name("alias/aws/dynamodb").build());
        assert!(aliases.join(&key("1")).is_none());
        assert!(aliases.join(&key("2")).is_some());
    }

    #[test]
    fn a_place_comes_back_from_its_token_whatever_the_marker() {
        for marker in [None, Some("a/b//c=="), Some("keys")] {
            let place = Place {
                listing: 7,
                phase: Phase::Keys,
                marker: marker.map(str::to_owned),
            };
            assert_eq!(Place::parse(&PageToken(place.to_string())), Some(place));
        }
        for wrong in ["", "1", "1/keys", "x/keys/", "1/other/"] {
            assert_eq!(Place::parse(&PageToken(wrong.to_owned())), None, "{wrong}");
        }
    }

    #[test]
    fn a_listing_that_is_over_can_be_asked_again_until_the_next_begins() {
        let listings = Listings::default();
        let first = listings.begin();
        listings
            .with(first.listing, |aliases| aliases.is_over = true)
            .unwrap();
        assert!(listings.with(first.listing, |_| ()).is_ok());
        let second = listings.begin();
        assert!(listings.with(first.listing, |_| ()).is_err());
        for _ in 0..MOST {
            listings.begin();
        }
        assert!(listings.with(second.listing, |_| ()).is_err());
        assert_eq!(listings.0.lock().under_way.len(), MOST);
    }

    #[test]
    fn a_page_that_is_not_the_last_says_where_to_go_on() {
        assert_eq!(next(false, Some("ignored")).unwrap(), None);
        assert_eq!(next(true, Some("m")).unwrap().as_deref(), Some("m"));
        assert!(next(true, None).is_err());
    }
}
