// SPDX-License-Identifier: MIT
//! Session objects of sessions of ours that are closed, as long as the vendor's are open: other calls may be in those, or
//! the device hangs. Nobody is told of such objects.

use std::time::Instant;

use keyenclave_model::error::Rv;
use keyenclave_model::token::ObjectId;
use parking_lot::{Condvar, Mutex};

use crate::ffi::{Answer, Handle, Session};
use crate::pool::Lease;

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Hidden {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    dying: Vec<Dying>,
    /// How often such objects began to end.
    begun: u64,
    /// How many of those ends are under way.
    under_way: usize,
}

/// A session object that is to end with the vendor's session where it lives.
pub(crate) struct Dying {
    pub id: ObjectId,
    pub handle: Handle,
    pub home: Lease,
}

/// What was hidden when a search began.
pub(crate) struct Sight {
    handles: Vec<Handle>,
    begun: u64,
}

impl Sight {
    /// Whether an object that the vendor found is hidden.
    pub fn hides(&self, handle: Handle) -> bool {
        self.handles.contains(&handle)
    }
}

impl Hidden {
    /// Hides objects.
    pub fn add(&self, dying: Vec<Dying>) {
        self.state.lock().dying.extend(dying);
    }

    /// What is hidden now. Waits while objects are ending, for so long: some modules show an object that is just ending
    /// with another handle.
    pub fn look(&self, until: Instant) -> Sight {
        let mut state = self.state.lock();
        while state.under_way > 0 && !self.ended.wait_until(&mut state, until).timed_out() {}
        Sight {
            handles: state.dying.iter().map(|dying| dying.handle).collect(),
            begun: state.begun,
        }
    }

    /// Whether no object has begun to end since.
    pub fn is_still(&self, sight: &Sight) -> bool {
        self.state.lock().begun == sight.begun
    }

    /// Closes a session of the vendor's, with which its objects end: the vendor may give their handles to others.
    ///
    /// # Errors
    /// Those of `close`. What stays open keeps what it has.
    pub fn end(&self, session: Session, close: impl FnOnce() -> Answer<()>) -> Answer<()> {
        let ids = self.begin(session);
        if ids.is_empty() {
            return close();
        }
        let closed = close();
        let mut state = self.state.lock();
        state.under_way -= 1;
        if matches!(closed, Ok(()) | Err(Rv::SessionHandleInvalid | Rv::SessionClosed)) {
            state.dying.retain(|dying| !ids.contains(&dying.id));
        }
        self.ended.notify_all();
        closed
    }

    /// The objects that end with this session.
    fn begin(&self, session: Session) -> Vec<ObjectId> {
        let mut state = self.state.lock();
        let there = state.dying.iter().filter(|dying| dying.home.session == session);
        let ids: Vec<_> = there.map(|dying| dying.id).collect();
        if !ids.is_empty() {
            state.begun += 1;
            state.under_way += 1;
        }
        ids
    }

    /// The vendor has given a handle to another object.
    pub fn reused(&self, handle: Handle) {
        self.state.lock().dying.retain(|dying| dying.handle != handle);
    }

    /// The vendor's session is lost, and with it the objects that were made in it.
    pub fn lose_session(&self, lease: &Lease) {
        let mut state = self.state.lock();
        state.dying.retain(|dying| dying.home.number != lease.number);
    }

    /// All of them are gone.
    pub fn clear(&self) {
        self.state.lock().dying.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: Lease = Lease {
        session: 5,
        generation: 0,
        number: 1,
        logins: 0,
    };

    fn hidden() -> Hidden {
        let hidden = Hidden::default();
        let (id, handle) = (ObjectId(100), 7);
        hidden.add(vec![Dying {
            id,
            handle,
            home: HOME,
        }]);
        hidden
    }

    fn hides(hidden: &Hidden) -> bool {
        hidden.look(Instant::now()).hides(7)
    }

    #[test]
    fn what_lives_on_is_hidden_on() {
        let hidden = hidden();
        assert_eq!(hidden.end(HOME.session + 1, || Ok(())), Ok(()));
        assert!(hides(&hidden), "that was another session");
        assert!(hidden.end(HOME.session, || Err(Rv::DeviceError)).is_err());
        assert!(hides(&hidden), "it could not be closed");
        assert_eq!(hidden.end(HOME.session, || Ok(())), Ok(()));
        assert!(!hides(&hidden));
    }

    #[test]
    fn a_search_beside_an_end_is_told_of_it() {
        let hidden = hidden();
        let before = hidden.look(Instant::now());
        let closed = hidden.end(HOME.session, || {
            assert!(!hidden.is_still(&before));
            let beside = hidden.look(Instant::now());
            assert!(beside.hides(7), "nobody waits for ever");
            Ok(())
        });
        assert_eq!(closed, Ok(()));
        assert!(!hidden.is_still(&before));
        assert!(hidden.is_still(&hidden.look(Instant::now())));
    }

    #[test]
    fn a_handle_that_is_another_objects_is_hidden_no_more() {
        let ways: [fn(&Hidden); 3] = [
            |hidden| hidden.reused(7),
            |hidden| hidden.lose_session(&HOME),
            |hidden| hidden.clear(),
        ];
        for forget in ways {
            let hidden = hidden();
            forget(&hidden);
            assert!(!hides(&hidden));
        }
    }
}
