// SPDX-License-Identifier: MIT
//! Each client on each kind of slot: what the guide says is run, and where a client cannot, that is seen too.
//!
//! A row of the table in [`table`] is a client and the script in `clients/matrix/` that runs its lines. What a client
//! cannot do is a part of its row, with the reason; the test then wants the failure, so a stale reason fails. The
//! matrix in docs/guide/clients.md is made of the same table.

mod slot;
mod table;

use crate::{ENGINE, LIMIT, guide};
use keyenclave_conformance::case::{finish, is_present, own_module, skipped};
use keyenclave_conformance::place::Place;
use slot::Kind;
use std::process::Command;
use table::CLIENTS;

/// A row of the matrix.
pub struct Client {
    /// As the guide names it, in Markdown.
    pub name: &'static str,
    /// The page of the guide that has its lines.
    pub page: &'static str,
    /// The script, without its ending.
    pub script: &'static str,
    /// What must be there besides [`ALWAYS`]: programs, files as [`is_present`] takes them, [`OTHERS`].
    pub needs: &'static [&'static str],
    /// Where it cannot do it.
    pub cannot: &'static [Cannot],
}

/// A kind of slot on which a client cannot do what the guide says.
pub struct Cannot {
    /// The kind.
    pub on: Kind,
    /// Why, as the guide says it.
    pub why: &'static str,
    /// What the script prints where it fails.
    pub shows: &'static str,
    /// What shows that it is not ours to mend.
    pub proof: Proof,
}

/// Why a failure is not ours to mend.
pub enum Proof {
    /// The same script fails with the same words on this.
    SameOn(Kind),
    /// The service has no such thing: words of docs/guide/aws.md.
    Said(&'static str),
}

/// What every script needs.
const ALWAYS: &[&str] = &["bash", "pkcs11-tool", "openssl", ENGINE, "python3"];

/// Who a script can be instead of root.
pub const SOMEBODY: &str = "user namespaces";

/// Whether something is there.
type Look = fn() -> bool;

/// What is no program and no file: how it is seen that it is there.
const OTHERS: &[(&str, Look)] = &[
    (PYTHON, || std::env::var_os("KEYENCLAVE_TEST_PYTHON").is_some()),
    (GO, || std::env::var_os("KEYENCLAVE_TEST_GO").is_some()),
    (SOMEBODY, || {
        let mut unshare = Command::new("unshare");
        unshare.args(["--user", "--map-user=1000", "--map-group=1000", "true"]);
        unshare.status().is_ok_and(|status| status.success())
    }),
];

/// Libraries that `cargo xtask test` installs.
pub const PYTHON: &str = "the libraries of Python";
/// Likewise.
pub const GO: &str = "the libraries of Go";

fn is_there(need: &str) -> bool {
    match OTHERS.iter().find(|(name, _)| *name == need) {
        Some((_, look)) => look(),
        None => is_present(need),
    }
}

impl Client {
    /// What is missing to run it on a slot of this kind.
    fn lacks(&self, kind: Kind) -> Option<&'static str> {
        let mut needs = ALWAYS.iter().chain(self.needs).copied();
        needs.find(|need| !is_there(need)).or_else(|| kind.lacks())
    }

    fn run(&self, kind: Kind) -> Result<String, String> {
        let place = Place::new();
        let mut command = kind.script(&place, self.script);
        for (name, variable) in [("PYTHON", "KEYENCLAVE_TEST_PYTHON"), ("GO", "KEYENCLAVE_TEST_GO")] {
            command.envs(std::env::var_os(variable).map(|value| (name, value)));
        }
        command.env("RUST_CLIENT", env!("CARGO_BIN_EXE_keyenclave-client"));
        finish(command, LIMIT)
    }

    /// Runs it where it cannot do it, and looks for the words that it must fail with.
    fn fails(&self, kind: Kind, words: &str) {
        match self.run(kind) {
            Ok(output) => panic!("{output}\n{} works on {kind:?}: its reason is stale", self.script),
            Err(output) => assert!(
                output.contains(words),
                "{output}\n{} fails in another way",
                self.script
            ),
        }
    }
}

/// Runs a client on a slot of this kind, and counts the test as skipped where something is missing for it.
fn check(test: &str, client: &Client, kind: Kind) {
    if let Some(missing) = client.lacks(kind) {
        return skipped(test, &format!("{missing}: not installed"));
    }
    own_module(|| match client.cannot.iter().find(|cannot| cannot.on == kind) {
        None => match client.run(kind) {
            Ok(output) => println!("{output}"),
            Err(output) => panic!("{output}"),
        },
        Some(cannot) => {
            client.fails(kind, cannot.shows);
            match cannot.proof {
                Proof::SameOn(other) => client.fails(other, cannot.shows),
                Proof::Said(words) => assert!(
                    include_str!("../../../../docs/guide/aws.md").contains(words),
                    "docs/guide/aws.md does not say: {words}"
                ),
            }
        }
    });
}

/// The matrix as Markdown has it.
fn matrix() -> String {
    let columns: Vec<_> = Kind::COLUMNS.iter().map(|(_, name)| *name).collect();
    let mut text = format!(
        "| program | {} |\n|---|{}\n",
        columns.join(" | "),
        "---|".repeat(columns.len())
    );
    let mut notes: Vec<&str> = Vec::new();
    for client in CLIENTS {
        text += &format!("| [{}](clients/{}) |", client.name, client.page);
        for (kind, _) in Kind::COLUMNS {
            match client.cannot.iter().find(|cannot| cannot.on == *kind) {
                None => text += " yes |",
                Some(cannot) => {
                    let known = notes.iter().position(|note| *note == cannot.why);
                    let note = known.unwrap_or_else(|| {
                        notes.push(cannot.why);
                        notes.len() - 1
                    });
                    text += &format!(" no ({}) |", note + 1);
                }
            }
        }
        text.push('\n');
    }
    for (number, note) in notes.iter().enumerate() {
        text += &format!("\n{}. {note}", number + 1);
    }
    text
}

#[test]
fn the_guide_shows_the_matrix_as_it_is() {
    let (_, shown) = guide::MATRIX.split_once("## The matrix\n").expect("the matrix");
    let (_, table) = shown.split_once("\n\n").expect("a sentence before the table");
    let wanted = matrix();
    assert!(
        table.trim() == wanted.trim(),
        "docs/guide/clients.md should end with:\n\n{wanted}"
    );
}
