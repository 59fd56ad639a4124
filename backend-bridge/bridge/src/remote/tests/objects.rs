// SPDX-License-Identifier: MIT
//! Objects, templates, login.

use super::*;

#[test]
fn sizes_and_attributes_are_told_without_a_request() {
    let bench = bench();
    let (public, private) = bench.ec("web");
    let (count, ()) = bench.requests(|| {
        let sha = mechanism(ck::CKM_ECDSA_SHA256);
        let operation = bench.begin(OperationClass::Sign, &sha, private).unwrap();
        assert_eq!(
            operation.output_len(Part::Single(1)).unwrap(),
            OutputLen::Exact(64)
        );
        assert!(matches!(bench.run(Work::Size(public)).unwrap(), Out::Size(100..)));
        bench.view(private);
    });
    assert_eq!(count, 0);
}

#[test]
fn the_objects_of_a_key_belong_together() {
    let bench = bench();
    let (public, private) = bench.ec("web");
    let (public, private) = (bench.view(public), bench.view(private));
    let name = private.bytes(CKA_KEYENCLAVE_REMOTE_NAME).unwrap();
    let digest = keyenclave_crypto::digest(Hash::Sha256, name);
    for object in [&public, &private] {
        assert_eq!(object.bytes(ck::CKA_ID).unwrap(), &digest[..20]);
        assert_eq!(object.bytes(ck::CKA_LABEL).unwrap(), b"web");
        assert_eq!(object.bytes(ck::CKA_EC_PARAMS).unwrap(), Curve::P256.row().oid);
        assert_eq!(object.bytes(ck::CKA_EC_POINT).unwrap().len(), 67);
        assert!(object.bytes(ck::CKA_UNIQUE_ID).unwrap().starts_with(name));
    }
    assert_ne!(public.bytes(ck::CKA_UNIQUE_ID), private.bytes(ck::CKA_UNIQUE_ID));
    for id in [
        ck::CKA_SENSITIVE,
        ck::CKA_ALWAYS_SENSITIVE,
        ck::CKA_NEVER_EXTRACTABLE,
        ck::CKA_LOCAL,
        ck::CKA_SIGN,
    ] {
        assert!(private.is_true(id), "{id:#x}");
    }
    assert!(!private.is_private() && !private.is_true(ck::CKA_EXTRACTABLE));
}

#[test]
fn destroying_the_public_object_only_hides_it() {
    let bench = bench();
    let (public, private) = bench.ec("web");
    bench.run(Work::Destroy(public)).unwrap();
    assert_eq!(rv(bench.run(Work::View(public))), Some(Rv::ObjectHandleInvalid));
    assert_eq!(
        rv(bench.run(Work::Destroy(public))),
        Some(Rv::ObjectHandleInvalid)
    );
    assert_eq!(bench.find(vec![]), [private]);
    bench
        .sign(&mechanism(ck::CKM_ECDSA_SHA256), private, b"message")
        .unwrap();
    assert_eq!(bench.faulty.count(CallKind::Destroy), 0);
    // It is the service's, and there for every other process.
    let other = bench_with(bench.memory.clone(), Settings::default(), None);
    assert_eq!(other.find(vec![]).len(), 2);
    bench.run(Work::Destroy(private)).unwrap();
    assert_eq!(bench.faulty.count(CallKind::Destroy), 1);
    assert!(bench.find(vec![]).is_empty());
}

#[test]
fn a_program_that_destroys_the_private_and_then_the_public_key_hears_no_error() {
    let bench = bench();
    let (public, private) = bench.ec("web");
    bench.run(Work::Destroy(private)).unwrap();
    assert_eq!(rv(bench.run(Work::View(public))), Some(Rv::ObjectHandleInvalid));
    bench.run(Work::Destroy(public)).unwrap();
    assert_eq!(
        rv(bench.run(Work::Destroy(public))),
        Some(Rv::ObjectHandleInvalid)
    );
    assert_eq!(
        rv(bench.run(Work::Destroy(private))),
        Some(Rv::ObjectHandleInvalid)
    );
    assert_eq!(bench.faulty.count(CallKind::Destroy), 1);
}

#[test]
fn what_the_application_sets_is_kept_by_the_service() {
    let bench = bench();
    let (public, private) = bench.ec("web");
    let set = |attributes| {
        bench.run(Work::Set {
            object: private,
            template: &template(attributes),
        })
    };
    set(vec![
        (ck::CKA_ID, Value::bytes([1, 2])),
        (ck::CKA_LABEL, Value::bytes("mail")),
        (ck::CKA_SUBJECT, Value::bytes("cn")),
    ])
    .unwrap();
    assert_eq!(bench.view(public).bytes(ck::CKA_ID), Some([1, 2].as_slice()));
    assert_eq!(
        rv(set(vec![(ck::CKA_SIGN, Value::Bool(false))])),
        Some(Rv::AttributeReadOnly)
    );
    assert_eq!(
        rv(set(vec![(ck::CKA_SUBJECT, Value::bytes([0; 200]))])),
        Some(Rv::AttributeValueInvalid)
    );
    let other = bench_with(bench.memory.clone(), Settings::default(), None);
    let found = other.find(vec![
        (ck::CKA_ID, Value::bytes([1, 2])),
        (ck::CKA_LABEL, Value::bytes("mail")),
    ]);
    assert_eq!(found.len(), 2);
    assert_eq!(
        other.view(found[0]).bytes(ck::CKA_SUBJECT),
        Some(b"cn".as_slice())
    );
}

