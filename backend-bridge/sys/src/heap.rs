// SPDX-License-Identifier: MIT
//! The library's own heap: everything it allocates is left out of core dumps, and locked as far as the quota goes.
//!
//! Keys, PINs and what is computed from them pass through buffers of many owners: attribute values, parsed keys,
//! numbers inside AWS-LC, messages on their way. Instead of marking each of them, the whole heap of the library lies in
//! one reservation of address space that the kernel does not dump (`MADV_DONTDUMP`). mimalloc divides it; the host's own
//! heap is another one and is not touched. What holds a secret is wiped by its owner all the same.
//!
//! The front of the reservation, which is used first, is locked into memory for as much as half of what
//! `RLIMIT_MEMLOCK` allows, or all of it where the process may lock as much as it likes.
//!
//! Without the address space (`RLIMIT_AS`) memory comes from the system as usual, and [`is_kept_from_dumps`] says so.

use std::alloc::{GlobalAlloc, Layout};
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicU8, Ordering};

use libmimalloc_sys as mi;

/// How much address space is asked for, in bytes, until the system grants one: memory is taken only as it is used.
const RESERVATIONS: [usize; 4] = [64 << 30, 8 << 30, 1 << 30, 256 << 20];
/// What the heap's parts are aligned to: mimalloc's segments, in bytes.
const ALIGNMENT: usize = 32 << 20;

/// How often whoever comes during the reservation looks again.
const PATIENCE: usize = 10_000;

const UNTOUCHED: u8 = 0;
const BEING_MADE: u8 = 1;
const KEPT: u8 = 2;
const ORDINARY: u8 = 3;

static STATE: AtomicU8 = AtomicU8::new(UNTOUCHED);

/// The allocator of a library that keeps secrets: `#[global_allocator]`.
pub struct SecretHeap;

// SAFETY: mimalloc gives out memory of the size and alignment asked for, once, and takes it back from any thread.
unsafe impl GlobalAlloc for SecretHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        prepare();
        // SAFETY: mimalloc takes any size, and the alignment of a layout is a power of two.
        unsafe { mi::mi_malloc_aligned(layout.size(), layout.align()) }.cast()
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        prepare();
        // SAFETY: as above.
        unsafe { mi::mi_zalloc_aligned(layout.size(), layout.align()) }.cast()
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise: allocated here with this layout.
        unsafe { mi::mi_realloc_aligned(memory.cast(), size, layout.align()) }.cast()
    }

    unsafe fn dealloc(&self, memory: *mut u8, _: Layout) {
        // SAFETY: the caller's promise: allocated here, and not yet given back.
        unsafe { mi::mi_free(memory.cast()) };
    }
}

/// Memory as C's `malloc` gives it.
pub fn allocate(size: usize) -> *mut c_void {
    prepare();
    // SAFETY: any size is taken.
    unsafe { mi::mi_malloc(size) }
}

/// As C's `realloc`.
///
/// # Safety
/// `memory` is null or came from [`allocate`], this function, or the C library's `malloc`.
pub unsafe fn resize(memory: *mut c_void, size: usize) -> *mut c_void {
    if memory.is_null() {
        return allocate(size);
    }
    if is_ours(memory) {
        // SAFETY: it is memory of this heap, which the caller owns.
        return unsafe { mi::mi_realloc(memory, size) };
    }
    // SAFETY: not of this heap, hence the C library's, by the caller's promise.
    unsafe { libc::realloc(memory, size) }
}

/// As C's `free`.
///
/// # Safety
/// As for [`resize`]; the memory is not used afterwards.
pub unsafe fn release(memory: *mut c_void) {
    if is_ours(memory) {
        // SAFETY: it is memory of this heap, which the caller owns.
        unsafe { mi::mi_free(memory) };
    } else {
        // SAFETY: null, or the C library's, by the caller's promise.
        unsafe { libc::free(memory) };
    }
}

/// Whether the heap is left out of core dumps.
pub fn is_kept_from_dumps() -> bool {
    prepare();
    STATE.load(Ordering::Acquire) == KEPT
}

fn is_ours(memory: *mut c_void) -> bool {
    // SAFETY: looks the address up and does not follow it.
    unsafe { mi::mi_is_in_heap_region(memory) }
}

/// Reserves the heap before its first use.
fn prepare() {
    if STATE.load(Ordering::Acquire) < KEPT {
        reserve();
    }
}

