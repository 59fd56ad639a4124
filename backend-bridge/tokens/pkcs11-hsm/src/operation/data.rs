// SPDX-License-Identifier: MIT
//! What an operation does with data: its parts, the whole, and the end.

use keyenclave_model::error::{Result, Rv};
use keyenclave_model::token::{CallCx, End, ObjectId, OperationClass, Out, Part};
use zeroize::Zeroizing;

use super::VendorOperation;
use crate::core::Core;
use crate::ffi::{Answer, Handle, Session};
use crate::heal::Repeat;
use crate::owned::memory;
use crate::pool::Lease;

impl VendorOperation {
    /// One part.
    pub(super) fn part(&mut self, input: &[u8], out: &mut [u8]) -> Result<usize> {
        let class = self.class;
        let written = match class {
            OperationClass::Encrypt | OperationClass::Decrypt => self.call(|core, session| {
                core.call(|module| module.update(session, class, input, Some(&mut *out)))
            })?,
            _ => {
                let has_signature = self.has_signature;
                self.call(|core, session| {
                    core.call(|module| match has_signature {
                        true => module.absorb_with_signature(session, input),
                        false => module.absorb(session, class, input),
                    })
                })?;
                0
            }
        };
        self.started = true;
        self.pending = self
            .pending
            .map(|pending| (pending + input.len()).saturating_sub(written));
        Ok(written)
    }

    /// One part, into memory of ours: no more of it than there can be output, whatever room the application says it has.
    pub(super) fn part_within(&mut self, input: &[u8], room: usize) -> Result<Zeroizing<Vec<u8>>> {
        let mut out = memory(room.min(self.longest(Part::Update(input.len()))))?;
        let written = match self.part(input, &mut out) {
            // It is longer than is usual.
            Err(error) if error.rv() == Rv::BufferTooSmall && out.len() < room => {
                let class = self.class;
                let len = self
                    .call(|core, session| core.call(|module| module.update(session, class, input, None)))?;
                out = memory(room.min(len))?;
                self.part(input, &mut out)?
            }
            written => written?,
        };
        out.truncate(written);
        Ok(out)
    }

    /// The whole, or the end, with output.
    pub(super) fn produce(
        &mut self,
        out: &mut [u8],
        mut call: impl FnMut(&Core, Session, Option<&mut [u8]>) -> Answer<usize>,
    ) -> Result<Out> {
        match self.call(|core, session| call(core, session, Some(&mut *out))) {
            Ok(written) => {
                self.end();
                Ok(Out::Written(written))
            }
            Err(error) if error.rv() == Rv::BufferTooSmall => self.produce_longer(call),
            Err(error) => Err(error),
        }
    }

    /// The same where the output is longer than was said beforehand.
    #[cold]
    fn produce_longer(
        &mut self,
        mut call: impl FnMut(&Core, Session, Option<&mut [u8]>) -> Answer<usize>,
    ) -> Result<Out> {
        let len = self.call(|core, session| call(core, session, None))?;
        self.note_length(len);
        let mut bytes = memory(len)?;
        let written = self.call(|core, session| call(core, session, Some(&mut bytes)))?;
        bytes.truncate(written);
        self.end();
        Ok(Out::Bytes(bytes))
    }

    pub(super) fn whole(&mut self, input: &[u8], end: End<'_>) -> Result<Out> {
        let class = self.class;
        match end {
            End::Output(out) => self.produce(out, |core, session, out| {
                core.call(|module| module.single(session, class, input, out))
            }),
            End::Signature(signature) => {
                self.call(|core, session| core.call(|module| module.verify(session, input, signature)))?;
                self.end();
                Ok(Out::Done)
            }
            End::Begun => {
                self.call(|core, session| core.call(|module| module.verify_signature(session, input)))?;
                self.end();
                Ok(Out::Done)
            }
        }
    }

    pub(super) fn last(&mut self, _: &[u8], end: End<'_>) -> Result<Out> {
        let class = self.class;
        match end {
            End::Output(out) => self.produce(out, |core, session, out| {
                core.call(|module| module.finish(session, class, out))
            }),
            End::Signature(signature) => {
                self.call(|core, session| core.call(|module| module.verify_final(session, signature)))?;
                self.end();
                Ok(Out::Done)
            }
            End::Begun => {
                self.call(|core, session| core.call(|module| module.verify_signature_final(session)))?;
                self.end();
                Ok(Out::Done)
            }
        }
    }

    /// The value of a key as a part of the data.
    pub(super) fn absorb_key(&mut self, key: ObjectId) -> Result<()> {
        let cx = self.call_cx();
        self.call_at(|core, lease| {
            let handle = handle_beside(core, &cx, lease, key)?;
            core.call(|module| module.digest_key(lease.session, handle))
        })?;
        self.started = true;
        Ok(())
    }
}

/// The vendor's handle of a key, where an operation is under way.
fn handle_beside(core: &Core, cx: &CallCx, lease: &Lease, key: ObjectId) -> Answer<Handle> {
    let of = |lease: &Lease| core.handle(lease, key, Rv::KeyHandleInvalid);
    let found = match of(lease) {
        // After a loss it is searched for, and this module has no search beside an operation. What another session finds
        // holds for all of the connection.
        Err(Rv::OperationActive) => {
            let search = core
                .connection
                .run(cx, Repeat::Always, |other| of(other).map(drop));
            search.map_err(|error| error.rv())?;
            of(lease)
        }
        found => found,
    };
    found.map(|(handle, _)| handle)
}
