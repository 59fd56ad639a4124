// SPDX-License-Identifier: MIT
//! Objects as bytes: the body of a record.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version, `VERSION` |
//! | number | how many attributes follow |
//! | each: number | the attribute, in ascending order, each once |
//! | each: 1 | the form of the value, a `tag` |
//! | each: … | the value |
//!
//! A number is little-endian base 128 (as in DWARF and protocol buffers) without superfluous bytes. There is exactly
//! one encoding of an object, and decoding refuses every other one. A store's bytes may come from anybody: decoding
//! takes time and memory in proportion to their number, goes into templates no deeper than `MAX_DEPTH`, and never
//! panics. This format is for ever; a new one gets another version.

use cryptoki_sys as ck;
use keyenclave_model::attribute::Value;
use keyenclave_model::object::Object;
use keyenclave_model::template::Template;
use zeroize::Zeroizing;

/// The version that is written.
const VERSION: u8 = 1;

/// How deep templates may stand in templates.
const MAX_DEPTH: usize = 4;

/// The most bytes that a number takes.
const MAX_NUMBER: usize = 10;

/// The forms of values.
mod tag {
    pub(super) const FALSE: u8 = 0;
    pub(super) const TRUE: u8 = 1;
    /// A number.
    pub(super) const ULONG: u8 = 2;
    /// A length and as many bytes.
    pub(super) const BYTES: u8 = 3;
    /// A count and as many numbers.
    pub(super) const MECHANISMS: u8 = 4;
    /// A count and as many attributes, in the order in which they were given.
    pub(super) const TEMPLATE: u8 = 5;
}

/// The bytes of an object. Room is reserved at once, so that no half-written copy of a key stays behind.
pub fn encode(object: &Object) -> Zeroizing<Vec<u8>> {
    let count = object.iter().count();
    let room = object.iter().map(|(_, value)| room(value)).sum::<usize>();
    let mut out = Zeroizing::new(Vec::with_capacity(room.saturating_add(1 + MAX_NUMBER)));
    out.push(VERSION);
    put_number(&mut out, count as u64);
    for (id, value) in object.iter() {
        put_number(&mut out, id);
        put_value(&mut out, value);
    }
    out
}

/// The object of bytes that [`encode`] made; `None` for any others.
pub fn decode(bytes: &[u8]) -> Option<Object> {
    let (version, rest) = bytes.split_first()?;
    if *version != VERSION {
        return None;
    }
    let mut reader = Reader(rest);
    let attributes = reader.attributes(0)?;
    let ascending = attributes
        .iter()
        .zip(attributes.iter().skip(1))
        .all(|((left, _), (right, _))| left < right);
    (reader.0.is_empty() && ascending).then(|| Object::restore(attributes))
}

/// At least as many bytes as an attribute with this value takes.
fn room(value: &Value) -> usize {
    let content = match value {
        Value::Bool(_) => 0,
        Value::Ulong(_) => MAX_NUMBER,
        Value::Bytes(bytes) => bytes.len().saturating_add(MAX_NUMBER),
        Value::Mechanisms(list) => list.len().saturating_add(1).saturating_mul(MAX_NUMBER),
        Value::Template(template) => {
            template.iter().map(|(_, value)| room(value)).sum::<usize>() + MAX_NUMBER
        }
    };
    content.saturating_add(MAX_NUMBER + 1)
}

fn put_number(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let [digits, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            return out.push(digits & 0x7f);
        }
        out.push(digits | 0x80);
    }
}

