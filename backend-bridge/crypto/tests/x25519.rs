// SPDX-License-Identifier: MIT
//! X25519: published secrets, keys of small order, and forms of keys.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod testkit;

use keyenclave_conformance::published::ecdh::{X25519, X25519_SHARED};
use keyenclave_crypto::*;
use testkit::{hex, unhex};

fn private(key: &str) -> X25519PrivateKey {
    X25519PrivateKey::from_bytes(&unhex(key)).unwrap()
}

fn public(key: &str) -> X25519PublicKey {
    X25519PublicKey::from_bytes(&unhex(key)).unwrap()
}

#[test]
fn the_example_of_the_rfc_comes_out() {
    for (own, other) in [(X25519[0], X25519[1]), (X25519[1], X25519[0])] {
        let key = private(own[0]);
        assert_eq!(hex(key.public().as_bytes()), own[1]);
        assert_eq!(hex(&key.agree(&public(other[1])).unwrap()), X25519_SHARED);
        assert_eq!(hex(&key.bytes().unwrap()), own[0]);
    }
}

#[test]
fn a_public_key_of_small_order_shares_nothing() {
    // RFC 7748, section 6.1, and Wycheproof, x25519_test: points whose order divides the cofactor.
    for point in [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    ] {
        assert_eq!(
            private(X25519[0][0]).agree(&public(point)).err(),
            Some(Error::InvalidKey)
        );
    }
}

#[test]
fn keys_come_back_from_der_and_other_kinds_are_told_apart() {
    let key = X25519PrivateKey::generate().unwrap();
    let der = key.to_pkcs8_der().unwrap();
    let back = X25519PrivateKey::from_pkcs8_der(&der).unwrap();
    assert_eq!(*back.bytes().unwrap(), *key.bytes().unwrap());
    let spki = key.public().spki_der().unwrap();
    assert_eq!(X25519PublicKey::from_spki_der(&spki).unwrap(), key.public());
    assert!(Ed25519PrivateKey::from_pkcs8_der(&der).is_err());
    assert!(Ed25519PublicKey::from_spki_der(&spki).is_err());
    for len in [0, 31, 33] {
        assert!(X25519PrivateKey::from_bytes(&vec![1; len]).is_err());
        assert!(X25519PublicKey::from_bytes(&vec![1; len]).is_err());
    }
}
