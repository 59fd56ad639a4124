// SPDX-License-Identifier: MIT
//! Keys of a soft token that two key pairs agree on.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod token_fixture;

use cryptoki_sys as ck;
use keyenclave_model::algorithm::{CURVES, Curve, Hash};
use keyenclave_model::attribute::Value;
use keyenclave_model::error::Rv;
use keyenclave_model::mechanism::{EcdhParams, Kdf, Mechanism, Params};
use keyenclave_model::montgomery;
use keyenclave_model::template::Template;
use keyenclave_model::token::ObjectId;
use token_fixture::*;

fn ecdh(id: u64, kdf: Kdf, shared: &[u8], public: &[u8]) -> Mechanism {
    let params = EcdhParams {
        kdf,
        shared: shared.to_vec(),
        public: public.to_vec(),
    };
    mechanism(id, Params::Ecdh(params))
}

fn with(public: &[u8]) -> Mechanism {
    ecdh(ck::CKM_ECDH1_DERIVE, Kdf::Null, b"", public)
}

/// A pair that agrees on secrets: the public point as the object has it, and the private key.
fn pair(fixture: &Fixture, how: u64, params: &[u8], with: &[(u64, Value)]) -> (Vec<u8>, ObjectId) {
    let of_public = template([(ck::CKA_EC_PARAMS, bytes(params))]);
    let of_private = merged(&template([(ck::CKA_DERIVE, yes())]), with.iter().cloned());
    let (public_key, private) = fixture
        .generate_pair(user(), how, &of_public, &of_private)
        .unwrap();
    let object = fixture.view(user(), public_key).unwrap();
    (object.bytes(ck::CKA_EC_POINT).unwrap().to_vec(), private)
}

fn p256(fixture: &Fixture, with: &[(u64, Value)]) -> (Vec<u8>, ObjectId) {
    pair(fixture, ck::CKM_EC_KEY_PAIR_GEN, Curve::P256.row().oid, with)
}

/// What shows itself.
fn open(with: &[(u64, Value)]) -> Template {
    let open = template([(ck::CKA_SENSITIVE, no()), (ck::CKA_EXTRACTABLE, yes())]);
    merged(&open, with.iter().cloned())
}

fn value(fixture: &Fixture, key: ObjectId) -> Vec<u8> {
    let object = fixture.view(user(), key).unwrap();
    object.bytes(ck::CKA_VALUE).unwrap().to_vec()
}

#[test]
fn both_sides_come_to_the_same_key_on_every_curve_whatever_the_form_of_the_point() {
    let fixture = Fixture::for_user();
    let mut kinds: Vec<_> = CURVES
        .iter()
        .map(|row| (ck::CKM_EC_KEY_PAIR_GEN, row.oid, row.curve.field_len()))
        .collect();
    kinds.push((ck::CKM_EC_KEY_PAIR_GEN_W_EXTRA_BITS, Curve::P521.row().oid, 66));
    kinds.push((ck::CKM_EC_MONTGOMERY_KEY_PAIR_GEN, montgomery::CURVE.oid, 32));
    for (how, params, len) in kinds {
        let (first, one) = pair(&fixture, how, params, &[]);
        let (second, other) = pair(&fixture, how, params, &[]);
        let there = fixture.derive(user(), &with(&second), one, &open(&[])).unwrap();
        let bare = &first[first.len()
            - if len == 32 && how == ck::CKM_EC_MONTGOMERY_KEY_PAIR_GEN {
                32
            } else {
                2 * len + 1
            }..];
        let back = fixture.derive(user(), &with(bare), other, &open(&[])).unwrap();
        assert_eq!(value(&fixture, there), value(&fixture, back));
        assert_eq!(value(&fixture, there).len(), len);
    }
}

