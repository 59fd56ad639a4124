// SPDX-License-Identifier: MIT
//! What is expected of a module: a TOML file with a line for each case that it is known to fail, and why.
//!
//! ```toml
//! "pins.officer.change" = { outcome = "fails", reason = "…" }
//! ```
//!
//! A second file may say what is otherwise when the module stands behind a slot of ours: more lines like these, and
//! `outcome = "passes"` for a case that ours puts right.
//!
//! The files are held to the truth as the module is: a line about a case that does not exist, that passes, that is
//! skipped or that fails in another way fails the run.

use crate::case::Case;
use crate::isolated::{Failure, Outcome};
use crate::profiles;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The lines of one file.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Expectations(BTreeMap<String, Expected>);

/// One line.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected<O = Failure> {
    outcome: O,
    reason: String,
}

/// What a line of the second file says.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Otherwise {
    Passes,
    #[serde(untagged)]
    Fails(Failure),
}

/// What a run says about one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It passed, as everything should that no line is about.
    Passed,
    /// It failed as a line says: why.
    Expected(String),
    /// It could not be run: why.
    Skipped(String),
    /// It failed and should not have, or a line about it is stale: what is wrong.
    Wrong(String),
}

impl Expectations {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, is no TOML, has a line without a reason or one about a case that does not exist.
    pub fn read<'a>(file: &Path, cases: impl Iterator<Item = &'a Case>) -> Result<Self, String> {
        let said = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        let text = std::fs::read_to_string(file).map_err(|error| said(&error))?;
        Self::parse(&text, cases).map_err(|error| said(&error))
    }

    fn parse<'a>(text: &str, cases: impl Iterator<Item = &'a Case>) -> Result<Self, String> {
        lines(text, cases).map(Self)
    }

    /// These, but for what a second file says.
    ///
    /// # Errors
    /// As [`Expectations::read`], and a case that passes though no line here is about it.
    pub fn but<'a>(self, file: &Path, cases: impl Iterator<Item = &'a Case>) -> Result<Self, String> {
        let said = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        let text = std::fs::read_to_string(file).map_err(|error| said(&error))?;
        self.parse_but(&text, cases).map_err(|error| said(&error))
    }

    fn parse_but<'a>(mut self, text: &str, cases: impl Iterator<Item = &'a Case>) -> Result<Self, String> {
        for (id, Expected { outcome, reason }) in lines(text, cases)? {
            match outcome {
                Otherwise::Passes => self
                    .0
                    .remove(&id)
                    .map(drop)
                    .ok_or_else(|| format!("{id} is expected to pass anyway: take the line out"))?,
                Otherwise::Fails(outcome) => drop(self.0.insert(id, Expected { outcome, reason })),
            }
        }
        Ok(self)
    }

    /// Judges what came of a case.
    pub fn judge(&self, id: &str, outcome: &Outcome) -> Verdict {
        let line = self.0.get(id);
        match (outcome, line) {
            (Outcome::Passed, None) => Verdict::Passed,
            (Outcome::Skipped(reason), None) => Verdict::Skipped(reason.clone()),
            // Their files are not everywhere, and a slot in front of another module is not held to them.
            (Outcome::Skipped(reason), Some(_)) if id.starts_with(profiles::ID) => {
                Verdict::Skipped(reason.clone())
            }
            (Outcome::Failed(how, _), Some(line)) if *how == line.outcome => {
                Verdict::Expected(line.reason.clone())
            }
            (Outcome::Failed(how, _), None) => Verdict::Wrong(format!("it {how}")),
            (Outcome::Failed(how, _), Some(line)) => Verdict::Wrong(format!(
                "it {how}, and the line about it says that it {}",
                line.outcome
            )),
            (Outcome::Passed, Some(line)) => Verdict::Wrong(format!(
                "it passes, and a line says that it {}: take it out",
                line.outcome
            )),
            (Outcome::Skipped(why), Some(line)) => Verdict::Wrong(format!(
                "it is skipped ({why}), and a line says that it {}: take it out",
                line.outcome
            )),
        }
    }
}

