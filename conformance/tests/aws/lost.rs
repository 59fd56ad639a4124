// SPDX-License-Identifier: MIT
//! The N-th request fails, for every N there is: nothing is lost, nothing is made twice, and trying again works.

use crate::slot::{Aws, at_last, case};
use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::cloud::{Fault, On};
use keyenclave_conformance::module::{bytes, number};
use keyenclave_conformance::token::{RW, THREADS};
use serde_json::json;
use std::cell::Cell;
use std::collections::BTreeMap;

/// Done or not done, told or not told.
const FAULTS: &[Fault] = &[Fault::Lost, Fault::Reset, Fault::Status(503), Fault::Throttled];

/// One request that goes wrong.
#[derive(Debug)]
struct Cut {
    operation: String,
    /// Which one for this operation, from 1.
    number: u64,
    fault: Fault,
    /// How often the client may ask again.
    retries: u32,
}

impl Cut {
    /// What an application sees of it, if it sees anything.
    fn told(&self) -> Rv {
        Rv(match self.fault {
            Fault::Throttled => CKR_TOKEN_RESOURCE_EXCEEDED,
            _ => CKR_DEVICE_ERROR,
        })
    }

    /// Whether the client asks again: what may have made a key is not repeated unless it was refused.
    fn is_repeated(&self) -> bool {
        self.retries > 0 && (self.operation != "CreateKey" || self.fault == Fault::Throttled)
    }
}

/// Fails request after request of `work`, each in a module that knows nothing, and asks `judge` what came of it.
///
/// `work` and `judge` get a name that is new each time.
fn each_request_fails(
    retries: u32,
    prepare: impl Fn(&Aws, &str),
    work: impl Fn(&Aws, CK_SESSION_HANDLE, &str) -> Result<(), Rv>,
    judge: impl Fn(&Aws, CK_SESSION_HANDLE, &str, &Cut, Result<(), Rv>),
) {
    case(|ministack| {
        let aws = Aws::with(ministack, |slot| slot.with("retries", retries));
        // What is asked of the service meanwhile.
        let once = |name: &str, cut: Option<&Cut>| {
            prepare(&aws, name);
            let s = aws.session(RW);
            aws.proxy.forget();
            if let Some(cut) = cut {
                aws.proxy
                    .fault(On::the(&cut.operation).call(cut.number), cut.fault);
            }
            let outcome = work(&aws, s, name);
            let asked = aws.proxy.counts().requests;
            aws.proxy.heal();
            match cut {
                Some(cut) => {
                    let is_told = |rv| !cut.is_repeated() && rv == cut.told();
                    assert!(outcome.err().is_none_or(is_told), "{cut:?}: {outcome:?}");
                    judge(&aws, s, name, cut, outcome);
                }
                None => assert_eq!(outcome, Ok(())),
            }
            assert_eq!((aws.finalize(false), aws.initialize(THREADS)), (Rv::OK, Rv::OK));
            asked
        };
        let whole = once("whole", None);
        assert!(!whole.is_empty(), "nothing was asked");
        for (index, cut) in cuts(&whole, retries).iter().enumerate() {
            let asked = once(&format!("key-{index}"), Some(cut));
            assert!(asked[&cut.operation] >= cut.number, "{cut:?} was nobody's");
        }
    });
}

/// Each fault for each of these requests.
fn cuts(asked: &BTreeMap<String, u64>, retries: u32) -> Vec<Cut> {
    let requests = asked
        .iter()
        .flat_map(|(operation, count)| (1..=*count).map(move |number| (operation, number)));
    let each = requests.flat_map(|request| FAULTS.iter().map(move |fault| (request, *fault)));
    each.map(|((operation, number), fault)| Cut {
        operation: operation.clone(),
        number,
        fault,
        retries,
    })
    .collect()
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
    let here = at_last("a search", || aws.find(s, &[number(CKA_CLASS, CKO_PRIVATE_KEY)])).len();
    assert_eq!(here, there, "keys here and keys at the service");
    here
}

fn first_use(retries: u32) {
    each_request_fails(
        retries,
        |aws, name| drop(aws.elsewhere(name)),
        find_and_sign,
        |aws, s, name, _, _| at_last(name, || find_and_sign(aws, s, name)),
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

/// One pair has this name, and it signs.
fn is_there_once(aws: &Aws, s: CK_SESSION_HANDLE, name: &str) {
    at_last(name, || find_and_sign(aws, s, name));
    assert_eq!(
        at_last(name, || aws.found(s, CKO_PUBLIC_KEY, name)).len(),
        1,
        "{name}"
    );
}

fn generation(retries: u32) {
    let before = Cell::new(0);
    each_request_fails(
        retries,
        |aws, _| before.set(aws.api.keys().len()),
        |aws, s, name| aws.generate(s, name).map(drop),
        |aws, s, name, cut, outcome| {
            let asked = aws.proxy.counts().of("CreateKey");
            let made = || same_here_and_there(aws, s) - before.get();
            // Once there is a key, nothing that fails afterwards is a failure of the generation.
            let fails = cut.operation == "CreateKey" && !cut.is_repeated();
            assert_eq!(outcome.is_err(), fails, "{cut:?}: {outcome:?}");
            // A request that was refused may be repeated, and no other.
            let repeated = cut.operation == "CreateKey" && cut.is_repeated();
            assert_eq!(asked, 1 + u64::from(repeated), "{cut:?}");
            if fails && cut.fault != Fault::Lost {
                assert_eq!(made(), 0, "{cut:?}");
                assert!(at_last(name, || aws.found(s, CKO_PRIVATE_KEY, name)).is_empty());
                at_last(name, || aws.generate(s, name).map(drop));
            }
            // A key that nobody was told of is found under the name that it was to have.
            assert_eq!(made(), 1, "{cut:?}");
            is_there_once(aws, s, name);
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
        for (made, (fault, told)) in [
            (Fault::Lost, CKR_DEVICE_ERROR),
            (Fault::Truncated, CKR_DEVICE_ERROR),
            (Fault::Garbage, CKR_FUNCTION_FAILED),
            (Fault::Silent, CKR_DEVICE_ERROR),
        ]
        .into_iter()
        .enumerate()
        {
            aws.proxy.forget();
            aws.proxy.fault(On::the("CreateKey"), fault);
            let name = format!("key-{made}");
            let refused = aws.generate(s, &name);
            aws.proxy.heal();
            assert_eq!(refused.unwrap_err(), told, "{fault:?}");
            assert_eq!(
                (aws.proxy.counts().of("CreateKey"), aws.api.keys().len()),
                (1, made + 1),
                "{fault:?}"
            );
            // It is there all the same, and the next search shows it.
            assert_eq!(same_here_and_there(&aws, s), made + 1, "{fault:?}");
            is_there_once(&aws, s, &name);
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
        |aws, s, name, _, outcome| {
            if outcome.is_err() {
                at_last(name, || match aws.found(s, CKO_PRIVATE_KEY, name)?.first() {
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
        |aws, s, name, _, outcome| {
            if outcome.is_err() {
                at_last(name, || {
                    match aws.found(s, CKO_PRIVATE_KEY, &new(name))?.is_empty() {
                        true => rename(aws, s, name),
                        false => Ok(()),
                    }
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
