// SPDX-License-Identifier: MIT
//! SoftHSM2 behind a slot: what an application finds there.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::sync::Arc;

use cryptoki_sys as ck;
use keyenclave_model::attribute::Value;
use keyenclave_model::error::{Result, Rv};
use keyenclave_model::mechanism::Mechanism;
use keyenclave_model::template::Template;
use keyenclave_model::token::{End, ObjectId, OperationClass, Out, Part, Pin, Role, Token, Work, Wrapping};
use keyenclave_pkcs11_hsm::{HsmOptions, Libraries, PinSource, Pkcs11Token, TokenChoice};
use zeroize::Zeroizing;

#[allow(dead_code, reason = "other tests use the rest")]
mod fixture;

use fixture::{App, PIN, SO_PIN, SOFTHSM, in_own_process, object, path, prepared, settled};

fn rv<T>(result: Result<T>) -> Option<Rv> {
    result.err().map(|error| error.rv())
}

fn logged_in() -> (Arc<Libraries>, App) {
    let libraries = prepared();
    let app = App::softhsm("hsm", &libraries);
    app.login(Role::User, PIN).unwrap();
    (libraries, app)
}

#[test]
fn a_token_is_initialised_and_chosen_by_any_of_its_marks() {
    in_own_process(SOFTHSM, |_| {
        let libraries = prepared();
        let app = App::softhsm("hsm", &libraries);
        assert!(app.token.is_present());
        let info = app.token.info().unwrap();
        assert!(info.label.starts_with(b"hsm "));
        assert_ne!(info.flags & ck::CKF_USER_PIN_INITIALIZED, 0);
        assert!(info.manufacturer.starts_with("SoftHSM"));
        let serial = String::from_utf8(info.serial.to_vec()).unwrap();
        for uri in [
            format!("pkcs11:serial={serial}"),
            format!("pkcs11:token=hsm;model={}", info.model.replace(' ', "%20")),
        ] {
            let token = TokenChoice::from_uri(&uri).unwrap();
            let same = App::new(
                HsmOptions {
                    token,
                    ..HsmOptions::new(SOFTHSM)
                },
                &libraries,
            );
            assert!(same.token.is_present(), "{uri}");
        }
        let other = App::softhsm("other", &libraries);
        assert!(!other.token.is_present());
        assert_eq!(rv(other.token.info()), Some(Rv::TokenNotPresent));
    });
}

#[test]
fn a_token_that_comes_later_is_found() {
    in_own_process(SOFTHSM, |_| {
        let libraries = Arc::new(Libraries::default());
        let app = App::softhsm("hsm", &libraries);
        assert!(!app.token.is_present());
        App::new(HsmOptions::new(SOFTHSM), &libraries).init("hsm");
        assert!(app.token.is_present());
        app.login(Role::User, PIN).unwrap();
    });
}

#[test]
fn a_token_that_another_process_makes_is_found() {
    in_own_process(SOFTHSM, |_| {
        let tool = std::path::Path::new("/usr/bin/softhsm2-util");
        if !tool.exists() {
            return keyenclave_conformance::case::skipped(
                "a_token_that_another_process_makes_is_found",
                "softhsm2-util is not installed",
            );
        }
        let libraries = Arc::new(Libraries::default());
        let app = App::softhsm("hsm", &libraries);
        assert!(!app.token.is_present());
        let made = std::process::Command::new(tool)
            .args([
                "--init-token",
                "--free",
                "--label",
                "hsm",
                "--so-pin",
                "12345678",
                "--pin",
                "1234",
            ])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let late = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while !app.token.is_present() {
            assert!(std::time::Instant::now() < late, "the token is never seen");
            std::thread::yield_now();
        }
        app.login(Role::User, PIN).unwrap();
    });
}

#[test]
fn a_module_that_is_no_module_leaves_the_slot_empty() {
    in_own_process(SOFTHSM, |place| {
        let libraries = Arc::new(Libraries::default());
        let text = place.join("text.so");
        std::fs::write(&text, "no library").unwrap();
        for module in [
            path("/nowhere/at/all.so"),
            text,
            path("/lib/x86_64-linux-gnu/libc.so.6"),
        ] {
            let app = App::new(HsmOptions::new(&module), &libraries);
            assert!(!app.token.is_present());
            let error = app.token.info().err().unwrap();
            assert_eq!(error.rv(), Rv::TokenNotPresent);
            assert!(error.to_string().contains(module.to_str().unwrap()), "{error}");
        }
        let ourselves = App::new(HsmOptions::new(std::env::current_exe().unwrap()), &libraries);
        let error = ourselves.token.info().err().unwrap();
        assert!(error.to_string().contains("KeyEnclave itself"), "{error}");
    });
}

