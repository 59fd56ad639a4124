// SPDX-License-Identifier: MIT
//! `keyenclave config check`.

use std::fmt;
use std::path::{Path, PathBuf};

use keyenclave_module::config::{self, SlotConfig};
use serde::Serialize;

use crate::answer::Answer;
use crate::args::Config;
use crate::failure::{Failure, Kind};

/// `config check`'s report.
#[derive(Serialize)]
struct Report {
    file: Option<PathBuf>,
    valid: bool,
    environment: Option<&'static str>,
    warnings: Vec<String>,
    slots: Vec<Slot>,
    problems: Vec<Problem>,
}

#[derive(Serialize)]
struct Slot {
    id: u64,
    label: String,
    backend: &'static str,
    path: Option<PathBuf>,
}

#[derive(Serialize)]
struct Problem {
    line: Option<usize>,
    column: Option<usize>,
    message: String,
    help: String,
}

/// Runs it.
///
/// # Errors
/// None of its own: a bad configuration is a report with trouble.
pub fn run(Config::Check { file }: &Config) -> Result<Answer, Failure> {
    let read = match file {
        Some(file) => config::read(file),
        None => config::load(),
    };
    let trouble = read.as_ref().err().map(|_| Kind::Configuration);
    let report = read.map_or_else(Report::bad, Report::good);
    Ok(Answer::new(&report)?.with_trouble(trouble))
}

impl Report {
    fn good(config: config::Config) -> Self {
        Self {
            valid: true,
            environment: Some(config.environment().name()),
            warnings: config.warnings(),
            slots: config.slots.iter().map(Slot::from).collect(),
            problems: Vec::new(),
            file: config.source,
        }
    }

    fn bad(error: config::ConfigError) -> Self {
        let problems = error.problems.into_iter().map(
            |config::Problem {
                 line,
                 column,
                 message,
                 help,
             }| Problem {
                line,
                column,
                message,
                help,
            },
        );
        Self {
            file: Some(error.file),
            valid: false,
            environment: None,
            warnings: Vec::new(),
            slots: Vec::new(),
            problems: problems.collect(),
        }
    }
}

impl From<&SlotConfig> for Slot {
    fn from(slot: &SlotConfig) -> Self {
        Self {
            id: slot.id,
            label: slot.label.clone(),
            backend: slot.backend.name().name(),
            path: slot.backend.directory().map(Path::to_owned),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.as_ref().map(|file| file.display().to_string());
        let name = file.as_deref().unwrap_or("no configuration file");
        for Problem {
            line,
            column,
            message,
            help,
        } in &self.problems
        {
            let place = line
                .zip(*column)
                .map(|(line, column)| format!(":{line}:{column}"))
                .unwrap_or_default();
            writeln!(f, "{name}{place}: {message}; {help}")?;
        }
        if !self.valid {
            return Ok(());
        }
        writeln!(
            f,
            "{name}: valid, environment `{}`",
            self.environment.unwrap_or_default()
        )?;
        for Slot {
            id,
            label,
            backend,
            path,
        } in &self.slots
        {
            let place = path
                .as_ref()
                .map_or("no place: no home directory".to_owned(), |p| {
                    p.display().to_string()
                });
            writeln!(f, "  slot {id}: {label} ({backend}, {place})")?;
        }
        self.warnings
            .iter()
            .try_for_each(|warning| writeln!(f, "warning: {warning}"))
    }
}
