// SPDX-License-Identifier: MIT
//! What one session has under way: at most one operation of each class, and one search.
//!
//! An operation is taken out, run with no lock held, and put back or dropped: an operation that is out when somebody
//! else asks for it is active and cannot be had.

use keyenclave_model::error::{Result, Rv};
use keyenclave_model::token::{ObjectId, Operation, OperationClass};
use zeroize::Zeroizing;

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
    /// Has run, but the memory that the caller brought was too short: the result, for when there is enough.
    Deliver {
        /// The result.
        result: Zeroizing<Vec<u8>>,
        /// Which call it is the result of.
        of: Ending,
    },
}

/// The call that ended an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The call for the whole (`C_Decrypt`).
    Single,
    /// The call for the last part (`C_DecryptFinal`).
    Finish,
}

/// The place of one class.
enum Place {
    Empty,
    Out,
    Here(Active),
}

/// All operations of one session.
pub struct Operations {
    places: [Place; OperationClass::ALL.len()],
    search: Option<Search>,
    closed: bool,
}

impl Default for Operations {
    fn default() -> Self {
        Self {
            places: [const { Place::Empty }; OperationClass::ALL.len()],
            search: None,
            closed: false,
        }
    }
}

impl Operations {
    /// Reserves the place of a class for an operation that is about to begin. It is out until it is put back.
    ///
    /// # Errors
    /// `CKR_OPERATION_ACTIVE`; the one that is active stays so.
    pub fn reserve(&mut self, class: OperationClass, login: u64) -> Result<()> {
        match self.place(class) {
            Place::Here(active) if active.is_stale(login) => {}
            Place::Empty => {}
            Place::Here(_) | Place::Out => return Err(Rv::OperationActive.into()),
        }
        *self.place(class) = Place::Out;
        Ok(())
    }

    /// Takes an operation out.
    ///
    /// # Errors
    /// `CKR_OPERATION_NOT_INITIALIZED` if there is none, or if the login that it began under is over;
    /// `CKR_OPERATION_ACTIVE` if another thread has it.
    pub fn take(&mut self, class: OperationClass, login: u64) -> Result<Active> {
        let place = self.place(class);
        match std::mem::replace(place, Place::Out) {
            Place::Here(active) if !active.is_stale(login) => Ok(active),
            Place::Here(_) | Place::Empty => {
                *place = Place::Empty;
                Err(Rv::OperationNotInitialized.into())
            }
            Place::Out => Err(Rv::OperationActive.into()),
        }
    }

    /// Puts an operation back, or, with `None`, ends it. In a closed session it ends in any case; it is handed back
    /// so that it is dropped outside the lock.
    pub fn put_back(&mut self, class: OperationClass, active: Option<Active>) -> Option<Active> {
        let closed = self.closed;
        let place = self.place(class);
        match active {
            Some(active) if !closed => {
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
    pub fn cancel(&mut self, class: OperationClass) -> Result<Option<Active>> {
        let place = self.place(class);
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
    /// `CKR_OPERATION_NOT_INITIALIZED` if there is none, `CKR_STATE_UNSAVEABLE` if there are several.
    pub fn only(&self, login: u64) -> Result<OperationClass> {
        let mut active = OperationClass::ALL
            .into_iter()
            .zip(&self.places)
            .filter(|(_, place)| match place {
                Place::Empty => false,
                Place::Here(active) => !active.is_stale(login),
                Place::Out => true,
            });
        match (active.next(), active.next()) {
            (None, _) => Err(Rv::OperationNotInitialized.into()),
            (Some((class, _)), None) => Ok(class),
            (Some(_), Some(_)) => Err(Rv::StateUnsaveable.into()),
        }
    }

    /// Puts an operation in the place of all that are active. Those are handed over to be dropped outside the lock.
    ///
    /// # Errors
    /// `CKR_OPERATION_ACTIVE` if another thread has one of them, `CKR_SESSION_CLOSED`; nothing has changed then.
    pub fn replace(&mut self, class: OperationClass, active: Active) -> Result<Self> {
        if self.closed {
            return Err(Rv::SessionClosed.into());
        }
        if self.places.iter().any(|place| matches!(place, Place::Out)) {
            return Err(Rv::OperationActive.into());
        }
        let ended = self.end_all();
        *self.place(class) = Place::Here(active);
        Ok(ended)
    }

    /// Begins a search with what was found.
    ///
    /// # Errors
    /// `CKR_OPERATION_ACTIVE`.
    pub fn begin_search(&mut self, found: Vec<ObjectId>) -> Result<()> {
        if self.search.is_some() {
            return Err(Rv::OperationActive.into());
        }
        self.search = Some(Search {
            found: found.into_iter(),
        });
        Ok(())
    }

    /// The search that is under way.
    ///
    /// # Errors
    /// `CKR_OPERATION_NOT_INITIALIZED`.
    pub fn search(&mut self) -> Result<&mut Search> {
        self.search.as_mut().ok_or(Rv::OperationNotInitialized.into())
    }

    /// Ends the search; true if there was one.
    pub fn end_search(&mut self) -> bool {
        self.search.take().is_some()
    }

    /// The session is closed: all that is not out is handed over to be dropped outside the lock, and what is out ends
    /// when it comes back.
    pub fn close(&mut self) -> Self {
        self.closed = true;
        self.search = None;
        self.end_all()
    }

    /// Ends all operations that are not out, and hands them over.
    fn end_all(&mut self) -> Self {
        let mut ended = Self::default();
        for class in OperationClass::ALL {
            if let Ok(Some(active)) = self.cancel(class) {
                *ended.place(class) = Place::Here(active);
            }
        }
        ended
    }

    fn place(&mut self, class: OperationClass) -> &mut Place {
        // As many places as there are classes, in the classes' order.
        #[allow(clippy::indexing_slicing)]
        &mut self.places[class as usize]
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

    /// The operation that runs.
    ///
    /// # Errors
    /// `CKR_OPERATION_ACTIVE` if it has run and only its result is waited for.
    pub fn running(&mut self) -> Result<&mut Box<dyn Operation>> {
        match &mut self.work {
            Next::Run(operation) => Ok(operation),
            Next::Deliver { .. } => Err(Rv::OperationActive.into()),
        }
    }

    /// The operation, to be ended.
    ///
    /// # Errors
    /// `CKR_OPERATION_ACTIVE` if it has run and only its result is waited for.
    pub fn into_operation(self) -> Result<Box<dyn Operation>> {
        match self.work {
            Next::Run(operation) => Ok(operation),
            Next::Deliver { .. } => Err(Rv::OperationActive.into()),
        }
    }

    fn is_stale(&self, login: u64) -> bool {
        self.login.is_some_and(|mine| mine != login)
    }
}

/// A search that is under way: what has not been handed out yet.
pub struct Search {
    found: std::vec::IntoIter<ObjectId>,
}

impl Search {
    /// The next objects, `max` at the most.
    pub fn next(&mut self, max: usize) -> impl Iterator<Item = ObjectId> {
        self.found.by_ref().take(max)
    }
}
