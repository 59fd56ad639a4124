// SPDX-License-Identifier: MIT
//! X25519 (RFC 7748): sizes, and the names that PKCS#11 has for its curve.

/// The size of the field, in bits; what `CK_MECHANISM_INFO` counts.
pub const BITS: usize = 255;
/// A private key, a public key and a shared secret, in bytes (RFC 7748, section 5).
pub const KEY_LEN: usize = 32;

/// The object identifier `id-X25519`, 1.3.101.110 (RFC 8410), in DER: `CKA_EC_PARAMS` of keys that are not made from a
/// template.
pub const OID: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x6e];

/// The object identifier 1.3.6.1.4.1.3029.1.5.1, in DER, by which programs named the curve before RFC 8410.
const LEGACY_OID: &[u8] = &[
    0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x97, 0x55, 0x01, 0x05, 0x01,
];

/// The names in a PrintableString: the curve's (RFC 7748, PKCS#11 3.2), and the function's, which is met as well.
const NAMES: [&str; 2] = ["curve25519", "X25519"];

/// Whether `CKA_EC_PARAMS` names this curve: by either object identifier, or by a name, whatever the case of its
/// letters.
pub fn is_x25519(params: &[u8]) -> bool {
    match params {
        [0x13, len, name @ ..] if usize::from(*len) == name.len() => NAMES
            .iter()
            .any(|known| known.as_bytes().eq_ignore_ascii_case(name)),
        oid => oid == OID || oid == LEGACY_OID,
    }
}

/// The public key in `CKA_EC_POINT` and in mechanism parameters: in the same forms as one of edwards25519, which is as
/// long.
pub fn point(attribute: &[u8]) -> Option<&[u8; KEY_LEN]> {
    crate::edwards::point(attribute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_is_found_by_every_name_that_it_has() {
        for params in [
            OID,
            LEGACY_OID,
            b"\x13\x0acurve25519",
            b"\x13\x0aCurve25519",
            b"\x13\x06X25519",
        ] {
            assert!(is_x25519(params), "{params:02x?}");
        }
        for params in [
            b"".as_slice(),
            b"\x06\x03\x2b\x65\x70",
            b"\x13\x06X2551",
            b"X25519",
        ] {
            assert!(!is_x25519(params), "{params:02x?}");
        }
    }
}
