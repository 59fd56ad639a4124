// SPDX-License-Identifier: MIT
//! What the application's pointers become: one type for each shape in which C passes memory.
//!
//! A value is made from raw pointers inside an exported function and handed to a safe handler. Nothing is read that
//! the handler does not ask for, so that it can check the session first and end an operation over a bad argument.
//! The rules of section 5.2 of the specification (length queries, buffers that are too small) stand here, once.
//!
//! The caller owes the constructors what the specification makes it owe the C function: a pointer that is not null
//! can be read, or written, for the length that is given with it, and nobody else writes there during the call.
//! Nothing is taken for granted about alignment, and no two references to the same memory exist: what an output
//! might overwrite is copied before ([`Input::apart_from`]).

use std::marker::PhantomData;

use cryptoki_sys as ck;
use keyenclave_model::error::{Error, Result, Rv};
use zeroize::Zeroizing;

pub use super::aead::MessageParameter;
pub use super::asynchronous::{Completion, KeptOutput};
pub use super::bootstrap::Name;
pub use super::parameters::RawMechanism;
pub use super::templates::{AttributeBuffer, AttributeBuffers, RawTemplate};

/// Bytes that the application gives: data, a signature, a PIN.
pub struct Input<'a> {
    ptr: *const u8,
    len: ck::CK_ULONG,
    copy: Copied,
    memory: PhantomData<&'a [u8]>,
}

/// Whether the bytes are read where they are.
enum Copied {
    No,
    Yes(Zeroizing<Vec<u8>>),
    NoMemory,
}

impl<'a> Input<'a> {
    /// `len` bytes at `ptr`.
    ///
    /// # Safety
    /// A `ptr` that is not null can be read for `len` bytes during `'a`, and nobody writes there meanwhile, except
    /// through an [`Output`] that [`Self::apart_from`] was told of.
    pub unsafe fn new(ptr: *const u8, len: ck::CK_ULONG) -> Self {
        Self {
            ptr,
            len,
            copy: Copied::No,
            memory: PhantomData,
        }
    }

    /// The bytes. Null with a length of 0 is empty.
    ///
    /// # Errors
    /// `CKR_ARGUMENTS_BAD` for null with a length, and for a length that no memory has.
    pub fn bytes(&self) -> Result<&[u8]> {
        match &self.copy {
            // SAFETY: as promised to `new`; an output that overlaps would have made a copy.
            Copied::No => unsafe { slice(self.ptr, self.len) }.ok_or_else(|| Rv::ArgumentsBad.into()),
            Copied::Yes(copy) => Ok(copy),
            Copied::NoMemory => Err(Rv::HostMemory.into()),
        }
    }

    /// Whether the pointer is null: a PIN that is to be entered on the token's own keypad, a missing argument.
    pub fn is_null(&self) -> bool {
        self.ptr.is_null()
    }

    /// The same bytes, in memory of our own if `output` could overwrite them. Encryption in place is common.
    #[must_use]
    pub fn apart_from(mut self, output: &Output<'_>) -> Self {
        if let (Copied::No, Some(own)) = (&self.copy, Region::new(self.ptr, self.len))
            && output
                .regions()
                .into_iter()
                .flatten()
                .any(|other| other.overlaps(own))
        {
            self.copy = self.bytes().map_or(Copied::No, copied);
        }
        self
    }
}

fn copied(bytes: &[u8]) -> Copied {
    match try_to_vec(bytes) {
        Ok(copy) => Copied::Yes(Zeroizing::new(copy)),
        Err(_) => Copied::NoMemory,
    }
}

/// Memory for what a function writes, with the two-call rule: a null buffer asks for the length.
pub struct Output<'a> {
    pub(super) buffer: *mut u8,
    len: *mut ck::CK_ULONG,
    pub(super) capacity: ck::CK_ULONG,
    memory: PhantomData<&'a mut [u8]>,
}

impl<'a> Output<'a> {
    /// `*len` bytes at `buffer`, and where the length is written to.
    ///
    /// # Safety
    /// A `len` that is not null can be read and written during `'a`; a `buffer` that is not null can be written for
    /// `*len` bytes; nobody else uses either meanwhile, except an [`Input`] that is kept [apart](Input::apart_from).
    /// For a buffer that is [kept](Self::keep) the promise goes on as is said there.
    pub unsafe fn new(buffer: *mut u8, len: *mut ck::CK_ULONG) -> Self {
        // SAFETY: as promised by the caller.
        let capacity = unsafe { read(len) }.unwrap_or(0);
        Self {
            buffer,
            len,
            capacity,
            memory: PhantomData,
        }
    }

