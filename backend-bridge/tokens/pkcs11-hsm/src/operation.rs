// SPDX-License-Identifier: MIT
//! One operation in a session of the vendor's, from its beginning to its end.
//!
//! As long as no part of the data was given to the vendor, a lost session loses nothing: the operation begins again in
//! another and goes on. Afterwards it is over.

mod lengths;

use std::sync::Arc;
use std::time::{Duration, Instant};

use cryptoki_sys as ck;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::Mechanism;
use keyenclave_model::token::{
    CallCx, End, ObjectId, Operation, OperationClass, Out, OutputLen, Part, Pending, Step,
};
use once_cell::sync::OnceCell;
use parking_lot::Mutex;
use zeroize::Zeroizing;

use crate::connection::REPEATS;
use crate::core::Core;
use crate::ffi::{Answer, Handle, Session};
use crate::given::{mech, parameter, translated};
use crate::heal::{Repeat, outward};
use crate::objects::Entry;
use crate::owned::memory;
use crate::params::{OwnParameter, Written};
use crate::pool::{Fate, Lease, Need};
use crate::workers::Waiting;
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

/// Room for what the last part of an operation gives beside what has gone in: a block, a tag, a digest; in bytes.
const LAST_PART: usize = 256;

struct Begun {
    id: ck::CK_MECHANISM_TYPE,
    parameter: Option<OwnParameter>,
    key: Option<ObjectId>,
    signature: Option<Vec<u8>>,
    /// Whether it would not begin alike a second time: the vendor has written to the parameter, an IV of its own.
    has_news: bool,
}

impl Begun {
    /// A copy; `None` where there can be none. To be called inside of the application's call.
    fn copy(mechanism: &Mechanism, key: Option<ObjectId>, signature: Option<&[u8]>) -> Option<Self> {
        let id = mechanism.id();
        let parameter = match parameter(mechanism) {
            Some(flat) => Some(OwnParameter::copy(id, flat)?),
            None => None,
        };
        let signature = signature.map(<[u8]>::to_vec);
        Some(Self {
            id,
            parameter,
            key,
            signature,
            has_news: false,
        })
    }

    /// Takes note of what the vendor has written as the operation began. If it was `ours` to write to, it goes to where
    /// the mechanism that was copied has it. To be called where that may be followed.
    fn note_news(&mut self, ours: bool) {
        let written = self.parameter.as_ref().map(OwnParameter::written);
        let news: Vec<_> = written.into_iter().flatten().filter(Written::is_news).collect();
        self.has_news = !news.is_empty();
        if ours {
            news.iter().for_each(Written::hand_back);
        }
    }

