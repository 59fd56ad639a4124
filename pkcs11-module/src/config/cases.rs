// SPDX-License-Identifier: MIT
//! What is accepted and what is refused, as a table of files.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
#[cfg(feature = "aws-kms")]
use std::time::Duration;

use proptest::prelude::*;

use super::parse::parse;
#[cfg(feature = "aws-kms")]
use super::{AwsKmsConfig, RemoteConfig};
use super::{BackendConfig, Config, ConfigError, Environment, ForkPolicy, Surroundings, ThreadPolicy};

#[cfg(feature = "aws-kms")]
const GUIDE: &str = include_str!("../../../docs/guide/configuration.md");
const AWS: &str = "[[slot]]\nlabel = \"a\"\nbackend = \"aws-kms\"\n";
#[cfg(feature = "aws-kms")]
const HASH: &str =
    "$argon2id$v=19$m=65536,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$LJzyqZHmrBjeh8RDvBSm+mnUrhjAHAJHQ0xw0uQ0GB4";
const SLOT: &str = "[[slot]]\nlabel = \"a\"\nbackend = \"soft\"\n";

fn read(text: &str) -> Result<Config, ConfigError> {
    parse(
        text,
        Path::new("/etc/k.toml"),
        &Surroundings::in_home(Path::new("/home/k")),
    )
}

fn stores(config: &Config) -> Vec<PathBuf> {
    let directories = config.slots.iter().map(|slot| slot.backend.directory());
    directories
        .map(|directory| directory.unwrap().to_owned())
        .collect()
}

