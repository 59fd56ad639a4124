// SPDX-License-Identifier: MIT
//! Where aws-lc allocates: its numbers, keys and contexts are as secret as ours.

use std::ffi::{c_char, c_int, c_void};

use aws_lc_sys as sys;
use keyenclave_sys::heap;

/// Has aws-lc allocate from the library's own heap from now on. What it has allocated before goes back to where it came
/// from. Without effect after the first time.
pub fn use_secret_heap() {
    // SAFETY: three functions that work together, and with memory that came from the C library before; aws-lc notes
    // them the first time and refuses later ones.
    unsafe { sys::CRYPTO_set_mem_functions(Some(allocate), Some(resize), Some(release)) };
}

extern "C" fn allocate(size: usize, _: *const c_char, _: c_int) -> *mut c_void {
    heap::allocate(size)
}

unsafe extern "C" fn resize(memory: *mut c_void, size: usize, _: *const c_char, _: c_int) -> *mut c_void {
    // SAFETY: aws-lc hands over what it got from `allocate` or, before that was set, from `malloc`.
    unsafe { heap::resize(memory, size) }
}

unsafe extern "C" fn release(memory: *mut c_void, _: *const c_char, _: c_int) {
    // SAFETY: as above.
    unsafe { heap::release(memory) };
}
