// SPDX-License-Identifier: MIT
//! What a caller may put where the C functions take a pointer with a length, hostile values included, as values that
//! can only be built safely.

use cryptoki_sys::*;
use std::ptr::null_mut;

/// An input: pointer and length.
#[derive(Clone, Copy)]
pub enum In<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// A null pointer with this length.
    Null(CK_ULONG),
    /// One readable byte and the largest length there is: nobody may read that far.
    Huge(&'a [u8; 1]),
}

impl<'a> In<'a> {
    /// The pair as C takes it. No function of PKCS#11 writes through an input pointer.
    pub(super) fn raw(self) -> (CK_BYTE_PTR, CK_ULONG) {
        match self {
            In::Bytes(bytes) => (bytes.as_ptr().cast_mut(), length(bytes)),
            In::Null(length) => (null_mut(), length),
            In::Huge(byte) => (byte.as_ptr().cast_mut(), CK_ULONG::MAX),
        }
    }
}

impl<'a> From<&'a [u8]> for In<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        In::Bytes(bytes)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for In<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        In::Bytes(bytes)
    }
}

impl<'a> From<&'a Vec<u8>> for In<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        In::Bytes(bytes)
    }
}

/// An output: pointer and pointer to the length.
pub enum Out<'a> {
    /// This much room.
    Room(&'a mut [u8]),
    /// A null pointer: asks how much room is needed.
    Size,
    /// A buffer, but a null pointer instead of the length.
    NoLength(&'a mut [u8]),
}

/// What a function with an output returned: the value, and the length it left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The return value.
    pub rv: crate::Rv,
    /// What stands in the length afterwards, in bytes.
    pub len: CK_ULONG,
}

impl Out<'_> {
    /// Calls `function` with the output's pointers.
    pub(super) fn fill(self, function: impl FnOnce(CK_BYTE_PTR, CK_ULONG_PTR) -> crate::Rv) -> Written {
        let (pointer, mut len, has_length) = match self {
            Out::Room(room) => (room.as_mut_ptr(), length(room), true),
            Out::Size => (null_mut(), 0, true),
            Out::NoLength(room) => (room.as_mut_ptr(), 0, false),
        };
        let rv = function(pointer, if has_length { &raw mut len } else { null_mut() });
        Written { rv, len }
    }
}

/// A slice's length as C counts it.
pub(super) fn length<T>(slice: &[T]) -> CK_ULONG {
    CK_ULONG::try_from(slice.len()).unwrap_or(CK_ULONG::MAX)
}
