// SPDX-License-Identifier: MIT
//! What becomes of work: done, or under way elsewhere.

use std::sync::Arc;
use std::time::Instant;

use zeroize::Zeroizing;

use super::{Messages, ObjectId, Operation};
use crate::attribute::Value;
use crate::error::{Error, Result, Rv};
use crate::mechanism::AeadParams;
use crate::object::Object;

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
    /// The bytes, and what of the mechanism's parameter was made with them.
    Sealed {
        /// The bytes.
        bytes: Zeroizing<Vec<u8>>,
        /// The parameter with nonce and tag.
        params: AeadParams,
    },
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
    /// A derived key, if there is one of which the application takes the handle, and what the mechanism's parameter has
    /// places for.
    Derived {
        /// The key.
        key: Option<ObjectId>,
        /// The rest.
        answer: Answer,
    },
    /// The object's size, in bytes.
    Size(u64),
    /// An operation has begun.
    Operation(Box<dyn Operation>),
    /// An operation on messages has begun.
    Messages(Box<dyn Messages>),
}

/// What a derivation gives beside a key.
#[derive(Debug)]
pub enum Answer {
    /// The keys beside the first one, as many as were described.
    Keys(Vec<ObjectId>),
    /// There are no keys, because this one of those beside the first could not be made.
    Refused {
        /// Which.
        index: usize,
        /// Why.
        error: Error,
    },
    /// The version that a premaster secret of TLS begins with.
    Version([u8; 2]),
    /// The keys of a TLS connection.
    Connection {
        /// The MAC keys of the client and of the server, their encryption keys.
        keys: [Option<ObjectId>; 4],
        /// The initialisation vectors of the client and of the server.
        ivs: [Vec<u8>; 2],
    },
}
