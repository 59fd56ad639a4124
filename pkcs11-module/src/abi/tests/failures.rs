// SPDX-License-Identifier: MIT
//! What is remembered of calls that failed, for `ulDeviceError` and for `last_failure`.

use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use keyenclave_model::error::Remote;
use keyenclave_model::token::{HandleSource, SessionId};

use super::asynchronous::Unused;
use super::*;
use crate::abi::own::{self, Part};
use crate::abi::{boundary, functions};
use crate::library::Library;
use crate::slot::Slot;

const SESSION: SessionId = SessionId(1);

fn library() -> Library {
    let slot = Slot::new(0, String::new(), None, Arc::new(Unused));
    let library = Library::with_slots(vec![slot], Arc::new(HandleSource::starting_at(100)));
    library.sessions().insert(SESSION, 0, ck::CKF_SERIAL_SESSION);
    library
}

/// A call on the session that comes to this.
fn call(library: &Library, outcome: Result<()>) {
    let answered = boundary::on(library, |library| {
        library.session(SESSION)?;
        outcome.clone()
    });
    assert_eq!(rv(answered), rv(outcome));
}

fn device_error(library: &Library) -> u32 {
    let session = library.sessions().find(SESSION).unwrap();
    session.device_error.load(Ordering::Relaxed)
}

/// What `last_failure` says, in room of this many bytes.
fn told(part: ck::CK_ULONG, room: usize) -> (ck::CK_RV, String) {
    let (mut text, mut len) = (vec![0; room], ulong(room));
    // SAFETY: both places outlive the call.
    let outcome = unsafe { (own::FUNCTIONS.last_failure)(part, text.as_mut_ptr(), &raw mut len) };
    text.truncate(usize::try_from(len).unwrap());
    (outcome, String::from_utf8(text).unwrap())
}

fn message() -> String {
    let (outcome, message) = told(Part::Message as ck::CK_ULONG, 500);
    assert_eq!(outcome, ck::CKR_OK);
    message
}

fn denied() -> Error {
    Error::new(Rv::FunctionRejected, "denied").with_remote(Remote {
        number: 5400,
        reason: "permission",
        message: "the service denied it".to_owned(),
        request_id: None,
        advice: String::new(),
    })
}

#[test]
fn a_call_that_is_asked_to_come_back_has_not_failed() {
    let library = library();
    call(&library, Err(denied()));
    for again in [Rv::Pending, Rv::BufferTooSmall] {
        call(&library, Err(again.into()));
        assert_eq!(device_error(&library), 5400, "{again:?}");
        assert_eq!(message(), "the service denied it", "{again:?}");
    }
    call(&library, Err(Rv::DataLenRange.into()));
    assert_eq!(device_error(&library), 0, "no service was the cause");
    assert_eq!(message(), "");
}

#[test]
fn a_failure_of_c_initialize_is_told() {
    call(&library(), Err(denied()));
    let mut reserved = 0_u8;
    let mut args = ck::CK_C_INITIALIZE_ARGS {
        CreateMutex: None,
        DestroyMutex: None,
        LockMutex: None,
        UnlockMutex: None,
        flags: 0,
        pReserved: (&raw mut reserved).cast(),
    };
    // SAFETY: the arguments outlive the call.
    let refused = unsafe { functions::C_Initialize((&raw mut args).cast()) };
    assert_eq!(refused, ck::CKR_ARGUMENTS_BAD);
    assert!(message().contains("pReserved"), "{}", message());
}

#[test]
fn asking_for_the_last_failure_does_not_become_it() {
    call(&library(), Err(denied()));
    assert_eq!(told(99, 500).0, ck::CKR_ARGUMENTS_BAD);
    // SAFETY: null is what is refused.
    let refused = unsafe { (own::FUNCTIONS.last_failure)(0, null_mut(), null_mut()) };
    assert_eq!(refused, ck::CKR_ARGUMENTS_BAD);
    assert_eq!(message(), "the service denied it");
}
