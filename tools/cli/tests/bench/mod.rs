// SPDX-License-Identifier: MIT
//! The program with a token of its own in a directory of its own, run as a user runs it.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, dead_code)]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

pub const PIN: &str = "a user's PIN";
pub const SO_PIN: &str = "an officer's PIN";

/// What the program did.
pub struct Outcome {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Outcome {
    /// It worked; what it wrote to standard output.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self.out
    }

    /// It worked, with `--json`.
    #[track_caller]
    pub fn json(self) -> Value {
        serde_json::from_str(&self.ok()).unwrap()
    }

    /// It failed with this exit code; everything it said.
    #[track_caller]
    pub fn fails(self, code: i32) -> String {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        self.out + &self.err
    }
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        Self {
            code: output
                .status
                .code()
                .unwrap_or_else(|| panic!("killed: {}", output.status)),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The module that is tested.
pub fn module() -> PathBuf {
    let Some(module) = std::env::var_os("KEYENCLAVE_TEST_MODULE") else {
        panic!(
            "KEYENCLAVE_TEST_MODULE does not name the module to test: run `cargo xtask test`, which builds it"
        );
    };
    PathBuf::from(module)
}

/// A directory with a configuration and two PIN files.
pub struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    /// With a token that is not initialised.
    pub fn blank() -> Self {
        let bench = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let slot = "environment = \"development\"\n[[slot]]\nid = 5\nlabel = \"five\"\nbackend = \"soft\"\npath = \"store\"\n";
        bench.write("config.toml", slot.as_bytes(), 0o600);
        bench.write("pin", format!("{PIN}\n").as_bytes(), 0o600);
        bench.write("so-pin", format!("{SO_PIN}\n").as_bytes(), 0o600);
        bench
    }

    /// With a token `t`.
    pub fn new() -> Self {
        let bench = Self::blank();
        bench
            .run([
                "token",
                "init",
                "--label",
                "t",
                "--so-pin-file",
                "so-pin",
                "--pin-file",
                "pin",
            ])
            .ok();
        bench
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn write(&self, name: &str, contents: &[u8], mode: u32) {
        let path = self.path().join(name);
        fs::write(&path, contents).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// A command of the program, in the directory, without a terminal.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyenclave"));
        command.current_dir(self.path()).stdin(Stdio::null());
        command
            .env("KEYENCLAVE_CONFIG", "config.toml")
            .env("KEYENCLAVE_MODULE", module());
        command
    }

    /// Runs the program.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Outcome {
        self.command().args(arguments).output().unwrap().into()
    }

    /// Runs the program with arguments separated by blanks, and the user's PIN from its file.
    pub fn user(&self, line: &str) -> Outcome {
        self.run(line.split(' ').chain(["--pin-file", "pin"]))
    }

    /// Has OpenSSL do something.
    pub fn openssl(&self, line: &str) -> Outcome {
        let output = Command::new("openssl")
            .args(line.split(' '))
            .current_dir(self.path())
            .output();
        output
            .unwrap_or_else(|error| panic!("openssl: {error}; `cargo xtask test` installs it"))
            .into()
    }
}
