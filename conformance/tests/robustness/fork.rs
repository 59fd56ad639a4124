// SPDX-License-Identifier: MIT
//! Forks with the store open: `programs/fork.c` does them, here it is seen what the store holds afterwards.

use cryptoki_sys::CKA_LABEL;
use keyenclave_conformance::Rv;
use keyenclave_conformance::case::{finish, in_own_process, needing, own_module};
use keyenclave_conformance::module::bytes;
use keyenclave_conformance::place::{Place, module_path, tool_path};
use keyenclave_conformance::token::{THREADS, Token};
use std::time::Duration;

/// Forks in this `way`; afterwards each of `labels` must be there once.
fn fork(way: &str, setting: &str, labels: &[&str]) {
    own_module(|| {
        needing(&["cc"], || {
            let place = Place::of_this_process();
            place.configure(setting);
            let token = Token::fresh();
            assert_eq!(token.finalize(false), Rv::OK);
            let mut program = place.command(place.compiled("fork"));
            let tool = tool_path();
            let generate = "keys generate --type ec-p256 --label tool --pin-env PIN";
            program.env(
                "COMMAND",
                format!("{} --module \"$MODULE\" {generate}", tool.display()),
            );
            program.arg(module_path()).arg(way);
            let output = finish(program, Duration::from_secs(120));
            output.unwrap_or_else(|output| panic!("{output}"));
            assert_eq!(token.initialize(THREADS), Rv::OK);
            let session = token.user_session();
            for label in labels {
                let found = token.find(session, &[bytes(CKA_LABEL, *label)]).unwrap();
                let wanted = if *label == "tool" { 2 } else { 1 };
                assert_eq!(found.len(), wanted, "{label}");
            }
            assert!(
                token
                    .find(session, &[bytes(CKA_LABEL, "refused")])
                    .unwrap()
                    .is_empty()
            );
        });
    });
}

#[test]
fn parent_child_and_tool_write_after_a_fork() {
    in_own_process(|| {
        fork(
            "both-write",
            "",
            &[
                "before",
                "parent",
                "parent again",
                "parent at last",
                "child",
                "tool",
            ],
        );
    });
}

#[test]
fn a_child_outlives_its_parent_and_goes_on_writing() {
    in_own_process(|| {
        fork(
            "parent-exits-first",
            "",
            &["before", "parent", "child", "tool", "orphan", "orphan again"],
        );
    });
}

#[test]
fn a_child_that_never_initialises_is_refused_and_leaves() {
    in_own_process(|| fork("child-only-exits", "", &["before", "parent"]));
}

#[test]
fn a_child_goes_on_by_itself_where_that_is_configured() {
    in_own_process(|| fork("child-goes-on", "fork = \"auto\"", &["before", "parent", "child"]));
}

#[test]
fn workers_and_their_children_write_side_by_side() {
    in_own_process(|| {
        let labels: Vec<String> = (0..40)
            .map(|number| format!("worker {} {}", number / 10, number % 10))
            .collect();
        let mut labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        labels.extend(["before", "parent"]);
        fork("workers", "", &labels);
    });
}
