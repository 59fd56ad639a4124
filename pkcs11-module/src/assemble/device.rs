// SPDX-License-Identifier: MIT
//! Slots in front of a vendor's module. Apart, because builds without them have none of it.

use std::path::Path;
use std::sync::Arc;

use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::token::{HandleSource, Token};
use keyenclave_pkcs11_hsm::{HsmOptions, Libraries, PinSource, Pkcs11Token, Quirk, TokenChoice};
use zeroize::Zeroizing;

use super::Absent;
use crate::config::{PinReference, Pkcs11Config, TokenConfig};
use crate::pin_file;

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
        // One of them keeps the login.
        max_sessions: usize::try_from(device.sessions)
            .ok()
            .map(|sessions| sessions.saturating_sub(1)),
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

/// A pipe would have the application wait in its login, for whoever writes to it.
fn first_line(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    if path.exists() && !path.is_file() {
        return Err("is not a regular file".to_owned());
    }
    pin_file::first_line(path).map_err(|refusal| format!("{refusal}: {}", refusal.help(path)))
}

fn refused<T>(reason: String) -> Result<T> {
    Err(Error::new(Rv::UserNotLoggedIn, reason))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_directory_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let error = PinReference::File(home.path().into()).pin().err().unwrap();
        assert!(error.to_string().contains("not a regular file"), "{error}");
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
