// SPDX-License-Identifier: MIT
//! An endpoint that answers with another key's public key: the key that was asked for is left out of searches, which
//! is logged, and the others are found.

use crate::slot::{Aws, case};
use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::case::{as_part, finish, part};
use keyenclave_conformance::cloud::{Fault, Lie, Ministack, On};
use keyenclave_conformance::token::{RW, THREADS};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// What comes before the name of the key in the line that the part prints.
const TOLD: &str = "the endpoint lied about ";

/// Searches while the endpoint lies once, and once more when it does not.
fn lied_to(ministack: &Ministack) {
    let aws = Aws::new(ministack);
    let keys = ["one", "two", "three"].map(|label| (label, aws.elsewhere(label)));
    aws.proxy
        .fault(On::the("GetPublicKey").call(1), Fault::Lying(Lie::OtherKey));
    let s = aws.session(RW);
    assert_eq!(aws.find(s, &[]).unwrap().len(), 4, "both halves of two keys");
    assert_eq!(
        aws.proxy.counts().of("GetPublicKey"),
        3,
        "a lie is not asked for again"
    );
    let (found, left_out): (Vec<_>, Vec<_>) = keys
        .iter()
        .partition(|(label, _)| !aws.found(s, CKO_PRIVATE_KEY, label).unwrap().is_empty());
    for (label, _) in &found {
        let (private, public) = aws.pair(s, label);
        let signature = aws.sign(s, CKM_ECDSA_SHA256, private, b"data").unwrap();
        assert_eq!(
            aws.check(s, CKM_ECDSA_SHA256, public, b"data", &signature),
            Rv::OK
        );
    }
    assert_eq!((found.len(), left_out.len()), (2, 1));
    println!("\n{TOLD}{}", left_out[0].1.arn);
    // The key is as good as it was: whoever asks anew finds it.
    assert_eq!((aws.finalize(false), aws.initialize(THREADS)), (Rv::OK, Rv::OK));
    assert_eq!(aws.find(aws.session(RW), &[]).unwrap().len(), 6);
}

#[test]
fn a_key_that_another_keys_answer_came_for_is_left_out_and_logged_and_the_others_are_found() {
    case(|ministack| {
        if part().is_some() {
            return lied_to(ministack);
        }
        let mut program = as_part("search");
        program.env_remove("KEYENCLAVE_LOG");
        let said = finish(program, LIMIT).unwrap_or_else(|output| panic!("{output}"));
        let key = said.lines().find_map(|line| line.strip_prefix(TOLD)).unwrap();
        let logged: Vec<_> = said
            .lines()
            .filter(|line| line.starts_with("keyenclave[") && line.contains("is left out of searches"))
            .collect();
        assert_eq!(logged.len(), 1, "{said}");
        for part in [key, "the answer is for"] {
            assert!(logged[0].contains(part), "{part}: {said}");
        }
    });
}
