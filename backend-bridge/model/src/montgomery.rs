// SPDX-License-Identifier: MIT
//! X25519 (RFC 7748): sizes, and its curve.

use crate::octet_curve::OctetCurve;

/// The size of the field, in bits; what `CK_MECHANISM_INFO` counts.
pub const BITS: usize = 255;
/// A private key, a public key and a shared secret, in bytes (RFC 7748, section 5).
pub const KEY_LEN: usize = 32;

/// curve25519: `id-X25519`, 1.3.101.110, and 1.3.6.1.4.1.3029.1.5.1.
pub const CURVE: OctetCurve = OctetCurve {
    keys: "X25519",
    name: "curve25519",
    oid: &[0x06, 0x03, 0x2b, 0x65, 0x6e],
    legacy_oid: &[
        0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x97, 0x55, 0x01, 0x05, 0x01,
    ],
};
