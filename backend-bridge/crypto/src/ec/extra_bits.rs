// SPDX-License-Identifier: MIT
//! A private scalar from more random bits than it has (FIPS 186-5, appendix A.2.1): `c mod (n - 1) + 1`.
//!
//! Apart, because aws-lc has no division whose time does not depend on what is divided. Here every bit takes the same
//! steps: double, add the bit, and subtract n - 1 if that fits, chosen by a mask.

use super::{empty, group};
use crate::error::{Error, Result};
use crate::number::{Number, minimal_be};
use crate::rand;
use aws_lc_sys as sys;
use keyenclave_model::algorithm::Curve;
use std::hint::black_box;
use zeroize::Zeroizing;

/// How many random bits there are more than the order has, in bytes.
const EXTRA: usize = 8;

/// Words that hold twice the order of any curve.
const WORDS: usize = 9;

type Wide = Zeroizing<[u64; WORDS]>;

/// A scalar of the curve, big-endian.
pub(super) fn scalar(curve: Curve) -> Result<Zeroizing<Vec<u8>>> {
    let ec = empty(curve)?;
    // SAFETY: the group of a live key, of which the order is a part.
    let order = unsafe { sys::EC_GROUP_get0_order(group(&ec)) };
    // SAFETY: a number of the live group, which nobody writes to.
    let order = Number::from_be(&unsafe { minimal_be(order) })?;
    let bits = usize::try_from(order.bits()).unwrap_or_default();
    let less = order.minus(1)?;
    // SAFETY: a live number of ours alone.
    let modulus = words(&unsafe { minimal_be(less.as_ptr()) });

    let mut random = Zeroizing::new(vec![0; bits.div_ceil(8).saturating_add(EXTRA)]);
    rand::fill(&mut random)?;
    let surplus = bits.next_multiple_of(8).saturating_sub(bits);
    if let Some(first) = random.first_mut() {
        *first &= 0xff_u8.checked_shr(surplus as u32).unwrap_or_default();
    }
    bytes(&reduced_and_one(&random, &modulus), curve.field_len())
}

/// `number mod modulus + 1`.
fn reduced_and_one(number: &[u8], modulus: &Wide) -> Wide {
    let mut rest = Wide::default();
    for byte in number {
        for bit in (0..8).rev() {
            double_and_add(&mut rest, u64::from(*byte >> bit & 1));
            subtract_if_it_fits(&mut rest, modulus);
        }
    }
    let mut carry = 1;
    for word in rest.iter_mut() {
        let (sum, over) = word.overflowing_add(carry);
        (*word, carry) = (sum, u64::from(over));
    }
    rest
}

fn double_and_add(number: &mut Wide, bit: u64) {
    let mut carry = bit;
    for word in number.iter_mut() {
        (*word, carry) = (*word << 1 | carry, *word >> 63);
    }
}

fn subtract_if_it_fits(number: &mut Wide, modulus: &Wide) {
    let mut difference = Wide::default();
    let mut borrow = false;
    for (to, (left, right)) in difference.iter_mut().zip(number.iter().zip(modulus.iter())) {
        let (first, one) = left.overflowing_sub(*right);
        let (second, other) = first.overflowing_sub(u64::from(borrow));
        (*to, borrow) = (second, one | other);
    }
    // All ones if it did not fit.
    let keep = 0_u64.wrapping_sub(black_box(u64::from(borrow)));
    for (word, other) in number.iter_mut().zip(difference.iter()) {
        *word = (*word & keep) | (other & !keep);
    }
}

/// Big-endian bytes as words, the lowest first.
fn words(bytes: &[u8]) -> Wide {
    let mut words = Wide::default();
    for (word, chunk) in words.iter_mut().zip(bytes.rchunks(8)) {
        *word = chunk.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
    }
    words
}

/// The `len` lowest bytes, big-endian.
fn bytes(words: &Wide, len: usize) -> Result<Zeroizing<Vec<u8>>> {
    let mut all = Zeroizing::new([0; WORDS * 8]);
    for (to, word) in all.rchunks_mut(8).zip(words.iter()) {
        to.copy_from_slice(&word.to_be_bytes());
    }
    let start = all.len().saturating_sub(len);
    let low = all.get(start..).ok_or(Error::Library(0))?;
    Ok(Zeroizing::new(low.to_vec()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::EcPrivateKey;
    use crate::number::Scratch;
    use keyenclave_model::algorithm::CURVES;

    #[test]
    fn the_rest_is_that_of_a_division() {
        let scratch = Scratch::new().unwrap();
        for len in [1, 8, 31, 64, 72] {
            let mut modulus = vec![0; len.min(66)];
            let mut number = vec![0; len + 8];
            for round in 0..50 {
                rand::fill(&mut modulus).unwrap();
                rand::fill(&mut number).unwrap();
                if round == 0 {
                    number.fill(0xff);
                }
                let divisor = Number::from_be(&modulus).unwrap();
                if divisor.is_zero() {
                    continue;
                }
                let (_, rest) = Number::from_be(&number)
                    .unwrap()
                    .divide(&divisor, &scratch)
                    .unwrap();
                let made = reduced_and_one(&number, &words(&modulus));
                let made = Number::from_be(&bytes(&made, 72).unwrap()).unwrap();
                assert_eq!(made.minus(1).unwrap().compare(&rest), std::cmp::Ordering::Equal);
            }
        }
    }

    #[test]
    fn every_curve_gets_keys_that_differ() {
        for row in CURVES {
            let made = || EcPrivateKey::generate_with_extra_bits(row.curve).unwrap();
            let (one, other) = (made().scalar().unwrap(), made().scalar().unwrap());
            assert_ne!(*one, *other);
        }
    }
}
