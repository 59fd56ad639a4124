// SPDX-License-Identifier: MIT
//! The README's commands, run as printed: every fenced block marked `sh test`, one after another, in one shell; those
//! marked `sh test aws` likewise, with the slot marked `toml aws` at an emulator of the service.
//!
//! They stand in a directory that looks like a checkout after `cargo xtask quickstart`, which continuous integration
//! runs itself.

use crate::{ENGINE, run};
use keyenclave_conformance::case::{needing, own_module};
use keyenclave_conformance::cloud::{Account, Ministack};
use keyenclave_conformance::place::{Place, module_path, tool_path};
use std::os::unix::fs::symlink;
use std::process::Command;

const README: &str = include_str!("../../../README.md");

/// The marks of the blocks that are run, and of the slot that those for AWS need.
const HERE: &str = "sh test";
const CLOUD: &str = "sh test aws";
const CLOUD_SLOT: &str = "toml aws";

fn blocks(mark: &str) -> Vec<&'static str> {
    let opening = format!("\n```{mark}\n");
    README
        .split(&opening)
        .skip(1)
        .map(|rest| rest.split("\n```").next().expect("the end of the block"))
        .collect()
}

/// Runs commands in a place that looks like a checkout.
fn run_in(place: &Place, commands: &[&str], prepare: impl FnOnce(&mut Command)) {
    let release = place.file("target/release");
    std::fs::create_dir_all(&release).unwrap();
    for file in [module_path(), tool_path()] {
        symlink(&file, release.join(file.file_name().unwrap())).unwrap();
    }
    place.write("README.md", README);
    let script = place.write("readme.sh", &commands.join("\n"));
    let mut command = place.command("bash");
    command.args(["-euxo", "pipefail"]).arg(script);
    prepare(&mut command);
    run(command);
}

/// A block without the mark would never be run; only the two commands that build are left to CI.
#[test]
fn every_block_of_the_readme_is_run() {
    let fences = README.lines().filter(|line| line.starts_with("```"));
    let opening: Vec<&str> = fences.step_by(2).collect();
    let marks = [HERE, CLOUD].map(|mark| format!("```{mark}"));
    let unmarked: Vec<_> = opening
        .into_iter()
        .filter(|fence| !marks.iter().any(|mark| mark == fence))
        .collect();
    assert_eq!(
        unmarked,
        ["```text", "```sh", "```toml", "```toml aws"],
        "a picture, the two commands, a configuration, the slot that the commands for AWS use"
    );
    assert!(blocks(HERE).len() >= 4);
    assert!(!blocks(CLOUD).is_empty() && blocks(CLOUD_SLOT).len() == 1);
}

#[test]
fn the_readme_is_true() {
    own_module(|| {
        needing(
            &[
                "bash",
                "openssl",
                ENGINE,
                "pkcs11-tool",
                "keytool",
                "jarsigner",
                "jar",
            ],
            || {
                let commands = [&["target/release/keyenclave quickstart"], blocks(HERE).as_slice()].concat();
                run_in(&Place::new(), &commands, |command| {
                    command.env_remove("KEYENCLAVE_CONFIG").env_remove("PIN");
                });
            },
        );
    });
}

#[test]
fn the_readme_is_true_of_keys_in_aws() {
    own_module(|| {
        needing(&["bash", "openssl", ENGINE, "pkcs11-tool"], || {
            Ministack::needed(|ministack| {
                let place = Place::new();
                let slot = blocks(CLOUD_SLOT).join("\n");
                place.write(
                    "keyenclave.toml",
                    &format!("{slot}\nendpoint = \"{}\"\n", ministack.url()),
                );
                run_in(&place, &blocks(CLOUD), |command| {
                    command.env("PKCS11_MODULE_PATH", module_path());
                    Account::fresh().give(command);
                });
            });
        });
    });
}
