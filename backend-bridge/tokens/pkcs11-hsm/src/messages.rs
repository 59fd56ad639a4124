// SPDX-License-Identifier: MIT
//! Messages with one key in a session of the vendor's.
//!
//! The vendor writes to where the parameter of a message points. Where the slot has a deadline a worker makes the call with
//! copies, and what was written is handed back inside of the application's call, if that has not ended meanwhile. With a
//! parameter that cannot be copied the call is made on the caller's thread.

use std::sync::Arc;

use cryptoki_sys as ck;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::Mechanism;
use keyenclave_model::token::{
    CallCx, Message, MessageEnd, MessageStep, Messages, ObjectId, OperationClass, Out, Processed,
};
use parking_lot::Mutex;
use zeroize::Zeroizing;

use crate::core::Core;
use crate::deadline::{is_for_worker, wait};
use crate::ffi::Answer;
use crate::given::{Kept, mech, translated};
use crate::heal::{Repeat, loss, outward};
use crate::operation::longest;
use crate::owned::memory;
use crate::params::{OwnParameter, Written};
use crate::pool::{Fate, Lease, Need};

/// See the [module](self).
pub(crate) struct VendorMessages {
    core: Arc<Core>,
    class: OperationClass,
    id: ck::CK_MECHANISM_TYPE,
    lease: Option<Lease>,
    key: ObjectId,
    /// Whether workers make the calls.
    on_worker: bool,
    /// What a message has begun with, if that was a copy: the vendor may remember it until the message's end.
    message: Option<OwnParameter>,
    /// Bytes that went into the parts of the present message.
    taken: usize,
    /// With what it begins again after a loss; `None` where that cannot be had again.
    begun: Option<Kept>,
}

impl VendorMessages {
    /// `C_MessageEncryptInit` and the like.
    ///
    /// # Errors
    /// The vendor's; `CKR_KEY_HANDLE_INVALID`.
    pub fn begin(
        core: &Arc<Core>,
        cx: &CallCx,
        class: OperationClass,
        mechanism: &Mechanism,
        key: ObjectId,
    ) -> Result<Self> {
        let (_, lease) = core
            .connection
            .run_keeping(cx, Need::Alone, Repeat::Always, |lease| {
                let (handle, _) = core.handle(lease, key, Rv::KeyHandleInvalid)?;
                let parameter = translated(core, lease, mechanism)?;
                let mech = mech(mechanism, &parameter);
                core.call(|module| module.message_begin(lease.session, class, mech, handle))?;
                core.connection.pool.note_begun(lease);
                Ok(((), true))
            })?;
        Ok(Self {
            core: Arc::clone(core),
            class,
            id: mechanism.id(),
            lease,
            key,
            on_worker: is_for_worker(cx),
            message: None,
            taken: 0,
            begun: Kept::of_messages(mechanism),
        })
    }

    fn call(&self, message: &mut Message<'_>) -> Answer<Processed> {
        let lease = self.lease.ok_or(Rv::DeviceError)?;
        let call = |lease: &Lease| {
            self.core
                .call(|module| module.message(lease.session, self.class, message))
        };
        self.core.connection.ask(&lease, call)
    }
}

impl VendorMessages {
    /// Begins anew what went with the device.
    fn begin_again(&mut self, cx: &CallCx) -> Result<()> {
        let begun = self.begun.as_ref().ok_or_else(|| {
            Error::new(
                Rv::DeviceError,
                "the operation went with the vendor's device; begin it again",
            )
        })?;
        let mut new = Self::begin(&self.core, cx, self.class, &begun.mechanism, self.key)?;
        self.lease = new.lease.take();
        Ok(())
    }

