// SPDX-License-Identifier: MIT
//! One table of what goes wrong at the service and what an application sees of it. Each row is held in time, heals by
//! itself, and touches neither another slot nor `C_Initialize`.

use crate::slot::{Aws, MARGIN, OPERATION, case, hurried, module, session, slots};
use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::cloud::{Account, Fault, Lie, On, Proxy, configure};
use keyenclave_conformance::place::Place;
use keyenclave_conformance::token::{RW, THREADS};
use std::time::{Duration, Instant};

/// What is wrong for as long as it lasts, and what `C_Sign` says meanwhile.
type Row = (&'static str, Trouble, CK_RV);

#[derive(Clone, Copy)]
enum Trouble {
    Fault(Fault),
    Refused,
}

use Trouble::Refused as ShutDoor;

const fn fault(fault: Fault) -> Trouble {
    Trouble::Fault(fault)
}

/// `bridge/src/verdict.rs` says why.
const TROUBLES: &[Row] = &[
    ("hung", fault(Fault::Hang), CKR_DEVICE_ERROR),
    ("silent", fault(Fault::Silent), CKR_DEVICE_ERROR),
    (
        "too slow",
        fault(Fault::Slow(Duration::from_secs(30))),
        CKR_DEVICE_ERROR,
    ),
    ("slow", fault(Fault::Slow(Duration::from_millis(150))), CKR_OK),
    ("throttling", fault(Fault::Throttled), CKR_TOKEN_RESOURCE_EXCEEDED),
    ("too many", fault(Fault::TooMany(60)), CKR_TOKEN_RESOURCE_EXCEEDED),
    ("failing", fault(Fault::Status(500)), CKR_DEVICE_ERROR),
    ("down", fault(Fault::Status(503)), CKR_DEVICE_ERROR),
    ("resetting", fault(Fault::Reset), CKR_DEVICE_ERROR),
    ("losing answers", fault(Fault::Lost), CKR_DEVICE_ERROR),
    ("truncating", fault(Fault::Truncated), CKR_DEVICE_ERROR),
    ("garbling", fault(Fault::Garbage), CKR_FUNCTION_FAILED),
    (
        "signing other messages",
        fault(Fault::Lying(Lie::OtherMessage)),
        CKR_FUNCTION_FAILED,
    ),
    (
        "signing with other keys",
        fault(Fault::Lying(Lie::OtherKey)),
        CKR_FUNCTION_FAILED,
    ),
    (
        "cutting signatures",
        fault(Fault::Lying(Lie::CutSignature)),
        CKR_FUNCTION_FAILED,
    ),
    (
        "expired",
        fault(Fault::Refused("ExpiredTokenException")),
        CKR_FUNCTION_REJECTED,
    ),
    (
        "denied",
        fault(Fault::Refused("AccessDeniedException")),
        CKR_FUNCTION_REJECTED,
    ),
    (
        "unknown to it",
        fault(Fault::Refused("UnrecognizedClientException")),
        CKR_FUNCTION_REJECTED,
    ),
    ("closing idle connections", fault(Fault::Closing), CKR_OK),
    ("refusing connections", ShutDoor, CKR_DEVICE_ERROR),
];

fn begin(proxy: &Proxy, trouble: Trouble) {
    match trouble {
        Trouble::Fault(fault) => proxy.fault(On::all(), fault),
        Trouble::Refused => proxy.refuse(),
    }
}

/// How long `call` took, with what it gave.
fn timed<T>(call: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let value = call();
    (value, start.elapsed())
}

/// Tries until `call` succeeds, as an application would that does not give up.
fn heals<T>(name: &str, mut call: impl FnMut() -> Result<T, Rv>) -> T {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        match call() {
            Ok(value) => return value,
            Err(rv) => assert!(
                Instant::now() < until,
                "{name}: still {rv:?} long after it healed"
            ),
        }
        std::thread::yield_now();
    }
}