/// Each file with what its first problem says, from the place on.
const REFUSED: &[(&str, &str)] = &[
    (
        "enviroment = \"local\"",
        "/etc/k.toml:1:1: unknown setting `enviroment` at the top of the file; did you mean `environment`?",
    ),
    (
        "environment = \"prod\"",
        ":1:15: `environment`: `prod` is not available; there is `production`, `staging`, `development` or `local`",
    ),
    ("environment = \"stagging\"", "did you mean `staging`? there is"),
    (
        "environment = 7",
        ":1:15: `environment`: this is of type integer; write `production`,",
    ),
    (
        "environment = \"production\"\n[[slot]]\nlabel = \"a\"\nbackend = \"soft\"",
        ":1:15: environment `production` needs slots whose keys are protected by hardware, and every slot here",
    ),
    (
        "environment = \"production\"",
        ":1:15: environment `production` needs",
    ),
    (
        "\n\nlevel = \"warn\"",
        ":3:1: unknown setting `level` at the top of the file; `level` belongs in [log]",
    ),
    (
        "bakend = \"soft\"",
        ":1:1: unknown setting `bakend` at the top of the file; `backend` belongs in [[slot]]",
    ),
    (
        "colour = 1",
        "known here: `environment`, `fork`, `threads`, `log` or `slot`",
    ),
    (
        "fork = true",
        "`fork`: this is of type boolean; write `strict` or `auto`",
    ),
    (
        "log = \"warn\"",
        ":1:7: `log` is of type string; write a `[log]` heading",
    ),
    (
        "[log]\nlevel = \"loud\"",
        ":2:9: `level`: `loud` is not available; there is `off`, `error`",
    ),
    ("[[log]]\nlevel = \"warn\"", "`log` is of type array"),
    (
        "[slot]\nlabel = \"a\"",
        "`slot` is of type table; each slot begins with a `[[slot]]` heading",
    ),
    ("slot = [1]", "a slot is of type integer"),
    (
        "[[slot]]\nlabel = \"a\"",
        ":1:1: this slot has no `backend`; add `backend = …`: `\"soft\"`, `\"aws-kms\"`",
    ),
    ("[[slot]]\nbackend = \"soft\"", "this slot has no `label`"),
    (
        "[[slot]]\nlabel = \"a\"\nbakend = \"soft\"",
        "unknown setting `bakend` in [[slot]]; did you mean `backend`?",
    ),
    (
        "[[slot]]\nlabel = \"a\"\nbackend = \"aws_kms\"",
        ":3:11: `backend`: `aws_kms` is not available; did you mean `aws-kms`? there is `soft` or `aws-kms`",
    ),
    (
        "[[slot]]\nlabel = \"\"\nbackend = \"soft\"",
        "`label`: the text is empty",
    ),
    (
        "[[slot]]\nlabel = \"a\\u0000\"\nbackend = \"soft\"",
        "`label`: the text has control characters",
    ),
    (
        "[[slot]]\nlabel = \"äääääääääääääääää\"\nbackend = \"soft\"",
        "`label`: the text has 34 bytes; write text, 1 to 32 bytes",
    ),
    (
        "[[slot]]\nid = -1\nlabel = \"a\"\nbackend = \"soft\"",
        ":2:6: `id`: -1 is out of range; write a whole number, 0 to 2147483647",
    ),
    (
        "[[slot]]\nid = 99999999999999999999\nlabel = \"a\"\nbackend = \"soft\"",
        "`id`: 99999999999999999999 is out of range",
    ),
    (
        "[[slot]]\nid = \"1\"\nlabel = \"a\"\nbackend = \"soft\"",
        "`id`: this is of type string",
    ),
    (
        "[[slot]]\nlabel = \"a\"\nbackend = \"soft\"\nmax_pin_attempts = 2",
        ":4:20: `max_pin_attempts`: 2 is out of range; write a whole number, 3 to 100",
    ),
    (
        "[[slot]]\nlabel = \"a\"\nbackend = \"soft\"\npath = \"~/keys\"",
        "`path`: `~` is not replaced by the home directory",
    ),
    (
        "[[slot]]\nlabel = \"a\"\nbackend = \"soft\"\npath = \"\"",
        "`path`: this is not a path",
    ),
    (
        "[[slot]]\nlabel = \"a\"\nbackend = \"soft\"\npin = \"1234\"",
        ":4:1: unknown setting `pin` in [[slot]]; secrets do not belong in the configuration",
    ),
    (
        "[[slot]]\nlabel = \"a\"\nbackend = \"soft\"\n[[slot]]\nlabel = \"a\"\nbackend = \"soft\"",
        ":5:9: `a` is already the label of the slot in line 1",
    ),
    (
        "[[slot]]\nlabel = \"a\"\nbackend = \"soft\"\n[[slot]]\nid = 0\nlabel = \"b\"\nbackend = \"soft\"",
        ":5:6: slot id 0 is that of the slot in line 1; give each slot an `id` of its own",
    ),
    (
        "[[slot]]\nlabel = \"a\"\nbackend = \"soft\"\npath = \"/k\"\n[[slot]]\nlabel = \"b\"\nbackend = \"soft\"\npath = \"/k/./\"",
        ":8:8: the store is already that of the slot in line 1",
    ),
    (
        "environment = \"production\"\n[[slot]]\nlabel = \"k\"\nbackend = \"aws-kms\"\n[[slot]]\nlabel = \"a\"\nbackend = \"soft\"",
        ":7:11: environment `production` needs slots whose keys are protected by hardware, and `a` is protected",
    ),
    (
        "[[slot]]\nlabel = \"a\"\nbackend = \"soft\"\nregion = \"eu-west-1\"",
        ":4:1: unknown setting `region` in [[slot]]; `region` belongs in [[slot]] with `backend = \"aws-kms\"`",
    ),
    ("[[slot]]\nlabel = \"a\"\nlabel = \"b\"", ":3:1: duplicate key"),
    ("[[slot]\nlabel", "/etc/k.toml:1:"),
    ("label = \"a", "/etc/k.toml:1:"),
];

