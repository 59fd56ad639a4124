// SPDX-License-Identifier: MIT
//! Work that an asynchronous session waits for: what a function left behind when it answered `CKR_PENDING`.
//!
//! It stays in the session, so that whatever ends the session's operation ends it too. Only the token's answer is
//! asked for elsewhere, with no lock held; for that it is lent out under a number, and whoever has borrowed it finds
//! out afterwards whether anybody still wants it. Work that is dropped without an answer is cancelled.

use std::time::Instant;

use keyenclave_model::error::{Result, Rv};
use keyenclave_model::token::{Out, Pending};

use super::activity::Activity;
use super::operation::{Active, Ending, Next, Operations, Place};
use crate::abi::values::KeptOutput;

/// See the module.
pub struct Waiting {
    /// Which function it was.
    pub of: Ending,
    /// Where its output goes; `None` for a function that makes objects.
    pub memory: Option<KeptOutput>,
    deadline: Option<Instant>,
    work: Work,
}

/// Where the work is.
enum Work {
    Here(Awaited),
    Lent(u64),
}

impl Waiting {
    /// Work that has just been taken up. Nobody waits for it beyond the deadline.
    pub fn new(
        work: Box<dyn Pending>,
        deadline: Option<Instant>,
        of: Ending,
        memory: Option<KeptOutput>,
    ) -> Self {
        Self {
            of,
            memory,
            deadline,
            work: Work::Here(Awaited(Some(work))),
        }
    }

    /// Lends the work out under a number; `None` if somebody else has it.
    fn lend(&mut self, number: u64) -> Option<Look> {
        match std::mem::replace(&mut self.work, Work::Lent(number)) {
            Work::Here(work) => Some(Look {
                number,
                deadline: self.deadline,
                work,
            }),
            Work::Lent(other) => {
                self.work = Work::Lent(other);
                None
            }
        }
    }

    /// Takes the work back.
    fn take_back(&mut self, look: Look) {
        self.work = Work::Here(look.work);
    }

    /// Whether the work is lent out under this number.
    fn is_lent(&self, number: u64) -> bool {
        matches!(self.work, Work::Lent(lent) if lent == number)
    }
}

/// Work that is lent out to somebody who asks for its answer.
pub struct Look {
    number: u64,
    deadline: Option<Instant>,
    work: Awaited,
}

impl Look {
    /// Under which number it is lent.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The answer, if there is one already. It is asked for only until there is one.
    pub fn poll(&mut self) -> Option<Result<Out>> {
        let answer = self.work.0.as_mut()?.poll()?;
        self.work.0 = None;
        Some(answer)
    }

    /// Whether its time is over.
    pub fn is_late(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }
}

/// Why work cannot be had.
pub struct Refused {
    /// The return value.
    pub rv: Rv,
    /// What has ended here because its login is over, to be dropped outside the lock.
    pub ended: Option<Active>,
}

impl Operations {
    /// Borrows work that is waited for, to ask for its answer. Work from a login that is over ends here.
    ///
    /// # Errors
    /// `CKR_OPERATION_NOT_INITIALIZED` if this function has none, or none any more; `CKR_PENDING` if another thread
    /// is asking just now.
    pub fn look(&mut self, activity: Activity, of: Ending, login: u64) -> Result<Look, Refused> {
        self.looks = self.looks.wrapping_add(1);
        let number = self.looks;
        match self.waiting(activity, of, login) {
            Some(waiting) => waiting.lend(number).ok_or(Refused {
                rv: Rv::Pending,
                ended: None,
            }),
            None => Err(Refused {
                rv: self.gone(),
                ended: self.end_stale_wait(activity, of, login),
            }),
        }
    }

    /// Whether this function has work that is waited for.
    pub fn is_waiting(&mut self, activity: Activity, of: Ending, login: u64) -> bool {
        self.waiting(activity, of, login).is_some()
    }

    /// Gives work back that has not been answered yet. If it was ended meanwhile it is handed back.
    pub fn look_away(&mut self, activity: Activity, look: Look) -> Option<Look> {
        match self.lent(activity, look.number()) {
            Some(waiting) => {
                waiting.take_back(look);
                None
            }
            None => Some(look),
        }
    }

    /// Ends work that has been answered, and says what it was. Nobody has ended it otherwise as long as the lock is held
    /// that this is called under.
    ///
    /// # Errors
    /// `CKR_OPERATION_NOT_INITIALIZED` if it was ended meanwhile or its login is over, `CKR_SESSION_CLOSED` if the
    /// session was closed.
    pub fn conclude(&mut self, activity: Activity, number: u64, login: u64) -> Result<Box<Waiting>, Refused> {
        let rv = self.gone();
        match self.forget(activity, number) {
            Some(Active {
                work: Next::Wait(waiting),
                login: began,
                ..
            }) if began.is_none_or(|began| began == login) => Ok(waiting),
            ended => Err(Refused { rv, ended }),
        }
    }

    /// Why something is not there any more: `CKR_SESSION_CLOSED` or `CKR_OPERATION_NOT_INITIALIZED`.
    pub fn gone(&self) -> Rv {
        if self.closed {
            Rv::SessionClosed
        } else {
            Rv::OperationNotInitialized
        }
    }

    /// Ends what this function waits for if its login is over, and hands it back.
    fn end_stale_wait(&mut self, activity: Activity, of: Ending, login: u64) -> Option<Active> {
        let stale = match self.place(activity) {
            Place::Here(active) => {
                active.is_stale(login) && active.waiting().is_some_and(|wait| wait.of == of)
            }
            Place::Empty | Place::Out => false,
        };
        stale.then(|| self.cancel(activity).ok().flatten()).flatten()
    }

    /// Ends work that is lent out under this number and will not come back.
    pub fn forget(&mut self, activity: Activity, number: u64) -> Option<Active> {
        self.lent(activity, number)?;
        self.cancel(activity).ok().flatten()
    }

    /// What this function waits for.
    fn waiting(&mut self, activity: Activity, of: Ending, login: u64) -> Option<&mut Waiting> {
        match self.place(activity) {
            Place::Here(active) if !active.is_stale(login) => match &mut active.work {
                Next::Wait(waiting) if waiting.of == of => Some(waiting),
                _ => None,
            },
            Place::Here(_) | Place::Empty | Place::Out => None,
        }
    }

    /// What is lent out under this number.
    fn lent(&mut self, activity: Activity, number: u64) -> Option<&mut Waiting> {
        match self.place(activity) {
            Place::Here(Active {
                work: Next::Wait(waiting),
                ..
            }) if waiting.is_lent(number) => Some(waiting),
            Place::Here(_) | Place::Empty | Place::Out => None,
        }
    }
}

/// Work under way elsewhere, until it has answered.
struct Awaited(Option<Box<dyn Pending>>);

impl Drop for Awaited {
    fn drop(&mut self) {
        if let Some(work) = self.0.take() {
            work.cancel();
        }
    }
}
