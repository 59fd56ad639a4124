// SPDX-License-Identifier: MIT
//! The report as JSON.

use crate::expectations::Verdict;
use crate::run::{Judged, Run};
use serde::Serialize;

#[derive(Serialize)]
struct Report<'a> {
    module: &'a str,
    library: &'a str,
    counts: crate::run::Counts,
    cases: Vec<Line<'a>>,
}

#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    sentence: String,
    section: &'a str,
    verdict: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a str>,
}

/// The whole run against the module called `name`.
pub fn json(name: &str, run: &Run) -> String {
    let report = Report {
        module: name,
        library: &run.abilities.library,
        counts: run.counts(),
        cases: run.cases.iter().map(line).collect(),
    };
    serde_json::to_string_pretty(&report).expect("plain data")
}

fn line(one: &Judged) -> Line<'_> {
    let (verdict, reason) = match &one.verdict {
        Verdict::Passed => ("passed", None),
        Verdict::Expected(reason) => ("expected", Some(reason)),
        Verdict::Skipped(reason) => ("skipped", Some(reason)),
        Verdict::Wrong(what) => ("wrong", Some(what)),
    };
    Line {
        id: one.case.id,
        sentence: one.case.sentence(),
        section: one.case.section,
        verdict,
        reason: reason.map(String::as_str),
        seconds: one.took.as_secs_f64(),
        output: one.output.as_deref(),
    }
}
