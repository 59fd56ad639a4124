// SPDX-License-Identifier: MIT
//! What a slot before a vendor's module owes its application at the edges: where memory or threads are not there, lengths
//! are not true, and devices answer late or lose what they had. `programs/edges.c` is the application.

use crate::device::{BOTH_WAYS, Device, UNHURRIED, Vendor};

/// Longer than a busy machine needs for a call that does not hang.
const HURRIED: &str = "operation_timeout = 3000";

fn play(scenario: &str, settings: &[&str]) {
    play_with(Vendor::softhsm(), scenario, settings);
}

fn play_with(vendor: Vendor, scenario: &str, settings: &[&str]) {
    Device::test_with(vendor, |device| device.play_alone("edges", scenario, settings));
}

#[test]
fn a_nonce_is_read_as_far_as_it_goes() {
    play("nonce", &BOTH_WAYS);
}

#[test]
fn the_key_that_is_meant_is_digested_after_a_loss() {
    play("digest-key", &BOTH_WAYS);
}

#[test]
fn messages_end_though_the_device_counts_as_hung() {
    play_with(Vendor::kryoptic(), "messages-hang", &[HURRIED]);
}

#[test]
fn a_thread_that_cannot_be_started_is_no_end() {
    play("no-thread", &[UNHURRIED]);
}

#[test]
fn room_that_is_said_to_be_huge_is_not_taken() {
    play("huge-room", &BOTH_WAYS);
}

/// On the application's thread Kryoptic itself is told the number, and refuses it.
#[test]
fn room_for_a_message_that_is_said_to_be_huge_is_not_taken() {
    play_with(Vendor::kryoptic(), "huge-room-for-a-message", &[UNHURRIED]);
}

#[test]
fn a_result_longer_than_was_told_is_kept_until_there_is_room() {
    play("told-too-short", &BOTH_WAYS);
}

#[test]
fn an_iv_that_the_vendor_makes_is_the_applications() {
    play("ivs", &BOTH_WAYS);
}

#[test]
fn a_length_that_comes_late_ends_the_operation() {
    play("late-length", &[HURRIED]);
}

#[test]
fn no_operation_begins_where_a_call_hangs() {
    play("late-part", &[HURRIED]);
}

#[test]
fn a_pair_is_made_whole_or_not_at_all() {
    play("pair", &BOTH_WAYS);
}

#[test]
fn objects_end_with_their_session_though_the_device_hangs() {
    play("closed", &[HURRIED]);
}

#[test]
fn a_session_is_not_taken_for_another_with_its_handle() {
    play("same-handle", &BOTH_WAYS);
}
