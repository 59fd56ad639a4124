// SPDX-License-Identifier: MIT
//! A vendor session that is open: what it is good for, and what is in it.

use keyenclave_model::token::SessionId;

use super::{Fate, Lease, Need};
use crate::ffi::Session;

/// What a held session is good for still.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fitness {
    /// Everything.
    Fit,
    /// As [`Fate::Doubtful`] says.
    Doubtful,
    /// As [`Fate::Dirty`] says.
    Dirty,
    /// Nothing: its objects are to die with it.
    Doomed,
}

/// The last operation of a session of ours.
#[derive(Default)]
pub(super) struct Latest {
    /// [`Held::latest`] of the vendor session where it was, as long as no other was there.
    pub(super) number: u64,
    /// Whether the session of ours asks what became of its operations: then it keeps the vendor's.
    pub(super) is_asked: bool,
}

/// A vendor session that nobody holds.
pub(super) struct Idle {
    pub(super) session: Session,
    /// As [`Held::latest`].
    pub(super) latest: u64,
}

/// A vendor session that a session of ours holds.
pub(super) struct Held {
    pub(super) seat: SessionId,
    pub(super) session: Session,
    pub(super) number: u64,
    pub(super) writable: bool,
    /// Operations under way.
    pub(super) active: usize,
    /// When the last of them began; 0 if none did. A higher number is later.
    pub(super) begun: u64,
    /// Tells the last operation in it from all others; 0 if there was none.
    pub(super) latest: u64,
    /// Session objects that were made in it.
    pub(super) objects: usize,
    pub(super) fitness: Fitness,
    /// Whether one of the operations under way left no room for another: none begins before they have ended.
    pub(super) is_full: bool,
    /// Whether a call is in it that nobody waits for any more: no other is made in it before the operations under way have
    /// ended.
    pub(super) is_hung: bool,
}

impl Fitness {
    /// After a lease was given back like this.
    pub(super) fn after(self, fate: Fate) -> Self {
        self.max(match fate {
            Fate::Clean => Self::Fit,
            Fate::Doubtful => Self::Doubtful,
            Fate::Dirty | Fate::Lost => Self::Dirty,
        })
    }
}

impl Held {
    /// One lease less. Whether there is room for operations again.
    pub(super) fn give_back(&mut self, fate: Fate) -> bool {
        self.active = self.active.saturating_sub(1);
        if fate == Fate::Dirty && self.active > 0 {
            self.is_full = true;
            return false;
        }
        self.fitness = self.fitness.after(fate);
        if self.active > 0 {
            return false;
        }
        self.begun = 0;
        std::mem::take(&mut self.is_full) | std::mem::take(&mut self.is_hung)
    }

    /// Whether this will do for what is needed.
    pub(super) fn fits(&self, need: Need) -> bool {
        let begins = self.fitness == Fitness::Fit && !self.is_full && !self.is_hung;
        match need {
            Need::Shared => begins,
            Need::Alone => begins && self.active == 0,
            // Beside an operation, not beside another call.
            Need::Call => {
                !self.is_hung
                    && self.fitness < Fitness::Doomed
                    && (self.active == 0 || (self.begun > 0 && self.objects > 0))
            }
        }
    }

    pub(super) fn lease(&self, generation: u64) -> Lease {
        Lease {
            session: self.session,
            generation,
            number: self.number,
            logins: 0,
        }
    }
}
