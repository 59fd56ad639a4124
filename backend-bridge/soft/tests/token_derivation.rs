// SPDX-License-Identifier: MIT
//! Keys of a soft token that are made from other keys.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod token_fixture;

use cryptoki_sys as ck;
use keyenclave_model::attribute::Value;
use keyenclave_model::error::Rv;
use keyenclave_model::mechanism::{Mechanism, Params};
use keyenclave_model::template::Template;
use keyenclave_model::token::ObjectId;
use token_fixture::*;

fn data(id: u64, data: &[u8]) -> Mechanism {
    mechanism(id, Params::Data(data.to_vec().into()))
}

/// A key that everything may be made of and that shows itself, unless `with` says otherwise.
fn base(fixture: &Fixture, value: &[u8], with: &[(u64, Value)]) -> ObjectId {
    let open = [
        (ck::CKA_DERIVE, yes()),
        (ck::CKA_SENSITIVE, no()),
        (ck::CKA_EXTRACTABLE, yes()),
    ];
    let open = merged(&secret_key(ck::CKK_GENERIC_SECRET, value), open);
    fixture
        .create(user(), &merged(&open, with.iter().cloned()))
        .unwrap()
}

fn open(len: Option<u64>) -> Template {
    let open = template([(ck::CKA_SENSITIVE, no()), (ck::CKA_EXTRACTABLE, yes())]);
    merged(&open, len.map(|len| (ck::CKA_VALUE_LEN, number(len))))
}

fn value(fixture: &Fixture, key: ObjectId) -> Vec<u8> {
    fixture
        .view(user(), key)
        .unwrap()
        .bytes(ck::CKA_VALUE)
        .unwrap()
        .to_vec()
}

#[test]
fn the_examples_of_the_specification_come_out() {
    let fixture = Fixture::for_user();
    let (first, second) = (
        [0x01, 0x23, 0x45, 0x67].repeat(4),
        [0x89, 0xab, 0xcd, 0xef].repeat(4),
    );
    let one = base(&fixture, &first, &[]);
    let other = base(&fixture, &second, &[]);
    let made = |how: &Mechanism| value(&fixture, fixture.derive(user(), how, one, &open(None)).unwrap());
    let known = second.clone();
    let forward = [&first[..], &second].concat();
    let and_key = mechanism(ck::CKM_CONCATENATE_BASE_AND_KEY, Params::Key(other));
    assert_eq!(made(&and_key), forward);
    assert_eq!(made(&data(ck::CKM_CONCATENATE_BASE_AND_DATA, &known)), forward);
    assert_eq!(
        made(&data(ck::CKM_CONCATENATE_DATA_AND_BASE, &known)),
        [&second[..], &first].concat()
    );
    assert_eq!(made(&data(ck::CKM_XOR_BASE_AND_DATA, &known)), [0x88; 16]);
}

#[test]
fn bits_are_extracted_around_the_end() {
    let fixture = Fixture::for_user();
    let bytes: Vec<u8> = (0..32).map(|byte: u8| byte.wrapping_mul(37)).collect();
    let key = base(&fixture, &bytes, &[]);
    let bits: Vec<bool> = bytes
        .iter()
        .flat_map(|byte| (0..8).map(move |bit| byte >> (7 - bit) & 1 == 1))
        .collect();
    for position in [0, 1, 7, 8, 21, 133, 255] {
        let how = mechanism(ck::CKM_EXTRACT_KEY_FROM_KEY, Params::Bit(position));
        let made = fixture.derive(user(), &how, key, &open(Some(16))).unwrap();
        let expected: Vec<u8> = (0..16)
            .map(|byte| {
                (0..8).fold(0, |all, bit| {
                    all << 1 | u8::from(bits[(position + byte * 8 + bit) % bits.len()])
                })
            })
            .collect();
        assert_eq!(value(&fixture, made), expected, "{position}");
    }
    let beyond = mechanism(ck::CKM_EXTRACT_KEY_FROM_KEY, Params::Bit(256));
    assert_eq!(
        rv(fixture.derive(user(), &beyond, key, &open(Some(16)))),
        Rv::MechanismParamInvalid
    );
    let first = mechanism(ck::CKM_EXTRACT_KEY_FROM_KEY, Params::Bit(0));
    assert_eq!(
        rv(fixture.derive(user(), &first, key, &open(None))),
        Rv::TemplateIncomplete
    );
    assert_eq!(
        rv(fixture.derive(user(), &first, key, &open(Some(33)))),
        Rv::KeySizeRange
    );
}

#[test]
fn a_derived_key_is_no_more_open_than_what_it_comes_from() {
    let fixture = Fixture::for_user();
    let how = data(ck::CKM_CONCATENATE_BASE_AND_DATA, b"data");
    let closed = [(ck::CKA_SENSITIVE, yes()), (ck::CKA_EXTRACTABLE, no())];
    let closed = base(&fixture, &[1; 16], &closed);
    let made = fixture.derive(user(), &how, closed, &open(None)).unwrap();
    let made = fixture.view(user(), made).unwrap();
    assert!(made.is_true(ck::CKA_SENSITIVE) && !made.is_true(ck::CKA_EXTRACTABLE));
    assert!(
        !made.is_true(ck::CKA_ALWAYS_SENSITIVE) && !made.is_true(ck::CKA_LOCAL),
        "its parent came from outside"
    );
    let generated = template([(ck::CKA_VALUE_LEN, number(32)), (ck::CKA_DERIVE, yes())]);
    let generated = fixture
        .generate(user(), ck::CKM_GENERIC_SECRET_KEY_GEN, &generated)
        .unwrap();
    let made = fixture.derive(user(), &how, generated, &open(None)).unwrap();
    let made = fixture.view(user(), made).unwrap();
    assert!(made.is_true(ck::CKA_ALWAYS_SENSITIVE) && made.is_true(ck::CKA_NEVER_EXTRACTABLE));
    let other = base(&fixture, &[2; 16], &[]);
    let and_key = mechanism(ck::CKM_CONCATENATE_BASE_AND_KEY, Params::Key(closed));
    let made = fixture.derive(user(), &and_key, other, &open(None)).unwrap();
    assert!(fixture.view(user(), made).unwrap().is_true(ck::CKA_SENSITIVE));
}

