// SPDX-License-Identifier: MIT
//! The SDK's client: made inside the first call, on the caller's runtime, and made anew when it has gone stale.
//!
//! Retrying, deadlines and limits are the bridge's layers', so all of the SDK's are off, but for the time to connect.
//! A client whose credentials are refused, or whose configuration turns out wrong, is forgotten: the next call reads
//! environment, profile and certificate authority again. Connections stay, because the HTTP client is kept.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aws_config::imds;
use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_kms::Client;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::timeout::TimeoutConfig;
use aws_sdk_kms::config::{IdentityCache, SharedHttpClient, StalledStreamProtectionConfig};
use keyenclave_bridge::call::CallKind;
use keyenclave_bridge::error::{Error, Result, Sent};
use parking_lot::Mutex;

use crate::flight::Flight;
use crate::options::AwsOptions;
use crate::{endpoint, transport};

/// To a connection that can be used, TLS included.
const CONNECT: Duration = Duration::from_secs(3);
/// A credential is renewed when between this and half of it is left; the SDK draws lots.
const RENEW: Duration = Duration::from_secs(120);
/// To a credential. Whoever waits for it has a deadline of its own; this only ends what hangs.
const IDENTIFY: Duration = Duration::from_secs(60);
/// To the instance's region, from the metadata service, which may not be there.
const METADATA: Duration = Duration::from_secs(1);

/// From one client that is forgotten to the next. Each new one asks for credentials, and whoever gives them out does
/// not want to be asked by every request of a role that is no more.
const REST: Duration = Duration::from_secs(1);

/// See the module.
pub(crate) struct Clients {
    shared: Arc<Shared>,
    making: Flight<Result<Ready, String>>,
}

struct Shared {
    options: AwsOptions,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    http: Option<SharedHttpClient>,
    ready: Option<Ready>,
    made: u64,
    forgotten: Option<Instant>,
}

/// A client, and which one it is.
#[derive(Clone)]
pub(crate) struct Ready {
    pub(crate) kms: Client,
    number: u64,
}

impl Clients {
    pub(crate) fn new(options: AwsOptions) -> Self {
        let state = Mutex::default();
        Self {
            shared: Arc::new(Shared { options, state }),
            making: Flight::default(),
        }
    }

    pub(crate) fn options(&self) -> &AwsOptions {
        &self.shared.options
    }

    /// The client. A failure to make one is not remembered.
    pub(crate) async fn ready(&self, call: CallKind) -> Result<Ready> {
        let ready = self.shared.state.lock().ready.clone();
        if let Some(ready) = ready {
            return Ok(ready);
        }
        let shared = Arc::clone(&self.shared);
        match self.making.join(|| shared.ready()).await {
            Some(Ok(ready)) => Ok(ready),
            Some(Err(what)) => Err(Error::configuration(call, Sent::No, what)),
            None => Err(Error::internal(
                call,
                Sent::No,
                "making the client was broken off",
            )),
        }
    }

    /// Has the next call make a client anew, unless another one has done so already, or one was forgotten just now.
    pub(crate) fn forget(&self, stale: &Ready, with_connections: bool) {
        let mut state = self.shared.state.lock();
        let is_latest = state
            .ready
            .as_ref()
            .is_some_and(|ready| ready.number == stale.number);
        let is_rested = state.forgotten.is_none_or(|then| then.elapsed() >= REST);
        if is_latest && is_rested {
            state.ready = None;
            state.forgotten = Some(Instant::now());
            if with_connections {
                state.http = None;
            }
        }
    }
}

impl Shared {
    async fn ready(self: Arc<Self>) -> Result<Ready, String> {
        let made = self.state.lock().ready.clone();
        if let Some(ready) = made {
            return Ok(ready);
        }
        self.options.check()?;
        let http = self.http()?;
        let kms = connect(&self.options, http).await?;
        let mut state = self.state.lock();
        state.made += 1;
        let ready = Ready {
            kms,
            number: state.made,
        };
        state.ready = Some(ready.clone());
        Ok(ready)
    }

    fn http(&self) -> Result<SharedHttpClient, String> {
        let known = self.state.lock().http.clone();
        if let Some(http) = known {
            return Ok(http);
        }
        let http = transport::http_client(&self.options)?;
        self.state.lock().http = Some(http.clone());
        Ok(http)
    }
}

