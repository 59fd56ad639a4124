// SPDX-License-Identifier: MIT
//! Maps from numbers that nobody can choose to collide: handles, which are our own and consecutive, and what a keyed
//! hash has made. Hashing them takes one multiplication; the general hash would be the dearest step of many calls.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map from such numbers, or from what is made of one (an [`ObjectId`](crate::token::ObjectId)).
pub type NumberMap<K, V> = HashMap<K, V, BuildHasherDefault<NumberHasher>>;

/// Spreads consecutive numbers over all bits.
#[derive(Default)]
pub struct NumberHasher(u64);

/// 2^64 divided by the golden ratio: the multiplier that spreads consecutive numbers most evenly (Knuth, TAOCP 6.4).
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(SPREAD).rotate_left(32);
    }
}
