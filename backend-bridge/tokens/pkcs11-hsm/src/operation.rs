// SPDX-License-Identifier: MIT
//! One operation in a session of the vendor's, from its beginning to its end.
//!
//! As long as no part of the data was given to the vendor, a lost session loses nothing: the operation begins again in
//! another and goes on. Afterwards it is over.

mod again;
mod begun;
mod data;
mod lengths;
mod lent;
mod unfinished;

use std::sync::Arc;
use std::time::Duration;

use keyenclave_model::error::{Result, Rv};
use keyenclave_model::mechanism::Mechanism;
use keyenclave_model::token::{CallCx, End, ObjectId, Operation, OperationClass, Out, OutputLen, Part, Step};
use once_cell::sync::OnceCell;
use zeroize::Zeroizing;

use crate::core::Core;
use crate::deadline::{budget, is_for_worker};
use crate::heal::{Repeat, outward};
use crate::objects::Entry;
use crate::owned::memory;
use crate::pool::{Lease, Need};
use begun::{Begun, begin_in};
use lengths::learn_length;
pub(crate) use lengths::longest;

/// See the [module](self).
pub(crate) struct VendorOperation {
    core: Arc<Core>,
    class: OperationClass,
    /// Whether it began with the signature that it checks.
    has_signature: bool,
    /// In the vendor's session until it ends.
    lease: Option<Lease>,
    /// With what it began; `None` where that cannot be had again.
    begun: Option<Begun>,
    /// For lengths of signatures.
    key: Option<Arc<Entry>>,
    /// Whether the vendor has a part of the data.
    started: bool,
    /// Bytes that went in and did not come out; `None` where that is not known.
    pending: Option<usize>,
    cx: CallCx,
    /// How long a call may take that has no deadline of its own; `None` as long as it takes, on the caller's thread.
    budget: Option<Duration>,
    /// Set where such a call took longer: the operation is over.
    late: OnceCell<Late>,
}

/// What has become of a call that did not come back in time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Late {
    /// It is in the vendor's session still: its worker gives that back.
    Inside,
    /// It is not.
    Outside,
}

impl VendorOperation {
    /// `C_SignInit` and the like; `C_VerifySignatureInit` if there is a signature.
    ///
    /// # Errors
    /// The vendor's; `CKR_KEY_HANDLE_INVALID`.
    pub fn begin(
        core: &Arc<Core>,
        cx: &CallCx,
        class: OperationClass,
        mechanism: &Mechanism,
        key: Option<ObjectId>,
        signature: Option<&[u8]>,
    ) -> Result<Box<Self>> {
        let budget = budget(cx);
        let mut begun = Begun::copy(mechanism, key, signature);
        // Some modules write to what the parameter points to until the operation ends. The application's memory is there
        // as long; for a worker it has to be ours.
        let kept = begun.as_ref().filter(|_| is_for_worker(cx)).map(Begun::mechanism);
        let mechanism = kept.as_ref().unwrap_or(mechanism);
        let (entry, lease) = core
            .connection
            .run_keeping(cx, Need::Shared, Repeat::Always, |lease| {
                let entry = begin_in(core, lease, class, (mechanism, key, signature))?;
                if let Some(key) = entry.as_ref().filter(|_| cx.may_pend) {
                    learn_length(core, lease, class, mechanism, key);
                }
                Ok((entry, true))
            })?;
        begun
            .iter_mut()
            .for_each(|begun| begun.note_news(is_for_worker(cx)));
        Ok(Box::new(Self {
            core: Arc::clone(core),
            class,
            has_signature: signature.is_some(),
            lease,
            begun,
            key: entry,
            started: false,
            pending: Some(0),
            cx: *cx,
            budget,
            late: OnceCell::new(),
        }))
    }

    /// An operation whose state was put into a vendor's session.
    pub fn restored(core: &Arc<Core>, cx: &CallCx, class: OperationClass, lease: Option<Lease>) -> Self {
        Self {
            core: Arc::clone(core),
            class,
            has_signature: false,
            lease,
            begun: None,
            key: None,
            started: true,
            pending: None,
            cx: *cx,
            budget: budget(cx),
            late: OnceCell::new(),
        }
    }
}

impl Operation for VendorOperation {
    fn output_len(&self, part: Part) -> Result<OutputLen> {
        let known = self.known_len(part).map(Ok);
        known
            .unwrap_or_else(|| self.asked_len(part))
            .map(OutputLen::AtMost)
    }

    fn single(mut self: Box<Self>, cx: &CallCx, input: &[u8], end: End<'_>) -> Step {
        if is_for_worker(cx) {
            return self.detach(Part::Single(input.len()), (input, end), Self::whole);
        }
        self.whole(input, end).map_err(outward).into()
    }

    fn update(&mut self, cx: &CallCx, input: &[u8], out: &mut [u8]) -> Result<usize> {
        if !is_for_worker(cx) {
            return self.part(input, out).map_err(outward);
        }
        let (input, room) = (Zeroizing::new(input.to_vec()), out.len());
        let written = self.lend(cx, move |this| this.part_within(&input, room).map(Out::Bytes));
        let Out::Bytes(bytes) = written.map_err(outward)? else {
            return Err(Rv::GeneralError.into());
        };
        let place = out.get_mut(..bytes.len()).ok_or(Rv::GeneralError)?;
        place.copy_from_slice(&bytes);
        Ok(bytes.len())
    }

    fn finish(mut self: Box<Self>, cx: &CallCx, end: End<'_>) -> Step {
        if is_for_worker(cx) {
            return self.detach(Part::Finish, (&[], end), Self::last);
        }
        self.last(&[], end).map_err(outward).into()
    }

    fn digest_key(&mut self, cx: &CallCx, key: ObjectId) -> Result<()> {
        let done = if is_for_worker(cx) {
            self.lend(cx, move |this| this.absorb_key(key).map(|()| Out::Done))
                .map(drop)
        } else {
            self.absorb_key(key)
        };
        done.map_err(outward)
    }

    fn state(&self) -> Result<Zeroizing<Vec<u8>>> {
        let state = self.in_time(|core, session| {
            let len = core.call(|module| module.operation_state(session, None))?;
            let mut state = memory(len).map_err(|error| error.rv())?;
            let len = core.call(|module| module.operation_state(session, Some(&mut state)))?;
            state.truncate(len);
            Ok(Out::Bytes(state))
        });
        match state.map_err(outward)? {
            Out::Bytes(state) => Ok(state),
            _ => Err(Rv::GeneralError.into()),
        }
    }
}
