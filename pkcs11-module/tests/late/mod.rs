// SPDX-License-Identifier: MIT
//! A token that answers when the test pleases, a library with it in a slot, and the calls that the tests make.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use cryptoki_sys as ck;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::MechanismInfo;
use keyenclave_model::token::{
    CallCx, End, HandleSource, ObjectId, Operation, OperationClass, Out, OutputLen, Part, Pending, Role,
    SessionId, Step, Token, TokenInfo, Work,
};
use keyenclave_module::abi::values::{Input, Output, Place, RawMechanism};
use keyenclave_module::entry::{crypt, sessions};
use keyenclave_module::library::Library;
use keyenclave_module::slot::Slot;
use zeroize::Zeroizing;

/// How long anything here may take before a test says that it hangs.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// A key whose operations wait for the test.
pub const KEY: ObjectId = ObjectId(1);
/// A key whose operations are done at once, with [`READY`] as their output.
pub const READY_KEY: ObjectId = ObjectId(2);
/// See [`READY_KEY`].
pub const READY: [u8; 4] = *b"done";
/// What a signature takes, in bytes.
pub const SIGNATURE_LEN: usize = 4;
/// What encryption or decryption gives at the most, in bytes.
pub const MOST: usize = 8;

/// Work that the token was given, for the test to answer.
pub struct Asked {
    /// What came in.
    pub input: Vec<u8>,
    answer: Sender<Result<Out>>,
}

impl Asked {
    /// The work comes to these bytes. False if nobody is there any more.
    pub fn bytes(&self, bytes: &[u8]) -> bool {
        self.with(Ok(Out::Bytes(Zeroizing::new(bytes.to_vec()))))
    }

    /// Whoever asks for the answer panics.
    pub fn panic(self) {}

    /// The work comes to this. False if nobody is there any more.
    pub fn with(&self, result: Result<Out>) -> bool {
        self.answer.send(result).is_ok()
    }
}

/// What another thread does at a moment that the test picks: once, the next time that the moment comes.
#[derive(Clone, Default)]
pub struct Meanwhile(Arc<Mutex<Option<Call>>>);

type Call = Box<dyn FnOnce() + Send>;

impl Meanwhile {
    /// Does this the next time.
    pub fn next(&self, call: impl FnOnce() + Send + 'static) {
        *self.0.lock().unwrap() = Some(Box::new(call));
    }

    fn happens(&self) {
        let call = self.0.lock().unwrap().take();
        if let Some(call) = call {
            within_patience("what happens meanwhile", call);
        }
    }
}

/// The moments that a test can pick.
#[derive(Clone, Default)]
pub struct Moments {
    /// A function has found its session, and somebody is logged in.
    pub found: Meanwhile,
    /// The token is given work to do.
    pub asked: Meanwhile,
    /// The token is told of a logout.
    pub left: Meanwhile,
    /// An operation is given a part.
    pub taken_in: Meanwhile,
    /// The token is asked for an answer, and has found whether there is one.
    pub polled: Meanwhile,
}

struct LateToken {
    moments: Moments,
    asked: Mutex<Sender<Asked>>,
    cancelled: Arc<AtomicUsize>,
    flags: ck::CK_FLAGS,
    /// Grows with each login of the security officer: as if another process initialised the token meanwhile.
    replaced: AtomicU64,
}

impl LateToken {
    fn ask(&self) -> Ask {
        Ask {
            asked: self.asked.lock().unwrap().clone(),
            cancelled: Arc::clone(&self.cancelled),
            moments: self.moments.clone(),
        }
    }
}

