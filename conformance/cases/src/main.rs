// SPDX-License-Identifier: MIT
//! `keyenclave-conformance`: runs the black-box cases against any PKCS#11 module and reports.
//!
//! `cargo xtask conformance` builds it and the module and starts it.
#![forbid(unsafe_code)]

use clap::Parser;
use keyenclave_conformance::case::skipped;
use keyenclave_conformance::tested::Tested;
use keyenclave_conformance_cases::expectations::Expectations;
use keyenclave_conformance_cases::peers::{self, Peer};
use keyenclave_conformance_cases::run::Run;
use keyenclave_conformance_cases::wycheproof::expected::Expected;
use keyenclave_conformance_cases::{all, isolated, report, wycheproof};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Holds a PKCS#11 module to the specification.
///
/// Each case runs in a process and a directory of its own, where it makes a token with the module's own functions.
#[derive(Parser)]
struct Arguments {
    /// The module, a shared library.
    #[arg(long, env = "KEYENCLAVE_TEST_MODULE", conflicts_with = "peer")]
    module: Option<PathBuf>,
    /// A module of others that is installed: softhsm2, kryoptic, nss-softokn.
    #[arg(long, value_parser = peer)]
    peer: Option<&'static Peer>,
    /// A module of others, behind a slot of KeyEnclave's, which --module names.
    #[arg(long, value_parser = peer, conflicts_with_all = ["peer", "expectations", "text", "slot"])]
    behind: Option<&'static Peer>,
    /// What the module is known to fail: lines `"case" = { outcome, reason }`.
    #[arg(long, conflicts_with = "peer")]
    expectations: Option<PathBuf>,
    /// What the module takes in pReserved of C_Initialize; {place} stands for the case's directory.
    #[arg(long, conflicts_with = "peer")]
    text: Option<String>,
    /// The slot with the token, where it is not the first.
    #[arg(long, conflicts_with = "peer")]
    slot: Option<cryptoki_sys::CK_SLOT_ID>,
    /// Where to write the report as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Where to write the report as JUnit's XML.
    #[arg(long)]
    junit: Option<PathBuf>,
    /// A page whose table of modules gets this run's line.
    #[arg(long, conflicts_with = "filter")]
    page: Option<PathBuf>,
    /// Wycheproof's test vectors instead of the cases; FILTER then is a part of the sets' names.
    #[arg(long, conflicts_with_all = ["behind", "expectations", "json", "junit"])]
    wycheproof: bool,
    /// Says which cases there are, and runs none.
    #[arg(long)]
    list: bool,
    /// Only the cases whose id contains this.
    #[arg(default_value = "")]
    filter: String,
}

/// What is run: its name, the module, and what is expected of it.
type Chosen = (String, Tested, Expectations);

fn main() -> ExitCode {
    if let Some(code) = isolated::child() {
        return code;
    }
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(reason) => {
            eprintln!("keyenclave-conformance: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// Whether nothing is wrong.
fn run(arguments: &Arguments) -> Result<bool, String> {
    if arguments.list {
        all().for_each(|case| println!("{}: {} (\"{}\")", case.id, case.sentence(), case.section));
        return Ok(true);
    }
    let Some((name, tested, expectations)) = chosen(arguments)? else {
        return Ok(true);
    };
    if arguments.wycheproof {
        return vectors(arguments, &name, &tested);
    }
    let run = Run::of(&tested, &expectations, &arguments.filter, |one| {
        println!("{}", report::line(one));
    })?;
    println!("{}", report::summary(&run));
    write(arguments.json.as_deref(), || Ok(report::json(&name, &run)))?;
    write(arguments.junit.as_deref(), || report::junit(&name, &run))?;
    if let Some(page) = &arguments.page {
        report::update(page, &name, &run)?;
    }
    if run.cases.is_empty() {
        return Err(format!("no case is called like {}", arguments.filter));
    }
    Ok(run.counts().wrong == 0)
}

/// Whether all of Wycheproof's vectors come to what they must. Of other modules that is told and not judged.
fn vectors(arguments: &Arguments, name: &str, tested: &Tested) -> Result<bool, String> {
    let played = wycheproof::play(tested, &arguments.filter)?;
    println!("{}", report::vectors(&played));
    if played.is_empty() {
        return Err(format!("no set is called like {}", arguments.filter));
    }
    if let Some(page) = &arguments.page {
        report::update_vectors(page, name, &played)?;
    }
    if !tested.is_keyenclave() {
        return Ok(true);
    }
    let wrong = Expected::of_ours()?.judge(&played);
    wrong.iter().for_each(|wrong| println!("WRONG     {wrong}"));
    Ok(wrong.is_empty())
}

/// `None` if it is a peer that is not installed.
fn chosen(arguments: &Arguments) -> Result<Option<Chosen>, String> {
    if let Some(peer) = arguments.peer.or(arguments.behind) {
        let Some(library) = peer.library() else {
            let reason = format!("it is not installed, and {} names no library", peer.variable);
            skipped(&format!("the cases on {}", peer.name), &reason);
            return Ok(None);
        };
        let library = absolute(&library)?;
        let expected = Expectations::read(&peer.expectations(), all())?;
        if arguments.peer.is_some() {
            return Ok(Some((peer.name.to_owned(), peer.tested(library), expected)));
        }
        let expected = expected.but(&peer.expectations_behind(), all())?;
        let tested = peer.behind(&library, named(arguments)?);
        return Ok(Some((
            format!("keyenclave before {}", peer.name),
            tested,
            expected,
        )));
    }
    let mut tested = Tested::plain(named(arguments)?);
    tested.text.clone_from(&arguments.text);
    tested.slot = arguments.slot;
    let own = tested.is_keyenclave();
    let name = match tested.library.file_stem() {
        _ if own => "keyenclave".to_owned(),
        stem => stem.unwrap_or_default().to_string_lossy().into_owned(),
    };
    let file = own.then(|| peers::expectations("keyenclave"));
    let expected = match arguments.expectations.clone().or(file) {
        Some(file) => Expectations::read(&file, all())?,
        None => Expectations::default(),
    };
    Ok(Some((name, tested, expected)))
}

/// The module that is named.
fn named(arguments: &Arguments) -> Result<PathBuf, String> {
    let module = arguments.module.as_deref();
    absolute(module.ok_or("name the module with --module, or one of others with --peer")?)
}

fn absolute(file: &Path) -> Result<PathBuf, String> {
    file.canonicalize()
        .map_err(|error| format!("{}: {error}", file.display()))
}

fn write(file: Option<&Path>, text: impl FnOnce() -> Result<String, String>) -> Result<(), String> {
    let Some(file) = file else { return Ok(()) };
    std::fs::write(file, text()?).map_err(|error| format!("{}: {error}", file.display()))
}

fn peer(name: &str) -> Result<&'static Peer, String> {
    Peer::named(name).ok_or_else(|| {
        let known: Vec<_> = peers::PEERS.iter().map(|peer| peer.name).collect();
        format!("known are {}", known.join(", "))
    })
}
