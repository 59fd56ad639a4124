// SPDX-License-Identifier: MIT
//! What not every vendor's token has: a PIN pad, a mechanism that no standard knows, a way to come and go, trouble with
//! threads; and what not every slot has: a PIN by reference. The faulty module has or sees it; `programs/special.c` is the
//! application.

use crate::device::{BOTH_WAYS, Device, Vendor};
use std::os::unix::fs::PermissionsExt;

fn play(scenario: &str) {
    play_with(Vendor::softhsm(), "", scenario);
}

/// In a slot with these settings.
fn play_with(vendor: Vendor, slot: &str, scenario: &str) {
    Device::test_with(vendor, |device| {
        let pin = device.place.write("pin", "user-1234\n");
        std::fs::set_permissions(pin, std::fs::Permissions::from_mode(0o600)).unwrap();
        let settings = BOTH_WAYS.map(|deadline| format!("{slot}\n{deadline}"));
        device.play_alone("special", scenario, &settings.each_ref().map(String::as_str));
    });
}

#[test]
fn a_pin_is_typed_at_the_pad() {
    play("typed");
}

#[test]
fn a_pin_may_be_given_though_there_is_a_pad() {
    play("given");
}

#[test]
fn whoever_cancels_at_the_pad_is_not_logged_in() {
    play("cancelled");
}

#[test]
fn a_wrong_pin_at_the_pad_is_incorrect() {
    play("wrong");
}

#[test]
fn a_lost_login_is_typed_again_at_the_pad() {
    play("lost");
}

#[test]
fn a_new_pin_is_typed_at_the_pad() {
    play("changed");
}

#[test]
fn without_a_pad_a_pin_must_be_given() {
    play("without");
}

#[test]
fn a_mechanism_of_the_vendors_own_is_told_of() {
    play("mechanism-told-of");
}

#[test]
fn a_parameter_of_the_vendors_own_is_handed_on() {
    play("parameter-handed-on");
}

#[test]
fn keys_are_made_and_used_with_a_mechanism_of_the_vendors_own() {
    play("keys");
}

#[test]
fn a_parameter_of_the_vendors_own_is_judged_by_the_vendor() {
    play("parameter-judged");
}

#[test]
fn validation_flags_are_those_of_the_sessions_own_operation() {
    play_with(Vendor::kryoptic(), "", "validation");
}

#[test]
fn a_module_without_validation_flags_has_none() {
    play("no-validation");
}

#[test]
fn each_token_that_comes_or_goes_is_told_of_once() {
    play("events-once");
}

#[test]
fn whoever_waits_for_an_event_is_told_of_it() {
    play("event-waited-for");
}

#[test]
fn whoever_waits_for_an_event_of_a_vendors_slot_is_told_of_the_end() {
    play("events-end");
}

#[test]
fn a_module_for_one_thread_is_called_by_one_at_a_time() {
    play_with(Vendor::softhsm(), "single_threaded = true", "one-at-a-time");
}

#[test]
fn a_module_is_told_that_there_are_threads() {
    play("told-of-threads");
}

#[test]
fn a_pin_in_the_environment_logs_in() {
    play_with(Vendor::softhsm(), "pin_env = \"PIN\"", "by-reference");
}

#[test]
fn a_pin_in_a_file_logs_in() {
    play_with(Vendor::softhsm(), "pin_file = \"pin\"", "by-reference");
}

#[test]
fn a_pin_by_reference_logs_in_to_kryoptic_too() {
    play_with(Vendor::kryoptic(), "pin_env = \"PIN\"", "by-reference");
}

#[test]
fn a_wrong_pin_by_reference_bars_no_login() {
    play_with(Vendor::softhsm(), "pin_env = \"SO_PIN\"", "wrong-reference");
}

#[test]
fn the_security_officer_logs_in_after_read_only_sessions() {
    play("officer");
}

#[test]
fn the_security_officer_of_kryoptic_logs_in_after_read_only_sessions() {
    play_with(Vendor::kryoptic(), "", "officer");
}
