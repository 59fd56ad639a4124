// SPDX-License-Identifier: MIT
//! That no memory of the heap is in a dump, under whatever limits and variables the host runs.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::heap::{allocate, release};
use crate::secret::SecretBuf;
use keyenclave_conformance::case::{as_part, finish, in_own_process, part, skipped};
use std::time::Duration;

/// Whether the mapping that holds an address has a flag (`VmFlags` of `/proc/self/smaps`).
fn has_flag(address: usize, flag: &str) -> bool {
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let mut inside = false;
    for line in maps.lines() {
        if let Some((start, end)) = line.split(' ').next().and_then(|range| range.split_once('-'))
            && let (Ok(start), Ok(end)) = (usize::from_str_radix(start, 16), usize::from_str_radix(end, 16))
        {
            inside = (start..end).contains(&address);
        } else if inside && line.starts_with("VmFlags") {
            return line.split(' ').any(|set| set == flag);
        }
    }
    false
}

/// A number of KiB in `/proc/self/status`, in bytes.
fn status(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let number = line.trim_matches(|c: char| !c.is_ascii_digit());
    number.parse::<usize>().unwrap() << 10
}

fn set_limit(of: libc::__rlimit_resource_t, to: usize) {
    let limit = libc::rlimit {
        rlim_cur: to as libc::rlim_t,
        rlim_max: to as libc::rlim_t,
    };
    // SAFETY: reads a `rlimit`.
    assert_eq!(unsafe { libc::setrlimit(of, &raw const limit) }, 0);
}

/// Takes memory in blocks of a size until it is so much, in bytes; all of it must be left out of dumps.
fn fill(size: usize, total: usize) {
    for taken in (0..total).step_by(size) {
        let memory = allocate(size);
        assert!(!memory.is_null(), "after {taken} bytes");
        assert!(has_flag(memory.addr(), "dd"), "{size} bytes after {taken}");
    }
    assert!(is_kept_from_dumps());
}

/// Runs a test in a process with a variable in its environment from the beginning.
fn with_variable(name: &str, value: &str, body: impl FnOnce()) {
    if part().is_some() {
        return body();
    }
    let mut command = as_part("with a variable");
    command.env(name, value);
    finish(command, Duration::from_secs(60)).unwrap();
}

#[test]
fn what_is_allocated_is_left_out_of_core_dumps() {
    for size in [1, 100, 5_000, 100_000, 50 << 20] {
        let memory = allocate(size);
        assert!(has_flag(memory.addr(), "dd"), "{size} bytes");
        // SAFETY: allocated above.
        unsafe { release(memory) };
    }
    assert!(is_kept_from_dumps());
}

#[test]
fn a_heap_in_little_address_space_grows_in_parts_that_are_left_out() {
    in_own_process(|| {
        let spare = 1 << 30;
        set_limit(libc::RLIMIT_AS, status("VmSize:") + spare);
        fill(1 << 20, 400 << 20);
        fill(40 << 20, 200 << 20);
        // Of what the limit leaves, the host has the most.
        let used = 900 << 20;
        // SAFETY: any size can be asked for.
        assert!(!unsafe { libc::malloc(spare - used) }.is_null());
    });
}

#[test]
fn a_heap_that_is_out_of_address_space_gives_none_and_can_go_on() {
    in_own_process(|| {
        set_limit(libc::RLIMIT_AS, status("VmSize:") + (200 << 20));
        fill(1 << 20, 50 << 20);
        assert!(allocate(500 << 20).is_null());
        fill(1 << 10, 1 << 20);
    });
}

#[test]
fn variables_of_the_host_put_no_memory_elsewhere() {
    in_own_process(|| {
        with_variable("MIMALLOC_DISALLOW_ARENA_ALLOC", "1", || fill(1 << 20, 100 << 20));
    });
}

#[test]
fn memory_that_a_variable_reserved_is_left_out_as_well() {
    in_own_process(|| {
        with_variable("MIMALLOC_RESERVE_OS_MEMORY", "256MiB", || {
            fill(1 << 20, 400 << 20)
        });
    });
}