    fn mechanism(&self) -> Mechanism {
        let parameter = self.parameter.as_ref();
        Mechanism::given(self.id, parameter.map(|parameter| parameter.bytes().to_vec()))
    }
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
    ) -> Result<Self> {
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
        Ok(Self {
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
        })
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

    /// What stays behind while a worker has the operation, or for good if the worker does not come back.
    fn lent_out(&self) -> Self {
        Self {
            core: Arc::clone(&self.core),
            class: self.class,
            has_signature: self.has_signature,
            lease: None,
            begun: None,
            key: None,
            started: true,
            pending: Some(0),
            cx: self.cx,
            budget: self.budget,
            late: OnceCell::new(),
        }
    }

    /// Has a worker go on with the operation, and waits until it comes back with it.
    fn lend(
        &mut self,
        cx: &CallCx,
        work: impl FnOnce(&mut Self) -> Result<Out> + Send + 'static,
    ) -> Result<Out> {
        let behind = self.lent_out();
        let lease = self.place()?;
        let mut lent = std::mem::replace(self, behind);
        let place = Arc::new(Mutex::new(None));
        let back = Arc::clone(&place);
        let waiting = self.core.workers.clone().submit(move || {
            let outcome = work(&mut lent);
            *back.lock() = Some(lent);
            outcome
        })?;
        let outcome = wait(waiting, cx);
        match place.lock().take() {
            Some(returned) => *self = returned,
            None => self.core.connection.pool.shut(&lease),
        }
        outcome
    }

    /// One part.
    fn part(&mut self, input: &[u8], out: &mut [u8]) -> Result<usize> {
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
    fn part_within(&mut self, input: &[u8], room: usize) -> Result<Zeroizing<Vec<u8>>> {
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

    /// Where it is; nowhere any more where a call in the vendor's session did not come back in time.
    fn place(&self) -> Answer<Lease> {
        match self.late.get() {
            Some(_) => Err(Rv::DeviceError),
            None => self.lease.ok_or(Rv::OperationNotInitialized),
        }
    }

    /// A call in the vendor's session; begun again first, if it was lost before any data came.
    fn call<T>(&mut self, mut work: impl FnMut(&Core, Session) -> Answer<T>) -> Result<T> {
        self.call_at(|core, lease| work(core, lease.session))
    }

    /// The same for what depends on more than the session: handles of objects are other ones after a loss.
    fn call_at<T>(&mut self, mut work: impl FnMut(&Core, &Lease) -> Answer<T>) -> Result<T> {
        let mut left = REPEATS;
        loop {
            let lease = self.place()?;
            let rv = match work(&self.core, &lease) {
                Ok(done) => return Ok(done),
                // The session is another's, which has its handle since the module was initialised again.
                Err(Rv::OperationNotInitialized) if self.core.connection.phase() != lease.phase() => {
                    Rv::SessionHandleInvalid
                }
                Err(rv) => rv,
            };
            if left == 0 || !self.again(rv)? {
                return Err(rv.into());
            }
            left -= 1;
        }
    }

    /// After a failure: whether the operation has begun again.
    fn again(&mut self, rv: Rv) -> Result<bool> {
        let consumed = rv == Rv::OperationNotInitialized && !self.started;
        let Some(begun) = self
            .begun
            .as_ref()
            .filter(|begun| !self.started && !begun.has_news)
        else {
            self.over(rv)?;
            return Ok(false);
        };
        if !consumed {
            let Some(lease) = self.lease.as_ref().filter(|_| rv != Rv::BufferTooSmall) else {
                return Ok(false);
            };
            // Any other answer has ended the operation, and with it the lease.
            let repeat = self.core.connection.ended(lease, rv, false);
            self.lease = None;
            let lost = crate::heal::loss(rv, true).is_some();
            if !repeat? || !lost {
                return Ok(false);
            }
        } else if let Some(lease) = self.lease.take() {
            // The query for the length ended it: this module is not asked again.
            self.core.note_size_query_ends();
            self.core.connection.give_back(&lease, Fate::Clean);
        }
        let mut new = Self::begin(
            &self.core,
            &self.call_cx(),
            self.class,
            &begun.mechanism(),
            begun.key,
            begun.signature.as_deref(),
        )?;
        self.lease = new.lease.take();
        // What the vendor has been given stays.
        if is_for_worker(&self.cx) {
            self.begun = new.begun.take();
        }
        Ok(true)
    }

    /// The operation is over at the vendor's.
    fn over(&mut self, rv: Rv) -> Result<()> {
        if rv == Rv::BufferTooSmall {
            return Ok(());
        }
        if let Some(lease) = self.lease.take() {
            self.core.connection.ended(&lease, rv, true)?;
        }
        Ok(())
    }

    /// As the call that began it, with as much time from now on.
    fn call_cx(&self) -> CallCx {
        CallCx {
            deadline: self.budget.map(|budget| Instant::now() + budget),
            ..self.cx
        }
    }

    fn end(&mut self) {
        if let Some(lease) = self.lease.take() {
            self.core.connection.give_back(&lease, Fate::Clean);
        }
    }

    /// The whole, or the end, with output.
    fn produce(
        &mut self,
        out: &mut [u8],
        mut call: impl FnMut(&Core, Session, Option<&mut [u8]>) -> Answer<usize>,
    ) -> Result<Out> {
        match self.call(|core, session| call(core, session, Some(&mut *out))) {
            Ok(written) => {
                self.end();
                Ok(Out::Written(written))
            }
            // It is longer than was said beforehand.
            Err(error) if error.rv() == Rv::BufferTooSmall => {
                let len = self.call(|core, session| call(core, session, None))?;
                self.note_length(len);
                let mut bytes = memory(len)?;
                let written = self.call(|core, session| call(core, session, Some(&mut bytes)))?;
                bytes.truncate(written);
                self.end();
                Ok(Out::Bytes(bytes))
            }
            Err(error) => Err(error),
        }
    }

    fn whole(&mut self, input: &[u8], end: End<'_>) -> Result<Out> {
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

    fn last(&mut self, end: End<'_>) -> Result<Out> {
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
    fn absorb_key(&mut self, key: ObjectId) -> Result<()> {
        let cx = self.call_cx();
        self.call_at(|core, lease| {
            let handle = handle_beside(core, &cx, lease, key)?;
            core.call(|module| module.digest_key(lease.session, handle))
        })?;
        self.started = true;
        Ok(())
    }

    /// Asks something of the vendor's session that has no deadline of its own: in as much time as the operation has.
    fn in_time(&self, work: impl FnOnce(&Core, Session) -> Answer<Out> + Send + 'static) -> Result<Out> {
        let lease = self.place()?;
        let Some(budget) = self.budget else {
            return Ok(work(&self.core, lease.session)?);
        };
        let (core, ending, what) = (Arc::clone(&self.core), Arc::clone(&self.core), self.unfinished());
        let place = Arc::new(Mutex::new(None));
        let told = Arc::clone(&place);
        let mut waiting = self.core.workers.submit_or(
            move || {
                *told.lock() = Some(work(&core, lease.session));
                Ok(Out::Done)
            },
            // Nobody knows of the operation in there any more.
            move |_| cancel(&ending, &lease, what),
        )?;
        if let Some(outcome) = waiting.wait(Some(Instant::now() + budget)) {
            outcome?;
            let told = place.lock().take().ok_or(Rv::GeneralError)?;
            return Ok(told?);
        }
        let late = if waiting.give_up() {
            self.core.connection.pool.shut(&lease);
            Late::Inside
        } else {
            Late::Outside
        };
        let _ = self.late.set(late);
        too_late()
    }

    /// Does the rest of the operation on a worker, with a copy of the input.
    fn detach(
        self: Box<Self>,
        deadline_or_later: bool,
        part: Part,
        (input, end): (&[u8], End<'_>),
        work: fn(&mut Self, &[u8], End<'_>) -> Result<Out>,
    ) -> Step {
        let mut this = self;
        if !deadline_or_later {
            return work(&mut this, input, end).into();
        }
        let input = Zeroizing::new(input.to_vec());
        let (workers, core, lease) = (this.core.workers.clone(), Arc::clone(&this.core), this.lease);
        let submitted = match end {
            End::Signature(signature) => {
                let signature = signature.to_vec();
                workers.submit(move || work(&mut this, &input, End::Signature(&signature)))
            }
            End::Begun => workers.submit(move || work(&mut this, &input, End::Begun)),
            End::Output(out) => {
                // Of the room that the application says it has, as much as there can be output.
                let room = out.len().min(this.longest(part));
                workers.submit(move || {
                    let mut out = memory(room)?;
                    match work(&mut this, &input, End::Output(&mut out))? {
                        Out::Written(len) => {
                            out.truncate(len);
                            Ok(Out::Bytes(out))
                        }
                        done => Ok(done),
                    }
                })
            }
        };
        match submitted {
            Ok(waiting) => Step::Pending(Box::new(Last { waiting, core, lease })),
            Err(error) => error.into(),
        }
    }
}

/// The end of an operation, on a worker.
struct Last {
    waiting: Waiting,
    core: Arc<Core>,
    /// Where it is, as long as it has not come back: if nobody waits for it any more, nothing else begins there.
    lease: Option<Lease>,
}

impl Last {
    fn told(&mut self, outcome: Option<Result<Out>>) -> Option<Result<Out>> {
        if outcome.is_some() {
            self.lease = None;
        }
        outcome
    }
}

impl Pending for Last {
    fn poll(&mut self) -> Option<Result<Out>> {
        let outcome = self.waiting.poll();
        self.told(outcome)
    }

    fn wait(&mut self, deadline: Option<Instant>) -> Option<Result<Out>> {
        let outcome = self.waiting.wait(deadline);
        self.told(outcome)
    }

    fn cancel(self: Box<Self>) {}
}

impl Drop for Last {
    fn drop(&mut self) {
        if let Some(lease) = &self.lease {
            self.core.connection.pool.shut(lease);
        }
    }
}

/// As much time as the call that began the operation had.
fn budget(cx: &CallCx) -> Option<Duration> {
    cx.deadline
        .map(|deadline| deadline.saturating_duration_since(Instant::now()))
}

fn begin_in(
    core: &Core,
    lease: &Lease,
    class: OperationClass,
    (mechanism, key, signature): (&Mechanism, Option<ObjectId>, Option<&[u8]>),
) -> Answer<Option<Arc<Entry>>> {
    let (handle, entry) = match key {
        Some(key) => {
            let (handle, entry) = core.handle(lease, key, Rv::KeyHandleInvalid)?;
            (handle, Some(entry))
        }
        None => (ck::CK_INVALID_HANDLE as Handle, None),
    };
    let parameter = translated(core, lease, mechanism)?;
    let (session, mech) = (lease.session, mech(mechanism, &parameter));
    core.call(|module| match signature {
        Some(signature) => module.begin_with_signature(session, mech, handle, signature),
        None => module.begin(session, class, mech, handle),
    })?;
    core.connection.pool.note_begun(lease);
    Ok(entry)
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

/// Whether work goes to a worker.
pub(crate) fn is_for_worker(cx: &CallCx) -> bool {
    cx.deadline.is_some() || cx.may_pend
}

/// Waits for a part that has to be there before the call returns.
pub(crate) fn wait(mut waiting: impl Pending, cx: &CallCx) -> Result<Out> {
    waiting.wait(cx.deadline).unwrap_or_else(too_late)
}

/// Whether nobody waits any more for a call with this deadline.
pub(crate) fn is_late(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| deadline <= Instant::now())
}

/// The vendor was given up.
pub(crate) fn too_late<T>() -> Result<T> {
    Err(Error::new(
        Rv::DeviceError,
        "the vendor's module did not answer in the time that the configuration gives it",
    ))
}

impl Operation for VendorOperation {
    fn output_len(&self, part: Part) -> Result<OutputLen> {
        if let Some(len) = self.known_len(part) {
            return Ok(OutputLen::AtMost(len));
        }
        if self.core.size_query_ends() {
            return Ok(OutputLen::AtMost(self.longest(part)));
        }
        match self.ask(part) {
            Ok(len) => {
                self.note_length(len);
                Ok(OutputLen::AtMost(len))
            }
            // The call itself will tell, or begin again.
            Err(_) if !self.started && self.late.get().is_none() => Ok(OutputLen::AtMost(self.longest(part))),
            Err(error) => Err(outward(error)),
        }
    }

    fn single(self: Box<Self>, cx: &CallCx, input: &[u8], end: End<'_>) -> Step {
        let part = Part::Single(input.len());
        self.detach(is_for_worker(cx), part, (input, end), |this, input, end| {
            this.whole(input, end).map_err(outward)
        })
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

    fn finish(self: Box<Self>, cx: &CallCx, end: End<'_>) -> Step {
        self.detach(is_for_worker(cx), Part::Finish, (&[], end), |this, _, end| {
            this.last(end).map_err(outward)
        })
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

impl Drop for VendorOperation {
    fn drop(&mut self) {
        let Some(lease) = self.lease.take() else { return };
        if self.late.get() == Some(&Late::Inside) {
            return;
        }
        let (core, what) = (Arc::clone(&self.core), self.unfinished());
        if self.budget.is_none() {
            return cancel(&core, &lease, what);
        }
        let submitted = self.core.workers.submit(move || {
            cancel(&core, &lease, what);
            Ok(Out::Done)
        });
        match submitted {
            Ok(waiting) => waiting.leave(),
            // The device hangs, and the session with it.
            Err(_) => self.core.connection.give_back(&lease, Fate::Lost),
        }
    }
}

/// An operation that is to end before its time.
#[derive(Clone, Copy)]
struct Unfinished {
    class: OperationClass,
    has_signature: bool,
    pending: usize,
}

impl VendorOperation {
    fn unfinished(&self) -> Unfinished {
        Unfinished {
            class: self.class,
            has_signature: self.has_signature,
            pending: self.pending.unwrap_or_default(),
        }
    }
}

/// Takes it out of a vendor's session.
fn cancel(core: &Core, lease: &Lease, what: Unfinished) {
    let cancelled = match core.call(|module| module.cancel(lease.session, what.class.flag())) {
        Err(Rv::FunctionNotSupported) => finish_in_vain(core, lease.session, what),
        cancelled => cancelled,
    };
    let fate = match cancelled {
        Ok(()) => Fate::Clean,
        Err(Rv::SessionHandleInvalid | Rv::SessionClosed) => Fate::Lost,
        Err(_) => Fate::Dirty,
    };
    core.connection.give_back(lease, fate);
}

/// Ends an operation where none can be cancelled, before version 3.0. A signature that nobody wants is not made: the token
/// may count them, or never make another with the same key.
fn finish_in_vain(core: &Core, session: Session, what: Unfinished) -> Answer<()> {
    let class = what.class;
    let ended = match class {
        OperationClass::Encrypt | OperationClass::Decrypt | OperationClass::Digest => {
            let mut room = Zeroizing::new(vec![0; what.pending.saturating_add(LAST_PART)]);
            core.call(|module| module.finish(session, class, Some(&mut room)).map(drop))
        }
        OperationClass::Verify if what.has_signature => {
            core.call(|module| module.verify_signature_final(session))
        }
        OperationClass::Verify => core.call(|module| module.verify_final(session, &[0])),
        OperationClass::Sign | OperationClass::SignRecover | OperationClass::VerifyRecover => {
            return Err(Rv::FunctionNotSupported);
        }
    };
    match ended {
        // What these say of the data nobody asks, and they are an end.
        Err(
            Rv::DataLenRange
            | Rv::EncryptedDataInvalid
            | Rv::EncryptedDataLenRange
            | Rv::SignatureInvalid
            | Rv::SignatureLenRange
            | Rv::OperationNotInitialized,
        ) => Ok(()),
        ended => ended,
    }
}
