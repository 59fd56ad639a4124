// SPDX-License-Identifier: MIT
//! Where PINs come from: a terminal, an environment variable or a file; never the command line, which every process
//! on the machine can read. They are wiped from memory after use.

use std::io::{self, IsTerminal};
use std::path::Path;

use keyenclave_module::pin_file::{self, Refusal};
use zeroize::Zeroizing;

use crate::args::PinSource;
use crate::failure::{Failure, Kind};

/// A PIN. It has no `Debug`.
pub struct Pin(Zeroizing<Vec<u8>>);

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
    let line = pin_file::first_line(path);
    line.map(Pin).map_err(|refusal| match refusal {
        Refusal::Unreadable(error) => Failure::file("read the PIN file", path, &error),
        Refusal::ForOthers { .. } | Refusal::TooLong => {
            let message = format!("the PIN file {} {refusal}", path.display());
            Failure::new(Kind::Permission, message, refusal.help(path))
        }
    })
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
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_that_others_may_read_is_a_matter_of_permission() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pin");
        std::fs::write(&path, b"1234\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let source = PinSource {
            pin_env: None,
            pin_file: Some(path),
        };
        let failure = given(&source).err().unwrap();
        assert_eq!(failure.kind, Kind::Permission);
        assert!(
            failure.help.contains("chmod 600") && !failure.to_string().contains("1234"),
            "{failure}"
        );
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
