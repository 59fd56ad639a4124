// SPDX-License-Identifier: MIT
//! What the service must be given whole: messages for Ed25519, plaintexts and ciphertexts of symmetric keys.

use keyenclave_model::edwards;
use keyenclave_model::mechanism::EdDsaParams;
use keyenclave_model::vendor::CKM_KEYENCLAVE_AWS_SYMMETRIC;

use super::*;

fn ed25519(bench: &Bench) -> (ObjectId, ObjectId) {
    let curve = (ck::CKA_EC_PARAMS, Value::bytes(*b"\x13\x0cedwards25519"));
    bench
        .pair(ck::CKM_EC_EDWARDS_KEY_PAIR_GEN, vec![curve], vec![])
        .unwrap()
}

fn eddsa(prehash: bool, context: &[u8]) -> Mechanism {
    let context = context.to_vec();
    Mechanism::new(ck::CKM_EDDSA, Params::EdDsa(EdDsaParams { prehash, context })).unwrap()
}

fn in_parts(
    bench: &Bench,
    class: OperationClass,
    mechanism: &Mechanism,
    key: ObjectId,
    input: &[u8],
) -> Vec<u8> {
    let mut operation = bench.begin(class, mechanism, key).unwrap();
    for part in input.chunks(1000) {
        operation.update(&cx(None), part, &mut []).unwrap();
    }
    bytes(operation.finish(&cx(None), End::Output(&mut []))).unwrap()
}

#[test]
fn ed25519_signs_there_with_one_request_and_verifies_here() {
    let bench = bench();
    let (public, private) = ed25519(&bench);
    for mechanism in [mechanism(ck::CKM_EDDSA), eddsa(false, b""), eddsa(true, b"")] {
        let message = [7; 4096];
        let (count, signature) = bench.requests(|| bench.sign(&mechanism, private, &message).unwrap());
        assert_eq!((count, signature.len()), (1, 64));
        let (count, parts) =
            bench.requests(|| in_parts(&bench, OperationClass::Sign, &mechanism, private, &message));
        assert_eq!((count, &parts), (1, &signature));
        let (count, verified) = bench.requests(|| bench.verify(&mechanism, public, &message, &signature));
        assert_eq!((count, verified.is_ok()), (0, true));
        let other = bench.verify(&mechanism, public, b"another", &signature);
        assert_eq!(rv(other), Some(Rv::SignatureInvalid));
    }
}

#[test]
fn a_message_longer_than_the_service_takes_is_for_ed25519ph() {
    let bench = bench();
    let (public, private) = ed25519(&bench);
    let long = [7; 4097];
    let pure = mechanism(ck::CKM_EDDSA);
    let (count, refused) = bench.requests(|| bench.sign(&pure, private, &long).unwrap_err());
    assert_eq!((count, refused.rv()), (0, Rv::DataLenRange));
    let detail = refused.detail().unwrap();
    assert!(
        detail.contains("4096") && detail.contains("Ed25519ph"),
        "{detail}"
    );
    let mut operation = bench.begin(OperationClass::Sign, &pure, private).unwrap();
    operation.update(&cx(None), &long[..4096], &mut []).unwrap();
    assert_eq!(
        rv(operation.update(&cx(None), &[1], &mut [])),
        Some(Rv::DataLenRange)
    );
    let signature = bench.sign(&eddsa(true, b""), private, &long).unwrap();
    bench
        .verify(&eddsa(true, b""), public, &long, &signature)
        .unwrap();
}

#[test]
fn a_context_is_the_public_keys_business_only() {
    let bench = bench();
    let (public, private) = ed25519(&bench);
    for prehash in [false, true] {
        let with_context = eddsa(prehash, b"context");
        assert_eq!(
            rv(bench.sign(&with_context, private, b"message")),
            Some(Rv::MechanismParamInvalid)
        );
        let verified = bench.verify(&with_context, public, b"message", &[0; 64]);
        assert_eq!(rv(verified), Some(Rv::SignatureInvalid));
    }
}

#[test]
fn the_objects_of_an_ed25519_key_are_those_of_its_type() {
    let bench = bench();
    let (public, private) = ed25519(&bench);
    let (public, private) = (bench.view(public), bench.view(private));
    for object in [&public, &private] {
        assert_eq!(object.key_type(), Some(ck::CKK_EC_EDWARDS));
        assert_eq!(object.bytes(ck::CKA_EC_PARAMS).unwrap(), edwards::CURVE.oid);
        let point = object.bytes(ck::CKA_EC_POINT).unwrap();
        assert_eq!((point.len(), &point[..2]), (34, &[4, 32][..]));
    }
    assert!(private.is_true(ck::CKA_SIGN) && public.is_true(ck::CKA_VERIFY));
    assert!(private.allows(ck::CKM_EDDSA) && !private.allows(ck::CKM_ECDSA));
    let foreign = (ck::CKA_EC_PARAMS, Value::bytes(Curve::P256.row().oid));
    let refused = bench.pair(ck::CKM_EC_EDWARDS_KEY_PAIR_GEN, vec![foreign], vec![]);
    assert_eq!(rv(refused), Some(Rv::CurveNotSupported));
}

