// SPDX-License-Identifier: MIT
//! A page's table of modules, between two marks: each run writes its module's line and leaves the others.

use crate::run::Run;
use std::collections::BTreeMap;
use std::path::Path;

const BEGIN: &str = "<!-- figures: modules -->";
const END: &str = "<!-- end of figures -->";
const HEAD: &str =
    "| module | library | passed | failed, as expected | skipped | wrong |\n|---|---|---|---|---|---|";

/// Writes the line of the module called `name`.
///
/// # Errors
/// The page cannot be read or written, or has no marks.
pub fn update(page: &Path, name: &str, run: &Run) -> Result<(), String> {
    let said = |error: &dyn std::fmt::Display| format!("{}: {error}", page.display());
    let text = std::fs::read_to_string(page).map_err(|error| said(&error))?;
    let parts = text
        .split_once(BEGIN)
        .and_then(|(head, rest)| Some((head, rest.split_once(END)?)));
    let (head, (table, tail)) = parts.ok_or_else(|| said(&"the marks around the table are missing"))?;
    let mut rows: BTreeMap<_, _> = table
        .lines()
        .skip_while(|line| !line.starts_with("|---"))
        .skip(1)
        .filter_map(|line| Some((line.split('|').nth(1)?.trim(), line.to_owned())))
        .collect();
    let counts = run.counts();
    let row = format!(
        "| {name} | {} | {} | {} | {} | {} |",
        run.abilities.library, counts.passed, counts.expected, counts.skipped, counts.wrong
    );
    rows.insert(name, row);
    let rows: Vec<_> = rows.into_values().collect();
    let text = format!("{head}{BEGIN}\n\n{HEAD}\n{}\n\n{END}{tail}", rows.join("\n"));
    std::fs::write(page, text).map_err(|error| said(&error))
}
