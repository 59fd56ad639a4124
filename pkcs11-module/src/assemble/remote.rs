// SPDX-License-Identifier: MIT
//! Slots of remote services: a backend, the bridge to it, and the token in front. Apart, because builds without
//! services have none of it.

use std::sync::Arc;

use keyenclave_aws_kms::{AwsKms, AwsOptions};
use keyenclave_bridge::bridge::Bridge;
use keyenclave_bridge::call::Service;
use keyenclave_bridge::remote::{PinCheck, RemoteOptions, RemoteToken};
use keyenclave_bridge::settings::Settings;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::token::{HandleSource, Pin, Token};
use keyenclave_soft::PinHash;

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
        let options = RemoteOptions {
            label: slot.label.clone(),
            // Two slots may show one place to different identities, and each token has a serial number of its own.
            place: format!("{place}\n{}", slot.label),
            model,
            pin: remote.pin_hash.as_deref().map(pin_check),
            sidecar: None,
        };
        Arc::new(RemoteToken::new(bridge, options, Arc::clone(handles)))
    }
}

/// Who checks the PIN of a slot. A hash that cannot be read lets nobody in.
fn pin_check(hash: &str) -> Arc<dyn PinCheck> {
    Arc::new(Hashed(PinHash::parse(hash).map_err(|error| error.to_string())))
}

/// A hashed PIN, or why it cannot be read.
struct Hashed(Result<PinHash, String>);

impl PinCheck for Hashed {
    fn check(&self, pin: Pin<'_>) -> Result<()> {
        match &self.0 {
            Ok(hash) if hash.is(pin)? => Ok(()),
            Ok(_) => Err(Rv::PinIncorrect.into()),
            Err(error) => Err(Error::new(Rv::GeneralError, format!("`pin_hash`: {error}"))),
        }
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
