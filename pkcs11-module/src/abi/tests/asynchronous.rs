// SPDX-License-Identifier: MIT
//! The arguments of the asynchronous function management functions.

use std::ptr::null_mut;
use std::sync::Arc;

use keyenclave_model::mechanism::MechanismInfo;
use keyenclave_model::token::{
    CallCx, HandleSource, ObjectId, OperationClass, Out, Pending, SessionId, Step, Token, TokenInfo, Work,
};

use super::*;
use crate::abi::values::{Completion, Name, Output, OutputBytes, Place};
use crate::entry::asynchronous::{async_complete, async_get_id, async_join};
use crate::library::Library;
use crate::session::operation::{Active, Ending};
use crate::session::waiting::Waiting;
use crate::slot::Slot;

const SESSION: SessionId = SessionId(1);
const NO_SESSION: SessionId = SessionId(2);

/// A token that is never asked.
pub(super) struct Unused;

impl Token for Unused {
    fn info(&self) -> Result<TokenInfo> {
        Err(Rv::TokenNotPresent.into())
    }
    fn mechanisms(&self) -> Result<Vec<MechanismInfo>> {
        Ok(Vec::new())
    }
    fn epoch(&self) -> u64 {
        0
    }
    fn submit(&self, _cx: &CallCx, _work: Work<'_>) -> Step {
        Error::from(Rv::TokenNotPresent).into()
    }
    fn close_session(&self, _session: SessionId) {}
}

/// Work that has its answer.
struct Done;

impl Pending for Done {
    fn poll(&mut self) -> Option<Result<Out>> {
        Some(Ok(Out::Bytes(b"done".to_vec().into())))
    }
    fn wait(&mut self, _deadline: Option<std::time::Instant>) -> Option<Result<Out>> {
        self.poll()
    }
    fn cancel(self: Box<Self>) {}
}

fn library() -> Library {
    let slot = Slot::new(0, String::new(), None, Arc::new(Unused));
    let library = Library::with_slots(vec![slot], Arc::new(HandleSource::starting_at(100)));
    library
        .sessions()
        .insert(SESSION, 0, ck::CKF_SERIAL_SESSION | ck::CKF_ASYNC_SESSION);
    library
}

/// A `C_Sign` that waits for its result in the session, with this buffer.
fn sign(library: &Library, buffer: &mut [u8]) {
    let mut len = ulong(buffer.len());
    // SAFETY: the tests keep the buffer until the result is fetched.
    let output = unsafe { Output::new(buffer.as_mut_ptr(), &raw mut len) };
    let waiting = Waiting::new(Box::new(Done), None, Ending::Single, Some(output.keep()));
    let session = library.sessions().find(SESSION).unwrap();
    let active = Active::waits(waiting, Some(0));
    session
        .operations
        .lock()
        .put_back(OperationClass::Sign, Some(active), 0);
}

fn name(ptr: *const u8) -> Name<'static> {
    // SAFETY: the tests give a name that outlives the call, or null.
    unsafe { Name::new(ptr) }
}

fn complete(
    library: &Library,
    session: SessionId,
    ptr: *const u8,
    result: *mut ck::CK_ASYNC_DATA,
) -> Option<Rv> {
    // SAFETY: the tests give a structure that outlives the call, or null.
    let result = unsafe { Completion::new(result) };
    rv(async_complete(library, session, name(ptr), result))
}

fn get_id(library: &Library, session: SessionId, ptr: *const u8, id: *mut ck::CK_ULONG) -> Option<Rv> {
    // SAFETY: the tests give a place that outlives the call, or null.
    let id = unsafe { Place::new(id) };
    rv(async_get_id(library, session, name(ptr), id))
}

fn join(
    library: &Library,
    session: SessionId,
    ptr: *const u8,
    data: *mut u8,
    len: ck::CK_ULONG,
) -> Option<Rv> {
    // SAFETY: the tests give memory of this length, or what is not written.
    let data = unsafe { OutputBytes::new(data, len) };
    rv(async_join(library, session, name(ptr), 1, data))
}

