// SPDX-License-Identifier: MIT
//! Who this process is: credentials that come, end, and come anew, without a restart.

use std::time::Duration;

use keyenclave_aws_kms::{AwsKms, AwsOptions};
use keyenclave_bridge::call::{Backend, CheckHealth};
use keyenclave_bridge::error::{ErrorKind, Reason, Sent};
use keyenclave_conformance::case::in_own_process;
use serde_json::json;

use crate::server::{Answer, Server};
use crate::{asked, at_home, backend, options, write_home};

/// A service that only believes one access key.
fn service(believed: &'static str, refusal: &'static str) -> Server {
    Server::new(move |asked| match asked.signer == believed {
        true => Answer::Json(200, json!({ "Keys": [], "Truncated": false })),
        false => Answer::error(refusal, "no"),
    })
}

#[test]
fn after_a_refused_credential_the_next_call_uses_fresh_ones() {
    in_own_process(|| {
        at_home(async {
            for refusal in ["ExpiredTokenException", "UnrecognizedClientException"] {
                write_home(
                    "credentials",
                    "[default]\naws_access_key_id = AKIDTEST\naws_secret_access_key = first\n",
                );
                let server = service("AKIDNEXT", refusal);
                let kms = backend(&server.url);
                let error = asked(&kms, CheckHealth).await.unwrap_err();
                assert_eq!(
                    (error.kind(), error.sent()),
                    (ErrorKind::Credential, Sent::Refused)
                );
                write_home(
                    "credentials",
                    "[default]\naws_access_key_id = AKIDNEXT\naws_secret_access_key = second\n",
                );
                asked(&kms, CheckHealth).await.unwrap();
                asked(&kms, CheckHealth).await.unwrap();
                let signers: Vec<_> = server.asked().into_iter().map(|asked| asked.signer).collect();
                assert_eq!(signers, ["AKIDTEST", "AKIDNEXT", "AKIDNEXT"]);
            }
        })
    });
}

#[test]
fn a_credential_process_that_fails_is_asked_again() {
    in_own_process(|| {
        at_home(async {
            write_home("credentials", "");
            write_home("config", "[default]\ncredential_process = false\n");
            let server = service("AKIDPROCESS", "UnrecognizedClientException");
            let kms = backend(&server.url);
            let error = asked(&kms, CheckHealth).await.unwrap_err();
            assert_eq!(
                (error.kind(), error.sent()),
                (ErrorKind::Credential, Sent::No),
                "{error}"
            );
            let answer = r#"{"Version":1,"AccessKeyId":"AKIDPROCESS","SecretAccessKey":"s"}"#;
            write_home("answer.json", answer);
            write_home(
                "config",
                "[default]\ncredential_process = cat $HOME/.aws/answer.json\n",
            );
            asked(&kms, CheckHealth).await.unwrap();
        })
    });
}

#[test]
fn a_slow_credential_process_is_not_begun_anew_by_every_try() {
    in_own_process(|| {
        at_home(async {
            write_home("credentials", "");
            let answer = r#"{"Version":1,"AccessKeyId":"AKIDPROCESS","SecretAccessKey":"s"}"#;
            write_home("answer.json", answer);
            write_home(
                "slow.sh",
                "echo begun >>$HOME/.aws/begun; while [ ! -e $HOME/.aws/go ]; do sleep 0.02; done; cat $HOME/.aws/answer.json",
            );
            write_home(
                "config",
                "[default]\ncredential_process = sh $HOME/.aws/slow.sh\n",
            );
            let server = service("AKIDPROCESS", "UnrecognizedClientException");
            let kms = backend(&server.url);
            for _ in 0..3 {
                let tried = tokio::time::timeout(Duration::from_millis(200), kms.health(&CheckHealth)).await;
                assert!(tried.is_err(), "it cannot be there yet");
            }
            write_home("go", "");
            asked(&kms, CheckHealth).await.unwrap();
            let begun =
                std::fs::read_to_string(format!("{}/.aws/begun", std::env::var("HOME").unwrap())).unwrap();
            assert_eq!(begun.lines().count(), 1);
        })
    });
}

/// What is wrong with some options.
type Change<'a> = &'a dyn Fn(&mut AwsOptions);

#[test]
fn what_is_wrongly_configured_is_named_and_heals() {
    in_own_process(|| {
        at_home(async {
            let server = service("AKIDTEST", "UnrecognizedClientException");
            let wrong = |change: Change<'_>| {
                let mut options = options(&server.url);
                change(&mut options);
                AwsKms::new(options)
            };
            let cases: [(Change<'_>, &str); 5] = [
                (&|options| options.endpoint = Some("kms".to_owned()), "`endpoint`"),
                (&|options| options.fips = Some(true), "`fips`"),
                (
                    &|options| options.ca_file = Some("/nonexistent/ca.pem".into()),
                    "`ca_file`",
                ),
                (&|options| options.deletion_days = 1, "`deletion_days`"),
                (&|options| options.proxy = Some("proxy".to_owned()), "`proxy`"),
            ];
            for (change, name) in cases {
                let error = asked(&wrong(change), CheckHealth).await.unwrap_err();
                assert_eq!(
                    (error.kind().reason(), error.sent()),
                    (Reason::Configuration, Sent::No),
                    "{error}"
                );
                assert!(error.to_string().contains(name), "{error}");
            }
            let kms = wrong(&|options| options.region = None);
            let error = asked(&kms, CheckHealth).await.unwrap_err();
            assert!(
                error.kind() == ErrorKind::Configuration && error.to_string().contains("`region`"),
                "{error}"
            );
            write_home("config", "[default]\nregion = eu-west-1\n");
            asked(&kms, CheckHealth).await.unwrap();
            assert_eq!(server.operations(), ["ListKeys"]);
        })
    });
}
