// SPDX-License-Identifier: MIT
//! The program from end to end, with the shared library as it was built.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod bench;

use std::fs;

use bench::{Bench, PIN, SO_PIN};
use serde_json::{Value, json};

/// Key type, mechanism (`-` for the usual one), and what OpenSSL verifies it with, where it can.
const SIGNATURES: [(&str, &str, Option<&str>); 10] = [
    ("rsa-2048", "-", Some("-sha256")),
    ("rsa-2048", "rsa-pkcs1-sha512", Some("-sha512")),
    (
        "rsa-2048",
        "rsa-pss-sha256",
        Some("-sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32"),
    ),
    (
        "rsa-2048",
        "rsa-pss-sha384",
        Some("-sha384 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:48"),
    ),
    ("ec-p256", "-", Some("-sha256")),
    ("ec-p384", "-", Some("-sha384")),
    ("ec-p521", "-", Some("-sha512")),
    ("ec-p256", "ecdsa-sha512", Some("-sha512")),
    ("ec-secp256k1", "-", Some("-sha256")),
    ("hmac-256", "hmac-sha384", None),
];

#[test]
fn quickstart_ends_with_a_signature_that_openssl_verified() {
    let bench = Bench::blank();
    let report = bench.run(["quickstart", "--dir", "a directory", "--json"]).json();
    assert_eq!(report["verified_by"], "openssl");
    assert_eq!(
        fs::canonicalize(report["module"].as_str().unwrap()).unwrap(),
        fs::canonicalize(bench::module()).unwrap()
    );
    let told = bench.run(["quickstart", "--dir", "b"]).ok();
    assert!(
        told.contains("Verified OK") && told.contains("export KEYENCLAVE_CONFIG="),
        "{told}"
    );
    for file in ["pin", "so-pin"] {
        let pin = fs::read_to_string(bench.path().join("b").join(file)).unwrap();
        assert!(pin.trim().len() >= 16 && !told.contains(pin.trim()), "{told}");
    }
    let again = bench.run(["quickstart", "--dir", "b"]).fails(2);
    assert!(again.contains("exists already"), "{again}");
}

#[test]
fn quickstart_without_openssl_verifies_with_the_library_and_says_so() {
    let bench = Bench::blank();
    let output = bench
        .command()
        .args(["quickstart", "--json"])
        .env("PATH", "/nowhere")
        .output()
        .unwrap();
    assert_eq!(bench::Outcome::from(output).json()["verified_by"], "keyenclave");
}

#[test]
fn every_signature_is_valid_for_us_and_for_openssl() {
    let bench = Bench::new();
    bench.write("message", b"a message", 0o644);
    for (kind, mechanism, openssl) in SIGNATURES {
        let label = format!("{kind}-{mechanism}");
        bench
            .user(&format!("keys generate --type {kind} --label {label}"))
            .ok();
        let how = if mechanism == "-" {
            String::new()
        } else {
            format!(" --mechanism {mechanism}")
        };
        let public = if openssl.is_some() {
            " --public-key public.pem"
        } else {
            ""
        };
        bench
            .user(&format!("sign --label {label}{how}{public} message"))
            .ok();
        let verified = bench
            .user(&format!("verify --json --label {label}{how} message"))
            .json();
        assert_eq!(verified["valid"], true);
        if let Some(options) = openssl {
            let line = format!("dgst {options} -verify public.pem -signature message.sig message");
            assert!(bench.openssl(&line).ok().contains("Verified OK"));
        }
        bench.write("other", b"another message", 0o644);
        bench
            .user(&format!(
                "verify --label {label}{how} --signature message.sig other"
            ))
            .fails(7);
    }
}

#[test]
fn ed25519_signatures_are_valid_for_us_and_for_openssl() {
    let bench = Bench::new();
    bench.user("keys generate --type ed25519 --label ed").ok();
    let listed = bench.user("keys list --json").json();
    assert_eq!(
        (&listed[0]["type"], &listed[0]["bits"]),
        (&json!("ed25519"), &json!(255))
    );
    for len in [1, 100, 65_536, 100_000] {
        bench.write("message", &vec![0x5a; len], 0o644);
        bench.user("sign --label ed --public-key ed.pem message").ok();
        assert_eq!(fs::read(bench.path().join("message.sig")).unwrap().len(), 64);
        bench.run("verify --label ed message".split(' ')).ok();
        bench
            .openssl("pkeyutl -verify -pubin -inkey ed.pem -rawin -in message -sigfile message.sig")
            .ok();
        bench
            .user("sign --label ed --mechanism ed25519ph --out ph.sig message")
            .ok();
        let prehashed = "verify --label ed --mechanism ed25519ph --signature ph.sig message";
        bench.run(prehashed.split(' ')).ok();
        bench
            .run("verify --label ed --signature ph.sig message".split(' '))
            .fails(7);
    }
    bench.write("message", b"another", 0o644);
    bench.run("verify --label ed message".split(' ')).fails(7);
    bench
        .user("sign --label ed --mechanism ecdsa-sha256 message")
        .fails(2);
}