    fn process_here(&mut self, cx: &CallCx, mut message: Message<'_>) -> Result<Processed> {
        let whole = matches!(message.step, MessageStep::Whole | MessageStep::Begin);
        // The last time it could not be begun.
        if self.lease.is_none() && whole {
            self.begin_again(cx)?;
        }
        let rv = match self.call(&mut message) {
            Ok(processed) => return Ok(processed),
            Err(rv) => rv,
        };
        let Some(lease) = self.lease.filter(|_| loss(rv, true).is_some()) else {
            return Err(rv.into());
        };
        self.lease = None;
        let repeat = self.core.connection.ended(&lease, rv, false)?;
        if !repeat || self.begun.is_none() {
            return Err(rv.into());
        }
        self.begin_again(cx)?;
        // The parts that a message had are lost with the session.
        if !whole {
            return Err(rv.into());
        }
        Ok(self.call(&mut message)?)
    }

    /// What stays behind while a worker has the operation, or for good if the worker does not come back.
    fn lent_out(&self) -> Self {
        Self {
            core: Arc::clone(&self.core),
            class: self.class,
            id: self.id,
            lease: None,
            key: self.key,
            on_worker: true,
            message: None,
            taken: 0,
            begun: None,
        }
    }

    /// Has a worker make the call, and waits for it.
    fn process_there(&mut self, cx: &CallCx, own: OwnMessage, end: MessageEnd<'_>) -> Result<Processed> {
        let (behind, lease) = (self.lent_out(), self.lease);
        let mut lent = std::mem::replace(self, behind);
        let place = Arc::new(Mutex::new(None));
        let (back, at) = (Arc::clone(&place), *cx);
        let waiting = self.core.workers.submit(move || {
            let mut own = own;
            let processed = own.lend(|message| lent.process_here(&at, message));
            *back.lock() = Some((lent, own, processed));
            Ok(Out::Done)
        })?;
        if let Err(error) = wait(waiting, cx) {
            // Where that call is, nothing else begins.
            lease
                .iter()
                .for_each(|lease| self.core.connection.pool.shut(lease));
            return Err(error);
        }
        let (lent, own, processed) = place.lock().take().ok_or(Rv::GeneralError)?;
        *self = lent;
        let processed = own.hand_back(end, processed?)?;
        if own.step == MessageStep::Begin {
            self.message = own.parameter;
        }
        Ok(processed)
    }

    fn end(&mut self) -> Answer<()> {
        let lease = self.lease.take().ok_or(Rv::DeviceError)?;
        end(&self.core, &lease, self.class)
    }
}

/// Ends an operation at the vendor's, and gives its session back.
fn end(core: &Core, lease: &Lease, class: OperationClass) -> Answer<()> {
    let end = |lease: &Lease| core.call(|module| module.message_final(lease.session, class));
    let ended = core.connection.ask(lease, end);
    core.connection.give_back(lease, fate(ended));
    ended
}

/// A call for a message with copies of all that it points to.
struct OwnMessage {
    step: MessageStep,
    parameter: Option<OwnParameter>,
    associated: Zeroizing<Vec<u8>>,
    input: Zeroizing<Vec<u8>>,
    end: OwnEnd,
}

enum OwnEnd {
    Nothing,
    Query,
    Output(Zeroizing<Vec<u8>>),
    Signature(Vec<u8>),
}

impl OwnMessage {
    /// `None` where the parameter cannot be copied. There is room for `longest` bytes of output at most, whatever room the
    /// application says it has.
    ///
    /// # Errors
    /// `CKR_HOST_MEMORY`.
    fn copy(id: ck::CK_MECHANISM_TYPE, message: &Message<'_>, longest: usize) -> Result<Option<Self>> {
        let parameter = match &*message.parameter {
            [] => None,
            parameter => match OwnParameter::of_message(id, parameter) {
                Some(own) => Some(own),
                None => return Ok(None),
            },
        };
        Ok(Some(Self {
            step: message.step,
            parameter,
            associated: Zeroizing::new(message.associated.to_vec()),
            input: Zeroizing::new(message.input.to_vec()),
            end: match &message.end {
                MessageEnd::Nothing => OwnEnd::Nothing,
                MessageEnd::Query => OwnEnd::Query,
                MessageEnd::Output(out) => OwnEnd::Output(memory(out.len().min(longest))?),
                MessageEnd::Signature(signature) => OwnEnd::Signature(signature.to_vec()),
            },
        }))
    }

