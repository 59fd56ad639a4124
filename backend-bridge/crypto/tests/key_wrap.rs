// SPDX-License-Identifier: MIT
//! AES key wrap against the vectors of RFC 3394 and RFC 5649, and its edges.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod testkit;

use keyenclave_conformance::published::key_wrap::{KW, KWP};
use keyenclave_crypto::*;
use testkit::{hex, unhex};

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
    for (how, vectors) in [(KeyWrap::Kw(None), &KW[..]), (KeyWrap::Kwp(None), &KWP)] {
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
