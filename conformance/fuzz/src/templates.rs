// SPDX-License-Identifier: MIT
//! Arrays of `CK_ATTRIBUTE`: read as a template that says something, and filled as one that asks.
#![allow(unsafe_code, reason = "what is tried out takes pointers")]

use crate::memory::Memory;
use crate::source::Source;
use cryptoki_sys as ck;
use keyenclave_model::attribute::{ATTRIBUTES, Kind, kind};
use keyenclave_module::abi::values::{AttributeBuffers, RawTemplate};

/// Numbers that attributes have: classes, types of keys, parameter sets.
const NUMBERS: &[u64] = &[
    ck::CKO_DATA,
    ck::CKO_CERTIFICATE,
    ck::CKO_PUBLIC_KEY,
    ck::CKO_PRIVATE_KEY,
    ck::CKO_SECRET_KEY,
    ck::CKO_PROFILE,
    ck::CKO_MECHANISM,
    ck::CKK_RSA,
    ck::CKK_EC,
    ck::CKK_GENERIC_SECRET,
    ck::CKK_AES,
    ck::CKK_SHA256_HMAC,
    ck::CKK_CHACHA20,
    ck::CKK_EC_EDWARDS,
    ck::CKK_EC_MONTGOMERY,
    ck::CKK_HKDF,
    ck::CKK_ML_DSA,
    ck::CKK_ML_KEM,
    ck::CKP_ML_DSA_44,
    ck::CKP_ML_DSA_87,
];
/// Curves as `CKA_EC_PARAMS`, an exponent, a date, the start of a certificate.
const BYTES: &[&[u8]] = &[
    b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07",
    b"\x06\x05\x2b\x81\x04\x00\x22",
    b"\x06\x05\x2b\x81\x04\x00\x23",
    b"\x06\x03\x2b\x65\x70",
    b"\x06\x03\x2b\x65\x6e",
    b"\x13\x0cedwards25519",
    b"\x01\x00\x01",
    b"20261231",
    b"\x30\x82\x01\x00\x30\x81\xd0",
    b"label",
    b"0123456789abcdef",
    b"0123456789abcdef0123456789abcdef",
];
/// The largest modulus that is generated, in bits: larger ones take the time of the whole run.
const MODULUS_BITS: u64 = 2048;
/// How deep arrays stand in arrays.
const DEEPEST: usize = 3;

/// An array and the number of its elements.
pub fn make(memory: &mut Memory, source: &mut Source<'_>, depth: usize) -> (*mut ck::CK_ATTRIBUTE, u64) {
    let words = array(memory, source, depth, &[]);
    let count = (words.len() / 3) as u64;
    let place = match source.byte() {
        0 => return (std::ptr::null_mut(), source.number(&[])),
        _ => memory.keep(words.iter().flat_map(|word| word.to_ne_bytes()).collect()),
    };
    (place.cast(), count)
}

/// An array that begins with these attributes.
pub fn with(
    memory: &mut Memory,
    source: &mut Source<'_>,
    begin: &[(u64, &[u8])],
) -> (*mut ck::CK_ATTRIBUTE, u64) {
    let words = array(memory, source, 0, begin);
    let count = (words.len() / 3) as u64;
    let bytes = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    (memory.keep(bytes).cast(), count)
}

fn array(memory: &mut Memory, source: &mut Source<'_>, depth: usize, begin: &[(u64, &[u8])]) -> Vec<u64> {
    let mut words = Vec::new();
    for (id, value) in begin {
        let place = memory.keep(value.to_vec());
        words.extend([*id, Memory::word(place), value.len() as u64]);
    }
    for _ in 0..source.byte() % 12 {
        let id = match source.byte() {
            0 => source.word(),
            _ => source.choice(ATTRIBUTES).map_or(0, |row| row.id),
        };
        let (place, len) = value(memory, source, id, depth);
        words.extend([id, Memory::word(place), len]);
    }
    words
}

/// A value; mostly one that an attribute of this kind can have.
fn value(memory: &mut Memory, source: &mut Source<'_>, id: u64, depth: usize) -> (*mut u8, u64) {
    let kind = kind(id);
    if kind == Kind::Template {
        if depth == DEEPEST || source.is_rare(16) {
            return (std::ptr::null_mut(), source.number(&[]));
        }
        let (place, count) = make(memory, source, depth + 1);
        let size = size_of::<ck::CK_ATTRIBUTE>() as u64;
        let uneven = u64::from(source.is_rare(16));
        return match count.checked_mul(size) {
            Some(len) if len > uneven => (place.cast(), len - uneven),
            _ => (std::ptr::null_mut(), 0),
        };
    }
    if source.is_rare(12) {
        return memory.buffer(source);
    }
    let bytes = match kind {
        Kind::Bool => vec![source.byte() % 3],
        Kind::Ulong => match source.number(NUMBERS) {
            bits if id == ck::CKA_MODULUS_BITS => bits.min(MODULUS_BITS),
            number => number,
        }
        .to_ne_bytes()
        .to_vec(),
        Kind::Mechanisms => {
            let count = usize::from(source.byte() % 4);
            source.bytes(count * 8)
        }
        _ => match source.choice(BYTES) {
            Some(known) if source.is_rare(2) => known.to_vec(),
            _ => source.blob(),
        },
    };
    let len = bytes.len() as u64;
    (memory.keep(bytes), len)
}

/// Reads an array, then fills it with what it said itself.
///
/// # Panics
/// If a length that is written is neither that of the value nor `CK_UNAVAILABLE_INFORMATION`.
pub fn run(data: &[u8]) {
    let mut memory = Memory::new();
    let mut source = Source::new(data);
    let (place, count) = make(&mut memory, &mut source, 0);
    // SAFETY: its maker keeps what the specification makes a caller owe, and `memory` outlives it.
    let raw = unsafe { RawTemplate::new(place, count) };
    let _ = raw.given();
    let template = raw.parse().ok();
    // SAFETY: as above, and nothing else reads it from here on.
    let mut buffers = unsafe { AttributeBuffers::new(place, count) };
    let _ = buffers.check();
    for mut buffer in buffers.iter() {
        let value = template
            .as_ref()
            .and_then(|template| template.iter().find(|(id, _)| *id == buffer.id()))
            .map(|(_, value)| value.clone());
        match (value, source.byte() % 4) {
            (Some(value), 0..=2) => match value.encode() {
                Some(bytes) => drop(buffer.write(&bytes)),
                None => {
                    if let (keyenclave_model::attribute::Value::Template(inner), Kind::Template) =
                        (&value, kind(buffer.id()))
                    {
                        let _ = buffer.write_template(inner);
                    }
                }
            },
            (_, 0) => buffer.set_unavailable(),
            _ if kind(buffer.id()) == Kind::Template => {
                if let Some(template) = &template {
                    let _ = buffer.write_template(template);
                }
            }
            _ => drop(buffer.write(&source.blob())),
        }
    }
}
