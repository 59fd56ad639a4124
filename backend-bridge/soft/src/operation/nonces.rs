// SPDX-License-Identifier: MIT
//! Nonces that the token makes (PKCS#11 3.2, AES-GCM and AES-CCM, the meaning of ivGenerator and nonceGenerator).
//!
//! A nonce that comes twice with one key gives the plaintexts away, and for GCM the key of the authentication. So nothing
//! here repeats itself as long as it lives, and it stops before it would have to.

use keyenclave_crypto::rand;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::{AeadParams, Generator};

use crate::error::Doing;

/// As few bits as random nonces may have: 2^16 keys are then wrapped with a chance of 2^-33 that two are alike.
const LEAST_RANDOM_BITS: usize = 64;
/// As few bits as a nonce may have that begins at random and counts.
const LEAST_COUNTED_BITS: usize = 32;

/// The nonces of one `C_MessageEncryptInit`.
#[derive(Default)]
pub(crate) struct Nonces {
    /// How many were made.
    count: u64,
    /// What the counter is added to.
    series: Option<Series>,
}

/// Nonces that differ because they are counted, which they do only as long as the counter is as wide as it was.
struct Series {
    generator: Generator,
    fixed_bits: usize,
    /// Zeros, the application's first nonce, or a random one.
    base: Vec<u8>,
    /// What came of it last, which the application may hand back as it is.
    last: Vec<u8>,
}

impl Series {
    fn begin(params: &AeadParams) -> Result<Self> {
        let len = params.nonce.len();
        Ok(Self {
            generator: params.generator,
            fixed_bits: params.fixed_bits,
            base: match params.generator {
                Generator::Counter => vec![0; len],
                Generator::CounterXor => params.nonce.clone(),
                _ => random(len)?,
            },
            last: Vec::new(),
        })
    }

    fn is_of(&self, params: &AeadParams) -> bool {
        let of = (self.generator, self.fixed_bits, self.base.len());
        of == (params.generator, params.fixed_bits, params.nonce.len())
    }
}

impl Nonces {
    /// The nonce for the next message.
    ///
    /// # Errors
    /// `CKR_MECHANISM_PARAM_INVALID` where the parameter leaves too few bits, or none that have not been used.
    pub(crate) fn next(&mut self, params: &AeadParams) -> Result<Vec<u8>> {
        let free = free_bits(params);
        let (least, most) = match params.generator {
            Generator::None => return Ok(params.nonce.clone()),
            Generator::Any => (LEAST_COUNTED_BITS, count_of(free)),
            Generator::Counter | Generator::CounterXor => (0, count_of(free)),
            // Two are alike with a chance of 2^-33 at the most (SP 800-38D, section 8.3, has 2^32 nonces of 96 bits).
            Generator::Random => (
                LEAST_COUNTED_BITS,
                count_of((free / 2).saturating_sub(16)).min(1 << 32),
            ),
        };
        if free < least {
            return Err(refused("leaves too few bits to be generated"));
        }
        if self.count >= most {
            return Err(refused(
                "leaves no bits that have not been used: begin anew with another key",
            ));
        }
        let nonce = match params.generator {
            Generator::Random => mixed(&params.nonce, &random(params.nonce.len())?, free),
            _ => self.counted(params, free)?,
        };
        self.count = self.count.saturating_add(1);
        Ok(nonce)
    }

    fn counter(&self, len: usize) -> Vec<u8> {
        let counter = self.count.to_be_bytes();
        let zeros = std::iter::repeat_n(0, len.saturating_sub(counter.len()));
        let used = counter.len().saturating_sub(len);
        zeros.chain(counter.into_iter().skip(used)).collect()
    }

    /// The base XOR the counter. The application's base must not vary, but it may hand back what it was given.
    fn counted(&mut self, params: &AeadParams, free: usize) -> Result<Vec<u8>> {
        let counter = self.counter(params.nonce.len());
        let series = match &mut self.series {
            Some(series) if series.is_of(params) => series,
            Some(_) => return Err(refused("does not go with that of the messages before")),
            none => none.insert(Series::begin(params)?),
        };
        let is_known = |of: &[u8]| mixed(&params.nonce, of, free) == params.nonce;
        if params.generator == Generator::CounterXor && !is_known(&series.base) && !is_known(&series.last) {
            return Err(refused(
                "has another nonce to be counted from than the messages before",
            ));
        }
        let sum = series.base.iter().zip(counter).map(|(one, other)| one ^ other);
        let nonce = mixed(&params.nonce, &sum.collect::<Vec<_>>(), free);
        series.last.clone_from(&nonce);
        Ok(nonce)
    }
}

/// A nonce for one key to be wrapped. Nobody counts these, so that none is counted.
///
/// # Errors
/// `CKR_MECHANISM_PARAM_INVALID` for counters, and where the parameter leaves too few bits.
pub(crate) fn single(params: &AeadParams) -> Result<Vec<u8>> {
    let free = free_bits(params);
    match params.generator {
        Generator::None => Ok(params.nonce.clone()),
        Generator::Any | Generator::Random if free >= LEAST_RANDOM_BITS => {
            Ok(mixed(&params.nonce, &random(params.nonce.len())?, free))
        }
        Generator::Any | Generator::Random => Err(refused("leaves too few bits to be generated")),
        Generator::Counter | Generator::CounterXor => Err(refused(
            "wants a counter, which would begin anew with each key that is wrapped: let the nonce be random",
        )),
    }
}

fn free_bits(params: &AeadParams) -> usize {
    let all = params.nonce.len().saturating_mul(8);
    all.saturating_sub(params.fixed_bits)
}