/// Lines of a slot of AWS KMS, the fourth of the file and those after it, and what their first problem says.
const REFUSED_AT_AWS: &[(&str, &str)] = &[
    (
        "path = \"/k\"",
        ":4:1: unknown setting `path` in [[slot]]; `path` belongs in [[slot]] with `backend = \"soft\"`",
    ),
    ("regoin = \"x\"", "did you mean `region`?"),
    (
        "fips = 1",
        ":4:8: `fips`: this is of type integer; write `true` or `false`, without quotation marks",
    ),
    (
        "page_size = 1001",
        "`page_size`: 1001 is out of range; write a whole number, 1 to 1000",
    ),
    (
        "deletion_days = 6",
        "`deletion_days`: 6 is out of range; write a whole number, 7 to 30",
    ),
    ("connections = 0", "`connections`: 0 is out of range"),
    (
        "endpoint = \"kms.example\"",
        ":4:12: `endpoint`: this is not an address",
    ),
    (
        "endpoint = \"ftp://kms.example\"",
        "`endpoint`: this is not the address of a web service; write `https://`",
    ),
    (
        "endpoint = \"https://me:1234@kms.example\"",
        "`endpoint`: there is a user name or a password in the address",
    ),
    (
        "proxy = \"http://1234@proxy.example\"",
        "`proxy`: there is a user name or a password in the address",
    ),
    (
        "endpoint = \"https://kms.example/?1234\"",
        "there is a query or a fragment",
    ),
    (
        "endpoint = \"https://kms.example\"\nfips = true",
        ":5:8: `fips`: it chooses among AWS's own endpoints",
    ),
    (
        "endpoint = \"https://kms.example\"\nfips = false\ndual_stack = true",
        ":6:14: `dual_stack`: it chooses among AWS's own endpoints",
    ),
    (
        "operation_timeout = 1000\nattempt_timeout = 1001",
        ":5:19: `attempt_timeout`: it is longer than `operation_timeout`, which is 1000; leave it out, shorten it, or",
    ),
    (
        "attempt_timeout = 5001",
        ":4:19: `attempt_timeout`: it is longer than `operation_timeout`, which is 5000",
    ),
    ("ca_file = \"~/ca.pem\"", "`ca_file`: `~` is not replaced"),
    ("pin_hash = \"1234\"", "`pin_hash`: not a hashed PIN"),
    ("pin = \"1234\"", "the application passes the PIN to `C_Login`"),
    (
        "access_key_id = \"1234\"",
        "a slot uses the identity that its process has at AWS",
    ),
    (
        "Secret-Access-Key = \"1234\"",
        "a slot uses the identity that its process has at AWS",
    ),
    (
        "[[slot]]\nlabel = \"b\"\nbackend = \"aws-kms\"\nsidecar = \"/home/k/.local/share/keyenclave/sidecar/a\"",
        ":7:11: the store is already that of the slot in line 1; give each slot a `sidecar` of its own",
    ),
];

#[test]
#[cfg(feature = "aws-kms")]
fn every_mistake_in_a_slot_of_aws_is_told_with_its_place_and_what_to_do() {
    for (lines, expected) in REFUSED_AT_AWS {
        let error = read(&format!("{AWS}{lines}")).unwrap_err().to_string();
        assert!(
            error.contains(expected),
            "{lines}\n gave: {error}\n not: {expected}"
        );
        assert!(!error.contains("1234"), "a secret was repeated: {error}");
    }
}

#[test]
#[cfg(not(feature = "aws-kms"))]
fn a_build_without_aws_says_so() {
    let error = read(AWS).unwrap_err().to_string();
    assert!(
        error.contains(":3:11: `backend`: this build of KeyEnclave was made without `aws-kms`"),
        "{error}"
    );
    assert!(!REFUSED_AT_AWS.is_empty());
}

#[test]
#[cfg(feature = "aws-kms")]
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
    assert!(config.is_remote() && config.warnings()[0].contains("does not set `environment`"));
    assert!(
        !config.warnings()[0].contains("software"),
        "{:?}",
        config.warnings()
    );
}

#[test]
#[cfg(feature = "aws-kms")]
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
#[cfg(feature = "aws-kms")]
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
#[cfg(feature = "aws-kms")]
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
#[cfg(feature = "aws-kms")]
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
#[cfg(feature = "aws-kms")]
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

