// SPDX-License-Identifier: MIT
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cryptoki_sys as ck;
use keyenclave_model::access::Access;
use keyenclave_model::algorithm::{Curve, Hash};
use keyenclave_model::attribute::Value;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::{Mechanism, OaepParams, Params, PssParams};
use keyenclave_model::object::Object;
use keyenclave_model::template::Template;
use keyenclave_model::token::{
    CallCx, End, HandleSource, ObjectId, Operation, OperationClass, Out, OutputLen, Part, Pin, Role,
    SessionId, Step, Token, Work,
};

use super::*;
use crate::bridge::Bridge;
use crate::call::{CallKind, GenerateKey, RotateKey, Usage, ask};
use crate::contract::fault::{Fault, Faulty, failure};
use crate::contract::memory::MemoryService;
use crate::error::{ErrorKind, Sent};
use crate::key::{KeyName, KeySpec, KeyState};
use crate::runtime::Runtime;
use crate::settings::Settings;

type Attributes = Vec<(ck::CK_ATTRIBUTE_TYPE, Value)>;

struct Bench {
    memory: Arc<MemoryService>,
    faulty: Arc<Faulty>,
    runtime: Arc<Runtime>,
    token: Arc<RemoteToken>,
}

struct OnlyPin(&'static [u8]);

impl PinCheck for OnlyPin {
    fn check(&self, pin: Pin<'_>) -> Result<()> {
        if pin.0 == self.0 {
            Ok(())
        } else {
            Err(Rv::PinIncorrect.into())
        }
    }
}

fn bench_with(memory: Arc<MemoryService>, settings: Settings, pin: Option<Arc<dyn PinCheck>>) -> Bench {
    let faulty = Faulty::new(memory.clone());
    let runtime = Arc::new(Runtime::new());
    let bridge = Bridge::new(faulty.clone(), settings, runtime.clone());
    let options = RemoteOptions {
        label: "signing".to_owned(),
        place: "memory".to_owned(),
        model: "memory",
        pin,
        sidecar: None,
    };
    let token = RemoteToken::new(bridge, options, Arc::new(HandleSource::starting_at(1)));
    Bench {
        memory,
        faulty,
        runtime,
        token: Arc::new(token),
    }
}

fn bench() -> Bench {
    bench_with(Arc::new(MemoryService::new(2)), Settings::default(), None)
}

fn cx(login: Option<Role>) -> CallCx {
    CallCx {
        session: SessionId(1),
        access: Access {
            writable: true,
            login,
        },
        deadline: Some(Instant::now() + Duration::from_secs(10)),
    }
}

fn finish(step: Step) -> Result<Out> {
    match step {
        Step::Ready(result) => result,
        Step::Pending(mut pending) => pending
            .wait(Some(Instant::now() + Duration::from_secs(20)))
            .unwrap(),
    }
}

fn template(attributes: Attributes) -> Template {
    attributes.into_iter().collect()
}

fn mechanism(id: ck::CK_MECHANISM_TYPE) -> Mechanism {
    Mechanism::new(id, Params::None).unwrap()
}

fn rv<T>(result: Result<T>) -> Option<Rv> {
    result.err().map(|error| error.rv())
}

impl Bench {
    fn run(&self, work: Work<'_>) -> Result<Out> {
        finish(self.token.submit(&cx(None), work))
    }

    fn find(&self, attributes: Attributes) -> Vec<ObjectId> {
        let Out::Objects(found) = self.run(Work::Find(&template(attributes))).unwrap() else {
            panic!()
        };
        found
    }

    fn view(&self, object: ObjectId) -> Arc<Object> {
        let Out::View(object) = self.run(Work::View(object)).unwrap() else {
            panic!()
        };
        object
    }

    fn pair(
        &self,
        id: ck::CK_MECHANISM_TYPE,
        mut public: Attributes,
        mut private: Attributes,
    ) -> Result<(ObjectId, ObjectId)> {
        public.push((ck::CKA_TOKEN, Value::Bool(true)));
        private.push((ck::CKA_TOKEN, Value::Bool(true)));
        let (mechanism, public, private) = (mechanism(id), template(public), template(private));
        let work = Work::GenerateKeyPair {
            mechanism: &mechanism,
            public: &public,
            private: &private,
        };
        match self.run(work)? {
            Out::Pair { public, private } => Ok((public, private)),
            _ => panic!(),
        }
    }

    fn ec(&self, label: &str) -> (ObjectId, ObjectId) {
        let curve = (ck::CKA_EC_PARAMS, Value::bytes(Curve::P256.row().oid));
        self.pair(
            ck::CKM_EC_KEY_PAIR_GEN,
            vec![curve],
            vec![(ck::CKA_LABEL, Value::bytes(label))],
        )
        .unwrap()
    }

    fn rsa(&self, private: Attributes) -> (ObjectId, ObjectId) {
        let bits = (ck::CKA_MODULUS_BITS, Value::Ulong(2048));
        self.pair(ck::CKM_RSA_PKCS_KEY_PAIR_GEN, vec![bits], private)
            .unwrap()
    }

    fn begin(
        &self,
        class: OperationClass,
        mechanism: &Mechanism,
        key: ObjectId,
    ) -> Result<Box<dyn Operation>> {
        match self.run(Work::Begin {
            class,
            mechanism,
            key: Some(key),
        })? {
            Out::Operation(operation) => Ok(operation),
            _ => panic!(),
        }
    }

    fn sign(&self, mechanism: &Mechanism, key: ObjectId, data: &[u8]) -> Result<Vec<u8>> {
        let operation = self.begin(OperationClass::Sign, mechanism, key)?;
        bytes(operation.single(&cx(None), data, End::Output(&mut [])))
    }

    fn verify(&self, mechanism: &Mechanism, key: ObjectId, data: &[u8], signature: &[u8]) -> Result<()> {
        let operation = self.begin(OperationClass::Verify, mechanism, key)?;
        finish(operation.single(&cx(None), data, End::Signature(signature))).map(drop)
    }

    /// How many requests something takes.
    fn requests<T>(&self, does: impl FnOnce() -> T) -> (usize, T) {
        let before = self.faulty.total();
        let result = does();
        (self.faulty.total() - before, result)
    }
}

fn bytes(step: Step) -> Result<Vec<u8>> {
    match finish(step)? {
        Out::Bytes(bytes) => Ok(bytes.to_vec()),
        _ => panic!(),
    }
}

async fn made(memory: &MemoryService, label: Option<&str>) -> KeyName {
    let call = GenerateKey {
        spec: KeySpec::Ec(Curve::P256),
        usage: Usage::Sign,
        label: label.map(str::to_owned),
        tags: BTreeMap::new(),
    };
    ask(memory, call).await.unwrap().listed.name
}

fn service_with_keys(count: usize, page: usize) -> Arc<MemoryService> {
    let memory = Arc::new(MemoryService::new(page));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        for number in 0..count {
            made(&memory, Some(&format!("key-{number}"))).await;
        }
    });
    memory
}

