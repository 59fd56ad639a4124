// SPDX-License-Identifier: MIT
//! Our handles of the vendor's objects.
//!
//! The same object of the vendor's has the same handle of ours as long as it lives. Handles of the vendor's die with the
//! connection; what an object is known by (its unique id, or its class, label, id and type) is noted in time, so that a
//! token object is found again under its old handle of ours. Session objects die with the session that made them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Release};

use cryptoki_sys as ck;
use keyenclave_model::attribute::Value;
use keyenclave_model::error::Rv;
use keyenclave_model::number_map::NumberMap;
use keyenclave_model::template::Template;
use keyenclave_model::token::{HandleSource, ObjectId, SessionId};
use parking_lot::{Mutex, RwLock};

use crate::ffi::{Answer, Handle};
use crate::hidden::{Dying, Hidden};
use crate::pool::Lease;
use crate::template::Attribute;

/// All handles of one token.
pub(crate) struct Objects {
    handles: Arc<HandleSource>,
    known: RwLock<Known>,
    pub hidden: Hidden,
}

#[derive(Default)]
struct Known {
    ours: NumberMap<ObjectId, Arc<Entry>>,
    /// Of the present connection.
    theirs: HashMap<Handle, ObjectId>,
    /// How many of ours are session objects.
    owned: usize,
    /// Whether some are of an earlier connection.
    some_lost: bool,
}

/// One object.
pub(crate) struct Entry {
    handle: AtomicU64,
    /// The [`Era`] that the vendor's handle is of.
    era: AtomicU64,
    /// For a session object: whose it is, and where it lives.
    pub owner: Option<(SessionId, Lease)>,
    traits: RwLock<Option<Traits>>,
    /// Lengths of signatures by mechanism, which do not change.
    lengths: Mutex<Vec<(ck::CK_MECHANISM_TYPE, usize)>>,
}

/// What a token object is known by.
#[derive(PartialEq, Eq)]
struct Traits {
    template: Template,
    private: bool,
}

/// How long a handle of the vendor's means the same object: to the end of the connection, and for a private object to
/// the end of the login, whether it is made again or not.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Era(u64);

impl Era {
    fn of(lease: &Lease) -> Self {
        // Neither comes near to 32 bits, and one that did would only have objects searched for again.
        Self((lease.generation << 32) | (lease.logins & u64::from(u32::MAX)))
    }

    fn is_same_connection(self, other: Self) -> bool {
        self.0 >> 32 == other.0 >> 32
    }
}

/// What is read of an object to know it again.
pub(crate) const TRAITS: [ck::CK_ATTRIBUTE_TYPE; 8] = [
    ck::CKA_TOKEN,
    ck::CKA_PRIVATE,
    ck::CKA_UNIQUE_ID,
    ck::CKA_CLASS,
    ck::CKA_KEY_TYPE,
    ck::CKA_CERTIFICATE_TYPE,
    ck::CKA_ID,
    ck::CKA_LABEL,
];

impl Objects {
    pub fn new(handles: Arc<HandleSource>) -> Self {
        Self {
            handles,
            known: RwLock::default(),
            hidden: Hidden::default(),
        }
    }

    /// Our handle of an object of the vendor's, if it has one.
    pub fn of(&self, handle: Handle, lease: &Lease) -> Option<ObjectId> {
        self.known.read().of(handle, lease)
    }

    /// Our handle of an object that was found, with what it is known by if that was read. One that was lost with the
    /// connection has its old handle again.
    pub fn adopt(&self, handle: Handle, lease: &Lease, read: Option<Vec<Attribute>>) -> ObjectId {
        let traits = read.and_then(Traits::of);
        let mut known = self.known.write();
        if let Some(id) = known.of(handle, lease) {
            return id;
        }
        let old = traits.as_ref().filter(|_| known.some_lost);
        let old = old.and_then(|traits| known.lost(traits, lease));
        if let Some((id, entry)) = old {
            entry.place(handle, lease);
            known.theirs.insert(handle, id);
            return id;
        }
        let id = self.enter(&mut known, handle, lease, None);
        if let Some(entry) = known.ours.get(&id) {
            *entry.traits.write() = traits;
        }
        id
    }

    /// Our handle of an object that has just been made; `owner` for a session object. With it another that was gone
    /// unnoticed, since a handle that the vendor gives a second time is another object.
    pub fn made(
        &self,
        handle: Handle,
        lease: &Lease,
        owner: Option<(SessionId, Lease)>,
    ) -> (ObjectId, Option<Arc<Entry>>) {
        let mut known = self.known.write();
        self.hidden.reused(handle);
        let old = known.theirs.get(&handle).copied();
        let gone = old.and_then(|old| known.remove(old));
        (self.enter(&mut known, handle, lease, owner), gone)
    }

