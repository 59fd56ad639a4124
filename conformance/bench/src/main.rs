// SPDX-License-Identifier: MIT
//! Benchmarks: a program that measures the module beside the bare library that it stands on, in one run.
//!
//! `cargo xtask bench` builds and starts it. Every figure comes from a process of its own, so that none profits from
//! what another has warmed up, and memory is told apart; the service is a process too, so that its work is not counted
//! with ours. Started without a case it is the orchestra: it starts the service, plays all cases, and writes the page.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark that goes wrong says where and stops"
)]

mod local;
mod page;
mod process;
mod remote;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Measures a PKCS#11 module beside the bare library that it stands on")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// All figures of remote signing; writes them into the page.
    Remote {
        /// The module to measure.
        #[arg(long)]
        module: PathBuf,
        /// The page that is written.
        #[arg(long)]
        page: PathBuf,
    },
    /// All figures of local tokens.
    Local(local::Settings),
    /// One column of them, in this process.
    Worker {
        /// What it is for.
        #[arg(value_enum)]
        role: local::Role,
        /// The column, as JSON.
        #[arg(long)]
        column: String,
    },
    /// One case of remote signing, in this process; prints its figures as JSON.
    Case {
        /// Which.
        #[arg(value_enum)]
        case: remote::Case,
        /// Where the service is.
        #[arg(long)]
        endpoint: String,
        /// The module to measure.
        #[arg(long)]
        module: PathBuf,
        /// How many signatures.
        #[arg(long)]
        count: usize,
    },
    /// The service: speaks as much of AWS KMS as signing takes, and prints its address.
    Service {
        /// How long a signature takes there, in milliseconds.
        #[arg(long)]
        latency: u64,
    },
}

fn main() {
    match Arguments::parse().task {
        Task::Remote { module, page } => remote::all(&module, &page),
        Task::Local(settings) => local::all(&settings),
        Task::Worker { role, column } => local::work(role, &column),
        Task::Case {
            case,
            endpoint,
            module,
            count,
        } => remote::run(case, &endpoint, &module, count),
        Task::Service { latency } => remote::service::run(Duration::from_millis(latency)),
    }
}
