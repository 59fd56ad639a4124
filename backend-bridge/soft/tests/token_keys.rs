// SPDX-License-Identifier: MIT
//! Keys of a soft token: made, taken in, described, and kept secret.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod token_fixture;

use cryptoki_sys as ck;
use keyenclave_crypto::{EcPrivateKey, PublicKey, RsaPrivateKey};
use keyenclave_model::algorithm::{CURVES, Curve};
use keyenclave_model::error::Rv;
use keyenclave_model::object::Object;
use keyenclave_model::template::Template;
use keyenclave_model::token::{Operation, OperationClass, Work};
use token_fixture::*;

/// Everything that must not leave a sensitive key.
const SECRETS: [u64; 7] = [
    ck::CKA_VALUE,
    ck::CKA_PRIVATE_EXPONENT,
    ck::CKA_PRIME_1,
    ck::CKA_PRIME_2,
    ck::CKA_EXPONENT_1,
    ck::CKA_EXPONENT_2,
    ck::CKA_COEFFICIENT,
];

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

fn spki(object: &Object) -> PublicKey {
    PublicKey::from_spki_der(object.bytes(ck::CKA_PUBLIC_KEY_INFO).unwrap()).unwrap()
}

fn assert_conceals_its_secrets(object: &Object) {
    for id in SECRETS {
        assert!(object.reveal(id).is_err(), "{id:#x}");
        if let Some(value) = object.get(id) {
            assert!(
                !object.matches(&template([(id, value.clone())])),
                "{id:#x} can be guessed"
            );
        }
    }
}

#[test]
fn a_generated_rsa_pair_describes_itself() {
    let fixture = Fixture::blank();
    let (public_template, private_template) = rsa_pair(2048);
    let pair = fixture.generate_pair(
        public(),
        ck::CKM_RSA_PKCS_KEY_PAIR_GEN,
        &public_template,
        &private_template,
    );
    let (public_key, private_key) = pair.unwrap();
    let public_key = fixture.view(public(), public_key).unwrap();
    let private_key = fixture.view(public(), private_key).unwrap();
    assert_eq!(public_key.bytes(ck::CKA_PUBLIC_EXPONENT), Some(&[1, 0, 1][..]));
    assert_eq!(public_key.ulong(ck::CKA_MODULUS_BITS), Some(2048));
    assert_eq!(public_key.bytes(ck::CKA_MODULUS).unwrap().len(), 256);
    for id in [ck::CKA_MODULUS, ck::CKA_PUBLIC_EXPONENT, ck::CKA_PUBLIC_KEY_INFO] {
        assert_eq!(public_key.bytes(id), private_key.bytes(id));
    }
    assert!(matches!(spki(&public_key), PublicKey::Rsa(key) if key.bits() == 2048));
    for key in [&public_key, &private_key] {
        assert!(key.is_true(ck::CKA_LOCAL));
        assert_eq!(
            key.ulong(ck::CKA_KEY_GEN_MECHANISM),
            Some(ck::CKM_RSA_PKCS_KEY_PAIR_GEN)
        );
    }
    assert!(private_key.is_true(ck::CKA_ALWAYS_SENSITIVE) && private_key.is_true(ck::CKA_NEVER_EXTRACTABLE));
    assert_conceals_its_secrets(&private_key);
}

#[test]
fn generated_ec_pairs_describe_themselves_on_every_curve() {
    let fixture = Fixture::blank();
    for row in CURVES {
        let (of_public, of_private) = ec_pair(row.curve);
        let pair = fixture.generate_pair(public(), ck::CKM_EC_KEY_PAIR_GEN, &of_public, &of_private);
        let (public_key, private_key) = pair.unwrap();
        let public_key = fixture.view(public(), public_key).unwrap();
        let private_key = fixture.view(public(), private_key).unwrap();
        for id in [ck::CKA_EC_PARAMS, ck::CKA_EC_POINT, ck::CKA_PUBLIC_KEY_INFO] {
            assert_eq!(public_key.bytes(id), private_key.bytes(id));
            assert!(private_key.reveal(id).is_ok());
        }
        let point = public_key.bytes(ck::CKA_EC_POINT).unwrap();
        let bare = 2 * row.curve.field_len() + 1;
        let header: &[u8] = if bare < 128 {
            &[4, bare as u8]
        } else {
            &[4, 0x81, bare as u8]
        };
        assert_eq!(point[..header.len()], *header);
        assert_eq!(point.len(), header.len() + bare);
        assert_conceals_its_secrets(&private_key);
    }
}

