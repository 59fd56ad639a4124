// SPDX-License-Identifier: MIT
//! The modes of AES beside ECB, CBC and GCM against published vectors, and their edges.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic
)]

mod testkit;

use Direction::{Decrypt, Encrypt};
use keyenclave_conformance::published::aes::*;
use keyenclave_crypto::*;
use testkit::{hex, unhex};

const CTR_128: StreamMode = StreamMode::Ctr { counter_bits: 128 };

const STREAMS: [(StreamMode, [u8; 16], [&str; 3]); 4] = [
    (CTR_128, COUNTER, CTR),
    (StreamMode::Ofb, IV, OFB),
    (StreamMode::Cfb128, IV, CFB128),
    (StreamMode::Cfb8, IV, CFB8),
];

fn stream(
    key: &AesKey,
    (mode, iv): (StreamMode, &[u8; 16]),
    way: Direction,
    input: &[u8],
    part: usize,
) -> Vec<u8> {
    let mut running = key.stream(mode, iv, way).unwrap();
    let mut all = Vec::new();
    for piece in input.chunks(part) {
        let mut room = vec![0; piece.len()];
        assert_eq!(running.update(piece, &mut room[1..]), Err(Error::OutputLength));
        assert_eq!(running.update(piece, &mut room), Ok(piece.len()));
        all.extend(room);
    }
    all
}

#[test]
fn streams_equal_the_published_examples_in_parts_of_any_length() {
    for (mode, iv, expected) in STREAMS {
        for (key, expected) in KEYS.into_iter().zip(expected) {
            let key = AesKey::new(&unhex(key)).unwrap();
            let plain = &unhex(PLAIN)[..expected.len() / 2];
            for part in [1, 7, 16, 17, 64] {
                let sealed = stream(&key, (mode, &iv), Encrypt, plain, part);
                assert_eq!(hex(&sealed), expected, "{mode:?}");
                assert_eq!(
                    stream(&key, (mode, &iv), Decrypt, &sealed, part),
                    plain,
                    "{mode:?}"
                );
            }
        }
    }
}

#[test]
fn a_counter_ends_before_it_begins_anew() {
    let key = AesKey::new(&[1; 16]).unwrap();
    let mut block = [0xff; 16];
    block[15] = 0b1111_1101;
    // Two bits that are 1: three blocks.
    let mode = StreamMode::Ctr { counter_bits: 2 };
    let mut running = key.stream(mode, &block, Encrypt).unwrap();
    let mut room = [0; 64];
    assert_eq!(running.update(&[0; 49], &mut room), Err(Error::InputLength));
    assert_eq!(running.update(&[0; 47], &mut room), Ok(47));
    assert_eq!(running.update(&[0; 2], &mut room), Err(Error::InputLength));
    assert_eq!(running.update(&[0; 1], &mut room), Ok(1));
    assert_eq!(running.update(&[0; 1], &mut room), Err(Error::InputLength));
    for bits in [0, 129, u32::MAX] {
        let mode = StreamMode::Ctr { counter_bits: bits };
        assert_eq!(key.stream(mode, &block, Encrypt).err(), Some(Error::InvalidInput));
    }
    let mut last = key.stream(CTR_128, &[0xff; 16], Encrypt).unwrap();
    assert_eq!(last.update(&[0; 17], &mut room), Err(Error::InputLength));
    assert_eq!(last.update(&[0; 16], &mut room), Ok(16));
}

/// Runs a whole operation in parts, checking the promised lengths at each step.
fn steal(mut running: AesStealing, input: &[u8], part: usize) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    for piece in input.chunks(part) {
        let expected = running.update_len(piece.len());
        let mut room = vec![0; expected];
        if expected > 0 {
            assert_eq!(running.update(piece, &mut room[1..]), Err(Error::OutputLength));
        }
        assert_eq!(running.update(piece, &mut room)?, expected);
        all.extend(room);
    }
    let mut room = vec![0; running.finish_len()];
    let len = running.finish(&mut room)?;
    all.extend(&room[..len]);
    Ok(all)
}

