// SPDX-License-Identifier: MIT
//! Keys that the application brings.

use super::*;

fn rsa_private(key: &RsaPrivateKey, with_primes: bool) -> Template {
    let numbers = key.components();
    let mut all = vec![
        (ck::CKA_CLASS, number(ck::CKO_PRIVATE_KEY)),
        (ck::CKA_KEY_TYPE, number(ck::CKK_RSA)),
        (ck::CKA_PRIVATE, no()),
        (ck::CKA_SENSITIVE, no()),
        (ck::CKA_EXTRACTABLE, yes()),
        (ck::CKA_MODULUS, bytes(&*numbers.modulus)),
        (ck::CKA_PUBLIC_EXPONENT, bytes(&*numbers.public_exponent)),
        (ck::CKA_PRIVATE_EXPONENT, bytes(&*numbers.private_exponent)),
    ];
    if with_primes {
        all.extend([
            (ck::CKA_PRIME_1, bytes(&*numbers.prime_1)),
            (ck::CKA_PRIME_2, bytes(&*numbers.prime_2)),
            (ck::CKA_EXPONENT_1, bytes(&*numbers.exponent_1)),
            (ck::CKA_EXPONENT_2, bytes(&*numbers.exponent_2)),
            (ck::CKA_COEFFICIENT, bytes(&*numbers.coefficient)),
        ]);
    }
    template(all)
}

fn ec_private(key: &EcPrivateKey) -> Template {
    template([
        (ck::CKA_CLASS, number(ck::CKO_PRIVATE_KEY)),
        (ck::CKA_KEY_TYPE, number(ck::CKK_EC)),
        (ck::CKA_PRIVATE, no()),
        (ck::CKA_EC_PARAMS, bytes(key.curve().row().oid)),
        (ck::CKA_VALUE, bytes(&*key.scalar().unwrap())),
    ])
}

fn ec_public(curve: Curve, point: &[u8]) -> Template {
    template([
        (ck::CKA_CLASS, number(ck::CKO_PUBLIC_KEY)),
        (ck::CKA_KEY_TYPE, number(ck::CKK_EC)),
        (ck::CKA_EC_PARAMS, bytes(curve.row().oid)),
        (ck::CKA_EC_POINT, bytes(point)),
    ])
}

#[test]
fn rsa_keys_are_taken_in_with_and_without_their_primes() {
    let fixture = Fixture::blank();
    let key = RsaPrivateKey::generate(2048, &[1, 0, 1]).unwrap();
    for with_primes in [true, false] {
        let handle = fixture.create(public(), &rsa_private(&key, with_primes)).unwrap();
        let object = fixture.view(public(), handle).unwrap();
        let prime = object.reveal(ck::CKA_PRIME_1).unwrap().as_bytes().unwrap();
        assert_eq!(prime, &**key.components().prime_1);
        assert!(matches!(spki(&object), PublicKey::Rsa(_)));
        assert!(!object.is_true(ck::CKA_LOCAL) && !object.is_true(ck::CKA_ALWAYS_SENSITIVE));
        let signature = fixture.run(
            public(),
            OperationClass::Sign,
            &plain(ck::CKM_SHA256_RSA_PKCS),
            handle,
            b"message",
        );
        assert_eq!(signature.unwrap().len(), 256);
    }
}

