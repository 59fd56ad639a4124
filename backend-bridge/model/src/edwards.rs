// SPDX-License-Identifier: MIT
//! Ed25519 (RFC 8032): sizes, and its curve.

use crate::octet_curve::OctetCurve;

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

/// edwards25519: `id-Ed25519`, 1.3.101.112, and 1.3.6.1.4.1.11591.15.1.
pub const CURVE: OctetCurve = OctetCurve {
    keys: "Ed25519",
    name: "edwards25519",
    oid: &[0x06, 0x03, 0x2b, 0x65, 0x70],
    legacy_oid: &[0x06, 0x09, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01],
};
