// SPDX-License-Identifier: MIT
//! Forms that digests and signatures have on the way to a service and back.

use keyenclave_model::algorithm::{Curve, HASHES, Hash};

/// The hash whose output goes with a curve (FIPS 186-5, section 6.1.1: no weaker than the curve).
pub const fn curve_hash(curve: Curve) -> Hash {
    match curve {
        Curve::P224 => Hash::Sha224,
        Curve::P256 | Curve::Secp256k1 | Curve::BrainpoolP256r1 => Hash::Sha256,
        Curve::P384 | Curve::BrainpoolP384r1 => Hash::Sha384,
        Curve::P521 | Curve::BrainpoolP512r1 => Hash::Sha512,
    }
}

/// A digest of any length in the length that services take for a curve.
///
/// ECDSA reads a digest as a number, of which the leftmost bits count if it is longer than the group order (FIPS 186-5,
/// section 6.4.1): zeros in front of a shorter one, and the end cut off a longer one, change nothing. `None` for what
/// is longer than the service takes and not longer than the order, which is possible with P-521 only.
pub fn fit(curve: Curve, digest: &[u8]) -> Option<Vec<u8>> {
    let (wanted, order) = (curve_hash(curve).output_len(), curve.field_len());
    let digest = digest.get(..order).unwrap_or(digest);
    let missing = wanted.checked_sub(digest.len())?;
    Some([vec![0; missing].as_slice(), digest].concat())
}

/// The beginnings of a DER `DigestInfo` (RFC 8017, section 9.2, note 1); the digest follows.
const DIGEST_INFOS: &[(Hash, &[u8])] = &[
    (
        Hash::Sha1,
        b"\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14",
    ),
    (
        Hash::Sha224,
        b"\x30\x2d\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x04\x05\x00\x04\x1c",
    ),
    (
        Hash::Sha256,
        b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
    ),
    (
        Hash::Sha384,
        b"\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30",
    ),
    (
        Hash::Sha512,
        b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40",
    ),
    (
        Hash::Sha512_224,
        b"\x30\x2d\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x05\x05\x00\x04\x1c",
    ),
    (
        Hash::Sha512_256,
        b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x06\x05\x00\x04\x20",
    ),
    (
        Hash::Sha3_224,
        b"\x30\x2d\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x07\x05\x00\x04\x1c",
    ),
    (
        Hash::Sha3_256,
        b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x08\x05\x00\x04\x20",
    ),
    (
        Hash::Sha3_384,
        b"\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x09\x05\x00\x04\x30",
    ),
    (
        Hash::Sha3_512,
        b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x0a\x05\x00\x04\x40",
    ),
    (
        Hash::Md5,
        b"\x30\x20\x30\x0c\x06\x08\x2a\x86\x48\x86\xf7\x0d\x02\x05\x05\x00\x04\x10",
    ),
];

/// The hash and the digest in a `DigestInfo`, which is what `CKM_RSA_PKCS` is mostly given.
pub fn digest_info(block: &[u8]) -> Option<(Hash, &[u8])> {
    DIGEST_INFOS.iter().find_map(|(hash, prefix)| {
        let digest = block.strip_prefix(*prefix)?;
        (digest.len() == hash.output_len()).then_some((*hash, digest))
    })
}

/// An ECDSA signature as PKCS#11 has it, r and s of the field's length each, from the DER that most services give
/// (RFC 3279, section 2.2.3). `None` for anything else.
pub fn ecdsa_from_der(curve: Curve, der: &[u8]) -> Option<Vec<u8>> {
    let (body, rest) = element(0x30, der)?;
    let (r, body) = element(0x02, body)?;
    let (s, end) = element(0x02, body)?;
    if !rest.is_empty() || !end.is_empty() {
        return None;
    }
    Some([padded(curve, r)?, padded(curve, s)?].concat())
}

/// The content of the first element, which must have this tag, and what follows it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, rest) = der.split_first()?;
    let (len, rest) = match rest {
        [len @ ..=0x7f, rest @ ..] => (*len, rest),
        [0x81, len @ 0x80..=0xff, rest @ ..] => (*len, rest),
        _ => return None,
    };
    (*first == tag)
        .then(|| rest.split_at_checked(usize::from(len)))
        .flatten()
}

/// A positive whole number in the length of the field.
fn padded(curve: Curve, number: &[u8]) -> Option<Vec<u8>> {
    let digits = match number {
        [] | [0x80..=0xff, ..] => return None,
        [0, digits @ ..] => digits,
        digits => digits,
    };
    let missing = curve.field_len().checked_sub(digits.len())?;
    Some([vec![0; missing].as_slice(), digits].concat())
}

const _: () = assert!(DIGEST_INFOS.len() == HASHES.len(), "every hash has a DigestInfo");

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use keyenclave_crypto::{EcPrivateKey, digest};
    use keyenclave_model::algorithm::CURVES;

    use super::*;

    #[test]
    fn a_fitted_digest_signs_what_the_digest_itself_would() {
        for curve in CURVES.iter().map(|row| row.curve) {
            let key = EcPrivateKey::generate(curve).unwrap();
            for row in HASHES {
                let raw = digest(row.hash, b"message");
                let mut out = [0; 132];
                let len = key.sign(&fit(curve, &raw).unwrap(), &mut out).unwrap();
                key.public()
                    .unwrap()
                    .verify(&raw, out.get(..len).unwrap())
                    .unwrap();
            }
        }
        assert_eq!(fit(Curve::P521, &[1; 65]), None);
    }

    #[test]
    fn a_digest_info_gives_its_hash_and_digest_and_nothing_else_does() {
        let info = [DIGEST_INFOS.get(2).unwrap().1, &[7; 32]].concat();
        assert_eq!(digest_info(&info), Some((Hash::Sha256, [7; 32].as_slice())));
        assert_eq!(digest_info(info.get(..50).unwrap()), None);
        assert_eq!(digest_info(&[7; 32]), None);
    }

    #[test]
    fn r_and_s_get_the_length_of_the_field_whatever_der_made_of_them() {
        let mut expected = vec![0; 64];
        *expected.get_mut(31).unwrap() = 0x80;
        *expected.get_mut(63).unwrap() = 1;
        let der = [0x30, 7, 0x02, 2, 0, 0x80, 0x02, 1, 1];
        assert_eq!(ecdsa_from_der(Curve::P256, &der), Some(expected));
        for wrong in [
            &der[..8],
            &[0x30, 0],
            &[0x30, 6, 0x02, 1, 0x80, 0x02, 1, 1],
            &[&der[..], &[0]].concat(),
        ] {
            assert_eq!(ecdsa_from_der(Curve::P256, wrong), None);
        }
        let long = [&[0x30, 38, 0x02, 33][..], &[1; 33], &[0x02, 1, 1]].concat();
        assert_eq!(ecdsa_from_der(Curve::P256, &long), None);
    }
}
