// SPDX-License-Identifier: MIT
//! Memory that is lent to the vendor's functions, and what stands behind an application's pointers.

use std::cell::Cell;
use std::ptr::null_mut;

use cryptoki_sys as ck;
use keyenclave_model::error::Rv;

use super::Answer;

/// Copies the bytes behind a pointer of a mechanism's parameter to `to`; `false` for a null pointer with a length.
pub(crate) fn follow(address: usize, to: &mut [u8]) -> bool {
    if to.is_empty() {
        return true;
    }
    if address == 0 {
        return false;
    }
    let from = std::ptr::with_exposed_provenance::<u8>(address);
    // SAFETY: the C caller owes memory of this length behind this pointer while its call lasts (PKCS#11 3.2, section
    // 5), and parameters are followed only inside of that call; `to` is memory of our own.
    unsafe { std::ptr::copy_nonoverlapping(from, to.as_mut_ptr(), to.len()) };
    true
}

/// Adds a copy of the bytes behind a pointer of a mechanism's parameter to `to`; nothing for a null pointer.
pub(crate) fn append(address: usize, len: usize, to: &mut Vec<Cell<u8>>) {
    if address == 0 {
        return;
    }
    to.reserve(len);
    let from = std::ptr::with_exposed_provenance::<Cell<u8>>(address);
    // SAFETY: as for `follow`; a cell is laid out as what is in it, and there is room for as many.
    unsafe { std::ptr::copy_nonoverlapping(from, to.spare_capacity_mut().as_mut_ptr().cast(), len) };
    // SAFETY: that many have just been written behind those that were there.
    unsafe { to.set_len(to.len() + len) };
}

/// Whether other bytes than these are behind a pointer of a mechanism's parameter; `false` for a null pointer.
pub(crate) fn differs(address: usize, bytes: impl Iterator<Item = u8>) -> bool {
    let from = std::ptr::with_exposed_provenance::<u8>(address);
    let is_other = |(at, byte)| {
        // SAFETY: as for `follow`.
        let there = unsafe { from.wrapping_add(at).read() };
        there != byte
    };
    address != 0 && bytes.enumerate().any(is_other)
}

/// Copies bytes to behind a pointer of a mechanism's parameter.
pub(crate) fn hand_back(address: usize, bytes: &[u8]) {
    if address == 0 {
        return;
    }
    let to = std::ptr::with_exposed_provenance_mut::<u8>(address);
    // SAFETY: the C caller owes memory of this length that can be written to behind this pointer while its call lasts
    // (PKCS#11 3.2, section 5), or it is memory of a copy of ours that may be written to.
    unsafe { std::ptr::copy(bytes.as_ptr(), to, bytes.len()) };
}

/// A pointer that the vendor only reads from. Some modules refuse null even with no bytes behind it.
pub(super) fn bytes(slice: &[u8]) -> *mut u8 {
    slice.as_ptr().cast_mut()
}

pub(super) fn count(slice: &[u8]) -> ck::CK_ULONG {
    count_of(slice.len())
}

pub(super) fn count_of(len: usize) -> ck::CK_ULONG {
    len as ck::CK_ULONG
}

pub(super) fn optional(slice: Option<&[u8]>) -> (*mut u8, ck::CK_ULONG) {
    slice.map_or((null_mut(), 0), |slice| (bytes(slice), count(slice)))
}

/// One number that a function makes.
pub(super) fn made(call: impl FnOnce(*mut ck::CK_ULONG) -> Answer<()>) -> Answer<ck::CK_ULONG> {
    let mut made = 0;
    call(&raw mut made).map(|()| made)
}

/// Output into `out`, or the length that it would have.
pub(super) fn written(
    out: Option<&mut [u8]>,
    call: impl FnOnce(*mut u8, *mut ck::CK_ULONG) -> Answer<()>,
) -> Answer<usize> {
    let room = out.as_ref().map(|out| out.len());
    let mut len = room.unwrap_or(0) as ck::CK_ULONG;
    call(out.map_or(null_mut(), <[u8]>::as_mut_ptr), &raw mut len)?;
    match usize::try_from(len) {
        Ok(len) if room.is_none_or(|room| len <= room) => Ok(len),
        // It says that it wrote past the end.
        _ => Err(Rv::DeviceError),
    }
}

/// A list that is asked for twice: how long it is, and what is in it.
pub(super) fn listed<T: Default + Clone>(
    mut call: impl FnMut(*mut T, *mut ck::CK_ULONG) -> Answer<()>,
) -> Answer<Vec<T>> {
    // The list may grow between the two calls, but not for ever.
    for _ in 0..4 {
        let mut len = 0;
        call(null_mut(), &raw mut len)?;
        let room = usize::try_from(len).map_err(|_| Rv::DeviceError)?;
        if room > MAX_LISTED {
            return Err(Rv::DeviceError);
        }
        let mut list = vec![T::default(); room];
        match call(list.as_mut_ptr(), &raw mut len) {
            Ok(()) => {
                list.truncate(usize::try_from(len).unwrap_or(room));
                return Ok(list);
            }
            Err(Rv::BufferTooSmall) => {}
            Err(rv) => return Err(rv),
        }
    }
    Err(Rv::BufferTooSmall)
}

/// More slots, mechanisms or interfaces than this are a mistake of the module's.
const MAX_LISTED: usize = 1 << 16;
