// SPDX-License-Identifier: MIT
//! `cargo xtask full`: what takes longer than a change should wait, and a dated page of results, `docs/full-run.md`.
//!
//! The sanitizers see the Rust code of the library, of its dependencies and of the tests; the address sanitizer sees the
//! C code of AWS-LC and SQLite too. The standard library is the toolchain's, assembly cannot be instrumented, and for the
//! thread sanitizer C is compiled as ever, so an error inside of these is not seen.

use crate::project::{self, Built};
use crate::{conformance, dependencies, fuzz, quickstart, run, sbom, test, tools};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// The sanitizers need a target of their own, so that build scripts and macros are not instrumented.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// A sanitizer and what runs under it.
struct Sanitizer {
    name: &'static str,
    /// Its symbols: the test program has its runtime, and must lend it to the library that it loads.
    symbols: &'static str,
    /// The variable that configures it, and the value.
    options: (&'static str, &'static str),
    /// The suites. Hosts in C are left out: they lack the runtime.
    suites: &'static [Suite],
}

/// A test program, and which of its cases: what libtest takes as filters; none is all.
struct Suite(&'static str, &'static str, &'static [&'static str]);

/// How long a fuzz target runs, in seconds.
const FUZZED: u32 = 120;

const CONFORMANCE: &str = "keyenclave-conformance";
const CASES: &str = "keyenclave-conformance-cases";

const SANITIZERS: [Sanitizer; 2] = [
    Sanitizer {
        name: "thread",
        symbols: "__tsan*",
        options: (
            "TSAN_OPTIONS",
            "halt_on_error=1:second_deadlock_stack=1:suppressions=SUPPRESSIONS",
        ),
        suites: &[
            Suite(CONFORMANCE, "robustness", &["load::"]),
            // Without the cases on tokio: its locks are the standard library's, so it seems to race with itself.
            Suite("keyenclave-pkcs11", "asynchronous", &["--skip", "service::"]),
        ],
    },
    Sanitizer {
        name: "address",
        symbols: "__asan*",
        options: ("ASAN_OPTIONS", "detect_leaks=0:detect_odr_violation=0"),
        suites: &[
            Suite(CASES, "black_box", &[]),
            Suite(CONFORMANCE, "robustness", &["load::", "damage::"]),
            Suite(CONFORMANCE, "aws", &["asynchronous::", "lost::"]),
        ],
    },
];

/// Runs everything, or the rows of the page whose names contain one of the words given, writes the page, and fails if
/// anything did. A row that is not run stays as it was, with the date and the commit that it is of.
pub fn run(arguments: &[String]) -> Result<(), String> {
    if arguments.iter().any(|word| word.starts_with('-')) {
        return Err("usage: cargo xtask full [WORD-IN-A-ROW...]".into());
    }
    tools::provide_all();
    let mut page = Page::open(arguments)?;
    page.row("everything of `cargo xtask test`", || test::everything(None));
    page.row("release build", || quickstart::build().map(|_| 0));
    page.row(
        "without any backend: lints, the module's tests, black_box",
        without_backends,
    );
    page.row(
        "the cases on other modules, as they are expected to fail",
        conformance::peers,
    );
    for sanitizer in &SANITIZERS {
        let suites: Vec<_> = sanitizer.suites.iter().map(Suite::name).collect();
        let name = format!("{} sanitizer: {}", sanitizer.name, suites.join(", "));
        page.row(&name, || sanitized(sanitizer));
    }
    page.row("fuzzing: two minutes a target", || fuzz::all(FUZZED).map(|()| 0));
    page.row("licences, bans and sources of dependencies", || {
        deny().map(|()| 0)
    });
    page.row("list of components", || sbom::run(&[]).map(|()| 0));
    let flaws = "known flaws of dependencies";
    match run::shown(cargo().args(["deny", "fetch", "db"])) {
        Ok(()) => page.row(flaws, || {
            run::shown(cargo().args(["deny", "--all-features", "check", "advisories"])).map(|()| 0)
        }),
        Err(_) => page.left_out(flaws, "the advisory database cannot be fetched from here"),
    }
    page.write()
}

