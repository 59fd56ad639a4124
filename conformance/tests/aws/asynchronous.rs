// SPDX-License-Identifier: MIT
//! Asynchronous sessions on a service's slot: ten thousand signatures under way from one thread, over few connections.

use crate::slot::{Aws, MARGIN, OPERATION, Patience, case};
use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::cloud::{Fault, On};
use keyenclave_conformance::module::{Started, Waiting};
use keyenclave_conformance::token::THREADS;
use std::time::{Duration, Instant};

const ASYNC: CK_FLAGS = CKF_SERIAL_SESSION | CKF_RW_SESSION | CKF_ASYNC_SESSION;
const WIDTH: usize = 64;
const PENDING: usize = 10_000;
/// As many connections as a slot has when nothing is said.
const CONNECTIONS: u64 = 64;
/// Milliseconds that nothing here may take, however busy the machine is.
const EVER: u32 = 280_000;

/// Begins a signature over a SHA-256 digest made of `byte`.
fn begin(aws: &Aws, s: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE, byte: u8, room: usize) -> Started {
    assert_eq!(aws.sign_init(s, CKM_ECDSA, key), Rv::OK);
    aws.sign_start(s, &[byte; 32], room)
}

fn pending(started: Started) -> Waiting {
    match started {
        Started::Pending(waiting) => waiting,
        Started::Done(_) => panic!("a signature of a hung service is done"),
        Started::Failed(rv, _) => panic!("{rv:?}"),
    }
}

/// Asks until it has ended.
fn fetch(aws: &Aws, waiting: &mut Waiting) -> Result<Vec<u8>, Rv> {
    let mut patience = Patience::of(Duration::from_secs(60));
    loop {
        if let Some(result) = aws.async_fetch(waiting)? {
            return Ok(result);
        }
        assert!(patience.lasts(), "it never ends");
    }
}

#[test]
fn ten_thousand_signatures_are_under_way_from_one_thread() {
    case(|ministack| {
        // Under way means accepted: the last of them is signed long after the deadline of a single one.
        let aws = Aws::with(ministack, |slot| {
            slot.with("operation_timeout", EVER).with("attempt_timeout", EVER)
        });
        aws.elsewhere("web");
        aws.proxy.remember("Sign");
        let s = aws.session(ASYNC);
        let (private, public) = aws.pair(s, "web");
        aws.proxy.fault(On::the("Sign"), Fault::Held);
        let mut waiting: Vec<_> = (0..PENDING)
            .map(|number| {
                let own = aws.open_session(aws.slot, ASYNC).expect("a session");
                let byte = u8::try_from(number % 100).unwrap();
                (own, byte, Some(pending(begin(&aws, own, private, byte, WIDTH))))
            })
            .collect();
        // All are under way at once: the first is still waiting when the last has begun.
        for (number, (_, _, one)) in waiting.iter_mut().enumerate() {
            let answer = aws.async_fetch(one.as_mut().unwrap());
            assert_eq!(answer, Ok(None), "signature {number}");
        }
        aws.proxy.release();
        let mut left = PENDING;
        let mut patience = Patience::of(Duration::from_secs(120));
        while left > 0 {
            for (_, byte, slot) in &mut waiting {
                let Some(one) = slot else { continue };
                let Some(signature) = aws.async_fetch(one).unwrap() else {
                    continue;
                };
                assert_eq!(aws.check(s, CKM_ECDSA, public, &[*byte; 32], &signature), Rv::OK);
                *slot = None;
                left -= 1;
            }
            assert!(patience.lasts(), "{left} signatures never end");
        }
        let counts = aws.proxy.counts();
        assert_eq!(counts.of("Sign"), 10_000);
        assert!(
            (2..=CONNECTIONS).contains(&counts.most_open),
            "{} connections at once",
            counts.most_open
        );
        assert!(counts.opened <= 2 * CONNECTIONS, "{} connections", counts.opened);
        for (own, ..) in waiting {
            assert_eq!(aws.close_session(own), Rv::OK);
        }
    });
}

