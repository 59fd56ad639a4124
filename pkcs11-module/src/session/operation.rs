// SPDX-License-Identifier: MIT
//! What one session has under way: at most one of each [`Activity`], and one search.
//!
//! An operation is taken out, run with no lock held, and put back or dropped: an operation that is out when somebody
//! else asks for it is active and cannot be had. One that waits for its result cannot be had either: see
//! [`waiting`](super::waiting). What ends here is handed to the caller, to be dropped outside the lock.

use keyenclave_model::error::{Result, Rv};
use keyenclave_model::token::{Messages, ObjectId, Operation, OperationClass};
use zeroize::Zeroizing;

use super::activity::Activity;
use super::waiting::Waiting;
use crate::abi::values::KeptOutput;

/// An operation between its beginning and its end.
pub struct Active {
    /// What it does next.
    pub work: Next,
    /// Whether a part has been processed; then a call for the whole is too late.
    pub started: bool,
    /// The login that it depends on: a number that is another after every logout. `None` if it has no key.
    pub login: Option<u64>,
}

/// What an operation does next.
pub enum Next {
    /// Runs.
    Run(Box<dyn Operation>),
    /// Runs, and has had the signature that it checks (`C_VerifySignatureInit`).
    RunWithSignature(Box<dyn Operation>),
    /// Takes messages. `started` says whether one has begun and not ended.
    Messages(Box<dyn Messages>),
    /// Has run, but the memory that the caller brought was too short: the result, for when there is enough.
    Deliver {
        /// The result.
        result: Zeroizing<Vec<u8>>,
        /// Which call it is the result of.
        of: Ending,
    },
    /// Runs elsewhere, in an asynchronous session.
    Wait(Box<Waiting>),
}

/// The call that ended an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The call for the whole (`C_Decrypt`, `C_GenerateKey`).
    Single,
    /// The call for the last part (`C_DecryptFinal`).
    Finish,
}

/// The place of one activity.
#[derive(Default)]
pub(super) enum Place {
    #[default]
    Empty,
    Out,
    Here(Active),
}

/// All operations of one session.
#[derive(Default)]
pub struct Operations {
    classes: [Place; OperationClass::ALL.len()],
    messages: [Place; OperationClass::ALL.len()],
    generate_key: Place,
    generate_key_pair: Place,
    search: Option<Search>,
    /// How often work that is waited for was lent out.
    pub(super) looks: u64,
    pub(super) closed: bool,
}

impl Operations {
    /// Reserves a place for what is about to begin. It is out until it is put back. What was there from a login that
    /// is over is handed back.
    ///
    /// # Errors
    /// `CKR_OPERATION_ACTIVE`; the one that is active stays so. `CKR_SESSION_CLOSED`: whoever found the session before
    /// it was closed begins nothing any more.
    pub fn reserve(&mut self, activity: impl Into<Activity>, login: u64) -> Result<Option<Active>> {
        if self.closed {
            return Err(Rv::SessionClosed.into());
        }
        let place = self.place(activity);
        match std::mem::replace(place, Place::Out) {
            Place::Empty => Ok(None),
            Place::Here(active) if active.is_stale(login) => Ok(Some(active)),
            taken @ (Place::Here(_) | Place::Out) => {
                *place = taken;
                Err(Rv::OperationActive.into())
            }
        }
    }

    /// Takes an operation out.
    ///
    /// # Errors
    /// `CKR_OPERATION_NOT_INITIALIZED` if there is none, or if the login that it began under is over;
    /// `CKR_OPERATION_ACTIVE` if another thread has it, or if it waits for its result. `CKR_SESSION_CLOSED`: whoever
    /// found the session before it was closed finds nothing in it any more.
    pub fn take(&mut self, activity: impl Into<Activity>, login: u64) -> Result<Active> {
        let gone = self.gone();
        let place = self.place(activity);
        let refused = match std::mem::replace(place, Place::Out) {
            Place::Here(active) if !active.is_stale(login) && active.waiting().is_none() => {
                return Ok(active);
            }
            refused => refused,
        };
        let rv = match &refused {
            Place::Here(active) if active.is_stale(login) => Rv::OperationNotInitialized,
            Place::Empty => gone,
            Place::Here(_) | Place::Out => Rv::OperationActive,
        };
        *place = refused;
        Err(rv.into())
    }

