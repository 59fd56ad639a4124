// SPDX-License-Identifier: MIT
//! What the tests here do again and again.

use std::ffi::CStr;
use std::time::Duration;

use cryptoki_sys as ck;
use keyenclave_model::error::Rv;
use keyenclave_model::token::{OperationClass, SessionId};
use keyenclave_module::abi::values::{Completion, Input, Name, Output};
use keyenclave_module::entry;
use keyenclave_module::entry::crypt;
use keyenclave_module::library::Library;

use crate::late::{Asked, KEY, MOST, Scene, init, rv, scene_with, try_open};

/// What memory holds that nobody has written to.
pub const UNTOUCHED: u8 = 0xa5;

pub fn scene_of(timeout: Option<Duration>) -> Scene {
    scene_with(timeout, ck::CKF_ASYNC_SESSION_SUPPORTED)
}

pub fn asynchronous() -> Scene {
    scene_of(None)
}

pub fn open_async(lib: &Library) -> SessionId {
    try_open(lib, ck::CKF_ASYNC_SESSION).unwrap()
}

/// The memory that a function is given for its output. It outlives the work.
pub struct Memory {
    pub bytes: Box<[u8]>,
    pub len: ck::CK_ULONG,
}

impl Memory {
    pub fn of(len: usize) -> Self {
        Self {
            bytes: vec![UNTOUCHED; len].into_boxed_slice(),
            len: ck::CK_ULONG::try_from(len).unwrap(),
        }
    }

    pub fn output(&mut self) -> Output<'static> {
        // SAFETY: each test keeps the memory until the work has ended, and looks at it between calls only.
        unsafe { Output::new(self.bytes.as_mut_ptr(), &raw mut self.len) }
    }

    pub fn is_untouched(&self) -> bool {
        self.bytes.iter().all(|byte| *byte == UNTOUCHED)
    }
}

pub fn input(data: &[u8]) -> Input<'_> {
    // SAFETY: the data outlives the call.
    unsafe { Input::new(data.as_ptr(), ck::CK_ULONG::try_from(data.len()).unwrap()) }
}

/// `C_Sign` and its kind.
pub fn single(lib: &Library, session: SessionId, class: OperationClass, memory: &mut Memory) -> Option<Rv> {
    rv(crypt::single(
        lib,
        session,
        class,
        input(b"data"),
        memory.output(),
    ))
}

/// `C_SignInit` and `C_Sign` and their kind, up to `CKR_PENDING`.
pub fn start(scene: &Scene, session: SessionId, class: OperationClass) -> (Memory, Asked) {
    init(&scene.lib, session, class, KEY).unwrap();
    let mut memory = Memory::of(MOST);
    assert_eq!(single(&scene.lib, session, class, &mut memory), Some(Rv::Pending));
    (memory, scene.asked())
}

pub fn name(name: &'static CStr) -> Name<'static> {
    // SAFETY: it ends with a NUL and is never freed.
    unsafe { Name::new(name.as_ptr().cast()) }
}

/// What is in the structure before `C_AsyncComplete` writes to it.
pub fn unwritten() -> ck::CK_ASYNC_DATA {
    ck::CK_ASYNC_DATA {
        ulVersion: 7,
        pValue: std::ptr::without_provenance_mut(7),
        ulValue: 7,
        hObject: 7,
        hAdditionalObject: 7,
    }
}

/// `C_AsyncComplete`: the return value, and what is in the structure.
pub fn complete(lib: &Library, session: SessionId, function: Name<'_>) -> (Option<Rv>, ck::CK_ASYNC_DATA) {
    let mut data = unwritten();
    // SAFETY: it outlives the call.
    let result = unsafe { Completion::new(&raw mut data) };
    let outcome = entry::asynchronous::async_complete(lib, session, function, result);
    (rv(outcome), data)
}

/// `C_AsyncComplete` where there is no result, and no buffer that is known.
pub fn refused(lib: &Library, session: SessionId, function: &'static CStr) -> Option<Rv> {
    let (refused, data) = complete(lib, session, name(function));
    let told = if refused == Some(Rv::Pending) {
        unwritten()
    } else {
        ck::CK_ASYNC_DATA::default()
    };
    assert_eq!(format!("{data:?}"), format!("{told:?}"), "{refused:?}");
    refused
}

/// `C_AsyncComplete` of a function with an output buffer, whose result is there.
pub fn fetched<'a>(
    lib: &Library,
    session: SessionId,
    function: &'static CStr,
    memory: &'a Memory,
) -> &'a [u8] {
    let (outcome, data) = complete(lib, session, name(function));
    assert_eq!(outcome, None);
    assert_eq!(
        data.pValue.cast_const(),
        memory.bytes.as_ptr(),
        "the buffer that the function was given"
    );
    assert_eq!((data.ulVersion, data.hObject, data.hAdditionalObject), (0, 0, 0));
    &memory.bytes[..usize::try_from(data.ulValue).unwrap()]
}
