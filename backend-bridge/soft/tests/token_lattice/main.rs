// SPDX-License-Identifier: MIT
//! ML-DSA and ML-KEM keys of a soft token: made, imported, used, wrapped and stored.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod agreement;
mod keys;
mod signatures;
#[path = "../token_fixture/mod.rs"]
mod token_fixture;

use cryptoki_sys as ck;
use keyenclave_model::error::Rv;
use keyenclave_model::mechanism::Mechanism;
use keyenclave_model::post_quantum::{PARAMETER_SETS, ParameterSet, Scheme};
use keyenclave_model::template::Template;
use keyenclave_model::token::{OperationClass as Class, Out, Work};
use token_fixture::*;

const MESSAGE: &[u8] = b"a message of some length, which is signed in several ways";

fn sets(scheme: Scheme) -> impl Iterator<Item = &'static ParameterSet> {
    PARAMETER_SETS.iter().filter(move |set| set.scheme == scheme)
}