#[test]
fn the_session_is_looked_at_before_the_arguments() {
    let library = library();
    let wrong = Some(Rv::SessionHandleInvalid);
    assert_eq!(
        complete(&library, NO_SESSION, std::ptr::null(), null_mut()),
        wrong
    );
    assert_eq!(get_id(&library, NO_SESSION, std::ptr::null(), null_mut()), wrong);
    assert_eq!(
        join(&library, NO_SESSION, std::ptr::null(), null_mut(), HUGE[0]),
        wrong
    );
}

#[test]
fn a_missing_argument_is_bad_whatever_is_pending() {
    let library = library();
    let (bad, sign_name) = (Some(Rv::ArgumentsBad), c"C_Sign".as_ptr().cast());
    let (mut data, mut id) = (ck::CK_ASYNC_DATA::default(), 0);
    let mut buffer = [0; 4];
    for pending in [false, true] {
        if pending {
            sign(&library, &mut buffer);
        }
        assert_eq!(complete(&library, SESSION, std::ptr::null(), &raw mut data), bad);
        assert_eq!(complete(&library, SESSION, sign_name, null_mut()), bad);
        assert_eq!(get_id(&library, SESSION, std::ptr::null(), &raw mut id), bad);
        assert_eq!(get_id(&library, SESSION, sign_name, null_mut()), bad);
        assert_eq!(join(&library, SESSION, std::ptr::null(), null_mut(), 0), bad);
        assert_eq!(join(&library, SESSION, sign_name, null_mut(), 1), bad);
    }
    let there = complete(&library, SESSION, sign_name, &raw mut data);
    assert_eq!(there, None, "what is pending has stayed so");
    assert_eq!(&buffer, b"done");
}

#[test]
fn what_needs_no_buffer_does_not_look_at_one() {
    let library = library();
    let unknown = Some(Rv::SavedStateInvalid);
    for name in [c"C_GenerateKey", c"C_GenerateKeyPair", c"C_SignInit"] {
        for len in [1, HUGE[0]] {
            let answer = join(&library, SESSION, name.as_ptr().cast(), null_mut(), len);
            assert_eq!(answer, unknown, "{name:?}");
        }
    }
}

#[test]
fn every_error_says_that_no_buffer_is_known() {
    let library = library();
    let mut somewhere = 0_u8;
    for (session, name, expected) in [
        (NO_SESSION, c"C_Sign", Rv::SessionHandleInvalid),
        (SESSION, c"C_Sign", Rv::OperationNotInitialized),
        (SESSION, c"C_SignInit", Rv::OperationNotInitialized),
    ] {
        let mut data = ck::CK_ASYNC_DATA {
            pValue: &raw mut somewhere,
            ..Default::default()
        };
        let refused = complete(&library, session, name.as_ptr().cast(), &raw mut data);
        assert_eq!(refused, Some(expected));
        assert!(data.pValue.is_null(), "{expected:?}");
    }
}

#[test]
fn a_function_without_a_result_needs_no_place_for_one() {
    let library = library();
    let outcome = complete(&library, SESSION, c"C_SignInit".as_ptr().cast(), null_mut());
    assert_eq!(outcome, Some(Rv::OperationNotInitialized));
}

#[test]
fn a_length_that_no_memory_has_is_refused() {
    let library = library();
    let mut byte = 0;
    for huge in HUGE {
        let refused = join(&library, SESSION, c"C_Sign".as_ptr().cast(), &raw mut byte, huge);
        assert_eq!(refused, Some(Rv::ArgumentsBad));
    }
    let unknown = join(&library, SESSION, c"C_Sign".as_ptr().cast(), null_mut(), 0);
    assert_eq!(unknown, Some(Rv::SavedStateInvalid));
}

