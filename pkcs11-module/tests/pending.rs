// SPDX-License-Identifier: MIT
//! A token that answers late and one that never answers: blocking calls wait, deadlines hold, and nothing is locked
//! meanwhile.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use cryptoki_sys as ck;
use keyenclave_model::error::{Result, Rv};
use keyenclave_model::mechanism::MechanismInfo;
use keyenclave_model::token::{
    CallCx, End, HandleSource, ObjectId, Operation, OperationClass, Out, OutputLen, Part, Pending, Pin, Role,
    SessionId, Step, Token, TokenInfo, Work,
};
use keyenclave_module::abi::values::{Input, Output, Place, RawMechanism};
use keyenclave_module::entry::{crypt, objects, sessions};
use keyenclave_module::library::Library;
use keyenclave_module::slot::Slot;
use zeroize::Zeroizing;

/// How long anything here may take before a test says that it hangs.
const PATIENCE: Duration = Duration::from_secs(20);
const KEY: ObjectId = ObjectId(1);

/// A token whose signatures come from the test, when it pleases.
struct LateToken {
    /// Told of each signature that is asked for: where its answer is to be sent.
    asked: Mutex<Sender<Sender<Vec<u8>>>>,
    cancelled: Arc<AtomicUsize>,
    /// Grows with each login: as if another process initialised the token while the PIN was tried.
    replaced: AtomicU64,
}

impl Token for LateToken {
    fn info(&self) -> Result<TokenInfo> {
        Err(Rv::FunctionNotSupported.into())
    }
    fn mechanisms(&self) -> Vec<MechanismInfo> {
        Vec::new()
    }
    fn epoch(&self) -> u64 {
        self.replaced.load(Ordering::SeqCst)
    }
    fn submit(&self, _cx: &CallCx, work: Work<'_>) -> Step {
        match work {
            Work::Begin { .. } => {
                let asked = self.asked.lock().unwrap().clone();
                Ok(Out::Operation(Box::new(LateSignature {
                    asked,
                    cancelled: self.cancelled.clone(),
                })))
                .into()
            }
            Work::Find(_) => Ok(Out::Objects(Vec::new())).into(),
            Work::Login { role: Role::So, .. } => {
                self.replaced.fetch_add(1, Ordering::SeqCst);
                Ok(Out::Done).into()
            }
            _ => Ok(Out::Done).into(),
        }
    }
    fn close_session(&self, _session: SessionId) {}
}

struct LateSignature {
    asked: Sender<Sender<Vec<u8>>>,
    cancelled: Arc<AtomicUsize>,
}

impl Operation for LateSignature {
    fn output_len(&self, _part: Part) -> Result<OutputLen> {
        Ok(OutputLen::Exact(4))
    }
    fn single(self: Box<Self>, _cx: &CallCx, _input: &[u8], _end: End<'_>) -> Step {
        let (answer, answered) = channel();
        self.asked.send(answer).unwrap();
        Step::Pending(Box::new(LateAnswer {
            answered,
            cancelled: self.cancelled,
        }))
    }
    fn update(&mut self, _cx: &CallCx, _input: &[u8], _out: &mut [u8]) -> Result<usize> {
        Ok(0)
    }
    fn finish(self: Box<Self>, cx: &CallCx, end: End<'_>) -> Step {
        self.single(cx, &[], end)
    }
}

struct LateAnswer {
    answered: Receiver<Vec<u8>>,
    cancelled: Arc<AtomicUsize>,
}

impl Pending for LateAnswer {
    fn poll(&mut self) -> Option<Result<Out>> {
        self.answered
            .try_recv()
            .ok()
            .map(|bytes| Ok(Out::Bytes(Zeroizing::new(bytes))))
    }
    fn wait(&mut self, deadline: Option<Instant>) -> Option<Result<Out>> {
        let answer = match deadline {
            Some(deadline) => self
                .answered
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
                .ok(),
            None => self.answered.recv().ok(),
        };
        answer.map(|bytes| Ok(Out::Bytes(Zeroizing::new(bytes))))
    }
    fn cancel(self: Box<Self>) {
        self.cancelled.fetch_add(1, Ordering::SeqCst);
    }
}

/// A library with one late token, and the test's ends of its channels.
struct Scene {
    lib: Arc<Library>,
    asked: Receiver<Sender<Vec<u8>>>,
    cancelled: Arc<AtomicUsize>,
}

fn scene(timeout: Option<Duration>) -> Scene {
    let (sender, asked) = channel();
    let cancelled = Arc::new(AtomicUsize::new(0));
    let token = Arc::new(LateToken {
        asked: Mutex::new(sender),
        cancelled: cancelled.clone(),
        replaced: AtomicU64::new(0),
    });
    let handles = Arc::new(HandleSource::starting_at(100));
    let slot = Slot::new(0, "late".to_owned(), timeout, token);
    Scene {
        lib: Arc::new(Library::with_slots(vec![slot], handles)),
        asked,
        cancelled,
    }
}

fn open(lib: &Library) -> SessionId {
    let mut handle = 0;
    // SAFETY: the place outlives the call.
    let place = unsafe { Place::new(&raw mut handle) };
    sessions::open_session(lib, 0, ck::CKF_SERIAL_SESSION | ck::CKF_RW_SESSION, place).unwrap();
    SessionId(handle)
}

fn sign_init(lib: &Library, session: SessionId) -> Result<()> {
    let mechanism = ck::CK_MECHANISM {
        mechanism: ck::CKM_ECDSA,
        pParameter: std::ptr::null_mut(),
        ulParameterLen: 0,
    };
    // SAFETY: the mechanism outlives the call.
    let mechanism = unsafe { RawMechanism::new(&raw const mechanism) };
    crypt::init(lib, session, OperationClass::Sign, mechanism, Some(KEY))
}

