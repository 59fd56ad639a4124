// SPDX-License-Identifier: MIT
//! The identities that a platform gives a process: of an instance, a container, a service account, another account.
//!
//! The services that give them run in the test; the program that finds them is a process of its own, with the
//! environment that the platform would give it. Which identity it had is read off the requests that it signed.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use keyenclave_aws_kms::{AwsKms, AwsOptions};
use keyenclave_bridge::call::CheckHealth;
use keyenclave_bridge::error::ErrorKind;
use keyenclave_bridge::layer::{Cx, Stack};
use keyenclave_bridge::settings::Settings;
use keyenclave_conformance::case::{as_part, finish, in_own_process, part};
use keyenclave_conformance::cloud::{Account, Ministack};
use serde_json::{Value, json};
use tokio::sync::RwLock;

use crate::server::{Answer, Asked, Server};
use crate::{asked, at_home, options, run, write_home};

const LIMIT: Duration = Duration::from_secs(60);
/// How often the program asks.
const CALLS: usize = 3;
/// Ends so soon that it is renewed at the next request, and not before the test does.
const SHORT: Duration = Duration::from_secs(50);
const LONG: Duration = Duration::from_secs(3600);
/// Everything that tells the SDK who it is.
const IDENTITY: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_REGION",
    "AWS_PROFILE",
];

/// A key service that answers everybody.
fn service() -> Server {
    Server::new(|_| Answer::Json(200, json!({ "Keys": [], "Truncated": false })))
}

/// The program of these tests, as another process: it knows nothing but what is in its environment.
fn program(service: &Server, environment: &[(&str, &str)]) {
    let mut program = as_part("program");
    for name in IDENTITY {
        program.env_remove(name);
    }
    program
        .env("AWS_ENDPOINT_URL_KMS", &service.url)
        .envs(environment.iter().copied());
    finish(program, LIMIT).unwrap_or_else(|output| panic!("{output}"));
}

/// Plays the program, if that is this process's part.
fn is_program() -> bool {
    if part().is_none() {
        return false;
    }
    run(async {
        let kms = AwsKms::new(AwsOptions::default());
        for _ in 0..CALLS {
            asked(&kms, CheckHealth).await.unwrap();
        }
    });
    true
}

/// Who signed the requests, and for which region.
fn signers(service: &Server) -> Vec<(String, String)> {
    let asked = service.asked().into_iter();
    asked.map(|asked| (asked.signer, asked.region)).collect()
}

fn credential(key: &str, lasts: Duration) -> Value {
    let end = DateTime::from(SystemTime::now() + lasts)
        .fmt(Format::DateTime)
        .unwrap();
    json!({
        "Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2026-01-01T00:00:00Z",
        "AccessKeyId": key, "SecretAccessKey": "secret", "Token": "session", "Expiration": end,
    })
}

/// The metadata service of an instance, IMDSv2: nothing without a token. `AKIDFIRST` ends soon, `AKIDSECOND` lasts.
fn metadata(gate: Arc<RwLock<()>>) -> Server {
    const ROLE: &str = "GET /latest/meta-data/iam/security-credentials/";
    const TOKEN: &str = "x-aws-ec2-metadata-token";
    const TIME: &str = "x-aws-ec2-metadata-token-ttl-seconds";
    let given = AtomicUsize::new(0);
    let text = |text: &str| Answer::Raw(200, vec![], text.into());
    Server::new(move |asked| {
        drop(gate.blocking_read());
        if asked.line == "PUT /latest/api/token" && asked.headers.contains_key(TIME) {
            return Answer::Raw(200, vec![(TIME, "21600")], b"proof".into());
        }
        if asked.headers.get(TOKEN).map(String::as_str) != Some("proof") {
            return Answer::Raw(401, vec![], vec![]);
        }
        match asked.line.as_str() {
            "GET /latest/meta-data/placement/region" => text("eu-west-1"),
            ROLE => text("signer"),
            line if line.strip_prefix(ROLE) == Some("signer") => {
                let credential = match given.fetch_add(1, Ordering::SeqCst) {
                    0 => credential("AKIDFIRST", SHORT),
                    _ => credential("AKIDSECOND", LONG),
                };
                Answer::Json(200, credential)
            }
            _ => Answer::Raw(404, vec![], vec![]),
        }
    })
}

/// Pairs of the signers' names and one region.
fn of<'a>(region: &'a str, signers: &[&'a str]) -> Vec<(String, String)> {
    let pair = |signer: &&str| ((*signer).to_owned(), region.to_owned());
    signers.iter().map(pair).collect()
}

#[test]
fn an_instance_has_its_roles_credentials_and_region_and_renews_them_ahead_of_their_end() {
    in_own_process(|| {
        if is_program() {
            return;
        }
        let (metadata, service) = (metadata(Arc::default()), service());
        program(&service, &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata.url)]);
        let expected = of("eu-west-1", &["AKIDFIRST", "AKIDSECOND", "AKIDSECOND"]);
        assert_eq!(signers(&service), expected);
        let is_proven = |asked: &Asked| {
            asked.line.starts_with("PUT ") || asked.headers.contains_key("x-aws-ec2-metadata-token")
        };
        assert!(metadata.asked().iter().all(is_proven), "{:?}", metadata.asked());
    });
}