#[test]
fn the_structure_may_stand_anywhere_and_need_not_be_filled_in() {
    let library = library();
    let mut buffer = [0; 8];
    let mut room = [0xff_u8; size_of::<ck::CK_ASYNC_DATA>() + 1];
    sign(&library, &mut buffer);
    let misaligned = room[1..].as_mut_ptr().cast::<ck::CK_ASYNC_DATA>();
    assert_eq!(
        complete(&library, SESSION, c"C_Sign".as_ptr().cast(), misaligned),
        None
    );
    // SAFETY: it was written just now, and lies in `room`.
    let data = unsafe { misaligned.read_unaligned() };
    assert_eq!(data.pValue, buffer.as_mut_ptr());
    assert_eq!(
        (data.ulVersion, data.ulValue, data.hObject, data.hAdditionalObject),
        (0, 4, 0, 0)
    );
    assert_eq!(&buffer, b"done\0\0\0\0");
}

#[test]
fn a_buffer_is_written_whole_or_not_at_all() {
    let library = library();
    let mut buffer = [0; 3];
    let mut data = ck::CK_ASYNC_DATA::default();
    sign(&library, &mut buffer);
    let outcome = complete(&library, SESSION, c"C_Sign".as_ptr().cast(), &raw mut data);
    assert_eq!(outcome, Some(Rv::GeneralError));
    assert_eq!((data.pValue, data.ulValue), (buffer.as_mut_ptr(), 0));
    assert_eq!(buffer, [0; 3]);
}

#[test]
fn a_name_is_not_read_beyond_what_it_shares_with_a_function() {
    let library = library();
    let mut page = GuardedPage::new();
    for unterminated in [&b"X"[..], b"C_X", b"C_SignFinaX", b"C_GenerateKeyPaiX", b"\xff"] {
        let ptr = page.at_its_end(unterminated);
        let (mut data, mut id) = (ck::CK_ASYNC_DATA::default(), 0);
        let unknown = Some(Rv::OperationNotInitialized);
        assert_eq!(complete(&library, SESSION, ptr, &raw mut data), unknown);
        assert_eq!(get_id(&library, SESSION, ptr, &raw mut id), unknown);
        assert_eq!(
            join(&library, SESSION, ptr, null_mut(), 0),
            Some(Rv::SavedStateInvalid)
        );
    }
}

/// A page of memory with one behind it that cannot be read.
struct GuardedPage(*mut u8);

const PAGE: usize = 65_536;

impl GuardedPage {
    fn new() -> Self {
        let (prot, flags) = (libc::PROT_NONE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: new memory, wherever there is room.
        let both = unsafe { libc::mmap(null_mut(), 2 * PAGE, prot, flags, -1, 0) };
        assert_ne!(both, libc::MAP_FAILED);
        // SAFETY: the first half of it.
        let opened = unsafe { libc::mprotect(both, PAGE, libc::PROT_READ | libc::PROT_WRITE) };
        assert_eq!(opened, 0);
        Self(both.cast())
    }

    fn at_its_end(&mut self, bytes: &[u8]) -> *const u8 {
        let place = self.0.wrapping_add(PAGE - bytes.len());
        // SAFETY: the last bytes of the page, which is ours.
        unsafe { place.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        place
    }
}

impl Drop for GuardedPage {
    fn drop(&mut self) {
        // SAFETY: as it was mapped, and nobody has it any more.
        unsafe { libc::munmap(self.0.cast(), 2 * PAGE) };
    }
}

/// The objects that a function makes have their places in the structure.
#[test]
fn handles_are_told_in_their_order() {
    let mut data = ck::CK_ASYNC_DATA::default();
    // SAFETY: it outlives the value.
    let mut result = unsafe { Completion::new(&raw mut data) };
    result.objects(ObjectId(3), Some(ObjectId(4)));
    assert_eq!((data.hObject, data.hAdditionalObject), (3, 4));
    assert!(data.pValue.is_null());
}
