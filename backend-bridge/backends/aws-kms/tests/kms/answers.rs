// SPDX-License-Identifier: MIT
//! Every kind of answer, and of no answer, through the SDK's own parser.

use std::time::Instant;

use keyenclave_bridge::call::{CheckHealth, DescribeKey, EncryptData, FetchPublicKey, SignDigest};
use keyenclave_bridge::error::ErrorKind::{
    BadInput, Configuration, Conflict, Credential, Denied, Disabled, Integrity, NotFound, Throttled,
    Unavailable, Unsupported,
};
use keyenclave_bridge::error::{Error, Sent};
use keyenclave_bridge::key::{Algorithm, KeyName};
use keyenclave_conformance::case::in_own_process;
use keyenclave_model::algorithm::Hash;
use serde_json::json;
use zeroize::Zeroizing;

use crate::server::{Answer, Server};
use crate::{asked, at_home, backend, write_home};

const ARN: &str = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

async fn health(answer: Answer) -> Error {
    let server = Server::new(move |_| answer.clone());
    asked(&backend(&server.url), CheckHealth).await.unwrap_err()
}

#[test]
fn every_code_of_aws_is_a_kind_of_ours() {
    in_own_process(|| {
        at_home(async {
            for (code, kind) in [
                ("ThrottlingException", Throttled),
                ("LimitExceededException", Throttled),
                ("KMSInternalException", Unavailable),
                ("DependencyTimeoutException", Unavailable),
                ("KeyUnavailableException", Unavailable),
                ("InternalFailure", Unavailable),
                ("ServiceUnavailable", Unavailable),
                ("NotFoundException", NotFound),
                ("DisabledException", Disabled),
                ("KMSInvalidStateException", Disabled),
                ("AlreadyExistsException", Conflict),
                ("InvalidKeyUsageException", BadInput),
                ("InvalidCiphertextException", BadInput),
                ("IncorrectKeyException", BadInput),
                ("TagException", BadInput),
                ("ValidationException", BadInput),
                ("UnsupportedOperationException", Unsupported),
                ("ExpiredTokenException", Credential),
                ("UnrecognizedClientException", Credential),
                ("InvalidSignatureException", Credential),
                ("IncompleteSignature", Credential),
                ("RequestExpired", Credential),
                ("MissingAuthenticationToken", Credential),
                ("InvalidClientTokenId", Credential),
                ("AccessDeniedException", Denied),
                ("NotAuthorized", Denied),
                ("OptInRequired", Denied),
                // Not in the table: the status decides.
                ("SomethingNewException", BadInput),
            ] {
                // As AWS writes it, and with the namespace that some of its services put before it.
                for written in [code.to_owned(), format!("com.amazonaws.kms#{code}")] {
                    let error = health(Answer::error(&written, "because")).await;
                    assert_eq!(error.kind(), kind, "{written}: {error:?}");
                    assert_eq!(error.remote_code(), Some(code));
                    assert_eq!(error.request_id(), Some("request-1"));
                    assert_eq!(
                        error.sent() == Sent::Maybe,
                        kind == Unavailable && code != "KeyUnavailableException",
                        "{code}"
                    );
                }
            }
        })
    });
}

#[test]
fn answers_that_are_not_the_services_are_told_apart() {
    in_own_process(|| {
        at_home(async {
            let html = || b"<html>gateway</html>".to_vec();
            let raw = |status| Answer::Raw(status, Vec::new(), html());
            for (answer, kind, sent) in [
                (raw(500), Unavailable, Sent::Maybe),
                (raw(502), Unavailable, Sent::Maybe),
                (raw(503), Unavailable, Sent::Maybe),
                (raw(429), Throttled, Sent::Refused),
                (raw(401), Credential, Sent::Refused),
                (raw(403), Denied, Sent::Refused),
                (raw(404), Configuration, Sent::Refused),
                (raw(301), Configuration, Sent::Refused),
                (raw(413), BadInput, Sent::Refused),
                (raw(501), Unsupported, Sent::Refused),
                (raw(200), Integrity, Sent::Maybe),
                (Answer::Json(500, json!({})), Unavailable, Sent::Maybe),
                (Answer::Cut(100, b"{\"Keys\":".to_vec()), Unavailable, Sent::Maybe),
                (Answer::Close, Unavailable, Sent::Maybe),
            ] {
                let told = format!("{answer:?}");
                let error = health(answer).await;
                assert_eq!((error.kind(), error.sent()), (kind, sent), "{told}: {error:?}");
            }
        })
    });
}

#[test]
fn the_service_says_when_it_wants_to_be_asked_again() {
    in_own_process(|| {
        at_home(async {
            for (header, value, millis) in [
                ("Retry-After", "7", Some(7000)),
                ("x-amz-retry-after", "250", Some(250)),
                ("Retry-After", "Sun, 22 Nov 2026 08:00:00 GMT", None),
                ("Retry-After", "-1", None),
            ] {
                let error = health(Answer::Raw(503, vec![(header, value)], Vec::new())).await;
                assert_eq!(
                    error.retry_after().map(|wait| wait.as_millis()),
                    millis,
                    "{header}: {value}"
                );
            }
        })
    });
}

