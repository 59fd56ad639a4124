// SPDX-License-Identifier: MIT
//! Which session of the vendor's serves which session of ours. No I/O: what is to be opened or closed is handed back.
//!
//! A vendor's sessions are few. A session of ours holds one while it has an operation under way or owns session
//! objects, which die with the session that made them; all of its operations share the one. Otherwise vendor sessions
//! lie idle, for anybody. What belongs to an earlier generation was lost with the device and is forgotten.

use std::collections::VecDeque;
use std::time::Instant;

use keyenclave_model::error::Rv;
use keyenclave_model::number_map::NumberMap;
use keyenclave_model::token::SessionId;
use parking_lot::{Condvar, Mutex};

use crate::ffi::Session;

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

/// What a held session is good for still.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fitness {
    /// Everything.
    Fit,
    /// As [`Fate::Doubtful`] says.
    Doubtful,
    /// As [`Fate::Dirty`] says.
    Dirty,
    /// Nothing: its objects are to die with it.
    Doomed,
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

struct State {
    /// Idle ones: read-only, read/write.
    idle: [Vec<Idle>; 2],
    /// Those in use: as few as the limit allows, so that a walk along them is short.
    held: Vec<Held>,
    /// Those of earlier generations that have not been given back: calls may be in them.
    lost: Vec<Held>,
    /// All that are open or being opened.
    open: usize,
    limit: usize,
    generation: u64,
    next_number: u64,
    /// The last operation of each session of ours.
    latest: NumberMap<SessionId, Latest>,
    /// Whether any session of ours has ever asked what became of its operations.
    some_ask: bool,
    /// Sessions of ours that are making objects: for each such call its session, and whether that was closed since.
    making: Vec<(SessionId, bool)>,
    /// Sessions of ours that were closed last, since a call may be on its way to here still.
    left: VecDeque<SessionId>,
}

/// How many closed sessions are remembered.
const LEFT: usize = 64;

/// A call that makes objects for a session of ours, from before it has a session of the vendor's to its end.
pub(crate) struct Making<'a> {
    pool: &'a Pool,
    seat: SessionId,
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.state.lock();
        if let Some(place) = state.making.iter().position(|(seat, _)| *seat == self.seat) {
            state.making.swap_remove(place);
        }
    }
}

/// The last operation of a session of ours.
#[derive(Default)]
struct Latest {
    /// [`Held::latest`] of the vendor session where it was, as long as no other was there.
    number: u64,
    /// Whether the session of ours asks what became of its operations: then it keeps the vendor's.
    is_asked: bool,
}

/// A vendor session that nobody holds.
struct Idle {
    session: Session,
    /// As [`Held::latest`].
    latest: u64,
}

/// A vendor session that a session of ours holds.
struct Held {
    seat: SessionId,
    session: Session,
    number: u64,
    writable: bool,
    /// Operations under way.
    active: usize,
    /// When the last of them began; 0 if none did. A higher number is later.
    begun: u64,
    /// Tells the last operation in it from all others; 0 if there was none.
    latest: u64,
    /// Session objects that were made in it.
    objects: usize,
    fitness: Fitness,
    /// Whether one of the operations under way left no room for another: none begins before they have ended.
    is_full: bool,
    /// Whether a call is in it that nobody waits for any more: no other is made in it before the operations under way have
    /// ended.
    is_hung: bool,
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

