// SPDX-License-Identifier: MIT
//! `keyenclave quickstart`: from nothing to a signature that OpenSSL verified, in a directory of its own.
//!
//! Every step is a command of this program or of OpenSSL that the reader can type as well; so it is run as one, and
//! shown as it is run.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde::Serialize;
use zeroize::{Zeroize, Zeroizing};

use super::write_file;
use crate::answer::Answer;
use crate::args::Quickstart;
use crate::failure::{Failure, Kind};
use crate::place;

/// Token and slot.
const TOKEN: &str = "quickstart";
/// The key.
const KEY: &str = "demo";
/// The bytes of a random PIN.
const PIN_BYTES: usize = 16;

#[derive(Serialize)]
struct Report {
    directory: PathBuf,
    config: PathBuf,
    module: PathBuf,
    #[serde(skip)]
    program: PathBuf,
    token: &'static str,
    key: &'static str,
    pin_file: PathBuf,
    so_pin_file: PathBuf,
    file: PathBuf,
    signature: PathBuf,
    public_key: PathBuf,
    verified_by: &'static str,
}

/// The commands as they are run.
struct Steps<'r> {
    /// The files.
    report: &'r Report,
    /// Whether they are shown.
    told: bool,
}

/// Runs it.
///
/// # Errors
/// When the directory exists already, and when a step fails.
pub fn run(module: Option<&Path>, args: &Quickstart, json: bool) -> Result<Answer, Failure> {
    let module = place::module(module)?;
    let program =
        std::env::current_exe().map_err(|error| Failure::file("find", Path::new("this program"), &error))?;
    let directory =
        std::path::absolute(&args.dir).map_err(|error| Failure::file("make", &args.dir, &error))?;
    make_directory(&directory)?;
    let at = |name: &str| directory.join(name);
    let report = Report {
        config: at("config.toml"),
        module,
        program,
        token: TOKEN,
        key: KEY,
        pin_file: at("pin"),
        so_pin_file: at("so-pin"),
        file: at("hello.txt"),
        signature: at("hello.txt.sig"),
        public_key: at("demo.pem"),
        verified_by: "openssl",
        directory,
    };
    write_private(&report.config, &configuration())?;
    write_file(&report.file, b"Hello from KeyEnclave.\n")?;
    for file in [&report.pin_file, &report.so_pin_file] {
        write_pin(file)?;
    }
    let verified_by = Steps {
        report: &report,
        told: !json,
    }
    .all()?;
    Answer::new(&Report {
        verified_by,
        ..report
    })
}

impl Steps<'_> {
    /// Token, key, signature, verification.
    fn all(&self) -> Result<&'static str, Failure> {
        let Report {
            pin_file,
            so_pin_file,
            file,
            signature,
            public_key,
            ..
        } = self.report;
        let [pin, so_pin, file, signature, public_key] =
            [pin_file, so_pin_file, file, signature, public_key].map(|path| path.to_string_lossy());
        let init = [
            "token",
            "init",
            "--label",
            TOKEN,
            "--so-pin-file",
            &so_pin,
            "--pin-file",
            &pin,
        ];
        self.tell("A token of your own, with random PINs:");
        self.keyenclave(&init)?;
        self.tell("A key, which never leaves it:");
        self.keyenclave(&[
            "keys",
            "generate",
            "--type",
            "ec-p256",
            "--label",
            KEY,
            "--token",
            TOKEN,
            "--pin-file",
            &pin,
        ])?;
        self.tell("A signature:");
        self.keyenclave(&[
            "sign",
            "--label",
            KEY,
            "--token",
            TOKEN,
            "--pin-file",
            &pin,
            "--public-key",
            &public_key,
            &file,
        ])?;
        self.tell("And somebody else to check it:");
        self.verify(&public_key, &signature, &file)
    }

    /// Has OpenSSL verify the signature; the library itself where there is no OpenSSL.
    fn verify(&self, public_key: &str, signature: &str, file: &str) -> Result<&'static str, Failure> {
        let arguments = [
            "dgst",
            "-sha256",
            "-verify",
            public_key,
            "-signature",
            signature,
            file,
        ];
        match Command::new("openssl").args(arguments).output() {
            Ok(output) => {
                self.show("openssl", &arguments, &output)?;
                Ok("openssl")
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.tell("There is no `openssl` on this machine, so the library verifies it itself:");
                self.keyenclave(&[
                    "verify",
                    "--label",
                    KEY,
                    "--token",
                    TOKEN,
                    "--signature",
                    signature,
                    file,
                ])?;
                Ok("keyenclave")
            }
            Err(error) => Err(Failure::file("run", Path::new("openssl"), &error)),
        }
    }

    fn keyenclave(&self, arguments: &[&str]) -> Result<(), Failure> {
        let mut command = Command::new(&self.report.program);
        command
            .args(arguments)
            .env("KEYENCLAVE_CONFIG", &self.report.config)
            .env("KEYENCLAVE_MODULE", &self.report.module);
        let output = command
            .output()
            .map_err(|error| Failure::file("run", &self.report.program, &error))?;
        self.show("keyenclave", arguments, &output)
    }

    /// Shows a command and what it said.
    fn show(&self, program: &str, arguments: &[&str], output: &Output) -> Result<(), Failure> {
        let words: Vec<_> = arguments.iter().map(|word| quoted(word)).collect();
        let line = format!("{program} {}", words.join(" "));
        let said = String::from_utf8_lossy(&output.stdout);
        if output.status.success() {
            self.tell(&format!(
                "  $ {line}\n  {}",
                said.trim_end().replace('\n', "\n  ")
            ));
            return Ok(());
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        let message = format!(
            "this command failed ({}):\n  $ {line}\n{said}{complaint}",
            output.status
        );
        let help = format!(
            "everything so far is beside {}; delete that directory and try again",
            self.report.config.display()
        );
        Err(Failure::new(kind_of(output), message, help))
    }

    fn tell(&self, text: &str) {
        if self.told {
            // The report at the end says it all again, so a reader that went away loses nothing.
            let _ = writeln!(std::io::stdout(), "{text}");
        }
    }
}

