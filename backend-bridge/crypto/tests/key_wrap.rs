// SPDX-License-Identifier: MIT
//! AES key wrap against the vectors of RFC 3394 and RFC 5649, and its edges.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod testkit;

use keyenclave_crypto::*;
use testkit::{hex, unhex};

/// RFC 3394, sections 4.1 to 4.6: key, data, wrapped.
const KW: &[[&str; 3]] = &[
    [
        "000102030405060708090a0b0c0d0e0f",
        "00112233445566778899aabbccddeeff",
        "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5",
    ],
    [
        "000102030405060708090a0b0c0d0e0f1011121314151617",
        "00112233445566778899aabbccddeeff",
        "96778b25ae6ca435f92b5b97c050aed2468ab8a17ad84e5d",
    ],
    [
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "00112233445566778899aabbccddeeff",
        "64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7",
    ],
    [
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f",
        "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21",
    ],
];

/// RFC 5649, section 6: key, data, wrapped.
const KWP: &[[&str; 3]] = &[
    [
        "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8",
        "c37b7e6492584340bed12207808941155068f738",
        "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a",
    ],
    [
        "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8",
        "466f7250617369",
        "afbeb0f07dfbf5419200f2ccb50bb24f",
    ],
];

fn wrap(key: &AesKey, how: KeyWrap, data: &[u8]) -> Result<Vec<u8>> {
    let mut out = vec![0; data.len() + 24];
    let len = key.wrap(how, data, &mut out)?;
    assert_eq!(how.wrapped_len(data.len()), Some(len));
    out.truncate(len);
    Ok(out)
}

fn unwrap(key: &AesKey, how: KeyWrap, wrapped: &[u8]) -> Result<Vec<u8>> {
    let mut out = vec![0x5a; wrapped.len()];
    let done = key.unwrap(how, wrapped, &mut out);
    match done {
        Ok(len) => {
            out.truncate(len);
            Ok(out)
        }
        Err(error) => {
            let touched = wrapped.len().saturating_sub(8);
            assert!(
                out[..touched].iter().all(|byte| *byte == 0 || *byte == 0x5a),
                "nothing of what was not authentic is given out"
            );
            Err(error)
        }
    }
}

#[test]
fn the_vectors_of_the_rfcs_come_out() {
    for (how, vectors) in [(KeyWrap::Kw(None), KW), (KeyWrap::Kwp(None), KWP)] {
        for [key, data, wrapped] in vectors {
            let key = AesKey::new(&unhex(key)).unwrap();
            assert_eq!(hex(&wrap(&key, how, &unhex(data)).unwrap()), **wrapped);
            assert_eq!(hex(&unwrap(&key, how, &unhex(wrapped)).unwrap()), **data);
        }
    }
}

#[test]
fn all_lengths_come_back_with_the_standards_initial_value_and_with_ones_own() {
    let key = AesKey::new(&[7; 32]).unwrap();
    let hows = [
        KeyWrap::Kw(None),
        KeyWrap::Kw(Some([9; 8])),
        KeyWrap::Kwp(None),
        KeyWrap::Kwp(Some([0xa6, 0x59, 0x59, 0xa6])),
        KeyWrap::Kwp(Some([1, 2, 3, 4])),
        KeyWrap::Pkcs7(None),
        KeyWrap::Pkcs7(Some([3; 8])),
    ];
    for how in hows {
        for len in 0..70 {
            let data: Vec<u8> = (0..len).collect();
            match how.wrapped_len(data.len()) {
                None => assert_eq!(wrap(&key, how, &data), Err(Error::InputLength)),
                Some(_) => {
                    let wrapped = wrap(&key, how, &data).unwrap();
                    assert_eq!(unwrap(&key, how, &wrapped).unwrap(), data);
                }
            }
        }
    }
}

#[test]
fn the_standards_initial_value_may_be_given() {
    let key = AesKey::new(&[7; 16]).unwrap();
    let kw = wrap(&key, KeyWrap::Kw(None), &[1; 24]).unwrap();
    assert_eq!(wrap(&key, KeyWrap::Kw(Some([0xa6; 8])), &[1; 24]).unwrap(), kw);
}

#[test]
fn whatever_is_changed_is_noticed() {
    let key = AesKey::new(&[7; 16]).unwrap();
    for how in [
        KeyWrap::Kw(None),
        KeyWrap::Kwp(None),
        KeyWrap::Kwp(Some([1; 4])),
        KeyWrap::Pkcs7(None),
    ] {
        let wrapped = wrap(&key, how, &[1; 16]).unwrap();
        for place in 0..wrapped.len() {
            let mut changed = wrapped.clone();
            changed[place] ^= 1;
            assert_eq!(unwrap(&key, how, &changed), Err(Error::Decryption), "{place}");
        }
        assert!(unwrap(&key, how, &wrapped[8..]).err().is_some());
        assert_eq!(unwrap(&key, how, &wrapped[..7]), Err(Error::InputLength));
    }
    let other = wrap(&key, KeyWrap::Kw(Some([1; 8])), &[1; 16]).unwrap();
    assert_eq!(unwrap(&key, KeyWrap::Kw(None), &other), Err(Error::Decryption));
}

#[test]
fn too_little_room_changes_nothing() {
    let key = AesKey::new(&[7; 16]).unwrap();
    let mut short = [0x5a; 23];
    assert_eq!(
        key.wrap(KeyWrap::Kw(None), &[1; 16], &mut short),
        Err(Error::OutputLength)
    );
    assert_eq!(short, [0x5a; 23]);
}
