// SPDX-License-Identifier: MIT
//! The guide's pages about programs: their blocks are what the scripts of the matrix run, and nothing else is.
//!
//! A block marked `sh NAME` is run by a script that says `guide NAME`. One marked with a language and a file's name is
//! a part of that file in `clients/matrix/`.

use crate::clients;
use std::collections::BTreeSet;
use std::path::Path;

/// The page with the matrix, and those of the programs.
pub const MATRIX: &str = include_str!("../../../docs/guide/clients.md");
const PAGES: &[(&str, &str)] = &[
    ("clients.md", MATRIX),
    ("gnutls.md", include_str!("../../../docs/guide/clients/gnutls.md")),
    (
        "languages.md",
        include_str!("../../../docs/guide/clients/languages.md"),
    ),
    ("nss.md", include_str!("../../../docs/guide/clients/nss.md")),
    (
        "openssh.md",
        include_str!("../../../docs/guide/clients/openssh.md"),
    ),
    (
        "openssl.md",
        include_str!("../../../docs/guide/clients/openssl.md"),
    ),
];

/// What stands between two fences.
struct Block {
    page: &'static str,
    /// What the opening fence says: a language and a name.
    mark: (&'static str, &'static str),
    text: &'static str,
}

fn blocks() -> Vec<Block> {
    let of_page = |(page, text): &(&'static str, &'static str)| {
        let parts: Vec<_> = text.split("```").skip(1).step_by(2).collect();
        let page = *page;
        parts.into_iter().map(move |part| {
            let (mark, text) = part.split_once('\n').expect("an opening fence");
            let mark = mark.split_once(' ').unwrap_or((mark, ""));
            Block { page, mark, text }
        })
    };
    PAGES.iter().flat_map(of_page).collect()
}

/// Writes the blocks of commands into a directory, each under its name.
pub fn lay_out(directory: &Path) {
    std::fs::create_dir(directory).unwrap();
    for block in blocks() {
        if let ("sh", name) = block.mark {
            std::fs::write(
                directory.join(if name.is_empty() { "variables" } else { name }),
                block.text,
            )
            .unwrap();
        }
    }
}

/// The names after `guide` in the scripts.
fn run_by_scripts() -> BTreeSet<String> {
    let directory = std::fs::read_dir(clients().join("matrix")).unwrap();
    let scripts = directory.flatten().map(|entry| entry.path());
    let scripts = scripts.filter(|file| file.extension().is_some_and(|extension| extension == "sh"));
    let texts: String = scripts
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    let names = texts
        .lines()
        .filter_map(|line| line.trim().strip_prefix("guide "));
    names
        .filter_map(|rest| rest.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_block_of_commands_is_run_by_a_script_and_none_has_two_names() {
    let blocks = blocks();
    let named: Vec<_> = blocks.iter().filter(|block| block.mark.0 == "sh").collect();
    let names: BTreeSet<_> = named.iter().map(|block| block.mark.1.to_owned()).collect();
    assert_eq!(names.len(), named.len(), "two blocks have one name");
    let mut run = run_by_scripts();
    // The variables' values are the test's.
    run.insert(String::new());
    assert_eq!(names, run);
}

#[test]
fn every_program_in_the_guide_is_a_part_of_one_that_runs() {
    let blocks = blocks();
    let programs: Vec<_> = blocks.iter().filter(|block| block.mark.0 != "sh").collect();
    assert!(programs.len() > 4);
    for Block { page, mark, text } in programs {
        let file = clients().join("matrix").join(mark.1);
        let whole =
            std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{page}: {}: {error}", mark.1));
        assert!(
            whole.contains(text.trim_end()),
            "{page}: {} has no such lines:\n{text}",
            mark.1
        );
    }
}

#[test]
fn every_page_is_named_by_the_first() {
    for (page, _) in PAGES.iter().skip(1) {
        assert!(MATRIX.contains(&format!("(clients/{page})")), "{page}");
    }
    let files = std::fs::read_dir(clients().join("../../docs/guide/clients")).unwrap();
    assert_eq!(files.count(), PAGES.len() - 1, "a page that no test knows");
}
