// SPDX-License-Identifier: MIT
//! Parameters that are structures with pointers in them: laid out for one call, and read back after it.
//!
//! On the machines that the tests run on, every member of the structures that are used here takes eight bytes.

use super::template::{self, Attr};
use cryptoki_sys::*;
use std::sync::{Arc, Mutex};

/// A member of a structure.
#[derive(Clone, Debug)]
pub enum Member {
    /// A number, a handle, a small truth value; with what stands before it in the same eight bytes.
    Word(CK_ULONG),
    /// A pointer to bytes; null for none.
    Bytes(Vec<u8>),
    /// A pointer to bytes, then their length.
    Sized(Vec<u8>),
    /// A pointer to another structure, or to an array of structures.
    To(Vec<Member>),
    /// A template: a pointer and a count.
    Template(Vec<Attr>),
    /// A pointer to bytes that the module may write.
    Written(Kept),
    /// A pointer to a structure that the module may write: its words afterwards.
    WrittenWords(Kept, Vec<Member>),
}

/// Memory that is read back after the call.
#[derive(Clone, Debug, Default)]
pub struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    /// Memory with these bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Arc::new(Mutex::new(bytes.into())))
    }

    /// What is there now.
    pub fn bytes(&self) -> Vec<u8> {
        self.0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .clone()
    }

    /// The same, as numbers.
    pub fn words(&self) -> Vec<CK_ULONG> {
        let words = self.bytes();
        let words = words.as_chunks().0;
        words.iter().map(|word| CK_ULONG::from_ne_bytes(*word)).collect()
    }

    fn set(&self, bytes: Vec<u8>) {
        *self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = bytes;
    }
}

/// Structures as they lie in memory during a call.
#[derive(Default)]
pub(super) struct Laid {
    blocks: Vec<Vec<u64>>,
    templates: Vec<Vec<CK_ATTRIBUTE>>,
    kept: Vec<(Kept, usize, usize)>,
}

impl Laid {
    /// Lays a structure out: where it is, and how long.
    pub(super) fn structure(&mut self, members: &[Member]) -> (*mut u64, usize) {
        let mut words = Vec::new();
        for member in members {
            match member {
                Member::Word(word) => words.push(*word),
                Member::Bytes(bytes) => words.push(self.bytes(bytes)),
                Member::Sized(bytes) => words.extend([self.bytes(bytes), bytes.len() as u64]),
                Member::To(members) => words.push(self.structure(members).0 as u64),
                Member::Template(attrs) => {
                    let mut raw = template::raw(attrs);
                    words.extend([raw.as_mut_ptr() as u64, raw.len() as u64]);
                    self.templates.push(raw);
                }
                Member::Written(kept) => {
                    let bytes = kept.bytes();
                    words.push(self.bytes(&bytes));
                    self.keep(kept, bytes.len());
                }
                Member::WrittenWords(kept, members) => {
                    let (place, len) = self.structure(members);
                    words.push(place as u64);
                    self.keep(kept, len);
                }
            }
        }
        let len = words.len() * 8;
        (self.block(words), len)
    }

    /// Gives back what the module wrote.
    pub(super) fn read_back(&self) {
        for (kept, block, len) in &self.kept {
            let words = self.blocks.get(*block).into_iter().flatten();
            let bytes: Vec<u8> = words.flat_map(|word| word.to_ne_bytes()).take(*len).collect();
            kept.set(bytes);
        }
    }

    fn bytes(&mut self, bytes: &[u8]) -> u64 {
        if bytes.is_empty() {
            return 0;
        }
        let words = bytes.chunks(8).map(|chunk| {
            let mut word = [0; 8];
            word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            u64::from_ne_bytes(word)
        });
        self.block(words.collect()) as u64
    }

    fn block(&mut self, mut words: Vec<u64>) -> *mut u64 {
        let place = words.as_mut_ptr();
        self.blocks.push(words);
        place
    }

    fn keep(&mut self, kept: &Kept, len: usize) {
        self.kept.push((kept.clone(), self.blocks.len() - 1, len));
    }
}
