// SPDX-License-Identifier: MIT
//! The library's own heap: everything it allocates is left out of core dumps, and locked as far as a small quota goes.
//!
//! Keys, PINs and what is computed from them pass through buffers of many owners: attribute values, parsed keys,
//! numbers inside AWS-LC, messages on their way. Instead of marking each of them, the whole heap of the library lies in
//! address space that the kernel does not dump (`MADV_DONTDUMP`): see `area`. mimalloc divides it; the host's own
//! heap is another one and is not touched.
//!
//! What holds a secret in Rust is wiped by its owner all the same. AWS-LC leaves that to whoever gives it memory, so
//! what it returns ([`release`], [`resize`]) is wiped here.

mod area;

use std::alloc::{GlobalAlloc, Layout};
use std::ffi::c_void;

use libmimalloc_sys as mi;

pub use area::is_kept_from_dumps;

/// The allocator of a library that keeps secrets: `#[global_allocator]`.
pub struct SecretHeap;

// SAFETY: mimalloc gives out memory of the size and alignment asked for, once, and takes it back from any thread.
unsafe impl GlobalAlloc for SecretHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        obtain(layout, || match is_aligned_anyway(layout) {
            // SAFETY: mimalloc takes any size.
            true => unsafe { mi::mi_malloc(layout.size()) },
            // SAFETY: as above, and the alignment of a layout is a power of two.
            false => unsafe { mi::mi_malloc_aligned(layout.size(), layout.align()) },
        })
        .cast()
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        obtain(layout, || {
            // SAFETY: as above.
            unsafe { mi::mi_zalloc_aligned(layout.size(), layout.align()) }
        })
        .cast()
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise: with this alignment the size is one of a layout.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        obtain(wanted, || {
            // SAFETY: the caller's promise: allocated here with this layout. Where it fails, nothing has changed.
            unsafe { mi::mi_realloc_aligned(memory.cast(), size, layout.align()) }
        })
        .cast()
    }

    unsafe fn dealloc(&self, memory: *mut u8, _: Layout) {
        // SAFETY: the caller's promise: allocated here, and not yet given back.
        unsafe { mi::mi_free(memory.cast()) };
    }
}

/// Whether every block of this size has the alignment: mimalloc aligns as C's `malloc` does, to 16 bytes or, where a block
/// is smaller, to its size. To ask for an alignment takes three times as long.
const fn is_aligned_anyway(layout: Layout) -> bool {
    layout.align() <= 16 && layout.align() <= layout.size()
}

/// Memory as C's `malloc` gives it, `size` bytes; null where there is none.
pub fn allocate(size: usize) -> *mut c_void {
    let Ok(layout) = Layout::from_size_align(size, 1) else {
        return std::ptr::null_mut();
    };
    obtain(layout, || {
        // SAFETY: any size is taken.
        unsafe { mi::mi_malloc(size) }
    })
}

/// As C's `realloc`; what is left behind is wiped. Null where there is no memory: then nothing has changed.
///
/// # Safety
/// `memory` is null or came from [`allocate`] or this function.
pub unsafe fn resize(memory: *mut c_void, size: usize) -> *mut c_void {
    // SAFETY: it is memory of this heap, which the caller owns, or null.
    let room = unsafe { mi::mi_usable_size(memory) };
    if !memory.is_null() && (room / 2..=room).contains(&size) {
        return memory;
    }
    let moved = allocate(size);
    if !moved.is_null() {
        // SAFETY: both have as much room, and they do not overlap.
        unsafe { moved.copy_from_nonoverlapping(memory, room.min(size)) };
        // SAFETY: the caller's promise.
        unsafe { release(memory) };
    }
    moved
}

/// Wipes memory, then frees it as C's `free`.
///
/// # Safety
/// As for [`resize`]; the memory is not used afterwards.
pub unsafe fn release(memory: *mut c_void) {
    // SAFETY: it is memory of this heap, which the caller owns, or null, which has no room.
    let room = unsafe { mi::mi_usable_size(memory) };
    // SAFETY: the block is `room` bytes long.
    unsafe { libc::explicit_bzero(memory, room) };
    // SAFETY: as above.
    unsafe { mi::mi_free(memory) };
}

/// Whether an address is of this heap.
pub fn is_ours(address: usize) -> bool {
    // SAFETY: looks the address up and does not follow it.
    unsafe { mi::mi_is_in_heap_region(std::ptr::without_provenance(address)) }
}

/// What `take` gets from mimalloc; where mimalloc has no more, it is given an area to divide first.
fn obtain(layout: Layout, take: impl Fn() -> *mut c_void) -> *mut c_void {
    area::prepare();
    let memory = take();
    if memory.is_null() && area::grow(layout) {
        return take();
    }
    memory
}

#[cfg(test)]
mod tests;
