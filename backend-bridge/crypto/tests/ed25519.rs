// SPDX-License-Identifier: MIT
//! Ed25519 and its variants: published signatures, lengths, encodings.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic
)]

mod testkit;

use keyenclave_crypto::*;
use keyenclave_model::algorithm::Hash;
use testkit::ed25519::{CASES, Scheme};
use testkit::unhex;

#[test]
fn published_signatures_are_made_and_verify() {
    for case in CASES {
        let (message, context) = (unhex(case.message), unhex(case.context));
        let key = Ed25519PrivateKey::from_seed(&unhex(case.seed)).unwrap();
        assert_eq!(
            key.public().as_bytes().as_slice(),
            unhex(case.public),
            "{}",
            case.name
        );
        let hashed = digest(Hash::Sha512, &message);
        let (scheme, input): (_, &[u8]) = match case.scheme {
            Scheme::Pure => (Ed25519Scheme::Pure, &message),
            Scheme::Context => (Ed25519Scheme::Context(&context), &message),
            Scheme::Prehashed => (Ed25519Scheme::Prehashed(&context), &hashed),
        };
        let mut signature = [0; 64];
        assert_eq!(key.sign(scheme, input, &mut signature), Ok(64));
        assert_eq!(signature.as_slice(), unhex(case.signature), "{}", case.name);
        key.public().verify(scheme, input, &signature).unwrap();
        for byte in [0, 31, 32, 63] {
            let mut changed = signature;
            changed[byte] ^= 1;
            assert_eq!(
                key.public().verify(scheme, input, &changed),
                Err(Error::Verification)
            );
        }
    }
}

#[test]
fn a_signature_of_one_scheme_is_none_of_another() {
    let key = Ed25519PrivateKey::generate().unwrap();
    let message = [7; 64];
    let schemes = [
        Ed25519Scheme::Pure,
        Ed25519Scheme::Context(b"a"),
        Ed25519Scheme::Context(b"b"),
        Ed25519Scheme::Prehashed(b""),
        Ed25519Scheme::Prehashed(b"a"),
    ];
    for scheme in schemes {
        let mut signature = [0; 64];
        key.sign(scheme, &message, &mut signature).unwrap();
        for other in schemes {
            let valid = key.public().verify(other, &message, &signature).is_ok();
            assert_eq!(valid, other == scheme, "{scheme:?} as {other:?}");
        }
    }
}

#[test]
fn lengths_that_a_scheme_does_not_have_are_refused() {
    let key = Ed25519PrivateKey::generate().unwrap();
    let sign = |scheme, input: &[u8], room: usize| key.sign(scheme, input, &mut vec![0; room]);
    let long = [1; 256];
    assert_eq!(
        sign(Ed25519Scheme::Context(b""), b"m", 64),
        Err(Error::InvalidInput)
    );
    assert_eq!(
        sign(Ed25519Scheme::Context(&long), b"m", 64),
        Err(Error::InvalidInput)
    );
    assert_eq!(
        sign(Ed25519Scheme::Prehashed(&long), &[0; 64], 64),
        Err(Error::InvalidInput)
    );
    assert_eq!(sign(Ed25519Scheme::Context(&long[1..]), b"m", 64), Ok(64));
    for len in [0, 32, 63, 65] {
        assert_eq!(
            sign(Ed25519Scheme::Prehashed(b""), &vec![0; len], 64),
            Err(Error::InputLength)
        );
    }
    assert_eq!(sign(Ed25519Scheme::Pure, b"m", 63), Err(Error::OutputLength));
    for len in [0, 63, 65] {
        let verified = key.public().verify(Ed25519Scheme::Pure, b"m", &vec![0; len]);
        assert_eq!(verified, Err(Error::InputLength));
    }
    assert!(matches!(
        Ed25519PrivateKey::from_seed(&[1; 31]),
        Err(Error::InvalidKey)
    ));
    assert_eq!(Ed25519PublicKey::from_bytes(&[1; 33]), Err(Error::InvalidKey));
}

#[test]
fn der_has_rfc_8410s_form_and_comes_back() {
    let case = &CASES[0];
    let key = Ed25519PrivateKey::from_seed(&unhex(case.seed)).unwrap();
    let pkcs8 = key.to_pkcs8_der().unwrap();
    let head = unhex("302e020100300506032b657004220420");
    assert_eq!(*pkcs8, [head, unhex(case.seed)].concat());
    let back = Ed25519PrivateKey::from_pkcs8_der(&pkcs8).unwrap();
    assert_eq!(back.seed(), key.seed());
    let spki = key.public().spki_der().unwrap();
    assert_eq!(
        spki,
        [unhex("302a300506032b6570032100"), unhex(case.public)].concat()
    );
    assert_eq!(Ed25519PublicKey::from_spki_der(&spki), Ok(key.public()));
    assert!(matches!(
        EcPublicKey::from_spki_der(&spki),
        Err(Error::InvalidKey)
    ));
    assert!(matches!(
        RsaPrivateKey::from_pkcs8_der(&pkcs8),
        Err(Error::InvalidKey)
    ));
}

#[test]
fn what_is_no_point_verifies_nothing() {
    let key = Ed25519PublicKey::from_bytes(&[0xff; 32]).unwrap();
    assert_eq!(
        key.verify(Ed25519Scheme::Pure, b"m", &[0; 64]),
        Err(Error::Verification)
    );
}
