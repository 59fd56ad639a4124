// SPDX-License-Identifier: MIT
//! Labels: aliases where they are legal ones, else tags.

use std::collections::BTreeMap;

use keyenclave_bridge::call::DescribeKey;
use keyenclave_bridge::error::ErrorKind;
use keyenclave_conformance::cloud::{Fault, On};

use super::{emulated, relabelling};
use crate::asked;

#[test]
fn a_legal_label_becomes_an_alias_and_another_one_a_tag() {
    emulated!(async |place| {
        let (legal, other) = (
            place.generate(Some("ca/root")).await,
            place.generate(Some("Größe 1")).await,
        );
        assert_eq!(place.label(&legal).await.as_deref(), Some("ca/root"));
        assert_eq!(place.label(&other).await.as_deref(), Some("Größe 1"));
        assert_eq!(place.aliases().keys().collect::<Vec<_>>(), ["alias/ca/root"]);
        // The alias has taken the tag's place.
        assert_eq!(place.describe(&legal).await.listed.label, None);
        assert_eq!(
            place.describe(&legal).await.tags,
            BTreeMap::from([("team".to_owned(), "x".to_owned())])
        );
    });
}

#[test]
fn a_label_that_another_key_has_is_left_to_it() {
    emulated!(async |place| {
        let first = place.generate(Some("twice")).await;
        let second = place.generate(Some("twice")).await;
        for key in [&first, &second] {
            assert_eq!(place.label(key).await.as_deref(), Some("twice"));
        }
        let third = place.generate(None).await;
        place.relabel(&third, "twice").await;
        assert_eq!(place.label(&third).await.as_deref(), Some("twice"));
        let target = place.aliases()["alias/twice"].clone();
        assert_eq!(target, first.listed.name.short());
    });
}

#[test]
fn another_label_takes_the_old_ones_place_and_leaves_other_aliases_alone() {
    emulated!(async |place| {
        let key = place.generate(Some("b-old")).await;
        let id = key.listed.name.short();
        place.alias("alias/c-other", &key);
        for label in ["a-first", "z-last", "not legal", "a-again", "a-again"] {
            place.relabel(&key, label).await;
            assert_eq!(place.label(&key).await.as_deref(), Some(label));
            assert_eq!(
                place.aliases().get("alias/c-other").map(String::as_str),
                Some(id),
                "{label}"
            );
        }
        let aliases = place.aliases();
        assert!(
            !aliases.contains_key("alias/b-old") && aliases.contains_key("alias/a-again"),
            "{aliases:?}"
        );
        assert_eq!(place.describe(&key).await.tags["team"], "x");
    });
}

#[test]
fn a_label_is_not_changed_by_whoever_cannot_see_which_it_is() {
    emulated!(async |place| {
        let key = place.generate(Some("not legal")).await;
        place.alias("alias/theirs", &key);
        let denied = Fault::Refused("AccessDeniedException");
        place.proxy.fault(On::the("ListResourceTags"), denied);
        let error = asked(&place.kms, relabelling(&key, "new")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
        let aliases = place.aliases();
        assert_eq!(aliases.keys().collect::<Vec<_>>(), ["alias/theirs"]);
        place.heal();
        assert_eq!(place.label(&key).await.as_deref(), Some("not legal"));
    });
}

#[test]
fn a_change_of_label_that_was_cut_short_is_finished_when_it_is_repeated() {
    emulated!(async |place| {
        let stack = place.stack();
        // One comes before the old alias, one is a tag, one is an alias and a tag, and one comes after the old alias.
        for (old, other, label) in [
            ("b-old", "c-other", "a-first"),
            ("d-old", "e-other", "not legal"),
            ("f-old", "g-other", "z-last"),
            ("h-old", "j-other", "i-next"),
        ] {
            let key = place.generate(Some(old)).await;
            let other = format!("alias/{other}");
            let id = key.listed.name.short();
            place.alias(&other, &key);
            let once = On::the("DeleteAlias").first(1);
            place.proxy.fault(once, Fault::Status(500));
            place.proxy.forget();
            asked(&stack, relabelling(&key, label)).await.unwrap();
            place.heal();
            assert_eq!(place.proxy.counts().of("DeleteAlias"), 2, "{label}");
            let aliases = place.aliases();
            assert!(!aliases.contains_key(&format!("alias/{old}")), "{aliases:?}");
            assert_eq!(aliases.get(&other).map(String::as_str), Some(id), "{label}");
            assert_eq!(place.label(&key).await.as_deref(), Some(label));
        }
    });
}

#[test]
fn tags_that_may_not_be_read_hide_no_key() {
    emulated!(async |place| {
        let key = place.generate(Some("not legal")).await;
        place.proxy.fault(
            On::the("ListResourceTags"),
            Fault::Refused("AccessDeniedException"),
        );
        let described = place.describe(&key).await;
        assert!(described.tags.is_empty() && described.spec.is_some());
        place.heal();
        place.proxy.fault(On::the("ListResourceTags"), Fault::Throttled);
        let call = DescribeKey {
            key: key.listed.name.clone(),
        };
        assert_eq!(
            asked(&place.kms, call).await.unwrap_err().kind(),
            ErrorKind::Throttled
        );
    });
}
