// SPDX-License-Identifier: MIT
//! The tables of the page.

use std::fmt::{Display, Write};

use super::report::{Beside, Cell, Line, Report};
use super::statistics::Spread;

/// All tables of a run, in Markdown.
pub fn all(report: &Report) -> String {
    let mut text = format!(
        "Measured on {} with `{}`. {} Load average before: {}.\n",
        report.date, report.command, report.machine, report.load
    );
    for reason in &report.left_out {
        text.push_str(&format!("\nLeft out: {reason}.\n"));
    }
    for table in [
        processor_time(report),
        added(report),
        beside(report),
        scaling(report),
        objects(report),
        neighbour(report),
        cold(report),
        memory(report),
    ]
    .iter()
    .filter(|table| !table.is_empty())
    {
        text.push('\n');
        text.push_str(table);
    }
    text
}

/// A table with its title; empty where it has no rows.
fn table(title: &str, heads: &[String], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let rows: Vec<_> = rows.into_iter().collect();
    if rows.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "{title}\n\n| {} |\n|{}\n",
        heads.join(" | "),
        "---|".repeat(heads.len())
    );
    for row in rows {
        writeln!(text, "| {} |", row.join(" | ")).expect("text");
    }
    text
}

fn heads(first: &str, report: &Report) -> Vec<String> {
    let first = std::iter::once(first.to_owned());
    first.chain(report.columns.iter().cloned()).collect()
}

/// A row: its name, and what is told of each column.
fn row<T>(
    name: impl Display,
    cells: &[Result<T, String>],
    tell: impl Fn(usize, &T) -> String,
) -> Vec<String> {
    let cells = cells.iter().enumerate().map(|(index, cell)| match cell {
        Ok(cell) => tell(index, cell),
        Err(reason) => why(reason),
    });
    std::iter::once(name.to_string()).chain(cells).collect()
}

/// Why there is no figure, short: that a module lacks a mechanism needs no words.
fn why(reason: &str) -> String {
    if reason.starts_with("CKR_") || reason.starts_with("the bare library") {
        "–".into()
    } else {
        reason.into()
    }
}

fn single(report: &Report) -> impl Iterator<Item = &Line> {
    report.cryptography.iter().filter(|line| line.threads == 1)
}

fn processor_time(report: &Report) -> String {
    let tell = |index: usize, cell: &Cell| match cell.ratio {
        Some(ratio) if index > 0 => format!("{} ({:.2})", micros(cell.cpu.median), ratio.median),
        _ => micros(cell.cpu.median),
    };
    table(
        "Processor time of one operation, and its ratio to the bare library's:",
        &heads("operation", report),
        single(report).map(|line| row(&line.name, &line.cells, tell)),
    )
}

/// The first column with a module is the one that the page is about.
fn added(report: &Report) -> String {
    let Some(name) = report.columns.get(1) else {
        return String::new();
    };
    let heads = [
        "operation",
        "added",
        "ratio",
        "median, bare",
        "median",
        "99 %, bare",
        "99 %",
    ];
    let rows = single(report).filter_map(|line| {
        let [Ok(bare), Ok(own), ..] = &line.cells[..] else {
            return None;
        };
        let (added, ratio) = (own.added?, own.ratio?);
        Some(vec![
            line.name.clone(),
            format!("{} ({:.2} to {:.2})", micros(added.median), added.low, added.high),
            spread(ratio),
            micros(bare.p50),
            micros(own.p50),
            micros(bare.p99),
            micros(own.p99),
        ])
    });
    table(
        &format!(
            "What {name} adds to the bare library's processor time (in parentheses the middle half of the slices), and \
             how long single operations take:"
        ),
        &heads.map(str::to_owned),
        rows,
    )
}

fn beside(report: &Report) -> String {
    let pairs: Vec<(usize, usize)> = report
        .beside
        .iter()
        .enumerate()
        .filter_map(|(index, beside)| Some((index, (*beside)?)))
        .collect();
    let heads = pairs
        .iter()
        .map(|(own, other)| format!("{} beside {}", report.columns[*own], report.columns[*other]));
    let heads: Vec<_> = std::iter::once("operation".to_owned()).chain(heads).collect();
    let lines = if pairs.is_empty() {
        &[][..]
    } else {
        &report.cryptography
    };
    let rows = lines.iter().filter(|line| line.threads == 1).map(|line| {
        let cells = pairs.iter().map(|(own, _)| {
            let ratio = line.cells[*own].as_ref().ok().and_then(|cell| cell.ratio_beside);
            ratio.map_or_else(|| "–".to_owned(), spread)
        });
        std::iter::once(line.name.clone()).chain(cells).collect()
    });
    table(
        "A module behind a slot beside the same module called directly, ratio of the processor time:",
        &heads,
        rows,
    )
}