fn cargo() -> Command {
    let mut command = Command::new(project::cargo());
    command.current_dir(project::root());
    command
}

impl Suite {
    fn name(&self) -> String {
        let Self(_, suite, cases) = self;
        match cases {
            [] => (*suite).to_owned(),
            cases => format!("{suite} ({})", cases.join(" ")),
        }
    }
}

/// Builds the library with nothing but the soft token, and tests it.
fn without_backends() -> Result<u64, String> {
    // A directory of its own: in the usual one the libraries of both builds would take each other's place.
    let target = project::target().join("without-backends");
    let prepared = |arguments: &[&str]| {
        let mut command = cargo();
        command.env("CARGO_TARGET_DIR", &target).args(arguments);
        command.args(test::PROFILE).arg("--no-default-features");
        command
    };
    let module = [
        "--package",
        "keyenclave-pkcs11",
        "--package",
        "keyenclave-pkcs11-cdylib",
    ];
    run::shown(
        prepared(&["clippy", "--all-targets"])
            .args(module)
            .args(["--", "-D", "warnings"]),
    )?;
    run::shown(&mut prepared(&["test", "--package", "keyenclave-pkcs11"]))?;
    run::shown(prepared(&["build", "--package", "keyenclave"]).args(module))?;
    let built = Built::in_directory(&target.join(test::DIRECTORY));
    let mut command = test::command(&built, &["--package", CASES, "--test", "black_box"]);
    counted(command.args(test::PROFILE))
}

/// Builds library and tests with one sanitizer and runs its suites.
fn sanitized(sanitizer: &Sanitizer) -> Result<u64, String> {
    let Sanitizer {
        name,
        symbols,
        options: (variable, value),
        suites,
    } = sanitizer;
    let target = project::target().join(format!("sanitizer-{name}"));
    let flags = format!(
        "-Zsanitizer={name} -Cunsafe-allow-abi-mismatch=sanitizer -Clink-arg=-Wl,--export-dynamic-symbol={symbols}"
    );
    let suppressions = project::root().join("conformance/expectations/thread-sanitizer.txt");
    let value = value.replace("SUPPRESSIONS", &suppressions.to_string_lossy());
    let directory = target.join(TARGET).join(test::DIRECTORY);
    let prepare = |command: &mut Command| {
        // The stable compiler knows the sanitizers, but takes their flags only when told that it may.
        command
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTFLAGS", &flags)
            .env("CARGO_TARGET_DIR", &target);
        command.args(test::PROFILE).args(["--target", TARGET]);
    };
    let mut build = cargo();
    build.args(["build", "--package", "keyenclave-pkcs11-cdylib"]);
    // The sanitizers watch the system's allocator, hence without the library's own.
    build.args(["--no-default-features", "--features", "aws-kms,pkcs11"]);
    prepare(build.args(["--package", "keyenclave"]));
    run::shown(&mut build)?;
    let built = Built::in_directory(&directory);
    let mut skipped = 0;
    for Suite(package, suite, cases) in *suites {
        let mut command = test::command(&built, &["--package", package]);
        prepare(command.args(["--test", suite]));
        // One test at a time: what libtest does between threads of its own is not what is looked at.
        command
            .env(variable, &value)
            .args(["--", "--test-threads=1"])
            .args(*cases);
        skipped += counted(&mut command)?;
    }
    Ok(skipped)
}

/// Runs a test command; how many of its tests were skipped.
fn counted(command: &mut Command) -> Result<u64, String> {
    let (tally, outcome) = test::tests(command);
    tally.print();
    outcome.map(|()| tally.skipped())
}

