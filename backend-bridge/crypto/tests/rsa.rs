// SPDX-License-Identifier: MIT
//! RSA: keys in and out, signatures, both encryption schemes, and what is refused.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic
)]

mod testkit;

use keyenclave_crypto::*;
use keyenclave_model::algorithm::{HASHES, Hash};
use std::sync::LazyLock;
use testkit::{hex, rsa_2048, unhex};
use zeroize::Zeroizing;

static KEY: LazyLock<RsaPrivateKey> =
    LazyLock::new(|| RsaPrivateKey::from_pkcs8_der(&unhex(rsa_2048::KEY)).unwrap());
static PUBLIC: LazyLock<RsaPublicKey> = LazyLock::new(|| KEY.public().unwrap());

const F4: [u8; 3] = [1, 0, 1];

type Owned = RsaComponents<Zeroizing<Vec<u8>>>;

fn pkcs1(key: &RsaPrivateKey, message: &[u8]) -> Vec<u8> {
    let mut out = vec![0; key.modulus_len()];
    assert_eq!(
        key.sign_pkcs1(Hash::Sha256, &digest(Hash::Sha256, message), &mut out),
        Ok(out.len())
    );
    out
}

fn same(left: &Owned, right: &Owned) {
    let all = |key: &Owned| {
        [
            key.modulus.clone(),
            key.public_exponent.clone(),
            key.private_exponent.clone(),
            key.prime_1.clone(),
            key.prime_2.clone(),
            key.exponent_1.clone(),
            key.exponent_2.clone(),
            key.coefficient.clone(),
        ]
        .map(|bytes| hex(&bytes))
    };
    assert_eq!(all(left), all(right));
}

#[test]
fn a_generated_key_signs_and_has_the_size_and_exponent_that_were_asked_for() {
    for (bits, exponent) in [(2048, &F4[..]), (3072, &[0, 0, 1, 0, 1]), (2048, &[1, 0, 3])] {
        let key = RsaPrivateKey::generate(bits, exponent).unwrap();
        assert_eq!((key.bits(), key.modulus_len()), (bits, bits as usize / 8));
        let start = exponent.iter().position(|byte| *byte != 0).unwrap();
        assert_eq!(key.public().unwrap().exponent(), &exponent[start..]);
        let signature = pkcs1(&key, b"m");
        key.public()
            .unwrap()
            .verify_pkcs1(Hash::Sha256, &digest(Hash::Sha256, b"m"), &signature)
            .unwrap();
        same(
            &key.components(),
            &RsaPrivateKey::from_components(&key.components())
                .unwrap()
                .components(),
        );
    }
}

#[test]
fn generation_refuses_odd_sizes_and_bad_exponents() {
    for bits in [0, 1, 512, 1024, 2047, 2049, 2056, 8320, u32::MAX] {
        assert_eq!(RsaPrivateKey::generate(bits, &F4).err(), Some(Error::Unsupported));
    }
    let even = [1, 0, 0];
    for exponent in [
        &b""[..],
        &[0],
        &[1],
        &[2],
        &[3],
        &[17],
        &even,
        &[1, 0, 0, 0, 1],
        &[0xff; 2000],
    ] {
        assert_eq!(
            RsaPrivateKey::generate(2048, exponent).err(),
            Some(Error::InvalidInput)
        );
    }
}

#[test]
fn a_signature_matches_that_of_another_implementation() {
    assert_eq!(hex(&pkcs1(&KEY, b"sample")), rsa_2048::SIGNATURE);
}

#[test]
fn a_key_of_n_e_d_only_gets_its_primes_back_and_signs_the_same() {
    let full = KEY.components();
    let bare = RsaComponents {
        modulus: full.modulus.clone(),
        public_exponent: full.public_exponent.clone(),
        private_exponent: full.private_exponent.clone(),
        ..Owned::default()
    };
    for _ in 0..5 {
        let key = RsaPrivateKey::from_components(&bare).unwrap();
        same(&key.components(), &full);
        assert_eq!(hex(&pkcs1(&key, b"sample")), rsa_2048::SIGNATURE);
    }
}

#[test]
fn every_missing_part_is_computed() {
    for missing in 0u8..32 {
        let mut parts = KEY.components();
        let optional = [
            &mut parts.prime_1,
            &mut parts.prime_2,
            &mut parts.exponent_1,
            &mut parts.exponent_2,
            &mut parts.coefficient,
        ];
        for (bit, part) in optional.into_iter().enumerate() {
            if missing >> bit & 1 == 1 {
                part.clear();
            }
        }
        same(
            &RsaPrivateKey::from_components(&parts).unwrap().components(),
            &KEY.components(),
        );
    }
}

