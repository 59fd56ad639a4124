// SPDX-License-Identifier: MIT
//! `keyenclave pin-hash`: what stands in the configuration for a PIN.

use std::fmt;

use keyenclave_model::error::Rv;
use keyenclave_module::config;
use serde::Serialize;

use crate::answer::Answer;
use crate::args::PinHash;
use crate::failure::{Failure, Kind};
use crate::pin;

#[derive(Serialize)]
struct Report {
    pin_hash: String,
}

/// Runs it.
///
/// # Errors
/// When there is no PIN, or it is too short or too long.
pub fn run(args: &PinHash) -> Result<Answer, Failure> {
    let pin = pin::read_new(&args.pin, "PIN")?;
    let pin_hash = config::pin_hash(pin.bytes()).map_err(|error| match error.rv() {
        Rv::PinLenRange => Failure::new(
            Kind::Permission,
            "the PIN is too short or too long",
            "4 to 255 bytes will do",
        ),
        _ => Failure::new(Kind::Other, format!("the PIN cannot be hashed: {error}"), ""),
    })?;
    Answer::new(&Report { pin_hash })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.pin_hash)
    }
}
