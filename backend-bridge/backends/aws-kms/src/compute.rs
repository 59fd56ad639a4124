// SPDX-License-Identifier: MIT
//! What is computed with keys. Every answer is held against the question: the key, and the length.

use aws_sdk_kms::primitives::Blob;
use keyenclave_bridge::call::{
    CallKind, DecryptData, EncryptData, FetchPublicKey, MacMessage, RandomBytes, SignDigest,
};
use keyenclave_bridge::digest::ecdsa_from_der;
use keyenclave_bridge::error::{Error, Result, Sent};
use keyenclave_bridge::key::Algorithm;
use keyenclave_model::algorithm::Curve;
use zeroize::Zeroizing;

use crate::{AwsKms, MAX_MESSAGE, algorithm, key};

/// So many random bytes come with one request.
const RANDOM: usize = 1024;
/// The lengths of RSA keys, and so of their signatures, in bytes.
const RSA: &[usize] = &[256, 384, 512];
/// The length of an Ed25519 signature, in bytes (RFC 8032, section 5.1.6).
const ED25519: usize = 64;

impl AwsKms {
    pub(crate) async fn public_half(&self, call: &FetchPublicKey) -> Result<Vec<u8>> {
        let name = call.key.as_str();
        let request = self.ask(CallKind::PublicKey, |kms| {
            kms.get_public_key().key_id(name).send()
        });
        let answer = request.await?;
        key::check(CallKind::PublicKey, &call.key, answer.key_id())?;
        bytes(CallKind::PublicKey, answer.public_key)
    }

    pub(crate) async fn signature(&self, call: &SignDigest) -> Result<Vec<u8>> {
        let row = algorithm::signing(call.algorithm, call.digest.len()).ok_or_else(|| {
            let what = format!("{:?} does not sign {} bytes", call.algorithm, call.digest.len());
            Error::bad_input(CallKind::Sign, Sent::No, what)
        })?;
        if row.1.is_none() {
            check_length(CallKind::Sign, call.digest.len())?;
        }
        let request = self.ask(CallKind::Sign, |kms| {
            kms.sign()
                .key_id(call.key.as_str())
                .message(Blob::new(call.digest.as_slice()))
                .message_type(algorithm::message_type(row))
                .signing_algorithm(row.2.clone())
                .send()
        });
        let answer = request.await?;
        key::check(CallKind::Sign, &call.key, answer.key_id())?;
        let signature = bytes(CallKind::Sign, answer.signature)?;
        in_form(call.algorithm, call.digest.len(), signature)
            .ok_or_else(|| Error::integrity(CallKind::Sign, Sent::Maybe, "the answer is no such signature"))
    }

    pub(crate) async fn plaintext(&self, call: &DecryptData) -> Result<Zeroizing<Vec<u8>>> {
        let algorithm = algorithm::encryption(call.algorithm)
            .ok_or_else(|| not_computed(CallKind::Decrypt, call.algorithm))?;
        let request = self.ask(CallKind::Decrypt, |kms| {
            kms.decrypt()
                .key_id(call.key.as_str())
                .ciphertext_blob(Blob::new(call.ciphertext.as_slice()))
                .encryption_algorithm(algorithm.clone())
                .send()
        });
        let mut answer = request.await?;
        let plaintext = answer
            .plaintext
            .take()
            .map(|blob| Zeroizing::new(blob.into_inner()));
        key::check(CallKind::Decrypt, &call.key, answer.key_id())?;
        plaintext.ok_or_else(|| empty(CallKind::Decrypt))
    }

    pub(crate) async fn ciphertext(&self, call: &EncryptData) -> Result<Vec<u8>> {
        let algorithm = algorithm::encryption(Algorithm::Symmetric)
            .ok_or_else(|| not_computed(CallKind::Encrypt, Algorithm::Symmetric))?;
        let request = self.ask(CallKind::Encrypt, |kms| {
            kms.encrypt()
                .key_id(call.key.as_str())
                .plaintext(Blob::new(call.plaintext.as_slice()))
                .encryption_algorithm(algorithm.clone())
                .send()
        });
        let answer = request.await?;
        key::check(CallKind::Encrypt, &call.key, answer.key_id())?;
        bytes(CallKind::Encrypt, answer.ciphertext_blob)
    }