fn scaling(report: &Report) -> String {
    let rows = report
        .cryptography
        .iter()
        .filter(|line| line.threads > 1)
        .map(|line| {
            let one = report
                .cryptography
                .iter()
                .find(|other| other.name == line.name && other.threads == 1);
            row(&line.name, &line.cells, |index, cell| {
                let one = one.and_then(|one| one.cells[index].as_ref().ok());
                one.map_or_else(
                    || "–".into(),
                    |one| format!("{:.2}", one.wall.median / cell.wall.median),
                )
            })
        });
    table(
        "How many times as much two threads do as one:",
        &heads("operation", report),
        rows,
    )
}

fn objects(report: &Report) -> String {
    let crowds = report.objects.iter();
    let lines = crowds.flat_map(|crowd| crowd.lines.iter().map(move |line| (crowd, line)));
    let mut lines: Vec<_> = lines.collect();
    lines.sort_by_key(|(crowd, line)| (line.name.clone(), crowd.objects));
    let rows = lines.into_iter().map(|(crowd, line)| {
        let name = format!("{}, {} objects", line.name, thousands(crowd.objects));
        row(name, &line.cells, |index, cell| {
            let time = if line.waits { cell.wall } else { cell.cpu };
            let time = micros(time.median);
            match crowd.reached[index] {
                reached if reached < crowd.objects => format!("{time} (at {})", thousands(reached)),
                _ => time,
            }
        })
    });
    table(
        "With more and more objects on the token: processor time, and for what waits for the disk the time that passes \
         (where a module did not make all objects in time: with as many as it had made):",
        &heads("operation", report),
        rows,
    )
}

fn neighbour(report: &Report) -> String {
    let nanos = |nanos: u64| micros(nanos as f64 / 1e3);
    type Tell<'a> = (&'a str, &'a dyn Fn(&Beside) -> String);
    let tells: [Tell<'_>; 4] = [
        ("99 %, another process is busy", &|beside| {
            nanos(beside.foreign.p99)
        }),
        ("99 %, a thread of the same is busy", &|beside| {
            nanos(beside.own.p99)
        }),
        ("ratio", &|beside| {
            format!("{:.2}", beside.own.p99 as f64 / beside.foreign.p99 as f64)
        }),
        ("the longest, same process", &|beside| nanos(beside.own.most)),
    ];
    table(
        "P-256 signatures while a neighbour generates RSA-4096 keys:",
        &heads("time of a signature", report),
        tells.map(|(name, tell)| row(name, &report.beside_busy, |_, beside| tell(beside))),
    )
}

fn cold(report: &Report) -> String {
    let millis = |millis: f64| micros(millis * 1e3);
    let rows = [
        row("objects on the token", &report.cold, |_, cold| {
            thousands(cold.objects)
        }),
        row("start to signature", &report.cold, |_, cold| {
            millis(cold.total.median)
        }),
        row("processor time of it", &report.cold, |_, cold| millis(cold.cpu)),
        row("`C_Login` of that", &report.cold, |_, cold| millis(cold.login)),
    ];
    table(
        "A new process, from its start to its first signature:",
        &heads("", report),
        rows,
    )
}

fn memory(report: &Report) -> String {
    let rows = [
        row("objects on the token", &report.memory, |_, memory| {
            thousands(memory.objects)
        }),
        row("resident anonymous memory", &report.memory, |_, memory| {
            format!("{:.1} MiB", memory.bytes as f64 / f64::from(1 << 20))
        }),
    ];
    table("Memory after login and one signature:", &heads("", report), rows)
}

fn spread(spread: Spread) -> String {
    format!("{:.3} ({:.3} to {:.3})", spread.median, spread.low, spread.high)
}