#[test]
fn leading_zeros_do_not_matter() {
    let mut parts = KEY.components();
    for part in [
        &mut parts.modulus,
        &mut parts.public_exponent,
        &mut parts.private_exponent,
        &mut parts.prime_1,
    ] {
        part.splice(0..0, [0, 0, 0]);
    }
    same(
        &RsaPrivateKey::from_components(&parts).unwrap().components(),
        &KEY.components(),
    );
}

#[test]
fn a_changed_part_is_refused() {
    type Part = fn(&mut Owned) -> &mut Zeroizing<Vec<u8>>;
    let parts: [Part; 8] = [
        |key| &mut key.modulus,
        |key| &mut key.public_exponent,
        |key| &mut key.private_exponent,
        |key| &mut key.prime_1,
        |key| &mut key.prime_2,
        |key| &mut key.exponent_1,
        |key| &mut key.exponent_2,
        |key| &mut key.coefficient,
    ];
    let values: [&[u8]; 7] = [&[0], &[1], &[2], &[3], &[4], &[0xff; 256], &[0xff; 5000]];
    for part in parts {
        for value in values {
            let mut key = KEY.components();
            **part(&mut key) = value.to_vec();
            assert!(RsaPrivateKey::from_components(&key).is_err());
        }
        let mut key = KEY.components();
        *part(&mut key).last_mut().unwrap() ^= 2;
        assert!(RsaPrivateKey::from_components(&key).is_err());
    }
    for required in &parts[..3] {
        let mut key = KEY.components();
        required(&mut key).clear();
        assert_eq!(
            RsaPrivateKey::from_components(&key).err(),
            Some(Error::InvalidKey)
        );
    }
}

#[test]
fn a_wrong_d_without_primes_is_refused() {
    let mut key = KEY.components();
    for part in [
        &mut key.prime_1,
        &mut key.prime_2,
        &mut key.exponent_1,
        &mut key.exponent_2,
        &mut key.coefficient,
    ] {
        part.clear();
    }
    for d in [vec![1], vec![3], vec![4], vec![0x7f; 255]] {
        *key.private_exponent = d;
        assert_eq!(
            RsaPrivateKey::from_components(&key).err(),
            Some(Error::InvalidKey)
        );
    }
    // A prime in place of the modulus never splits.
    let full = KEY.components();
    let prime_only = RsaComponents {
        modulus: &full.prime_1[..],
        public_exponent: &F4,
        private_exponent: &[3],
        ..empty()
    };
    assert!(RsaPrivateKey::from_components(&prime_only).is_err());
}

fn empty() -> RsaComponents<&'static [u8]> {
    RsaComponents::default()
}

#[test]
fn public_keys_take_e_3_and_refuse_even_tiny_and_large_ones() {
    let n = PUBLIC.modulus();
    for good in [&[3][..], &[0, 3], &[17], &F4, &[1, 0xff, 0xff, 0xff, 0xff]] {
        RsaPublicKey::from_components(&n, good).unwrap();
    }
    for bad in [&[][..], &[0], &[1], &[2], &[4], &[1, 0, 0]] {
        assert_eq!(
            RsaPublicKey::from_components(&n, bad).err(),
            Some(Error::InvalidKey)
        );
    }
    assert_eq!(
        RsaPublicKey::from_components(&n, &[0xff; 5]).err(),
        Some(Error::Unsupported)
    );
    assert_eq!(
        RsaPublicKey::from_components(&[0xff; 100], &F4).err(),
        Some(Error::Unsupported)
    );
    assert_eq!(
        RsaPublicKey::from_components(&[0xff; 1025], &F4).err(),
        Some(Error::Unsupported)
    );
    assert_eq!(
        RsaPublicKey::from_components(&[0xff; 1 << 20], &F4).err(),
        Some(Error::Unsupported)
    );
    assert_eq!(
        RsaPublicKey::from_components(&[0xfe; 256], &F4).err(),
        Some(Error::InvalidKey)
    );
    assert_eq!(
        RsaPublicKey::from_components(&[], &F4).err(),
        Some(Error::Unsupported)
    );
}

