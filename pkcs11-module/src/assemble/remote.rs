// SPDX-License-Identifier: MIT
//! Slots of remote services: a backend, the bridge to it, and the token in front. Apart, because builds without
//! services have none of it.

use std::sync::Arc;

use keyenclave_aws_kms::{AwsKms, AwsOptions};
use keyenclave_bridge::bridge::Bridge;
use keyenclave_bridge::call::Service;
use keyenclave_bridge::remote::{HashedPin, PinCheck, RemoteOptions, RemoteToken};
use keyenclave_bridge::settings::Settings;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::token::{HandleSource, Pin, Token};
use keyenclave_soft::sidecar;

use super::Remote;
use crate::config::{AwsKmsConfig, RemoteConfig, SlotConfig};

impl Remote {
    /// The token of a slot of AWS KMS.
    pub(super) fn aws_kms(
        &self,
        slot: &SlotConfig,
        aws: &AwsKmsConfig,
        handles: &Arc<HandleSource>,
    ) -> Arc<dyn Token> {
        let options = AwsOptions {
            region: aws.region.clone(),
            endpoint: aws.endpoint.clone(),
            fips: aws.fips,
            dual_stack: aws.dual_stack,
            ca_file: aws.ca_file.clone(),
            proxy: aws.proxy.clone(),
            profile: aws.profile.clone(),
            deletion_days: aws.deletion_days,
            page_size: aws.page_size,
        };
        let place = options.place();
        self.token(
            slot,
            &aws.remote,
            "AWS KMS",
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
