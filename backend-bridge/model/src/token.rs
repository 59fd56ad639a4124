// SPDX-License-Identifier: MIT
//! The seam between the module and whatever holds the keys.
//!
//! The module turns C calls into [`Work`] and hands it to the slot's [`Token`]. A token that can answer at once does
//! so ([`Step::Ready`]) and writes straight into the caller's memory; one that has to ask somebody far away returns
//! [`Step::Pending`], which owns all that it needs. The caller waits for it until the deadline, abandons it, or keeps
//! it for later. The module holds no lock in any of these calls.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use cryptoki_sys as ck;
use zeroize::Zeroizing;

use crate::access::Access;
use crate::attribute::Value;
use crate::error::{Error, Result, Rv};
use crate::mechanism::{Mechanism, MechanismInfo};
use crate::object::Object;
use crate::template::Template;

/// Whatever holds the keys of a slot.
///
/// # Behaviour
/// - Nothing is opened, started or sent before the first call that needs it; constructing a token does no I/O.
/// - All methods may be called from many threads at once and may be the first to be called.
/// - `info`, `mechanisms`, `epoch` and `close_session` never ask a remote service.
/// - Handles come from the [`HandleSource`] given to the token, so they are unique in the process and never reused.
pub trait Token: Send + Sync {
    /// Whether there is a token in the slot at all (`CKF_TOKEN_PRESENT`).
    fn is_present(&self) -> bool {
        true
    }

    /// The slot's flags beside `CKF_TOKEN_PRESENT`: `CKF_REMOVABLE_DEVICE` and `CKF_HW_SLOT`.
    fn slot_flags(&self) -> ck::CK_FLAGS {
        0
    }

    /// Whether mechanisms and templates are to be handed on unread: their rules are somebody else's, and so are the
    /// objects', see [`Out::Attributes`].
    fn takes_as_given(&self) -> bool {
        false
    }

    /// What `C_GetTokenInfo` tells, without the session counts.
    fn info(&self) -> Result<TokenInfo>;

    /// The mechanisms that work, and for what. Advertised means working, and what is not advertised is refused.
    ///
    /// # Errors
    /// `CKR_TOKEN_NOT_PRESENT` and the like, where only a device knows and it is not there.
    fn mechanisms(&self) -> Result<Vec<MechanismInfo>>;

    /// A number that changes when somebody, here or in another process, replaced the token's contents as a whole
    /// (`C_InitToken`, a restored backup). A login made under another epoch is void.
    fn epoch(&self) -> u64;

    /// Takes up one piece of work. Bytes are written to the slices that `work` carries, or are in the [`Out`].
    fn submit(&self, cx: &CallCx, work: Work<'_>) -> Step;

    /// Asks whatever is behind the token whether it would do its work now.
    fn health(&self, cx: &CallCx) -> Step {
        let _ = cx;
        Step::Ready(self.info().map(|_| Out::Done))
    }

    /// Destroys the session objects of a session that has just been closed. Cannot fail.
    fn close_session(&self, session: SessionId);
}

/// Who asks, and until when the answer is of use.
#[derive(Clone, Copy, Debug)]
pub struct CallCx {
    /// The session that asks: it owns the session objects that the work makes.
    pub session: SessionId,
    /// What this session may do at this moment.
    pub access: Access,
    /// When the caller stops waiting; `None` waits as long as it takes (key generation, the PIN's key derivation).
    pub deadline: Option<Instant>,
    /// Whether the caller would rather have [`Step::Pending`] than wait: an asynchronous session.
    pub may_pend: bool,
}

/// A session's handle, unique in the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub ck::CK_SESSION_HANDLE);

/// An object's handle, unique in the process over all tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId(pub ck::CK_OBJECT_HANDLE);

/// A PIN as the application gave it. It has no `Debug`, is not kept, and is not logged, not even its length. Empty
/// where the token has a PIN pad of its own (`CKF_PROTECTED_AUTHENTICATION_PATH`) and the application gave none.
#[derive(Clone, Copy)]
pub struct Pin<'a>(pub &'a [u8]);

/// Who logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `CKU_USER`.
    User,
    /// `CKU_SO`, the security officer.
    So,
}

