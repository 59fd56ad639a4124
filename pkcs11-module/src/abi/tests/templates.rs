// SPDX-License-Identifier: MIT
//! Templates, read and filled.

use std::ptr::null_mut;

use keyenclave_model::attribute::Value;
use keyenclave_model::template::Template;

use super::*;
use crate::abi::values::{AttributeBuffer, AttributeBuffers, RawTemplate};

const ATTRIBUTE: usize = size_of::<ck::CK_ATTRIBUTE>();
const UNAVAILABLE: ck::CK_ULONG = ck::CK_UNAVAILABLE_INFORMATION;

fn attribute(id: ck::CK_ATTRIBUTE_TYPE, value: &[u8]) -> ck::CK_ATTRIBUTE {
    raw(id, value.as_ptr().cast_mut().cast(), ulong(value.len()))
}

fn raw(id: ck::CK_ATTRIBUTE_TYPE, value: *mut u8, len: ck::CK_ULONG) -> ck::CK_ATTRIBUTE {
    ck::CK_ATTRIBUTE {
        type_: id,
        pValue: value.cast(),
        ulValueLen: len,
    }
}

/// An attribute whose value is a template.
fn array(id: ck::CK_ATTRIBUTE_TYPE, inner: &mut [ck::CK_ATTRIBUTE]) -> ck::CK_ATTRIBUTE {
    raw(id, inner.as_mut_ptr().cast(), ulong(inner.len() * ATTRIBUTE))
}

fn parse(attributes: &[ck::CK_ATTRIBUTE]) -> Result<Template> {
    parse_raw(attributes.as_ptr(), ulong(attributes.len()))
}

fn parse_raw(ptr: *const ck::CK_ATTRIBUTE, count: ck::CK_ULONG) -> Result<Template> {
    // SAFETY: the tests give memory that outlives the call, or what is not read.
    unsafe { RawTemplate::new(ptr, count) }.parse()
}