#[test]
fn a_child_that_was_forked_during_the_reservation_makes_its_own() {
    in_own_process(|| {
        STATE.store(BEING_MADE, Ordering::Release);
        fill(1 << 10, 1 << 20);
        // What whoever was at it would say afterwards.
        let late = STATE.compare_exchange(BEING_MADE, ORDINARY, Ordering::AcqRel, Ordering::Acquire);
        assert_eq!(late, Err(KEPT));
    });
}

#[test]
fn threads_that_come_at_once_all_get_memory_that_is_left_out() {
    in_own_process(|| {
        std::thread::scope(|threads| {
            for _ in 0..16 {
                threads.spawn(|| fill(1 << 10, 64 << 10));
            }
        });
    });
}

#[test]
fn an_area_that_is_not_taken_is_given_back() {
    let area = Area::reserve(ALIGNMENT).unwrap();
    let start = area.start.addr();
    assert!(has_flag(start, "dd"));
    // mimalloc takes none that is smaller than this.
    let refused = Area {
        len: 4096,
        ..area_of(area)
    };
    assert!(refused.hand_over().is_none());
    assert!(!has_flag(start, "dd"));
}

/// An area's fields, to be changed: the area itself gives nothing back.
fn area_of(area: Area) -> Area {
    let (start, len) = (area.start, area.len);
    std::mem::forget(area);
    Area {
        start,
        len,
        is_in_use: false,
    }
}

#[test]
fn little_is_locked_whoever_the_process_belongs_to() {
    in_own_process(|| {
        fill(1 << 20, 32 << 20);
        assert!(status("VmLck:") <= LOCKED);
    });
}

#[test]
fn memory_that_was_used_once_goes_back_to_the_system() {
    in_own_process(|| {
        let used: usize = 256 << 20;
        let blocks: Vec<_> = (0..used >> 20)
            .map(|_| {
                let memory = allocate(1 << 20);
                // SAFETY: as many bytes were asked for.
                unsafe { memory.cast::<u8>().write_bytes(1, 1 << 20) };
                memory
            })
            .collect();
        let most = status("VmRSS:");
        for memory in blocks {
            // SAFETY: allocated above.
            unsafe { release(memory) };
        }
        // SAFETY: nothing in use is touched.
        unsafe { mi::mi_collect(true) };
        assert!(status("VmRSS:") < most - used / 2);
    });
}

#[test]
fn the_heap_leaves_room_for_the_pages_of_the_root_keys() {
    in_own_process(|| {
        // SAFETY: it has no preconditions.
        let is_root = unsafe { libc::geteuid() } == 0;
        fill(1 << 10, 1 << 20);
        set_limit(libc::RLIMIT_MEMLOCK, 8 << 20);
        if is_root {
            // Whoever gives up the right to lock as much as they like keeps what is locked.
            // SAFETY: it has no preconditions, and this process has no other thread that matters.
            assert_eq!(unsafe { libc::setuid(65534) }, 0);
        }
        let secrets: Vec<_> = (0..100).map(|_| SecretBuf::zeroed(32).unwrap()).collect();
        assert!(secrets.iter().all(SecretBuf::is_locked));
    });
}

#[test]
fn the_heap_locks_no_more_than_it_leaves() {
    in_own_process(|| {
        // SAFETY: it has no preconditions.
        if unsafe { libc::geteuid() } != 0 {
            let name = "heap::area::tests::the_heap_locks_no_more_than_it_leaves";
            return skipped(name, "only root can become a user with a certain limit");
        }
        let limit: usize = 64 << 10;
        set_limit(libc::RLIMIT_MEMLOCK, limit);
        // SAFETY: it has no preconditions, and this process has no other thread that matters.
        assert_eq!(unsafe { libc::setuid(65534) }, 0);
        let memory = allocate(1);
        assert!(has_flag(memory.addr(), "lo") || status("VmLck:") > 0);
        let locked = status("VmLck:");
        assert!(locked <= limit / 2, "{locked}");
        assert!(SecretBuf::zeroed(32).unwrap().is_locked());
    });
}
