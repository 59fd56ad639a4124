// SPDX-License-Identifier: MIT
//! Threads, deadlines, cancelling, closing.

use super::*;

#[test]
fn nothing_starts_before_the_first_remote_call() {
    let bench = bench();
    bench.token.info().unwrap();
    assert!(!bench.token.mechanisms().unwrap().is_empty());
    bench
        .run(Work::Login {
            role: Role::User,
            pin: Pin(b"anything"),
        })
        .unwrap();
    bench.run(Work::Random(&mut [0; 16])).unwrap();
    let digest = mechanism(ck::CKM_SHA256);
    bench
        .run(Work::Begin {
            class: OperationClass::Digest,
            mechanism: &digest,
            key: None,
        })
        .unwrap();
    assert!(
        bench
            .find(vec![(ck::CKA_CLASS, Value::Ulong(ck::CKO_CERTIFICATE))])
            .is_empty()
    );
    bench.token.close_session(SessionId(1));
    assert!(!bench.runtime.is_running());
    assert_eq!(bench.faulty.total(), 0);
    bench.find(vec![]);
    assert!(bench.runtime.is_running());
}

#[test]
fn ten_thousand_signatures_are_pending_from_one_thread() {
    let bench = bench();
    let (_, private) = bench.ec("web");
    bench.faulty.otherwise(Fault::Delay(Duration::from_millis(5)));
    let sha = mechanism(ck::CKM_ECDSA_SHA256);
    let steps: Vec<_> = (0..10_000_u32)
        .map(|number| {
            let operation = bench.begin(OperationClass::Sign, &sha, private).unwrap();
            let patient = CallCx {
                deadline: Some(Instant::now() + Duration::from_secs(60)),
                ..cx(None)
            };
            operation.single(&patient, &number.to_le_bytes(), End::Output(&mut []))
        })
        .collect();
    for step in steps {
        let Step::Pending(mut pending) = step else {
            panic!()
        };
        pending.wait(None).unwrap().unwrap();
    }
    assert!(
        bench.faulty.most_under_way() <= 64,
        "{}",
        bench.faulty.most_under_way()
    );
}

#[test]
fn a_caller_inside_another_runtime_is_served() {
    let bench = bench();
    let host = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    host.block_on(async {
        let (_, private) = bench.ec("web");
        bench
            .sign(&mechanism(ck::CKM_ECDSA_SHA256), private, b"message")
            .unwrap();
        bench.runtime.close();
    });
}

#[test]
fn a_cancelled_signature_is_abandoned_at_the_service() {
    let bench = bench();
    let (_, private) = bench.ec("web");
    bench.faulty.otherwise(Fault::Hang);
    let sha = mechanism(ck::CKM_ECDSA_SHA256);
    let operation = bench.begin(OperationClass::Sign, &sha, private).unwrap();
    let Step::Pending(mut pending) = operation.single(&cx(None), b"message", End::Output(&mut [])) else {
        panic!()
    };
    assert!(pending.poll().is_none());
    until(|| bench.faulty.under_way() == 1);
    pending.cancel();
    until(|| bench.faulty.under_way() == 0);
    bench.faulty.otherwise(Fault::None);
    bench.sign(&sha, private, b"message").unwrap();
}

#[test]
fn closing_ends_a_hung_call_soon_and_for_good() {
    let bench = bench();
    let (_, private) = bench.ec("web");
    bench.faulty.otherwise(Fault::Hang);
    let sha = mechanism(ck::CKM_ECDSA_SHA256);
    let operation = bench.begin(OperationClass::Sign, &sha, private).unwrap();
    let Step::Pending(mut pending) = operation.single(&cx(None), b"message", End::Output(&mut [])) else {
        panic!()
    };
    until(|| bench.faulty.under_way() == 1);
    let begun = Instant::now();
    bench.runtime.close();
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(rv(pending.wait(None).unwrap()), Some(Rv::FunctionCanceled));
    assert_eq!(
        rv(bench.sign(&sha, private, b"message")),
        Some(Rv::CryptokiNotInitialized)
    );
}

#[test]
fn a_hung_service_gives_its_own_error_before_the_callers_deadline() {
    let bench = bench();
    let (_, private) = bench.ec("web");
    bench.faulty.otherwise(Fault::Hang);
    let sha = mechanism(ck::CKM_ECDSA_SHA256);
    let operation = bench.begin(OperationClass::Sign, &sha, private).unwrap();
    let deadline = Instant::now() + Duration::from_millis(300);
    let hasty = CallCx {
        deadline: Some(deadline),
        ..cx(None)
    };
    let Step::Pending(mut pending) = operation.single(&hasty, b"message", End::Output(&mut [])) else {
        panic!()
    };
    let error = pending.wait(Some(deadline)).unwrap().map(drop).unwrap_err();
    assert_eq!(error.rv(), Rv::DeviceError);
    assert!(error.detail().unwrap().starts_with("connectivity"), "{error}");
}

/// Waits for something that happens on another thread.
fn until(holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(10), "it never happened");
        std::thread::yield_now();
    }
}
