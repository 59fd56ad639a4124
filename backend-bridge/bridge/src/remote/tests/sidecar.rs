// SPDX-License-Identifier: MIT
//! What is kept beside the service's keys: certificates, data, and what no tag holds.

use super::*;
use crate::call::{Reply, Request};
use crate::capability::Capability;

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A process of its own, as far as a token can tell.
    fn bench(&self, memory: &Arc<MemoryService>) -> Bench {
        self.bench_with_pin(memory, None)
    }

    fn bench_with_pin(&self, memory: &Arc<MemoryService>, pin: Option<Arc<dyn PinCheck>>) -> Bench {
        let directory = self.0.path().join("sidecar");
        bench_beside(Arc::clone(memory), Settings::default(), pin, Some(&directory))
    }
}

fn memory() -> Arc<MemoryService> {
    Arc::new(MemoryService::new(10))
}

fn certificate(label: &str, id: &[u8]) -> Attributes {
    vec![
        (ck::CKA_CLASS, Value::Ulong(ck::CKO_CERTIFICATE)),
        (ck::CKA_CERTIFICATE_TYPE, Value::Ulong(ck::CKC_X_509)),
        (ck::CKA_TOKEN, Value::Bool(true)),
        (ck::CKA_LABEL, Value::bytes(label)),
        (ck::CKA_ID, Value::bytes(id)),
        (ck::CKA_SUBJECT, Value::bytes("subject")),
        (ck::CKA_VALUE, Value::bytes("the content is not looked at")),
    ]
}

fn with_id(id: &[u8]) -> Attributes {
    vec![(ck::CKA_ID, Value::bytes(id))]
}

fn class(class: ck::CK_OBJECT_CLASS) -> Attributes {
    vec![(ck::CKA_CLASS, Value::Ulong(class))]
}

impl Bench {
    fn create(&self, attributes: Attributes) -> Result<ObjectId> {
        match self.run(Work::Create(&template(attributes)))? {
            Out::Object(handle) => Ok(handle),
            _ => panic!(),
        }
    }

    fn copy(&self, object: ObjectId, attributes: Attributes) -> Result<ObjectId> {
        let template = template(attributes);
        match self.run(Work::Copy {
            object,
            template: &template,
        })? {
            Out::Object(handle) => Ok(handle),
            _ => panic!(),
        }
    }

    fn set(&self, object: ObjectId, attributes: Attributes) -> Result<()> {
        let template = template(attributes);
        self.run(Work::Set {
            object,
            template: &template,
        })
        .map(drop)
    }

    fn attribute(&self, object: ObjectId, id: ck::CK_ATTRIBUTE_TYPE) -> Vec<u8> {
        self.view(object).bytes(id).unwrap().to_vec()
    }
}

#[test]
fn a_certificate_is_found_beside_its_key_and_destroyed_alone() {
    let home = Home::new();
    let memory = memory();
    let bench = home.bench(&memory);
    let (public, private) = bench.ec("web");
    // As SunPKCS11 does it: the key's id becomes the alias, then the certificate is written with the same.
    bench.set(private, with_id(b"alias")).unwrap();
    let stored = bench.create(certificate("alias", b"alias")).unwrap();
    assert_eq!(
        bench.find(with_id(b"alias")).len(),
        3,
        "private key, public key and certificate"
    );
    let (count, found) = bench.requests(|| bench.find(class(ck::CKO_CERTIFICATE)));
    assert_eq!((count, found), (0, vec![stored]));
    let other = home.bench(&memory);
    let found = other.find([class(ck::CKO_CERTIFICATE), with_id(b"alias")].concat());
    assert_eq!(found.len(), 1);
    other.run(Work::Destroy(found[0])).unwrap();
    assert_eq!(rv(bench.run(Work::View(stored))), Some(Rv::ObjectHandleInvalid));
    let mut left = bench.find(with_id(b"alias"));
    left.sort_unstable();
    let mut pair = [public, private];
    pair.sort_unstable();
    assert_eq!(left, pair);
    assert_eq!(memory.len(), 1);
}