#[test]
fn nothing_starts_before_the_first_remote_call() {
    let bench = bench();
    bench.token.info().unwrap();
    assert!(!bench.token.mechanisms().is_empty());
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
fn a_signature_is_one_request_and_verifying_is_none() {
    let bench = bench();
    let (public, private) = bench.ec("web");
    for id in [ck::CKM_ECDSA_SHA1, ck::CKM_ECDSA_SHA256, ck::CKM_ECDSA_SHA512] {
        let (count, signature) = bench.requests(|| bench.sign(&mechanism(id), private, b"message").unwrap());
        assert_eq!((count, signature.len()), (1, 64));
        let (count, verified) =
            bench.requests(|| bench.verify(&mechanism(id), public, b"message", &signature));
        assert_eq!((count, verified.is_ok()), (0, true));
        assert_eq!(
            rv(bench.verify(&mechanism(id), public, b"massage", &signature)),
            Some(Rv::SignatureInvalid)
        );
    }
}

#[test]
fn an_old_description_costs_a_signature_no_second_request() {
    let settings = Settings {
        description_expiry: Duration::ZERO,
        ..Settings::default()
    };
    let bench = bench_with(Arc::new(MemoryService::new(2)), settings, None);
    let (_, private) = bench.ec("web");
    let (count, signed) =
        bench.requests(|| bench.sign(&mechanism(ck::CKM_ECDSA_SHA256), private, b"message"));
    assert_eq!((count, signed.is_ok()), (1, true));
    let (count, _) = bench.requests(|| bench.view(private));
    assert!(count > 0);
}

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
fn a_message_in_parts_is_hashed_here_and_signed_with_one_request() {
    let bench = bench();
    let (public, private) = bench.rsa(vec![]);
    let sha = mechanism(ck::CKM_SHA256_RSA_PKCS);
    let (count, signature) = bench.requests(|| {
        let mut operation = bench.begin(OperationClass::Sign, &sha, private).unwrap();
        for part in [b"mes".as_slice(), b"sa", b"ge"] {
            operation.update(&cx(None), part, &mut []).unwrap();
        }
        bytes(operation.finish(&cx(None), End::Output(&mut []))).unwrap()
    });
    assert_eq!(count, 1);
    bench.verify(&sha, public, b"message", &signature).unwrap();
}

#[test]
fn rsa_signs_blocks_with_a_digest_in_them_and_pss_with_the_usual_salt() {
    let bench = bench();
    let (public, private) = bench.rsa(vec![]);
    let raw = mechanism(ck::CKM_RSA_PKCS);
    let prefix = b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20".as_slice();
    let block = [prefix, &keyenclave_crypto::digest(Hash::Sha256, b"message")].concat();
    let signature = bench.sign(&raw, private, &block).unwrap();
    bench
        .verify(
            &mechanism(ck::CKM_SHA256_RSA_PKCS),
            public,
            b"message",
            &signature,
        )
        .unwrap();
    assert_eq!(rv(bench.sign(&raw, private, b"no digest")), Some(Rv::DataInvalid));
    let pss = |salt_len| {
        let params = PssParams {
            hash: Hash::Sha384,
            mgf: Hash::Sha384,
            salt_len,
        };
        Mechanism::new(ck::CKM_SHA384_RSA_PKCS_PSS, Params::Pss(params)).unwrap()
    };
    let signature = bench.sign(&pss(48), private, b"message").unwrap();
    bench.verify(&pss(48), public, b"message", &signature).unwrap();
    assert_eq!(
        rv(bench.sign(&pss(20), private, b"message")),
        Some(Rv::MechanismParamInvalid)
    );
}

#[test]
fn what_is_encrypted_here_is_decrypted_there() {
    let bench = bench();
    let (public, private) = bench.rsa(vec![
        (ck::CKA_SIGN, Value::Bool(false)),
        (ck::CKA_DECRYPT, Value::Bool(true)),
    ]);
    let params = OaepParams {
        hash: Hash::Sha256,
        mgf: Hash::Sha256,
        label: vec![],
    };
    let oaep = Mechanism::new(ck::CKM_RSA_PKCS_OAEP, Params::Oaep(params)).unwrap();
    let (count, ciphertext) = bench.requests(|| {
        let operation = bench.begin(OperationClass::Encrypt, &oaep, public).unwrap();
        let mut out = [0; 256];
        assert!(matches!(
            finish(operation.single(&cx(None), b"secret", End::Output(&mut out))),
            Ok(Out::Written(256))
        ));
        out
    });
    assert_eq!(count, 0);
    let operation = bench.begin(OperationClass::Decrypt, &oaep, private).unwrap();
    assert_eq!(
        operation.output_len(Part::Single(256)).unwrap(),
        OutputLen::AtMost(256 - 66)
    );
    assert_eq!(
        bytes(operation.single(&cx(None), &ciphertext, End::Output(&mut []))).unwrap(),
        b"secret"
    );
    let sign = bench.begin(OperationClass::Sign, &mechanism(ck::CKM_SHA256_RSA_PKCS), private);
    assert_eq!(rv(sign), Some(Rv::KeyFunctionNotPermitted));
}

#[test]
fn a_code_is_made_and_checked_with_one_request_each() {
    let bench = bench();
    let generic = mechanism(ck::CKM_GENERIC_SECRET_KEY_GEN);
    let secret = template(vec![
        (ck::CKA_TOKEN, Value::Bool(true)),
        (ck::CKA_VALUE_LEN, Value::Ulong(32)),
    ]);
    let Out::Object(key) = bench
        .run(Work::GenerateKey {
            mechanism: &generic,
            template: &secret,
        })
        .unwrap()
    else {
        panic!()
    };
    let hmac = mechanism(ck::CKM_SHA256_HMAC);
    let (count, mac) = bench.requests(|| bench.sign(&hmac, key, b"message").unwrap());
    assert_eq!((count, mac.len()), (1, 32));
    bench.verify(&hmac, key, b"message", &mac).unwrap();
    assert_eq!(
        rv(bench.verify(&hmac, key, b"massage", &mac)),
        Some(Rv::SignatureInvalid)
    );
    assert_eq!(
        rv(bench.verify(&hmac, key, b"message", &mac[1..])),
        Some(Rv::SignatureLenRange)
    );
    assert_eq!(
        rv(bench.sign(&mechanism(ck::CKM_SHA512_HMAC), key, b"message")),
        Some(Rv::MechanismInvalid)
    );
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
fn every_key_of_every_page_is_found_and_the_listing_is_remembered() {
    let bench = bench_with(service_with_keys(7, 2), Settings::default(), None);
    let private = vec![(ck::CKA_CLASS, Value::Ulong(ck::CKO_PRIVATE_KEY))];
    let found = bench.find(private.clone());
    assert_eq!((found.len(), bench.faulty.count(CallKind::List)), (7, 4));
    let (count, again) = bench.requests(|| bench.find(private));
    assert_eq!((count, again), (0, found));
    assert_eq!(bench.find(vec![]).len(), 14);
}

#[test]
fn finding_a_label_describes_one_key_only() {
    let bench = bench_with(service_with_keys(7, 10), Settings::default(), None);
    assert_eq!(bench.find(vec![(ck::CKA_LABEL, Value::bytes("key-3"))]).len(), 2);
    assert_eq!(
        (
            bench.faulty.count(CallKind::List),
            bench.faulty.count(CallKind::Describe)
        ),
        (1, 1)
    );
    assert!(
        bench
            .find(vec![(ck::CKA_LABEL, Value::bytes("key-9"))])
            .is_empty()
    );
    assert_eq!(bench.faulty.count(CallKind::Describe), 1);
}

#[test]
fn threads_that_search_at_once_share_one_listing_and_one_description_a_key() {
    let bench = bench_with(service_with_keys(6, 2), Settings::default(), None);
    bench.faulty.otherwise(Fault::Delay(Duration::from_millis(5)));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(bench.find(vec![]).len(), 12));
        }
    });
    let count = |call| bench.faulty.count(call);
    assert_eq!(
        (
            count(CallKind::List),
            count(CallKind::Describe),
            count(CallKind::PublicKey)
        ),
        (3, 6, 6)
    );
}