#[test]
fn raw_signatures_verify_for_every_length_that_fits() {
    let mut out = [0; 256];
    for len in [0, 1, 51, 200, 245] {
        let block = vec![0; len];
        assert_eq!(KEY.sign_pkcs1_raw(&block, &mut out), Ok(256));
        PUBLIC.verify_pkcs1_raw(&block, &out).unwrap();
        assert_eq!(PUBLIC.verify_pkcs1_raw(&[1; 20], &out), Err(Error::Verification));
    }
    assert_eq!(KEY.sign_pkcs1_raw(&[0; 246], &mut out), Err(Error::InputLength));
    assert_eq!(
        KEY.sign_pkcs1_raw(&[0; 20], &mut out[1..]),
        Err(Error::OutputLength)
    );
}

#[test]
fn a_raw_signature_over_a_digest_info_is_the_signature_over_the_digest() {
    let prefix = unhex("3031300d060960864801650304020105000420");
    let mut out = [0; 256];
    KEY.sign_pkcs1_raw(
        &[&prefix[..], &digest(Hash::Sha256, b"sample")].concat(),
        &mut out,
    )
    .unwrap();
    assert_eq!(hex(&out), rsa_2048::SIGNATURE);
}

#[test]
fn pkcs1_signatures_verify_with_every_hash_and_nothing_else() {
    for row in HASHES {
        let value = digest(row.hash, b"message");
        let mut out = [0; 300];
        assert_eq!(KEY.sign_pkcs1(row.hash, &value, &mut out), Ok(256));
        let mut signature = out[..256].to_vec();
        PUBLIC.verify_pkcs1(row.hash, &value, &signature).unwrap();
        let other = digest(row.hash, b"other");
        assert_eq!(
            PUBLIC.verify_pkcs1(row.hash, &other, &signature),
            Err(Error::Verification)
        );
        assert_eq!(
            PUBLIC.verify_pkcs1(row.hash, &value, &out),
            Err(Error::InputLength)
        );
        assert_eq!(
            PUBLIC.verify_pkcs1(row.hash, &value, &[]),
            Err(Error::InputLength)
        );
        assert_eq!(
            PUBLIC.verify_pkcs1(row.hash, &value, &[0xff; 256]),
            Err(Error::Verification)
        );
        assert_eq!(
            PUBLIC.verify_pkcs1(row.hash, &value[1..], &signature),
            Err(Error::InputLength)
        );
        assert_eq!(
            KEY.sign_pkcs1(row.hash, &value[1..], &mut out),
            Err(Error::InputLength)
        );
        assert_eq!(
            KEY.sign_pkcs1(row.hash, &value, &mut out[..255]),
            Err(Error::OutputLength)
        );
        signature[100] ^= 1;
        assert_eq!(
            PUBLIC.verify_pkcs1(row.hash, &value, &signature),
            Err(Error::Verification)
        );
    }
}

#[test]
fn pss_signatures_verify_with_the_same_parameters_only() {
    let mut out = [0; 256];
    for hash in HASHES {
        for mgf in HASHES {
            let value = digest(hash.hash, b"message");
            for salt_len in [0, 1, hash.len, 256 - 2 - hash.len] {
                assert_eq!(
                    KEY.sign_pss(hash.hash, mgf.hash, salt_len, &value, &mut out),
                    Ok(256)
                );
                PUBLIC
                    .verify_pss(hash.hash, mgf.hash, salt_len, &value, &out)
                    .unwrap();
                let wrong_salt = PUBLIC.verify_pss(hash.hash, mgf.hash, salt_len + 1, &value, &out);
                assert_eq!(wrong_salt, Err(Error::Verification));
                let other = HASHES[(mgf.hash as usize + 1) % HASHES.len()].hash;
                let wrong_mgf = PUBLIC.verify_pss(hash.hash, other, salt_len, &value, &out);
                assert_eq!(wrong_mgf, Err(Error::Verification));
            }
            for salt_len in [256 - 1 - hash.len, 1000, 1 << 31, usize::MAX] {
                let refused = KEY.sign_pss(hash.hash, mgf.hash, salt_len, &value, &mut out);
                assert_eq!(refused, Err(Error::InvalidInput));
                assert!(
                    PUBLIC
                        .verify_pss(hash.hash, mgf.hash, salt_len, &value, &out)
                        .is_err()
                );
            }
        }
    }
    assert_eq!(
        KEY.sign_pss(Hash::Sha256, Hash::Sha256, 32, b"x", &mut out),
        Err(Error::InputLength)
    );
}

