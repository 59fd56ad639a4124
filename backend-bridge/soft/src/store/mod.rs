// SPDX-License-Identifier: MIT
//! Where a soft token's objects and sealed root key are kept.
//!
//! A [`Store`] knows records, revisions and attempts; it never sees a key, a PIN or an attribute. What a record's
//! bytes mean is the business of the [vault](crate::vault) and of the engine. No call of a store spans another, so
//! that stores without transactions of many calls fit too.

mod error;
pub mod sqlite;

pub use error::StoreError;
pub use sqlite::SqliteStore;

/// The format that this version writes, and the newest it reads.
pub const FORMAT_VERSION: u32 = 1;

/// The longest body that a record can have, in bytes. A longer one in a file was put there by somebody else.
pub const BODY_LIMIT: usize = 4 * 1024 * 1024;

/// What every sealed or attested byte of a token is bound to: random, made by `C_InitToken`, never changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity(pub [u8; 16]);

/// One life of a token: random, changed by `C_InitToken` and by a restore. Who remembers another one forgets it all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Incarnation(pub [u8; 16]);

/// The name of an object in its store: random, for ever, shown as `CKA_UNIQUE_ID`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordId(pub [u8; 16]);

/// A point in the history of one incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Whose history.
    pub incarnation: Incarnation,
    /// Grows by one with every commit; 0 is before the first.
    pub number: u64,
}

/// What is known of an initialised token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// What its bytes are bound to.
    pub identity: Identity,
    /// Its present life.
    pub incarnation: Incarnation,
    /// The label, UTF-8, padded with spaces as in `CK_TOKEN_INFO`.
    pub label: [u8; 32],
    /// The serial number, printable, padded with spaces as in `CK_TOKEN_INFO`.
    pub serial: [u8; 16],
    /// When it was initialised, in seconds since 1970.
    pub created: u64,
}

/// Whose PIN, or which machine, opens the root key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The security officer, `CKU_SO`.
    So,
    /// The normal user, `CKU_USER`.
    User,
    /// No person: an OS keystore, or a key in another slot.
    Machine,
}

impl Role {
    /// The number that stands for the role in a store and in what is bound to it; PKCS#11's where it has one.
    pub const fn number(self) -> u32 {
        match self {
            Self::So => 0,
            Self::User => 1,
            Self::Machine => 0x100,
        }
    }
}

/// A root key wrapped by one sealer, and what that sealer needs to unwrap it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealerRecord {
    /// Which kind of sealer wrote the other fields; see [`crate::sealer`].
    pub kind: u32,
    /// The sealer's own parameters, not secret.
    pub params: Vec<u8>,
    /// The root key, wrapped.
    pub wrapped: Vec<u8>,
    /// Attempts since the last one that succeeded.
    pub failed: u32,
    /// How many attempts lock the role.
    pub limit: u32,
}

impl SealerRecord {
    /// Whether both wrap the same root key for the same PIN; the counters may differ.
    pub fn is_same_seal(&self, other: &Self) -> bool {
        (self.kind, &self.params, &self.wrapped) == (other.kind, &other.params, &other.wrapped)
    }

    /// Where the counter stands.
    pub const fn attempts(&self) -> Attempts {
        Attempts {
            failed: self.failed,
            limit: self.limit,
        }
    }
}

/// How many attempts were made since the last one that succeeded, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempts {
    /// Attempts that failed, with the one being made, if any.
    pub failed: u32,
    /// How many of them lock the role.
    pub limit: u32,
}

impl Attempts {
    /// No attempt is left: `CKF_USER_PIN_LOCKED`.
    pub const fn is_locked(self) -> bool {
        self.failed >= self.limit
    }

    /// One attempt is left: `CKF_USER_PIN_FINAL_TRY`.
    pub const fn is_final_try(self) -> bool {
        self.failed.saturating_add(1) == self.limit
    }

    /// An attempt has failed since the last success: `CKF_USER_PIN_COUNT_LOW`.
    pub const fn is_low(self) -> bool {
        self.failed > 0
    }
}

/// A token as `C_InitToken` makes it.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// The header, with a new identity and a new incarnation.
    pub header: Header,
    /// Its sealers; usually the security officer's alone.
    pub sealers: Vec<(Role, SealerRecord)>,
}

/// The columns that objects are found by: plain for public objects, blinded for private ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Columns {
    /// `CKA_CLASS`.
    pub class: Vec<u8>,
    /// `CKA_LABEL`.
    pub label: Vec<u8>,
    /// `CKA_ID`.
    pub key_id: Vec<u8>,
}

/// What a sealer is put in the place of.
#[derive(Clone, Copy)]
pub enum InsteadOf<'a> {
    /// Whatever is there.
    Anything,
    /// Nothing: there is none yet.
    Nothing,
    /// This one, whatever it has counted since.
    This(&'a SealerRecord),
}

