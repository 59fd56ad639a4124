// SPDX-License-Identifier: MIT
//! Hosts of all kinds: those that unload, leave early, clean up late, or run an asynchronous runtime themselves.

use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::case::{as_part, finish, in_own_process, needing, own_module, part};
use keyenclave_conformance::module::bytes;
use keyenclave_conformance::place::{Place, module_path};
use keyenclave_conformance::token::{CURVES, RW, THREADS, Token};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// Leaves in this `way`; the token must be whole afterwards and hold `made` objects.
fn leave(way: &str, made: usize) {
    own_module(|| {
        needing(&["cc"], || {
            let place = Place::of_this_process();
            let token = Token::fresh();
            assert_eq!(token.finalize(false), Rv::OK);
            let mut program = place.command(place.compiled("leave"));
            program.arg(module_path()).arg(way);
            finish(program, Duration::from_secs(60)).unwrap_or_else(|output| panic!("{output}"));
            assert_eq!(token.initialize(THREADS), Rv::OK);
            let session = token.user_session();
            assert_eq!(
                token.find(session, &[bytes(CKA_LABEL, "made")]).unwrap().len(),
                made
            );
        });
    });
}

#[test]
fn the_library_can_be_unloaded_and_loaded_again() {
    in_own_process(|| leave("unload", 3));
}

#[test]
fn the_library_can_be_unloaded_without_finalising() {
    in_own_process(|| leave("unload-unfinalized", 1));
}

#[test]
fn a_process_may_end_without_finalising() {
    in_own_process(|| leave("unfinalized", 1));
}

#[test]
fn a_process_may_return_from_main_with_calls_in_flight() {
    in_own_process(|| leave("calls-in-flight", 1));
}

#[test]
fn a_process_may_exit_with_calls_in_flight() {
    in_own_process(|| leave("exit-in-flight", 1));
}

#[test]
fn a_process_may_finalise_at_exit_with_calls_in_flight() {
    in_own_process(|| leave("finalize-in-flight", 1));
}

#[test]
fn finalising_after_openssl_cleaned_up_works() {
    in_own_process(|| leave("after-openssl", 1));
}

/// A PKCS#11 call may come from a thread that another tokio runtime owns; nothing in it may block on that runtime.
#[test]
fn a_host_that_runs_tokio_signs_from_its_tasks() {
    in_own_process(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .build()
            .unwrap();
        let token = Arc::new(Token::fresh());
        let session = token.user_session();
        let (public, private) = token.ec(session, CURVES[0].0, &[]);
        runtime.block_on(async {
            let tasks: Vec<_> = (0..32u8)
                .map(|task| {
                    let token = Arc::clone(&token);
                    tokio::spawn(async move {
                        let session = token.session(RW);
                        let signature = token.sign(session, CKM_ECDSA, private, &[task; 32]).unwrap();
                        tokio::task::yield_now().await;
                        assert_eq!(
                            token.check(session, CKM_ECDSA, public, &[task; 32], &signature),
                            Rv::OK
                        );
                        assert_eq!(token.close_session(session), Rv::OK);
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
            assert_eq!(token.finalize(false), Rv::OK);
            assert_eq!(token.initialize(THREADS), Rv::OK);
            assert!(token.info().is_ok());
        });
        drop(runtime);
        assert_eq!(token.finalize(false), Rv::OK);
    });
}

/// A host that has its own AWS-LC allocate elsewhere, and with it ours.
fn beside_an_allocator(place: &Place) -> String {
    let library = place.file("allocate.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/allocate.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-Wall", "-Werror", "-O1", "-shared", "-fPIC", "-o"]);
    compiler.arg(&library).arg(source);
    finish(compiler, Duration::from_secs(60)).unwrap_or_else(|output| panic!("{output}"));
    let mut host = as_part("host");
    host.env("LD_PRELOAD", library).env_remove("KEYENCLAVE_LOG");
    finish(host, Duration::from_secs(60)).unwrap_or_else(|output| panic!("{output}"))
}

#[test]
fn a_host_that_allocates_for_the_cryptography_is_warned_of_core_dumps() {
    in_own_process(|| {
        if part().is_some() {
            let token = Token::fresh();
            let session = token.user_session();
            let key = token.secret(session, CKK_GENERIC_SECRET, &[7; 32]);
            token.sign(session, CKM_SHA256_HMAC, key, b"data").unwrap();
            return;
        }
        own_module(|| {
            needing(&["cc"], || {
                let said = beside_an_allocator(&Place::of_this_process());
                assert!(said.contains("may appear in a core dump"), "{said}");
            });
        });
    });
}
