// SPDX-License-Identifier: MIT
//! What the real service has answered to others, through the SDK's parser, against our mapping.
//!
//! The recordings lie beside the workspace. Both kinds were taken after boto3 had parsed them: dates are text or
//! objects there, blobs are placeholders, and both are put back into AWS's form here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use keyenclave_bridge::call::{CheckHealth, DescribeKey, DestroyKey, ListKeys, MacMessage, SignDigest};
use keyenclave_bridge::error::{ErrorKind, Sent};
use keyenclave_bridge::key::{Algorithm, KeyName, KeyState, ListedKey};
use keyenclave_conformance::case::{in_own_process, skipped};
use keyenclave_model::algorithm::Hash;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::server::{Answer, Server};
use crate::{asked, at_home, backend};

/// Where the recordings are, if they are.
fn recordings() -> Option<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3)?;
    let directory = workspace.join("../shared/recordings/aws");
    directory.join("kms.snapshot.json").is_file().then_some(directory)
}

/// Runs a test's work with every recorded answer: whose it is, the status, the body.
fn with_recordings(test: &str, work: impl AsyncFnOnce(Vec<Recorded>)) {
    match recordings() {
        Some(directory) => at_home(work(read(&directory))),
        None => skipped(
            &format!("recordings::{test}"),
            "../shared/recordings/aws is not there",
        ),
    }
}

#[derive(Debug)]
struct Recorded {
    source: String,
    status: u16,
    body: Value,
}

fn read(directory: &Path) -> Vec<Recorded> {
    let parse = |path: &Path| -> Value { serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap() };
    let mut all = Vec::new();
    let snapshot = parse(&directory.join("kms.snapshot.json"));
    for (test, recorded) in snapshot.as_object().unwrap() {
        for (step, body) in recorded["recorded-content"].as_object().unwrap() {
            gather(&format!("{test}/{step}"), body, &mut all);
        }
    }
    for entry in std::fs::read_dir(directory.join("custodian")).unwrap() {
        let path = entry.unwrap().path();
        let recorded = parse(&path);
        all.push(Recorded {
            source: path.file_name().unwrap().to_str().unwrap().to_owned(),
            status: u16::try_from(recorded["status_code"].as_u64().unwrap()).unwrap(),
            body: restored(&recorded["data"]),
        });
    }
    assert!(all.len() > 150, "only {} recordings", all.len());
    all
}

/// One step of a snapshot: an answer, or several.
fn gather(source: &str, body: &Value, all: &mut Vec<Recorded>) {
    match body {
        Value::Array(several) => several.iter().for_each(|body| gather(source, body, all)),
        Value::Object(_) => {
            let status = body["ResponseMetadata"]["HTTPStatusCode"].as_u64().unwrap_or(200);
            all.push(Recorded {
                source: source.to_owned(),
                status: u16::try_from(status).unwrap(),
                body: restored(body),
            });
        }
        _ => {}
    }
}

/// Dates as AWS writes them, seconds since 1970; their value is nobody's concern here.
fn restored(body: &Value) -> Value {
    match body {
        Value::Object(object) if object.contains_key("__class__") => json!(1.6e9),
        Value::Object(object) => object
            .iter()
            .map(|(name, value)| (name.clone(), restored(value)))
            .collect(),
        Value::Array(array) => array.iter().map(restored).collect(),
        Value::String(text) if text == "datetime" => json!(1.6e9),
        other => other.clone(),
    }
}

/// The error of an answer: code and message.
fn error(body: &Value) -> Option<(&str, &str)> {
    let error = body.get("Error")?;
    Some((
        error["Code"].as_str()?,
        error["Message"].as_str().unwrap_or_default(),
    ))
}

#[test]
fn every_recorded_error_is_a_kind_of_ours() {
    in_own_process(|| {
        with_recordings("every_recorded_error_is_a_kind_of_ours", async |all| {
            let expected = |code: &str| match code {
                "NotFoundException" => ErrorKind::NotFound,
                "AccessDeniedException" => ErrorKind::Denied,
                "DisabledException" | "KMSInvalidStateException" => ErrorKind::Disabled,
                "LimitExceededException" => ErrorKind::Throttled,
                "UnsupportedOperationException" => ErrorKind::Unsupported,
                "DryRunOperationException" => ErrorKind::Internal,
                "ValidationException"
                | "KMSInvalidSignatureException"
                | "InvalidKeyUsageException"
                | "KMSInvalidMacException"
                | "IncorrectKeyException"
                | "InvalidCiphertextException"
                | "TagException" => ErrorKind::BadInput,
                new => panic!("{new} is new"),
            };
            let mut codes = BTreeMap::<String, usize>::new();
            for recorded in &all {
                let Some((code, message)) = error(&recorded.body) else {
                    continue;
                };
                let (status, body) = (recorded.status, json!({ "__type": code, "message": message }));
                let server = Server::new(move |_| Answer::Json(status, body.clone()));
                let failed = asked(&backend(&server.url), CheckHealth).await.unwrap_err();
                assert_eq!(
                    (failed.kind(), failed.sent()),
                    (expected(code), Sent::Refused),
                    "{}",
                    recorded.source
                );
                assert_eq!(failed.remote_code(), Some(code));
                *codes.entry(code.to_owned()).or_default() += 1;
            }
            println!("{codes:?}");
            assert!(
                codes.len() >= 14 && codes.values().sum::<usize>() >= 90,
                "{codes:?}"
            );
        });
    });
}

