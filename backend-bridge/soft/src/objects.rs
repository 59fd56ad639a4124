// SPDX-License-Identifier: MIT
//! Objects: looked up, made, copied, changed, destroyed.

use std::sync::Arc;

use cryptoki_sys as ck;
use keyenclave_model::access::Access;
use keyenclave_model::attribute::Value;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::object::{Object, Origin};
use keyenclave_model::schema::holds_secret;
use keyenclave_model::template::Template;
use keyenclave_model::token::{CallCx, ObjectId, Role};

use crate::engine::{ATTEMPTS, Engine};
use crate::error::{from_store, from_writing};
use crate::index::{Found, Index};
use crate::keys::{self, Key};
use crate::login::{Sealers, random};
use crate::material;
use crate::opened::Opened;
use crate::records::{summary, unique_id};
use crate::session::Ticket;
use crate::store::{Change, RecordId, Revision, Store, StoreError, Summary};
use crate::vault::Attestation;

/// An object that a handle leads to.
pub(crate) enum Held {
    /// In memory.
    Session(Arc<Opened>),
    /// In the store, at this revision.
    Token {
        found: Found,
        opened: Arc<Opened>,
        base: Revision,
    },
}

impl Held {
    /// The object.
    pub(crate) fn opened(&self) -> &Arc<Opened> {
        match self {
            Self::Session(opened) | Self::Token { opened, .. } => opened,
        }
    }
}

impl<S: Store, K: Sealers> Engine<S, K> {
    /// The object with a handle, if this session may see it.
    ///
    /// # Errors
    /// `CKR_OBJECT_HANDLE_INVALID`, or what is wrong with the object or the store.
    pub(crate) fn look_up(&self, access: Access, handle: ObjectId) -> Result<Held> {
        let invalid = || Error::from(Rv::ObjectHandleInvalid);
        if let Some(opened) = self.session.get(handle) {
            let visible = access.sees(&opened.object);
            return visible.then_some(Held::Session(opened)).ok_or_else(invalid);
        }
        let (found, base) = self.stored(handle)?.ok_or_else(invalid)?;
        if found.private && access.login.is_none() {
            return Err(invalid());
        }
        let opened = self.open(&found)?.ok_or_else(invalid)?;
        if !access.sees(&opened.object) {
            return Err(invalid());
        }
        Ok(Held::Token { found, opened, base })
    }

    /// The entry of a token object, as of now, and the revision that the index is of.
    fn stored(&self, handle: ObjectId) -> Result<Option<(Found, Revision)>> {
        let stamp = self.store.stamp().map_err(from_store)?;
        let known = |index: &Index| index.by_handle(handle).zip(index.revision());
        let index = self.index.read();
        if index.is_current(stamp) {
            return Ok(known(&index));
        }
        drop(index);
        self.refresh()?;
        Ok(known(&self.index.read()))
    }

    /// `C_CreateObject`.
    pub(crate) fn create(&self, cx: &CallCx, template: &Template) -> Result<ObjectId> {
        let mut object = Object::admit(Origin::Create, None, template, cx.access.login)?;
        check_new(cx.access, &object)?;
        let ticket = self.session.ticket(cx.session);
        let key = material::complete(&mut object)?;
        object.conclude(Origin::Create);
        let [handle] = self.add(&ticket, [(object, key)])?;
        Ok(handle)
    }

    /// `C_CopyObject`.
    pub(crate) fn copy(&self, cx: &CallCx, handle: ObjectId, template: &Template) -> Result<ObjectId> {
        let ticket = self.session.ticket(cx.session);
        let held = self.look_up(cx.access, handle)?;
        let copy = held.opened().object.copied(template, cx.access.login)?;
        check_new(cx.access, &copy)?;
        let [handle] = self.add(&ticket, [(copy, None)])?;
        Ok(handle)
    }

    /// `C_SetAttributeValue`.
    pub(crate) fn set(&self, cx: &CallCx, handle: ObjectId, template: &Template) -> Result<()> {
        self.rewrite(cx, handle, |object| object.with(template, cx.access.login))
    }

