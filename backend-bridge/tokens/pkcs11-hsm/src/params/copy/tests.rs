// SPDX-License-Identifier: MIT
//! Copies of parameters, and what they leave alone.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
use std::mem::offset_of;

use super::*;

impl Block {
    fn bytes(&self) -> Vec<u8> {
        self.0.iter().map(Cell::get).collect()
    }
}

/// A parameter for GCM in memory of ours.
fn gcm(iv: &[u8], aad: &[u8]) -> Vec<u8> {
    let mut parameter = vec![0; size_of::<ck::CK_GCM_PARAMS>()];
    let fields = [
        (
            offset_of!(ck::CK_GCM_PARAMS, pIv),
            iv.as_ptr().expose_provenance() as u64,
        ),
        (offset_of!(ck::CK_GCM_PARAMS, ulIvLen), iv.len() as u64),
        (
            offset_of!(ck::CK_GCM_PARAMS, pAAD),
            aad.as_ptr().expose_provenance() as u64,
        ),
        (offset_of!(ck::CK_GCM_PARAMS, ulAADLen), aad.len() as u64),
        (offset_of!(ck::CK_GCM_PARAMS, ulTagBits), 128),
    ];
    for (at, value) in fields {
        put(&mut parameter, at, value);
    }
    parameter
}

#[test]
fn a_copy_has_all_that_the_parameter_points_to() {
    let (iv, aad) = (vec![1; 12], vec![2; 20]);
    let parameter = gcm(&iv, &aad);
    let own = OwnParameter::copy(ck::CKM_AES_GCM, &parameter).unwrap();
    drop((iv, aad));
    assert_eq!(own.behind.bytes(), [[1; 12].as_slice(), &[2; 20]].concat());
    let behind = |at| number(own.bytes(), at).unwrap();
    let address = own.behind.address() as u64;
    assert_eq!(behind(offset_of!(ck::CK_GCM_PARAMS, pIv)), address);
    assert_eq!(behind(offset_of!(ck::CK_GCM_PARAMS, pAAD)), address + 12);
}

#[test]
fn a_parameter_for_gmac_is_copied_as_that_for_gcm() {
    let iv = vec![1; 12];
    let own = OwnParameter::copy(ck::CKM_AES_GMAC, &gcm(&iv, &[])).unwrap();
    assert_eq!(own.behind.bytes(), iv);
}

#[test]
fn a_structure_that_is_not_known_is_not_copied() {
    assert!(OwnParameter::copy(ck::CKM_VENDOR_DEFINED, &[0; 8]).is_none());
    assert!(OwnParameter::copy(ck::CKM_KIP_MAC, &[0; size_of::<ck::CK_KIP_PARAMS>()]).is_none());
    assert!(
        OwnParameter::copy(ck::CKM_AES_GCM, &[0; 5]).is_none(),
        "not its length"
    );
    assert!(OwnParameter::copy(ck::CKM_AES_CBC, &[0; 16]).is_some());
}

#[test]
fn a_null_pointer_with_a_length_is_not_followed() {
    let mut parameter = gcm(&[1; 12], &[2; 20]);
    put(&mut parameter, offset_of!(ck::CK_GCM_PARAMS, pAAD), 0);
    assert!(OwnParameter::copy(ck::CKM_AES_GCM, &parameter).is_none());
}

#[test]
fn the_length_of_a_nonce_for_poly1305_may_be_in_bits() {
    let nonce = [7; 96];
    let at = nonce.as_ptr().expose_provenance() as u64;
    for (told, len) in [(96, 12), (12, 12), (192, 24), (64, 8)] {
        let parameter = bytes_of(&[at, told, 0, 0]);
        let own = OwnParameter::copy(ck::CKM_CHACHA20_POLY1305, &parameter).unwrap();
        assert_eq!(own.behind.bytes(), nonce[..len], "{told}");
        let parameter = bytes_of(&[at, told, 0]);
        let own = OwnParameter::of_message(ck::CKM_CHACHA20_POLY1305, &parameter).unwrap();
        assert_eq!(own.behind.bytes(), nonce[..len], "{told} of a message");
    }
}

/// A parameter for HKDF with pointers that lead nowhere.
fn hkdf(extract: bool, expand: bool, salt: ck::CK_ULONG) -> Vec<u8> {
    let mut parameter = vec![0; size_of::<ck::CK_HKDF_PARAMS>()];
    parameter[offset_of!(ck::CK_HKDF_PARAMS, bExtract)] = extract.into();
    parameter[offset_of!(ck::CK_HKDF_PARAMS, bExpand)] = expand.into();
    for (at, number) in [
        (offset_of!(ck::CK_HKDF_PARAMS, ulSaltType), salt),
        (offset_of!(ck::CK_HKDF_PARAMS, pSalt), 8),
        (offset_of!(ck::CK_HKDF_PARAMS, ulSaltLen), 32),
        (offset_of!(ck::CK_HKDF_PARAMS, pInfo), 8),
        (offset_of!(ck::CK_HKDF_PARAMS, ulInfoLen), 32),
    ] {
        put(&mut parameter, at, number);
    }
    parameter
}

