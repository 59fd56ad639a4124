// SPDX-License-Identifier: MIT
//! A token that notes what it is asked and answers at once, a library with it in a slot, and what the application
//! lends to its functions.

use std::ptr::null_mut;
use std::sync::{Arc, Mutex};

use cryptoki_sys as ck;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::MechanismInfo;
use keyenclave_model::token::{
    CallCx, End, HandleSource, Message, MessageEnd, MessageStep, Messages, ObjectId, Operation, Out,
    OutputLen, Part, Processed, SessionId, Step, Token, TokenInfo, Work, with_signature,
};
use keyenclave_module::abi::values::{Input, MessageParameter, Output, Place, RawMechanism, RawTemplate};
use keyenclave_module::entry::sessions;
use keyenclave_module::library::Library;
use keyenclave_module::slot::Slot;
use zeroize::Zeroizing;

/// The key of everything here.
pub const KEY: ObjectId = ObjectId(1);
/// What a wrapped key or a ciphertext is.
pub const WRAPPED: &[u8] = b"wrapped!";
/// The key that is made.
pub const MADE: ObjectId = ObjectId(7);
/// Data that the token refuses.
pub const BAD: &[u8] = b"bad";
/// The one signature that is right.
pub const SIGNATURE: &[u8] = b"right";

/// What the token was asked for, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Message(MessageStep),
    WrapLen,
    Wrap,
    Unwrap,
    Derive { has_handle: bool },
    Encapsulate,
    Decapsulate,
}

type Notes = Arc<Mutex<Vec<Asked>>>;

struct Noting(Notes);

impl Noting {
    fn note(&self, asked: Asked) {
        self.0.lock().unwrap().push(asked);
    }
}

impl Token for Noting {
    fn takes_as_given(&self) -> bool {
        true
    }
    fn info(&self) -> Result<TokenInfo> {
        Ok(TokenInfo {
            label: [b' '; 32],
            manufacturer: "test".into(),
            model: "noting".into(),
            serial: [b'0'; 16],
            flags: 0,
            min_pin_len: 0,
            max_pin_len: 0,
            device: None,
        })
    }
    fn mechanisms(&self) -> Result<Vec<MechanismInfo>> {
        Ok(Vec::new())
    }
    fn epoch(&self) -> u64 {
        0
    }
    fn submit(&self, _cx: &CallCx, work: Work<'_>) -> Step {
        let asked = match &work {
            Work::WrapLen(_) => Some(Asked::WrapLen),
            Work::Wrap(_) => Some(Asked::Wrap),
            Work::Unwrap { .. } => Some(Asked::Unwrap),
            Work::Derive { has_handle, .. } => Some(Asked::Derive {
                has_handle: *has_handle,
            }),
            Work::Encapsulate(_) => Some(Asked::Encapsulate),
            Work::Decapsulate { .. } => Some(Asked::Decapsulate),
            _ => None,
        };
        if let Some(asked) = asked {
            self.note(asked);
        }
        let out = match work {
            Work::Begin { .. } => Out::Operation(Box::new(Verifying::default())),
            Work::BeginVerifySignature { signature, .. } => {
                let begun = Box::new(Verifying::default());
                Out::Operation(with_signature(begun, signature))
            }
            Work::BeginMessages { .. } => Out::Messages(Box::new(Self(Arc::clone(&self.0)))),
            Work::WrapLen(_) | Work::EncapsulateLen(_) => Out::Size(WRAPPED.len() as u64),
            Work::Wrap(_) => Out::Bytes(Zeroizing::new(WRAPPED.to_vec())),
            Work::Encapsulate(_) => Out::Encapsulated {
                ciphertext: WRAPPED.to_vec(),
                key: MADE,
            },
            Work::Derive {
                has_handle: false, ..
            } => Out::Done,
            Work::Unwrap { .. } | Work::Derive { .. } | Work::Decapsulate { .. } => Out::Object(MADE),
            _ => Out::Done,
        };
        Ok(out).into()
    }
    fn close_session(&self, _session: SessionId) {}
}

impl Messages for Noting {
    /// What comes of data is the same data.
    fn process(&mut self, _cx: &CallCx, message: Message<'_>) -> Result<Processed> {
        self.note(Asked::Message(message.step));
        if message.input == BAD {
            return Err(Rv::DataInvalid.into());
        }
        let len = message.input.len();
        match message.end {
            MessageEnd::Nothing => Ok(Processed::Written(0)),
            MessageEnd::Signature(SIGNATURE) => Ok(Processed::Written(0)),
            MessageEnd::Signature(_) => Err(Rv::SignatureInvalid.into()),
            MessageEnd::Output(room) if room.len() >= len => {
                room[..len].copy_from_slice(message.input);
                Ok(Processed::Written(len))
            }
            MessageEnd::Query | MessageEnd::Output(_) => Ok(Processed::Needs(len)),
        }
    }
    fn finish(self: Box<Self>, _cx: &CallCx) -> Result<()> {
        Ok(())
    }
}

