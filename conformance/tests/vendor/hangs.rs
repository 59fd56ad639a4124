// SPDX-License-Identifier: MIT
//! A device that does not answer: each call ends at the slot's deadline, other slots work meanwhile, and so does this
//! one once the device is back.

use crate::device::Device;

/// In milliseconds.
const DEADLINE: u64 = 500;

fn play(scenario: &str) {
    Device::test(|device| {
        device.configure(&format!("operation_timeout = {DEADLINE}"));
        device.play(scenario, &DEADLINE.to_string());
    });
}

#[test]
fn a_call_that_hangs_ends_at_its_deadline() {
    play("hang");
}

#[test]
fn a_call_that_hangs_while_the_library_starts_ends_at_its_deadline() {
    play("hang-from-the-start");
}

#[test]
fn threads_with_calls_that_hang_end_at_their_deadlines() {
    play("hang-in-threads");
}

#[test]
fn a_device_that_goes_on_hanging_does_not_exhaust_the_process() {
    play("hang-on-and-on");
}

#[test]
fn finalising_ends_while_calls_hang() {
    play("finalize-while-it-hangs");
}

#[test]
fn a_process_ends_while_calls_hang() {
    play("exit-while-it-hangs");
}

#[test]
fn a_child_works_though_calls_hung_in_its_parent_as_it_was_forked() {
    play("fork-while-it-hangs");
}