    /// Whether anything can be answered at all.
    ///
    /// # Errors
    /// `CKR_ARGUMENTS_BAD` where there is no place for the length, or a buffer's length is one that no memory has.
    pub fn check(&self) -> Result<()> {
        let huge = !self.is_query() && length(self.capacity).is_none();
        if self.len.is_null() || huge {
            Err(Rv::ArgumentsBad.into())
        } else {
            Ok(())
        }
    }

    /// Whether there is no place for the length: the application expects no output of this call.
    pub fn is_absent(&self) -> bool {
        self.len.is_null()
    }

    /// Whether only the length is asked for.
    pub fn is_query(&self) -> bool {
        self.buffer.is_null()
    }

    /// Size of the application's buffer, in bytes; 0 for a query.
    pub fn capacity(&self) -> usize {
        if self.is_query() {
            0
        } else {
            length(self.capacity).unwrap_or(0)
        }
    }

    /// The application's buffer; empty for a query.
    pub fn buffer(&mut self) -> &mut [u8] {
        // SAFETY: as promised to `new`; `&mut self` keeps it the only reference.
        unsafe { slice_mut(self.buffer, self.capacity) }.unwrap_or_default()
    }

    /// Tells the application how much memory is needed, in bytes: the answer to a query.
    ///
    /// # Errors
    /// `CKR_BUFFER_TOO_SMALL` if it was no query.
    pub fn ask_for(&mut self, need: usize) -> Result<()> {
        self.set_len(need);
        if self.is_query() {
            Ok(())
        } else {
            Err(Rv::BufferTooSmall.into())
        }
    }

    /// Tells the application how much was written, or is needed, in bytes.
    pub fn set_len(&mut self, len: usize) {
        // SAFETY: as promised to `new`.
        unsafe { write(self.len, ulong(len)) };
    }

    /// The memory that may be written: the buffer, and the length.
    fn regions(&self) -> [Option<Region>; 2] {
        [
            Region::new(self.buffer, self.capacity),
            Region::new(self.len.cast(), ulong(size_of::<ck::CK_ULONG>())),
        ]
    }
}

/// Memory of a length that the application fixes, all of which is written: `C_GenerateRandom`.
pub struct OutputBytes<'a> {
    ptr: *mut u8,
    len: ck::CK_ULONG,
    memory: PhantomData<&'a mut [u8]>,
}

impl<'a> OutputBytes<'a> {
    /// `len` bytes at `ptr`.
    ///
    /// # Safety
    /// A `ptr` that is not null can be written for `len` bytes during `'a`, and nobody else uses it meanwhile.
    pub unsafe fn new(ptr: *mut u8, len: ck::CK_ULONG) -> Self {
        Self {
            ptr,
            len,
            memory: PhantomData,
        }
    }

    /// The memory.
    ///
    /// # Errors
    /// `CKR_ARGUMENTS_BAD` for null with a length, and for a length that no memory has.
    pub fn buffer(&mut self) -> Result<&mut [u8]> {
        // SAFETY: as promised to `new`; `&mut self` keeps it the only reference.
        unsafe { slice_mut(self.ptr, self.len) }.ok_or_else(|| Rv::ArgumentsBad.into())
    }
}

/// A place for one answer: a handle, an info structure.
pub struct Place<'a, T> {
    place: *mut T,
    memory: PhantomData<&'a mut T>,
}

impl<T: Copy> Place<'_, T> {
    /// The place that `place` points to.
    ///
    /// # Safety
    /// A `place` that is not null can be written during `'a`, and nobody else uses it meanwhile.
    pub unsafe fn new(place: *mut T) -> Self {
        Self {
            place,
            memory: PhantomData,
        }
    }

    /// Whether there is a place.
    ///
    /// # Errors
    /// `CKR_ARGUMENTS_BAD` for null.
    pub fn check(&self) -> Result<()> {
        present(self.place)
    }

    /// Writes the answer. Nothing happens where [`Self::check`] would have failed.
    pub fn set(&mut self, value: T) {
        // SAFETY: as promised to `new`.
        unsafe { write(self.place, value) };
    }
}

/// Memory for a list of which only we know the length: a null list asks for the count.
pub struct OutputList<'a, T> {
    list: *mut T,
    count: *mut ck::CK_ULONG,
    memory: PhantomData<&'a mut [T]>,
}

