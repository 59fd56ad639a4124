// SPDX-License-Identifier: MIT
//! The address space that the heap lies in: reserved, left out of core dumps, and handed to mimalloc.
//!
//! Apart from the allocator because that only divides what stands here. There are two areas at first. The second is as
//! large as the heap will ever be, unless address space is limited (`RLIMIT_AS`): then it is a small part of the limit,
//! and more areas follow as they are needed. mimalloc may take memory from nowhere else, so that no environment variable of the host's and no
//! shortage puts a key where a dump shows it. Only where the system cannot leave memory out of dumps, or has no
//! address space at all, the heap is an ordinary one from the beginning, and [`is_kept_from_dumps`] says so.
//!
//! The first area is small, and its front, which is used first, is locked into memory: by a small quota, because locked
//! memory counts against a limit (`RLIMIT_MEMLOCK`) that the host and the pages of the root keys share. It has an area of
//! its own because the system takes no memory back (`MADV_DONTNEED`) that lies in one range with locked memory.

use std::alloc::Layout;
use std::ffi::{c_long, c_void};
use std::ptr;
use std::sync::atomic::{AtomicU8, Ordering};

use libmimalloc_sys as mi;

/// What the heap's areas are aligned to, and the least of them: mimalloc's segments, in bytes.
const ALIGNMENT: usize = 32 << 20;
/// How large an area is at most, in bytes: memory is taken only as it is used.
const LARGEST: usize = 64 << 30;
/// How many areas share a limit of address space. mimalloc keeps 112 of them.
const AREAS_IN_LIMIT: usize = 64;
/// How much of the heap is locked at most, in bytes.
const LOCKED: usize = 4 << 20;
/// How little of it is worth the call, in bytes.
const LEAST_LOCKED: usize = 16 << 10;

/// How often whoever comes during the reservation looks again.
const PATIENCE: usize = 10_000;

const UNTOUCHED: u8 = 0;
const BEING_MADE: u8 = 1;
const KEPT: u8 = 2;
const ORDINARY: u8 = 3;

static STATE: AtomicU8 = AtomicU8::new(UNTOUCHED);

/// Options of mimalloc 2 by their places in its `mi_option_t`; the crate names only some.
mod option {
    use super::mi::mi_option_t;

    pub const DISALLOW_OS_ALLOC: mi_option_t = super::mi::mi_option_limit_os_alloc;
    pub const DESTROY_ON_EXIT: mi_option_t = 22;
    pub const ARENA_RESERVE: mi_option_t = 23;
    pub const DISALLOW_ARENA_ALLOC: mi_option_t = 27;
}

/// Memory comes from the areas alone, whatever the environment's variables (`MIMALLOC_...`) say, and stays until the
/// process has ended.
const FROM_AREAS_ALONE: [(mi::mi_option_t, c_long); 4] = [
    (option::DISALLOW_OS_ALLOC, 1),
    (option::ARENA_RESERVE, 0),
    (option::DISALLOW_ARENA_ALLOC, 0),
    (option::DESTROY_ON_EXIT, 0),
];
/// Memory comes from the system, as mimalloc has it by itself: 1 GiB of addresses (in KiB) at a time.
const FROM_THE_SYSTEM: [(mi::mi_option_t, c_long); 2] =
    [(option::DISALLOW_OS_ALLOC, 0), (option::ARENA_RESERVE, 1 << 20)];

unsafe extern "C" {
    /// Where an area of mimalloc's lies and how many bytes it is long; null if there is none of this number.
    fn mi_arena_area(id: mi::mi_arena_id_t, size: *mut usize) -> *mut c_void;
}

/// Whether the heap is left out of core dumps.
pub fn is_kept_from_dumps() -> bool {
    prepare();
    STATE.load(Ordering::Acquire) == KEPT
}

/// Reserves the heap before its first use.
pub fn prepare() {
    if STATE.load(Ordering::Acquire) < KEPT {
        reserve();
    }
}

/// Adds an area that has room for this; false where there is none to be had.
#[cold]
pub fn grow(wanted: Layout) -> bool {
    let with_margin = wanted
        .size()
        .checked_add(wanted.align())
        .and_then(|size| size.checked_add(ALIGNMENT));
    STATE.load(Ordering::Acquire) == KEPT && with_margin.and_then(add).is_some()
}

#[cold]
fn reserve() {
    let is_first = STATE
        .compare_exchange(UNTOUCHED, BEING_MADE, Ordering::AcqRel, Ordering::Acquire)
        .is_ok();
    // Somebody else is at it, which takes microseconds; or a child was forked meanwhile, and nobody is. Whose patience
    // ends makes an area as well: one too many does no harm.
    if !is_first && was_made_by_another() {
        return;
    }
    set(&FROM_AREAS_ALONE);
    let first = leave_out_what_there_is().and_then(|()| Area::in_use(ALIGNMENT));
    let outcome = if first.is_some() { KEPT } else { ORDINARY };
    // The first outcome holds.
    let _ = STATE.compare_exchange(BEING_MADE, outcome, Ordering::AcqRel, Ordering::Acquire);
    if STATE.load(Ordering::Acquire) == ORDINARY {
        set(&FROM_THE_SYSTEM);
    }
    if let Some(first) = first {
        first.lock_front();
        // Without it the heap grows later, or cannot.
        let _ = add(ALIGNMENT);
    }
}

