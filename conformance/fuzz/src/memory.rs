// SPDX-License-Identifier: MIT
//! What an application would have in its memory: buffers, structures and templates, made of the fuzzer's bytes.
//!
//! It keeps what the specification makes the caller owe: a pointer that is not null reaches as far as the length with
//! it says. What a caller may get wrong without owing anything is made too: null with a length, and lengths that no
//! memory has.

use crate::source::Source;

/// Memory that stays where it is until this is dropped.
#[derive(Default)]
pub struct Memory(Vec<Vec<u8>>);

impl Memory {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps these bytes; where they are. Nothing is reserved behind them.
    pub fn keep(&mut self, bytes: Vec<u8>) -> *mut u8 {
        let mut exact = bytes.into_boxed_slice().into_vec();
        let place = exact.as_mut_ptr();
        self.0.push(exact);
        place
    }

    /// A buffer with something in it, and its length.
    pub fn buffer(&mut self, source: &mut Source<'_>) -> (*mut u8, u64) {
        match source.byte() {
            0 => (std::ptr::null_mut(), 0),
            1 => (std::ptr::null_mut(), source.number(&[])),
            2 => (self.keep(source.bytes(8)), u64::MAX - u64::from(source.byte())),
            _ => {
                let bytes = source.blob();
                let len = bytes.len() as u64;
                (self.keep(bytes), len)
            }
        }
    }

    /// The address of a pointer, as a word of a structure.
    pub fn word(place: *mut u8) -> u64 {
        place.expose_provenance() as u64
    }
}
