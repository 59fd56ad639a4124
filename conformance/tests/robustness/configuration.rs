// SPDX-License-Identifier: MIT
//! Configuration files with mistakes: a clear message from the tool, a refusal from the library, and no change to the
//! store.

use cryptoki_sys::*;
use keyenclave_conformance::case::{finish, in_own_process, own_module};
use keyenclave_conformance::place::{Place, module_path, tool_path};
use keyenclave_conformance::token::{RW, THREADS, Token, USER_PIN};
use keyenclave_conformance::{Module, Rv};
use std::time::Duration;

/// What is wrong, the text, the line that the message names, and a word of the message.
const MISTAKES: &[(&str, &str, &str, &str)] = &[
    ("a misspelt key", "enviroment = \"local\"\n", ":1", "environment"),
    (
        "an unknown environment",
        "environment = \"prod\"\n",
        ":1",
        "production",
    ),
    (
        "a misspelt key of a slot",
        "\n[[slot]]\nlabel = \"a\"\nbackend = \"soft\"\npth = \"x\"\n",
        ":5",
        "path",
    ),
    (
        "an unknown backend",
        "[[slot]]\nlabel = \"a\"\nbackend = \"sofft\"\n",
        ":3",
        "soft",
    ),
    (
        "a number for a text",
        "[[slot]]\nlabel = 7\nbackend = \"soft\"\n",
        ":2",
        "label",
    ),
    ("no TOML at all", "this is no configuration\n", ":1", ""),
    ("an end in the middle", "[[slot]]\nlabel = \"a", ":2", ""),
    (
        "two slots of one label",
        "[[slot]]\nlabel = \"a\"\nbackend = \"soft\"\n[[slot]]\nlabel = \"a\"\nbackend = \"soft\"\n",
        ":5",
        "a",
    ),
];

#[test]
fn the_tool_names_file_line_and_remedy() {
    own_module(|| {
        let place = Place::new();
        for (what, text, line, word) in MISTAKES {
            let file = place.write("mistake.toml", text);
            let mut command = place.command(tool_path());
            command
                .env("KEYENCLAVE_MODULE", module_path())
                .args(["config", "check"])
                .arg(&file);
            let output = finish(command, Duration::from_secs(30)).expect_err(what);
            assert!(
                output.contains("mistake.toml") && output.contains(line),
                "{what}: {output}"
            );
            assert!(output.contains(word), "{what}: {output}");
        }
        let mut command = place.command(tool_path());
        command
            .env("KEYENCLAVE_MODULE", module_path())
            .args(["config", "check"]);
        finish(command, Duration::from_secs(30)).unwrap_or_else(|output| panic!("{output}"));
    });
}

#[test]
fn the_library_refuses_a_wrong_configuration_and_takes_a_mended_one() {
    in_own_process(|| {
        own_module(|| {
            let place = Place::of_this_process();
            let token = Token::fresh();
            assert_eq!(token.finalize(false), Rv::OK);
            for (what, text, ..) in MISTAKES {
                place.write("keyenclave.toml", text);
                assert_eq!(token.initialize(THREADS), CKR_FUNCTION_FAILED, "{what}");
                assert_eq!(token.info().unwrap_err(), CKR_CRYPTOKI_NOT_INITIALIZED, "{what}");
            }
            place.configure("");
            assert_eq!(token.initialize(THREADS), Rv::OK);
            let session = token.session(RW);
            assert_eq!(token.login(session, CKU_USER, USER_PIN), Rv::OK);
        });
    });
}

#[test]
fn a_named_configuration_that_is_not_there_is_an_error() {
    in_own_process(|| {
        own_module(|| {
            std::fs::remove_file(Place::of_this_process().configuration()).unwrap();
            assert_eq!(
                Module::load(&module_path()).initialize(THREADS),
                CKR_FUNCTION_FAILED
            );
        });
    });
}

#[test]
fn production_refuses_a_soft_slot() {
    in_own_process(|| {
        own_module(|| {
            let place = Place::of_this_process();
            let text = std::fs::read_to_string(place.configuration()).unwrap();
            place.write("keyenclave.toml", &text.replace("development", "production"));
            assert_eq!(
                Module::load(&module_path()).initialize(THREADS),
                CKR_FUNCTION_FAILED
            );
        });
    });
}

#[test]
fn slots_keep_their_order_and_their_own_tokens() {
    in_own_process(|| {
        own_module(|| {
            let place = Place::of_this_process();
            let slot = |name: &str| {
                let path = place.file(name);
                format!(
                    "[[slot]]\nlabel = \"{name}\"\nbackend = \"soft\"\npath = \"{}\"\n",
                    path.display()
                )
            };
            let both = [slot("first"), slot("second")].concat();
            place.write(
                "keyenclave.toml",
                &format!("environment = \"development\"\n{both}"),
            );
            let token = Token::fresh();
            let (_, count, slots) = token.slot_list(true, Some(2));
            assert_eq!((count, slots[0]), (2, token.slot));
            let other = token.token_info(slots[1]).unwrap();
            assert_eq!(
                other.flags & CKF_TOKEN_INITIALIZED,
                0,
                "the other token is untouched"
            );
            let session = token.session(RW);
            assert_eq!(token.login(session, CKU_USER, USER_PIN), Rv::OK);
            let elsewhere = token.open_session(slots[1], CKF_SERIAL_SESSION);
            let elsewhere = elsewhere.map(|session| token.login(session, CKU_USER, USER_PIN).0);
            assert!(
                ![Ok(CKR_OK), Ok(CKR_USER_ALREADY_LOGGED_IN)].contains(&elsewhere.map_err(|rv| rv.0)),
                "the login is the other slot's"
            );
        });
    });
}