#[test]
fn no_key_is_cut_so_short_that_it_could_be_guessed() {
    let fixture = Fixture::for_user();
    let closed = template([(ck::CKA_VALUE_LEN, number(32)), (ck::CKA_DERIVE, yes())]);
    let key = fixture.generate(user(), ck::CKM_AES_KEY_GEN, &closed).unwrap();
    let cut = |how: &Mechanism, len| rv(fixture.derive(user(), how, key, &open(Some(len))));
    let extract = mechanism(ck::CKM_EXTRACT_KEY_FROM_KEY, Params::Bit(0));
    for len in [1, 8, 13] {
        assert_eq!(cut(&extract, len), Rv::KeySizeRange);
        assert_eq!(
            cut(&data(ck::CKM_CONCATENATE_BASE_AND_DATA, b"x"), len),
            Rv::KeySizeRange
        );
        assert_eq!(
            cut(&data(ck::CKM_XOR_BASE_AND_DATA, &[0; 32]), len),
            Rv::KeySizeRange
        );
        let behind = data(ck::CKM_CONCATENATE_DATA_AND_BASE, &[0; 31]);
        assert_eq!(cut(&behind, 31 + len), Rv::KeySizeRange);
    }
    let short = data(ck::CKM_XOR_BASE_AND_DATA, b"x");
    assert_eq!(
        rv(fixture.derive(user(), &short, key, &open(None))),
        Rv::KeySizeRange
    );
    let known = base(&fixture, &[0; 31], &[]);
    let and_key = mechanism(ck::CKM_CONCATENATE_BASE_AND_KEY, Params::Key(key));
    assert_eq!(
        rv(fixture.derive(user(), &and_key, known, &open(Some(32)))),
        Rv::KeySizeRange,
        "nor behind one that is known"
    );
    assert!(fixture.derive(user(), &extract, key, &open(Some(16))).is_ok());
    let readable = fixture.derive(user(), &extract, known, &open(Some(1)));
    assert!(readable.is_ok(), "what can be read need not be guessed");
}

#[test]
fn a_key_is_derived_only_where_it_may_be() {
    let fixture = Fixture::for_user();
    let how = data(ck::CKM_CONCATENATE_BASE_AND_DATA, b"data");
    let idle = base(&fixture, &[1; 16], &[(ck::CKA_DERIVE, no())]);
    assert_eq!(
        rv(fixture.derive(user(), &how, idle, &open(None))),
        Rv::KeyFunctionNotPermitted
    );
    let key = base(&fixture, &[1; 16], &[]);
    let with = mechanism(ck::CKM_CONCATENATE_BASE_AND_KEY, Params::Key(idle));
    assert_eq!(
        rv(fixture.derive(user(), &with, key, &open(None))),
        Rv::KeyFunctionNotPermitted
    );
    assert_eq!(
        rv(fixture.derive(user(), &plain(ck::CKM_SHA256), key, &open(None))),
        Rv::MechanismInvalid
    );
    assert_eq!(
        rv(fixture.derive(user(), &how, ObjectId(9999), &open(None))),
        Rv::KeyHandleInvalid
    );
    let valued = merged(&open(None), [(ck::CKA_VALUE, bytes([1; 16]))]);
    assert_eq!(
        rv(fixture.derive(user(), &how, key, &valued)),
        Rv::AttributeReadOnly
    );
    let aes = merged(&open(None), [(ck::CKA_KEY_TYPE, number(ck::CKK_AES))]);
    assert_eq!(
        rv(fixture.derive(user(), &how, key, &aes)),
        Rv::AttributeValueInvalid,
        "20 bytes are no AES key"
    );
    let demands = template([(ck::CKA_EXTRACTABLE, no())]);
    let strict = base(
        &fixture,
        &[1; 16],
        &[(ck::CKA_DERIVE_TEMPLATE, Value::Template(demands))],
    );
    assert_eq!(
        rv(fixture.derive(user(), &how, strict, &open(None))),
        Rv::TemplateInconsistent
    );
}

#[test]
fn what_the_base_key_demands_goes_before_defaults() {
    let fixture = Fixture::for_user();
    let demands = template([(ck::CKA_KEY_TYPE, number(ck::CKK_AES))]);
    let strict = base(
        &fixture,
        &[1; 16],
        &[(ck::CKA_DERIVE_TEMPLATE, Value::Template(demands))],
    );
    let how = data(ck::CKM_CONCATENATE_BASE_AND_DATA, &[2; 16]);
    let made = fixture.derive(user(), &how, strict, &open(None)).unwrap();
    let made = fixture.view(user(), made).unwrap();
    assert_eq!(made.key_type(), Some(ck::CKK_AES));
}
