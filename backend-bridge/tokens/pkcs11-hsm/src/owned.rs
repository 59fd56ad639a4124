// SPDX-License-Identifier: MIT
//! Work that owns all that it needs, for a worker that may be at it longer than the application waits.

use cryptoki_sys as ck;
use keyenclave_model::error::{Result, Rv};
use keyenclave_model::mechanism::Mechanism;
use keyenclave_model::template::Template;
use keyenclave_model::token::{Encapsulation, ObjectId, OperationClass, Out, Pin, Role, Work, Wrapping};
use zeroize::Zeroizing;

use crate::given::Kept;
use crate::params::Written;

type Bytes = Zeroizing<Vec<u8>>;

/// [`Work`], each with copies of what it borrows.
pub(crate) enum OwnWork {
    InitToken(Bytes, [u8; 32]),
    InitPin(Bytes),
    SetPin(Bytes, Bytes),
    Login(Role, Bytes, Bytes),
    Authenticate(Bytes),
    Logout,
    Find(Template),
    Attributes(ObjectId, Vec<ck::CK_ATTRIBUTE_TYPE>),
    Size(ObjectId),
    Create(Template),
    Copy(ObjectId, Template),
    Set(ObjectId, Template),
    Destroy(ObjectId),
    GenerateKey(Kept, Template),
    GenerateKeyPair(Kept, Template, Template),
    WrapLen(OwnWrapping),
    Wrap(OwnWrapping),
    Unwrap(Kept, ObjectId, Bytes, Option<Bytes>, Template),
    Derive(Kept, ObjectId, Template, bool),
    EncapsulateLen(Kept, ObjectId, Template),
    Encapsulate(Kept, ObjectId, Template),
    Decapsulate(Kept, ObjectId, Bytes, Template),
    Begin(OperationClass, Kept, Option<ObjectId>),
    BeginVerifySignature(Kept, ObjectId, Bytes),
    BeginMessages(OperationClass, Kept, ObjectId),
    Restore(OperationClass, Bytes, [Option<ObjectId>; 2]),
    /// So many bytes, which come back as [`Out::Bytes`].
    Random(usize),
    Seed(Bytes),
}

pub(crate) struct OwnWrapping {
    mechanism: Kept,
    wrapping: ObjectId,
    key: ObjectId,
    associated: Option<Bytes>,
}

/// Memory for output, in bytes.
///
/// # Errors
/// `CKR_HOST_MEMORY`.
pub(crate) fn memory(len: usize) -> Result<Bytes> {
    let mut memory = Vec::new();
    memory.try_reserve_exact(len).map_err(|_| Rv::HostMemory)?;
    memory.resize(len, 0);
    Ok(Zeroizing::new(memory))
}

fn bytes(slice: &[u8]) -> Bytes {
    Zeroizing::new(slice.to_vec())
}

fn kept(mechanism: &Mechanism) -> Option<Kept> {
    Kept::copy(mechanism)
}

