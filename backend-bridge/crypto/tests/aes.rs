// SPDX-License-Identifier: MIT
//! AES in its modes against published vectors, and its edges.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic
)]

mod testkit;

use keyenclave_crypto::*;
use testkit::{hex, unhex};

/// NIST SP 800-38A, appendix F: the plaintext and the keys of all examples.
const PLAIN: &str = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51\
                     30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";
const KEY_128: &str = "2b7e151628aed2a6abf7158809cf4f3c";
const KEY_192: &str = "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b";
const KEY_256: &str = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4";
const IV: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// F.1.1, F.1.3, F.1.5.
const ECB: &[(&str, &str)] = &[
    (
        KEY_128,
        "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf\
         43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad3f8223207104725dd4",
    ),
    (
        KEY_192,
        "bd334f1d6e45f25ff712a214571fa5cc974104846d0ad3ad7734ecb3ecee4eef\
         ef7afd2270e2e60adce0ba2face6444e9a4b41ba738d6c72fb16691603c18e0e",
    ),
    (
        KEY_256,
        "f3eed1bdb5d2a03c064b5a7e3db181f8591ccb10d410ed26dc5ba74a31362870\
         b6ed21b99ca6f4f9f153e7b1beafed1d23304b7a39f9f3ff067d8d8f9e24ecc7",
    ),
];

/// F.2.1, F.2.3, F.2.5.
const CBC: &[(&str, &str)] = &[
    (
        KEY_128,
        "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2\
         73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7",
    ),
    (
        KEY_192,
        "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a\
         571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd",
    ),
    (
        KEY_256,
        "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d\
         39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b",
    ),
];

/// Runs a whole operation in parts of the given size, checking the promised lengths at each step.
fn run(mut cipher: BlockCipher, input: &[u8], part: usize) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    for piece in input.chunks(part) {
        let expected = cipher.update_len(piece.len());
        let mut room = vec![0; expected];
        if expected > 0 {
            assert_eq!(cipher.update(piece, &mut room[1..]), Err(Error::OutputLength));
        }
        assert_eq!(cipher.update(piece, &mut room)?, expected);
        out.extend(room);
    }
    let mut room = vec![0; cipher.finish_len()];
    let len = cipher.finish(&mut room)?;
    out.extend(&room[..len]);
    Ok(out)
}

fn both_ways(key: &str, mode: BlockMode, expected: &str) {
    let key = AesKey::new(&unhex(key)).unwrap();
    let plain = unhex(PLAIN);
    for part in [1, 5, 16, 17, 32, 64] {
        let cipher = key.cipher(mode, Direction::Encrypt, Padding::None).unwrap();
        assert_eq!(hex(&run(cipher, &plain, part).unwrap()), expected);
        let cipher = key.cipher(mode, Direction::Decrypt, Padding::None).unwrap();
        assert_eq!(run(cipher, &unhex(expected), part).unwrap(), plain);
    }
}

#[test]
fn ecb_and_cbc_match_sp_800_38a_in_parts_of_every_kind() {
    for (key, expected) in ECB {
        both_ways(key, BlockMode::Ecb, expected);
    }
    for (key, expected) in CBC {
        both_ways(key, BlockMode::Cbc { iv: &IV }, expected);
    }
}

#[test]
fn padding_comes_back_off_at_every_length_and_part() {
    let key = AesKey::new(&[3; 32]).unwrap();
    let data: Vec<u8> = (0..100).collect();
    for len in 0..data.len() {
        for mode in [BlockMode::Ecb, BlockMode::Cbc { iv: &IV }] {
            for part in [1, 7, 16, 33, 100] {
                let cipher = key.cipher(mode, Direction::Encrypt, Padding::Pkcs7).unwrap();
                let sealed = run(cipher, &data[..len], part).unwrap();
                assert_eq!(Some(sealed.len()), padded_len(Padding::Pkcs7, len, AES_BLOCK_LEN));
                let cipher = key.cipher(mode, Direction::Decrypt, Padding::Pkcs7).unwrap();
                assert_eq!(run(cipher, &sealed, part).unwrap(), &data[..len]);
            }
        }
    }
}

