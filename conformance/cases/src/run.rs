// SPDX-License-Identifier: MIT
//! A run of all cases against one module.

use crate::abilities::Abilities;
use crate::case::Case;
use crate::expectations::{Expectations, Verdict};
use crate::isolated::{self, Outcome};
use keyenclave_conformance::tested::Tested;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What a run said about one case.
pub struct Judged {
    /// The case.
    pub case: &'static Case,
    /// What was said.
    pub verdict: Verdict,
    /// What the case printed, if it failed.
    pub output: Option<String>,
    /// How long it took.
    pub took: Duration,
}

/// A whole run.
pub struct Run {
    /// What the module can do.
    pub abilities: Abilities,
    /// Every case that was chosen, in their order.
    pub cases: Vec<Judged>,
}

/// How many cases ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Passed.
    pub passed: usize,
    /// Failed as expected.
    pub expected: usize,
    /// Skipped.
    pub skipped: usize,
    /// Failed unexpectedly, or stale lines.
    pub wrong: usize,
}

impl Run {
    /// Runs the cases whose id contains `filter`, telling `seen` of each as it ends.
    ///
    /// # Errors
    /// No token can be made with the module.
    pub fn of(
        tested: &Tested,
        expectations: &Expectations,
        filter: &str,
        seen: impl Fn(&Judged) + Sync,
    ) -> Result<Self, String> {
        let abilities = Abilities::of(tested)?;
        let chosen: Vec<_> = crate::all().filter(|case| case.id.contains(filter)).collect();
        let next = AtomicUsize::new(0);
        let judged = Mutex::new(Vec::new());
        let work = || {
            while let Some((place, case)) = {
                let place = next.fetch_add(1, Ordering::Relaxed);
                chosen.get(place).map(|case| (place, *case))
            } {
                let one = judge(case, tested, &abilities, expectations);
                seen(&one);
                judged.lock().expect("no thread has panicked").push((place, one));
            }
        };
        std::thread::scope(|scope| {
            let threads = std::thread::available_parallelism().map_or(1, usize::from);
            (0..threads).for_each(|_| {
                scope.spawn(work);
            });
        });
        let mut judged = judged.into_inner().expect("no thread has panicked");
        judged.sort_by_key(|(place, _)| *place);
        let cases = judged.into_iter().map(|(_, one)| one).collect();
        Ok(Self { abilities, cases })
    }

    /// How many cases ended how.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for one in &self.cases {
            *match one.verdict {
                Verdict::Passed => &mut counts.passed,
                Verdict::Expected(_) => &mut counts.expected,
                Verdict::Skipped(_) => &mut counts.skipped,
                Verdict::Wrong(_) => &mut counts.wrong,
            } += 1;
        }
        counts
    }
}

/// What comes of a case with a module of these abilities.
pub fn outcome(case: &Case, tested: &Tested, abilities: &Abilities) -> Outcome {
    match case.unmet(abilities) {
        Some(reason) => Outcome::Skipped(reason),
        None => isolated::run(case, tested),
    }
}

fn judge(case: &'static Case, tested: &Tested, abilities: &Abilities, expectations: &Expectations) -> Judged {
    let start = Instant::now();
    let outcome = outcome(case, tested, abilities);
    Judged {
        case,
        verdict: expectations.judge(case.id, &outcome),
        took: start.elapsed(),
        output: match outcome {
            Outcome::Failed(_, output) => Some(output),
            Outcome::Passed | Outcome::Skipped(_) => None,
        },
    }
}
