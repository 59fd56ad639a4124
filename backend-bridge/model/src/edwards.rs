// SPDX-License-Identifier: MIT
//! Ed25519 (RFC 8032): sizes, and the names that PKCS#11 has for its curve.
//!
//! Apart from [`Curve`](crate::algorithm::Curve), because keys on an Edwards curve have a key type, mechanisms and
//! encodings of their own.

/// The size of the field, in bits; what `CK_MECHANISM_INFO` counts.
pub const BITS: usize = 255;
/// A public key: the point's y and the sign of x (RFC 8032, section 5.1.2), in bytes.
pub const PUBLIC_LEN: usize = 32;
/// A private key: the seed (RFC 8032, section 5.1.5), in bytes.
pub const SEED_LEN: usize = 32;
/// A signature: R and S, in bytes.
pub const SIGNATURE_LEN: usize = 64;
/// The longest context of Ed25519ctx and Ed25519ph, in bytes (RFC 8032, section 5.1).
pub const MAX_CONTEXT: usize = 255;

/// The object identifier `id-Ed25519`, 1.3.101.112 (RFC 8410), in DER: `CKA_EC_PARAMS` of keys that are not made from
/// a template.
pub const OID: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];

/// The object identifier 1.3.6.1.4.1.11591.15.1, in DER, by which programs named the curve before RFC 8410.
const LEGACY_OID: &[u8] = &[0x06, 0x09, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01];

/// The names in a PrintableString: the curve's (RFC 8032, PKCS#11 3.2), and the scheme's, which is met as well.
const NAMES: [&str; 2] = ["edwards25519", "Ed25519"];

/// Whether `CKA_EC_PARAMS` names this curve: by either object identifier, or by a name, whatever the case of its
/// letters.
pub fn is_ed25519(params: &[u8]) -> bool {
    match params {
        [0x13, len, name @ ..] if usize::from(*len) == name.len() => NAMES
            .iter()
            .any(|known| known.as_bytes().eq_ignore_ascii_case(name)),
        oid => oid == OID || oid == LEGACY_OID,
    }
}

/// The public key in `CKA_EC_POINT`: bare as PKCS#11 3.2 has it, in an OCTET STRING as tokens and clients have long
/// had it, or in a BIT STRING as PKCS#11 3.0 had it. Length tells the forms apart, so that a bare key that begins like
/// a wrapped one stays what it is.
pub fn point(attribute: &[u8]) -> Option<&[u8; PUBLIC_LEN]> {
    const LEN: u8 = PUBLIC_LEN as u8;
    const BIT_STRING_LEN: u8 = LEN + 1;
    let bare = match attribute {
        [0x04, LEN, point @ ..] if point.len() == PUBLIC_LEN => point,
        [0x03, BIT_STRING_LEN, 0, point @ ..] if point.len() == PUBLIC_LEN => point,
        point => point,
    };
    bare.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_is_found_by_every_name_that_it_has() {
        for params in [
            b"\x06\x03\x2b\x65\x70".as_slice(),
            b"\x06\x09\x2b\x06\x01\x04\x01\xda\x47\x0f\x01",
            b"\x13\x0cedwards25519",
            b"\x13\x07Ed25519",
            b"\x13\x07ED25519",
        ] {
            assert!(is_ed25519(params), "{params:02x?}");
        }
        for params in [
            b"".as_slice(),
            b"\x06\x03\x2b\x65\x71",
            b"\x13\x07Ed2551",
            b"Ed25519",
        ] {
            assert!(!is_ed25519(params), "{params:02x?}");
        }
    }

    #[test]
    fn a_point_is_read_in_three_forms_and_a_bare_one_is_never_cut() {
        let mut bare = [7; PUBLIC_LEN];
        assert_eq!(point(&[&[4, 32], bare.as_slice()].concat()), Some(&bare));
        assert_eq!(point(&[&[3, 33, 0], bare.as_slice()].concat()), Some(&bare));
        bare[..2].copy_from_slice(&[4, 30]);
        assert_eq!(point(&bare), Some(&bare));
        assert_eq!(point(&[&[4, 31], bare.as_slice()].concat()), None);
        assert_eq!(point(&bare[1..]), None);
        assert_eq!(point(&[]), None);
    }
}
