// SPDX-License-Identifier: MIT
//! `keyenclave slots`.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use crate::answer::Answer;
use crate::failure::Failure;
use crate::token::{Running, Slot, TokenInfo};

/// The report: an array of slots in JSON.
#[derive(Serialize)]
#[serde(transparent)]
struct Report(Vec<Row>);

#[derive(Serialize)]
struct Row {
    id: u64,
    description: String,
    initialised: bool,
    token: Option<Token>,
    error: Option<String>,
}

#[derive(Serialize)]
struct Token {
    label: String,
    manufacturer: String,
    model: String,
    serial: String,
    states: Vec<&'static str>,
}

/// Runs it.
///
/// # Errors
/// The module's.
pub fn run(module: Option<&Path>) -> Result<Answer, Failure> {
    let running = Running::start(module)?;
    Answer::new(&Report(running.slots()?.into_iter().map(Row::from).collect()))
}

impl From<Slot> for Row {
    fn from(slot: Slot) -> Self {
        let Slot {
            id,
            description,
            token,
        } = slot;
        let initialised = token.as_ref().is_ok_and(TokenInfo::is_initialised);
        let error = token.as_ref().err().map(|failure| failure.message.clone());
        let token = token.ok().map(|token| Token {
            states: token.states(),
            label: token.label,
            manufacturer: token.manufacturer,
            model: token.model,
            serial: token.serial,
        });
        Self {
            id,
            description,
            initialised,
            token,
            error,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Row {
            id,
            description,
            initialised,
            token,
            error,
        } in &self.0
        {
            writeln!(f, "slot {id}: {description}")?;
            match (token, error) {
                (
                    Some(Token {
                        label,
                        manufacturer,
                        model,
                        serial,
                        states,
                    }),
                    _,
                ) if *initialised => {
                    writeln!(f, "  token `{label}`, serial {serial} ({manufacturer}, {model})")?;
                    states.iter().try_for_each(|state| writeln!(f, "  {state}"))?;
                }
                (Some(_), _) => writeln!(
                    f,
                    "  not initialised: `keyenclave token init --slot {id} --label …`"
                )?,
                (None, error) => writeln!(f, "  no token: {}", error.as_deref().unwrap_or_default())?,
            }
        }
        if self.0.is_empty() {
            writeln!(f, "The module has no slots.")?;
        }
        Ok(())
    }
}
