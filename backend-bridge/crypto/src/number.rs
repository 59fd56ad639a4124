// SPDX-License-Identifier: MIT
//! Large non-negative integers: the few operations that importing keys needs, and big-endian bytes in and out.

use crate::error::{Error, Result, checked};
use crate::ptr::Owned;
use aws_lc_sys as sys;
use std::cmp::Ordering;
use std::ptr::{null, null_mut};
use zeroize::Zeroizing;

/// An integer in aws-lc's memory, wiped when freed.
pub(crate) struct Number(Owned<sys::BIGNUM>);

impl Number {
    fn zero() -> Result<Self> {
        Owned::<sys::BIGNUM>::new().map(Self)
    }

    /// From big-endian bytes, leading zeros allowed.
    pub(crate) fn from_be(bytes: &[u8]) -> Result<Self> {
        // SAFETY: pointer and length describe `bytes`; null asks for a new integer.
        let raw = unsafe { sys::BN_bin2bn(bytes.as_ptr(), bytes.len(), null_mut()) };
        // SAFETY: new, hence ours alone.
        unsafe { Owned::adopt(raw) }.map(Self)
    }

    pub(crate) fn as_ptr(&self) -> *const sys::BIGNUM {
        self.0.as_ptr()
    }

    /// For a function that takes ownership.
    pub(crate) fn into_raw(self) -> *mut sys::BIGNUM {
        self.0.into_raw()
    }

    /// The length of the value, in bits; 0 for zero.
    pub(crate) fn bits(&self) -> u32 {
        // SAFETY: a live integer, only read.
        unsafe { sys::BN_num_bits(self.as_ptr()) }
    }

    pub(crate) fn is_odd(&self) -> bool {
        // SAFETY: a live integer, only read.
        unsafe { sys::BN_is_odd(self.as_ptr()) == 1 }
    }

    pub(crate) fn is_one(&self) -> bool {
        // SAFETY: a live integer, only read.
        unsafe { sys::BN_is_one(self.as_ptr()) == 1 }
    }

    pub(crate) fn is_zero(&self) -> bool {
        // SAFETY: a live integer, only read.
        unsafe { sys::BN_is_zero(self.as_ptr()) == 1 }
    }

    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        // SAFETY: two live integers, only read.
        unsafe { sys::BN_cmp(self.as_ptr(), other.as_ptr()) }.cmp(&0)
    }

    /// `self - word`; the caller knows that it is not negative.
    pub(crate) fn minus(&self, word: u8) -> Result<Self> {
        let result = Self::zero()?;
        // SAFETY: two live integers; the destination is ours alone.
        if unsafe { sys::BN_copy(result.0.as_ptr(), self.as_ptr()) }.is_null() {
            return Err(Error::library());
        }
        // SAFETY: a live integer of ours alone.
        checked(unsafe { sys::BN_sub_word(result.0.as_ptr(), word.into()) })?;
        Ok(result)
    }

    pub(crate) fn plus(&self, other: &Self) -> Result<Self> {
        let result = Self::zero()?;
        // SAFETY: live integers, the destination ours alone.
        checked(unsafe { sys::BN_add(result.0.as_ptr(), self.as_ptr(), other.as_ptr()) })?;
        Ok(result)
    }

    /// `self - other`; the caller knows that it is not negative.
    pub(crate) fn less(&self, other: &Self) -> Result<Self> {
        let result = Self::zero()?;
        // SAFETY: live integers, the destination ours alone.
        checked(unsafe { sys::BN_sub(result.0.as_ptr(), self.as_ptr(), other.as_ptr()) })?;
        Ok(result)
    }

    /// `self⁻¹` modulo `modulus`; an error if there is none. Its time depends on the values.
    pub(crate) fn inverse(&self, modulus: &Self, scratch: &Scratch) -> Result<Self> {
        let result = Self::zero()?;
        let (to, scratch) = (result.0.as_ptr(), scratch.as_ptr());
        // SAFETY: live integers, the destination ours alone; `scratch` is not shared between threads.
        let raw = unsafe { sys::BN_mod_inverse(to, self.as_ptr(), modulus.as_ptr(), scratch) };
        if raw.is_null() {
            Err(Error::library())
        } else {
            Ok(result)
        }
    }

    pub(crate) fn times(&self, other: &Self, scratch: &Scratch) -> Result<Self> {
        let result = Self::zero()?;
        // SAFETY: live integers, the destination ours alone; `scratch` is not shared between threads.
        checked(unsafe { sys::BN_mul(result.0.as_ptr(), self.as_ptr(), other.as_ptr(), scratch.as_ptr()) })?;
        Ok(result)
    }

    /// Quotient and remainder of `self / divisor`; a zero divisor is an error.
    pub(crate) fn divide(&self, divisor: &Self, scratch: &Scratch) -> Result<(Self, Self)> {
        let (quotient, remainder) = (Self::zero()?, Self::zero()?);
        let (to, rest) = (quotient.0.as_ptr(), remainder.0.as_ptr());
        // SAFETY: live integers, the two destinations ours alone; `scratch` is not shared between threads.
        checked(unsafe { sys::BN_div(to, rest, self.as_ptr(), divisor.as_ptr(), scratch.as_ptr()) })?;
        Ok((quotient, remainder))
    }

    /// `self` to the power of `exponent`, modulo an odd modulus larger than `self`; constant time.
    pub(crate) fn power(&self, exponent: &Self, modulus: &Self, scratch: &Scratch) -> Result<Self> {
        let result = Self::zero()?;
        let (to, base, scratch) = (result.0.as_ptr(), self.as_ptr(), scratch.as_ptr());
        checked(
            // SAFETY: live integers, the destination ours alone; `scratch` is not shared between threads; null
            // asks the function to prepare the modulus itself.
            unsafe {
                sys::BN_mod_exp_mont_consttime(to, base, exponent.as_ptr(), modulus.as_ptr(), scratch, null())
            },
        )?;
        Ok(result)
    }

    /// `self * self` modulo `modulus`.
    pub(crate) fn squared(&self, modulus: &Self, scratch: &Scratch) -> Result<Self> {
        let result = Self::zero()?;
        let to = result.0.as_ptr();
        // SAFETY: live integers, the destination ours alone; `scratch` is not shared between threads.
        checked(unsafe { sys::BN_mod_sqr(to, self.as_ptr(), modulus.as_ptr(), scratch.as_ptr()) })?;
        Ok(result)
    }

    pub(crate) fn gcd(&self, other: &Self, scratch: &Scratch) -> Result<Self> {
        let result = Self::zero()?;
        // SAFETY: live integers, the destination ours alone; `scratch` is not shared between threads.
        checked(unsafe { sys::BN_gcd(result.0.as_ptr(), self.as_ptr(), other.as_ptr(), scratch.as_ptr()) })?;
        Ok(result)
    }

    /// How often two divides a value that is not zero, and the odd number that is left.
    pub(crate) fn without_twos(&self) -> Result<(i32, Self)> {
        // SAFETY: a live integer, only read.
        let twos = unsafe { sys::BN_count_low_zero_bits(self.as_ptr()) };
        let odd = Self::zero()?;
        // SAFETY: live integers, the destination ours alone.
        checked(unsafe { sys::BN_rshift(odd.0.as_ptr(), self.as_ptr(), twos) })?;
        Ok((twos, odd))
    }

    /// A random number from `least` up to and without `end`.
    pub(crate) fn random(least: u8, end: &Self) -> Result<Self> {
        let result = Self::zero()?;
        // SAFETY: live integers, the destination ours alone.
        checked(unsafe { sys::BN_rand_range_ex(result.0.as_ptr(), least.into(), end.as_ptr()) })?;
        Ok(result)
    }
}

