// SPDX-License-Identifier: MIT
//! The README's commands, run as printed: every fenced block marked `sh test`, one after another, in one shell.
//!
//! They stand in a directory that looks like a checkout after `cargo xtask quickstart`, which continuous integration
//! runs itself.

use crate::{ENGINE, run};
use keyenclave_conformance::case::{needing, own_module};
use keyenclave_conformance::place::{Place, module_path, tool_path};
use std::os::unix::fs::symlink;

const README: &str = include_str!("../../../README.md");

fn blocks() -> Vec<&'static str> {
    let after = README.split("\n```sh test\n").skip(1);
    after
        .map(|rest| rest.split("\n```").next().expect("the end of the block"))
        .collect()
}

/// A block without the mark would never be run; only the two commands that build are left to CI.
#[test]
fn every_block_of_the_readme_is_run() {
    let fences = README.lines().filter(|line| line.starts_with("```"));
    let opening: Vec<&str> = fences.step_by(2).collect();
    let unmarked: Vec<_> = opening.iter().filter(|fence| **fence != "```sh test").collect();
    assert_eq!(
        unmarked,
        [&"```text", &"```sh", &"```toml"],
        "a picture, the two commands, a configuration"
    );
    assert!(blocks().len() >= 4);
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
                let place = Place::new();
                let release = place.file("target/release");
                std::fs::create_dir_all(&release).unwrap();
                for file in [module_path(), tool_path()] {
                    symlink(&file, release.join(file.file_name().unwrap())).unwrap();
                }
                place.write("README.md", README);
                let blocks = [&["target/release/keyenclave quickstart"], blocks().as_slice()].concat();
                let script = place.write("readme.sh", &blocks.join("\n"));
                let mut command = place.command("bash");
                command
                    .args(["-euxo", "pipefail"])
                    .arg(script)
                    .env_remove("KEYENCLAVE_CONFIG")
                    .env_remove("PIN");
                run(command);
            },
        );
    });
}
