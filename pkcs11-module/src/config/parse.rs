// SPDX-License-Identifier: MIT
//! From a file's text to a [`Config`], and the rules that span several settings.

use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Problem};
use super::places::Surroundings;
use super::settings::{self, BackendName, Environment, ForkPolicy};
use super::values::{Reader, Values, shortened};
use super::{BackendConfig, Config, SlotConfig, SoftConfig};

/// A slot as read, with the places that later checks point at.
struct Found {
    slot: SlotConfig,
    heading: Range<usize>,
    id: Range<usize>,
    label: Range<usize>,
    path: Range<usize>,
}

/// Reads the text of a file.
pub(super) fn parse(text: &str, file: &Path, surroundings: &Surroundings) -> Result<Config, ConfigError> {
    let mut reader = Reader::new(text);
    match DeTable::parse(text) {
        Ok(table) => {
            let config = config(&mut reader, table.get_ref(), file, surroundings);
            if reader.problems.is_empty() {
                return Ok(config);
            }
        }
        Err(error) => {
            let help = "the file must be TOML (https://toml.io); see the configuration guide for an example";
            let message = shortened_lines(error.message());
            match error.span() {
                Some(span) => reader.refuse(&span, message, help),
                None => return Err(ConfigError::whole(file, message, help)),
            }
        }
    }
    Err(ConfigError::of(file, reader.problems))
}

fn config(reader: &mut Reader<'_>, table: &DeTable<'_>, file: &Path, surroundings: &Surroundings) -> Config {
    let sections = [settings::LOG.name, settings::SLOT.name];
    let top = reader.values(&settings::TOP, table, &sections);
    let log = section(reader, table).map(|log| reader.values(&settings::LOG, log, &[]));
    let found = slots(reader, table, file, surroundings);
    refuse_duplicates(reader, &found);
    let environment = top.text(&settings::ENVIRONMENT).and_then(Environment::from_name);
    if environment == Some(Environment::Production) {
        refuse_software(reader, &top);
    }
    let level = log.as_ref().and_then(|log| log.text(&settings::LEVEL));
    let mut slots: Vec<_> = found.into_iter().map(|found| found.slot).collect();
    if slots.is_empty() {
        slots.push(SlotConfig::unwritten(surroundings));
    }
    Config {
        source: Some(file.to_owned()),
        environment,
        fork: top
            .text(&settings::FORK)
            .and_then(ForkPolicy::from_name)
            .unwrap_or(settings::DEFAULT_FORK),
        log_level: level
            .and_then(|level| log::LevelFilter::from_str(level).ok())
            .unwrap_or(settings::DEFAULT_LOG_LEVEL),
        slots,
    }
}

/// The `[log]` table.
fn section<'d, 'i>(reader: &mut Reader<'_>, table: &'d DeTable<'i>) -> Option<&'d DeTable<'i>> {
    let value = table.get(settings::LOG.name)?;
    let DeValue::Table(log) = value.get_ref() else {
        let message = format!("`log` is of type {}", value.get_ref().type_str());
        reader.refuse(
            &value.span(),
            message,
            "write a `[log]` heading with `level = …` below it",
        );
        return None;
    };
    Some(log)
}

fn slots(
    reader: &mut Reader<'_>,
    table: &DeTable<'_>,
    file: &Path,
    surroundings: &Surroundings,
) -> Vec<Found> {
    let Some(value) = table.get(settings::SLOT.name) else {
        return Vec::new();
    };
    let help = "each slot begins with a `[[slot]]` heading, with two brackets on each side";
    let DeValue::Array(array) = value.get_ref() else {
        reader.refuse(
            &value.span(),
            format!("`slot` is of type {}", value.get_ref().type_str()),
            help,
        );
        return Vec::new();
    };
    let mut found = Vec::new();
    for (index, entry) in array.iter().enumerate() {
        match entry.get_ref() {
            DeValue::Table(table) => found.extend(slot(reader, index, entry, table, file, surroundings)),
            other => {
                reader.refuse(
                    &entry.span(),
                    format!("a slot is of type {}", other.type_str()),
                    help,
                );
            }
        }
    }
    found
}

