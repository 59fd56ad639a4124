// SPDX-License-Identifier: MIT
//! libkeyenclave_pkcs11: the shared library of KeyEnclave.
//!
//! A crate of its own because a crate that is both a shared library and a Rust library loses link-time optimisation.
//! There is nothing in it but the choice of an allocator: naming the functions is what has the linker export them.

pub use keyenclave_module::abi::functions::*;

#[cfg(feature = "secret-heap")]
#[global_allocator]
static HEAP: keyenclave_sys::heap::SecretHeap = keyenclave_sys::heap::SecretHeap;