#[test]
fn curves_are_taken_by_name_and_unknown_ones_refused() {
    let fixture = Fixture::blank();
    let generate = |params: &[u8]| {
        let of_public = template([(ck::CKA_EC_PARAMS, bytes(params))]);
        let of_private = template([(ck::CKA_PRIVATE, no())]);
        fixture.generate_pair(public(), ck::CKM_EC_KEY_PAIR_GEN, &of_public, &of_private)
    };
    let (key, _) = generate(b"\x13\x09secp384r1").unwrap();
    let key = fixture.view(public(), key).unwrap();
    assert_eq!(key.bytes(ck::CKA_EC_PARAMS), Some(Curve::P384.row().oid));
    // secp224r1
    assert_eq!(
        rv(generate(b"\x06\x05\x2b\x81\x04\x00\x21")),
        Rv::CurveNotSupported
    );
    assert_eq!(rv(generate(b"")), Rv::CurveNotSupported);
}

#[test]
fn sizes_that_are_not_offered_are_refused_before_anything_is_made() {
    let fixture = Fixture::blank();
    for bits in [0, 512, 1024, 2047, 2049, 4097, 16384, u64::MAX] {
        let (of_public, of_private) = rsa_pair(bits);
        let pair = fixture.generate_pair(public(), ck::CKM_RSA_PKCS_KEY_PAIR_GEN, &of_public, &of_private);
        assert_eq!(rv(pair), Rv::AttributeValueInvalid, "{bits}");
    }
    for exponent in [&[][..], &[0], &[1], &[2], &[3], &[1, 0, 0], &[0xff; 40]] {
        let (of_public, of_private) = rsa_pair(2048);
        let of_public = merged(&of_public, [(ck::CKA_PUBLIC_EXPONENT, bytes(exponent))]);
        let pair = fixture.generate_pair(public(), ck::CKM_RSA_PKCS_KEY_PAIR_GEN, &of_public, &of_private);
        assert_eq!(rv(pair), Rv::AttributeValueInvalid, "{exponent:?}");
    }
    let secret = |mechanism, len| {
        let wanted = template([(ck::CKA_VALUE_LEN, number(len)), (ck::CKA_PRIVATE, no())]);
        fixture.generate(public(), mechanism, &wanted)
    };
    for len in [0, 1, 15, 17, 33, u64::MAX] {
        assert_eq!(
            rv(secret(ck::CKM_AES_KEY_GEN, len)),
            Rv::AttributeValueInvalid,
            "{len}"
        );
    }
    for len in [0, 513, u64::MAX] {
        assert_eq!(
            rv(secret(ck::CKM_GENERIC_SECRET_KEY_GEN, len)),
            Rv::AttributeValueInvalid,
            "{len}"
        );
    }
    assert_eq!(
        rv(secret(ck::CKM_RSA_PKCS_KEY_PAIR_GEN, 16)),
        Rv::MechanismInvalid
    );
    assert_eq!(rv(secret(ck::CKM_SHA256, 16)), Rv::MechanismInvalid);
    let (of_public, of_private) = ec_pair(Curve::P256);
    assert_eq!(
        rv(fixture.generate_pair(public(), ck::CKM_AES_KEY_GEN, &of_public, &of_private)),
        Rv::MechanismInvalid
    );
    assert!(fixture.find(public(), &template([])).is_empty());
}

#[test]
fn generated_secrets_have_the_wanted_length_and_a_check_value() {
    let fixture = Fixture::blank();
    for (mechanism, len) in [
        (ck::CKM_AES_KEY_GEN, 16),
        (ck::CKM_AES_KEY_GEN, 24),
        (ck::CKM_AES_KEY_GEN, 32),
        (ck::CKM_GENERIC_SECRET_KEY_GEN, 1),
        (ck::CKM_GENERIC_SECRET_KEY_GEN, 512),
    ] {
        let wanted = template([(ck::CKA_VALUE_LEN, number(len)), (ck::CKA_PRIVATE, no())]);
        let key = fixture.generate(public(), mechanism, &wanted).unwrap();
        let key = fixture.view(public(), key).unwrap();
        assert_eq!(key.bytes(ck::CKA_VALUE).unwrap().len() as u64, len);
        assert_eq!(key.ulong(ck::CKA_VALUE_LEN), Some(len));
        assert_eq!(key.bytes(ck::CKA_CHECK_VALUE).unwrap().len(), 3);
        assert!(key.is_true(ck::CKA_LOCAL));
        assert_conceals_its_secrets(&key);
    }
}