#[test]
fn a_small_buffer_is_too_small_and_never_pending() {
    case(|ministack| {
        let aws = Aws::new(ministack);
        aws.elsewhere("web");
        let s = aws.session(ASYNC);
        let (private, public) = aws.pair(s, "web");
        let Started::Failed(rv, needed) = begin(&aws, s, private, 1, WIDTH - 1) else {
            panic!("a buffer that is too small was accepted");
        };
        assert_eq!((rv, needed), (Rv(CKR_BUFFER_TOO_SMALL), 64));
        assert_eq!(aws.proxy.counts().of("Sign"), 0);
        // The operation is still there.
        let mut waiting = pending(aws.sign_start(s, &[1; 32], WIDTH));
        let signature = fetch(&aws, &mut waiting).unwrap();
        assert_eq!(aws.check(s, CKM_ECDSA, public, &[1; 32], &signature), Rv::OK);
    });
}

/// Waits until so many requests are at the proxy and have no answer.
#[track_caller]
fn until_busy(aws: &Aws, wanted: u64) {
    let mut patience = Patience::of(Duration::from_secs(20));
    loop {
        let counts = aws.proxy.counts();
        if counts.open - counts.idle == wanted {
            return;
        }
        assert!(patience.lasts(), "not {wanted} requests: {counts:?}");
    }
}

#[test]
fn a_session_closed_while_it_waits_stops_waiting() {
    case(|ministack| {
        // No deadline is what ends the request.
        let aws = Aws::with(ministack, |slot| {
            slot.with("operation_timeout", EVER).with("attempt_timeout", EVER)
        });
        aws.elsewhere("web");
        let (s, other) = (aws.session(ASYNC), aws.session(ASYNC));
        let (private, _) = aws.pair(s, "web");
        aws.proxy.fault(On::the("Sign").call(1), Fault::Hang);
        let _waiting = pending(begin(&aws, s, private, 1, WIDTH));
        until_busy(&aws, 1);
        assert_eq!(aws.close_session(s), Rv::OK);
        // Whoever asked has hung up, and does not ask again.
        until_busy(&aws, 0);
        assert_eq!(aws.proxy.counts().of("Sign"), 1);
        let (rv, _) = aws.async_complete(s, Some(c"C_Sign"));
        assert_eq!(rv, CKR_SESSION_HANDLE_INVALID);
        let mut next = pending(begin(&aws, other, private, 2, WIDTH));
        assert!(fetch(&aws, &mut next).is_ok());
        assert_eq!(aws.proxy.counts().of("Sign"), 2);
    });
}

#[test]
fn the_deadline_runs_from_acceptance() {
    case(|ministack| {
        let aws = Aws::hurried(ministack);
        aws.elsewhere("web");
        let s = aws.session(ASYNC);
        let (private, _) = aws.pair(s, "web");
        aws.proxy.fault(On::the("Sign"), Fault::Hang);
        let start = Instant::now();
        let mut waiting = pending(begin(&aws, s, private, 1, WIDTH));
        assert!(start.elapsed() < OPERATION, "C_Sign waited");
        assert_eq!(fetch(&aws, &mut waiting).unwrap_err(), CKR_DEVICE_ERROR);
        assert!(start.elapsed() < OPERATION + MARGIN, "{:?}", start.elapsed());
        aws.proxy.heal();
        let mut next = pending(begin(&aws, s, private, 2, WIDTH));
        assert!(fetch(&aws, &mut next).is_ok());
    });
}

#[test]
fn finalising_ends_what_is_under_way() {
    case(|ministack| {
        let aws = Aws::with(ministack, |slot| slot.with("operation_timeout", 60_000));
        aws.elsewhere("web");
        let s = aws.session(ASYNC);
        let (private, _) = aws.pair(s, "web");
        aws.proxy.fault(On::the("Sign"), Fault::Hang);
        let _waiting: Vec<_> = (0..100)
            .map(|number| pending(begin(&aws, aws.session(ASYNC), private, number, WIDTH)))
            .collect();
        let start = Instant::now();
        assert_eq!(aws.finalize(false), Rv::OK);
        assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
        assert_eq!(aws.initialize(THREADS), Rv::OK);
    });
}

#[test]
fn the_soft_slot_refuses_asynchronous_sessions() {
    case(|ministack| {
        let aws = Aws::new(ministack);
        let all = crate::slot::slots(&aws);
        let has = |slot| aws.token_info(slot).unwrap().flags & CKF_ASYNC_SESSION_SUPPORTED != 0;
        assert_eq!(
            all.iter().map(|slot| has(*slot)).collect::<Vec<_>>(),
            [true, false]
        );
        assert_eq!(
            aws.open_session(all[1], ASYNC).unwrap_err(),
            CKR_SESSION_ASYNC_NOT_SUPPORTED
        );
    });
}