#[test]
fn well_formed_answers_without_what_was_asked_for_are_not_taken() {
    in_own_process(|| {
        at_home(async {
            let key = || KeyName::new(ARN);
            for body in [
                json!({}),
                json!({ "KeyId": ARN }),
                json!({ "KeyId": ARN, "Signature": "" }),
                json!({ "KeyId": ARN, "Signature": "AAAA" }),
                json!({ "Signature": "A".repeat(344) }),
                json!({ "KeyId": "arn:aws:kms:eu-central-1:111122223333:key/other", "Signature": "A".repeat(344) }),
                json!({ "KeyId": ARN, "PublicKey": "" }),
                json!({ "KeyMetadata": { "KeyId": "1" } }),
                json!({ "KeyMetadata": { "KeyId": "1", "Arn": "arn:other" } }),
            ] {
                let told = body.to_string();
                let server = Server::new(move |_| Answer::Json(200, body.clone()));
                let kms = backend(&server.url);
                let sign = SignDigest {
                    key: key(),
                    algorithm: Algorithm::RsaPkcs1(Hash::Sha256),
                    digest: vec![1; 32],
                };
                assert_eq!(asked(&kms, sign).await.unwrap_err().kind(), Integrity, "{told}");
                let described = asked(&kms, DescribeKey { key: key() }).await;
                assert_eq!(described.unwrap_err().kind(), Integrity, "{told}");
                let public = asked(&kms, FetchPublicKey { key: key() }).await;
                assert_eq!(public.unwrap_err().kind(), Integrity, "{told}");
            }
        })
    });
}

#[test]
fn the_public_key_of_another_key_is_not_taken_though_nothing_else_is_wrong_with_it() {
    in_own_process(|| {
        at_home(async {
            // SubjectPublicKeyInfo of P-256's generator.
            let spki = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==";
            let body = json!({
                "KeyId": ARN, "PublicKey": spki, "KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY",
                "CustomerMasterKeySpec": "ECC_NIST_P256", "SigningAlgorithms": ["ECDSA_SHA_256"],
            });
            let server = Server::new(move |_| Answer::Json(200, body.clone()));
            let kms = backend(&server.url);
            let fetch = |name: &str| FetchPublicKey {
                key: KeyName::new(name),
            };
            assert!(asked(&kms, fetch(ARN)).await.is_ok());
            let other = ARN.replace("1234abcd", "4321abcd");
            let error = asked(&kms, fetch(&other)).await.unwrap_err();
            assert_eq!((error.kind(), error.sent()), (Integrity, Sent::Maybe));
            let told = error.to_string();
            assert!(told.contains(ARN) && told.contains(&other), "{told}");
        })
    });
}

#[test]
fn what_may_hold_a_secret_is_not_passed_on() {
    in_own_process(|| {
        at_home(async {
            let message = "The Canonical String should have been x-amz-security-token:TOKEN";
            let error = health(Answer::error("InvalidSignatureException", message)).await;
            assert!(!error.to_string().contains("TOKEN"), "{error}");
            let server =
                Server::new(|_| Answer::error("ValidationException", "Value 'c2VjcmV0' at 'plaintext'"));
            let call = EncryptData {
                key: KeyName::new(ARN),
                plaintext: Zeroizing::new(b"secret".to_vec()),
            };
            let error = asked(&backend(&server.url), call).await.unwrap_err();
            assert!(!error.to_string().contains("c2Vj"), "{error}");
            // What helps is passed on.
            let message = "User: arn:aws:iam::1:user/x is not authorized to perform: kms:ListKeys";
            let error = health(Answer::error("AccessDeniedException", message)).await;
            assert!(error.to_string().contains(message), "{error}");
        })
    });
}

#[test]
fn a_role_that_is_no_more_does_not_fetch_credentials_for_every_request() {
    in_own_process(|| {
        at_home(async {
            write_home("credentials", "");
            let answer = r#"{"Version":1,"AccessKeyId":"AKIDGONE","SecretAccessKey":"s"}"#;
            write_home("answer.json", answer);
            write_home(
                "config",
                "[default]\ncredential_process = sh -c \"echo >>$HOME/.aws/fetched; cat $HOME/.aws/answer.json\"\n",
            );
            let server = Server::new(|_| Answer::error("UnrecognizedClientException", "no"));
            let (kms, begun) = (backend(&server.url), Instant::now());
            for _ in 0..30 {
                let error = asked(&kms, CheckHealth).await.unwrap_err();
                assert_eq!(
                    (error.kind(), error.sent()),
                    (Credential, Sent::Refused),
                    "{error}"
                );
            }
            let most = 2 + begun.elapsed().as_secs();
            let fetched = format!("{}/.aws/fetched", std::env::var("HOME").unwrap());
            let fetched = std::fs::read_to_string(fetched).unwrap().lines().count() as u64;
            assert!(
                (2..=most).contains(&fetched),
                "{fetched} times, and {most} at the most"
            );
        })
    });
}
