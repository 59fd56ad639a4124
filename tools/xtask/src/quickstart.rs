// SPDX-License-Identifier: MIT
//! `cargo xtask quickstart`: from a fresh clone to a signature that OpenSSL verified.
//!
//! Builds what users get (profile `release`) and leaves the rest to `keyenclave quickstart`, which an installed copy
//! has as well. Arguments are passed on.

use crate::{project, run, tools};
use std::process::Command;

/// Builds the library and the tool, then runs the tool's `quickstart`.
pub fn run(arguments: &[String]) -> Result<(), String> {
    tools::provide(|program| program == "openssl");
    let built = build()?;
    run::shown(Command::new(built.tool).arg("quickstart").args(arguments))
}

/// Builds both with profile `release`.
pub fn build() -> Result<project::Built, String> {
    let packages = [
        "build",
        "--release",
        "--package",
        "keyenclave-pkcs11-cdylib",
        "--package",
        "keyenclave",
    ];
    run::shown(
        Command::new(project::cargo())
            .current_dir(project::root())
            .args(packages),
    )?;
    Ok(project::Built::in_directory(&project::target().join("release")))
}
