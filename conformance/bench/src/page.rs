// SPDX-License-Identifier: MIT
//! The page: docs/performance.md, of which the part between two marks is written here and the rest by people.

use std::fmt::Write;
use std::path::Path;

use crate::remote::{LATENCY, Played, Remote, WIDTH};

const BEGIN: &str = "<!-- figures: remote -->";
const END: &str = "<!-- end of figures -->";

/// Replaces the figures in the page.
pub fn write(page: &Path, remote: &Remote) {
    let text = std::fs::read_to_string(page).expect("the page");
    let (head, rest) = text.split_once(BEGIN).expect("the mark before the figures");
    let (_, tail) = rest.split_once(END).expect("the mark after the figures");
    let figures = figures(remote);
    println!("{figures}");
    std::fs::write(page, format!("{head}{BEGIN}\n\n{figures}\n{END}{tail}")).expect("the page");
}

fn figures(remote: &Remote) -> String {
    let mut text = String::new();
    let micros = |played: &Played| 1e6 / played.figures.rate();
    writeln!(text, "{}\n", machine()).expect("text");
    writeln!(
        text,
        "| one after the other | bare SDK | through the module | added | ratio |"
    )
    .expect("text");
    writeln!(text, "|---|---|---|---|---|").expect("text");
    let rows = [
        ("mean, service answers at once", &remote.serial),
        ("mean, service takes 10 ms", &remote.distant),
    ];
    for (name, [bare, module]) in rows {
        row(&mut text, name, micros(bare), micros(module));
    }
    let [bare, module] = &remote.serial;
    for (name, percent) in [("median, at once", 50), ("99th percentile, at once", 99)] {
        row(
            &mut text,
            name,
            bare.figures.percentile(percent),
            module.figures.percentile(percent),
        );
    }
    row(
        &mut text,
        "processor time, at once",
        bare.figures.cpu_each(),
        module.figures.cpu_each(),
    );
    parallel(&mut text, remote);
    text
}

fn row(text: &mut String, name: &str, bare: f64, module: f64) {
    let (added, ratio) = (module - bare, module / bare);
    writeln!(
        text,
        "| {name} | {bare:.0} µs | {module:.0} µs | {added:.0} µs | {ratio:.2} |"
    )
    .expect("text");
}

fn parallel(text: &mut String, remote: &Remote) {
    let [bare, module] = &remote.parallel;
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    writeln!(
        text,
        "\n| 10,000 signatures, service takes {LATENCY} ms | bare SDK, {WIDTH} tasks | module, {WIDTH} threads | module, 10,000 \
         pending from one thread |"
    )
    .expect("text");
    writeln!(text, "|---|---|---|---|").expect("text");
    let mut row = |name: &str, tell: &dyn Fn(&Played) -> String| {
        writeln!(
            text,
            "| {name} | {} | {} | {} |",
            tell(bare),
            tell(module),
            tell(&remote.pending)
        )
        .expect("text");
    };
    row("signatures a second", &|played| {
        format!("{:.0}", played.figures.rate())
    });
    row("connections opened", &|played| played.connections.to_string());
    row("requests for a signature", &|played| {
        played.signatures.to_string()
    });
    row("processor time each", &|played| {
        format!("{:.0} µs", played.figures.cpu_each())
    });
    row("resident anonymous memory before", &|played| {
        format!("{:.1} MiB", mebibytes(played.figures.memory_before))
    });
    row("at its peak", &|played| {
        format!("{:.1} MiB", mebibytes(played.figures.memory_peak))
    });
    row("threads", &|played| played.figures.threads.to_string());
}

/// What it was measured on.
fn machine() -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_figures() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/performance.md");
        let text = std::fs::read_to_string(page).expect("the page");
        let figures = text
            .split_once(BEGIN)
            .and_then(|(_, rest)| rest.split_once(END))
            .map(|(figures, _)| figures);
        assert!(
            figures.is_some_and(|figures| figures.contains("| signatures a second |")),
            "{figures:?}"
        );
    }
}
