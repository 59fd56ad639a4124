// SPDX-License-Identifier: MIT
//! From configuration to slots: the one place that knows which backend makes which token.
//!
//! Tokens are only constructed here; each opens its store when the first call needs it.

use std::path::Path;
use std::sync::Arc;

use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::MechanismInfo;
use keyenclave_model::token::{CallCx, HandleSource, SessionId, Step, Token, TokenInfo, Work};
use keyenclave_soft::{SoftOptions, SoftToken};

use crate::config::{BackendConfig, Config, SoftConfig};
use crate::slot::Slot;

/// The slots of a configuration, in its order.
pub fn slots(config: &Config, handles: &Arc<HandleSource>) -> Vec<Slot> {
    let slots = config.slots.iter().map(|slot| {
        let BackendConfig::Soft(soft) = &slot.backend;
        let description = format!("KeyEnclave soft token: {}", slot.label);
        // Local work is never waited for, so it has no deadline.
        Slot::new(slot.id, description, None, soft_token(soft, handles))
    });
    slots.collect()
}

fn soft_token(soft: &SoftConfig, handles: &Arc<HandleSource>) -> Arc<dyn Token> {
    match &soft.directory {
        Some(directory) => Arc::new(SoftToken::new(&options(directory, soft), Arc::clone(handles))),
        None => Arc::new(Absent(
            "this process has no home directory, so there is no place for the default token: write a configuration \
             with `path = …` and name it in KEYENCLAVE_CONFIG",
        )),
    }
}

fn options(directory: &Path, soft: &SoftConfig) -> SoftOptions {
    SoftOptions {
        max_pin_attempts: soft.max_pin_attempts,
        ..SoftOptions::new(directory)
    }
}

/// A slot's token that is not there, and why.
struct Absent(&'static str);

impl Absent {
    fn error(&self) -> Error {
        Error::new(Rv::TokenNotPresent, self.0)
    }
}

impl Token for Absent {
    fn info(&self) -> Result<TokenInfo> {
        Err(self.error())
    }

    fn mechanisms(&self) -> Vec<MechanismInfo> {
        Vec::new()
    }

    fn epoch(&self) -> u64 {
        0
    }

    fn submit(&self, _cx: &CallCx, _work: Work<'_>) -> Step {
        self.error().into()
    }

    fn close_session(&self, _session: SessionId) {}
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use cryptoki_sys as ck;

    use super::*;
    use crate::config::{SlotConfig, Surroundings, load_in};

    fn config() -> Config {
        load_in(&Surroundings::default()).unwrap()
    }

    fn soft(directory: &Path) -> BackendConfig {
        BackendConfig::Soft(SoftConfig {
            directory: Some(directory.to_owned()),
            max_pin_attempts: 10,
        })
    }

    #[test]
    fn slots_keep_id_and_order_and_open_nothing() {
        let home = tempfile::tempdir().unwrap();
        let slot = |id, label: &str| SlotConfig {
            id,
            label: label.to_owned(),
            backend: soft(&home.path().join(label)),
        };
        let config = Config {
            slots: vec![slot(7, "b"), slot(3, "a")],
            ..config()
        };
        let slots = slots(&config, &Arc::new(HandleSource::starting_at(1)));
        assert_eq!(slots.iter().map(|slot| slot.id).collect::<Vec<_>>(), [7, 3]);
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_soft_token_is_there_before_it_is_initialised() {
        let home = tempfile::tempdir().unwrap();
        let place = SlotConfig {
            id: 0,
            label: "a".to_owned(),
            backend: soft(&home.path().join("a")),
        };
        let config = Config {
            slots: vec![place],
            ..config()
        };
        let slots = slots(&config, &Arc::new(HandleSource::starting_at(1)));
        for slot in slots {
            assert_eq!(slot.token.info().unwrap().flags & ck::CKF_TOKEN_INITIALIZED, 0);
        }
    }

    #[test]
    fn without_a_place_the_token_is_absent_and_says_why() {
        let slots = slots(&config(), &Arc::new(HandleSource::starting_at(1)));
        for slot in slots {
            let error = slot.token.info().err().unwrap();
            assert_eq!(error.rv(), Rv::TokenNotPresent);
            assert!(error.to_string().contains("KEYENCLAVE_CONFIG"), "{error}");
        }
    }
}
