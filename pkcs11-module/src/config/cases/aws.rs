// SPDX-License-Identifier: MIT
//! Slots of AWS KMS: what they are when nothing is said, and what is understood.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::parse::parse;
use super::super::{AwsKmsConfig, BackendConfig, RemoteConfig, Surroundings};
use super::{AWS, SLOT, read, stores};

const HASH: &str =
    "$argon2id$v=19$m=65536,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$LJzyqZHmrBjeh8RDvBSm+mnUrhjAHAJHQ0xw0uQ0GB4";

#[test]
fn a_slot_of_aws_has_defaults_and_says_where_it_keeps_things() {
    let config = read(AWS).unwrap();
    let BackendConfig::AwsKms(aws) = &config.slots[0].backend else {
        unreachable!()
    };
    assert_eq!(
        (&aws.region, aws.fips, aws.page_size, aws.deletion_days),
        (&None, None, 1000, 30)
    );
    assert_eq!(aws.remote.operation_timeout, Duration::from_secs(5));
    assert_eq!(aws.remote.attempt_timeout, Duration::from_secs(2));
    assert_eq!(
        (aws.remote.retries, aws.remote.connections, aws.remote.queue),
        (3, 64, 10_000)
    );
    assert_eq!(
        stores(&config),
        [PathBuf::from("/home/k/.local/share/keyenclave/sidecar/a")]
    );
    assert_eq!(aws.remote.pin_hash, None);
    assert!(config.needs_threads() && config.warnings()[0].contains("does not set `environment`"));
    assert!(
        !config.warnings()[0].contains("software"),
        "{:?}",
        config.warnings()
    );
}

#[test]
fn a_full_slot_of_aws_is_understood() {
    let text = format!(
        "environment = \"production\"\n{AWS}region = \"eu-central-1\"\nendpoint = \"https://vpce.example:8443\"\n\
         ca_file = \"ca.pem\"\nproxy = \"http://proxy.example:3128\"\nprofile = \"signing\"\ndeletion_days = 7\n\
         page_size = 1\noperation_timeout = 1000\nretries = 0\nconnections = 2\nqueue = 0\nlisting_expiry = 5\n\
         listing_timeout = 6\ndescription_expiry = 7\nsidecar = \"side\"\npin_hash = \"{HASH}\"\n"
    );
    let config = read(&text).unwrap();
    assert_eq!(config.warnings(), [""; 0], "nothing is reduced");
    let expected = AwsKmsConfig {
        region: Some("eu-central-1".to_owned()),
        endpoint: Some("https://vpce.example:8443".to_owned()),
        fips: None,
        dual_stack: None,
        ca_file: Some(PathBuf::from("/etc/ca.pem")),
        proxy: Some("http://proxy.example:3128".to_owned()),
        profile: Some("signing".to_owned()),
        deletion_days: 7,
        page_size: 1,
        remote: RemoteConfig {
            operation_timeout: Duration::from_secs(1),
            attempt_timeout: Duration::from_millis(400),
            retries: 0,
            connections: 2,
            queue: 0,
            listing_expiry: Duration::from_secs(5),
            listing_timeout: Duration::from_secs(6),
            description_expiry: Duration::from_secs(7),
            pin_hash: Some(HASH.to_owned()),
            sidecar: Some(PathBuf::from("/etc/side")),
        },
    };
    assert_eq!(config.slots[0].backend, BackendConfig::AwsKms(Box::new(expected)));
}

#[test]
fn what_is_said_of_the_endpoint_and_what_is_left_to_the_surroundings_are_told_apart() {
    for (line, fips) in [
        ("", None),
        ("fips = false", Some(false)),
        ("fips = true", Some(true)),
    ] {
        let config = read(&format!(
            "{AWS}{line}\noperation_timeout = 1000\nattempt_timeout = 1000"
        ))
        .unwrap();
        let BackendConfig::AwsKms(aws) = &config.slots[0].backend else {
            unreachable!()
        };
        assert_eq!((aws.fips, aws.dual_stack), (fips, None), "{line}");
    }
}

#[test]
fn production_calls_services_over_tls_but_on_this_machine() {
    for (endpoint, allowed) in [
        ("https://kms.example", true),
        ("http://kms.example", false),
        ("http://127.0.0.1.example", false),
        ("http://127.9.9.9:4599", true),
        ("http://[::1]:4599", true),
        ("http://localhost:4599", true),
    ] {
        let slot = format!("{AWS}endpoint = \"{endpoint}\"\n");
        let production = read(&format!("environment = \"production\"\n{slot}"));
        assert_eq!(production.is_ok(), allowed, "{endpoint}");
        if let Err(error) = production {
            assert!(
                error
                    .to_string()
                    .contains(":5:12: `endpoint`: environment `production`"),
                "{error}"
            );
        }
        assert!(read(&slot).is_ok(), "outside production {endpoint} is allowed");
    }
}

#[test]
fn without_a_home_a_slot_of_aws_works_and_says_what_does_not() {
    let config = parse(AWS, Path::new("/etc/k.toml"), &Surroundings::default()).unwrap();
    assert_eq!(config.slots[0].backend.directory(), None);
    assert!(
        config.warnings()[1].contains("add `sidecar = …`"),
        "{:?}",
        config.warnings()
    );
}

#[test]
fn slots_of_several_kinds_stand_side_by_side() {
    let config = read(&format!("{AWS}{}", SLOT.replace("\"a\"", "\"b\""))).unwrap();
    let names: Vec<_> = config
        .slots
        .iter()
        .map(|slot| slot.backend.name().name())
        .collect();
    assert_eq!(names, ["aws-kms", "soft"]);
    assert!(
        config.warnings()[0].contains("slot `b` are protected by software"),
        "{:?}",
        config.warnings()
    );
}
