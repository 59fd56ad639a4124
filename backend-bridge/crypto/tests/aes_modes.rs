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
use keyenclave_crypto::*;
use testkit::{hex, unhex};

/// NIST SP 800-38A, appendix F: the plaintext and the keys of all examples.
const PLAIN: &str = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51\
                     30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";
const KEYS: [&str; 3] = [
    "2b7e151628aed2a6abf7158809cf4f3c",
    "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
    "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
];
const IV: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
const COUNTER: [u8; 16] = [
    0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff,
];
const CTR_128: StreamMode = StreamMode::Ctr { counter_bits: 128 };

/// SP 800-38A, sections F.5, F.4, F.3.13 and following, F.3.7 and following: a key each.
const STREAMS: [(StreamMode, [u8; 16], [&str; 3]); 4] = [
    (
        CTR_128,
        COUNTER,
        [
            "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff\
             5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee",
            "1abc932417521ca24f2b0459fe7e6e0b090339ec0aa6faefd5ccc2c6f4ce8e94\
             1e36b26bd1ebc670d1bd1d665620abf74f78a7f6d29809585a97daec58c6b050",
            "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5\
             2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6",
        ],
    ),
    (
        StreamMode::Ofb,
        IV,
        [
            "3b3fd92eb72dad20333449f8e83cfb4a7789508d16918f03f53c52dac54ed825\
             9740051e9c5fecf64344f7a82260edcc304c6528f659c77866a510d9c1d6ae5e",
            "cdc80d6fddf18cab34c25909c99a4174fcc28b8d4c63837c09e81700c1100401\
             8d9a9aeac0f6596f559c6d4daf59a5f26d9f200857ca6c3e9cac524bd9acc92a",
            "dc7e84bfda79164b7ecd8486985d38604febdc6740d20b3ac88f6ad82a4fb08d\
             71ab47a086e86eedf39d1c5bba97c4080126141d67f37be8538f5a8be740e484",
        ],
    ),
    (
        StreamMode::Cfb128,
        IV,
        [
            "3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b\
             26751f67a3cbb140b1808cf187a4f4dfc04b05357c5d1c0eeac4c66f9ff7f2e6",
            "cdc80d6fddf18cab34c25909c99a417467ce7f7f81173621961a2b70171d3d7a\
             2e1e8a1dd59b88b1c8e60fed1efac4c9c05f9f9ca9834fa042ae8fba584b09ff",
            "dc7e84bfda79164b7ecd8486985d386039ffed143b28b1c832113c6331e5407b\
             df10132415e54b92a13ed0a8267ae2f975a385741ab9cef82031623d55b1e471",
        ],
    ),
    (
        StreamMode::Cfb8,
        IV,
        [
            "3b79424c9c0dd436bace9e0ed4586a4f32b9",
            "cda2521ef0a905ca44cd057cbf0d47a0678a",
            "dc1f1a8520a64db55fcc8ac554844e889700",
        ],
    ),
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

/// RFC 3962, appendix B, which has CBC-CS3: the two last blocks are the other way round in CBC-CS1.
#[test]
fn stealing_cbc_equals_the_published_examples() {
    let key = AesKey::new(b"chicken teriyaki").unwrap();
    let text = b"I would like the General Gau's Chicken, please, and wonton soup.";
    let examples = [
        (17, "97c6353568f2bf8cb4d8a580362da7ff7f"),
        (
            31,
            "97687268d6ecccc0c07b25e25ecfe5fc00783e0efdb2c1d445d4c8eff7ed22",
        ),
        (
            32,
            "97687268d6ecccc0c07b25e25ecfe58439312523a78662d5be7fcbcc98ebf5a8",
        ),
        (
            47,
            "97687268d6ecccc0c07b25e25ecfe58439312523a78662d5be7fcbcc98ebf5b3fffd940c16a18c1b5549d2f838029e",
        ),
        (
            48,
            "97687268d6ecccc0c07b25e25ecfe58439312523a78662d5be7fcbcc98ebf5a89dad8bbb96c4cdc03bc103e1a194bbd8",
        ),
        (
            64,
            "97687268d6ecccc0c07b25e25ecfe58439312523a78662d5be7fcbcc98ebf5a89dad8bbb96c4cdc03bc103e1a194bbd8\
             4807efe836ee89a526730dbc2f7bc840",
        ),
    ];
    for (len, expected) in examples {
        steals(
            |way| key.cbc_stealing(&[0; 16], way).unwrap(),
            &text[..len],
            expected,
        );
    }
}

/// IEEE 1619, appendix B, vectors 2, 3, and 15 to 18.
const XTS: [(&str, &str, &str, &str); 6] = [
    (
        "1111111111111111111111111111111122222222222222222222222222222222",
        "33333333330000000000000000000000",
        "4444444444444444444444444444444444444444444444444444444444444444",
        "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0",
    ),
    (
        "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f022222222222222222222222222222222",
        "33333333330000000000000000000000",
        "4444444444444444444444444444444444444444444444444444444444444444",
        "af85336b597afc1a900b2eb21ec949d292df4c047e0b21532186a5971a227a89",
    ),
    (
        STEALING,
        NUMBER,
        "000102030405060708090a0b0c0d0e0f10",
        "6c1625db4671522d3d7599601de7ca09ed",
    ),
    (
        STEALING,
        NUMBER,
        "000102030405060708090a0b0c0d0e0f1011",
        "d069444b7a7e0cab09e24447d24deb1fedbf",
    ),
    (
        STEALING,
        NUMBER,
        "000102030405060708090a0b0c0d0e0f101112",
        "e5df1351c0544ba1350b3363cd8ef4beedbf9d",
    ),
    (
        STEALING,
        NUMBER,
        "000102030405060708090a0b0c0d0e0f10111213",
        "9d84c813f719aa2c7be3f66171c7c5c2edbf9dac",
    ),
];
const STEALING: &str = "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0bfbebdbcbbbab9b8b7b6b5b4b3b2b1b0";
const NUMBER: &str = "9a785634120000000000000000000000";

/// IEEE 1619, appendix B, vector 10: 256 bits, data unit 0xff, the numbers from 0 to 255 twice.
const XTS_256: &str = "2718281828459045235360287471352662497757247093699959574966967627\
                       3141592653589793238462643383279502884197169399375105820974944592";
const XTS_256_BEGINS: &str = "1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b\
                              5d31e276f8fe4a8d66b317f9ac683f44680a86ac35adfc3345befecb4bb188fd";
const XTS_256_ENDS: &str = "a9fcea70b9c6e693e148c151";

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

/// SP 800-38B, appendix D (RFC 4493, section 4): a key each; none, 16, 40 and 64 bytes.
const CMAC: [[&str; 4]; 3] = [
    [
        "bb1d6929e95937287fa37d129b756746",
        "070a16b46b4d4144f79bdd9dd04a287c",
        "dfa66747de9ae63030ca32611497c827",
        "51f0bebf7e3b9d92fc49741779363cfe",
    ],
    [
        "d17ddf46adaacde531cac483de7a9367",
        "9e99a7bf31e710900662f65e617c5184",
        "8a1de5be2eb31aad089a82e6ee908b0e",
        "a1d5df0eed790f794d77589659f39a11",
    ],
    [
        "028962f61b7bf89efc6b551f4667d983",
        "28a7023f452e8f82bd4bf28d8c37c35c",
        "aaf3d8f1de5640c232f5b169b9c911e6",
        "e1992190549f6ed5696a2c056c315410",
    ],
];

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

/// NIST CAVP, gcmEncryptExtIV128, a case without plaintext.
#[test]
fn gmac_equals_the_published_example_in_parts_of_any_length() {
    let key = AesKey::new(&unhex("77be63708971c4e240d1cb79e8d77feb")).unwrap();
    let iv = unhex("e0e00f19fed7ba0136a797f3");
    let message = unhex("7a43ec1d9c0a5a78a0b16533a6213cab");
    let expected = unhex("209fcc8d3675ed938e9c7166709dd946");
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

/// SP 800-38C, appendix C: nonce, length of the additional data, plaintext, tag length, result.
const CCM: [(usize, usize, usize, usize, &str); 4] = [
    (7, 8, 4, 4, "7162015b4dac255d"),
    (8, 16, 16, 6, "d2a1f0e051ea5f62081a7792073d593d1fc64fbfaccd"),
    (
        12,
        20,
        24,
        8,
        "e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5484392fbc1b09951",
    ),
    (
        13,
        65536,
        32,
        14,
        "69915dad1e84c6376a68c2967e4dab615ae0fd1faec44cc484828529463ccf72b4ac6bec93e8598e7f0dadbcea5b",
    ),
];

fn counting(first: u8, len: usize) -> Vec<u8> {
    (0..len).map(|place| first.wrapping_add(place as u8)).collect()
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
