// SPDX-License-Identifier: MIT
//! The command-line tool with slots of the emulated service: keys from their making to their end, PINs, and what it
//! says when something is wrong.

use crate::openssl::openssl;
use crate::slot::{MARGIN, OPERATION, case, hurried};
use keyenclave_conformance::cloud::{Account, AwsSlot, Fault, Ministack, On, Proxy, REGION, configure};
use keyenclave_conformance::place::{Place, module_path, tool_path};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What the tool did.
struct Outcome {
    code: Option<i32>,
    out: String,
    err: String,
    took: Duration,
}

impl Outcome {
    #[track_caller]
    fn ended(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        self.out + &self.err
    }

    /// The one document on standard output.
    #[track_caller]
    fn json(&self, code: i32) -> Value {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        serde_json::from_str(&self.out).expect("one JSON document")
    }
}

/// A command of the tool in `place`, without a terminal.
fn command(place: &Place, line: &str) -> Command {
    let mut command = place.command(tool_path());
    command.args(line.split(' ')).stdin(Stdio::null());
    command.env("KEYENCLAVE_MODULE", module_path());
    command
}

fn outcome(mut command: Command) -> Outcome {
    let start = Instant::now();
    let output = command.output().expect("the tool");
    Outcome {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
        took: start.elapsed(),
    }
}

fn run(place: &Place, line: &str) -> Outcome {
    outcome(command(place, line))
}

/// A file that only its owner may use.
fn private(place: &Place, name: &str, text: &str) {
    let file = place.write(name, text);
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).expect("a private file");
}

/// A place with one slot of the service, and a soft slot beside it.
fn one_slot(ministack: &Ministack) -> Place {
    let place = Place::of_this_process();
    configure(&place, "", &[AwsSlot::new("cloud", ministack.url())]);
    place
}

/// Key type, `--mechanism` where it is not the usual one, and how OpenSSL verifies.
const SIGNATURES: [(&str, &str, &[&str]); 5] = [
    ("rsa-2048", "", DGST),
    (
        "rsa-2048",
        " --mechanism rsa-pss-sha256",
        &[
            "dgst",
            "-sha256",
            "-sigopt",
            "rsa_padding_mode:pss",
            "-verify",
            "public.pem",
            "-signature",
            "message.sig",
            "message",
        ],
    ),
    ("ec-p256", "", DGST),
    ("ec-secp256k1", "", DGST),
    ("ed25519", "", PURE),
];

const DGST: &[&str] = &[
    "dgst",
    "-sha256",
    "-verify",
    "public.pem",
    "-signature",
    "message.sig",
    "message",
];

const PURE: &[&str] = &[
    "pkeyutl",
    "-verify",
    "-pubin",
    "-inkey",
    "public.pem",
    "-rawin",
    "-in",
    "message",
    "-sigfile",
    "message.sig",
];

