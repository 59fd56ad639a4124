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
use std::time::Duration;

use cryptoki_sys::CK_SLOT_ID;

pub use error::{ConfigError, Problem};
pub use places::Surroundings;
pub use settings::{BackendName, Environment, ForkPolicy, Simulation, ThreadPolicy};

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
    /// What a program's wish for no threads means.
    pub threads: ThreadPolicy,
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
    /// AWS Key Management Service.
    AwsKms(Box<AwsKmsConfig>),
    /// A vendor's PKCS#11 module.
    Pkcs11(Box<Pkcs11Config>),
}

/// The settings of a soft token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoftConfig {
    /// The store's directory; it need not exist. `None` only without a configuration file in a process that has no
    /// home directory: there is then no place for a token.
    pub directory: Option<PathBuf>,
    /// How many wrong PINs in a row lock a PIN, for the user's and the security officer's alike.
    pub max_pin_attempts: u32,
    /// Whether mechanisms that are broken or outdated are offered.
    pub legacy_mechanisms: bool,
    /// The backend whose slot this one looks like.
    pub simulate: Option<Simulation>,
}

/// The settings of a slot of AWS Key Management Service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AwsKmsConfig {
    /// The region; `None` leaves it to the process's AWS surroundings.
    pub region: Option<String>,
    /// Another address of the service; `None` leaves it to the process's AWS surroundings.
    pub endpoint: Option<String>,
    /// Whether the region's FIPS endpoint is called; `None` leaves it to the process's AWS surroundings.
    pub fips: Option<bool>,
    /// Whether the endpoint that has IPv6 addresses too is called; `None` as there.
    pub dual_stack: Option<bool>,
    /// The certificate authorities that the service's certificate must come from, in PEM.
    pub ca_file: Option<PathBuf>,
    /// The HTTP proxy that requests go through; `None` leaves it to the environment.
    pub proxy: Option<String>,
    /// The profile of the AWS configuration files.
    pub profile: Option<String>,
    /// For how many days a destroyed key can be brought back.
    pub deletion_days: u32,
    /// How many keys one request of a listing asks for.
    pub page_size: u32,
    /// What slots of every remote service have.
    pub remote: RemoteConfig,
}

/// The settings that slots of every remote service have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteConfig {
    /// How long an operation may take as a whole.
    pub operation_timeout: Duration,
    /// How long one request may take that can be repeated.
    pub attempt_timeout: Duration,
    /// How often a request is repeated at the most.
    pub retries: u32,
    /// How many requests are under way at once.
    pub connections: u32,
    /// How many requests may wait for a connection.
    pub queue: u32,
    /// How long a listing of the keys is believed.
    pub listing_expiry: Duration,
    /// How long a listing may take as a whole.
    pub listing_timeout: Duration,
    /// How long a key's description is believed.
    pub description_expiry: Duration,
    /// The Argon2 hash of the PIN as a PHC string; `None` for a slot without a PIN.
    pub pin_hash: Option<String>,
    /// The directory for what the service cannot keep; `None` where there is no place for it.
    pub sidecar: Option<PathBuf>,
}

/// The settings of a slot in front of a vendor's PKCS#11 module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pkcs11Config {
    /// The vendor's library.
    pub module: PathBuf,
    /// Which of its tokens.
    pub token: TokenConfig,
    /// What the module is told when it is initialised.
    pub init_string: Option<String>,
    /// Where the user's PIN is; `None` where the application logs in.
    pub pin: Option<PinReference>,
    /// How long an operation may take; `None` runs calls on the application's thread, as long as they take.
    pub operation_timeout: Option<Duration>,
    /// How many sessions are open at the vendor's token at the most.
    pub sessions: u32,
    /// Whether the module is called by one thread at a time, even if it is not known to need that.
    pub single_threaded: bool,
}

/// Which of a vendor's tokens a slot shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenConfig {
    /// The one that has all of these.
    Named {
        /// Its label.
        label: Option<String>,
        /// Its serial number.
        serial: Option<String>,
        /// The vendor's slot.
        slot_id: Option<CK_SLOT_ID>,
    },
    /// The one that a PKCS#11 URI (RFC 7512) means.
    Uri(String),
}

/// Where a PIN is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PinReference {
    /// In an environment variable.
    Variable(String),
    /// In a file's first line.
    File(PathBuf),
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

/// What a file with this text would say, in a process whose environment says nothing about places.
///
/// # Errors
/// A [`ConfigError`] when it is not a valid configuration.
pub fn read_text(text: &str, file: &Path) -> Result<Config, ConfigError> {
    parse::parse(text, file, &Surroundings::default())
}

/// What `pin_hash` in the configuration has to be for a PIN.
///
/// # Errors
/// `CKR_PIN_LEN_RANGE`, `CKR_HOST_MEMORY`.
pub fn pin_hash(pin: &[u8]) -> keyenclave_model::error::Result<String> {
    keyenclave_soft::PinHash::make(keyenclave_model::token::Pin(pin))
}

