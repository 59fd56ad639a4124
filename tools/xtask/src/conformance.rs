// SPDX-License-Identifier: MIT
//! `cargo xtask conformance`: holds a PKCS#11 module, ours by default, to the black-box cases, and reports.
//!
//! What it takes is the runner's: `--module FILE`, `--peer NAME` or `--behind NAME`, `--expectations FILE`, `--json FILE`,
//! `--junit FILE`, `--page FILE`, `--wycheproof`, `--list`, and a part of the cases' ids.

use crate::{peers, project, run, test};
use std::process::Command;

/// Builds our module and the runner, and starts it with `arguments`.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let directory = project::target().join(test::DIRECTORY);
    let built = test::build(&test::PROFILE, &directory)?;
    let mut build = Command::new(project::cargo());
    build
        .current_dir(project::root())
        .args(["build", "--package", "keyenclave-conformance-cases"]);
    run::shown(build.args(test::PROFILE))?;
    let program = format!("keyenclave-conformance{}", std::env::consts::EXE_SUFFIX);
    let mut runner = Command::new(directory.join(program));
    // An argument of its own takes precedence in the runner, but beside a peer there must be no module.
    if !arguments.iter().any(|argument| argument.starts_with("--peer")) {
        runner.env("KEYENCLAVE_TEST_MODULE", &built.library);
    }
    // Kryoptic is no package of any system: it is built here.
    if arguments.iter().any(|argument| argument.ends_with("kryoptic")) {
        runner.env("KEYENCLAVE_KRYOPTIC", peers::kryoptic()?);
    }
    run::shown(runner.args(arguments))
}

/// Holds the other modules to what is expected of them; how many are not installed.
pub fn peers() -> Result<u64, String> {
    let mut missing = 0;
    for (name, present) in [
        ("softhsm2", peers::softhsm2().is_some()),
        ("nss-softokn", peers::nss().is_some()),
        ("kryoptic", true),
    ] {
        if present {
            run(&["--peer", name].map(str::to_owned))?;
            run(&["--behind", name].map(str::to_owned))?;
        } else {
            println!("SKIPPED the cases on {name}: it is not installed");
            missing += 1;
        }
    }
    Ok(missing)
}
