// SPDX-License-Identifier: MIT
//! What a command says at its end: text for people, or one JSON document for programs.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;
use serde_json::Value;

use crate::failure::{Failure, Kind};

/// What a command has to say.
pub struct Answer {
    text: String,
    json: Value,
    trouble: Option<Kind>,
}

impl Answer {
    /// The same report in both forms.
    ///
    /// # Errors
    /// None for reports that are plain data.
    pub fn new(report: &(impl Serialize + Display)) -> Result<Self, Failure> {
        let json = serde_json::to_value(report).map_err(|error| {
            Failure::new(Kind::Other, format!("the answer has no JSON form: {error}"), "")
        })?;
        Ok(Self {
            text: report.to_string(),
            json,
            trouble: None,
        })
    }

    /// A command that did its work, and found trouble of this kind.
    pub fn with_trouble(self, trouble: Option<Kind>) -> Self {
        Self { trouble, ..self }
    }

    /// Says it, and how the program ends.
    pub fn print(self, json: bool) -> ExitCode {
        let text = if json {
            format!("{:#}", self.json)
        } else {
            printable(&self.text)
        };
        let text = text.trim_end();
        if !text.is_empty() && write(io::stdout(), text).is_err() {
            // Whoever was reading has gone away.
            return ExitCode::from(Kind::Other.exit_code());
        }
        self.trouble
            .map_or(ExitCode::SUCCESS, |kind| ExitCode::from(kind.exit_code()))
    }
}

/// Says why a command failed: to standard error, or as JSON to standard output.
pub fn print_failure(failure: &Failure, json: bool) -> ExitCode {
    // Nothing can be told if this fails, and the exit code says it all the same.
    let _ = if json {
        write(io::stdout(), &format!("{:#}", failure.json()))
    } else {
        write(io::stderr(), &printable(&format!("keyenclave: {failure}")))
    };
    ExitCode::from(failure.kind.exit_code())
}

/// Labels and descriptions are the module's or another user's: they must not steer the terminal.
fn printable(text: &str) -> String {
    let steers = |c: char| c.is_control() && c != '\n';
    text.replace(steers, "\u{fffd}")
}

fn write(mut to: impl Write, text: &str) -> io::Result<()> {
    writeln!(to, "{text}")?;
    to.flush()
}