#[test]
fn rsa_material_that_contradicts_itself_is_refused() {
    let fixture = Fixture::blank();
    let key = RsaPrivateKey::generate(2048, &[1, 0, 1]).unwrap();
    let whole = rsa_private(&key, true);
    for id in [
        ck::CKA_MODULUS,
        ck::CKA_PUBLIC_EXPONENT,
        ck::CKA_PRIVATE_EXPONENT,
        ck::CKA_PRIME_1,
        ck::CKA_EXPONENT_2,
        ck::CKA_COEFFICIENT,
    ] {
        let mut value = whole.bytes(id).unwrap().to_vec();
        *value.last_mut().unwrap() ^= 2;
        let error = rv(fixture.create(public(), &merged(&whole, [(id, bytes(value))])));
        assert_eq!(error, Rv::AttributeValueInvalid, "{id:#x}");
    }
    let without: Template = whole
        .iter()
        .filter(|(id, _)| *id != ck::CKA_PUBLIC_EXPONENT)
        .map(|(id, value)| (id, value.clone()))
        .collect();
    assert_eq!(rv(fixture.create(public(), &without)), Rv::TemplateIncomplete);
    let foreign = merged(&whole, [(ck::CKA_PUBLIC_KEY_INFO, bytes("other"))]);
    assert_eq!(rv(fixture.create(public(), &foreign)), Rv::AttributeValueInvalid);
}

#[test]
fn ec_keys_are_taken_in_and_their_points_in_both_forms() {
    let fixture = Fixture::blank();
    for row in CURVES {
        let key = EcPrivateKey::generate(row.curve).unwrap();
        let private_key = fixture.create(public(), &ec_private(&key)).unwrap();
        let bare = key.public().unwrap().point().unwrap();
        let wrapped = fixture.view(public(), private_key).unwrap();
        let wrapped = wrapped.bytes(ck::CKA_EC_POINT).unwrap().to_vec();
        let message = vec![0x5a; 20];
        let ecdsa = plain(ck::CKM_ECDSA);
        let signature = fixture.run(public(), OperationClass::Sign, &ecdsa, private_key, &message);
        for point in [&bare, &wrapped] {
            let public_key = fixture.create(public(), &ec_public(row.curve, point)).unwrap();
            let object = fixture.view(public(), public_key).unwrap();
            assert_eq!(object.bytes(ck::CKA_EC_POINT), Some(&wrapped[..]));
            fixture
                .verify(
                    public(),
                    &ecdsa,
                    public_key,
                    &message,
                    signature.as_ref().unwrap(),
                )
                .unwrap();
        }
        let mut off_the_curve = bare.clone();
        *off_the_curve.last_mut().unwrap() ^= 1;
        for point in [&off_the_curve[..], &bare[1..], &[4], &[]] {
            let error = rv(fixture.create(public(), &ec_public(row.curve, point)));
            assert_eq!(error, Rv::AttributeValueInvalid);
        }
    }
}

#[test]
fn a_bare_point_that_looks_like_an_octet_string_is_taken_for_a_point() {
    let fixture = Fixture::blank();
    // The second byte of one point in 256 is the length of what follows it.
    let bare = std::iter::repeat_with(|| EcPrivateKey::generate(Curve::P256).unwrap())
        .map(|key| key.public().unwrap().point().unwrap())
        .find(|point| usize::from(point[1]) == point.len() - 2)
        .unwrap();
    let handle = fixture.create(public(), &ec_public(Curve::P256, &bare)).unwrap();
    let object = fixture.view(public(), handle).unwrap();
    assert_eq!(object.bytes(ck::CKA_EC_POINT).unwrap()[2..], bare);
}

#[test]
fn ec_scalars_out_of_range_and_foreign_points_are_refused() {
    let fixture = Fixture::blank();
    let key = EcPrivateKey::generate(Curve::P256).unwrap();
    let whole = ec_private(&key);
    for scalar in [vec![], vec![0; 32], vec![0xff; 32], vec![1; 33]] {
        let error = rv(fixture.create(public(), &merged(&whole, [(ck::CKA_VALUE, bytes(scalar))])));
        assert_eq!(error, Rv::AttributeValueInvalid);
    }
    let other = EcPrivateKey::generate(Curve::P256)
        .unwrap()
        .public()
        .unwrap()
        .point()
        .unwrap();
    let error = rv(fixture.create(public(), &merged(&whole, [(ck::CKA_EC_POINT, bytes(other))])));
    assert_eq!(error, Rv::AttributeValueInvalid);
}