/// `cargo deny`, built here the first time.
fn deny() -> Result<(), String> {
    if tools::on_path("cargo-deny").is_none() {
        run::shown(cargo().args(["install", "--locked", "cargo-deny"]))?;
    }
    dependencies::licences()
}

/// The page of results.
struct Page {
    /// The words of the rows that are run; none is all.
    wanted: Vec<String>,
    /// Those of them that no row had yet.
    unheard: Vec<String>,
    /// What the page said before, row by row.
    before: Vec<String>,
    /// When and of what this run is.
    run: String,
    rows: Vec<String>,
    failed: Vec<String>,
}

impl Page {
    fn open(wanted: &[String]) -> Result<Self, String> {
        let date = run::read(Command::new("date").args(["-u", "+%Y-%m-%d"]))?;
        let commit = run::read(Command::new("git").current_dir(project::root()).args([
            "rev-parse",
            "--short",
            "HEAD",
        ]))?;
        let text = std::fs::read_to_string(file()).unwrap_or_default();
        Ok(Self {
            wanted: wanted.to_vec(),
            unheard: wanted.to_vec(),
            before: text.lines().map(str::to_owned).collect(),
            run: format!("{}, {}", date.trim(), commit.trim()),
            rows: Vec::new(),
            failed: Vec::new(),
        })
    }

    /// Does some work and notes what came of it: how many of its tests were skipped, or why it failed.
    fn row(&mut self, name: &str, work: impl FnOnce() -> Result<u64, String>) {
        if !self.wants(name) {
            return self.keep(name);
        }
        let start = Instant::now();
        let outcome = work();
        let said = match &outcome {
            Ok(0) => "passed".to_owned(),
            Ok(skipped) => format!("passed, {skipped} tests skipped"),
            Err(reason) => format!("**failed**: {}", reason.lines().next().unwrap_or_default()),
        };
        let seconds = start.elapsed().as_secs();
        self.rows
            .push(format!("| {name} | {said} | {seconds} s | {} |", self.run));
        if let Err(reason) = outcome {
            println!("{name}: {reason}");
            self.failed.push(name.to_owned());
        }
    }

    /// Notes what could not be run here.
    fn left_out(&mut self, name: &str, why: &str) {
        if !self.wants(name) {
            return self.keep(name);
        }
        println!("SKIPPED {name}: {why}");
        self.rows
            .push(format!("| {name} | **not run**: {why} | | {} |", self.run));
    }

    fn wants(&mut self, name: &str) -> bool {
        self.unheard.retain(|word| !name.contains(word.as_str()));
        self.wanted.is_empty() || self.wanted.iter().any(|word| name.contains(word.as_str()))
    }

    /// Leaves a row as it was.
    fn keep(&mut self, name: &str) {
        let begin = format!("| {name} |");
        let known = self.before.iter().find(|line| line.starts_with(&begin));
        self.rows
            .push(known.cloned().unwrap_or(format!("{begin} **not run** | | |")));
    }

    fn write(self) -> Result<(), String> {
        let rows = self.rows.join("\n");
        let head = "| what | outcome | time | date and commit |\n|---|---|---|---|";
        let note = "Not instrumented under the sanitizers: the standard library, the assembly of AWS-LC, and under the thread \
                    sanitizer the C code of AWS-LC and SQLite.";
        let text = format!("# The last full run\n\n`cargo xtask full`\n\n{head}\n{rows}\n\n{note}\n");
        let file = file();
        std::fs::write(&file, text).map_err(|error| format!("writing {}: {error}", file.display()))?;
        println!("wrote {}", file.display());
        if !self.unheard.is_empty() {
            return Err(format!("no row has these words: {}", self.unheard.join(", ")));
        }
        if self.failed.is_empty() {
            Ok(())
        } else {
            Err(format!("failed: {}", self.failed.join(", ")))
        }
    }
}

fn file() -> PathBuf {
    project::root().join("docs/full-run.md")
}
