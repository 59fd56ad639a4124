// SPDX-License-Identifier: MIT
//! More session objects than there are sessions of the vendor's, which objects keep open: before SoftHSM2, where what has
//! begun in a session cannot be cancelled, and before Kryoptic. `programs/session_objects.c` is the application.

use crate::device::{Device, Vendor};
use keyenclave_conformance::case::finish;
use keyenclave_conformance::place::module_path;
use std::time::Duration;

/// How long the application may work.
const LIMIT: Duration = Duration::from_secs(120);

/// As many sessions of the vendor's as the application may have of ours at a time, and one that an operation that was
/// left behind may keep.
const FEW: usize = 3;

/// One beside that which keeps the login.
const ONE: usize = 2;

fn play(vendor: Vendor, scenario: &str, sessions: usize) {
    let module = vendor.module.clone();
    Device::test_with(vendor, |device| {
        for deadline in ["", "operation_timeout = 30000"] {
            device.configure(&format!("sessions = {sessions}\n{deadline}"));
            let mut host = device.place.command(device.place.compiled("session_objects"));
            host.arg(module_path()).arg(&device.faulty).arg(scenario);
            host.env("FAULTY_MODULE", &module);
            finish(host, LIMIT).unwrap_or_else(|output| panic!("{deadline}\n{output}"));
        }
    });
}

macro_rules! scenarios {
    ($($name:ident: $scenario:literal, $sessions:expr;)+) => {
        mod before_softhsm {
            $(#[test]
            fn $name() {
                super::play(crate::device::Vendor::softhsm(), $scenario, $sessions);
            })+
        }

        mod before_kryoptic {
            $(#[test]
            fn $name() {
                super::play(crate::device::Vendor::kryoptic(), $scenario, $sessions);
            })+
        }
    };
}

scenarios! {
    thousands_of_session_objects_come_and_go: "short-lived", super::FEW;
    hundreds_of_session_objects_live_at_once: "at-once", super::FEW;
    objects_that_are_refused_keep_no_sessions: "made-in-vain", super::FEW;
    operations_that_do_not_begin_keep_no_sessions: "begun-in-vain", super::FEW;
    operations_that_are_cancelled_keep_no_sessions: "cancelled", super::FEW;
    an_only_session_goes_on_after_an_operation_that_was_cancelled: "only-one", super::ONE;
}
