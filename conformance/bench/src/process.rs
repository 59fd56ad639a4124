// SPDX-License-Identifier: MIT
//! What the system says of this process.

use std::fs;

/// Processor time of all threads so far, user and system, in microseconds. The system counts in steps of 10 ms.
pub fn cpu_micros() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("/proc");
    // After the name, which may contain anything but ends with the last parenthesis: state is field 3.
    let fields: Vec<_> = stat
        .rsplit(')')
        .next()
        .expect("fields")
        .split_whitespace()
        .collect();
    let ticks = |field: usize| fields[field - 3].parse::<u64>().expect("a number");
    (ticks(14) + ticks(15)) * 10_000
}

/// Resident anonymous memory now, in bytes.
pub fn anonymous_bytes() -> u64 {
    status("RssAnon:")
}

/// Threads now.
pub fn threads() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("/proc");
    number(&status, "Threads:")
}

fn status(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("/proc");
    number(&status, name) * 1024
}

fn number(status: &str, name: &str) -> u64 {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .expect("a line of /proc/self/status");
    line.split_whitespace()
        .next()
        .and_then(|value| value.parse().ok())
        .expect("a number")
}