    fn enter(
        &self,
        known: &mut Known,
        handle: Handle,
        lease: &Lease,
        owner: Option<(SessionId, Lease)>,
    ) -> ObjectId {
        let id = ObjectId(self.handles.next());
        let entry = Entry {
            handle: AtomicU64::new(handle),
            era: AtomicU64::new(Era::of(lease).0),
            owner,
            traits: RwLock::default(),
            lengths: Mutex::default(),
        };
        known.owned += usize::from(entry.owner.is_some());
        known.ours.insert(id, Arc::new(entry));
        known.theirs.insert(handle, id);
        id
    }

    /// What is known of an object.
    pub fn get(&self, id: ObjectId) -> Option<Arc<Entry>> {
        self.known.read().ours.get(&id).cloned()
    }

    /// The vendor's handle in the lease's session; after a loss, the object is searched for with `find`.
    ///
    /// # Errors
    /// `missing` where there is no such object any more, or where it cannot be told from others. The search's.
    pub fn resolve(
        &self,
        id: ObjectId,
        lease: &Lease,
        missing: Rv,
        find: impl FnOnce(&Template) -> Answer<Vec<Handle>>,
    ) -> Answer<(Handle, Arc<Entry>)> {
        let entry = self.get(id).ok_or(missing)?;
        if entry.is_valid(lease) {
            return Ok((entry.handle.load(Acquire), entry));
        }
        let traits = entry.traits.read();
        let traits = traits.as_ref().filter(|_| entry.owner.is_none()).ok_or(missing)?;
        let [found] = find(&traits.template)?[..] else {
            return Err(missing);
        };
        let mut known = self.known.write();
        entry.place(found, lease);
        known.theirs.insert(found, id);
        drop(known);
        Ok((found, Arc::clone(&entry)))
    }

    /// What `id` names for the vendor, without a search: for objects that are to be forgotten.
    pub fn peek(&self, id: ObjectId, lease: &Lease) -> Option<Handle> {
        let entry = self.get(id)?;
        entry.is_valid(lease).then(|| entry.handle.load(Acquire))
    }

    /// An object is gone.
    pub fn remove(&self, id: ObjectId) -> Option<Arc<Entry>> {
        self.known.write().remove(id)
    }

    /// The connection was lost: the vendor's handles mean nothing any more. Session objects are gone.
    pub fn lose(&self) {
        let mut known = self.known.write();
        known.theirs.clear();
        known.ours.retain(|_, entry| entry.owner.is_none());
        known.owned = 0;
        self.hidden.clear();
        known.some_lost = true;
    }

    /// A login that the vendor had forgotten stands again: handles of private objects are others now.
    pub fn lose_private(&self) {
        self.known.write().some_lost = true;
    }

    /// The session is being closed: its objects are hidden until they have ended with the vendor's sessions.
    pub fn hide_session(&self, session: SessionId) {
        if self.known.read().owned == 0 {
            return;
        }
        let mut known = self.known.write();
        let dying = |(id, entry): (&ObjectId, &Arc<Entry>)| {
            let (_, home) = entry.owner.filter(|(owner, _)| *owner == session)?;
            let (id, handle) = (*id, entry.handle.load(Acquire));
            Some(Dying { id, handle, home })
        };
        let dying: Vec<_> = known.ours.iter().filter_map(dying).collect();
        for Dying { id, .. } in &dying {
            known.remove(*id);
        }
        self.hidden.add(dying);
    }

    /// The session is closed: its objects are gone.
    pub fn close_session(&self, session: SessionId) {
        self.keep_owned(|owner, _| owner != session);
    }

    /// The vendor's session is lost, and with it the objects that were made in it.
    pub fn lose_session(&self, lease: &Lease) {
        self.keep_owned(|_, home| home.number != lease.number);
        self.hidden.lose_session(lease);
    }

    /// All session objects, with the vendor's handles.
    pub fn owned(&self) -> Vec<(ObjectId, Handle)> {
        let known = self.known.read();
        if known.owned == 0 {
            return Vec::new();
        }
        let owned = known.ours.iter().filter(|(_, entry)| entry.owner.is_some());
        owned
            .map(|(id, entry)| (*id, entry.handle.load(Acquire)))
            .collect()
    }

    /// Nobody is logged in any more: handles of private token objects, and of those of which nothing is known, are void.
    pub fn log_out(&self) {
        self.keep(|entry| entry.owner.is_some() || entry.is_public());
    }

    /// The token was initialised: everything is gone.
    pub fn clear(&self) {
        self.keep(|_| false);
        self.hidden.clear();
    }

    /// Keeps of the session objects those that stay. Most sessions own nothing, and stop nobody for it.
    fn keep_owned(&self, stays: impl Fn(SessionId, &Lease) -> bool) {
        if self.known.read().owned > 0 {
            self.keep(|entry| {
                entry
                    .owner
                    .as_ref()
                    .is_none_or(|(owner, home)| stays(*owner, home))
            });
        }
    }

