// SPDX-License-Identifier: MIT
//! The cases, named by what they hold a service to.

mod crypto;
mod ed25519;
mod keys;
mod rules;

use std::collections::BTreeMap;
use std::future::Future;

use keyenclave_model::algorithm::{Curve, Hash};

use super::{Case, Failure, Trial, Verdict};
use crate::call::{CallKind, DestroyKey, GenerateKey, Service, Usage, ask};
use crate::digest::curve_hash;
use crate::key::{Algorithm, KeyInfo, KeySpec};

type Outcome = Result<Verdict, Failure>;

macro_rules! cases {
    ($($file:ident::$name:ident: [$($call:ident)*];)*) => {
        /// Every case.
        pub const CASES: &[Case] = &[$(Case {
            name: stringify!($name),
            calls: &[$(CallKind::$call),*],
            run: |service| -> Trial<'_> { Box::pin($file::$name(service)) },
        },)*];
    };
}

cases! {
    keys::a_listing_gives_every_key_once_over_three_pages_or_more: [List Generate Destroy];
    keys::a_key_that_is_not_there_is_not_found: [Describe Generate Destroy];
    keys::a_description_tells_what_was_asked_for: [Describe Generate Destroy];
    crypto::an_rsa_signature_verifies_with_the_public_key: [PublicKey Sign Generate Destroy];
    crypto::an_ecdsa_signature_has_fixed_length_and_verifies: [PublicKey Sign Generate Destroy];
    ed25519::an_ed25519_signature_verifies_whatever_the_length_of_the_message: [PublicKey Sign Generate Destroy];
    ed25519::an_ed25519ph_signature_is_over_the_digest: [PublicKey Sign Generate Destroy];
    ed25519::a_message_of_more_than_the_limit_is_bad_input: [Sign Generate Destroy];
    crypto::a_digest_of_another_length_is_bad_input: [Sign Generate Destroy];
    crypto::what_was_encrypted_to_the_public_key_comes_back: [PublicKey Decrypt Generate Destroy];
    crypto::a_damaged_ciphertext_is_bad_input: [Decrypt Generate Destroy];
    crypto::what_was_encrypted_by_the_service_comes_back: [Encrypt Decrypt Generate Destroy];
    crypto::a_ciphertext_of_another_key_is_bad_input: [Encrypt Decrypt Generate Destroy];
    crypto::a_mac_depends_on_the_message_alone: [Mac Generate Destroy];
    keys::one_generation_makes_one_key: [List Generate Destroy];
    keys::a_destroyed_key_cannot_be_used_and_can_be_destroyed_again: [Sign Generate Destroy];
    keys::a_rotated_key_keeps_its_old_version: [Rotate Sign Describe Generate Destroy];
    keys::an_update_changes_what_it_names_and_nothing_else: [Update Describe Generate Destroy];
    crypto::random_bytes_are_as_many_as_asked_for: [Random];
    rules::a_health_check_succeeds: [Health];
    rules::what_is_not_advertised_is_refused: [];
    rules::a_call_may_be_abandoned_at_every_await: [Sign Generate Destroy];
}

fn ensure(holds: bool, otherwise: impl Into<String>) -> Result<(), Failure> {
    if holds {
        Ok(())
    } else {
        Err(Failure::new(otherwise))
    }
}

fn passed() -> Outcome {
    Ok(Verdict::Passed)
}

/// A key that is destroyed after the case, whatever comes of it.
async fn with_key<F: Future<Output = Outcome> + Send>(
    service: &dyn Service,
    spec: KeySpec,
    usage: Usage,
    case: impl FnOnce(KeyInfo) -> F + Send,
) -> Outcome {
    if !service.capability().generates.contains(&spec) {
        return Ok(Verdict::Skipped(format!(
            "the backend does not make {spec:?} keys"
        )));
    }
    let key = generate(service, spec, usage, None).await?;
    let name = key.listed.name.clone();
    let outcome = case(key).await;
    ask(service, DestroyKey { key: name }).await?;
    outcome
}

async fn generate(
    service: &dyn Service,
    spec: KeySpec,
    usage: Usage,
    label: Option<String>,
) -> Result<KeyInfo, Failure> {
    Ok(ask(
        service,
        GenerateKey {
            spec,
            usage,
            label,
            tags: BTreeMap::new(),
        },
    )
    .await?)
}

/// The cheapest key that signs, and how.
fn signing(service: &dyn Service) -> Option<(KeySpec, Algorithm, usize)> {
    let offered = service.capability();
    let ec = KeySpec::Ec(Curve::P256);
    if offered.generates.contains(&ec) && offered.computes(Algorithm::Ecdsa) {
        return Some((ec, Algorithm::Ecdsa, curve_hash(Curve::P256).output_len()));
    }
    let (rsa, algorithm) = (KeySpec::Rsa(2048), Algorithm::RsaPkcs1(Hash::Sha256));
    (offered.generates.contains(&rsa) && offered.computes(algorithm)).then_some((rsa, algorithm, 32))
}

fn no_signing() -> Outcome {
    Ok(Verdict::Skipped("the backend makes no key that signs".to_owned()))
}