    /// A session for `seat`, in a lease whose `logins` are 0: its own, an idle one, or leave to open one, if `may_open`. Waits for one where all have
    /// operations in them.
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
        let mut until = None;
        loop {
            if let Some(lease) = state.seated(seat, writable, need) {
                return Ok(Offer::Ready(lease));
            }
            if let Some(idle) = state.idle_mut(writable).pop() {
                return Ok(Offer::Ready(state.sit(seat, writable, idle)));
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
            if self.freed.wait_until(&mut state, until).timed_out() {
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

    /// A session of ours begins to make an object. If it is closed meanwhile, [`Pool::own_object`] says so.
    pub fn begin_making(&self, seat: SessionId) -> Making<'_> {
        let mut state = self.state.lock();
        let closed = state.has_left(seat) || state.left.contains(&seat);
        state.making.push((seat, closed));
        Making { pool: self, seat }
    }

    /// Whether a session of ours is one of those that were closed last.
    pub fn was_closed(&self, seat: SessionId) -> bool {
        self.state.lock().left.contains(&seat)
    }

    /// A session object was made in this lease's session. `false` if the session of ours that made it was closed
    /// meanwhile: then nobody owns it.
    pub fn own_object(&self, making: &Making<'_>, lease: &Lease) -> bool {
        let mut state = self.state.lock();
        if state.has_left(making.seat) {
            return false;
        }
        if let Some(place) = state.place(lease)
            && let Some(held) = state.held.get_mut(place)
        {
            held.objects += 1;
        }
        true
    }

    /// A session object that was made in this lease's session is gone. What is returned is to be closed.
    pub fn disown_object(&self, lease: &Lease) -> Option<Session> {
        let mut state = self.state.lock();
        let place = state.place(lease)?;
        let held = state.held.get_mut(place)?;
        held.objects = held.objects.saturating_sub(1);
        self.let_go(&mut state, place)
    }

    /// A session of ours is closed: its objects die. What is returned is to be closed; a session with an operation
    /// still out is closed or kept when that gives it back.
    pub fn leave(&self, seat: SessionId) -> Vec<Session> {
        let mut state = self.state.lock();
        if state.left.len() == LEFT {
            state.left.pop_front();
        }
        state.left.push_back(seat);
        state.latest.remove(&seat);
        for (of, closed) in &mut state.making {
            *closed |= *of == seat;
        }
        let mut close = Vec::new();
        let mut place = 0;
        while let Some(held) = state.held.get_mut(place) {
            if held.seat != seat {
                place += 1;
                continue;
            }
            if held.objects > 0 {
                held.fitness = Fitness::Doomed;
            }
            held.objects = 0;
            if held.active == 0 {
                close.extend(self.let_go(&mut state, place));
            } else {
                place += 1;
            }
        }
        close
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

    /// The module was initialised again: it knows nothing of sessions of earlier generations, and may give their
    /// handles to others.
    pub fn forget_lost(&self) {
        self.state.lock().lost.clear();
    }
}

impl Fitness {
    /// After a lease was given back like this.
    fn after(self, fate: Fate) -> Self {
        self.max(match fate {
            Fate::Clean => Self::Fit,
            Fate::Doubtful => Self::Doubtful,
            Fate::Dirty | Fate::Lost => Self::Dirty,
        })
    }
}

impl Held {
    /// One lease less. Whether there is room for operations again.
    fn give_back(&mut self, fate: Fate) -> bool {
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
    fn fits(&self, need: Need) -> bool {
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

    fn lease(&self, generation: u64) -> Lease {
        Lease {
            session: self.session,
            generation,
            number: self.number,
            logins: 0,
        }
    }
}

impl State {
    fn idle_mut(&mut self, writable: bool) -> &mut Vec<Idle> {
        let [read_only, read_write] = &mut self.idle;
        if writable { read_write } else { read_only }
    }

    /// The session that a seat has already, if it will do.
    fn seated(&mut self, seat: SessionId, writable: bool, need: Need) -> Option<Lease> {
        // A call disturbs nobody where it can; operations are together.
        let rank = |held: &Held| match need {
            Need::Call => (held.active > 0, held.fitness),
            Need::Shared | Need::Alone => (held.begun == 0, held.fitness),
        };
        self.sit_again(seat, writable, |held| held.fits(need).then(|| rank(held)))
    }

    /// The session that a seat has already where it can have no other.
    fn seated_after_all(&mut self, seat: SessionId, writable: bool) -> Option<Lease> {
        self.sit_again(seat, writable, |held| {
            let will_do = held.fitness <= Fitness::Doubtful && !held.is_full && !held.is_hung;
            will_do.then_some((held.begun == 0, held.fitness))
        })
    }

    /// The first by rank of a seat's own sessions.
    fn sit_again<R: Ord>(
        &mut self,
        seat: SessionId,
        writable: bool,
        rank: impl Fn(&Held) -> Option<R>,
    ) -> Option<Lease> {
        let own = self.held.iter_mut();
        let own = own.filter(|held| held.seat == seat && held.writable == writable);
        let ranked = own.filter_map(|held| Some((rank(held)?, held)));
        let (_, held) = ranked.min_by(|(one, _), (other, _)| one.cmp(other))?;
        held.active += 1;
        Some(held.lease(self.generation))
    }

    /// Numbers an operation in this lease's session.
    /// Numbers an operation in a session that is held; `None` where it was lost meanwhile.
    fn next_operation(&mut self, lease: &Lease) -> Option<&mut Held> {
        self.next_number += 1;
        let place = self.place(lease)?;
        let held = self.held.get_mut(place)?;
        held.latest = self.next_number;
        self.latest.entry(held.seat).or_default().number = held.latest;
        Some(held)
    }

    /// Whether a session of ours keeps this one for what it says of the last operation.
    fn is_asked_about(&self, held: &Held) -> bool {
        let latest = || self.latest.get(&held.seat);
        self.some_ask
            && held.fitness == Fitness::Fit
            && latest().is_some_and(|latest| latest.is_asked && latest.number == held.latest)
    }

    fn sit(&mut self, seat: SessionId, writable: bool, idle: Idle) -> Lease {
        let Idle { session, latest } = idle;
        self.next_number += 1;
        let number = self.next_number;
        self.held.push(Held {
            seat,
            session,
            number,
            writable,
            active: 1,
            begun: 0,
            latest,
            objects: 0,
            fitness: Fitness::Fit,
            is_full: false,
            is_hung: false,
        });
        Lease {
            session,
            generation: self.generation,
            number,
            logins: 0,
        }
    }

    /// One of an earlier generation, which is to be closed if it is known to live.
    fn give_back_lost(&mut self, lease: &Lease, fate: Fate) -> Option<Session> {
        let place = self.lost.iter().position(|held| held.number == lease.number)?;
        let held = self.lost.get_mut(place)?;
        held.active = held.active.saturating_sub(1);
        held.fitness = held.fitness.after(fate);
        if held.active > 0 {
            return None;
        }
        let held = self.lost.swap_remove(place);
        // Of a device that was lost another session may have the handle by now.
        (held.fitness == Fitness::Fit).then_some(held.session)
    }

    /// Whether a session may come free for `seat`: one is being opened, or has operations in it and nothing else, or is
    /// its own and has too many.
    fn waits_for_others(&self, seat: SessionId) -> bool {
        let settled = self.held.len() + self.idle.iter().map(Vec::len).sum::<usize>();
        let may_come =
            |held: &Held| held.active > 0 && (held.objects == 0 || (held.is_full && held.seat == seat));
        self.open > settled || self.held.iter().any(may_come)
    }

    /// Whether a session of ours that is making something has been closed.
    fn has_left(&self, seat: SessionId) -> bool {
        self.making.contains(&(seat, true))
    }

    fn place(&self, lease: &Lease) -> Option<usize> {
        self.held.iter().position(|held| held.number == lease.number)
    }
}

#[cfg(test)]
mod tests;
