// SPDX-License-Identifier: MIT
//! The numbers of an RSA key, and what is missing among them found again.

use super::{RSA_MAX_BITS, RSA_MIN_BITS};
use crate::error::{Error, Result};
use crate::number::{Number, Scratch};
use crate::ptr::Owned;
use aws_lc_sys as sys;
use std::cmp::Ordering;

/// The numbers of an RSA private key, big-endian. Names are those of PKCS#11 and RFC 8017, appendix A.1.2.
///
/// On import leading zeros are allowed and an empty value is an absent one: the first three must be there, any of
/// the others may be. On export all are there, without leading zeros.
#[derive(Default)]
pub struct RsaComponents<B> {
    /// n
    pub modulus: B,
    /// e
    pub public_exponent: B,
    /// d
    pub private_exponent: B,
    /// p
    pub prime_1: B,
    /// q
    pub prime_2: B,
    /// d mod (p - 1)
    pub exponent_1: B,
    /// d mod (q - 1)
    pub exponent_2: B,
    /// q⁻¹ mod p
    pub coefficient: B,
}

/// How often a random base is tried when factoring with d: each finds the factors with a chance of at least 1/2.
const FACTOR_ATTEMPTS: usize = 40;

/// The longest public exponent that aws-lc takes, in bits.
const MAX_EXPONENT_BITS: u32 = 33;

impl<B: AsRef<[u8]>> RsaComponents<B> {
    /// The key with these numbers, all present or computed, and consistent (`RSA_check_key`).
    pub(super) fn to_rsa(&self) -> Result<Owned<sys::RSA>> {
        let required = |bytes| read(bytes)?.ok_or(Error::InvalidKey);
        let n = required(&self.modulus)?;
        let e = required(&self.public_exponent)?;
        let d = required(&self.private_exponent)?;
        check_public(&n, &e)?;
        if d.compare(&n) != Ordering::Less {
            return Err(Error::InvalidKey);
        }
        let scratch = Scratch::new()?;
        let (p, q) = match (read(&self.prime_1)?, read(&self.prime_2)?) {
            (Some(p), Some(q)) => (p, q),
            (Some(p), None) => other_prime(&n, p, &scratch)?,
            (None, Some(q)) => other_prime(&n, q, &scratch).map(|(q, p)| (p, q))?,
            (None, None) => factor(&n, &e, &d, &scratch)?,
        };
        let dp = or_else(&self.exponent_1, || reduced_exponent(&d, &p, &scratch))?;
        let dq = or_else(&self.exponent_2, || reduced_exponent(&d, &q, &scratch))?;
        let inverse = or_else(&self.coefficient, || inverse(&q, &p, &scratch))?;
        assemble([&n, &e, &d, &p, &q, &dp, &dq, &inverse])
    }
}

/// Refuses public numbers that no operation could use, before anything is computed with them.
pub(super) fn check_public(n: &Number, e: &Number) -> Result<()> {
    if !(RSA_MIN_BITS..=RSA_MAX_BITS).contains(&n.bits()) || e.bits() > MAX_EXPONENT_BITS {
        return Err(Error::Unsupported);
    }
    if !n.is_odd() || !e.is_odd() || e.bits() < 2 || e.compare(n) != Ordering::Less {
        return Err(Error::InvalidKey);
    }
    Ok(())
}

/// A number, or nothing for an empty value. Limits the length, so that no hostile number costs time.
fn read(bytes: &impl AsRef<[u8]>) -> Result<Option<Number>> {
    match bytes.as_ref() {
        [] => Ok(None),
        bytes => {
            let number = Number::from_be(bytes)?;
            if number.bits() > RSA_MAX_BITS {
                Err(Error::InvalidKey)
            } else {
                Ok(Some(number))
            }
        }
    }
}

fn or_else(given: &impl AsRef<[u8]>, compute: impl FnOnce() -> Result<Number>) -> Result<Number> {
    match read(given)? {
        Some(number) => Ok(number),
        None => compute(),
    }
}

