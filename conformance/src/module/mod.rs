// SPDX-License-Identifier: MIT
//! Any PKCS#11 module, loaded by path and called through its function list, as applications do.
//!
//! Thin on purpose: a test sees what C would. Every return value is held to the specification's list for its function.
//! The foreign calls, and with them all `unsafe` of this crate, are in this directory; the values a test passes
//! ([`In`], [`Out`], [`Attr`], [`Mech`]) can be hostile to the module, but not unsound on our side.
#![allow(unsafe_code)]

mod asynchronous;
mod buffer;
mod calls;
mod encapsulation;
mod mechanism;
mod nested;
mod structure;
mod template;

pub use asynchronous::{Started, Waiting};
pub use buffer::{In, Out, Written};
pub use calls::{Init, Mutexes};
pub use mechanism::Mech;
pub use nested::{Kept, Member};
pub use structure::{Field, Room, Structure};
pub use template::{Attr, Want, bytes, flag, flags, huge, null, number};

use crate::{Rv, returns};
use cryptoki_sys::*;
use std::path::Path;
use std::ptr::null_mut;

/// A loaded module. Dropping it unloads the library.
pub struct Module {
    list: CK_FUNCTION_LIST,
    list_3_2: Option<CK_FUNCTION_LIST_3_2>,
    library: libloading::Library,
}

impl Module {
    /// Loads the library at `path` and fetches its function lists. Panics with the reason if that fails.
    pub fn load(path: &Path) -> Self {
        // SAFETY: the library is a PKCS#11 module that the person who runs the tests named; its initialisers are its own.
        let library = unsafe { libloading::Library::new(path) };
        let library = library.unwrap_or_else(|error| panic!("loading {}: {error}", path.display()));
        let list = function_list(&library);
        let list_3_2 = interface_3_2(&library);
        Self {
            list,
            list_3_2,
            library,
        }
    }

    /// The function list of version 3.2, where the module has one.
    pub fn list_3_2(&self) -> Option<&CK_FUNCTION_LIST_3_2> {
        self.list_3_2.as_ref()
    }

    /// Whether the library exports `name`.
    pub fn exports(&self, name: &str) -> bool {
        // SAFETY: the symbol is only looked up, never called, so its type does not matter.
        unsafe { self.library.get::<*const ()>(name.as_bytes()) }.is_ok()
    }

    /// Holds `rv` to what the specification lets `function` return.
    fn seen(&self, function: &str, rv: CK_RV) -> Rv {
        let rv = Rv(rv);
        if rv == CKR_FUNCTION_NOT_SUPPORTED {
            returns::note_unsupported(function);
        }
        // Any function may return `CKR_OK`: benchmarks do not pay for the look-up.
        assert!(
            rv == Rv::OK || returns::allowed(function, rv),
            "{function} may not return {rv:?}"
        );
        rv
    }
}

fn function_list(library: &libloading::Library) -> CK_FUNCTION_LIST {
    type Entry = unsafe extern "C" fn(*mut *mut CK_FUNCTION_LIST) -> CK_RV;
    // SAFETY: every PKCS#11 module exports this name with this type (specification, C_GetFunctionList).
    let entry = unsafe { library.get::<Entry>(b"C_GetFunctionList\0") };
    let entry = entry.unwrap_or_else(|error| panic!("{error}"));
    let mut list: *mut CK_FUNCTION_LIST = null_mut();
    // SAFETY: the argument is a valid pointer to a pointer.
    let rv = unsafe { entry(&raw mut list) };
    assert_eq!(Rv(rv), Rv::OK, "C_GetFunctionList");
    assert!(!list.is_null(), "C_GetFunctionList gave a null list");
    // SAFETY: the module returned CKR_OK, so the pointer is to its list, which lives as long as the library.
    unsafe { *list }
}

fn interface_3_2(library: &libloading::Library) -> Option<CK_FUNCTION_LIST_3_2> {
    type Entry =
        unsafe extern "C" fn(*mut CK_UTF8CHAR, *mut CK_VERSION, *mut *mut CK_INTERFACE, CK_FLAGS) -> CK_RV;
    // SAFETY: a module of version 3 exports this name with this type (specification, C_GetInterface).
    let entry = unsafe { library.get::<Entry>(b"C_GetInterface\0") }.ok()?;
    let mut version = CK_VERSION { major: 3, minor: 2 };
    let mut interface: *mut CK_INTERFACE = null_mut();
    let name = c"PKCS 11".as_ptr().cast_mut().cast();
    // SAFETY: name and version live through the call, and the third argument is a valid pointer to a pointer.
    let rv = unsafe { entry(name, &raw mut version, &raw mut interface, 0) };
    if rv != CKR_OK {
        return None;
    }
    // SAFETY: after CKR_OK the pointer is to the module's interface, which lives as long as the library.
    let list: *const CK_FUNCTION_LIST_3_2 = unsafe { (*interface).pFunctionList }.cast();
    // SAFETY: the interface named "PKCS 11" of version 3.2 carries a list of that version.
    Some(unsafe { *list })
}

#[cfg(test)]
mod tests {
    use super::*;

    unsafe extern "C" fn impossible(_info: *mut CK_INFO) -> CK_RV {
        CKR_PIN_INCORRECT
    }

    unsafe extern "C" fn unsupported(_info: *mut CK_INFO) -> CK_RV {
        CKR_FUNCTION_NOT_SUPPORTED
    }

    fn module_with(function: unsafe extern "C" fn(*mut CK_INFO) -> CK_RV) -> Module {
        Module {
            list: CK_FUNCTION_LIST {
                C_GetInfo: Some(function),
                ..Default::default()
            },
            list_3_2: None,
            library: libloading::os::unix::Library::this().into(),
        }
    }

    #[test]
    #[should_panic(expected = "C_GetInfo may not return CKR_PIN_INCORRECT")]
    fn a_module_that_returns_what_a_function_cannot_is_caught() {
        let _ = module_with(impossible).info();
    }

    #[test]
    fn a_function_that_is_not_supported_is_remembered() {
        assert!(module_with(unsupported).info().is_err());
        assert!(returns::is_unsupported("C_GetInfo"));
        assert!(!returns::is_unsupported("C_GetTokenInfo"));
    }
}
