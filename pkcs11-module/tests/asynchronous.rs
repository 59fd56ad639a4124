// SPDX-License-Identifier: MIT
//! Asynchronous sessions over a token that answers when the test pleases.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod late;

use std::collections::HashMap;
use std::ffi::CStr;
use std::sync::Arc;
use std::time::Duration;

use cryptoki_sys as ck;
use keyenclave_model::error::{Result, Rv};
use keyenclave_model::token::OperationClass::{Decrypt, Digest, Encrypt, Sign, SignRecover, Verify};
use keyenclave_model::token::{ObjectId, OperationClass, Out, Pin, Role, SessionId};
use keyenclave_module::abi::functions;
use keyenclave_module::abi::values::{
    Completion, Input, Name, Output, OutputBytes, Place, RawMechanism, RawTemplate,
};
use keyenclave_module::entry::{asynchronous, crypt, keys, objects, sessions, state};
use keyenclave_module::library::Library;
use late::{
    Asked, KEY, MOST, READY, READY_KEY, SIGNATURE_LEN, Scene, init, open, rv, scene, scene_with, sign,
    sign_init, try_open, within_patience,
};

/// What memory holds that nobody has written to.
const UNTOUCHED: u8 = 0xa5;

fn scene_of(timeout: Option<Duration>) -> Scene {
    scene_with(timeout, ck::CKF_ASYNC_SESSION_SUPPORTED)
}

fn asynchronous() -> Scene {
    scene_of(None)
}

fn open_async(lib: &Library) -> SessionId {
    try_open(lib, ck::CKF_ASYNC_SESSION).unwrap()
}

/// The memory that a function is given for its output. It outlives the work.
struct Memory {
    bytes: Box<[u8]>,
    len: ck::CK_ULONG,
}

impl Memory {
    fn of(len: usize) -> Self {
        Self {
            bytes: vec![UNTOUCHED; len].into_boxed_slice(),
            len: ck::CK_ULONG::try_from(len).unwrap(),
        }
    }

    fn output(&mut self) -> Output<'static> {
        // SAFETY: each test keeps the memory until the work has ended, and looks at it between calls only.
        unsafe { Output::new(self.bytes.as_mut_ptr(), &raw mut self.len) }
    }

    fn is_untouched(&self) -> bool {
        self.bytes.iter().all(|byte| *byte == UNTOUCHED)
    }
}

fn input(data: &[u8]) -> Input<'_> {
    // SAFETY: the data outlives the call.
    unsafe { Input::new(data.as_ptr(), ck::CK_ULONG::try_from(data.len()).unwrap()) }
}

/// `C_Sign` and its kind.
fn single(lib: &Library, session: SessionId, class: OperationClass, memory: &mut Memory) -> Option<Rv> {
    rv(crypt::single(
        lib,
        session,
        class,
        input(b"data"),
        memory.output(),
    ))
}

/// `C_SignInit` and `C_Sign` and their kind, up to `CKR_PENDING`.
fn start(scene: &Scene, session: SessionId, class: OperationClass) -> (Memory, Asked) {
    init(&scene.lib, session, class, KEY).unwrap();
    let mut memory = Memory::of(MOST);
    assert_eq!(single(&scene.lib, session, class, &mut memory), Some(Rv::Pending));
    (memory, scene.asked())
}

