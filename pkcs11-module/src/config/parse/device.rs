// SPDX-License-Identifier: MIT
//! A slot in front of a vendor's PKCS#11 module: its settings, and what does not go together.

use std::ops::Range;
use std::time::Duration;

use super::super::settings::{self, Setting};
use super::super::values::{Reader, Values};
use super::super::{PinReference, Pkcs11Config, TokenConfig};
use super::Places;

/// The slot's settings; `None` without a module, which has been noted.
pub(super) fn pkcs11(
    reader: &mut Reader<'_>,
    values: &Values,
    heading: &Range<usize>,
    places: &Places<'_>,
) -> Option<Pkcs11Config> {
    refuse_build(reader, values);
    let Some(module) = values.text(&settings::MODULE) else {
        if values.span(&settings::MODULE).is_none() {
            let help = "add `module = …`: the vendor's PKCS#11 library";
            reader.refuse(heading, "this slot has no `module`".to_owned(), help);
        }
        return None;
    };
    let seconds = |millis: u32| Duration::from_millis(millis.into());
    Some(Pkcs11Config {
        module: places.absolute(module),
        token: token(reader, values),
        init_string: values.text(&settings::INIT_STRING).map(str::to_owned),
        pin: pin(reader, values, places),
        operation_timeout: values.number(&settings::DEVICE_TIMEOUT).map(seconds),
        sessions: values
            .number(&settings::SESSIONS)
            .unwrap_or(settings::DEFAULT_SESSIONS),
        single_threaded: values.boolean(&settings::SINGLE_THREADED) == Some(true),
    })
}

fn refuse_build(reader: &mut Reader<'_>, values: &Values) {
    if !cfg!(feature = "pkcs11") {
        let message = "`backend`: this build of KeyEnclave was made without `pkcs11`";
        let help = "install one with vendors' modules (cargo feature `pkcs11`), or choose another backend";
        let place = values.span(&settings::BACKEND).unwrap_or_default();
        reader.refuse(&place, message.to_owned(), help);
    }
}

fn token(reader: &mut Reader<'_>, values: &Values) -> TokenConfig {
    let Some(uri) = values.text(&settings::URI) else {
        let text = |setting| values.text(setting).map(str::to_owned);
        return TokenConfig::Named {
            label: text(&settings::TOKEN),
            serial: text(&settings::SERIAL),
            slot_id: values.number(&settings::SLOT_ID).map(Into::into),
        };
    };
    for setting in [&settings::TOKEN, &settings::SERIAL, &settings::SLOT_ID] {
        refuse_beside(reader, values, setting, &settings::URI);
    }
    if let Some(wrong) = uri_error(uri) {
        let place = values.span(&settings::URI).unwrap_or_default();
        let help = "write a PKCS#11 URI that names a token (RFC 7512), or use `token`, `serial` or `slot_id`";
        reader.refuse(&place, format!("`uri`: {wrong}"), help);
    }
    TokenConfig::Uri(uri.to_owned())
}

#[cfg(feature = "pkcs11")]
fn uri_error(uri: &str) -> Option<String> {
    keyenclave_pkcs11_hsm::TokenChoice::from_uri(uri).err()
}

/// A build without vendors' modules has refused the slot.
#[cfg(not(feature = "pkcs11"))]
fn uri_error(_: &str) -> Option<String> {
    None
}

fn pin(reader: &mut Reader<'_>, values: &Values, places: &Places<'_>) -> Option<PinReference> {
    let variable = values.text(&settings::PIN_ENV);
    let file = values.text(&settings::PIN_FILE);
    if variable.is_some() {
        refuse_beside(reader, values, &settings::PIN_FILE, &settings::PIN_ENV);
    }
    match (variable, file) {
        (Some(variable), _) => Some(PinReference::Variable(variable.to_owned())),
        (None, Some(file)) => Some(PinReference::File(places.absolute(file))),
        (None, None) => None,
    }
}

/// One of two settings that exclude each other.
fn refuse_beside(
    reader: &mut Reader<'_>,
    values: &Values,
    setting: &'static Setting,
    other: &'static Setting,
) {
    if let Some(place) = values.span(setting) {
        let message = format!("`{}`: `{}` says it already", setting.name, other.name);
        let help = format!("leave it or `{}` out", other.name);
        reader.refuse(&place, message, help);
    }
}
