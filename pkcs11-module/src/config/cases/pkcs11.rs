// SPDX-License-Identifier: MIT
//! Slots in front of a vendor's module: what is understood, and what does not go together.

use std::path::PathBuf;
use std::time::Duration;

use super::super::{BackendConfig, PinReference, Pkcs11Config, TokenConfig};
use super::read;

const DEVICE: &str = "[[slot]]\nlabel = \"hsm\"\nbackend = \"pkcs11\"\nmodule = \"/usr/lib/vendor.so\"\n";

fn device(more: &str) -> Pkcs11Config {
    let config = read(&format!("{DEVICE}{more}")).unwrap();
    match &config.slots[0].backend {
        BackendConfig::Pkcs11(device) => Pkcs11Config::clone(device),
        _ => unreachable!(),
    }
}

#[test]
fn a_slot_of_a_vendors_module_needs_nothing_but_the_module() {
    let expected = Pkcs11Config {
        module: PathBuf::from("/usr/lib/vendor.so"),
        token: TokenConfig::Named {
            label: None,
            serial: None,
            slot_id: None,
        },
        init_string: None,
        pin: None,
        operation_timeout: None,
        sessions: 64,
        single_threaded: false,
    };
    assert!(device("") == expected);
}

#[test]
fn a_full_slot_of_a_vendors_module_is_understood() {
    let text = "token = \"PROD\"\nserial = \"0815\"\nslot_id = 4294967295\ninit_string = \"configdir='/x'\"\n\
                pin_env = \"HSM_PIN\"\noperation_timeout = 5000\nsessions = 8\nsingle_threaded = true\n";
    let expected = Pkcs11Config {
        module: PathBuf::from("/usr/lib/vendor.so"),
        token: TokenConfig::Named {
            label: Some("PROD".to_owned()),
            serial: Some("0815".to_owned()),
            slot_id: Some(4_294_967_295),
        },
        init_string: Some("configdir='/x'".to_owned()),
        pin: Some(PinReference::Variable("HSM_PIN".to_owned())),
        operation_timeout: Some(Duration::from_secs(5)),
        sessions: 8,
        single_threaded: true,
    };
    assert!(device(text) == expected);
    let file = device("pin_file = \"pin\"\nuri = \"pkcs11:token=PROD\"\n");
    assert!(file.pin == Some(PinReference::File(PathBuf::from("/etc/pin"))));
    assert!(file.token == TokenConfig::Uri("pkcs11:token=PROD".to_owned()));
}

#[test]
fn only_a_deadline_takes_threads() {
    let threads = |more: &str| read(&format!("{DEVICE}{more}")).unwrap().needs_threads();
    assert!(!threads(""));
    assert!(threads("operation_timeout = 5000\n"));
}

#[test]
fn what_does_not_go_together_is_refused() {
    let cases = [
        (
            "uri = \"pkcs11:token=a\"\ntoken = \"a\"\n",
            "`token`: `uri` says it already",
        ),
        (
            "uri = \"pkcs11:token=a\"\nslot_id = 1\n",
            "`slot_id`: `uri` says it already",
        ),
        ("uri = \"pkcs11:object=a\"\n", "does not choose a token"),
        (
            "pin_env = \"A\"\npin_file = \"b\"\n",
            "`pin_file`: `pin_env` says it already",
        ),
        ("sessions = 1\n", "sessions"),
        ("region = \"eu-west-1\"\n", "region"),
        ("pin = \"1234\"\n", "pin"),
    ];
    for (more, expected) in cases {
        let error = read(&format!("{DEVICE}{more}")).err().unwrap().to_string();
        assert!(error.contains(expected), "{more}: {error}");
        assert!(!error.contains("1234"), "{error}");
    }
    let error = read("[[slot]]\nlabel = \"hsm\"\nbackend = \"pkcs11\"\n")
        .err()
        .unwrap();
    assert!(error.to_string().contains("no `module`"), "{error}");
}
