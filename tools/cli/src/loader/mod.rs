// SPDX-License-Identifier: MIT
//! The PKCS#11 module, loaded as any client loads it. The one place of this program with unsafe code.
//!
//! Each function of the module has a safe method here that takes slices and returns values; what the calls mean is
//! told elsewhere ([`token`](crate::token)).
#![allow(unsafe_code, reason = "calling C is what this is for")]

#[macro_use]
mod call;

mod arguments;
mod objects;
mod operations;
mod own;
mod refusal;
mod sessions;
mod slots;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::ptr::null_mut;

use cryptoki_sys as ck;
use keyenclave_module::abi::own::Functions;
use libloading::{Library, Symbol};

pub use self::arguments::{Attribute, Mechanism, Parameter};
#[cfg(test)]
pub use self::refusal::Told;
pub use self::refusal::{Refusal, Returned};
use crate::failure::Failure;

/// A loaded module.
pub struct Module {
    functions: ck::CK_FUNCTION_LIST,
    /// KeyEnclave's own functions, where the module has them.
    own: Option<Functions>,
    /// Where it was found.
    pub path: PathBuf,
    /// Kept loaded for as long as the functions may be called.
    _library: Library,
}

impl Module {
    /// Loads the library at `path`, without initialising it.
    ///
    /// # Errors
    /// A [`Failure`] when it is not a shared library with PKCS#11's entry point.
    pub fn load(path: &Path) -> Result<Self, Failure> {
        // SAFETY: the initialisers of whatever the user names are run; that is what naming a module means.
        let library = unsafe { Library::new(path) }.map_err(|error| Failure::not_loadable(path, &error))?;
        type GetFunctionList = unsafe extern "C" fn(*mut *mut ck::CK_FUNCTION_LIST) -> ck::CK_RV;
        // SAFETY: PKCS#11 fixes the type of the function with this name.
        let symbol: Result<Symbol<'_, GetFunctionList>, _> = unsafe { library.get(b"C_GetFunctionList\0") };
        let get_list = *symbol.map_err(|error| Failure::not_loadable(path, &error))?;
        let mut list = null_mut();
        // SAFETY: the argument is a place for one pointer.
        let rv = unsafe { get_list(&raw mut list) };
        // SAFETY: the module returned it as the address of its function list, which is constant; or it is null.
        let functions = unsafe { list.as_ref() }.filter(|_| rv == ck::CKR_OK);
        let functions = *functions.ok_or_else(|| Failure::not_loadable(path, &"C_GetFunctionList failed"))?;
        let own = own::functions(&library);
        Ok(Self {
            functions,
            own,
            path: path.to_owned(),
            _library: library,
        })
    }

    /// Whether it is KeyEnclave's.
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }
}