#[test]
fn the_secret_is_cut_at_its_beginning_and_a_made_key_at_its_end() {
    let fixture = Fixture::for_user();
    let (point, _) = p256(&fixture, &[]);
    let (_, base) = p256(&fixture, &[]);
    let len = |len| open(&[(ck::CKA_VALUE_LEN, number(len))]);
    let aes = open(&[(ck::CKA_KEY_TYPE, number(ck::CKK_AES))]);
    let made = |how: &Mechanism, template: &Template| {
        fixture
            .derive(user(), how, base, template)
            .map(|key| value(&fixture, key))
    };
    let whole = made(&with(&point), &open(&[])).unwrap();
    assert_eq!(made(&with(&point), &len(20)).unwrap(), whole[12..]);
    assert_eq!(made(&with(&point), &aes).unwrap(), whole);
    assert_eq!(rv(made(&with(&point), &len(33))), Rv::KeySizeRange);
    assert_eq!(rv(made(&with(&point), &len(13))), Rv::KeySizeRange);

    let hashed = ecdh(ck::CKM_ECDH1_DERIVE, Kdf::X963(Hash::Sha384), b"info", &point);
    let long = made(&hashed, &len(100)).unwrap();
    assert_eq!(made(&hashed, &open(&[])).unwrap(), long[..48]);
    assert_eq!(made(&hashed, &aes).unwrap(), long[..32]);
    let cofactor = ecdh(
        ck::CKM_ECDH1_COFACTOR_DERIVE,
        Kdf::X963(Hash::Sha384),
        b"info",
        &point,
    );
    assert_eq!(made(&cofactor, &len(100)).unwrap(), long);
    let other = ecdh(ck::CKM_ECDH1_DERIVE, Kdf::Sp800(Hash::Sha384), b"info", &point);
    assert_ne!(made(&other, &len(100)).unwrap(), long);
}

#[test]
fn what_is_no_public_key_for_the_key_is_refused() {
    let fixture = Fixture::for_user();
    let (point, _) = p256(&fixture, &[]);
    let (_, base) = p256(&fixture, &[]);
    let (elsewhere, _) = pair(&fixture, ck::CKM_EC_KEY_PAIR_GEN, Curve::P384.row().oid, &[]);
    let mut off = point.clone();
    *off.last_mut().unwrap() ^= 1;
    let mut hybrid = point[2..].to_vec();
    hybrid[0] = 6 + (hybrid[64] & 1);
    for bad in [
        &elsewhere[..],
        &off,
        &hybrid,
        &point[3..],
        &[0],
        &[4; 65],
        &[4, 0],
    ] {
        assert_eq!(
            rv(fixture.derive(user(), &with(bad), base, &open(&[]))),
            Rv::MechanismParamInvalid
        );
    }
    let montgomery = ck::CKM_EC_MONTGOMERY_KEY_PAIR_GEN;
    let (_, base) = pair(&fixture, montgomery, montgomery::CURVE.oid, &[]);
    for bad in [&[0; 32][..], &[1; 31], &point] {
        assert_eq!(
            rv(fixture.derive(user(), &with(bad), base, &open(&[]))),
            Rv::MechanismParamInvalid
        );
    }
    let cofactor = ecdh(ck::CKM_ECDH1_COFACTOR_DERIVE, Kdf::Null, b"", &[9; 32]);
    assert_eq!(
        rv(fixture.derive(user(), &cofactor, base, &open(&[]))),
        Rv::KeyTypeInconsistent
    );
    let null_with_data = EcdhParams {
        kdf: Kdf::Null,
        shared: vec![1],
        public: point,
    };
    assert_eq!(
        rv(Mechanism::new(ck::CKM_ECDH1_DERIVE, Params::Ecdh(null_with_data))),
        Rv::MechanismParamInvalid
    );
}

#[test]
fn an_agreed_key_is_as_open_as_its_template_says_and_remembers_its_base() {
    let fixture = Fixture::for_user();
    let (point, _) = p256(&fixture, &[]);
    let is = |key, id| fixture.view(user(), key).unwrap().is_true(id);
    let closed = template([(ck::CKA_SENSITIVE, yes()), (ck::CKA_EXTRACTABLE, no())]);
    for (base, is_old) in [
        (p256(&fixture, &[]).1, true),
        (
            p256(
                &fixture,
                &[(ck::CKA_SENSITIVE, no()), (ck::CKA_EXTRACTABLE, yes())],
            )
            .1,
            false,
        ),
    ] {
        let key = fixture.derive(user(), &with(&point), base, &closed).unwrap();
        assert_eq!(is(key, ck::CKA_ALWAYS_SENSITIVE), is_old);
        assert_eq!(is(key, ck::CKA_NEVER_EXTRACTABLE), is_old);
        let key = fixture.derive(user(), &with(&point), base, &open(&[])).unwrap();
        for flag in [
            ck::CKA_SENSITIVE,
            ck::CKA_ALWAYS_SENSITIVE,
            ck::CKA_NEVER_EXTRACTABLE,
            ck::CKA_LOCAL,
        ] {
            assert!(!is(key, flag));
        }
    }
    let (_, mute) = p256(&fixture, &[(ck::CKA_DERIVE, no())]);
    assert_eq!(
        rv(fixture.derive(user(), &with(&point), mute, &open(&[]))),
        Rv::KeyFunctionNotPermitted
    );
}
