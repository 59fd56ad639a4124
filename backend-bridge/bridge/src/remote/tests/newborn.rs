// SPDX-License-Identifier: MIT
//! Keys that were just made: the service may not know them yet, and nothing that fails then may lose one.

use super::*;

fn fault(kind: ErrorKind) -> Fault {
    let call = CallKind::PublicKey;
    Fault::Fail(failure(kind, call, Sent::Refused))
}

impl Bench {
    /// A pair, made within some time.
    fn hasty_pair(&self, time: Duration) -> Result<(ObjectId, ObjectId)> {
        let public = template(vec![
            (ck::CKA_TOKEN, Value::Bool(true)),
            (ck::CKA_EC_PARAMS, Value::bytes(Curve::P256.row().oid)),
        ]);
        let private = template(vec![
            (ck::CKA_TOKEN, Value::Bool(true)),
            (ck::CKA_LABEL, Value::bytes("web")),
        ]);
        let hasty = CallCx {
            deadline: Some(Instant::now() + time),
            ..cx(None)
        };
        let mechanism = mechanism(ck::CKM_EC_KEY_PAIR_GEN);
        let work = Work::GenerateKeyPair {
            mechanism: &mechanism,
            public: &public,
            private: &private,
        };
        match finish(self.token.submit(&hasty, work))? {
            Out::Pair { public, private } => Ok((public, private)),
            _ => panic!(),
        }
    }

    fn proves(&self, (public, private): (ObjectId, ObjectId)) {
        let sha = mechanism(ck::CKM_ECDSA_SHA256);
        let signature = self.sign(&sha, private, b"message").unwrap();
        self.verify(&sha, public, b"message", &signature).unwrap();
    }
}

#[test]
fn a_new_pair_is_waited_for_until_the_service_knows_it_everywhere() {
    let bench = bench();
    let unknown = || fault(ErrorKind::NotFound);
    bench
        .faulty
        .plan([Fault::None, unknown(), unknown(), unknown(), unknown()]);
    let pair = bench.ec("web");
    assert_eq!((bench.faulty.planned(), bench.faulty.total()), (0, 6));
    bench.faulty.plan([unknown(), unknown()]);
    bench.proves(pair);
    assert_eq!(bench.faulty.planned(), 0);
}

#[test]
fn a_new_pair_that_cannot_be_described_for_the_moment_has_its_handles_and_heals() {
    for kind in [
        ErrorKind::NotFound,
        ErrorKind::Throttled,
        ErrorKind::Unavailable,
        ErrorKind::Timeout,
    ] {
        let bench = bench();
        bench.faulty.plan([Fault::None]);
        bench.faulty.otherwise(fault(kind));
        let pair = bench.hasty_pair(Duration::from_millis(400)).unwrap();
        assert_eq!(bench.memory.len(), 1, "{kind:?}");
        bench.faulty.otherwise(Fault::None);
        bench.proves(pair);
        let (public, private) = pair;
        let mut found = bench.find(vec![(ck::CKA_LABEL, Value::bytes("web"))]);
        found.sort();
        assert_eq!(found, [private.min(public), private.max(public)], "{kind:?}");
    }
}

#[test]
fn a_new_pair_that_cannot_be_described_for_good_is_named_and_found_later() {
    for kind in [ErrorKind::Denied, ErrorKind::Integrity] {
        let bench = bench();
        bench.faulty.plan([Fault::None, fault(kind)]);
        let error = bench.hasty_pair(Duration::from_secs(10)).unwrap_err();
        let found = bench.find(vec![(ck::CKA_LABEL, Value::bytes("web"))]);
        assert_eq!((bench.memory.len(), found.len()), (1, 2), "{kind:?}");
        let view = bench.view(found[0]);
        let name = std::str::from_utf8(view.bytes(CKA_KEYENCLAVE_REMOTE_NAME).unwrap()).unwrap();
        let detail = error.detail().unwrap();
        assert!(detail.contains("exists") && detail.contains(name), "{detail}");
        assert!(error.remote().is_some());
    }
}

#[test]
fn a_search_passes_over_a_key_that_is_not_known_yet_and_keeps_its_handles() {
    let bench = bench_with(
        Arc::new(MemoryService::new(10)),
        Settings {
            operation_timeout: Duration::from_millis(300),
            ..Settings::default()
        },
        None,
    );
    let known = bench.ec("known");
    bench.faulty.plan([Fault::None]);
    bench.faulty.otherwise(fault(ErrorKind::NotFound));
    let pair = bench.hasty_pair(Duration::from_millis(300)).unwrap();
    bench.faulty.plan([Fault::None]);
    let hasty = CallCx {
        deadline: Some(Instant::now() + Duration::from_millis(300)),
        ..cx(None)
    };
    let Out::Objects(found) = finish(bench.token.submit(&hasty, Work::Find(&template(vec![])))).unwrap()
    else {
        panic!()
    };
    assert_eq!(found.len(), 2);
    assert!(found.contains(&known.0) && found.contains(&known.1));
    bench.faulty.otherwise(Fault::None);
    bench.proves(pair);
    assert_eq!(bench.find(vec![]).len(), 4);
}