/// A client of the service. Only looks for a region reach the network here; credentials are for the first request.
async fn connect(options: &AwsOptions, http: SharedHttpClient) -> Result<Client, String> {
    let region = region(options, &http)
        .await
        .ok_or_else(|| "no region is known: set `region`, AWS_REGION, or the profile's region".to_owned())?;
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .region(region);
    if let Some(profile) = &options.profile {
        loader = loader.profile_name(profile);
    }
    // Set only where the slot says so, and then to what it says: otherwise the environment may.
    if let Some(fips) = options.fips {
        loader = loader.use_fips(fips);
    }
    if let Some(dual_stack) = options.dual_stack {
        loader = loader.use_dual_stack(dual_stack);
    }
    let sdk = loader.load().await;
    let endpoint = endpoint::of_service(options, &sdk)?;
    let mut config = aws_sdk_kms::config::Builder::from(&sdk)
        .retry_config(RetryConfig::disabled())
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT)
                .disable_read_timeout()
                .disable_operation_attempt_timeout()
                .disable_operation_timeout()
                .build(),
        )
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .identity_cache(
            IdentityCache::lazy()
                .load_timeout(IDENTIFY)
                .buffer_time(RENEW)
                .build(),
        );
    if let Some(provider) = sdk.credentials_provider() {
        config = config.credentials_provider(Lasting::new(provider));
    }
    // Only for the service: STS and sign-on are elsewhere. What was looked at is what is called.
    config.set_endpoint_url(endpoint);
    Ok(Client::from_conf(config.build()))
}

/// The region: the slot's, else the environment's, the profile's, or the instance's. The SDK's own chain asks the
/// metadata service again and again, for longer than a call has.
async fn region(options: &AwsOptions, http: &SharedHttpClient) -> Option<Region> {
    if let Some(region) = &options.region {
        return Some(Region::new(region.clone()));
    }
    let mut profile = ProfileFileRegionProvider::builder();
    if let Some(name) = &options.profile {
        profile = profile.profile_name(name);
    }
    let provider = ProviderConfig::without_region().with_http_client(http.clone());
    let metadata = imds::Client::builder()
        .configure(&provider)
        .connect_timeout(METADATA)
        .read_timeout(METADATA)
        .max_attempts(1)
        .build();
    RegionProviderChain::first_try(aws_config::environment::EnvironmentVariableRegionProvider::new())
        .or_else(profile.build())
        .or_else(ImdsRegionProvider::builder().imds_client(metadata).build())
        .region()
        .await
}

/// Credentials that are fetched to the end even if nobody waits any more, and used until they expire if their renewal
/// fails.
#[derive(Debug)]
struct Lasting {
    inner: SharedCredentialsProvider,
    flight: Flight<Result<Credentials, Arc<CredentialsError>>>,
    last: Mutex<Option<Credentials>>,
}

impl Lasting {
    fn new(inner: SharedCredentialsProvider) -> Self {
        Self {
            inner,
            flight: Flight::default(),
            last: Mutex::new(None),
        }
    }

    async fn credentials(&self) -> Result<Credentials, CredentialsError> {
        let inner = self.inner.clone();
        let fetch = || async move { inner.provide_credentials().await.map_err(Arc::new) };
        let fetched = self.flight.join(fetch).await;
        let fetched =
            fetched.unwrap_or_else(|| Err(Arc::new(CredentialsError::unhandled("it was broken off"))));
        let mut last = self.last.lock();
        match fetched {
            Ok(credentials) => Ok(last.insert(credentials).clone()),
            Err(error) => {
                let is_good = |credentials: &&Credentials| {
                    credentials
                        .expiry()
                        .is_some_and(|expiry| expiry > SystemTime::now())
                };
                let good = last.as_ref().filter(is_good).cloned();
                good.ok_or_else(|| told_again(error))
            }
        }
    }
}

/// The failure that several wait for, for one of them. Of what kind it is counts.
fn told_again(error: Arc<CredentialsError>) -> CredentialsError {
    match *error {
        CredentialsError::CredentialsNotLoaded(_) => CredentialsError::not_loaded(error),
        CredentialsError::InvalidConfiguration(_) => CredentialsError::invalid_configuration(error),
        CredentialsError::ProviderError(_) => CredentialsError::provider_error(error),
        _ => CredentialsError::unhandled(error),
    }
}

impl ProvideCredentials for Lasting {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}
