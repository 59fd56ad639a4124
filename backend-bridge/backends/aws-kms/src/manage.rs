// SPDX-License-Identifier: MIT
//! Keys described, made, deleted, called something else.
//!
//! AWS makes a key, its tags and its alias with requests of their own. The order here is such that whatever fails or
//! is abandoned in between, no key is made twice, none is lost, and no label of another key is touched:
//!
//! * a new key gets its label as a tag, together with everything else, and the alias takes its place afterwards;
//! * once the key exists nothing that goes wrong is a failure of making it, nor does anything that hangs hold it up;
//! * a new name is there before the old one goes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use aws_sdk_kms::types::{KeyState, Tag};
use keyenclave_bridge::call::{CallKind, DescribeKey, DestroyKey, GenerateKey, UpdateKey};
use keyenclave_bridge::error::{Error, ErrorKind, Result, Sent};
use keyenclave_bridge::key::{KeyInfo, KeyName};

use crate::{AwsKms, algorithm, key, label, listing};

/// The longest page of tags that AWS gives; a key has no more.
const TAGS: i32 = 50;
/// To a new key's alias. The rest of its call's time was for the key itself, which is lost if that runs out.
const NAMING: Duration = Duration::from_secs(1);

impl AwsKms {
    pub(crate) async fn described(&self, call: &DescribeKey) -> Result<KeyInfo> {
        let kind = CallKind::Describe;
        let name = call.key.as_str();
        let answer = self
            .ask(kind, |kms| kms.describe_key().key_id(name).send())
            .await?;
        let metadata = answer.key_metadata().ok_or_else(|| nothing_told(kind))?;
        key::check(kind, &call.key, metadata.arn())?;
        let tags = match key::is_aws_managed(metadata) {
            true => BTreeMap::new(),
            false => self.visible_tags(kind, &call.key).await?,
        };
        key::info(kind, metadata, tags)
    }

    /// The tags of a key. Whoever may not see them sees none.
    async fn visible_tags(&self, call: CallKind, key: &KeyName) -> Result<BTreeMap<String, String>> {
        match self.tags(call, key).await {
            Err(error) if error.kind() == ErrorKind::Denied => {
                if !self.told_of_tags.swap(true, Ordering::Relaxed) {
                    log::warn!("keys are shown without their tags, and labels in tags are not seen: {error}");
                }
                Ok(BTreeMap::new())
            }
            answer => answer,
        }
    }

    async fn tags(&self, call: CallKind, key: &KeyName) -> Result<BTreeMap<String, String>> {
        let (mut tags, mut marker) = (BTreeMap::new(), None);
        loop {
            let request = self.ask(call, |kms| {
                let request = kms.list_resource_tags().key_id(key.as_str()).limit(TAGS);
                request.set_marker(marker.take()).send()
            });
            let answer = request.await?;
            tags.extend(key::tags(answer.tags()));
            marker = listing::next(answer.truncated(), answer.next_marker())?;
            if marker.is_none() {
                return Ok(tags);
            }
        }
    }

    pub(crate) async fn make(&self, call: &GenerateKey) -> Result<KeyInfo> {
        let kind = CallKind::Generate;
        let refuse = || {
            let what = format!("AWS KMS makes no {:?} key for {:?}", call.spec, call.usage);
            Error::unsupported(kind, Sent::No, what)
        };
        let spec = algorithm::remote_spec(call.spec).ok_or_else(refuse)?;
        let usage = algorithm::remote_usage(call.spec, call.usage).ok_or_else(refuse)?;
        let wanted = call
            .label
            .as_deref()
            .map(|label| Wanted::new(kind, label))
            .transpose()?;
        let mut tags = call.tags.clone();
        if let Some(value) = wanted.as_ref().and_then(|wanted| wanted.tag.clone()) {
            tags.insert(label::TAG.to_owned(), value);
        }
        let tags = remote_tags(kind, &tags)?;
        let request = self.ask(kind, |kms| {
            let request = kms.create_key().key_spec(spec.clone()).key_usage(usage);
            request.set_tags((!tags.is_empty()).then_some(tags)).send()
        });
        let answer = request.await?;
        let metadata = answer.key_metadata().ok_or_else(|| nothing_told(kind))?;
        let mut info = key::info(kind, metadata, call.tags.clone())?;
        if let Some(wanted) = wanted {
            info.listed.label = self.name_new(&info.listed.name, wanted).await;
        }
        Ok(info)
    }