#[test]
fn keys_of_every_kind_work() {
    in_own_process(SOFTHSM, |_| {
        let (_libraries, app) = logged_in();
        let (public, private) = app.generate_ec("ec", true);
        let signature = app.sign(private, &[1; 32]).unwrap();
        assert_eq!(signature.len(), 64);
        app.verify(public, &[1; 32], &signature).unwrap();
        assert_eq!(
            rv(app.verify(public, &[2; 32], &signature)),
            Some(Rv::SignatureInvalid)
        );
        app.verify(public, &[1; 32], &signature).unwrap();

        let aes = app.generate_aes("aes", false).unwrap();
        let (iv, aad) = (vec![9u8; 12], vec![8u8; 20]);
        let gcm = gcm(&iv, &aad);
        let sealed = app
            .whole(OperationClass::Encrypt, &gcm, Some(aes), b"secret")
            .unwrap();
        assert_eq!(sealed.len(), 6 + 16);
        let opened = app
            .whole(OperationClass::Decrypt, &gcm, Some(aes), &sealed)
            .unwrap();
        assert_eq!(opened, b"secret");
        let mut broken = sealed.clone();
        broken[0] ^= 1;
        assert!(
            app.whole(OperationClass::Decrypt, &gcm, Some(aes), &broken)
                .is_err()
        );
    });
}

/// For GCM, with pointers into memory that outlives the call.
fn gcm(iv: &[u8], aad: &[u8]) -> Mechanism {
    let words = [
        iv.as_ptr().expose_provenance() as u64,
        iv.len() as u64,
        0,
        aad.as_ptr().expose_provenance() as u64,
        aad.len() as u64,
        128,
    ];
    let parameter = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    Mechanism::given(ck::CKM_AES_GCM, Some(parameter))
}

#[test]
fn parts_come_to_the_same_as_the_whole() {
    in_own_process(SOFTHSM, |_| {
        let (_libraries, app) = logged_in();
        let aes = app.generate_aes("aes", false).unwrap();
        let cbc = Mechanism::given(ck::CKM_AES_CBC_PAD, Some(vec![3; 16]));
        let text: Vec<u8> = (0..100).collect();
        let whole = app
            .whole(OperationClass::Encrypt, &cbc, Some(aes), &text)
            .unwrap();
        let parts = in_parts(&app, OperationClass::Encrypt, &cbc, aes, &text);
        assert_eq!(parts, whole);
        let back = in_parts(&app, OperationClass::Decrypt, &cbc, aes, &whole);
        assert_eq!(back, text);
    });
}

fn in_parts(app: &App, class: OperationClass, mechanism: &Mechanism, key: ObjectId, input: &[u8]) -> Vec<u8> {
    let cx = app.cx();
    let mut operation = app.begin(class, mechanism, Some(key)).unwrap();
    let mut all = Vec::new();
    for part in input.chunks(33) {
        let mut out = vec![0; operation.output_len(Part::Update(part.len())).unwrap().max()];
        let len = operation.update(&cx, part, &mut out).unwrap();
        all.extend_from_slice(&out[..len]);
    }
    let mut out = vec![0; operation.output_len(Part::Finish).unwrap().max()];
    match settled(operation.finish(&cx, End::Output(&mut out)), &cx).unwrap() {
        Out::Written(len) => all.extend_from_slice(&out[..len]),
        Out::Bytes(bytes) => all.extend_from_slice(&bytes),
        _ => panic!("no output"),
    }
    all
}

