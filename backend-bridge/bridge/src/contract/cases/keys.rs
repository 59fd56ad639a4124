// SPDX-License-Identifier: MIT
//! Cases about keys: listed, described, made, destroyed, rotated, changed.

use std::collections::BTreeSet;

use super::{
    Failure, Outcome, Service, Usage, Verdict, ask, ensure, generate, no_signing, passed, signing, with_key,
};
use crate::call::{DescribeKey, DestroyKey, ListKeys, RotateKey, SignDigest, UpdateKey};
use crate::error::ErrorKind;
use crate::key::{KeyInfo, KeyName, KeyState, ListedKey};

pub(super) async fn a_listing_gives_every_key_once_over_three_pages_or_more(
    service: &dyn Service,
) -> Outcome {
    let Some((spec, _, _)) = signing(service) else {
        return no_signing();
    };
    let mut made = Vec::new();
    let mut outcome = Ok(Verdict::Skipped(format!(
        "the service gives pages of more than {MANY} keys"
    )));
    while made.len() < MANY {
        for _ in 0..4 {
            made.push(generate(service, spec, Usage::Sign, None).await?.listed.name);
        }
        let (keys, pages) = listing(service).await?;
        if pages >= 3 {
            outcome = check_listing(&keys, &made);
            break;
        }
    }
    for key in made {
        ask(service, DestroyKey { key }).await?;
    }
    outcome
}

pub(super) async fn a_key_that_is_not_there_is_not_found(service: &dyn Service) -> Outcome {
    let Some((spec, _, _)) = signing(service) else {
        return no_signing();
    };
    with_key(service, spec, Usage::Sign, async |key: KeyInfo| {
        // A name like the service's own, but of no key: every digit is another one.
        let name: String = key
            .listed
            .name
            .as_str()
            .chars()
            .map(|c| {
                if c == '0' {
                    '1'
                } else if c.is_ascii_digit() {
                    '0'
                } else {
                    c
                }
            })
            .collect();
        let result = ask(
            service,
            DescribeKey {
                key: KeyName::new(name),
            },
        )
        .await;
        let kind = result.err().map(|error| error.kind());
        ensure(kind == Some(ErrorKind::NotFound), format!("it is {kind:?}"))?;
        passed()
    })
    .await
}

pub(super) async fn a_description_tells_what_was_asked_for(service: &dyn Service) -> Outcome {
    let Some((spec, algorithm, _)) = signing(service) else {
        return no_signing();
    };
    with_key(service, spec, Usage::Sign, async |made: KeyInfo| {
        let key = ask(
            service,
            DescribeKey {
                key: made.listed.name.clone(),
            },
        )
        .await?;
        ensure(
            key.spec == Some(spec),
            format!("the key is {:?}", key.remote_spec),
        )?;
        ensure(
            key.algorithms.contains(&algorithm),
            format!("it computes {:?}", key.algorithms),
        )?;
        ensure(key.state == KeyState::Enabled, format!("it is {:?}", key.state))?;
        ensure(key.listed.name == made.listed.name, "it has another name")?;
        passed()
    })
    .await
}

pub(super) async fn one_generation_makes_one_key(service: &dyn Service) -> Outcome {
    let Some((spec, _, _)) = signing(service) else {
        return no_signing();
    };
    let before = listing(service).await?.0.len();
    with_key(service, spec, Usage::Sign, async |_| {
        let after = listing(service).await?.0.len();
        ensure(
            after == before + 1,
            format!("there were {before} keys, and there are {after}"),
        )?;
        passed()
    })
    .await
}

pub(super) async fn a_destroyed_key_cannot_be_used_and_can_be_destroyed_again(
    service: &dyn Service,
) -> Outcome {
    let Some((spec, algorithm, len)) = signing(service) else {
        return no_signing();
    };
    // `with_key` destroys it a second time.
    with_key(service, spec, Usage::Sign, async |info: KeyInfo| {
        let key = info.listed.name;
        ask(service, DestroyKey { key: key.clone() }).await?;
        let result = ask(
            service,
            SignDigest {
                key,
                algorithm,
                digest: vec![1; len],
            },
        )
        .await;
        let kind = result.err().map(|error| error.kind());
        let refused = matches!(kind, Some(ErrorKind::Disabled | ErrorKind::NotFound));
        ensure(refused, format!("signing is {kind:?}"))?;
        passed()
    })
    .await
}

pub(super) async fn a_rotated_key_keeps_its_old_version(service: &dyn Service) -> Outcome {
    let Some((spec, algorithm, len)) = signing(service) else {
        return no_signing();
    };
    with_key(service, spec, Usage::Sign, async |info: KeyInfo| {
        let old = info.listed.name;
        let new = ask(service, RotateKey { key: old.clone() }).await?;
        ensure(
            new.listed.name != old && new.listed.is_current,
            "the new version is not the current one",
        )?;
        ask(
            service,
            SignDigest {
                key: old.clone(),
                algorithm,
                digest: vec![1; len],
            },
        )
        .await?;
        let old = ask(service, DescribeKey { key: old }).await?;
        ensure(!old.listed.is_current, "the old version is still the current one")?;
        ask(service, DestroyKey { key: new.listed.name }).await?;
        passed()
    })
    .await
}

pub(super) async fn an_update_changes_what_it_names_and_nothing_else(service: &dyn Service) -> Outcome {
    if service.capability().max_tag_value == 0 {
        return Ok(Verdict::Skipped("the backend has no tags".to_owned()));
    }
    let Some((spec, _, _)) = signing(service) else {
        return no_signing();
    };
    with_key(service, spec, Usage::Sign, async |info: KeyInfo| {
        let key = info.listed.name;
        let update = async |tags: &[(&str, Option<&str>)]| {
            let tags = tags
                .iter()
                .map(|(tag, value)| ((*tag).to_owned(), value.map(str::to_owned)))
                .collect();
            ask(
                service,
                UpdateKey {
                    key: key.clone(),
                    label: None,
                    tags,
                },
            )
            .await
        };
        update(&[("contract-a", Some("1")), ("contract-b", Some("2"))]).await?;
        update(&[("contract-a", None)]).await?;
        let tags = ask(service, DescribeKey { key: key.clone() }).await?.tags;
        let is_right =
            !tags.contains_key("contract-a") && tags.get("contract-b").map(String::as_str) == Some("2");
        ensure(is_right, format!("the tags are {tags:?}"))?;
        passed()
    })
    .await
}

async fn listing(service: &dyn Service) -> Result<(Vec<ListedKey>, usize), Failure> {
    let (mut keys, mut page, mut pages) = (Vec::new(), None, 0);
    loop {
        let answer = ask(service, ListKeys { page }).await?;
        pages += 1;
        ensure(pages < 100_000, "the listing does not end")?;
        keys.extend(answer.keys);
        page = answer.next;
        if page.is_none() {
            return Ok((keys, pages));
        }
    }
}

/// So many keys are made at the most to fill three pages.
const MANY: usize = 40;

fn check_listing(keys: &[ListedKey], made: &[KeyName]) -> Outcome {
    let names: BTreeSet<_> = keys.iter().map(|key| &key.name).collect();
    ensure(names.len() == keys.len(), "a key is listed twice")?;
    ensure(
        made.iter().all(|name| names.contains(name)),
        "a key is missing from the listing",
    )?;
    passed()
}
