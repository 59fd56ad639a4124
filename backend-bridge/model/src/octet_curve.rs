// SPDX-License-Identifier: MIT
//! Curves whose keys are strings of 32 bytes: the names that PKCS#11 has for them, and the forms of their public keys.
//!
//! Apart from [`Curve`](crate::algorithm::Curve), because such keys have key types, mechanisms and encodings of their
//! own.

/// A key of either kind, in bytes.
const LEN: usize = 32;

/// A curve, and what its keys are called.
#[derive(Debug)]
pub struct OctetCurve {
    /// The name of its keys: Ed25519, X25519.
    pub keys: &'static str,
    /// Its own name (RFC 7748, RFC 8032, PKCS#11 3.2).
    pub name: &'static str,
    /// The object identifier of RFC 8410, in DER: `CKA_EC_PARAMS` of keys that are not made from a template.
    pub oid: &'static [u8],
    /// The object identifier by which programs named it before that, in DER.
    pub legacy_oid: &'static [u8],
}

impl OctetCurve {
    /// Whether `CKA_EC_PARAMS` names this curve: by either object identifier, or in a PrintableString by its name or
    /// its keys', whatever the case of the letters.
    pub fn is_named_by(&self, params: &[u8]) -> bool {
        match params {
            [0x13, len, name @ ..] if usize::from(*len) == name.len() => [self.name, self.keys]
                .iter()
                .any(|known| known.as_bytes().eq_ignore_ascii_case(name)),
            oid => oid == self.oid || oid == self.legacy_oid,
        }
    }
}

/// The public key in `CKA_EC_POINT` and in mechanism parameters: bare as PKCS#11 3.2 has it, in an OCTET STRING as tokens
/// and clients have long had it, or in a BIT STRING as PKCS#11 3.0 had it. Length tells the forms apart, so that a bare
/// key that begins like a wrapped one stays what it is.
pub fn point(attribute: &[u8]) -> Option<&[u8; LEN]> {
    const OCTETS: u8 = LEN as u8;
    const BIT_STRING_LEN: u8 = OCTETS + 1;
    let bare = match attribute {
        [0x04, OCTETS, point @ ..] if point.len() == LEN => point,
        [0x03, BIT_STRING_LEN, 0, point @ ..] if point.len() == LEN => point,
        point => point,
    };
    bare.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{edwards, montgomery};

    #[test]
    fn a_curve_is_found_by_every_name_that_it_has_and_by_no_other() {
        let edwards: [&[u8]; 5] = [
            b"\x06\x03\x2b\x65\x70",
            b"\x06\x09\x2b\x06\x01\x04\x01\xda\x47\x0f\x01",
            b"\x13\x0cedwards25519",
            b"\x13\x07Ed25519",
            b"\x13\x07ED25519",
        ];
        let montgomery: [&[u8]; 5] = [
            b"\x06\x03\x2b\x65\x6e",
            b"\x06\x0a\x2b\x06\x01\x04\x01\x97\x55\x01\x05\x01",
            b"\x13\x0acurve25519",
            b"\x13\x0aCurve25519",
            b"\x13\x06X25519",
        ];
        for (own, others, curve) in [
            (edwards, montgomery, &edwards::CURVE),
            (montgomery, edwards, &montgomery::CURVE),
        ] {
            assert!(own.iter().all(|params| curve.is_named_by(params)), "{curve:?}");
            assert!(
                !others.iter().any(|params| curve.is_named_by(params)),
                "{curve:?}"
            );
            for params in [
                b"".as_slice(),
                b"\x06\x03\x2b\x65\x71",
                b"\x13\x07Ed2551",
                b"Ed25519",
                b"X25519",
            ] {
                assert!(!curve.is_named_by(params), "{params:02x?}");
            }
        }
    }

    #[test]
    fn a_point_is_read_in_three_forms_and_a_bare_one_is_never_cut() {
        let mut bare = [7; LEN];
        assert_eq!(point(&[&[4, 32], bare.as_slice()].concat()), Some(&bare));
        assert_eq!(point(&[&[3, 33, 0], bare.as_slice()].concat()), Some(&bare));
        bare[..2].copy_from_slice(&[4, 30]);
        assert_eq!(point(&bare), Some(&bare));
        assert_eq!(point(&[&[4, 31], bare.as_slice()].concat()), None);
        assert_eq!(point(&bare[1..]), None);
        assert_eq!(point(&[]), None);
    }
}
