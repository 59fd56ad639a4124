// SPDX-License-Identifier: MIT
//! A service that answers like AWS KMS, as far as signing with one P-256 key takes, after a fixed latency.
//!
//! The signature is made once: what is measured is everybody else. It counts connections and signatures, and tells them
//! at `GET /counts`.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_smithy_types::base64::encode;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use keyenclave_crypto::EcPrivateKey;
use keyenclave_model::algorithm::Curve;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The key's name.
pub const KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/11111111-2222-3333-4444-555555555555";
/// Its alias, without `alias/`.
pub const LABEL: &str = "bench";

/// The digest that everybody has signed.
pub const DIGEST: [u8; 32] = [7; 32];

/// What is handed out of the key.
struct Key {
    spki: Vec<u8>,
    /// Of [`DIGEST`], in DER.
    signature: Vec<u8>,
}

impl Key {
    /// A new key, and a signature of which both numbers have 32 bytes and no leading zero: DER has one form for these.
    fn new() -> Self {
        let key = EcPrivateKey::generate(Curve::P256).expect("a key");
        let spki = key
            .public()
            .and_then(|public| public.spki_der())
            .expect("its public half");
        let is_plain = |number: &[u8]| (1..0x80).contains(&number[0]);
        let mut raw = [0; 64];
        loop {
            key.sign(&DIGEST, &mut raw).expect("a signature");
            let (r, s) = raw.split_at(32);
            if is_plain(r) && is_plain(s) {
                let signature = [&[0x30, 68, 0x02, 32], r, &[0x02, 32], s].concat();
                return Self { spki, signature };
            }
        }
    }
}

#[derive(Default)]
struct Counts {
    connections: AtomicU64,
    signatures: AtomicU64,
}

/// Serves until it is killed.
pub fn run(latency: Duration) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(serve(latency));
}

async fn serve(latency: Duration) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("http://{}", listener.local_addr().expect("an address"));
    let (key, counts) = (Arc::new(Key::new()), Arc::new(Counts::default()));
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("an option");
        let (key, counts) = (Arc::clone(&key), Arc::clone(&counts));
        tokio::spawn(async move {
            let first = std::sync::Once::new();
            let answer = service_fn(|request| answer(request, latency, &key, &counts, &first));
            // A client that goes away is no failure of ours.
            drop(
                http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), answer)
                    .await,
            );
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    latency: Duration,
    key: &Key,
    counts: &Counts,
    first: &std::sync::Once,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let target = request
        .headers()
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok());
    let call = target
        .and_then(|target| target.split('.').nth(1))
        .unwrap_or_default()
        .to_owned();
    let is_question = request.method() == Method::GET;
    drop(request.into_body().collect().await);
    let body = if is_question {
        json!({
            "connections": counts.connections.load(Ordering::Relaxed),
            "signatures": counts.signatures.load(Ordering::Relaxed),
        })
    } else {
        // Only those who sign count as connections: the question above is not one of theirs.
        first.call_once(|| {
            counts.connections.fetch_add(1, Ordering::Relaxed);
        });
        if call == "Sign" {
            counts.signatures.fetch_add(1, Ordering::Relaxed);
            if !latency.is_zero() {
                tokio::time::sleep(latency).await;
            }
        }
        kms(&call, key)
    };
    let response = Response::builder().header("content-type", "application/x-amz-json-1.1");
    Ok(response.body(Full::from(body.to_string())).expect("an answer"))
}

fn kms(call: &str, key: &Key) -> Value {
    let id = KEY.rsplit('/').next().expect("an id");
    match call {
        "ListKeys" => json!({"Keys": [{"KeyId": id, "KeyArn": KEY}], "Truncated": false}),
        "ListAliases" => json!({"Aliases": [{
            "AliasName": format!("alias/{LABEL}"),
            "AliasArn": format!("{}alias/{LABEL}", KEY.split("key/").next().expect("a prefix")),
            "TargetKeyId": id,
        }], "Truncated": false}),
        "ListResourceTags" => json!({"Tags": [], "Truncated": false}),
        "DescribeKey" => json!({"KeyMetadata": {
            "AWSAccountId": "111122223333", "KeyId": id, "Arn": KEY, "Enabled": true, "KeyState": "Enabled",
            "KeyUsage": "SIGN_VERIFY", "KeySpec": "ECC_NIST_P256", "CustomerMasterKeySpec": "ECC_NIST_P256",
            "KeyManager": "CUSTOMER", "Origin": "AWS_KMS", "SigningAlgorithms": ["ECDSA_SHA_256"],
            "CreationDate": 1.7e9, "Description": "", "MultiRegion": false,
        }}),
        "GetPublicKey" => json!({
            "KeyId": KEY, "PublicKey": encode(&key.spki), "KeyUsage": "SIGN_VERIFY", "KeySpec": "ECC_NIST_P256",
            "CustomerMasterKeySpec": "ECC_NIST_P256", "SigningAlgorithms": ["ECDSA_SHA_256"],
        }),
        "Sign" => {
            json!({"KeyId": KEY, "Signature": encode(&key.signature), "SigningAlgorithm": "ECDSA_SHA_256"})
        }
        _ => json!({"__type": "UnsupportedOperationException"}),
    }
}