#[cold]
fn reserve() {
    if STATE
        .compare_exchange(UNTOUCHED, BEING_MADE, Ordering::AcqRel, Ordering::Acquire)
        .is_err()
    {
        // Somebody else is at it, which takes microseconds; or a child was forked meanwhile, and nobody is.
        for _ in 0..PATIENCE {
            if STATE.load(Ordering::Acquire) != BEING_MADE {
                return;
            }
            std::thread::yield_now();
        }
        STATE.store(ORDINARY, Ordering::Release);
        return;
    }
    let kept = RESERVATIONS
        .into_iter()
        .any(|size| area(size).is_some_and(hand_over));
    STATE.store(if kept { KEPT } else { ORDINARY }, Ordering::Release);
}

/// Address space, aligned, that no memory stands behind yet.
struct Area {
    start: *mut c_void,
    len: usize,
}

fn area(size: usize) -> Option<Area> {
    let with_margin = size.checked_add(ALIGNMENT)?;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a new anonymous mapping at an address of the kernel's choice touches nothing that exists.
    let start = unsafe { libc::mmap(ptr::null_mut(), with_margin, libc::PROT_NONE, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        return None;
    }
    let margin = start.align_offset(ALIGNMENT);
    // Huge pages would make a small heap large.
    for advice in [libc::MADV_DONTDUMP, libc::MADV_NOHUGEPAGE] {
        // SAFETY: exactly the addresses that were just reserved.
        let refused = unsafe { libc::madvise(start, with_margin, advice) } != 0;
        if refused && advice == libc::MADV_DONTDUMP {
            // SAFETY: as above, and nothing refers to them yet.
            unsafe { libc::munmap(start, with_margin) };
            return None;
        }
    }
    Some(Area {
        start: start.wrapping_byte_add(margin),
        len: size,
    })
}

fn hand_over(area: Area) -> bool {
    lock_front(&area);
    let mut id = 0;
    // SAFETY: address space of ours alone, aligned as mimalloc wants it, that is never given back.
    unsafe { mi::mi_manage_os_memory_ex(area.start, area.len, false, false, true, -1, false, &raw mut id) }
}

/// Has the pages at the front stay in memory once they are used. Best effort.
fn lock_front(area: &Area) {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: writes a `rlimit` to memory of that type.
    if unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit) } != 0 {
        return;
    }
    let half = usize::try_from(limit.rlim_cur / 2).unwrap_or(area.len);
    for len in [area.len, half.min(area.len) / 4096 * 4096] {
        // SAFETY: addresses of ours alone; nothing is read or written.
        if unsafe { libc::mlock2(area.start, len, libc::MLOCK_ONFAULT) } == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The flags of the mapping that holds an address, from `/proc/self/smaps`.
    fn flags_at(address: usize) -> String {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut inside = false;
        for line in maps.lines() {
            if let Some((start, end)) = line.split(' ').next().and_then(|range| range.split_once('-'))
                && let (Ok(start), Ok(end)) =
                    (usize::from_str_radix(start, 16), usize::from_str_radix(end, 16))
            {
                inside = (start..end).contains(&address);
            } else if inside && line.starts_with("VmFlags") {
                return line.to_owned();
            }
        }
        String::new()
    }

    #[test]
    fn what_is_allocated_is_left_out_of_core_dumps() {
        assert!(is_kept_from_dumps());
        for size in [1, 100, 5_000, 100_000, 50 << 20] {
            let memory = allocate(size);
            assert!(flags_at(memory.addr()).contains(" dd"), "{size} bytes");
            // SAFETY: allocated above.
            unsafe { release(memory) };
        }
    }

    #[test]
    fn memory_of_the_c_library_is_given_back_to_it() {
        // SAFETY: any size can be asked for.
        let memory = unsafe { libc::malloc(100) };
        // SAFETY: from `malloc`.
        let memory = unsafe { resize(memory, 10_000) };
        assert!(!flags_at(memory.addr()).contains(" dd"));
        // SAFETY: from `realloc`.
        unsafe { release(memory) };
        // SAFETY: null is allowed.
        unsafe { release(ptr::null_mut()) };
    }

    #[test]
    fn what_grows_keeps_its_bytes() {
        let memory = allocate(3);
        // SAFETY: three bytes were allocated.
        unsafe { memory.cast::<[u8; 3]>().write([1, 2, 3]) };
        // SAFETY: allocated above.
        let memory = unsafe { resize(memory, 1 << 20) };
        // SAFETY: the first bytes were written before it grew.
        assert_eq!(unsafe { memory.cast::<[u8; 3]>().read() }, [1, 2, 3]);
        // SAFETY: allocated above.
        unsafe { release(memory) };
    }
}
