// SPDX-License-Identifier: MIT
//! Keys: generated, in and out, and what is no key.

use super::*;

type Owned = RsaComponents<Zeroizing<Vec<u8>>>;

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
    for (bits, exponent) in [
        (512, &F4[..]),
        (1024, &F4),
        (2048, &F4),
        (3072, &[0, 0, 1, 0, 1]),
        (2048, &[1, 0, 3]),
    ] {
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
    for bits in [0, 1, 384, 511, 513, 2047, 2049, 2056, 16512, u32::MAX] {
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
        RsaPublicKey::from_components(&[0xff; 63], &F4).err(),
        Some(Error::Unsupported)
    );
    assert_eq!(
        RsaPublicKey::from_components(&[0xff; 2049], &F4).err(),
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
    assert!(matches!(
        PublicKey::from_spki_der(&x25519),
        Ok(PublicKey::X25519(_))
    ));
}