    pub(crate) async fn code(&self, call: &MacMessage) -> Result<Vec<u8>> {
        let (algorithm, len) =
            algorithm::mac(call.algorithm).ok_or_else(|| not_computed(CallKind::Mac, call.algorithm))?;
        check_length(CallKind::Mac, call.message.len())?;
        let request = self.ask(CallKind::Mac, |kms| {
            kms.generate_mac()
                .key_id(call.key.as_str())
                .message(Blob::new(call.message.as_slice()))
                .mac_algorithm(algorithm.clone())
                .send()
        });
        let answer = request.await?;
        key::check(CallKind::Mac, &call.key, answer.key_id())?;
        let code = bytes(CallKind::Mac, answer.mac)?;
        match code.len() == len {
            true => Ok(code),
            false => Err(wrong_length(CallKind::Mac, code.len(), len)),
        }
    }

    pub(crate) async fn random_bytes(&self, call: &RandomBytes) -> Result<Zeroizing<Vec<u8>>> {
        // Reserved at once, so that no half of it stays behind in memory.
        let mut all = Zeroizing::new(Vec::with_capacity(call.len));
        while all.len() < call.len {
            let wanted = (call.len - all.len()).min(RANDOM);
            let number = i32::try_from(wanted).unwrap_or(i32::MAX);
            let request = self.ask(CallKind::Random, |kms| {
                kms.generate_random().number_of_bytes(number).send()
            });
            let some = Zeroizing::new(bytes(CallKind::Random, request.await?.plaintext)?);
            if some.len() != wanted {
                return Err(wrong_length(CallKind::Random, some.len(), wanted));
            }
            all.extend_from_slice(&some);
        }
        Ok(all)
    }
}

/// A signature as the bridge has it; `None` for what cannot be one.
fn in_form(algorithm: Algorithm, digest: usize, signature: Vec<u8>) -> Option<Vec<u8>> {
    match algorithm {
        Algorithm::Ecdsa => {
            let curve = match digest {
                32 => Curve::P256,
                48 => Curve::P384,
                _ => Curve::P521,
            };
            ecdsa_from_der(curve, &signature)
        }
        Algorithm::Ed25519 | Algorithm::Ed25519ph => (signature.len() == ED25519).then_some(signature),
        _ => RSA.contains(&signature.len()).then_some(signature),
    }
}

/// AWS refuses longer messages too; whether emulators do is their affair.
fn check_length(call: CallKind, len: usize) -> Result<()> {
    match len <= MAX_MESSAGE {
        true => Ok(()),
        false => {
            let what = format!("a message has {MAX_MESSAGE} bytes at the most");
            Err(Error::bad_input(call, Sent::No, what))
        }
    }
}

fn bytes(call: CallKind, blob: Option<Blob>) -> Result<Vec<u8>> {
    let bytes = blob.map(Blob::into_inner).filter(|bytes| !bytes.is_empty());
    bytes.ok_or_else(|| empty(call))
}

fn empty(call: CallKind) -> Error {
    Error::integrity(call, Sent::Maybe, "the answer is empty")
}

fn wrong_length(call: CallKind, len: usize, wanted: usize) -> Error {
    let what = format!("the answer has {len} bytes in place of {wanted}");
    Error::integrity(call, Sent::Maybe, what)
}

fn not_computed(call: CallKind, algorithm: Algorithm) -> Error {
    Error::unsupported(call, Sent::No, format!("AWS KMS does not compute {algorithm:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_of_a_wrong_length_are_none() {
        use keyenclave_model::algorithm::Hash;
        let rsa = |len| in_form(Algorithm::RsaPss(Hash::Sha256), 32, vec![1; len]);
        assert!(rsa(256).is_some() && rsa(255).is_none() && rsa(0).is_none());
        let ed = |len| in_form(Algorithm::Ed25519, 5, vec![1; len]);
        assert!(ed(64).is_some() && ed(63).is_none());
    }

    #[test]
    fn ecdsa_has_the_length_of_the_field_for_every_curve() {
        let der = [0x30, 6, 2, 1, 1, 2, 1, 2];
        for (digest, len) in [(32, 64), (48, 96), (64, 132)] {
            let signature = in_form(Algorithm::Ecdsa, digest, der.to_vec());
            assert_eq!(signature.map(|signature| signature.len()), Some(len));
        }
        assert_eq!(in_form(Algorithm::Ecdsa, 32, vec![0x30, 0]), None);
    }
}
