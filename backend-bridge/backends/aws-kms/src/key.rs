// SPDX-License-Identifier: MIT
//! What AWS says of a key, in our words.

use std::collections::BTreeMap;

use aws_sdk_kms::types::{KeyManagerType, KeyMetadata, KeyState as RemoteState, OriginType, Tag};
use keyenclave_bridge::call::CallKind;
use keyenclave_bridge::error::{Error, Result, Sent};
use keyenclave_bridge::key::{KeyInfo, KeyName, KeyState, ListedKey, Protection};

use crate::{algorithm, label};

/// Whether AWS manages a key for one of its services: it can be seen, and not used.
pub(crate) fn is_aws_managed(metadata: &KeyMetadata) -> bool {
    metadata.key_manager() == Some(&KeyManagerType::Aws)
}

/// A key in full.
///
/// # Errors
/// `Integrity` for a key without a name.
pub(crate) fn info(
    call: CallKind,
    metadata: &KeyMetadata,
    mut tags: BTreeMap<String, String>,
) -> Result<KeyInfo> {
    let arn = metadata.arn().filter(|arn| !arn.is_empty());
    let arn =
        arn.ok_or_else(|| Error::integrity(call, Sent::Maybe, "the answer has a key without an ARN"))?;
    let remote_spec = remote_spec(metadata);
    let spec = algorithm::spec(&remote_spec);
    let algorithms = match spec {
        Some(_) if !is_aws_managed(metadata) => algorithm::algorithms(metadata),
        _ => Vec::new(),
    };
    let listed = ListedKey {
        name: KeyName::new(arn),
        label: tags.remove(label::TAG).as_deref().and_then(label::of_tag),
        version: None,
        is_current: true,
    };
    Ok(KeyInfo {
        listed,
        spec,
        remote_spec,
        algorithms,
        state: state(metadata.key_state()),
        protection: protection(metadata.origin()),
        is_local: matches!(
            metadata.origin(),
            Some(OriginType::AwsKms | OriginType::AwsCloudhsm)
        ),
        tags,
    })
}

/// Tags as names and values.
pub(crate) fn tags(tags: &[Tag]) -> impl Iterator<Item = (String, String)> {
    tags.iter()
        .map(|tag| (tag.tag_key().to_owned(), tag.tag_value().to_owned()))
}

/// AWS's word for what a key is. Older services, and emulators, only have its former name.
fn remote_spec(metadata: &KeyMetadata) -> String {
    #[allow(deprecated, reason = "the former name is what is looked for")]
    let former = metadata.customer_master_key_spec().map(|spec| spec.as_str());
    let spec = metadata.key_spec().map(|spec| spec.as_str()).or(former);
    spec.unwrap_or_default().to_owned()
}

/// Whether a key can be used ("Key states of AWS KMS keys", developer guide). One that is being moved to another
/// primary region still can be.
fn state(state: Option<&RemoteState>) -> KeyState {
    match state {
        Some(RemoteState::Enabled | RemoteState::Updating) => KeyState::Enabled,
        Some(RemoteState::PendingDeletion | RemoteState::PendingReplicaDeletion) => KeyState::Destroying,
        // Disabled, Creating, PendingImport, Unavailable, and what is not known yet.
        _ => KeyState::Disabled,
    }
}

/// Who guards a key. AWS's own keys, imported ones too, and those of a CloudHSM cluster are in hardware modules.
fn protection(origin: Option<&OriginType>) -> Protection {
    match origin {
        Some(OriginType::AwsKms | OriginType::AwsCloudhsm | OriginType::External) => Protection::Hsm,
        Some(OriginType::ExternalKeyStore) => Protection::External,
        _ => Protection::Unknown,
    }
}

