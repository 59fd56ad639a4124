// SPDX-License-Identifier: MIT
//! Kryoptic behind a slot: a module of version 3.2. `KEYENCLAVE_KRYOPTIC` says where it is.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::sync::Arc;

use cryptoki_sys as ck;
use keyenclave_model::attribute::Value;
use keyenclave_model::mechanism::Mechanism;
use keyenclave_model::template::Template;
use keyenclave_model::token::{Encapsulation, OperationClass, Out, Role, Token, Work};
use keyenclave_pkcs11_hsm::{HsmOptions, Libraries, Pkcs11Token, TokenChoice};

#[allow(dead_code, reason = "other tests use the rest")]
mod fixture;

use fixture::{App, PIN, in_own_process, object};

fn module() -> String {
    std::env::var("KEYENCLAVE_KRYOPTIC").unwrap_or_else(|_| "/usr/lib64/pkcs11/libkryoptic_pkcs11.so".into())
}

fn logged_in() -> (Arc<Libraries>, App) {
    let libraries = Arc::new(Libraries::default());
    let token = TokenChoice::from_uri("pkcs11:slot-id=42").unwrap();
    let options = HsmOptions {
        token,
        ..HsmOptions::new(module())
    };
    let app = App::new(options, &libraries);
    app.init("hsm");
    app.login(Role::User, PIN).unwrap();
    (libraries, app)
}

#[test]
fn keys_sign_and_encrypt() {
    in_own_process(&module(), |_| {
        let (_libraries, app) = logged_in();
        let (public, private) = app.generate_ec("ec", true);
        let signature = app.sign(private, &[1; 32]).unwrap();
        app.verify(public, &[1; 32], &signature).unwrap();
        assert_eq!(app.find(ck::CKO_PRIVATE_KEY, "ec").unwrap(), [private]);
        let aes = app.generate_aes("aes", false).unwrap();
        let cbc = Mechanism::given(ck::CKM_AES_CBC_PAD, Some(vec![3; 16]));
        let sealed = app
            .whole(OperationClass::Encrypt, &cbc, Some(aes), b"secret")
            .unwrap();
        assert_eq!(
            app.whole(OperationClass::Decrypt, &cbc, Some(aes), &sealed)
                .unwrap(),
            b"secret"
        );
    });
}

#[test]
fn a_signature_may_come_first() {
    in_own_process(&module(), |_| {
        let (_libraries, mut app) = logged_in();
        app.signatures_may_come_first();
    });
}

#[test]
fn operations_that_are_dropped_are_cancelled() {
    in_own_process(&module(), |_| {
        let (_libraries, app) = logged_in();
        app.begin_and_drop();
    });
}

#[test]
fn a_key_is_encapsulated_and_decapsulated() {
    in_own_process(&module(), |_| {
        let (_libraries, app) = logged_in();
        if !app
            .token
            .mechanisms()
            .unwrap()
            .iter()
            .any(|info| info.id == ck::CKM_ML_KEM)
        {
            return keyenclave_conformance::case::skipped(
                "a_key_is_encapsulated_and_decapsulated",
                "this Kryoptic has no ML-KEM",
            );
        }
        let set = (ck::CKA_PARAMETER_SET, Value::Ulong(ck::CKP_ML_KEM_768));
        let public: Template = [set, (ck::CKA_ENCAPSULATE, Value::Bool(true))]
            .into_iter()
            .collect();
        let private: Template = [(ck::CKA_DECAPSULATE, Value::Bool(true))].into_iter().collect();
        let generate = Work::GenerateKeyPair {
            mechanism: &Mechanism::given(ck::CKM_ML_KEM_KEY_PAIR_GEN, None),
            public: &public,
            private: &private,
        };
        let Out::Pair { public, private } = app.run(generate).unwrap() else {
            panic!("no pair")
        };
        let template: Template = [
            (ck::CKA_CLASS, Value::Ulong(ck::CKO_SECRET_KEY)),
            (ck::CKA_KEY_TYPE, Value::Ulong(ck::CKK_GENERIC_SECRET)),
            (ck::CKA_SENSITIVE, Value::Bool(false)),
            (ck::CKA_EXTRACTABLE, Value::Bool(true)),
        ]
        .into_iter()
        .collect();
        let mechanism = Mechanism::given(ck::CKM_ML_KEM, None);
        let what = Encapsulation {
            mechanism: &mechanism,
            public,
            template: &template,
        };
        let Out::Size(len) = app.run(Work::EncapsulateLen(what)).unwrap() else {
            panic!("no length")
        };
        let Out::Encapsulated { ciphertext, key } = app.run(Work::Encapsulate(what)).unwrap() else {
            panic!("no key");
        };
        assert_eq!(ciphertext.len() as u64, len);
        let decapsulate = Work::Decapsulate {
            mechanism: &mechanism,
            private,
            ciphertext: &ciphertext,
            template: &template,
        };
        let same = object(app.run(decapsulate).unwrap());
        let value = |key| {
            let read = app.attributes(key, &[ck::CKA_VALUE]).unwrap();
            read[0].as_ref().ok().and_then(Value::as_bytes).unwrap().to_vec()
        };
        assert_eq!(value(key), value(same));
    });
}
