// SPDX-License-Identifier: MIT
//! Real programs on a fresh token: one script in `clients/` for each, which prints its commands as it runs them.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // test code

mod aws;
mod guide;
mod matrix;
mod nginx;
mod readme;

use keyenclave_conformance::case::{finish, needing, own_module};
use keyenclave_conformance::place::{Place, tool_path};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Where Debian puts libp11's engine for OpenSSL 3.0.
const ENGINE: &str = "/usr/lib/*/engines-3/pkcs11.so";

/// What the scripts need that run Java.
const JAVA: &[&str] = &[
    "bash",
    "pkcs11-tool",
    "openssl",
    ENGINE,
    "keytool",
    "jarsigner",
    "java",
    "jar",
];

/// How long a script may take.
const LIMIT: Duration = Duration::from_secs(300);

/// The directory of the scripts.
fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

/// A script of `clients/` in this place.
fn script(place: &Place, name: &str) -> Command {
    let mut command = place.command("bash");
    command
        .args(["-euxo", "pipefail"])
        .arg(clients().join(name))
        .env("CLIENTS", clients())
        .env("KEYENCLAVE", tool_path());
    command
}

/// Runs a command and shows what it printed; panics with that if it fails or takes too long.
fn run(command: Command) {
    match finish(command, LIMIT) {
        Ok(output) => println!("{output}"),
        Err(output) => panic!("{output}"),
    }
}

/// Runs a script of `clients/` on the soft slot of a new place.
fn client(name: &str) {
    run(script(&Place::new(), name));
}

#[test]
fn pkcs11_tool_makes_keys_signs_and_keeps_objects() {
    needing(&["bash", "pkcs11-tool", "openssl"], || client("pkcs11-tool.sh"));
}

#[test]
fn pkcs11_tool_finds_no_errors() {
    needing(&["bash", "pkcs11-tool"], || client("pkcs11-tool-test.sh"));
}

#[test]
fn pkcs11_tool_forks() {
    needing(&["bash", "pkcs11-tool"], || client("pkcs11-tool-fork.sh"));
}

#[test]
fn openssl_makes_certificates_and_cms_through_its_engine() {
    needing(&["bash", "pkcs11-tool", "openssl", ENGINE], || {
        client("openssl-engine.sh")
    });
}

#[test]
fn java_uses_the_token_as_a_key_store() {
    needing(JAVA, || client("java.sh"));
}

#[test]
fn the_command_line_tool_does_what_its_help_says() {
    own_module(|| needing(&["bash", "openssl", "python3"], || client("command-line.sh")));
}