/// Holds an answer against the question: the key that AWS says it used must be the one that was asked for, by its ARN
/// or by the id at its end.
///
/// # Errors
/// `Integrity` for another key, or none.
pub(crate) fn check(call: CallKind, asked: &KeyName, answered: Option<&str>) -> Result<()> {
    match answered {
        Some(name) if name == asked.as_str() || name == asked.short() => Ok(()),
        Some(name) => Err(Error::integrity(
            call,
            Sent::Maybe,
            format!("the answer is for {name}, and {asked} was asked for"),
        )),
        None => Err(Error::integrity(
            call,
            Sent::Maybe,
            "the answer does not say for which key it is",
        )),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aws_sdk_kms::types::{EncryptionAlgorithmSpec, KeySpec as RemoteSpec, SigningAlgorithmSpec};
    use keyenclave_bridge::error::ErrorKind;
    use keyenclave_bridge::key::{Algorithm, KeySpec};
    use keyenclave_model::algorithm::Curve;

    use super::*;

    const ARN: &str = "arn:aws:kms:eu-central-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab";

    fn metadata(
        build: impl FnOnce(
            aws_sdk_kms::types::builders::KeyMetadataBuilder,
        ) -> aws_sdk_kms::types::builders::KeyMetadataBuilder,
    ) -> KeyMetadata {
        build(
            KeyMetadata::builder()
                .key_id("mrk-1234abcd12ab34cd56ef1234567890ab")
                .arn(ARN),
        )
        .build()
        .unwrap()
    }

    fn described(metadata: &KeyMetadata) -> KeyInfo {
        info(CallKind::Describe, metadata, BTreeMap::new()).unwrap()
    }

    #[test]
    fn every_state_of_a_key_is_one_of_ours() {
        let expected = |state: &str| match state {
            "Enabled" | "Updating" => KeyState::Enabled,
            "PendingDeletion" | "PendingReplicaDeletion" => KeyState::Destroying,
            "Disabled" | "Creating" | "PendingImport" | "Unavailable" => KeyState::Disabled,
            new => unreachable!("{new} is new: what can be done in it?"),
        };
        for state in RemoteState::values() {
            let key = described(&metadata(|key| key.key_state(RemoteState::from(*state))));
            assert_eq!(key.state, expected(state), "{state}");
        }
        assert_eq!(described(&metadata(|key| key)).state, KeyState::Disabled);
    }

    #[test]
    fn the_origin_tells_who_guards_a_key_and_whether_it_was_brought() {
        let expected = |origin: &str| match origin {
            "AWS_KMS" | "AWS_CLOUDHSM" => (Protection::Hsm, true),
            "EXTERNAL" => (Protection::Hsm, false),
            "EXTERNAL_KEY_STORE" => (Protection::External, false),
            new => unreachable!("{new} is new: who guards it?"),
        };
        for origin in OriginType::values() {
            let key = described(&metadata(|key| key.origin(OriginType::from(*origin))));
            assert_eq!((key.protection, key.is_local), expected(origin), "{origin}");
        }
    }

    #[test]
    fn a_key_that_is_not_known_keeps_its_word_and_computes_nothing() {
        let new = metadata(|key| {
            key.key_spec(RemoteSpec::from("ECC_NEXT"))
                .signing_algorithms(SigningAlgorithmSpec::EcdsaSha256)
        });
        let key = described(&new);
        assert_eq!((key.spec, key.remote_spec.as_str()), (None, "ECC_NEXT"));
        assert!(key.algorithms.is_empty());
    }

    #[test]
    fn keys_that_aws_manages_compute_nothing_for_us() {
        let build = |manager| {
            metadata(|key| {
                key.key_spec(RemoteSpec::SymmetricDefault)
                    .encryption_algorithms(EncryptionAlgorithmSpec::SymmetricDefault)
                    .key_manager(manager)
            })
        };
        assert_eq!(
            described(&build(KeyManagerType::Customer)).algorithms,
            [Algorithm::Symmetric]
        );
        assert!(described(&build(KeyManagerType::Aws)).algorithms.is_empty());
    }

    #[test]
    fn the_tag_of_the_label_is_the_label_and_no_tag() {
        let key = metadata(|key| {
            key.key_spec(RemoteSpec::EccNistP256)
                .signing_algorithms(SigningAlgorithmSpec::EcdsaSha256)
        });
        let tags = [(label::TAG, label::to_tag("Größe")), ("team", "x".to_owned())];
        let tags = tags
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        let info = info(CallKind::Describe, &key, tags).unwrap();
        assert_eq!(info.listed.label.as_deref(), Some("Größe"));
        assert_eq!(info.tags.keys().collect::<Vec<_>>(), ["team"]);
        assert_eq!(
            (info.spec, info.algorithms),
            (Some(KeySpec::Ec(Curve::P256)), vec![Algorithm::Ecdsa])
        );
        assert_eq!(info.listed.name.short(), "mrk-1234abcd12ab34cd56ef1234567890ab");
    }

    #[test]
    fn an_answer_for_another_key_is_not_taken() {
        let asked = KeyName::new(ARN);
        for right in [ARN, "mrk-1234abcd12ab34cd56ef1234567890ab"] {
            assert!(check(CallKind::Sign, &asked, Some(right)).is_ok());
        }
        for wrong in [
            None,
            Some("arn:aws:kms:eu-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"),
        ] {
            let error = check(CallKind::Sign, &asked, wrong).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Integrity);
        }
    }
}
