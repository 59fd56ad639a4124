// SPDX-License-Identifier: MIT
//! Mistakes, as tables of files and of what is said of them.

use super::{AWS, read};

/// Each file with what its first problem says, from the place on.
const REFUSED: &[(&str, &str)] = &[
    (
        "enviroment = \"local\"",
        "/etc/k.toml:1:1: unknown setting `enviroment` at the top of the file; did you mean `environment`?",
    ),
    (
        "environment = \"prod\"",
        ":1:15: `environment`: `prod` is not available; there is `production`, `staging`, `development` or `local`",
    ),
    ("environment = \"stagging\"", "did you mean `staging`? there is"),
    (
        "environment = 7",
        ":1:15: `environment`: this is of type integer; write `production`,",
    ),
    (
        "environment = \"production\"\n[[slot]]\nlabel = \"a\"\nbackend = \"soft\"",
        ":1:15: environment `production` needs slots whose keys are protected by hardware, and every slot here",
    ),
    (
        "environment = \"production\"",
        ":1:15: environment `production` needs",
    ),
    (
        "\n\nlevel = \"warn\"",
        ":3:1: unknown setting `level` at the top of the file; `level` belongs in [log]",
    ),
    (
        "bakend = \"soft\"",
        ":1:1: unknown setting `bakend` at the top of the file; `backend` belongs in [[slot]]",
    ),
    (
        "colour = 1",
        "known here: `environment`, `fork`, `threads`, `log` or `slot`",
    ),
    (
        "fork = true",
        "`fork`: this is of type boolean; write `strict` or `auto`",
    ),
    (
        "log = \"warn\"",
        ":1:7: `log` is of type string; write a `[log]` heading",
    ),
    (
        "[log]\nlevel = \"loud\"",
        ":2:9: `level`: `loud` is not available; there is `off`, `error`",
    ),
    ("[[log]]\nlevel = \"warn\"", "`log` is of type array"),
    (
        "[slot]\nlabel = \"a\"",
        "`slot` is of type table; each slot begins with a `[[slot]]` heading",
    ),
    ("slot = [1]", "a slot is of type integer"),
    (
        "[[slot]]\nlabel = \"a\"",
        ":1:1: this slot has no `backend`; add `backend = …`: `\"soft\"`, `\"aws-kms\"`",
    ),
    ("[[slot]]\nbackend = \"soft\"", "this slot has no `label`"),
    (
        "[[slot]]\nlabel = \"a\"\nbakend = \"soft\"",
        "unknown setting `bakend` in [[slot]]; did you mean `backend`?",
    ),
    (
        "[[slot]]\nlabel = \"a\"\nbackend = \"aws_kms\"",
        ":3:11: `backend`: `aws_kms` is not available; did you mean `aws-kms`? there is `soft`, `aws-kms` or `pkcs11`",
    ),
    (
        "[[slot]]\nlabel = \"\"\nbackend = \"soft\"",
        "`label`: the text is empty",
    ),
    (
        "[[slot]]\nlabel = \"a\\u0000\"\nbackend = \"soft\"",
        "`label`: the text has control characters",
    ),
    (
        "[[slot]]\nlabel = \"äääääääääääääääää\"\nbackend = \"soft\"",
        "`label`: the text has 34 bytes; write text, 1 to 32 bytes",
    ),
    (
        "[[slot]]\nid = -1\nlabel = \"a\"\nbackend = \"soft\"",
        ":2:6: `id`: -1 is out of range; write a whole number, 0 to 2147483647",
    ),
    (
        "[[slot]]\nid = 99999999999999999999\nlabel = \"a\"\nbackend = \"soft\"",
        "`id`: 99999999999999999999 is out of range",
    ),
    (
        "[[slot]]\nid = \"1\"\nlabel = \"a\"\nbackend = \"soft\"",
        "`id`: this is of type string",
    ),
    (
        "[[slot]]\nlabel = \"a\"\nbackend = \"soft\"\nmax_pin_attempts = 2",
        ":4:20: `max_pin_attempts`: 2 is out of range; write a whole number, 3 to 100",
    ),
    (
        "[[slot]]\nlabel = \"a\"\nbackend = \"soft\"\npath = \"~/keys\"",
        "`path`: `~` is not replaced by the home directory",
    ),
    (
        "[[slot]]\nlabel = \"a\"\nbackend = \"soft\"\npath = \"\"",
        "`path`: this is not a path",
    ),
    (
        "[[slot]]\nlabel = \"a\"\nbackend = \"soft\"\npin = \"1234\"",
        ":4:1: unknown setting `pin` in [[slot]]; secrets do not belong in the configuration",
    ),
    (
        "[[slot]]\nlabel = \"a\"\nbackend = \"soft\"\n[[slot]]\nlabel = \"a\"\nbackend = \"soft\"",
        ":5:9: `a` is already the label of the slot in line 1",
    ),
    (
        "[[slot]]\nlabel = \"a\"\nbackend = \"soft\"\n[[slot]]\nid = 0\nlabel = \"b\"\nbackend = \"soft\"",
        ":5:6: slot id 0 is that of the slot in line 1; give each slot an `id` of its own",
    ),
    (
        "[[slot]]\nlabel = \"a\"\nbackend = \"soft\"\npath = \"/k\"\n[[slot]]\nlabel = \"b\"\nbackend = \"soft\"\npath = \"/k/./\"",
        ":8:8: the store is already that of the slot in line 1",
    ),
    (
        "environment = \"production\"\n[[slot]]\nlabel = \"k\"\nbackend = \"aws-kms\"\n[[slot]]\nlabel = \"a\"\nbackend = \"soft\"",
        ":7:11: environment `production` needs slots whose keys are protected by hardware, and `a` is protected",
    ),
    (
        "[[slot]]\nlabel = \"a\"\nbackend = \"soft\"\nregion = \"eu-west-1\"",
        ":4:1: unknown setting `region` in [[slot]]; `region` belongs in [[slot]] with `backend = \"aws-kms\"`",
    ),
    (
        "[[slot]]\nlabel = \"a\"\nbackend = \"soft\"\nsimulate = \"azure\"",
        ":4:12: `simulate`: ",
    ),
    (
        "[[slot]]\nlabel = \"a\"\nbackend = \"soft\"\nsimulate = \"soft\"",
        "`aws-kms`",
    ),
    (
        "[[slot]]\nlabel = \"k\"\nbackend = \"aws-kms\"\nsimulate = \"aws-kms\"",
        ":4:1: unknown setting `simulate` in [[slot]]; `simulate` belongs in [[slot]] with `backend = \"soft\"`",
    ),
    (
        "environment = \"production\"\n[[slot]]\nlabel = \"a\"\nbackend = \"soft\"\nsimulate = \"aws-kms\"",
        ":5:12: `simulate`: environment `production` takes no simulation of a backend; write `backend = \"aws-kms\"`",
    ),
    ("[[slot]]\nlabel = \"a\"\nlabel = \"b\"", ":3:1: duplicate key"),
    ("[[slot]\nlabel", "/etc/k.toml:1:"),
    ("label = \"a", "/etc/k.toml:1:"),
];