#[test]
fn every_recorded_key_is_described() {
    in_own_process(|| {
        with_recordings("every_recorded_key_is_described", async |all| {
            let (mut specs, mut described) = (BTreeSet::new(), 0);
            for recorded in &all {
                let metadata = match &recorded.body {
                    body if body["KeyMetadata"].is_object() => &body["KeyMetadata"],
                    body if body["KeyState"].is_string() && body["Arn"].is_string() => body,
                    _ => continue,
                };
                check_key(&recorded.source, metadata).await;
                let spec = metadata["KeySpec"]
                    .as_str()
                    .or(metadata["CustomerMasterKeySpec"].as_str());
                specs.insert(spec.unwrap_or_default().to_owned());
                described += 1;
            }
            println!("{described} keys: {specs:?}");
            assert!(described >= 60 && specs.len() >= 8, "{described}: {specs:?}");
        });
    });
}

async fn check_key(source: &str, metadata: &Value) {
    let answer = json!({ "KeyMetadata": metadata });
    let server = Server::new(move |asked| match asked.operation.as_str() {
        "DescribeKey" => Answer::Json(200, answer.clone()),
        _ => Answer::Json(
            200,
            json!({ "Tags": [{ "TagKey": "a", "TagValue": "b" }], "Truncated": false }),
        ),
    });
    let text = |name: &str| metadata[name].as_str().unwrap_or_default();
    let key = KeyName::new(text("Arn"));
    let info = asked(&backend(&server.url), DescribeKey { key: key.clone() })
        .await
        .unwrap();
    assert_eq!(info.listed.name, key, "{source}");
    let former = text("CustomerMasterKeySpec");
    let spec = if text("KeySpec").is_empty() {
        former
    } else {
        text("KeySpec")
    };
    assert_eq!(info.remote_spec, spec, "{source}");
    let is_known = !matches!(spec, "" | "SM2") && !spec.starts_with("ML_");
    assert!(info.spec.is_some() || !is_known, "{source}: {spec}");
    let state = match text("KeyState") {
        "Enabled" => KeyState::Enabled,
        "PendingDeletion" | "PendingReplicaDeletion" => KeyState::Destroying,
        _ => KeyState::Disabled,
    };
    assert_eq!(info.state, state, "{source}");
    assert_eq!(info.is_local, text("Origin") == "AWS_KMS", "{source}");
    // Every algorithm that AWS names is one of ours, for keys that are one of ours.
    let named: usize = ["SigningAlgorithms", "EncryptionAlgorithms", "MacAlgorithms"]
        .iter()
        .filter_map(|list| metadata[*list].as_array())
        .map(Vec::len)
        .sum();
    let is_ours = info.spec.is_some() && text("KeyManager") != "AWS";
    assert_eq!(
        info.algorithms.len(),
        if is_ours { named } else { 0 },
        "{source}: {:?}",
        info.algorithms
    );
    assert_eq!(
        info.tags.len(),
        usize::from(text("KeyManager") != "AWS"),
        "{source}"
    );
}

#[test]
fn every_recorded_listing_is_joined_with_its_aliases() {
    in_own_process(|| {
        with_recordings("every_recorded_listing_is_joined_with_its_aliases", async |all| {
            let mut listings = 0;
            for recorded in all
                .iter()
                .filter(|recorded| recorded.source.contains(".ListKeys_"))
            {
                let aliases = recorded.source.replace(".ListKeys_", ".ListAliases_");
                let aliases = all.iter().find(|recorded| recorded.source == aliases);
                let aliases =
                    aliases.map_or_else(|| json!({ "Aliases": [] }), |recorded| recorded.body.clone());
                check_listing(&recorded.source, recorded.body.clone(), aliases).await;
                listings += 1;
            }
            assert!(listings >= 10, "{listings}");
        });
    });
}

