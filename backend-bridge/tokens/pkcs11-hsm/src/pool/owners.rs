// SPDX-License-Identifier: MIT
//! Session objects: which vendor session they live in, and their end with the session of ours that has them.

use keyenclave_model::token::SessionId;

use super::held::Fitness;
use super::{Lease, Pool};
use crate::ffi::Session;

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

impl Pool {
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
}
