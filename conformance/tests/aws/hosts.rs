// SPDX-License-Identifier: MIT
//! Processes that fork, unload, leave early or run a runtime of their own, with a service behind the slot:
//! `programs/remote.c` does it, here it is seen that nobody hangs and the service is asked properly.

use crate::slot::{Aws, case};
use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::case::finish;
use keyenclave_conformance::cloud::{AwsSlot, Fault, On, configure};
use keyenclave_conformance::place::module_path;
use keyenclave_conformance::token::{RW, THREADS};
use std::sync::Arc;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// Long enough for calls to be in flight.
const SLOW: Duration = Duration::from_millis(20);

/// Runs the program in this `way`; the key is there before. `setting` is a line of the configuration.
fn run(way: &str, setting: &str, latency: Duration) {
    case(|ministack| {
        let aws = Aws::new(ministack);
        aws.elsewhere("web");
        assert_eq!(aws.finalize(false), Rv::OK);
        configure(&aws.place, setting, &[AwsSlot::new("cloud", aws.proxy.url())]);
        aws.proxy.latency(latency);
        let mut program = aws.place.command(aws.place.compiled("remote"));
        program.arg(module_path()).arg(way);
        finish(program, LIMIT).unwrap_or_else(|output| panic!("{output}"));
        assert!(aws.proxy.counts().of("Sign") > 0);
        // Whatever went on there, a process that comes afterwards works.
        aws.proxy.latency(Duration::ZERO);
        assert_eq!(aws.initialize(THREADS), Rv::OK);
        let s = aws.session(RW);
        let (private, _) = aws.pair(s, "web");
        assert!(aws.sign(s, CKM_ECDSA_SHA256, private, b"data").is_ok());
    });
}

#[test]
fn parent_and_child_use_the_slot_after_a_fork() {
    run("both-use", "", Duration::ZERO);
}

#[test]
fn a_child_goes_on_by_itself_where_that_is_configured() {
    run("child-goes-on", "fork = \"auto\"", Duration::ZERO);
}

#[test]
fn a_child_that_never_initialises_is_refused_and_leaves() {
    run("child-only-exits", "", Duration::ZERO);
}

#[test]
fn workers_and_their_children_sign_side_by_side() {
    run("workers", "", Duration::ZERO);
}

#[test]
fn workers_of_a_master_that_has_asked_nothing_sign() {
    run("idle-workers", "", Duration::ZERO);
}

#[test]
fn a_fork_with_calls_in_flight_leaves_both_sides_working() {
    run("fork-in-flight", "", SLOW);
}

#[test]
fn the_library_can_be_unloaded_and_loaded_again() {
    run("unload", "", Duration::ZERO);
}

#[test]
fn the_library_can_be_unloaded_without_finalising() {
    run("unload-unfinalized", "", Duration::ZERO);
}

#[test]
fn a_process_may_return_from_main_with_calls_in_flight() {
    run("return-in-flight", "", SLOW);
}

#[test]
fn a_process_may_exit_with_calls_in_flight() {
    run("exit-in-flight", "", SLOW);
}

#[test]
fn a_process_may_finalise_at_exit_with_calls_in_flight() {
    run("finalize-at-exit", "", SLOW);
}

/// A PKCS#11 call may come from a thread that another tokio runtime owns; nothing in it may block on that runtime.
#[test]
fn a_host_that_runs_tokio_signs_from_its_tasks() {
    case(|ministack| {
        let aws = Arc::new(Aws::new(ministack));
        aws.elsewhere("web");
        let s = aws.session(RW);
        let (private, public) = aws.pair(s, "web");
        for threads in [1, 2] {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(threads)
                .build()
                .unwrap();
            runtime.block_on(async {
                let tasks: Vec<_> = (0..32u8)
                    .map(|task| {
                        let aws = Arc::clone(&aws);
                        tokio::spawn(async move {
                            let s = aws.session(RW);
                            let signature = aws.sign(s, CKM_ECDSA_SHA256, private, &[task]).unwrap();
                            tokio::task::yield_now().await;
                            assert_eq!(
                                aws.check(s, CKM_ECDSA_SHA256, public, &[task], &signature),
                                Rv::OK
                            );
                            assert_eq!(aws.close_session(s), Rv::OK);
                        })
                    })
                    .collect();
                for task in tasks {
                    task.await.unwrap();
                }
            });
        }
        // The runtime of a host may be the last one to call.
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            assert!(aws.sign(s, CKM_ECDSA_SHA256, private, b"data").is_ok());
            assert_eq!(aws.finalize(false), Rv::OK);
            assert_eq!(aws.initialize(THREADS), Rv::OK);
            assert_eq!(aws.finalize(false), Rv::OK);
        });
    });
}

/// The program ends while the service hangs: nobody waits for the answer.
#[test]
fn a_process_ends_while_the_service_hangs() {
    case(|ministack| {
        let aws = Aws::hurried(ministack);
        aws.elsewhere("web");
        aws.proxy.fault(On::the("Sign"), Fault::Hang);
        let mut program = aws.place.command(aws.place.compiled("remote"));
        program.arg(module_path()).arg("both-use");
        // It says that the service was not reached, CKR_DEVICE_ERROR, and leaves.
        let output = finish(program, LIMIT).unwrap_err();
        assert!(output.contains("gave 0x30,"), "{output}");
    });
}
