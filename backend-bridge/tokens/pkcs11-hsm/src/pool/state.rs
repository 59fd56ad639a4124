// SPDX-License-Identifier: MIT
//! All sessions of a pool, and which of them will do.

use std::collections::VecDeque;

use keyenclave_model::number_map::NumberMap;
use keyenclave_model::token::SessionId;

use super::held::{Fitness, Held, Idle, Latest};
use super::{Fate, Lease, Need};
use crate::ffi::Session;

pub(super) struct State {
    /// Idle ones: read-only, read/write.
    pub(super) idle: [Vec<Idle>; 2],
    /// Those in use: as few as the limit allows, so that a walk along them is short.
    pub(super) held: Vec<Held>,
    /// Those of earlier generations that have not been given back: calls may be in them.
    pub(super) lost: Vec<Held>,
    /// All that are open or being opened.
    pub(super) open: usize,
    pub(super) limit: usize,
    pub(super) generation: u64,
    pub(super) next_number: u64,
    /// The last operation of each session of ours.
    pub(super) latest: NumberMap<SessionId, Latest>,
    /// Whether any session of ours has ever asked what became of its operations.
    pub(super) some_ask: bool,
    /// Sessions of ours that are making objects: for each such call its session, and whether that was closed since.
    pub(super) making: Vec<(SessionId, bool)>,
    /// Sessions of ours that were closed last, since a call may be on its way to here still.
    pub(super) left: VecDeque<SessionId>,
}

impl State {
    pub(super) fn idle_mut(&mut self, writable: bool) -> &mut Vec<Idle> {
        let [read_only, read_write] = &mut self.idle;
        if writable { read_write } else { read_only }
    }

    /// The session that a seat has already, if it will do, or an idle one.
    pub(super) fn at_once(&mut self, seat: SessionId, writable: bool, need: Need) -> Option<Lease> {
        self.seated(seat, writable, need).or_else(|| {
            let idle = self.idle_mut(writable).pop()?;
            Some(self.sit(seat, writable, idle))
        })
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
    pub(super) fn seated_after_all(&mut self, seat: SessionId, writable: bool) -> Option<Lease> {
        self.sit_again(seat, writable, |held| {
            let will_do = held.fitness <= Fitness::Doubtful && !held.is_full && !held.is_hung;
            will_do.then_some((held.begun == 0, held.fitness))
        })
    }

    /// The first by rank of a seat's own sessions.
    pub(super) fn sit_again<R: Ord>(
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

    /// Numbers an operation in a session that is held; `None` where it was lost meanwhile.
    pub(super) fn next_operation(&mut self, lease: &Lease) -> Option<&mut Held> {
        self.next_number += 1;
        let place = self.place(lease)?;
        let held = self.held.get_mut(place)?;
        held.latest = self.next_number;
        self.latest.entry(held.seat).or_default().number = held.latest;
        Some(held)
    }

    /// Whether a session of ours keeps this one for what it says of the last operation.
    pub(super) fn is_asked_about(&self, held: &Held) -> bool {
        let latest = || self.latest.get(&held.seat);
        self.some_ask
            && held.fitness == Fitness::Fit
            && latest().is_some_and(|latest| latest.is_asked && latest.number == held.latest)
    }

    pub(super) fn sit(&mut self, seat: SessionId, writable: bool, idle: Idle) -> Lease {
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
    pub(super) fn give_back_lost(&mut self, lease: &Lease, fate: Fate) -> Option<Session> {
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
    pub(super) fn waits_for_others(&self, seat: SessionId) -> bool {
        let settled = self.held.len() + self.idle.iter().map(Vec::len).sum::<usize>();
        let may_come =
            |held: &Held| held.active > 0 && (held.objects == 0 || (held.is_full && held.seat == seat));
        self.open > settled || self.held.iter().any(may_come)
    }

    /// Whether a session of ours that is making something has been closed.
    pub(super) fn has_left(&self, seat: SessionId) -> bool {
        self.making.contains(&(seat, true))
    }

    pub(super) fn place(&self, lease: &Lease) -> Option<usize> {
        self.held.iter().position(|held| held.number == lease.number)
    }
}
