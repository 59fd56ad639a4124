// SPDX-License-Identifier: MIT
//! Asynchronous sessions: a signature that is begun in one call and fetched in another (specification, asynchronous
//! function management functions).
//!
//! The output buffer of the first call belongs to the module until the operation ends, so it is kept here, out of the
//! test's reach.

use super::{In, Module};
use crate::Rv;
use cryptoki_sys::*;
use std::ffi::CStr;
use std::ptr::null_mut;

/// Calls one of the functions that only version 3.2 has.
macro_rules! call {
    ($module:expr, $function:ident ( $($argument:expr),* )) => {{
        let list = $module.list_3_2().expect("the module has a list of version 3.2");
        let entry = list.$function.expect(concat!("the list has no ", stringify!($function)));
        // SAFETY: the entry comes from the module's own list; the arguments are pointers to values that live through
        // the call, and the buffer of a pending function lives in `Waiting` until that has ended.
        let rv = unsafe { entry($($argument),*) };
        $module.seen(stringify!($function), rv)
    }};
}

/// What became of a call in an asynchronous session.
pub enum Started {
    /// It is under way.
    Pending(Waiting),
    /// It has ended, with its result.
    Done(Vec<u8>),
    /// It has ended with this, which left this length behind.
    Failed(Rv, CK_ULONG),
}

/// A function that is under way, with the buffer that it was given.
pub struct Waiting {
    session: CK_SESSION_HANDLE,
    function: &'static CStr,
    /// `None` once the function has ended.
    buffer: Option<Box<[u8]>>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // Some module may still write there.
        self.buffer.take().map(Box::leak);
    }
}

impl Module {
    /// `C_Sign` with this much room, in a session that may answer later.
    pub fn sign_start<'a>(
        &self,
        session: CK_SESSION_HANDLE,
        data: impl Into<In<'a>>,
        room: usize,
    ) -> Started {
        let mut buffer = vec![0; room].into_boxed_slice();
        let written = self.sign_into(session, data, super::Out::Room(&mut buffer));
        match written.rv {
            rv if rv == CKR_PENDING => Started::Pending(Waiting {
                session,
                function: c"C_Sign",
                buffer: Some(buffer),
            }),
            Rv::OK => Started::Done(taken(buffer, written.len)),
            rv => Started::Failed(rv, written.len),
        }
    }

    /// `C_AsyncComplete` for a function that is under way; `None` if it still is.
    ///
    /// # Errors
    /// What the function ended with.
    pub fn async_fetch(&self, waiting: &mut Waiting) -> Result<Option<Vec<u8>>, Rv> {
        let (rv, result) = self.async_complete(waiting.session, Some(waiting.function));
        if rv == CKR_PENDING {
            return Ok(None);
        }
        if [CKR_SESSION_HANDLE_INVALID, CKR_OPERATION_NOT_INITIALIZED].contains(&rv.0) {
            // It was cancelled: nobody knows its buffer any more.
            return Err(rv);
        }
        let buffer = waiting.buffer.take().expect("the function had not ended");
        assert_eq!(
            result.pValue.cast_const(),
            buffer.as_ptr(),
            "pValue is the buffer that the function was given"
        );
        rv.ok()?;
        Ok(Some(taken(buffer, result.ulValue)))
    }

    /// `C_AsyncComplete`, with the name or a null pointer: the value, and what is in the structure afterwards.
    pub fn async_complete(&self, session: CK_SESSION_HANDLE, function: Option<&CStr>) -> (Rv, CK_ASYNC_DATA) {
        let mut result = CK_ASYNC_DATA::default();
        let rv = call!(self, C_AsyncComplete(session, name(function), &raw mut result));
        (rv, result)
    }
}

/// The name as C takes it. No function writes to it.
fn name(function: Option<&CStr>) -> CK_UTF8CHAR_PTR {
    function.map_or(null_mut(), |name| name.as_ptr().cast_mut().cast())
}

fn taken(buffer: Box<[u8]>, len: CK_ULONG) -> Vec<u8> {
    let mut result = Vec::from(buffer);
    result.truncate(usize::try_from(len).expect("a length"));
    result
}