#[test]
fn a_failed_listing_is_told_again_without_asking_and_heals() {
    let settings = Settings {
        negative_expiry: Duration::from_secs(3600),
        ..Settings::default()
    };
    let bench = bench_with(service_with_keys(1, 1), settings, None);
    bench.faulty.plan([Fault::Fail(failure(
        ErrorKind::Denied,
        CallKind::List,
        Sent::Refused,
    ))]);
    for _ in 0..3 {
        assert_eq!(
            rv(bench.run(Work::Find(&template(vec![])))),
            Some(Rv::FunctionRejected)
        );
    }
    assert_eq!(bench.faulty.total(), 1);
    let healing = bench_with(
        service_with_keys(1, 1),
        Settings {
            negative_expiry: Duration::ZERO,
            ..Settings::default()
        },
        None,
    );
    healing.faulty.plan([Fault::Fail(failure(
        ErrorKind::Denied,
        CallKind::List,
        Sent::Refused,
    ))]);
    assert!(healing.run(Work::Find(&template(vec![]))).is_err());
    assert_eq!(healing.find(vec![]).len(), 2);
}

#[test]
fn a_listing_goes_on_when_nobody_waits_for_it_any_more() {
    let bench = bench_with(service_with_keys(4, 1), Settings::default(), None);
    bench.faulty.otherwise(Fault::Delay(Duration::from_millis(60)));
    let impatient = CallCx {
        deadline: Some(Instant::now() + Duration::from_millis(50)),
        ..cx(None)
    };
    let label = template(vec![(ck::CKA_LABEL, Value::bytes("none"))]);
    assert_eq!(
        rv(finish(bench.token.submit(&impatient, Work::Find(&label)))),
        Some(Rv::DeviceError)
    );
    assert!(bench.find(vec![(ck::CKA_LABEL, Value::bytes("none"))]).is_empty());
    assert_eq!(bench.faulty.count(CallKind::List), 4);
}