impl OwnWork {
    /// A copy; `None` where the mechanism's parameter cannot be copied. To be called inside of the application's call.
    pub fn copy(work: &Work<'_>) -> Option<Self> {
        Some(match work {
            Work::InitToken { so_pin, label } => Self::InitToken(bytes(so_pin.0), *label),
            Work::InitPin(pin) => Self::InitPin(bytes(pin.0)),
            Work::SetPin { old, new } => Self::SetPin(bytes(old.0), bytes(new.0)),
            Work::Login { role, pin } => Self::Login(*role, bytes(&[]), bytes(pin.0)),
            Work::LoginUser { role, name, pin } => Self::Login(*role, bytes(name), bytes(pin.0)),
            Work::Authenticate(pin) => Self::Authenticate(bytes(pin.0)),
            Work::Logout => Self::Logout,
            Work::Find(template) => Self::Find((*template).clone()),
            Work::View(_) => return None,
            Work::BeginMessages {
                class,
                mechanism,
                key,
            } => Self::BeginMessages(*class, Kept::of_messages(mechanism)?, *key),
            Work::Attributes { object, wanted } => Self::Attributes(*object, wanted.to_vec()),
            Work::Size(object) => Self::Size(*object),
            Work::Create(template) => Self::Create((*template).clone()),
            Work::Copy { object, template } => Self::Copy(*object, (*template).clone()),
            Work::Set { object, template } => Self::Set(*object, (*template).clone()),
            Work::Destroy(object) => Self::Destroy(*object),
            Work::GenerateKey { mechanism, template } => {
                Self::GenerateKey(kept(mechanism)?, (*template).clone())
            }
            Work::GenerateKeyPair {
                mechanism,
                public,
                private,
            } => Self::GenerateKeyPair(kept(mechanism)?, (*public).clone(), (*private).clone()),
            Work::WrapLen(what) => Self::WrapLen(OwnWrapping::copy(what)?),
            Work::Wrap(what) => Self::Wrap(OwnWrapping::copy(what)?),
            Work::Unwrap {
                mechanism,
                unwrapping,
                wrapped,
                associated,
                template,
            } => {
                let associated = associated.map(bytes);
                let template = (*template).clone();
                Self::Unwrap(
                    kept(mechanism)?,
                    *unwrapping,
                    bytes(wrapped),
                    associated,
                    template,
                )
            }
            Work::Derive {
                mechanism,
                base,
                template,
                has_handle,
            } => Self::Derive(kept(mechanism)?, *base, (*template).clone(), *has_handle),
            Work::EncapsulateLen(what) => {
                Self::EncapsulateLen(kept(what.mechanism)?, what.public, what.template.clone())
            }
            Work::Encapsulate(what) => {
                Self::Encapsulate(kept(what.mechanism)?, what.public, what.template.clone())
            }
            Work::Decapsulate {
                mechanism,
                private,
                ciphertext,
                template,
            } => Self::Decapsulate(kept(mechanism)?, *private, bytes(ciphertext), (*template).clone()),
            Work::Begin {
                class,
                mechanism,
                key,
            } => Self::Begin(*class, kept(mechanism)?, *key),
            Work::BeginVerifySignature {
                mechanism,
                key,
                signature,
            } => Self::BeginVerifySignature(kept(mechanism)?, *key, bytes(signature)),
            Work::Restore { class, state, keys } => Self::Restore(*class, bytes(state), *keys),
            Work::Random(room) => Self::Random(room.len()),
            Work::Seed(seed) => Self::Seed(bytes(seed)),
        })
    }

    /// Whether the vendor writes something to the mechanism's parameter that the application wants.
    pub fn has_outputs(&self) -> bool {
        self.mechanism().is_some_and(Kept::has_outputs)
    }

    /// What is there now of what the vendor writes.
    pub fn written(&self) -> Vec<Written> {
        self.mechanism().map(Kept::written).unwrap_or_default()
    }

    /// The mechanism of work whose parameter may be written to.
    fn mechanism(&self) -> Option<&Kept> {
        match self {
            Self::GenerateKey(kept, _)
            | Self::GenerateKeyPair(kept, ..)
            | Self::Unwrap(kept, ..)
            | Self::Derive(kept, ..)
            | Self::EncapsulateLen(kept, ..)
            | Self::Encapsulate(kept, ..)
            | Self::Decapsulate(kept, ..)
            | Self::Begin(_, kept, _)
            | Self::BeginMessages(_, kept, _) => Some(kept),
            Self::WrapLen(what) | Self::Wrap(what) => Some(&what.mechanism),
            _ => None,
        }
    }