/// One piece of work for a token.
pub enum Work<'a> {
    /// `C_InitToken`: a new, empty token. No session is open.
    InitToken {
        /// The security officer's PIN: checked if the token was initialised before, set otherwise.
        so_pin: Pin<'a>,
        /// The label, blank-padded UTF-8.
        label: [u8; 32],
    },
    /// `C_InitPIN`: the security officer sets the user's PIN.
    InitPin(Pin<'a>),
    /// `C_SetPIN`: whoever is logged in (the user, if nobody is) changes their own PIN.
    SetPin {
        /// The PIN until now.
        old: Pin<'a>,
        /// The PIN from now on.
        new: Pin<'a>,
    },
    /// `C_Login`. The module has made sure that nobody is logged in.
    Login {
        /// Who.
        role: Role,
        /// With what.
        pin: Pin<'a>,
    },
    /// `C_LoginUser`: the same, for one of several users.
    LoginUser {
        /// Who.
        role: Role,
        /// Under which name, UTF-8; not empty.
        name: &'a [u8],
        /// With what.
        pin: Pin<'a>,
    },
    /// `C_Login` as `CKU_CONTEXT_SPECIFIC`: for the operation that has just begun in this session, with a key that
    /// asks each time (`CKA_ALWAYS_AUTHENTICATE`).
    Authenticate(Pin<'a>),
    /// `C_Logout`: private session objects are destroyed, handles of private objects become invalid.
    Logout,
    /// `C_FindObjectsInit`: the objects that match on every attribute. Answer: [`Out::Objects`].
    Find(&'a Template),
    /// `C_GetAttributeValue`: answer: [`Out::View`].
    View(ObjectId),
    /// `C_GetAttributeValue`, where the token [takes things as given](Token::takes_as_given): answer:
    /// [`Out::Attributes`].
    Attributes {
        /// Which object.
        object: ObjectId,
        /// Which of its attributes.
        wanted: &'a [ck::CK_ATTRIBUTE_TYPE],
    },
    /// `C_GetObjectSize`: answer: [`Out::Size`].
    Size(ObjectId),
    /// `C_CreateObject`: answer: [`Out::Object`].
    Create(&'a Template),
    /// `C_CopyObject`: answer: [`Out::Object`].
    Copy {
        /// What is copied.
        object: ObjectId,
        /// What the copy has otherwise.
        template: &'a Template,
    },
    /// `C_SetAttributeValue`.
    Set {
        /// What is changed.
        object: ObjectId,
        /// The attributes' new values.
        template: &'a Template,
    },
    /// `C_DestroyObject`.
    Destroy(ObjectId),
    /// `C_GenerateKey`: answer: [`Out::Object`].
    GenerateKey {
        /// How.
        mechanism: &'a Mechanism,
        /// What the key shall be.
        template: &'a Template,
    },
    /// `C_GenerateKeyPair`: answer: [`Out::Pair`].
    GenerateKeyPair {
        /// How.
        mechanism: &'a Mechanism,
        /// What the public key shall be.
        public: &'a Template,
        /// What the private key shall be.
        private: &'a Template,
    },
    /// How long at the most the answer to [`Work::Wrap`] is: answer: [`Out::Size`]. Never asks a remote service.
    WrapLen(Wrapping<'a>),
    /// `C_WrapKey` and `C_WrapKeyAuthenticated`: answer: [`Out::Bytes`].
    Wrap(Wrapping<'a>),
    /// `C_UnwrapKey` and `C_UnwrapKeyAuthenticated`: answer: [`Out::Object`].
    Unwrap {
        /// How.
        mechanism: &'a Mechanism,
        /// With which key.
        unwrapping: ObjectId,
        /// The wrapped key.
        wrapped: &'a [u8],
        /// What is authenticated with it; `None` for `C_UnwrapKey`.
        associated: Option<&'a [u8]>,
        /// What the key shall be.
        template: &'a Template,
    },
    /// `C_DeriveKey`: answer: [`Out::Object`], or [`Out::Done`] where the mechanism's parameter says where the keys go.
    Derive {
        /// How.
        mechanism: &'a Mechanism,
        /// From which key.
        base: ObjectId,
        /// What the key shall be.
        template: &'a Template,
        /// Whether there is one key, of which the application takes the handle.
        has_handle: bool,
    },
    /// How long at the most the ciphertext of [`Work::Encapsulate`] is: answer: [`Out::Size`]. Never asks a remote
    /// service.
    EncapsulateLen(Encapsulation<'a>),
    /// `C_EncapsulateKey`: answer: [`Out::Encapsulated`].
    Encapsulate(Encapsulation<'a>),
    /// `C_DecapsulateKey`: answer: [`Out::Object`].
    Decapsulate {
        /// How.
        mechanism: &'a Mechanism,
        /// With which key.
        private: ObjectId,
        /// What `C_EncapsulateKey` gave.
        ciphertext: &'a [u8],
        /// What the key shall be.
        template: &'a Template,
    },
    /// `C_EncryptInit` and the like: answer: [`Out::Operation`].
    Begin {
        /// Which kind of operation.
        class: OperationClass,
        /// How.
        mechanism: &'a Mechanism,
        /// With which key; `None` for digests.
        key: Option<ObjectId>,
    },
    /// `C_MessageEncryptInit` and the like: answer: [`Out::Messages`]. Only for encryption, decryption, signing and
    /// verification.
    BeginMessages {
        /// Which kind of operation.
        class: OperationClass,
        /// How.
        mechanism: &'a Mechanism,
        /// With which key.
        key: ObjectId,
    },
    /// `C_SetOperationState`: answer: [`Out::Operation`], or `CKR_SAVED_STATE_INVALID`.
    Restore {
        /// Which kind of operation.
        class: OperationClass,
        /// What [`Operation::state`] gave, or anything else: the bytes come from the application.
        state: &'a [u8],
        /// The keys for encryption and for authentication, if the application gave any.
        keys: [Option<ObjectId>; 2],
    },
    /// `C_GenerateRandom`: fills the slice.
    Random(&'a mut [u8]),
    /// `C_SeedRandom`.
    Seed(&'a [u8]),
}

/// What is wrapped, and how.
#[derive(Clone, Copy)]
pub struct Wrapping<'a> {
    /// How.
    pub mechanism: &'a Mechanism,
    /// With which key.
    pub wrapping: ObjectId,
    /// Which key.
    pub key: ObjectId,
    /// What is authenticated with it; `None` for `C_WrapKey`.
    pub associated: Option<&'a [u8]>,
}

/// What is encapsulated, and how.
#[derive(Clone, Copy)]
pub struct Encapsulation<'a> {
    /// How.
    pub mechanism: &'a Mechanism,
    /// For whom.
    pub public: ObjectId,
    /// What the key shall be.
    pub template: &'a Template,
}

/// The kinds of operation of which a session has one each. The find operation is the module's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(
    missing_docs,
    reason = "each variant is the C_ function family of the same name"
)]
pub enum OperationClass {
    Encrypt,
    Decrypt,
    Digest,
    Sign,
    SignRecover,
    Verify,
    VerifyRecover,
}

impl OperationClass {
    /// Every class, in the order of the variants.
    pub const ALL: [Self; 7] = [
        Self::Encrypt,
        Self::Decrypt,
        Self::Digest,
        Self::Sign,
        Self::SignRecover,
        Self::Verify,
        Self::VerifyRecover,
    ];

    /// The mechanism flag that allows it.
    pub const fn flag(self) -> ck::CK_FLAGS {
        match self {
            Self::Encrypt => ck::CKF_ENCRYPT,
            Self::Decrypt => ck::CKF_DECRYPT,
            Self::Digest => ck::CKF_DIGEST,
            Self::Sign => ck::CKF_SIGN,
            Self::SignRecover => ck::CKF_SIGN_RECOVER,
            Self::Verify => ck::CKF_VERIFY,
            Self::VerifyRecover => ck::CKF_VERIFY_RECOVER,
        }
    }

    /// The key attribute that allows it; `None` for digests, which have no key.
    pub const fn usage(self) -> Option<ck::CK_ATTRIBUTE_TYPE> {
        match self {
            Self::Encrypt => Some(ck::CKA_ENCRYPT),
            Self::Decrypt => Some(ck::CKA_DECRYPT),
            Self::Digest => None,
            Self::Sign => Some(ck::CKA_SIGN),
            Self::SignRecover => Some(ck::CKA_SIGN_RECOVER),
            Self::Verify => Some(ck::CKA_VERIFY),
            Self::VerifyRecover => Some(ck::CKA_VERIFY_RECOVER),
        }
    }
}

/// One operation between its `Init` and its end. It is in one thread's hands at a time.
///
/// # Behaviour
/// - `output_len` never asks a remote service and changes nothing.
/// - Where `output_len` is exact, `out` is at least that long when a method is called; otherwise it is at least the
///   maximum, because the module lends memory of its own if the caller's is shorter.
/// - An error ends the operation: the module drops it.
pub trait Operation: Send {
    /// What the next call of `part` writes, in bytes.
    fn output_len(&self, part: Part) -> Result<OutputLen>;

    /// The whole of it in one call (`C_Sign`, `C_Encrypt`, …), when no `update` came before.
    fn single(self: Box<Self>, cx: &CallCx, input: &[u8], end: End<'_>) -> Step;

    /// One part (`C_SignUpdate`, `C_EncryptUpdate`, …). Returns how many bytes were written to `out`.
    fn update(&mut self, cx: &CallCx, input: &[u8], out: &mut [u8]) -> Result<usize>;

    /// The end of a multi-part operation (`C_SignFinal`, `C_EncryptFinal`, …).
    fn finish(self: Box<Self>, cx: &CallCx, end: End<'_>) -> Step;

    /// `C_DigestKey`: the value of a secret key is digested.
    fn digest_key(&mut self, _cx: &CallCx, _key: ObjectId) -> Result<()> {
        Err(Rv::FunctionNotSupported.into())
    }

    /// `C_GetOperationState`: bytes that [`Work::Restore`] takes, in any session of the token. Never asks a remote
    /// service and changes nothing.
    ///
    /// # Errors
    /// `CKR_STATE_UNSAVEABLE` where the state depends on a key: such a state does not leave the token.
    fn state(&self) -> Result<Zeroizing<Vec<u8>>> {
        Err(Rv::StateUnsaveable.into())
    }
}

/// A call of an operation, for asking how much it writes.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    /// `single`, with so many bytes of input.
    Single(usize),
    /// `update`, with so many bytes of input.
    Update(usize),
    /// `finish`.
    Finish,
}

/// How much is written, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputLen {
    /// Always this much.
    Exact(usize),
    /// At most this much; how much is known only afterwards (removed padding).
    AtMost(usize),
}

impl OutputLen {
    /// The most that may be written, in bytes.
    pub const fn max(self) -> usize {
        match self {
            Self::Exact(len) | Self::AtMost(len) => len,
        }
    }
}

/// What ends an operation: memory for its output, or the signature to be checked.
pub enum End<'a> {
    /// The output goes here.
    Output(&'a mut [u8]),
    /// The signature or MAC that the application has.
    Signature(&'a [u8]),
}

/// Whether the work is done.
pub enum Step {
    /// Done, well or badly.
    Ready(Result<Out>),
    /// Under way elsewhere.
    Pending(Box<dyn Pending>),
}

impl From<Result<Out>> for Step {
    fn from(result: Result<Out>) -> Self {
        Self::Ready(result)
    }
}

impl From<Error> for Step {
    fn from(error: Error) -> Self {
        Self::Ready(Err(error))
    }
}

/// Work under way elsewhere. Dropping it without `cancel` abandons the answer, not necessarily the work.
///
/// # Behaviour
/// - After `poll` or `wait` has returned an answer, neither is called again.
/// - `wait` may be called from a thread of another runtime: it blocks on a plain channel and never enters a runtime.
pub trait Pending: Send {
    /// The answer, if there is one already.
    fn poll(&mut self) -> Option<Result<Out>>;

    /// Waits for the answer; `None` when the deadline came first. No deadline waits as long as it takes.
    fn wait(&mut self, deadline: Option<Instant>) -> Option<Result<Out>>;

    /// Nobody wants the answer any more. Returns at once.
    fn cancel(self: Box<Self>);
}

/// What work comes to.
pub enum Out {
    /// Done; there is nothing to hand over.
    Done,
    /// So many bytes are in the caller's memory.
    Written(usize),
    /// The bytes, from work that could not write to the caller's memory.
    Bytes(Zeroizing<Vec<u8>>),
    /// A new object.
    Object(ObjectId),
    /// A new key pair.
    Pair {
        /// The public key.
        public: ObjectId,
        /// The private key.
        private: ObjectId,
    },
    /// What was found, each once.
    Objects(Vec<ObjectId>),
    /// The object as it is now. Which attributes may be read is [`Object::reveal`]'s business.
    View(Arc<Object>),
    /// The attributes that were wanted, in that order: each its value, or why there is none
    /// (`CKR_ATTRIBUTE_SENSITIVE`, `CKR_ATTRIBUTE_TYPE_INVALID`).
    Attributes(Vec<Result<Value, Rv>>),
    /// A key, and what makes the same of it elsewhere.
    Encapsulated {
        /// For `C_DecapsulateKey`.
        ciphertext: Vec<u8>,
        /// The key.
        key: ObjectId,
    },
    /// The object's size, in bytes.
    Size(u64),
    /// An operation has begun.
    Operation(Box<dyn Operation>),
    /// An operation on messages has begun.
    Messages(Box<dyn Messages>),
}

/// An operation on messages between its `Init` and its `Final`. It is in one thread's hands at a time.
///
/// # Behaviour
/// - The module sees to the order: parts of a message come after its beginning, and no other message between them.
/// - An error ends the message, not the operation. [`Processed::Needs`] ends neither and changes nothing.
pub trait Messages: Send {
    /// One call: a message, or a part of one.
    fn process(&mut self, cx: &CallCx, message: Message<'_>) -> Result<Processed>;

    /// `C_MessageEncryptFinal` and the like.
    fn finish(self: Box<Self>, cx: &CallCx) -> Result<()>;
}

/// A call for a message.
pub struct Message<'a> {
    /// Which part of the message.
    pub step: MessageStep,
    /// The mechanism's parameter for this message where it stands in the application's memory: some mechanisms write
    /// there (a nonce, a tag), or to where it points.
    pub parameter: &'a mut [u8],
    /// What is authenticated with it.
    pub associated: &'a [u8],
    /// The data.
    pub input: &'a [u8],
    /// What becomes of it.
    pub end: MessageEnd<'a>,
}

/// Which part of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageStep {
    /// All of it (`C_EncryptMessage`).
    Whole,
    /// Its beginning, which has no data yet (`C_EncryptMessageBegin`).
    Begin,
    /// A part of its data (`C_EncryptMessageNext`).
    Next {
        /// Whether it is the last.
        last: bool,
    },
}

/// What becomes of a message.
pub enum MessageEnd<'a> {
    /// Nothing yet.
    Nothing,
    /// It is asked how much memory the output takes. Never asks a remote service.
    Query,
    /// The output goes here, if there is room.
    Output(&'a mut [u8]),
    /// The signature or MAC that the application has.
    Signature(&'a [u8]),
}

/// What a call for a message came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processed {
    /// So many bytes were written.
    Written(usize),
    /// Nothing was done: the output takes so many bytes at the most.
    Needs(usize),
}

/// What is told of a token (`CK_TOKEN_INFO` without the session counts, which are the module's).
#[derive(Clone, Debug)]
pub struct TokenInfo {
    /// The label, blank-padded UTF-8.
    pub label: [u8; 32],
    /// Who made it, 32 bytes at the most.
    pub manufacturer: Cow<'static, str>,
    /// What it is, 16 bytes at the most.
    pub model: Cow<'static, str>,
    /// The serial number, unique among all tokens, blank-padded.
    pub serial: [u8; 16],
    /// `CKF_TOKEN_INITIALIZED` and the like.
    pub flags: ck::CK_FLAGS,
    /// Shortest PIN, in bytes.
    pub min_pin_len: usize,
    /// Longest PIN, in bytes.
    pub max_pin_len: usize,
    /// What only a device has; without one it is the library's version that is told.
    pub device: Option<Device>,
}

/// What is told of a device.
#[derive(Clone, Copy, Debug)]
pub struct Device {
    /// `hardwareVersion`.
    pub hardware: ck::CK_VERSION,
    /// `firmwareVersion`.
    pub firmware: ck::CK_VERSION,
    /// Memory for public objects: all of it, and what is free, in bytes.
    pub public_memory: [ck::CK_ULONG; 2],
    /// Memory for private objects: all of it, and what is free, in bytes.
    pub private_memory: [ck::CK_ULONG; 2],
    /// The device's clock, `YYYYMMDDhhmmss00`; blanks where it has none.
    pub utc_time: [u8; 16],
}

/// Where handles come from: one for the whole module, so that no two objects or sessions ever share a number.
#[derive(Debug)]
pub struct HandleSource(std::sync::atomic::AtomicU64);

impl HandleSource {
    /// A source whose first handle is `first`; 0 is `CK_INVALID_HANDLE` and becomes 1.
    pub const fn starting_at(first: u64) -> Self {
        Self(std::sync::atomic::AtomicU64::new(if first == 0 {
            1
        } else {
            first
        }))
    }

    /// The next number.
    pub fn next(&self) -> ck::CK_ULONG {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
    }
}
