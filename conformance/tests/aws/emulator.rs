// SPDX-License-Identifier: MIT
//! The instruments themselves: a test that trusts a proxy which does nothing would prove nothing.

use crate::slot::until_asked;
use keyenclave_conformance::cloud::{Account, Api, Fault, Lie, Ministack, On, Proxy};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const DIGEST: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// The API through a proxy and straight to the emulator, and the proxy.
fn with_proxy(ministack: &Ministack, body: impl FnOnce(&Api, &Api, &Proxy)) {
    let account = Account::fresh();
    let proxy = Proxy::before(ministack);
    body(&proxy.api(&account), &ministack.api(&account), &proxy);
}

fn sign(api: &Api, key: &str) -> Result<Value, Value> {
    let algorithm = "ECDSA_SHA_256";
    api.try_call(
        "Sign",
        &json!({"KeyId": key, "Message": DIGEST, "MessageType": "DIGEST", "SigningAlgorithm": algorithm}),
    )
}

fn verifies(api: &Api, key: &str, signature: &Value) -> bool {
    let asked = json!({"KeyId": key, "Message": DIGEST, "MessageType": "DIGEST", "Signature": signature,
        "SigningAlgorithm": "ECDSA_SHA_256"});
    api.try_call("Verify", &asked).is_ok()
}

#[test]
fn requests_and_connections_are_counted() {
    Ministack::needed(|ministack| {
        with_proxy(ministack, |through, straight, proxy| {
            let key = straight.create_key("ECC_NIST_P256", "SIGN_VERIFY");
            for _ in 0..3 {
                assert!(sign(through, &key.id).is_ok());
            }
            through.describe(&key.id);
            let counts = proxy.counts();
            assert_eq!(
                (counts.of("Sign"), counts.of("DescribeKey"), counts.total()),
                (3, 1, 4)
            );
            assert_eq!((counts.opened, counts.of("CreateKey")), (4, 0));
            proxy.forget();
            assert_eq!((proxy.counts().total(), proxy.counts().opened), (0, 0));
        });
    });
}

#[test]
fn accounts_do_not_see_each_other() {
    Ministack::needed(|ministack| {
        let (one, other) = (ministack.api(&Account::fresh()), ministack.api(&Account::fresh()));
        let key = one.create_key("HMAC_256", "GENERATE_VERIFY_MAC");
        assert_eq!((one.keys(), other.keys()), (vec![key.arn], vec![]));
    });
}

#[test]
fn listings_come_in_pages_that_hold_everything_once() {
    Ministack::needed(|ministack| {
        with_proxy(ministack, |through, straight, proxy| {
            let mut made: Vec<_> = (0..7)
                .map(|number| {
                    straight
                        .create_named_key(&format!("k{number}"), "HMAC_256", "GENERATE_VERIFY_MAC")
                        .arn
                })
                .collect();
            proxy.pages_of(3);
            for (operation, list, name, length) in [
                ("ListKeys", "Keys", "KeyArn", 7),
                ("ListAliases", "Aliases", "AliasName", 7),
            ] {
                let (mut all, mut pages, mut asked) = (Vec::new(), 0, json!({"Limit": 5}));
                loop {
                    let page = through.call(operation, &asked);
                    let entries = page[list].as_array().unwrap();
                    all.extend(
                        entries
                            .iter()
                            .map(|entry| entry[name].as_str().unwrap().to_owned()),
                    );
                    pages += 1;
                    assert!(pages <= 3, "{operation} does not end");
                    if page["Truncated"] == json!(false) {
                        break;
                    }
                    asked = json!({"Limit": 5, "Marker": page["NextMarker"]});
                }
                assert_eq!((all.len(), pages), (length, 3), "{operation}");
                all.sort();
                all.dedup();
                assert_eq!(all.len(), length);
                if list == "Keys" {
                    made.sort();
                    assert_eq!(all, made);
                }
            }
            let refused = through.try_call("ListKeys", &json!({"Marker": "invented"}));
            assert_eq!(refused.unwrap_err()["__type"], "InvalidMarkerException");
        });
    });
}

#[test]
fn refusals_come_where_the_rule_says_and_go_when_it_does() {
    Ministack::needed(|ministack| {
        with_proxy(ministack, |through, straight, proxy| {
            let key = straight.create_key("ECC_NIST_P256", "SIGN_VERIFY");
            proxy.fault(On::the("Sign").call(2), Fault::Throttled);
            proxy.fault(
                On::the("DescribeKey").first(2),
                Fault::Refused("ExpiredTokenException"),
            );
            let outcomes: Vec<_> = (0..3).map(|_| sign(through, &key.id).is_ok()).collect();
            assert_eq!(outcomes, [true, false, true]);
            let describe = || through.try_call("DescribeKey", &json!({"KeyId": key.id}));
            assert_eq!(describe().unwrap_err()["__type"], "ExpiredTokenException");
            proxy.heal();
            assert!(describe().is_ok());
        });
    });
}

