// SPDX-License-Identifier: MIT
//! Operations on messages: many of them with one key.

use super::CallCx;
use crate::error::Result;
use crate::mechanism::{AeadParams, ParamShape};

/// An operation on messages between its `Init` and its `Final`. It is in one thread's hands at a time.
///
/// # Behaviour
/// - The module sees to the order: parts of a message come after its beginning, and no other message between them.
/// - An error ends the message, not the operation. [`Processed::Needs`] ends neither and changes nothing.
pub trait Messages: Send {
    /// How the parameters of its messages are read; `None`: not at all, they are the operation's own business.
    fn shape(&self) -> Option<ParamShape> {
        None
    }

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
    /// there (a nonce, a tag), or to where it points. Empty where it was [read](Messages::shape).
    pub parameter: &'a mut [u8],
    /// The parameter, read. A nonce or a tag that is another after the call goes to where the application wants it.
    pub read: Option<&'a mut AeadParams>,
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
