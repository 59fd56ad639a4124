// SPDX-License-Identifier: MIT
//! The seam between the module and whatever holds the keys.
//!
//! The module turns C calls into [`Work`] and hands it to the slot's [`Token`]. A token that can answer at once does
//! so ([`Step::Ready`]) and writes straight into the caller's memory; one that has to ask somebody far away returns
//! [`Step::Pending`], which owns all that it needs. The caller waits for it until the deadline, abandons it, or keeps
//! it for later. The module holds no lock in any of these calls.

mod info;
mod messages;
mod operation;
mod signature;
mod step;

pub use info::{Device, TokenInfo};
pub use messages::{Message, MessageEnd, MessageStep, Messages, Processed};
pub use operation::{End, Operation, OperationClass, OutputLen, Part};
pub use signature::{step_with_signature, with_signature};
pub use step::{Answer, Out, Pending, Step};

use std::time::Instant;

use cryptoki_sys as ck;

use crate::access::Access;
use crate::error::{Result, Rv};
use crate::mechanism::{Mechanism, MechanismInfo};
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

    /// `C_GetSessionValidationFlags`: what a validated token says of the session that asks and its last operation.
    ///
    /// # Errors
    /// `CKR_FUNCTION_NOT_SUPPORTED` where nothing is validated.
    fn validation_flags(
        &self,
        cx: &CallCx,
        kind: ck::CK_SESSION_VALIDATION_FLAGS_TYPE,
    ) -> Result<ck::CK_FLAGS> {
        let _ = (cx, kind);
        Err(Rv::FunctionNotSupported.into())
    }

    /// A session was opened; [`Token::close_session`] follows when it is closed.
    fn open_session(&self, session: SessionId) {
        let _ = session;
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
    /// `C_WrapKey` and `C_WrapKeyAuthenticated`: answer: [`Out::Bytes`] or [`Out::Sealed`].
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
    /// `C_DeriveKey`: answer: [`Out::Object`], [`Out::Derived`], or [`Out::Done`] where the token itself has put the
    /// handles where the mechanism's parameter says.
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
    /// `C_VerifySignatureInit`: a verification that has its signature from the beginning, and ends with [`End::Begun`]:
    /// answer: [`Out::Operation`]. [`with_signature`] makes one of any verification, for tokens to which it is all
    /// the same when the signature comes.
    BeginVerifySignature {
        /// How.
        mechanism: &'a Mechanism,
        /// With which key.
        key: ObjectId,
        /// What is verified.
        signature: &'a [u8],
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

impl<'a> Work<'a> {
    /// The mechanism that it is done with, if it is one that takes a mechanism.
    pub fn mechanism(&self) -> Option<&'a Mechanism> {
        match self {
            Self::GenerateKey { mechanism, .. }
            | Self::GenerateKeyPair { mechanism, .. }
            | Self::Unwrap { mechanism, .. }
            | Self::Derive { mechanism, .. }
            | Self::Decapsulate { mechanism, .. }
            | Self::Begin { mechanism, .. }
            | Self::BeginMessages { mechanism, .. }
            | Self::BeginVerifySignature { mechanism, .. } => Some(mechanism),
            Self::WrapLen(what) | Self::Wrap(what) => Some(what.mechanism),
            Self::EncapsulateLen(what) | Self::Encapsulate(what) => Some(what.mechanism),
            Self::InitToken { .. }
            | Self::InitPin(_)
            | Self::SetPin { .. }
            | Self::Login { .. }
            | Self::LoginUser { .. }
            | Self::Authenticate(_)
            | Self::Logout
            | Self::Find(_)
            | Self::View(_)
            | Self::Attributes { .. }
            | Self::Size(_)
            | Self::Create(_)
            | Self::Copy { .. }
            | Self::Set { .. }
            | Self::Destroy(_)
            | Self::Restore { .. }
            | Self::Random(_)
            | Self::Seed(_) => None,
        }
    }
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
