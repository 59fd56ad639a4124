// SPDX-License-Identifier: MIT
//! AWS Key Management Service as a backend.
//!
//! A key's name is its ARN, its label an alias or a tag (`label.rs`); AWS numbers no versions of keys that sign, so
//! every key is the current one. Each call is one request, but for those that AWS cuts up: a description is the key
//! and its tags, a label is an alias of its own, random bytes come by the kilobyte. All may be abandoned at any await.
#![forbid(unsafe_code)]

mod algorithm;
mod client;
mod compute;
mod endpoint;
mod error;
mod flight;
mod former;
mod key;
mod label;
mod listing;
mod manage;
mod options;
mod transport;

use std::error::Error as StdError;
use std::sync::atomic::AtomicBool;

use aws_sdk_kms::Client;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use keyenclave_bridge::call::{
    Backend, CallKind, CheckHealth, DecryptData, DescribeKey, DestroyKey, EncryptData, FetchPublicKey,
    GenerateKey, KeyPage, ListKeys, MacMessage, RandomBytes, SignDigest, UpdateKey,
};
use keyenclave_bridge::capability::Capability;
use keyenclave_bridge::error::{ErrorKind, Result};
use keyenclave_bridge::key::{Algorithm, KeyInfo, KeySpec};
use once_cell::sync::Lazy;
use zeroize::Zeroizing;

pub use endpoint::is_exposed;
pub use options::AwsOptions;

/// One region of AWS KMS, as one identity sees it.
pub struct AwsKms {
    capability: Capability,
    clients: client::Clients,
    listings: listing::Listings,
    /// It was said that tags may not be read.
    told_of_tags: AtomicBool,
    former_labels: former::FormerLabels,
}

const CALLS: &[CallKind] = &[
    CallKind::List,
    CallKind::Describe,
    CallKind::PublicKey,
    CallKind::Sign,
    CallKind::Decrypt,
    CallKind::Encrypt,
    CallKind::Mac,
    CallKind::Generate,
    CallKind::Destroy,
    CallKind::Update,
    CallKind::Random,
    CallKind::Health,
];
/// The longest message that AWS takes as it is, to sign it or for a code, in bytes.
const MAX_MESSAGE: usize = 4096;

static ALGORITHMS: Lazy<Vec<Algorithm>> = Lazy::new(|| {
    let signing = algorithm::SIGNING.iter().map(|row| row.0);
    let encryption = algorithm::ENCRYPTION.iter().map(|row| row.0);
    let mut all: Vec<_> = signing
        .chain(encryption)
        .chain(algorithm::MAC.iter().map(|row| row.0))
        .collect();
    // ECDSA has a row a curve.
    all.dedup();
    all
});
static SPECS: Lazy<Vec<KeySpec>> = Lazy::new(|| algorithm::SPECS.iter().map(|row| row.0).collect());

/// What the service is called where tokens tell of it, 16 bytes at the most.
pub const MODEL: &str = "AWS KMS";

/// What AWS KMS can do: of every slot of it, and of what stands in for one.
pub fn capability() -> Capability {
    Capability {
        calls: CALLS,
        algorithms: &ALGORITHMS,
        generates: &SPECS,
        max_mac_message: MAX_MESSAGE,
        max_sign_message: MAX_MESSAGE,
        max_tag_value: label::MAX_TAG,
    }
}

impl AwsKms {
    /// A backend. Nothing happens until its first call: no file is read, no connection made, no thread started.
    pub fn new(options: AwsOptions) -> Self {
        Self {
            capability: capability(),
            clients: client::Clients::new(options),
            listings: listing::Listings::default(),
            told_of_tags: AtomicBool::new(false),
            former_labels: former::FormerLabels::default(),
        }
    }

    /// Makes one request.
    ///
    /// After a refused credential, and after what is wrongly configured, the next request starts from what is
    /// configured by then.
    async fn ask<T, E, F>(&self, call: CallKind, request: impl FnOnce(Client) -> F + Send) -> Result<T>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let ready = self.clients.ready(call).await?;
        request(ready.kms.clone()).await.map_err(|failure| {
            let error = error::failure(call, &failure);
            match error.kind() {
                ErrorKind::Credential => self.clients.forget(&ready, false),
                ErrorKind::Configuration => self.clients.forget(&ready, true),
                _ => {}
            }
            error
        })
    }
}

impl Backend for AwsKms {
    fn capability(&self) -> &Capability {
        &self.capability
    }

    async fn list(&self, call: &ListKeys) -> Result<KeyPage> {
        self.page(call).await
    }

    async fn describe(&self, call: &DescribeKey) -> Result<KeyInfo> {
        self.described(call).await
    }

    async fn public_key(&self, call: &FetchPublicKey) -> Result<Vec<u8>> {
        self.public_half(call).await
    }

    async fn sign(&self, call: &SignDigest) -> Result<Vec<u8>> {
        self.signature(call).await
    }

    async fn decrypt(&self, call: &DecryptData) -> Result<Zeroizing<Vec<u8>>> {
        self.plaintext(call).await
    }

    async fn encrypt(&self, call: &EncryptData) -> Result<Vec<u8>> {
        self.ciphertext(call).await
    }

    async fn mac(&self, call: &MacMessage) -> Result<Vec<u8>> {
        self.code(call).await
    }

    async fn generate(&self, call: &GenerateKey) -> Result<KeyInfo> {
        self.make(call).await
    }

    async fn destroy(&self, call: &DestroyKey) -> Result<()> {
        self.schedule_deletion(call).await
    }

    async fn update(&self, call: &UpdateKey) -> Result<()> {
        self.change(call).await
    }

    async fn random(&self, call: &RandomBytes) -> Result<Zeroizing<Vec<u8>>> {
        self.random_bytes(call).await
    }

    /// Lists one key: needs `kms:ListKeys`, which everybody who uses a slot has, and names no key.
    async fn health(&self, _call: &CheckHealth) -> Result<()> {
        let request = self.ask(CallKind::Health, |kms| kms.list_keys().limit(1).send());
        request.await.map(drop)
    }
}
