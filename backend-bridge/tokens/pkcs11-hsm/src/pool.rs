// SPDX-License-Identifier: MIT
//! Which session of the vendor's serves which session of ours. No I/O: what is to be opened or closed is handed back.
//!
//! A vendor's sessions are few. A session of ours holds one while it has an operation under way or owns session
//! objects, which die with the session that made them; all of its operations share the one. Otherwise vendor sessions
//! lie idle, for anybody. What belongs to an earlier generation was lost with the device and is forgotten.

mod held;
mod owners;
mod state;

use std::collections::VecDeque;
use std::time::Instant;

use keyenclave_model::error::Rv;
use keyenclave_model::number_map::NumberMap;
use keyenclave_model::token::SessionId;
use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::ffi::Session;
use held::{Fitness, Held, Idle};
pub(crate) use owners::Making;
use state::State;

/// A vendor session in use by one session of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    /// The vendor's handle.
    pub session: Session,
    /// When the device was connected, in losses of it.
    pub generation: u64,
    /// Tells it from an earlier session with the same handle.
    pub number: u64,
    /// How often a login was repeated when the lease was given.
    pub logins: u64,
}

impl Lease {
    /// The phase of the connection that the session is of.
    pub fn phase(&self) -> u64 {
        self.generation + 1
    }
}

/// How a vendor session is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// With no operation of this lease left in it.
    Clean,
    /// Whether one is left in it is not known: another begins in it only where there is no other session.
    Doubtful,
    /// With an operation in it that could not be ended: it begins no other.
    Dirty,
    /// It is gone.
    Lost,
}

/// Which vendor session will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// One for an operation: that of the other operations of the same session of ours, if there are any.
    Shared,
    /// One with no operation in it, if there is any: some modules have no search beside an operation, or no second
    /// operation.
    Alone,
    /// One for a call that begins no operation: what is left in a session does no harm to it. That where the session of
    /// ours has its objects, so that these do not keep one after the other.
    Call,
}

/// What there is for a session of ours that needs one of the vendor's.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// Here it is.
    Ready(Lease),
    /// One may be opened, after closing this idle one of the other kind. [`Pool::opened`] or [`Pool::not_opened`] is
    /// told how it went.
    Open {
        /// What is closed first.
        first_close: Option<Session>,
        /// The generation that the new one will belong to.
        generation: u64,
    },
}

/// All sessions of the vendor's on one token but the anchor.
pub(crate) struct Pool {
    state: Mutex<State>,
    freed: Condvar,
}

impl Pool {
    /// A pool that never has more sessions than `limit`, and at least one.
    pub fn new(limit: usize) -> Self {
        Self {
            state: Mutex::new(State {
                idle: [Vec::new(), Vec::new()],
                held: Vec::new(),
                lost: Vec::new(),
                open: 0,
                limit: limit.max(1),
                generation: 0,
                next_number: 0,
                latest: NumberMap::default(),
                some_ask: false,
                making: Vec::new(),
                left: VecDeque::new(),
            }),
            freed: Condvar::new(),
        }
    }

    /// A session for `seat`, in a lease whose `logins` are 0: its own, an idle one, or leave to open one, if `may_open`.
    /// Waits for one where all have operations in them.
    ///
    /// # Errors
    /// `CKR_SESSION_COUNT` when none came free in time, or none can.
    pub fn take(
        &self,
        seat: SessionId,
        writable: bool,
        need: Need,
        may_open: bool,
        patience: impl Fn() -> Instant,
    ) -> Result<Offer, Rv> {
        let mut state = self.state.lock();
        match state.at_once(seat, writable, need) {
            Some(lease) => Ok(Offer::Ready(lease)),
            None => self.make_room(&mut state, (seat, writable, need), may_open, patience),
        }
    }

    /// Where neither a session of its own nor an idle one will do.
    #[inline(never)]
    fn make_room(
        &self,
        state: &mut MutexGuard<'_, State>,
        (seat, writable, need): (SessionId, bool, Need),
        may_open: bool,
        patience: impl Fn() -> Instant,
    ) -> Result<Offer, Rv> {
        let mut until = None;
        loop {
            if let Some(lease) = state.at_once(seat, writable, need) {
                return Ok(Offer::Ready(lease));
            }
            let room = may_open && state.open < state.limit;
            let first_close = if room {
                None
            } else {
                state.idle_mut(!writable).pop().map(|idle| idle.session)
            };
            if room || first_close.is_some() {
                state.open += usize::from(room);
                let generation = state.generation;
                return Ok(Offer::Open {
                    first_close,
                    generation,
                });
            }
            if let Some(lease) = state.seated_after_all(seat, writable) {
                return Ok(Offer::Ready(lease));
            }
            if !state.waits_for_others(seat) {
                return Err(Rv::SessionCount);
            }
            let until = *until.get_or_insert_with(&patience);
            if self.freed.wait_until(state, until).timed_out() {
                return Err(Rv::SessionCount);
            }
        }
    }

    /// A session was opened as [`Offer::Open`] allowed. `None` if its generation is over: then it is lost.
    pub fn opened(
        &self,
        seat: SessionId,
        writable: bool,
        session: Session,
        generation: u64,
    ) -> Option<Lease> {
        let mut state = self.state.lock();
        if state.generation != generation {
            return None;
        }
        Some(state.sit(seat, writable, Idle { session, latest: 0 }))
    }

