// SPDX-License-Identifier: MIT
//! Each black-box case in a process of its own.
//!
//! `C_Initialize`, fork handlers and what happens at exit belong to a process, so a case gets one: [`in_own_process`]
//! starts the test binary again for the one test, in a fresh [`Place`], and kills it when it takes too long. A case
//! that hangs, crashes or leaves a process behind fails, and the others go on.

use crate::place::Place;
use std::io::{Read, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// The variable that tells a process which case it was started for.
pub const CASE: &str = "KEYENCLAVE_TEST_CASE";
const PART: &str = "KEYENCLAVE_TEST_PART";

/// How long a case may take before it counts as hung.
pub const LIMIT: Duration = Duration::from_secs(300);

/// Runs `body`, the whole body of a test, in a process of its own.
pub fn in_own_process<F: FnOnce()>(body: F) {
    in_own_process_named(name_of::<F>(), |_| {}, body);
}

/// The same for the test `name`, with an environment that `prepare` completes in the parent.
pub(crate) fn in_own_process_named(name: String, prepare: impl FnOnce(&mut Command), body: impl FnOnce()) {
    if std::env::var_os(CASE).is_some() {
        return body();
    }
    let place = Place::new();
    let mut command = again(&place, &name);
    command.args(["--exact", &name, "--nocapture", "--test-threads=1"]);
    prepare(&mut command);
    match finish(command, LIMIT) {
        // No test of a name that is none is a success.
        Ok(output) => assert!(
            output.contains("running 1 test"),
            "{name} is no test:\n{}",
            indented(&output)
        ),
        Err(output) => panic!("{}", indented(&output)),
    }
}

/// This program once more, in a place of its own, for the case `name`.
pub fn again(place: &Place, name: &str) -> Command {
    let mut command = place.command(std::env::current_exe().expect("this program"));
    // Cargo may have started us with paths relative to where it was.
    command
        .env(CASE, name)
        .current_dir(std::env::current_dir().expect("a current directory"));
    command
}

/// How a program ended.
pub struct Ended {
    /// What it printed.
    pub output: String,
    /// `None` when it had to be killed at the limit.
    pub status: Option<ExitStatus>,
}

/// Runs `command` with no input; its output if it succeeds within `limit`.
///
/// # Errors
/// What it printed and how it ended. Whoever holds its output open counts as it: a child left behind is a hang.
pub fn finish(command: Command, limit: Duration) -> Result<String, String> {
    let described = format!("{command:?}");
    let Ended { output, status } = end(command, limit);
    match status {
        Some(status) if status.success() => Ok(output),
        Some(status) => Err(format!("{output}\n{described} ended with {status}")),
        None => Err(format!(
            "{output}\n{described} did not end within {} s",
            limit.as_secs()
        )),
    }
}

/// Runs `command` with no input until it ends or `limit` is over.
///
/// Whoever holds its output open counts as it: a child left behind is a hang.
pub fn end(mut command: Command, limit: Duration) -> Ended {
    let (mut output, writer) = std::io::pipe().expect("a pipe");
    let errors = writer.try_clone().expect("a second end of the pipe");
    let described = format!("{command:?}");
    let child = command.stdin(Stdio::null()).stdout(writer).stderr(errors).spawn();
    // The command holds our copies of the pipe's writing end.
    drop(command);
    let mut child = child.unwrap_or_else(|error| panic!("starting {described}: {error}"));
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = output.read_to_end(&mut bytes);
        sender.send(String::from_utf8_lossy(&bytes).into_owned())
    });
    let Ok(text) = receiver.recv_timeout(limit) else {
        let _ = child.kill();
        let _ = child.wait();
        let text = receiver.recv_timeout(Duration::from_secs(1)).unwrap_or_default();
        return Ended {
            output: text,
            status: None,
        };
    };
    let status = child.wait().expect("the child's status");
    Ended {
        output: text,
        status: Some(status),
    }
}

/// What part this process plays in its case: `None` is the main one.
pub fn part() -> Option<String> {
    std::env::var(PART).ok()
}

/// This case once more, in the same place, playing `part`. To be called inside of [`in_own_process`].
pub fn as_part(part: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this test binary"));
    let name = std::env::var(CASE).expect("a case in a process of its own");
    command
        .args(["--exact", &name, "--nocapture", "--test-threads=1"])
        .env(PART, part);
    command
}

/// Counts this test as skipped and says why. `name` is the test's, as libtest prints it.
pub fn skipped(name: &str, reason: &str) {
    let line = format!("SKIPPED {name}: {reason}\n");
    eprint!("{line}");
    if let Some(file) = std::env::var_os("KEYENCLAVE_SKIPS") {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(file);
        file.and_then(|mut file| file.write_all(line.as_bytes()))
            .expect("the file that counts skipped tests");
    }
}

/// Runs `body` if all `programs` are there, and counts the test as skipped otherwise.
pub fn needing<F: FnOnce()>(programs: &[&str], body: F) {
    match programs.iter().find(|program| !is_present(program)) {
        Some(missing) => skipped(&name_of::<F>(), &format!("{missing} is not installed")),
        None => body(),
    }
}

/// Runs `body` if the module under test is KeyEnclave's own, and counts the test as skipped otherwise.
pub fn own_module<F: FnOnce()>(body: F) {
    if crate::place::is_keyenclave() {
        body()
    } else {
        skipped(&name_of::<F>(), "about KeyEnclave's own module")
    }
}

/// Whether the program is on the path; or, with `*/` in its name, in a directory of the one before.
pub fn is_present(program: &str) -> bool {
    if let Some((directory, rest)) = program.split_once("*/") {
        let entries = std::fs::read_dir(directory);
        return entries.is_ok_and(|entries| entries.flatten().any(|entry| entry.path().join(rest).exists()));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// The name of the test that runs, which libtest gives to its thread. With one thread for all tests it is the main one:
/// then it is taken from the closure's type, `binary::module::name::{{closure}}`, where closures may nest.
pub(crate) fn name_of<F>() -> String {
    match std::thread::current().name() {
        Some(name) if name != "main" => return name.to_owned(),
        _ => {}
    }
    let path = std::any::type_name::<F>();
    let path = path.split("::{{closure}}").next().unwrap_or(path);
    path.split_once("::").map_or(path, |(_, name)| name).to_owned()
}

/// Marked as quoted, so that a case's own test summary is not taken for this binary's.
fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  | {line}\n")).collect()
}