#[test]
fn what_is_made_and_destroyed_is_known_without_another_listing() {
    let bench = bench();
    let (_, first) = bench.ec("one");
    assert_eq!(bench.find(vec![]).len(), 2);
    let lists = bench.faulty.count(CallKind::List);
    bench.ec("two");
    assert_eq!(bench.find(vec![]).len(), 4);
    bench.run(Work::Destroy(first)).unwrap();
    assert_eq!(bench.find(vec![]).len(), 2);
    assert_eq!(bench.faulty.count(CallKind::List), lists);
    assert_eq!(rv(bench.run(Work::View(first))), Some(Rv::ObjectHandleInvalid));
    assert_eq!(
        rv(bench.sign(&mechanism(ck::CKM_ECDSA_SHA256), first, b"message")),
        Some(Rv::KeyHandleInvalid)
    );
}

#[test]
fn a_destroyed_key_stays_away_when_the_service_still_lists_it() {
    let settings = Settings {
        listing_expiry: Duration::ZERO,
        ..Settings::default()
    };
    let bench = bench_with(service_with_keys(2, 1), settings, None);
    let found = bench.find(vec![(ck::CKA_CLASS, Value::Ulong(ck::CKO_PRIVATE_KEY))]);
    bench.run(Work::Destroy(found[0])).unwrap();
    assert_eq!(bench.memory.len(), 2);
    assert_eq!(
        bench.find(vec![(ck::CKA_CLASS, Value::Ulong(ck::CKO_PRIVATE_KEY))]),
        found[1..]
    );
}