#[test]
fn nothing_is_on_disk_until_something_is_kept() {
    let home = Home::new();
    let memory = memory();
    let bench = home.bench(&memory);
    let (_, private) = bench.ec("web");
    bench.find(vec![]);
    bench.set(private, with_id(b"short")).unwrap();
    bench.run(Work::Destroy(private)).unwrap();
    bench.token.info().unwrap();
    assert!(!home.0.path().join("sidecar").exists());
}

#[test]
fn what_no_tag_holds_is_kept_beside_the_key_and_survives_a_restart() {
    let home = Home::new();
    let memory = memory();
    let bench = home.bench(&memory);
    let (public, private) = bench.ec("web");
    let long = vec![7; 300];
    bench
        .set(
            private,
            vec![
                (ck::CKA_SUBJECT, Value::bytes(long.clone())),
                (ck::CKA_ID, Value::bytes(long.clone())),
                (ck::CKA_LABEL, Value::bytes([0xff, 0x00])),
                (ck::CKA_START_DATE, Value::bytes("20260101")),
            ],
        )
        .unwrap();
    for bench in [&bench, &home.bench(&memory)] {
        let found = bench.find(with_id(&long));
        assert_eq!(found.len(), 2);
        for object in found {
            assert_eq!(bench.attribute(object, ck::CKA_LABEL), [0xff, 0x00]);
            assert_eq!(bench.attribute(object, ck::CKA_START_DATE), b"20260101");
        }
        assert_eq!(
            bench
                .find(vec![(ck::CKA_LABEL, Value::bytes([0xff, 0x00]))])
                .len(),
            2
        );
        assert!(bench.find(vec![(ck::CKA_LABEL, Value::bytes("web"))]).is_empty());
    }
    assert_eq!(bench.attribute(public, ck::CKA_SUBJECT), long);
    // What fits again goes to the service again, and without the sidecar there is only that.
    bench.set(private, with_id(b"short")).unwrap();
    bench
        .set(private, vec![(ck::CKA_LABEL, Value::bytes("mail"))])
        .unwrap();
    let plain = bench_with(memory.clone(), Settings::default(), None);
    let found = plain.find(vec![(ck::CKA_LABEL, Value::bytes("mail"))]);
    assert_eq!(found.len(), 2);
    assert_eq!(plain.attribute(found[0], ck::CKA_ID), b"short");
    assert!(plain.attribute(found[1], ck::CKA_SUBJECT).is_empty());
    assert_eq!(home.bench(&memory).find(with_id(b"short")).len(), 2);
}

#[test]
fn another_processs_notes_are_seen_at_the_next_call() {
    let home = Home::new();
    let memory = memory();
    let one = home.bench(&memory);
    let (_, private) = one.ec("web");
    let other = home.bench(&memory);
    let theirs = other.find(class(ck::CKO_PRIVATE_KEY))[0];
    let long = vec![7; 300];
    one.set(private, with_id(&long)).unwrap();
    assert_eq!(other.attribute(theirs, ck::CKA_ID), long);
    assert_eq!(other.find(with_id(&long)).len(), 2);
}

#[test]
fn templates_of_new_keys_are_kept_too_and_the_private_keys_count() {
    let home = Home::new();
    let memory = memory();
    let bench = home.bench(&memory);
    let long = vec![7; 300];
    let curve = (ck::CKA_EC_PARAMS, Value::bytes(Curve::P256.row().oid));
    let (public, private) = bench
        .pair(
            ck::CKM_EC_KEY_PAIR_GEN,
            vec![
                curve,
                (ck::CKA_LABEL, Value::bytes("public")),
                (ck::CKA_ID, Value::bytes("public")),
            ],
            vec![
                (ck::CKA_LABEL, Value::bytes("private")),
                (ck::CKA_ID, Value::bytes(long.clone())),
            ],
        )
        .unwrap();
    for bench in [&bench, &home.bench(&memory)] {
        assert_eq!(bench.find(with_id(&long)).len(), 2);
        assert!(bench.find(with_id(b"public")).is_empty());
    }
    assert_eq!(bench.attribute(public, ck::CKA_LABEL), b"private");
    bench.run(Work::Destroy(private)).unwrap();
    assert!(home.bench(&memory).find(with_id(&long)).is_empty());
}

