// SPDX-License-Identifier: MIT
//! What asynchronous sessions need of the application's memory: an output buffer that is written in a later call, and
//! the structure that says what became of a function (PKCS#11 3.2, section 5.21).
//!
//! Apart from [`values`](super::values) because here a pointer outlives its call. The result goes to the buffer that
//! the function was given; `CK_ASYNC_DATA` is only written, never read, so that it need not have been filled in.

use std::ptr::null_mut;

use cryptoki_sys as ck;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::token::ObjectId;

use super::values::{Output, Place, length, ulong, write_all};

/// The buffer of an [`Output`], kept until a result is there.
pub struct KeptOutput {
    buffer: *mut u8,
    capacity: ck::CK_ULONG,
}

// SAFETY: nothing but an address; what may be done there is the application's promise to whichever thread asks for the
// result.
unsafe impl Send for KeptOutput {}

impl Output<'_> {
    /// Keeps the buffer for later. What [`Output::new`] was promised of it goes on until `C_AsyncComplete` has said
    /// what became of the function, or the function was cancelled: that is what section 5.21.1 makes the caller owe a
    /// function that answers `CKR_PENDING`.
    pub fn keep(&self) -> KeptOutput {
        KeptOutput {
            buffer: self.buffer,
            capacity: self.capacity,
        }
    }
}

/// A `CK_ASYNC_DATA_PTR`: what became of a function.
pub struct Completion<'a>(Place<'a, ck::CK_ASYNC_DATA>);

impl Completion<'_> {
    /// The structure at `ptr`.
    ///
    /// # Safety
    /// A `ptr` that is not null can be written during `'a`, and nobody else uses it meanwhile.
    pub unsafe fn new(ptr: *mut ck::CK_ASYNC_DATA) -> Self {
        // SAFETY: as promised by the caller.
        Self(unsafe { Place::new(ptr) })
    }

    /// Whether there is a structure.
    ///
    /// # Errors
    /// `CKR_ARGUMENTS_BAD` for null.
    pub fn check(&self) -> Result<()> {
        self.0.check()
    }

    /// The function has written bytes: they go to its buffer.
    ///
    /// # Errors
    /// `CKR_GENERAL_ERROR` for more bytes than fit; nothing is written to the buffer then.
    pub fn bytes(&mut self, memory: &KeptOutput, bytes: &[u8]) -> Result<()> {
        if bytes.len() > length(memory.capacity).unwrap_or(0) {
            return Err(Error::new(
                Rv::GeneralError,
                "the token's result is longer than it said it would be; please report this",
            ));
        }
        // SAFETY: the buffer takes `capacity` bytes, and as `Output::keep` says it still can be written.
        unsafe { write_all(memory.buffer, bytes) };
        self.set(memory.buffer, ulong(bytes.len()), None, None);
        Ok(())
    }

    /// The function has made an object, or two.
    pub fn objects(&mut self, object: ObjectId, additional: Option<ObjectId>) {
        self.set(null_mut(), 0, Some(object), additional);
    }

    /// The function has failed. Its buffer is named, so that the application can free it.
    pub fn failed(&mut self, memory: Option<&KeptOutput>) {
        self.set(memory.map_or(null_mut(), |memory| memory.buffer), 0, None, None);
    }

    fn set(
        &mut self,
        buffer: *mut u8,
        len: ck::CK_ULONG,
        object: Option<ObjectId>,
        additional: Option<ObjectId>,
    ) {
        let handle = |object: Option<ObjectId>| object.map_or(ck::CK_INVALID_HANDLE, |object| object.0);
        self.0.set(ck::CK_ASYNC_DATA {
            ulVersion: 0,
            pValue: buffer,
            ulValue: len,
            hObject: handle(object),
            hAdditionalObject: handle(additional),
        });
    }
}
