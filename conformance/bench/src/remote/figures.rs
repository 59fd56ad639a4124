// SPDX-License-Identifier: MIT
//! What one case measured.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::process;

/// The figures of one case.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figures {
    /// Signatures made.
    pub count: usize,
    /// From the first to the last, in microseconds.
    pub elapsed_micros: u64,
    /// Processor time of this process meanwhile, in microseconds.
    pub cpu_micros: u64,
    /// Each signature's time in microseconds, sorted; empty where they overlap.
    pub each_micros: Vec<u32>,
    /// Resident anonymous memory before, in bytes.
    pub memory_before: u64,
    /// The most while signatures were pending, in bytes.
    pub memory_peak: u64,
    /// Threads at the end.
    pub threads: u64,
}

impl Figures {
    /// Signatures a second.
    pub fn rate(&self) -> f64 {
        self.count as f64 / (self.elapsed_micros as f64 / 1e6)
    }

    /// Processor time of one signature, in microseconds.
    pub fn cpu_each(&self) -> f64 {
        self.cpu_micros as f64 / self.count as f64
    }

    /// So many per cent of the signatures took no longer than this, in microseconds.
    pub fn percentile(&self, percent: usize) -> f64 {
        let index = (self.each_micros.len() * percent / 100).min(self.each_micros.len() - 1);
        f64::from(self.each_micros[index])
    }
}

/// A measurement under way.
pub struct Watch {
    started: Instant,
    cpu: Duration,
    memory: u64,
    peak: u64,
    each: Vec<u32>,
}

impl Watch {
    /// Begins.
    pub fn start() -> Self {
        let memory = process::anonymous_bytes();
        Self {
            started: Instant::now(),
            cpu: process::cpu(),
            memory,
            peak: memory,
            each: Vec::new(),
        }
    }

    /// One signature took so long.
    pub fn lap(&mut self, took: Duration) {
        self.each
            .push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }

    /// Looks how much memory there is now.
    pub fn weigh(&mut self) {
        self.peak = self.peak.max(process::anonymous_bytes());
    }

    /// Ends after so many signatures.
    pub fn stop(mut self, count: usize) -> Figures {
        let elapsed = self.started.elapsed();
        self.weigh();
        self.each.sort_unstable();
        Figures {
            count,
            elapsed_micros: u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
            cpu_micros: u64::try_from((process::cpu() - self.cpu).as_micros()).unwrap_or(u64::MAX),
            each_micros: self.each,
            memory_before: self.memory,
            memory_peak: self.peak,
            threads: process::threads(),
        }
    }
}