/// Signs in each trouble of the table in turn; between them everything is well.
#[test]
fn each_trouble_has_its_return_value_in_time_and_heals() {
    case(|ministack| {
        let aws = Aws::hurried(ministack);
        aws.elsewhere("web");
        let s = aws.session(RW);
        let (private, _) = aws.pair(s, "web");
        let sign = || aws.sign(s, CKM_ECDSA_SHA256, private, b"data").map(drop);
        let mut wrong = Vec::new();
        for (name, trouble, wanted) in TROUBLES {
            begin(&aws.proxy, *trouble);
            let (seen, took) = timed(sign);
            aws.proxy.heal();
            let seen = seen.map_or_else(|rv| rv, |()| Rv::OK);
            if seen != *wanted || took > OPERATION + MARGIN {
                wrong.push(format!("{name}: {seen:?}, not {:?}, after {took:?}", Rv(*wanted)));
            }
            heals(name, sign);
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

/// The first search of a process, in each trouble: what it says is an error of the network and in time.
#[test]
fn a_first_search_in_trouble_fails_in_time_and_heals() {
    case(|ministack| {
        for (name, trouble, _) in TROUBLES {
            let lies = matches!(trouble, Trouble::Fault(Fault::Lying(_)));
            if lies {
                // A listing has no signatures to lie about.
                continue;
            }
            let aws = Aws::hurried(ministack);
            let label = format!("web {name}").replace(' ', "-");
            aws.elsewhere(&label);
            let s = aws.session(RW);
            begin(&aws.proxy, *trouble);
            let (found, took) = timed(|| aws.found(s, CKO_PRIVATE_KEY, &label));
            assert!(took < OPERATION + MARGIN, "{name}: {took:?}");
            aws.proxy.heal();
            if let Ok(found) = &found {
                assert_eq!(
                    found.len(),
                    1,
                    "{name}: a search may fail, but not say that there is nothing"
                );
            }
            let found = heals(name, || aws.found(s, CKO_PRIVATE_KEY, &label));
            assert_eq!(found.len(), 1, "{name}");
            assert_eq!(aws.finalize(false), Rv::OK);
        }
    });
}

#[test]
fn starting_and_looking_around_never_touches_the_network() {
    case(|ministack| {
        let place = Place::of_this_process();
        let (hung, shut) = (Proxy::before(ministack), Proxy::before(ministack));
        hung.fault(On::all(), Fault::Hang);
        shut.refuse();
        configure(
            &place,
            "",
            &[hurried("hung", hung.url()), hurried("shut", shut.url())],
        );
        let (module, took) = timed(|| {
            let module = module();
            for slot in slots(&module) {
                assert!(module.slot_info(slot).is_ok() && module.token_info(slot).is_ok());
                assert!(module.open_session(slot, RW).is_ok());
            }
            module
        });
        assert!(took < Duration::from_secs(1), "{took:?}");
        assert_eq!(hung.counts().opened, 0);
        let (rv, took) = timed(|| module.finalize(false));
        assert_eq!(rv, Rv::OK);
        assert!(took < Duration::from_secs(1), "{took:?}");
    });
}

#[test]
fn a_slot_in_trouble_does_not_hold_up_the_others() {
    case(|ministack| {
        let place = Place::of_this_process();
        let (ill, well) = (Proxy::before(ministack), Proxy::before(ministack));
        configure(
            &place,
            "",
            &[hurried("ill", ill.url()), hurried("well", well.url())],
        );
        let api = ministack.api(&Account::of_this_process());
        api.create_named_key("web", "ECC_NIST_P256", crate::slot::SIGNS);
        let module = module();
        let all = slots(&module);
        let (ill_slot, well_slot, soft_slot) = (all[0], all[1], all[2]);
        let find = |s| {
            let template = [
                keyenclave_conformance::module::number(CKA_CLASS, CKO_PRIVATE_KEY),
                keyenclave_conformance::module::bytes(CKA_LABEL, "web"),
            ];
            module.find(s, &template).unwrap()[0]
        };
        let (ill_session, well_session) = (session(&module, ill_slot), session(&module, well_slot));
        let (ill_key, well_key) = (find(ill_session), find(well_session));
        assert_eq!(module.init_token(soft_slot, b"so-12345", "soft"), Rv::OK);
        let soft_session = session(&module, soft_slot);
        ill.fault(On::all(), Fault::Hang);
        std::thread::scope(|scope| {
            let hung = scope.spawn(|| timed(|| module.sign(ill_session, CKM_ECDSA_SHA256, ill_key, b"data")));
            let before = ill.counts().of("Sign");
            let mut slowest = Duration::ZERO;
            let mut rounds = 0;
            while !hung.is_finished() {
                let (signed, took) = timed(|| module.sign(well_session, CKM_ECDSA_SHA256, well_key, b"data"));
                assert!(signed.is_ok());
                slowest = slowest.max(took);
                assert!(module.digest(soft_session, CKM_SHA256, b"data").is_ok());
                rounds += 1;
            }
            let (refused, took) = hung.join().unwrap();
            assert_eq!(refused.unwrap_err(), CKR_DEVICE_ERROR);
            assert!(
                took < OPERATION + MARGIN && rounds > 3,
                "{took:?}, {rounds} signatures meanwhile"
            );
            assert!(slowest < OPERATION, "a neighbour's signature took {slowest:?}");
            assert!(before <= 4);
        });
        assert_eq!(module.finalize(false), Rv::OK);
    });
}

#[test]
fn a_service_that_hangs_once_costs_one_try_and_not_the_operation() {
    case(|ministack| {
        let aws = Aws::hurried(ministack);
        aws.elsewhere("web");
        let s = aws.session(RW);
        let (private, _) = aws.pair(s, "web");
        for fault in [
            Fault::Hang,
            Fault::Reset,
            Fault::Lost,
            Fault::Throttled,
            Fault::Status(503),
            Fault::Truncated,
        ] {
            aws.proxy.forget();
            aws.proxy.fault(On::the("Sign").call(1), fault);
            assert!(
                aws.sign(s, CKM_ECDSA_SHA256, private, b"data").is_ok(),
                "{fault:?}"
            );
            assert_eq!(aws.proxy.counts().of("Sign"), 2, "{fault:?}");
            aws.proxy.heal();
        }
    });
}

#[test]
fn a_hung_call_does_not_hold_up_the_end() {
    case(|ministack| {
        let aws = Aws::with(ministack, |slot| {
            slot.with("operation_timeout", 60_000)
                .with("attempt_timeout", 60_000)
        });
        aws.elsewhere("web");
        let s = aws.session(RW);
        let (private, _) = aws.pair(s, "web");
        aws.proxy.fault(On::all(), Fault::Hang);
        std::thread::scope(|scope| {
            let hung = scope.spawn(|| {
                assert_eq!(aws.sign_init(s, CKM_ECDSA_SHA256, private), Rv::OK);
                aws.sign_into(
                    s,
                    b"data",
                    keyenclave_conformance::module::Out::Room(&mut [0; 64]),
                )
                .rv
            });
            while aws.proxy.counts().of("Sign") == 0 {
                std::thread::yield_now();
            }
            let (rv, took) = timed(|| aws.finalize(false));
            assert_eq!(rv, Rv::OK);
            assert!(took < Duration::from_secs(3), "C_Finalize took {took:?}");
            let ended = hung.join().unwrap();
            assert!(
                [
                    CKR_FUNCTION_CANCELED,
                    CKR_CRYPTOKI_NOT_INITIALIZED,
                    CKR_SESSION_CLOSED
                ]
                .contains(&ended.0),
                "{ended:?}"
            );
        });
        assert_eq!(aws.initialize(THREADS), Rv::OK);
        aws.proxy.heal();
        let s = aws.session(RW);
        let (private, _) = aws.pair(s, "web");
        assert!(aws.sign(s, CKM_ECDSA_SHA256, private, b"data").is_ok());
    });
}

#[test]
fn a_library_that_may_not_make_threads_refuses_slots_that_need_them() {
    case(|ministack| {
        let aws = Aws::new(ministack);
        assert_eq!(aws.finalize(false), Rv::OK);
        let no_threads = keyenclave_conformance::module::Init::Args {
            flags: CKF_OS_LOCKING_OK | CKF_LIBRARY_CANT_CREATE_OS_THREADS,
            mutexes: keyenclave_conformance::module::Mutexes::No,
            reserved: false,
        };
        assert_eq!(aws.initialize(no_threads), CKR_NEED_TO_CREATE_THREADS);
        assert_eq!(aws.initialize(THREADS), Rv::OK);
    });
}
