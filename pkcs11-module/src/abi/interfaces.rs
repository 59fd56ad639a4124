// SPDX-License-Identifier: MIT
//! How an application finds the functions: `C_GetFunctionList`, `C_GetInterfaceList`, `C_GetInterface`.
//!
//! These work before `C_Initialize` and hand out constants. `CKF_INTERFACE_FORK_SAFE` is never claimed: a child has
//! to initialise (PKCS#11 3.2, section 5.4.6).

use std::ffi::CStr;
use std::ptr::from_ref;

use cryptoki_sys as ck;
use keyenclave_model::error::{Error, Result, Rv};

use super::bootstrap::{Given, Name};
use super::functions::{LIST_2_40, LIST_3_0, LIST_3_2};
use super::own;
use super::values::{OutputList, Place};

/// The name of the specification's own interfaces.
const STANDARD: &CStr = c"PKCS 11";

/// Something that C reads and nobody writes.
#[repr(transparent)]
struct Constant<T>(T);

// SAFETY: nothing in it is ever written: the pointers in it lead to statics without interior mutability.
unsafe impl<T> Sync for Constant<T> {}

/// The interfaces, the newest first and our own last: the first one that an application's wishes allow is the one that
/// it gets.
static INTERFACES: Constant<[ck::CK_INTERFACE; 4]> = Constant([
    interface(STANDARD, &LIST_3_2),
    interface(STANDARD, &LIST_3_0),
    interface(STANDARD, &LIST_2_40),
    interface(own::NAME, &own::FUNCTIONS),
]);

const fn interface<T>(name: &'static CStr, list: &'static T) -> ck::CK_INTERFACE {
    ck::CK_INTERFACE {
        pInterfaceName: name.as_ptr().cast::<ck::CK_UTF8CHAR>().cast_mut(),
        pFunctionList: from_ref(list).cast_mut().cast(),
        flags: 0,
    }
}

/// Names and versions of [`INTERFACES`], in the same order.
const KNOWN: [(&CStr, ck::CK_VERSION); 4] = [
    (STANDARD, LIST_3_2.version),
    (STANDARD, LIST_3_0.version),
    (STANDARD, LIST_2_40.version),
    (own::NAME, own::VERSION),
];

/// `C_GetFunctionList`: the functions of version 2.40, as every application knows them.
pub(crate) fn function_list(mut list: Place<'_, *mut ck::CK_FUNCTION_LIST>) -> Result<()> {
    list.check()?;
    list.set(from_ref(&LIST_2_40).cast_mut());
    Ok(())
}

/// `C_GetInterfaceList`.
pub(crate) fn interface_list(mut list: OutputList<'_, ck::CK_INTERFACE>) -> Result<()> {
    list.fill(&INTERFACES.0)
}

/// `C_GetInterface`.
pub(crate) fn interface_of(
    name: &Name<'_>,
    version: &Given<'_, ck::CK_VERSION>,
    mut found: Place<'_, *mut ck::CK_INTERFACE>,
    flags: ck::CK_FLAGS,
) -> Result<()> {
    found.check()?;
    let wanted = version.value();
    let fits = |(interface, (called, version)): &(&ck::CK_INTERFACE, &(&CStr, ck::CK_VERSION))| {
        let same = wanted.is_none_or(|wanted| (wanted.major, wanted.minor) == (version.major, version.minor));
        same && interface.flags & flags == flags && name.allows(called)
    };
    let interface = INTERFACES.0.iter().zip(&KNOWN).find(fits);
    let (interface, _) = interface.ok_or_else(|| {
        Error::new(
            Rv::FunctionFailed,
            "there is no interface of that name, version and flags",
        )
    })?;
    found.set(from_ref(interface).cast_mut());
    Ok(())
}
