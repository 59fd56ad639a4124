// SPDX-License-Identifier: MIT
//! Whether a signature that came from a service is what was asked for.
//!
//! Something between here and the service may alter answers or mix them up, and a wrong signature is noticed late, by
//! somebody else. The check costs a fraction of the request: tens of microseconds, without asking anybody.

use keyenclave_crypto::{Ed25519PublicKey, Ed25519Scheme, PublicKey, Result, RsaPublicKey};

use crate::key::Algorithm;

/// Whether `signature` is one of `input` by this key. Nothing is, of an algorithm that this kind of key does not sign with.
pub(super) fn holds(key: &PublicKey, algorithm: Algorithm, input: &[u8], signature: &[u8]) -> bool {
    check(key, algorithm, input, signature).is_some_and(|checked| checked.is_ok())
}

fn check(key: &PublicKey, algorithm: Algorithm, input: &[u8], signature: &[u8]) -> Option<Result<()>> {
    Some(match algorithm {
        Algorithm::RsaPkcs1(hash) => rsa(key)?.verify_pkcs1(hash, input, signature),
        Algorithm::RsaPkcs1Block => rsa(key)?.verify_pkcs1_raw(input, signature),
        Algorithm::RsaPss(hash) => rsa(key)?.verify_pss(hash, hash, hash.output_len(), input, signature),
        Algorithm::Ecdsa => match key {
            PublicKey::Ec(key) => key.verify(input, signature),
            _ => return None,
        },
        Algorithm::Ed25519 => ed25519(key)?.verify(Ed25519Scheme::Pure, input, signature),
        Algorithm::Ed25519ph => ed25519(key)?.verify(Ed25519Scheme::Prehashed(&[]), input, signature),
        Algorithm::RsaPkcs1Decrypt | Algorithm::RsaOaep(_) | Algorithm::Hmac(_) | Algorithm::Symmetric => {
            return None;
        }
    })
}

fn rsa(key: &PublicKey) -> Option<&RsaPublicKey> {
    match key {
        PublicKey::Rsa(key) => Some(key),
        _ => None,
    }
}

fn ed25519(key: &PublicKey) -> Option<&Ed25519PublicKey> {
    match key {
        PublicKey::Ed25519(key) => Some(key),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use keyenclave_crypto::EcPrivateKey;
    use keyenclave_model::algorithm::{Curve, Hash};

    use super::*;

    #[test]
    fn a_signature_is_none_of_an_algorithm_that_the_key_does_not_sign_with() {
        let private = EcPrivateKey::generate(Curve::P256).unwrap();
        let mut signature = [0; 64];
        private.sign(&[1; 32], &mut signature).unwrap();
        let key = PublicKey::Ec(private.public().unwrap());
        assert!(holds(&key, Algorithm::Ecdsa, &[1; 32], &signature));
        assert!(!holds(&key, Algorithm::Ecdsa, &[2; 32], &signature));
        for other in [
            Algorithm::RsaPkcs1(Hash::Sha256),
            Algorithm::RsaPkcs1Block,
            Algorithm::Ed25519,
            Algorithm::Hmac(Hash::Sha256),
            Algorithm::Symmetric,
        ] {
            assert!(!holds(&key, other, &[1; 32], &signature), "{other:?}");
        }
    }
}