#[test]
fn who_may_not_tag_has_it_kept_beside_the_key_or_is_told_so() {
    let denied = |call| Fault::Fail(failure(ErrorKind::Denied, call, Sent::Refused));
    let home = Home::new();
    let memory = memory();
    let bench = home.bench(&memory);
    let (_, private) = bench.ec("web");
    bench.faulty.plan([denied(CallKind::Update)]);
    bench
        .set(
            private,
            vec![
                (ck::CKA_ID, Value::bytes("id")),
                (ck::CKA_LABEL, Value::bytes("mail")),
            ],
        )
        .unwrap();
    let found = home.bench(&memory).find(vec![
        (ck::CKA_ID, Value::bytes("id")),
        (ck::CKA_LABEL, Value::bytes("mail")),
    ]);
    assert_eq!(found.len(), 2);
    let curve = (ck::CKA_EC_PARAMS, Value::bytes(Curve::P256.row().oid));
    let plain = bench_with(memory.clone(), Settings::default(), None);
    let private = plain.find(class(ck::CKO_PRIVATE_KEY))[0];
    plain.faulty.plan([denied(CallKind::Update)]);
    let error = plain
        .run(Work::Set {
            object: private,
            template: &template(with_id(b"other")),
        })
        .map(drop)
        .unwrap_err();
    assert_eq!(error.rv(), Rv::FunctionRejected);
    assert!(error.detail().unwrap().contains("`sidecar`"), "{error}");
    plain.faulty.plan([denied(CallKind::Generate)]);
    assert_eq!(
        rv(plain.pair(ck::CKM_EC_KEY_PAIR_GEN, vec![curve], with_id(b"new"))),
        Some(Rv::FunctionRejected)
    );
}

/// A service that makes keys for this identity, but gives them neither labels nor tags.
struct Untagging(Arc<MemoryService>);

impl Service for Untagging {
    fn capability(&self) -> &Capability {
        self.0.capability()
    }

    fn answer<'a>(&'a self, request: &'a Request) -> Reply<'a> {
        match request {
            Request::Generate(call) if call.label.is_some() || !call.tags.is_empty() => {
                Box::pin(async { Err(failure(ErrorKind::Denied, CallKind::Generate, Sent::Refused)) })
            }
            _ => self.0.answer(request),
        }
    }
}

#[test]
fn who_may_make_keys_and_not_tag_them_has_their_names_kept_beside_them() {
    let home = Home::new();
    let memory = memory();
    let service = Arc::new(Untagging(memory.clone()));
    let directory = home.0.path().join("sidecar");
    let bench = bench_over(
        service,
        memory.clone(),
        Settings::default(),
        None,
        Some(&directory),
    );
    let label = |label: &str| vec![(ck::CKA_LABEL, Value::bytes(label))];
    for (index, private) in [
        label("label alone"),
        with_id(b"id alone"),
        [label("both"), with_id(b"of both")].concat(),
    ]
    .into_iter()
    .enumerate()
    {
        let curve = (ck::CKA_EC_PARAMS, Value::bytes(Curve::P256.row().oid));
        let (count, made) =
            bench.requests(|| bench.pair(ck::CKM_EC_KEY_PAIR_GEN, vec![curve], private.clone()));
        let (_, key) = made.unwrap();
        assert_eq!((count, memory.len()), (3, index + 1), "refused, made, public key");
        for bench in [&bench, &home.bench(&memory)] {
            assert_eq!(bench.find(private.clone()).len(), 2);
        }
        bench
            .sign(&mechanism(ck::CKM_ECDSA_SHA256), key, b"message")
            .unwrap();
    }
}