    /// Puts what is made of an object in its place.
    pub(crate) fn rewrite(
        &self,
        cx: &CallCx,
        handle: ObjectId,
        make: impl Fn(&Object) -> Result<Object>,
    ) -> Result<()> {
        self.change(|| {
            let held = self.look_up(cx.access, handle)?;
            let object = &held.opened().object;
            check_write(cx.access, object)?;
            let changed = make(object)?;
            match held {
                Held::Session(was) => {
                    let is = was.changed(changed, was.attestation);
                    Ok(self.session.replace(handle, &was, is).then_some(()))
                }
                Held::Token { found, opened, base } => self.update(&found, &opened, changed, base),
            }
        })
    }

    /// `C_DestroyObject`.
    pub(crate) fn destroy(&self, cx: &CallCx, handle: ObjectId) -> Result<()> {
        self.change(|| {
            let held = self.look_up(cx.access, handle)?;
            let object = &held.opened().object;
            check_write(cx.access, object)?;
            if object.get(ck::CKA_DESTROYABLE) == Some(&Value::Bool(false)) {
                let detail = "the object may not be destroyed (CKA_DESTROYABLE)";
                return Err(Error::new(Rv::ActionProhibited, detail));
            }
            match held {
                Held::Session(_) => self
                    .session
                    .remove(handle)
                    .then_some(Some(()))
                    .ok_or_else(|| Rv::ObjectHandleInvalid.into()),
                Held::Token { found, base, .. } => {
                    let done = self.commit(&[Change::Delete(found.id)], base)?;
                    Ok(done.map(|_| self.index.write().remove(found.id)))
                }
            }
        })
    }

    /// Adds so many new objects, as [`Self::add_all`].
    pub(crate) fn add<const N: usize>(
        &self,
        ticket: &Ticket<'_>,
        objects: [(Object, Option<Key>); N],
    ) -> Result<[ObjectId; N]> {
        let mut handles = [ObjectId(0); N];
        self.add_to(ticket, objects.into_iter(), &mut handles)?;
        Ok(handles)
    }

    /// Adds new objects, all or none.
    pub(crate) fn add_all(
        &self,
        ticket: &Ticket<'_>,
        objects: Vec<(Object, Option<Key>)>,
    ) -> Result<Vec<ObjectId>> {
        let mut handles = vec![ObjectId(0); objects.len()];
        self.add_to(ticket, objects.into_iter(), &mut handles)?;
        Ok(handles)
    }

    /// First those in memory, which can be taken back, then those for the token in one commit.
    fn add_to(
        &self,
        ticket: &Ticket<'_>,
        objects: impl Iterator<Item = (Object, Option<Key>)>,
        handles: &mut [ObjectId],
    ) -> Result<()> {
        let (mut for_token, mut in_memory) = (Vec::new(), Vec::new());
        for (handle, (mut object, key)) in handles.iter_mut().zip(objects) {
            self.session.check(ticket, object.is_private())?;
            keys::check_rsa_size(&object, self.rsa, Rv::AttributeValueInvalid)?;
            let id = RecordId(random()?);
            object.put(ck::CKA_UNIQUE_ID, unique_id(id));
            let group = if object.is_token() {
                &mut for_token
            } else {
                &mut in_memory
            };
            group.push((handle, New { id, object, key }));
        }
        let mut unfinished = self.session.unfinished();
        for (handle, new) in in_memory {
            *handle = ObjectId(self.handles.next());
            let opened = Opened::new(new.object, Attestation::Attested, new.key);
            unfinished.add(ticket, *handle, opened)?;
        }
        let login = self.login();
        let stored = self.store_new(for_token.iter().map(|(_, new)| new))?;
        for (stored, (handle, new)) in stored.iter().zip(for_token) {
            *handle = self.take_in(stored, Opened::new(new.object, stored.attestation, new.key))?;
            self.close_after(login.as_ref(), new.id);
        }
        unfinished.keep();
        Ok(())
    }

    /// The handle of an object that has just been stored.
    fn take_in(&self, stored: &Stored, opened: Opened) -> Result<ObjectId> {
        let mut index = self.index.write();
        let is_there = index.committed(stored.revision, stored.summary.clone(), Arc::new(opened));
        let handle = is_there.then(|| index.handle(stored.summary.id, &self.handles));
        handle.flatten().ok_or_else(|| {
            Error::new(
                Rv::FunctionFailed,
                "the new object is gone already: another process destroyed it or initialised the token",
            )
        })
    }