#[test]
fn a_template_that_no_remote_key_fits_is_refused_before_anything_is_sent() {
    let bench = bench();
    let refused = |public: Attributes, private: Attributes| {
        rv(bench.pair(ck::CKM_RSA_PKCS_KEY_PAIR_GEN, public, private))
    };
    let bits = |bits| vec![(ck::CKA_MODULUS_BITS, Value::Ulong(bits))];
    assert_eq!(refused(bits(1024), vec![]), Some(Rv::AttributeValueInvalid));
    assert_eq!(refused(vec![], vec![]), Some(Rv::TemplateIncomplete));
    let extractable = vec![(ck::CKA_EXTRACTABLE, Value::Bool(true))];
    assert_eq!(refused(bits(2048), extractable), Some(Rv::TemplateInconsistent));
    let exponent = [bits(2048), vec![(ck::CKA_PUBLIC_EXPONENT, Value::bytes([3]))]].concat();
    assert_eq!(refused(exponent, vec![]), Some(Rv::AttributeValueInvalid));
    assert_eq!(bench.faulty.total(), 0);
}

#[test]
fn session_objects_are_the_soft_engines() {
    let bench = bench();
    let aes = mechanism(ck::CKM_AES_KEY_GEN);
    let secret = template(vec![(ck::CKA_VALUE_LEN, Value::Ulong(32))]);
    let (count, ()) = bench.requests(|| {
        let Out::Object(key) = bench
            .run(Work::GenerateKey {
                mechanism: &aes,
                template: &secret,
            })
            .unwrap()
        else {
            panic!()
        };
        let ecb = mechanism(ck::CKM_AES_ECB);
        let operation = bench.begin(OperationClass::Encrypt, &ecb, key).unwrap();
        let mut out = [0; 16];
        finish(operation.single(&cx(None), &[0; 16], End::Output(&mut out))).unwrap();
        assert_eq!(bench.find(vec![(ck::CKA_TOKEN, Value::Bool(false))]), [key]);
        bench.token.close_session(SessionId(1));
        assert!(bench.find(vec![(ck::CKA_TOKEN, Value::Bool(false))]).is_empty());
    });
    assert_eq!(count, 0);
    let stored = template(vec![
        (ck::CKA_CLASS, Value::Ulong(ck::CKO_DATA)),
        (ck::CKA_TOKEN, Value::Bool(true)),
    ]);
    assert_eq!(
        rv(bench.run(Work::Create(&stored))),
        Some(Rv::TokenWriteProtected)
    );
}

#[test]
fn with_a_pin_private_keys_are_seen_by_the_user_only() {
    let bench = bench_with(
        service_with_keys(1, 1),
        Settings::default(),
        Some(Arc::new(OnlyPin(b"1234"))),
    );
    assert_ne!(bench.token.info().unwrap().flags & ck::CKF_LOGIN_REQUIRED, 0);
    let login = |role, pin| rv(bench.run(Work::Login { role, pin: Pin(pin) }));
    assert_eq!(login(Role::User, b"4321"), Some(Rv::PinIncorrect));
    assert_eq!(login(Role::So, b"1234"), Some(Rv::UserTypeInvalid));
    assert_eq!(login(Role::User, b"1234"), None);
    let everything = template(vec![]);
    let count = |login| match finish(bench.token.submit(&cx(login), Work::Find(&everything))) {
        Ok(Out::Objects(found)) => found.len(),
        _ => panic!(),
    };
    assert_eq!((count(None), count(Some(Role::User))), (1, 2));
    let curve = (ck::CKA_EC_PARAMS, Value::bytes(Curve::P256.row().oid));
    assert_eq!(
        rv(bench.pair(ck::CKM_EC_KEY_PAIR_GEN, vec![curve], vec![])),
        Some(Rv::UserNotLoggedIn)
    );
}

#[test]
fn what_is_advertised_is_what_the_service_and_the_engine_can_do() {
    let bench = bench();
    let mechanisms = bench.token.mechanisms().unwrap();
    let flags = |id| {
        mechanisms
            .iter()
            .find(|info| info.id == id)
            .map(|info| info.flags)
            .unwrap_or_default()
    };
    assert_eq!(
        flags(ck::CKM_SHA256_RSA_PKCS) & (ck::CKF_SIGN | ck::CKF_VERIFY),
        ck::CKF_SIGN | ck::CKF_VERIFY
    );
    assert_eq!(
        flags(ck::CKM_SHA1_RSA_PKCS) & (ck::CKF_SIGN | ck::CKF_VERIFY),
        ck::CKF_VERIFY
    );
    assert_eq!(flags(ck::CKM_RSA_PKCS) & ck::CKF_DECRYPT, 0);
    assert_ne!(flags(ck::CKM_EC_KEY_PAIR_GEN) & ck::CKF_GENERATE_KEY_PAIR, 0);
    assert_ne!(flags(ck::CKM_SHA256) & ck::CKF_DIGEST, 0);
}

#[test]
fn no_more_is_done_with_mechanisms_than_is_told_of_them() {
    let bench = bench();
    let (_, key) = bench.ec("web");
    let kept = template(vec![(ck::CKA_CLASS, Value::Ulong(ck::CKO_SECRET_KEY))]);
    let unwrap = Work::Unwrap {
        mechanism: &mechanism(ck::CKM_AES_KEY_WRAP),
        unwrapping: key,
        wrapped: &[0; 24],
        associated: None,
        template: &kept,
    };
    assert_eq!(rv(bench.run(unwrap)), Some(Rv::MechanismInvalid));
    let derive = Work::Derive {
        mechanism: &mechanism(ck::CKM_SHA256_KEY_DERIVATION),
        base: key,
        template: &kept,
        has_handle: true,
    };
    assert_eq!(rv(bench.run(derive)), Some(Rv::MechanismInvalid));
}