/// All lines of a file.
fn lines<'a, O: serde::de::DeserializeOwned>(
    text: &str,
    cases: impl Iterator<Item = &'a Case>,
) -> Result<BTreeMap<String, Expected<O>>, String> {
    let read: BTreeMap<String, Expected<O>> = toml::from_str(text).map_err(|error| error.to_string())?;
    let known: Vec<_> = cases.map(|case| case.id).collect();
    for (id, expected) in &read {
        if !known.contains(&id.as_str()) {
            return Err(format!("there is no case {id}"));
        }
        if expected.reason.trim().is_empty() {
            return Err(format!("the line about {id} gives no reason"));
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "pins.user.change";

    fn parsed(text: &str) -> Result<Expectations, String> {
        Expectations::parse(text, crate::all())
    }

    fn line() -> Expectations {
        parsed(&format!("\"{ID}\" = {{ outcome = \"fails\", reason = \"why\" }}")).unwrap()
    }

    fn failed(how: Failure) -> Outcome {
        Outcome::Failed(how, "output".into())
    }

    #[test]
    fn a_failure_is_expected_only_where_a_line_says_so() {
        assert_eq!(
            line().judge(ID, &failed(Failure::Fails)),
            Verdict::Expected("why".into())
        );
        assert!(matches!(
            line().judge(ID, &failed(Failure::Crashes)),
            Verdict::Wrong(_)
        ));
        assert!(matches!(
            line().judge("pins.missing", &failed(Failure::Fails)),
            Verdict::Wrong(_)
        ));
        assert_eq!(line().judge("pins.missing", &Outcome::Passed), Verdict::Passed);
    }

    #[test]
    fn a_stale_line_fails_the_run() {
        assert!(
            matches!(line().judge(ID, &Outcome::Passed), Verdict::Wrong(text) if text.contains("take it out"))
        );
        let skipped = Outcome::Skipped("no openssl".into());
        assert!(matches!(line().judge(ID, &skipped), Verdict::Wrong(text) if text.contains("no openssl")));
        let of_oasis = "oasis.bl-m-1-31";
        let lines = parsed(&format!(
            "\"{of_oasis}\" = {{ outcome = \"fails\", reason = \"why\" }}"
        ))
        .unwrap();
        assert!(matches!(lines.judge(of_oasis, &skipped), Verdict::Skipped(_)));
        assert!(matches!(
            lines.judge(of_oasis, &Outcome::Passed),
            Verdict::Wrong(_)
        ));
    }

    #[test]
    fn a_second_file_adds_lines_and_takes_some_out() {
        let but = |text: &str| line().parse_but(text, crate::all());
        let passes = format!("\"{ID}\" = {{ outcome = \"passes\", reason = \"why\" }}");
        assert_eq!(but(&passes).unwrap().judge(ID, &Outcome::Passed), Verdict::Passed);
        let more = "\"pins.missing\" = { outcome = \"hangs\", reason = \"slow\" }";
        assert_eq!(
            but(more).unwrap().judge("pins.missing", &failed(Failure::Hangs)),
            Verdict::Expected("slow".into())
        );
        let stale = passes.replace(ID, "pins.missing");
        assert!(but(&stale).unwrap_err().contains("take the line out"));
    }

    #[test]
    fn a_line_about_no_case_or_without_a_reason_is_refused() {
        let text = "\"no.such-case\" = { outcome = \"fails\", reason = \"why\" }";
        assert_eq!(parsed(text).unwrap_err(), "there is no case no.such-case");
        let text = format!("\"{ID}\" = {{ outcome = \"fails\", reason = \" \" }}");
        assert!(parsed(&text).unwrap_err().contains("no reason"));
        let text = format!("\"{ID}\" = {{ outcome = \"sulks\", reason = \"why\" }}");
        assert!(parsed(&text).is_err());
    }
}
