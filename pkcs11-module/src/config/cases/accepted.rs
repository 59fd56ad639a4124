// SPDX-License-Identifier: MIT
//! What is understood, and what is assumed or warned of with it.

use std::path::PathBuf;

#[cfg(feature = "aws-kms")]
use super::super::Simulation;
use super::super::{BackendConfig, Environment, ForkPolicy, ThreadPolicy};
use super::{SLOT, read, stores};

#[cfg(all(feature = "aws-kms", feature = "pkcs11"))]
const PAGES: [&str; 4] = [
    include_str!("../../../../README.md"),
    include_str!("../../../../docs/guide/aws.md"),
    include_str!("../../../../docs/guide/configuration.md"),
    include_str!("../../../../docs/guide/vendor-modules.md"),
];

#[test]
fn a_full_file_is_understood() {
    let text = "environment = \"staging\"\nfork = \"auto\"\nthreads = \"always\"\n[log]\nlevel = \"debug\"\n\
        [[slot]]\nid = 3\nlabel = \"a b\"\nbackend = \"soft\"\nmax_pin_attempts = 100\n\
        legacy_mechanisms = true\n\
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
    assert_eq!((soft.max_pin_attempts, soft.legacy_mechanisms), (100, true));
    let BackendConfig::Soft(soft) = &config.slots[1].backend else {
        unreachable!()
    };
    assert!(!soft.legacy_mechanisms);
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
#[cfg(feature = "aws-kms")]
fn a_simulation_is_warned_of_wherever_it_is_allowed() {
    for name in ["staging", "development", "local"] {
        let config = read(&format!(
            "environment = \"{name}\"\n{SLOT}simulate = \"aws-kms\"\n"
        ))
        .unwrap();
        assert_eq!(config.slots[0].backend.simulates(), Some(Simulation::AwsKms));
        let [software, simulation] = &config.warnings()[..] else {
            unreachable!()
        };
        assert!(software.contains("software only"), "{software}");
        for said in ["SIMULATION: slot `a`", "`aws-kms`", "NOT production grade"] {
            assert!(simulation.contains(said), "{simulation}");
        }
    }
    assert_eq!(read(SLOT).unwrap().slots[0].backend.simulates(), None);
}

#[test]
// A build without backends refuses their slots.
#[cfg(all(feature = "aws-kms", feature = "pkcs11"))]
fn the_guides_examples_are_valid() {
    for page in PAGES {
        let blocks: Vec<&str> = page.split("```toml\n").skip(1).collect();
        assert!(!blocks.is_empty(), "{page}");
        for block in blocks {
            let example = block.split("```").next().unwrap();
            read(example).unwrap_or_else(|error| unreachable!("{error}"));
        }
    }
}