    /// A session could not be opened.
    pub fn not_opened(&self, generation: u64) {
        let mut state = self.state.lock();
        if state.generation == generation {
            state.open = state.open.saturating_sub(1);
        }
        self.freed.notify_one();
    }

    /// Gives a lease back. What is returned is to be closed.
    pub fn give_back(&self, lease: &Lease, fate: Fate) -> Option<Session> {
        let mut state = self.state.lock();
        let Some(place) = state.place(lease) else {
            return state.give_back_lost(lease, fate);
        };
        if fate == Fate::Lost {
            state.held.swap_remove(place);
            state.open = state.open.saturating_sub(1);
            self.freed.notify_one();
            return None;
        }
        let held = state.held.get_mut(place)?;
        if held.give_back(fate) {
            self.freed.notify_all();
        }
        self.let_go(&mut state, place)
    }

    /// A call in this lease's session does not come back: nothing else begins there.
    pub fn shut(&self, lease: &Lease) {
        let mut state = self.state.lock();
        if let Some(place) = state.place(lease)
            && let Some(held) = state.held.get_mut(place)
        {
            held.is_hung = true;
        }
    }

    /// An operation has begun in this lease's session.
    pub fn note_begun(&self, lease: &Lease) {
        let mut state = self.state.lock();
        if let Some(held) = state.next_operation(lease) {
            held.begun = held.latest;
            // There was room for it.
            if held.fitness == Fitness::Doubtful {
                held.fitness = Fitness::Fit;
            }
        }
    }

    /// An operation is done at once in this lease's session.
    pub fn note_done(&self, lease: &Lease) {
        self.state.lock().next_operation(lease);
    }

    /// The vendor session where the last operation of `seat` was, unless another's has been there since. It stays with
    /// `seat` from then on.
    pub fn attend(&self, seat: SessionId) -> Option<Lease> {
        let mut state = self.state.lock();
        let latest = state.latest.get_mut(&seat)?;
        latest.is_asked = true;
        let number = latest.number;
        state.some_ask = true;
        let generation = state.generation;
        let of_seat = |held: &&mut Held| held.seat == seat && held.latest == number;
        if let Some(held) = state.held.iter_mut().find(of_seat) {
            held.active += 1;
            return Some(held.lease(generation));
        }
        [false, true].into_iter().find_map(|writable| {
            let idle = state.idle_mut(writable);
            let place = idle.iter().position(|idle| idle.latest == number)?;
            let idle = idle.swap_remove(place);
            Some(state.sit(seat, writable, idle))
        })
    }

    /// The session where `seat` has begun an operation last, if one is under way.
    pub fn newest(&self, seat: SessionId) -> Option<Lease> {
        let mut state = self.state.lock();
        let generation = state.generation;
        let begun = state.held.iter_mut();
        let begun = begun.filter(|held| held.seat == seat && held.begun > 0);
        let held = begun.max_by_key(|held| held.begun)?;
        held.active += 1;
        Some(held.lease(generation))
    }

    /// Closes the session at `place` to others' use or frees it, if nothing holds it any more.
    fn let_go(&self, state: &mut State, place: usize) -> Option<Session> {
        let held = state.held.get(place)?;
        if held.active > 0 || held.objects > 0 || state.is_asked_about(held) {
            return None;
        }
        let held = state.held.swap_remove(place);
        self.freed.notify_one();
        if held.fitness == Fitness::Fit {
            state.idle_mut(held.writable).push(Idle {
                session: held.session,
                latest: held.latest,
            });
            return None;
        }
        state.open = state.open.saturating_sub(1);
        Some(held.session)
    }

    /// All read-only sessions that nobody uses, to be closed: the security officer cannot log in beside them.
    pub fn drain_read_only(&self) -> Vec<Session> {
        let mut state = self.state.lock();
        let drained = std::mem::take(state.idle_mut(false));
        state.open = state.open.saturating_sub(drained.len());
        drained.into_iter().map(|idle| idle.session).collect()
    }

    /// Begins a generation, without any session. What is returned was open, and nobody is in it. A session that somebody
    /// may be in is to be closed when it is given back: a module may not survive it if that is done under a call.
    pub fn lose_all(&self, generation: u64) -> Vec<Session> {
        let mut state = self.state.lock();
        state.generation = generation;
        state.open = 0;
        let (busy, free): (Vec<_>, Vec<_>) = state.held.drain(..).partition(|held| held.active > 0);
        state.lost.extend(busy);
        let idle = state.idle.iter_mut().flat_map(std::mem::take);
        let idle = idle.map(|idle| idle.session);
        let all = idle.chain(free.into_iter().map(|held| held.session)).collect();
        self.freed.notify_all();
        all
    }

    /// Whether a lease is of a session that the module has not forgotten, as far as is known.
    pub fn knows(&self, lease: &Lease) -> bool {
        let state = self.state.lock();
        state.place(lease).is_some() || state.lost.iter().any(|held| held.number == lease.number)
    }

    /// The module was initialised again: it knows nothing of sessions of earlier generations, and may give their
    /// handles to others.
    pub fn forget_lost(&self) {
        self.state.lock().lost.clear();
    }
}

#[cfg(test)]
mod tests;
