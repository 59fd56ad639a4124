// SPDX-License-Identifier: MIT
//! Messages with one key in a session of the vendor's.
//!
//! The vendor writes to the parameter of a message, or to where it points: such a call is always made on the caller's
//! thread, inside of the application's call.

use std::sync::Arc;

use keyenclave_model::error::{Result, Rv};
use keyenclave_model::mechanism::Mechanism;
use keyenclave_model::token::{
    CallCx, Message, MessageEnd, MessageStep, Messages, ObjectId, OperationClass, Processed,
};

use crate::core::Core;
use crate::ffi::Answer;
use crate::given::{Kept, mech, translated};
use crate::heal::{Repeat, loss};
use crate::pool::{Fate, Lease, Need};

/// See the [module](self).
pub(crate) struct VendorMessages {
    core: Arc<Core>,
    class: OperationClass,
    lease: Option<Lease>,
    key: ObjectId,
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
                let parameter = translated(core, lease, mechanism);
                let mech = mech(mechanism, &parameter);
                core.call(|module| module.message_begin(lease.session, class, mech, handle))
                    .map(|()| ((), true))
            })?;
        Ok(Self {
            core: Arc::clone(core),
            class,
            lease,
            key,
            begun: Kept::copy(mechanism),
        })
    }

    fn call(&self, message: &mut Message<'_>) -> Answer<Processed> {
        let lease = self.lease.ok_or(Rv::OperationNotInitialized)?;
        self.core
            .call(|module| module.message(lease.session, self.class, message))
    }
}

impl Messages for VendorMessages {
    fn process(&mut self, cx: &CallCx, mut message: Message<'_>) -> Result<Processed> {
        let rv = match self.call(&mut message) {
            Ok(processed) => return Ok(processed),
            Err(rv) => rv,
        };
        let Some(lease) = self.lease.filter(|_| loss(rv, true).is_some()) else {
            return Err(rv.into());
        };
        self.lease = None;
        let repeat = self.core.connection.ended(&lease, rv, false)?;
        // The parts that a message had are lost with the session.
        let whole = matches!(message.step, MessageStep::Whole | MessageStep::Begin);
        let Some(begun) = self.begun.as_ref().filter(|_| repeat) else {
            return Err(rv.into());
        };
        let mut new = Self::begin(&self.core, cx, self.class, &begun.mechanism, self.key)?;
        self.lease = new.lease.take();
        if !whole {
            return Err(rv.into());
        }
        Ok(self.call(&mut message)?)
    }

    fn finish(mut self: Box<Self>, _cx: &CallCx) -> Result<()> {
        let lease = self.lease.take().ok_or(Rv::OperationNotInitialized)?;
        let ended = self
            .core
            .call(|module| module.message_final(lease.session, self.class));
        self.core.connection.give_back(&lease, fate(ended));
        Ok(ended?)
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
        if let Some(lease) = self.lease.take() {
            let ended = self
                .core
                .call(|module| module.message_final(lease.session, self.class));
            self.core.connection.give_back(&lease, fate(ended));
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
