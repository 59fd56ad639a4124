// SPDX-License-Identifier: MIT
//! The same over a remote token with its real runtime, and a service in memory that is as slow as the test pleases.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use cryptoki_sys as ck;
use keyenclave_bridge::bridge::Bridge;
use keyenclave_bridge::call::CallKind;
use keyenclave_bridge::contract::fault::{Fault, Faulty};
use keyenclave_bridge::contract::memory::MemoryService;
use keyenclave_bridge::remote::{RemoteOptions, RemoteToken};
use keyenclave_bridge::runtime::Runtime;
use keyenclave_bridge::settings::Settings;
use keyenclave_model::error::Rv;
use keyenclave_model::token::OperationClass::{Sign, Verify};
use keyenclave_model::token::{HandleSource, ObjectId, OperationClass, SessionId, Token};
use keyenclave_module::abi::values::{Name, Place, RawMechanism, RawTemplate};
use keyenclave_module::entry::{crypt, keys, sessions};
use keyenclave_module::library::Library;
use keyenclave_module::slot::Slot;

use crate::late::{PATIENCE, rv};
use crate::scene::{Memory, complete, input, name, single};

/// A signature of an elliptic curve of 256 bits, in bytes.
const SIGNATURE_LEN: usize = 64;

/// The slot that waits for the service.
const PATIENT: ck::CK_SLOT_ID = 0;
/// The slot of the same token that soon gives up.
const HURRIED: ck::CK_SLOT_ID = 1;
const HURRY: Duration = Duration::from_millis(50);

/// A library with a remote token in two slots, whose service has one key pair.
struct Remote {
    lib: Library,
    service: Arc<Faulty>,
    runtime: Arc<Runtime>,
    public: ObjectId,
    private: ObjectId,
}

/// Settings under which nothing ends but by the slot's deadline.
fn patient() -> Settings {
    Settings {
        operation_timeout: PATIENCE,
        attempt_timeout: PATIENCE,
        ..Settings::default()
    }
}

fn remote() -> Remote {
    let service = Faulty::new(Arc::new(MemoryService::new(10)));
    let runtime = Arc::new(Runtime::new());
    let handles = Arc::new(HandleSource::starting_at(1));
    let options = RemoteOptions {
        label: "remote".to_owned(),
        place: "memory".to_owned(),
        model: "memory",
        pin: None,
        sidecar: None,
    };
    let bridge = Bridge::new(service.clone(), patient(), runtime.clone());
    let token = RemoteToken::new(bridge, options, handles.clone());
    let token: Arc<dyn Token> = Arc::new(token);
    let slots = [(PATIENT, PATIENCE), (HURRIED, HURRY)]
        .map(|(id, timeout)| Slot::new(id, "remote".to_owned(), Some(timeout), token.clone()));
    let lib = Library::with_slots(Vec::from(slots), handles);
    let (public, private) = made(&lib);
    Remote {
        lib,
        service,
        runtime,
        public,
        private,
    }
}