#[test]
fn keys_are_made_shown_used_and_deleted_without_a_pin() {
    case(|ministack| {
        let place = one_slot(ministack);
        let api = ministack.api(&Account::of_this_process());
        let slots = run(&place, "slots --json").json(0);
        assert_eq!(slots[0]["token"]["label"], "cloud");
        assert_eq!(
            (&slots[0]["initialised"], &slots[1]["initialised"]),
            (&json!(true), &json!(false))
        );
        assert_eq!(run(&place, "keys list --json").json(0), json!([]));
        for (kind, mechanism, verification) in SIGNATURES {
            let label = format!("{kind}{}", mechanism.replace(' ', "-"));
            place.write("message", &format!("for {label}"));
            let made = run(
                &place,
                &format!("keys generate --json --type {kind} --label {label}"),
            );
            let made = made.json(0);
            let listed = run(&place, "keys list --json").json(0);
            let mut shown: Vec<_> = listed
                .as_array()
                .unwrap()
                .iter()
                .map(|key| {
                    (
                        key["class"].as_str(),
                        key["type"].as_str(),
                        key["label"].as_str(),
                        &key["id"],
                    )
                })
                .collect();
            shown.sort_by_key(|key| key.0);
            let row = |class| (Some(class), Some(kind), Some(label.as_str()), &made["id"]);
            assert_eq!(shown, [row("private"), row("public")]);
            run(
                &place,
                &format!("sign --label {label}{mechanism} --public-key public.pem message"),
            )
            .ended(0);
            let verify = format!("verify --label {label}{mechanism} --signature message.sig");
            run(&place, &format!("{verify} message")).ended(0);
            openssl(&place, verification);
            place.write("other", "something else");
            run(&place, &format!("{verify} other")).ended(7);
            let refused = run(&place, &format!("keys generate --type {kind} --label {label}"));
            assert!(refused.ended(2).contains("already"));
            run(&place, &format!("keys delete --label {label}")).ended(2);
            let deleted = run(&place, &format!("keys delete --json --yes --label {label}")).json(0);
            assert!(!deleted["deleted"].as_array().unwrap().is_empty(), "{deleted}");
            assert_eq!(run(&place, "keys list --json").json(0), json!([]), "{label}");
        }
        let states = api
            .keys()
            .iter()
            .map(|key| api.describe(key)["KeyState"].clone())
            .collect::<Vec<_>>();
        assert_eq!(states, vec![json!("PendingDeletion"); SIGNATURES.len()]);
    });
}

#[test]
fn a_long_file_is_hashed_here_and_one_that_the_service_must_see_whole_is_refused() {
    case(|ministack| {
        let place = one_slot(ministack);
        place.write("long", &"a line\n".repeat(20_000));
        for kind in ["ec-p256", "ed25519"] {
            run(&place, &format!("keys generate --type {kind} --label {kind}")).ended(0);
        }
        run(&place, "sign --label ec-p256 long").ended(0);
        run(&place, "verify --label ec-p256 long").ended(0);
        // It is asked for, and the emulator says that it does not know it yet.
        let asked = run(&place, "sign --label ed25519 --mechanism ed25519ph long");
        assert!(asked.ended(5).contains("ED25519_PH_SHA_512"));
        let refused = run(&place, "sign --label ed25519 long");
        assert!(refused.ended(2).contains("ed25519ph"));
    });
}

#[test]
fn a_slot_with_a_hashed_pin_wants_it() {
    case(|ministack| {
        let place = Place::of_this_process();
        private(&place, "pin", "the right one\n");
        private(&place, "wrong", "the wrong one\n");
        let hash = run(&place, "pin-hash --json --pin-file pin").json(0);
        let slot = AwsSlot::new("cloud", ministack.url()).with("pin_hash", &hash["pin_hash"]);
        configure(&place, "", &[slot]);
        let generate = "keys generate --type ec-p256 --label web";
        assert!(run(&place, generate).ended(2).contains("--pin-file"));
        let wrong = run(&place, &format!("{generate} --json --pin-file wrong")).json(6);
        assert_eq!(wrong["error"]["rv"], "CKR_PIN_INCORRECT");
        run(&place, &format!("{generate} --pin-file pin")).ended(0);
        place.write("message", "a message");
        assert!(
            run(&place, "sign --label web message")
                .ended(2)
                .contains("--pin-file")
        );
        run(&place, "sign --label web --pin-file pin message").ended(0);
        // Public keys are for everybody.
        run(&place, "verify --label web message").ended(0);
        let health = |pin| run(&place, &format!("health --json --pin-file {pin}"));
        assert_eq!(health("pin").json(0)["slots"][0]["state"], "ok");
        let wrong = health("wrong").json(6);
        assert_eq!(wrong["slots"][0]["reason"], "permission");
        run(&place, "keys delete --yes --label web --pin-file pin").ended(0);
    });
}

/// What is wrong, the reason that is told, words that must be said, and whether a request has a number.
type Row = (
    &'static str,
    Option<Fault>,
    &'static str,
    &'static [&'static str],
    bool,
);

