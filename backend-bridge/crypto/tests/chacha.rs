// SPDX-License-Identifier: MIT
//! ChaCha20 and ChaCha20-Poly1305 against published vectors.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod testkit;

use keyenclave_crypto::*;
use testkit::{hex, unhex};

const SUNSCREEN: &[u8] =
    b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, \
    sunscreen would be it.";

fn counting_key(first: u8) -> ChaChaKey {
    ChaChaKey::new(&(first..first + 32).collect::<Vec<u8>>()).unwrap()
}

/// RFC 8439, section 2.4.2.
#[test]
fn the_stream_is_rfc_8439s_however_it_is_cut() {
    let nonce = unhex("000000000000004a00000000");
    let expected = "6e2e359a2568f98041ba0728dd0d6981e97e7aec1d4360c20a27afccfd9fae0bf91b65c5524733ab8f593dabcd62b357\
        1639d624e65152ab8f530c359f0861d807ca0dbf500d6a6156a38e088a22b65e52bc514d16ccf806818ce91ab77937365af90bbf74\
        a35be6b40b8eedf2785e42874d";
    for part in [1, 3, 63, 64, 65, 200] {
        let mut stream = counting_key(0).stream(1, &nonce).unwrap();
        let mut out = Vec::new();
        for piece in SUNSCREEN.chunks(part) {
            let mut room = vec![0; piece.len()];
            assert_eq!(stream.update(piece, &mut room), Ok(piece.len()));
            out.extend(room);
        }
        assert_eq!(hex(&out), expected, "in parts of {part}");
    }
}

/// The original cipher's first block with a key, nonce and counter of zeros.
#[test]
fn the_original_stream_counts_in_64_bits() {
    let key = ChaChaKey::new(&[0; 32]).unwrap();
    let original = |block, nonce: [u8; 8]| key.stream(block, &nonce).unwrap();
    let mut out = [0; 64];
    original(0, [0; 8]).update(&[0; 64], &mut out).unwrap();
    assert_eq!(
        hex(&out),
        "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7da41597c5157488d7724e03fb8d84a376a43b8f41518\
         a11cc387b669b2ee6586"
    );
    // The block after the lower word is full is the one that a counter with a higher word begins with.
    let mut across = [0; 192];
    let before = u64::from(u32::MAX);
    original(before, [7; 8]).update(&[0; 192], &mut across).unwrap();
    let mut after = [0; 128];
    original(before + 1, [7; 8])
        .update(&[0; 128], &mut after)
        .unwrap();
    assert_eq!(across[64..], after);
    let mut low = [0; 64];
    original(0, [7; 8]).update(&[0; 64], &mut low).unwrap();
    assert_ne!(after[..64], low);
}

#[test]
fn a_stream_ends_with_its_counter() {
    let ietf = |block: u32| counting_key(0).stream(block.into(), &[0; 12]).unwrap();
    let mut out = [0; 200];
    let mut stream = ietf(u32::MAX);
    assert_eq!(stream.update(&[0; 65], &mut out), Err(Error::InputLength));
    assert_eq!(stream.update(&[0; 10], &mut out), Ok(10));
    assert_eq!(stream.update(&[0; 55], &mut out), Err(Error::InputLength));
    assert_eq!(stream.update(&[0; 54], &mut out), Ok(54));
    assert_eq!(stream.update(&[0; 1], &mut out), Err(Error::InputLength));
    assert_eq!(stream.update(&[], &mut out), Ok(0));
    assert_eq!(ietf(u32::MAX - 1).update(&[0; 128], &mut out), Ok(128));
    let mut stream = counting_key(0).stream(u64::MAX, &[0; 8]).unwrap();
    assert_eq!(stream.update(&[0; 64], &mut out), Ok(64));
    assert_eq!(stream.update(&[0; 1], &mut out), Err(Error::InputLength));
    for (block, nonce) in [(1 << 32, &[0; 12][..]), (0, &[0; 24]), (0, &[])] {
        assert_eq!(
            counting_key(0).stream(block, nonce).err(),
            Some(Error::InvalidInput)
        );
    }
}

/// RFC 8439, section 2.8.2.
#[test]
fn sealing_is_rfc_8439s_and_a_wrong_bit_opens_nothing() {
    let key = counting_key(0x80);
    let (nonce, aad) = (
        unhex("070000004041424344454647"),
        unhex("50515253c0c1c2c3c4c5c6c7"),
    );
    let mut sealed = vec![0; SUNSCREEN.len()];
    let tag = key.seal(&nonce, &aad, SUNSCREEN, &mut sealed).unwrap();
    assert_eq!(hex(&tag), "1ae10b594f09e26a7e902ecbd0600691");
    assert_eq!(
        hex(&sealed),
        "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e06\
         0b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d265\
         86cec64b6116"
    );
    let mut out = vec![0; sealed.len()];
    assert_eq!(
        key.open(&nonce, &aad, &sealed, &tag, &mut out),
        Ok(SUNSCREEN.len())
    );
    assert_eq!(out, SUNSCREEN);
    let mut other = tag;
    other[15] ^= 1;
    let mut out = vec![0; sealed.len()];
    assert_eq!(
        key.open(&nonce, &aad, &sealed, &other, &mut out),
        Err(Error::Decryption)
    );
    assert!(out.iter().all(|byte| *byte == 0));
    assert_eq!(
        key.open(&nonce, b"", &sealed, &tag, &mut out),
        Err(Error::Decryption)
    );
    assert_eq!(
        key.open(&[0; 8], &aad, &sealed, &tag, &mut out),
        Err(Error::InvalidInput)
    );
    assert_eq!(
        key.seal(&nonce, &aad, SUNSCREEN, &mut [0; 10]),
        Err(Error::OutputLength)
    );
}

/// draft-irtf-cfrg-xchacha, appendix A.3.1.
#[test]
fn a_long_nonce_is_xchachas() {
    let key = counting_key(0x80);
    let nonce = unhex("404142434445464748494a4b4c4d4e4f5051525354555657");
    let mut sealed = vec![0; SUNSCREEN.len()];
    let tag = key
        .seal(&nonce, &unhex("50515253c0c1c2c3c4c5c6c7"), SUNSCREEN, &mut sealed)
        .unwrap();
    assert_eq!(hex(&tag), "c0875924c1c7987947deafd8780acf49");
    assert_eq!(hex(&sealed[..8]), "bd6d179d3e83d43b");
}

#[test]
fn a_key_has_32_bytes() {
    assert_eq!(ChaChaKey::new(&[0; 31]).err(), Some(Error::InvalidKey));
    assert_eq!(ChaChaKey::new(&[0; 33]).err(), Some(Error::InvalidKey));
}
