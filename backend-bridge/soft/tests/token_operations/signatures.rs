// SPDX-License-Identifier: MIT
//! Signatures and MACs.

use super::*;

#[test]
fn rsa_pkcs1_signatures_verify() {
    let rsa = rsa();
    for row in MECHANISMS {
        if let Algorithm::RsaPkcs1(Some(_)) = row.algorithm {
            sign_and_verify(&rsa.fixture, &plain(row.id), rsa.private, rsa.public);
        }
    }
}

#[test]
fn raw_rsa_takes_a_block_that_fits_and_no_parts() {
    let Rsa {
        fixture,
        public: public_key,
        private,
    } = rsa();
    let raw = plain(ck::CKM_RSA_PKCS);
    for len in [0, 1, 51, 245] {
        let block = vec![0x33; len];
        let signature = fixture
            .run(public(), Class::Sign, &raw, *private, &block)
            .unwrap();
        fixture
            .verify(public(), &raw, *public_key, &block, &signature)
            .unwrap();
    }
    let too_long = [0; 246];
    assert_eq!(
        rv(fixture.run(public(), Class::Sign, &raw, *private, &too_long)),
        Rv::DataLenRange
    );
    assert_eq!(
        rv(fixture.run(public(), Class::Encrypt, &raw, *public_key, &too_long)),
        Rv::DataLenRange
    );
    for (class, key) in [
        (Class::Sign, private),
        (Class::Verify, public_key),
        (Class::Encrypt, public_key),
    ] {
        let mut operation = fixture.begin(public(), class, &raw, *key).unwrap();
        assert_eq!(
            rv(operation.update(&public(), b"x", &mut [])),
            Rv::FunctionNotSupported
        );
    }
    // A block that is a DigestInfo is the signature of the hashing mechanism.
    let prefix = [
        0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
        0x04, 0x20,
    ];
    let info = [&prefix[..], &crypto::digest(Hash::Sha256, MESSAGE)].concat();
    let signature = fixture.run(public(), Class::Sign, &raw, *private, &info).unwrap();
    let hashing = plain(ck::CKM_SHA256_RSA_PKCS);
    fixture
        .verify(public(), &hashing, *public_key, MESSAGE, &signature)
        .unwrap();
}

#[test]
fn what_was_signed_can_be_recovered_from_the_signature() {
    let Rsa {
        fixture,
        public: public_key,
        private,
    } = rsa();
    let raw = plain(ck::CKM_RSA_PKCS);
    for block in [&b""[..], b"block", &[7; 245]] {
        let signature = fixture
            .run(public(), Class::SignRecover, &raw, *private, block)
            .unwrap();
        let recover =
            |signature: &[u8]| fixture.run(public(), Class::VerifyRecover, &raw, *public_key, signature);
        assert_eq!(recover(&signature).unwrap(), block);
        let mut changed = signature.clone();
        changed[9] ^= 1;
        assert_eq!(rv(recover(&changed)), Rv::SignatureInvalid);
        assert_eq!(rv(recover(&signature[1..])), Rv::SignatureLenRange);
    }
    let recover = fixture.begin(public(), Class::VerifyRecover, &raw, *private);
    assert_eq!(rv(recover), Rv::KeyFunctionNotPermitted);
}

#[test]
fn pss_signatures_verify_with_every_hash_and_salt() {
    let rsa = rsa();
    for row in MECHANISMS {
        if let Algorithm::RsaPss(Some(hash)) = row.algorithm {
            for salt in [0, hash.output_len()] {
                let mechanism = mechanism(row.id, pss(hash, salt));
                sign_and_verify(&rsa.fixture, &mechanism, rsa.private, rsa.public);
            }
        }
    }
    let raw = mechanism(ck::CKM_RSA_PKCS_PSS, pss(Hash::Sha384, 17));
    let digest = crypto::digest(Hash::Sha384, MESSAGE);
    let signature = rsa
        .fixture
        .run(public(), Class::Sign, &raw, rsa.private, &digest)
        .unwrap();
    let hashing = mechanism(ck::CKM_SHA384_RSA_PKCS_PSS, pss(Hash::Sha384, 17));
    rsa.fixture
        .verify(public(), &hashing, rsa.public, MESSAGE, &signature)
        .unwrap();
    let other_salt = mechanism(ck::CKM_SHA384_RSA_PKCS_PSS, pss(Hash::Sha384, 18));
    let verified = rsa
        .fixture
        .verify(public(), &other_salt, rsa.public, MESSAGE, &signature);
    assert_eq!(rv(verified), Rv::SignatureInvalid);
    assert_eq!(
        rv(rsa
            .fixture
            .run(public(), Class::Sign, &raw, rsa.private, b"no digest")),
        Rv::DataLenRange
    );
}

