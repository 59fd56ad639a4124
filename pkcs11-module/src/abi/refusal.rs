// SPDX-License-Identifier: MIT
//! Handlers of the functions that do nothing: they check the handle, as every function does, and say no.

use cryptoki_sys as ck;
use keyenclave_model::error::{Result, Rv};
use keyenclave_model::token::SessionId;

use crate::library::Library;

/// A function of a session that is not supported.
pub(crate) fn in_session(library: &Library, session: SessionId) -> Result<()> {
    library.check_session(session)?;
    Err(Rv::FunctionNotSupported.into())
}

/// `C_GetFunctionStatus` and `C_CancelFunction`, which are left over from version 1 (PKCS#11 3.2, section 5.20).
pub(crate) fn not_parallel(library: &Library, session: SessionId) -> Result<()> {
    library.check_session(session)?;
    Err(Rv::FunctionNotParallel.into())
}

/// Used by rows of functions that take a slot and are not supported.
#[allow(dead_code, reason = "there is no such function at present")]
pub(crate) fn in_slot(library: &Library, slot: ck::CK_SLOT_ID) -> Result<()> {
    library.check_slot(slot)?;
    Err(Rv::FunctionNotSupported.into())
}