fn name(name: &'static CStr) -> Name<'static> {
    // SAFETY: it ends with a NUL and is never freed.
    unsafe { Name::new(name.as_ptr().cast()) }
}

/// What is in the structure before `C_AsyncComplete` writes to it.
fn unwritten() -> ck::CK_ASYNC_DATA {
    ck::CK_ASYNC_DATA {
        ulVersion: 7,
        pValue: std::ptr::without_provenance_mut(7),
        ulValue: 7,
        hObject: 7,
        hAdditionalObject: 7,
    }
}

/// `C_AsyncComplete`: the return value, and what is in the structure.
fn complete(lib: &Library, session: SessionId, function: Name<'_>) -> (Option<Rv>, ck::CK_ASYNC_DATA) {
    let mut data = unwritten();
    // SAFETY: it outlives the call.
    let result = unsafe { Completion::new(&raw mut data) };
    let outcome = asynchronous::async_complete(lib, session, function, result);
    (rv(outcome), data)
}

/// `C_AsyncComplete` where the return value says it all, because the structure is not written.
fn refused(lib: &Library, session: SessionId, function: &'static CStr) -> Option<Rv> {
    let (refused, data) = complete(lib, session, name(function));
    assert_eq!(
        format!("{data:?}"),
        format!("{:?}", unwritten()),
        "the structure is as it was"
    );
    refused
}

/// `C_AsyncComplete` of a function with an output buffer, whose result is there.
fn fetched<'a>(lib: &Library, session: SessionId, function: &'static CStr, memory: &'a Memory) -> &'a [u8] {
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

#[test]
fn a_session_is_asynchronous_where_the_token_can_do_it() {
    let flags = |lib: &Library, session| {
        let mut info = ck::CK_SESSION_INFO::default();
        // SAFETY: it outlives the call.
        let place = unsafe { Place::new(&raw mut info) };
        sessions::get_session_info(lib, session, place).unwrap();
        info.flags
    };
    let basic = ck::CKF_SERIAL_SESSION | ck::CKF_RW_SESSION;
    let able = asynchronous();
    assert_eq!(
        flags(&able.lib, open_async(&able.lib)),
        basic | ck::CKF_ASYNC_SESSION
    );
    assert_eq!(flags(&able.lib, open(&able.lib)), basic);
    let unable = scene(None);
    assert_eq!(
        rv(try_open(&unable.lib, ck::CKF_ASYNC_SESSION)),
        Some(Rv::SessionAsyncNotSupported)
    );
    assert_eq!(
        rv(try_open(&able.lib, ck::CKF_ASYNC_SESSION << 1)),
        Some(Rv::ArgumentsBad)
    );
}

#[test]
fn a_signature_is_pending_until_its_answer_is_there() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    let (memory, asked) = start(&scene, session, Sign);
    for _ in 0..3 {
        assert_eq!(refused(&scene.lib, session, c"C_Sign"), Some(Rv::Pending));
    }
    assert_eq!(asked.input, b"data");
    assert!(asked.bytes(b"late"));
    assert!(memory.is_untouched(), "nothing is written but in C_AsyncComplete");
    assert_eq!(fetched(&scene.lib, session, c"C_Sign", &memory), b"late");
    assert_eq!(memory.bytes[4..], [UNTOUCHED; MOST - 4]);
    assert_eq!(
        refused(&scene.lib, session, c"C_Sign"),
        Some(Rv::OperationNotInitialized)
    );
    assert_eq!(scene.cancelled(), 0);
    assert!(sign_init(&scene.lib, session).is_ok(), "the operation has ended");
}

#[test]
fn the_end_of_several_parts_can_be_pending() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    sign_init(&scene.lib, session).unwrap();
    for part in [b"some ".as_slice(), b"parts"] {
        crypt::absorb(&scene.lib, session, Sign, input(part)).unwrap();
    }
    let mut memory = Memory::of(SIGNATURE_LEN);
    let outcome = crypt::finish(&scene.lib, session, Sign, memory.output());
    assert_eq!(rv(outcome), Some(Rv::Pending));
    let asked = scene.asked();
    assert_eq!(asked.input, b"some parts");
    assert!(asked.bytes(b"late"));
    assert_eq!(
        refused(&scene.lib, session, c"C_Sign"),
        Some(Rv::OperationNotInitialized)
    );
    assert_eq!(fetched(&scene.lib, session, c"C_SignFinal", &memory), b"late");
}

#[test]
fn a_result_of_unknown_length_says_its_length() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    for (class, function) in [(Encrypt, c"C_Encrypt"), (Decrypt, c"C_Decrypt")] {
        for text in ["", "short", "as long "] {
            let (memory, asked) = start(&scene, session, class);
            assert!(asked.bytes(text.as_bytes()));
            assert_eq!(fetched(&scene.lib, session, function, &memory), text.as_bytes());
        }
    }
}

#[test]
fn what_is_ready_is_answered_at_once() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    for class in [Sign, Encrypt, Decrypt] {
        init(&scene.lib, session, class, READY_KEY).unwrap();
        let mut memory = Memory::of(MOST);
        assert_eq!(single(&scene.lib, session, class, &mut memory), None);
        assert_eq!(memory.len, 4);
        assert_eq!(memory.bytes[..4], READY);
    }
}

