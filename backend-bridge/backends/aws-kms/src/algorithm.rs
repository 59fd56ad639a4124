// SPDX-License-Identifier: MIT
//! AWS's words for keys and algorithms, and ours: one row a pair, read in both directions.
//!
//! What is not here (key agreement, ML-DSA, ML-KEM, SM2) is kept as AWS's word and has no algorithms.

use aws_sdk_kms::types::{
    EncryptionAlgorithmSpec, KeyMetadata, KeySpec as RemoteSpec, KeyUsageType, MacAlgorithmSpec, MessageType,
    SigningAlgorithmSpec,
};
use keyenclave_bridge::call::Usage;
use keyenclave_bridge::key::{Algorithm, KeySpec};
use keyenclave_model::algorithm::{Curve, Hash};

/// What keys are.
pub(crate) static SPECS: &[(KeySpec, RemoteSpec)] = &[
    (KeySpec::Rsa(2048), RemoteSpec::Rsa2048),
    (KeySpec::Rsa(3072), RemoteSpec::Rsa3072),
    (KeySpec::Rsa(4096), RemoteSpec::Rsa4096),
    (KeySpec::Ec(Curve::P256), RemoteSpec::EccNistP256),
    (KeySpec::Ec(Curve::P384), RemoteSpec::EccNistP384),
    (KeySpec::Ec(Curve::P521), RemoteSpec::EccNistP521),
    (KeySpec::Ec(Curve::Secp256k1), RemoteSpec::EccSecgP256K1),
    (KeySpec::Ed25519, RemoteSpec::EccNistEdwards25519),
    (KeySpec::Hmac(Hash::Sha224), RemoteSpec::Hmac224),
    (KeySpec::Hmac(Hash::Sha256), RemoteSpec::Hmac256),
    (KeySpec::Hmac(Hash::Sha384), RemoteSpec::Hmac384),
    (KeySpec::Hmac(Hash::Sha512), RemoteSpec::Hmac512),
    (KeySpec::Symmetric, RemoteSpec::SymmetricDefault),
];

/// A way of signing: ours, the length of what is signed in bytes (`None`: a message), AWS's.
pub(crate) type SigningRow = (Algorithm, Option<usize>, SigningAlgorithmSpec);

/// What keys sign with. ECDSA is told apart by the length of the digest, which the curve decides.
pub(crate) static SIGNING: &[SigningRow] = &[
    (
        Algorithm::RsaPkcs1(Hash::Sha256),
        Some(32),
        SigningAlgorithmSpec::RsassaPkcs1V15Sha256,
    ),
    (
        Algorithm::RsaPkcs1(Hash::Sha384),
        Some(48),
        SigningAlgorithmSpec::RsassaPkcs1V15Sha384,
    ),
    (
        Algorithm::RsaPkcs1(Hash::Sha512),
        Some(64),
        SigningAlgorithmSpec::RsassaPkcs1V15Sha512,
    ),
    (
        Algorithm::RsaPss(Hash::Sha256),
        Some(32),
        SigningAlgorithmSpec::RsassaPssSha256,
    ),
    (
        Algorithm::RsaPss(Hash::Sha384),
        Some(48),
        SigningAlgorithmSpec::RsassaPssSha384,
    ),
    (
        Algorithm::RsaPss(Hash::Sha512),
        Some(64),
        SigningAlgorithmSpec::RsassaPssSha512,
    ),
    (Algorithm::Ecdsa, Some(32), SigningAlgorithmSpec::EcdsaSha256),
    (Algorithm::Ecdsa, Some(48), SigningAlgorithmSpec::EcdsaSha384),
    (Algorithm::Ecdsa, Some(64), SigningAlgorithmSpec::EcdsaSha512),
    (Algorithm::Ed25519, None, SigningAlgorithmSpec::Ed25519Sha512),
    (
        Algorithm::Ed25519ph,
        Some(64),
        SigningAlgorithmSpec::Ed25519PhSha512,
    ),
];

/// What keys encrypt and decrypt with.
pub(crate) static ENCRYPTION: &[(Algorithm, EncryptionAlgorithmSpec)] = &[
    (
        Algorithm::RsaOaep(Hash::Sha1),
        EncryptionAlgorithmSpec::RsaesOaepSha1,
    ),
    (
        Algorithm::RsaOaep(Hash::Sha256),
        EncryptionAlgorithmSpec::RsaesOaepSha256,
    ),
    (Algorithm::Symmetric, EncryptionAlgorithmSpec::SymmetricDefault),
];

/// What keys authenticate with: ours, the hash whose length the code has, AWS's.
pub(crate) static MAC: &[(Algorithm, Hash, MacAlgorithmSpec)] = &[
    (
        Algorithm::Hmac(Hash::Sha224),
        Hash::Sha224,
        MacAlgorithmSpec::HmacSha224,
    ),
    (
        Algorithm::Hmac(Hash::Sha256),
        Hash::Sha256,
        MacAlgorithmSpec::HmacSha256,
    ),
    (
        Algorithm::Hmac(Hash::Sha384),
        Hash::Sha384,
        MacAlgorithmSpec::HmacSha384,
    ),
    (
        Algorithm::Hmac(Hash::Sha512),
        Hash::Sha512,
        MacAlgorithmSpec::HmacSha512,
    ),
];

/// What a key is, in our words.
pub(crate) fn spec(remote: &str) -> Option<KeySpec> {
    SPECS.iter().find(|row| row.1.as_str() == remote).map(|row| row.0)
}