const TROUBLES: [Row; 8] = [
    ("refused", None, "connectivity", &["check the endpoint"], false),
    (
        "hung",
        Some(Fault::Hang),
        "connectivity",
        &["operation timeout"],
        false,
    ),
    (
        "reset",
        Some(Fault::Reset),
        "connectivity",
        &["check the endpoint"],
        false,
    ),
    (
        "denied",
        Some(Fault::Refused("AccessDeniedException")),
        "permission",
        &["AccessDeniedException", "grant the identity"],
        true,
    ),
    (
        "expired",
        Some(Fault::Refused("ExpiredTokenException")),
        "permission",
        &["ExpiredTokenException", "renew the identity"],
        true,
    ),
    (
        "throttled",
        Some(Fault::Throttled),
        "provider",
        &["ThrottlingException", "fewer requests"],
        true,
    ),
    (
        "failing",
        Some(Fault::Refused("KMSInternalException")),
        "provider",
        &["KMSInternalException", "status page"],
        true,
    ),
    (
        "garbled",
        Some(Fault::Garbage),
        "provider",
        &["alters data"],
        false,
    ),
];

fn exit_code(reason: &str) -> i32 {
    match reason {
        "configuration" => 3,
        "connectivity" => 4,
        "provider" => 5,
        _ => 6,
    }
}

/// The slot's row says `reason` and every one of `words`, in JSON and as text, and the program ends with its code.
#[track_caller]
fn told(place: &Place, name: &str, reason: &str, words: &[&str]) -> Value {
    let code = exit_code(reason);
    let health = run(place, "health --json");
    assert!(health.took < OPERATION + MARGIN, "{name}: {:?}", health.took);
    let report = health.json(code);
    let row = report["slots"][0].clone();
    assert_eq!(report["healthy"], false, "{name}: {report}");
    assert_eq!(
        (&row["state"], &row["reason"]),
        (&json!("failed"), &json!(reason)),
        "{name}: {report}"
    );
    let text = run(place, "health").ended(code);
    assert!(text.contains(&format!(": {reason}: ")), "{name}: {text}");
    for word in words {
        let said = format!("{} {}", row["message"], row["help"]);
        assert!(
            said.contains(word) && text.contains(word),
            "{name}: {said}\n{text}"
        );
    }
    row
}

#[test]
fn health_says_what_is_wrong_with_the_service_and_what_to_do() {
    case(|ministack| {
        let place = Place::of_this_process();
        let proxy = Proxy::before(ministack);
        configure(&place, "", &[hurried("cloud", proxy.url())]);
        let well = run(&place, "health --json").json(0);
        assert_eq!(
            (&well["healthy"], &well["slots"][0]["state"]),
            (&json!(true), &json!("ok"))
        );
        for (name, fault, reason, words, numbered) in TROUBLES {
            match fault {
                Some(fault) => proxy.fault(On::all(), fault),
                None => proxy.refuse(),
            }
            let row = told(&place, name, reason, words);
            if numbered {
                assert_eq!(row["request_id"], "made-by-the-proxy", "{name}");
            }
            // Any other command says the same.
            let list = run(&place, "keys list --json").json(exit_code(reason));
            assert_eq!(list["error"]["kind"], reason, "{name}: {list}");
            proxy.heal();
            assert_eq!(run(&place, "health --json").json(0)["healthy"], true, "{name}");
        }
    });
}

/// A server with a certificate that nobody knows; ended with the value.
struct Stranger {
    server: Child,
    url: String,
}