#[test]
fn an_ordinary_session_of_the_same_token_waits() {
    let scene = asynchronous();
    let session = open(&scene.lib);
    sign_init(&scene.lib, session).unwrap();
    let lib = Arc::clone(&scene.lib);
    let signer = std::thread::spawn(move || sign(&lib, session));
    assert!(scene.asked().bytes(b"late"));
    let signature = within_patience("the signer", move || signer.join().unwrap());
    assert_eq!(signature.unwrap(), b"late");
    assert_eq!(
        refused(&scene.lib, session, c"C_Sign"),
        Some(Rv::OperationNotInitialized)
    );
}

#[test]
fn an_error_of_the_work_is_the_answer() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    let (memory, asked) = start(&scene, session, Sign);
    assert!(asked.with(Err(Rv::KeyHandleInvalid.into())));
    let (outcome, data) = complete(&scene.lib, session, name(c"C_Sign"));
    assert_eq!(outcome, Some(Rv::KeyHandleInvalid));
    assert_eq!(
        data.pValue.cast_const(),
        memory.bytes.as_ptr(),
        "so that it can be freed"
    );
    assert_eq!(data.ulValue, 0);
    assert!(memory.is_untouched());
    assert!(sign_init(&scene.lib, session).is_ok(), "the operation has ended");
}

#[test]
fn a_result_that_is_not_the_functions_is_a_fault_of_the_token() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    for result in [
        Out::Bytes(vec![0; MOST + 1].into()),
        Out::Done,
        Out::Object(ObjectId(9)),
    ] {
        let (memory, asked) = start(&scene, session, Sign);
        assert!(asked.with(Ok(result)));
        let (outcome, data) = complete(&scene.lib, session, name(c"C_Sign"));
        assert_eq!(outcome, Some(Rv::GeneralError));
        assert_eq!(data.pValue.cast_const(), memory.bytes.as_ptr());
        assert!(memory.is_untouched());
    }
}

#[test]
fn work_is_cancelled_at_its_deadline() {
    let scene = scene_of(Some(Duration::ZERO));
    let session = open_async(&scene.lib);
    let (memory, asked) = start(&scene, session, Sign);
    let (outcome, data) = complete(&scene.lib, session, name(c"C_Sign"));
    assert_eq!(outcome, Some(Rv::DeviceError));
    assert_eq!(data.pValue.cast_const(), memory.bytes.as_ptr());
    assert_eq!(scene.cancelled(), 1);
    assert!(!asked.bytes(b"late"), "nobody listens any more");
    assert_eq!(
        refused(&scene.lib, session, c"C_Sign"),
        Some(Rv::OperationNotInitialized)
    );
    assert!(memory.is_untouched());
}

#[test]
fn an_answer_that_is_there_at_the_deadline_counts() {
    let scene = scene_of(Some(Duration::ZERO));
    let session = open_async(&scene.lib);
    let (memory, asked) = start(&scene, session, Sign);
    assert!(asked.bytes(b"late"));
    assert_eq!(fetched(&scene.lib, session, c"C_Sign", &memory), b"late");
    assert_eq!(scene.cancelled(), 0);
}

#[test]
fn a_query_and_a_short_buffer_are_answered_without_the_token() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    for (class, most) in [(Sign, SIGNATURE_LEN), (Decrypt, MOST), (Encrypt, MOST)] {
        init(&scene.lib, session, class, KEY).unwrap();
        let mut len = 0;
        // SAFETY: null is a query, and the length outlives the call.
        let query = unsafe { Output::new(std::ptr::null_mut(), &raw mut len) };
        crypt::single(&scene.lib, session, class, input(b"data"), query).unwrap();
        assert_eq!(usize::try_from(len).unwrap(), most);
        for short in [0, 1, most - 1] {
            let mut memory = Memory::of(short);
            let outcome = single(&scene.lib, session, class, &mut memory);
            assert_eq!(outcome, Some(Rv::BufferTooSmall));
            assert_eq!(usize::try_from(memory.len).unwrap(), most);
        }
        assert!(scene.asked_already().is_none());
        let mut memory = Memory::of(most);
        let outcome = single(&scene.lib, session, class, &mut memory);
        assert_eq!(outcome, Some(Rv::Pending), "the operation has stayed active");
        assert!(scene.asked_already().is_some());
    }
}

