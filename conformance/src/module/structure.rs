// SPDX-License-Identifier: MIT
//! Structures of C put together field by field: numbers, bytes, and pointers to bytes that C may write to as well.

use super::buffer::length;
use cryptoki_sys::CK_ULONG;
use std::ffi::c_void;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A field of a structure, of which each is as long as a `CK_ULONG` or a multiple of it.
#[derive(Clone, Debug)]
pub enum Field {
    /// A number.
    Number(CK_ULONG),
    /// Bytes in the structure itself.
    Inline(Vec<u8>),
    /// A pointer to bytes; null if there are none.
    Bytes(Vec<u8>),
    /// A pointer to bytes that C may write to.
    Room(Room),
}

/// Bytes that C may write to, and that are seen here afterwards.
#[derive(Clone, Debug, Default)]
pub struct Room(Arc<Mutex<Vec<u8>>>);

impl Room {
    /// Room with these bytes in it.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Arc::new(Mutex::new(bytes.into())))
    }

    /// What stands there now.
    pub fn bytes(&self) -> Vec<u8> {
        self.locked().clone()
    }

    /// Puts other bytes of the same length there.
    pub fn put(&self, bytes: &[u8]) {
        self.locked().copy_from_slice(bytes);
    }

    fn locked(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A structure.
#[derive(Clone, Debug)]
pub struct Structure(Vec<Field>);

impl Structure {
    /// A structure with these fields.
    pub fn new(fields: impl Into<Vec<Field>>) -> Self {
        Self(fields.into())
    }

    /// Calls `function` with the structure's address and its length.
    pub(super) fn lend<T>(&self, function: impl FnOnce(*mut c_void, CK_ULONG) -> T) -> T {
        // Words, so that it is aligned as C has it.
        let mut words: Vec<CK_ULONG> = Vec::new();
        for field in &self.0 {
            match field {
                Field::Number(number) => words.push(*number),
                Field::Inline(bytes) => words.extend(bytes.chunks(size_of::<CK_ULONG>()).map(word)),
                Field::Bytes(bytes) if bytes.is_empty() => words.push(0),
                Field::Bytes(bytes) => words.push(address(bytes.as_ptr())),
                Field::Room(room) => {
                    let mut bytes = room.locked();
                    let start = bytes.as_mut_ptr();
                    words.push(if bytes.is_empty() { 0 } else { address(start) });
                }
            }
        }
        let len = length(&words) * CK_ULONG::try_from(size_of::<CK_ULONG>()).unwrap_or_default();
        function(words.as_mut_ptr().cast(), len)
    }
}

fn address(start: *const u8) -> CK_ULONG {
    CK_ULONG::try_from(start.expose_provenance()).unwrap_or_default()
}

fn word(bytes: &[u8]) -> CK_ULONG {
    let mut whole = CK_ULONG::default().to_ne_bytes();
    whole[..bytes.len()].copy_from_slice(bytes);
    CK_ULONG::from_ne_bytes(whole)
}
