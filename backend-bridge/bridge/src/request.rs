// SPDX-License-Identifier: MIT
//! The parameters of the calls, and the answers that are more than one value. No `Debug` where there may be a secret.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use crate::key::{Algorithm, KeyName, KeySpec, ListedKey};

/// For [`Backend::list`](crate::call::Backend::list).
pub struct ListKeys {
    /// Where the last page ended; `None` for the first one.
    pub page: Option<PageToken>,
}

/// Where a page ended, in the service's own words.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PageToken(pub String);

/// One page of a listing.
#[derive(Clone, Debug)]
pub struct KeyPage {
    /// The keys of this page.
    pub keys: Vec<ListedKey>,
    /// Where to go on; `None` at the end.
    pub next: Option<PageToken>,
}

/// For [`Backend::describe`](crate::call::Backend::describe).
pub struct DescribeKey {
    /// Which key.
    pub key: KeyName,
}

/// For [`Backend::public_key`](crate::call::Backend::public_key).
pub struct FetchPublicKey {
    /// Which key.
    pub key: KeyName,
}

/// For [`Backend::sign`](crate::call::Backend::sign).
pub struct SignDigest {
    /// With which key.
    pub key: KeyName,
    /// How.
    pub algorithm: Algorithm,
    /// What: a digest, a block for `RsaPkcs1Block`, the whole message for `Ed25519`.
    pub digest: Vec<u8>,
}

/// For [`Backend::decrypt`](crate::call::Backend::decrypt).
pub struct DecryptData {
    /// With which key.
    pub key: KeyName,
    /// How.
    pub algorithm: Algorithm,
    /// What.
    pub ciphertext: Vec<u8>,
}

/// For [`Backend::encrypt`](crate::call::Backend::encrypt).
pub struct EncryptData {
    /// With which key.
    pub key: KeyName,
    /// What.
    pub plaintext: Zeroizing<Vec<u8>>,
}

/// For [`Backend::mac`](crate::call::Backend::mac).
pub struct MacMessage {
    /// With which key.
    pub key: KeyName,
    /// How.
    pub algorithm: Algorithm,
    /// What.
    pub message: Zeroizing<Vec<u8>>,
}

/// For [`Backend::derive`](crate::call::Backend::derive).
pub struct DeriveSecret {
    /// With which key.
    pub key: KeyName,
    /// The other side's public key, a DER `SubjectPublicKeyInfo`.
    pub peer: Vec<u8>,
}

/// For [`Backend::import`](crate::call::Backend::import).
pub struct ImportKey {
    /// What it is.
    pub spec: KeySpec,
    /// What people shall call it.
    pub label: Option<String>,
    /// The key: PKCS #8 DER for pairs, the bytes for secrets.
    pub material: Zeroizing<Vec<u8>>,
}

/// For [`Backend::generate`](crate::call::Backend::generate).
pub struct GenerateKey {
    /// What it shall be.
    pub spec: KeySpec,
    /// What it shall be good for.
    pub usage: Usage,
    /// What people shall call it.
    pub label: Option<String>,
    /// Tags that it shall have.
    pub tags: BTreeMap<String, String>,
}

/// What a new key shall be good for. Services give a key one use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Usage {
    /// Signatures, or message authentication codes.
    Sign,
    /// Decryption.
    Decrypt,
    /// Key agreement.
    Derive,
}

/// For [`Backend::destroy`](crate::call::Backend::destroy).
pub struct DestroyKey {
    /// Which key.
    pub key: KeyName,
}

/// For [`Backend::rotate`](crate::call::Backend::rotate).
pub struct RotateKey {
    /// Any version of the key.
    pub key: KeyName,
}

/// For [`Backend::update`](crate::call::Backend::update).
pub struct UpdateKey {
    /// Which key.
    pub key: KeyName,
    /// What people shall call it; `None` leaves it.
    pub label: Option<String>,
    /// Tags that are set; `None` takes one away.
    pub tags: BTreeMap<String, Option<String>>,
}

/// For [`Backend::random`](crate::call::Backend::random).
pub struct RandomBytes {
    /// How many.
    pub len: usize,
}

/// For [`Backend::health`](crate::call::Backend::health).
pub struct CheckHealth;