/// A time given in microseconds, to three figures.
fn micros(micros: f64) -> String {
    let (value, unit) = match micros.abs() {
        time if time < 1e4 => (micros, "µs"),
        time if time < 1e6 => (micros / 1e3, "ms"),
        _ => (micros / 1e6, "s"),
    };
    match value.abs() {
        size if size < 10.0 => format!("{value:.2} {unit}"),
        size if size < 100.0 => format!("{value:.1} {unit}"),
        _ => format!("{value:.0} {unit}"),
    }
}

/// With a comma before every three digits.
fn thousands(count: usize) -> String {
    let digits = count.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap_or_default())
        .collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::report::{Cold, Crowd, Memory};
    use crate::local::worker::Tail;

    fn one(value: f64) -> Spread {
        Spread {
            low: value,
            median: value,
            high: value,
        }
    }

    /// Twice as much time passes as the processor takes.
    fn cell(cpu: f64, bare: f64) -> Result<Cell, String> {
        Ok(Cell {
            cpu: one(cpu),
            wall: one(2.0 * cpu),
            p50: cpu,
            p99: cpu,
            ratio: Some(one(cpu / bare)),
            added: Some(one(cpu - bare)),
            ratio_beside: Some(one(1.02)),
        })
    }

    fn line(name: &str, threads: usize, cells: Vec<Result<Cell, String>>) -> Line {
        Line {
            name: name.into(),
            threads,
            waits: name == "find",
            cells,
        }
    }

    fn report() -> Report {
        let tail = |p99| Tail {
            p50: 1,
            p99,
            most: 9_000,
        };
        let memory = |bytes| Memory {
            objects: 100_000,
            bytes,
        };
        Report {
            date: "2026-01-31".into(),
            machine: "A machine.".into(),
            load: "0.25".into(),
            command: "measure".into(),
            columns: ["bare", "ours", "theirs"].map(str::to_owned).to_vec(),
            beside: vec![None, None, Some(1)],
            left_out: vec!["other: it is not there".into()],
            cryptography: vec![
                line(
                    "sign",
                    1,
                    vec![cell(10.0, 10.0), cell(12.0, 10.0), Err("CKR_X".into())],
                ),
                line(
                    "sign",
                    2,
                    vec![cell(5.0, 5.0), cell(8.0, 5.0), Err("it panicked".into())],
                ),
            ],
            objects: vec![Crowd {
                objects: 1_000,
                reached: vec![0, 1_000, 204],
                lines: vec![line(
                    "find",
                    1,
                    vec![
                        Err("the bare library keeps no objects".into()),
                        cell(2e4, 1.0),
                        cell(3e6, 1.0),
                    ],
                )],
            }],
            beside_busy: vec![Ok(Beside {
                foreign: tail(2_000),
                own: tail(3_000),
            })],
            cold: vec![Ok(Cold {
                objects: 10_000,
                total: one(50.0),
                cpu: 20.0,
                login: 0.5,
            })],
            memory: vec![Ok(memory(3 << 20))],
        }
    }

    #[test]
    fn every_table_has_its_rows() {
        let text = all(&report());
        for row in [
            "Measured on 2026-01-31 with `measure`. A machine. Load average before: 0.25.",
            "Left out: other: it is not there.",
            "| sign | 10.0 µs | 12.0 µs (1.20) | – |",
            "| sign | 2.00 µs (2.00 to 2.00) | 1.200 (1.200 to 1.200) | 10.0 µs | 12.0 µs | 10.0 µs | 12.0 µs |",
            "| operation | theirs beside ours |",
            "| sign | 2.00 | 1.50 | it panicked |",
            "| find, 1,000 objects | – | 40.0 ms | 6.00 s (at 204) |",
            "| ratio | 1.50 |",
            "| start to signature | 50.0 ms |",
            "| processor time of it | 20.0 ms |",
            "| `C_Login` of that | 500 µs |",
            "| objects on the token | 10,000 |",
            "| objects on the token | 100,000 |",
            "| resident anonymous memory | 3.0 MiB |",
        ] {
            assert!(text.lines().any(|line| line == row), "no `{row}` in\n{text}");
        }
    }

    #[test]
    fn without_a_column_beside_another_there_is_no_table_of_them() {
        let mut report = report();
        report.beside = vec![None; 3];
        assert!(!all(&report).contains("called directly"));
    }

    #[test]
    fn a_table_without_rows_is_left_out() {
        assert_eq!(table("title", &["a".into()], []), "");
    }
}
