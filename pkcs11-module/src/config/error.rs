// SPDX-License-Identifier: MIT
//! What is wrong with a configuration, told so that it can be put right without looking anything up.
//!
//! Values of settings are quoted only where they are known not to be secret.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// How many problems are told at once; a file of another kind would have thousands.
const MOST_PROBLEMS: usize = 20;

/// A configuration that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it, in the file's order; never empty.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1; `None` when the file as a whole is meant.
    pub line: Option<usize>,
    /// The column in characters, from 1.
    pub column: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

impl ConfigError {
    /// A problem of the file as a whole.
    pub(super) fn whole(file: &Path, message: impl Into<String>, help: impl Into<String>) -> Self {
        let problem = Problem {
            line: None,
            column: None,
            message: message.into(),
            help: help.into(),
        };
        Self {
            file: file.to_owned(),
            problems: vec![problem],
        }
    }

    /// The problems of a file, put in its order and cut to a readable number.
    pub(super) fn of(file: &Path, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| (problem.line, problem.column));
        problems.truncate(MOST_PROBLEMS);
        Self {
            file: file.to_owned(),
            problems,
        }
    }
}

impl Problem {
    /// A problem at a place in `text`, given in bytes.
    pub(super) fn at(
        text: &str,
        span: &Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        let before = text.get(..span.start).unwrap_or(text);
        let line = before.matches('\n').count().saturating_add(1);
        let column = before
            .chars()
            .rev()
            .take_while(|c| *c != '\n')
            .count()
            .saturating_add(1);
        Self {
            line: Some(line),
            column: Some(column),
            message: message.into(),
            help: help.into(),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{}", self.file.display())?;
            if let (Some(line), Some(column)) = (problem.line, problem.column) {
                write!(f, ":{line}:{column}")?;
            }
            write!(f, ": {problem}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message, self.help)
    }
}

impl std::error::Error for ConfigError {}

/// `names` as a list for a sentence: `` `a`, `b` or `c` ``.
pub(super) fn one_of(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.join(""),
    }
}

/// The one of `names` that `written` was probably meant to be.
pub(super) fn nearest<'n>(written: &str, names: &[&'n str]) -> Option<&'n str> {
    let written = written.to_lowercase();
    let by_distance = names
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&written, name), *name));
    let (distance, name) = by_distance.min()?;
    (distance <= (name.len() / 3).max(1)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_counted_in_lines_and_characters() {
        let text = "# ü\nlabel = \"ü\" x";
        let problem = Problem::at(text, &(text.len() - 1..text.len()), "m", "h");
        assert_eq!((problem.line, problem.column), (Some(2), Some(13)));
        let past_the_end = Problem::at(text, &(999..1000), "m", "h");
        assert_eq!(past_the_end.line, Some(2));
    }

    #[test]
    fn a_slip_of_the_pen_is_recognised_and_another_word_is_not() {
        assert_eq!(nearest("bakcend", &["backend", "label"]), Some("backend"));
        assert_eq!(nearest("Label", &["backend", "label"]), Some("label"));
        assert_eq!(nearest("colour", &["backend", "label"]), None);
        assert_eq!(nearest("x", &[]), None);
    }

    #[test]
    fn lists_read_as_sentences() {
        assert_eq!(one_of(&["a"]), "`a`");
        assert_eq!(one_of(&["a", "b", "c"]), "`a`, `b` or `c`");
    }
}
