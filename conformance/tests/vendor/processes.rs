// SPDX-License-Identifier: MIT
//! Who else uses the vendor's module: the application itself, a child, and we ourselves, which is refused.

use crate::device::{Device, Vendor, slot_before};
use keyenclave_conformance::case::finish;
use keyenclave_conformance::place::{module_path, tool_path};
use std::path::Path;
use std::time::Duration;

fn play(scenario: &str) {
    Device::test(|device| {
        device.configure("");
        device.play(scenario, "", 1);
    });
}

#[test]
fn a_module_that_the_application_initialised_stays_initialised() {
    play("used-by-the-application");
}

#[test]
fn parent_and_children_go_on_after_a_fork() {
    play("fork");
}

#[test]
fn parent_and_children_go_on_with_kryoptic_after_a_fork() {
    Device::test_with(Vendor::kryoptic(), |device| {
        device.configure("");
        device.play("fork", "", 1);
    });
}

/// What the tool tells of slots when the first of them stands before this very product, by this path.
fn slots_before_ourselves(device: &Device, module: &Path) -> String {
    device.place.configure(&slot_before(module));
    let mut tool = device.place.command(tool_path());
    tool.arg("--module").arg(module_path()).arg("slots");
    tool.env("FAULTY_MODULE", module_path());
    let told = finish(tool, Duration::from_secs(60)).unwrap_or_else(|output| panic!("{output}"));
    let (own, others) = told.split_once("slot 1:").expect("two slots");
    assert!(own.contains("no token"), "{told}");
    assert!(others.contains("token `test`"), "the other slot works: {told}");
    own.to_owned()
}

#[test]
fn we_ourselves_are_refused_as_the_vendors_module() {
    Device::test(|device| {
        let copy = device.place.file("copy.so");
        std::fs::copy(module_path(), &copy).unwrap();
        let link = device.place.file("link.so");
        std::os::unix::fs::symlink(module_path(), &link).unwrap();
        for module in [module_path(), copy, link] {
            let told = slots_before_ourselves(device, &module);
            assert!(told.contains("this is KeyEnclave itself"), "{told}");
        }
    });
}

/// As a proxy that loads every module of the system does, this one included.
#[test]
fn a_module_that_calls_us_in_turn_leaves_its_slot_empty() {
    Device::test(|device| {
        slots_before_ourselves(device, &device.faulty);
    });
}
