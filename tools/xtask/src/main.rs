// SPDX-License-Identifier: MIT
//! `cargo xtask`: the project's build and test tasks, one command each.
//!
//! Free of dependencies, so that the first command in a fresh clone does not wait for anything but itself.
//! This file only chooses the task; a task is one file and one row of [`TASKS`].
#![forbid(unsafe_code)]

mod bench;
mod clients;
mod conformance;
mod dependencies;
mod emulators;
mod full;
mod fuzz;
mod install;
mod peers;
mod project;
mod quickstart;
mod run;
mod sbom;
mod test;
mod tools;

use std::process::ExitCode;

type Task = fn(&[String]) -> Result<(), String>;

const TASKS: &[(&str, &str, Task)] = &[
    (
        "quickstart",
        "build for use, make a token and a key, sign a file and have OpenSSL verify it",
        quickstart::run,
    ),
    (
        "test",
        "everything that a change must pass [--filter TEXT]",
        test::run,
    ),
    (
        "full",
        "what takes longer: sanitizers, long stress, licences; writes docs/full-run.md",
        full::run,
    ),
    (
        "fuzz",
        "run the fuzz targets [--seconds N] [--keep] [TARGET...]",
        fuzz::run,
    ),
    (
        "conformance",
        "hold a module to the black-box cases [--peer NAME] [--module FILE] [--wycheproof] [--help]",
        conformance::run,
    ),
    (
        "sbom",
        "list what is in the library and the tool, as CycloneDX, in target/sbom",
        sbom::run,
    ),
    (
        "bench",
        "measure the module beside the bare library and others [remote|local] [--quick]; writes docs/performance.md",
        bench::run,
    ),
    (
        "install",
        "copy the library and the command-line tool to --prefix DIR",
        install::run,
    ),
];

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next();
    let rest: Vec<String> = arguments.collect();
    let task = name
        .as_deref()
        .and_then(|name| TASKS.iter().find(|(known, ..)| *known == name));
    match (task, name.as_deref()) {
        (Some((_, _, task)), _) => match task(&rest) {
            Ok(()) => ExitCode::SUCCESS,
            Err(reason) => {
                eprintln!("xtask: {reason}");
                ExitCode::FAILURE
            }
        },
        (None, None | Some("help" | "--help" | "-h")) => {
            println!("{}", help());
            ExitCode::SUCCESS
        }
        (None, Some(unknown)) => {
            eprintln!("xtask: there is no task `{unknown}`\n\n{}", help());
            ExitCode::FAILURE
        }
    }
}

fn help() -> String {
    let rows: Vec<String> = TASKS
        .iter()
        .map(|(name, about, _)| format!("  {name:<11} {about}"))
        .collect();
    format!(
        "Usage: cargo xtask TASK [ARGUMENTS]\n\nTasks:\n{}",
        rows.join("\n")
    )
}
