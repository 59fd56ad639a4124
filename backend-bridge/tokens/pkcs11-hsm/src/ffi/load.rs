// SPDX-License-Identifier: MIT
//! From the path of a shared library to its functions.

use std::ffi::{CStr, c_void};
use std::os::raw::{c_char, c_int};
use std::path::{Path, PathBuf};
use std::ptr::{null, null_mut};

use cryptoki_sys as ck;
use libloading::os::unix;

use super::Module;

/// Why a shared library cannot be used.
#[derive(Debug)]
pub(crate) enum LoadError {
    /// The system's loader refused it, in its own words.
    Loader(String),
    /// It has neither `C_GetInterface` nor `C_GetFunctionList`.
    NoFunctions,
    /// It is this very product.
    Ourselves,
}

/// The name of the interface that this product alone offers.
const OWN_INTERFACE: &CStr = c"KeyEnclave";
const STANDARD_INTERFACE: &CStr = c"PKCS 11";

impl Module {
    /// Loads the shared library and takes its best function list.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let flags = unix::RTLD_LAZY | unix::RTLD_LOCAL | own_names_first();
        // SAFETY: loading runs the library's initialisers; the user named this module for that very purpose.
        let library = unsafe { unix::Library::open(Some(path), flags) };
        let library: libloading::Library = library
            .map_err(|error| LoadError::Loader(error.to_string()))?
            .into();
        // Modules leave threads and exit handlers behind: none is ever unloaded.
        let library: &'static libloading::Library = Box::leak(Box::new(library));
        if offers(library, OWN_INTERFACE) {
            return Err(LoadError::Ourselves);
        }
        best_interface(library)
            .or_else(|| function_list(library))
            .ok_or(LoadError::NoFunctions)
    }
}

/// What has the loader give a module its own functions: where the process has a `C_Initialize` that all can see (the
/// program is linked with this product, or its runtime loads libraries so, as Mono does), the table of a module that
/// calls its functions by name would hold that one's instead. Not asked for elsewhere, since sanitizers refuse it.
#[cfg(target_env = "gnu")]
fn own_names_first() -> c_int {
    let seen = unix::Library::this();
    // SAFETY: the address is looked at, not called or read.
    let found = unsafe { seen.get::<*const ()>(b"C_Initialize\0") };
    if found.is_ok() { libc::RTLD_DEEPBIND } else { 0 }
}

/// Only the loader of the GNU system can be asked to.
#[cfg(not(target_env = "gnu"))]
fn own_names_first() -> c_int {
    0
}

type GetInterface = unsafe extern "C" fn(
    *mut ck::CK_UTF8CHAR,
    *mut ck::CK_VERSION,
    *mut *mut ck::CK_INTERFACE,
    ck::CK_FLAGS,
) -> ck::CK_RV;

/// What the library's `C_GetInterface` gives for a name, and for a version if one is asked for. The whole list of its
/// interfaces is never asked for: OpenSC's pkcs11-spy does not survive that before an older module.
fn interface(
    library: &libloading::Library,
    name: &CStr,
    version: Option<&mut ck::CK_VERSION>,
) -> Option<ck::CK_INTERFACE> {
    // SAFETY: the specification gives the function of this name this type.
    let get = unsafe { library.get::<GetInterface>(b"C_GetInterface\0") }.ok()?;
    let mut interface: *mut ck::CK_INTERFACE = null_mut();
    let named = name.as_ptr().cast_mut().cast();
    let version = version.map_or(null_mut(), std::ptr::from_mut);
    // SAFETY: the name ends with a zero byte and no function writes to it; the rest are places of ours, or null where
    // any version will do.
    let raw = unsafe { get(named, version, &raw mut interface, 0) };
    if raw != ck::CKR_OK || interface.is_null() {
        return None;
    }
    // SAFETY: not null, and the specification has an interface there that lives as long as the library.
    Some(unsafe { interface.read() })
}

/// `true` if the library has an interface of this name.
fn offers(library: &libloading::Library, name: &CStr) -> bool {
    let Some(interface) = interface(library, name, None) else {
        return false;
    };
    let given = interface.pInterfaceName.cast::<c_char>();
    if given.is_null() {
        return false;
    }
    // Some give what they have, whatever the name.
    // SAFETY: the specification has a string there that ends with a zero byte and lives as long as the library.
    unsafe { CStr::from_ptr(given) == name }
}

/// The newest standard interface of `C_GetInterface` that is understood.
fn best_interface(library: &libloading::Library) -> Option<Module> {
    [(3, 2), (3, 0)].into_iter().find_map(|(major, minor)| {
        let mut version = ck::CK_VERSION { major, minor };
        let interface = interface(library, STANDARD_INTERFACE, Some(&mut version))?;
        copy_list(interface.pFunctionList.cast_const())
    })
}

/// What `C_GetFunctionList` gives.
fn function_list(library: &libloading::Library) -> Option<Module> {
    type Get = unsafe extern "C" fn(*mut *mut ck::CK_FUNCTION_LIST) -> ck::CK_RV;
    // SAFETY: the specification gives the function of this name this type.
    let get = unsafe { library.get::<Get>(b"C_GetFunctionList\0") }.ok()?;
    let mut list: *mut ck::CK_FUNCTION_LIST = null_mut();
    // SAFETY: the place is ours.
    let raw = unsafe { get(&raw mut list) };
    (raw == ck::CKR_OK)
        .then(|| copy_list(list.cast_const().cast()))
        .flatten()
}

/// Copies as many functions as a list of this version has: the lists of all versions begin alike.
fn copy_list(list: *const c_void) -> Option<Module> {
    if list.is_null() {
        return None;
    }
    // SAFETY: not null, and every function list begins with its version.
    let version = unsafe { list.cast::<ck::CK_VERSION>().read() };
    let size = match (version.major, version.minor) {
        (2, _) => size_of::<ck::CK_FUNCTION_LIST>(),
        (3, 0 | 1) => size_of::<ck::CK_FUNCTION_LIST_3_0>(),
        (3, _) => size_of::<ck::CK_FUNCTION_LIST_3_2>(),
        _ => return None,
    };
    let mut copy = ck::CK_FUNCTION_LIST_3_2::default();
    let to = (&raw mut copy).cast::<u8>();
    // SAFETY: a list of this version has that many bytes, and the copy, which begins alike, at least as many.
    unsafe { std::ptr::copy_nonoverlapping(list.cast::<u8>(), to, size) };
    Some(Module {
        list: copy,
        version: (version.major, version.minor),
    })
}

/// The file that this code was loaded from: the shared library, or the program that it is linked into.
pub(crate) fn own_file() -> Option<PathBuf> {
    let mut info = libc::Dl_info {
        dli_fname: null(),
        dli_fbase: null_mut(),
        dli_sname: null(),
        dli_saddr: null_mut(),
    };
    // SAFETY: any address may be asked for; the answer goes to a place of ours.
    let found = unsafe { libc::dladdr(own_file as *const c_void, &raw mut info) };
    if found == 0 || info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: dladdr found it, so there is a string there that lives as long as the library.
    let name = unsafe { CStr::from_ptr(info.dli_fname) };
    name.to_str().ok().map(PathBuf::from)
}
