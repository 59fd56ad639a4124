// SPDX-License-Identifier: MIT
//! A device that fails at its N-th call, for all N: the host neither crashes nor hangs, is never told that it did
//! something wrong or given a wrong result, and goes on without a new start. What keeps no state succeeds all along
//! where the device only lost what it held; with several threads, unless it was finalised, which makes handles another's.

use crate::device::Device;

fn play(scenario: &str, kind: &str) {
    Device::test(|device| {
        device.configure("");
        device.play(scenario, kind, 1);
    });
}

#[test]
fn a_call_that_fails_once_is_survived() {
    play("at-every-call", "once");
}

#[test]
fn a_device_that_fails_from_some_call_on_is_survived_and_used_again() {
    play("at-every-call", "dead");
}

#[test]
fn lost_sessions_and_logins_are_repaired_unnoticed() {
    play("at-every-call", "lost");
}

#[test]
fn a_device_that_is_away_and_back_is_used_again() {
    play("at-every-call", "away");
}

#[test]
fn a_call_that_fails_once_while_the_library_starts_is_survived() {
    play("from-the-start", "once");
}

#[test]
fn a_device_that_fails_while_the_library_starts_is_used_later() {
    play("from-the-start", "dead");
}

#[test]
fn what_is_lost_while_the_library_starts_is_repaired_unnoticed() {
    play("from-the-start", "lost");
}

#[test]
fn a_device_that_is_away_while_the_library_starts_is_used_later() {
    play("from-the-start", "away");
}

#[test]
fn threads_survive_a_call_that_fails_once() {
    play("in-threads", "once");
}

#[test]
fn threads_survive_a_device_that_fails_from_some_call_on() {
    play("in-threads", "dead");
}

#[test]
fn threads_do_not_notice_lost_sessions_and_logins() {
    play("in-threads", "lost");
}

#[test]
fn threads_use_a_device_again_that_was_away() {
    play("in-threads", "away");
}