#[test]
fn the_input_is_not_looked_at_after_the_call() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    sign_init(&scene.lib, session).unwrap();
    let mut memory = Memory::of(SIGNATURE_LEN);
    let mut data = b"data".to_vec();
    let outcome = crypt::single(&scene.lib, session, Sign, input(&data), memory.output());
    assert_eq!(rv(outcome), Some(Rv::Pending));
    data.fill(0);
    assert_eq!(scene.asked().input, b"data");
}

#[test]
fn only_the_name_of_the_function_that_is_pending_will_do() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    let (memory, asked) = start(&scene, session, Sign);
    assert!(asked.bytes(b"late"));
    for other in [
        c"",
        c"C_",
        c"C_Sig",
        c"C_SignInit",
        c"C_SignFinal",
        c"C_Sign ",
        c"c_sign",
        c"C_Decrypt",
        c"C_GenerateKey",
        c"C_Verify",
        c"nonsense",
    ] {
        assert_eq!(
            refused(&scene.lib, session, other),
            Some(Rv::OperationNotInitialized),
            "{other:?}"
        );
    }
    assert_eq!(fetched(&scene.lib, session, c"C_Sign", &memory), b"late");
}

#[test]
fn every_function_that_may_be_pending_is_in_the_table_of_functions() {
    for function in &asynchronous::FUNCTIONS {
        let row = functions::FUNCTIONS.iter().find(|row| row.name == function.name);
        assert!(row.is_some_and(|row| row.supported), "{}", function.name);
    }
}

#[test]
fn two_classes_are_pending_side_by_side() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    let (signature, sign_asked) = start(&scene, session, Sign);
    let (text, decrypt_asked) = start(&scene, session, Decrypt);
    assert!(decrypt_asked.bytes(b"text"));
    assert_eq!(refused(&scene.lib, session, c"C_Sign"), Some(Rv::Pending));
    assert_eq!(fetched(&scene.lib, session, c"C_Decrypt", &text), b"text");
    assert!(sign_asked.bytes(b"late"));
    assert_eq!(fetched(&scene.lib, session, c"C_Sign", &signature), b"late");
}

#[test]
fn while_one_is_pending_its_class_is_busy_and_nothing_else_is() {
    let scene = asynchronous();
    let (session, other) = (open_async(&scene.lib), open_async(&scene.lib));
    let (memory, asked) = start(&scene, session, Sign);
    let lib = &scene.lib;
    let mut unused = Memory::of(MOST);
    for busy in [
        rv(sign_init(lib, session)),
        single(lib, session, Sign, &mut unused),
        rv(crypt::absorb(lib, session, Sign, input(b"more"))),
        rv(crypt::finish(lib, session, Sign, unused.output())),
    ] {
        assert_eq!(busy, Some(Rv::OperationActive));
    }
    assert_eq!(
        rv(state::get_operation_state(lib, session, unused.output())),
        Some(Rv::StateUnsaveable)
    );
    assert!(unused.is_untouched());
    // SAFETY: an empty template.
    let template = unsafe { RawTemplate::new(std::ptr::null(), 0) };
    objects::find_objects_init(lib, session, template).unwrap();
    objects::find_objects_final(lib, session).unwrap();
    init(lib, session, Digest, READY_KEY).unwrap();
    assert_eq!(single(lib, session, Digest, &mut unused), None);
    let (_, other_asked) = start(&scene, other, Sign);
    sessions::close_session(lib, other).unwrap();
    assert!(!other_asked.bytes(b"late"));
    assert!(asked.bytes(b"late"));
    assert_eq!(fetched(lib, session, c"C_Sign", &memory), b"late");
}

#[test]
fn verification_and_whatever_is_not_listed_waits() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    init(&scene.lib, session, Verify, KEY).unwrap();
    let lib = Arc::clone(&scene.lib);
    let verifier = std::thread::spawn(move || crypt::verify(&lib, session, input(b"data"), input(b"sign")));
    assert!(scene.asked().with(Err(Rv::SignatureInvalid.into())));
    let verdict = within_patience("the verifier", move || verifier.join().unwrap());
    assert_eq!(rv(verdict), Some(Rv::SignatureInvalid));
    for class in [Digest, SignRecover] {
        init(&scene.lib, session, class, KEY).unwrap();
        let lib = Arc::clone(&scene.lib);
        let caller = std::thread::spawn(move || single(&lib, session, class, &mut Memory::of(MOST)));
        assert!(scene.asked().bytes(b"late"));
        assert_eq!(within_patience("the call", move || caller.join().unwrap()), None);
    }
}

