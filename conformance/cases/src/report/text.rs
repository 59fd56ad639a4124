// SPDX-License-Identifier: MIT
//! The report for people: a line for each case as it ends, then what is wrong, then the counts.

use crate::expectations::Verdict;
use crate::run::{Judged, Run};
use std::fmt::Write;

/// One case's line.
pub fn line(one: &Judged) -> String {
    let id = one.case.id;
    match &one.verdict {
        Verdict::Passed => format!("ok        {id}"),
        Verdict::Expected(reason) => format!("expected  {id}: {reason}"),
        Verdict::Skipped(reason) => format!("skipped   {id}: {reason}"),
        Verdict::Wrong(what) => format!("WRONG     {id}: {what}"),
    }
}

/// What is wrong, with what the cases printed, and the counts.
pub fn summary(run: &Run) -> String {
    let mut text = String::new();
    for one in &run.cases {
        if let Verdict::Wrong(what) = &one.verdict {
            let (id, sentence, section) = (one.case.id, one.case.sentence(), one.case.section);
            let output = one.output.as_deref().unwrap_or_default();
            let _ = writeln!(text, "\n---- {id}: {what}\n{sentence} (\"{section}\")\n{output}");
        }
    }
    let counts = run.counts();
    let _ = write!(
        text,
        "\n{}: {} passed, {} failed as expected, {} skipped, {} wrong",
        run.abilities.library, counts.passed, counts.expected, counts.skipped, counts.wrong
    );
    text
}