/// Divides the modulus by the prime that is known; returns that one first.
fn other_prime(n: &Number, known: Number, scratch: &Scratch) -> Result<(Number, Number)> {
    let (other, rest) = n.divide(&known, scratch).map_err(|_| Error::InvalidKey)?;
    if rest.is_zero() {
        Ok((known, other))
    } else {
        Err(Error::InvalidKey)
    }
}

/// Finds the prime factors from n, e and d (NIST SP 800-56B rev. 2, appendix C.1); the larger one first.
///
/// de - 1 is 2^t r with r odd, and a multiple of the order of every base. Squaring g^r repeatedly therefore ends
/// at 1, and for at least half of all g it comes there from a root of 1 other than -1, which splits n.
fn factor(n: &Number, e: &Number, d: &Number, scratch: &Scratch) -> Result<(Number, Number)> {
    if d.is_zero() || !d.is_odd() {
        return Err(Error::InvalidKey);
    }
    let (twos, odd) = d.times(e, scratch)?.minus(1)?.without_twos()?;
    let minus_one = n.minus(1)?;
    for _ in 0..FACTOR_ATTEMPTS {
        let start = Number::random(2, &minus_one)?.power(&odd, n, scratch)?;
        if let Some(root) = root_of_one(start, twos, n, &minus_one, scratch)? {
            return split(n, &root, scratch);
        }
    }
    Err(Error::InvalidKey)
}

/// Squares `power` until it is 1 and returns the last value before, if that is neither 1 nor -1.
fn root_of_one(
    mut power: Number,
    twos: i32,
    n: &Number,
    minus_one: &Number,
    scratch: &Scratch,
) -> Result<Option<Number>> {
    if power.is_one() || power.compare(minus_one) == Ordering::Equal {
        return Ok(None);
    }
    for _ in 0..twos {
        let next = power.squared(n, scratch)?;
        if next.is_one() {
            return Ok(Some(power));
        }
        if next.compare(minus_one) == Ordering::Equal {
            return Ok(None);
        }
        power = next;
    }
    // The order of the base does not divide de - 1, so d does not belong to this modulus.
    Err(Error::InvalidKey)
}

fn split(n: &Number, root: &Number, scratch: &Scratch) -> Result<(Number, Number)> {
    let (first, second) = other_prime(n, root.minus(1)?.gcd(n, scratch)?, scratch)?;
    Ok(if first.compare(&second) == Ordering::Less {
        (second, first)
    } else {
        (first, second)
    })
}

/// d mod (prime - 1)
fn reduced_exponent(d: &Number, prime: &Number, scratch: &Scratch) -> Result<Number> {
    check_prime(prime)?;
    d.divide(&prime.minus(1)?, scratch).map(|(_, rest)| rest)
}

/// q⁻¹ mod p as q^(p - 2), which takes the same time for every q.
fn inverse(q: &Number, p: &Number, scratch: &Scratch) -> Result<Number> {
    check_prime(p)?;
    let (_, reduced) = q.divide(p, scratch)?;
    reduced.power(&p.minus(2)?, p, scratch)
}

/// Odd and at least 3, which is what the computations above need; primality shows in the final check.
fn check_prime(prime: &Number) -> Result<()> {
    if prime.is_odd() && prime.bits() >= 2 {
        Ok(())
    } else {
        Err(Error::InvalidKey)
    }
}

fn assemble(numbers: [&Number; 8]) -> Result<Owned<sys::RSA>> {
    let [n, e, d, p, q, dp, dq, inverse] = numbers.map(Number::as_ptr);
    // SAFETY: eight live numbers, which are copied; the function checks that they belong together.
    let raw = unsafe { sys::RSA_new_private_key(n, e, d, p, q, dp, dq, inverse) };
    // SAFETY: null or a new key.
    unsafe { Owned::adopt(raw) }.map_err(|_| Error::InvalidKey)
}