#[test]
fn a_large_file_is_signed_in_parts() {
    let bench = Bench::new();
    bench.user("keys generate --type ec-p256 --label k").ok();
    // Around the size of the parts that are handed over.
    for len in [0, 65_535, 65_536, 65_537, 3_000_000] {
        bench.write("large", &vec![0x5a; len], 0o644);
        bench.user("sign --label k --public-key k.pem large").ok();
        bench.user("verify --label k large").ok();
        bench
            .openssl("dgst -sha256 -verify k.pem -signature large.sig large")
            .ok();
    }
}

#[test]
fn raw_signatures_are_the_same_numbers_without_der() {
    let bench = Bench::new();
    bench.user("keys generate --type ec-p521 --label k").ok();
    bench
        .user("sign --label k --format raw --out raw.sig config.toml")
        .ok();
    assert_eq!(fs::read(bench.path().join("raw.sig")).unwrap().len(), 132);
    bench
        .run("verify --label k --format raw --signature raw.sig config.toml".split(' '))
        .ok();
    let hint = bench
        .run("verify --label k --signature raw.sig config.toml".split(' '))
        .fails(7);
    assert!(hint.contains("--format raw"), "{hint}");
}

#[test]
fn keys_are_listed_exported_and_deleted() {
    let bench = Bench::new();
    assert_eq!(bench.user("keys list --json").json(), json!([]));
    let generated = bench
        .user("keys generate --json --type ec-p256 --label k --id 01ab")
        .json();
    assert_eq!(
        generated,
        json!({ "type": "ec-p256", "label": "k", "id": "01ab" })
    );
    bench.user("keys generate --type aes-256 --label a").ok();
    let listed = bench.user("keys list --json").json();
    let mut found: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|key| (&key["class"], &key["type"]))
        .collect();
    found.sort_by_key(|(class, _)| class.to_string());
    let expected = [
        ("private", "ec-p256"),
        ("public", "ec-p256"),
        ("secret", "aes-256"),
    ];
    assert_eq!(
        found
            .iter()
            .map(|(c, t)| (c.as_str().unwrap(), t.as_str().unwrap()))
            .collect::<Vec<_>>(),
        expected
    );
    let public = bench.run(["keys", "list", "--no-login", "--json"]).json();
    assert_eq!(public.as_array().unwrap().len(), 1);
    let pem = bench.run(["keys", "export", "--id", "01ab", "--out", "k.pem"]);
    pem.ok();
    assert!(
        bench
            .openssl("pkey -pubin -in k.pem -noout -text")
            .ok()
            .contains("P-256")
    );
    bench.user("keys generate --type ec-p256 --label k").fails(2);
    bench
        .user("keys generate --type ec-p256 --label l --id 01ab")
        .fails(2);
    assert!(bench.user("keys delete --label k").fails(2).contains("--yes"));
    let deleted = bench.user("keys delete --json --label k --yes").json();
    assert_eq!(deleted["deleted"].as_array().unwrap().len(), 2);
    bench.user("keys delete --label k --yes").fails(8);
    assert_eq!(bench.user("keys list --json").json().as_array().unwrap().len(), 1);
}

#[test]
fn a_slot_is_shown_before_and_after_its_token_is_made() {
    let bench = Bench::blank();
    let before = bench.run(["slots", "--json"]).json();
    assert_eq!(
        (&before[0]["id"], &before[0]["initialised"]),
        (&json!(5), &json!(false))
    );
    let health = bench.run(["health", "--json"]).json();
    assert_eq!(
        (&health["healthy"], &health["slots"][0]["state"]),
        (&json!(true), &json!("uninitialised"))
    );
    assert!(bench.user("keys list").fails(8).contains("token init"));
    bench
        .run([
            "token",
            "init",
            "--label",
            "ein Täfelchen",
            "--so-pin-file",
            "so-pin",
            "--pin-file",
            "pin",
        ])
        .ok();
    let after = bench.run(["slots", "--json"]).json();
    assert_eq!(
        (&after[0]["id"], &after[0]["token"]["label"]),
        (&json!(5), &json!("ein Täfelchen"))
    );
    assert_eq!(bench.user("health --json").json()["slots"][0]["state"], "ok");
}

