// SPDX-License-Identifier: MIT
//! `cargo xtask test`: everything that a change must pass, with one profile and one set of features.
//!
//! The black-box tests load the library that is built here, a moment before: plain `cargo test` would meet a stale one.
//! A test that cannot run writes a line to the file named by `KEYENCLAVE_SKIPS`; libtest would count it as passed.

use crate::project::{self, Built};
use crate::{clients, dependencies, emulators, run, tools};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// The profile of everything that is tested.
pub const PROFILE: [&str; 2] = ["--profile", "ci"];
/// The directory of its programs, under the target directory.
pub const DIRECTORY: &str = "ci";

/// What a test run counted.
#[derive(Default)]
pub struct Tally {
    passed: u64,
    failed: u64,
    /// Tests that libtest left out; `skips` has a line for each.
    ignored: u64,
    failures: Vec<String>,
    skips: Vec<String>,
}

/// Runs all steps, each even if one before it failed, and prints a summary.
pub fn run(arguments: &[String]) -> Result<(), String> {
    everything(filter(arguments)?.as_deref()).map(drop)
}

/// Runs all steps, with the tests whose name contains `filter`; how many tests were skipped.
pub fn everything(filter: Option<&str>) -> Result<u64, String> {
    tools::provide_all();
    let mut steps = Steps::default();
    steps.step("formatting", || cargo(&["fmt", "--all", "--check"]));
    steps.step("lints", || {
        cargo(
            &[
                &["clippy", "--workspace", "--all-targets"],
                &PROFILE[..],
                &["--", "-D", "warnings"],
            ]
            .concat(),
        )
    });
    let built = steps.step("build", || build(&PROFILE, &project::target().join(DIRECTORY)));
    let tally = built.and_then(|built| {
        let mut command = command(&built, &["--workspace"]);
        command.args(PROFILE).args(filter);
        steps.step_with("tests", || tests(&mut command))
    });
    if filter.is_none() {
        steps.step("documentation", documentation);
        steps.step("duplicate dependencies", dependencies::duplicates);
        steps.step("licences", dependencies::licences);
    }
    let tally = tally.unwrap_or_default();
    steps.finish(&tally).map(|()| tally.skipped())
}

fn filter(arguments: &[String]) -> Result<Option<String>, String> {
    match arguments {
        [] => Ok(None),
        [flag, text] if flag == "--filter" => Ok(Some(text.clone())),
        _ => Err("usage: cargo xtask test [--filter TEXT]".into()),
    }
}

/// Builds the library and the tool that the black-box tests load; `directory` is where `profile` puts them.
pub fn build(profile: &[&str], directory: &Path) -> Result<Built, String> {
    let packages = [
        "build",
        "--package",
        "keyenclave-pkcs11-cdylib",
        "--package",
        "keyenclave",
    ];
    cargo(&[&packages[..], profile].concat())?;
    Ok(Built::in_directory(directory))
}

/// `cargo test` of `packages` against `built`.
pub fn command(built: &Built, packages: &[&str]) -> Command {
    let mut command = Command::new(project::cargo());
    command
        .current_dir(project::root())
        .args(["test", "--no-fail-fast"])
        .args(packages);
    command
        .env("KEYENCLAVE_TEST_MODULE", &built.library)
        .env("KEYENCLAVE_TEST_CLI", &built.tool);
    command.env("KEYENCLAVE_SKIPS", skips_file());
    emulators::provide(&mut command);
    clients::provide(&mut command);
    if let Ok(shared) = project::root().join("../shared").canonicalize() {
        command.env("KEYENCLAVE_SHARED", shared);
    }
    command
}

fn skips_file() -> PathBuf {
    project::target().join("skipped-tests.txt")
}