    /// Puts an operation back, or, with `None`, ends it. In a closed session, and if the login that it began under is
    /// over, it ends in any case and is handed back.
    pub fn put_back(
        &mut self,
        activity: impl Into<Activity>,
        active: Option<Active>,
        login: u64,
    ) -> Option<Active> {
        let closed = self.closed;
        let place = self.place(activity);
        match active {
            Some(active) if !closed && !active.is_stale(login) => {
                *place = Place::Here(active);
                None
            }
            ended => {
                *place = Place::Empty;
                ended
            }
        }
    }

    /// Ends an operation that is not out. An empty place is fine.
    ///
    /// # Errors
    /// `CKR_OPERATION_CANCEL_FAILED` if another thread has it.
    pub fn cancel(&mut self, activity: impl Into<Activity>) -> Result<Option<Active>> {
        let place = self.place(activity);
        match std::mem::replace(place, Place::Empty) {
            Place::Here(active) => Ok(Some(active)),
            Place::Empty => Ok(None),
            Place::Out => {
                *place = Place::Out;
                Err(Rv::OperationCancelFailed.into())
            }
        }
    }

    /// The class of the one operation that is active.
    ///
    /// # Errors
    /// `CKR_OPERATION_NOT_INITIALIZED` if there is none, `CKR_STATE_UNSAVEABLE` if there are several, or if it waits
    /// for its result or has had the signature that it checks.
    pub fn only(&self, login: u64) -> Result<OperationClass> {
        let mut active =
            OperationClass::ALL
                .into_iter()
                .zip(&self.classes)
                .filter(|(_, place)| match place {
                    Place::Empty => false,
                    Place::Here(active) => !active.is_stale(login),
                    Place::Out => true,
                });
        match (active.next(), active.next()) {
            (None, _) => Err(Rv::OperationNotInitialized.into()),
            (Some((_, Place::Here(active))), None)
                if active.waiting().is_some() || active.is_with_signature() =>
            {
                Err(Rv::StateUnsaveable.into())
            }
            (Some((class, _)), None) => Ok(class),
            (Some(_), Some(_)) => Err(Rv::StateUnsaveable.into()),
        }
    }

    /// Puts an operation in the place of all that is under way, which is handed back; a search ends too.
    ///
    /// # Errors
    /// `CKR_OPERATION_ACTIVE` if another thread has some of it, `CKR_SESSION_CLOSED`; nothing has changed then.
    pub fn replace(&mut self, class: OperationClass, active: Active) -> Result<Vec<Active>> {
        if self.closed {
            return Err(Rv::SessionClosed.into());
        }
        if Activity::all().any(|activity| matches!(self.place(activity), Place::Out)) {
            return Err(Rv::OperationActive.into());
        }
        self.search = None;
        let ended = self.end(Activity::all());
        *self.place(class) = Place::Here(active);
        Ok(ended)
    }

    /// Begins a search with what was found under the login `began`.
    ///
    /// # Errors
    /// `CKR_OPERATION_ACTIVE`.
    pub fn begin_search(&mut self, found: Vec<ObjectId>, began: u64, login: u64) -> Result<()> {
        if self.search(login).is_ok() {
            return Err(Rv::OperationActive.into());
        }
        self.search = Some(Search {
            found: found.into_iter(),
            login: began,
        });
        Ok(())
    }

    /// The search that is under way.
    ///
    /// # Errors
    /// `CKR_OPERATION_NOT_INITIALIZED` if there is none, or if the login that it began under is over: the handles that
    /// it found may be void then.
    pub fn search(&mut self, login: u64) -> Result<&mut Search> {
        let search = self.search.as_mut().filter(|search| search.login == login);
        search.ok_or_else(|| Rv::OperationNotInitialized.into())
    }

    /// Ends the search; true if there was one.
    pub fn end_search(&mut self, login: u64) -> bool {
        let was_active = self.search(login).is_ok();
        self.search = None;
        was_active
    }

    /// The session is closed: all that is not out ends and is handed back, and what is out ends when it comes back.
    pub fn close(&mut self) -> Vec<Active> {
        self.closed = true;
        self.search = None;
        self.end(Activity::all())
    }

