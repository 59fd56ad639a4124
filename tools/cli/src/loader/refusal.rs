// SPDX-License-Identifier: MIT
//! What a function of the module returns instead of `CKR_OK`, and what KeyEnclave's module tells of it.
#![forbid(unsafe_code)]

use cryptoki_sys as ck;

/// What C functions return through: `Err` holds the function's name and its return value.
pub type Returned<T> = Result<T, Refusal>;

/// A function's return value other than `CKR_OK`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The function.
    pub function: &'static str,
    /// What it returned.
    pub rv: ck::CK_RV,
    /// What the module says of it beyond that, where it is KeyEnclave's.
    pub told: Option<Box<Told>>,
}

/// What KeyEnclave's module tells of a failure. Empty where there is nothing to tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// What failed.
    pub message: String,
    /// Where the fault lies.
    pub reason: String,
    /// Under which number the service's own log has the request.
    pub request_id: String,
    /// What to do.
    pub advice: String,
}

impl Refusal {
    /// One of which nothing more is known.
    pub(super) fn bare(function: &'static str, rv: ck::CK_RV) -> Self {
        Self {
            function,
            rv,
            told: None,
        }
    }
}