/// Lines of a slot of AWS KMS, the fourth of the file and those after it, and what their first problem says.
const REFUSED_AT_AWS: &[(&str, &str)] = &[
    (
        "path = \"/k\"",
        ":4:1: unknown setting `path` in [[slot]]; `path` belongs in [[slot]] with `backend = \"soft\"`",
    ),
    ("regoin = \"x\"", "did you mean `region`?"),
    (
        "fips = 1",
        ":4:8: `fips`: this is of type integer; write `true` or `false`, without quotation marks",
    ),
    (
        "page_size = 1001",
        "`page_size`: 1001 is out of range; write a whole number, 1 to 1000",
    ),
    (
        "deletion_days = 6",
        "`deletion_days`: 6 is out of range; write a whole number, 7 to 30",
    ),
    ("connections = 0", "`connections`: 0 is out of range"),
    (
        "endpoint = \"kms.example\"",
        ":4:12: `endpoint`: this is not an address",
    ),
    (
        "endpoint = \"ftp://kms.example\"",
        "`endpoint`: this is not the address of a web service; write `https://`",
    ),
    (
        "endpoint = \"https://me:1234@kms.example\"",
        "`endpoint`: there is a user name or a password in the address",
    ),
    (
        "proxy = \"http://1234@proxy.example\"",
        "`proxy`: there is a user name or a password in the address",
    ),
    (
        "endpoint = \"https://kms.example/?1234\"",
        "there is a query or a fragment",
    ),
    (
        "endpoint = \"https://kms.example\"\nfips = true",
        ":5:8: `fips`: it chooses among AWS's own endpoints",
    ),
    (
        "endpoint = \"https://kms.example\"\nfips = false\ndual_stack = true",
        ":6:14: `dual_stack`: it chooses among AWS's own endpoints",
    ),
    (
        "operation_timeout = 1000\nattempt_timeout = 1001",
        ":5:19: `attempt_timeout`: it is longer than `operation_timeout`, which is 1000; leave it out, shorten it, or",
    ),
    (
        "attempt_timeout = 5001",
        ":4:19: `attempt_timeout`: it is longer than `operation_timeout`, which is 5000",
    ),
    ("ca_file = \"~/ca.pem\"", "`ca_file`: `~` is not replaced"),
    ("pin_hash = \"1234\"", "`pin_hash`: not a hashed PIN"),
    ("pin = \"1234\"", "the application passes the PIN to `C_Login`"),
    (
        "access_key_id = \"1234\"",
        "a slot uses the identity that its process has at AWS",
    ),
    (
        "Secret-Access-Key = \"1234\"",
        "a slot uses the identity that its process has at AWS",
    ),
    (
        "[[slot]]\nlabel = \"b\"\nbackend = \"aws-kms\"\nsidecar = \"/home/k/.local/share/keyenclave/sidecar/a\"",
        ":7:11: the store is already that of the slot in line 1; give each slot a `sidecar` of its own",
    ),
];

