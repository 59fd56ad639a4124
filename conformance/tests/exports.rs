// SPDX-License-Identifier: MIT
//! What the shared library shows to the linker: the functions of the table, and nothing else.
//!
//! A host may load several modules and its own copies of our dependencies; any other symbol of ours could be taken for
//! one of theirs. Run with `KEYENCLAVE_TEST_MODULE` naming the library, as `cargo xtask test` does.
#![allow(clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::process::Command;

use keyenclave_conformance::case::own_module;
use keyenclave_conformance::place::module_path;
use keyenclave_module::abi::functions::FUNCTIONS;

/// What a program of the binutils says about the module. They come with every C compiler.
fn inspect(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).arg(module_path()).output();
    let output = output.unwrap_or_else(|error| panic!("{program} cannot be run ({error}): install binutils"));
    assert!(
        output.status.success(),
        "{program} cannot read {}",
        module_path().display()
    );
    String::from_utf8(output.stdout).expect("names are ASCII")
}

#[test]
fn nothing_is_exported_but_the_functions_of_the_table() {
    own_module(|| {
        let symbols = inspect("nm", &["--dynamic", "--defined-only", "--format=posix"]);
        let exported: BTreeSet<_> = symbols
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        let table: BTreeSet<_> = FUNCTIONS.iter().map(|row| row.name).collect();
        assert_eq!(exported, table);
    });
}

#[test]
fn the_library_stays_once_it_is_loaded() {
    own_module(|| {
        let dynamic = inspect("readelf", &["--dynamic", "--wide"]);
        assert!(
            dynamic.contains("NODELETE"),
            "fork handlers outlive dlclose:\n{dynamic}"
        );
    });
}