impl<T: Copy> OutputList<'_, T> {
    /// `*count` items at `list`, and where the count is written to.
    ///
    /// # Safety
    /// A `count` that is not null can be read and written during `'a`; a `list` that is not null can be written for
    /// `*count` items; nobody else uses either meanwhile.
    pub unsafe fn new(list: *mut T, count: *mut ck::CK_ULONG) -> Self {
        Self {
            list,
            count,
            memory: PhantomData,
        }
    }

    /// Whether anything can be answered at all.
    ///
    /// # Errors
    /// `CKR_ARGUMENTS_BAD` where there is no place for the count.
    pub fn check(&self) -> Result<()> {
        present(self.count)
    }

    /// Whether only the count is asked for.
    pub fn is_query(&self) -> bool {
        self.list.is_null()
    }

    /// Writes the count, and the items if they were asked for.
    ///
    /// # Errors
    /// `CKR_ARGUMENTS_BAD` as [`Self::check`]; `CKR_BUFFER_TOO_SMALL` if there are more items than fit: the count is
    /// written all the same.
    pub fn fill(&mut self, items: &[T]) -> Result<()> {
        self.check()?;
        // SAFETY: as promised to `new`.
        let capacity = unsafe { read(self.count) }.unwrap_or(0);
        // SAFETY: as promised to `new`.
        unsafe { write(self.count, ulong(items.len())) };
        if self.is_query() {
            return Ok(());
        }
        if capacity < ulong(items.len()) {
            return Err(Rv::BufferTooSmall.into());
        }
        // SAFETY: the list takes `capacity` items, as promised to `new`, and there are not more.
        unsafe { write_all(self.list, items) };
        Ok(())
    }
}

/// Memory for as many items as there are, up to a number that the application gives: `C_FindObjects`.
pub struct OutputArray<'a, T> {
    array: *mut T,
    max: ck::CK_ULONG,
    count: *mut ck::CK_ULONG,
    memory: PhantomData<&'a mut [T]>,
}

impl<T: Copy> OutputArray<'_, T> {
    /// `max` items at `array`, and where the count is written to.
    ///
    /// # Safety
    /// An `array` that is not null can be written for `max` items and a `count` that is not null can be written
    /// during `'a`; nobody else uses either meanwhile.
    pub unsafe fn new(array: *mut T, max: ck::CK_ULONG, count: *mut ck::CK_ULONG) -> Self {
        Self {
            array,
            max,
            count,
            memory: PhantomData,
        }
    }

    /// Whether anything can be answered at all.
    ///
    /// # Errors
    /// `CKR_ARGUMENTS_BAD` where there is no place for the count, or none for the items.
    pub fn check(&self) -> Result<()> {
        if self.array.is_null() && self.max > 0 {
            return Err(Rv::ArgumentsBad.into());
        }
        present(self.count)
    }

    /// How many items fit.
    pub fn capacity(&self) -> usize {
        if self.array.is_null() {
            0
        } else {
            usize::try_from(self.max).unwrap_or(usize::MAX)
        }
    }

    /// Writes the items and their number.
    ///
    /// # Errors
    /// `CKR_ARGUMENTS_BAD` as [`Self::check`]; `CKR_GENERAL_ERROR` for more than [`Self::capacity`] items, of which
    /// none is written.
    pub fn fill(&mut self, items: &[T]) -> Result<()> {
        self.check()?;
        if items.len() > self.capacity() {
            return Err(Error::new(
                Rv::GeneralError,
                "more items than the caller has asked for",
            ));
        }
        // SAFETY: the array takes `capacity` items, as promised to `new`, and there are not more.
        unsafe { write_all(self.array, items) };
        // SAFETY: as promised to `new`.
        unsafe { write(self.count, ulong(items.len())) };
        Ok(())
    }
}

/// A token label: 32 bytes, padded with blanks.
pub struct Label<'a> {
    ptr: *const [u8; 32],
    memory: PhantomData<&'a [u8; 32]>,
}

impl Label<'_> {
    /// The 32 bytes at `ptr`.
    ///
    /// # Safety
    /// A `ptr` that is not null can be read for 32 bytes during `'a`, and nobody writes there meanwhile.
    pub unsafe fn new(ptr: *const u8) -> Self {
        Self {
            ptr: ptr.cast(),
            memory: PhantomData,
        }
    }

    /// The bytes.
    ///
    /// # Errors
    /// `CKR_ARGUMENTS_BAD` for null.
    pub fn bytes(&self) -> Result<[u8; 32]> {
        // SAFETY: as promised to `new`.
        unsafe { read(self.ptr) }.ok_or_else(|| Rv::ArgumentsBad.into())
    }
}