fn steals(begin: impl Fn(Direction) -> AesStealing, plain: &[u8], expected: &str) {
    for part in [1, 5, 15, 16, 17, 31, 32, 33, 100, 1000] {
        let sealed = steal(begin(Encrypt), plain, part).unwrap();
        assert_eq!(hex(&sealed), expected, "parts of {part}");
        assert_eq!(
            steal(begin(Decrypt), &sealed, part).unwrap(),
            plain,
            "parts of {part}"
        );
    }
}

#[test]
fn stealing_cbc_equals_the_published_examples() {
    let key = AesKey::new(CTS_KEY).unwrap();
    for (len, expected) in CTS {
        steals(
            |way| key.cbc_stealing(&[0; 16], way).unwrap(),
            &CTS_TEXT[..len],
            expected,
        );
    }
}

#[test]
fn xts_equals_the_published_examples() {
    for (key, number, plain, expected) in XTS {
        let key = AesXtsKey::new(&unhex(key)).unwrap();
        let number: [u8; 16] = unhex(number).try_into().unwrap();
        steals(
            |way| key.data_unit(&number, way).unwrap(),
            &unhex(plain),
            expected,
        );
    }
    let key = AesXtsKey::new(&unhex(XTS_256)).unwrap();
    let mut number = [0; 16];
    number[0] = 0xff;
    let plain: Vec<u8> = (0..=255).chain(0..=255).collect();
    let sealed = steal(key.data_unit(&number, Encrypt).unwrap(), &plain, 512).unwrap();
    assert_eq!(hex(&sealed[..64]), XTS_256_BEGINS);
    assert!(hex(&sealed).ends_with(XTS_256_ENDS));
    steals(|way| key.data_unit(&number, way).unwrap(), &plain, &hex(&sealed));
}

#[test]
fn a_data_unit_of_any_length_comes_back() {
    let key = AesXtsKey::new(&unhex(STEALING)).unwrap();
    let begin = |way| key.data_unit(&IV, way).unwrap();
    for len in (16..80).chain([1023, 1024, 1025, 1040, 3000]) {
        let plain: Vec<u8> = (0..len).map(|place| (place % 251) as u8).collect();
        let sealed = steal(begin(Encrypt), &plain, len).unwrap();
        steals(begin, &plain, &hex(&sealed));
    }
}

#[test]
fn less_than_a_block_cannot_be_stolen_from() {
    let (key, xts) = (
        AesKey::new(&[1; 16]).unwrap(),
        AesXtsKey::new(&unhex(STEALING)).unwrap(),
    );
    for way in [Encrypt, Decrypt] {
        for len in [0, 1, 15] {
            let cts = steal(key.cbc_stealing(&IV, way).unwrap(), &vec![1; len], 16);
            assert_eq!(cts, Err(Error::InputLength));
            let xts = steal(xts.data_unit(&IV, way).unwrap(), &vec![1; len], 16);
            assert_eq!(xts, Err(Error::InputLength));
        }
    }
}

#[test]
fn a_data_unit_has_an_end_and_its_key_two_different_halves() {
    let key = AesXtsKey::new(&unhex(STEALING)).unwrap();
    let most = 16 << 20;
    let mut running = key.data_unit(&IV, Encrypt).unwrap();
    let mut room = vec![0; most];
    assert_eq!(
        running.update(&vec![0; most + 1], &mut room),
        Err(Error::InputLength)
    );
    let done = running.update(&vec![0; most], &mut room).unwrap();
    assert_eq!(running.update(&[0], &mut []), Err(Error::InputLength));
    assert_eq!(running.finish(&mut room).unwrap() + done, most);
    for bad in [
        vec![7; 32],
        vec![7; 64],
        (0..48).collect(),
        vec![],
        (0..31).collect(),
    ] {
        assert_eq!(AesXtsKey::new(&bad).err(), Some(Error::InvalidKey));
    }
}

