// SPDX-License-Identifier: MIT
//! Each case in a process of its own: `C_Initialize`, fork handlers and what happens at exit belong to a process.
//!
//! A program that runs cases starts itself again for each, in a fresh [`Place`], and kills it when it takes too long.
//! Its `main` therefore begins with [`child`].

use crate::abilities;
use crate::case::Case;
use crate::wycheproof;
use keyenclave_conformance::case::{self, CASE, Ended, LIMIT};
use keyenclave_conformance::place::Place;
use keyenclave_conformance::returns;
use keyenclave_conformance::tested::Tested;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::process::ExitCode;

/// What a process is asked for that finds out about the module instead of running a case.
pub(crate) const PROBE: &str = "probe";

/// The file in the place of a case that was skipped while it ran: the reason.
const SKIP: &str = "skipped";

/// The exit status that says so.
const SKIPPED: u8 = 77;

/// What came of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The module is right.
    Passed,
    /// It is not: how it showed, and what the case printed.
    Failed(Failure, String),
    /// It cannot be held to the case: why.
    Skipped(String),
}

/// How a failure shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Failure {
    /// The case noticed.
    Fails,
    /// The process was ended by a signal.
    Crashes,
    /// The process did not end.
    Hangs,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fails => "fails",
            Self::Crashes => "crashes",
            Self::Hangs => "hangs",
        })
    }
}

/// Runs the case that this process was started for; `None` if it was started by a person.
pub fn child() -> Option<ExitCode> {
    let id = std::env::var(CASE).ok()?;
    if id == PROBE {
        abilities::probe();
        return Some(ExitCode::SUCCESS);
    }
    if id == wycheproof::PLAY {
        wycheproof::child();
        return Some(ExitCode::SUCCESS);
    }
    let case = crate::all()
        .find(|case| case.id == id)
        .expect("a case with this id");
    if std::panic::catch_unwind(case.run).is_ok() {
        return Some(ExitCode::SUCCESS);
    }
    // The panic's message has been printed. If a function is missing without which the case makes no sense, that is it.
    match case.functions().find(|name| returns::is_unsupported(name)) {
        Some(name) => {
            Place::of_this_process().write(SKIP, &format!("{name} is not supported"));
            Some(SKIPPED.into())
        }
        None => Some(ExitCode::FAILURE),
    }
}

/// Runs a case in a process and a place of its own.
pub fn run(case: &Case, tested: &Tested) -> Outcome {
    run_in(&Place::new(), tested, case.id)
}

pub(crate) fn run_in(place: &Place, tested: &Tested, id: &str) -> Outcome {
    tested.prepare(place);
    let mut command = case::again(place, id);
    tested.announce(&mut command);
    outcome(place, case::end(command, LIMIT))
}

fn outcome(place: &Place, ended: Ended) -> Outcome {
    let Some(status) = ended.status else {
        return Outcome::Failed(Failure::Hangs, ended.output);
    };
    match status.code() {
        Some(0) => Outcome::Passed,
        Some(code) if code == i32::from(SKIPPED) => {
            Outcome::Skipped(std::fs::read_to_string(place.file(SKIP)).expect("the reason"))
        }
        Some(_) => Outcome::Failed(Failure::Fails, ended.output),
        None => Outcome::Failed(Failure::Crashes, format!("{}\n{status}", ended.output)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn of(script: &str, limit: Duration) -> Outcome {
        let place = Place::new();
        place.write(SKIP, "the reason");
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", script]);
        outcome(&place, case::end(shell, limit))
    }

    #[test]
    fn the_end_of_a_process_tells_what_came_of_its_case() {
        let long = Duration::from_secs(60);
        assert_eq!(of("exit 0", long), Outcome::Passed);
        assert_eq!(of("exit 77", long), Outcome::Skipped("the reason".into()));
        let failure = |script, limit| match of(script, limit) {
            Outcome::Failed(failure, output) => (failure, output),
            other => panic!("{other:?}"),
        };
        let (how, output) = failure("echo what; exit 1", long);
        assert_eq!(how, Failure::Fails);
        assert!(output.starts_with("what\n"), "{output}");
        assert_eq!(failure("kill -SEGV $$", long).0, Failure::Crashes);
        assert_eq!(
            failure("exec sleep 600", Duration::from_millis(50)).0,
            Failure::Hangs
        );
    }
}
