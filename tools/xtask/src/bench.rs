// SPDX-License-Identifier: MIT
//! `cargo xtask bench`: measures the module beside the bare library that it stands on, and writes docs/performance.md.
//!
//! All are built as users get them. Figures depend on the machine and its neighbours: nothing here fails for being slow.

use crate::{peers, project, run, tools};
use std::path::Path;
use std::process::Command;

const PAGE: &str = "docs/performance.md";

/// Builds library and benchmark, and has the benchmark write its parts of the page.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let (what, rest) = match arguments {
        [what, rest @ ..] if what == "remote" || what == "local" => (what.as_str(), rest),
        [first, ..] if !first.starts_with("--") => {
            return Err("usage: cargo xtask bench [remote|local] [ARGUMENTS of the benchmark]".into());
        }
        // A quick run is of what changes every day.
        all if all.iter().any(|argument| argument == "--quick") => ("local", all),
        all => ("both", all),
    };
    let mut build = Command::new(project::cargo());
    build.current_dir(project::root()).args(["build", "--release"]);
    for package in ["keyenclave-pkcs11-cdylib", "keyenclave-bench"] {
        build.args(["--package", package]);
    }
    run::shown(&mut build)?;
    let built = project::Built::in_directory(&project::target().join("release"));
    if what != "local" {
        remote(&built.library, if what == "remote" { rest } else { &[] })?;
    }
    if what != "remote" {
        local(&built.library, rest)?;
    }
    Ok(())
}

fn bench(what: &str) -> Command {
    let mut bench = Command::new(project::target().join("release/keyenclave-bench"));
    bench.current_dir(project::root()).arg(what);
    bench
}

fn remote(module: &Path, rest: &[String]) -> Result<(), String> {
    let mut bench = bench("remote");
    run::shown(bench.args(["--page", PAGE, "--module"]).arg(module).args(rest))
}

/// A quick run only prints; any other writes the page. A peer that is not there is left out, and the page says so.
fn local(module: &Path, rest: &[String]) -> Result<(), String> {
    tools::provide(|program| program == "softhsm2-util" || program == tools::SOFTOKN);
    let kryoptic = peers::kryoptic();
    if let Err(reason) = &kryoptic {
        println!("Kryoptic is left out: {reason}");
    }
    let known = [
        ("keyenclave", Some(module.to_owned())),
        ("softhsm2", peers::softhsm2()),
        ("kryoptic", kryoptic.ok()),
        ("nss", peers::nss()),
    ];
    let place = project::target().join("bench");
    let mut bench = bench("local");
    bench.arg("--place").arg(place);
    for (name, path) in known {
        if let Some(path) = path {
            bench.arg("--define").arg(format!("{name}={}", path.display()));
        }
    }
    if !rest.iter().any(|argument| argument == "--quick") {
        bench.args(["--page", PAGE]);
    }
    run::shown(bench.args(rest))
}
