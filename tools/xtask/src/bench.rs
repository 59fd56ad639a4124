// SPDX-License-Identifier: MIT
//! `cargo xtask bench`: measures the module beside the bare library that it stands on, and writes docs/performance.md.
//!
//! Both are built as users get them. Figures depend on the machine and its neighbours: nothing here fails for being slow.

use crate::{project, quickstart, run};
use std::process::Command;

/// Builds library and benchmark, and has the benchmark write its part of the page.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let what = match arguments {
        [] => "remote",
        [what] if what == "remote" => what,
        _ => return Err("usage: cargo xtask bench [remote]".into()),
    };
    let built = quickstart::build()?;
    let mut build = Command::new(project::cargo());
    build.current_dir(project::root());
    run::shown(build.args(["build", "--release", "--package", "keyenclave-bench"]))?;
    let mut bench = Command::new(project::target().join("release/keyenclave-bench"));
    bench
        .current_dir(project::root())
        .args([what, "--page", "docs/performance.md", "--module"]);
    run::shown(bench.arg(built.library))
}