#[test]
fn cmac_equals_the_published_examples_in_parts_of_any_length() {
    for (key, expected) in KEYS.into_iter().zip(CMAC) {
        let key = AesKey::new(&unhex(key)).unwrap();
        for (len, expected) in [0, 16, 40, 64].into_iter().zip(expected) {
            for part in [1, 16, 17, 64] {
                let mut running = key.cmac().unwrap();
                for piece in unhex(PLAIN)[..len].chunks(part) {
                    running.update(piece).unwrap();
                }
                assert_eq!(hex(&running.finish().unwrap()), expected);
            }
        }
    }
}

#[test]
fn gmac_equals_the_published_example_in_parts_of_any_length() {
    let [key, iv, message, expected] = GMAC.map(unhex);
    let key = AesKey::new(&key).unwrap();
    for len in [4, 12, 16] {
        for part in [1, 5, 16] {
            let mut running = key.gmac(&iv, len).unwrap();
            for piece in message.chunks(part) {
                running.update(piece).unwrap();
            }
            assert_eq!(running.tag_len(), len);
            assert_eq!(running.finish().unwrap()[..len], expected[..len]);
        }
    }
    assert!(key.gmac(&[], 16).is_err());
    assert!(key.gmac(&iv, 17).is_err());
}

#[test]
fn ccm_equals_the_published_examples_and_notices_every_change() {
    let key = AesKey::new(&counting(0x40, 16)).unwrap();
    for (nonce, aad, plain, tag, expected) in CCM {
        let (nonce, aad, plain) = (counting(0x10, nonce), counting(0, aad), counting(0x20, plain));
        let mut sealed = vec![0; plain.len() + tag];
        assert_eq!(
            key.ccm_seal(&nonce, &aad, tag, &plain, &mut sealed),
            Ok(sealed.len())
        );
        assert_eq!(hex(&sealed), expected);
        let mut opened = vec![9; plain.len()];
        assert_eq!(
            key.ccm_open(&nonce, &aad, tag, &sealed, &mut opened),
            Ok(plain.len())
        );
        assert_eq!(opened, plain);
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 0x80;
            let mut opened = vec![9; plain.len()];
            let refused = key.ccm_open(&nonce, &aad, tag, &changed, &mut opened);
            assert_eq!(refused, Err(Error::Decryption));
            assert_eq!(opened, vec![0; plain.len()]);
        }
    }
}

#[test]
fn ccm_takes_an_empty_message_and_refuses_odd_lengths() {
    let key = AesKey::new(&[1; 32]).unwrap();
    for aad in [&b""[..], b"header"] {
        let mut tag = [0; 16];
        assert_eq!(key.ccm_seal(&[2; 12], aad, 16, b"", &mut tag), Ok(16));
        assert_eq!(key.ccm_open(&[2; 12], aad, 16, &tag, &mut []), Ok(0));
        tag[0] ^= 1;
        let refused = key.ccm_open(&[2; 12], aad, 16, &tag, &mut []);
        assert_eq!(refused, Err(Error::Decryption));
    }
    let mut room = [0; 40];
    for (nonce, tag) in [(6, 16), (14, 16), (12, 5), (12, 2), (12, 18)] {
        let refused = key.ccm_seal(&vec![2; nonce], b"", tag, b"data", &mut room);
        assert_eq!(refused, Err(Error::InvalidInput));
    }
    assert_eq!(
        key.ccm_seal(&[2; 12], b"", 16, b"data", &mut room[..19]),
        Err(Error::OutputLength)
    );
    let (long, mut room) = (vec![0; ccm_most(13) + 1], vec![0; ccm_most(13) + 17]);
    let refused = key.ccm_seal(&[2; 13], b"", 16, &long, &mut room);
    assert_eq!(refused, Err(Error::InputLength));
    let most = key.ccm_seal(&[2; 13], b"", 16, &long[1..], &mut room);
    assert_eq!(most, Ok(room.len() - 1));
}
