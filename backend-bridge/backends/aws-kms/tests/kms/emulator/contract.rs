// SPDX-License-Identifier: MIT
//! The contract against the emulator, and against the real service where the environment says so.

use keyenclave_aws_kms::{AwsKms, AwsOptions};
use keyenclave_bridge::contract::{self, Verdict};
use keyenclave_conformance::case::skipped;
use keyenclave_conformance::cloud::{Ministack, Proxy};

use crate::{options, run};

/// What the emulator does not do as AWS does.
const GAPS: &[(&str, &str)] = &[
    (
        "an_ed25519ph_signature_is_over_the_digest",
        "the emulator has no Ed25519ph",
    ),
    (
        "a_ciphertext_of_another_key_is_bad_input",
        "the emulator does not authenticate ciphertexts",
    ),
];

#[test]
fn the_emulator_keeps_the_contract() {
    Ministack::in_own_process(|ministack| {
        let proxy = Proxy::before(ministack);
        let kms = AwsKms::new(AwsOptions {
            page_size: 5,
            ..options(proxy.url())
        });
        let (mut results, mut gaps) = (run(contract::run(&kms)), GAPS.to_vec());
        for (name, result) in &mut results {
            let Some(place) = gaps.iter().position(|(gap, _)| gap == name) else {
                continue;
            };
            assert!(result.is_err(), "{name} passes now: it is no gap any more");
            *result = Ok(Verdict::Skipped(gaps.remove(place).1.to_owned()));
        }
        assert_eq!(gaps, [], "these are no cases");
        contract::summary(&results).unwrap();
    });
}

#[test]
fn the_real_service_keeps_the_contract() {
    const NAME: &str = "emulator::contract::the_real_service_keeps_the_contract";
    if std::env::var("KEYENCLAVE_TEST_AWS").as_deref() != Ok("1") {
        return skipped(
            NAME,
            "KEYENCLAVE_TEST_AWS is not 1: it makes keys and costs money",
        );
    }
    let kms = AwsKms::new(AwsOptions {
        page_size: 5,
        deletion_days: 7,
        ..AwsOptions::default()
    });
    let results = run(contract::run(&kms));
    contract::summary(&results).unwrap();
}
