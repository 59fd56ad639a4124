// SPDX-License-Identifier: MIT
//! Ownership of aws-lc's heap objects: one type, and one table row for each kind of object.

use crate::error::{Error, Result};
use aws_lc_sys as sys;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

/// A kind of object that aws-lc allocates, and the function that frees it.
///
/// # Safety
/// `free` must release an object of this kind completely, and the kind must tolerate being moved between threads
/// and being read by several at once.
pub(crate) unsafe trait Foreign: Sized {
    /// Frees `raw`.
    ///
    /// # Safety
    /// `raw` must be a live object that nothing else will use or free.
    unsafe fn free(raw: *mut Self);
}

/// An object of aws-lc that is freed when this goes out of scope. aws-lc wipes all memory that it frees.
pub(crate) struct Owned<T: Foreign>(NonNull<T>);

// SAFETY: `Foreign` promises that the kind is not bound to a thread.
unsafe impl<T: Foreign> Send for Owned<T> {}

// SAFETY: `&Owned` gives out only the address; each unsafe block that uses it says why its use is sound, and
// `Foreign` promises that concurrent reads are.
unsafe impl<T: Foreign> Sync for Owned<T> {}

impl<T: Foreign> Owned<T> {
    /// Takes ownership of what an aws-lc function returned; null is that function's failure.
    ///
    /// # Safety
    /// `raw` must be null or a live object that nothing else will free.
    pub(crate) unsafe fn adopt(raw: *mut T) -> Result<Self> {
        NonNull::new(raw).map(Self).ok_or_else(Error::library)
    }

    pub(crate) fn as_ptr(&self) -> *mut T {
        self.0.as_ptr()
    }

    /// Hands the object to a function that takes ownership.
    pub(crate) fn into_raw(self) -> *mut T {
        ManuallyDrop::new(self).as_ptr()
    }
}

impl<T: Foreign> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: `adopt` made this the only owner, and it is dropped once.
        unsafe { T::free(self.0.as_ptr()) }
    }
}

/// One row a kind: the type, how it is made empty, how it is freed.
///
/// `BIGNUM: BN_new, BN_clear_free;` gives `impl Foreign for BIGNUM` and `Owned::<BIGNUM>::new()`.
macro_rules! foreign {
    ($($kind:ident: $($new:ident)?, $free:ident;)+) => {$(
        // SAFETY: plain heap structures without thread affinity, freed by their own function; functions that take
        // them `const` do not write to them, reference counts are atomic, and what RSA caches is under its lock.
        unsafe impl Foreign for sys::$kind {
            unsafe fn free(raw: *mut Self) {
                // SAFETY: the caller owns `raw`.
                unsafe { sys::$free(raw) }
            }
        }

        $(impl Owned<sys::$kind> {
            /// An empty object.
            pub(crate) fn new() -> Result<Self> {
                // SAFETY: no arguments.
                let raw = unsafe { sys::$new() };
                // SAFETY: fresh from its constructor, so nobody else owns it.
                unsafe { Self::adopt(raw) }
            }
        })?
    )+};
}

foreign! {
    BIGNUM: BN_new, BN_clear_free;
    BN_CTX: BN_CTX_new, BN_CTX_free;
    RSA: RSA_new, RSA_free;
    EC_KEY: , EC_KEY_free;
    EC_POINT: , EC_POINT_clear_free;
    ECDSA_SIG: ECDSA_SIG_new, ECDSA_SIG_free;
    EVP_PKEY: EVP_PKEY_new, EVP_PKEY_free;
    EVP_PKEY_CTX: , EVP_PKEY_CTX_free;
    EVP_AEAD_CTX: , EVP_AEAD_CTX_free;
    EVP_MD_CTX: EVP_MD_CTX_new, EVP_MD_CTX_free;
    HMAC_CTX: HMAC_CTX_new, HMAC_CTX_free;
    CMAC_CTX: CMAC_CTX_new, CMAC_CTX_free;
    EVP_CIPHER_CTX: EVP_CIPHER_CTX_new, EVP_CIPHER_CTX_free;
}
