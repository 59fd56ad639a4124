// SPDX-License-Identifier: MIT
//! Real programs on a fresh token: one script in `clients/` for each, which prints its commands as it runs them.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // test code

mod readme;

use keyenclave_conformance::case::{finish, needing, own_module};
use keyenclave_conformance::place::{Place, tool_path};
use std::path::Path;
use std::time::Duration;

/// Where Debian puts libp11's engine for OpenSSL 3.0.
const ENGINE: &str = "/usr/lib/*/engines-3/pkcs11.so";

/// How long a script may take.
const LIMIT: Duration = Duration::from_secs(300);

/// Runs a script of `clients/` in a new place.
fn client(script: &str) {
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients");
    let place = Place::new();
    let mut command = place.command("bash");
    command
        .args(["-euxo", "pipefail"])
        .arg(clients.join(script))
        .env("CLIENTS", &clients)
        .env("KEYENCLAVE", tool_path());
    match finish(command, LIMIT) {
        Ok(output) => println!("{output}"),
        Err(output) => panic!("{output}"),
    }
}

#[test]
fn pkcs11_tool_makes_keys_signs_and_keeps_objects() {
    needing(&["bash", "pkcs11-tool", "openssl"], || client("pkcs11-tool.sh"));
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
    needing(
        &[
            "bash",
            "pkcs11-tool",
            "openssl",
            "keytool",
            "jarsigner",
            "java",
            "jar",
        ],
        || client("java.sh"),
    );
}

#[test]
fn the_command_line_tool_does_what_its_help_says() {
    own_module(|| needing(&["bash", "openssl", "python3"], || client("command-line.sh")));
}
