// SPDX-License-Identifier: MIT
//! Handlers of the functions that do nothing: they check the handle, as every function does, and say no.

use keyenclave_model::error::{Result, Rv};
use keyenclave_model::token::SessionId;

use crate::library::Library;

/// `C_GetFunctionStatus` and `C_CancelFunction`, which are left over from version 1 (PKCS#11 3.2, section 5.20).
pub(crate) fn not_parallel(library: &Library, session: SessionId) -> Result<()> {
    library.check_session(session)?;
    Err(Rv::FunctionNotParallel.into())
}