#[test]
fn two_operations_of_one_session_go_on_side_by_side() {
    in_own_process(SOFTHSM, |_| {
        let (_libraries, app) = logged_in();
        let (public, private) = app.generate_ec("ec", false);
        let cx = app.cx();
        let sha = Mechanism::given(ck::CKM_SHA256, None);
        let mut digest = app.begin(OperationClass::Digest, &sha, None).unwrap();
        digest.update(&cx, b"ab", &mut []).unwrap();
        let signature = app.sign(private, &[1; 32]).unwrap();
        assert_eq!(app.find(ck::CKO_PRIVATE_KEY, "ec").unwrap(), [private]);
        digest.update(&cx, b"c", &mut []).unwrap();
        let mut out = [0; 32];
        settled(digest.finish(&cx, End::Output(&mut out)), &cx).unwrap();
        assert_eq!(
            out.to_vec(),
            app.whole(OperationClass::Digest, &sha, None, b"abc").unwrap()
        );
        app.verify(public, &[1; 32], &signature).unwrap();
    });
}

#[test]
fn an_operation_that_is_dropped_leaves_no_trace() {
    in_own_process(SOFTHSM, |_| {
        let (_libraries, app) = logged_in();
        let (_, private) = app.generate_ec("ec", false);
        let mechanism = Mechanism::given(ck::CKM_ECDSA, None);
        for _ in 0..200 {
            drop(
                app.begin(OperationClass::Sign, &mechanism, Some(private))
                    .unwrap(),
            );
        }
        assert!(app.sign(private, &[1; 32]).is_ok(), "its session object lives");
    });
}

#[test]
fn session_objects_die_with_their_session_and_not_before() {
    in_own_process(SOFTHSM, |_| {
        let (libraries, mut app) = logged_in();
        let key = app.generate_aes("mine", false).unwrap();
        let mine = app.session;
        for _ in 0..100 {
            app.new_session();
            app.whole(
                OperationClass::Digest,
                &Mechanism::given(ck::CKM_SHA256, None),
                None,
                b"",
            )
            .unwrap();
            app.token.close_session(app.session);
        }
        assert_eq!(app.find(ck::CKO_SECRET_KEY, "mine").unwrap(), [key]);
        app.token.close_session(mine);
        assert!(app.find(ck::CKO_SECRET_KEY, "mine").unwrap().is_empty());
        let ecb = Mechanism::given(ck::CKM_AES_ECB, None);
        let gone = app.whole(OperationClass::Encrypt, &ecb, Some(key), &[0; 16]);
        assert_eq!(rv(gone), Some(Rv::KeyHandleInvalid));
        drop(libraries);
    });
}

#[test]
fn attributes_are_read_set_and_searched_for() {
    in_own_process(SOFTHSM, |_| {
        let (_libraries, app) = logged_in();
        let (public, private) = app.generate_ec("old", true);
        let wanted = [ck::CKA_LABEL, ck::CKA_VALUE, ck::CKA_MODULUS, ck::CKA_SIGN];
        let read = app.attributes(private, &wanted).unwrap();
        assert_eq!(
            read[0].as_ref().ok().and_then(Value::as_bytes),
            Some(b"old".as_slice())
        );
        assert_eq!(read[1].as_ref().err(), Some(&Rv::AttributeSensitive));
        assert_eq!(read[2].as_ref().err(), Some(&Rv::AttributeTypeInvalid));
        assert!(matches!(read[3], Ok(Value::Bool(true))));
        let template: Template = [(ck::CKA_LABEL, Value::bytes(*b"new"))].into_iter().collect();
        app.run(Work::Set {
            object: private,
            template: &template,
        })
        .unwrap();
        assert_eq!(app.find(ck::CKO_PRIVATE_KEY, "new").unwrap(), [private]);
        assert!(matches!(app.run(Work::Size(public)), Ok(Out::Size(_))));
        app.run(Work::Destroy(private)).unwrap();
        assert_eq!(
            rv(app.attributes(private, &wanted)),
            Some(Rv::ObjectHandleInvalid)
        );
    });
}

#[test]
fn objects_are_created_and_copied() {
    in_own_process(SOFTHSM, |_| {
        let (_libraries, app) = logged_in();
        let data: Template = [
            (ck::CKA_CLASS, Value::Ulong(ck::CKO_DATA)),
            (ck::CKA_TOKEN, Value::Bool(false)),
            (ck::CKA_LABEL, Value::bytes(*b"one")),
            (ck::CKA_VALUE, Value::bytes(vec![7; 3000])),
        ]
        .into_iter()
        .collect();
        let one = object(app.run(Work::Create(&data)).unwrap());
        let value = app.attributes(one, &[ck::CKA_VALUE]).unwrap();
        assert_eq!(
            value[0].as_ref().ok().and_then(Value::as_bytes).unwrap().len(),
            3000
        );
        let change: Template = [(ck::CKA_LABEL, Value::bytes(*b"two"))].into_iter().collect();
        let copy = Work::Copy {
            object: one,
            template: &change,
        };
        let two = object(app.run(copy).unwrap());
        assert_ne!(one, two);
        assert_eq!(app.find(ck::CKO_DATA, "two").unwrap(), [two]);
    });
}

