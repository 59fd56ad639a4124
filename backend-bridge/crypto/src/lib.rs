// SPDX-License-Identifier: MIT
//! Safe cryptographic types over aws-lc for KeyEnclave.
//!
//! The only place where the product calls a C library for cryptography; everything above it is safe Rust. The
//! types know nothing of PKCS#11: they take bytes, hashes and curves, and write into the caller's slice.
//!
//! | primitive | from |
//! |---|---|
//! | [`rand`], [`ct_eq`], [`digest`], [`aead`], [`kdf`] | the safe API of `aws-lc-rs` |
//! | [`x963_kdf`], [`one_step_kdf`] | [`Digest`] |
//! | [`Digest`] | `SHA*_*`, of which the state can be saved; for SHA-3 `EVP_Digest*` |
//! | [`HmacKey`], [`Hmac`] | `HMAC_*`, so that keyed states live in aws-lc's memory and not inside Rust values |
//! | [`RsaPrivateKey`], [`RsaPublicKey`] | `RSA_*` (PKCS #1 v1.5, PSS, raw), `EVP_PKEY_*` (OAEP), `BN_*` (import) |
//! | [`EcPrivateKey`], [`EcPublicKey`] | `EC_KEY_*`, `EC_POINT_*`, `ECDSA_do_*`, `ECDH_compute_key` |
//! | [`Ed25519PrivateKey`], [`Ed25519PublicKey`] | `ED25519_*`, `ED25519ctx_*`, `ED25519ph_*` |
//! | [`X25519PrivateKey`], [`X25519PublicKey`] | `X25519` |
//! | [`AesKey`], [`Des3Key`], [`BlockCipher`], [`AesStream`], [`AesStealing`], the GCM types | `EVP_CIPHER_*` |
//! | [`Cmac`] | `CMAC_*` |
//! | [`MlDsaPrivateKey`], [`MlDsaPublicKey`] | `EVP_PKEY_*`, `ml_dsa_extmu_*_sign_internal` |
//! | [`MlKemPrivateKey`], [`MlKemPublicKey`] | `EVP_PKEY_*` |
//! | [`Shake`] | `EVP_Digest*` |
//! | [`KeyWrap`] | `AES_wrap_key`, `AES_wrap_key_padded` |
//! | [`ChaChaKey`] | `CRYPTO_chacha_20`, `EVP_AEAD_*` |
//! | [`PublicKey`], [`PrivateKey`] (DER) | `EVP_parse_*`, `EVP_marshal_*` |
//!
//! Rules that hold for every type:
//!
//! * Keys are `Send + Sync` and are used through `&self` from any number of threads at once. RSA blinding is never
//!   switched off.
//! * Secrets that leave as bytes are [`zeroize::Zeroizing`]; secret types have neither `Debug` nor `Clone`.
//! * Nothing panics, whatever the input. A failure is an [`Error`], and it leaves aws-lc's per-thread error queue
//!   empty.

mod aes;
mod chacha;
mod des;
mod digest;
mod ec;
mod ed25519;
mod error;
mod hash;
mod hash_kdf;
mod hmac;
mod lattice;
#[cfg(feature = "secret-heap")]
pub mod memory;
mod number;
mod pkey;
mod ptr;
mod rsa;
mod shake;
mod x25519;

pub mod aead;
pub mod kdf;
pub mod rand;

pub use aes::{
    AES_BLOCK_LEN, AesGcmDecrypt, AesGcmEncrypt, AesGmac, AesKey, AesStealing, AesStream, AesXtsKey,
    BlockCipher, BlockMode, Cmac, Direction, KeyWrap, Padding, StreamMode, ccm_most, is_ccm_nonce_len,
    is_ccm_tag_len, padded_len,
};
pub use chacha::{CHACHA_KEY_LEN, ChaChaKey, ChaChaStream, POLY1305_TAG_LEN};
pub use des::{DES_BLOCK_LEN, DES3_KEY_LEN, Des3Key, has_odd_parity, set_odd_parity};
pub use digest::Digest;
pub use ec::{EcPrivateKey, EcPublicKey};
pub use ed25519::{Ed25519PrivateKey, Ed25519PublicKey, Ed25519Scheme};
pub use error::{Error, Result};
pub use hash::{HashValue, digest};
pub use hash_kdf::{one_step_kdf, x963_kdf};
pub use hmac::{Hmac, HmacKey, hmac};
pub use lattice::{MlDsaMessage, MlDsaPrivateKey, MlDsaPublicKey, MlKemPrivateKey, MlKemPublicKey};
pub use pkey::{PrivateKey, PublicKey};
pub use rsa::{RSA_MAX_BITS, RSA_MIN_BITS, RsaComponents, RsaPrivateKey, RsaPublicKey};
pub use shake::{Shake, ShakeKind};
pub use x25519::{X25519PrivateKey, X25519PublicKey};

/// Whether two byte strings are equal, in time that depends on their lengths only.
pub fn ct_eq(left: &[u8], right: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(left, right).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_can_be_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<RsaPrivateKey>();
        shared::<RsaPublicKey>();
        shared::<EcPrivateKey>();
        shared::<EcPublicKey>();
        shared::<Ed25519PrivateKey>();
        shared::<Ed25519PublicKey>();
        shared::<X25519PrivateKey>();
        shared::<X25519PublicKey>();
        shared::<MlDsaPrivateKey>();
        shared::<MlDsaPublicKey>();
        shared::<MlKemPrivateKey>();
        shared::<MlKemPublicKey>();
        shared::<AesKey>();
        shared::<AesXtsKey>();
        shared::<Des3Key>();
        shared::<HmacKey>();
    }

    #[test]
    fn every_operation_can_move_to_another_thread() {
        fn movable<T: Send>() {}
        movable::<Digest>();
        movable::<Hmac>();
        movable::<MlDsaMessage>();
        movable::<BlockCipher>();
        movable::<AesStream>();
        movable::<AesStealing>();
        movable::<Cmac>();
        movable::<AesGmac>();
        movable::<AesGcmEncrypt>();
        movable::<AesGcmDecrypt>();
    }
}