#[test]
fn a_pointer_that_is_ignored_is_not_followed() {
    for (extract, expand, salt) in [
        (true, false, ck::CKF_HKDF_SALT_NULL),
        (true, false, ck::CKF_HKDF_SALT_KEY),
        (false, false, ck::CKF_HKDF_SALT_DATA),
    ] {
        let parameter = hkdf(extract, expand, salt);
        let own = OwnParameter::copy(ck::CKM_HKDF_DERIVE, &parameter).unwrap();
        assert_eq!(own.bytes(), parameter);
    }
    let (salt, info) = ([1; 32], [2; 32]);
    let mut parameter = hkdf(true, true, ck::CKF_HKDF_SALT_DATA);
    put(
        &mut parameter,
        offset_of!(ck::CK_HKDF_PARAMS, pSalt),
        address(&salt),
    );
    put(
        &mut parameter,
        offset_of!(ck::CK_HKDF_PARAMS, pInfo),
        address(&info),
    );
    let own = OwnParameter::copy(ck::CKM_HKDF_DERIVE, &parameter).unwrap();
    assert_eq!(own.behind.bytes(), [salt, info].concat());
}

#[test]
fn an_iv_that_is_not_required_is_not_written_to() {
    let parameter = bytes_of(&[8, 0, 0, 0, 0, 1000]);
    let own = OwnParameter::copy(ck::CKM_PBA_SHA1_WITH_SHA1_HMAC, &parameter).unwrap();
    assert!(!own.has_outputs());
    let mut iv = bytes_of(&[0]);
    let at = iv.as_mut_ptr().expose_provenance() as u64;
    let parameter = bytes_of(&[at, 0, 0, 0, 0, 1000]);
    let own = OwnParameter::copy(ck::CKM_PBE_SHA1_DES3_EDE_CBC, &parameter).unwrap();
    assert!(own.has_outputs());
}

fn bytes_of(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_ne_bytes()).collect()
}

fn address(memory: &[u8]) -> u64 {
    memory.as_ptr().expose_provenance() as u64
}

/// A parameter of a counter KDF with this field of data, and one more key that is to be made.
fn kdf(field: &[u8], key: &[u8]) -> Vec<u8> {
    bytes_of(&[ck::CKM_SHA256_HMAC, 1, address(field), 1, address(key)])
}

#[test]
fn a_key_behind_a_pointer_becomes_the_vendors() {
    let (key, mut made) = (bytes_of(&[7]), bytes_of(&[1234]));
    let to = made.as_mut_ptr().expose_provenance() as u64;
    let (derived, mut seen) = (bytes_of(&[0, 0, to]), Vec::new());
    for (kind, wanted) in [
        (ck::CK_SP800_108_KEY_HANDLE, 70),
        (ck::CK_SP800_108_BYTE_ARRAY, 7),
    ] {
        let field = bytes_of(&[kind, address(&key), 8]);
        let parameter = kdf(&field, &derived);
        let own = OwnParameter::translated(ck::CKM_SP800_108_COUNTER_KDF, &parameter, &mut |ours| {
            seen.push(ours);
            ours * 10
        })
        .unwrap();
        assert_eq!(own.blocks.first().unwrap().bytes(), bytes_of(&[wanted]));
    }
    assert_eq!(seen, [7]);
}

#[test]
fn a_handle_is_handed_back_if_the_vendor_has_written_one() {
    let mut made = bytes_of(&[1234]);
    let to = made.as_mut_ptr().expose_provenance() as u64;
    let (field, derived) = (
        bytes_of(&[ck::CK_SP800_108_BYTE_ARRAY, 0, 0]),
        bytes_of(&[0, 0, to]),
    );
    let own = OwnParameter::copy(ck::CKM_SP800_108_COUNTER_KDF, &kdf(&field, &derived)).unwrap();
    let read = || own.written().pop().unwrap();
    assert!(read().made().is_none() && !read().is_no_handle());
    read().hand_back();
    assert_eq!(made, bytes_of(&[1234]), "untouched");
    let place = |handle: u64| {
        let output = own.outputs.first().unwrap();
        own.cells(output)
            .unwrap()
            .iter()
            .zip(handle.to_ne_bytes())
            .for_each(|(cell, byte)| cell.set(byte));
    };
    place(0);
    assert!(read().is_no_handle() && read().made().is_none());
    place(55);
    let mut written = read();
    assert_eq!(written.made(), Some(55));
    written.rename(5);
    written.hand_back();
    assert_eq!(made, bytes_of(&[5]));
}

#[test]
fn a_template_inside_of_a_template_stays_where_it_is() {
    let inner = bytes_of(&[ck::CKA_TOKEN, 0, 0]);
    let outer = bytes_of(&[ck::CKA_WRAP_TEMPLATE, address(&inner), 24]);
    let (field, derived) = (bytes_of(&[0, 0, 0]), bytes_of(&[address(&outer), 1, 0]));
    assert!(OwnParameter::copy(ck::CKM_SP800_108_COUNTER_KDF, &kdf(&field, &derived)).is_none());
}