fn mechanism(id: ck::CK_MECHANISM_TYPE) -> RawMechanism<'static> {
    let mechanism = Box::leak(Box::new(ck::CK_MECHANISM {
        mechanism: id,
        pParameter: std::ptr::null_mut(),
        ulParameterLen: 0,
    }));
    // SAFETY: it is never freed.
    unsafe { RawMechanism::new(mechanism) }
}

fn no_template() -> RawTemplate<'static> {
    // SAFETY: it is empty.
    unsafe { RawTemplate::new(std::ptr::null(), 0) }
}

/// `C_GenerateKey`, and what became of the place for the handle.
fn generate_key(lib: &Library, session: SessionId) -> (Option<Rv>, ck::CK_OBJECT_HANDLE) {
    let mut handle = 7;
    // SAFETY: it outlives the call.
    let place = unsafe { Place::new(&raw mut handle) };
    let outcome = keys::generate_key(lib, session, mechanism(ck::CKM_AES_KEY_GEN), no_template(), place);
    (rv(outcome), handle)
}

/// `C_GenerateKeyPair`.
fn generate_key_pair(lib: &Library, session: SessionId) -> Option<Rv> {
    let (mut public, mut private) = (7, 7);
    // SAFETY: it outlives the call.
    let public = unsafe { Place::new(&raw mut public) };
    // SAFETY: it outlives the call.
    let private = unsafe { Place::new(&raw mut private) };
    let mechanism = mechanism(ck::CKM_EC_KEY_PAIR_GEN);
    let (public_template, private_template) = (no_template(), no_template());
    rv(keys::generate_key_pair(
        lib,
        session,
        mechanism,
        public_template,
        private_template,
        public,
        private,
    ))
}

#[test]
fn keys_are_made_meanwhile_and_their_handles_told_at_the_end() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    assert_eq!(generate_key(&scene.lib, session), (Some(Rv::Pending), 7));
    let key = scene.asked();
    assert_eq!(generate_key(&scene.lib, session).0, Some(Rv::OperationActive));
    assert_eq!(generate_key_pair(&scene.lib, session), Some(Rv::Pending));
    let pair = scene.asked();
    assert_eq!(refused(&scene.lib, session, c"C_GenerateKey"), Some(Rv::Pending));
    let (public, private) = (ObjectId(21), ObjectId(22));
    assert!(pair.with(Ok(Out::Pair { public, private })));
    assert!(key.with(Ok(Out::Object(ObjectId(20)))));
    let (outcome, data) = complete(&scene.lib, session, name(c"C_GenerateKey"));
    assert_eq!((outcome, data.hObject, data.hAdditionalObject), (None, 20, 0));
    assert!(data.pValue.is_null() && data.ulValue == 0);
    let (outcome, data) = complete(&scene.lib, session, name(c"C_GenerateKeyPair"));
    assert_eq!((outcome, data.hObject, data.hAdditionalObject), (None, 21, 22));
    assert_eq!(
        generate_key(&scene.lib, session).0,
        Some(Rv::Pending),
        "once more"
    );
}

/// A way to end work that is pending.
type Canceller = fn(&Library, SessionId) -> Result<()>;

#[test]
fn whatever_ends_an_operation_cancels_its_work() {
    let ways: HashMap<&str, Canceller> = HashMap::from([
        (
            "C_SessionCancel",
            (|lib, session| sessions::session_cancel(lib, session, ck::CKF_SIGN)) as Canceller,
        ),
        ("C_CloseSession", |lib, session| {
            sessions::close_session(lib, session)
        }),
        ("C_CloseAllSessions", |lib, _| {
            sessions::close_all_sessions(lib, 0)
        }),
        ("C_Logout", |lib, session| sessions::logout(lib, session)),
        ("C_SignInit with null", |lib, session| {
            // SAFETY: null is not read.
            let null = unsafe { RawMechanism::new(std::ptr::null()) };
            crypt::init(lib, session, Sign, null, Some(KEY))
        }),
        ("C_Finalize", |lib, _| {
            lib.close();
            Ok(())
        }),
    ]);
    for (way, cancel) in ways {
        let scene = asynchronous();
        let session = open_async(&scene.lib);
        let slot = scene.lib.slot(0).unwrap().1;
        slot.login(session, true, Role::User, Pin(b"1234")).unwrap();
        let (memory, asked) = start(&scene, session, Sign);
        assert_eq!(refused(&scene.lib, session, c"C_Sign"), Some(Rv::Pending));
        cancel(&scene.lib, session).unwrap();
        assert_eq!(scene.cancelled(), 1, "{way}");
        assert!(!asked.bytes(b"late"), "{way}: nobody listens any more");
        let gone = refused(&scene.lib, session, c"C_Sign");
        assert!(
            matches!(gone, Some(Rv::OperationNotInitialized | Rv::SessionHandleInvalid)),
            "{way}"
        );
        assert!(memory.is_untouched(), "{way}");
    }
}

