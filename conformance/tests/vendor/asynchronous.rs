// SPDX-License-Identifier: MIT
//! Asynchronous sessions before a vendor's module: what the device does not answer is under way, and no call waits for
//! it. `programs/asynchronous.c` is the application.

use crate::device::{Device, SOFTHSM};
use keyenclave_conformance::case::finish;
use keyenclave_conformance::place::module_path;
use std::time::Duration;

/// How long the application may work.
const LIMIT: Duration = Duration::from_secs(120);

/// Longer than what a call may take that does not wait.
const DEADLINE: &str = "operation_timeout = 1500";

fn play(scenario: &str, settings: &str) {
    Device::test(|device| {
        device.configure(settings);
        let mut host = device.place.command(device.place.compiled("asynchronous"));
        host.arg(module_path()).arg(&device.faulty).arg(scenario);
        host.env("FAULTY_MODULE", SOFTHSM);
        finish(host, LIMIT).unwrap_or_else(|output| panic!("{output}"));
    });
}

#[test]
fn all_that_may_answer_later_gives_its_result_later() {
    play("everything", "");
}

#[test]
fn all_that_may_answer_later_does_so_with_a_deadline_too() {
    play("everything", "operation_timeout = 30000");
}

#[test]
fn a_small_buffer_is_too_small_and_never_pending() {
    play("too-small", "");
}

#[test]
fn no_call_waits_while_the_device_hangs() {
    play("no-call-waits", "");
}

#[test]
fn closing_a_session_that_waits_leaves_nothing_behind() {
    play("closed", "sessions = 4");
}

#[test]
fn cancelling_what_is_under_way_leaves_nothing_behind() {
    play("cancelled", "sessions = 4");
}

#[test]
fn a_logout_ends_what_is_under_way() {
    play("logged-out", "");
}

#[test]
fn the_deadline_runs_from_acceptance() {
    play("too-late", DEADLINE);
}

#[test]
fn hundreds_of_signatures_are_under_way_from_one_thread() {
    play("many", "");
}

#[test]
fn finalising_ends_what_is_under_way() {
    play("finalized", "");
}

#[test]
fn a_child_begins_anew_while_its_parents_work_is_under_way() {
    play("forked", "");
}

#[test]
fn an_application_that_forbids_threads_has_no_asynchronous_sessions() {
    play("without-threads", "");
}
