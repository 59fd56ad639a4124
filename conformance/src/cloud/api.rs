// SPDX-License-Identifier: MIT
//! The key service's own API, as a client that knows nothing of PKCS#11 uses it.
//!
//! Plain HTTP without signatures, which the emulator does not check; it takes the account from the credential's name.

use super::message::Message;
use super::{Account, REGION};
use serde_json::{Value, json};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Longer than anything may take here.
const LIMIT: Duration = Duration::from_secs(30);

/// A client of the service's API.
#[derive(Clone, Debug)]
pub struct Api {
    server: String,
    account: Account,
}

/// A key that was made with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// `KeyId`.
    pub id: String,
    /// Its full name.
    pub arn: String,
}

impl Api {
    pub(super) fn new(url: &str, account: &Account) -> Self {
        Self {
            server: url.trim_start_matches("http://").to_owned(),
            account: account.clone(),
        }
    }

    /// Calls `operation` with `body`; its answer.
    ///
    /// # Errors
    /// What the service said instead, or why nothing was heard.
    pub fn try_call(&self, operation: &str, body: &Value) -> Result<Value, Value> {
        let account = self.account.id();
        let credential = format!(
            "AWS4-HMAC-SHA256 Credential={account}/20250101/{REGION}/kms/aws4_request, SignedHeaders=host, Signature=0"
        );
        let request = Message {
            start: "POST / HTTP/1.1".to_owned(),
            ..Message::answer(200, body.to_string())
        };
        let request = request
            .with("Host", &self.server)
            .with("X-Amz-Target", &format!("TrentService.{operation}"))
            .with("Authorization", &credential)
            .with("Connection", "close");
        let (succeeded, body) =
            exchange(&self.server, &request.bytes()).map_err(|error| json!(error.to_string()))?;
        let value = serde_json::from_str(&body).map_err(|error| json!(error.to_string()))?;
        if succeeded { Ok(value) } else { Err(value) }
    }

    /// Calls `operation` with `body`; its answer. Panics with what the service says instead.
    pub fn call(&self, operation: &str, body: &Value) -> Value {
        self.try_call(operation, body)
            .unwrap_or_else(|error| panic!("{operation}: {error}"))
    }

    /// Makes a key of this `KeySpec` and `KeyUsage`.
    pub fn create_key(&self, spec: &str, usage: &str) -> Key {
        let made = self.call("CreateKey", &json!({"KeySpec": spec, "KeyUsage": usage}));
        let text = |name: &str| made["KeyMetadata"][name].as_str().expect("a name").to_owned();
        Key {
            id: text("KeyId"),
            arn: text("Arn"),
        }
    }

    /// Makes a key and gives it the alias `alias/NAME`.
    pub fn create_named_key(&self, name: &str, spec: &str, usage: &str) -> Key {
        let key = self.create_key(spec, usage);
        let alias = format!("alias/{name}");
        self.call("CreateAlias", &json!({"AliasName": alias, "TargetKeyId": key.id}));
        key
    }

    /// The key's metadata.
    pub fn describe(&self, key: &str) -> Value {
        let answer = self.call("DescribeKey", &json!({ "KeyId": key }));
        answer["KeyMetadata"].clone()
    }

    /// Every key's full name.
    pub fn keys(&self) -> Vec<String> {
        let listed = self.call("ListKeys", &json!({"Limit": 1_000_000}));
        let listed = listed["Keys"].as_array().cloned().unwrap_or_default();
        listed
            .iter()
            .filter_map(|key| key["KeyArn"].as_str().map(str::to_owned))
            .collect()
    }

    /// The public half in PEM.
    pub fn public_key(&self, key: &Key) -> String {
        let answer = self.call("GetPublicKey", &json!({ "KeyId": key.id }));
        let text = answer["PublicKey"].as_str().expect("a public key");
        let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
        format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            lines.join("\n")
        )
    }
}

/// Whether the emulator at `url` answers.
pub(super) fn is_healthy(url: &str) -> bool {
    let server = url.trim_start_matches("http://");
    let request = format!("GET /_ministack/health HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n");
    exchange(server, request.as_bytes()).is_ok_and(|(succeeded, _)| succeeded)
}

/// One request on a connection of its own: whether the status was 200, and the body.
fn exchange(server: &str, request: &[u8]) -> io::Result<(bool, String)> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok((head.starts_with("HTTP/1.1 200"), body.to_owned()))
}
