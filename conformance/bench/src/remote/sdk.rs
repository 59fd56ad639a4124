// SPDX-License-Identifier: MIT
//! The same signatures with nothing but the AWS SDK.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use aws_sdk_kms::Client;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{MessageType, SigningAlgorithmSpec};
use tokio::runtime::{Builder, Runtime};

use super::figures::{Figures, Watch};
use super::service::{DIGEST, KEY};

/// As many workers as the module's own runtime has.
const WORKERS: usize = 2;

fn client(endpoint: &str) -> (Runtime, Client) {
    let runtime = Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .expect("a runtime");
    let config = aws_sdk_kms::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::new("bench", "bench", None, None, "bench"))
        .retry_config(RetryConfig::disabled());
    (runtime, Client::from_conf(config.build()))
}

async fn sign(client: &Client) {
    let request = client
        .sign()
        .key_id(KEY)
        .message_type(MessageType::Digest)
        .message(Blob::new(DIGEST));
    let answer = request
        .signing_algorithm(SigningAlgorithmSpec::EcdsaSha256)
        .send()
        .await
        .expect("a signature");
    assert_eq!(answer.signature().expect("a signature").as_ref().len(), 70);
}

/// One after the other; the caller's thread waits for each, as a program without a runtime does.
pub fn serial(endpoint: &str, count: usize) -> Figures {
    let (runtime, client) = client(endpoint);
    let one = || {
        let client = client.clone();
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        runtime.spawn(async move {
            sign(&client).await;
            sender.send(())
        });
        receiver.recv().expect("an answer");
    };
    one();
    let mut watch = Watch::start();
    for _ in 0..count {
        let begun = Instant::now();
        one();
        watch.lap(begun.elapsed());
    }
    watch.stop(count)
}

/// So many at the same time.
pub fn parallel(endpoint: &str, count: usize, width: usize) -> Figures {
    let (runtime, client) = client(endpoint);
    let watch = Watch::start();
    let left = Arc::new(AtomicUsize::new(count));
    runtime.block_on(async {
        let tasks: Vec<_> = (0..width)
            .map(|_| {
                let (client, left) = (client.clone(), Arc::clone(&left));
                runtime.spawn(async move {
                    while left
                        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                        .is_ok()
                    {
                        sign(&client).await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("signatures");
        }
    });
    watch.stop(count)
}
