// SPDX-License-Identifier: MIT
//! The backend against what answers it: recordings of the real service, an emulator, faults, certificates.
//!
//! Every test is a process of its own with a home of its own, where the SDK finds what the test says of credentials.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod answers;
mod emulator;
mod identity;
mod network;
mod recordings;
mod roles;
mod server;

use std::future::Future;

use keyenclave_aws_kms::{AwsKms, AwsOptions};
use keyenclave_bridge::call::{Call, Service, ask};
use keyenclave_bridge::error::Result;

/// Runs a test's work in the home of its process, with credentials that nobody checks.
fn at_home(work: impl Future<Output = ()>) {
    write_home(
        "credentials",
        "[default]\naws_access_key_id = AKIDTEST\naws_secret_access_key = first\n",
    );
    run(work);
}

/// Writes one of the SDK's files in this process's home.
fn write_home(name: &str, text: &str) {
    let directory = std::path::Path::new(&std::env::var_os("HOME").expect("a home")).join(".aws");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join(name), text).unwrap();
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

fn options(endpoint: &str) -> AwsOptions {
    AwsOptions {
        region: Some("eu-central-1".to_owned()),
        endpoint: Some(endpoint.to_owned()),
        ..AwsOptions::default()
    }
}

fn backend(endpoint: &str) -> AwsKms {
    AwsKms::new(options(endpoint))
}

async fn asked<C: Call>(service: &dyn Service, call: C) -> Result<C::Answer> {
    ask(service, call).await
}
