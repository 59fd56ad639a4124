// SPDX-License-Identifier: MIT
//! A configuration file: what is accepted holds what the module relies on, what is refused is told with its place.

use keyenclave_module::config;
use std::collections::BTreeSet;
use std::path::Path;

/// Reads the bytes as a file.
///
/// # Panics
/// If an accepted configuration has no slot or two with one id or label, or a refusal says nothing.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match config::read_text(text, Path::new("/etc/keyenclave/config.toml")) {
        Ok(config) => {
            let ids: BTreeSet<_> = config.slots.iter().map(|slot| slot.id).collect();
            let labels: BTreeSet<_> = config.slots.iter().map(|slot| &slot.label).collect();
            assert!(!config.slots.is_empty());
            assert_eq!(ids.len(), config.slots.len());
            assert_eq!(labels.len(), config.slots.len());
            assert!(labels.iter().all(|label| (1..=32).contains(&label.len())));
            let _told = config.warnings();
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
