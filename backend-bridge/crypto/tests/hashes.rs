// SPDX-License-Identifier: MIT
//! Hashes, HMAC, HKDF, random bytes and the store's AEAD against published vectors.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic
)]

mod testkit;

use keyenclave_crypto::*;
use keyenclave_model::algorithm::{HASHES, Hash, HashRow};
use testkit::{hex, unhex};

/// FIPS 180-4, FIPS 202 and RFC 1321 example messages: "", "abc" and the two-block message of each family.
const DIGESTS: &[(Hash, &str, &str)] = &[
    (Hash::Md5, "", "d41d8cd98f00b204e9800998ecf8427e"),
    (Hash::Md5, "abc", "900150983cd24fb0d6963f7d28e17f72"),
    (Hash::Sha1, "", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
    (Hash::Sha1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
    (Hash::Sha1, TWO_BLOCKS, "84983e441c3bd26ebaae4aa1f95129e5e54670f1"),
    (
        Hash::Sha224,
        "abc",
        "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
    ),
    (
        Hash::Sha224,
        TWO_BLOCKS,
        "75388b16512776cc5dba5da1fd890150b0c6455cb4f58b1952522525",
    ),
    (
        Hash::Sha256,
        "",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ),
    (
        Hash::Sha256,
        "abc",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    ),
    (
        Hash::Sha256,
        TWO_BLOCKS,
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
    ),
    (
        Hash::Sha384,
        "abc",
        "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
    ),
    (
        Hash::Sha512,
        "abc",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
         2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    ),
    (
        Hash::Sha512_224,
        "abc",
        "4634270f707b6a54daae7530460842e20e37ed265ceee9a43e8924aa",
    ),
    (
        Hash::Sha512_256,
        "abc",
        "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23",
    ),
    (
        Hash::Sha3_224,
        "abc",
        "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf",
    ),
    (
        Hash::Sha3_256,
        "",
        "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a",
    ),
    (
        Hash::Sha3_256,
        "abc",
        "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
    ),
    (
        Hash::Sha3_384,
        "abc",
        "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b298d88cea927ac7f539f1edf228376d25",
    ),
    (
        Hash::Sha3_512,
        "abc",
        "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e\
         10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0",
    ),
];
const TWO_BLOCKS: &str = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";

#[test]
fn digests_match_fips_180_in_one_call_and_in_parts() {
    for (hash, message, expected) in DIGESTS {
        assert_eq!(hex(&digest(*hash, message.as_bytes())), *expected);
        let mut parts = Digest::new(*hash);
        for byte in message.as_bytes() {
            parts.update(&[*byte]);
        }
        let copy = parts.clone();
        let mut out = [0; 64];
        let len = parts.finish(&mut out).unwrap();
        assert_eq!(hex(&out[..len]), *expected);
        assert_eq!(hex(&copy.value()), *expected);
    }
}

#[test]
fn a_digest_refuses_a_short_slice() {
    for row in HASHES {
        let mut out = vec![0; row.len - 1];
        assert_eq!(Digest::new(row.hash).finish(&mut out), Err(Error::OutputLength));
        assert_eq!(digest(row.hash, b"x").len(), row.len);
    }
}

/// A message of `len` bytes that repeats nowhere.
fn message(len: u32) -> Vec<u8> {
    (0..len)
        .flat_map(|n| n.to_be_bytes())
        .take(len as usize)
        .collect()
}

/// The hashes of which the state can be saved.
fn saveable() -> impl Iterator<Item = &'static HashRow> {
    HASHES.iter().filter(|row| !row.name.starts_with("SHA3-"))
}

#[test]
fn the_state_of_sha_3_cannot_be_saved_and_that_of_others_can() {
    for row in HASHES {
        let saved = Digest::new(row.hash).save();
        match row.name.starts_with("SHA3-") {
            true => assert_eq!(saved.err(), Some(Error::Unsupported)),
            false => assert!(saved.is_ok(), "{}", row.name),
        }
    }
}

/// What HMAC pads its key to.
#[test]
fn a_key_of_a_block_is_a_key_with_zeros_after_it() {
    for row in HASHES {
        let padded = [&b"key"[..], &vec![0; row.block - 3]].concat();
        let mac = |key: &[u8]| hmac(row.hash, key, b"message").unwrap();
        assert_eq!(*mac(b"key"), *mac(&padded), "{}", row.name);
        let longer = [&padded[..], &[0]].concat();
        assert_eq!(*mac(&longer), *mac(&digest(row.hash, &longer)), "{}", row.name);
    }
}

#[test]
fn a_saved_digest_goes_on_from_any_length() {
    for row in saveable() {
        for before in 0..300 {
            let mut digest = Digest::new(row.hash);
            digest.update(&message(before));
            let mut restored = Digest::restore(&digest.save().unwrap()).unwrap();
            assert_eq!(restored.hash(), row.hash);
            assert_eq!(*restored.save().unwrap(), *digest.save().unwrap());
            restored.update(&message(200));
            let whole = [message(before), message(200)].concat();
            assert_eq!(*restored.value(), *keyenclave_crypto::digest(row.hash, &whole));
        }
    }
}

/// The bytes never change: SHA-1 after 80 bytes, and what one block of it leads to.
#[test]
fn the_layout_of_a_saved_digest_stays() {
    let mut digest = Digest::new(Hash::Sha1);
    digest.update(&[b'a'; 80]);
    let state = digest.save().unwrap();
    assert_eq!(
        hex(&state),
        "01010000000000000050da4968eb2e377c1f884e8f5283524bebe74ebdbd61616161616161616161616161616161"
    );
}

/// Hashes with blocks of 64 bytes count to 2^64 bits, the others further than anybody gets.
#[test]
fn a_length_that_the_hash_cannot_count_is_refused() {
    for row in saveable() {
        let mut digest = Digest::new(row.hash);
        digest.update(&[0; 128]);
        let mut state = digest.save().unwrap().to_vec();
        state[2..10].copy_from_slice(&(1u64 << 61).to_be_bytes());
        assert_eq!(Digest::restore(&state).is_err(), row.block == 64, "{}", row.name);
    }
}

#[test]
fn lengths_beyond_32_bits_are_counted() {
    for row in saveable() {
        let mut digest = Digest::new(row.hash);
        digest.update(&[0; 128]);
        let mut state = digest.save().unwrap().to_vec();
        state[2..10].copy_from_slice(&((1u64 << 61) - 128).to_be_bytes());
        let mut restored = Digest::restore(&state).unwrap();
        assert_eq!(*restored.save().unwrap(), state);
        restored.update(&[0; 64]);
        assert_eq!(
            restored.save().unwrap()[2..10],
            ((1u64 << 61) - 64).to_be_bytes(),
            "{}",
            row.name
        );
    }
}

#[test]
fn a_damaged_state_is_refused() {
    for row in saveable() {
        for before in [0, 5, 128, 130] {
            let mut digest = Digest::new(row.hash);
            digest.update(&message(before));
            let state = digest.save().unwrap();
            for len in 0..state.len() {
                assert!(
                    Digest::restore(&state[..len]).is_err(),
                    "{} cut to {len}",
                    row.name
                );
            }
            assert!(Digest::restore(&[&state[..], &[0]].concat()).is_err());
            for (place, wrong) in [(0, 0), (0, 2), (1, 0), (1, 9), (1, 255), (9, 127)] {
                let mut damaged = state.to_vec();
                damaged[place] = wrong;
                assert!(Digest::restore(&damaged).is_err(), "{} {place} {wrong}", row.name);
            }
        }
    }
}

#[test]
fn before_the_first_block_only_the_initial_chaining_value_is_taken() {
    for row in saveable() {
        let mut state = Digest::new(row.hash).save().unwrap().to_vec();
        state[10] ^= 1;
        assert_eq!(Digest::restore(&state).err(), Some(Error::InvalidInput));
    }
}

/// Whatever the bytes, the answer is a refusal or a digest that works.
#[test]
fn no_bytes_make_a_digest_that_misbehaves() {
    for row in saveable() {
        let mut digest = Digest::new(row.hash);
        digest.update(&message(200));
        let state = digest.save().unwrap();
        for place in 0..state.len() {
            for bit in 0..8 {
                let mut hostile = state.to_vec();
                hostile[place] ^= 1 << bit;
                if let Ok(mut restored) = Digest::restore(&hostile) {
                    assert_eq!(*restored.save().unwrap(), hostile);
                    restored.update(&message(300));
                    assert_eq!(restored.hash().output_len(), restored.value().len());
                }
            }
        }
    }
}

struct MacCase {
    key: Vec<u8>,
    data: Vec<u8>,
    macs: [(Hash, &'static str); 4],
}

/// RFC 4231, sections 4.2, 4.3, 4.4 and 4.7 (a key longer than a block of any hash).
fn rfc_4231() -> Vec<MacCase> {
    vec![
        MacCase {
            key: vec![0x0b; 20],
            data: b"Hi There".to_vec(),
            macs: [
                (
                    Hash::Sha224,
                    "896fb1128abbdf196832107cd49df33f47b4b1169912ba4f53684b22",
                ),
                (
                    Hash::Sha256,
                    "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
                ),
                (
                    Hash::Sha384,
                    "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59c\
                     faea9ea9076ede7f4af152e8b2fa9cb6",
                ),
                (
                    Hash::Sha512,
                    "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde\
                     daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
                ),
            ],
        },
        MacCase {
            key: b"Jefe".to_vec(),
            data: b"what do ya want for nothing?".to_vec(),
            macs: [
                (
                    Hash::Sha224,
                    "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44",
                ),
                (
                    Hash::Sha256,
                    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
                ),
                (
                    Hash::Sha384,
                    "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e\
                     8e2240ca5e69e2c78b3239ecfab21649",
                ),
                (
                    Hash::Sha512,
                    "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
                     9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
                ),
            ],
        },
        MacCase {
            key: vec![0xaa; 20],
            data: vec![0xdd; 50],
            macs: [
                (
                    Hash::Sha224,
                    "7fb3cb3588c6c1f6ffa9694d7d6ad2649365b0c1f65d69d1ec8333ea",
                ),
                (
                    Hash::Sha256,
                    "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
                ),
                (
                    Hash::Sha384,
                    "88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b\
                     2a5ab39dc13814b94e3ab6e101a34f27",
                ),
                (
                    Hash::Sha512,
                    "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39\
                     bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb",
                ),
            ],
        },
        MacCase {
            key: vec![0xaa; 131],
            data: b"Test Using Larger Than Block-Size Key - Hash Key First".to_vec(),
            macs: [
                (
                    Hash::Sha224,
                    "95e9a0db962095adaebe9b2d6f0dbce2d499f112f2d2b7273fa6870e",
                ),
                (
                    Hash::Sha256,
                    "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
                ),
                (
                    Hash::Sha384,
                    "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c6\
                     0c2ef6ab4030fe8296248df163f44952",
                ),
                (
                    Hash::Sha512,
                    "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352\
                     6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598",
                ),
            ],
        },
    ]
}

#[test]
fn macs_match_rfc_4231_in_one_call_and_in_parts() {
    for case in rfc_4231() {
        for (hash, expected) in case.macs {
            let key = HmacKey::new(hash, &case.key).unwrap();
            assert_eq!(hex(&key.sign(&case.data).unwrap()), expected);
            let mut running = key.start().unwrap();
            for part in case.data.chunks(3) {
                running.update(part).unwrap();
            }
            assert_eq!(hex(&running.finish().unwrap()), expected);
            key.verify(&case.data, &unhex(expected)).unwrap();
        }
    }
}

#[test]
fn a_mac_of_sha_1_matches_rfc_2202() {
    let mac = hmac(Hash::Sha1, b"Jefe", b"what do ya want for nothing?").unwrap();
    assert_eq!(hex(&mac), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
}

#[test]
fn a_mac_takes_an_empty_key_and_an_empty_message() {
    let expected = "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad";
    assert_eq!(hex(&hmac(Hash::Sha256, b"", b"").unwrap()), expected);
    assert_eq!(
        hex(&Hmac::new(Hash::Sha256, b"").unwrap().finish().unwrap()),
        expected
    );
}

#[test]
fn a_wrong_or_shortened_mac_is_refused() {
    let key = HmacKey::new(Hash::Sha256, b"key").unwrap();
    let mut mac = key.sign(b"message").unwrap().to_vec();
    assert_eq!(key.verify(b"message", &mac[..31]), Err(Error::Verification));
    assert_eq!(key.verify(b"message", b""), Err(Error::Verification));
    mac[31] ^= 1;
    assert_eq!(key.verify(b"message", &mac), Err(Error::Verification));
}

#[test]
fn hkdf_matches_rfc_5869() {
    let info = unhex("f0f1f2f3f4f5f6f7f8f9");
    let mut out = [0; 42];
    kdf::hkdf_sha256(&[0x0b; 22], &unhex("000102030405060708090a0b0c"), &info, &mut out).unwrap();
    let expected = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865";
    assert_eq!(hex(&out), expected);
    kdf::hkdf_sha256(&[0x0b; 22], b"", b"", &mut out).unwrap();
    let expected = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8";
    assert_eq!(hex(&out), expected);
}

#[test]
fn hkdf_gives_its_longest_output_and_refuses_more() {
    let mut out = vec![0; 255 * 32 + 1];
    assert_eq!(
        kdf::hkdf_sha256(b"k", b"", b"", &mut out),
        Err(Error::InputLength)
    );
    kdf::hkdf_sha256(b"k", b"", b"", &mut out[1..]).unwrap();
    kdf::hkdf_sha256(b"k", b"", b"", &mut []).unwrap();
}

#[test]
fn what_was_sealed_opens_and_nothing_else() {
    let (key, nonce) = ([7; 32], [9; 12]);
    for body in [&b""[..], b"x", &[5; 1000]] {
        let sealed = aead::seal(&key, &nonce, b"aad", body).unwrap();
        assert_eq!(sealed.len(), body.len() + aead::TAG_LEN);
        assert_eq!(**aead::open(&key, &nonce, b"aad", &sealed).unwrap(), *body);
        let refused = |opened: Result<_>| assert_eq!(opened.err(), Some(Error::Decryption));
        refused(aead::open(&[8; 32], &nonce, b"aad", &sealed));
        refused(aead::open(&key, &[8; 12], b"aad", &sealed));
        refused(aead::open(&key, &nonce, b"aaD", &sealed));
        refused(aead::open(&key, &nonce, b"aad", &sealed[1..]));
        refused(aead::open(&key, &nonce, b"aad", b""));
        for at in [0, sealed.len() - 1] {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            refused(aead::open(&key, &nonce, b"aad", &damaged));
        }
    }
}

#[test]
fn random_bytes_differ_and_comparison_sees_every_bit() {
    let (mut a, mut b) = ([0; 32], [0; 32]);
    rand::fill(&mut a).unwrap();
    rand::fill(&mut b).unwrap();
    rand::fill(&mut []).unwrap();
    assert!(ct_eq(&a, &a) && ct_eq(b"", b"") && !ct_eq(&a, &b) && !ct_eq(&a, &a[1..]));
    for bit in 0..256 {
        let mut changed = a;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(!ct_eq(&a, &changed));
    }
}
