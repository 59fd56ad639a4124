// SPDX-License-Identifier: MIT
//! The little DER that signatures and public keys need: written for OpenSSL, read back strictly.

use keyenclave_model::{edwards, octet_curve};

/// ASN.1 tags (X.690).
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;

/// AlgorithmIdentifier of rsaEncryption: 1.2.840.113549.1.1.1 with NULL (RFC 8017, appendix A.1).
const RSA_ALGORITHM: [u8; 15] = [
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];
/// OID of id-ecPublicKey: 1.2.840.10045.2.1 (RFC 5480, section 2.1.1).
const EC_PUBLIC_KEY: [u8; 9] = [0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];

/// The SubjectPublicKeyInfo of an RSA key.
pub fn rsa_public_key(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let key = element(SEQUENCE, &[unsigned(modulus), unsigned(exponent)].concat());
    element(SEQUENCE, &[RSA_ALGORITHM.to_vec(), bit_string(&key)].concat())
}

/// The SubjectPublicKeyInfo of an EC key from `CKA_EC_PARAMS` and `CKA_EC_POINT`, which is an OCTET STRING; the bare
/// point, which some modules give, is taken too.
pub fn ec_public_key(params: &[u8], point: &[u8]) -> Vec<u8> {
    let bare = match read(OCTET_STRING, point) {
        Some((bare, [])) => bare,
        _ => point,
    };
    let algorithm = element(SEQUENCE, &[&EC_PUBLIC_KEY[..], params].concat());
    element(SEQUENCE, &[algorithm, bit_string(bare)].concat())
}

/// The SubjectPublicKeyInfo of an Ed25519 key from `CKA_EC_POINT` (RFC 8410, section 4). `None` for what is no
/// point.
pub fn ed25519_public_key(point: &[u8]) -> Option<Vec<u8>> {
    let bare = octet_curve::point(point)?;
    let algorithm = element(SEQUENCE, edwards::CURVE.oid);
    Some(element(SEQUENCE, &[algorithm, bit_string(bare)].concat()))
}

/// An ECDSA signature from r and s one after the other (PKCS#11) to `Ecdsa-Sig-Value` (RFC 3279, section 2.2.3).
pub fn ecdsa_from_raw(raw: &[u8]) -> Option<Vec<u8>> {
    let (r, s) = raw.split_at_checked(raw.len() / 2)?;
    (!r.is_empty() && r.len() == s.len()).then(|| element(SEQUENCE, &[unsigned(r), unsigned(s)].concat()))
}

/// The reverse of [`ecdsa_from_raw`], for a field of so many bytes. `None` for what is not such a signature.
pub fn ecdsa_to_raw(der: &[u8], field: usize) -> Option<Vec<u8>> {
    let (body, []) = read(SEQUENCE, der)? else {
        return None;
    };
    let (r, rest) = read(INTEGER, body)?;
    let (s, []) = read(INTEGER, rest)? else {
        return None;
    };
    let mut raw = Vec::with_capacity(field.checked_mul(2)?);
    for number in [r, s] {
        let significant = number.strip_prefix(&[0]).unwrap_or(number);
        raw.resize(raw.len().checked_add(field.checked_sub(significant.len())?)?, 0);
        raw.extend_from_slice(significant);
    }
    Some(raw)
}

/// DER as PEM (RFC 7468).
pub fn pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in base64(der).as_bytes().chunks(64) {
        text.extend(line.iter().copied().map(char::from));
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = content.len().to_be_bytes();
    let significant: Vec<u8> = len.into_iter().skip_while(|byte| *byte == 0).collect();
    let mut out = vec![tag];
    match (significant.as_slice(), u8::try_from(significant.len())) {
        ([], _) => out.push(0),
        ([short @ 0..=127], _) => out.push(*short),
        (long, count) => {
            out.push(0x80 | count.unwrap_or(0));
            out.extend_from_slice(long);
        }
    }
    out.extend_from_slice(content);
    out
}

fn bit_string(content: &[u8]) -> Vec<u8> {
    element(BIT_STRING, &[&[0], content].concat())
}

/// A non-negative INTEGER from big-endian bytes.
fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let significant: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
    match significant.first() {
        None => element(INTEGER, &[0]),
        Some(first) if *first >= 0x80 => element(INTEGER, &[&[0], significant.as_slice()].concat()),
        Some(_) => element(INTEGER, &significant),
    }
}

/// The content of the element at the beginning, and what comes after it.
fn read(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (found, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (len, rest) = match first {
        short @ 0..=127 => (usize::from(*short), rest),
        0x81 => rest.split_first().map(|(len, rest)| (usize::from(*len), rest))?,
        // Nothing that is read here is longer than 255 bytes.
        _ => return None,
    };
    (*found == tag).then(|| rest.split_at_checked(len)).flatten()
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let byte = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let word = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        for (place, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let digit = ALPHABET
                .get((word >> shift & 63) as usize)
                .copied()
                .unwrap_or(b'=');
            out.push(if place <= group.len() {
                char::from(digit)
            } else {
                '='
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ecdsa_signatures_survive_both_ways_with_their_leading_zeros() {
        for field in [32, 48, 66] {
            for first in [0x00, 0x01, 0x7f, 0x80, 0xff] {
                let mut raw = vec![0x55; field * 2];
                *raw.first_mut().unwrap() = first;
                *raw.get_mut(field).unwrap() = first;
                let der = ecdsa_from_raw(&raw).unwrap();
                assert_eq!(ecdsa_to_raw(&der, field).unwrap(), raw);
            }
        }
    }

    #[test]
    fn a_known_signature_is_encoded_as_x690_says() {
        let der = ecdsa_from_raw(&[0x00, 0x01, 0x80, 0x02]).unwrap();
        assert_eq!(der, [0x30, 0x08, 0x02, 0x01, 0x01, 0x02, 0x03, 0x00, 0x80, 0x02]);
    }

    #[test]
    fn what_is_not_a_signature_is_refused() {
        let good = ecdsa_from_raw(&[0x55; 64]).unwrap();
        for end in 0..good.len() {
            assert_eq!(ecdsa_to_raw(good.get(..end).unwrap(), 32), None);
        }
        assert_eq!(ecdsa_to_raw(&[good.clone(), vec![0]].concat(), 32), None);
        assert_eq!(ecdsa_to_raw(&good, 31), None);
        assert_eq!(ecdsa_from_raw(&[]), None);
        assert_eq!(ecdsa_from_raw(&[1, 2, 3]), None);
    }

    #[test]
    fn an_ed25519_point_is_taken_bare_and_wrapped_and_nothing_else_is() {
        let point = [0x5a; 32];
        let info = ed25519_public_key(&point).unwrap();
        // RFC 8410, section 10.1: the 12 bytes before every such key.
        let start = [
            0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
        ];
        assert_eq!(info, [&start[..], &point].concat());
        assert_eq!(ed25519_public_key(&element(OCTET_STRING, &point)), Some(info));
        for wrong in [
            &[][..],
            &[0x5a; 31],
            &[0x5a; 34],
            &element(OCTET_STRING, &[0x5a; 31]),
        ] {
            assert_eq!(ed25519_public_key(wrong), None);
        }
    }

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn long_elements_have_long_lengths() {
        assert_eq!(element(OCTET_STRING, &[0; 127]).get(..2).unwrap(), [4, 127]);
        assert_eq!(element(OCTET_STRING, &[0; 128]).get(..3).unwrap(), [4, 0x81, 128]);
        assert_eq!(
            element(OCTET_STRING, &[0; 256]).get(..4).unwrap(),
            [4, 0x82, 1, 0]
        );
    }
}
