// SPDX-License-Identifier: MIT
//! RSA: keys in and out, signatures, both encryption schemes, and what is refused.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic
)]

mod encryption;
mod keys;
mod signatures;
#[path = "../testkit/mod.rs"]
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

fn pkcs1(key: &RsaPrivateKey, message: &[u8]) -> Vec<u8> {
    let mut out = vec![0; key.modulus_len()];
    assert_eq!(
        key.sign_pkcs1(Hash::Sha256, &digest(Hash::Sha256, message), &mut out),
        Ok(out.len())
    );
    out
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
