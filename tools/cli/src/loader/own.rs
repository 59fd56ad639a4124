// SPDX-License-Identifier: MIT
//! KeyEnclave's own functions, which say more than PKCS#11 can. Other modules have none.

use std::ptr::null_mut;

use cryptoki_sys as ck;
use keyenclave_module::abi::own;
use libloading::{Library, Symbol};

use super::Module;
use super::arguments::output;
use super::refusal::{Refusal, Returned, Told};

impl Module {
    /// Whether what is behind a slot's token would do its work now; `None` where the module cannot be asked.
    pub fn check_slot(&self, slot: ck::CK_SLOT_ID) -> Option<Returned<()>> {
        let own = self.own?;
        // SAFETY: the function is the loaded module's, which `self` keeps loaded; it takes no memory.
        let rv = unsafe { (own.check_slot)(slot) };
        let refused = || Err(self.refused("check_slot", rv));
        Some(if rv == ck::CKR_OK { Ok(()) } else { refused() })
    }

    /// A function's refusal, with what the module tells of it on this thread.
    pub(super) fn refused(&self, function: &'static str, rv: ck::CK_RV) -> Refusal {
        let told = self.own.map(|own| Told {
            message: tell(&own, own::Part::Message),
            reason: tell(&own, own::Part::Reason),
            request_id: tell(&own, own::Part::RequestId),
            advice: tell(&own, own::Part::Advice),
        });
        let told = told.filter(|told| *told != Told::default()).map(Box::new);
        Refusal { function, rv, told }
    }
}

/// KeyEnclave's own functions, if the library is KeyEnclave's.
pub(super) fn functions(library: &Library) -> Option<own::Functions> {
    type GetInterface = unsafe extern "C" fn(
        *const ck::CK_UTF8CHAR,
        *mut ck::CK_VERSION,
        *mut *mut ck::CK_INTERFACE,
        ck::CK_FLAGS,
    ) -> ck::CK_RV;
    // SAFETY: PKCS#11 3.0 fixes the type of the function with this name.
    let symbol: Result<Symbol<'_, GetInterface>, _> = unsafe { library.get(b"C_GetInterface\0") };
    let get_interface = *symbol.ok()?;
    let mut version = own::VERSION;
    let mut interface = null_mut();
    // SAFETY: name, version and the place for the pointer outlive the call.
    let rv = unsafe { get_interface(own::NAME.as_ptr().cast(), &raw mut version, &raw mut interface, 0) };
    // SAFETY: the module returned it as the address of an interface, which is constant; or it is null.
    let interface = unsafe { interface.as_ref() }.filter(|_| rv == ck::CKR_OK)?;
    let functions: *const own::Functions = interface.pFunctionList.cast();
    // SAFETY: an interface of this name and version is a constant structure of this type.
    unsafe { functions.as_ref() }.copied()
}

/// One part of what the module tells of the last failure.
fn tell(own: &own::Functions, part: own::Part) -> String {
    /// No sentence of the module is longer, in bytes.
    const ROOM: usize = 16_384;
    let text = output(ROOM, |text, len| {
        // SAFETY: the function is the loaded module's; `text` has room for `len` bytes, and both outlive the call.
        let rv = unsafe { (own.last_failure)(part as ck::CK_ULONG, text, len) };
        if rv == ck::CKR_OK {
            Ok(())
        } else {
            Err(Refusal::bare("last_failure", rv))
        }
    });
    String::from_utf8_lossy(&text.unwrap_or_default()).into_owned()
}