#[test]
fn check_values_are_those_of_the_specification() {
    let fixture = Fixture::blank();
    let check_value = |key: &Template| {
        let key = fixture.create(public(), key).unwrap();
        fixture
            .view(public(), key)
            .unwrap()
            .bytes(ck::CKA_CHECK_VALUE)
            .unwrap()
            .to_vec()
    };
    // AES-128 of a zero block under a zero key (FIPS 197 example vectors), SHA-1 of "abc" (FIPS 180).
    assert_eq!(check_value(&aes_key(&[0; 16])), [0x66, 0xe9, 0x4b]);
    assert_eq!(
        check_value(&secret_key(ck::CKK_GENERIC_SECRET, b"abc")),
        [0xa9, 0x99, 0x3e]
    );
    let without = merged(&aes_key(&[0; 16]), [(ck::CKA_CHECK_VALUE, bytes(""))]);
    assert_eq!(check_value(&without), []);
    let right = merged(
        &aes_key(&[0; 16]),
        [(ck::CKA_CHECK_VALUE, bytes([0x66, 0xe9, 0x4b]))],
    );
    assert_eq!(check_value(&right), [0x66, 0xe9, 0x4b]);
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

#[test]
fn a_sensitive_key_gives_its_value_to_nobody() {
    let fixture = Fixture::for_user();
    let value = [0x42; 32];
    let sensitive = merged(
        &aes_key(&value),
        [
            (ck::CKA_TOKEN, yes()),
            (ck::CKA_PRIVATE, yes()),
            (ck::CKA_EXTRACTABLE, yes()),
        ],
    );
    let key = fixture.create(user(), &sensitive).unwrap();
    assert_conceals_its_secrets(&fixture.view(user(), key).unwrap());
    // Neither by a search, nor by making it less sensitive, nor through a copy.
    assert!(
        fixture
            .find(user(), &template([(ck::CKA_VALUE, bytes(value))]))
            .is_empty()
    );
    let insensitive = template([(ck::CKA_SENSITIVE, no())]);
    assert_eq!(rv(fixture.set(user(), key, &insensitive)), Rv::AttributeReadOnly);
    assert_eq!(rv(fixture.copy(user(), key, &insensitive)), Rv::AttributeReadOnly);
    let copy = fixture
        .copy(user(), key, &template([(ck::CKA_TOKEN, no())]))
        .unwrap();
    assert_conceals_its_secrets(&fixture.view(user(), copy).unwrap());
    fixture
        .set(user(), key, &template([(ck::CKA_EXTRACTABLE, no())]))
        .unwrap();
    let extractable = template([(ck::CKA_EXTRACTABLE, yes())]);
    assert_eq!(rv(fixture.set(user(), key, &extractable)), Rv::AttributeReadOnly);
    let file = std::fs::read(fixture.directory.path().join("token.db")).unwrap();
    let log = std::fs::read(fixture.directory.path().join("token.db-wal")).unwrap_or_default();
    assert!(
        !file
            .windows(32)
            .chain(log.windows(32))
            .any(|bytes| bytes == value)
    );
}

#[test]
fn use_is_checked_before_a_key_is_used() {
    let fixture = Fixture::blank();
    let begin = |class, mechanism: u64, key| rv(fixture.begin(public(), class, &plain(mechanism), key));
    let key = |more: Vec<(u64, _)>| {
        let template = merged(&secret_key(ck::CKK_GENERIC_SECRET, b"0123456789abcdef"), more);
        fixture.create(public(), &template).unwrap()
    };
    let (sign, encrypt) = (OperationClass::Sign, OperationClass::Encrypt);
    let hmac = ck::CKM_SHA256_HMAC;
    assert_eq!(
        begin(sign, hmac, key(vec![(ck::CKA_SIGN, no())])),
        Rv::KeyFunctionNotPermitted
    );
    assert_eq!(
        begin(encrypt, ck::CKM_AES_ECB, key(vec![])),
        Rv::KeyTypeInconsistent
    );
    assert_eq!(
        begin(sign, ck::CKM_SHA256_RSA_PKCS, key(vec![])),
        Rv::KeyTypeInconsistent
    );
    assert_eq!(begin(encrypt, hmac, key(vec![])), Rv::MechanismInvalid);
    assert_eq!(begin(sign, ck::CKM_SHA256, key(vec![])), Rv::MechanismInvalid);
    let other_hash = merged(&secret_key(ck::CKK_SHA512_HMAC, b"k"), []);
    let other_hash = fixture.create(public(), &other_hash).unwrap();
    assert_eq!(begin(sign, hmac, other_hash), Rv::KeyTypeInconsistent);
    let only = keyenclave_model::attribute::Value::Mechanisms(vec![ck::CKM_SHA512_HMAC]);
    let only = key(vec![(ck::CKA_ALLOWED_MECHANISMS, only)]);
    assert_eq!(begin(sign, hmac, only), Rv::MechanismInvalid);
    assert!(
        fixture
            .begin(public(), sign, &plain(ck::CKM_SHA512_HMAC), only)
            .is_ok()
    );
    let not_a_key = fixture.create(public(), &data("d", false, false)).unwrap();
    assert_eq!(begin(sign, hmac, not_a_key), Rv::KeyHandleInvalid);
    for handle in [0, 12345, u64::MAX] {
        assert_eq!(
            begin(sign, hmac, keyenclave_model::token::ObjectId(handle)),
            Rv::KeyHandleInvalid
        );
    }
    let (of_public, of_private) = ec_pair(Curve::P256);
    let (public_key, private_key) = fixture
        .generate_pair(public(), ck::CKM_EC_KEY_PAIR_GEN, &of_public, &of_private)
        .unwrap();
    assert_eq!(
        begin(sign, ck::CKM_ECDSA, public_key),
        Rv::KeyFunctionNotPermitted
    );
    assert_eq!(
        begin(OperationClass::Verify, ck::CKM_ECDSA, private_key),
        Rv::KeyFunctionNotPermitted
    );
}

#[test]
fn a_key_that_wants_a_login_for_each_use_is_refused_with_a_reason() {
    let fixture = Fixture::for_user();
    let (of_public, of_private) = kept(ec_pair(Curve::P256), "x");
    let of_private = merged(&of_private, [(ck::CKA_ALWAYS_AUTHENTICATE, yes())]);
    let error = fixture
        .generate_pair(user(), ck::CKM_EC_KEY_PAIR_GEN, &of_public, &of_private)
        .map(drop)
        .unwrap_err();
    assert_eq!(error.rv(), Rv::AttributeValueInvalid);
    assert!(error.detail().unwrap().contains("CKA_ALWAYS_AUTHENTICATE"));
    assert!(fixture.find(user(), &template([])).is_empty());
}

#[test]
fn a_pair_is_made_whole_or_not_at_all() {
    let fixture = Fixture::for_user();
    let (of_public, of_private) = kept(ec_pair(Curve::P256), "pair");
    let generate = |cx| fixture.generate_pair(cx, ck::CKM_EC_KEY_PAIR_GEN, &of_public, &of_private);
    assert_eq!(rv(generate(reader())), Rv::SessionReadOnly);
    assert_eq!(rv(generate(public())), Rv::UserNotLoggedIn);
    assert!(fixture.find(user(), &by_label("pair")).is_empty());
    let (public_key, private_key) = generate(user()).unwrap();
    let mut found = fixture.find(user(), &by_label("pair"));
    found.sort_unstable();
    assert_eq!(found, [public_key, private_key]);
    // The user logs out while the key is being made: nothing of it stays.
    fixture.work(user(), Work::Logout).unwrap();
    assert_eq!(rv(generate(user())), Rv::UserNotLoggedIn);
    assert_eq!(fixture.find(public(), &by_label("pair")).len(), 1);
}

#[test]
fn an_operation_goes_on_when_its_key_is_destroyed() {
    let fixture = Fixture::blank();
    let key = fixture
        .create(public(), &secret_key(ck::CKK_GENERIC_SECRET, b"k"))
        .unwrap();
    let hmac = plain(ck::CKM_SHA256_HMAC);
    let mut operation: Box<dyn Operation> =
        fixture.begin(public(), OperationClass::Sign, &hmac, key).unwrap();
    fixture.destroy(public(), key).unwrap();
    operation.update(&public(), b"message", &mut []).unwrap();
    let mut mac = [0; 32];
    ready(operation.finish(&public(), keyenclave_model::token::End::Output(&mut mac))).unwrap();
    assert_ne!(mac, [0; 32]);
    assert_eq!(
        rv(fixture.begin(public(), OperationClass::Sign, &hmac, key)),
        Rv::KeyHandleInvalid
    );
}
