// SPDX-License-Identifier: MIT
//! `cargo xtask fuzz`: the fuzz targets of `conformance/fuzz` under libFuzzer and the address sanitizer.
//!
//! What `cargo fuzz` does, with the stable compiler: its passes are told to count edges and to trace comparisons. A
//! finding is left in `target/fuzz/findings`; what is new is kept in `target/fuzz/corpus`, and `--keep` makes the
//! smallest set of inputs that reaches the same the corpus of the repository.

use crate::{project, run};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The targets: the programs of the package, and the directories of its corpora.
const TARGETS: [&str; 5] = ["calls", "configuration", "parameters", "stored", "templates"];
/// How long each target runs if nothing else is said, in seconds.
const SECONDS: u32 = 60;
const PACKAGE: &str = "conformance/fuzz";
/// A target of its own, so that build scripts and macros are not instrumented.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The address sanitizer, and the counters that libFuzzer looks at.
const FLAGS: &str = "-Zsanitizer=address -Cunsafe-allow-abi-mismatch=sanitizer -Ccodegen-units=1 \
    -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";
/// Lengths that no memory has are refused by the allocator, as they are outside of tests; the C code is twice there.
const ASAN: &str = "detect_leaks=0:detect_odr_violation=0:allocator_may_return_null=1";

/// What is asked for.
struct Plan {
    seconds: u32,
    keep: bool,
    /// One input, which is run again and nothing else.
    again: Option<PathBuf>,
    targets: Vec<&'static str>,
}

/// Runs the targets that are named, or all, each for `--seconds`, or on one input.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let plan = plan(arguments)?;
    if let Some(input) = plan.again {
        build()?;
        return plan
            .targets
            .iter()
            .try_for_each(|target| run::shown(program(target).arg(&input)));
    }
    fuzz(&plan.targets, plan.seconds)?;
    if plan.keep {
        plan.targets.iter().try_for_each(|target| keep(target))?;
    }
    Ok(())
}

/// Runs all targets, each for so many seconds.
pub fn all(seconds: u32) -> Result<(), String> {
    fuzz(&TARGETS, seconds)
}

fn plan(arguments: &[String]) -> Result<Plan, String> {
    let usage = || {
        let targets = TARGETS.join("|");
        format!("usage: cargo xtask fuzz [--seconds N] [--keep] [--again INPUT] [{targets}...]")
    };
    let mut plan = Plan {
        seconds: SECONDS,
        keep: false,
        again: None,
        targets: Vec::new(),
    };
    let mut words = arguments.iter().map(String::as_str);
    while let Some(word) = words.next() {
        match word {
            "--keep" => plan.keep = true,
            "--again" => plan.again = Some(words.next().ok_or_else(usage)?.into()),
            "--seconds" => {
                let number = words.next().and_then(|number| number.parse().ok());
                plan.seconds = number.ok_or_else(usage)?;
            }
            _ => {
                let target = TARGETS.iter().find(|target| **target == word);
                plan.targets.push(target.ok_or_else(usage)?);
            }
        }
    }
    if plan.targets.is_empty() {
        plan.targets = TARGETS.to_vec();
    }
    Ok(plan)
}

fn fuzz(targets: &[&str], seconds: u32) -> Result<(), String> {
    build()?;
    let mut failed = Vec::new();
    for target in targets {
        let grown = directory("corpus", target)?;
        let findings = directory("findings", target)?;
        let mut command = program(target);
        command.args([&grown, &kept(target)]);
        command.arg(format!("-artifact_prefix={}/", findings.display()));
        command.arg(format!("-max_total_time={seconds}"));
        let limits = ["-timeout=30", "-rss_limit_mb=4096", "-max_len=4096"];
        command.args(limits).arg("-print_final_stats=1");
        if let Err(reason) = run::shown(&mut command) {
            failed.push(format!("{target}: {reason}; see {}", findings.display()));
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(failed.join("\n"))
    }
}

/// Makes of the corpus of the repository and of what is new the fewest inputs that reach as much.
fn keep(target: &str) -> Result<(), String> {
    let (merged, kept) = (directory("merged", target)?, kept(target));
    empty(&merged)?;
    let mut command = program(target);
    // One input for each edge that is reached, however often.
    command.args(["-set_cover_merge=1", "-use_counters=0", "-max_len=4096"]);
    run::shown(command.args([&merged, &kept, &directory("corpus", target)?]))?;
    empty(&kept)?;
    let stale = |error| format!("{}: {error}", kept.display());
    for input in std::fs::read_dir(&merged).map_err(stale)? {
        let input = input.map_err(stale)?;
        std::fs::copy(input.path(), kept.join(input.file_name())).map_err(stale)?;
    }
    Ok(())
}

/// Removes what is in a directory.
fn empty(directory: &Path) -> Result<(), String> {
    std::fs::remove_dir_all(directory)
        .and_then(|()| std::fs::create_dir_all(directory))
        .map_err(|error| format!("{}: {error}", directory.display()))
}

fn build() -> Result<(), String> {
    let mut command = Command::new(project::cargo());
    command.current_dir(project::root());
    command.args(["build", "--package", "keyenclave-fuzz", "--features", "libfuzzer"]);
    command.args(crate::test::PROFILE).args(["--target", TARGET]);
    // The stable compiler knows sanitizers and passes, but takes their flags only when told that it may.
    command.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", FLAGS);
    run::shown(command.env("CARGO_TARGET_DIR", target()))
}

/// A target's program.
fn program(target: &str) -> Command {
    let directory = self::target().join(TARGET).join(crate::test::DIRECTORY);
    let mut command = Command::new(directory.join(target));
    command.env("ASAN_OPTIONS", ASAN);
    if Path::new("/dev/shm").is_dir() {
        // Stores are made anew many times: nothing of them shall wait for a disk.
        command.env("TMPDIR", "/dev/shm");
    }
    command
}

fn target() -> PathBuf {
    project::target().join("fuzz")
}

/// The target's corpus in the repository.
fn kept(target: &str) -> PathBuf {
    project::root().join(PACKAGE).join("corpus").join(target)
}

/// A directory of the target's own, made if it is not there.
fn directory(kind: &str, target: &str) -> Result<PathBuf, String> {
    let directory = self::target().join(kind).join(target);
    std::fs::create_dir_all(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    Ok(directory)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_targets_are_those_of_the_package() {
        let names = |part: &str| -> Vec<String> {
            let entries = std::fs::read_dir(project::root().join(PACKAGE).join(part)).unwrap();
            let paths = entries.map(|entry| entry.unwrap().path());
            let mut names: Vec<_> = paths
                .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
                .collect();
            names.sort();
            names
        };
        assert_eq!(names("corpus"), TARGETS);
        assert_eq!(names("fuzz_targets"), TARGETS);
    }

    #[test]
    fn a_target_that_is_not_there_is_refused() {
        let words = ["--seconds".to_owned(), "5".to_owned(), "nothing".to_owned()];
        assert!(plan(&words).is_err());
        let [seconds, five, _] = words;
        assert_eq!(plan(&[seconds, five]).unwrap().seconds, 5);
    }
}