#[test]
fn the_end_of_the_library_cancels_all_work() {
    let scene = asynchronous();
    let pending: Vec<_> = [Sign, Decrypt, Encrypt]
        .into_iter()
        .map(|class| start(&scene, open_async(&scene.lib), class))
        .collect();
    scene.lib.close();
    assert_eq!(scene.cancelled(), 3);
    for (memory, asked) in &pending {
        assert!(!asked.bytes(b"late"));
        assert!(memory.is_untouched());
    }
}

#[test]
fn key_generation_is_cancelled_by_its_own_flag() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    for (flag, function) in [
        (ck::CKF_GENERATE, c"C_GenerateKey"),
        (ck::CKF_GENERATE_KEY_PAIR, c"C_GenerateKeyPair"),
    ] {
        generate_key(&scene.lib, session);
        generate_key_pair(&scene.lib, session);
        let before = scene.cancelled();
        sessions::session_cancel(&scene.lib, session, flag | ck::CKF_SIGN).unwrap();
        assert_eq!(scene.cancelled(), before + 1);
        assert_eq!(
            refused(&scene.lib, session, function),
            Some(Rv::OperationNotInitialized)
        );
        let both = ck::CKF_GENERATE | ck::CKF_GENERATE_KEY_PAIR;
        sessions::session_cancel(&scene.lib, session, both).unwrap();
        assert_eq!(scene.cancelled(), before + 2);
    }
}

#[test]
fn the_end_of_a_login_is_enough_to_end_its_work() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    let slot = scene.lib.slot(0).unwrap().1;
    slot.login(session, true, Role::User, Pin(b"1234")).unwrap();
    sign_init(&scene.lib, session).unwrap();
    // Without what C_Logout does about sessions: the number of the login alone has to do.
    slot.logout().unwrap();
    let mut memory = Memory::of(MOST);
    assert_eq!(
        single(&scene.lib, session, Sign, &mut memory),
        Some(Rv::OperationNotInitialized)
    );
    slot.login(session, true, Role::User, Pin(b"1234")).unwrap();
    let (memory, asked) = start(&scene, session, Sign);
    slot.logout().unwrap();
    assert!(asked.bytes(b"late"));
    assert_eq!(
        refused(&scene.lib, session, c"C_Sign"),
        Some(Rv::OperationNotInitialized)
    );
    assert!(memory.is_untouched());
    assert!(sign_init(&scene.lib, session).is_ok());
    assert_eq!(
        scene.cancelled(),
        1,
        "the place was needed, and what was left there is gone"
    );
}

#[test]
fn a_token_that_panics_ends_the_operation() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    let (memory, asked) = start(&scene, session, Sign);
    asked.panic();
    let lib = Arc::clone(&scene.lib);
    let outcome = std::thread::spawn(move || refused(&lib, session, c"C_Sign")).join();
    assert!(outcome.is_err());
    assert_eq!(
        refused(&scene.lib, session, c"C_Sign"),
        Some(Rv::OperationNotInitialized)
    );
    assert!(memory.is_untouched());
    assert!(sign_init(&scene.lib, session).is_ok());
}

#[test]
fn nothing_is_written_once_a_cancellation_has_returned() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    for _ in 0..300 {
        let (memory, asked) = start(&scene, session, Sign);
        let lib = Arc::clone(&scene.lib);
        let fetcher = std::thread::spawn(move || {
            loop {
                let (outcome, _) = complete(&lib, session, name(c"C_Sign"));
                if outcome != Some(Rv::Pending) {
                    return outcome;
                }
            }
        });
        // It may be there before or after.
        asked.bytes(b"late");
        sessions::session_cancel(&scene.lib, session, ck::CKF_SIGN).unwrap();
        let after = memory.bytes.to_vec();
        let outcome = within_patience("the fetcher", move || fetcher.join().unwrap());
        assert!(matches!(outcome, None | Some(Rv::OperationNotInitialized)));
        assert_eq!(outcome.is_none(), after[..4] == *b"late");
        assert_eq!(memory.bytes[..], after);
    }
}