/// Has `fill` fill the only attribute.
fn fill(
    attribute: &mut ck::CK_ATTRIBUTE,
    fill: impl FnOnce(&mut AttributeBuffer<'_>) -> Result<()>,
) -> Option<Rv> {
    // SAFETY: the tests give memory that outlives the call.
    let mut buffers = unsafe { AttributeBuffers::new(attribute, 1) };
    buffers.check().unwrap();
    let mut buffer = buffers.iter().next().unwrap();
    rv(fill(&mut buffer))
}

#[test]
fn a_template_is_read() {
    let class = ck::CKO_DATA.to_ne_bytes();
    let template = parse(&[attribute(ck::CKA_CLASS, &class), attribute(ck::CKA_LABEL, b"x")]).unwrap();
    assert_eq!(template.ulong(ck::CKA_CLASS), Some(ck::CKO_DATA));
    assert_eq!(template.bytes(ck::CKA_LABEL), Some(&b"x"[..]));
}

#[test]
fn a_template_that_is_not_there_is_empty_or_a_bad_argument() {
    assert!(parse_raw(null_mut(), 0).unwrap().is_empty());
    assert_eq!(rv(parse_raw(null_mut(), 1)), Some(Rv::ArgumentsBad));
}

#[test]
fn an_absurd_count_is_a_bad_argument() {
    let label = attribute(ck::CKA_LABEL, b"x");
    for count in [100_000, ck::CK_ULONG::MAX / ulong(ATTRIBUTE)]
        .into_iter()
        .chain(HUGE)
    {
        assert_eq!(
            rv(parse_raw(&raw const label, count)),
            Some(Rv::ArgumentsBad),
            "{count}"
        );
        // SAFETY: such a count is not believed.
        let mut buffers = unsafe { AttributeBuffers::new((&raw const label).cast_mut(), count) };
        assert_eq!(rv(buffers.check()), Some(Rv::ArgumentsBad));
        assert_eq!(buffers.iter().count(), 0);
    }
}

#[test]
fn a_value_that_is_not_there_or_absurdly_long_is_invalid() {
    let empty = parse(&[raw(ck::CKA_LABEL, null_mut(), 0)]).unwrap();
    assert_eq!(empty.bytes(ck::CKA_LABEL), Some(&b""[..]));
    assert_eq!(
        rv(parse(&[raw(ck::CKA_LABEL, null_mut(), 1)])),
        Some(Rv::AttributeValueInvalid)
    );
    let mut byte = 0;
    for huge in [1 << 29].into_iter().chain(HUGE) {
        assert_eq!(
            rv(parse(&[raw(ck::CKA_LABEL, &raw mut byte, huge)])),
            Some(Rv::AttributeValueInvalid)
        );
    }
}

#[test]
fn a_template_and_its_numbers_need_not_be_aligned() {
    let mut number = [0_u8; size_of::<ck::CK_ULONG>() + 1];
    number[1..].copy_from_slice(&ck::CKO_DATA.to_ne_bytes());
    let mut memory = [0_u8; ATTRIBUTE + 1];
    let odd = memory.as_mut_ptr().wrapping_add(1).cast::<ck::CK_ATTRIBUTE>();
    // SAFETY: there is room for one behind the first byte.
    unsafe { odd.write_unaligned(attribute(ck::CKA_CLASS, &number[1..])) };
    assert_eq!(
        parse_raw(odd, 1).unwrap().ulong(ck::CKA_CLASS),
        Some(ck::CKO_DATA)
    );
}

#[test]
fn a_template_in_a_template_is_read() {
    let mut inner = [attribute(ck::CKA_SENSITIVE, &[1]), attribute(ck::CKA_LABEL, b"x")];
    let template = parse(&[array(ck::CKA_WRAP_TEMPLATE, &mut inner)]).unwrap();
    match template.get(ck::CKA_WRAP_TEMPLATE) {
        Some(Value::Template(inner)) => assert_eq!(inner.bool(ck::CKA_SENSITIVE), Some(true)),
        _ => panic!("not a template"),
    }
    assert_eq!(rv(parse(&[array(ck::CKA_WRAP_TEMPLATE, &mut [])])), None);
}

#[test]
fn templates_nest_one_level_deep() {
    let mut innermost = [attribute(ck::CKA_SENSITIVE, &[1])];
    let mut inner = [array(ck::CKA_UNWRAP_TEMPLATE, &mut innermost)];
    assert_eq!(
        rv(parse(&[array(ck::CKA_WRAP_TEMPLATE, &mut inner)])),
        Some(Rv::AttributeValueInvalid)
    );
}

#[test]
fn a_template_that_contains_itself_is_refused() {
    let mut attributes = [attribute(ck::CKA_LABEL, b"x")];
    attributes[0] = array(ck::CKA_WRAP_TEMPLATE, &mut attributes);
    assert_eq!(rv(parse(&attributes)), Some(Rv::AttributeValueInvalid));
}

#[test]
fn a_nested_template_of_half_an_attribute_is_invalid() {
    let mut inner = [attribute(ck::CKA_SENSITIVE, &[1])];
    let whole = array(ck::CKA_WRAP_TEMPLATE, &mut inner);
    for len in [1, ulong(ATTRIBUTE) - 1].into_iter().chain(HUGE) {
        let half = ck::CK_ATTRIBUTE {
            ulValueLen: len,
            ..whole
        };
        assert_eq!(rv(parse(&[half])), Some(Rv::AttributeValueInvalid), "{len}");
    }
    let nowhere = ck::CK_ATTRIBUTE {
        pValue: null_mut(),
        ..whole
    };
    assert_eq!(rv(parse(&[nowhere])), Some(Rv::AttributeValueInvalid));
}

#[test]
fn a_value_is_written_with_its_length() {
    let mut memory = [0; 4];
    let mut label = raw(ck::CKA_LABEL, memory.as_mut_ptr(), 4);
    assert_eq!(fill(&mut label, |buffer| buffer.write(b"abc")), None);
    assert_eq!((memory, label.ulValueLen), (*b"abc\0", 3));
}

#[test]
fn a_query_gets_the_length_alone() {
    let mut label = raw(ck::CKA_LABEL, null_mut(), 77);
    assert_eq!(fill(&mut label, |buffer| buffer.write(b"abc")), None);
    assert_eq!(label.ulValueLen, 3);
}

#[test]
fn a_buffer_that_is_too_small_is_left_alone_and_its_length_unavailable() {
    let mut memory = [7; 2];
    let mut label = raw(ck::CKA_LABEL, memory.as_mut_ptr(), 2);
    assert_eq!(
        fill(&mut label, |buffer| buffer.write(b"abc")),
        Some(Rv::BufferTooSmall)
    );
    assert_eq!((memory, label.ulValueLen), ([7; 2], UNAVAILABLE));
}

#[test]
fn a_buffer_of_an_absurd_length_counts_as_none() {
    for huge in HUGE {
        let mut byte = 7;
        let mut label = raw(ck::CKA_LABEL, &raw mut byte, huge);
        assert_eq!(
            fill(&mut label, |buffer| buffer.write(b"a")),
            Some(Rv::BufferTooSmall)
        );
        assert_eq!((byte, label.ulValueLen), (7, UNAVAILABLE));
    }
}

#[test]
fn every_attribute_of_a_template_is_filled() {
    let mut memory = [0_u8; 1];
    let mut attributes = [
        raw(ck::CKA_VALUE, null_mut(), 0),
        raw(ck::CKA_ID, memory.as_mut_ptr(), 1),
        raw(ck::CKA_LABEL, null_mut(), 0),
    ];
    // SAFETY: all of it outlives the value.
    let mut buffers = unsafe { AttributeBuffers::new(attributes.as_mut_ptr(), 3) };
    for mut buffer in buffers.iter() {
        match buffer.id() {
            ck::CKA_VALUE => buffer.set_unavailable(),
            ck::CKA_ID => buffer.write(&[9]).unwrap(),
            _ => buffer.set_len(5),
        }
    }
    assert_eq!(
        attributes.map(|attribute| attribute.ulValueLen),
        [UNAVAILABLE, 1, 5]
    );
    assert_eq!(memory, [9]);
}

#[test]
fn a_template_is_written_as_a_value_in_three_calls() {
    let value: Template = [
        (ck::CKA_SENSITIVE, Value::Bool(true)),
        (ck::CKA_LABEL, Value::bytes(*b"abc")),
    ]
    .into_iter()
    .collect();
    let mut outer = raw(ck::CKA_WRAP_TEMPLATE, null_mut(), 0);
    assert_eq!(fill(&mut outer, |buffer| buffer.write_template(&value)), None);
    assert_eq!(outer.ulValueLen, ulong(2 * ATTRIBUTE));

    let mut inner = [raw(0, null_mut(), 0), raw(0, null_mut(), 0)];
    let mut outer = array(ck::CKA_WRAP_TEMPLATE, &mut inner);
    assert_eq!(fill(&mut outer, |buffer| buffer.write_template(&value)), None);
    assert_eq!(
        inner.map(|element| (element.type_, element.ulValueLen)),
        [(ck::CKA_SENSITIVE, 1), (ck::CKA_LABEL, 3)]
    );

    let (mut sensitive, mut label) = ([0], [0; 3]);
    inner[0].pValue = sensitive.as_mut_ptr().cast();
    inner[1].pValue = label.as_mut_ptr().cast();
    let mut outer = array(ck::CKA_WRAP_TEMPLATE, &mut inner);
    assert_eq!(fill(&mut outer, |buffer| buffer.write_template(&value)), None);
    assert_eq!((sensitive, label), ([1], *b"abc"));
}

#[test]
fn a_template_that_does_not_fit_as_a_value_says_so() {
    let value: Template = [
        (ck::CKA_SENSITIVE, Value::Bool(true)),
        (ck::CKA_LABEL, Value::bytes(*b"abc")),
    ]
    .into_iter()
    .collect();
    let mut one = [raw(0, null_mut(), 0)];
    let mut outer = array(ck::CKA_WRAP_TEMPLATE, &mut one);
    assert_eq!(
        fill(&mut outer, |buffer| buffer.write_template(&value)),
        Some(Rv::BufferTooSmall)
    );
    assert_eq!((outer.ulValueLen, one[0].type_), (UNAVAILABLE, 0));

    let mut label = [7; 2];
    let mut two = [raw(0, null_mut(), 0), raw(0, label.as_mut_ptr(), 2)];
    let mut outer = array(ck::CKA_WRAP_TEMPLATE, &mut two);
    assert_eq!(
        fill(&mut outer, |buffer| buffer.write_template(&value)),
        Some(Rv::BufferTooSmall)
    );
    assert_eq!(two.map(|element| element.ulValueLen), [1, UNAVAILABLE]);
    assert_eq!(label, [7; 2]);
}