#[test]
fn handles_outlive_a_new_listing_and_end_with_their_key() {
    let settings = Settings {
        listing_expiry: Duration::ZERO,
        ..Settings::default()
    };
    let memory = service_with_keys(2, 10);
    let bench = bench_with(memory.clone(), settings, None);
    let found = bench.find(vec![]);
    assert_eq!(bench.find(vec![]), found);
    let name = String::from_utf8(
        bench
            .view(found[0])
            .bytes(CKA_KEYENCLAVE_REMOTE_NAME)
            .unwrap()
            .to_vec(),
    )
    .unwrap();
    memory.erase(&KeyName::new(name));
    assert_eq!(bench.find(vec![]), found[2..]);
    assert_eq!(rv(bench.run(Work::View(found[0]))), Some(Rv::ObjectHandleInvalid));
}

#[test]
fn a_key_that_is_about_to_be_deleted_is_not_shown() {
    let memory = service_with_keys(2, 10);
    let first = bench_with(memory.clone(), Settings::default(), None);
    let object = first.view(first.find(vec![])[0]);
    let name = String::from_utf8(object.bytes(CKA_KEYENCLAVE_REMOTE_NAME).unwrap().to_vec()).unwrap();
    memory.set_state(&KeyName::new(name), KeyState::Destroying);
    assert_eq!(
        bench_with(memory, Settings::default(), None).find(vec![]).len(),
        2
    );
}

#[test]
fn only_the_private_key_can_be_destroyed() {
    let bench = bench();
    let (public, private) = bench.ec("web");
    assert_eq!(rv(bench.run(Work::Destroy(public))), Some(Rv::ActionProhibited));
    bench
        .sign(&mechanism(ck::CKM_ECDSA_SHA256), private, b"message")
        .unwrap();
}

