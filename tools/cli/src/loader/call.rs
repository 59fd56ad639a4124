// SPDX-License-Identifier: MIT
//! Calling a function of the loaded module: apart, so that all calls are made, and what they give is read, in one way.

/// Calls a function of the list. Only for the loader: every argument must be what the function's contract wants.
macro_rules! call {
    ($module:expr, $function:ident($($argument:expr),* $(,)?)) => {{
        const NAME: &str = stringify!($function);
        match $module.functions.$function {
            None => Err($crate::loader::refusal::Refusal::bare(NAME, cryptoki_sys::CKR_FUNCTION_NOT_SUPPORTED)),
            Some(function) => {
                // SAFETY: the function is the loaded module's, which `Module` keeps loaded. Every use of this macro
                // passes pointers to memory that outlives the call and is as long as the length beside it says.
                let rv = unsafe { function($($argument),*) };
                if rv == cryptoki_sys::CKR_OK { Ok(()) } else { Err($module.refused(NAME, rv)) }
            }
        }
    }};
}
