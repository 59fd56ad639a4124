// SPDX-License-Identifier: MIT
//! `keyenclave verify`.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::beside;
use super::sign::mechanism_for;
use crate::answer::Answer;
use crate::args::{SignatureFormat, Verify};
use crate::failure::{Failure, Kind};
use crate::key::{self, Family, Key};
use crate::operation::{self, Input};
use crate::token::Running;

#[derive(Serialize)]
struct Report {
    valid: bool,
    mechanism: String,
    label: String,
    id: String,
}

/// Runs it.
///
/// # Errors
/// The module's, among them that the signature is not valid.
pub fn run(module: Option<&Path>, args: &Verify) -> Result<Answer, Failure> {
    let file = args.signature.clone().map_or_else(|| beside(&args.file), Ok)?;
    let signature =
        std::fs::read(&file).map_err(|error| Failure::file("read the signature", &file, &error))?;
    let mut input = Input::open(&args.file)?;
    let running = Running::start(module)?;
    let session = running.session(running.slot(&args.which)?, 0)?;
    let (session, key) = match key::only(&session, &args.key, &["public"]) {
        Ok(key) => (session, key),
        // A MAC's key is a secret, which only the user sees.
        Err(failure) if failure.kind == Kind::NotFound => {
            drop(session);
            let session = running.login(&args.which, 0)?;
            let key = key::only(&session, &args.key, &["public", "secret"])?;
            (session, key)
        }
        Err(failure) => return Err(failure),
    };
    let mechanism = mechanism_for(&key, args.mechanism)?;
    let signature = as_pkcs11(signature, &key, args.format)?;
    operation::verify(&session, mechanism, key.handle, &mut input, &signature)?;
    let Key { label, id, .. } = key;
    Answer::new(&Report {
        valid: true,
        mechanism: mechanism.name(),
        label,
        id,
    })
}

/// The signature as PKCS#11 has it.
fn as_pkcs11(signature: Vec<u8>, key: &Key, format: SignatureFormat) -> Result<Vec<u8>, Failure> {
    if key.family != Family::Ec || format == SignatureFormat::Raw {
        return Ok(signature);
    }
    let field = key.bits.unwrap_or(0).div_ceil(8);
    crate::der::ecdsa_to_raw(&signature, field).ok_or_else(|| {
        let message = format!("this is no DER signature of an {} key", key.kind);
        Failure::new(
            Kind::Signature,
            message,
            "if r and s are one after the other, say --format raw",
        )
    })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "The signature is valid: key `{}`, {}.",
            self.label, self.mechanism
        )
    }
}