#[test]
fn a_pss_salt_that_does_not_fit_is_refused_at_once() {
    let rsa = rsa();
    let begin = |salt| {
        let mechanism = mechanism(ck::CKM_SHA256_RSA_PKCS_PSS, pss(Hash::Sha256, salt));
        rsa.fixture.begin(public(), Class::Sign, &mechanism, rsa.private)
    };
    assert!(begin(256 - 32 - 2).is_ok());
    for salt in [256 - 32 - 1, 100_000, usize::MAX] {
        assert_eq!(rv(begin(salt)), Rv::MechanismParamInvalid);
    }
}

#[test]
fn ecdsa_signatures_verify_on_every_curve() {
    let fixture = Fixture::blank();
    for row in CURVES {
        let (of_public, of_private) = ec_pair(row.curve);
        let pair = fixture.generate_pair(public(), ck::CKM_EC_KEY_PAIR_GEN, &of_public, &of_private);
        let (public_key, private) = pair.unwrap();
        let raw = plain(ck::CKM_ECDSA);
        for mechanism in MECHANISMS
            .iter()
            .filter(|row| matches!(row.algorithm, Algorithm::Ecdsa(Some(_))))
        {
            let hashing = plain(mechanism.id);
            let hash = mechanism.algorithm.hash().unwrap();
            let sign =
                |mechanism, input: &[u8]| fixture.run(public(), Class::Sign, mechanism, private, input);
            let signature = sign(&hashing, MESSAGE).unwrap();
            assert_eq!(signature.len(), 2 * row.curve.field_len());
            let digest = crypto::digest(hash, MESSAGE);
            fixture
                .verify(public(), &raw, public_key, &digest, &signature)
                .unwrap();
            let signature = sign(&raw, &digest).unwrap();
            fixture
                .verify(public(), &hashing, public_key, MESSAGE, &signature)
                .unwrap();
            let mut changed = signature.clone();
            changed[5] ^= 1;
            let verify =
                |signature: &[u8]| fixture.verify(public(), &hashing, public_key, MESSAGE, signature);
            assert_eq!(rv(verify(&changed)), Rv::SignatureInvalid);
            for wrong in [&signature[1..], &[], &[&signature[..], &[0, 0]].concat()] {
                assert_eq!(rv(verify(wrong)), Rv::SignatureLenRange);
            }
            let parts = [&MESSAGE[..9], &MESSAGE[9..]];
            let signature = fixture
                .run_in_parts(public(), Class::Sign, &hashing, private, &parts)
                .unwrap();
            verify(&signature).unwrap();
        }
        let mut operation = fixture.begin(public(), Class::Sign, &raw, private).unwrap();
        assert_eq!(
            rv(operation.update(&public(), b"x", &mut [])),
            Rv::FunctionNotSupported
        );
    }
}

#[test]
fn macs_verify_whole_and_cut() {
    let fixture = Fixture::blank();
    for row in HASHES.iter().filter(|row| !row.hash.is_legacy()) {
        let own_type = keyenclave_model::mechanism::hmac_key_type(row.hash);
        for key in [
            secret_key(ck::CKK_GENERIC_SECRET, b"k"),
            secret_key(own_type, &[5; 200]),
        ] {
            let key = fixture.create(public(), &key).unwrap();
            for mechanism_row in MECHANISMS {
                let mechanism = match mechanism_row.algorithm {
                    Algorithm::Hmac {
                        hash,
                        truncated: false,
                    } if hash == row.hash => plain(mechanism_row.id),
                    Algorithm::Hmac {
                        hash,
                        truncated: true,
                    } if hash == row.hash => mechanism(mechanism_row.id, Params::Length(10)),
                    _ => continue,
                };
                sign_and_verify(&fixture, &mechanism, key, key);
            }
        }
    }
    // RFC 4231, test case 2.
    let key = fixture
        .create(public(), &secret_key(ck::CKK_GENERIC_SECRET, b"Jefe"))
        .unwrap();
    let hmac = plain(ck::CKM_SHA256_HMAC);
    let mac = fixture.run(public(), Class::Sign, &hmac, key, b"what do ya want for nothing?");
    assert_eq!(mac.unwrap()[..4], [0x5b, 0xdc, 0xc1, 0x46]);
}
