// SPDX-License-Identifier: MIT
//! Keys as remote services know them, in words that all services share.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use keyenclave_model::algorithm::{Curve, Hash};

use crate::call::Usage;

/// The canonical, full name of one version of a key: what the service itself would write in a log.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyName(Arc<str>);

impl KeyName {
    /// A name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows the last `/` or `:`: the label of a key that has no other.
    pub fn short(&self) -> &str {
        self.0.rsplit(['/', ':']).next().unwrap_or(&self.0)
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeySpec {
    /// RSA, with a modulus of so many bits.
    Rsa(u32),
    /// An elliptic curve key.
    Ec(Curve),
    /// An Edwards curve key: Ed25519 (RFC 8032).
    Ed25519,
    /// A secret for the HMAC with one hash.
    Hmac(Hash),
    /// A secret that the service encrypts with in a format of its own.
    Symmetric,
}

impl KeySpec {
    /// Whether there is a public half.
    pub const fn is_pair(self) -> bool {
        matches!(self, Self::Rsa(_) | Self::Ec(_) | Self::Ed25519)
    }

    /// What of a service's algorithms is computed with such a key that is made for one use.
    pub fn algorithms(self, usage: Usage, offered: &[Algorithm]) -> Vec<Algorithm> {
        let fits = |algorithm: &Algorithm| match (self, *algorithm) {
            (Self::Rsa(_), Algorithm::RsaPkcs1(_) | Algorithm::RsaPkcs1Block | Algorithm::RsaPss(_))
            | (Self::Ec(_), Algorithm::Ecdsa)
            | (Self::Ed25519, Algorithm::Ed25519 | Algorithm::Ed25519ph) => usage == Usage::Sign,
            (Self::Rsa(_), Algorithm::RsaOaep(_) | Algorithm::RsaPkcs1Decrypt) => usage == Usage::Decrypt,
            (Self::Hmac(of), Algorithm::Hmac(hash)) => of == hash,
            (Self::Symmetric, Algorithm::Symmetric) => true,
            _ => false,
        };
        offered.iter().copied().filter(fits).collect()
    }
}

/// What a service computes with a key. Hashing is the service's only where the algorithm leaves no choice (pure
/// Ed25519, HMAC): everything else is given digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 over a digest.
    RsaPkcs1(Hash),
    /// RSASSA-PKCS1-v1_5 over whatever the application gives.
    RsaPkcs1Block,
    /// RSASSA-PSS over a digest, mask and salt length of the same hash.
    RsaPss(Hash),
    /// ECDSA over a digest of the length of the curve's own hash.
    Ecdsa,
    /// Ed25519 over the whole message, without a context (RFC 8032, section 5.1: PureEdDSA). A message has
    /// [`Capability::max_sign_message`](crate::capability::Capability::max_sign_message) bytes at the most.
    Ed25519,
    /// Ed25519ph over the message's SHA-512 digest of 64 bytes, without a context (RFC 8032, section 5.1: HashEdDSA).
    Ed25519ph,
    /// RSAES-PKCS1-v1_5 decryption.
    RsaPkcs1Decrypt,
    /// RSAES-OAEP decryption, mask of the same hash, no label.
    RsaOaep(Hash),
    /// HMAC over a message.
    Hmac(Hash),
    /// Encryption and decryption in the service's own format.
    Symmetric,
}

/// Whether a key can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyState {
    /// It can.
    Enabled,
    /// Not now.
    Disabled,
    /// It is about to be deleted; it is not shown.
    Destroying,
}

/// Who guards the private half.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protection {
    /// A hardware security module.
    Hsm,
    /// The service's software.
    Software,
    /// A key manager outside the service.
    External,
    /// The service does not say.
    Unknown,
}

/// A key as a listing tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedKey {
    /// The version's full name.
    pub name: KeyName,
    /// What people call the key: an alias, or the name that all its versions share.
    pub label: Option<String>,
    /// Which version it is, where the service numbers versions.
    pub version: Option<u64>,
    /// Whether the label means this version.
    pub is_current: bool,
}

/// A key in full, but for its public half.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// As listed.
    pub listed: ListedKey,
    /// What it is; `None` for what this version of the product does not know.
    pub spec: Option<KeySpec>,
    /// What the service calls what it is.
    pub remote_spec: String,
    /// What can be computed with it.
    pub algorithms: Vec<Algorithm>,
    /// Whether it can be used.
    pub state: KeyState,
    /// Who guards it.
    pub protection: Protection,
    /// Whether it was generated where it is, and not imported.
    pub is_local: bool,
    /// The tags that the service keeps with it.
    pub tags: BTreeMap<String, String>,
}
