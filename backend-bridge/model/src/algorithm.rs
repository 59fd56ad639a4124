// SPDX-License-Identifier: MIT
//! The algorithms that mechanisms, keys and backends are described with.
//!
//! Plain names without a library behind them, so that every crate, the pure ones too, speaks of the same hash
//! and the same curve. One row a name: sizes, object identifiers and PKCS#11 numbers stand here and nowhere else.

use cryptoki_sys as ck;

/// What is known of one hash: a row of [`HASHES`].
#[derive(Clone, Copy, Debug)]
pub struct HashRow {
    /// The hash.
    pub hash: Hash,
    /// Its name as people write it.
    pub name: &'static str,
    /// Output, in bytes.
    pub len: usize,
    /// What it takes in at a time, in bytes.
    pub block: usize,
    /// The digest mechanism, which also names the hash in PSS and OAEP parameters.
    pub mechanism: ck::CK_MECHANISM_TYPE,
    /// The MGF1 variant over this hash; PKCS#11 3.2 has none for some.
    pub mgf: Option<ck::CK_RSA_PKCS_MGF_TYPE>,
    /// The type of keys that are for the HMAC with this hash alone.
    pub hmac_key: ck::CK_KEY_TYPE,
}

/// Reads like the table that it makes: name, output and block in bytes, mechanism, mask generation function, key type.
macro_rules! hashes {
    ($($(#[$doc:meta])* $hash:ident: $name:literal, $len:literal, $block:literal, $mechanism:ident, $mgf:expr, $key:ident;)+) => {
        /// A hash function.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Hash {
            $($(#[$doc])* $hash,)+
        }

        /// Every hash, one row each.
        pub const HASHES: &[HashRow] = &[$(HashRow {
            hash: Hash::$hash,
            name: $name,
            len: $len,
            block: $block,
            mechanism: ck::$mechanism,
            mgf: $mgf,
            hmac_key: ck::$key,
        },)+];
    };
}

hashes! {
    /// SHA-1 (FIPS 180-4): for HMAC, OAEP and old verifiers; collisions are known.
    Sha1: "SHA-1", 20, 64, CKM_SHA_1, Some(ck::CKG_MGF1_SHA1), CKK_SHA_1_HMAC;
    /// SHA-224 (FIPS 180-4).
    Sha224: "SHA-224", 28, 64, CKM_SHA224, Some(ck::CKG_MGF1_SHA224), CKK_SHA224_HMAC;
    /// SHA-256 (FIPS 180-4).
    Sha256: "SHA-256", 32, 64, CKM_SHA256, Some(ck::CKG_MGF1_SHA256), CKK_SHA256_HMAC;
    /// SHA-384 (FIPS 180-4).
    Sha384: "SHA-384", 48, 128, CKM_SHA384, Some(ck::CKG_MGF1_SHA384), CKK_SHA384_HMAC;
    /// SHA-512 (FIPS 180-4).
    Sha512: "SHA-512", 64, 128, CKM_SHA512, Some(ck::CKG_MGF1_SHA512), CKK_SHA512_HMAC;
    /// SHA-512/224 (FIPS 180-4).
    Sha512_224: "SHA-512/224", 28, 128, CKM_SHA512_224, None, CKK_SHA512_224_HMAC;
    /// SHA-512/256 (FIPS 180-4).
    Sha512_256: "SHA-512/256", 32, 128, CKM_SHA512_256, None, CKK_SHA512_256_HMAC;
    /// SHA3-224 (FIPS 202).
    Sha3_224: "SHA3-224", 28, 144, CKM_SHA3_224, Some(ck::CKG_MGF1_SHA3_224), CKK_SHA3_224_HMAC;
    /// SHA3-256 (FIPS 202).
    Sha3_256: "SHA3-256", 32, 136, CKM_SHA3_256, Some(ck::CKG_MGF1_SHA3_256), CKK_SHA3_256_HMAC;
    /// SHA3-384 (FIPS 202).
    Sha3_384: "SHA3-384", 48, 104, CKM_SHA3_384, Some(ck::CKG_MGF1_SHA3_384), CKK_SHA3_384_HMAC;
    /// SHA3-512 (FIPS 202).
    Sha3_512: "SHA3-512", 64, 72, CKM_SHA3_512, Some(ck::CKG_MGF1_SHA3_512), CKK_SHA3_512_HMAC;
    /// MD5 (RFC 1321): broken, and for digests only, see [`Hash::is_legacy`].
    Md5: "MD5", 16, 64, CKM_MD5, None, CKK_MD5_HMAC;
}

impl Hash {
    /// The row of this hash. The order of [`HASHES`] is the order of the variants (a test holds it so).
    pub const fn row(self) -> &'static HashRow {
        match HASHES.split_at(self as usize).1 {
            [row, ..] => row,
            [] => unreachable!(),
        }
    }

    /// Output, in bytes.
    pub const fn output_len(self) -> usize {
        self.row().len
    }

    /// What it takes in at a time, in bytes.
    pub const fn block_len(self) -> usize {
        self.row().block
    }

    /// Whether it is broken: it is for hosts that ask for its digests, and in nothing that is built on a hash.
    pub const fn is_legacy(self) -> bool {
        matches!(self, Self::Md5)
    }

    /// The hash that a digest mechanism number names inside of another mechanism's parameter.
    pub fn from_mechanism(mechanism: ck::CK_MECHANISM_TYPE) -> Option<Self> {
        HASHES
            .iter()
            .map(|row| (row.mechanism, row.hash))
            .find(|(known, hash)| *known == mechanism && !hash.is_legacy())
            .map(|(_, hash)| hash)
    }

    /// The hash that a mask generation function number names.
    pub fn from_mgf(mgf: ck::CK_RSA_PKCS_MGF_TYPE) -> Option<Self> {
        HASHES.iter().find(|row| row.mgf == Some(mgf)).map(|row| row.hash)
    }
}

/// A named elliptic curve in short Weierstrass form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Curve {
    /// NIST P-224, secp224r1: 112 bits of security, for what exists.
    P224,
    /// NIST P-256, secp256r1, prime256v1.
    P256,
    /// NIST P-384, secp384r1.
    P384,
    /// NIST P-521, secp521r1.
    P521,
    /// secp256k1 (SEC 2, section 2.4.1).
    Secp256k1,
    /// brainpoolP256r1 (RFC 5639, section 3.4).
    BrainpoolP256r1,
    /// brainpoolP384r1 (RFC 5639, section 3.6).
    BrainpoolP384r1,
    /// brainpoolP512r1 (RFC 5639, section 3.7).
    BrainpoolP512r1,
}

/// What is known of one curve: a row of [`CURVES`].
#[derive(Clone, Copy, Debug)]
pub struct CurveRow {
    /// The curve.
    pub curve: Curve,
    /// Its name as people write it.
    pub name: &'static str,
    /// Other names that are accepted, as printable strings in `CKA_EC_PARAMS` and on command lines.
    pub aliases: &'static [&'static str],
    /// Size of the field, in bits; what `CK_MECHANISM_INFO` counts.
    pub bits: usize,
    /// The object identifier, DER-encoded with tag and length: the `namedCurve` form of `CKA_EC_PARAMS`.
    pub oid: &'static [u8],
}