/// Signs; answers with the signature.
fn sign(lib: &Library, session: SessionId) -> Result<Vec<u8>> {
    let (mut signature, mut len) = (vec![0; 4], 4);
    // SAFETY: the data is constant.
    let data = unsafe { Input::new(b"data".as_ptr(), 4) };
    // SAFETY: both places outlive the call.
    let output = unsafe { Output::new(signature.as_mut_ptr(), &raw mut len) };
    crypt::single(lib, session, OperationClass::Sign, data, output)?;
    Ok(signature)
}

/// Runs calls on a thread of their own, and fails instead of hanging if they do not end.
fn within_patience<T: Send + 'static>(what: &str, calls: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, ended) = channel();
    thread::spawn(move || done.send(calls()));
    ended
        .recv_timeout(PATIENCE)
        .unwrap_or_else(|_| panic!("{what} hangs"))
}

#[test]
fn a_blocking_call_waits_for_the_answer() {
    let scene = scene(None);
    let session = open(&scene.lib);
    sign_init(&scene.lib, session).unwrap();
    let lib = scene.lib.clone();
    let signer = thread::spawn(move || sign(&lib, session));
    let answer = scene.asked.recv_timeout(PATIENCE).unwrap();
    assert!(!signer.is_finished());
    answer.send(b"late".to_vec()).unwrap();
    let signature = within_patience("the signer", move || signer.join().unwrap());
    assert_eq!(signature.unwrap(), b"late");
    assert_eq!(scene.cancelled.load(Ordering::SeqCst), 0);
}

#[test]
fn a_token_that_hangs_is_abandoned_at_the_deadline() {
    let scene = scene(Some(Duration::from_millis(50)));
    let session = open(&scene.lib);
    sign_init(&scene.lib, session).unwrap();
    let lib = scene.lib.clone();
    let outcome = within_patience("the signer", move || sign(&lib, session));
    assert_eq!(outcome.unwrap_err().rv(), Rv::DeviceError);
    assert_eq!(scene.cancelled.load(Ordering::SeqCst), 1);
    assert_eq!(
        sign(&scene.lib, session).unwrap_err().rv(),
        Rv::OperationNotInitialized
    );
    assert!(sign_init(&scene.lib, session).is_ok(), "the session goes on");
}

#[test]
fn nothing_is_locked_while_a_call_waits() {
    let scene = scene(None);
    let (waiting, other) = (open(&scene.lib), open(&scene.lib));
    sign_init(&scene.lib, waiting).unwrap();
    let lib = scene.lib.clone();
    let signer = thread::spawn(move || sign(&lib, waiting));
    let answer = scene.asked.recv_timeout(PATIENCE).unwrap();
    let lib = scene.lib.clone();
    within_patience("another call", move || {
        let busy = |outcome: Result<()>| outcome.map_err(|error| error.rv());
        assert_eq!(
            busy(sign_init(&lib, waiting)),
            Err(Rv::OperationActive),
            "one operation of a class"
        );
        for session in [waiting, other] {
            // SAFETY: an empty template.
            let template = unsafe { keyenclave_module::abi::values::RawTemplate::new(std::ptr::null(), 0) };
            objects::find_objects_init(&lib, session, template).unwrap();
            objects::find_objects_final(&lib, session).unwrap();
        }
        let slot = lib.slot(0).unwrap().1;
        slot.login(other, true, Role::User, Pin(b"1234")).unwrap();
        slot.logout().unwrap();
        sign_init(&lib, other).unwrap();
        sessions::close_session(&lib, open(&lib)).unwrap();
        sessions::close_session(&lib, waiting).unwrap();
    });
    answer.send(b"late".to_vec()).unwrap();
    let signature = within_patience("the signer", move || signer.join().unwrap());
    assert_eq!(
        signature.unwrap(),
        b"late",
        "a call that is inside ends as it would have"
    );
    assert_eq!(
        sign(&scene.lib, waiting).unwrap_err().rv(),
        Rv::SessionHandleInvalid
    );
}

#[test]
fn two_sessions_wait_side_by_side() {
    let scene = scene(None);
    let signers: Vec<_> = (0..8)
        .map(|_| {
            let (lib, session) = (scene.lib.clone(), open(&scene.lib));
            sign_init(&lib, session).unwrap();
            thread::spawn(move || sign(&lib, session))
        })
        .collect();
    let answers: Vec<_> = signers
        .iter()
        .map(|_| scene.asked.recv_timeout(PATIENCE).unwrap())
        .collect();
    // The last that asked is answered first.
    for answer in answers.iter().rev() {
        answer.send(b"late".to_vec()).unwrap();
    }
    for signer in signers {
        assert_eq!(
            within_patience("a signer", move || signer.join().unwrap()).unwrap(),
            b"late"
        );
    }
}

#[test]
fn a_login_is_void_if_the_token_was_replaced_while_the_pin_was_tried() {
    let scene = scene(None);
    let session = open(&scene.lib);
    let slot = scene.lib.slot(0).unwrap().1;
    slot.login(session, true, Role::So, Pin(b"1234")).unwrap();
    let caller = scene.lib.session(session).unwrap();
    assert_eq!(caller.call().access.login, None);
    slot.login(session, true, Role::User, Pin(b"1234")).unwrap();
    let caller = scene.lib.session(session).unwrap();
    assert_eq!(caller.call().access.login, Some(Role::User));
}
