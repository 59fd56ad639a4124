// SPDX-License-Identifier: MIT
//! A device that fails or hangs at its N-th call, for all N, while keys are made, wrapped, derived and agreed on, objects
//! change, PINs too, and dual functions and signatures that come first are used; `programs/keys.h` is that work.

use crate::device::{Device, Vendor};

/// In milliseconds: more than a busy machine needs for a call that does not hang.
const DEADLINE: u64 = 3000;

/// How many hosts share the calls that hang one after the other. They wait, most of the time.
const HOSTS: usize = 16;

fn fail(vendor: Vendor, kind: &str) {
    Device::test_with(vendor, |device| {
        device.configure("");
        device.play("in-keys", kind, 2);
    });
}

fn hang(vendor: Vendor) {
    Device::test_with(vendor, |device| {
        device.configure(&format!("operation_timeout = {DEADLINE}"));
        device.play("hang-in-keys", &DEADLINE.to_string(), HOSTS);
    });
}

macro_rules! before {
    ($($module:ident: $vendor:ident;)+) => {
        $(mod $module {
            use super::{Vendor, fail, hang};

            #[test]
            fn work_on_keys_survives_a_call_that_fails_once() {
                fail(Vendor::$vendor(), "once");
            }

            #[test]
            fn work_on_keys_survives_a_device_that_fails_from_some_call_on() {
                fail(Vendor::$vendor(), "dead");
            }

            #[test]
            fn work_on_keys_survives_the_loss_of_sessions_and_logins() {
                fail(Vendor::$vendor(), "lost");
            }

            #[test]
            fn work_on_keys_goes_on_with_a_device_that_was_away() {
                fail(Vendor::$vendor(), "away");
            }

            #[test]
            fn work_on_keys_that_hangs_ends_at_its_deadline() {
                hang(Vendor::$vendor());
            }
        })+
    };
}

before! {
    before_softhsm: softhsm;
    before_kryoptic: kryoptic;
}
