// SPDX-License-Identifier: MIT
//! Where stores lie, on real directories and without any.

use std::path::Path;

use super::super::Surroundings;
use super::super::parse::parse;
use super::{SLOT, stores};

#[test]
fn a_store_behind_a_link_is_recognised_as_that_of_another_slot() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("real")).unwrap();
    std::os::unix::fs::symlink("real", dir.path().join("link")).unwrap();
    let slot =
        |label, path| format!("[[slot]]\nlabel = \"{label}\"\nbackend = \"soft\"\npath = \"{path}\"\n");
    let file = dir.path().join("config.toml");
    let read = |path| {
        let text = slot("a", "real/store") + &slot("b", path);
        parse(&text, &file, &Surroundings::default())
    };
    let error = read("link/store").unwrap_err().to_string();
    assert!(
        error.contains(":8:8: the store is already that of the slot in line 1"),
        "{error}"
    );
    assert_eq!(stores(&read("link/other").unwrap()).len(), 2);
}

#[test]
fn a_slot_needs_a_path_where_there_is_no_home() {
    let nowhere = Surroundings::default();
    let error = parse(SLOT, Path::new("/etc/k.toml"), &nowhere)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(":1:1: this process has no home directory for the store; add `path"),
        "{error}"
    );
}