#[test]
fn every_mistake_is_told_with_its_place_and_what_to_do() {
    let mut wrong = Vec::new();
    for (text, expected) in REFUSED {
        if cfg!(not(feature = "aws-kms")) && text.contains("\"aws-kms\"") {
            continue;
        }
        let error = read(text).unwrap_err().to_string();
        if !error.contains(expected) {
            wrong.push(format!("{text}\n gave: {error}\n not: {expected}"));
        }
        assert!(!error.contains("1234"), "a secret was repeated: {error}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
#[cfg(feature = "aws-kms")]
fn every_mistake_in_a_slot_of_aws_is_told_with_its_place_and_what_to_do() {
    for (lines, expected) in REFUSED_AT_AWS {
        let error = read(&format!("{AWS}{lines}")).unwrap_err().to_string();
        assert!(
            error.contains(expected),
            "{lines}\n gave: {error}\n not: {expected}"
        );
        assert!(!error.contains("1234"), "a secret was repeated: {error}");
    }
}

#[test]
#[cfg(not(feature = "aws-kms"))]
fn a_build_without_aws_says_so() {
    let error = read(AWS).unwrap_err().to_string();
    assert!(
        error.contains(":3:11: `backend`: this build of KeyEnclave was made without `aws-kms`"),
        "{error}"
    );
    assert!(!REFUSED_AT_AWS.is_empty());
}

#[test]
fn all_problems_are_told_at_once_in_the_files_order() {
    let error = read("fork = 1\ncolour = 1\n[log]\nlevel = 1").unwrap_err();
    let lines: Vec<_> = error
        .problems
        .iter()
        .map(|problem| problem.line.unwrap())
        .collect();
    assert_eq!(lines, [1, 2, 4]);
}
