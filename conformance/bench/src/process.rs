// SPDX-License-Identifier: MIT
//! What the system says of this process.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Processor time of all threads so far, user and system.
pub fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).expect("a time that has passed")
}

/// Resident anonymous memory now, in bytes.
pub fn anonymous_bytes() -> u64 {
    status("RssAnon:")
}

/// How many processes wanted to run, on average of the last minute.
pub fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").expect("/proc");
    load.split(' ').next().unwrap_or_default().to_owned()
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
