// SPDX-License-Identifier: MIT
//! Where aws-lc allocates: its numbers, keys and contexts are as secret as ours.
//!
//! aws-lc takes three functions for that, once, and notes them in three steps; nobody may be inside of it meanwhile. So
//! it is told when this program or library is loaded, before anything of it can be called. aws-lc wipes what it frees
//! only where it has its memory from the C library: otherwise that is these functions' duty.

use std::ffi::{c_char, c_int, c_void};

use aws_lc_sys as sys;
use keyenclave_sys::heap;

/// Where aws-lc has its memory from the C library, it keeps the length there, in so many bytes before what it hands out.
const PREFIX: usize = 8;

#[used]
// SAFETY: the section is a list of such functions, which are called one after the other when the program is loaded.
#[unsafe(link_section = ".init_array")]
static WHEN_LOADED: extern "C" fn() = use_secret_heap;

extern "C" fn use_secret_heap() {
    // SAFETY: three functions that work together, and with memory that came from the C library before; nothing of
    // aws-lc runs beside a function that is called at loading.
    unsafe { sys::CRYPTO_set_mem_functions(Some(allocate), Some(resize), Some(release)) };
}

/// Whether aws-lc allocates from the library's own heap. It does not if the program has functions of its own for it
/// (`OPENSSL_memory_alloc`).
pub fn is_in_secret_heap() -> bool {
    // SAFETY: any size can be asked for.
    let memory = unsafe { sys::OPENSSL_malloc(1) };
    let is_ours = heap::is_ours(memory.addr());
    // SAFETY: allocated above; null is allowed.
    unsafe { sys::OPENSSL_free(memory) };
    is_ours
}

extern "C" fn allocate(size: usize, _: *const c_char, _: c_int) -> *mut c_void {
    heap::allocate(size)
}

unsafe extern "C" fn resize(memory: *mut c_void, size: usize, _: *const c_char, _: c_int) -> *mut c_void {
    if memory.is_null() || heap::is_ours(memory.addr()) {
        // SAFETY: aws-lc hands over what it got from `allocate` or from here.
        return unsafe { heap::resize(memory, size) };
    }
    let moved = heap::allocate(size);
    if !moved.is_null() {
        // SAFETY: aws-lc got it before it knew of these functions.
        let (_, len) = unsafe { of_the_c_library(memory) };
        // SAFETY: both have as much room, and they do not overlap.
        unsafe { moved.copy_from_nonoverlapping(memory, len.min(size)) };
        // SAFETY: it is not used afterwards.
        unsafe { release_to_the_c_library(memory) };
    }
    moved
}

unsafe extern "C" fn release(memory: *mut c_void, _: *const c_char, _: c_int) {
    if memory.is_null() || heap::is_ours(memory.addr()) {
        // SAFETY: as above.
        unsafe { heap::release(memory) };
    } else {
        // SAFETY: aws-lc got it before it knew of these functions.
        unsafe { release_to_the_c_library(memory) };
    }
}

/// What `malloc` gave for memory of aws-lc's, and how many bytes of it aws-lc has.
///
/// # Safety
/// aws-lc got the memory from the C library.
unsafe fn of_the_c_library(memory: *mut c_void) -> (*mut c_void, usize) {
    let block = memory.wrapping_byte_sub(PREFIX);
    // SAFETY: aws-lc has put the length there.
    (block, unsafe { block.cast::<usize>().read() })
}

/// Wipes and frees memory as aws-lc does by itself.
///
/// # Safety
/// As for [`of_the_c_library`]; the memory is not used afterwards.
unsafe fn release_to_the_c_library(memory: *mut c_void) {
    // SAFETY: the caller's promise.
    let (block, len) = unsafe { of_the_c_library(memory) };
    // SAFETY: the block is the prefix and as many bytes as aws-lc asked for.
    unsafe { libc::explicit_bzero(block, PREFIX.saturating_add(len)) };
    // SAFETY: from `malloc`, and not yet given back.
    unsafe { libc::free(block) };
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use std::fs::File;
    use std::os::unix::fs::FileExt;

    const LEN: usize = 100;

    /// What is at an address of this process, whoever it belongs to.
    fn memory_at(address: usize) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        let memory = File::open("/proc/self/mem").unwrap();
        memory.read_exact_at(&mut bytes, address as u64).unwrap();
        bytes
    }

    /// A secret as aws-lc holds it in memory of the C library.
    fn foreign() -> *mut c_void {
        // SAFETY: any size can be asked for.
        let block = unsafe { libc::malloc(PREFIX + LEN) };
        // SAFETY: the block is longer than that, and aligned for anything.
        unsafe { block.cast::<usize>().write(LEN) };
        let memory = block.wrapping_byte_add(PREFIX);
        // SAFETY: as many bytes were asked for.
        unsafe { memory.cast::<u8>().write_bytes(7, LEN) };
        memory
    }

    #[test]
    fn aws_lc_allocates_from_the_secret_heap() {
        assert!(is_in_secret_heap());
    }

    #[test]
    fn what_aws_lc_frees_is_wiped() {
        // SAFETY: any size can be asked for.
        let memory = unsafe { sys::OPENSSL_malloc(LEN) };
        // SAFETY: as many bytes were asked for.
        unsafe { memory.cast::<u8>().write_bytes(7, LEN) };
        let address = memory.addr();
        assert_eq!(memory_at(address), [7; LEN]);
        // SAFETY: allocated above.
        unsafe { sys::OPENSSL_free(memory) };
        // The heap notes in the first bytes what is free.
        assert_eq!(memory_at(address)[8..], [0; LEN - 8]);
    }

    #[test]
    fn what_aws_lc_had_before_is_wiped_and_goes_back_to_the_c_library() {
        let memory = foreign();
        let address = memory.addr();
        // SAFETY: memory as aws-lc has it from the C library.
        unsafe { release(memory, std::ptr::null(), 0) };
        // So do the C library's, in the first bytes after the prefix too.
        assert_eq!(memory_at(address)[16..], [0; LEN - 16]);
    }

    #[test]
    fn what_aws_lc_had_before_moves_when_it_grows() {
        let memory = foreign();
        // SAFETY: memory as aws-lc has it from the C library.
        let moved = unsafe { resize(memory, 2 * LEN, std::ptr::null(), 0) };
        assert!(heap::is_ours(moved.addr()));
        assert_eq!(memory_at(moved.addr()), [7; LEN]);
        assert_eq!(memory_at(memory.addr())[16..], [0; LEN - 16]);
        // SAFETY: from `resize`.
        unsafe { release(moved, std::ptr::null(), 0) };
    }
}