#[test]
fn a_short_slice_at_the_end_loses_nothing() {
    let key = AesKey::new(&[3; 16]).unwrap();
    let mode = BlockMode::Cbc { iv: &IV };
    let mut encrypt = key.cipher(mode, Direction::Encrypt, Padding::Pkcs7).unwrap();
    let mut sealed = [0; 16];
    assert_eq!(encrypt.update(b"hello", &mut []), Ok(0));
    assert_eq!(encrypt.finish(&mut sealed[1..]), Err(Error::OutputLength));
    assert_eq!(encrypt.finish(&mut sealed), Ok(16));
    let mut decrypt = key.cipher(mode, Direction::Decrypt, Padding::Pkcs7).unwrap();
    assert_eq!(decrypt.update(&sealed, &mut []), Ok(0));
    let mut plain = [0; 5];
    assert_eq!(decrypt.finish(&mut plain[1..]), Err(Error::OutputLength));
    assert_eq!(decrypt.finish(&mut plain), Ok(5));
    assert_eq!(&plain, b"hello");
}

#[test]
fn data_that_is_not_whole_blocks_is_refused() {
    let key = AesKey::new(&[3; 16]).unwrap();
    let mode = BlockMode::Cbc { iv: &IV };
    for (direction, padding, len) in [
        (Direction::Encrypt, Padding::None, 15),
        (Direction::Decrypt, Padding::None, 17),
        (Direction::Decrypt, Padding::Pkcs7, 17),
        (Direction::Decrypt, Padding::Pkcs7, 0),
    ] {
        let cipher = key.cipher(mode, direction, padding).unwrap();
        assert_eq!(run(cipher, &vec![0; len], 100), Err(Error::InputLength));
    }
    assert_eq!(padded_len(Padding::None, 15, AES_BLOCK_LEN), None);
    assert_eq!(padded_len(Padding::None, 32, AES_BLOCK_LEN), Some(32));
    assert_eq!(padded_len(Padding::Pkcs7, usize::MAX, AES_BLOCK_LEN), None);
}

#[test]
fn every_fault_of_the_padding_is_the_same_error() {
    let key = AesKey::new(&[3; 16]).unwrap();
    let mut faults = vec![[0; 16], [17; 16], [255; 16]];
    let mut inner = [4; 16];
    inner[13] = 5;
    faults.push(inner);
    for block in faults {
        let sealed = run(
            key.cipher(BlockMode::Ecb, Direction::Encrypt, Padding::None)
                .unwrap(),
            &block,
            16,
        );
        let cipher = key
            .cipher(BlockMode::Ecb, Direction::Decrypt, Padding::Pkcs7)
            .unwrap();
        assert_eq!(run(cipher, &sealed.unwrap(), 16), Err(Error::Decryption));
    }
}

#[test]
fn keys_of_other_lengths_are_refused() {
    for len in [0, 1, 15, 17, 23, 31, 33, 64] {
        assert_eq!(AesKey::new(&vec![0; len]).err(), Some(Error::InvalidKey));
    }
}

struct Gcm {
    key: &'static str,
    iv: &'static str,
    aad: &'static str,
    plain: &'static str,
    sealed: &'static str,
    tag: &'static str,
}

const GCM_PLAIN: &str = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
                         1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";
const GCM_AAD: &str = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
const GCM_KEY: &str = "feffe9928665731c6d6a8f9467308308";
const GCM_LONG_IV: &str = "9313225df88406e555909c5aff5269aa6a7a9538534f7da1e4c303d2a318a728\
                           c3c0c95156809539fcf0e2429a6b525416aedbf5a0de6a57a637b39b";