    /// Commits new token objects, if there are any.
    fn store_new<'a>(&self, new: impl ExactSizeIterator<Item = &'a New>) -> Result<Vec<Stored>> {
        if new.len() == 0 {
            return Ok(Vec::new());
        }
        let (base, identity) = self.base()?;
        let (mut sealed, mut changes) = (Vec::new(), Vec::new());
        for New { id, object, .. } in new {
            let (record, attestation) = self.seal(*id, object, identity, base)?;
            sealed.push((summary(&record), attestation));
            changes.push(Change::Create(record));
        }
        // Nobody else knows these names, so there is no conflict to resolve.
        let revision = self.store.commit(&changes, base).map_err(from_writing)?;
        let stored = |(summary, attestation)| Stored::new(revision, summary, attestation);
        Ok(sealed.into_iter().map(stored).collect())
    }

    /// Puts another state of a stored object in the place of the one that was read. `None` if it was in the way of
    /// somebody else.
    fn update(&self, found: &Found, opened: &Opened, object: Object, base: Revision) -> Result<Option<()>> {
        let identity = self.index.read().identity();
        let identity = identity.ok_or(Rv::ObjectHandleInvalid)?;
        let login = self.login();
        let (record, attestation) = self.seal(found.id, &object, identity, base)?;
        let summary = summary(&record);
        let Some(revision) = self.commit(&[Change::Update(record)], base)? else {
            return Ok(None);
        };
        let Stored { summary, .. } = Stored::new(revision, summary, attestation);
        let opened = Arc::new(opened.changed(object, attestation));
        // That it may be gone again already is for the next call to find out.
        self.index.write().committed(revision, summary, opened);
        self.close_after(login.as_ref(), found.id);
        Ok(Some(()))
    }

    /// Does something until nobody else is in the way.
    fn change(&self, mut attempt: impl FnMut() -> Result<Option<()>>) -> Result<()> {
        for _ in 0..ATTEMPTS {
            if attempt()?.is_some() {
                return Ok(());
            }
        }
        Err(Error::new(
            Rv::FunctionFailed,
            "other sessions or processes keep changing the object; try again",
        ))
    }

    /// A commit; `None` for a conflict.
    fn commit(&self, changes: &[Change], base: Revision) -> Result<Option<Revision>> {
        match self.store.commit(changes, base) {
            Ok(revision) => Ok(Some(revision)),
            Err(StoreError::Conflict(_) | StoreError::TokenChanged) => Ok(None),
            Err(error) => Err(from_writing(error)),
        }
    }
}

/// Whether this session may make an object.
///
/// # Errors
/// As [`Access::check_write`].
pub(crate) fn check_new(access: Access, object: &Object) -> Result<()> {
    check_write(access, object)
}

/// Whether this session may make, change or destroy an object. The security officer may where it is not private, and so
/// can trust a key that is stored (`CKA_TRUSTED`).
fn check_write(access: Access, object: &Object) -> Result<()> {
    let officer = access.login == Some(Role::So) && !object.is_private();
    access.check_write(object.is_token(), needs_user(object) && !officer)
}

/// Whether an object takes the user's login: private ones do, and so does every secret that is stored, because the
/// store keeps it sealed whatever its `CKA_PRIVATE` says.
pub(crate) fn needs_user(object: &Object) -> bool {
    object.is_private() || (object.is_token() && object.class().is_none_or(holds_secret))
}

/// An object that is to be added.
struct New {
    id: RecordId,
    object: Object,
    key: Option<Key>,
}

/// An object that has been committed.
struct Stored {
    revision: Revision,
    summary: Summary,
    attestation: Attestation,
}

impl Stored {
    fn new(revision: Revision, summary: Summary, attestation: Attestation) -> Self {
        let summary = Summary {
            revision: revision.number,
            ..summary
        };
        Self {
            revision,
            summary,
            attestation,
        }
    }
}
