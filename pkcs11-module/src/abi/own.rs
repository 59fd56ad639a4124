// SPDX-License-Identifier: MIT
//! KeyEnclave's own interface, beside the specification's: what PKCS#11 has no words for.
//!
//! `C_GetInterface` finds it under the name `KeyEnclave`, version 1.0. The command-line tool asks it whether a slot's
//! service answers, and why a call failed; an application may do the same: `include/keyenclave.h` has it in C, and
//! `conformance/programs/own.c` holds the two together.

use std::ffi::CStr;

use cryptoki_sys as ck;
use keyenclave_model::error::{Error, Result, Rv};

use super::boundary;
use super::values::Output;

/// The functions. Members may be added at the end, with another minor version.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Functions {
    /// 1.0.
    pub version: ck::CK_VERSION,
    /// Asks what is behind a slot's token whether it would do its work now. It takes no longer than the slot's
    /// operation timeout, and needs no session.
    pub check_slot: unsafe extern "C" fn(slot: ck::CK_SLOT_ID) -> ck::CK_RV,
    /// What is known of the last call that failed on this thread, in UTF-8: `part` is a [`Part`]. The length is
    /// treated as `C_Sign` treats it. What is not known is empty.
    pub last_failure: unsafe extern "C" fn(
        part: ck::CK_ULONG,
        text: ck::CK_UTF8CHAR_PTR,
        len: ck::CK_ULONG_PTR,
    ) -> ck::CK_RV,
}

/// What can be asked of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Part {
    /// What failed.
    Message = 0,
    /// Where the fault lies: `configuration`, `connectivity`, `permission` or `provider`.
    Reason = 1,
    /// Under which number the service's own log has the request.
    RequestId = 2,
    /// What to do, and when to try again.
    Advice = 3,
}

impl Part {
    const ALL: [Self; 4] = [Self::Message, Self::Reason, Self::RequestId, Self::Advice];

    fn of(self, failure: &Error) -> &str {
        let remote = failure.remote();
        match self {
            Self::Message => remote.map_or(failure.detail(), |remote| Some(&remote.message)),
            Self::Reason => remote.map(|remote| remote.reason),
            Self::RequestId => remote.and_then(|remote| remote.request_id.as_deref()),
            Self::Advice => remote.map(|remote| remote.advice.as_str()),
        }
        .unwrap_or_default()
    }
}

/// The interface's name.
pub const NAME: &CStr = c"KeyEnclave";
/// The interface's version.
pub const VERSION: ck::CK_VERSION = ck::CK_VERSION { major: 1, minor: 0 };

/// The functions, constant.
pub(super) static FUNCTIONS: Functions = Functions {
    version: VERSION,
    check_slot,
    last_failure,
};

unsafe extern "C" fn check_slot(slot: ck::CK_SLOT_ID) -> ck::CK_RV {
    boundary::call("check_slot", |library| library.slot(slot)?.1.health())
}

unsafe extern "C" fn last_failure(
    part: ck::CK_ULONG,
    text: ck::CK_UTF8CHAR_PTR,
    len: ck::CK_ULONG_PTR,
) -> ck::CK_RV {
    // SAFETY: as the caller promises, who passes a buffer and its length as to `C_Sign`.
    let output = unsafe { Output::new(text, len) };
    boundary::guarded("last_failure", || tell(part, output))
}

fn tell(part: ck::CK_ULONG, mut output: Output<'_>) -> Result<()> {
    output.check()?;
    let part = Part::ALL.into_iter().find(|known| *known as ck::CK_ULONG == part);
    let part = part.ok_or(Rv::ArgumentsBad)?;
    let failure = boundary::last_failure();
    let text = failure
        .as_ref()
        .map(|failure| part.of(failure))
        .unwrap_or_default();
    output.set_len(text.len());
    if output.is_query() {
        return Ok(());
    }
    let room = output.buffer().get_mut(..text.len()).ok_or(Rv::BufferTooSmall)?;
    room.copy_from_slice(text.as_bytes());
    Ok(())
}
