// SPDX-License-Identifier: MIT
//! The numbers of RSA keys: as they stand in DER, and as attributes.

use crate::module::{Attr, bytes};
use cryptoki_sys::*;

/// The attributes of a private key's numbers, in the order in which RFC 8017, appendix A.1.2, has them after the version.
/// The first two are the public key's, the others secret.
pub const NUMBERS: [CK_ATTRIBUTE_TYPE; 8] = [
    CKA_MODULUS,
    CKA_PUBLIC_EXPONENT,
    CKA_PRIVATE_EXPONENT,
    CKA_PRIME_1,
    CKA_PRIME_2,
    CKA_EXPONENT_1,
    CKA_EXPONENT_2,
    CKA_COEFFICIENT,
];

/// The attributes of these numbers, which are the first or all of [`NUMBERS`], without the zeros that DER has before them.
pub fn attributes<T: AsRef<[u8]>>(numbers: impl IntoIterator<Item = T>) -> Vec<Attr> {
    let kinds = NUMBERS.into_iter().zip(numbers);
    kinds
        .map(|(kind, number)| bytes(kind, unsigned(number.as_ref())))
        .collect()
}

fn unsigned(number: &[u8]) -> &[u8] {
    let start = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
    &number[start..]
}

/// The numbers of a private key in DER (RFC 8017, appendix A.1.2), in the order of [`NUMBERS`].
pub fn numbers(der: &[u8]) -> [&[u8]; 8] {
    let (_version, mut rest) = content(content(der).0);
    std::array::from_fn(|_| {
        let (number, after) = content(rest);
        rest = after;
        number
    })
}

/// What is in the DER element that `der` begins with, and what follows it.
fn content(der: &[u8]) -> (&[u8], &[u8]) {
    let of_length = usize::from(der[1].saturating_sub(0x80));
    let (digits, rest) = der[2..].split_at(of_length);
    let long = digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit));
    rest.split_at(if der[1] < 0x80 { usize::from(der[1]) } else { long })
}
