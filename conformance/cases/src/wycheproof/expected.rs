// SPDX-License-Identifier: MIT
//! What is expected of our own module: a TOML file with a line for each thing that is not as Wycheproof has it, or that it
//! leaves open, and why.
//!
//! ```toml
//! [[open]]
//! set = "rsa_signature_*"      # a name, or the beginning of names
//! flag = "MissingNull"
//! outcome = "refused"
//! reason = "…"
//!
//! [[wrong]]                    # the same, for vectors that come to what they must not
//!
//! [[not-offered]]
//! set = "…"
//! reason = "…"
//! ```
//!
//! A vector without a line and a set that is not offered without a line fail the run. So does a line of which the sets
//! were played, or found offered, and none was of use to it.

use super::run::{Absent, Played};
use super::vector::{Notable, Outcome};
use serde::Deserialize;
use std::cell::Cell;
use std::path::Path;

/// The lines.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Expected {
    #[serde(default)]
    open: Vec<Line>,
    #[serde(default)]
    wrong: Vec<Line>,
    #[serde(default)]
    not_offered: Vec<NotOffered>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    set: String,
    flag: String,
    outcome: Outcome,
    reason: String,
    #[serde(skip)]
    used: Cell<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NotOffered {
    set: String,
    reason: String,
    #[serde(skip)]
    used: Cell<bool>,
}

fn is_of(set: &str, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => set.starts_with(beginning),
        None => set == pattern,
    }
}

impl Expected {
    /// Those of our own module.
    ///
    /// # Errors
    /// The file cannot be read, is no TOML, or a line gives no reason.
    pub fn of_ours() -> Result<Self, String> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../expectations/wycheproof.toml");
        let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        Self::parse(&text).map_err(|error| format!("{}: {error}", file.display()))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let read: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        let lines = read.open.iter().chain(&read.wrong);
        let reasons = lines.map(|line| (&line.set, &line.reason));
        let absent = read.not_offered.iter().map(|line| (&line.set, &line.reason));
        match reasons.chain(absent).find(|(_, reason)| reason.trim().is_empty()) {
            Some((set, _)) => Err(format!("the line about {set} gives no reason")),
            None => Ok(read),
        }
    }

    /// What is not as expected in a run.
    pub fn judge(&self, played: &[Played]) -> Vec<String> {
        let mut wrong = Vec::new();
        for one in played {
            match &one.result {
                Ok(tally) => {
                    wrong.extend(unexpected(&one.set, &tally.wrong, &self.wrong));
                    wrong.extend(unexpected(&one.set, &tally.open, &self.open));
                }
                Err(Absent::Ended(how)) => wrong.push(format!("{}: the process {how}", one.set)),
                Err(Absent::NotOffered(why)) => {
                    let line = self.not_offered.iter().find(|line| is_of(&one.set, &line.set));
                    if line.inspect(|line| line.used.set(true)).is_none() {
                        wrong.push(format!("{}: not offered, {why}", one.set));
                    }
                }
            }
        }
        let lines = self.open.iter().chain(&self.wrong);
        let stale = lines.filter(|line| {
            let about = |one: &Played| is_of(&one.set, &line.set) && one.result.is_ok();
            !line.used.get() && played.iter().any(about)
        });
        let offered = self.not_offered.iter().filter(|line| {
            let about = |one: &Played| is_of(&one.set, &line.set);
            !line.used.get() && played.iter().any(about)
        });
        let stale = stale.map(|line| &line.set).chain(offered.map(|line| &line.set));
        wrong.extend(stale.map(|set| format!("a line about {set} is about nothing: take it out")));
        wrong
    }
}

fn unexpected(set: &str, found: &[Notable], lines: &[Line]) -> Vec<String> {
    let unexplained = found.iter().filter(|vector| {
        let line = lines.iter().find(|line| {
            is_of(set, &line.set) && line.outcome == vector.outcome && vector.flags.contains(&line.flag)
        });
        line.inspect(|line| line.used.set(true)).is_none()
    });
    let told = unexplained.map(|vector| {
        let Notable {
            number,
            comment,
            flags,
            what,
            ..
        } = vector;
        format!("{set} {number}: {what} ({comment}; {})", flags.join(", "))
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wycheproof::vector::Tally;

    const LINE: &str = "[[open]]\nset = \"a_*\"\nflag = \"Flag\"\noutcome = \"refused\"\nreason = \"why\"\n";

    fn played(result: Result<Tally, Absent>) -> Vec<Played> {
        vec![Played {
            set: "a_set".into(),
            result,
        }]
    }

    fn open(outcome: Outcome) -> Vec<Played> {
        let vector = Notable {
            number: 7,
            comment: "about it".into(),
            flags: vec!["Flag".into()],
            outcome,
            what: "what it did".into(),
        };
        played(Ok(Tally {
            open: vec![vector],
            ..Tally::default()
        }))
    }

    #[test]
    fn a_vector_needs_a_line_and_a_line_a_vector() {
        let judge = |played: &[Played]| Expected::parse(LINE).unwrap().judge(played);
        assert!(judge(&open(Outcome::Refused)).is_empty());
        assert_eq!(judge(&open(Outcome::Taken)).len(), 2, "the vector, and the line");
        assert_eq!(
            judge(&played(Ok(Tally::default()))),
            ["a line about a_* is about nothing: take it out"]
        );
        let none = Expected::default().judge(&open(Outcome::Refused));
        assert_eq!(none, ["a_set 7: what it did (about it; Flag)"]);
    }

    #[test]
    fn a_set_that_is_no_longer_offered_is_told() {
        let gone = played(Err(Absent::NotOffered("no such mechanism".into())));
        assert_eq!(
            Expected::default().judge(&gone),
            ["a_set: not offered, no such mechanism"]
        );
        let line = "[[not-offered]]\nset = \"a_set\"\nreason = \"why\"\n";
        assert!(Expected::parse(line).unwrap().judge(&gone).is_empty());
        assert_eq!(
            Expected::parse(line)
                .unwrap()
                .judge(&played(Ok(Tally::default()))),
            ["a line about a_set is about nothing: take it out"]
        );
        let crashed = played(Err(Absent::Ended("crashes".into())));
        assert_eq!(Expected::default().judge(&crashed).len(), 1);
    }

    #[test]
    fn a_line_without_a_reason_is_refused() {
        assert!(Expected::parse(&LINE.replace("why", " ")).is_err());
        assert!(Expected::parse(&LINE.replace("refused", "sulks")).is_err());
    }
}