fn put_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Bool(false) => out.push(tag::FALSE),
        Value::Bool(true) => out.push(tag::TRUE),
        Value::Ulong(number) => {
            out.push(tag::ULONG);
            put_number(out, *number);
        }
        Value::Bytes(bytes) => {
            out.push(tag::BYTES);
            put_number(out, bytes.len() as u64);
            out.extend_from_slice(bytes);
        }
        Value::Mechanisms(list) => {
            out.push(tag::MECHANISMS);
            put_number(out, list.len() as u64);
            list.iter().for_each(|mechanism| put_number(out, *mechanism));
        }
        Value::Template(template) => {
            out.push(tag::TEMPLATE);
            put_number(out, template.len() as u64);
            for (id, value) in template.iter() {
                put_number(out, id);
                put_value(out, value);
            }
        }
    }
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let digits = u64::from(byte & 0x7f);
            if digits.leading_zeros() < shift {
                return None;
            }
            number |= digits << shift;
            if byte & 0x80 == 0 {
                // The last byte of a number is zero only if it is the only one.
                return (digits != 0 || shift == 0).then_some(number);
            }
        }
        None
    }

    /// A count of things that take at least one byte each, so that no count makes us reserve more than was sent.
    fn count(&mut self) -> Option<usize> {
        let count = usize::try_from(self.number()?).ok()?;
        (count <= self.0.len()).then_some(count)
    }

    fn attributes(&mut self, depth: usize) -> Option<Vec<(ck::CK_ATTRIBUTE_TYPE, Value)>> {
        let count = self.count()?;
        let mut attributes = Vec::new();
        for _ in 0..count {
            attributes.push((self.number()?, self.value(depth)?));
        }
        Some(attributes)
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        Some(match self.byte()? {
            tag::FALSE => Value::Bool(false),
            tag::TRUE => Value::Bool(true),
            tag::ULONG => Value::Ulong(self.number()?),
            tag::BYTES => {
                let len = self.count()?;
                Value::bytes(self.take(len)?)
            }
            tag::MECHANISMS => {
                let count = self.count()?;
                Value::Mechanisms((0..count).map(|_| self.number()).collect::<Option<_>>()?)
            }
            tag::TEMPLATE if depth < MAX_DEPTH => Value::Template(self.template(depth + 1)?),
            _ => return None,
        })
    }

    fn template(&mut self, depth: usize) -> Option<Template> {
        let attributes = self.attributes(depth)?;
        let mut ids: Vec<_> = attributes.iter().map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids.dedup();
        (ids.len() == attributes.len()).then(|| attributes.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// A value that can be shown when a case fails; real ones may be keys and have no `Debug`.
    #[derive(Clone, Debug)]
    enum Plain {
        Bool(bool),
        Ulong(u64),
        Bytes(Vec<u8>),
        Mechanisms(Vec<u64>),
        Template(BTreeMap<u64, Plain>),
    }

    impl Plain {
        fn value(&self) -> Value {
            match self {
                Self::Bool(value) => Value::Bool(*value),
                Self::Ulong(value) => Value::Ulong(*value),
                Self::Bytes(value) => Value::bytes(value.as_slice()),
                Self::Mechanisms(value) => Value::Mechanisms(value.clone()),
                Self::Template(value) => {
                    Value::Template(value.iter().map(|(id, value)| (*id, value.value())).collect())
                }
            }
        }
    }

    fn plain() -> impl Strategy<Value = Plain> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Plain::Bool),
            any::<u64>().prop_map(Plain::Ulong),
            proptest::collection::vec(any::<u8>(), 0..300).prop_map(Plain::Bytes),
            proptest::collection::vec(any::<u64>(), 0..20).prop_map(Plain::Mechanisms),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            proptest::collection::btree_map(any::<u64>(), inner, 0..4).prop_map(Plain::Template)
        })
    }

    fn attributes() -> impl Strategy<Value = BTreeMap<u64, Plain>> {
        proptest::collection::btree_map(any::<u64>(), plain(), 0..12)
    }

    fn object(attributes: &BTreeMap<u64, Plain>) -> Object {
        Object::restore(
            attributes
                .iter()
                .map(|(id, value)| (*id, value.value()))
                .collect(),
        )
    }

    proptest! {
        #[test]
        fn an_object_survives_the_way_there_and_back(attributes in attributes()) {
            let object = object(&attributes);
            let bytes = encode(&object);
            prop_assert!(decode(&bytes).unwrap() == object);
        }

        #[test]
        fn hostile_bytes_are_refused_or_are_the_one_encoding(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() {
                *first = VERSION;
            }
            if let Some(object) = decode(&bytes) {
                prop_assert_eq!(&*encode(&object), &bytes);
            }
        }

        #[test]
        fn a_changed_byte_gives_another_object_or_none(attributes in attributes(), at in any::<prop::sample::Index>(), flip in 1u8..) {
            let object = object(&attributes);
            let mut bytes = encode(&object);
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            if let Some(other) = decode(&bytes) {
                prop_assert!(other != object);
                prop_assert_eq!(&*encode(&other), &*bytes);
            }
        }

        #[test]
        fn a_cut_object_is_refused(attributes in attributes(), at in any::<prop::sample::Index>()) {
            let object = object(&attributes);
            let bytes = encode(&object);
            prop_assert!(decode(&bytes[..at.index(bytes.len())]).is_none());
        }
    }

    #[test]
    fn templates_do_not_nest_without_end() {
        let mut bytes = vec![VERSION, 1, 1];
        for _ in 0..100_000 {
            bytes.extend([tag::TEMPLATE, 1, 1]);
        }
        bytes.push(tag::TRUE);
        assert!(decode(&bytes).is_none());
    }

    #[test]
    fn a_huge_count_reserves_nothing() {
        assert!(decode(&[VERSION, 0xff, 0xff, 0xff, 0xff, 0x0f]).is_none());
        assert!(decode(&[VERSION, 1, 0x11, tag::BYTES, 0xff, 0xff, 0xff, 0xff, 0x7f]).is_none());
    }

    #[test]
    fn the_encoding_never_changes() {
        let object = Object::restore(vec![
            (ck::CKA_TOKEN, Value::Bool(true)),
            (ck::CKA_CLASS, Value::Ulong(300)),
            (ck::CKA_LABEL, Value::bytes(*b"ab")),
            (ck::CKA_ALLOWED_MECHANISMS, Value::Mechanisms(vec![1])),
        ]);
        let expected = [
            1, 4, 0, 2, 0xac, 2, 1, 1, 3, 3, 2, b'a', b'b', 0x80, 0x8c, 0x80, 0x80, 0x04, 4, 1, 1,
        ];
        assert_eq!(*encode(&object), expected);
    }
}
