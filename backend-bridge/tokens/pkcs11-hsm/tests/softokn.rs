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
    End, Message, MessageEnd, MessageStep, ObjectId, Operation, OperationClass, Out, Pin, Processed, Role,
    Token, Work,
};
use keyenclave_pkcs11_hsm::{HsmOptions, Libraries, Pkcs11Token, TokenChoice};

#[allow(dead_code, reason = "other tests use the rest")]
mod fixture;

use fixture::{App, PIN, in_own_process, object, settled};

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

/// Softokn writes a session object's value to whatever room it is given.
#[test]
fn a_long_value_is_read_whole() {
    in_own_process(SOFTOKN, |place| {
        let libraries = Arc::new(Libraries::default());
        let app = App::new(options(place, CRYPTO), &libraries);
        let value = vec![7_u8; 60_000];
        let template: Template = [
            (ck::CKA_CLASS, Value::Ulong(ck::CKO_DATA)),
            (ck::CKA_LABEL, Value::bytes([b'l'; 1000])),
            (ck::CKA_VALUE, Value::bytes(&value[..])),
        ]
        .into_iter()
        .collect();
        let data = object(app.run(Work::Create(&template)).unwrap());
        for _ in 0..20 {
            let read = app.attributes(data, &[ck::CKA_CLASS, ck::CKA_LABEL, ck::CKA_VALUE]);
            let read = read.unwrap();
            assert_eq!(read[1].as_ref().unwrap().as_bytes().unwrap(), [b'l'; 1000]);
            assert_eq!(read[2].as_ref().unwrap().as_bytes().unwrap(), value);
        }
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
        with_and_without_deadline(place, |app| {
            let key = app.generate_aes("aes", false).unwrap();
            let (mut iv, mut tag) = ([4u8; 12], [0u8; 16]);
            let sealed = message(app, OperationClass::Encrypt, key, (&mut iv, &mut tag), b"secret").unwrap();
            assert_ne!(tag, [0; 16], "the vendor writes where the parameter points");
            let opened = message(app, OperationClass::Decrypt, key, (&mut iv, &mut tag), &sealed).unwrap();
            assert_eq!(opened, b"secret");
            tag[0] ^= 1;
            let broken = message(app, OperationClass::Decrypt, key, (&mut iv, &mut tag), &sealed);
            assert!(broken.is_err());
        });
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
            read: None,
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
fn a_digest_takes_keys_and_is_saved_within_a_deadline_as_without() {
    in_own_process(SOFTOKN, |place| {
        with_and_without_deadline(place, |app| {
            let sha = Mechanism::given(ck::CKM_SHA256, None);
            let key = secret(app, b"secret").unwrap();
            let cx = app.cx();
            let mut digest = app.begin(OperationClass::Digest, &sha, None).unwrap();
            digest.update(&cx, b"data", &mut []).unwrap();
            let state = digest.state().unwrap();
            digest.digest_key(&cx, key).unwrap();
            let ended = |digest: Box<dyn Operation>| {
                let mut room = [0; 32];
                match settled(digest.finish(&cx, End::Output(&mut room)), &cx).unwrap() {
                    Out::Written(len) => room[..len].to_vec(),
                    Out::Bytes(bytes) => bytes.to_vec(),
                    _ => panic!("no digest"),
                }
            };
            let whole = app.whole(OperationClass::Digest, &sha, None, b"datasecret");
            assert_eq!(ended(digest), whole.unwrap());
            let restore = Work::Restore {
                class: OperationClass::Digest,
                state: &state,
                keys: [None; 2],
            };
            let Out::Operation(digest) = app.run(restore).unwrap() else {
                panic!("no operation");
            };
            let whole = app.whole(OperationClass::Digest, &sha, None, b"data");
            assert_eq!(ended(digest), whole.unwrap());
        });
    });
}

#[test]
fn an_operation_that_is_dropped_is_cancelled() {
    in_own_process(SOFTOKN, |place| {
        let (_libraries, app) = logged_in(place);
        app.begin_and_drop();
    });
}

/// A structure of the header, as its bytes; its pointers are good while what they lead to is.
macro_rules! flat {
    ($s:ident { $($($field:ident).+: $value:expr),* $(,)? }) => {{
        let mut flat = vec![0; size_of::<ck::$s>()];
        $(
            let at = std::mem::offset_of!(ck::$s, $($field).+);
            let value: u64 = $value;
            flat[at..at + 8].copy_from_slice(&value.to_ne_bytes());
        )*
        flat
    }};
}

fn address(memory: &[u8]) -> u64 {
    memory.as_ptr().expose_provenance() as u64
}

/// Of memory that somebody writes to.
fn room(memory: &mut [u8]) -> u64 {
    memory.as_mut_ptr().expose_provenance() as u64
}

fn secret_template(bytes: u64) -> Template {
    [
        (ck::CKA_CLASS, Value::Ulong(ck::CKO_SECRET_KEY)),
        (ck::CKA_KEY_TYPE, Value::Ulong(ck::CKK_GENERIC_SECRET)),
        (ck::CKA_VALUE_LEN, Value::Ulong(bytes)),
        (ck::CKA_SENSITIVE, Value::Bool(false)),
        (ck::CKA_EXTRACTABLE, Value::Bool(true)),
        (ck::CKA_ENCRYPT, Value::Bool(true)),
    ]
    .into_iter()
    .collect()
}

fn number_at(memory: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(memory[at..at + 8].try_into().unwrap())
}

fn value_of(app: &App, key: ObjectId) -> Vec<u8> {
    let value = app.attributes(key, &[ck::CKA_VALUE]).unwrap();
    value[0].as_ref().ok().and_then(Value::as_bytes).unwrap().to_vec()
}

fn derive(app: &App, mechanism: &Mechanism, base: ObjectId, bytes: u64, has_handle: bool) -> Result<Out> {
    app.run(Work::Derive {
        mechanism,
        base,
        template: &secret_template(bytes),
        has_handle,
    })
}

/// On the application's thread, and on a worker.
fn with_and_without_deadline(place: &Path, test: impl Fn(&App)) {
    for deadline in [None, Some(std::time::Duration::from_secs(60))] {
        let libraries = Arc::new(Libraries::default());
        let mut app = App::new(options(place, CRYPTO), &libraries);
        app.deadline = deadline;
        test(&app);
    }
}

#[test]
fn the_keys_of_a_tls_connection_are_the_applications() {
    in_own_process(SOFTOKN, |place| {
        with_and_without_deadline(place, |app| {
            let (client, server) = ([1; 32], [2; 32]);
            let (mut client_iv, mut server_iv) = ([0xa5; 16], [0xa5; 16]);
            let master = secret(app, &[3; 48]).unwrap();
            let key_material = |client_iv: &mut [u8], server_iv: &mut [u8]| {
                let mut out = flat!(CK_SSL3_KEY_MAT_OUT {
                    pIVClient: room(client_iv),
                    pIVServer: room(server_iv)
                });
                let parameter = flat!(CK_TLS12_KEY_MAT_PARAMS {
                    ulMacSizeInBits: 160,
                    ulKeySizeInBits: 128,
                    ulIVSizeInBits: 128,
                    RandomInfo.pClientRandom: address(&client),
                    RandomInfo.ulClientRandomLen: 32,
                    RandomInfo.pServerRandom: address(&server),
                    RandomInfo.ulServerRandomLen: 32,
                    pReturnedKeyMaterial: room(&mut out),
                    prfHashMechanism: ck::CKM_SHA256,
                });
                let mechanism = Mechanism::given(ck::CKM_TLS12_KEY_AND_MAC_DERIVE, Some(parameter));
                let done = derive(app, &mechanism, master, 16, false).unwrap();
                assert!(matches!(done, Out::Done));
                out
            };
            let out = key_material(&mut client_iv, &mut server_iv);
            let keys: Vec<_> = (0..4).map(|key| ObjectId(number_at(&out, 8 * key))).collect();
            for (key, len) in keys.iter().zip([20, 20, 16, 16]) {
                let told = app.attributes(*key, &[ck::CKA_VALUE_LEN]).unwrap();
                assert!(
                    matches!(told[0], Ok(Value::Ulong(told)) if told == len),
                    "{key:?}"
                );
            }
            assert_eq!(keys.iter().collect::<std::collections::HashSet<_>>().len(), 4);
            assert!(client_iv != [0xa5; 16] && server_iv != [0xa5; 16] && client_iv != server_iv);
            let again = key_material(&mut [0; 16], &mut [0; 16]);
            assert_ne!(
                number_at(&out, 16),
                number_at(&again, 16),
                "they are other objects"
            );
            for key in keys {
                app.run(Work::Destroy(key)).unwrap();
            }
        })
    });
}

#[test]
fn a_version_that_was_negotiated_is_told() {
    in_own_process(SOFTOKN, |place| {
        with_and_without_deadline(place, |app| {
            let mut version = [0; 2];
            let pre_master = [&[3, 3][..], &[4; 46]].concat();
            let base = secret(app, &pre_master).unwrap();
            let parameter = flat!(CK_TLS12_MASTER_KEY_DERIVE_PARAMS {
                RandomInfo.pClientRandom: address(&[1; 32]),
                RandomInfo.ulClientRandomLen: 32,
                RandomInfo.pServerRandom: address(&[2; 32]),
                RandomInfo.ulServerRandomLen: 32,
                pVersion: room(&mut version),
                prfHashMechanism: ck::CKM_SHA256,
            });
            let mechanism = Mechanism::given(ck::CKM_TLS12_MASTER_KEY_DERIVE, Some(parameter));
            object(derive(app, &mechanism, base, 48, true).unwrap());
            assert_eq!(version, [3, 3]);
        })
    });
}

#[test]
fn all_keys_of_one_derivation_are_the_applications() {
    in_own_process(SOFTOKN, |place| {
        with_and_without_deadline(place, |app| {
            let base = secret(app, &[7; 32]).unwrap();
            let counter = flat!(CK_SP800_108_COUNTER_FORMAT { ulWidthInBits: 32 });
            let data = |kind, value: &[u8]| {
                flat!(CK_PRF_DATA_PARAM {
                    type_: kind,
                    pValue: address(value),
                    ulValueLen: value.len() as u64
                })
            };
            let data = [
                data(ck::CK_SP800_108_ITERATION_VARIABLE, &counter),
                data(ck::CK_SP800_108_BYTE_ARRAY, b"label"),
            ]
            .concat();
            let (length, class) = (32_u64.to_ne_bytes(), ck::CKO_SECRET_KEY.to_ne_bytes());
            let (kind, no) = (ck::CKK_GENERIC_SECRET.to_ne_bytes(), [0]);
            let attribute = |kind, value: &[u8]| {
                flat!(CK_ATTRIBUTE {
                    type_: kind,
                    pValue: address(value),
                    ulValueLen: value.len() as u64
                })
            };
            let template = [
                attribute(ck::CKA_CLASS, &class),
                attribute(ck::CKA_KEY_TYPE, &kind),
                attribute(ck::CKA_VALUE_LEN, &length),
                attribute(ck::CKA_SENSITIVE, &no),
            ]
            .concat();
            let mut handles = [[9; 8], [9; 8]];
            let [one, other] = &mut handles;
            let key = |handle: &mut [u8]| {
                flat!(CK_DERIVED_KEY {
                    pTemplate: address(&template),
                    ulAttributeCount: 4,
                    phKey: room(handle)
                })
            };
            let keys = [key(one), key(other)].concat();
            let parameter = |count| {
                flat!(CK_SP800_108_KDF_PARAMS {
                    prfType: ck::CKM_SHA256_HMAC,
                    ulNumberOfDataParams: 2,
                    pDataParams: address(&data),
                    ulAdditionalDerivedKeys: count,
                    pAdditionalDerivedKeys: if count == 0 { 0 } else { address(&keys) },
                })
            };
            let mechanism = |count| Mechanism::given(ck::CKM_SP800_108_COUNTER_KDF, Some(parameter(count)));
            let first = object(derive(app, &mechanism(2), base, 32, true).unwrap());
            let all = [
                first,
                ObjectId(number_at(&handles[0], 0)),
                ObjectId(number_at(&handles[1], 0)),
            ];
            let parts: Vec<_> = all.iter().map(|key| value_of(app, *key)).collect();
            let whole = object(derive(app, &mechanism(0), base, 96, true).unwrap());
            assert_eq!(value_of(app, whole), parts.concat());
        })
    });
}

/// Softokn has no functions for it: the signature waits here.
#[test]
fn a_signature_may_come_first() {
    in_own_process(SOFTOKN, |place| {
        let (_libraries, mut app) = logged_in(place);
        app.signatures_may_come_first();
    });
}