fn secret(bench: &Bench, len: u64, uses: &[ck::CK_ATTRIBUTE_TYPE]) -> Result<ObjectId> {
    let mut attributes = vec![
        (ck::CKA_TOKEN, Value::Bool(true)),
        (ck::CKA_VALUE_LEN, Value::Ulong(len)),
    ];
    attributes.extend(uses.iter().map(|id| (*id, Value::Bool(true))));
    let (mechanism, template) = (mechanism(ck::CKM_GENERIC_SECRET_KEY_GEN), template(attributes));
    let work = Work::GenerateKey {
        mechanism: &mechanism,
        template: &template,
    };
    match bench.run(work)? {
        Out::Object(key) => Ok(key),
        _ => panic!(),
    }
}

fn crypt(bench: &Bench, class: OperationClass, key: ObjectId, input: &[u8]) -> Result<Vec<u8>> {
    let operation = bench.begin(class, &mechanism(CKM_KEYENCLAVE_AWS_SYMMETRIC), key)?;
    bytes(operation.single(&cx(None), input, End::Output(&mut [])))
}

#[test]
fn a_symmetric_key_encrypts_and_decrypts_with_one_request_each() {
    let bench = bench();
    let key = secret(&bench, 32, &[ck::CKA_ENCRYPT, ck::CKA_DECRYPT]).unwrap();
    let vendor = mechanism(CKM_KEYENCLAVE_AWS_SYMMETRIC);
    let plaintext = [7; 4096];
    let (count, whole) = bench.requests(|| crypt(&bench, OperationClass::Encrypt, key, &plaintext).unwrap());
    assert_eq!(count, 1);
    let (count, parts) =
        bench.requests(|| in_parts(&bench, OperationClass::Encrypt, &vendor, key, &plaintext));
    assert_eq!(count, 1);
    for ciphertext in [whole, parts] {
        let (count, back) =
            bench.requests(|| crypt(&bench, OperationClass::Decrypt, key, &ciphertext).unwrap());
        assert_eq!((count, back.as_slice()), (1, plaintext.as_slice()));
        assert_eq!(
            in_parts(&bench, OperationClass::Decrypt, &vendor, key, &ciphertext),
            plaintext
        );
    }
    let (count, ()) = bench.requests(|| {
        for (class, most) in [(OperationClass::Encrypt, 6144), (OperationClass::Decrypt, 4096)] {
            let operation = bench.begin(class, &vendor, key).unwrap();
            for part in [Part::Single(10), Part::Finish] {
                assert_eq!(operation.output_len(part).unwrap(), OutputLen::AtMost(most));
            }
            assert_eq!(
                operation.output_len(Part::Update(10)).unwrap(),
                OutputLen::Exact(0)
            );
        }
    });
    assert_eq!(count, 0);
}

#[test]
fn what_is_too_long_for_a_symmetric_key_is_refused_here() {
    let bench = bench();
    let key = secret(&bench, 32, &[ck::CKA_DECRYPT]).unwrap();
    let (count, ()) = bench.requests(|| {
        assert_eq!(
            rv(crypt(&bench, OperationClass::Encrypt, key, &[0; 4097])),
            Some(Rv::DataLenRange)
        );
        assert_eq!(
            rv(crypt(&bench, OperationClass::Decrypt, key, &[0; 6145])),
            Some(Rv::EncryptedDataLenRange)
        );
    });
    assert_eq!(count, 0);
    let damaged = crypt(&bench, OperationClass::Decrypt, key, &[0; 100]);
    assert_eq!(rv(damaged), Some(Rv::EncryptedDataInvalid));
}

#[test]
fn a_template_says_whether_a_secret_encrypts_or_makes_codes() {
    let bench = bench();
    let vendor = mechanism(CKM_KEYENCLAVE_AWS_SYMMETRIC);
    let hmac = mechanism(ck::CKM_SHA256_HMAC);
    for uses in [&[ck::CKA_ENCRYPT][..], &[ck::CKA_DECRYPT]] {
        let key = secret(&bench, 32, uses).unwrap();
        let object = bench.view(key);
        assert!(object.is_true(ck::CKA_ENCRYPT) && object.is_true(ck::CKA_DECRYPT));
        assert!(!object.is_true(ck::CKA_SIGN) && !object.is_true(ck::CKA_VERIFY));
        assert!(object.allows(vendor.id()) && !object.allows(hmac.id()));
        assert_eq!(
            rv(bench.sign(&hmac, key, b"message")),
            Some(Rv::KeyFunctionNotPermitted)
        );
    }
    for uses in [&[][..], &[ck::CKA_SIGN], &[ck::CKA_SIGN, ck::CKA_ENCRYPT]] {
        let key = secret(&bench, 32, uses).unwrap();
        let object = bench.view(key);
        assert!(object.is_true(ck::CKA_SIGN) && !object.is_true(ck::CKA_ENCRYPT));
        let refused = bench.begin(OperationClass::Encrypt, &vendor, key);
        assert_eq!(rv(refused), Some(Rv::KeyFunctionNotPermitted));
    }
    assert_eq!(
        rv(secret(&bench, 16, &[ck::CKA_ENCRYPT])),
        Some(Rv::AttributeValueInvalid)
    );
}
