// SPDX-License-Identifier: MIT
//! Everything that one run measured: what the JSON file has, and what the tables are made of.

use serde::Serialize;

use super::statistics::Spread;
use super::worker::Tail;

/// A run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The day.
    pub date: String,
    /// The machine.
    pub machine: String,
    /// How many processes wanted to run in the minute before.
    pub load: String,
    /// The command that measures so.
    pub command: String,
    /// The columns, the bare library first.
    pub columns: Vec<String>,
    /// The columns that others are compared with besides the bare library.
    pub beside: Vec<Option<usize>>,
    /// Columns that were left out, and why.
    pub left_out: Vec<String>,
    /// The cryptographic operations.
    pub cryptography: Vec<Line>,
    /// The operations on objects, by their number.
    pub objects: Vec<Crowd>,
    /// Signing beside a busy neighbour, by column.
    pub beside_busy: Vec<Result<Beside, String>>,
    /// The first signature of a process, by column.
    pub cold: Vec<Result<Cold, String>>,
    /// Memory with the most objects, by column.
    pub memory: Vec<Result<Memory, String>>,
}

/// One operation with one number of threads.
#[derive(Debug, Serialize)]
pub struct Line {
    /// The operation's name.
    pub name: String,
    /// How many threads did it.
    pub threads: usize,
    /// Whether it waits for the disk.
    pub waits: bool,
    /// What it came to, by column.
    pub cells: Vec<Result<Cell, String>>,
}

/// One operation in one column; times in microseconds for one operation.
#[derive(Debug, Serialize)]
pub struct Cell {
    /// Processor time.
    pub cpu: Spread,
    /// Time that passed.
    pub wall: Spread,
    /// Half of the operations took no longer.
    pub p50: f64,
    /// 99 per cent took no longer.
    pub p99: f64,
    /// Processor time beside the bare library's in the same round, where that does it.
    pub ratio: Option<Spread>,
    /// What is added to the bare library's processor time in the same round.
    pub added: Option<Spread>,
    /// The same ratio beside the column that this one is compared with.
    pub ratio_beside: Option<Spread>,
}

/// All operations on objects while there are so many.
#[derive(Debug, Serialize)]
pub struct Crowd {
    /// How many there should be.
    pub objects: usize,
    /// How many there are, by column: some modules do not get there in time.
    pub reached: Vec<usize>,
    /// The operations.
    pub lines: Vec<Line>,
}

/// P-256 signatures beside RSA-4096 key generation.
#[derive(Debug, Serialize)]
pub struct Beside {
    /// Generation in another process.
    pub foreign: Tail,
    /// Generation in a thread of the same process, through the same module.
    pub own: Tail,
}

/// The first signature of a process.
#[derive(Debug, Serialize)]
pub struct Cold {
    /// How many objects there are.
    pub objects: usize,
    /// From the start of the process, in milliseconds.
    pub total: Spread,
    /// Processor time of it, in milliseconds.
    pub cpu: f64,
    /// `C_Login` of that, in milliseconds.
    pub login: f64,
}

/// Resident anonymous memory of a process that has made one signature.
#[derive(Debug, Serialize)]
pub struct Memory {
    /// How many objects there are.
    pub objects: usize,
    /// In bytes.
    pub bytes: u64,
}
