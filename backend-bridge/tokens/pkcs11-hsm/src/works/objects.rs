// SPDX-License-Identifier: MIT
//! Objects: found, read, made, changed, destroyed, and taken note of.

use std::time::{Duration, Instant};

use cryptoki_sys as ck;
use keyenclave_model::attribute::Value;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::template::Template;
use keyenclave_model::token::{CallCx, ObjectId, Out};

use super::done;
use crate::core::Core;
use crate::ffi::{Answer, Handle, Session};
use crate::heal::Repeat;
use crate::objects::Entry;
use crate::params::Written;
use crate::pool::{Fate, Lease, Making, Need};
use crate::template::Attributes;

/// Up to so many objects that a search finds are noted at once, so that they are found again after a loss. Of more, each
/// is noted when it is used.
const NOTED_AT_ONCE: usize = 32;

/// How long a search waits for objects that are just ending.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it is made where others go on ending meanwhile.
const SEARCHES: usize = 8;

pub(super) fn with_object<T>(
    core: &Core,
    cx: &CallCx,
    object: ObjectId,
    mut work: impl FnMut(&Lease, Handle) -> Answer<T>,
) -> Result<T> {
    core.connection.run(cx, Repeat::IfRefused, |lease| {
        let (handle, _) = core.handle(lease, object, Rv::ObjectHandleInvalid)?;
        work(lease, handle)
    })
}

pub(super) fn find(core: &Core, cx: &CallCx, template: &Template) -> Result<Out> {
    core.connection
        .run_in(cx, Need::Alone, Repeat::Always, |lease| {
            let attributes = Attributes::new(template);
            let handles = find_living(core, cx, lease, &attributes)?;
            let few = handles.len() <= NOTED_AT_ONCE;
            let adopt = |handle| match core.objects().of(handle, lease) {
                Some(id) => Ok(id),
                None => {
                    let traits = if few { core.traits(lease, handle)? } else { None };
                    Ok(core.objects().adopt(handle, lease, traits))
                }
            };
            let found = handles.into_iter().map(adopt).collect::<Answer<_>>()?;
            if core.connection.has_lost_login(lease) {
                return Err(Rv::UserNotLoggedIn);
            }
            Ok(found)
        })
        .map(Out::Objects)
}

/// What the vendor finds but what is to end with a session that was closed.
fn find_living(core: &Core, cx: &CallCx, lease: &Lease, template: &Attributes) -> Answer<Vec<Handle>> {
    let hidden = &core.objects().hidden;
    let patience = Instant::now() + PATIENCE;
    let until = cx.deadline.map_or(patience, |deadline| deadline.min(patience));
    let mut left = SEARCHES;
    loop {
        // Those of now: one that ends meanwhile may be among what the vendor finds.
        let sight = hidden.look(until);
        let mut handles = core.call(|module| module.find(lease.session, template))?;
        left -= 1;
        if left == 0 || hidden.is_still(&sight) {
            handles.retain(|handle| !sight.hides(*handle));
            return Ok(handles);
        }
    }
}

pub(super) fn attributes(
    core: &Core,
    cx: &CallCx,
    object: ObjectId,
    wanted: &[ck::CK_ATTRIBUTE_TYPE],
) -> Result<Out> {
    let read = core.connection.run(cx, Repeat::Always, |lease| {
        let (handle, _) = core.handle(lease, object, Rv::ObjectHandleInvalid)?;
        core.read(lease.session, handle, wanted)
    })?;
    let values = read.into_iter().map(|(_, value)| value);
    Ok(Out::Attributes(values.collect()))
}

pub(super) fn set(core: &Core, cx: &CallCx, object: ObjectId, template: &Template) -> Result<Out> {
    let attributes = Attributes::new(template);
    with_object(core, cx, object, |lease, handle| {
        core.call(|module| module.set(lease.session, handle, &attributes))?;
        // It may be known by what has just changed.
        if let Some(entry) = core.objects().get(object).filter(|entry| entry.owner.is_none()) {
            core.note(lease, handle, &entry);
        }
        Ok(())
    })
    .map(done)
}

pub(super) fn destroy(core: &Core, cx: &CallCx, object: ObjectId) -> Result<Out> {
    let destroyed = with_object(core, cx, object, |lease, handle| {
        core.call(|module| module.destroy(lease.session, handle))
    });
    // A session object that is not there any more does not come back.
    let is_gone = |error: &Error| {
        error.rv() == Rv::ObjectHandleInvalid
            && core
                .objects()
                .get(object)
                .is_some_and(|entry| entry.owner.is_some())
    };
    if destroyed.as_ref().err().is_none_or(is_gone) {
        forget(core, object);
    }
    destroyed.map(done)
}

/// An object is gone.
fn forget(core: &Core, object: ObjectId) {
    if let Some(entry) = core.objects().remove(object) {
        disown(core, &entry);
    }
}

/// An object is gone, and what is noted of it: the vendor's session that it lived in does not wait for its end.
fn disown(core: &Core, entry: &Entry) {
    if let Some((_, lease)) = &entry.owner
        && let Some(session) = core.connection.pool.disown_object(lease)
    {
        core.connection.close(session);
    }
}