    fn keep(&self, stays: impl Fn(&Entry) -> bool) {
        let mut known = self.known.write();
        let goes = |(id, entry): (&ObjectId, &Arc<Entry>)| (!stays(entry)).then_some(*id);
        let gone: Vec<_> = known.ours.iter().filter_map(goes).collect();
        for id in gone {
            known.remove(id);
        }
    }
}

impl Known {
    fn of(&self, handle: Handle, lease: &Lease) -> Option<ObjectId> {
        let id = self.theirs.get(&handle)?;
        self.ours.get(id)?.is_valid(lease).then_some(*id)
    }

    fn remove(&mut self, id: ObjectId) -> Option<Arc<Entry>> {
        let entry = self.ours.remove(&id)?;
        self.owned = self.owned.saturating_sub(usize::from(entry.owner.is_some()));
        let handle = entry.handle.load(Acquire);
        // The handle may be another object's meanwhile.
        if self.theirs.get(&handle) == Some(&id) {
            self.theirs.remove(&handle);
        }
        Some(entry)
    }

    /// The one object of an earlier connection or login that is known by this.
    fn lost(&self, traits: &Traits, lease: &Lease) -> Option<(ObjectId, Arc<Entry>)> {
        let is_this = |entry: &Entry| !entry.is_valid(lease) && entry.traits.read().as_ref() == Some(traits);
        let mut same = self.ours.iter().filter(|(_, entry)| is_this(entry));
        let (id, entry) = same.next()?;
        same.next().is_none().then(|| (*id, Arc::clone(entry)))
    }
}

impl Traits {
    /// Out of what was read of a token object; a session object is not searched for.
    fn of(read: Vec<Attribute>) -> Option<Self> {
        let mut private = true;
        let mut unique = None;
        let mut rest = vec![(ck::CKA_TOKEN, Value::Bool(true))];
        for (id, value) in read {
            match (id, value) {
                (ck::CKA_TOKEN, Ok(Value::Bool(false))) => return None,
                (ck::CKA_PRIVATE, Ok(Value::Bool(value))) => private = value,
                (ck::CKA_UNIQUE_ID, Ok(Value::Bytes(value))) if !value.is_empty() => {
                    unique = Some(Value::Bytes(value));
                }
                (
                    ck::CKA_CLASS | ck::CKA_KEY_TYPE | ck::CKA_CERTIFICATE_TYPE,
                    Ok(value @ Value::Ulong(_)),
                )
                | (ck::CKA_ID | ck::CKA_LABEL, Ok(value @ Value::Bytes(_))) => rest.push((id, value)),
                _ => {}
            }
        }
        let template = match unique {
            Some(unique) => [(ck::CKA_UNIQUE_ID, unique)].into_iter().collect(),
            None => rest.into_iter().collect(),
        };
        Some(Self { template, private })
    }
}

impl Entry {
    /// The vendor's handle is this from now on.
    fn place(&self, handle: Handle, lease: &Lease) {
        self.handle.store(handle, Release);
        self.era.store(Era::of(lease).0, Release);
    }

    /// Whether the vendor's handle means this object in the lease's session.
    fn is_valid(&self, lease: &Lease) -> bool {
        let (mine, now) = (Era(self.era.load(Acquire)), Era::of(lease));
        let outlives_login = || self.owner.is_some() || self.is_public();
        mine == now || (mine.is_same_connection(now) && outlives_login())
    }

    /// Whether it is not known yet what the object is known by. Session objects are never searched for.
    pub fn lacks_traits(&self) -> bool {
        self.owner.is_none() && self.traits.read().is_none()
    }

    /// Notes what the object is known by, as it was read ([`TRAITS`]).
    pub fn note(&self, read: Vec<Attribute>) {
        if let Some(traits) = Traits::of(read) {
            *self.traits.write() = Some(traits);
        }
    }

    fn is_public(&self) -> bool {
        self.traits.read().as_ref().is_some_and(|traits| !traits.private)
    }

    /// The length of a signature by this mechanism, if it is known.
    pub fn length(&self, mechanism: ck::CK_MECHANISM_TYPE) -> Option<usize> {
        let lengths = self.lengths.lock();
        lengths
            .iter()
            .find(|(id, _)| *id == mechanism)
            .map(|(_, len)| *len)
    }

    /// Notes the length of a signature, which may be longer than was noted before.
    pub fn note_length(&self, mechanism: ck::CK_MECHANISM_TYPE, len: usize) {
        let mut lengths = self.lengths.lock();
        match lengths.iter_mut().find(|(id, _)| *id == mechanism) {
            Some((_, noted)) => *noted = len.max(*noted),
            None => lengths.push((mechanism, len)),
        }
    }
}

#[cfg(test)]
mod tests;