/// One `[[slot]]`; `None` when something in it, already noted, is wrong.
fn slot(
    reader: &mut Reader<'_>,
    index: usize,
    entry: &Spanned<DeValue<'_>>,
    table: &DeTable<'_>,
    file: &Path,
    surroundings: &Surroundings,
) -> Option<Found> {
    let heading = entry.span();
    let values = reader.values(&settings::SLOT, table, &[]);
    for required in [&settings::LABEL, &settings::BACKEND] {
        if !table.contains_key(required.name) {
            let help = format!("add `{} = …`: {}", required.name, required.kind.values());
            reader.refuse(&heading, format!("this slot has no `{}`", required.name), help);
        }
    }
    let label = values.text(&settings::LABEL)?.to_owned();
    let BackendName::Soft = values.text(&settings::BACKEND).and_then(BackendName::from_name)?;
    let id = values.number(&settings::ID).or(u32::try_from(index).ok())?;
    let directory = directory(&values, &label, id, file, surroundings);
    if directory.is_none() {
        reader.refuse(
            &heading,
            "this process has no home directory for the store",
            "add `path = …`",
        );
    }
    let max_pin_attempts = values
        .number(&settings::MAX_PIN_ATTEMPTS)
        .unwrap_or(settings::DEFAULT_PIN_ATTEMPTS);
    let place = |setting| values.span(setting).unwrap_or(heading.clone());
    Some(Found {
        id: place(&settings::ID),
        label: place(&settings::LABEL),
        path: place(&settings::PATH),
        heading,
        slot: SlotConfig {
            id: id.into(),
            label,
            backend: BackendConfig::Soft(SoftConfig {
                directory,
                max_pin_attempts,
            }),
        },
    })
}

/// Where a soft slot's store is.
fn directory(
    values: &Values,
    label: &str,
    id: u32,
    file: &Path,
    surroundings: &Surroundings,
) -> Option<PathBuf> {
    match values.text(&settings::PATH) {
        Some(path) => {
            // Absolute, since the process may change its working directory later.
            let written = file.parent().unwrap_or(Path::new("")).join(path);
            Some(normal(&std::path::absolute(&written).unwrap_or(written)))
        }
        None => surroundings.store(&directory_name(label, id)),
    }
}

/// The label, where it is good as a directory's name on every file system; the slot's number otherwise.
fn directory_name(label: &str, id: u32) -> String {
    let plain = label
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if plain && !label.starts_with('.') {
        label.to_owned()
    } else {
        format!("slot-{id}")
    }
}

/// The path without `.` components, so that equal directories are mostly equal paths. `..` stays: what it means
/// depends on symbolic links.
fn normal(path: &Path) -> PathBuf {
    path.components()
        .filter(|component| *component != Component::CurDir)
        .collect()
}

/// The path behind symbolic links, as far as it is there already.
fn real(path: &Path) -> PathBuf {
    let known = path
        .ancestors()
        .find_map(|ancestor| Some((ancestor, ancestor.canonicalize().ok()?)));
    match known {
        Some((ancestor, real)) => real.join(path.strip_prefix(ancestor).unwrap_or(path)),
        None => path.to_owned(),
    }
}

fn refuse_duplicates(reader: &mut Reader<'_>, found: &[Found]) {
    for (index, later) in found.iter().enumerate() {
        let Found {
            slot,
            heading: _,
            id,
            label,
            path,
        } = later;
        for earlier in found.iter().take(index) {
            let line = Problem::at(reader.text(), &earlier.heading, "", "")
                .line
                .unwrap_or(0);
            let other = format!("the slot in line {line}");
            if earlier.slot.id == slot.id {
                let help = "give each slot an `id` of its own";
                reader.refuse(id, format!("slot id {} is that of {other}", slot.id), help);
            }
            if earlier.slot.label == slot.label {
                let message = format!("`{}` is already the label of {other}", shortened(&slot.label));
                reader.refuse(label, message, "give each slot a `label` of its own");
            }
            let (BackendConfig::Soft(one), BackendConfig::Soft(two)) = (&earlier.slot.backend, &slot.backend);
            let [one, two] = [one, two].map(|soft| soft.directory.as_deref().map(real));
            if one.is_some() && one == two {
                let message = format!("the store is already that of {other}");
                reader.refuse(path, message, "give each slot a `path` of its own");
            }
        }
    }
}

/// Production needs a backend that keeps keys in hardware, and there is none yet that does.
fn refuse_software(reader: &mut Reader<'_>, top: &Values) {
    let span = top.span(&settings::ENVIRONMENT).unwrap_or(0..0);
    let message = "environment `production` needs a slot whose keys are protected by hardware, and every slot here \
                   is protected by software only";
    let help = "use `staging` or `development` for soft tokens; nothing has been started";
    reader.refuse(&span, message, help);
}

/// A parser's message on one line.
fn shortened_lines(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}
