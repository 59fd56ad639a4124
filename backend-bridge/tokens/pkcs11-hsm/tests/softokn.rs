// SPDX-License-Identifier: MIT
//! NSS softokn behind a slot: a module with an init-argument string and interfaces of version 3.0, and no SoftHSM.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::path::Path;
use std::sync::Arc;

use cryptoki_sys as ck;
use keyenclave_model::attribute::Value;
use keyenclave_model::error::{Result, Rv};
use keyenclave_model::mechanism::Mechanism;
use keyenclave_model::template::Template;
use keyenclave_model::token::{
    Message, MessageEnd, MessageStep, ObjectId, OperationClass, Out, Pin, Processed, Role, Token, Work,
};
use keyenclave_pkcs11_hsm::{HsmOptions, Libraries, Pkcs11Token, TokenChoice};

#[allow(dead_code, reason = "other tests use the rest")]
mod fixture;

use fixture::{App, PIN, in_own_process, object};

const SOFTOKN: &str = "/usr/lib/x86_64-linux-gnu/libsoftokn3.so";

fn options(place: &Path, token: &str) -> HsmOptions {
    let init = format!(
        "configdir='sql:{}' certPrefix='' keyPrefix='' secmod='secmod.db' flags=",
        place.join("tokens").display()
    );
    HsmOptions {
        init: Some(init),
        token: TokenChoice::from_uri(token).unwrap(),
        ..HsmOptions::new(SOFTOKN)
    }
}

const KEYS: &str = "pkcs11:token=NSS%20Certificate%20DB";
const CRYPTO: &str = "pkcs11:token=NSS%20Generic%20Crypto%20Services";

/// The token with keys, with a PIN, logged in.
fn logged_in(place: &Path) -> (Arc<Libraries>, App) {
    let libraries = Arc::new(Libraries::default());
    let app = App::new(options(place, KEYS), &libraries);
    app.login(Role::So, b"").unwrap();
    app.run(Work::InitPin(Pin(PIN))).unwrap();
    app.run(Work::Logout).unwrap();
    app.login(Role::User, PIN).unwrap();
    (libraries, app)
}

#[test]
fn its_tokens_are_there_with_the_string_that_names_its_databases() {
    in_own_process(SOFTOKN, |place| {
        let libraries = Arc::new(Libraries::default());
        let app = App::new(options(place, KEYS), &libraries);
        assert!(app.token.is_present());
        let crypto = App::new(options(place, CRYPTO), &libraries);
        assert!(crypto.token.is_present());
        assert!(
            crypto
                .token
                .mechanisms()
                .unwrap()
                .iter()
                .any(|info| info.id == ck::CKM_AES_GCM)
        );
        let other = HsmOptions {
            init: Some("configdir='/elsewhere'".into()),
            ..options(place, KEYS)
        };
        let error = App::new(other, &libraries).token.info().err().unwrap();
        assert!(
            error.to_string().contains("another init-argument string"),
            "{error}"
        );
    });
}

#[test]
fn token_keys_sign_and_are_found_again() {
    in_own_process(SOFTOKN, |place| {
        let (libraries, app) = logged_in(place);
        let (public, private) = app.generate_ec("ec", true);
        let signature = app.sign(private, &[1; 32]).unwrap();
        app.verify(public, &[1; 32], &signature).unwrap();
        drop((app, libraries));
        let libraries = Arc::new(Libraries::default());
        let app = App::new(options(place, KEYS), &libraries);
        app.login(Role::User, PIN).unwrap();
        let [private] = app.find(ck::CKO_PRIVATE_KEY, "ec").unwrap()[..] else {
            panic!("the key is not there after the module was initialised again");
        };
        let [public] = app.find(ck::CKO_PUBLIC_KEY, "ec").unwrap()[..] else {
            panic!("the public key is not there");
        };
        let signature = app.sign(private, &[2; 32]).unwrap();
        app.verify(public, &[2; 32], &signature).unwrap();
    });
}