    /// Does the work with `run`.
    ///
    /// # Errors
    /// The work's.
    pub fn run(&self, run: impl FnOnce(Work<'_>) -> Result<Out>) -> Result<Out> {
        if let Self::Random(len) = self {
            return random(*len, run);
        }
        run(match self {
            Self::Random(_) => return Err(Rv::GeneralError.into()),
            Self::InitToken(so_pin, label) => Work::InitToken {
                so_pin: Pin(so_pin),
                label: *label,
            },
            Self::InitPin(pin) => Work::InitPin(Pin(pin)),
            Self::SetPin(old, new) => Work::SetPin {
                old: Pin(old),
                new: Pin(new),
            },
            Self::Login(role, name, pin) if name.is_empty() => Work::Login {
                role: *role,
                pin: Pin(pin),
            },
            Self::Login(role, name, pin) => Work::LoginUser {
                role: *role,
                name,
                pin: Pin(pin),
            },
            Self::Authenticate(pin) => Work::Authenticate(Pin(pin)),
            Self::Logout => Work::Logout,
            Self::Find(template) => Work::Find(template),
            Self::Attributes(object, wanted) => Work::Attributes {
                object: *object,
                wanted,
            },
            Self::Size(object) => Work::Size(*object),
            Self::Create(template) => Work::Create(template),
            Self::Copy(object, template) => Work::Copy {
                object: *object,
                template,
            },
            Self::Set(object, template) => Work::Set {
                object: *object,
                template,
            },
            Self::Destroy(object) => Work::Destroy(*object),
            Self::GenerateKey(kept, template) => Work::GenerateKey {
                mechanism: &kept.mechanism,
                template,
            },
            Self::GenerateKeyPair(kept, public, private) => Work::GenerateKeyPair {
                mechanism: &kept.mechanism,
                public,
                private,
            },
            Self::WrapLen(what) => Work::WrapLen(what.lend()),
            Self::Wrap(what) => Work::Wrap(what.lend()),
            Self::Unwrap(kept, unwrapping, wrapped, associated, template) => Work::Unwrap {
                mechanism: &kept.mechanism,
                unwrapping: *unwrapping,
                wrapped,
                associated: associated.as_ref().map(|bytes| bytes.as_slice()),
                template,
            },
            Self::Derive(kept, base, template, has_handle) => Work::Derive {
                mechanism: &kept.mechanism,
                base: *base,
                template,
                has_handle: *has_handle,
            },
            Self::EncapsulateLen(kept, public, template) => {
                Work::EncapsulateLen(encapsulation(kept, *public, template))
            }
            Self::Encapsulate(kept, public, template) => {
                Work::Encapsulate(encapsulation(kept, *public, template))
            }
            Self::Decapsulate(kept, private, ciphertext, template) => Work::Decapsulate {
                mechanism: &kept.mechanism,
                private: *private,
                ciphertext,
                template,
            },
            Self::Begin(class, kept, key) => Work::Begin {
                class: *class,
                mechanism: &kept.mechanism,
                key: *key,
            },
            Self::BeginVerifySignature(kept, key, signature) => Work::BeginVerifySignature {
                mechanism: &kept.mechanism,
                key: *key,
                signature,
            },
            Self::BeginMessages(class, kept, key) => Work::BeginMessages {
                class: *class,
                mechanism: &kept.mechanism,
                key: *key,
            },
            Self::Restore(class, state, keys) => Work::Restore {
                class: *class,
                state,
                keys: *keys,
            },
            Self::Seed(seed) => Work::Seed(seed),
        })
    }
}

fn random(len: usize, run: impl FnOnce(Work<'_>) -> Result<Out>) -> Result<Out> {
    let mut room = memory(len)?;
    run(Work::Random(&mut room))?;
    Ok(Out::Bytes(room))
}

fn encapsulation<'a>(kept: &'a Kept, public: ObjectId, template: &'a Template) -> Encapsulation<'a> {
    Encapsulation {
        mechanism: &kept.mechanism,
        public,
        template,
    }
}

impl OwnWrapping {
    fn copy(what: &Wrapping<'_>) -> Option<Self> {
        Some(Self {
            mechanism: kept(what.mechanism)?,
            wrapping: what.wrapping,
            key: what.key,
            associated: what.associated.map(bytes),
        })
    }

    fn lend(&self) -> Wrapping<'_> {
        Wrapping {
            mechanism: &self.mechanism.mechanism,
            wrapping: self.wrapping,
            key: self.key,
            associated: self.associated.as_ref().map(|bytes| bytes.as_slice()),
        }
    }
}
