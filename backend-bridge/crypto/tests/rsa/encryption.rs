// SPDX-License-Identifier: MIT
//! Both encryption schemes, and what bad padding comes to.

use super::*;

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
fn the_bare_function_undoes_itself_and_takes_numbers_below_the_modulus_only() {
    let (mut raised, mut back) = ([0; 256], [0; 256]);
    assert_eq!(KEY.raise(b"a number", &mut raised), Ok(256));
    assert_eq!(PUBLIC.raise(&raised, &mut back), Ok(256));
    assert_eq!(back[248..], *b"a number");
    assert_eq!(back[..248], [0; 248]);
    assert_eq!(PUBLIC.raise(&back, &mut raised), Ok(256));
    assert_eq!(KEY.raise(&raised, &mut back), Ok(256));
    assert_eq!(back[248..], *b"a number");
    for (bad, error) in [
        (vec![0xff; 256], Error::InvalidInput),
        (PUBLIC.modulus(), Error::InvalidInput),
        (vec![0; 257], Error::InputLength),
    ] {
        assert_eq!(KEY.raise(&bad, &mut back), Err(error));
        assert_eq!(PUBLIC.raise(&bad, &mut back), Err(error));
    }
    assert_eq!(KEY.raise(b"1", &mut back[1..]), Err(Error::OutputLength));
}

#[test]
fn an_unwrapped_key_fits_whatever_the_padding_is() {
    let (mut sealed, mut plain) = ([0; 256], [0; 256]);
    let mut open = |block: &[u8], lengths: &[usize]| {
        PUBLIC.raise(block, &mut sealed).unwrap();
        let len = KEY.decrypt_pkcs1_key(&sealed, lengths, &mut plain).unwrap();
        let first = plain[..len].to_vec();
        assert_eq!(KEY.decrypt_pkcs1_key(&sealed, lengths, &mut plain), Ok(len));
        assert_eq!(plain[..len], first);
        first
    };
    let block = |start: [u8; 2], len: usize| [&start[..], &vec![7; 253 - len], &[0], &vec![9; len]].concat();
    let aes = [16, 24, 32];
    for len in aes {
        assert_eq!(open(&block([0, 2], len), &aes), vec![9; len]);
        assert_eq!(open(&block([0, 2], len), &[len]), vec![9; len]);
        assert_eq!(open(&block([0, 2], len), &[]), vec![9; len]);
    }
    let mut lengths = std::collections::BTreeSet::new();
    for seed in 0..60 {
        let mut bad = block([0, 1], 32);
        bad[10] = seed + 1;
        let key = open(&bad, &aes);
        assert!(aes.contains(&key.len()) && key[..8] != [9; 8]);
        lengths.insert(key.len());
        assert_eq!(open(&bad, &[24]).len(), 24);
        assert!(!open(&bad, &[]).is_empty());
    }
    assert_eq!(lengths.len(), 3, "each length comes up");
    for len in [0, 15, 33] {
        assert_eq!(open(&block([0, 2], len), &[16]).len(), 16);
    }
    assert!(!open(&block([0, 2], 0), &[]).is_empty());
    assert_eq!(
        KEY.decrypt_pkcs1_key(&[1; 256], &[246], &mut [0; 256]),
        Err(Error::InputLength)
    );
}

#[test]
fn a_key_of_x9_31_is_one() {
    let key = RsaPrivateKey::generate_x931(2048, &F4).unwrap();
    assert_eq!(key.bits(), 2048);
    let signature = pkcs1(&key, b"message");
    key.public()
        .unwrap()
        .verify_pkcs1(Hash::Sha256, &digest(Hash::Sha256, b"message"), &signature)
        .unwrap();
    assert_eq!(
        RsaPrivateKey::generate_x931(896, &F4).err(),
        Some(Error::Unsupported)
    );
    assert_eq!(
        RsaPrivateKey::generate_x931(2049, &F4).err(),
        Some(Error::Unsupported)
    );
    assert_eq!(
        RsaPrivateKey::generate_x931(2048, &[2]).err(),
        Some(Error::InvalidInput)
    );
}
