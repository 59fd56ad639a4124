// SPDX-License-Identifier: MIT
//! A page's tables of modules, each between two marks: a run writes its module's line and leaves the others.

use crate::expectations::Verdict;
use crate::profiles;
use crate::report::vectors::Totals;
use crate::run::Run;
use crate::wycheproof::Played;
use std::collections::BTreeMap;
use std::path::Path;

const END: &str = "<!-- end of figures -->";

/// A table: its mark, and its columns.
struct Table {
    begin: &'static str,
    columns: String,
}

/// Writes the lines of the module called `name`: of the cases, and of the profiles' test cases if they were run.
///
/// # Errors
/// The page cannot be read or written, or has no marks.
pub fn update(page: &Path, name: &str, run: &Run) -> Result<(), String> {
    let counts = run.counts();
    let cells = [
        run.abilities.library.clone(),
        counts.passed.to_string(),
        counts.expected.to_string(),
        counts.skipped.to_string(),
        counts.wrong.to_string(),
    ];
    write(page, &modules(), name, &cells)?;
    let of_oasis = run
        .cases
        .iter()
        .filter(|one| one.case.id.starts_with(profiles::ID));
    let cells: Vec<_> = of_oasis
        .map(|one| match one.verdict {
            Verdict::Passed => "passes".to_owned(),
            Verdict::Skipped(_) => "skipped".to_owned(),
            Verdict::Expected(_) | Verdict::Wrong(_) => "fails".to_owned(),
        })
        .collect();
    if cells.iter().any(|cell| cell != "skipped") {
        write(page, &oasis(), name, &cells)?;
    }
    Ok(())
}

/// Writes the line of the module called `name` about Wycheproof's vectors.
///
/// # Errors
/// As [`update`].
pub fn update_vectors(page: &Path, name: &str, played: &[Played]) -> Result<(), String> {
    let totals = Totals::of(played);
    let counts = [
        totals.sets,
        totals.absent,
        totals.vectors,
        totals.open,
        totals.wrong,
    ];
    write(page, &wycheproof(), name, &counts.map(|count| count.to_string()))
}

fn modules() -> Table {
    Table {
        begin: "<!-- figures: modules -->",
        columns: "library | passed | failed, as expected | skipped | wrong".to_owned(),
    }
}

fn oasis() -> Table {
    Table {
        begin: "<!-- figures: oasis -->",
        columns: profiles::FILES.join(" | "),
    }
}

fn wycheproof() -> Table {
    Table {
        begin: "<!-- figures: wycheproof -->",
        columns: "sets | sets not offered | vectors | may be either | otherwise than stated".to_owned(),
    }
}

fn write(page: &Path, table: &Table, name: &str, cells: &[String]) -> Result<(), String> {
    let said = |error: &dyn std::fmt::Display| format!("{}: {error}", page.display());
    let text = std::fs::read_to_string(page).map_err(|error| said(&error))?;
    let parts = text
        .split_once(table.begin)
        .and_then(|(head, rest)| Some((head, rest.split_once(END)?)));
    let (head, (old, tail)) = parts.ok_or_else(|| said(&"the marks around a table are missing"))?;
    let columns = format!("| module | {} |", table.columns);
    let lines = "|---".repeat(columns.matches(" | ").count() + 1) + "|";
    let mut rows: BTreeMap<_, _> = old
        .lines()
        .skip_while(|line| !line.starts_with("|---"))
        .skip(1)
        .filter_map(|line| Some((line.split('|').nth(1)?.trim(), line.to_owned())))
        .collect();
    rows.insert(name, format!("| {name} | {} |", cells.join(" | ")));
    let rows: Vec<_> = rows.into_values().collect();
    let begin = table.begin;
    let text = format!(
        "{head}{begin}\n\n{columns}\n{lines}\n{}\n\n{END}{tail}",
        rows.join("\n")
    );
    std::fs::write(page, text).map_err(|error| said(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::PEERS;

    const PAGE: &str = include_str!("../../../../docs/conformance.md");

    #[test]
    fn the_page_has_every_module_in_every_table_with_its_columns_of_now() {
        for table in [modules(), oasis(), wycheproof()] {
            let (_, rest) = PAGE.split_once(table.begin).expect("the table");
            let (shown, _) = rest.split_once(END).expect("its end");
            assert!(shown.contains(&table.columns), "{}: other columns", table.begin);
            let names = PEERS.iter().map(|peer| peer.name).chain(["keyenclave"]);
            for name in names {
                let row = format!("| {name} |");
                assert!(
                    shown.lines().any(|line| line.starts_with(&row)),
                    "{}: no {name}",
                    table.begin
                );
            }
        }
    }
}