/// The specification of GCM (McGrew and Viega), appendix B, test cases 1, 2, 4, 5, 6, 10, 13, 14, 16.
const GCM: &[Gcm] = &[
    Gcm {
        key: "00000000000000000000000000000000",
        iv: "000000000000000000000000",
        aad: "",
        plain: "",
        sealed: "",
        tag: "58e2fccefa7e3061367f1d57a4e7455a",
    },
    Gcm {
        key: "00000000000000000000000000000000",
        iv: "000000000000000000000000",
        aad: "",
        plain: "00000000000000000000000000000000",
        sealed: "0388dace60b6a392f328c2b971b2fe78",
        tag: "ab6e47d42cec13bdf53a67b21257bddf",
    },
    Gcm {
        key: GCM_KEY,
        iv: "cafebabefacedbaddecaf888",
        aad: GCM_AAD,
        plain: GCM_PLAIN,
        sealed: "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e\
                 21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
        tag: "5bc94fbc3221a5db94fae95ae7121a47",
    },
    Gcm {
        key: GCM_KEY,
        iv: "cafebabefacedbad",
        aad: GCM_AAD,
        plain: GCM_PLAIN,
        sealed: "61353b4c2806934a777ff51fa22a4755699b2a714fcdc6f83766e5f97b6c7423\
                 73806900e49f24b22b097544d4896b424989b5e1ebac0f07c23f4598",
        tag: "3612d2e79e3b0785561be14aaca2fccb",
    },
    Gcm {
        key: GCM_KEY,
        iv: GCM_LONG_IV,
        aad: GCM_AAD,
        plain: GCM_PLAIN,
        sealed: "8ce24998625615b603a033aca13fb894be9112a5c3a211a8ba262a3cca7e2ca7\
                 01e4a9a4fba43c90ccdcb281d48c7c6fd62875d2aca417034c34aee5",
        tag: "619cc5aefffe0bfa462af43c1699d050",
    },
    Gcm {
        key: "feffe9928665731c6d6a8f9467308308feffe9928665731c",
        iv: "cafebabefacedbaddecaf888",
        aad: GCM_AAD,
        plain: GCM_PLAIN,
        sealed: "3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c\
                 7d773d00c144c525ac619d18c84a3f4718e2448b2fe324d9ccda2710",
        tag: "2519498e80f1478f37ba55bd6d27618c",
    },
    Gcm {
        key: "0000000000000000000000000000000000000000000000000000000000000000",
        iv: "000000000000000000000000",
        aad: "",
        plain: "",
        sealed: "",
        tag: "530f8afbc74536b9a963b4f1c4cb738b",
    },
    Gcm {
        key: "0000000000000000000000000000000000000000000000000000000000000000",
        iv: "000000000000000000000000",
        aad: "",
        plain: "00000000000000000000000000000000",
        sealed: "cea7403d4d606b6e074ec5d3baf39d18",
        tag: "d0d1c8a799996bf0265b98b5d48ab919",
    },
    Gcm {
        key: "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
        iv: "cafebabefacedbaddecaf888",
        aad: GCM_AAD,
        plain: GCM_PLAIN,
        sealed: "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa\
                 8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
        tag: "76fc6ece0f4e1768cddf8853bb2d551b",
    },
];

fn seal(key: &AesKey, iv: &[u8], aad: &[u8], plain: &[u8], tag_len: usize, part: usize) -> Vec<u8> {
    let mut operation = key.gcm_encrypt(iv, aad, tag_len).unwrap();
    let mut out = vec![0; plain.len() + tag_len];
    let mut at = 0;
    for piece in plain.chunks(part) {
        at += operation.update(piece, &mut out[at..]).unwrap();
    }
    assert_eq!(operation.finish_len(), tag_len);
    assert_eq!(operation.finish(&mut out[at..]), Ok(tag_len));
    out
}

