// SPDX-License-Identifier: MIT
//! The N-th request fails, for every N there is: nothing is lost, nothing is made twice, and trying again works.

use crate::slot::{Aws, case};
use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::cloud::{Fault, On};
use keyenclave_conformance::module::{bytes, number};
use keyenclave_conformance::token::{RW, THREADS};
use serde_json::json;
use std::time::{Duration, Instant};

/// Done or not done, told or not told.
const FAULTS: &[Fault] = &[Fault::Lost, Fault::Reset, Fault::Status(503), Fault::Throttled];

/// More requests than any one operation may take.
const MOST: u64 = 20;

/// Fails request after request of `work`, each in a module that knows nothing, and asks `judge` what came of it.
///
/// `work` and `judge` get a name that is new each time.
fn each_request_fails(
    retries: u32,
    prepare: impl Fn(&Aws, &str),
    work: impl Fn(&Aws, CK_SESSION_HANDLE, &str) -> Result<(), Rv>,
    judge: impl Fn(&Aws, CK_SESSION_HANDLE, &str, Result<(), Rv>),
) {
    case(|ministack| {
        let aws = Aws::with(ministack, |slot| slot.with("retries", retries));
        for (index, fault) in FAULTS.iter().enumerate() {
            let mut number = 1;
            loop {
                let name = format!("key-{index}-{number}");
                prepare(&aws, &name);
                let s = aws.session(RW);
                aws.proxy.forget();
                aws.proxy.fault(On::all().call(number), *fault);
                let outcome = work(&aws, s, &name);
                let asked = aws.proxy.counts().total();
                aws.proxy.heal();
                if asked >= number {
                    let may_fail = retries == 0 || aws.proxy.counts().of("CreateKey") > 0;
                    assert!(may_fail || outcome.is_ok(), "{fault:?} {number}: {outcome:?}");
                }
                judge(&aws, s, &name, outcome);
                assert_eq!((aws.finalize(false), aws.initialize(THREADS)), (Rv::OK, Rv::OK));
                if asked < number {
                    break;
                }
                number += 1;
                assert!(number < MOST, "{asked} requests for one operation");
            }
            assert!(number > 1, "nothing was asked");
        }
    });
}

/// Tries until it works, as an application would that does not give up.
fn at_last<T>(mut call: impl FnMut() -> Result<T, Rv>) -> T {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        match call() {
            Ok(value) => return value,
            Err(rv) => assert!(Instant::now() < until, "still {rv:?}"),
        }
        std::thread::yield_now();
    }
}

fn find_and_sign(aws: &Aws, s: CK_SESSION_HANDLE, label: &str) -> Result<(), Rv> {
    let found = aws.found(s, CKO_PRIVATE_KEY, label)?;
    assert_eq!(
        found.len(),
        1,
        "a search may fail, but not say that there is nothing"
    );
    aws.sign(s, CKM_ECDSA_SHA256, found[0], b"data").map(drop)
}

/// What the service has and what the module shows.
fn same_here_and_there(aws: &Aws, s: CK_SESSION_HANDLE) -> usize {
    let keys = aws.api.keys();
    let enabled = |key: &&String| aws.api.describe(key)["KeyState"] == json!("Enabled");
    let there = keys.iter().filter(enabled).count();
    let here = at_last(|| aws.find(s, &[number(CKA_CLASS, CKO_PRIVATE_KEY)])).len();
    assert_eq!(here, there, "keys here and keys at the service");
    here
}

fn first_use(retries: u32) {
    each_request_fails(
        retries,
        |aws, name| drop(aws.elsewhere(name)),
        find_and_sign,
        |aws, s, name, _| at_last(|| find_and_sign(aws, s, name)),
    );
}

#[test]
fn a_first_search_and_signature_survive_any_failed_request() {
    first_use(3);
}

#[test]
fn a_first_search_and_signature_without_repeats_work_the_next_time() {
    first_use(0);
}

