// SPDX-License-Identifier: MIT
//! Signatures in both schemes.

use super::*;

#[test]
fn a_signature_matches_that_of_another_implementation() {
    assert_eq!(hex(&pkcs1(&KEY, b"sample")), rsa_2048::SIGNATURE);
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
