// SPDX-License-Identifier: MIT
//! Slots of remote services: a backend, the bridge to it, and the token in front. Apart, because builds without
//! services have none of it.

use std::sync::Arc;

use keyenclave_aws_kms::{AwsKms, AwsOptions};
use keyenclave_bridge::bridge::Bridge;
use keyenclave_bridge::call::Service;
use keyenclave_bridge::capability::Capability;
use keyenclave_bridge::remote::{HashedPin, PinCheck, RemoteOptions, RemoteToken, Simulated};
use keyenclave_bridge::settings::Settings;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::token::{HandleSource, Pin, Token};
use keyenclave_soft::sidecar;

use super::Remote;
use crate::config::{AwsKmsConfig, Environment, RemoteConfig, Simulation, SlotConfig};

impl Remote {
    /// The token of a slot of AWS KMS.
    pub(super) fn aws_kms(
        &self,
        environment: Environment,
        slot: &SlotConfig,
        aws: &AwsKmsConfig,
        handles: &Arc<HandleSource>,
    ) -> Arc<dyn Token> {
        let options = aws_options(environment, aws);
        let place = options.place();
        self.token(
            slot,
            &aws.remote,
            keyenclave_aws_kms::MODEL,
            &place,
            Arc::new(AwsKms::new(options)),
            handles,
        )
    }

    fn token(
        &self,
        slot: &SlotConfig,
        remote: &RemoteConfig,
        model: &'static str,
        place: &str,
        service: Arc<dyn Service>,
        handles: &Arc<HandleSource>,
    ) -> Arc<dyn Token> {
        let bridge = Bridge::new(service, settings(remote), Arc::clone(&self.runtime));
        let beside = |directory| Arc::new(sidecar(directory, Arc::clone(handles)));
        let options = RemoteOptions {
            label: slot.label.clone(),
            // Two slots may show one place to different identities, and each token has a serial number of its own.
            place: format!("{place}\n{}", slot.label),
            model,
            pin: remote.pin_hash.as_deref().map(pin_check),
            sidecar: remote.sidecar.as_deref().map(beside),
        };
        Arc::new(RemoteToken::new(bridge, options, Arc::clone(handles)))
    }
}

/// What `slotDescription` says of a slot of a service.
pub(super) fn description(model: &str, place: Option<&str>, label: &str) -> String {
    match place {
        Some(place) => format!("{model} {place}: {label}"),
        None => format!("{model}: {label}"),
    }
}

/// What is shown of a backend where a soft slot simulates it; all of it is the backend's own.
struct Guise {
    model: &'static str,
    capability: fn() -> Capability,
}

impl Simulation {
    const fn guise(self) -> Guise {
        match self {
            Self::AwsKms => Guise {
                model: keyenclave_aws_kms::MODEL,
                capability: keyenclave_aws_kms::capability,
            },
        }
    }
}

/// A soft token in a backend's guise, and the description of its slot.
pub(super) fn simulated(
    simulation: Simulation,
    label: &str,
    token: Arc<dyn Token>,
) -> (String, Arc<dyn Token>) {
    let Guise { model, capability } = simulation.guise();
    let token = Simulated::new(token, capability(), model);
    (description(model, None, label), Arc::new(token))
}

fn aws_options(environment: Environment, aws: &AwsKmsConfig) -> AwsOptions {
    AwsOptions {
        region: aws.region.clone(),
        endpoint: aws.endpoint.clone(),
        tls_only: environment == Environment::Production,
        fips: aws.fips,
        dual_stack: aws.dual_stack,
        ca_file: aws.ca_file.clone(),
        proxy: aws.proxy.clone(),
        profile: aws.profile.clone(),
        deletion_days: aws.deletion_days,
        page_size: aws.page_size,
    }
}

/// Who checks the PIN of a slot.
fn pin_check(hash: &str) -> Arc<dyn PinCheck> {
    match HashedPin::parse(hash) {
        Ok(pin) => Arc::new(pin),
        Err(error) => Arc::new(Unreadable(error.to_string())),
    }
}

/// A hash that cannot be read, which the configuration refuses before: nobody gets in.
struct Unreadable(String);

impl PinCheck for Unreadable {
    fn check(&self, _pin: Pin<'_>) -> Result<()> {
        Err(Error::new(Rv::GeneralError, format!("`pin_hash`: {}", self.0)))
    }
}

fn settings(remote: &RemoteConfig) -> Settings {
    let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    Settings {
        operation_timeout: remote.operation_timeout,
        attempt_timeout: remote.attempt_timeout,
        retries: remote.retries,
        connections: count(remote.connections),
        queue: count(remote.queue),
        listing_expiry: remote.listing_expiry,
        listing_timeout: remote.listing_timeout,
        description_expiry: remote.description_expiry,
        ..Settings::default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::config::BackendConfig;

    #[test]
    fn production_alone_requires_tls_wherever_the_address_comes_from() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("config.toml");
        let slot = "[[slot]]\nlabel = \"k\"\nbackend = \"aws-kms\"\nsidecar = \"side\"\n";
        for name in Environment::NAMES {
            std::fs::write(&file, format!("environment = \"{name}\"\n{slot}")).unwrap();
            let config = crate::config::read(&file).unwrap();
            let BackendConfig::AwsKms(aws) = &config.slots[0].backend else {
                unreachable!()
            };
            let options = aws_options(config.environment(), aws);
            assert_eq!(options.tls_only, *name == "production", "{name}");
            assert_eq!(options.endpoint, None, "left to the surroundings");
        }
    }
}
