// SPDX-License-Identifier: MIT
//! What is accepted and what is refused, by subject.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod accepted;
#[cfg(feature = "aws-kms")]
mod aws;
mod hostile;
#[cfg(feature = "pkcs11")]
mod pkcs11;
mod refused;
mod stores;

use std::path::{Path, PathBuf};

use super::parse::parse;
use super::{Config, ConfigError, Surroundings};

/// A slot of each kind, as short as can be.
const AWS: &str = "[[slot]]\nlabel = \"a\"\nbackend = \"aws-kms\"\n";
const SLOT: &str = "[[slot]]\nlabel = \"a\"\nbackend = \"soft\"\n";

fn read(text: &str) -> Result<Config, ConfigError> {
    parse(
        text,
        Path::new("/etc/k.toml"),
        &Surroundings::in_home(Path::new("/home/k")),
    )
}

fn stores(config: &Config) -> Vec<PathBuf> {
    let directories = config.slots.iter().map(|slot| slot.backend.directory());
    directories
        .map(|directory| directory.unwrap().to_owned())
        .collect()
}