#[test]
fn what_was_encrypted_decrypts_in_both_schemes() {
    let (mut sealed, mut plain) = ([0; 256], [0; 256]);
    for len in [0, 1, 32, 244, 245] {
        let message: Vec<u8> = (0..len).map(|at| at as u8).collect();
        assert_eq!(PUBLIC.encrypt_pkcs1(&message, &mut sealed), Ok(256));
        assert_eq!(KEY.decrypt_pkcs1(&sealed, &mut plain), Ok(len));
        assert_eq!(plain[..len], message);
    }
    assert_eq!(
        PUBLIC.encrypt_pkcs1(&[0; 246], &mut sealed),
        Err(Error::InputLength)
    );
    for hash in HASHES {
        for mgf in HASHES {
            let longest = 256 - 2 - 2 * hash.len;
            for (label, len) in [(&b""[..], 0), (b"label", 1), (&[0; 300], longest)] {
                let message = vec![0x5a; len];
                assert_eq!(
                    PUBLIC.encrypt_oaep(hash.hash, mgf.hash, label, &message, &mut sealed),
                    Ok(256)
                );
                assert_eq!(
                    KEY.decrypt_oaep(hash.hash, mgf.hash, label, &sealed, &mut plain),
                    Ok(len)
                );
                assert_eq!(plain[..len], message);
                let wrong_label = KEY.decrypt_oaep(hash.hash, mgf.hash, b"other", &sealed, &mut plain);
                assert_eq!(wrong_label, Err(Error::Decryption));
                let other = HASHES[(mgf.hash as usize + 1) % HASHES.len()].hash;
                let wrong_mgf = KEY.decrypt_oaep(hash.hash, other, label, &sealed, &mut plain);
                assert_eq!(wrong_mgf, Err(Error::Decryption));
            }
            let refused = PUBLIC.encrypt_oaep(hash.hash, mgf.hash, b"", &vec![0; longest + 1], &mut sealed);
            assert_eq!(refused, Err(Error::InputLength));
        }
    }
}

fn bad_ciphertext(number: u8) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..4)
        .flat_map(|part| digest(Hash::Sha512, format!("{number}-{part}").as_bytes()).to_vec())
        .collect();
    bytes[0] = 1;
    bytes
}

#[test]
fn bad_padding_gives_the_substitute_that_another_implementation_gives() {
    for (number, expected) in (0..).zip(rsa_2048::SUBSTITUTES) {
        let ciphertext = bad_ciphertext(number);
        for _ in 0..2 {
            let mut plain = [0; 256];
            let len = KEY.decrypt_pkcs1(&ciphertext, &mut plain).unwrap();
            assert_eq!(hex(&plain[..len]), expected);
        }
    }
}

#[test]
fn every_kind_of_bad_padding_gives_a_substitute() {
    let mut sealed = [0; 256];
    // A block for the private operation to find: the raw public operation on it is what "encrypts" it.
    let blocks: [fn(&mut [u8; 256]); 6] = [
        |block| block[1] = 1,   // type 1
        |block| block[1] = 0,   // type 0
        |block| block[0] = 1,   // first byte
        |block| block[2] = 0,   // no padding at all
        |block| block[9] = 0,   // seven bytes of padding
        |block| block[200] = 7, // no separator
    ];
    for spoil in blocks {
        let mut block = [0xaa; 256];
        block[0] = 0;
        block[1] = 2;
        block[200] = 0;
        spoil(&mut block);
        raw_public(&block, &mut sealed);
        let mut plain = [0; 256];
        let len = KEY.decrypt_pkcs1(&sealed, &mut plain).unwrap();
        assert!(len <= 245 && (len != 55 || plain[..55] != [0xaa; 55]));
        let mut again = [0; 256];
        assert_eq!(KEY.decrypt_pkcs1(&sealed, &mut again), Ok(len));
        assert_eq!(plain, again);
    }
    let mut block = [0xaa; 256];
    block[..2].copy_from_slice(&[0, 2]);
    block[10] = 0;
    raw_public(&block, &mut sealed);
    let mut plain = [0; 256];
    assert_eq!(
        KEY.decrypt_pkcs1(&sealed, &mut plain),
        Ok(245),
        "eight bytes of padding are enough"
    );
}

/// block ^ e mod n with the numbers of the key, by schoolbook arithmetic: e is 2^16 + 1.
fn raw_public(block: &[u8; 256], out: &mut [u8; 256]) {
    let n = limbs(&PUBLIC.modulus());
    let base = limbs(block);
    let mut power = base.clone();
    for _ in 0..16 {
        power = multiply(&power, &power, &n);
    }
    for (to, limb) in out.chunks_mut(4).rev().zip(multiply(&power, &base, &n)) {
        to.copy_from_slice(&limb.to_be_bytes());
    }
}

