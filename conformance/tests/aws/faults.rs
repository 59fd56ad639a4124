// SPDX-License-Identifier: MIT
//! One table of what goes wrong at the service and what an application sees of it. Each row is held in time, heals by
//! itself, and touches neither another slot nor `C_Initialize`.

use crate::slot::{Aws, MARGIN, OPERATION, at_last, case, hurried, module, session, slots, until_asked};
use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::cloud::{Account, AwsSlot, Fault, Lie, On, Proxy, configure};
use keyenclave_conformance::place::Place;
use keyenclave_conformance::token::{RW, THREADS};
use std::time::{Duration, Instant};

/// What is wrong for as long as it lasts, and what `C_Sign` and a first search say meanwhile.
type Row = (&'static str, Trouble, CK_RV, CK_RV);

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
    ("hung", fault(Fault::Hang), CKR_DEVICE_ERROR, CKR_DEVICE_ERROR),
    ("silent", fault(Fault::Silent), CKR_DEVICE_ERROR, CKR_DEVICE_ERROR),
    (
        "too slow",
        fault(Fault::Slow(Duration::from_secs(30))),
        CKR_DEVICE_ERROR,
        CKR_DEVICE_ERROR,
    ),
    (
        "slow",
        fault(Fault::Slow(Duration::from_millis(150))),
        CKR_OK,
        CKR_OK,
    ),
    (
        "throttling",
        fault(Fault::Throttled),
        CKR_TOKEN_RESOURCE_EXCEEDED,
        CKR_TOKEN_RESOURCE_EXCEEDED,
    ),
    (
        "too many",
        fault(Fault::TooMany(60)),
        CKR_TOKEN_RESOURCE_EXCEEDED,
        CKR_TOKEN_RESOURCE_EXCEEDED,
    ),
    (
        "failing",
        fault(Fault::Status(500)),
        CKR_DEVICE_ERROR,
        CKR_DEVICE_ERROR,
    ),
    (
        "down",
        fault(Fault::Status(503)),
        CKR_DEVICE_ERROR,
        CKR_DEVICE_ERROR,
    ),
    (
        "resetting",
        fault(Fault::Reset),
        CKR_DEVICE_ERROR,
        CKR_DEVICE_ERROR,
    ),
    (
        "losing answers",
        fault(Fault::Lost),
        CKR_DEVICE_ERROR,
        CKR_DEVICE_ERROR,
    ),
    (
        "truncating",
        fault(Fault::Truncated),
        CKR_DEVICE_ERROR,
        CKR_DEVICE_ERROR,
    ),
    (
        "garbling",
        fault(Fault::Garbage),
        CKR_FUNCTION_FAILED,
        CKR_FUNCTION_FAILED,
    ),
    (
        "expired",
        fault(Fault::Refused("ExpiredTokenException")),
        CKR_FUNCTION_REJECTED,
        CKR_FUNCTION_REJECTED,
    ),
    (
        "denied",
        fault(Fault::Refused("AccessDeniedException")),
        CKR_FUNCTION_REJECTED,
        CKR_FUNCTION_REJECTED,
    ),
    (
        "unknown to it",
        fault(Fault::Refused("UnrecognizedClientException")),
        CKR_FUNCTION_REJECTED,
        CKR_FUNCTION_REJECTED,
    ),
    ("closing idle connections", fault(Fault::Closing), CKR_OK, CKR_OK),
    (
        "refusing connections",
        ShutDoor,
        CKR_DEVICE_ERROR,
        CKR_DEVICE_ERROR,
    ),
];

/// Wrong signatures. Nobody searches while these last.
const LIES: [Row; 3] = [
    lie("another message", Lie::OtherMessage),
    lie("another key", Lie::OtherKey),
    lie("cut", Lie::CutSignature),
];

const fn lie(name: &'static str, lie: Lie) -> Row {
    (name, fault(Fault::Lying(lie)), CKR_FUNCTION_FAILED, CKR_OK)
}

fn begin(proxy: &Proxy, trouble: Trouble) {
    match trouble {
        Trouble::Fault(fault) => proxy.fault(On::all(), fault),
        Trouble::Refused => proxy.refuse(),
    }
}

/// A slot with more time than a test may take.
fn patient(label: &str, endpoint: &str) -> AwsSlot {
    AwsSlot::new(label, endpoint)
        .with("operation_timeout", 280_000)
        .with("attempt_timeout", 280_000)
}

/// How long `call` took, with what it gave.
fn timed<T>(call: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let value = call();
    (value, start.elapsed())
}

/// What is wrong with this outcome of a call in trouble.
fn complaint(name: &str, seen: Result<(), Rv>, took: Duration, wanted: CK_RV) -> Option<String> {
    let seen = seen.err().unwrap_or(Rv::OK);
    let right = seen == wanted && took <= OPERATION + MARGIN;
    (!right).then(|| format!("{name}: {seen:?}, not {:?}, after {took:?}", Rv(wanted)))
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
        for (name, trouble, wanted, _) in TROUBLES.iter().chain(&LIES) {
            begin(&aws.proxy, *trouble);
            let (seen, took) = timed(sign);
            aws.proxy.heal();
            wrong.extend(complaint(name, seen, took, *wanted));
            at_last(name, sign);
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

/// The first search of a process, in each trouble: it may fail, but not say that there is nothing.
#[test]
fn a_first_search_in_trouble_says_which_in_time_and_heals() {
    case(|ministack| {
        let mut wrong = Vec::new();
        for (name, trouble, _, wanted) in TROUBLES {
            let aws = Aws::hurried(ministack);
            let label = format!("web {name}").replace(' ', "-");
            aws.elsewhere(&label);
            let s = aws.session(RW);
            let search = || aws.found(s, CKO_PRIVATE_KEY, &label);
            begin(&aws.proxy, *trouble);
            let (found, took) = timed(search);
            aws.proxy.heal();
            let seen = found.map(|found| assert_eq!(found.len(), 1, "{name}"));
            wrong.extend(complaint(name, seen, took, *wanted));
            assert_eq!(at_last(name, search).len(), 1, "{name}");
            assert_eq!(aws.finalize(false), Rv::OK);
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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
            // Whoever waits for the one waits longer than the other may take.
            &[patient("ill", ill.url()), hurried("well", well.url())],
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
        ill.fault(On::the("Sign"), Fault::Held);
        std::thread::scope(|scope| {
            let held = scope.spawn(|| module.sign(ill_session, CKM_ECDSA_SHA256, ill_key, b"data"));
            until_asked(&ill, "Sign", &held);
            for _ in 0..4 {
                let signed = module.sign(well_session, CKM_ECDSA_SHA256, well_key, b"data");
                assert!(signed.is_ok(), "{signed:?}");
                assert!(module.digest(soft_session, CKM_SHA256, b"data").is_ok());
            }
            assert!(!held.is_finished(), "nobody had to wait for it");
            ill.release();
            assert!(held.join().unwrap().is_ok());
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
            until_asked(&aws.proxy, "Sign", &hung);
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