async fn check_listing(source: &str, keys: Value, aliases: Value) {
    let (keys_answer, aliases_answer) = (keys.clone(), aliases.clone());
    let server = Server::new(move |asked| match asked.operation.as_str() {
        "ListAliases" => Answer::Json(200, aliases_answer.clone()),
        _ => Answer::Json(200, keys_answer.clone()),
    });
    let kms = backend(&server.url);
    let (mut listed, mut page) = (Vec::<ListedKey>::new(), None);
    loop {
        let answer = asked(&kms, ListKeys { page }).await.unwrap();
        listed.extend(answer.keys);
        page = answer.next;
        if page.is_none() {
            break;
        }
    }
    let names = |key: &Value| -> Vec<String> {
        let aliases = aliases["Aliases"].as_array().unwrap().iter();
        let mut names: Vec<_> = aliases
            .filter(|alias| alias["TargetKeyId"] == key["KeyId"])
            .map(|alias| alias["AliasName"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    };
    let mut listed = listed.into_iter();
    for key in keys["Keys"].as_array().unwrap() {
        let names = names(key);
        if names.iter().any(|name| name.starts_with("alias/aws/")) {
            continue;
        }
        let found = listed.next().unwrap();
        assert_eq!(found.name.as_str(), key["KeyArn"].as_str().unwrap(), "{source}");
        let label = names
            .first()
            .map(|name| name.trim_start_matches("alias/").to_owned());
        assert_eq!(found.label, label, "{source}");
    }
    assert_eq!(listed.next(), None, "{source}");
}

/// A 32-byte hash's ECDSA signature with r = 1 and s = 2, in DER and base64.
const DER: &str = "MAYCAQECAQI=";

#[test]
fn recorded_signatures_codes_and_deletions_are_for_the_key_that_was_asked() {
    in_own_process(|| {
        let test = "recorded_signatures_codes_and_deletions_are_for_the_key_that_was_asked";
        with_recordings(test, async |all| {
            let mut counts = BTreeMap::<&str, usize>::new();
            for recorded in &all {
                let (mut body, Some(id)) = (recorded.body.clone(), recorded.body["KeyId"].as_str()) else {
                    continue;
                };
                // The placeholder of an id that was never seen without its ARN stands for the whole ARN.
                let key = KeyName::new(id);
                if body["Signature"].is_string() {
                    let (algorithm, digest, signature) = match body["SigningAlgorithm"].as_str().unwrap() {
                        "ECDSA_SHA_256" => (Algorithm::Ecdsa, 32, DER.to_owned()),
                        "ECDSA_SHA_384" => (Algorithm::Ecdsa, 48, DER.to_owned()),
                        "ECDSA_SHA_512" => (Algorithm::Ecdsa, 64, DER.to_owned()),
                        word => {
                            let (hash, digest) = match word.rsplit('_').next().unwrap() {
                                "256" => (Hash::Sha256, 32),
                                "384" => (Hash::Sha384, 48),
                                _ => (Hash::Sha512, 64),
                            };
                            let is_pss = word.contains("PSS");
                            let algorithm = if is_pss {
                                Algorithm::RsaPss
                            } else {
                                Algorithm::RsaPkcs1
                            }(hash);
                            (algorithm, digest, format!("{}==", "A".repeat(342)))
                        }
                    };
                    body["Signature"] = json!(signature);
                    let server = Server::new(move |_| Answer::Json(200, body.clone()));
                    let call = SignDigest {
                        key,
                        algorithm,
                        digest: vec![1; digest],
                    };
                    let signature = asked(&backend(&server.url), call).await.unwrap();
                    assert!(
                        [64, 96, 132, 256].contains(&signature.len()),
                        "{}",
                        recorded.source
                    );
                    let asked = server.asked();
                    assert_eq!(asked[0].body["MessageType"], "DIGEST");
                    assert_eq!(
                        asked[0].body["SigningAlgorithm"],
                        recorded.body["SigningAlgorithm"]
                    );
                    *counts.entry("signatures").or_default() += 1;
                } else if body["Mac"].is_string() {
                    let (hash, mac) = match body["MacAlgorithm"].as_str().unwrap() {
                        "HMAC_SHA_224" => (Hash::Sha224, format!("{}==", "A".repeat(38))),
                        "HMAC_SHA_256" => (Hash::Sha256, format!("{}=", "A".repeat(43))),
                        "HMAC_SHA_384" => (Hash::Sha384, "A".repeat(64)),
                        _ => (Hash::Sha512, format!("{}==", "A".repeat(86))),
                    };
                    body["Mac"] = json!(mac);
                    let server = Server::new(move |_| Answer::Json(200, body.clone()));
                    let (algorithm, message) = (Algorithm::Hmac(hash), Zeroizing::new(vec![1]));
                    let call = MacMessage {
                        key,
                        algorithm,
                        message,
                    };
                    assert_eq!(
                        asked(&backend(&server.url), call).await.unwrap().len(),
                        hash.output_len()
                    );
                    *counts.entry("codes").or_default() += 1;
                } else if recorded.source.contains("ScheduleKeyDeletion") {
                    let server = Server::new(move |_| Answer::Json(200, body.clone()));
                    asked(&backend(&server.url), DestroyKey { key }).await.unwrap();
                    *counts.entry("deletions").or_default() += 1;
                }
            }
            println!("{counts:?}");
            assert_eq!(
                counts,
                BTreeMap::from([("codes", 11), ("deletions", 2), ("signatures", 12)])
            );
        });
    });
}