/// The kind of failure that a command of this program ended with.
fn kind_of(output: &Output) -> Kind {
    match output.status.code() {
        Some(3) => Kind::Configuration,
        Some(4) => Kind::Connectivity,
        Some(6) => Kind::Permission,
        _ => Kind::Provider,
    }
}

/// The configuration: one slot, its store beside the file.
fn configuration() -> String {
    format!(
        "# Made by `keyenclave quickstart`.\nenvironment = \"local\"\n\n[[slot]]\nid = 0\nlabel = \"{TOKEN}\"\n\
         backend = \"soft\"\npath = \"token\"\n"
    )
}

fn make_directory(directory: &Path) -> Result<(), Failure> {
    DirBuilder::new()
        .mode(0o700)
        .create(directory)
        .map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => Failure::usage(
                format!("{} exists already", directory.display()),
                "name another directory with --dir, or delete that one if its keys are not needed",
            ),
            _ => Failure::file("make", directory, &error),
        })
}

/// A new file that only its owner can read, with a random PIN.
fn write_pin(file: &Path) -> Result<(), Failure> {
    let mut random = [0; PIN_BYTES];
    let source = Path::new("/dev/urandom");
    File::open(source)
        .and_then(|mut from| from.read_exact(&mut random))
        .map_err(|error| Failure::file("read", source, &error))?;
    let digits = Zeroizing::new(hex::encode(random));
    random.zeroize();
    // Room for all of it at once: what grows leaves a copy behind.
    let mut pin = Zeroizing::new(String::with_capacity(digits.len() + 1));
    pin.push_str(&digits);
    pin.push('\n');
    write_private(file, &pin)
}

/// A new file that only its owner can read or write, whatever the umask: others are refused later.
fn write_private(file: &Path, text: &str) -> Result<(), Failure> {
    let opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| Failure::file("write", file, &error))
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=".contains(c);
    if word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quote = |path: &Path| quoted(&path.to_string_lossy());
        let [pin, config, module, program] =
            [&self.pin_file, &self.config, &self.module, &self.program].map(|path| quote(path));
        let verifier = if self.verified_by == "openssl" {
            "OpenSSL"
        } else {
            "KeyEnclave"
        };
        writeln!(f, "\n{verifier} verified the signature: the token works.\n")?;
        writeln!(f, "What is there now:")?;
        writeln!(
            f,
            "  {}  everything; delete it to undo everything",
            quote(&self.directory)
        )?;
        writeln!(f, "  {config}  the configuration")?;
        writeln!(
            f,
            "  {pin}  your PIN; {} is the security officer's",
            quote(&self.so_pin_file)
        )?;
        writeln!(f, "  {module}  the PKCS#11 module for your programs\n")?;
        writeln!(f, "What to do next:")?;
        writeln!(f, "  export KEYENCLAVE_CONFIG={config}")?;
        writeln!(f, "  {program} keys list --pin-file {pin}")?;
        writeln!(f, "  pkcs11-tool --module {module} --list-slots")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("/tmp/a-b_c.d"), "/tmp/a-b_c.d");
        assert_eq!(quoted("it's here"), "'it'\\''s here'");
    }
}