#[test]
fn notes_and_tags_that_the_rules_refuse_are_left_out() {
    let home = Home::new();
    let memory = memory();
    let call = GenerateKey {
        spec: KeySpec::Ec(Curve::P256),
        usage: Usage::Sign,
        label: Some("web".to_owned()),
        tags: [
            ("keyenclave-id", ""),
            ("keyenclave-start-date", "31"),
            ("keyenclave-subject", "3132"),
        ]
        .map(|(tag, value)| (tag.to_owned(), value.to_owned()))
        .into(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let name = runtime.block_on(ask(&*memory, call)).unwrap().listed.name;
    let bench = home.bench(&memory);
    let own = crate::remote::objects::key_id(&name);
    let found = bench.find(with_id(&own));
    assert_eq!(found.len(), 2);
    let beside = sidecar_in(
        &home.0.path().join("sidecar"),
        Arc::new(HandleSource::starting_at(1)),
    );
    let forged = BTreeMap::from([(ck::CKA_END_DATE, Some(b"soon".to_vec()))]);
    beside.note(name.as_str(), &forged).unwrap();
    assert_eq!(bench.attribute(found[0], ck::CKA_ID), own);
    assert_eq!(bench.attribute(found[0], ck::CKA_SUBJECT), b"12");
    for date in [ck::CKA_START_DATE, ck::CKA_END_DATE] {
        assert!(bench.attribute(found[0], date).is_empty(), "{date:#x}");
    }
}

#[test]
fn security_attributes_are_not_kept_anywhere() {
    let home = Home::new();
    let bench = home.bench(&memory());
    let (_, private) = bench.ec("web");
    for (id, value) in [
        (ck::CKA_SIGN, false),
        (ck::CKA_SENSITIVE, false),
        (ck::CKA_EXTRACTABLE, true),
        (ck::CKA_PRIVATE, true),
        (ck::CKA_DERIVE, true),
    ] {
        let refused = rv(bench.set(private, vec![(id, Value::Bool(value))]));
        assert_eq!(refused, Some(Rv::AttributeReadOnly), "{id:#x}");
    }
    // Nor are they taken from a sidecar that somebody has written them to.
    let beside = sidecar_in(
        &home.0.path().join("sidecar"),
        Arc::new(HandleSource::starting_at(1)),
    );
    let name = String::from_utf8(bench.attribute(private, CKA_KEYENCLAVE_REMOTE_NAME)).unwrap();
    let forged = BTreeMap::from([
        (ck::CKA_EC_POINT, Some(vec![4])),
        (ck::CKA_SUBJECT, Some(vec![1; 200])),
    ]);
    beside.note(&name, &forged).unwrap();
    assert_eq!(bench.attribute(private, ck::CKA_SUBJECT), [1; 200]);
    assert_eq!(bench.attribute(private, ck::CKA_EC_POINT).len(), 67);
}

#[test]
fn secret_and_private_keys_do_not_become_token_objects() {
    let home = Home::new();
    let bench = home.bench(&memory());
    let secret = vec![
        (ck::CKA_CLASS, Value::Ulong(ck::CKO_SECRET_KEY)),
        (ck::CKA_KEY_TYPE, Value::Ulong(ck::CKK_AES)),
        (ck::CKA_VALUE, Value::bytes([0; 16])),
    ];
    let token = (ck::CKA_TOKEN, Value::Bool(true));
    let stored = [secret.clone(), vec![token.clone()]].concat();
    assert_eq!(rv(bench.create(stored)), Some(Rv::TemplateInconsistent));
    let session = bench.create(secret).unwrap();
    let error = bench.copy(session, vec![token.clone()]).unwrap_err();
    assert_eq!(error.rv(), Rv::TemplateInconsistent);
    assert!(error.detail().unwrap().contains("CKA_TOKEN = true"), "{error}");
    let (public, private) = bench.ec("web");
    for object in [public, private] {
        assert_eq!(
            rv(bench.copy(object, vec![token.clone()])),
            Some(Rv::ActionProhibited)
        );
    }
    assert!(!home.0.path().join("sidecar").exists());
}

#[test]
fn certificates_and_data_are_copied_between_session_and_token() {
    let home = Home::new();
    let bench = home.bench(&memory());
    let token = |is| vec![(ck::CKA_TOKEN, Value::Bool(is))];
    let mut of_session = certificate("copy", b"id");
    of_session.retain(|(id, _)| *id != ck::CKA_TOKEN);
    let session = bench.create(of_session.clone()).unwrap();
    let stored = bench.copy(session, token(true)).unwrap();
    let again = bench.copy(stored, token(false)).unwrap();
    assert_eq!(bench.find(class(ck::CKO_CERTIFICATE)).len(), 3);
    bench.token.close_session(SessionId(1));
    assert_eq!(bench.find(class(ck::CKO_CERTIFICATE)), [stored]);
    assert_eq!(rv(bench.run(Work::View(again))), Some(Rv::ObjectHandleInvalid));
    let plain = bench_with(memory(), Settings::default(), None);
    let session = plain.create(of_session).unwrap();
    assert_eq!(
        rv(plain.copy(session, token(true))),
        Some(Rv::TokenWriteProtected)
    );
}

#[test]
fn a_stored_public_key_verifies() {
    let home = Home::new();
    let bench = home.bench(&memory());
    let (public, private) = bench.ec("web");
    let object = bench.view(public);
    let material = [ck::CKA_EC_PARAMS, ck::CKA_EC_POINT].map(|id| (id, object.get(id).unwrap().clone()));
    let imported = [
        (ck::CKA_CLASS, Value::Ulong(ck::CKO_PUBLIC_KEY)),
        (ck::CKA_KEY_TYPE, Value::Ulong(ck::CKK_EC)),
        (ck::CKA_TOKEN, Value::Bool(true)),
        (ck::CKA_VERIFY, Value::Bool(true)),
    ];
    let stored = bench
        .create(imported.into_iter().chain(material).collect())
        .unwrap();
    let sha = mechanism(ck::CKM_ECDSA_SHA256);
    let signature = bench.sign(&sha, private, b"message").unwrap();
    bench.verify(&sha, stored, b"message", &signature).unwrap();
}

#[test]
fn with_a_pin_private_data_is_seen_by_the_user_only() {
    let home = Home::new();
    let bench = home.bench_with_pin(&memory(), Some(Arc::new(OnlyPin(b"1234"))));
    let data = |private| {
        template(vec![
            (ck::CKA_CLASS, Value::Ulong(ck::CKO_DATA)),
            (ck::CKA_TOKEN, Value::Bool(true)),
            (ck::CKA_PRIVATE, Value::Bool(private)),
        ])
    };
    let create = |login, private| finish(bench.token.submit(&cx(login), Work::Create(&data(private))));
    assert_eq!(rv(create(None, true)), Some(Rv::UserNotLoggedIn));
    create(None, false).unwrap();
    create(Some(Role::User), true).unwrap();
    let all = template(class(ck::CKO_DATA));
    let count = |login| match finish(bench.token.submit(&cx(login), Work::Find(&all))) {
        Ok(Out::Objects(found)) => found.len(),
        _ => panic!(),
    };
    assert_eq!((count(None), count(Some(Role::User))), (1, 2));
}

#[test]
fn a_damaged_sidecar_fails_searches_and_leaves_signing_alone() {
    let home = Home::new();
    let memory = memory();
    let bench = home.bench(&memory);
    let (_, private) = bench.ec("web");
    bench.create(certificate("web", b"id")).unwrap();
    std::fs::write(home.0.path().join("sidecar/sidecar.key"), [0; 32]).unwrap();
    let other = home.bench(&memory);
    assert_eq!(
        rv(other.run(Work::Find(&template(vec![])))),
        Some(Rv::DeviceError)
    );
    bench
        .sign(&mechanism(ck::CKM_ECDSA_SHA256), private, b"message")
        .unwrap();
}
