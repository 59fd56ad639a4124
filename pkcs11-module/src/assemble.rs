// SPDX-License-Identifier: MIT
//! From configuration to slots: the one place that knows which backend makes which token.
//!
//! Tokens are only constructed here; each opens its store, or calls its service, when the first call needs it.

#[cfg(feature = "pkcs11")]
mod device;
#[cfg(feature = "aws-kms")]
mod remote;

use std::path::Path;
use std::sync::Arc;

use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::MechanismInfo;
use keyenclave_model::token::{CallCx, HandleSource, SessionId, Step, Token, TokenInfo, Work};
use keyenclave_soft::{SoftOptions, SoftToken};

use crate::config::{BackendConfig, Config, Simulation, SlotConfig, SoftConfig};
use crate::slot::Slot;

/// What a configuration makes.
pub struct Assembly {
    /// The slots, in the configuration's order.
    pub slots: Vec<Slot>,
    /// What the calls to services run on; all slots share it.
    pub remote: Remote,
}

/// What the slots of remote services share: one runtime, which the first call starts. Nothing in a build without them.
#[derive(Default)]
pub struct Remote {
    #[cfg(feature = "aws-kms")]
    runtime: Arc<keyenclave_bridge::runtime::Runtime>,
}

impl Remote {
    /// Ends all calls to services, and the threads that they run on, within two seconds. Those who wait for an answer
    /// get `CKR_FUNCTION_CANCELED`.
    pub fn close(&self) {
        #[cfg(feature = "aws-kms")]
        self.runtime.close();
    }
}

/// The slots of a configuration. Opens nothing, starts nothing and sends nothing. `forbid_threads` is whether slots that
/// can do without threads of their own have to.
pub fn assemble(config: &Config, handles: &Arc<HandleSource>, forbid_threads: bool) -> Assembly {
    let remote = Remote::default();
    #[cfg(feature = "pkcs11")]
    let libraries = Arc::new(keyenclave_pkcs11_hsm::Libraries::new(forbid_threads));
    #[cfg(not(feature = "pkcs11"))]
    let _ = forbid_threads;
    let slots = config.slots.iter().map(|slot| match &slot.backend {
        BackendConfig::Soft(soft) => {
            let token = soft_token(soft, handles);
            let (description, token) = match soft.simulate {
                Some(simulation) => simulated(simulation, slot, token),
                None => (format!("KeyEnclave soft token: {}", slot.label), token),
            };
            // Local work is never waited for, so it has no deadline.
            Slot::new(slot.id, description, None, token)
        }
        #[cfg(feature = "aws-kms")]
        BackendConfig::AwsKms(aws) => {
            let timeout = Some(aws.remote.operation_timeout);
            let place = aws.endpoint.as_deref().or(aws.region.as_deref());
            let description = remote::description(keyenclave_aws_kms::MODEL, place, &slot.label);
            let token = remote.aws_kms(config.environment(), slot, aws, handles);
            Slot::new(slot.id, description, timeout, token)
        }
        #[cfg(feature = "pkcs11")]
        BackendConfig::Pkcs11(device) => {
            let description = format!("PKCS#11 module {}: {}", device.module.display(), slot.label);
            Slot::new(
                slot.id,
                description,
                device.operation_timeout,
                device::token(device, &libraries, handles),
            )
        }
        // No file that is read has such a slot in this build.
        #[cfg(not(all(feature = "aws-kms", feature = "pkcs11")))]
        other => {
            let name = other.name().name();
            let token = Absent::because(format!("this build of KeyEnclave was made without `{name}`"));
            Slot::new(slot.id, slot.label.clone(), None, Arc::new(token))
        }
    });
    let slots = slots.collect();
    Assembly { slots, remote }
}

fn soft_token(soft: &SoftConfig, handles: &Arc<HandleSource>) -> Arc<dyn Token> {
    match &soft.directory {
        Some(directory) => Arc::new(SoftToken::new(&options(directory, soft), Arc::clone(handles))),
        None => Arc::new(Absent::because(
            "this process has no home directory, so there is no place for the default token: write a configuration \
             with `path = …` and name it in KEYENCLAVE_CONFIG",
        )),
    }
}

