// SPDX-License-Identifier: MIT
//! Slots of the key service, as a configuration file has them.

use super::REGION;
use crate::place::Place;
use std::collections::BTreeMap;

/// One `[[slot]]` with backend `aws-kms`.
#[derive(Clone, Debug)]
pub struct AwsSlot {
    label: String,
    endpoint: String,
    settings: BTreeMap<String, String>,
}

impl AwsSlot {
    /// With this label and endpoint (`http://127.0.0.1:PORT`); the rest as it is by default.
    pub fn new(label: &str, endpoint: &str) -> Self {
        Self {
            label: label.to_owned(),
            endpoint: endpoint.to_owned(),
            settings: BTreeMap::new(),
        }
    }

    /// With this setting; `value` as TOML has it.
    pub fn with(mut self, setting: &str, value: impl std::fmt::Display) -> Self {
        self.settings.insert(setting.to_owned(), value.to_string());
        self
    }

    /// The slot as text.
    pub fn text(&self) -> String {
        let Self {
            label,
            endpoint,
            settings,
        } = self;
        let lines: String = settings
            .iter()
            .map(|(name, value)| format!("{name} = {value}\n"))
            .collect();
        format!(
            "[[slot]]\nlabel = \"{label}\"\nbackend = \"aws-kms\"\nregion = \"{REGION}\"\nendpoint = \"{endpoint}\"\n{lines}"
        )
    }
}

/// Writes the configuration of `place`: `extra` top-level lines, these slots in their order, and a soft slot `test`
/// after them.
pub fn configure(place: &Place, extra: &str, slots: &[AwsSlot]) {
    place.configure(extra);
    let file = place.configuration();
    let text = std::fs::read_to_string(&file).expect("the configuration");
    let (top, soft) = text.split_once("[[slot]]").expect("the soft slot");
    let slots: String = slots.iter().map(AwsSlot::text).collect();
    place.write("keyenclave.toml", &format!("{top}{slots}[[slot]]{soft}"));
}
