// SPDX-License-Identifier: MIT
//! The figures of remote signing as the page shows them.

use std::fmt::Write;

use super::{LATENCY, Played, Remote, WIDTH};
use crate::page;

/// All of them.
pub fn figures(remote: &Remote) -> String {
    let mut text = String::new();
    let micros = |played: &Played| 1e6 / played.figures.rate();
    writeln!(text, "{}\n", page::machine()).expect("text");
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
