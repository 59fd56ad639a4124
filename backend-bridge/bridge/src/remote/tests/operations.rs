// SPDX-License-Identifier: MIT
//! What is computed: here or there, with how many requests.

use super::*;

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
    assert_eq!(rv(bench.sign(&hmac, key, &[0; 4097])), Some(Rv::DataLenRange));
    let mut parts = bench.begin(OperationClass::Sign, &hmac, key).unwrap();
    assert_eq!(rv(parts.update(&cx(None), &[0; 4096], &mut [])), None);
    assert_eq!(
        rv(parts.update(&cx(None), &[0; 1], &mut [])),
        Some(Rv::DataLenRange)
    );
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
fn a_signature_is_one_request_when_a_search_could_not_have_the_key_described_again() {
    let settings = Settings {
        description_expiry: Duration::ZERO,
        retries: 0,
        ..Settings::default()
    };
    let bench = bench_with(service_with_keys(1, 10), settings, None);
    let label = || vec![(ck::CKA_LABEL, Value::bytes("key-0"))];
    let private = [label(), vec![(ck::CKA_CLASS, Value::Ulong(ck::CKO_PRIVATE_KEY))]].concat();
    let key = bench.find(private.clone())[0];
    bench.faulty.plan([Fault::Fail(failure(
        ErrorKind::Throttled,
        CallKind::Describe,
        Sent::Refused,
    ))]);
    let refused = rv(bench.run(Work::Find(&template(label()))));
    assert_eq!(refused, Some(Rv::TokenResourceExceeded));
    let sha = mechanism(ck::CKM_ECDSA_SHA256);
    let (count, signature) = bench.requests(|| bench.sign(&sha, key, b"message"));
    assert_eq!((count, signature.unwrap().len()), (1, 64));
    // Nor does a changed name cost a signature anything, or show the name from before.
    let renamed = vec![(ck::CKA_LABEL, Value::bytes("renamed"))];
    bench
        .run(Work::Set {
            object: key,
            template: &template(renamed.clone()),
        })
        .map(drop)
        .unwrap();
    let (count, signature) = bench.requests(|| bench.sign(&sha, key, b"message"));
    assert_eq!((count, signature.unwrap().len()), (1, 64));
    assert_eq!(bench.find(renamed).len(), 2);
    assert_eq!(bench.view(key).bytes(ck::CKA_LABEL), Some(b"renamed".as_slice()));
}
