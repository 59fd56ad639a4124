// SPDX-License-Identifier: MIT
//! Running a program: says what it runs, streams what it prints, and turns a failure into a sentence.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// Prints the command as a person would type it.
fn announce(command: &Command) {
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .collect();
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    println!("\n$ {}", words.join(" "));
}

fn outcome(command: &Command, status: std::process::ExitStatus) -> Result<(), String> {
    let program = command.get_program().to_string_lossy();
    if status.success() {
        Ok(())
    } else {
        Err(format!("{program} ended with {status}"))
    }
}

/// Runs `command` with its output going straight to ours.
pub fn shown(command: &mut Command) -> Result<(), String> {
    announce(command);
    let status = command.status().map_err(|error| cannot_start(command, &error))?;
    outcome(command, status)
}

/// Runs `command`, printing each line of its standard output as it comes and handing it to `see`.
pub fn watched(command: &mut Command, mut see: impl FnMut(&str)) -> Result<(), String> {
    announce(command);
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| cannot_start(command, &error))?;
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).split(b'\n') {
            let line = line.map_err(|error| format!("reading the output of a test run: {error}"))?;
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            see(&line);
        }
    }
    let status = child
        .wait()
        .map_err(|error| format!("waiting for a test run: {error}"))?;
    outcome(command, status)
}

/// Runs `command` quietly; its standard output, or why there is none.
pub fn read(command: &mut Command) -> Result<String, String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| cannot_start(command, &error))?;
    outcome(command, output.status)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn cannot_start(command: &Command, error: &std::io::Error) -> String {
    format!(
        "cannot start {}: {error}",
        command.get_program().to_string_lossy()
    )
}