/// Primes.
impl Number {
    /// A random prime of exactly so many bits.
    pub(crate) fn prime(bits: u32) -> Result<Self> {
        let result = Self::zero()?;
        let bits = i32::try_from(bits).map_err(|_| Error::InvalidInput)?;
        let (to, any) = (result.0.as_ptr(), null());
        // SAFETY: a live integer of ours alone; neither a condition nor a progress callback.
        checked(unsafe { sys::BN_generate_prime_ex(to, bits, 0, any, any, null_mut()) })?;
        Ok(result)
    }

    /// A random number of exactly so many bits, the two highest of which are set.
    pub(crate) fn random_top(bits: u32) -> Result<Self> {
        let result = Self::zero()?;
        let bits = i32::try_from(bits).map_err(|_| Error::InvalidInput)?;
        let (to, top, bottom) = (result.0.as_ptr(), sys::BN_RAND_TOP_TWO, sys::BN_RAND_BOTTOM_ANY);
        // SAFETY: a live integer of ours alone.
        checked(unsafe { sys::BN_rand(to, bits, top, bottom) })?;
        Ok(result)
    }

    /// Whether it is prime, but for a chance below 2^-128 (64 rounds of Miller and Rabin's test).
    pub(crate) fn is_prime(&self, scratch: &Scratch) -> Result<bool> {
        const ROUNDS: i32 = 64;
        let (number, scratch) = (self.as_ptr(), scratch.as_ptr());
        // SAFETY: a live integer, only read; `scratch` is not shared between threads; no progress callback.
        match unsafe { sys::BN_is_prime_fasttest_ex(number, ROUNDS, scratch, 1, null_mut()) } {
            1 => Ok(true),
            0 => Ok(false),
            _ => Err(Error::library()),
        }
    }
}

/// Working memory for [`Number`], for one computation on one thread.
pub(crate) struct Scratch(Owned<sys::BN_CTX>);

impl Scratch {
    pub(crate) fn new() -> Result<Self> {
        Owned::<sys::BN_CTX>::new().map(Self)
    }

    fn as_ptr(&self) -> *mut sys::BN_CTX {
        self.0.as_ptr()
    }
}

/// The value of an integer, big-endian without leading zeros; empty for null.
///
/// # Safety
/// `raw` must be null or a live integer that nobody writes to.
pub(crate) unsafe fn minimal_be(raw: *const sys::BIGNUM) -> Zeroizing<Vec<u8>> {
    if raw.is_null() {
        return Zeroizing::default();
    }
    // SAFETY: the caller's promise.
    let len = unsafe { sys::BN_num_bytes(raw) };
    let mut bytes = Zeroizing::new(vec![0; usize::try_from(len).unwrap_or_default()]);
    // SAFETY: the caller's promise; the function writes the `len` bytes that were just made.
    unsafe { sys::BN_bn2bin(raw, bytes.as_mut_ptr()) };
    bytes
}

/// Writes an integer big-endian into all of `out`, with leading zeros; an error if it does not fit.
///
/// # Safety
/// `raw` must be a live integer that nobody writes to.
pub(crate) unsafe fn write_padded(raw: *const sys::BIGNUM, out: &mut [u8]) -> Result<()> {
    // SAFETY: the caller's promise; pointer and length describe `out`.
    checked(unsafe { sys::BN_bn2bin_padded(out.as_mut_ptr(), out.len(), raw) })
}