#[test]
fn a_label_means_the_current_version_and_older_versions_go_on_signing() {
    let memory = Arc::new(MemoryService::new(2));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let old = made(&memory, Some("web")).await;
        ask(&*memory, RotateKey { key: old }).await.unwrap();
    });
    let bench = bench_with(memory, Settings::default(), None);
    let private = |label: &str| {
        bench.find(vec![
            (ck::CKA_LABEL, Value::bytes(label)),
            (ck::CKA_CLASS, Value::Ulong(ck::CKO_PRIVATE_KEY)),
        ])
    };
    let (current, old) = (private("web"), private("web/versions/1"));
    assert_eq!((current.len(), old.len()), (1, 1));
    assert_ne!(current, old);
    bench
        .sign(&mechanism(ck::CKM_ECDSA_SHA256), old[0], b"message")
        .unwrap();
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
fn a_lost_answer_to_a_generation_makes_one_key_which_is_found_later() {
    let bench = bench();
    assert!(bench.find(vec![]).is_empty());
    bench.faulty.plan([Fault::LoseAnswer]);
    let curve = (ck::CKA_EC_PARAMS, Value::bytes(Curve::P256.row().oid));
    let error = bench
        .pair(ck::CKM_EC_KEY_PAIR_GEN, vec![curve], vec![])
        .unwrap_err();
    assert!(error.detail().unwrap().contains("may have been done"), "{error}");
    assert_eq!(bench.memory.len(), 1);
    assert_eq!(bench.find(vec![]).len(), 2);
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
fn a_key_that_may_not_be_described_is_left_out_and_the_others_are_found() {
    let bench = bench_with(service_with_keys(3, 10), Settings::default(), None);
    bench.faulty.plan([
        Fault::None,
        Fault::Fail(failure(ErrorKind::Denied, CallKind::Describe, Sent::Refused)),
    ]);
    assert_eq!(bench.find(vec![]).len(), 4);
    let (count, found) = bench.requests(|| bench.find(vec![]));
    assert_eq!((count, found.len()), (0, 4));
}

#[test]
fn whichever_call_fails_for_good_a_second_try_succeeds() {
    for kind in [
        ErrorKind::Credential,
        ErrorKind::Integrity,
        ErrorKind::Configuration,
    ] {
        for index in 0..6 {
            let settings = Settings {
                negative_expiry: Duration::ZERO,
                listing_expiry: Duration::ZERO,
                ..Settings::default()
            };
            let bench = bench_with(service_with_keys(2, 1), settings, None);
            let attempt = || -> Result<Vec<u8>> {
                let class = template(vec![(ck::CKA_CLASS, Value::Ulong(ck::CKO_PRIVATE_KEY))]);
                let Out::Objects(found) = bench.run(Work::Find(&class))? else {
                    panic!()
                };
                let key = found.get(1).copied().ok_or(Error::from(Rv::KeyHandleInvalid))?;
                bench.sign(&mechanism(ck::CKM_ECDSA_SHA256), key, b"message")
            };
            bench
                .faulty
                .fail_nth(index, Fault::Fail(failure(kind, CallKind::Sign, Sent::Refused)));
            assert!(attempt().is_err(), "{kind:?} {index}");
            assert_eq!(attempt().unwrap().len(), 64, "{kind:?} {index}");
        }
    }
}

#[test]
fn a_disabled_key_says_so() {
    let bench = bench();
    let (_, private) = bench.ec("web");
    let name = bench
        .view(private)
        .bytes(CKA_KEYENCLAVE_REMOTE_NAME)
        .unwrap()
        .to_vec();
    bench.memory.set_state(
        &KeyName::new(String::from_utf8(name).unwrap()),
        KeyState::Disabled,
    );
    let sha = mechanism(ck::CKM_ECDSA_SHA256);
    assert_eq!(
        rv(bench.sign(&sha, private, b"message")),
        Some(Rv::KeyFunctionNotPermitted)
    );
}

#[test]
fn what_is_advertised_is_what_the_service_and_the_engine_can_do() {
    let bench = bench();
    let mechanisms = bench.token.mechanisms();
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
