// SPDX-License-Identifier: MIT
//! What a run says, in four forms: text for people, JSON and JUnit's XML for programs, and a line of a page.

mod json;
mod junit;
mod page;
mod text;
mod vectors;

pub use json::json;
pub use junit::junit;
pub use page::{update, update_vectors};
pub use text::{line, summary};
pub use vectors::vectors;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abilities::Abilities;
    use crate::expectations::Verdict;
    use crate::run::{Judged, Run};
    use std::time::Duration;

    /// A run with a case of each verdict.
    fn run() -> Run {
        let verdicts = [
            Verdict::Passed,
            Verdict::Expected("known".into()),
            Verdict::Skipped("cannot".into()),
            Verdict::Wrong("it <fails>".into()),
        ];
        let judged = crate::all().zip(verdicts).map(|(case, verdict)| Judged {
            case,
            output: matches!(verdict, Verdict::Expected(_) | Verdict::Wrong(_)).then(|| "said & done".into()),
            verdict,
            took: Duration::from_millis(1500),
        });
        Run {
            abilities: Abilities::default(),
            cases: judged.collect(),
        }
    }

    #[test]
    fn the_text_names_what_is_wrong_and_counts_the_rest() {
        let text = summary(&run());
        assert!(
            text.contains("it <fails>") && text.contains("said & done"),
            "{text}"
        );
        assert!(
            text.ends_with("1 passed, 1 failed as expected, 1 skipped, 1 wrong"),
            "{text}"
        );
        let lines: Vec<_> = run().cases.iter().map(line).collect();
        let first = crate::all().next().unwrap();
        assert_eq!(lines[0], format!("ok        {}", first.id));
        assert!(
            lines[1].starts_with("expected") && lines[1].ends_with("known"),
            "{}",
            lines[1]
        );
        assert!(
            lines[2].starts_with("skipped") && lines[2].ends_with("cannot"),
            "{}",
            lines[2]
        );
        assert!(
            lines[3].starts_with("WRONG") && lines[3].ends_with("it <fails>"),
            "{}",
            lines[3]
        );
    }

    #[test]
    fn json_has_every_case_with_its_section() {
        let read: serde_json::Value = serde_json::from_str(&json("a module", &run())).unwrap();
        assert_eq!(read["module"], "a module");
        assert_eq!(read["counts"]["wrong"], 1);
        let cases = read["cases"].as_array().unwrap();
        let verdicts: Vec<_> = cases
            .iter()
            .map(|case| case["verdict"].as_str().unwrap())
            .collect();
        assert_eq!(verdicts, ["passed", "expected", "skipped", "wrong"]);
        assert_eq!(cases[0]["section"], crate::all().next().unwrap().section);
        assert_eq!(cases[3]["output"], "said & done");
    }

    #[test]
    fn junit_counts_failures_and_skips() {
        let text = junit("a module", &run()).unwrap();
        assert!(
            text.contains("tests=\"4\"") && text.contains("failures=\"1\""),
            "{text}"
        );
        assert!(
            text.contains("it &lt;fails") && text.contains("<skipped"),
            "{text}"
        );
    }

    #[test]
    fn a_page_gets_one_line_for_each_module() {
        let directory = tempfile::tempdir().unwrap();
        let page = directory.path().join("page.md");
        std::fs::write(
            &page,
            "before\n<!-- figures: modules -->\n<!-- end of figures -->\nafter\n",
        )
        .unwrap();
        for name in ["b", "a", "b"] {
            update(&page, name, &run()).unwrap();
        }
        let text = std::fs::read_to_string(&page).unwrap();
        assert!(
            text.starts_with("before\n") && text.ends_with("\nafter\n"),
            "{text}"
        );
        let rows: Vec<_> = text
            .lines()
            .filter(|line| line.contains(" | 1 | 1 | 1 | 1 |"))
            .collect();
        assert_eq!(rows.len(), 2, "{text}");
        assert!(
            rows[0].starts_with("| a |") && rows[1].starts_with("| b |"),
            "{text}"
        );
        std::fs::write(&page, "no marks").unwrap();
        assert!(update(&page, "a", &run()).is_err());
    }
}