fn was_made_by_another() -> bool {
    (0..PATIENCE).any(|_| {
        std::thread::yield_now();
        STATE.load(Ordering::Acquire) >= KEPT
    })
}

fn set(options: &[(mi::mi_option_t, c_long)]) {
    for (option, value) in options {
        // SAFETY: an option of this version, and a number that it can have.
        unsafe { mi::mi_option_set(*option, *value) };
    }
}

/// Leaves out of dumps what mimalloc has reserved when it was loaded, because the environment wants it so
/// (`MIMALLOC_RESERVE_OS_MEMORY`). `None` if the system refuses.
fn leave_out_what_there_is() -> Option<()> {
    for id in 1.. {
        let mut len = 0;
        // SAFETY: looks a number up, and writes to `len`.
        let start = unsafe { mi_arena_area(id, &raw mut len) };
        if start.is_null() {
            break;
        }
        advise(start, len, libc::MADV_DONTDUMP)?;
    }
    Some(())
}

/// Adds an area of at least so many bytes. Tries large ones first.
fn add(least: usize) -> Option<()> {
    let least = least.checked_next_multiple_of(ALIGNMENT)?;
    let mut size = usual_size().max(least);
    loop {
        if Area::in_use(size).is_some() {
            return Some(());
        }
        if size == least {
            return None;
        }
        size = aligned_down(size / 2).max(least);
    }
}

/// How large an area is, in bytes, if nothing larger is needed.
fn usual_size() -> usize {
    let limit = usize::try_from(limit(libc::RLIMIT_AS)).unwrap_or(usize::MAX);
    aligned_down(limit / AREAS_IN_LIMIT).clamp(ALIGNMENT, LARGEST)
}

fn aligned_down(size: usize) -> usize {
    size / ALIGNMENT * ALIGNMENT
}

fn limit(of: libc::__rlimit_resource_t) -> libc::rlim_t {
    let mut limit = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: writes a `rlimit` to memory of that type, or nothing.
    unsafe { libc::getrlimit(of, &raw mut limit) };
    limit.rlim_cur
}

fn advise(start: *mut c_void, len: usize, advice: i32) -> Option<()> {
    // SAFETY: the callers' mappings, of which neither advice changes the contents.
    let refused = unsafe { libc::madvise(start, len, advice) } != 0;
    (!refused).then_some(())
}

/// Address space, aligned, that no memory stands behind yet. It is given back, unless it is handed over.
struct Area {
    start: *mut c_void,
    len: usize,
    is_in_use: bool,
}

impl Area {
    /// One that mimalloc divides.
    fn in_use(len: usize) -> Option<Self> {
        Self::reserve(len).and_then(Self::hand_over)
    }

    fn reserve(len: usize) -> Option<Self> {
        let with_margin = len.checked_add(ALIGNMENT)?;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new anonymous mapping at an address of the kernel's choice touches nothing that exists.
        let mapped = unsafe { libc::mmap(ptr::null_mut(), with_margin, libc::PROT_NONE, flags, -1, 0) };
        if mapped == libc::MAP_FAILED {
            return None;
        }
        let margin = mapped.align_offset(ALIGNMENT);
        let area = Self {
            start: mapped.wrapping_byte_add(margin),
            len,
            is_in_use: false,
        };
        unmap(mapped, margin);
        unmap(area.start.wrapping_byte_add(len), ALIGNMENT - margin);
        advise(area.start, len, libc::MADV_DONTDUMP)?;
        // Huge pages would make a small heap large. A kernel that has none refuses, which is as good.
        let _ = advise(area.start, len, libc::MADV_NOHUGEPAGE);
        Some(area)
    }

    /// Has mimalloc divide it.
    fn hand_over(mut self) -> Option<Self> {
        let mut id = 0;
        // SAFETY: address space of ours alone, aligned as mimalloc wants it, that is never given back once it is taken.
        self.is_in_use = unsafe {
            mi::mi_manage_os_memory_ex(self.start, self.len, false, false, true, -1, false, &raw mut id)
        };
        self.is_in_use.then_some(self)
    }

    /// Has the pages at the front stay in memory once they are used, as far as the system lets as many again be locked
    /// afterwards. Best effort.
    fn lock_front(&self) {
        let mut len = LOCKED;
        while len >= LEAST_LOCKED {
            // SAFETY: addresses of ours alone; nothing is read or written.
            let is_locked = unsafe { libc::mlock2(self.start, 2 * len, libc::MLOCK_ONFAULT) } == 0;
            if is_locked {
                // SAFETY: as above.
                unsafe { libc::munlock(self.start.wrapping_byte_add(len), len) };
                return;
            }
            len /= 2;
        }
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        if !self.is_in_use {
            unmap(self.start, self.len);
        }
    }
}

fn unmap(start: *mut c_void, len: usize) {
    // SAFETY: the callers' own mapping, which nothing refers to. An empty one is refused.
    unsafe { libc::munmap(start, len) };
}

#[cfg(test)]
mod tests;
