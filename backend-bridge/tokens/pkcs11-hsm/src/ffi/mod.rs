// SPDX-License-Identifier: MIT
//! The vendor's C functions, called safely: the only directory of this crate with `unsafe` in it.
//!
//! A [`Module`] is a copy of the best function list that a shared library offers. The copy has the shape of version
//! 3.2; what the vendor's list is too old for is absent there and answers `CKR_FUNCTION_NOT_SUPPORTED`. Every method
//! is one row: the function, and its arguments made of safe values. Lengths that the vendor reports are never trusted:
//! they are compared with the memory that was lent.
//!
//! Parameters of mechanisms hold pointers of the application's, which the C caller owes to keep good while its call
//! lasts (PKCS#11 3.2, section 5). They are passed on as they are, and followed in [`memory`] alone.

use std::ptr::null_mut;

use cryptoki_sys as ck;
use keyenclave_model::error::Rv;

/// Calls a function by its name in the list, or one that was looked up in it; `CKR_FUNCTION_NOT_SUPPORTED` where the
/// list has none.
macro_rules! call {
    ($module:expr, $function:ident($($argument:expr),* $(,)?)) => {
        call!($module.list.$function, ($($argument),*))
    };
    ($function:expr, ($($argument:expr),* $(,)?)) => {{
        let function = $function.ok_or($crate::ffi::Rv::FunctionNotSupported)?;
        // SAFETY: the function is the vendor's own of this name and type (those of one column of a table have one
        // type); every pointer comes from a reference or slice that outlives the call, with its length beside it, or
        // is null where the specification allows it.
        let raw = unsafe { function($($argument),*) };
        $crate::ffi::answer(raw)
    }};
}

#[cfg(test)]
mod child;
mod keys;
mod load;
mod memory;
mod messages;
mod objects;
mod operations;
mod sessions;
mod slots;

#[cfg(test)]
pub(crate) use child::in_child;
pub(crate) use load::{LoadError, own_file};
pub(crate) use memory::{append, differs, follow, hand_back};

/// What a vendor's function answers.
pub(crate) type Answer<T> = Result<T, Rv>;
/// A session of the vendor's.
pub(crate) type Session = ck::CK_SESSION_HANDLE;
/// An object of the vendor's.
pub(crate) type Handle = ck::CK_OBJECT_HANDLE;

/// A mechanism as it goes over to the vendor: its parameter is flat, with the application's pointers in it.
#[derive(Clone, Copy)]
pub(crate) struct Mech<'a> {
    pub id: ck::CK_MECHANISM_TYPE,
    pub parameter: Option<&'a [u8]>,
}

impl Mech<'_> {
    fn raw(&self) -> ck::CK_MECHANISM {
        let parameter = self.parameter.unwrap_or_default();
        ck::CK_MECHANISM {
            mechanism: self.id,
            pParameter: match self.parameter {
                Some(bytes) => bytes.as_ptr().cast_mut().cast(),
                None => null_mut(),
            },
            ulParameterLen: parameter.len() as ck::CK_ULONG,
        }
    }
}

/// A loaded module's functions. The library stays loaded until the process ends.
pub(crate) struct Module {
    list: ck::CK_FUNCTION_LIST_3_2,
    version: (u8, u8),
}

impl Module {
    /// The version of the function list.
    pub fn version(&self) -> (u8, u8) {
        self.version
    }

    /// Tells this module from others, also in a child process: the address of its `C_Initialize`.
    pub fn identity(&self) -> usize {
        self.list.C_Initialize.map_or(0, |function| function as usize)
    }
}

fn answer(raw: ck::CK_RV) -> Answer<()> {
    Rv::from_raw(raw).map_or(Ok(()), Err)
}