/// A stretch of memory, for asking whether two of them share a byte.
#[derive(Clone, Copy)]
struct Region {
    start: usize,
    end: usize,
}

impl Region {
    /// `None` for a stretch that is empty or that cannot be.
    fn new(ptr: *const u8, len: ck::CK_ULONG) -> Option<Self> {
        let (start, len) = (ptr.addr(), length(len)?);
        (!ptr.is_null() && len > 0).then_some(Self {
            start,
            end: start.saturating_add(len),
        })
    }

    fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}

/// A length from C, in bytes, if any memory can have it (a slice is at most `isize::MAX` long).
pub(super) fn length(len: ck::CK_ULONG) -> Option<usize> {
    isize::try_from(len).ok().map(isize::cast_unsigned)
}

/// A length for C. One that C's type cannot hold becomes the number that says so.
pub(super) fn ulong(len: usize) -> ck::CK_ULONG {
    ck::CK_ULONG::try_from(len).unwrap_or(ck::CK_UNAVAILABLE_INFORMATION)
}

/// Bytes in memory of our own; unlike `to_vec` it does not end the process where there is no memory left.
pub(super) fn try_to_vec(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len())
        .map_err(|_| Error::from(Rv::HostMemory))?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}

fn present<T>(ptr: *const T) -> Result<()> {
    if ptr.is_null() {
        Err(Rv::ArgumentsBad.into())
    } else {
        Ok(())
    }
}

/// What `ptr` points to; `None` for null.
///
/// # Safety
/// A `ptr` that is not null can be read. It may be misaligned. Every bit pattern is a `T`.
pub(super) unsafe fn read<T: Copy>(ptr: *const T) -> Option<T> {
    // SAFETY: not null, and as promised by the caller.
    (!ptr.is_null()).then(|| unsafe { ptr.read_unaligned() })
}

/// Writes to `ptr`, unless it is null.
///
/// # Safety
/// A `ptr` that is not null can be written. It may be misaligned.
pub(super) unsafe fn write<T: Copy>(ptr: *mut T, value: T) {
    if !ptr.is_null() {
        // SAFETY: not null, and as promised by the caller.
        unsafe { ptr.write_unaligned(value) };
    }
}

/// Writes items one behind the other from `ptr` on, unless it is null.
///
/// # Safety
/// A `ptr` that is not null can be written for as many items as there are. It may be misaligned.
pub(super) unsafe fn write_all<T: Copy>(ptr: *mut T, items: &[T]) {
    if !ptr.is_null() {
        // SAFETY: as bytes, which are always aligned; `items` is ours and thus elsewhere; the caller promises the room.
        unsafe {
            ptr.cast::<u8>()
                .copy_from_nonoverlapping(items.as_ptr().cast(), size_of_val(items))
        };
    }
}

/// The bytes at `ptr`; `None` for null with a length, and for a length that no memory has.
///
/// # Safety
/// A `ptr` that is not null can be read for `len` bytes during `'a`, and nobody writes there meanwhile.
pub(super) unsafe fn slice<'a>(ptr: *const u8, len: ck::CK_ULONG) -> Option<&'a [u8]> {
    match length(len)? {
        0 => Some(&[]),
        _ if ptr.is_null() => None,
        // SAFETY: not null, bytes are always aligned, the length is at most `isize::MAX`; the rest is promised.
        len => Some(unsafe { std::slice::from_raw_parts(ptr, len) }),
    }
}

/// The bytes at `ptr`, for writing; `None` for null with a length, and for a length that no memory has.
///
/// # Safety
/// A `ptr` that is not null can be written for `len` bytes during `'a`, and nobody else uses it meanwhile.
pub(super) unsafe fn slice_mut<'a>(ptr: *mut u8, len: ck::CK_ULONG) -> Option<&'a mut [u8]> {
    match length(len)? {
        0 => Some(&mut []),
        _ if ptr.is_null() => None,
        // SAFETY: not null, bytes are always aligned, the length is at most `isize::MAX`; the rest is promised.
        len => Some(unsafe { std::slice::from_raw_parts_mut(ptr, len) }),
    }
}
