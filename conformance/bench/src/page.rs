// SPDX-License-Identifier: MIT
//! The page: docs/performance.md, of which the parts between two marks are written here and the rest by people.

use std::path::Path;
use std::time::SystemTime;

use aws_smithy_types::DateTime;

const END: &str = "<!-- end of figures -->";

/// Replaces the figures of one part of the page.
pub fn write(page: &Path, part: &str, figures: &str) {
    let text = std::fs::read_to_string(page).expect("the page");
    let text = replaced(&text, part, figures).unwrap_or_else(|| panic!("the page has no part `{part}`"));
    std::fs::write(page, text).expect("the page");
}

/// The text with other figures between the part's marks; `None` where it has no such part.
fn replaced(text: &str, part: &str, figures: &str) -> Option<String> {
    let begin = format!("<!-- figures: {part} -->");
    let (head, rest) = text.split_once(&begin)?;
    let (_, tail) = rest.split_once(END)?;
    Some(format!("{head}{begin}\n\n{}\n\n{END}{tail}", figures.trim_end()))
}

/// What it was measured on.
pub fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").expect("/proc");
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let cores = std::thread::available_parallelism().expect("a number of processors");
    format!(
        "{cores} processors ({}), everything on this one machine.",
        model.map_or("unknown", |(_, name)| name.trim())
    )
}

/// The day of the measurement, as `2026-01-31`.
pub fn today() -> String {
    let now = DateTime::from(SystemTime::now()).to_string();
    now.split('T').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a\n<!-- figures: one -->\nold\n<!-- end of figures -->\nb\n\
                        <!-- figures: two -->\nother\n<!-- end of figures -->\nc\n";

    #[test]
    fn only_the_named_part_is_replaced() {
        let text = replaced(TEXT, "one", "new\n").unwrap();
        assert_eq!(text.replace("\n\nnew\n\n", "\nold\n"), TEXT);
        let text = replaced(TEXT, "two", "new\n").unwrap();
        assert_eq!(text.replace("\n\nnew\n\n", "\nother\n"), TEXT);
    }

    #[test]
    fn an_unknown_part_is_no_part() {
        assert_eq!(replaced(TEXT, "three", "new"), None);
    }

    #[test]
    fn the_page_has_every_part() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/performance.md");
        let text = std::fs::read_to_string(page).unwrap();
        for part in ["remote", "local"] {
            assert!(replaced(&text, part, "").is_some(), "{part}");
        }
    }

    #[test]
    fn a_day_is_ten_characters() {
        let today = today();
        assert_eq!((today.len(), today.matches('-').count()), (10, 2), "{today}");
    }
}