fn generation(retries: u32) {
    each_request_fails(
        retries,
        |_, _| {},
        |aws, s, name| aws.generate(s, name).map(drop),
        |aws, s, name, outcome| {
            let asked = aws.proxy.counts().of("CreateKey");
            let made = |aws: &Aws| same_here_and_there(aws, s);
            let before = made(aws);
            match outcome {
                Ok(()) => assert_eq!(at_last(|| aws.found(s, CKO_PRIVATE_KEY, name)).len(), 1),
                Err(_) => {
                    at_last(|| aws.generate(s, name).map(drop));
                    assert_eq!(made(aws), before + 1);
                }
            }
            // A request that was not done may be repeated, so two are asked for at the most, and one is made.
            assert!(asked <= 2, "{asked} keys were asked for");
        },
    );
}

#[test]
fn a_generation_makes_one_key_whatever_request_fails() {
    generation(3);
}

#[test]
fn a_generation_without_repeats_makes_one_key_whatever_request_fails() {
    generation(0);
}

/// The answer that says that there is a key is the one that must not be asked for again.
#[test]
fn a_lost_answer_never_makes_a_second_key() {
    case(|ministack| {
        let aws = Aws::hurried(ministack);
        let s = aws.session(RW);
        assert!(aws.find(s, &[]).unwrap().is_empty());
        for (made, fault) in [Fault::Lost, Fault::Truncated, Fault::Garbage, Fault::Silent]
            .into_iter()
            .enumerate()
        {
            aws.proxy.forget();
            aws.proxy.fault(On::the("CreateKey"), fault);
            let refused = aws.generate(s, &format!("key-{made}"));
            aws.proxy.heal();
            assert!(refused.is_err(), "{fault:?}");
            assert_eq!(
                (aws.proxy.counts().of("CreateKey"), aws.api.keys().len()),
                (1, made + 1),
                "{fault:?}"
            );
            // It is there all the same, and the next search shows it.
            assert_eq!(same_here_and_there(&aws, s), made + 1, "{fault:?}");
        }
    });
}

fn destruction(retries: u32) {
    each_request_fails(
        retries,
        |aws, name| drop(aws.elsewhere(name)),
        |aws, s, name| {
            let key = aws.found(s, CKO_PRIVATE_KEY, name)?;
            aws.destroy_object(s, key[0]).ok()
        },
        |aws, s, name, outcome| {
            if outcome.is_err() {
                at_last(|| match aws.found(s, CKO_PRIVATE_KEY, name)?.first() {
                    Some(key) => aws.destroy_object(s, *key).ok(),
                    None => Ok(()),
                });
            }
            assert_eq!(same_here_and_there(aws, s), 0);
        },
    );
}

#[test]
fn a_destruction_is_done_whatever_request_fails() {
    destruction(3);
}

#[test]
fn a_destruction_without_repeats_is_done_the_next_time() {
    destruction(0);
}

fn renaming(retries: u32) {
    each_request_fails(
        retries,
        |aws, name| drop(aws.elsewhere(name)),
        rename,
        |aws, s, name, outcome| {
            if outcome.is_err() {
                at_last(|| match aws.found(s, CKO_PRIVATE_KEY, &new(name))?.is_empty() {
                    true => rename(aws, s, name),
                    false => Ok(()),
                });
            }
            assert_eq!((aws.finalize(false), aws.initialize(THREADS)), (Rv::OK, Rv::OK));
            let s = aws.session(RW);
            assert!(aws.found(s, CKO_PRIVATE_KEY, name).unwrap().is_empty());
            find_and_sign(aws, s, &new(name)).unwrap();
        },
    );
}

fn new(name: &str) -> String {
    format!("new-{name}")
}

fn rename(aws: &Aws, s: CK_SESSION_HANDLE, name: &str) -> Result<(), Rv> {
    let key = aws.found(s, CKO_PRIVATE_KEY, name)?;
    aws.set_attributes(s, key[0], &[bytes(CKA_LABEL, new(name))]).ok()
}

#[test]
fn a_new_label_is_set_whatever_request_fails() {
    renaming(3);
}

#[test]
fn a_new_label_without_repeats_is_set_the_next_time() {
    renaming(0);
}
