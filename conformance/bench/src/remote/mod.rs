// SPDX-License-Identifier: MIT
//! The figures of remote signing: which cases there are, and how they are played.

mod figures;
mod module;
mod sdk;
pub mod service;
mod table;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use clap::ValueEnum;
use serde_json::Value;

use crate::page;
use figures::Figures;

/// Signatures at the same time: the module's default number of connections.
pub const WIDTH: usize = 64;
/// How long a signature takes at the distant service, in milliseconds.
pub const LATENCY: u64 = 10;
/// How often the cases that are compared are played; the best run counts, since all else is the machine's noise.
const ROUNDS: usize = 5;

/// A case.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Case {
    /// The SDK, one after the other.
    BareSerial,
    /// The module, one after the other.
    ModuleSerial,
    /// The SDK, [`WIDTH`] at the same time.
    BareParallel,
    /// The module, [`WIDTH`] threads.
    ModuleParallel,
    /// The module, all pending at once from one thread.
    ModulePending,
}

/// Plays one case in this process.
pub fn run(case: Case, endpoint: &str, module: &Path, count: usize) {
    let figures = match case {
        Case::BareSerial => sdk::serial(endpoint, count),
        Case::ModuleSerial => module::serial(module, count),
        Case::BareParallel => sdk::parallel(endpoint, count, WIDTH),
        Case::ModuleParallel => module::parallel(module, count, WIDTH),
        Case::ModulePending => module::pending(module, count),
    };
    println!("{}", serde_json::to_string(&figures).expect("figures"));
}

/// What a case came to, and what the service saw of it.
pub struct Played {
    /// Measured in the case's process.
    pub figures: Figures,
    /// Connections that the service was asked over.
    pub connections: u64,
    /// Requests for a signature that it got.
    pub signatures: u64,
}

/// All figures of remote signing.
pub struct Remote {
    /// One after the other, the service at once: the SDK and the module.
    pub serial: [Played; 2],
    /// The same with the service's latency.
    pub distant: [Played; 2],
    /// Many at once, with the latency: the SDK and the module.
    pub parallel: [Played; 2],
    /// Ten thousand pending, with the latency.
    pub pending: Played,
}

/// Plays all cases and writes the page.
pub fn all(module: &Path, page: &Path) {
    let near = Service::start(0);
    let far = Service::start(LATENCY);
    let pair =
        |service: &Service, cases: [Case; 2], count| cases.map(|case| best(service, case, module, count));
    let remote = Remote {
        serial: pair(&near, [Case::BareSerial, Case::ModuleSerial], 5_000),
        distant: pair(&far, [Case::BareSerial, Case::ModuleSerial], 500),
        parallel: pair(&far, [Case::BareParallel, Case::ModuleParallel], 10_000),
        pending: best(&far, Case::ModulePending, module, 10_000),
    };
    let figures = table::figures(&remote);
    println!("{figures}");
    page::write(page, "remote", &figures);
}

/// The run that took the least time.
fn best(service: &Service, case: Case, module: &Path, count: usize) -> Played {
    let runs = (0..ROUNDS).map(|_| service.play(case, module, count));
    runs.min_by_key(|played| played.figures.elapsed_micros)
        .expect("a run")
}

/// The service in a process of its own.
struct Service {
    child: Child,
    endpoint: String,
}

impl Service {
    fn start(latency: u64) -> Self {
        let mut child = this_program()
            .args(["service", "--latency", &latency.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the service starts");
        let mut endpoint = String::new();
        let output = child.stdout.take().expect("its output");
        BufReader::new(output)
            .read_line(&mut endpoint)
            .expect("its address");
        Self {
            child,
            endpoint: endpoint.trim().to_owned(),
        }
    }

    fn play(&self, case: Case, module: &Path, count: usize) -> Played {
        let directory = tempfile::tempdir().expect("a directory");
        let configuration = directory.path().join("keyenclave.toml");
        let slot = format!(
            "environment = \"development\"\n[[slot]]\nlabel = \"bench\"\nbackend = \"aws-kms\"\n\
             region = \"eu-central-1\"\nendpoint = \"{}\"\noperation_timeout = 60000\n",
            self.endpoint
        );
        std::fs::write(&configuration, slot).expect("a configuration");
        let (connections, signatures) = self.counts();
        let name = case.to_possible_value().expect("a name");
        let output = this_program()
            .args([
                "case",
                name.get_name(),
                "--endpoint",
                &self.endpoint,
                "--count",
                &count.to_string(),
            ])
            .arg("--module")
            .arg(module)
            .env("KEYENCLAVE_CONFIG", &configuration)
            .env("HOME", directory.path())
            .env("AWS_ACCESS_KEY_ID", "bench")
            .env("AWS_SECRET_ACCESS_KEY", "bench")
            .stderr(Stdio::inherit())
            .output()
            .expect("the case runs");
        assert!(output.status.success(), "{case:?} failed");
        let figures: Figures = serde_json::from_slice(&output.stdout).expect("figures");
        let after = self.counts();
        let played = Played {
            figures,
            connections: after.0 - connections,
            signatures: after.1 - signatures,
        };
        println!(
            "{case:?}: {:.0} a second, {} connections",
            played.figures.rate(),
            played.connections
        );
        played
    }

    fn counts(&self) -> (u64, u64) {
        let address = self.endpoint.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).expect("the service");
        stream
            .write_all(b"GET /counts HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .expect("a question");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let body = answer.split("\r\n\r\n").nth(1).expect("a body");
        let counts: Value = serde_json::from_str(body).expect("counts");
        let count = |name: &str| counts[name].as_u64().expect("a count");
        (count("connections"), count("signatures"))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn this_program() -> Command {
    Command::new(std::env::current_exe().expect("this program"))
}