impl Config {
    /// What holds without any file: one soft slot in the user's data directory.
    fn unwritten(surroundings: &Surroundings) -> Self {
        Self {
            source: None,
            environment: None,
            fork: settings::DEFAULT_FORK,
            threads: settings::DEFAULT_THREADS,
            log_level: settings::DEFAULT_LOG_LEVEL,
            slots: vec![SlotConfig::unwritten(surroundings)],
        }
    }

    /// What the keys are used for.
    pub fn environment(&self) -> Environment {
        self.environment.unwrap_or(Environment::Local)
    }

    /// Whether a slot's calls need threads of their own.
    pub fn needs_threads(&self) -> bool {
        self.slots.iter().any(|slot| slot.backend.needs_threads())
    }

    /// What should be known at start: each reduced protection that this configuration accepts, and what cannot work.
    pub fn warnings(&self) -> Vec<String> {
        let environment = match (&self.source, self.environment) {
            (None, _) => "no configuration file: environment `local`".to_owned(),
            (Some(file), None) => format!(
                "{} does not set `environment`: `local` is assumed",
                file.display()
            ),
            (Some(_), Some(environment)) => format!("environment `{}`", environment.name()),
        };
        let mut warnings = Vec::new();
        match self.software() {
            Some(software) if self.environment.is_some() => {
                warnings.push(format!("{environment}: {software}"))
            }
            Some(software) => warnings.push(format!("{environment}, {software}")),
            None if self.environment.is_none() => warnings.push(environment),
            None => {}
        }
        warnings.extend(self.slots.iter().filter_map(SlotConfig::simulation_warning));
        let remote = self
            .slots
            .iter()
            .filter_map(|slot| Some((slot, slot.backend.remote()?)));
        warnings.extend(remote.filter(|(_, remote)| remote.sidecar.is_none()).map(|(slot, _)| {
            format!(
                "slot `{}`: this process has no home directory, so certificates and data objects cannot be kept \
                 beside the keys; add `sidecar = …`",
                slot.label
            )
        }));
        warnings
    }

    /// Which slots only software protects.
    fn software(&self) -> Option<String> {
        let soft = self
            .slots
            .iter()
            .filter(|slot| matches!(slot.backend, BackendConfig::Soft(_)));
        let labels: Vec<_> = soft.map(|slot| format!("`{}`", slot.label)).collect();
        (!labels.is_empty()).then(|| {
            format!(
                "the keys of slot {} are protected by software only",
                labels.join(", ")
            )
        })
    }
}

impl BackendConfig {
    /// Its name in the file.
    pub fn name(&self) -> BackendName {
        match self {
            Self::Soft(_) => BackendName::Soft,
            Self::AwsKms(_) => BackendName::AwsKms,
            Self::Pkcs11(_) => BackendName::Pkcs11,
        }
    }

    /// Whether its calls need threads of their own: because a service is waited for, or a device not for ever.
    pub fn needs_threads(&self) -> bool {
        match self {
            Self::Soft(_) => false,
            Self::AwsKms(_) => true,
            Self::Pkcs11(device) => device.operation_timeout.is_some(),
        }
    }

    /// The backend that the slot looks like without being one.
    pub fn simulates(&self) -> Option<Simulation> {
        match self {
            Self::Soft(soft) => soft.simulate,
            Self::AwsKms(_) | Self::Pkcs11(_) => None,
        }
    }

    /// What slots of every remote service have; `None` for a local one.
    pub fn remote(&self) -> Option<&RemoteConfig> {
        match self {
            Self::Soft(_) | Self::Pkcs11(_) => None,
            Self::AwsKms(aws) => Some(&aws.remote),
        }
    }

    /// Where on this machine the slot keeps something, if it has a place for it.
    pub fn directory(&self) -> Option<&Path> {
        match self {
            Self::Soft(soft) => soft.directory.as_deref(),
            Self::AwsKms(aws) => aws.remote.sidecar.as_deref(),
            Self::Pkcs11(_) => None,
        }
    }

    /// The setting that says so.
    fn directory_setting(&self) -> &'static settings::Setting {
        match self {
            Self::Soft(_) => &settings::PATH,
            Self::AwsKms(_) => &settings::SIDECAR,
            Self::Pkcs11(_) => &settings::MODULE,
        }
    }
}

impl SlotConfig {
    /// What has to be known of a slot that is not what it looks like.
    fn simulation_warning(&self) -> Option<String> {
        let simulated = self.backend.simulates()?.name();
        Some(format!(
            "SIMULATION: slot `{}` only looks like `{simulated}`; its keys are in software on this machine and nothing \
             reaches the service. It is NOT production grade: use it for development and tests alone",
            self.label
        ))
    }

    /// The slot that exists when none is configured.
    fn unwritten(surroundings: &Surroundings) -> Self {
        Self {
            id: 0,
            label: DEFAULT_LABEL.to_owned(),
            backend: BackendConfig::Soft(SoftConfig {
                directory: surroundings.store(DEFAULT_LABEL),
                max_pin_attempts: settings::DEFAULT_PIN_ATTEMPTS,
                legacy_mechanisms: false,
                simulate: None,
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
        let BackendConfig::Soft(soft) = &slot.backend else {
            unreachable!()
        };
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
        assert_eq!(config.slots[0].backend.directory(), None);
    }
}
