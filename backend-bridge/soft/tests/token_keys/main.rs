// SPDX-License-Identifier: MIT
//! Keys of a soft token: made, taken in, described, and kept secret.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod made;
mod taken;
#[path = "../token_fixture/mod.rs"]
mod token_fixture;
mod used;

use cryptoki_sys as ck;
use keyenclave_crypto::{EcPrivateKey, PublicKey, RsaPrivateKey};
use keyenclave_model::algorithm::{CURVES, Curve, HASHES};
use keyenclave_model::error::Rv;
use keyenclave_model::mechanism::{Algorithm, MECHANISMS};
use keyenclave_model::object::Object;
use keyenclave_model::template::Template;
use keyenclave_model::token::{OperationClass, Work};
use token_fixture::*;

/// Everything that must not leave a sensitive key.
const SECRETS: [u64; 7] = [
    ck::CKA_VALUE,
    ck::CKA_PRIVATE_EXPONENT,
    ck::CKA_PRIME_1,
    ck::CKA_PRIME_2,
    ck::CKA_EXPONENT_1,
    ck::CKA_EXPONENT_2,
    ck::CKA_COEFFICIENT,
];

fn spki(object: &Object) -> PublicKey {
    PublicKey::from_spki_der(object.bytes(ck::CKA_PUBLIC_KEY_INFO).unwrap()).unwrap()
}

fn assert_conceals_its_secrets(object: &Object) {
    for id in SECRETS {
        assert!(object.reveal(id).is_err(), "{id:#x}");
        if let Some(value) = object.get(id) {
            assert!(
                !object.matches(&template([(id, value.clone())])),
                "{id:#x} can be guessed"
            );
        }
    }
}
