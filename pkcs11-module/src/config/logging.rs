// SPDX-License-Identifier: MIT
//! Where messages go: standard error, one line each.
//!
//! The `log` crate in this shared library is a copy of its own, so a host that logs is not touched. A host may fork
//! while one of its threads writes a message; so no lock is held while writing (the descriptor is duplicated for each
//! message, which is then one `write`), and a child can always log.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::str::FromStr;

use log::{LevelFilter, Log, Metadata, Record};

use super::{Config, ConfigError, settings};

/// The variable that overrides the configured level.
const OVERRIDE: &str = "KEYENCLAVE_LOG";

/// The way to standard error.
struct StandardError;

impl Log for StandardError {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            // There is nobody left to tell when standard error itself fails.
            let _ = write(&line(record));
        }
    }

    fn flush(&self) {}
}

/// Starts logging as this configuration says. May be called again: the level is then the new one.
pub fn init(config: &Config) {
    start(config.log_level);
}

/// Starts logging where there is no configuration that could be used, and says why.
pub fn init_after(error: &ConfigError) {
    start(settings::DEFAULT_LOG_LEVEL);
    for line in error.to_string().lines() {
        log::error!("{line}");
    }
}

fn start(configured: LevelFilter) {
    // Fails when it was done before, which is as good.
    let _ = log::set_logger(&StandardError);
    let wanted = std::env::var(OVERRIDE).ok().filter(|wanted| !wanted.is_empty());
    let level = wanted.as_deref().map(LevelFilter::from_str);
    log::set_max_level(
        level
            .as_ref()
            .and_then(|level| level.as_ref().ok().copied())
            .unwrap_or(configured),
    );
    if let Some(Err(_)) = level {
        log::warn!(
            "{OVERRIDE} is not a level; write one of: {}",
            settings::LEVEL.kind.values()
        );
    }
}

/// One line of text: a message must not be able to forge another one.
fn line(record: &Record<'_>) -> String {
    let message = record.args().to_string();
    let message: String = message
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let level = record.level().as_str().to_lowercase();
    format!("keyenclave[{}] {level}: {message}\n", std::process::id())
}

fn write(line: &str) -> io::Result<()> {
    File::from(io::stderr().as_fd().try_clone_to_owned()?).write_all(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Surroundings, load_in};

    #[test]
    fn starting_twice_takes_the_newer_level() -> Result<(), ConfigError> {
        let mut config = load_in(&Surroundings::default())?;
        for level in [LevelFilter::Error, LevelFilter::Info] {
            config.log_level = level;
            init(&config);
            if std::env::var_os(OVERRIDE).is_none() {
                assert_eq!(log::max_level(), level);
            }
        }
        Ok(())
    }

    #[test]
    fn a_message_stays_on_its_line() {
        let record = Record::builder()
            .args(format_args!("a\nkeyenclave b"))
            .level(log::Level::Warn)
            .build();
        assert!(
            line(&record).ends_with("] warn: a keyenclave b\n"),
            "{}",
            line(&record)
        );
    }
}
