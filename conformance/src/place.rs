// SPDX-License-Identifier: MIT
//! A test's own directory: a configuration, an empty store, a home, and commands that see only these.

use crate::case;
use crate::tested::Tested;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// How long a small program may take to compile.
const COMPILING: Duration = Duration::from_secs(60);

const DIRECTORY: &str = "KEYENCLAVE_TEST_DIRECTORY";

/// The directory of one test; removed with the value that made it.
pub struct Place {
    directory: PathBuf,
    _owned: Option<TempDir>,
}

/// The module under test: `KEYENCLAVE_TEST_MODULE`.
pub fn module_path() -> PathBuf {
    required("KEYENCLAVE_TEST_MODULE")
}

/// The command-line tool under test: `KEYENCLAVE_TEST_CLI`.
pub fn tool_path() -> PathBuf {
    required("KEYENCLAVE_TEST_CLI")
}

fn required(name: &str) -> PathBuf {
    let value = std::env::var_os(name);
    value
        .unwrap_or_else(|| panic!("{name} is not set: run these tests with `cargo xtask test`"))
        .into()
}

/// Whether the module under test is KeyEnclave's own, and not another one that the suite is pointed at.
pub fn is_keyenclave() -> bool {
    Tested::of_environment().is_keyenclave()
}

impl Place {
    /// A new directory with a configuration of one soft slot.
    pub fn new() -> Self {
        let owned = TempDir::with_prefix("keyenclave-test-").expect("a directory for the test");
        let place = Self {
            directory: owned.path().to_owned(),
            _owned: Some(owned),
        };
        for name in ["store", "home", "softhsm", "nss"] {
            std::fs::create_dir(place.file(name)).expect("a directory in the test's own");
        }
        place.configure("");
        place.write(
            "softhsm2.conf",
            &format!("directories.tokendir = {}\n", place.file("softhsm").display()),
        );
        let kryoptic = place.file("kryoptic.sql");
        place.write(
            "kryoptic.conf",
            &format!(
                "[[slots]]\nslot = 0\ndbtype = \"sqlite\"\ndbargs = \"{}\"\n",
                kryoptic.display()
            ),
        );
        place
    }

    /// The directory that the parent made for this case.
    pub fn of_this_process() -> Self {
        Self {
            directory: required(DIRECTORY),
            _owned: None,
        }
    }

    /// Writes the configuration: one soft slot that offers everything, after `extra` top-level lines.
    pub fn configure(&self, extra: &str) {
        let store = self.store();
        let slot = format!(
            "[[slot]]\nlabel = \"test\"\nbackend = \"soft\"\nlegacy_mechanisms = true\npath = \"{}\"\n",
            store.display()
        );
        self.write(
            "keyenclave.toml",
            &format!("environment = \"development\"\n{extra}\n{slot}"),
        );
    }

    /// A file or directory in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The token store's directory.
    pub fn store(&self) -> PathBuf {
        self.file("store")
    }

    /// The configuration file.
    pub fn configuration(&self) -> PathBuf {
        self.file("keyenclave.toml")
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// Writes a text file.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.file(name);
        std::fs::write(&file, text).unwrap_or_else(|error| panic!("writing {}: {error}", file.display()));
        file
    }

    /// A program of `programs/`, compiled into it.
    pub fn compiled(&self, name: &str) -> PathBuf {
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("programs")
            .join(format!("{name}.c"));
        let program = self.file(name);
        let mut compiler = Command::new("cc");
        compiler.args([
            "-Wall",
            "-Werror",
            "-Wno-unused-function",
            "-O1",
            "-g",
            "-pthread",
            "-o",
        ]);
        compiler.arg(&program).arg(source).arg("-ldl");
        case::finish(compiler, COMPILING).unwrap_or_else(|output| panic!("{output}"));
        program
    }

    /// A command that runs in it, with its configuration and nothing of the account that runs the tests.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.directory);
        command.env("KEYENCLAVE_CONFIG", self.configuration());
        command.env("SOFTHSM2_CONF", self.file("softhsm2.conf"));
        command.env("KRYOPTIC_CONF", self.file("kryoptic.conf"));
        command.env("HOME", self.file("home")).env_remove("OPENSSL_CONF");
        command
            .env("XDG_DATA_HOME", self.file("home/data"))
            .env("XDG_CONFIG_HOME", self.file("home/config"));
        command.env("PIN", "user-1234").env("SO_PIN", "so-12345");
        command.env(DIRECTORY, &self.directory);
        if let Some(module) = std::env::var_os("KEYENCLAVE_TEST_MODULE") {
            command.env("MODULE", module);
        }
        command
    }
}

impl Default for Place {
    fn default() -> Self {
        Self::new()
    }
}