/// A verification: the one signature is right of any data but [`BAD`].
#[derive(Default)]
struct Verifying(Vec<u8>);

impl Operation for Verifying {
    fn output_len(&self, _part: Part) -> Result<OutputLen> {
        Ok(OutputLen::Exact(0))
    }
    fn single(mut self: Box<Self>, _cx: &CallCx, input: &[u8], end: End<'_>) -> Step {
        self.0.extend_from_slice(input);
        match end {
            End::Signature(SIGNATURE) if self.0 != BAD => Ok(Out::Done).into(),
            _ => Err(Rv::SignatureInvalid.into()).into(),
        }
    }
    fn update(&mut self, _cx: &CallCx, input: &[u8], _out: &mut [u8]) -> Result<usize> {
        self.0.extend_from_slice(input);
        Ok(0)
    }
    fn finish(self: Box<Self>, cx: &CallCx, end: End<'_>) -> Step {
        self.single(cx, &[], end)
    }
}

/// A library with such a token, and a session of it.
pub struct Scene {
    pub lib: Library,
    pub session: SessionId,
    notes: Notes,
}

impl Scene {
    pub fn new() -> Self {
        let notes = Notes::default();
        let slot = Slot::new(0, "noting".to_owned(), None, Arc::new(Noting(Arc::clone(&notes))));
        let lib = Library::with_slots(vec![slot], Arc::new(HandleSource::starting_at(100)));
        let mut handle = 0;
        sessions::open_session(
            &lib,
            0,
            ck::CKF_SERIAL_SESSION | ck::CKF_RW_SESSION,
            place(&mut handle),
        )
        .unwrap();
        Self {
            lib,
            session: SessionId(handle),
            notes,
        }
    }

    /// What the token was asked for since this was called.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.notes.lock().unwrap())
    }
}

/// The return value of a failure.
pub fn rv<T>(result: Result<T>) -> Option<Rv> {
    result.err().as_ref().map(Error::rv)
}

pub const MECHANISM: ck::CK_MECHANISM = ck::CK_MECHANISM {
    mechanism: ck::CKM_VENDOR_DEFINED,
    pParameter: null_mut(),
    ulParameterLen: 0,
};

pub fn mechanism(mechanism: &ck::CK_MECHANISM) -> RawMechanism<'_> {
    // SAFETY: it is borrowed as long as it is used.
    unsafe { RawMechanism::new(mechanism) }
}

pub fn no_mechanism() -> RawMechanism<'static> {
    // SAFETY: null is allowed.
    unsafe { RawMechanism::new(std::ptr::null()) }
}

pub fn template() -> RawTemplate<'static> {
    // SAFETY: there is none to be read.
    unsafe { RawTemplate::new(std::ptr::null(), 0) }
}

pub fn input(data: &[u8]) -> Input<'_> {
    // SAFETY: it is borrowed as long as it is used.
    unsafe { Input::new(data.as_ptr(), data.len() as ck::CK_ULONG) }
}

pub fn no_input() -> Input<'static> {
    // SAFETY: null is allowed.
    unsafe { Input::new(std::ptr::null(), 0) }
}

/// No memory for a parameter, said to have this length.
pub fn no_parameter(len: ck::CK_ULONG) -> MessageParameter<'static> {
    // SAFETY: null is allowed.
    unsafe { MessageParameter::new(null_mut(), len) }
}

pub fn place(handle: &mut ck::CK_ULONG) -> Place<'_, ck::CK_ULONG> {
    // SAFETY: it is borrowed as long as it is used.
    unsafe { Place::new(handle) }
}

pub fn no_place() -> Place<'static, ck::CK_ULONG> {
    // SAFETY: null is allowed.
    unsafe { Place::new(null_mut()) }
}

/// Memory for output, and the length that the function reads and writes.
pub struct Room {
    bytes: Vec<u8>,
    /// The length.
    pub len: ck::CK_ULONG,
}

impl Room {
    pub fn of(len: usize) -> Self {
        Self {
            bytes: vec![0; len],
            len: len as ck::CK_ULONG,
        }
    }

    pub fn output(&mut self) -> Output<'_> {
        self.len = self.bytes.len() as ck::CK_ULONG;
        // SAFETY: both are borrowed as long as they are used.
        unsafe { Output::new(self.bytes.as_mut_ptr(), &raw mut self.len) }
    }

    /// Asks for the length alone.
    pub fn query(&mut self) -> Output<'_> {
        // SAFETY: as above; a null buffer is allowed.
        unsafe { Output::new(null_mut(), &raw mut self.len) }
    }

    pub fn written(&self) -> &[u8] {
        &self.bytes[..usize::try_from(self.len).unwrap()]
    }
}

/// No place for output, nor for its length.
pub fn no_output() -> Output<'static> {
    // SAFETY: null is allowed.
    unsafe { Output::new(null_mut(), null_mut()) }
}
