// SPDX-License-Identifier: MIT
//! What slots, sessions and threads share: the login and the vendor's sessions.

use super::*;

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
        assert_eq!(error.rv(), Rv::FunctionFailed);
        assert!(error.to_string().contains("configured PIN"), "{error}");
        drop(wrong);
        let right = app(PIN);
        assert_eq!(right.token.info().unwrap().flags & ck::CKF_LOGIN_REQUIRED, 0);
        let (_, key) = right.generate_ec("key", true);
        right.sign(key, &[1; 32]).unwrap();
    });
}

/// Logged in, with two sessions of the vendor's to work in.
fn with_two_sessions() -> (Arc<Libraries>, App) {
    let libraries = prepared();
    let token = TokenChoice::from_uri("pkcs11:token=hsm").unwrap();
    let options = HsmOptions {
        token,
        max_sessions: Some(2),
        ..HsmOptions::new(SOFTHSM)
    };
    let app = App::new(options, &libraries);
    app.login(Role::User, PIN).unwrap();
    (libraries, app)
}

#[test]
fn closing_a_session_that_makes_a_key_leaves_nothing_behind() {
    in_own_process(SOFTHSM, |_| {
        let (_libraries, mut app) = with_two_sessions();
        for _ in 0..8 {
            app.new_session();
            let (cx, token) = (app.cx(), &app.token);
            std::thread::scope(|scope| {
                let maker = scope.spawn(|| {
                    let template: Template =
                        [(ck::CKA_MODULUS_BITS, Value::Ulong(2048))].into_iter().collect();
                    let work = Work::GenerateKeyPair {
                        mechanism: &Mechanism::given(ck::CKM_RSA_PKCS_KEY_PAIR_GEN, None),
                        public: &template,
                        private: &Template::default(),
                    };
                    settled(token.submit(&cx, work), &cx).map(drop)
                });
                token.close_session(cx.session);
                assert_eq!(rv(maker.join().unwrap()), Some(Rv::SessionClosed));
            });
        }
        app.new_session();
        assert!(app.find(ck::CKO_PRIVATE_KEY, "").unwrap().is_empty());
        app.generate_aes("last", false).unwrap();
    });
}

#[test]
fn a_slot_whose_token_is_missing_disturbs_no_other() {
    in_own_process(SOFTHSM, |_| {
        let libraries = prepared();
        let app = App::softhsm("hsm", &libraries);
        app.login(Role::User, PIN).unwrap();
        let key = app.generate_aes("mine", false).unwrap();
        let missing = App::softhsm("there is none", &libraries);
        assert!(!missing.token.is_present());
        let label = app.attributes(key, &[ck::CKA_LABEL]).unwrap();
        assert!(
            label[0].is_ok(),
            "a session object dies when the module is finalised"
        );
    });
}

#[test]
fn private_session_objects_die_with_the_login_and_hold_nothing() {
    in_own_process(SOFTHSM, |_| {
        let (_libraries, mut app) = with_two_sessions();
        let key = app.generate_aes("private", false).unwrap();
        app.new_session();
        app.generate_aes("private", false).unwrap();
        let template: Template = [
            (ck::CKA_CLASS, Value::Ulong(ck::CKO_DATA)),
            (ck::CKA_PRIVATE, Value::Bool(false)),
        ]
        .into_iter()
        .collect();
        let public = object(app.run(Work::Create(&template)).unwrap());
        app.run(Work::Logout).unwrap();
        app.new_session();
        assert!(app.find(ck::CKO_SECRET_KEY, "private").unwrap().is_empty());
        assert!(app.attributes(public, &[ck::CKA_CLASS]).unwrap()[0].is_ok());
        app.login(Role::User, PIN).unwrap();
        assert_eq!(rv(app.run(Work::Destroy(key))), Some(Rv::ObjectHandleInvalid));
        app.generate_aes("another", false).unwrap();
    });
}

#[test]
fn a_token_is_not_initialised_under_the_sessions_of_another_slot() {
    in_own_process(SOFTHSM, |_| {
        let libraries = prepared();
        let (one, other) = (App::softhsm("hsm", &libraries), App::softhsm("hsm", &libraries));
        one.token.open_session(one.session);
        one.login(Role::User, PIN).unwrap();
        let (_, key) = one.generate_ec("key", true);
        assert!(other.token.is_present());
        let init = || Work::InitToken {
            so_pin: Pin(SO_PIN),
            label: *b"other                           ",
        };
        assert_eq!(rv(other.run(init())), Some(Rv::SessionExists));
        one.sign(key, &[1; 32]).unwrap();
        one.run(Work::Logout).unwrap();
        one.token.close_session(one.session);
        other.run(init()).unwrap();
    });
}

#[test]
fn many_threads_share_few_sessions() {
    in_own_process(SOFTHSM, |_| {
        let (_libraries, app) = with_two_sessions();
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
