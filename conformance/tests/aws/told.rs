// SPDX-License-Identifier: MIT
//! What an application can find out about a service's failure, and what is left of a slot after `C_Finalize`.

use crate::slot::{Aws, case};
use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::case::{finish, needing};
use keyenclave_conformance::cloud::{AwsSlot, Fault, On, configure};
use keyenclave_conformance::place::{Place, module_path};
use keyenclave_conformance::token::{RW, THREADS};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// What is wrong, what is answered, and `ulDeviceError` then: the kind of failure, and three digits of the HTTP status.
const NUMBERS: [(Option<Fault>, CK_RV, CK_ULONG); 6] = [
    (Some(Fault::Throttled), CKR_TOKEN_RESOURCE_EXCEEDED, 1_400),
    (None, CKR_DEVICE_ERROR, 2_000),
    (Some(Fault::Status(503)), CKR_DEVICE_ERROR, 2_503),
    (Some(Fault::Hang), CKR_DEVICE_ERROR, 3_000),
    (
        Some(Fault::Refused("ExpiredTokenException")),
        CKR_FUNCTION_REJECTED,
        4_400,
    ),
    (
        Some(Fault::Refused("AccessDeniedException")),
        CKR_FUNCTION_REJECTED,
        5_400,
    ),
];

#[test]
fn the_device_error_of_a_session_is_the_number_of_its_last_failure() {
    case(|ministack| {
        let aws = Aws::hurried(ministack);
        aws.elsewhere("web");
        let (s, other) = (aws.session(RW), aws.session(RW));
        let number = |s| aws.session_info(s).unwrap().ulDeviceError;
        let (private, _) = aws.pair(s, "web");
        let sign = || aws.sign(s, CKM_ECDSA_SHA256, private, b"data");
        assert_eq!(number(s), 0);
        for (fault, answer, wanted) in NUMBERS {
            match fault {
                Some(fault) => aws.proxy.fault(On::all(), fault),
                None => aws.proxy.refuse(),
            }
            assert_eq!(sign().unwrap_err(), answer, "{fault:?}");
            assert_eq!(number(s), wanted, "{fault:?}");
            assert_eq!(number(other), 0, "another session's failure");
            aws.proxy.heal();
            let until = Instant::now() + Duration::from_secs(10);
            while sign().is_err() {
                assert!(Instant::now() < until, "{fault:?} does not heal");
            }
        }
        // No service is the cause of this one.
        let refused = aws.sign(s, CKM_SHA256_RSA_PKCS, private, b"data");
        assert_eq!(refused.unwrap_err(), CKR_KEY_TYPE_INCONSISTENT);
        assert_eq!(number(s), 0);
    });
}

/// The threads of this process.
fn threads() -> BTreeSet<std::ffi::OsString> {
    let entries = std::fs::read_dir("/proc/self/task").unwrap();
    entries.map(|entry| entry.unwrap().file_name()).collect()
}

#[test]
fn no_thread_is_there_before_the_first_request_or_left_after_the_end() {
    case(|ministack| {
        let aws = Aws::new(ministack);
        aws.elsewhere("web");
        assert_eq!(aws.finalize(false), Rv::OK);
        let before = threads();
        for _ in 0..3 {
            assert_eq!(aws.initialize(THREADS), Rv::OK);
            let s = aws.session(RW);
            assert_eq!(threads(), before, "nothing has been asked of the service");
            let (private, _) = aws.pair(s, "web");
            assert!(aws.sign(s, CKM_ECDSA_SHA256, private, b"data").is_ok());
            assert_ne!(threads(), before);
            assert_eq!(aws.finalize(false), Rv::OK);
            // The kernel lists a thread for a moment after it has been joined.
            let until = Instant::now() + Duration::from_secs(10);
            while threads() != before {
                assert!(Instant::now() < until, "{:?}, not {before:?}", threads());
                std::thread::yield_now();
            }
        }
    });
}

#[test]
fn the_modules_own_interface_is_as_its_header_says_and_takes_no_harm() {
    case(|_| {
        needing(&["cc"], || {
            let place = Place::of_this_process();
            let nobody = AwsSlot::new("far", "http://127.0.0.1:1");
            configure(&place, "", &[nobody.with("operation_timeout", 1500)]);
            let mut program = place.command(place.compiled("own"));
            program.arg(module_path());
            if let Err(output) = finish(program, Duration::from_secs(60)) {
                panic!("{output}");
            }
        });
    });
}
