// SPDX-License-Identifier: MIT
//! What Wycheproof has in DER and PKCS #11 has as plain bytes.

use keyenclave_conformance::openssl::der;

/// The halves of an ECDSA signature, each of `size` bytes; `None` if it is not DER, or a half does not fit: then there is
/// no signature in the terms of PKCS #11.
pub fn raw_signature(signature: &[u8], size: usize) -> Option<Vec<u8>> {
    let (sequence, rest) = element(signature, 0x30)?;
    let (r, s) = element(sequence, 0x02)?;
    let (s, nothing) = element(s, 0x02)?;
    let both = [padded(r, size)?, padded(s, size)?].concat();
    (rest.is_empty() && nothing.is_empty()).then_some(both)
}

/// A positive DER integer in `size` bytes.
fn padded(integer: &[u8], size: usize) -> Option<Vec<u8>> {
    let short = match *integer {
        [0, next, ..] if next < 0x80 => return None,
        [0, ref rest @ ..] if !rest.is_empty() => rest,
        [first, ..] if first >= 0x80 => return None,
        [] => return None,
        _ => integer,
    };
    let zeros = size.checked_sub(short.len())?;
    Some([&vec![0; zeros], short].concat())
}

/// The content of the element that `bytes` begin with, and what comes after it; `None` if it is not in DER.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<2>()?;
    let [found, first] = *head;
    let of_length = usize::from(first.saturating_sub(0x80));
    let (digits, rest) = rest.split_at_checked(of_length)?;
    let length = match first {
        0x80.. => digits
            .iter()
            .fold(0, |sum: usize, digit| sum << 8 | usize::from(*digit)),
        short => usize::from(short),
    };
    let (content, rest) = rest.split_at_checked(length)?;
    // DER knows one encoding: the one that we would write.
    let written = der(tag, content);
    (found == tag && bytes.starts_with(&written)).then_some((content, rest))
}

/// The point in a `SubjectPublicKeyInfo` on the curve with this object identifier in DER; `None` if it is anything but the
/// usual encoding of one.
pub fn point<'a>(info: &'a [u8], curve: &[u8]) -> Option<&'a [u8]> {
    const EC_PUBLIC_KEY: [u8; 9] = [0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    let (sequence, nothing) = element(info, 0x30)?;
    let (algorithm, bits) = element(sequence, 0x30)?;
    let (bits, rest) = element(bits, 0x03)?;
    let usual = nothing.is_empty() && rest.is_empty() && algorithm == [&EC_PUBLIC_KEY, curve].concat();
    bits.strip_prefix(&[0]).filter(|_| usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_in_der_becomes_two_halves() {
        let signature = [0x30, 7, 2, 1, 5, 2, 2, 0, 0x80];
        assert_eq!(raw_signature(&signature, 2), Some(vec![0, 5, 0, 0x80]));
        assert_eq!(raw_signature(&signature, 0), None);
    }

    #[test]
    fn what_is_not_der_is_no_signature() {
        for signature in [
            &[0x30, 0x81, 7, 2, 1, 5, 2, 2, 0, 0x80][..],
            &[0x30, 6, 2, 1, 5, 2, 1, 0x80],
            &[0x30, 7, 2, 1, 5, 2, 2, 0, 0x7f],
            &[0x30, 6, 2, 1, 5, 2, 1, 5, 0],
            &[0x30, 7, 2, 1, 5, 2, 1, 5, 0],
            &[0x31, 6, 2, 1, 5, 2, 1, 5],
            &[0x30, 5, 2, 1, 5, 2, 0],
            &[0x30, 0x80, 2, 1, 5, 2, 1, 5, 0, 0],
            &[],
        ] {
            assert_eq!(raw_signature(signature, 2), None, "{signature:02x?}");
        }
    }

    #[test]
    fn a_point_is_taken_out_of_the_usual_encoding_only() {
        let curve = [0x06, 0x01, 0x2a];
        let ec = [0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
        let info = |algorithm: &[u8]| der(0x30, &[der(0x30, algorithm), der(0x03, &[0, 4, 1, 2])].concat());
        let usual = info(&[&ec[..], &curve].concat());
        assert_eq!(point(&usual, &curve), Some(&[4, 1, 2][..]));
        assert_eq!(point(&usual, &[0x06, 0x01, 0x2b]), None);
        assert_eq!(point(&info(&curve), &curve), None);
        assert_eq!(point(&[usual.as_slice(), &[0]].concat(), &curve), None);
    }
}
