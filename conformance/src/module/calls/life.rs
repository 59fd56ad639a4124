// SPDX-License-Identifier: MIT
//! `C_Initialize` and `C_Finalize`.

use crate::module::Module;
use crate::{Rv, tested};
use cryptoki_sys::*;
use std::ffi::CStr;
use std::ptr::null_mut;

/// Which mutex functions `C_Initialize` is given.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mutexes {
    /// None.
    No,
    /// Only the one that makes a mutex: an argument error.
    Some,
    /// All four.
    All,
}

/// What `C_Initialize` is given.
#[derive(Clone, Copy)]
pub enum Init {
    /// A null pointer.
    Null,
    /// `CK_C_INITIALIZE_ARGS`.
    Args {
        /// `CKF_OS_LOCKING_OK`, `CKF_LIBRARY_CANT_CREATE_OS_THREADS`.
        flags: CK_FLAGS,
        /// The mutex functions.
        mutexes: Mutexes,
        /// Whether `pReserved` points to something that the module does not know; to what it asks for otherwise.
        reserved: bool,
    },
}

unsafe extern "C" fn create_mutex(_mutex: *mut *mut std::ffi::c_void) -> CK_RV {
    CKR_OK
}

unsafe extern "C" fn use_mutex(_mutex: *mut std::ffi::c_void) -> CK_RV {
    CKR_OK
}

impl Module {
    /// `C_Initialize`.
    pub fn initialize(&self, init: Init) -> Rv {
        let Init::Args {
            flags,
            mutexes,
            reserved,
        } = init
        else {
            return call!(self, C_Initialize(null_mut()));
        };
        let known = tested::text();
        let mut unknown = *b"something that the module does not know";
        let all = mutexes == Mutexes::All;
        let mut args = CK_C_INITIALIZE_ARGS {
            CreateMutex: (mutexes != Mutexes::No).then_some(create_mutex as _),
            DestroyMutex: all.then_some(use_mutex as _),
            LockMutex: all.then_some(use_mutex as _),
            UnlockMutex: all.then_some(use_mutex as _),
            flags,
            pReserved: if reserved {
                unknown.as_mut_ptr().cast()
            } else {
                known
                    .as_ref()
                    .map_or(null_mut(), |text| text.as_ptr().cast_mut().cast())
            },
        };
        call!(self, C_Initialize((&raw mut args).cast()))
    }

    /// `C_Initialize` for several threads, with a text in `pReserved`: NSS takes its parameters so.
    pub fn initialize_with(&self, text: &CStr) -> Rv {
        let mut args = CK_C_INITIALIZE_ARGS {
            flags: CKF_OS_LOCKING_OK,
            pReserved: text.as_ptr().cast_mut().cast(),
            ..Default::default()
        };
        call!(self, C_Initialize((&raw mut args).cast()))
    }

    /// `C_Finalize`, with `pReserved` null or not.
    pub fn finalize(&self, reserved: bool) -> Rv {
        let mut byte = 0u8;
        let pointer: *mut u8 = if reserved { &raw mut byte } else { null_mut() };
        call!(self, C_Finalize(pointer.cast()))
    }
}