    /// Gives a key that was just made its alias. The key is there whatever comes of this, and does not wait long for it.
    async fn name_new(&self, key: &KeyName, wanted: Wanted<'_>) -> Option<String> {
        let kept = wanted.tag.as_ref().map(|_| wanted.label.to_owned());
        let Some(alias) = &wanted.alias else {
            return kept;
        };
        match tokio::time::timeout(NAMING, self.swap_tag(key, alias, wanted.tag.is_some())).await {
            Ok(Ok(true)) => Some(wanted.label.to_owned()),
            Ok(Ok(false)) => kept,
            Ok(Err(error)) => {
                log::debug!("{key} has its label as a tag alone: {error}");
                kept
            }
            Err(_) => {
                log::debug!("{key} has its label as a tag for certain: there was no answer in {NAMING:?}");
                kept
            }
        }
    }

    /// Puts an alias in the place of a new key's tag. False if another key has the alias.
    async fn swap_tag(&self, key: &KeyName, alias: &str, has_tag: bool) -> Result<bool> {
        let kind = CallKind::Generate;
        let is_named = self.create_alias(kind, key, alias).await?;
        if is_named
            && has_tag
            && let Err(error) = self.untag(kind, key, vec![label::TAG.to_owned()]).await
        {
            log::debug!("{key} keeps its label as a tag too: {error}");
        }
        Ok(is_named)
    }

    /// Schedules the deletion. The key's aliases go with it, when its time has come.
    pub(crate) async fn schedule_deletion(&self, call: &DestroyKey) -> Result<()> {
        let kind = CallKind::Destroy;
        let name = call.key.as_str();
        let days = i32::try_from(self.clients.options().deletion_days).unwrap_or(i32::MAX);
        let request = self.ask(kind, |kms| {
            let request = kms.schedule_key_deletion().key_id(name);
            request.pending_window_in_days(days).send()
        });
        let answer = match request.await {
            // So AWS answers for a key that is about to be deleted, and for some others.
            Err(error) if error.kind() == ErrorKind::Disabled => {
                return match self.is_being_deleted(&call.key).await {
                    Ok(true) => Ok(()),
                    _ => Err(error),
                };
            }
            answer => answer?,
        };
        key::check(kind, &call.key, answer.key_id())
    }

    async fn is_being_deleted(&self, key: &KeyName) -> Result<bool> {
        let request = self.ask(CallKind::Destroy, |kms| {
            kms.describe_key().key_id(key.as_str()).send()
        });
        let answer = request.await?;
        let state = answer.key_metadata().and_then(|metadata| metadata.key_state());
        let is_going = matches!(
            state,
            Some(KeyState::PendingDeletion | KeyState::PendingReplicaDeletion)
        );
        Ok(is_going)
    }

    pub(crate) async fn change(&self, call: &UpdateKey) -> Result<()> {
        let kind = CallKind::Update;
        let mut tags = call.tags.clone();
        let old = match &call.label {
            Some(label) => self.name_anew(&call.key, label, &mut tags).await?,
            None => BTreeSet::new(),
        };
        let (mut set, mut unset) = (BTreeMap::new(), Vec::new());
        for (tag, value) in tags {
            match value {
                Some(value) => drop(set.insert(tag, value)),
                None => unset.push(tag),
            }
        }
        if !set.is_empty() {
            let tags = remote_tags(kind, &set)?;
            let request = self.ask(kind, |kms| {
                kms.tag_resource()
                    .key_id(call.key.as_str())
                    .set_tags(Some(tags))
                    .send()
            });
            request.await?;
        }
        if !unset.is_empty() {
            self.untag(kind, &call.key, unset).await?;
        }
        for alias in old {
            self.delete_alias(&alias).await?;
        }
        if call.label.is_some() {
            self.former_labels.forget(&call.key);
        }
        Ok(())
    }

