// SPDX-License-Identifier: MIT
//! The configuration: where it is found, how it is read, what it says.
//!
//! One TOML file, read strictly: what is not understood is an error that names file, line, column and what to write
//! instead. Nothing here opens a store or starts anything. The table of settings ([`settings`]) makes the checks, the
//! suggestions and the user guide's page. See `docs/guide/configuration.md` and ADR 0006.
#![forbid(unsafe_code)]

#[cfg(test)]
mod cases;
mod error;
pub mod logging;
mod parse;
mod places;
pub mod settings;
mod values;

use std::path::{Path, PathBuf};

use cryptoki_sys::CK_SLOT_ID;

pub use error::{ConfigError, Problem};
pub use places::Surroundings;
pub use settings::{BackendName, Environment, ForkPolicy};

/// The label, and the name of the store's directory, of the slot that exists without any configuration.
const DEFAULT_LABEL: &str = "default";

/// What the configuration says, complete and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The file it was read from; `None` when there is none.
    pub source: Option<PathBuf>,
    /// What the keys are used for; `None` when it is not said, which counts as [`Environment::Local`].
    pub environment: Option<Environment>,
    /// What a forked child finds.
    pub fork: ForkPolicy,
    /// Which messages are written to standard error, unless `KEYENCLAVE_LOG` says otherwise.
    pub log_level: log::LevelFilter,
    /// The slots in the order of the file; never empty, ids and labels unique.
    pub slots: Vec<SlotConfig>,
}

/// One slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotConfig {
    /// The slot's id, the same in every process that reads this file.
    pub id: CK_SLOT_ID,
    /// The slot's name: 1 to 32 bytes.
    pub label: String,
    /// What holds the keys, and its settings.
    pub backend: BackendConfig,
}

/// What holds a slot's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackendConfig {
    /// The built-in soft token.
    Soft(SoftConfig),
}

/// The settings of a soft token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoftConfig {
    /// The store's directory; it need not exist. `None` only without a configuration file in a process that has no
    /// home directory: there is then no place for a token.
    pub directory: Option<PathBuf>,
    /// How many wrong PINs in a row lock a PIN, for the user's and the security officer's alike.
    pub max_pin_attempts: u32,
}

/// Finds and reads this process's configuration.
///
/// # Errors
/// A [`ConfigError`] when a file is there, or was named by `KEYENCLAVE_CONFIG`, and cannot be used.
pub fn load() -> Result<Config, ConfigError> {
    load_in(&Surroundings::of_process())
}

/// [`load`], in given surroundings.
///
/// # Errors
/// As [`load`].
pub fn load_in(surroundings: &Surroundings) -> Result<Config, ConfigError> {
    match surroundings.find()? {
        Some((file, text)) => parse::parse(&text, &file, surroundings),
        None => Ok(Config::unwritten(surroundings)),
    }
}

/// Reads one file, whatever the environment says about where the configuration is.
///
/// # Errors
/// A [`ConfigError`] when it cannot be read or is not a valid configuration.
pub fn read(file: &Path) -> Result<Config, ConfigError> {
    let text = places::read(file)?;
    parse::parse(&text, file, &Surroundings::of_process())
}

impl Config {
    /// What holds without any file: one soft slot in the user's data directory.
    fn unwritten(surroundings: &Surroundings) -> Self {
        Self {
            source: None,
            environment: None,
            fork: settings::DEFAULT_FORK,
            log_level: settings::DEFAULT_LOG_LEVEL,
            slots: vec![SlotConfig::unwritten(surroundings)],
        }
    }

    /// What the keys are used for.
    pub fn environment(&self) -> Environment {
        self.environment.unwrap_or(Environment::Local)
    }

    /// What should be known at start: each reduced protection that this configuration accepts.
    pub fn warnings(&self) -> Vec<String> {
        let labels: Vec<_> = self
            .slots
            .iter()
            .map(|slot| format!("`{}`", slot.label))
            .collect();
        let software = format!(
            "the keys of slot {} are protected by software only",
            labels.join(", ")
        );
        let warning = match (&self.source, self.environment) {
            (None, _) => format!("no configuration file: environment `local`, {software}"),
            (Some(file), None) => format!(
                "{} does not set `environment`: `local` is assumed, {software}",
                file.display()
            ),
            (Some(_), Some(environment)) => format!("environment `{}`: {software}", environment.name()),
        };
        vec![warning]
    }
}

impl SlotConfig {
    /// The slot that exists when none is configured.
    fn unwritten(surroundings: &Surroundings) -> Self {
        Self {
            id: 0,
            label: DEFAULT_LABEL.to_owned(),
            backend: BackendConfig::Soft(SoftConfig {
                directory: surroundings.store(DEFAULT_LABEL),
                max_pin_attempts: settings::DEFAULT_PIN_ATTEMPTS,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn without_any_file_there_is_one_soft_slot_in_the_users_data_directory() {
        let home = tempfile::tempdir().unwrap();
        let config = load_in(&Surroundings::in_home(home.path())).unwrap();
        let [slot] = config.slots.as_slice() else {
            unreachable!()
        };
        let BackendConfig::Soft(soft) = &slot.backend;
        assert_eq!((slot.id, soft.max_pin_attempts), (0, 10));
        assert_eq!(
            soft.directory,
            Some(home.path().join(".local/share/keyenclave/default"))
        );
        assert_eq!(
            (config.environment(), config.source.clone()),
            (Environment::Local, None)
        );
        assert!(
            config.warnings()[0].contains("no configuration file"),
            "{:?}",
            config.warnings()
        );
    }

    #[test]
    fn without_a_home_the_slot_is_there_and_has_no_place() {
        let config = load_in(&Surroundings::default()).unwrap();
        let BackendConfig::Soft(soft) = &config.slots[0].backend;
        assert_eq!(soft.directory, None);
    }
}