#[test]
fn a_container_has_its_roles_credentials_and_reads_its_token_anew() {
    in_own_process(|| {
        if is_program() {
            return;
        }
        let token = PathBuf::from(std::env::var_os("HOME").unwrap()).join("token");
        std::fs::write(&token, "token-0").unwrap();
        let (path, given) = (token.clone(), AtomicUsize::new(0));
        let agent = Server::new(move |asked| {
            let number = given.load(Ordering::SeqCst);
            if asked.headers.get("authorization") != Some(&format!("token-{number}")) {
                return Answer::Raw(401, vec![], vec![]);
            }
            given.store(number + 1, Ordering::SeqCst);
            std::fs::write(&path, format!("token-{}", number + 1)).unwrap();
            let (key, lasts) = [("AKIDFIRST", SHORT), ("AKIDSECOND", LONG)][number];
            Answer::Json(200, credential(key, lasts))
        });
        let service = service();
        let environment = [
            (
                "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                format!("{}/v1/credentials", agent.url),
            ),
            (
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                token.to_str().unwrap().to_owned(),
            ),
            ("AWS_REGION", "us-east-2".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ];
        program(
            &service,
            &environment
                .each_ref()
                .map(|(name, value)| (*name, value.as_str())),
        );
        let expected = of("us-east-2", &["AKIDFIRST", "AKIDSECOND", "AKIDSECOND"]);
        assert_eq!(signers(&service), expected);
        assert_eq!(agent.asked().len(), 2);
    });
}

/// Whether the program signed everything with one key that the security token service has given out.
fn is_assumed(service: &Server, region: &str) -> bool {
    let signers = signers(service);
    let first = signers.first().cloned().unwrap_or_default();
    signers.len() == CALLS
        && first.0.starts_with("ASIA")
        && first.1 == region
        && signers.iter().all(|signer| *signer == first)
}

fn role() -> String {
    format!("arn:aws:iam::{}:role/signer", Account::of_this_process().id())
}

#[test]
fn a_service_account_of_a_cluster_is_exchanged_for_its_role() {
    Ministack::in_own_process(|ministack| {
        if is_program() {
            return;
        }
        write_home("web-token", "header.claims.signature");
        let token = format!("{}/.aws/web-token", std::env::var("HOME").unwrap());
        let service = service();
        let environment = [
            ("AWS_WEB_IDENTITY_TOKEN_FILE", token.as_str()),
            ("AWS_ROLE_ARN", &role()),
            ("AWS_ENDPOINT_URL_STS", ministack.url()),
            ("AWS_REGION", "eu-north-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        program(&service, &environment);
        assert!(is_assumed(&service, "eu-north-1"), "{:?}", signers(&service));
    });
}

#[test]
fn a_profile_assumes_a_role_with_the_credentials_of_another() {
    Ministack::in_own_process(|ministack| {
        if is_program() {
            return;
        }
        let account = Account::of_this_process();
        let text = format!(
            "[profile base]\naws_access_key_id = {}\naws_secret_access_key = test\n\
             [profile signer]\nrole_arn = {}\nsource_profile = base\nregion = ap-south-1\n",
            account.id(),
            role()
        );
        write_home("other-config", &text);
        let file = format!("{}/.aws/other-config", std::env::var("HOME").unwrap());
        let service = service();
        let environment = [
            ("AWS_CONFIG_FILE", file.as_str()),
            ("AWS_PROFILE", "signer"),
            ("AWS_ENDPOINT_URL_STS", ministack.url()),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        program(&service, &environment);
        assert!(is_assumed(&service, "ap-south-1"), "{:?}", signers(&service));
    });
}

#[test]
fn a_metadata_service_that_hangs_ends_calls_at_their_deadline_and_heals() {
    in_own_process(|| {
        at_home(async {
            let (gate, service) = (Arc::new(RwLock::new(())), service());
            let metadata = metadata(Arc::clone(&gate));
            write_home("credentials", "");
            let config = format!("[default]\nec2_metadata_service_endpoint = {}\n", metadata.url);
            write_home("config", &config);
            let kms = Arc::new(AwsKms::new(options(&service.url)));
            let stack = Stack::new(kms, Settings::default());
            let within = |time: Duration| Cx::until((Instant::now() + time).into());
            let hung = gate.write().await;
            for _ in 0..2 {
                let begun = Instant::now();
                let error = stack
                    .ask(&within(Duration::from_secs(1)), CheckHealth)
                    .await
                    .unwrap_err();
                assert!(
                    matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Credential),
                    "{error}"
                );
                assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
            }
            assert!(service.asked().is_empty() && !metadata.asked().is_empty());
            drop(hung);
            stack.ask(&within(LIMIT), CheckHealth).await.unwrap();
            assert_eq!(signers(&service), of("eu-central-1", &["AKIDFIRST"]));
        });
    });
}