#[test]
fn gcm_matches_its_specification_with_every_tag_length_and_part() {
    for case in GCM {
        let key = AesKey::new(&unhex(case.key)).unwrap();
        let (iv, aad, plain) = (unhex(case.iv), unhex(case.aad), unhex(case.plain));
        for tag_len in 4..=16 {
            let expected = [unhex(case.sealed), unhex(&case.tag[..tag_len * 2])].concat();
            for part in [1, 16, 31, 100] {
                assert_eq!(seal(&key, &iv, &aad, &plain, tag_len, part), expected);
                let mut operation = key.gcm_decrypt(&iv, &aad, tag_len).unwrap();
                for piece in expected.chunks(part) {
                    operation.update(piece).unwrap();
                }
                let mut out = vec![0; operation.finish_len()];
                assert_eq!(operation.finish(&mut out), Ok(plain.len()));
                assert_eq!(out, plain);
            }
            let mut out = vec![0; plain.len()];
            assert_eq!(
                key.gcm_open(&iv, &aad, tag_len, &expected, &mut out),
                Ok(plain.len())
            );
            assert_eq!(out, plain);
        }
    }
}

#[test]
fn gcm_takes_every_length_of_iv() {
    let key = AesKey::new(&[1; 16]).unwrap();
    for len in (1..=257).chain([4096]) {
        let iv: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
        let sealed = seal(&key, &iv, b"aad", b"message", 16, 100);
        let mut out = [0; 7];
        assert_eq!(key.gcm_open(&iv, b"aad", 16, &sealed, &mut out), Ok(7));
        assert_eq!(&out, b"message");
    }
    for (iv_len, tag_len) in [(0, 16), (12, 0), (12, 3), (12, 17)] {
        assert_eq!(
            key.gcm_encrypt(&vec![0; iv_len], b"", tag_len).err(),
            Some(Error::InvalidInput)
        );
        assert_eq!(
            key.gcm_decrypt(&vec![0; iv_len], b"", tag_len).err(),
            Some(Error::InvalidInput)
        );
    }
}

#[test]
fn a_wrong_tag_gives_no_plaintext() {
    let key = AesKey::new(&[1; 32]).unwrap();
    let iv = [2; 12];
    let sealed = seal(&key, &iv, b"aad", &[0x55; 100], 16, 100);
    for at in 0..sealed.len() {
        let mut damaged = sealed.clone();
        damaged[at] ^= 0x80;
        let mut out = [0xff; 100];
        assert_eq!(
            key.gcm_open(&iv, b"aad", 16, &damaged, &mut out),
            Err(Error::Decryption)
        );
        assert_eq!(out, [0; 100]);
    }
    let mut out = [0xff; 100];
    assert_eq!(
        key.gcm_open(&iv, b"aae", 16, &sealed, &mut out),
        Err(Error::Decryption)
    );
    assert_eq!(
        key.gcm_open(&[3; 12], b"aad", 16, &sealed, &mut out),
        Err(Error::Decryption)
    );
    assert_eq!(
        key.gcm_open(&iv, b"aad", 12, &sealed, &mut [0; 104]),
        Err(Error::Decryption)
    );
    assert_eq!(
        key.gcm_open(&iv, b"aad", 16, &sealed[..15], &mut out),
        Err(Error::InputLength)
    );
    assert_eq!(
        key.gcm_open(&iv, b"aad", 16, &sealed, &mut out[1..]),
        Err(Error::OutputLength)
    );
}

#[test]
fn one_key_serves_many_threads() {
    let key = AesKey::new(&unhex(KEY_256)).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    let cipher = key
                        .cipher(BlockMode::Cbc { iv: &IV }, Direction::Encrypt, Padding::None)
                        .unwrap();
                    assert_eq!(hex(&run(cipher, &unhex(PLAIN), 64).unwrap()), CBC[2].1);
                    let sealed = seal(&key, &[1; 12], b"", b"x", 16, 1);
                    assert_eq!(key.gcm_open(&[1; 12], b"", 16, &sealed, &mut [0; 1]), Ok(1));
                }
            });
        }
    });
}