/// How many numbers have so many bits.
fn count_of(bits: usize) -> u64 {
    let shift = u32::try_from(bits).unwrap_or(u32::MAX);
    1u64.checked_shl(shift).unwrap_or(u64::MAX)
}

/// The last `free` bits of `made` after the first bits of `fixed`.
fn mixed(fixed: &[u8], made: &[u8], free: usize) -> Vec<u8> {
    let first = fixed.len().saturating_mul(8).saturating_sub(free);
    let bytes = fixed.iter().zip(made).enumerate();
    let mixed = bytes.map(|(place, (fixed, made))| {
        let kept = first.saturating_sub(place.saturating_mul(8)).min(8);
        // As many ones as bits are kept, from the left.
        let mask = u8::try_from(0xff00u32 >> kept & 0xff).unwrap_or_default();
        (fixed & mask) | (made & !mask)
    });
    mixed.collect()
}

fn random(len: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    rand::fill(&mut bytes).map_err(|error| Doing::Internal.failed(error))?;
    Ok(bytes)
}

fn refused(what: &str) -> Error {
    Error::new(
        Rv::MechanismParamInvalid,
        format!("the parameter of the message or key {what}"),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;
    use keyenclave_model::mechanism::Tag;
    use std::collections::BTreeSet;

    fn params(generator: Generator, nonce: &[u8], fixed_bits: usize) -> AeadParams {
        AeadParams {
            nonce: nonce.to_vec(),
            fixed_bits,
            generator,
            aad: Vec::new(),
            tag_len: 16,
            tag: Tag::Missing,
            data_len: None,
        }
    }

    #[test]
    fn a_counter_counts_from_zero_and_ends() {
        let (mut nonces, given) = (Nonces::default(), params(Generator::Counter, &[0xff; 12], 94));
        let made: Vec<_> = (0..4).map(|_| nonces.next(&given).unwrap()).collect();
        for (count, nonce) in made.iter().enumerate() {
            assert_eq!(nonce[..11], [0xff; 11]);
            assert_eq!(usize::from(nonce[11]), 0xfc + count);
        }
        assert_eq!(nonces.next(&given).unwrap_err().rv(), Rv::MechanismParamInvalid);
    }

    #[test]
    fn a_counter_is_as_wide_as_the_nonce_leaves_it() {
        let (mut nonces, given) = (Nonces::default(), params(Generator::Counter, &[7; 12], 32));
        nonces.next(&given).unwrap();
        nonces.count = 0x0102_0304_0506_0708;
        assert_eq!(nonces.next(&given).unwrap(), [7, 7, 7, 7, 1, 2, 3, 4, 5, 6, 7, 8]);
        let mut nonces = Nonces::default();
        let long = nonces.next(&params(Generator::Counter, &[7; 20], 8)).unwrap();
        assert_eq!(long[..12], [7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_counter_stays_as_wide_as_it_was() {
        let mut nonces = Nonces::default();
        let narrow = params(Generator::Counter, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4], 94);
        assert_eq!(nonces.next(&narrow).unwrap()[11], 4);
        nonces.count = 4;
        // The second nonce would be the first one again.
        assert!(nonces.next(&params(Generator::Counter, &[0; 12], 88)).is_err());
        assert!(nonces.next(&params(Generator::Any, &[0; 12], 0)).is_err());
        assert_eq!(
            nonces.next(&params(Generator::None, &[9; 12], 0)).unwrap(),
            [9; 12]
        );
    }

    #[test]
    fn what_is_counted_from_stays_and_may_be_handed_back() {
        let first = params(Generator::CounterXor, &[0xaa; 12], 64);
        let mut nonces = Nonces::default();
        assert_eq!(nonces.next(&first).unwrap(), [0xaa; 12]);
        let second = nonces.next(&first).unwrap();
        assert_eq!(second[11], 0xaa ^ 1);
        let third = nonces.next(&params(Generator::CounterXor, &second, 64)).unwrap();
        assert_eq!(third[11], 0xaa ^ 2);
        assert!(
            nonces
                .next(&params(Generator::CounterXor, &[0xab; 12], 64))
                .is_err()
        );
        assert!(
            nonces
                .next(&params(Generator::CounterXor, &[0xaa; 13], 64))
                .is_err()
        );
        assert!(nonces.next(&params(Generator::Any, &[0xaa; 12], 64)).is_err());
    }

    #[test]
    fn what_is_generated_never_repeats_and_leaves_the_fixed_bits() {
        for generator in [Generator::Any, Generator::Random] {
            let (mut nonces, given) = (Nonces::default(), params(generator, &[0b1010_1010; 12], 12));
            let made: BTreeSet<_> = (0..1000).map(|_| nonces.next(&given).unwrap()).collect();
            assert_eq!(made.len(), 1000);
            assert!(
                made.iter()
                    .all(|nonce| nonce[0] == 0b1010_1010 && nonce[1] >> 4 == 0b1010)
            );
            let few = params(generator, &[0; 12], 65);
            assert!(Nonces::default().next(&few).is_err());
            assert!(single(&few).is_err());
            assert!(single(&params(generator, &[0; 12], 32)).is_ok());
        }
        let (mut nonces, given) = (Nonces::default(), params(Generator::Random, &[0; 4], 0));
        nonces.next(&given).unwrap();
        assert!(nonces.next(&given).is_err());
    }

    #[test]
    fn no_key_is_wrapped_after_a_counter() {
        for generator in [Generator::Counter, Generator::CounterXor] {
            assert!(single(&params(generator, &[0; 12], 0)).is_err());
        }
        assert_eq!(single(&params(Generator::None, &[3; 12], 0)).unwrap(), [3; 12]);
    }
}