    /// Whether the session is closed.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Ends what began under a login that is over, and hands it back.
    pub fn end_stale(&mut self, login: u64) -> Vec<Active> {
        self.search = self.search.take().filter(|search| search.login == login);
        let stale = |activity: &Activity| matches!(self.place(*activity), Place::Here(active) if active.is_stale(login));
        let stale: Vec<_> = Activity::all().filter(stale).collect();
        self.end(stale)
    }

    /// Ends what is not out of these, and hands it back.
    fn end(&mut self, activities: impl IntoIterator<Item = Activity>) -> Vec<Active> {
        let ended = activities.into_iter().map(|activity| self.cancel(activity));
        ended.filter_map(|ended| ended.ok().flatten()).collect()
    }

    pub(super) fn place(&mut self, activity: impl Into<Activity>) -> &mut Place {
        match activity.into() {
            // As many places as there are classes, in the classes' order.
            #[allow(clippy::indexing_slicing)]
            Activity::Operation(class) => &mut self.classes[class as usize],
            #[allow(clippy::indexing_slicing)]
            Activity::Messages(class) => &mut self.messages[class as usize],
            Activity::GenerateKey => &mut self.generate_key,
            Activity::GenerateKeyPair => &mut self.generate_key_pair,
        }
    }
}

impl Active {
    /// A new operation.
    pub fn new(operation: Box<dyn Operation>, login: Option<u64>) -> Self {
        Self {
            work: Next::Run(operation),
            started: false,
            login,
        }
    }

    /// A new operation that has had the signature that it checks.
    pub fn with_signature(operation: Box<dyn Operation>, login: u64) -> Self {
        Self {
            work: Next::RunWithSignature(operation),
            started: false,
            login: Some(login),
        }
    }

    /// A new operation on messages.
    pub fn on_messages(messages: Box<dyn Messages>, login: u64) -> Self {
        Self {
            work: Next::Messages(messages),
            started: false,
            login: Some(login),
        }
    }

    /// Something that is waited for.
    pub fn waits(waiting: Waiting, login: Option<u64>) -> Self {
        Self {
            work: Next::Wait(Box::new(waiting)),
            started: false,
            login,
        }
    }

    /// The operation that runs.
    ///
    /// # Errors
    /// `CKR_OPERATION_ACTIVE` if it has run and only its result is waited for.
    pub fn running(&mut self) -> Result<&mut Box<dyn Operation>> {
        match &mut self.work {
            Next::Run(operation) | Next::RunWithSignature(operation) => Ok(operation),
            Next::Messages(_) | Next::Deliver { .. } | Next::Wait(_) => Err(Rv::OperationActive.into()),
        }
    }

    /// The operation, to be ended.
    ///
    /// # Errors
    /// `CKR_OPERATION_ACTIVE` if it has run and only its result is waited for.
    pub fn into_operation(self) -> Result<Box<dyn Operation>> {
        match self.work {
            Next::Run(operation) | Next::RunWithSignature(operation) => Ok(operation),
            Next::Messages(_) | Next::Deliver { .. } | Next::Wait(_) => Err(Rv::OperationActive.into()),
        }
    }

    /// Where the output of what is waited for would have gone.
    pub fn into_memory(self) -> Option<KeptOutput> {
        match self.work {
            Next::Wait(waiting) => waiting.memory,
            Next::Run(_) | Next::RunWithSignature(_) | Next::Messages(_) | Next::Deliver { .. } => None,
        }
    }

    /// Whether it has had the signature that it checks.
    pub fn is_with_signature(&self) -> bool {
        matches!(self.work, Next::RunWithSignature(_))
    }

    pub(super) fn waiting(&self) -> Option<&Waiting> {
        match &self.work {
            Next::Wait(waiting) => Some(waiting),
            Next::Run(_) | Next::RunWithSignature(_) | Next::Messages(_) | Next::Deliver { .. } => None,
        }
    }

    pub(super) fn is_stale(&self, login: u64) -> bool {
        self.login.is_some_and(|mine| mine != login)
    }
}

/// A search that is under way: what has not been handed out yet.
pub struct Search {
    found: std::vec::IntoIter<ObjectId>,
    /// The login that it began under: a number that is another after every logout.
    login: u64,
}

impl Search {
    /// The next objects, `max` at the most.
    pub fn next(&mut self, max: usize) -> impl Iterator<Item = ObjectId> {
        self.found.by_ref().take(max)
    }
}
