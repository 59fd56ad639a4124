// SPDX-License-Identifier: MIT
//! What is asked of the dependencies: one version of each crate, and licences that users can live with.

use std::collections::BTreeSet;
use std::process::Command;

use crate::{project, run, tools};

/// Crates that users get in two versions, and why that cannot be helped yet. An entry that is no longer needed fails.
const IN_TWO_VERSIONS: &[(&str, &str)] = &[
    ("block-buffer", "with digest"),
    ("cpufeatures", "with digest"),
    ("crypto-common", "with digest"),
    (
        "digest",
        "the AWS SDK signs with 0.11 and names its files with sha1 on 0.10, where argon2 still is",
    ),
    (
        "syn",
        "builds derive macros only: the AWS SDK's and tracing's have not moved to 3",
    ),
];

/// What users get must not contain two versions of one crate.
///
/// # Errors
/// Names each crate that does and should not, and each entry of [`IN_TWO_VERSIONS`] that is stale.
pub fn duplicates() -> Result<(), String> {
    let shipped = ["--package", "keyenclave-pkcs11-cdylib", "--package", "keyenclave"];
    let mut command = Command::new(project::cargo());
    command
        .current_dir(project::root())
        .args(["tree", "--duplicates", "--edges", "normal", "--depth", "0"])
        .args(["--prefix", "none", "--format", "{p}"])
        .args(shipped);
    judge(&run::read(&mut command)?)
}

fn judge(tree: &str) -> Result<(), String> {
    let found: BTreeSet<_> = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let permitted: BTreeSet<_> = IN_TWO_VERSIONS.iter().map(|(name, _)| *name).collect();
    let new = found
        .difference(&permitted)
        .map(|name| format!("{name} is there in two versions"));
    let stale = permitted
        .difference(&found)
        .map(|name| format!("{name} is there in one version: take its entry away"));
    let wrong: Vec<_> = new.chain(stale).collect();
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("\n"))
    }
}

/// `cargo deny`, where it is installed: building it takes longer than all tests, so only `cargo xtask full` does.
///
/// # Errors
/// What it finds.
pub fn licences() -> Result<(), String> {
    if tools::on_path("cargo-deny").is_none() {
        println!("cargo-deny is not installed: `cargo xtask full` checks licences, bans and sources");
        return Ok(());
    }
    let mut command = Command::new(project::cargo());
    command
        .current_dir(project::root())
        .args(["deny", "--all-features", "check"]);
    run::shown(command.args(["licenses", "bans", "sources"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_duplicate_and_a_stale_entry_are_both_named() {
        let all = IN_TWO_VERSIONS
            .iter()
            .map(|(name, _)| format!("{name} v1\n{name} v2\n"));
        let tree: String = all.collect();
        assert_eq!(judge(&tree), Ok(()));
        assert!(judge(&format!("{tree}ring v0.17.14\n")).is_err_and(|error| error.contains("ring")));
        let without = tree.replace("digest v", "other v");
        assert!(judge(&without).is_err_and(|error| error.contains("digest is there in one version")));
    }
}