/// Every curve, one row each.
pub const CURVES: &[CurveRow] = &[
    CurveRow {
        curve: Curve::P224,
        name: "P-224",
        aliases: &["secp224r1"],
        bits: 224,
        oid: &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x21],
    },
    CurveRow {
        curve: Curve::P256,
        name: "P-256",
        aliases: &["secp256r1", "prime256v1"],
        bits: 256,
        oid: &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
    },
    CurveRow {
        curve: Curve::P384,
        name: "P-384",
        aliases: &["secp384r1"],
        bits: 384,
        oid: &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22],
    },
    CurveRow {
        curve: Curve::P521,
        name: "P-521",
        aliases: &["secp521r1"],
        bits: 521,
        oid: &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23],
    },
    CurveRow {
        curve: Curve::Secp256k1,
        name: "secp256k1",
        aliases: &[],
        bits: 256,
        oid: &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a],
    },
    brainpool(Curve::BrainpoolP256r1, "brainpoolP256r1", 256, &brainpool_oid(7)),
    brainpool(Curve::BrainpoolP384r1, "brainpoolP384r1", 384, &brainpool_oid(11)),
    brainpool(Curve::BrainpoolP512r1, "brainpoolP512r1", 512, &brainpool_oid(13)),
];

const fn brainpool(curve: Curve, name: &'static str, bits: usize, oid: &'static [u8]) -> CurveRow {
    CurveRow {
        curve,
        name,
        aliases: &[],
        bits,
        oid,
    }
}

/// The object identifier 1.3.36.3.3.2.8.1.1.`number` (RFC 5639, section 4.1).
const fn brainpool_oid(number: u8) -> [u8; 11] {
    [0x06, 0x09, 0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, number]
}

impl Curve {
    /// The row of this curve. The order of [`CURVES`] is the order of the variants (a test holds it so).
    pub const fn row(self) -> &'static CurveRow {
        match CURVES.split_at(self as usize).1 {
            [row, ..] => row,
            [] => unreachable!(),
        }
    }

    /// Size of a field element, in bytes: half of an ECDSA signature, a coordinate, a private scalar.
    pub const fn field_len(self) -> usize {
        self.row().bits.div_ceil(8)
    }

    /// The curve that `CKA_EC_PARAMS` names: a DER object identifier, or a DER PrintableString with a name
    /// (PKCS#11 3.2, EC parameters, choices `oId` and `curveName`).
    pub fn from_ec_params(params: &[u8]) -> Option<Self> {
        CURVES
            .iter()
            .find(|row| row.oid == params || is_curve_name(row, params))
            .map(|row| row.curve)
    }

    /// The curve that a person names, whatever the case of the letters.
    pub fn from_name(name: &str) -> Option<Self> {
        CURVES
            .iter()
            .find(|row| row.names().any(|known| known.eq_ignore_ascii_case(name)))
            .map(|row| row.curve)
    }
}

impl CurveRow {
    fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }
}

/// Whether `params` is the PrintableString (tag 0x13, short length) of one of the row's names.
fn is_curve_name(row: &CurveRow, params: &[u8]) -> bool {
    match params {
        [0x13, len, name @ ..] if usize::from(*len) == name.len() => row
            .names()
            .any(|known| known.as_bytes().eq_ignore_ascii_case(name)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_finds_its_own_row() {
        assert!(HASHES.iter().all(|row| row.hash.row().hash == row.hash));
        assert!(CURVES.iter().all(|row| row.curve.row().curve == row.curve));
    }

    #[test]
    fn a_curve_is_found_by_oid_and_by_printable_name() {
        assert_eq!(Curve::from_ec_params(Curve::P384.row().oid), Some(Curve::P384));
        assert_eq!(Curve::from_ec_params(b"\x13\x0aprime256v1"), Some(Curve::P256));
        assert_eq!(Curve::from_ec_params(b"\x13\x0aprime256v"), None);
        assert_eq!(Curve::from_ec_params(b""), None);
    }
}
