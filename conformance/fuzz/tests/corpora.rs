// SPDX-License-Identifier: MIT
//! Every input of the corpora through its target: none may panic.
#![allow(clippy::unwrap_used)]

use keyenclave_fuzz::TARGETS;
use std::fs;
use std::path::Path;

fn replay(name: &str) {
    let (_, run) = TARGETS.iter().find(|(known, _)| *known == name).unwrap();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut inputs: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    inputs.sort();
    assert!(!inputs.is_empty());
    for input in inputs {
        // Seen if the next one panics, or, where that ends the process, with `--nocapture`.
        println!("{}", input.display());
        run(&fs::read(input).unwrap());
    }
}

#[test]
fn calls_hold_what_the_specification_promises() {
    replay("calls");
}

#[test]
fn configurations_are_read_or_refused() {
    replay("configuration");
}

#[test]
fn parameters_are_read_or_refused() {
    replay("parameters");
}

#[test]
fn stored_bodies_are_opened_or_refused() {
    replay("stored");
}

#[test]
fn templates_are_read_or_refused() {
    replay("templates");
}