/// A soft token that looks like a slot of a service, and what its slot is called.
#[cfg(feature = "aws-kms")]
fn simulated(simulation: Simulation, slot: &SlotConfig, token: Arc<dyn Token>) -> (String, Arc<dyn Token>) {
    remote::simulated(simulation, &slot.label, token)
}

/// No file that is read has such a slot in a build without services.
#[cfg(not(feature = "aws-kms"))]
fn simulated(simulation: Simulation, slot: &SlotConfig, _: Arc<dyn Token>) -> (String, Arc<dyn Token>) {
    let reason = format!(
        "this build of KeyEnclave was made without `{}`",
        simulation.name()
    );
    (slot.label.clone(), Arc::new(Absent::because(reason)))
}

fn options(directory: &Path, soft: &SoftConfig) -> SoftOptions {
    SoftOptions {
        max_pin_attempts: soft.max_pin_attempts,
        legacy_mechanisms: soft.legacy_mechanisms,
        stands_in: soft.simulate.is_some(),
        ..SoftOptions::new(directory)
    }
}

/// A slot's token that is not there, and why.
struct Absent(String);

impl Absent {
    fn because(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }

    fn error(&self) -> Error {
        Error::new(Rv::TokenNotPresent, self.0.as_str())
    }
}

impl Token for Absent {
    fn info(&self) -> Result<TokenInfo> {
        Err(self.error())
    }

    fn mechanisms(&self) -> Result<Vec<MechanismInfo>> {
        Err(self.error())
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
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use cryptoki_sys as ck;

    use super::*;
    use crate::config::{Surroundings, load_in};

    fn config() -> Config {
        load_in(&Surroundings::default()).unwrap()
    }

    fn assembled(config: &Config) -> Vec<Slot> {
        assemble(config, &Arc::new(HandleSource::starting_at(1)), false).slots
    }

    fn soft(directory: &Path) -> BackendConfig {
        BackendConfig::Soft(SoftConfig {
            directory: Some(directory.to_owned()),
            max_pin_attempts: 10,
            legacy_mechanisms: false,
            simulate: None,
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
        let slots = assembled(&config);
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
        let slots = assembled(&config);
        for slot in slots {
            assert_eq!(slot.token.info().unwrap().flags & ck::CKF_TOKEN_INITIALIZED, 0);
        }
    }

    #[cfg(feature = "aws-kms")]
    #[test]
    fn a_slot_of_a_service_does_nothing_before_it_is_used() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("config.toml");
        // Nobody listens there; whoever called would fail.
        let text = "[[slot]]\nlabel = \"k\"\nbackend = \"aws-kms\"\nregion = \"eu-west-1\"\n\
                    endpoint = \"http://127.0.0.1:1\"\nsidecar = \"side\"\noperation_timeout = 700\n\
                    [[slot]]\nlabel = \"l\"\nbackend = \"aws-kms\"\nregion = \"eu-west-1\"\nsidecar = \"other\"\n";
        std::fs::write(&file, text).unwrap();
        let config = crate::config::read(&file).unwrap();
        let Assembly { slots, remote } = assemble(&config, &Arc::new(HandleSource::starting_at(1)), false);
        assert_eq!(slots[0].description, "AWS KMS http://127.0.0.1:1: k");
        assert_eq!(slots[1].description, "AWS KMS eu-west-1: l");
        assert_eq!(slots[0].timeout, Some(std::time::Duration::from_millis(700)));
        let serials = [0, 1].map(|slot: usize| slots[slot].token.info().unwrap().serial);
        assert_ne!(serials[0], serials[1], "two slots of one region are two tokens");
        assert_eq!(slots[0].token.info().unwrap().model, "AWS KMS");
        assert!(!slots[0].token.mechanisms().unwrap().is_empty());
        assert!(!remote.runtime.is_running(), "told without threads");
        assert_eq!(
            std::fs::read_dir(home.path()).unwrap().count(),
            1,
            "only the configuration"
        );
        remote.close();
    }

    #[test]
    fn without_a_place_the_token_is_absent_and_says_why() {
        let slots = assembled(&config());
        for slot in slots {
            let error = slot.token.info().err().unwrap();
            assert_eq!(error.rv(), Rv::TokenNotPresent);
            assert!(error.to_string().contains("KEYENCLAVE_CONFIG"), "{error}");
        }
    }
}
