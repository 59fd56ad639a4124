// SPDX-License-Identifier: MIT
//! What becomes of a secret that two key pairs share (PKCS#11 3.2, EC mechanism parameters), and keys that are wrapped by
//! an AES key that comes with them.

use cryptoki_sys as ck;

use super::params::OaepParams;
use crate::algorithm::Hash;

/// How a key is made from a shared secret: `CK_EC_KDF_TYPE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kdf {
    /// It is the key (`CKD_NULL`).
    Null,
    /// It is hashed with a counter behind it (ANSI X9.63; SEC 1, section 3.6.1).
    X963(Hash),
    /// It is hashed with a counter in front of it (NIST SP 800-56A; SP 800-56C rev. 2, section 4.1).
    Sp800(Hash),
}

/// Every function, one row each.
const KDFS: &[(ck::CK_EC_KDF_TYPE, Kdf)] = &[
    (ck::CKD_NULL, Kdf::Null),
    (ck::CKD_SHA1_KDF, Kdf::X963(Hash::Sha1)),
    (ck::CKD_SHA224_KDF, Kdf::X963(Hash::Sha224)),
    (ck::CKD_SHA256_KDF, Kdf::X963(Hash::Sha256)),
    (ck::CKD_SHA384_KDF, Kdf::X963(Hash::Sha384)),
    (ck::CKD_SHA512_KDF, Kdf::X963(Hash::Sha512)),
    (ck::CKD_SHA3_224_KDF, Kdf::X963(Hash::Sha3_224)),
    (ck::CKD_SHA3_256_KDF, Kdf::X963(Hash::Sha3_256)),
    (ck::CKD_SHA3_384_KDF, Kdf::X963(Hash::Sha3_384)),
    (ck::CKD_SHA3_512_KDF, Kdf::X963(Hash::Sha3_512)),
    (ck::CKD_SHA1_KDF_SP800, Kdf::Sp800(Hash::Sha1)),
    (ck::CKD_SHA224_KDF_SP800, Kdf::Sp800(Hash::Sha224)),
    (ck::CKD_SHA256_KDF_SP800, Kdf::Sp800(Hash::Sha256)),
    (ck::CKD_SHA384_KDF_SP800, Kdf::Sp800(Hash::Sha384)),
    (ck::CKD_SHA512_KDF_SP800, Kdf::Sp800(Hash::Sha512)),
    (ck::CKD_SHA3_224_KDF_SP800, Kdf::Sp800(Hash::Sha3_224)),
    (ck::CKD_SHA3_256_KDF_SP800, Kdf::Sp800(Hash::Sha3_256)),
    (ck::CKD_SHA3_384_KDF_SP800, Kdf::Sp800(Hash::Sha3_384)),
    (ck::CKD_SHA3_512_KDF_SP800, Kdf::Sp800(Hash::Sha3_512)),
];

impl Kdf {
    /// The function that a `CKD_` names.
    pub fn find(number: ck::CK_EC_KDF_TYPE) -> Option<Self> {
        KDFS.iter()
            .find(|(known, _)| *known == number)
            .map(|(_, kdf)| *kdf)
    }

    /// Whether it takes data that is shared beside the secret.
    pub const fn takes_data(self) -> bool {
        !matches!(self, Self::Null)
    }
}

/// `CK_ECDH1_DERIVE_PARAMS`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EcdhParams {
    /// What becomes of the secret.
    pub kdf: Kdf,
    /// What both sides know beside it.
    pub shared: Vec<u8>,
    /// The other side's public key: a point, bare or as a DER OCTET STRING.
    pub public: Vec<u8>,
}

impl EcdhParams {
    pub(super) fn fits(&self) -> bool {
        (self.kdf.takes_data() || self.shared.is_empty()) && !self.public.is_empty()
    }
}

/// `CK_ECDH_AES_KEY_WRAP_PARAMS`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EcdhAesParams {
    /// The AES key, in bytes.
    pub key_len: usize,
    /// How it is made of the shared secret.
    pub kdf: Kdf,
    /// What both sides know beside it.
    pub shared: Vec<u8>,
}

impl EcdhAesParams {
    pub(super) fn fits(&self) -> bool {
        is_aes(self.key_len) && (self.kdf.takes_data() || self.shared.is_empty())
    }
}

/// `CK_RSA_AES_KEY_WRAP_PARAMS`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RsaAesParams {
    /// The AES key, in bytes.
    pub key_len: usize,
    /// How it is encrypted.
    pub oaep: OaepParams,
}

impl RsaAesParams {
    pub(super) fn fits(&self) -> bool {
        is_aes(self.key_len)
    }
}

const fn is_aes(len: usize) -> bool {
    matches!(len, 16 | 24 | 32)
}
