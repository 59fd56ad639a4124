// SPDX-License-Identifier: MIT
//! PKCS #8 of lattice keys (RFC 9881, section 6; RFC 9935, section 6), where aws-lc does not write or read it: the
//! expanded form of ML-DSA, and ML-KEM's form with both seed and expanded key.

use crate::error::{Error, Result};
use keyenclave_model::post_quantum::{ParameterSet, Scheme};
use zeroize::Zeroizing;

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// A PrivateKeyInfo (RFC 5208) around the choice that is the private key.
pub(super) fn private_key_info(set: &ParameterSet, key: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let oid = value(OBJECT_IDENTIFIER, &[set.oid])?;
    let algorithm = value(SEQUENCE, &[&oid])?;
    value(
        SEQUENCE,
        &[&[INTEGER, 1, 0], &algorithm, &value(OCTET_STRING, &[key])?],
    )
}

/// The choice `expandedKey`.
pub(super) fn expanded_key(expanded: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    value(OCTET_STRING, &[expanded])
}

/// The choice `both`.
fn both(seed: &[u8], expanded: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    value(
        SEQUENCE,
        &[&value(OCTET_STRING, &[seed])?, &value(OCTET_STRING, &[expanded])?],
    )
}

/// What a PrivateKeyInfo holds in the form `both`, if it is that: the parameter set, seed and expanded key.
///
/// All lengths are those of the parameter set, so that there is one place for each part; and DER has one encoding, so
/// that the parts are where they seem to be if they make the same bytes again.
pub(crate) fn both_forms(der: &[u8]) -> Option<(&'static ParameterSet, &[u8], &[u8])> {
    Scheme::MlKem.sets().find_map(|set| {
        let head = der.len().checked_sub(set.private_len)?;
        let (front, expanded) = der.split_at(head);
        // Before the expanded key stand its tag and a length of two bytes.
        let (front, _) = front.split_at_checked(head.checked_sub(4)?)?;
        let (_, seed) = front.split_at_checked(front.len().checked_sub(set.seed_len)?)?;
        let again = private_key_info(set, &both(seed, expanded).ok()?).ok()?;
        crate::ct_eq(&again, der).then_some((set, seed, expanded))
    })
}

/// A tag, a length, and what is in it.
fn value(tag: u8, parts: &[&[u8]]) -> Result<Zeroizing<Vec<u8>>> {
    let len = parts
        .iter()
        .fold(0usize, |len, part| len.saturating_add(part.len()));
    let mut der = Zeroizing::new(Vec::with_capacity(len.saturating_add(4)));
    der.push(tag);
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len @ 0..0x80), _) => der.push(len),
        (Ok(len), _) => der.extend([0x81, len]),
        (_, Ok(len)) => {
            der.push(0x82);
            der.extend(len.to_be_bytes());
        }
        _ => return Err(Error::Unsupported),
    }
    parts.iter().for_each(|part| der.extend_from_slice(part));
    Ok(der)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn both_forms_are_found_and_nothing_else_is_taken_for_them() {
        for set in Scheme::MlKem.sets() {
            let (seed, expanded) = (vec![7; set.seed_len], vec![9; set.private_len]);
            let mut der = private_key_info(set, &both(&seed, &expanded).unwrap()).unwrap();
            assert_eq!(both_forms(&der), Some((set, &*seed, &*expanded)));
            der.push(0);
            assert_eq!(both_forms(&der), None);
            let lone = private_key_info(set, &expanded_key(&expanded).unwrap()).unwrap();
            assert_eq!(both_forms(&lone), None);
        }
        assert_eq!(both_forms(&[]), None);
    }
}
