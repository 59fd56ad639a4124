// SPDX-License-Identifier: MIT
//! The parameters of AES-GCM and AES-CCM that the module writes to: nonces that it may make, and tags that it makes.

use cryptoki_sys::*;
use keyenclave_conformance::module::{Field, Room, Structure};

pub(super) fn len(bytes: &[u8]) -> Field {
    Field::Number(CK_ULONG::try_from(bytes.len()).unwrap())
}

/// `CK_GCM_MESSAGE_PARAMS`.
pub(super) fn gcm(
    iv: &Room,
    fixed_bits: CK_ULONG,
    generator: CK_GENERATOR_FUNCTION,
    tag: &Room,
) -> Structure {
    let numbers = [fixed_bits, generator].map(Field::Number);
    let [fixed_bits, generator] = numbers;
    Structure::new([
        Field::Room(iv.clone()),
        len(&iv.bytes()),
        fixed_bits,
        generator,
        Field::Room(tag.clone()),
        Field::Number(CK_ULONG::try_from(tag.bytes().len() * 8).unwrap()),
    ])
}

pub(super) fn gcm_fields(iv: &Room, generator: CK_GENERATOR_FUNCTION, tag: &Room) -> Vec<Field> {
    vec![
        Field::Room(iv.clone()),
        len(&iv.bytes()),
        Field::Number(0),
        Field::Number(generator),
        Field::Room(tag.clone()),
        Field::Number(CK_ULONG::try_from(tag.bytes().len() * 8).unwrap()),
    ]
}

/// `CK_CCM_MESSAGE_PARAMS`.
pub(super) fn ccm(data_len: usize, nonce: &Room, generator: CK_GENERATOR_FUNCTION, tag: &Room) -> Structure {
    Structure::new(ccm_fields(data_len, nonce, generator, tag))
}

pub(super) fn ccm_fields(
    data_len: usize,
    nonce: &Room,
    generator: CK_GENERATOR_FUNCTION,
    tag: &Room,
) -> Vec<Field> {
    vec![
        Field::Number(CK_ULONG::try_from(data_len).unwrap()),
        Field::Room(nonce.clone()),
        len(&nonce.bytes()),
        Field::Number(0),
        Field::Number(generator),
        Field::Room(tag.clone()),
        len(&tag.bytes()),
    ]
}