/// One object as it is stored. Made and opened by a [vault](crate::vault).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its name.
    pub id: RecordId,
    /// Columns blinded and body sealed: `CKA_PRIVATE`, and every key that is a secret.
    pub private: bool,
    /// What it is found by.
    pub columns: Columns,
    /// Its attributes: plain or sealed.
    pub body: Vec<u8>,
    /// What attests a public object; empty for a private one, whose seal does that.
    pub mac: Vec<u8>,
}

/// One change of a commit.
#[derive(Clone, Debug)]
pub enum Change {
    /// A new object. Its id must not exist.
    Create(Record),
    /// Another content for an object that exists.
    Update(Record),
    /// The end of an object that exists.
    Delete(RecordId),
}

/// An object without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Its name.
    pub id: RecordId,
    /// The number of the revision that last changed it.
    pub revision: u64,
    /// `CKA_PRIVATE`.
    pub private: bool,
    /// What it is found by.
    pub columns: Columns,
}

/// What happened since a revision.
#[derive(Clone, Debug)]
pub struct Changes {
    /// Up to here.
    pub revision: Revision,
    /// Created or changed, oldest change first.
    pub changed: Vec<Summary>,
    /// Deleted. An id may be unknown to who asks. Empty when `complete`.
    pub deleted: Vec<RecordId>,
    /// `changed` is every object there is; what is not in it is gone.
    pub complete: bool,
}

/// A mark of what a store looked like, to be compared with a later one. Take it before `changes_since`, never after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// Nothing can be said: a writer is at work. Ask `changes_since`, and do not remember this one.
    Unsettled,
    /// Equal marks mean that nothing has changed between.
    Settled {
        /// The token's present life; `None` when there is no token.
        incarnation: Option<Incarnation>,
        /// Whatever the store counts.
        count: [u64; 2],
    },
}

impl Stamp {
    /// Whether nothing has changed between `self` and `later`.
    pub fn is_still(self, later: Self) -> bool {
        self != Self::Unsettled && self == later
    }
}

/// A place for one token. All calls may come from several threads, and the place may be shared with other processes.
/// Constructing one does no I/O.
pub trait Store: Send + Sync {
    /// The token's header, or `None` when none was initialised. Makes nothing.
    fn header(&self) -> Result<Option<Header>, StoreError>;

    /// Puts a new token here, in one step; all objects and sealers of an older one are gone.
    ///
    /// # Errors
    /// [`StoreError::TokenChanged`] when the token that is here is not `replaces` (`None`: there is none).
    fn initialise(&self, token: &NewToken, replaces: Option<Incarnation>) -> Result<(), StoreError>;

    /// The sealer of a role.
    fn sealer(&self, role: Role) -> Result<Option<SealerRecord>, StoreError>;

    /// Sets the sealer of a role, its counter included.
    ///
    /// # Errors
    /// [`StoreError::TokenChanged`] when the token is no longer `of`, [`StoreError::SealerChanged`] when the sealer
    /// of the role is not what it may be `instead` of.
    fn put_sealer(
        &self,
        role: Role,
        record: &SealerRecord,
        of: Incarnation,
        instead: InsteadOf<'_>,
    ) -> Result<(), StoreError>;

    /// Counts an attempt, durably, before the PIN is looked at. The result has this attempt in it.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when no attempt is left, [`StoreError::NoSealer`] when the role has no PIN.
    fn count_attempt(&self, role: Role) -> Result<Attempts, StoreError>;

    /// Forgets the attempts of a role: the PIN was right for `opened`.
    ///
    /// # Errors
    /// As [`Self::put_sealer`].
    fn clear_attempts(&self, role: Role, of: Incarnation, opened: &SealerRecord) -> Result<(), StoreError>;

    /// Takes one counted attempt back: it came to no verdict on the PIN. A store that cannot leaves it counted.
    ///
    /// # Errors
    /// As [`Self::put_sealer`].
    fn take_back_attempt(
        &self,
        _role: Role,
        _of: Incarnation,
        _opened: &SealerRecord,
    ) -> Result<(), StoreError> {
        Ok(())
    }

    /// Makes all `changes` or none, durably. The new revision.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when an object to be updated or deleted was changed or deleted after `base`, or one
    /// to be created exists; [`StoreError::TokenChanged`] when `base` is of another incarnation.
    fn commit(&self, changes: &[Change], base: Revision) -> Result<Revision, StoreError>;

    /// What happened since `base`. Everything, marked complete, for `None`, for another incarnation, and when the
    /// history does not reach back so far.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is no token.
    fn changes_since(&self, base: Option<Revision>) -> Result<Changes, StoreError>;

    /// One object, with its body; a body beyond [`BODY_LIMIT`] is not read, and comes empty, which no body is.
    fn read(&self, id: RecordId) -> Result<Option<Record>, StoreError>;

    /// A mark of the present state; some nanoseconds where the system allows it.
    fn stamp(&self) -> Result<Stamp, StoreError>;
}
