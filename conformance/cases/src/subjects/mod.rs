// SPDX-License-Identifier: MIT
//! The cases, a file for each subject; a file opens with the rows of its cases.

mod aes;
mod aes_codes;
mod aes_data;
mod aes_modes;
mod attacks;
mod attacks_pieces;
mod attributes;
mod authenticated_wrapping;
mod bad_input;
mod ccm_messages;
mod chacha;
mod chacha_messages;
mod combination;
mod derivation;
mod des;
mod digests;
mod dual;
mod ecdh;
mod ecdsa;
mod eddsa;
mod gcm_messages;
mod gcm_nonces;
mod hkdf;
mod key_transport;
mod key_wrapping;
mod lattice_keys;
mod life_cycle;
mod macs;
mod message_parameters;
mod mistakes;
mod ml_dsa;
mod ml_kem;
mod objects;
mod operations;
mod pbkdf2;
mod pins;
mod rsa_encryption;
mod rsa_raw;
mod rsa_signatures;
mod rsa_sizes;
mod sessions;
mod signatures;
mod slots;
mod sp800_108;
mod tls;

use crate::case::Case;
use crate::profiles;

const SUBJECTS: [&[Case]; 44] = [
    life_cycle::CASES,
    slots::CASES,
    pins::CASES,
    sessions::CASES,
    objects::CASES,
    attributes::CASES,
    attacks::CASES,
    attacks_pieces::CASES,
    operations::CASES,
    digests::CASES,
    derivation::CASES,
    combination::CASES,
    hkdf::CASES,
    sp800_108::CASES,
    pbkdf2::CASES,
    tls::CASES,
    macs::CASES,
    aes::CASES,
    aes_modes::CASES,
    aes_codes::CASES,
    aes_data::CASES,
    chacha::CASES,
    des::CASES,
    gcm_messages::CASES,
    gcm_nonces::CASES,
    ccm_messages::CASES,
    chacha_messages::CASES,
    authenticated_wrapping::CASES,
    rsa_encryption::CASES,
    rsa_raw::CASES,
    rsa_sizes::CASES,
    key_transport::CASES,
    key_wrapping::CASES,
    dual::CASES,
    rsa_signatures::CASES,
    ecdsa::CASES,
    eddsa::CASES,
    ecdh::CASES,
    lattice_keys::CASES,
    ml_dsa::CASES,
    ml_kem::CASES,
    bad_input::CASES,
    mistakes::CASES,
    profiles::CASES,
];

/// Every case, in the order in which they are reported.
pub fn all() -> impl Iterator<Item = &'static Case> {
    SUBJECTS.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ids_are_unique_and_dotted() {
        let mut seen = BTreeSet::new();
        for case in all() {
            assert!(seen.insert(case.id), "{} is there twice", case.id);
            let plain = |letter: char| {
                letter.is_ascii_lowercase() || letter.is_ascii_digit() || ".-".contains(letter)
            };
            assert!(case.id.chars().all(plain) && case.id.contains('.'), "{}", case.id);
            assert!(!case.section.is_empty(), "{} names no section", case.id);
        }
    }
}
