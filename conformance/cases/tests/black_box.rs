// SPDX-License-Identifier: MIT
//! The cases as tests, one by one and by their ids, against the module that `KEYENCLAVE_TEST_MODULE` names.
#![forbid(unsafe_code)]
#![allow(clippy::expect_used)] // test code

use keyenclave_conformance::case::skipped;
use keyenclave_conformance::tested::Tested;
use keyenclave_conformance_cases::abilities::Abilities;
use keyenclave_conformance_cases::case::Case;
use keyenclave_conformance_cases::isolated::{self, Outcome};
use keyenclave_conformance_cases::wycheproof::expected::Expected;
use keyenclave_conformance_cases::{all, run, wycheproof};
use libtest_mimic::{Arguments, Failed, Trial};
use std::process::ExitCode;
use std::sync::LazyLock;

static MODULE: LazyLock<(Tested, Result<Abilities, String>)> = LazyLock::new(|| {
    let tested = Tested::of_environment();
    let abilities = Abilities::of(&tested);
    (tested, abilities)
});

fn main() -> ExitCode {
    isolated::child().unwrap_or_else(|| {
        let cases = all().map(|case| Trial::test(case.id, || test(case)));
        let tests = cases.chain([Trial::test("wycheproof", vectors)]).collect();
        libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
    })
}

fn test(case: &Case) -> Result<(), Failed> {
    let (tested, abilities) = &*MODULE;
    match run::outcome(case, tested, abilities.as_ref()?) {
        Outcome::Passed => Ok(()),
        // Our own module is held to all: what it no longer offers is a failure.
        Outcome::Skipped(reason) if tested.is_keyenclave() && !case.lacks_tools() => {
            Err(format!("{}: {reason}", case.sentence()).into())
        }
        Outcome::Skipped(reason) => {
            skipped(case.id, &reason);
            Ok(())
        }
        Outcome::Failed(how, output) => Err(format!("{}: {how}\n{output}", case.sentence()).into()),
    }
}

/// All of Wycheproof's vectors. Other modules are not held to them: what they do is told by the runner.
fn vectors() -> Result<(), Failed> {
    let (tested, _) = &*MODULE;
    if !tested.is_keyenclave() {
        skipped("wycheproof", "expectations are about KeyEnclave's own module");
        return Ok(());
    }
    let wrong = Expected::of_ours()?.judge(&wycheproof::play(tested, "")?);
    match wrong.as_slice() {
        [] => Ok(()),
        _ => Err(wrong.join("\n").into()),
    }
}
