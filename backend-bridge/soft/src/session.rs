// SPDX-License-Identifier: MIT
//! Session objects: they live in memory only, and no longer than the session that made them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use cryptoki_sys as ck;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::number_map::NumberMap;
use keyenclave_model::token::{ObjectId, SessionId};
use parking_lot::RwLock;

use crate::opened::Opened;

/// See the module. The lock is held for the length of a look-up and never while another one is taken.
#[derive(Default)]
pub(crate) struct SessionObjects {
    table: RwLock<Table>,
}

#[derive(Default)]
struct Table {
    objects: NumberMap<ObjectId, (SessionId, Arc<Opened>)>,
    owned: BTreeSet<(SessionId, ObjectId)>,
    /// Sessions that are making objects: how many, and whether the session has been closed meanwhile.
    making: HashMap<SessionId, (usize, bool)>,
    /// Grows with every logout.
    logouts: u64,
}

/// The right to add objects that are still to be made. A key may take seconds to make; if the session is closed or
/// the user logs out before it is there, it is not added.
pub(crate) struct Ticket<'a> {
    table: &'a RwLock<Table>,
    session: SessionId,
    logouts: u64,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut table = self.table.write();
        if let Some((count, _)) = table.making.get_mut(&self.session) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                table.making.remove(&self.session);
            }
        }
    }
}

/// Objects that were added for a call that may still fail; removed again when this is dropped, unless it is kept.
pub(crate) struct Unfinished<'a> {
    objects: &'a SessionObjects,
    handles: Vec<ObjectId>,
}

impl Unfinished<'_> {
    /// As [`SessionObjects::add`].
    pub(crate) fn add(&mut self, ticket: &Ticket<'_>, handle: ObjectId, opened: Opened) -> Result<()> {
        self.objects.add(ticket, handle, opened)?;
        self.handles.push(handle);
        Ok(())
    }

    /// The call has succeeded.
    pub(crate) fn keep(mut self) {
        self.handles.clear();
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        for handle in &self.handles {
            self.objects.remove(*handle);
        }
    }
}

impl Table {
    fn check(&self, ticket: &Ticket<'_>, private: bool) -> Result<()> {
        if self
            .making
            .get(&ticket.session)
            .is_some_and(|(_, closed)| *closed)
        {
            return Err(Error::new(
                Rv::SessionClosed,
                "the session was closed while its object was being made",
            ));
        }
        if private && self.logouts != ticket.logouts {
            return Err(Error::new(
                Rv::UserNotLoggedIn,
                "the user logged out while a private object was being made",
            ));
        }
        Ok(())
    }
}

impl SessionObjects {
    /// Announces that a session is going to make objects.
    pub(crate) fn ticket(&self, session: SessionId) -> Ticket<'_> {
        let mut table = self.table.write();
        table.making.entry(session).or_default().0 += 1;
        Ticket {
            table: &self.table,
            session,
            logouts: table.logouts,
        }
    }

    /// For a call that adds objects, none so far.
    pub(crate) fn unfinished(&self) -> Unfinished<'_> {
        Unfinished {
            objects: self,
            handles: Vec::new(),
        }
    }

    /// Adds an object.
    ///
    /// # Errors
    /// `CKR_SESSION_CLOSED`, and `CKR_USER_NOT_LOGGED_IN` for a private object after a logout.
    fn add(&self, ticket: &Ticket<'_>, handle: ObjectId, opened: Opened) -> Result<()> {
        let mut table = self.table.write();
        table.check(ticket, opened.object.is_private())?;
        table.owned.insert((ticket.session, handle));
        table.objects.insert(handle, (ticket.session, Arc::new(opened)));
        Ok(())
    }

    /// Whether an object may still be added: see [`Self::add`].
    pub(crate) fn check(&self, ticket: &Ticket<'_>, private: bool) -> Result<()> {
        self.table.read().check(ticket, private)
    }

    /// The object with a handle.
    pub(crate) fn get(&self, handle: ObjectId) -> Option<Arc<Opened>> {
        self.table
            .read()
            .objects
            .get(&handle)
            .map(|(_, opened)| Arc::clone(opened))
    }

    /// The objects that fit, in the order of their handles.
    pub(crate) fn find(&self, fits: impl Fn(&Opened) -> bool) -> Vec<ObjectId> {
        let table = self.table.read();
        let fitting = table.objects.iter().filter(|(_, (_, opened))| fits(opened));
        let mut found: Vec<_> = fitting.map(|(handle, _)| *handle).collect();
        found.sort_unstable();
        found
    }

    /// Puts another state of an object in the place of the one that is there. False if that is no longer `was`.
    pub(crate) fn replace(&self, handle: ObjectId, was: &Arc<Opened>, is: Opened) -> bool {
        let mut table = self.table.write();
        match table.objects.get_mut(&handle) {
            Some((_, present)) if Arc::ptr_eq(present, was) => {
                *present = Arc::new(is);
                true
            }
            _ => false,
        }
    }

    /// Destroys an object. False if there is none.
    pub(crate) fn remove(&self, handle: ObjectId) -> bool {
        let mut table = self.table.write();
        let removed = table.objects.remove(&handle);
        if let Some((owner, _)) = &removed {
            table.owned.remove(&(*owner, handle));
        }
        drop(table);
        // A key is wiped after the lock is free.
        removed.is_some()
    }

    /// Destroys the objects of a session that has been closed.
    pub(crate) fn close(&self, session: SessionId) {
        let mut table = self.table.write();
        if let Some((_, closed)) = table.making.get_mut(&session) {
            *closed = true;
        }
        let range = (session, ObjectId(0))..=(session, ObjectId(ck::CK_ULONG::MAX));
        let owned: Vec<_> = table.owned.range(range).copied().collect();
        let Table {
            objects, owned: all, ..
        } = &mut *table;
        let gone: Vec<_> = owned
            .iter()
            .filter_map(|key| {
                all.remove(key);
                objects.remove(&key.1)
            })
            .collect();
        drop(table);
        drop(gone);
    }

    /// Destroys all private objects: the user logs out.
    pub(crate) fn forget_private(&self) {
        let mut gone = Vec::new();
        let mut table = self.table.write();
        table.logouts += 1;
        let Table { objects, owned, .. } = &mut *table;
        objects.retain(|handle, (owner, opened)| {
            let stays = !opened.object.is_private();
            if !stays {
                owned.remove(&(*owner, *handle));
                gone.push(Arc::clone(opened));
            }
            stays
        });
        drop(table);
        drop(gone);
    }
}
