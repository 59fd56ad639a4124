// SPDX-License-Identifier: MIT
//! What is given out and taken back.
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

fn secret() -> *mut c_void {
    let memory = allocate(LEN);
    // SAFETY: as many bytes were asked for.
    unsafe { memory.cast::<u8>().write_bytes(7, LEN) };
    memory
}

#[test]
fn what_is_released_is_wiped() {
    let memory = secret();
    assert_eq!(memory_at(memory.addr()), [7; LEN]);
    // SAFETY: allocated above.
    unsafe { release(memory) };
    // mimalloc notes in the first bytes what is free.
    assert_eq!(memory_at(memory.addr())[8..], [0; LEN - 8]);
}

#[test]
fn what_grows_keeps_its_bytes_and_leaves_none_behind() {
    let memory = secret();
    // SAFETY: allocated above.
    let moved = unsafe { resize(memory, 1 << 20) };
    assert_eq!(memory_at(moved.addr()), [7; LEN]);
    assert_eq!(memory_at(memory.addr())[8..], [0; LEN - 8]);
    // SAFETY: from `resize`.
    unsafe { release(moved) };
}

#[test]
fn what_shrinks_a_little_stays_where_it_is_and_what_shrinks_much_moves() {
    let memory = secret();
    // SAFETY: allocated above.
    let same = unsafe { resize(memory, LEN - 20) };
    assert_eq!(same, memory);
    // SAFETY: as above.
    let moved = unsafe { resize(memory, 8) };
    assert_ne!(moved, memory);
    assert_eq!(memory_at(moved.addr())[..8], [7; 8]);
    assert_eq!(memory_at(memory.addr())[8..], [0; LEN - 8]);
    // SAFETY: from `resize`.
    unsafe { release(moved) };
}

#[test]
fn nothing_can_be_resized_and_released() {
    // SAFETY: null is allowed.
    let memory = unsafe { resize(std::ptr::null_mut(), LEN) };
    assert!(is_ours(memory.addr()));
    // SAFETY: from `resize`.
    unsafe { release(memory) };
    // SAFETY: null is allowed.
    unsafe { release(std::ptr::null_mut()) };
}

#[test]
fn memory_of_the_c_library_is_not_ours() {
    // SAFETY: any size can be asked for.
    let memory = unsafe { libc::malloc(LEN) };
    assert!(!is_ours(memory.addr()));
    // SAFETY: from `malloc`.
    unsafe { libc::free(memory) };
}

#[test]
fn what_is_too_large_is_refused() {
    for size in [1 << 60, usize::MAX] {
        assert!(allocate(size).is_null());
    }
    assert!(is_kept_from_dumps());
}

#[test]
fn memory_has_the_alignment_that_was_asked_for() {
    for (size, align) in (1..200).flat_map(|size| [1, 2, 4, 8, 16, 32, 64, 4096].map(|align| (size, align))) {
        let layout = Layout::from_size_align(size, align).unwrap();
        // SAFETY: the layout has a size, and the memory goes back with it.
        let memory = unsafe { SecretHeap.alloc(layout) };
        assert_eq!(memory.addr() % align, 0, "{size} bytes, aligned to {align}");
        // SAFETY: allocated above with this layout.
        unsafe { SecretHeap.dealloc(memory, layout) };
    }
}