    /// Gives a key another label: makes the alias, says what becomes of the tag, and returns the aliases that must go.
    /// They are more than one if earlier changes were cut short.
    async fn name_anew(
        &self,
        key: &KeyName,
        label: &str,
        tags: &mut BTreeMap<String, Option<String>>,
    ) -> Result<BTreeSet<String>> {
        let kind = CallKind::Update;
        let wanted = Wanted::new(kind, label)?;
        let aliases = self.aliases(kind, key).await?;
        let has_tag = self.tags(kind, key).await?.contains_key(label::TAG);
        // An alias that is not the label, nor was until a moment ago, belongs to somebody else's work and stays.
        let label_now = aliases.iter().min().filter(|_| !has_tag);
        let label_now = label_now.filter(|now| Some(*now) != wanted.alias.as_ref());
        let mut old = self.former_labels.with(key, label_now, Instant::now());
        let alias = match &wanted.alias {
            Some(alias) if aliases.contains(alias) => Some(alias),
            Some(alias) => self.create_alias(kind, key, alias).await?.then_some(alias),
            None => None,
        };
        old.retain(|old| aliases.contains(old) && Some(old) != alias);
        // The first alias is the label, unless the tag says otherwise.
        let comes_first = |alias: &String| {
            let mut others = aliases.iter().filter(|other| !old.contains(*other));
            others.all(|other| alias <= other)
        };
        if alias.is_some_and(comes_first) {
            if has_tag {
                tags.insert(label::TAG.to_owned(), None);
            }
        } else {
            let what = "another key has this alias, and the label is too long for a tag";
            let value = wanted
                .tag
                .ok_or_else(|| Error::conflict(kind, Sent::Refused, what))?;
            tags.insert(label::TAG.to_owned(), Some(value));
        }
        Ok(old)
    }

    /// True if the alias is this key's now, false if it is another key's.
    async fn create_alias(&self, call: CallKind, key: &KeyName, alias: &str) -> Result<bool> {
        let request = self.ask(call, |kms| {
            kms.create_alias()
                .alias_name(alias)
                .target_key_id(key.as_str())
                .send()
        });
        match request.await {
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(false),
            answer => answer.map(|_| true),
        }
    }

    async fn delete_alias(&self, alias: &str) -> Result<()> {
        let request = self.ask(CallKind::Update, |kms| {
            kms.delete_alias().alias_name(alias).send()
        });
        match request.await {
            // Gone already.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            answer => answer.map(drop),
        }
    }

    async fn untag(&self, call: CallKind, key: &KeyName, tags: Vec<String>) -> Result<()> {
        let request = self.ask(call, |kms| {
            kms.untag_resource()
                .key_id(key.as_str())
                .set_tag_keys(Some(tags))
                .send()
        });
        request.await.map(drop)
    }
}

/// A label, and what it can be kept as: one of the two, or either.
struct Wanted<'a> {
    label: &'a str,
    alias: Option<String>,
    tag: Option<String>,
}

impl<'a> Wanted<'a> {
    fn new(call: CallKind, label: &'a str) -> Result<Self> {
        let alias = label::alias(label);
        let fits = (1..=label::MOST_IN_TAG).contains(&label.len());
        let tag = fits.then(|| label::to_tag(label));
        if alias.is_none() && tag.is_none() {
            let what = format!("a label has 1 to {} bytes", label::MOST_IN_TAG);
            return Err(Error::bad_input(call, Sent::No, what));
        }
        Ok(Self { label, alias, tag })
    }
}

fn remote_tags(call: CallKind, tags: &BTreeMap<String, String>) -> Result<Vec<Tag>> {
    let tag = |(name, value): (&String, &String)| Tag::builder().tag_key(name).tag_value(value).build();
    let tags = tags.iter().map(tag).collect::<Result<Vec<_>, _>>();
    tags.map_err(|error| Error::bad_input(call, Sent::No, format!("the tags cannot be sent: {error}")))
}

fn nothing_told(call: CallKind) -> Error {
    Error::integrity(call, Sent::Maybe, "the answer says nothing of the key")
}
