// SPDX-License-Identifier: MIT
//! Keys at work.

use super::*;

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
fn a_login_for_an_operation_reaches_the_one_that_began_last() {
    in_own_process(SOFTHSM, |_| {
        let (_libraries, app) = logged_in();
        let public: Template = [(ck::CKA_MODULUS_BITS, Value::Ulong(2048))].into_iter().collect();
        let always = [
            (ck::CKA_ALWAYS_AUTHENTICATE, Value::Bool(true)),
            (ck::CKA_SIGN, Value::Bool(true)),
        ];
        let made = app.run(Work::GenerateKeyPair {
            mechanism: &Mechanism::given(ck::CKM_RSA_PKCS_KEY_PAIR_GEN, None),
            public: &public,
            private: &always.into_iter().collect(),
        });
        let Out::Pair { private, .. } = made.unwrap() else {
            panic!("no pair");
        };
        // SoftHSM has one operation in a session: the second is in another.
        let sha = Mechanism::given(ck::CKM_SHA256, None);
        let digest = app.begin(OperationClass::Digest, &sha, None).unwrap();
        let rsa = Mechanism::given(ck::CKM_RSA_PKCS, None);
        let sign = app.begin(OperationClass::Sign, &rsa, Some(private)).unwrap();
        // One that does not even begin changes nothing.
        let none = Mechanism::given(ck::CKM_VENDOR_DEFINED, None);
        let refused = app.begin(OperationClass::Digest, &none, None);
        assert_eq!(rv(refused), Some(Rv::MechanismInvalid));
        app.run(Work::Authenticate(Pin(PIN))).unwrap();
        let (cx, mut out) = (app.cx(), [0; 256]);
        settled(sign.single(&cx, b"text", End::Output(&mut out)), &cx).unwrap();
        settled(digest.single(&cx, b"text", End::Output(&mut out)), &cx).unwrap();
        assert_eq!(
            rv(app.run(Work::Authenticate(Pin(PIN)))),
            Some(Rv::OperationNotInitialized)
        );
    });
}

#[test]
fn an_operation_that_is_dropped_leaves_no_trace() {
    in_own_process(SOFTHSM, |_| {
        let (_libraries, app) = logged_in();
        app.begin_and_drop();
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