/// Little-endian 32-bit limbs.
fn limbs(bytes: &[u8]) -> Vec<u32> {
    bytes
        .rchunks(4)
        .map(|chunk| chunk.iter().fold(0, |value, byte| value << 8 | u32::from(*byte)))
        .collect()
}

/// left * right mod n, bit by bit from the top.
fn multiply(left: &[u32], right: &[u32], n: &[u32]) -> Vec<u32> {
    let mut sum = vec![0; n.len()];
    for at in (0..left.len() * 32).rev() {
        let double = sum.clone();
        add_mod(&mut sum, &double, n);
        if left[at / 32] >> (at % 32) & 1 == 1 {
            add_mod(&mut sum, right, n);
        }
    }
    sum
}

/// sum = (sum + term) mod n, both below n.
fn add_mod(sum: &mut [u32], term: &[u32], n: &[u32]) {
    let mut carry = 0u64;
    for (to, limb) in sum.iter_mut().zip(term) {
        let total = u64::from(*to) + u64::from(*limb) + carry;
        *to = total as u32;
        carry = total >> 32;
    }
    if carry == 1 || sum.iter().rev().ge(n.iter().rev()) {
        let mut borrow = 0i64;
        for (to, limb) in sum.iter_mut().zip(n) {
            let total = i64::from(*to) - i64::from(*limb) + borrow;
            *to = total as u32;
            borrow = total >> 32;
        }
    }
}

#[test]
fn ciphertexts_that_are_no_number_below_the_modulus_are_refused() {
    let mut plain = [0; 256];
    for bad in [[0; 256], [0xff; 256]] {
        assert_eq!(KEY.decrypt_pkcs1(&bad, &mut plain), Err(Error::Decryption));
        let opened = KEY.decrypt_oaep(Hash::Sha1, Hash::Sha1, b"", &bad, &mut plain);
        assert_eq!(opened, Err(Error::Decryption));
    }
    for len in [0, 1, 255, 257] {
        assert_eq!(
            KEY.decrypt_pkcs1(&vec![1; len], &mut plain),
            Err(Error::InputLength)
        );
        let opened = KEY.decrypt_oaep(Hash::Sha1, Hash::Sha1, b"", &vec![1; len], &mut plain);
        assert_eq!(opened, Err(Error::InputLength));
    }
    assert_eq!(
        KEY.decrypt_pkcs1(&[1; 256], &mut plain[1..]),
        Err(Error::OutputLength)
    );
}

#[test]
fn keys_come_back_from_der_and_damaged_der_does_not() {
    let der = KEY.to_pkcs8_der().unwrap();
    assert_eq!(hex(&der), rsa_2048::KEY);
    let spki = PUBLIC.spki_der().unwrap();
    let public = RsaPublicKey::from_spki_der(&spki).unwrap();
    assert_eq!(
        (public.modulus(), public.exponent()),
        (PUBLIC.modulus(), F4.to_vec())
    );
    for cut in 0..der.len() {
        assert!(RsaPrivateKey::from_pkcs8_der(&der[..cut]).is_err());
    }
    for at in (0..der.len()).step_by(7) {
        let mut damaged = der.to_vec();
        damaged[at] ^= 0x11;
        if let Ok(key) = RsaPrivateKey::from_pkcs8_der(&damaged) {
            assert_eq!(
                hex(&key.components().private_exponent),
                hex(&KEY.components().private_exponent)
            );
        }
    }
    assert!(matches!(PrivateKey::from_pkcs8_der(&der), Ok(PrivateKey::Rsa(_))));
    assert!(matches!(PublicKey::from_spki_der(&spki), Ok(PublicKey::Rsa(_))));
    let x25519 =
        unhex("302a300506032b656e0321008520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
    assert_eq!(PublicKey::from_spki_der(&x25519).err(), Some(Error::Unsupported));
}

#[test]
fn one_key_signs_and_decrypts_on_many_threads() {
    let key = RsaPrivateKey::from_components(&KEY.components()).unwrap();
    let mut sealed = [0; 256];
    PUBLIC.encrypt_pkcs1(b"secret", &mut sealed).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25 {
                    assert_eq!(hex(&pkcs1(&key, b"sample")), rsa_2048::SIGNATURE);
                    let mut plain = [0; 256];
                    assert_eq!(key.decrypt_pkcs1(&sealed, &mut plain), Ok(6));
                    assert_eq!(&plain[..6], b"secret");
                }
            });
        }
    });
}