#[test]
fn a_key_is_wrapped_and_unwrapped() {
    in_own_process(SOFTHSM, |_| {
        let (_libraries, app) = logged_in();
        let (wrapping, key) = (
            app.generate_aes("kek", false).unwrap(),
            app.generate_aes("key", false).unwrap(),
        );
        let mechanism = Mechanism::given(ck::CKM_AES_KEY_WRAP, None);
        let what = Wrapping {
            mechanism: &mechanism,
            wrapping,
            key,
            associated: None,
        };
        let Out::Size(len) = app.run(Work::WrapLen(what)).unwrap() else {
            panic!("no length")
        };
        let Out::Bytes(wrapped) = app.run(Work::Wrap(what)).unwrap() else {
            panic!("no bytes")
        };
        assert_eq!(wrapped.len() as u64, len);
        let template: Template = [
            (ck::CKA_CLASS, Value::Ulong(ck::CKO_SECRET_KEY)),
            (ck::CKA_KEY_TYPE, Value::Ulong(ck::CKK_AES)),
            (ck::CKA_TOKEN, Value::Bool(false)),
            (ck::CKA_ENCRYPT, Value::Bool(true)),
        ]
        .into_iter()
        .collect();
        let unwrap = Work::Unwrap {
            mechanism: &mechanism,
            unwrapping: wrapping,
            wrapped: &wrapped,
            associated: None,
            template: &template,
        };
        let again = object(app.run(unwrap).unwrap());
        let ecb = Mechanism::given(ck::CKM_AES_ECB, None);
        let by = |key| {
            app.whole(OperationClass::Encrypt, &ecb, Some(key), &[5; 16])
                .unwrap()
        };
        assert_eq!(by(key), by(again));
    });
}

#[test]
fn two_slots_of_one_token_share_its_login() {
    in_own_process(SOFTHSM, |_| {
        let libraries = prepared();
        let (one, other) = (App::softhsm("hsm", &libraries), App::softhsm("hsm", &libraries));
        one.login(Role::User, PIN).unwrap();
        assert_eq!(rv(other.login(Role::User, b"4321")), Some(Rv::PinIncorrect));
        other.login(Role::User, PIN).unwrap();
        let (_, key) = one.generate_ec("key", true);
        one.run(Work::Logout).unwrap();
        assert_eq!(
            other.find(ck::CKO_PRIVATE_KEY, "key").unwrap(),
            [key],
            "the other is logged in"
        );
        other.run(Work::Logout).unwrap();
        assert!(other.find(ck::CKO_PRIVATE_KEY, "key").unwrap().is_empty());
        assert_eq!(rv(other.sign(key, &[1; 32])), Some(Rv::KeyHandleInvalid));
    });
}

#[test]
fn the_security_officer_logs_in_beside_idle_read_only_sessions() {
    in_own_process(SOFTHSM, |_| {
        let libraries = prepared();
        let mut app = App::softhsm("hsm", &libraries);
        app.writable = false;
        app.find(ck::CKO_DATA, "x").unwrap();
        app.writable = true;
        app.login(Role::So, SO_PIN).unwrap();
        app.run(Work::InitPin(Pin(b"5678"))).unwrap();
        app.run(Work::Logout).unwrap();
        assert_eq!(rv(app.login(Role::User, PIN)), Some(Rv::PinIncorrect));
        app.login(Role::User, b"5678").unwrap();
        app.run(Work::SetPin {
            old: Pin(b"5678"),
            new: Pin(PIN),
        })
        .unwrap();
        app.run(Work::Logout).unwrap();
        app.login(Role::User, PIN).unwrap();
    });
}