#[test]
fn lies_are_well_formed_and_wrong() {
    Ministack::needed(|ministack| {
        with_proxy(ministack, |through, straight, proxy| {
            let key = straight.create_key("ECC_NIST_P256", "SIGN_VERIFY");
            let honest = sign(through, &key.id).unwrap();
            assert!(verifies(straight, &key.id, &honest["Signature"]));
            for lie in [Lie::OtherMessage, Lie::OtherKey, Lie::CutSignature] {
                proxy.fault(On::the("Sign"), Fault::Lying(lie));
                let told = sign(through, &key.id).unwrap();
                let same = told["KeyId"] == honest["KeyId"];
                let verifies = verifies(straight, &key.id, &told["Signature"]);
                assert_eq!(
                    (same, verifies),
                    (lie != Lie::OtherKey, lie == Lie::OtherKey),
                    "{lie:?}"
                );
                proxy.heal();
            }
        });
    });
}

#[test]
fn a_lost_answer_was_done_and_a_reset_request_was_not() {
    Ministack::needed(|ministack| {
        with_proxy(ministack, |through, straight, proxy| {
            let create = || {
                let asked = json!({"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"});
                through.try_call("CreateKey", &asked).is_ok()
            };
            for (fault, done) in [
                (Fault::Lost, true),
                (Fault::Truncated, true),
                (Fault::Garbage, true),
                (Fault::Reset, false),
                (Fault::Status(503), false),
                (Fault::TooMany(1), false),
            ] {
                let before = straight.keys().len();
                proxy.fault(On::the("CreateKey"), fault);
                let answered = create();
                proxy.heal();
                assert_eq!(straight.keys().len() - before, usize::from(done), "{fault:?}");
                assert!(!answered, "{fault:?}");
            }
        });
    });
}

#[test]
fn a_shut_door_refuses_and_opens_again_at_the_same_port() {
    Ministack::needed(|ministack| {
        with_proxy(ministack, |through, _, proxy| {
            assert_eq!(through.keys(), Vec::<String>::new());
            proxy.refuse();
            let address = proxy.url().trim_start_matches("http://").to_owned();
            let refused = std::net::TcpStream::connect(&address).unwrap_err();
            assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
            proxy.heal();
            assert_eq!(through.keys(), Vec::<String>::new());
        });
    });
}

#[test]
fn slow_answers_and_latency_take_their_time() {
    Ministack::needed(|ministack| {
        with_proxy(ministack, |through, _, proxy| {
            let took = |time: Duration| {
                let start = Instant::now();
                through.keys();
                assert!(start.elapsed() >= time);
            };
            proxy.latency(Duration::from_millis(30));
            took(Duration::from_millis(30));
            proxy.fault(On::all(), Fault::Slow(Duration::from_millis(70)));
            took(Duration::from_millis(100));
        });
    });
}

#[test]
fn what_is_held_is_answered_when_it_is_released() {
    Ministack::needed(|ministack| {
        with_proxy(ministack, |through, straight, proxy| {
            let key = straight.create_key("ECC_NIST_P256", "SIGN_VERIFY");
            proxy.fault(On::the("Sign"), Fault::Held);
            std::thread::scope(|scope| {
                let held = scope.spawn(|| sign(through, &key.id));
                until_asked(proxy, "Sign", &held);
                // Others pass, and it is still there when they have.
                through.describe(&key.id);
                assert!(!held.is_finished());
                proxy.release();
                assert!(held.join().unwrap().is_ok());
            });
            assert!(sign(through, &key.id).is_ok(), "it stays released");
        });
    });
}

#[test]
fn what_is_remembered_does_not_reach_the_server() {
    Ministack::needed(|ministack| {
        with_proxy(ministack, |through, straight, proxy| {
            let key = straight.create_key("ECC_NIST_P256", "SIGN_VERIFY");
            proxy.remember("Sign");
            let answers: Vec<_> = (0..3).map(|_| sign(through, &key.id).unwrap()).collect();
            // ECDSA takes a random number: equal signatures are one signature.
            assert_eq!((&answers[0], &answers[1]), (&answers[1], &answers[2]));
            assert_eq!(proxy.counts().of("Sign"), 3);
        });
    });
}

#[test]
fn a_case_in_its_own_process_uses_the_emulator_of_the_binary() {
    Ministack::in_own_process(|ministack| {
        let account = Account::of_this_process();
        assert_eq!(ministack.api(&account).keys(), Vec::<String>::new());
        let running = std::env::var("KEYENCLAVE_TEST_MINISTACK_URL");
        assert_eq!(
            running.as_deref(),
            Ok(ministack.url()),
            "no second instance was started"
        );
    });
}
