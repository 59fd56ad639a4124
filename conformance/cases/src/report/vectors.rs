// SPDX-License-Identifier: MIT
//! What came of Wycheproof's vectors, for people: a line for each set, what is wrong, and the counts.

use crate::wycheproof::{Absent, Played, Tally};
use std::fmt::Write;

/// All sets.
pub fn vectors(played: &[Played]) -> String {
    let mut text = String::new();
    for one in played {
        let set = &one.set;
        let _ = match &one.result {
            Ok(tally) => writeln!(text, "{}  {set}: {}", sign(tally), counts(tally)),
            Err(Absent::NotOffered(why)) => writeln!(text, "absent    {set}: {why}"),
            Err(Absent::Ended(how)) => writeln!(text, "{how:<8}  {set}"),
        };
        for vector in one.result.iter().flat_map(|tally| &tally.wrong) {
            let (number, comment, flags) = (vector.number, &vector.comment, vector.flags.join(", "));
            let _ = writeln!(text, "          {number}: {} ({comment}; {flags})", vector.what);
        }
    }
    let totals = Totals::of(played);
    let _ = write!(
        text,
        "\n{} sets, {} not offered, {} vectors, {} left open, {} wrong",
        totals.sets, totals.absent, totals.vectors, totals.open, totals.wrong
    );
    text
}

fn sign(tally: &Tally) -> &'static str {
    if tally.wrong.is_empty() {
        "ok      "
    } else {
        "differs "
    }
}

fn counts(tally: &Tally) -> String {
    let (vectors, unsaid) = (tally.vectors(), tally.unsaid);
    let (open, wrong) = (tally.open.len(), tally.wrong.len());
    format!("{vectors} vectors, {open} left open, {wrong} wrong, {unsaid} not to be said in PKCS #11")
}

/// Everything counted.
#[derive(Default)]
pub struct Totals {
    /// Sets that were played.
    pub sets: usize,
    /// Sets that the module does not offer.
    pub absent: usize,
    /// Vectors that were put to it.
    pub vectors: usize,
    /// Vectors that may come to either.
    pub open: usize,
    /// Vectors that came to what they must not, and sets at which the module ended the process.
    pub wrong: usize,
}

impl Totals {
    /// Of a run.
    pub fn of(played: &[Played]) -> Self {
        let mut totals = Self::default();
        for one in played {
            match &one.result {
                Ok(tally) => {
                    totals.sets += 1;
                    totals.vectors += tally.vectors();
                    totals.open += tally.open.len();
                    totals.wrong += tally.wrong.len();
                }
                Err(Absent::NotOffered(_)) => totals.absent += 1,
                Err(Absent::Ended(_)) => totals.wrong += 1,
            }
        }
        totals
    }
}