#[test]
fn an_initialised_token_is_replaced_only_on_purpose_and_by_its_officer() {
    let bench = Bench::new();
    bench.user("keys generate --type ec-p256 --label k").ok();
    let again = "token init --slot 5 --label u --so-pin-file so-pin";
    assert!(
        bench
            .user(again)
            .fails(2)
            .contains("All its keys will be destroyed")
    );
    let wrong = "token init --yes --slot 5 --label u --so-pin-file pin";
    bench.user(wrong).fails(6);
    assert_eq!(bench.user("keys list --json").json().as_array().unwrap().len(), 2);
    bench.user(&format!("{again} --yes")).ok();
    assert_eq!(bench.user("keys list --json --token u").json(), json!([]));
}

#[test]
fn a_wrong_pin_is_a_permission_failure_and_is_counted() {
    let bench = Bench::new();
    bench.write("wrong", b"not the PIN", 0o600);
    let failure = bench.run("keys list --json --pin-file wrong".split(' '));
    let report: Value = serde_json::from_str(&failure.out).unwrap();
    assert_eq!(
        (failure.code, &report["error"]["rv"]),
        (6, &json!("CKR_PIN_INCORRECT"))
    );
    assert_eq!(report["error"]["function"], "C_Login");
    let slots = bench.run(["slots", "--json"]).json();
    assert_eq!(slots[0]["token"]["states"], json!(["user PIN: wrong before"]));
    let health = bench.run("health --json --pin-file wrong".split(' '));
    assert_eq!(health.code, 6);
    bench.user("keys list").ok();
    assert_eq!(
        bench.run(["slots", "--json"]).json()[0]["token"]["states"],
        json!([])
    );
}

#[test]
fn pins_come_from_the_environment_too_and_never_from_careless_files() {
    let bench = Bench::new();
    let list = ["keys", "list", "--pin-env", "MY_PIN"];
    bench::Outcome::from(bench.command().args(list).env("MY_PIN", PIN).output().unwrap()).ok();
    assert!(bench.run(list).fails(6).contains("MY_PIN is not set"));
    bench.write("careless", PIN.as_bytes(), 0o640);
    let said = bench.run(["keys", "list", "--pin-file", "careless"]).fails(6);
    assert!(said.contains("chmod 600") && !said.contains(PIN), "{said}");
    assert!(bench.run(["keys", "list"]).fails(2).contains("--pin-file"));
    for pin in [PIN, SO_PIN] {
        assert!(
            bench
                .run(["keys", "list", "--pin", pin])
                .fails(2)
                .contains("unexpected argument")
        );
    }
}

#[test]
fn a_wrong_configuration_is_told_with_its_line_by_every_command() {
    let bench = Bench::blank();
    bench.write("config.toml", b"\nenviroment = \"local\"\n", 0o600);
    for command in ["slots", "health", "config check"] {
        let said = bench.run(command.split(' ')).fails(3);
        let told = said.matches("config.toml:2:1").count();
        assert!(
            told == 1 && said.contains("did you mean `environment`?"),
            "{said}"
        );
    }
    let report = bench.run(["config", "check", "--json"]);
    let report: Value = serde_json::from_str(&report.out).unwrap();
    assert_eq!(
        (&report["valid"], &report["problems"][0]["line"]),
        (&json!(false), &json!(2))
    );
    let fine = Bench::blank()
        .run(["config", "check", "config.toml", "--json"])
        .json();
    assert_eq!(
        (&fine["valid"], &fine["slots"][0]["label"]),
        (&json!(true), &json!("five"))
    );
}

#[test]
fn production_does_not_start_with_software_keys() {
    let bench = Bench::blank();
    let config = b"environment = \"production\"\n[[slot]]\nlabel = \"a\"\nbackend = \"soft\"\npath = \"a\"\n";
    bench.write("config.toml", config, 0o600);
    assert!(bench.run(["slots"]).fails(3).contains("protected by hardware"));
}

