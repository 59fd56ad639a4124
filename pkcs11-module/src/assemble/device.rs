// SPDX-License-Identifier: MIT
//! Slots in front of a vendor's module. Apart, because builds without them have none of it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::token::{HandleSource, Token};
use keyenclave_pkcs11_hsm::{HsmOptions, Libraries, PinSource, Pkcs11Token, Quirk, TokenChoice};
use zeroize::Zeroizing;

use super::Absent;
use crate::config::{PinReference, Pkcs11Config, TokenConfig};

/// The token of a slot. All slots share the `libraries`.
pub(super) fn token(
    device: &Pkcs11Config,
    libraries: &Arc<Libraries>,
    handles: &Arc<HandleSource>,
) -> Arc<dyn Token> {
    let choice = match choice(&device.token) {
        Ok(choice) => choice,
        // The configuration has refused it before.
        Err(wrong) => return Arc::new(Absent::because(format!("`uri`: {wrong}"))),
    };
    let pin = device.pin.clone();
    let options = HsmOptions {
        init: device.init_string.clone(),
        token: choice,
        quirks: device
            .single_threaded
            .then_some(Quirk::SingleThreaded)
            .into_iter()
            .collect(),
        pin: pin.map(|pin| Arc::new(pin) as Arc<dyn PinSource>),
        max_sessions: usize::try_from(device.sessions).ok(),
        timeout: device.operation_timeout,
        ..HsmOptions::new(&device.module)
    };
    Arc::new(Pkcs11Token::new(
        options,
        Arc::clone(libraries),
        Arc::clone(handles),
    ))
}

fn choice(token: &TokenConfig) -> Result<TokenChoice, String> {
    match token {
        TokenConfig::Uri(uri) => TokenChoice::from_uri(uri),
        TokenConfig::Named {
            label,
            serial,
            slot_id,
        } => Ok(TokenChoice {
            label: label.clone(),
            serial: serial.clone(),
            slot_id: *slot_id,
            ..TokenChoice::default()
        }),
    }
}

/// The longest PIN that is read, in bytes.
const LONGEST: u64 = 4096;

impl PinSource for PinReference {
    fn pin(&self) -> Result<Zeroizing<Vec<u8>>> {
        match self {
            Self::Variable(name) => match std::env::var_os(name) {
                Some(pin) => Ok(Zeroizing::new(pin.into_encoded_bytes())),
                None => refused(format!("the environment variable {name} (`pin_env`) is not set")),
            },
            Self::File(path) => first_line(path)
                .or_else(|reason| refused(format!("{} (`pin_file`) {reason}", path.display()))),
        }
    }
}

/// The first line without its end. A file that others may read or change is refused.
fn first_line(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let file = File::open(path).map_err(|error| format!("cannot be opened: {error}"))?;
    let meta = file
        .metadata()
        .map_err(|error| format!("cannot be looked at: {error}"))?;
    if !meta.is_file() {
        return Err("is not a regular file".to_owned());
    }
    if meta.mode() & 0o077 != 0 {
        return Err(format!(
            "may be used by others than its owner (mode {:04o}): run `chmod 600`, and change the PIN if somebody may \
             have read it",
            meta.mode() & 0o7777
        ));
    }
    // Room for all of it from the start: a vector that grows leaves copies behind.
    let mut line = Zeroizing::new(Vec::with_capacity(8192));
    let read = BufReader::with_capacity(1, file.take(LONGEST)).read_until(b'\n', &mut line);
    read.map_err(|error| format!("cannot be read: {error}"))?;
    if let Some(end) = line.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
        line.truncate(end);
    }
    Ok(line)
}

fn refused<T>(reason: String) -> Result<T> {
    Err(Error::new(Rv::UserNotLoggedIn, reason))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, PinReference) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("pin");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (home, PinReference::File(path))
    }

    #[test]
    fn a_files_first_line_is_the_pin() {
        for text in ["1234", "1234\n", "1234\r\nmore"] {
            let (_home, pin) = file(text, 0o600);
            assert_eq!(pin.pin().unwrap().as_slice(), b"1234", "{text:?}");
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        for mode in [0o640, 0o604, 0o620] {
            let (_home, pin) = file("1234", mode);
            let error = pin.pin().err().unwrap().to_string();
            assert!(error.contains("chmod 600") && !error.contains("1234"), "{error}");
        }
    }

    #[test]
    fn a_missing_place_is_named() {
        let error = PinReference::File("/no/such/file".into()).pin().err().unwrap();
        assert!(error.to_string().contains("/no/such/file"), "{error}");
        let error = PinReference::Variable("KEYENCLAVE_NO_SUCH_VARIABLE".to_owned()).pin();
        assert!(
            error
                .err()
                .unwrap()
                .to_string()
                .contains("KEYENCLAVE_NO_SUCH_VARIABLE")
        );
    }
}
