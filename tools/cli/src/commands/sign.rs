// SPDX-License-Identifier: MIT
//! `keyenclave sign`.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{beside, write_file};
use crate::answer::Answer;
use crate::args::{Sign, SignatureFormat};
use crate::failure::{Failure, Kind};
use crate::key::{self, Family, Key, KeyId};
use crate::mechanism::SignMechanism;
use crate::operation::{self, Input, is_standard};
use crate::token::{Running, Session};

#[derive(Serialize)]
struct Report {
    mechanism: String,
    label: String,
    id: String,
    signature: PathBuf,
    public_key: Option<PathBuf>,
}

/// Runs it.
///
/// # Errors
/// The module's, and for keys and files that are not there or do not fit.
pub fn run(module: Option<&Path>, args: &Sign, json: bool) -> Result<Answer, Failure> {
    let out = args.out.clone().map_or_else(|| beside(&args.file), Ok)?;
    if is_standard(&out) && json {
        return Err(Failure::usage(
            "the signature and JSON cannot both go to standard output",
            "name a file with --out",
        ));
    }
    let mut input = Input::open(&args.file)?;
    let running = Running::start(module)?;
    let session = running.login(&args.which, 0)?;
    let key = key::only(&session, &args.key, &["private", "secret"])?;
    let mechanism = mechanism_for(&key, args.mechanism)?;
    let mut signature = operation::sign(&session, mechanism, key.handle, &mut input)?;
    if key.family == Family::Ec && args.format == SignatureFormat::Der {
        signature = crate::der::ecdsa_from_raw(&signature).ok_or_else(|| {
            Failure::new(
                Kind::Provider,
                "the module made a signature that is not one of ECDSA",
                "try --format raw",
            )
        })?;
    }
    if let Some(path) = &args.public_key {
        write_file(path, public_pem_of(&session, &key)?.as_bytes())?;
    }
    if is_standard(&out) {
        io::stdout()
            .write_all(&signature)
            .map_err(|error| Failure::file("write", &out, &error))?;
    } else {
        write_file(&out, &signature)?;
    }
    let Key { label, id, .. } = key;
    Answer::new(&Report {
        mechanism: mechanism.name(),
        label,
        id,
        signature: out,
        public_key: args.public_key.clone(),
    })
}

/// The mechanism that is told or usual, if it is one for this key.
///
/// # Errors
/// A [`Failure`] when it is not.
pub fn mechanism_for(key: &Key, told: Option<SignMechanism>) -> Result<SignMechanism, Failure> {
    let mechanism = told.or(SignMechanism::usual(key.family, key.bits.unwrap_or(0)));
    let mechanism = mechanism.ok_or_else(|| {
        let message = format!("`{}` is of type {}, which does not sign", key.label, key.kind);
        Failure::usage(message, "RSA, EC, Ed25519 and HMAC keys sign")
    })?;
    if mechanism.family() != key.family {
        let message = format!(
            "`{}` is of type {}, which {} does not take",
            key.label,
            key.kind,
            mechanism.name()
        );
        return Err(Failure::usage(
            message,
            "leave --mechanism out, or choose another key",
        ));
    }
    Ok(mechanism)
}

/// The public key that belongs to a private key: the public object with its id.
fn public_pem_of(session: &Session<'_>, key: &Key) -> Result<String, Failure> {
    let id = key::parse_id(&key.id).unwrap_or(KeyId(Vec::new()));
    let name = crate::args::KeyName {
        label: None,
        id: Some(id),
    };
    key::public_pem(session, &key::only(session, &name, &["public"])?)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_standard(&self.signature) {
            return Ok(());
        }
        writeln!(
            f,
            "Signed with `{}` ({}): {}",
            self.label,
            self.mechanism,
            self.signature.display()
        )?;
        match &self.public_key {
            Some(file) => writeln!(f, "The public key is in {}.", file.display()),
            None => Ok(()),
        }
    }
}
