// SPDX-License-Identifier: MIT
//! `keyenclave keys list|generate|export|delete`.

use std::fmt;
use std::path::{Path, PathBuf};

use cryptoki_sys as ck;
use serde::Serialize;

use super::{confirm, write_file};
use crate::answer::Answer;
use crate::args::{KeyName, Keys, Which};
use crate::failure::{Failure, Kind};
use crate::key::{self, Key, KeyId, KeyType};
use crate::token::{Running, Session};

/// The bytes of an id that nobody chose.
const RANDOM_ID: usize = 16;

#[derive(Serialize)]
#[serde(transparent)]
struct Listed(Vec<Key>);

#[derive(Serialize)]
struct Generated {
    #[serde(rename = "type")]
    kind: &'static str,
    label: String,
    id: String,
}

#[derive(Serialize)]
struct Exported {
    label: String,
    id: String,
    pem: String,
    file: Option<PathBuf>,
}

#[derive(Serialize)]
struct Deleted {
    deleted: Vec<Key>,
}

/// Runs the one that is meant.
///
/// # Errors
/// The module's, and for keys that are not there, or are there already.
pub fn run(module: Option<&Path>, args: &Keys) -> Result<Answer, Failure> {
    let running = Running::start(module)?;
    match args {
        Keys::List { which, no_login } => list(&running, which, *no_login),
        Keys::Generate {
            which,
            kind,
            label,
            id,
        } => generate(&running, which, *kind, label, id.as_ref()),
        Keys::Export { which, key, out } => export(&running, which, key, out.as_deref()),
        Keys::Delete { which, key, yes } => delete(&running, which, key, *yes),
    }
}

fn list(running: &Running, which: &Which, no_login: bool) -> Result<Answer, Failure> {
    let session = match no_login {
        true => running.session(running.slot(which)?, 0)?,
        false => running.login(which, 0)?,
    };
    Answer::new(&Listed(key::list(&session, None)?))
}

fn generate(
    running: &Running,
    which: &Which,
    kind: KeyType,
    label: &str,
    id: Option<&KeyId>,
) -> Result<Answer, Failure> {
    let session = running.login(which, ck::CKF_RW_SESSION)?;
    let id = id.map_or_else(|| random_id(&session), |id| Ok(id.clone()))?;
    let by_label = KeyName {
        label: Some(label.to_owned()),
        id: None,
    };
    let by_id = KeyName {
        label: None,
        id: Some(id.clone()),
    };
    for name in [by_label, by_id] {
        if !key::list(&session, Some(&name))?.is_empty() {
            let message = format!("there is a key with {name} already");
            return Err(Failure::new(
                Kind::Usage,
                message,
                "choose another one, or delete that key first",
            ));
        }
    }
    key::generate(&session, kind, label, &id)?;
    Answer::new(&Generated {
        kind: kind.name(),
        label: label.to_owned(),
        id: hex::encode(&id.0),
    })
}

fn random_id(session: &Session<'_>) -> Result<KeyId, Failure> {
    let mut id = vec![0; RANDOM_ID];
    session.module().random(session.handle, &mut id)?;
    Ok(KeyId(id))
}

fn export(running: &Running, which: &Which, name: &KeyName, out: Option<&Path>) -> Result<Answer, Failure> {
    // Public keys are visible to everybody.
    let session = running.session(running.slot(which)?, 0)?;
    let key = key::only(&session, name, &["public"])?;
    let pem = key::public_pem(&session, &key)?;
    if let Some(out) = out {
        write_file(out, pem.as_bytes())?;
    }
    Answer::new(&Exported {
        label: key.label,
        id: key.id,
        pem,
        file: out.map(Path::to_owned),
    })
}

fn delete(running: &Running, which: &Which, name: &KeyName, yes: bool) -> Result<Answer, Failure> {
    let session = running.login(which, ck::CKF_RW_SESSION)?;
    let found = key::list(&session, Some(name))?;
    let Some(first) = found.first() else {
        return Err(key::not_found(name));
    };
    if found.iter().any(|key| key.id != first.id) {
        return Err(key::ambiguous(name, &found));
    }
    if !yes {
        let question = format!(
            "The {} key `{}` (id {}) will be deleted for ever.",
            first.kind, first.label, first.id
        );
        confirm(&question)?;
    }
    for key in &found {
        session.module().destroy(session.handle, key.handle)?;
    }
    Answer::new(&Deleted { deleted: found })
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return writeln!(f, "There are no keys.");
        }
        let columns = |key: &Key| {
            [
                key.class.to_owned(),
                key.kind.clone(),
                // A line end in a label would look like another key.
                key.label.replace('\n', "\u{fffd}"),
                key.id.clone(),
            ]
        };
        let heading = ["CLASS", "TYPE", "LABEL", "ID"].map(str::to_owned);
        let rows: Vec<_> = std::iter::once(heading)
            .chain(self.0.iter().map(columns))
            .collect();
        let width = |column: usize| {
            rows.iter()
                .filter_map(|row| row.get(column))
                .map(|c| c.chars().count())
                .max()
        };
        let [class_width, kind_width, label_width] = [0, 1, 2].map(|column| width(column).unwrap_or(0));
        for [class, kind, label, id] in &rows {
            writeln!(
                f,
                "{class:class_width$}  {kind:kind_width$}  {label:label_width$}  {id}"
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Generated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Generated the {} key `{}` with id {}.",
            self.kind, self.label, self.id
        )
    }
}

impl fmt::Display for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => writeln!(f, "The public key of `{}` is in {}.", self.label, file.display()),
            None => f.write_str(&self.pem),
        }
    }
}

impl fmt::Display for Deleted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let deleted = self
            .deleted
            .iter()
            .map(|key| format!("Deleted the {} key `{}`.", key.class, key.label));
        f.write_str(&deleted.collect::<Vec<_>>().join("\n"))
    }
}