#[test]
fn a_module_that_is_not_there_or_is_none_is_told() {
    let bench = Bench::blank();
    bench.run(["slots", "--module", "nowhere.so"]).fails(8);
    assert!(
        bench
            .run(["slots", "--module", "config.toml"])
            .fails(5)
            .contains("cannot be loaded")
    );
    let failure = bench.run(["slots", "--module", "nowhere.so", "--json"]);
    let report: Value = serde_json::from_str(&failure.out).unwrap();
    assert_eq!(report["error"]["kind"], "not-found");
}

#[test]
fn a_damaged_store_is_told_and_left_as_it_is() {
    let bench = Bench::new();
    let store = bench.path().join("store/token.db");
    fs::write(&store, b"this is not a store").unwrap();
    let init = "token init --label t --so-pin-file so-pin";
    for command in ["keys list", "keys list --token t", init] {
        let said = bench.user(command);
        let all = said.out + &said.err;
        assert!([4, 5].contains(&said.code), "{command}: {all}");
        assert!(all.contains("slot 5 does not tell"), "{command}: {all}");
        assert!(!all.contains("token init"), "no advice to replace it: {all}");
        assert_eq!(fs::read(&store).unwrap(), b"this is not a store");
    }
}

#[test]
fn labels_do_not_steer_the_terminal() {
    let bench = Bench::new();
    let label = "\u{1b}[31mred\nprivate  ec-p256  forged";
    let pin = ["--pin-file", "pin"];
    let generate = ["keys", "generate", "--type", "ec-p256", "--label", label];
    let said = bench.run(generate.iter().chain(&pin)).ok();
    let listed = bench.user("keys list").ok();
    let missing = bench
        .run(
            ["keys", "delete", "--yes", "--label", "\u{1b}[2J"]
                .iter()
                .chain(&pin),
        )
        .fails(8);
    for text in [&said, &listed, &missing] {
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }
    assert_eq!(listed.lines().count(), 3, "a heading and two keys: {listed}");
    let exact = bench.user("keys list --json").json();
    assert_eq!(exact[0]["label"], label);
}

#[test]
fn a_service_that_is_not_reached_is_told_with_its_reason_and_holds_up_no_other_slot() {
    let bench = Bench::blank();
    let config =
        b"[[slot]]\nlabel = \"far\"\nbackend = \"aws-kms\"\nregion = \"eu-west-1\"\nsidecar = \"side\"\n\
        endpoint = \"http://127.0.0.1:1\"\n[[slot]]\nlabel = \"near\"\nbackend = \"soft\"\npath = \"near\"\n";
    bench.write("config.toml", config, 0o600);
    let run = |line: &str| {
        let mut command = bench.command();
        command
            .env("AWS_ACCESS_KEY_ID", "a")
            .env("AWS_SECRET_ACCESS_KEY", "b");
        bench::Outcome::from(command.args(line.split(' ')).output().unwrap())
    };
    let health = run("health --json");
    let report: Value = serde_json::from_str(&health.out).unwrap();
    assert_eq!((health.code, &report["healthy"]), (4, &json!(false)));
    let slots = &report["slots"];
    assert_eq!(
        (&slots[0]["state"], &slots[0]["reason"]),
        (&json!("failed"), &json!("connectivity"))
    );
    assert_eq!(slots[1]["state"], "uninitialised");
    // No PIN is asked for: what fails is the search, and it says why.
    let said = run("keys list --slot 0").fails(4);
    assert!(
        said.contains("C_FindObjectsInit") && said.contains("check the endpoint"),
        "{said}"
    );
}

#[test]
fn a_hashed_pin_is_what_the_configuration_takes() {
    let bench = Bench::blank();
    let hash = bench.user("pin-hash --json").json();
    let hash = hash["pin_hash"].as_str().unwrap();
    assert!(!hash.contains(PIN));
    let config = format!(
        "[[slot]]\nlabel = \"k\"\nbackend = \"aws-kms\"\nregion = \"eu-west-1\"\npin_hash = \"{hash}\"\n"
    );
    bench.write("config.toml", config.as_bytes(), 0o600);
    bench.run(["config", "check", "config.toml"]).ok();
    assert!(
        bench
            .run("keys list --slot 0".split(' '))
            .fails(2)
            .contains("--pin-file"),
        "a login is required"
    );
}
