// SPDX-License-Identifier: MIT
//! Messages with one key, from version 3.0 on.

use std::ffi::c_void;
use std::ptr::null_mut;

use cryptoki_sys as ck;
use keyenclave_model::error::Rv;
use keyenclave_model::token::{Message, MessageEnd, MessageStep, OperationClass, Processed};

use super::memory::{bytes, count, count_of, optional};
use super::{Answer, Handle, Mech, Module, Session, answer};
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
        let function = self.family(class).message.ok_or(Rv::FunctionNotSupported)?;
        // SAFETY: as in `call!`; the functions of this column have one type.
        answer(unsafe { function(session, &raw mut mechanism, key) })
    }

    /// `C_EncryptMessage`, `C_EncryptMessageBegin`, `C_EncryptMessageNext` and the like.
    pub fn message(
        &self,
        session: Session,
        class: OperationClass,
        message: &mut Message<'_>,
    ) -> Answer<Processed> {
        let (parameter, parameter_len) = (message.parameter.as_mut_ptr(), count(message.parameter));
        let parameter: *mut c_void = if message.parameter.is_empty() {
            null_mut()
        } else {
            parameter.cast()
        };
        let (associated, associated_len) = (bytes(message.associated), count(message.associated));
        let (input, len) = (bytes(message.input), count(message.input));
        let signature = match message.end {
            MessageEnd::Signature(signature) => Some(signature),
            _ => None,
        };
        let (signature, signature_len) = optional(signature);
        let step = message.step;
        let flags = match step {
            MessageStep::Next { last: true } => ck::CKF_END_OF_MESSAGE,
            _ => 0,
        };
        let room = room(&mut message.end);
        let has_room = matches!(room, Some(Some(_)));
        let wants_output = room.is_some();
        let out = room.flatten();
        let max = out.as_ref().map_or(0, |out| out.len());
        let out = out.map_or(null_mut(), <[u8]>::as_mut_ptr);
        let mut written = count_of(max);
        let out_len = if wants_output {
            &raw mut written
        } else {
            null_mut()
        };
        let p = (parameter, parameter_len);
        let answered = match (class, step) {
            (OperationClass::Encrypt, MessageStep::Whole) => call!(
                self,
                C_EncryptMessage(
                    session,
                    p.0,
                    p.1,
                    associated,
                    associated_len,
                    input,
                    len,
                    out,
                    &raw mut written
                )
            ),
            (OperationClass::Encrypt, MessageStep::Begin) => call!(
                self,
                C_EncryptMessageBegin(session, p.0, p.1, associated, associated_len)
            ),
            (OperationClass::Encrypt, MessageStep::Next { .. }) => call!(
                self,
                C_EncryptMessageNext(session, p.0, p.1, input, len, out, &raw mut written, flags)
            ),
            (OperationClass::Decrypt, MessageStep::Whole) => call!(
                self,
                C_DecryptMessage(
                    session,
                    p.0,
                    p.1,
                    associated,
                    associated_len,
                    input,
                    len,
                    out,
                    &raw mut written
                )
            ),
            (OperationClass::Decrypt, MessageStep::Begin) => call!(
                self,
                C_DecryptMessageBegin(session, p.0, p.1, associated, associated_len)
            ),
            (OperationClass::Decrypt, MessageStep::Next { .. }) => call!(
                self,
                C_DecryptMessageNext(session, p.0, p.1, input, len, out, &raw mut written, flags)
            ),
            (OperationClass::Sign, MessageStep::Whole) => call!(
                self,
                C_SignMessage(session, p.0, p.1, input, len, out, &raw mut written)
            ),
            (OperationClass::Sign, MessageStep::Begin) => {
                call!(self, C_SignMessageBegin(session, p.0, p.1))
            }
            (OperationClass::Sign, MessageStep::Next { .. }) => call!(
                self,
                C_SignMessageNext(session, p.0, p.1, input, len, out, out_len)
            ),
            (OperationClass::Verify, MessageStep::Whole) => call!(
                self,
                C_VerifyMessage(session, p.0, p.1, input, len, signature, signature_len)
            ),
            (OperationClass::Verify, MessageStep::Begin) => {
                call!(self, C_VerifyMessageBegin(session, p.0, p.1))
            }
            (OperationClass::Verify, MessageStep::Next { .. }) => call!(
                self,
                C_VerifyMessageNext(session, p.0, p.1, input, len, signature, signature_len)
            ),
            _ => Err(Rv::FunctionNotSupported),
        };
        let written = usize::try_from(written).map_err(|_| Rv::DeviceError);
        match answered {
            Ok(()) if !wants_output => Ok(Processed::Written(0)),
            Ok(()) if has_room => written.and_then(|written| {
                if written <= max {
                    Ok(Processed::Written(written))
                } else {
                    Err(Rv::DeviceError)
                }
            }),
            Ok(()) | Err(Rv::BufferTooSmall) => written.map(Processed::Needs),
            Err(rv) => Err(rv),
        }
    }

    /// `C_MessageEncryptFinal` and the like.
    pub fn message_final(&self, session: Session, class: OperationClass) -> Answer<()> {
        let function = self.family(class).message_final;
        let function = function.ok_or(Rv::FunctionNotSupported)?;
        // SAFETY: as in `call!`; the functions of this column have one type.
        answer(unsafe { function(session) })
    }
}
