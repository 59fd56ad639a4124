// SPDX-License-Identifier: MIT
//! A device that does not answer: each call ends at the slot's deadline, other slots work meanwhile, and so does this
//! one once the device is back.

use crate::device::Device;
use keyenclave_conformance::case::needing;

/// In milliseconds: more than a busy machine needs for a call that does not hang.
const DEADLINE: u64 = 3000;

/// Another vendor's module.
const SOFTOKN: &str = "/usr/lib/x86_64-linux-gnu/libsoftokn3.so";

/// How many hosts share the calls that hang one after the other. They wait, most of the time.
const HOSTS: usize = 16;

fn with_deadline() -> String {
    format!("operation_timeout = {DEADLINE}")
}

fn play(scenario: &str) {
    play_in(scenario, 1);
}

fn play_in(scenario: &str, hosts: usize) {
    Device::test(|device| {
        device.configure(&with_deadline());
        device.play(scenario, &DEADLINE.to_string(), hosts);
    });
}

#[test]
fn a_call_that_hangs_ends_at_its_deadline() {
    play_in("hang", HOSTS);
}

#[test]
fn a_call_that_hangs_while_the_library_starts_ends_at_its_deadline() {
    play_in("hang-from-the-start", HOSTS);
}

#[test]
fn threads_with_calls_that_hang_end_at_their_deadlines() {
    play_in("hang-in-threads", HOSTS);
}

#[test]
fn a_device_that_goes_on_hanging_does_not_exhaust_the_process() {
    play("hang-on-and-on");
}

#[test]
fn finalising_ends_while_calls_hang() {
    play_in("finalize-while-it-hangs", HOSTS);
}

#[test]
fn a_process_ends_while_calls_hang() {
    play("exit-while-it-hangs");
}

#[test]
fn a_child_works_though_calls_hung_in_its_parent_as_it_was_forked() {
    play("fork-while-it-hangs");
}

#[test]
fn a_module_that_hangs_as_it_starts_keeps_no_other_from_starting() {
    Device::test(|device| {
        needing(&[SOFTOKN], || {
            let deadline = with_deadline();
            let files = device.place.file("nss");
            device.configure(&format!(
                "{deadline}\n[[slot]]\nlabel = \"other\"\nbackend = \"pkcs11\"\nmodule = {SOFTOKN:?}\nslot_id = 2\n\
                 init_string = \"configdir='{}'\"\n{deadline}",
                files.display()
            ));
            device.play("start-while-another-hangs", &DEADLINE.to_string(), 1);
        });
    });
}