/// Runs a test command and counts. The tally is there even when tests failed.
pub fn tests(command: &mut Command) -> (Tally, Result<(), String>) {
    let mut tally = Tally::default();
    // Absent before the first run; anything else shows when a test cannot write to it.
    let _ = std::fs::remove_file(skips_file());
    let outcome = run::watched(command, |line| tally.see(line));
    let skips = std::fs::read_to_string(skips_file()).unwrap_or_default();
    tally.skips.extend(skips.lines().map(str::to_owned));
    tally.skips.sort();
    (tally, outcome)
}

impl Tally {
    fn see(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            let count = |what: &str| -> u64 {
                let before = counts.split(what).next().unwrap_or_default();
                before
                    .split_whitespace()
                    .last()
                    .and_then(|number| number.parse().ok())
                    .unwrap_or_default()
            };
            self.passed += count(" passed");
            self.failed += count(" failed");
            self.ignored += count(" ignored");
        } else if let Some((name, reason)) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.split_once(" ... ignored"))
        {
            let reason = reason.strip_prefix(", ").unwrap_or("marked #[ignore]");
            self.skips.push(format!("SKIPPED {name}: {reason}"));
        } else if let Some(name) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            self.failures.push(name.to_owned());
        }
    }

    /// Prints what failed, what was skipped and why, and the closing line.
    pub fn print(&self) {
        for failure in &self.failures {
            println!("FAILED {failure}");
        }
        for skip in &self.skips {
            println!("{skip}");
        }
        println!("{}", self.line());
    }

    /// How many tests were skipped.
    pub fn skipped(&self) -> u64 {
        u64::try_from(self.skips.len()).unwrap_or(u64::MAX)
    }

    /// `N passed, N failed, N skipped`.
    pub fn line(&self) -> String {
        let skips = self.skipped();
        // Those that libtest left out it has not counted as passed.
        let passed = self.passed.saturating_sub(skips.saturating_sub(self.ignored));
        format!("{passed} passed, {} failed, {skips} skipped", self.failed)
    }
}

/// Steps that run one after another; the failures are told together at the end.
#[derive(Default)]
struct Steps {
    failed: Vec<String>,
    times: Vec<String>,
}

impl Steps {
    fn step<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T, String>) -> Option<T> {
        self.step_with(name, || match work() {
            Ok(value) => (Some(value), Ok(())),
            Err(reason) => (None, Err(reason)),
        })?
    }

    fn step_with<T>(&mut self, name: &str, work: impl FnOnce() -> (T, Result<(), String>)) -> Option<T> {
        let start = Instant::now();
        let (value, outcome) = work();
        self.times.push(format!("{name} {} s", start.elapsed().as_secs()));
        if let Err(reason) = outcome {
            println!("{name}: {reason}");
            self.failed.push(name.to_owned());
        }
        Some(value)
    }

    fn finish(self, tally: &Tally) -> Result<(), String> {
        println!("\ntook: {}", self.times.join(", "));
        tally.print();
        if self.failed.is_empty() {
            Ok(())
        } else {
            Err(format!("failed: {}", self.failed.join(", ")))
        }
    }
}

fn cargo(arguments: &[&str]) -> Result<(), String> {
    run::shown(
        Command::new(project::cargo())
            .current_dir(project::root())
            .args(arguments),
    )
}

fn documentation() -> Result<(), String> {
    let mut command = Command::new(project::cargo());
    command
        .current_dir(project::root())
        .env("RUSTDOCFLAGS", "-D warnings");
    run::shown(command.args(["doc", "--workspace", "--no-deps"]).args(PROFILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_skipped_test_is_counted_once_and_not_as_passed() {
        let mut tally = Tally::default();
        tally.see("test a ... ok");
        tally.see("test b ... ignored, takes an hour");
        tally.see("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out");
        tally.skips.push("SKIPPED c: strace is not installed".to_owned());
        assert_eq!(tally.line(), "2 passed, 0 failed, 2 skipped");
        assert_eq!(
            tally.skips.first().map(String::as_str),
            Some("SKIPPED b: takes an hour")
        );
    }
}