struct Fixed(&'static [u8]);

impl PinSource for Fixed {
    fn pin(&self) -> Result<Zeroizing<Vec<u8>>> {
        Ok(Zeroizing::new(self.0.to_vec()))
    }
}

#[test]
fn a_pin_by_reference_logs_in_by_itself() {
    in_own_process(SOFTHSM, |_| {
        let libraries = prepared();
        let app = |pin| {
            let token = TokenChoice::from_uri("pkcs11:token=hsm").unwrap();
            let options = HsmOptions {
                token,
                pin: Some(Arc::new(Fixed(pin))),
                ..HsmOptions::new(SOFTHSM)
            };
            App::new(options, &libraries)
        };
        let wrong = app(b"4321");
        let error = wrong.find(ck::CKO_DATA, "x").err().unwrap();
        assert_eq!(error.rv(), Rv::PinIncorrect);
        assert!(error.to_string().contains("configured PIN"), "{error}");
        drop(wrong);
        let right = app(PIN);
        assert_eq!(right.token.info().unwrap().flags & ck::CKF_LOGIN_REQUIRED, 0);
        let (_, key) = right.generate_ec("key", true);
        right.sign(key, &[1; 32]).unwrap();
    });
}

#[test]
fn work_with_a_deadline_comes_to_the_same() {
    in_own_process(SOFTHSM, |_| {
        let (_libraries, mut app) = logged_in();
        app.deadline = Some(std::time::Duration::from_secs(60));
        let (public, private) = app.generate_ec("ec", true);
        let signature = app.sign(private, &[1; 32]).unwrap();
        app.verify(public, &[1; 32], &signature).unwrap();
        let aes = app.generate_aes("aes", false).unwrap();
        let (iv, aad) = (vec![9u8; 12], vec![8u8; 20]);
        let gcm = gcm(&iv, &aad);
        let sealed = app
            .whole(OperationClass::Encrypt, &gcm, Some(aes), b"secret")
            .unwrap();
        assert_eq!(
            app.whole(OperationClass::Decrypt, &gcm, Some(aes), &sealed)
                .unwrap(),
            b"secret"
        );
        let cbc = Mechanism::given(ck::CKM_AES_CBC_PAD, Some(vec![3; 16]));
        let text: Vec<u8> = (0..100).collect();
        let parts = in_parts(&app, OperationClass::Encrypt, &cbc, aes, &text);
        assert_eq!(in_parts(&app, OperationClass::Decrypt, &cbc, aes, &parts), text);
        let mut random = [0; 32];
        app.run(Work::Random(&mut random)).unwrap();
        assert_ne!(random, [0; 32]);
    });
}

#[test]
fn mechanisms_are_told_as_the_vendor_tells_them() {
    in_own_process(SOFTHSM, |_| {
        let libraries = prepared();
        let app = App::softhsm("hsm", &libraries);
        let told = app.token.mechanisms().unwrap();
        let gcm = told.iter().find(|info| info.id == ck::CKM_AES_GCM).unwrap();
        assert_ne!(gcm.flags & ck::CKF_ENCRYPT, 0);
        assert!(told.len() > 40);
    });
}

#[test]
fn many_threads_share_few_sessions() {
    in_own_process(SOFTHSM, |_| {
        let libraries = prepared();
        let token = TokenChoice::from_uri("pkcs11:token=hsm").unwrap();
        let options = HsmOptions {
            token,
            max_sessions: Some(2),
            ..HsmOptions::new(SOFTHSM)
        };
        let app = App::new(options, &libraries);
        app.login(Role::User, PIN).unwrap();
        let (public, private) = app.generate_ec("ec", true);
        let token: &Pkcs11Token = &app.token;
        std::thread::scope(|scope| {
            for thread in 0..8u64 {
                let base = app.cx();
                scope.spawn(move || {
                    let cx = keyenclave_model::token::CallCx {
                        session: keyenclave_model::token::SessionId(5_000_000 + thread),
                        ..base
                    };
                    for _ in 0..50 {
                        let mechanism = &Mechanism::given(ck::CKM_ECDSA, None);
                        let begin = Work::Begin {
                            class: OperationClass::Sign,
                            mechanism,
                            key: Some(private),
                        };
                        let Out::Operation(operation) = settled(token.submit(&cx, begin), &cx).unwrap()
                        else {
                            panic!("no operation");
                        };
                        let mut out = [0; 64];
                        settled(operation.single(&cx, &[1; 32], End::Output(&mut out)), &cx).unwrap();
                    }
                    token.close_session(cx.session);
                });
            }
        });
        let signature = app.sign(private, &[1; 32]).unwrap();
        app.verify(public, &[1; 32], &signature).unwrap();
    });
}