#[test]
fn a_key_in_a_parameter_is_ours_in_ours_and_theirs_in_theirs() {
    in_own_process(SOFTOKN, |place| {
        let libraries = Arc::new(Libraries::default());
        let app = App::new(options(place, CRYPTO), &libraries);
        let (one, other) = (secret(&app, &[1; 16]).unwrap(), secret(&app, &[2; 16]).unwrap());
        let parameter = Some(other.0.to_ne_bytes().to_vec());
        let template: Template = [
            (ck::CKA_CLASS, Value::Ulong(ck::CKO_SECRET_KEY)),
            (ck::CKA_KEY_TYPE, Value::Ulong(ck::CKK_GENERIC_SECRET)),
            (ck::CKA_VALUE_LEN, Value::Ulong(32)),
            (ck::CKA_SENSITIVE, Value::Bool(false)),
            (ck::CKA_EXTRACTABLE, Value::Bool(true)),
        ]
        .into_iter()
        .collect();
        let derive = |parameter| {
            let mechanism = Mechanism::given(ck::CKM_CONCATENATE_BASE_AND_KEY, parameter);
            app.run(Work::Derive {
                mechanism: &mechanism,
                base: one,
                template: &template,
                has_handle: true,
            })
        };
        let derived = object(derive(parameter).unwrap());
        let value = app.attributes(derived, &[ck::CKA_VALUE]).unwrap();
        let value = value[0].as_ref().ok().and_then(Value::as_bytes).unwrap();
        assert_eq!(value, [[1; 16], [2; 16]].concat());
        // A number of the vendor's is nothing here.
        assert!((1..50u64).all(|number| derive(Some(number.to_ne_bytes().to_vec())).is_err()));
    });
}

fn secret(app: &App, value: &[u8]) -> Result<ObjectId> {
    let template: Template = [
        (ck::CKA_CLASS, Value::Ulong(ck::CKO_SECRET_KEY)),
        (ck::CKA_KEY_TYPE, Value::Ulong(ck::CKK_GENERIC_SECRET)),
        (ck::CKA_TOKEN, Value::Bool(false)),
        (ck::CKA_DERIVE, Value::Bool(true)),
        (ck::CKA_SENSITIVE, Value::Bool(false)),
        (ck::CKA_EXTRACTABLE, Value::Bool(true)),
        (ck::CKA_VALUE, Value::bytes(value)),
    ]
    .into_iter()
    .collect();
    app.run(Work::Create(&template)).map(object)
}

#[test]
fn messages_are_sealed_and_opened() {
    in_own_process(SOFTOKN, |place| {
        let libraries = Arc::new(Libraries::default());
        let app = App::new(options(place, CRYPTO), &libraries);
        let key = app.generate_aes("aes", false).unwrap();
        let (mut iv, mut tag) = ([4u8; 12], [0u8; 16]);
        let sealed = message(&app, OperationClass::Encrypt, key, (&mut iv, &mut tag), b"secret").unwrap();
        assert_ne!(tag, [0; 16], "the vendor writes where the parameter points");
        let opened = message(&app, OperationClass::Decrypt, key, (&mut iv, &mut tag), &sealed).unwrap();
        assert_eq!(opened, b"secret");
        tag[0] ^= 1;
        let broken = message(&app, OperationClass::Decrypt, key, (&mut iv, &mut tag), &sealed);
        assert!(broken.is_err());
    });
}

fn message(
    app: &App,
    class: OperationClass,
    key: ObjectId,
    (iv, tag): (&mut [u8; 12], &mut [u8; 16]),
    input: &[u8],
) -> Result<Vec<u8>> {
    let mechanism = &Mechanism::given(ck::CKM_AES_GCM, None);
    let begin = Work::BeginMessages {
        class,
        mechanism,
        key,
    };
    let Out::Messages(mut messages) = app.run(begin)? else {
        panic!("no messages");
    };
    // CK_GCM_MESSAGE_PARAMS.
    let words = [
        iv.as_mut_ptr().expose_provenance() as u64,
        12,
        0,
        ck::CKG_NO_GENERATE,
        tag.as_mut_ptr().expose_provenance() as u64,
        128,
    ];
    let mut parameter: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let mut out = vec![0; input.len() + 32];
    let processed = messages.process(
        &app.cx(),
        Message {
            step: MessageStep::Whole,
            parameter: &mut parameter,
            associated: b"header",
            input,
            end: MessageEnd::Output(&mut out),
        },
    );
    messages.finish(&app.cx())?;
    match processed? {
        Processed::Written(len) => {
            out.truncate(len);
            Ok(out)
        }
        Processed::Needs(_) => Err(Rv::BufferTooSmall.into()),
    }
}

#[test]
fn an_operation_that_is_dropped_is_cancelled() {
    in_own_process(SOFTOKN, |place| {
        let (_libraries, app) = logged_in(place);
        let (_, private) = app.generate_ec("ec", false);
        let mechanism = Mechanism::given(ck::CKM_ECDSA, None);
        for _ in 0..200 {
            drop(
                app.begin(OperationClass::Sign, &mechanism, Some(private))
                    .unwrap(),
            );
        }
        assert!(app.sign(private, &[1; 32]).is_ok());
    });
}
