// SPDX-License-Identifier: MIT
//! The runner itself: against SoftHSM2 where it is installed, and where what it is told cannot be.
#![allow(clippy::expect_used, clippy::panic)] // test code

use keyenclave_conformance::case::{finish, skipped};
use keyenclave_conformance_cases::expectations::Expectations;
use keyenclave_conformance_cases::{all, peers};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The whole run takes half a minute on a quiet machine.
const LIMIT: Duration = Duration::from_secs(600);

fn runner(arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyenclave-conformance"));
    command
        .args(arguments)
        .env_remove("KEYENCLAVE_TEST_MODULE")
        .env_remove("KEYENCLAVE_TEST_CASE");
    finish(command, LIMIT)
}

fn softhsm2_is_as_expected(test: &str, arguments: &[&str]) {
    let peer = peers::Peer::named("softhsm2").expect("the peer");
    if peer.library().is_none() {
        return skipped(test, "SoftHSM2 is not installed");
    }
    let text = runner(arguments).unwrap_or_else(|output| panic!("{output}"));
    let last = text.trim_end().lines().last().expect("the counts");
    assert!(
        last.ends_with(" 0 wrong") && !last.contains(" 0 passed"),
        "{last}"
    );
}

#[test]
fn softhsm2_fails_what_it_is_expected_to_fail_and_nothing_else() {
    softhsm2_is_as_expected("softhsm2_fails_what_it_is_expected_to", &["--peer", "softhsm2"]);
}

#[test]
fn softhsm2_behind_a_slot_of_ours_fails_no_more_than_alone_but_for_what_is_told() {
    let module = std::env::var("KEYENCLAVE_TEST_MODULE").expect("the module under test");
    let arguments = ["--module", &module, "--behind", "softhsm2"];
    softhsm2_is_as_expected("softhsm2_behind_a_slot_of_ours", &arguments);
}

/// The run above with a line taken out and a stale one put in, for one case each.
#[test]
fn an_unexpected_failure_and_a_stale_line_fail_the_run() {
    let peer = peers::Peer::named("softhsm2").expect("the peer");
    let Some(library) = peer.library() else {
        return skipped(
            "an_unexpected_failure_and_a_stale_line",
            "SoftHSM2 is not installed",
        );
    };
    let library = library.to_string_lossy().into_owned();
    let file = tempfile::NamedTempFile::new().expect("a file");
    let stale = "\"life-cycle.info\" = { outcome = \"fails\", reason = \"it does not\" }";
    std::fs::write(file.path(), stale).expect("the file");
    let lines = file.path().to_string_lossy().into_owned();
    for (id, told) in [
        ("eddsa.confusion", "it fails"),
        ("life-cycle.info", "it passes, and a line says that it fails"),
    ] {
        let output = runner(&["--module", &library, "--expectations", &lines, id]);
        let output = output.expect_err("the run fails");
        assert!(output.contains(told) && output.contains(", 1 wrong"), "{output}");
    }
}

#[test]
fn what_cannot_be_run_is_told() {
    let no_module = runner(&["--module", "/nonexistent/module.so"]).expect_err("it fails");
    assert!(no_module.contains("/nonexistent/module.so"), "{no_module}");
    let no_peer = runner(&["--peer", "nobody"]).expect_err("it fails");
    assert!(no_peer.contains("known are softhsm2"), "{no_peer}");
}

#[test]
fn nothing_is_expected_to_fail_of_keyenclave() {
    let file = peers::expectations("keyenclave");
    Expectations::read(&file, all()).expect("the file");
    let text = std::fs::read_to_string(Path::new(&file)).expect("the file");
    assert!(
        text.lines().all(|line| line.is_empty() || line.starts_with('#')),
        "{text}"
    );
}