    fn lend(&mut self, process: impl FnOnce(Message<'_>) -> Result<Processed>) -> Result<Processed> {
        let parameter = self.parameter.as_ref().map_or(&[][..], OwnParameter::bytes);
        process(Message {
            step: self.step,
            parameter: &mut parameter.to_vec(),
            read: None,
            associated: &self.associated,
            input: &self.input,
            end: match &mut self.end {
                OwnEnd::Nothing => MessageEnd::Nothing,
                OwnEnd::Query => MessageEnd::Query,
                OwnEnd::Output(out) => MessageEnd::Output(out),
                OwnEnd::Signature(signature) => MessageEnd::Signature(signature),
            },
        })
    }

    /// Writes what the vendor has written to the application's memory. To be called inside of its call.
    fn hand_back(&self, end: MessageEnd<'_>, processed: Processed) -> Result<Processed> {
        let written = self.parameter.as_ref().map(OwnParameter::written);
        written.iter().flatten().for_each(Written::hand_back);
        if let (MessageEnd::Output(out), OwnEnd::Output(own), Processed::Written(len)) =
            (end, &self.end, processed)
        {
            let (to, from) = (out.get_mut(..len), own.get(..len));
            to.ok_or(Rv::GeneralError)?
                .copy_from_slice(from.ok_or(Rv::GeneralError)?);
        }
        Ok(processed)
    }
}

impl Messages for VendorMessages {
    fn process(&mut self, cx: &CallCx, message: Message<'_>) -> Result<Processed> {
        let (step, len) = (message.step, message.input.len());
        let taken = match step {
            MessageStep::Whole | MessageStep::Begin => 0,
            MessageStep::Next { .. } => self.taken,
        };
        let longest = longest(self.class, taken.saturating_add(len));
        let processed = if is_for_worker(cx)
            && let Some(own) = OwnMessage::copy(self.id, &message, longest)?
        {
            self.process_there(cx, own, message.end)
        } else {
            self.process_here(cx, message)
        };
        if !matches!(processed, Ok(Processed::Needs(_))) {
            self.taken = taken.saturating_add(len);
        }
        processed.map_err(outward)
    }

    fn finish(mut self: Box<Self>, cx: &CallCx) -> Result<()> {
        if !is_for_worker(cx) {
            return self.end().map_err(|rv| outward(rv.into()));
        }
        let workers = self.core.workers.clone();
        let waiting = workers.submit(move || Ok(self.end().map(|()| Out::Done)?))?;
        wait(waiting, cx).map(drop).map_err(outward)
    }
}

fn fate(ended: Answer<()>) -> Fate {
    match ended {
        Ok(()) => Fate::Clean,
        Err(Rv::SessionHandleInvalid | Rv::SessionClosed) => Fate::Lost,
        Err(_) => Fate::Dirty,
    }
}

impl Drop for VendorMessages {
    fn drop(&mut self) {
        let Some(lease) = self.lease.take() else { return };
        let (core, class) = (Arc::clone(&self.core), self.class);
        if !self.on_worker {
            // Nobody is left to be told of a failure.
            let _ = end(&core, &lease, class);
            return;
        }
        // Not with what would end it here if no worker takes it.
        match self.core.workers.submit(move || {
            let _ = end(&core, &lease, class);
            Ok(Out::Done)
        }) {
            Ok(waiting) => waiting.leave(),
            // The device hangs, and the session with it.
            Err(_) => self.core.connection.give_back(&lease, Fate::Lost),
        }
    }
}

/// Whether a call for a message has output, and the room for it: `None` for none at all.
pub(crate) fn room<'a>(end: &'a mut MessageEnd<'_>) -> Option<Option<&'a mut [u8]>> {
    match end {
        MessageEnd::Nothing | MessageEnd::Signature(_) => None,
        MessageEnd::Query => Some(None),
        MessageEnd::Output(out) => Some(Some(out)),
    }
}