impl Token for LateToken {
    fn info(&self) -> Result<TokenInfo> {
        Ok(TokenInfo {
            label: [b' '; 32],
            manufacturer: "test".into(),
            model: "late".into(),
            serial: [b'0'; 16],
            flags: self.flags,
            min_pin_len: 0,
            max_pin_len: 0,
            device: None,
        })
    }
    fn mechanisms(&self) -> Result<Vec<MechanismInfo>> {
        Ok(Vec::new())
    }
    fn epoch(&self) -> u64 {
        self.moments.found.happens();
        self.replaced.load(Ordering::SeqCst)
    }
    fn submit(&self, _cx: &CallCx, work: Work<'_>) -> Step {
        match work {
            Work::Begin { class, key, .. } => Ok(Out::Operation(Box::new(LateOperation {
                ask: self.ask(),
                class,
                ready: key == Some(READY_KEY),
                message: Vec::new(),
            })))
            .into(),
            Work::GenerateKey { .. } | Work::GenerateKeyPair { .. } => self.ask().step(&[]),
            Work::Logout => {
                self.moments.left.happens();
                Ok(Out::Done).into()
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

/// The way to the test.
struct Ask {
    moments: Moments,
    asked: Sender<Asked>,
    cancelled: Arc<AtomicUsize>,
}

impl Ask {
    fn step(self, input: &[u8]) -> Step {
        let (answer, answered) = channel();
        let input = input.to_vec();
        self.asked.send(Asked { input, answer }).unwrap();
        self.moments.asked.happens();
        Step::Pending(Box::new(LateAnswer {
            answered,
            cancelled: self.cancelled,
            moments: self.moments,
        }))
    }
}

struct LateOperation {
    ask: Ask,
    class: OperationClass,
    ready: bool,
    message: Vec<u8>,
}

impl Operation for LateOperation {
    fn output_len(&self, part: Part) -> Result<OutputLen> {
        Ok(match (part, self.class) {
            (Part::Update(_), _) => OutputLen::Exact(0),
            (_, OperationClass::Encrypt | OperationClass::Decrypt) => OutputLen::AtMost(MOST),
            _ => OutputLen::Exact(SIGNATURE_LEN),
        })
    }
    fn single(self: Box<Self>, _cx: &CallCx, input: &[u8], end: End<'_>) -> Step {
        match end {
            End::Output(memory) if self.ready => {
                memory[..READY.len()].copy_from_slice(&READY);
                Ok(Out::Written(READY.len())).into()
            }
            _ => self.ask.step(input),
        }
    }
    fn update(&mut self, _cx: &CallCx, input: &[u8], _out: &mut [u8]) -> Result<usize> {
        self.message.extend_from_slice(input);
        self.ask.moments.taken_in.happens();
        Ok(0)
    }
    fn finish(mut self: Box<Self>, cx: &CallCx, end: End<'_>) -> Step {
        let message = std::mem::take(&mut self.message);
        self.single(cx, &message, end)
    }
}

struct LateAnswer {
    moments: Moments,
    answered: Receiver<Result<Out>>,
    cancelled: Arc<AtomicUsize>,
}

impl Pending for LateAnswer {
    fn poll(&mut self) -> Option<Result<Out>> {
        let answer = self.answered.try_recv();
        self.moments.polled.happens();
        match answer {
            Ok(answer) => Some(answer),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => panic!("the test has let go of the work"),
        }
    }
    fn wait(&mut self, deadline: Option<Instant>) -> Option<Result<Out>> {
        match deadline {
            Some(deadline) => self
                .answered
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
                .ok(),
            None => self.answered.recv().ok(),
        }
    }
    fn cancel(self: Box<Self>) {
        self.cancelled.fetch_add(1, Ordering::SeqCst);
    }
}

/// A library with one late token, and the test's ends of its channels.
pub struct Scene {
    pub lib: Arc<Library>,
    pub moments: Moments,
    asked: Receiver<Asked>,
    cancelled: Arc<AtomicUsize>,
}

impl Scene {
    /// What the token was asked for, once it was.
    pub fn asked(&self) -> Asked {
        self.asked.recv_timeout(PATIENCE).unwrap()
    }

    /// What the token was asked for, if it was.
    pub fn asked_already(&self) -> Option<Asked> {
        self.asked.try_recv().ok()
    }

    /// How often work was cancelled.
    pub fn cancelled(&self) -> usize {
        self.cancelled.load(Ordering::SeqCst)
    }
}

/// A library whose token has no flags.
pub fn scene(timeout: Option<Duration>) -> Scene {
    scene_with(timeout, 0)
}

/// A library whose token has these flags.
pub fn scene_with(timeout: Option<Duration>, flags: ck::CK_FLAGS) -> Scene {
    let (sender, asked) = channel();
    let cancelled = Arc::new(AtomicUsize::new(0));
    let moments = Moments::default();
    let token = Arc::new(LateToken {
        moments: moments.clone(),
        asked: Mutex::new(sender),
        cancelled: cancelled.clone(),
        flags,
        replaced: AtomicU64::new(0),
    });
    let handles = Arc::new(HandleSource::starting_at(100));
    let slot = Slot::new(0, "late".to_owned(), timeout, token);
    Scene {
        lib: Arc::new(Library::with_slots(vec![slot], handles)),
        moments,
        asked,
        cancelled,
    }
}

/// Opens a read/write session, with more flags.
pub fn try_open(lib: &Library, flags: ck::CK_FLAGS) -> Result<SessionId> {
    let mut handle = 0;
    // SAFETY: the place outlives the call.
    let place = unsafe { Place::new(&raw mut handle) };
    sessions::open_session(lib, 0, ck::CKF_SERIAL_SESSION | ck::CKF_RW_SESSION | flags, place)?;
    Ok(SessionId(handle))
}

/// Opens a session that waits.
pub fn open(lib: &Library) -> SessionId {
    try_open(lib, 0).unwrap()
}

/// `C_SignInit` and its kind.
pub fn init(lib: &Library, session: SessionId, class: OperationClass, key: ObjectId) -> Result<()> {
    let mechanism = ck::CK_MECHANISM {
        mechanism: ck::CKM_ECDSA,
        pParameter: std::ptr::null_mut(),
        ulParameterLen: 0,
    };
    // SAFETY: the mechanism outlives the call.
    let mechanism = unsafe { RawMechanism::new(&raw const mechanism) };
    crypt::init(lib, session, class, mechanism, Some(key))
}

/// `C_SignInit` with the late key.
pub fn sign_init(lib: &Library, session: SessionId) -> Result<()> {
    init(lib, session, OperationClass::Sign, KEY)
}

/// `C_Sign` in a session that waits; answers with the signature.
pub fn sign(lib: &Library, session: SessionId) -> Result<Vec<u8>> {
    let (mut signature, mut len) = (vec![0; SIGNATURE_LEN], 4);
    // SAFETY: the data is constant.
    let data = unsafe { Input::new(b"data".as_ptr(), 4) };
    // SAFETY: both places outlive the call.
    let output = unsafe { Output::new(signature.as_mut_ptr(), &raw mut len) };
    crypt::single(lib, session, OperationClass::Sign, data, output)?;
    Ok(signature)
}

/// The return value of a failure.
pub fn rv<T>(result: Result<T>) -> Option<Rv> {
    result.err().as_ref().map(Error::rv)
}

/// Runs calls on a thread of their own, and fails instead of hanging if they do not end.
pub fn within_patience<T: Send + 'static>(what: &str, calls: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, ended) = channel();
    thread::spawn(move || done.send(calls()));
    ended
        .recv_timeout(PATIENCE)
        .unwrap_or_else(|_| panic!("{what} hangs"))
}