#[test]
fn every_mistake_is_told_with_its_place_and_what_to_do() {
    let mut wrong = Vec::new();
    for (text, expected) in REFUSED {
        if cfg!(not(feature = "aws-kms")) && text.contains("\"aws-kms\"") {
            continue;
        }
        let error = read(text).unwrap_err().to_string();
        if !error.contains(expected) {
            wrong.push(format!("{text}\n gave: {error}\n not: {expected}"));
        }
        assert!(!error.contains("1234"), "a secret was repeated: {error}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn all_problems_are_told_at_once_in_the_files_order() {
    let error = read("fork = 1\ncolour = 1\n[log]\nlevel = 1").unwrap_err();
    let lines: Vec<_> = error
        .problems
        .iter()
        .map(|problem| problem.line.unwrap())
        .collect();
    assert_eq!(lines, [1, 2, 4]);
}

#[test]
fn a_full_file_is_understood() {
    let text = "environment = \"staging\"\nfork = \"auto\"\nthreads = \"always\"\n[log]\nlevel = \"debug\"\n\
        [[slot]]\nid = 3\nlabel = \"a b\"\nbackend = \"soft\"\nmax_pin_attempts = 100\n\
        [[slot]]\nlabel = \"signing\"\nbackend = \"soft\"\n\
        [[slot]]\nlabel = \"c\"\nbackend = \"soft\"\npath = \"stores/./c\"\n";
    let config = read(text).unwrap();
    assert_eq!(
        (config.environment, config.fork, config.threads),
        (Some(Environment::Staging), ForkPolicy::Auto, ThreadPolicy::Always)
    );
    assert_eq!(config.log_level, log::LevelFilter::Debug);
    assert_eq!(
        config.slots.iter().map(|slot| slot.id).collect::<Vec<_>>(),
        [3, 1, 2]
    );
    let expected = [
        "/home/k/.local/share/keyenclave/slot-3",
        "/home/k/.local/share/keyenclave/signing",
        "/etc/stores/c",
    ];
    assert_eq!(stores(&config), expected.map(PathBuf::from));
    let BackendConfig::Soft(soft) = &config.slots[0].backend else {
        unreachable!()
    };
    assert_eq!(soft.max_pin_attempts, 100);
}

#[test]
fn a_file_without_slots_has_the_default_slot_and_says_what_it_assumes() {
    let config = read("").unwrap();
    assert_eq!(
        stores(&config),
        [PathBuf::from("/home/k/.local/share/keyenclave/default")]
    );
    assert!(
        config.warnings()[0].contains("does not set `environment`"),
        "{:?}",
        config.warnings()
    );
}

#[test]
fn software_is_warned_of_in_every_environment() {
    for name in ["staging", "development", "local"] {
        let warnings = read(&format!("environment = \"{name}\"\n{SLOT}"))
            .unwrap()
            .warnings();
        assert_eq!(
            warnings,
            [format!(
                "environment `{name}`: the keys of slot `a` are protected by software only"
            )]
        );
    }
}

#[test]
fn a_store_behind_a_link_is_recognised_as_that_of_another_slot() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("real")).unwrap();
    std::os::unix::fs::symlink("real", dir.path().join("link")).unwrap();
    let slot =
        |label, path| format!("[[slot]]\nlabel = \"{label}\"\nbackend = \"soft\"\npath = \"{path}\"\n");
    let file = dir.path().join("config.toml");
    let read = |path| {
        let text = slot("a", "real/store") + &slot("b", path);
        parse(&text, &file, &Surroundings::default())
    };
    let error = read("link/store").unwrap_err().to_string();
    assert!(
        error.contains(":8:8: the store is already that of the slot in line 1"),
        "{error}"
    );
    assert_eq!(stores(&read("link/other").unwrap()).len(), 2);
}

#[test]
fn a_slot_needs_a_path_where_there_is_no_home() {
    let nowhere = Surroundings::default();
    let error = parse(SLOT, Path::new("/etc/k.toml"), &nowhere)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(":1:1: this process has no home directory for the store; add `path"),
        "{error}"
    );
}

#[test]
fn a_file_cut_off_anywhere_is_read_or_refused() {
    let text = format!("environment = \"local\"\nfork = \"auto\"\n[log]\nlevel = \"warn\"\n{SLOT}id = 4\n");
    for end in 0..text.len() {
        if let Err(error) = read(&text[..end]) {
            assert!(error.to_string().starts_with("/etc/k.toml:"), "{error}");
        }
    }
}

#[test]
fn depth_is_refused_not_followed() {
    for (open, times) in [("[", 200_000), ("a.", 200_000), ("{a=", 200_000)] {
        for prefix in ["x = ", "", "["] {
            let error = read(&format!("{prefix}{}", open.repeat(times))).unwrap_err();
            assert!(!error.problems.is_empty());
        }
    }
    assert!(read(&format!("{}a = 1", "a.".repeat(200_000))).is_err());
}

#[test]
// A build without backends refuses their slots.
#[cfg(feature = "aws-kms")]
fn the_guides_examples_are_valid() {
    let mut examples = 0;
    for block in GUIDE.split("```toml\n").skip(1) {
        let example = block.split("```").next().unwrap();
        read(example).unwrap_or_else(|error| unreachable!("{error}"));
        examples += 1;
    }
    assert!(examples > 0);
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*") {
        let _ = read(&text);
    }

    #[test]
    fn any_mixture_of_known_words_is_read_or_refused(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "[[slot]]", "[log]", "[slot]", "label", "backend", "id", "=", "\"soft\"", "\"a\"", "3", "\n", "{", "}",
                "[", "]", ",", ".", "fork", "environment", "\"production\"", "true", "1979-05-27", "path", "-0x1",
                "\"aws-kms\"", "endpoint", "fips", "pin_hash", "\"https://u:p@h\"",
            ]),
            0..40,
        )
    ) {
        let _ = read(&words.join(" "));
    }
}
