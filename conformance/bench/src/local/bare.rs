// SPDX-License-Identifier: MIT
//! The same operations with nothing but the library that the module stands on.

use std::hint::black_box;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::cipher::{self, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::digest::{SHA256, SHA384, digest};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
    ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, ParsedPublicKey,
    RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding,
};
use aws_lc_rs::{hmac, rand};

use super::operation::{Curve, Operation};
use super::slice::{Engine, Step};
use super::{DATA, MESSAGE};

/// The bare library.
pub struct Bare;

impl Engine for Bare {
    fn step(&self, operation: Operation) -> Result<Step<'_>, String> {
        Ok(match operation {
            Operation::RsaPkcs1(bits) => rsa(bits, &RSA_PKCS1_SHA256),
            Operation::RsaPss(bits) => rsa(bits, &RSA_PSS_SHA256),
            Operation::EcdsaSign(curve) => ecdsa_sign(curve),
            Operation::EcdsaVerify(curve) => ecdsa_verify(curve),
            Operation::Ed25519 => ed25519(),
            Operation::GcmEncrypt(size) => gcm_encrypt(size),
            Operation::GcmDecrypt(size) => gcm_decrypt(size),
            Operation::Cbc(size) => cbc(size),
            Operation::Digest(size) => Box::new(move || {
                black_box(digest(&SHA256, &DATA[..size]));
            }),
            Operation::Hmac(size) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, &MESSAGE);
                Box::new(move || {
                    black_box(hmac::sign(&key, &DATA[..size]));
                })
            }
            Operation::Random(size) => {
                let mut room = vec![0; size];
                Box::new(move || rand::fill(&mut room).expect("random bytes"))
            }
            Operation::GenerateEc => Box::new(|| {
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a pair");
            }),
            Operation::GenerateRsa(bits) => Box::new(move || drop(rsa_pair(bits))),
            Operation::Attributes | Operation::SessionAttributes | Operation::Find | Operation::Create => {
                return Err("the bare library keeps no objects".into());
            }
        })
    }
}

fn rsa_pair(bits: u32) -> RsaKeyPair {
    let size = match bits {
        2048 => KeySize::Rsa2048,
        3072 => KeySize::Rsa3072,
        _ => KeySize::Rsa4096,
    };
    RsaKeyPair::generate(size).expect("a pair")
}

fn rsa(bits: u32, encoding: &'static dyn RsaEncoding) -> Step<'static> {
    let (pair, random) = (rsa_pair(bits), SystemRandom::new());
    let mut signature = vec![0; pair.public_modulus_len()];
    Box::new(move || {
        pair.sign(encoding, &random, &MESSAGE, &mut signature)
            .expect("a signature");
    })
}

fn ec_pair(curve: Curve) -> EcdsaKeyPair {
    EcdsaKeyPair::generate(match curve {
        Curve::P256 => &ECDSA_P256_SHA256_FIXED_SIGNING,
        Curve::P384 => &ECDSA_P384_SHA384_FIXED_SIGNING,
    })
    .expect("a pair")
}

fn ec_digest(curve: Curve) -> aws_lc_rs::digest::Digest {
    match curve {
        Curve::P256 => digest(&SHA256, &MESSAGE),
        Curve::P384 => digest(&SHA384, &MESSAGE),
    }
}

fn ecdsa_sign(curve: Curve) -> Step<'static> {
    let (pair, digest) = (ec_pair(curve), ec_digest(curve));
    Box::new(move || {
        pair.sign_digest(&digest).expect("a signature");
    })
}

fn ecdsa_verify(curve: Curve) -> Step<'static> {
    let (pair, digest) = (ec_pair(curve), ec_digest(curve));
    let signature = pair.sign_digest(&digest).expect("a signature");
    let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("a public key");
    let public = match curve {
        Curve::P256 => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, spki.as_ref()),
        Curve::P384 => ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, spki.as_ref()),
    }
    .expect("a public key");
    Box::new(move || {
        public
            .verify_digest_sig(&digest, signature.as_ref())
            .expect("it verifies");
    })
}

fn ed25519() -> Step<'static> {
    let pair = Ed25519KeyPair::generate().expect("a pair");
    Box::new(move || {
        pair.try_sign(&MESSAGE).expect("a signature");
    })
}

fn gcm_key() -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &MESSAGE).expect("a key"))
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([7; NONCE_LEN])
}

fn seal(key: &LessSafeKey, size: usize, room: &mut [u8]) {
    let (text, tag) = room.split_at_mut(size);
    key.seal_out_of_place_scatter(nonce(), Aad::empty(), &DATA[..size], text, &[], tag)
        .expect("encrypted");
}

fn gcm_encrypt(size: usize) -> Step<'static> {
    let (key, mut room) = (gcm_key(), vec![0; size + 16]);
    Box::new(move || seal(&key, size, &mut room))
}

fn gcm_decrypt(size: usize) -> Step<'static> {
    let (key, mut sealed, mut room) = (gcm_key(), vec![0; size + 16], vec![0; size]);
    seal(&key, size, &mut sealed);
    Box::new(move || {
        let (text, tag) = sealed.split_at(size);
        key.open_separate_gather(nonce(), Aad::empty(), text, tag, &mut room)
            .expect("decrypted");
    })
}

fn cbc(size: usize) -> Step<'static> {
    let key = UnboundCipherKey::new(&cipher::AES_256, &MESSAGE).expect("a key");
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(key).expect("a key");
    let mut room = Vec::with_capacity(size + 16);
    Box::new(move || {
        room.clear();
        room.extend_from_slice(&DATA[..size]);
        let iv = EncryptionContext::Iv128(FixedLength::from([7; 16]));
        key.less_safe_encrypt(&mut room, iv).expect("encrypted");
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::operation::CRYPTOGRAPHY;

    #[test]
    fn the_bare_library_does_every_cryptographic_operation() {
        for row in CRYPTOGRAPHY {
            let mut step = Bare.step(row.operation).unwrap();
            step();
            step();
        }
    }
}
