// SPDX-License-Identifier: MIT
//! RSA keys of ANSI X9.31, whose primes have neighbours with a large prime factor each (FIPS 186-4, appendices B.3.6 and
//! C.9). aws-lc makes no such keys any more; the arithmetic and the test for primes are its own.

use super::components::RsaComponents;
use crate::error::Result;
use crate::number::{Number, Scratch, minimal_be};
use crate::ptr::Owned;
use aws_lc_sys as sys;
use std::cmp::Ordering;
use zeroize::Zeroizing;

/// The size of the two auxiliary primes, in bits: more than the 170 that table B.1 asks for with the largest keys there.
const AUXILIARY_BITS: u32 = 200;

/// The primes differ within their highest so many bits (FIPS 186-4, appendix B.3.6, step 5).
const APART: u32 = 100;

/// A key with a modulus of exactly `bits`, an even number.
pub(super) fn generate(bits: u32, e: &Number) -> Result<Owned<sys::RSA>> {
    let scratch = Scratch::new()?;
    let half = bits / 2;
    let p = prime(half, e, &scratch)?;
    let q = loop {
        let q = prime(half, e, &scratch)?;
        if p.distance(&q)?.bits() > half.saturating_sub(APART) {
            break q;
        }
    };
    let (below_p, below_q) = (p.minus(1)?, q.minus(1)?);
    let common = below_p.gcd(&below_q, &scratch)?;
    let (order, _) = below_p.times(&below_q, &scratch)?.divide(&common, &scratch)?;
    let d = e.inverse(&order, &scratch)?;
    let n = p.times(&q, &scratch)?;
    RsaComponents {
        modulus: bytes(&n),
        public_exponent: bytes(e),
        private_exponent: bytes(&d),
        prime_1: bytes(&p),
        prime_2: bytes(&q),
        ..RsaComponents::default()
    }
    .to_rsa()
}

/// A prime of `bits` whose two highest bits are set, so that the product of two has twice the length.
fn prime(bits: u32, e: &Number, scratch: &Scratch) -> Result<Number> {
    loop {
        let (first, second) = (Number::prime(AUXILIARY_BITS)?, Number::prime(AUXILIARY_BITS)?);
        let double = first.plus(&first)?;
        // 1 modulo twice the first and 0 modulo the second, and the other way round.
        let one = second.times(&second.inverse(&double, scratch)?, scratch)?;
        let other = double.times(&double.inverse(&second, scratch)?, scratch)?;
        // So this is 1 modulo twice the first, and -1 modulo the second.
        let wanted = one.plus(&other.times(&second.minus(1)?, scratch)?)?;
        let step = double.times(&second, scratch)?;
        if let Some(prime) = search(bits, &wanted, &step, e, scratch)? {
            return Ok(prime);
        }
    }
}

/// The first prime that is `wanted` modulo `step`, from a random number on; `None` if it would be too long.
fn search(
    bits: u32,
    wanted: &Number,
    step: &Number,
    e: &Number,
    scratch: &Scratch,
) -> Result<Option<Number>> {
    let start = Number::random_top(bits)?;
    let (_, rest) = start.divide(step, scratch)?;
    let (_, gap) = wanted.plus(&step.less(&rest)?)?.divide(step, scratch)?;
    let mut candidate = start.plus(&gap)?;
    while candidate.bits() == bits {
        let fits = candidate.minus(1)?.gcd(e, scratch)?.is_one();
        if fits && candidate.is_prime(scratch)? {
            return Ok(Some(candidate));
        }
        candidate = candidate.plus(step)?;
    }
    Ok(None)
}

impl Number {
    /// The larger of two less the smaller.
    fn distance(&self, other: &Self) -> Result<Self> {
        match self.compare(other) {
            Ordering::Less => other.less(self),
            _ => self.less(other),
        }
    }
}

fn bytes(number: &Number) -> Zeroizing<Vec<u8>> {
    // SAFETY: a live number that nobody writes to.
    unsafe { minimal_be(number.as_ptr()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_prime_has_the_length_and_the_rest_that_were_wanted() {
        let scratch = Scratch::new().unwrap();
        let e = Number::from_be(&[1, 0, 1]).unwrap();
        let step = Number::from_be(&[30]).unwrap();
        let wanted = Number::from_be(&[17]).unwrap();
        for _ in 0..10 {
            let found = search(128, &wanted, &step, &e, &scratch).unwrap().unwrap();
            let (_, rest) = found.divide(&step, &scratch).unwrap();
            assert_eq!(rest.compare(&wanted), Ordering::Equal);
            assert!(found.bits() == 128 && found.is_prime(&scratch).unwrap());
        }
    }
}
