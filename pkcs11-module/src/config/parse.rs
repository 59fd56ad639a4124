// SPDX-License-Identifier: MIT
//! From a file's text to a [`Config`], and the rules that span several settings.

use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

#[cfg(feature = "aws-kms")]
use keyenclave_aws_kms::is_exposed;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Problem};
use super::places::Surroundings;
use super::settings::{self, BackendName, Environment, ForkPolicy, Section, Simulation, ThreadPolicy};
use super::values::{Reader, Values, shortened};
use super::{AwsKmsConfig, BackendConfig, Config, RemoteConfig, SlotConfig, SoftConfig};

mod device;

/// A slot as read, with the places that later checks point at.
struct Found {
    slot: SlotConfig,
    heading: Range<usize>,
    id: Range<usize>,
    label: Range<usize>,
    /// The store's directory.
    path: Range<usize>,
    backend: Range<usize>,
}

/// What holds for all slots: what the keys are for, what paths are relative to, and where they are when they are not
/// said.
struct Places<'a> {
    environment: Option<Environment>,
    file: &'a Path,
    surroundings: &'a Surroundings,
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
    let top = reader.values(&[&settings::TOP], table, &sections);
    let log = section(reader, table).map(|log| reader.values(&[&settings::LOG], log, &[]));
    let environment = top.text(&settings::ENVIRONMENT).and_then(Environment::from_name);
    let places = Places {
        environment,
        file,
        surroundings,
    };
    let found = slots(reader, table, &places);
    refuse_duplicates(reader, &found);
    if environment == Some(Environment::Production) {
        refuse_software(reader, &top, table, &found);
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
        threads: top
            .text(&settings::THREADS)
            .and_then(ThreadPolicy::from_name)
            .unwrap_or(settings::DEFAULT_THREADS),
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

fn slots(reader: &mut Reader<'_>, table: &DeTable<'_>, places: &Places<'_>) -> Vec<Found> {
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
            DeValue::Table(table) => found.extend(slot(reader, index, entry, table, places)),
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
    places: &Places<'_>,
) -> Option<Found> {
    let heading = entry.span();
    let values = reader.values(&sections(table), table, &[]);
    for required in [&settings::LABEL, &settings::BACKEND] {
        if !table.contains_key(required.name) {
            let help = format!("add `{} = …`: {}", required.name, required.kind.values());
            reader.refuse(&heading, format!("this slot has no `{}`", required.name), help);
        }
    }
    let label = values.text(&settings::LABEL)?.to_owned();
    let backend = values.text(&settings::BACKEND).and_then(BackendName::from_name)?;
    let id = values.number(&settings::ID).or(u32::try_from(index).ok())?;
    let place = |setting| values.span(setting).unwrap_or(heading.clone());
    let own = directory_name(&label, id);
    let config = match backend {
        BackendName::Soft => {
            refuse_simulation(reader, &values, places);
            let soft = soft(&values, &own, places);
            if soft.directory.is_none() {
                let message = "this process has no home directory for the store";
                reader.refuse(&heading, message, "add `path = …`");
            }
            BackendConfig::Soft(soft)
        }
        BackendName::AwsKms => {
            refuse_at_aws(reader, &values, places);
            BackendConfig::AwsKms(Box::new(aws_kms(&values, &own, places)))
        }
        BackendName::Pkcs11 => {
            let device = device::pkcs11(reader, &values, &heading, places)?;
            BackendConfig::Pkcs11(Box::new(device))
        }
    };
    Some(Found {
        id: place(&settings::ID),
        label: place(&settings::LABEL),
        path: place(config.directory_setting()),
        backend: place(&settings::BACKEND),
        heading,
        slot: SlotConfig {
            id: id.into(),
            label,
            backend: config,
        },
    })
}

/// What does not go together in a slot of AWS KMS.
fn refuse_at_aws(reader: &mut Reader<'_>, values: &Values, places: &Places<'_>) {
    let mut refuse = |setting, message: String, help: &str| {
        reader.refuse(&values.span(setting).unwrap_or_default(), message, help);
    };
    if !cfg!(feature = "aws-kms") {
        let message = "`backend`: this build of KeyEnclave was made without `aws-kms`";
        let help = "install one with AWS KMS (cargo feature `aws-kms`), or choose another backend";
        return refuse(&settings::BACKEND, message.to_owned(), help);
    }
    if let Some(endpoint) = values.text(&settings::ENDPOINT) {
        for setting in [&settings::FIPS, &settings::DUAL_STACK] {
            if values.boolean(setting) == Some(true) {
                let message = format!("`{}`: it chooses among AWS's own endpoints", setting.name);
                refuse(setting, message, "leave it or `endpoint` out");
            }
        }
        let needs_tls = places.environment == Some(Environment::Production);
        if needs_tls && is_exposed(endpoint) {
            let message =
                "`endpoint`: environment `production` calls no service over `http`, but on this machine";
            refuse(&settings::ENDPOINT, message.to_owned(), "write `https://`");
        }
    }
    let whole = operation_timeout(values);
    let attempt = values.number(&settings::ATTEMPT_TIMEOUT);
    if attempt.is_some_and(|attempt| attempt > whole) {
        let message = format!("`attempt_timeout`: it is longer than `operation_timeout`, which is {whole}");
        let help = "leave it out, shorten it, or raise `operation_timeout`";
        refuse(&settings::ATTEMPT_TIMEOUT, message, help);
    }
}

/// Where a slot cannot look like another backend's.
fn refuse_simulation(reader: &mut Reader<'_>, values: &Values, places: &Places<'_>) {
    let Some((name, span)) = values
        .text(&settings::SIMULATE)
        .zip(values.span(&settings::SIMULATE))
    else {
        return;
    };
    // What a backend can do is told by its own crate.
    if !cfg!(feature = "aws-kms") {
        let message = format!("`simulate`: this build of KeyEnclave was made without `{name}`");
        let help = format!("install one with it (cargo feature `{name}`), or leave `simulate` out");
        reader.refuse(&span, message, help);
    }
    if places.environment == Some(Environment::Production) {
        let message = "`simulate`: environment `production` takes no simulation of a backend";
        let help = format!("write `backend = \"{name}\"` for a real one, or use `staging` or `development`");
        reader.refuse(&span, message, help);
    }
}

/// A build without services calls none.
#[cfg(not(feature = "aws-kms"))]
fn is_exposed(_: &str) -> bool {
    true
}

/// Which settings a slot may have: those of its backend, or, where it does not say which that is, all.
fn sections(table: &DeTable<'_>) -> Vec<&'static Section> {
    let name = table.get(settings::BACKEND.name).map(|value| value.get_ref());
    let backend = match name {
        Some(DeValue::String(name)) => BackendName::from_name(name),
        _ => None,
    };
    let of_slots = settings::SECTIONS
        .iter()
        .filter(|section| section.name == settings::SLOT.name);
    of_slots
        .filter(|section| section.backend.is_none() || backend.is_none() || section.backend == backend)
        .copied()
        .collect()
}

fn soft(values: &Values, own: &str, places: &Places<'_>) -> SoftConfig {
    SoftConfig {
        directory: match values.text(&settings::PATH) {
            Some(path) => Some(places.absolute(path)),
            None => places.surroundings.store(own),
        },
        max_pin_attempts: values
            .number(&settings::MAX_PIN_ATTEMPTS)
            .unwrap_or(settings::DEFAULT_PIN_ATTEMPTS),
        legacy_mechanisms: values.boolean(&settings::LEGACY_MECHANISMS).unwrap_or_default(),
        simulate: values.text(&settings::SIMULATE).and_then(Simulation::from_name),
    }
}

fn aws_kms(values: &Values, own: &str, places: &Places<'_>) -> AwsKmsConfig {
    let text = |setting| values.text(setting).map(str::to_owned);
    AwsKmsConfig {
        region: text(&settings::REGION),
        endpoint: text(&settings::ENDPOINT),
        fips: values.boolean(&settings::FIPS),
        dual_stack: values.boolean(&settings::DUAL_STACK),
        ca_file: values.text(&settings::CA_FILE).map(|path| places.absolute(path)),
        proxy: text(&settings::PROXY),
        profile: text(&settings::PROFILE),
        deletion_days: values
            .number(&settings::DELETION_DAYS)
            .unwrap_or(settings::DEFAULT_DELETION_DAYS),
        page_size: values
            .number(&settings::PAGE_SIZE)
            .unwrap_or(settings::DEFAULT_PAGE_SIZE),
        remote: remote(values, own, places),
    }
}

/// In milliseconds.
fn operation_timeout(values: &Values) -> u32 {
    let said = values.number(&settings::OPERATION_TIMEOUT);
    said.unwrap_or(settings::DEFAULT_OPERATION_TIMEOUT)
}

fn remote(values: &Values, own: &str, places: &Places<'_>) -> RemoteConfig {
    let number = |setting, default| values.number(setting).unwrap_or(default);
    let seconds = |setting, default| Duration::from_secs(number(setting, default).into());
    let operation_timeout = operation_timeout(values);
    let attempt_timeout = number(&settings::ATTEMPT_TIMEOUT, operation_timeout / 5 * 2);
    RemoteConfig {
        operation_timeout: Duration::from_millis(operation_timeout.into()),
        attempt_timeout: Duration::from_millis(attempt_timeout.into()),
        retries: number(&settings::RETRIES, settings::DEFAULT_RETRIES),
        connections: number(&settings::CONNECTIONS, settings::DEFAULT_CONNECTIONS),
        queue: number(&settings::QUEUE, settings::DEFAULT_QUEUE),
        listing_expiry: seconds(&settings::LISTING_EXPIRY, settings::DEFAULT_LISTING_EXPIRY),
        listing_timeout: seconds(&settings::LISTING_TIMEOUT, settings::DEFAULT_LISTING_TIMEOUT),
        description_expiry: seconds(
            &settings::DESCRIPTION_EXPIRY,
            settings::DEFAULT_DESCRIPTION_EXPIRY,
        ),
        pin_hash: values.text(&settings::PIN_HASH).map(str::to_owned),
        sidecar: match values.text(&settings::SIDECAR) {
            Some(path) => Some(places.absolute(path)),
            None => places.surroundings.sidecar(own),
        },
    }
}

impl Places<'_> {
    /// Absolute, since the process may change its working directory later.
    fn absolute(&self, path: &str) -> PathBuf {
        let written = self.file.parent().unwrap_or(Path::new("")).join(path);
        normal(&std::path::absolute(&written).unwrap_or(written))
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
            id,
            label,
            path,
            ..
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
            let [one, two] = [&earlier.slot, slot].map(|slot| slot.backend.directory().map(real));
            if one.is_some() && one == two {
                let message = format!("the store is already that of {other}");
                let help = format!(
                    "give each slot a `{}` of its own",
                    slot.backend.directory_setting().name
                );
                reader.refuse(path, message, help);
            }
        }
    }
}

/// Production needs backends that keep keys in hardware; a slot that does not is refused, be it one of many.
fn refuse_software(reader: &mut Reader<'_>, top: &Values, table: &DeTable<'_>, found: &[Found]) {
    let help = "use `staging` or `development` for soft tokens; nothing has been started";
    let needs = "environment `production` needs slots whose keys are protected by hardware";
    let unwritten = !table.contains_key(settings::SLOT.name);
    let is_soft = |found: &&Found| matches!(found.slot.backend, BackendConfig::Soft(_));
    let all = found.iter().all(|found| is_soft(&found));
    if unwritten || (all && !found.is_empty()) {
        let span = top.span(&settings::ENVIRONMENT).unwrap_or(0..0);
        let message = format!("{needs}, and every slot here is protected by software only");
        return reader.refuse(&span, message, help);
    }
    for soft in found.iter().filter(is_soft) {
        let message = format!(
            "{needs}, and `{}` is protected by software only",
            shortened(&soft.slot.label)
        );
        reader.refuse(&soft.backend, message, help);
    }
}

/// A parser's message on one line.
fn shortened_lines(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}
