// SPDX-License-Identifier: MIT
//! The contract: what every backend does, and every layer on top of one, as public cases over any [`Service`].
//!
//! A backend's own tests call [`run`] against its emulator and, where the environment says so, against the real
//! service. A case that cannot run says why, and is counted. [`memory`] is a service in memory that keeps the
//! contract, and [`fault`] makes any service fail on purpose.

mod cases;
pub mod fault;
pub mod memory;

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::call::{CallKind, Service};
use crate::error::Error;

pub use cases::CASES;

/// What came of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The service does what it should.
    Passed,
    /// The case could not be tried, and why.
    Skipped(String),
}

/// Why a case failed.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    /// A reason.
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(format!("{error:?}"))
    }
}

impl From<keyenclave_crypto::Error> for Failure {
    fn from(error: keyenclave_crypto::Error) -> Self {
        Self(format!("local cryptography: {error}"))
    }
}

/// What a case gives back.
pub type Trial<'a> = Pin<Box<dyn Future<Output = Result<Verdict, Failure>> + Send + 'a>>;

/// A case of the contract.
pub struct Case {
    /// A sentence.
    pub name: &'static str,
    /// The calls that it is about.
    pub calls: &'static [CallKind],
    /// Tries it.
    pub run: for<'a> fn(&'a dyn Service) -> Trial<'a>,
}

/// Tries every case, one after the other. The result names every case.
pub async fn run(service: &dyn Service) -> Vec<(&'static str, Result<Verdict, Failure>)> {
    let mut results = vec![("every_advertised_call_has_a_case", every_call_has_a_case(service))];
    for case in CASES {
        let missing = case
            .calls
            .iter()
            .find(|call| !service.capability().offers(**call));
        let result = match missing {
            Some(call) => Ok(Verdict::Skipped(format!(
                "the backend does not offer {}",
                call.name()
            ))),
            None => (case.run)(service).await,
        };
        results.push((case.name, result));
    }
    results
}

fn every_call_has_a_case(service: &dyn Service) -> Result<Verdict, Failure> {
    let has_case = |call: &&CallKind| CASES.iter().any(|case| case.calls.contains(call));
    match service.capability().calls.iter().find(|call| !has_case(call)) {
        Some(call) => Err(Failure::new(format!(
            "{} has no case: write one before it is advertised",
            call.name()
        ))),
        None => Ok(Verdict::Passed),
    }
}

/// The failures among results, one a line; prints what was skipped, and how much.
pub fn summary(results: &[(&'static str, Result<Verdict, Failure>)]) -> Result<(), String> {
    let mut failures = String::new();
    let mut skipped = 0;
    for (name, result) in results {
        match result {
            Ok(Verdict::Passed) => {}
            Ok(Verdict::Skipped(why)) => {
                skipped += 1;
                println!("skipped: {name}, because {why}");
            }
            Err(failure) => failures.push_str(&format!("{name}: {failure}\n")),
        }
    }
    println!("contract: {} cases, {skipped} skipped", results.len());
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures)
    }
}