/// What a key shall be, in AWS's words.
pub(crate) fn remote_spec(spec: KeySpec) -> Option<&'static RemoteSpec> {
    SPECS.iter().find(|row| row.0 == spec).map(|row| &row.1)
}

/// What a key of ours shall be good for, in AWS's words; `None` for what does not go together.
pub(crate) fn remote_usage(spec: KeySpec, usage: Usage) -> Option<KeyUsageType> {
    match (spec, usage) {
        (KeySpec::Rsa(_) | KeySpec::Ec(_) | KeySpec::Ed25519, Usage::Sign) => Some(KeyUsageType::SignVerify),
        (KeySpec::Rsa(_), Usage::Decrypt) => Some(KeyUsageType::EncryptDecrypt),
        (KeySpec::Symmetric, Usage::Sign | Usage::Decrypt) => Some(KeyUsageType::EncryptDecrypt),
        (KeySpec::Hmac(_), Usage::Sign) => Some(KeyUsageType::GenerateVerifyMac),
        _ => None,
    }
}

/// The way of signing that takes so many bytes.
pub(crate) fn signing(algorithm: Algorithm, len: usize) -> Option<&'static SigningRow> {
    SIGNING
        .iter()
        .find(|row| row.0 == algorithm && row.1.is_none_or(|wanted| wanted == len))
}

/// Whether AWS is given a message or a digest. What is hashed at all is hashed here, except where the algorithm
/// itself hashes the message twice.
pub(crate) fn message_type(row: &SigningRow) -> MessageType {
    match row.1 {
        Some(_) => MessageType::Digest,
        None => MessageType::Raw,
    }
}

/// The way of encrypting and decrypting.
pub(crate) fn encryption(algorithm: Algorithm) -> Option<&'static EncryptionAlgorithmSpec> {
    ENCRYPTION.iter().find(|row| row.0 == algorithm).map(|row| &row.1)
}

/// The way of authenticating, and the length of the code in bytes.
pub(crate) fn mac(algorithm: Algorithm) -> Option<(&'static MacAlgorithmSpec, usize)> {
    MAC.iter()
        .find(|row| row.0 == algorithm)
        .map(|row| (&row.2, row.1.output_len()))
}

/// What a key computes, by AWS's own account of it.
pub(crate) fn algorithms(metadata: &KeyMetadata) -> Vec<Algorithm> {
    let signing = SIGNING
        .iter()
        .filter(|row| metadata.signing_algorithms().contains(&row.2))
        .map(|row| row.0);
    let encryption = ENCRYPTION
        .iter()
        .filter(|row| metadata.encryption_algorithms().contains(&row.1))
        .map(|row| row.0);
    let mac = MAC
        .iter()
        .filter(|row| metadata.mac_algorithms().contains(&row.2))
        .map(|row| row.0);
    signing.chain(encryption).chain(mac).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_row_is_found_from_both_sides() {
        for (ours, theirs) in SPECS {
            assert_eq!(spec(theirs.as_str()), Some(*ours));
            assert_eq!(remote_spec(*ours), Some(theirs));
        }
        for row in SIGNING {
            assert_eq!(signing(row.0, row.1.unwrap_or(100)), Some(row));
        }
        for (ours, theirs) in ENCRYPTION {
            assert_eq!(encryption(*ours), Some(theirs));
        }
        for (ours, hash, theirs) in MAC {
            assert_eq!(mac(*ours), Some((theirs, hash.output_len())));
            assert_eq!(*ours, Algorithm::Hmac(*hash));
        }
        let words: BTreeSet<_> = SIGNING.iter().map(|row| row.2.as_str()).collect();
        assert_eq!(words.len(), SIGNING.len());
    }

    /// What the SDK knows and the tables do not is named here, so that a new word is noticed.
    #[test]
    fn no_word_of_the_sdk_is_left_out_unknowingly() {
        let later = [
            "ML_DSA_44",
            "ML_DSA_65",
            "ML_DSA_87",
            "ML_KEM_512",
            "ML_KEM_768",
            "ML_KEM_1024",
            "SM2",
            "ML_DSA_SHAKE_256",
            "SM2DSA",
            "SM2PKE",
        ];
        let known = SPECS.iter().map(|row| row.1.as_str());
        let known = known.chain(SIGNING.iter().map(|row| row.2.as_str()));
        let known = known.chain(ENCRYPTION.iter().map(|row| row.1.as_str()));
        let known: BTreeSet<_> = known
            .chain(MAC.iter().map(|row| row.2.as_str()))
            .chain(later)
            .collect();
        let sdk = RemoteSpec::values().iter().chain(SigningAlgorithmSpec::values());
        let sdk = sdk
            .chain(EncryptionAlgorithmSpec::values())
            .chain(MacAlgorithmSpec::values());
        let sdk: BTreeSet<_> = sdk.copied().collect();
        assert_eq!(known, sdk);
    }

    #[test]
    fn a_digest_has_the_length_that_the_algorithm_says() {
        assert_eq!(signing(Algorithm::RsaPkcs1(Hash::Sha256), 31), None);
        assert_eq!(signing(Algorithm::Ecdsa, 20), None);
        let pure = signing(Algorithm::Ed25519, 5).map(message_type);
        let hashed = signing(Algorithm::Ed25519ph, 64).map(message_type);
        assert_eq!(
            (pure, hashed),
            (Some(MessageType::Raw), Some(MessageType::Digest))
        );
    }

    #[test]
    fn an_unknown_word_is_no_spec_of_ours() {
        assert_eq!(spec("ML_DSA_65"), None);
        assert_eq!(spec("RSA_8192"), None);
    }
}