/// Private session objects have died with the login. Which those were only the vendor knows for certain.
pub(super) fn forget_private(core: &Core) {
    for (id, handle) in core.objects().owned() {
        let read = core.connection.on_anchor(Repeat::Always, None, |anchor| {
            Ok(core.read(anchor.session, handle, &[ck::CKA_PRIVATE])?)
        });
        if read.is_err() {
            forget(core, id);
        }
    }
}

/// What was made, with the template that says whether it is a token object; `None` where the object itself is asked.
pub(super) type Made<'a> = Vec<(Handle, Option<&'a Template>)>;

/// Makes objects, and takes note of them.
pub(super) fn make<'a>(
    core: &Core,
    cx: &CallCx,
    mut work: impl FnMut(&Lease) -> Answer<Made<'a>>,
) -> Result<Vec<ObjectId>> {
    let making = core.connection.pool.begin_making(cx.session);
    let (made, lease) = core
        .connection
        .run_keeping(cx, Need::Call, Repeat::IfRefused, |lease| {
            let made = work(lease)?;
            core.connection.pool.note_done(lease);
            Ok((made, true))
        })?;
    let lease = lease.ok_or(Rv::GeneralError)?;
    let ids = made
        .into_iter()
        .map(|(handle, template)| note_made(core, &making, cx, &lease, handle, template));
    let (ids, failed): (Vec<_>, Vec<_>) = ids.partition(Result::is_ok);
    let ids: Vec<_> = ids.into_iter().flatten().collect();
    if let Some(Err(error)) = failed.into_iter().next() {
        ids.into_iter().for_each(|id| undo(core, &lease, id));
        core.connection.give_back(&lease, Fate::Clean);
        return Err(error);
    }
    core.connection.give_back(&lease, Fate::Clean);
    Ok(ids)
}

/// Destroys what was made together with something that could not be kept: nobody is told of its handle.
fn undo(core: &Core, lease: &Lease, id: ObjectId) {
    if let Some(handle) = core.objects().peek(id, lease) {
        destroy_unowned(core, lease, handle);
    }
    forget(core, id);
}

/// # Errors
/// `CKR_SESSION_CLOSED` for a session object of a session that was closed meanwhile: it is destroyed.
pub(super) fn note_made(
    core: &Core,
    making: &Making<'_>,
    cx: &CallCx,
    lease: &Lease,
    handle: Handle,
    template: Option<&Template>,
) -> Result<ObjectId> {
    let is_token_object = match template {
        Some(template) => template.bool(ck::CKA_TOKEN) == Some(true),
        None => is_token_object(core, lease.session, handle),
    };
    let owner = (!is_token_object).then_some((cx.session, *lease));
    let (id, gone) = core.objects().made(handle, lease, owner);
    gone.iter().for_each(|gone| disown(core, gone));
    if is_token_object {
        if let Some(entry) = core.objects().get(id) {
            core.note(lease, handle, &entry);
        }
    } else if !core.connection.pool.own_object(making, lease) {
        core.objects().remove(id);
        destroy_unowned(core, lease, handle);
        return Err(Error::new(
            Rv::SessionClosed,
            "the session was closed while its object was being made",
        ));
    }
    Ok(id)
}

/// Destroys an object whose handle nobody knows.
fn destroy_unowned(core: &Core, lease: &Lease, handle: Handle) {
    if let Err(rv) = core.call(|module| module.destroy(lease.session, handle)) {
        log::debug!("an object that nobody waited for is left behind: {}", rv.name());
    }
}

/// What was made for somebody who did not wait for it: session objects are destroyed, since nobody knows their handles.
pub(crate) fn discard(core: &Core, made: &Out, others: &[Written]) {
    let ids = match made {
        Out::Object(id) | Out::Encapsulated { key: id, .. } => vec![*id],
        Out::Pair { public, private } => vec![*public, *private],
        _ => Vec::new(),
    };
    let others = others.iter().filter_map(Written::made).map(ObjectId);
    for id in ids.into_iter().chain(others) {
        let objects = core.objects();
        let Some((_, lease)) = objects.get(id).and_then(|entry| entry.owner) else {
            continue;
        };
        if let Some(handle) = objects.peek(id, &lease) {
            destroy_unowned(core, &lease, handle);
        }
        forget(core, id);
    }
}

fn is_token_object(core: &Core, session: Session, handle: Handle) -> bool {
    let read = core.read(session, handle, &[ck::CKA_TOKEN]);
    let first = read.ok().and_then(|read| read.into_iter().next());
    matches!(first, Some((_, Ok(Value::Bool(true)))))
}

pub(super) fn one(ids: Vec<ObjectId>) -> Result<Out> {
    match ids[..] {
        [id] => Ok(Out::Object(id)),
        _ => Err(Rv::GeneralError.into()),
    }
}

pub(super) fn copy(core: &Core, cx: &CallCx, object: ObjectId, template: &Template) -> Result<Out> {
    let said = template.get(ck::CKA_TOKEN).map(|_| template);
    make(core, cx, |lease| {
        let (source, _) = core.handle(lease, object, Rv::ObjectHandleInvalid)?;
        core.call(|module| module.copy(lease.session, source, &Attributes::new(template)))
            .map(|handle| vec![(handle, said)])
    })
    .and_then(one)
}