impl Stranger {
    fn new(place: &Place) -> Self {
        let make = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -addext \
                    subjectAltName=DNS:localhost -keyout key.pem -out cert.pem";
        openssl(place, &make.split_whitespace().collect::<Vec<_>>());
        let mut command = place.command("openssl");
        let serve = "s_server -accept 127.0.0.1:0 -cert cert.pem -key key.pem -www";
        command.args(serve.split(' ')).stdin(Stdio::null());
        let mut server = command.stdout(Stdio::piped()).spawn().expect("a server");
        let lines = BufReader::new(server.stdout.take().expect("its output")).lines();
        let line = lines
            .map_while(Result::ok)
            .find(|line| line.starts_with("ACCEPT"));
        let line = line.expect("the server says where it is");
        let port = line.rsplit(':').next().expect("a port");
        Self {
            url: format!("https://localhost:{port}"),
            server,
        }
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The configuration with one slot of the service that has these lines.
fn configure_lines(place: &Place, lines: &str) {
    let slot = format!(
        "environment = \"development\"\n[[slot]]\nlabel = \"cloud\"\nbackend = \"aws-kms\"\noperation_timeout = 2500\n{lines}\n"
    );
    place.write("keyenclave.toml", &slot);
}

#[test]
fn health_says_which_setting_is_wrong() {
    case(|ministack| {
        let place = Place::of_this_process();
        let stranger = Stranger::new(&place);
        let url = ministack.url();
        configure_lines(&place, &format!("endpoint = \"{url}\""));
        told(
            &place,
            "no region",
            "configuration",
            &["no region is known", "AWS_REGION"],
        );
        let here = format!("region = \"{REGION}\"\nendpoint = \"{}\"", stranger.url);
        configure_lines(&place, &format!("{here}\nca_file = \"nowhere.pem\""));
        told(&place, "no CA file", "configuration", &["ca_file", "nowhere.pem"]);
        place.write("nothing.pem", "this is not a certificate\n");
        configure_lines(&place, &format!("{here}\nca_file = \"nothing.pem\""));
        told(
            &place,
            "no CA in it",
            "configuration",
            &["ca_file", "nothing.pem"],
        );
        configure_lines(&place, &here);
        told(
            &place,
            "unknown CA",
            "configuration",
            &["certificate is not accepted", "ca_file"],
        );
    });
}

#[test]
fn a_configuration_that_is_wrong_is_told_once() {
    case(|_| {
        let place = Place::of_this_process();
        configure_lines(&place, "regoin = \"eu-west-1\"");
        for line in ["health", "slots", "keys list"] {
            let said = run(&place, line).ended(3);
            assert_eq!(said.matches("regoin").count(), 1, "{line}: {said}");
        }
    });
}

#[test]
fn a_sick_slot_neither_hides_nor_delays_a_well_one() {
    case(|ministack| {
        let place = Place::of_this_process();
        let (sick, denied, well) = (
            Proxy::before(ministack),
            Proxy::before(ministack),
            Proxy::before(ministack),
        );
        sick.fault(On::all(), Fault::Hang);
        denied.fault(On::all(), Fault::Refused("AccessDeniedException"));
        let slots = [
            ("well", &well),
            ("sick", &sick),
            ("ill", &sick),
            ("bad", &sick),
            ("denied", &denied),
        ]
        .map(|(label, proxy)| hurried(label, proxy.url()));
        configure(&place, "", &slots);
        let health = run(&place, "health --json");
        // One after the other, those that hang would take three times as long.
        assert!(health.took < OPERATION + MARGIN, "{:?}", health.took);
        let report = health.json(4);
        let rows = report["slots"].as_array().unwrap();
        let states: Vec<_> = rows
            .iter()
            .map(|row| (row["state"].as_str().unwrap(), row["reason"].as_str()))
            .collect();
        let hung = ("failed", Some("connectivity"));
        assert_eq!(
            states,
            [
                ("ok", None),
                hung,
                hung,
                hung,
                ("failed", Some("permission")),
                ("uninitialised", None)
            ]
        );
        let listed = run(&place, "keys list --token well");
        assert!(listed.took < OPERATION, "{:?}", listed.took);
        listed.ended(0);
        run(&place, "slots").ended(0);
    });
}