/// Makes the key pair, in an asynchronous session.
fn made(lib: &Library) -> (ObjectId, ObjectId) {
    let session = open(lib, PATIENT);
    let mut yes = ck::CK_TRUE;
    let mut p256 = *b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
    let attribute = |kind, value: *mut u8, len| ck::CK_ATTRIBUTE {
        type_: kind,
        pValue: value.cast(),
        ulValueLen: len,
    };
    let mut attributes = [
        attribute(ck::CKA_EC_PARAMS, p256.as_mut_ptr(), 10),
        attribute(ck::CKA_TOKEN, &raw mut yes, 1),
    ];
    let (mut public, mut private) = (0, 0);
    let mechanism = mechanism(ck::CKM_EC_KEY_PAIR_GEN);
    // SAFETY: all of it outlives the call.
    let template = unsafe { RawTemplate::new(attributes.as_mut_ptr(), 2) };
    // SAFETY: all of it outlives the call.
    let private_template = unsafe { RawTemplate::new(attributes.as_mut_ptr().wrapping_add(1), 1) };
    // SAFETY: it outlives the call.
    let public_place = unsafe { Place::new(&raw mut public) };
    // SAFETY: it outlives the call.
    let private_place = unsafe { Place::new(&raw mut private) };
    let outcome = keys::generate_key_pair(
        lib,
        session,
        mechanism,
        template,
        private_template,
        public_place,
        private_place,
    );
    assert_eq!(rv(outcome), Some(Rv::Pending));
    let (outcome, data) = ended(lib, session, || name(c"C_GenerateKeyPair"));
    assert_eq!(outcome, None);
    assert_eq!((public, private), (0, 0), "the handles are in the structure");
    (ObjectId(data.hObject), ObjectId(data.hAdditionalObject))
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

fn init(remote: &Remote, session: SessionId, class: OperationClass, key: ObjectId) {
    crypt::init(
        &remote.lib,
        session,
        class,
        mechanism(ck::CKM_ECDSA_SHA256),
        Some(key),
    )
    .unwrap();
}

fn open(lib: &Library, slot: ck::CK_SLOT_ID) -> SessionId {
    let mut handle = 0;
    // SAFETY: it outlives the call.
    let place = unsafe { Place::new(&raw mut handle) };
    let flags = ck::CKF_SERIAL_SESSION | ck::CKF_RW_SESSION | ck::CKF_ASYNC_SESSION;
    sessions::open_session(lib, slot, flags, place).unwrap();
    SessionId(handle)
}

/// A signature under way.
fn start(remote: &Remote, slot: ck::CK_SLOT_ID) -> (SessionId, Memory) {
    let session = open(&remote.lib, slot);
    init(remote, session, Sign, remote.private);
    let mut memory = Memory::of(SIGNATURE_LEN);
    assert_eq!(single(&remote.lib, session, Sign, &mut memory), Some(Rv::Pending));
    (session, memory)
}

/// Asks until a function has ended.
fn ended(
    lib: &Library,
    session: SessionId,
    function: impl Fn() -> Name<'static>,
) -> (Option<Rv>, ck::CK_ASYNC_DATA) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (outcome, data) = complete(lib, session, function());
        if outcome != Some(Rv::Pending) {
            return (outcome, data);
        }
        assert!(Instant::now() < deadline, "it does not end");
        thread::yield_now();
    }
}

/// Waits until the service has nothing to do.
fn idle(service: &Faulty) {
    let deadline = Instant::now() + PATIENCE;
    while service.under_way() > 0 {
        assert!(Instant::now() < deadline, "calls go on that nobody wants");
        thread::yield_now();
    }
}

#[test]
fn ten_thousand_signatures_take_one_request_each_over_few_connections() {
    const MANY: usize = 10_000;
    let remote = remote();
    remote.service.otherwise(Fault::Delay(Duration::from_millis(1)));
    let pending: Vec<_> = (0..MANY).map(|_| start(&remote, PATIENT)).collect();
    for (session, memory) in &pending {
        let (outcome, data) = ended(&remote.lib, *session, || name(c"C_Sign"));
        assert_eq!(outcome, None);
        assert_eq!(data.pValue.cast_const(), memory.bytes.as_ptr());
        assert_eq!(usize::try_from(data.ulValue).unwrap(), SIGNATURE_LEN);
    }
    assert_eq!(remote.service.count(CallKind::Sign), MANY);
    assert!(remote.service.most_under_way() <= patient().connections);
    for (session, memory) in pending.iter().take(10) {
        init(&remote, *session, Verify, remote.public);
        crypt::verify(&remote.lib, *session, input(b"data"), input(&memory.bytes)).unwrap();
    }
}

#[test]
fn closed_sessions_leave_nothing_under_way() {
    let remote = remote();
    remote.service.otherwise(Fault::Hang);
    let pending: Vec<_> = (0..100).map(|_| start(&remote, PATIENT)).collect();
    sessions::close_all_sessions(&remote.lib, 0).unwrap();
    idle(&remote.service);
    assert!(pending.iter().all(|(_, memory)| memory.is_untouched()));
}

#[test]
fn the_end_of_the_library_does_not_wait_for_a_service_that_hangs() {
    let remote = remote();
    remote.service.otherwise(Fault::Hang);
    let pending: Vec<_> = (0..100).map(|_| start(&remote, PATIENT)).collect();
    remote.lib.close();
    idle(&remote.service);
    remote.runtime.close();
    drop(remote.lib);
    assert!(pending.iter().all(|(_, memory)| memory.is_untouched()));
}

#[test]
fn a_service_that_hangs_is_given_up_at_the_deadline() {
    let remote = remote();
    remote.service.otherwise(Fault::Hang);
    let (session, memory) = start(&remote, HURRIED);
    let (outcome, _) = ended(&remote.lib, session, || name(c"C_Sign"));
    assert_eq!(outcome, Some(Rv::DeviceError));
    assert!(memory.is_untouched());
    idle(&remote.service);
    remote.service.otherwise(Fault::None);
    let (session, _memory) = start(&remote, PATIENT);
    let (outcome, _) = ended(&remote.lib, session, || name(c"C_Sign"));
    assert_eq!(outcome, None, "the token goes on");
}
