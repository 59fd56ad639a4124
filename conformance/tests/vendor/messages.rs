// SPDX-License-Identifier: MIT
//! Messages with one key, of a device that fails or hangs at its N-th call, for all N. Kryoptic has such functions,
//! SoftHSM2 has not.

use crate::device::{Device, Vendor};

/// In milliseconds: more than a busy machine needs for a call that does not hang.
const DEADLINE: u64 = 3000;

/// How many hosts share the calls that hang one after the other. They wait, most of the time.
const HOSTS: usize = 8;

fn play(kind: &str) {
    Device::test_with(Vendor::kryoptic(), |device| {
        device.configure("");
        device.play("in-messages", kind, 1);
    });
}

#[test]
fn messages_survive_a_call_that_fails_once() {
    play("once");
}

#[test]
fn messages_survive_a_device_that_fails_from_some_call_on() {
    play("dead");
}

#[test]
fn whole_messages_do_not_notice_lost_sessions_and_logins() {
    play("lost");
}

#[test]
fn messages_use_a_device_again_that_was_away() {
    play("away");
}

#[test]
fn a_message_that_hangs_ends_at_its_deadline() {
    Device::test_with(Vendor::kryoptic(), |device| {
        device.configure(&format!("operation_timeout = {DEADLINE}"));
        device.play("hang-in-messages", &DEADLINE.to_string(), HOSTS);
    });
}
