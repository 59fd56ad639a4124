// SPDX-License-Identifier: MIT
//! Mechanism parameters that are structures: one word after the other, which is how C has them on the machines that the
//! vectors are played on, where numbers and pointers are words.

use cryptoki_sys::{CK_MECHANISM_TYPE, CK_ULONG};
use keyenclave_conformance::module::Mech;

/// A word of a structure.
#[derive(Clone, Copy)]
pub enum Word<'a> {
    /// A number.
    Number(CK_ULONG),
    /// Where these bytes are.
    Place(&'a [u8]),
    /// How many they are.
    Count(&'a [u8]),
}

/// A mechanism with a structure of these words. What they point to must be there as long as the mechanism is used.
pub fn structure(kind: CK_MECHANISM_TYPE, words: &[Word<'_>]) -> Mech {
    let of_usize = |value: usize| CK_ULONG::try_from(value).expect("a word");
    let word = |word: &Word<'_>| match *word {
        Word::Number(number) => number,
        Word::Place([]) => 0,
        Word::Place(bytes) => of_usize(bytes.as_ptr().expose_provenance()),
        Word::Count(bytes) => of_usize(bytes.len()),
    };
    let bytes: Vec<u8> = words.iter().flat_map(|one| word(one).to_ne_bytes()).collect();
    Mech::with(kind, bytes)
}
