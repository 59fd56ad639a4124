// SPDX-License-Identifier: MIT
//! Whether a signature that came from a service is what was asked for.
//!
//! Something between here and the service may alter answers or mix them up, and a wrong signature is noticed late, by
//! somebody else. The check costs a fraction of the request: tens of microseconds, without asking anybody.

use keyenclave_crypto::{Ed25519Scheme, PublicKey, Result};

use crate::key::Algorithm;

/// Whether `signature` is one of `input` by this key. What we have no word for is not held against the service.
pub(super) fn holds(key: &PublicKey, algorithm: Algorithm, input: &[u8], signature: &[u8]) -> bool {
    check(key, algorithm, input, signature).is_none_or(|checked| checked.is_ok())
}

fn check(key: &PublicKey, algorithm: Algorithm, input: &[u8], signature: &[u8]) -> Option<Result<()>> {
    Some(match (key, algorithm) {
        (PublicKey::Rsa(key), Algorithm::RsaPkcs1(hash)) => key.verify_pkcs1(hash, input, signature),
        (PublicKey::Rsa(key), Algorithm::RsaPkcs1Block) => key.verify_pkcs1_raw(input, signature),
        (PublicKey::Rsa(key), Algorithm::RsaPss(hash)) => {
            key.verify_pss(hash, hash, hash.output_len(), input, signature)
        }
        (PublicKey::Ec(key), Algorithm::Ecdsa) => key.verify(input, signature),
        (PublicKey::Ed25519(key), Algorithm::Ed25519) => key.verify(Ed25519Scheme::Pure, input, signature),
        (PublicKey::Ed25519(key), Algorithm::Ed25519ph) => {
            key.verify(Ed25519Scheme::Prehashed(&[]), input, signature)
        }
        _ => return None,
    })
}