#[test]
fn two_threads_may_ask_for_the_same_result() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    let (memory, asked) = start(&scene, session, Sign);
    let fetchers: Vec<_> = (0..2)
        .map(|_| {
            let lib = Arc::clone(&scene.lib);
            std::thread::spawn(move || {
                loop {
                    let (outcome, _) = complete(&lib, session, name(c"C_Sign"));
                    if outcome != Some(Rv::Pending) {
                        return outcome;
                    }
                }
            })
        })
        .collect();
    assert!(asked.bytes(b"late"));
    let mut outcomes = fetchers
        .into_iter()
        .map(|fetcher| within_patience("a fetcher", move || fetcher.join().unwrap()))
        .collect::<Vec<_>>();
    outcomes.sort_by_key(Option::is_some);
    assert_eq!(
        outcomes,
        [None, Some(Rv::OperationNotInitialized)],
        "one of them gets it"
    );
    assert_eq!(memory.bytes[..4], *b"late");
}

#[test]
fn ten_thousand_signatures_are_pending_from_one_thread() {
    const MANY: usize = 10_000;
    let scene = scene_of(Some(late::PATIENCE));
    let mut pending: Vec<_> = (0..MANY)
        .map(|_| {
            let session = open_async(&scene.lib);
            let (memory, asked) = start(&scene, session, Sign);
            (session, memory, asked)
        })
        .collect();
    for (session, ..) in &pending {
        assert_eq!(refused(&scene.lib, *session, c"C_Sign"), Some(Rv::Pending));
    }
    // The last that was begun is answered first.
    pending.reverse();
    for (number, (session, memory, asked)) in pending.iter().enumerate() {
        let signature = u32::try_from(number).unwrap().to_be_bytes();
        assert!(asked.bytes(&signature));
        assert_eq!(fetched(&scene.lib, *session, c"C_Sign", memory), signature);
    }
    assert_eq!(scene.cancelled(), 0);
}

#[test]
fn no_work_has_an_identifier() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    let id = |function: &'static CStr| {
        let mut id = 7;
        // SAFETY: it outlives the call.
        let place = unsafe { Place::new(&raw mut id) };
        let refused = rv(asynchronous::async_get_id(
            &scene.lib,
            session,
            name(function),
            place,
        ));
        assert_eq!(id, 7);
        refused
    };
    assert_eq!(id(c"C_Sign"), Some(Rv::OperationNotInitialized));
    let (memory, asked) = start(&scene, session, Sign);
    assert_eq!(id(c"C_Sign"), Some(Rv::StateUnsaveable));
    assert_eq!(id(c"C_SignFinal"), Some(Rv::OperationNotInitialized));
    assert_eq!(id(c"C_Login"), Some(Rv::OperationNotInitialized));
    assert!(asked.bytes(b"late"));
    assert_eq!(
        id(c"C_Sign"),
        Some(Rv::StateUnsaveable),
        "it has not been fetched"
    );
    assert_eq!(fetched(&scene.lib, session, c"C_Sign", &memory), b"late");
    assert_eq!(id(c"C_Sign"), Some(Rv::OperationNotInitialized));
}

#[test]
fn there_is_nothing_to_join() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    let (_memory, _asked) = start(&scene, session, Sign);
    for id in [0, 1, ck::CK_ULONG::MAX] {
        let mut room = [UNTOUCHED; 4];
        // SAFETY: it outlives the call.
        let data = unsafe { OutputBytes::new(room.as_mut_ptr(), 4) };
        let refused = rv(asynchronous::async_join(
            &scene.lib,
            session,
            name(c"C_Sign"),
            id,
            data,
        ));
        assert_eq!(refused, Some(Rv::SavedStateInvalid));
        assert_eq!(room, [UNTOUCHED; 4]);
    }
    assert_eq!(
        refused(&scene.lib, session, c"C_Sign"),
        Some(Rv::Pending),
        "what is pending stays so"
    );
}
