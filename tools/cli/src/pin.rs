// SPDX-License-Identifier: MIT
//! Where PINs come from: a terminal, an environment variable or a file; never the command line, which every process
//! on the machine can read. They are wiped from memory after use.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use zeroize::Zeroizing;

use crate::args::PinSource;
use crate::failure::{Failure, Kind};

/// A PIN. It has no `Debug`.
pub struct Pin(Zeroizing<Vec<u8>>);

/// The longest PIN file that is read, in bytes.
const LARGEST: u64 = 4096;
/// Permission for anybody but the owner.
const FOR_OTHERS: u32 = 0o077;

impl Pin {
    /// The bytes for the module.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The PIN from where the options say, or else from the terminal, asked for with `prompt`.
///
/// # Errors
/// A [`Failure`] when there is none.
pub fn read(source: &PinSource, prompt: &str) -> Result<Pin, Failure> {
    if let Some(pin) = given(source)? {
        return Ok(pin);
    }
    ask(prompt)
}

/// The PIN for a new start: asked for twice where it comes from the terminal.
///
/// # Errors
/// As [`read`].
pub fn read_new(source: &PinSource, prompt: &str) -> Result<Pin, Failure> {
    if let Some(pin) = given(source)? {
        return Ok(pin);
    }
    let pin = ask(prompt)?;
    let again = ask(&format!("{prompt} (again)"))?;
    if pin.0 != again.0 {
        return Err(Failure::usage(
            "the two PINs are not the same",
            "run the command again",
        ));
    }
    Ok(pin)
}

/// The PIN, if the options say where it is.
///
/// # Errors
/// A [`Failure`] when it is not there.
pub fn given(source: &PinSource) -> Result<Option<Pin>, Failure> {
    match source {
        PinSource {
            pin_env: Some(variable),
            ..
        } => from_environment(variable).map(Some),
        PinSource {
            pin_file: Some(file), ..
        } => from_file(file).map(Some),
        PinSource {
            pin_env: None,
            pin_file: None,
        } => Ok(None),
    }
}

fn from_environment(variable: &str) -> Result<Pin, Failure> {
    let value = std::env::var_os(variable).ok_or_else(|| {
        let message = format!("the environment variable {variable} is not set");
        Failure::new(Kind::Permission, message, "set it to the PIN, or use --pin-file")
    })?;
    Ok(Pin(Zeroizing::new(value.into_encoded_bytes())))
}

fn from_file(path: &Path) -> Result<Pin, Failure> {
    let failed = |error: &io::Error| Failure::file("read the PIN file", path, error);
    let file = File::open(path).map_err(|error| failed(&error))?;
    let mode = file
        .metadata()
        .map_err(|error| failed(&error))?
        .permissions()
        .mode();
    if mode & FOR_OTHERS != 0 {
        let message = format!(
            "other users may use the PIN file {} (mode {:04o})",
            path.display(),
            mode & 0o7777
        );
        let help = format!(
            "run `chmod 600 {}`, and change the PIN if somebody may have read it",
            path.display()
        );
        return Err(Failure::new(Kind::Permission, message, help));
    }
    // Room for all of it from the start: a vector that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(8192));
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| failed(&error))?;
    if bytes.len() as u64 > LARGEST {
        let message = format!("{} is too long for a PIN", path.display());
        return Err(Failure::new(
            Kind::Permission,
            message,
            "the file must hold the PIN and nothing else",
        ));
    }
    let end = bytes.trim_ascii_end().len();
    let newline = bytes
        .get(end..)
        .is_some_and(|rest| rest.iter().all(|byte| matches!(byte, b'\n' | b'\r')));
    if newline {
        bytes.truncate(end);
    }
    Ok(Pin(bytes))
}

fn ask(prompt: &str) -> Result<Pin, Failure> {
    let no_terminal = || {
        let message = format!("{prompt} is needed, and there is no terminal to ask at");
        Failure::usage(
            message,
            "give it with --pin-file FILE or --pin-env VAR (--so-pin-file, --so-pin-env)",
        )
    };
    // The prompt uses the controlling terminal, so standard input may well be the file to sign.
    if !io::stdin().is_terminal() && !io::stderr().is_terminal() {
        return Err(no_terminal());
    }
    let typed = rpassword::prompt_password(format!("{prompt}: ")).map_err(|_| no_terminal())?;
    Ok(Pin(Zeroizing::new(typed.into_bytes())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn file(contents: &[u8], mode: u32) -> (tempfile::TempDir, PinSource) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pin");
        std::fs::write(&path, contents).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (
            dir,
            PinSource {
                pin_env: None,
                pin_file: Some(path),
            },
        )
    }

    #[test]
    fn only_the_line_end_is_taken_off() {
        for (contents, expected) in [
            (&b"12 34\r\n"[..], &b"12 34"[..]),
            (b"1234", b"1234"),
            (b"1234 \n", b"1234 \n"),
        ] {
            let (_dir, source) = file(contents, 0o600);
            assert_eq!(given(&source).ok().unwrap().unwrap().bytes(), expected);
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        for mode in [0o640, 0o604, 0o620] {
            let (_dir, source) = file(b"1234\n", mode);
            let failure = given(&source).err().unwrap();
            assert_eq!(failure.kind, Kind::Permission);
            assert!(
                failure.help.contains("chmod 600") && !failure.to_string().contains("1234"),
                "{failure}"
            );
        }
    }

    #[test]
    fn a_variable_that_is_not_set_is_refused() {
        let source = PinSource {
            pin_env: Some("KEYENCLAVE_NO_SUCH_VARIABLE".to_owned()),
            pin_file: None,
        };
        assert!(given(&source).is_err());
    }
}
