// SPDX-License-Identifier: MIT
//! Cases about Ed25519, the one signature that a service may have to be given the whole message for.

use std::future::Future;

use keyenclave_crypto::{Ed25519PublicKey, Ed25519Scheme, PublicKey, digest};
use keyenclave_model::algorithm::Hash;

use super::crypto::public_key;
use super::{Failure, Outcome, Service, Usage, Verdict, ask, ensure, passed, with_key};
use crate::call::SignDigest;
use crate::error::ErrorKind;
use crate::key::{Algorithm, KeyInfo, KeyName, KeySpec};

pub(super) async fn an_ed25519_signature_verifies_whatever_the_length_of_the_message(
    service: &dyn Service,
) -> Outcome {
    with_ed25519(service, Algorithm::Ed25519, async |name, public| {
        let most = service.capability().max_sign_message;
        for len in [1, 32, 64, most] {
            let message = vec![0x5a; len];
            let signature = signed(service, &name, Algorithm::Ed25519, &message).await?;
            public.verify(Ed25519Scheme::Pure, &message, &signature)?;
        }
        passed()
    })
    .await
}

pub(super) async fn an_ed25519ph_signature_is_over_the_digest(service: &dyn Service) -> Outcome {
    with_ed25519(service, Algorithm::Ed25519ph, async |name, public| {
        let digest = digest(Hash::Sha512, b"message");
        let signature = signed(service, &name, Algorithm::Ed25519ph, &digest).await?;
        public.verify(Ed25519Scheme::Prehashed(&[]), &digest, &signature)?;
        let short = digest.get(..63).unwrap_or_default();
        let kind = signed(service, &name, Algorithm::Ed25519ph, short)
            .await
            .err()
            .map(|error| error.kind());
        ensure(
            kind == Some(ErrorKind::BadInput),
            format!("a short digest is {kind:?}"),
        )?;
        passed()
    })
    .await
}

pub(super) async fn a_message_of_more_than_the_limit_is_bad_input(service: &dyn Service) -> Outcome {
    with_ed25519(service, Algorithm::Ed25519, async |name, _| {
        let long = vec![1; service.capability().max_sign_message.saturating_add(1)];
        let kind = signed(service, &name, Algorithm::Ed25519, &long)
            .await
            .err()
            .map(|error| error.kind());
        ensure(kind == Some(ErrorKind::BadInput), format!("it is {kind:?}"))?;
        passed()
    })
    .await
}

/// Tries a case with a new Ed25519 key, if the service computes the algorithm.
async fn with_ed25519<F: Future<Output = Outcome> + Send>(
    service: &dyn Service,
    algorithm: Algorithm,
    case: impl FnOnce(KeyName, Ed25519PublicKey) -> F + Send,
) -> Outcome {
    if !service.capability().computes(algorithm) {
        return Ok(Verdict::Skipped(format!(
            "the backend does not compute {algorithm:?}"
        )));
    }
    with_key(service, KeySpec::Ed25519, Usage::Sign, async |info: KeyInfo| {
        let name = info.listed.name;
        let PublicKey::Ed25519(public) = public_key(service, &name).await? else {
            return Err(Failure::new("the public key is not an Ed25519 key"));
        };
        case(name, public).await
    })
    .await
}

async fn signed(
    service: &dyn Service,
    key: &KeyName,
    algorithm: Algorithm,
    digest: &[u8],
) -> crate::error::Result<Vec<u8>> {
    let call = SignDigest {
        key: key.clone(),
        algorithm,
        digest: digest.to_vec(),
    };
    ask(service, call).await
}
