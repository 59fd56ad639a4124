// SPDX-License-Identifier: MIT
//! Messages with one key, from version 3.0 on.

use std::ffi::c_void;
use std::ptr::null_mut;

use cryptoki_sys as ck;
use keyenclave_model::error::Rv;
use keyenclave_model::token::{Message, MessageEnd, MessageStep, OperationClass, Processed};

use super::memory::{bytes, count, count_of, optional};
use super::{Answer, Handle, Mech, Module, Session};
use crate::messages::room;

impl Module {
    /// `C_MessageEncryptInit` and the like.
    pub fn message_begin(
        &self,
        session: Session,
        class: OperationClass,
        mech: Mech<'_>,
        key: Handle,
    ) -> Answer<()> {
        let mut mechanism = mech.raw();
        call!(self.family(class).message, (session, &raw mut mechanism, key))
    }

    /// `C_EncryptMessage`, `C_EncryptMessageBegin`, `C_EncryptMessageNext` and the like.
    pub fn message(
        &self,
        session: Session,
        class: OperationClass,
        message: &mut Message<'_>,
    ) -> Answer<Processed> {
        let lent = Lent::of(message);
        let mut outlet = Outlet::of(&mut message.end);
        let answered = match class {
            OperationClass::Encrypt | OperationClass::Decrypt => {
                self.message_crypted(session, class, &lent, &mut outlet)
            }
            OperationClass::Sign => self.message_signed(session, &lent, &mut outlet),
            OperationClass::Verify => self.message_verified(session, &lent),
            OperationClass::Digest | OperationClass::SignRecover | OperationClass::VerifyRecover => {
                Err(Rv::FunctionNotSupported)
            }
        };
        outlet.processed(answered)
    }

    fn message_crypted(
        &self,
        session: Session,
        class: OperationClass,
        lent: &Lent,
        outlet: &mut Outlet,
    ) -> Answer<()> {
        let list = &self.list;
        let (whole, begin, next) = if class == OperationClass::Encrypt {
            (
                list.C_EncryptMessage,
                list.C_EncryptMessageBegin,
                list.C_EncryptMessageNext,
            )
        } else {
            (
                list.C_DecryptMessage,
                list.C_DecryptMessageBegin,
                list.C_DecryptMessageNext,
            )
        };
        let (parameter, parameter_len) = lent.parameter;
        let (with, with_len) = lent.associated;
        let (data, len) = lent.input;
        let (out, out_len) = (outlet.start, &raw mut outlet.len);
        match lent.step {
            MessageStep::Whole => call!(
                whole,
                (
                    session,
                    parameter,
                    parameter_len,
                    with,
                    with_len,
                    data,
                    len,
                    out,
                    out_len
                )
            ),
            MessageStep::Begin => call!(begin, (session, parameter, parameter_len, with, with_len)),
            MessageStep::Next { last } => {
                let flags = if last { ck::CKF_END_OF_MESSAGE } else { 0 };
                call!(
                    next,
                    (session, parameter, parameter_len, data, len, out, out_len, flags)
                )
            }
        }
    }

    fn message_signed(&self, session: Session, lent: &Lent, outlet: &mut Outlet) -> Answer<()> {
        let (parameter, parameter_len) = lent.parameter;
        let (data, len) = lent.input;
        let (out, out_len) = (outlet.start, &raw mut outlet.len);
        match lent.step {
            MessageStep::Whole => call!(
                self,
                C_SignMessage(session, parameter, parameter_len, data, len, out, out_len)
            ),
            MessageStep::Begin => call!(self, C_SignMessageBegin(session, parameter, parameter_len)),
            MessageStep::Next { .. } => {
                // No place for a length tells the vendor that this part is not the last.
                let out_len = if outlet.wanted { out_len } else { null_mut() };
                call!(
                    self,
                    C_SignMessageNext(session, parameter, parameter_len, data, len, out, out_len)
                )
            }
        }
    }

    fn message_verified(&self, session: Session, lent: &Lent) -> Answer<()> {
        let (parameter, parameter_len) = lent.parameter;
        let (data, len) = lent.input;
        let (signature, signature_len) = lent.signature;
        match lent.step {
            MessageStep::Whole => call!(
                self,
                C_VerifyMessage(
                    session,
                    parameter,
                    parameter_len,
                    data,
                    len,
                    signature,
                    signature_len
                )
            ),
            MessageStep::Begin => call!(self, C_VerifyMessageBegin(session, parameter, parameter_len)),
            MessageStep::Next { .. } => call!(
                self,
                C_VerifyMessageNext(
                    session,
                    parameter,
                    parameter_len,
                    data,
                    len,
                    signature,
                    signature_len
                )
            ),
        }
    }

    /// `C_MessageEncryptFinal` and the like.
    pub fn message_final(&self, session: Session, class: OperationClass) -> Answer<()> {
        call!(self.family(class).message_final, (session))
    }
}

/// What a call for a message lends to the vendor, each with its length.
struct Lent {
    step: MessageStep,
    parameter: (*mut c_void, ck::CK_ULONG),
    associated: (*mut u8, ck::CK_ULONG),
    input: (*mut u8, ck::CK_ULONG),
    signature: (*mut u8, ck::CK_ULONG),
}

impl Lent {
    fn of(message: &mut Message<'_>) -> Self {
        let len = count(message.parameter);
        let parameter = if message.parameter.is_empty() {
            null_mut()
        } else {
            message.parameter.as_mut_ptr().cast()
        };
        let signature = match message.end {
            MessageEnd::Signature(signature) => Some(signature),
            MessageEnd::Nothing | MessageEnd::Query | MessageEnd::Output(_) => None,
        };
        Self {
            step: message.step,
            parameter: (parameter, len),
            associated: (bytes(message.associated), count(message.associated)),
            input: (bytes(message.input), count(message.input)),
            signature: optional(signature),
        }
    }
}

/// Where a message's output goes.
struct Outlet {
    start: *mut u8,
    /// As the vendor's functions read and write it: the room, then what they wrote or would write.
    len: ck::CK_ULONG,
    /// The room; `None` when the length alone is asked for, or nothing.
    room: Option<usize>,
    /// Whether there is output at all.
    wanted: bool,
}

impl Outlet {
    fn of(end: &mut MessageEnd<'_>) -> Self {
        let place = room(end);
        let wanted = place.is_some();
        let out = place.flatten();
        let room = out.as_ref().map(|out| out.len());
        Self {
            start: out.map_or(null_mut(), <[u8]>::as_mut_ptr),
            len: count_of(room.unwrap_or(0)),
            room,
            wanted,
        }
    }

    fn processed(&self, answered: Answer<()>) -> Answer<Processed> {
        let len = usize::try_from(self.len).map_err(|_| Rv::DeviceError);
        match (answered, self.room) {
            (Ok(()), _) if !self.wanted => Ok(Processed::Written(0)),
            (Ok(()), Some(room)) => match len? {
                len if len <= room => Ok(Processed::Written(len)),
                // It says that it wrote past the end.
                _ => Err(Rv::DeviceError),
            },
            (Ok(()), None) | (Err(Rv::BufferTooSmall), _) => len.map(Processed::Needs),
            (Err(rv), _) => Err(rv),
        }
    }
}
