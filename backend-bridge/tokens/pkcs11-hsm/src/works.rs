// SPDX-License-Identifier: MIT
//! Each piece of work, in the vendor's terms.

use std::sync::Arc;

use cryptoki_sys as ck;
use keyenclave_model::attribute::Value;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::Mechanism;
use keyenclave_model::template::Template;
use keyenclave_model::token::{CallCx, Encapsulation, ObjectId, Out, Pin, Role, Work, Wrapping};
use zeroize::Zeroizing;

use crate::connection::Again;
use crate::core::Core;
use crate::ffi::{Answer, Handle, Session};
use crate::given::{mech, translated};
use crate::heal::Repeat;
use crate::login::{Credentials, SlotNumber};
use crate::messages::VendorMessages;
use crate::objects::Entry;
use crate::operation::VendorOperation;
use crate::params::Written;
use crate::pool::{Fate, Lease, Making, Need};
use crate::template::Attributes;

/// Up to so many objects that a search finds are noted at once, so that they are found again after a loss. Of more, each
/// is noted when it is used.
const NOTED_AT_ONCE: usize = 32;
/// Room that most wrapped keys and ciphertexts fit in, in bytes.
const ROOM: usize = 8192;

/// Does work for one of our slots, on this thread.
///
/// # Errors
/// The vendor's.
pub(crate) fn do_work(core: &Arc<Core>, slot: SlotNumber, cx: &CallCx, work: Work<'_>) -> Result<Out> {
    let connection = &core.connection;
    match work {
        Work::InitToken { so_pin, label } => init_token(core, so_pin, &label),
        Work::InitPin(pin) => connection
            .on_anchor(Again::IfRefused, |anchor| {
                Ok(core.call(|module| module.init_pin(anchor.session, given(pin)))?)
            })
            .map(done),
        Work::SetPin { old, new } => set_pin(core, old, new),
        Work::Login { role, pin } => log_in(core, slot, role, &[], pin),
        Work::LoginUser { role, name, pin } => log_in(core, slot, role, name, pin),
        Work::Authenticate(pin) => authenticate(core, cx, pin),
        Work::Logout => {
            if connection.log_out(slot)? {
                core.objects().log_out();
                forget_private(core);
            }
            Ok(Out::Done)
        }
        Work::Find(template) => find(core, cx, template),
        Work::View(_) => Err(Rv::FunctionNotSupported.into()),
        Work::Attributes { object, wanted } => attributes(core, cx, object, wanted),
        Work::Size(object) => with_object(core, cx, object, |lease, handle| {
            core.call(|module| module.size(lease.session, handle))
        })
        .map(Out::Size),
        Work::Set { object, template } => set(core, cx, object, template),
        Work::Destroy(object) => destroy(core, cx, object),
        Work::Create(template) => make(core, cx, |lease| {
            core.call(|module| module.create(lease.session, &Attributes::new(template)))
                .map(|handle| vec![(handle, Some(template))])
        })
        .and_then(one),
        Work::Copy { object, template } => copy(core, cx, object, template),
        Work::GenerateKey { mechanism, template } => make(core, cx, |lease| {
            let parameter = translated(core, lease, mechanism);
            let (mech, attributes) = (mech(mechanism, &parameter), Attributes::new(template));
            core.call(|module| module.generate(lease.session, mech, &attributes))
                .map(|handle| vec![(handle, Some(template))])
        })
        .and_then(one),
        Work::GenerateKeyPair {
            mechanism,
            public,
            private,
        } => generate_pair(core, cx, mechanism, public, private),
        Work::WrapLen(wrapping) => wrap(core, cx, &wrapping, None).map(|len| Out::Size(len as u64)),
        Work::Wrap(wrapping) => with_room(|room| wrap(core, cx, &wrapping, room)).map(Out::Bytes),
        Work::Unwrap {
            mechanism,
            unwrapping,
            wrapped,
            associated,
            template,
        } => make(core, cx, |lease| {
            let (key, _) = core.handle(lease, unwrapping, Rv::UnwrappingKeyHandleInvalid)?;
            let parameter = translated(core, lease, mechanism);
            let (mech, attributes) = (mech(mechanism, &parameter), Attributes::new(template));
            core.call(|module| match associated {
                None => module.unwrap(lease.session, mech, key, wrapped, &attributes),
                Some(with) => {
                    module.unwrap_authenticated(lease.session, mech, key, (wrapped, with), &attributes)
                }
            })
            .map(|handle| vec![(handle, Some(template))])
        })
        .and_then(one),
        Work::Derive {
            mechanism,
            base,
            template,
            has_handle,
        } => derive(core, cx, mechanism, base, template, has_handle),
        Work::EncapsulateLen(what) => encapsulate_len(core, cx, &what).map(|len| Out::Size(len as u64)),
        Work::Encapsulate(what) => encapsulate(core, cx, &what),
        Work::Decapsulate {
            mechanism,
            private,
            ciphertext,
            template,
        } => make(core, cx, |lease| {
            let (key, _) = core.handle(lease, private, Rv::KeyHandleInvalid)?;
            let parameter = translated(core, lease, mechanism);
            let (mech, attributes) = (mech(mechanism, &parameter), Attributes::new(template));
            core.call(|module| module.decapsulate(lease.session, mech, key, ciphertext, &attributes))
                .map(|handle| vec![(handle, Some(template))])
        })
        .and_then(one),
        Work::Begin {
            class,
            mechanism,
            key,
        } => VendorOperation::begin(core, cx, class, mechanism, key)
            .map(|operation| Out::Operation(Box::new(operation))),
        Work::BeginMessages {
            class,
            mechanism,
            key,
        } => VendorMessages::begin(core, cx, class, mechanism, key)
            .map(|messages| Out::Messages(Box::new(messages))),
        Work::Restore { class, state, keys } => {
            let (_, lease) = connection.run_keeping(cx, Need::Alone, Repeat::Always, |lease| {
                let mut handles = [ck::CK_INVALID_HANDLE; 2];
                for (handle, key) in handles.iter_mut().zip(keys) {
                    if let Some(key) = key {
                        (*handle, _) = core.handle(lease, key, Rv::KeyHandleInvalid)?;
                    }
                }
                let [encryption, authentication] = handles;
                let session = lease.session;
                core.call(|module| module.set_operation_state(session, state, encryption, authentication))
                    .map(|()| ((), true))
            })?;
            let operation = VendorOperation::restored(core, cx, class, lease);
            Ok(Out::Operation(Box::new(operation)))
        }
        Work::Random(bytes) => connection
            .run(cx, Repeat::Always, |lease| {
                core.call(|module| module.random(lease.session, bytes))
            })
            .map(done),
        Work::Seed(seed) => connection
            .run(cx, Repeat::Always, |lease| {
                core.call(|module| module.seed(lease.session, seed))
            })
            .map(done),
    }
}

fn done((): ()) -> Out {
    Out::Done
}

/// A PIN, unless the token has a keypad of its own and the application gave none.
fn given(pin: Pin<'_>) -> Option<&[u8]> {
    Some(pin.0).filter(|pin| !pin.is_empty())
}

// ---- the token and who is logged in

fn init_token(core: &Core, so_pin: Pin<'_>, label: &[u8; 32]) -> Result<Out> {
    let device = core.device();
    if core.has_sessions() {
        return Err(Error::new(
            Rv::SessionExists,
            "another slot that shows this token has sessions: close them first",
        ));
    }
    crate::connection::Device::locate(device)?;
    core.connection.disconnect();
    core.call(|module| module.init_token(device.slot(), given(so_pin), label))?;
    core.objects().clear();
    core.connection.renewed();
    device.renew()?;
    Ok(Out::Done)
}

fn set_pin(core: &Core, old: Pin<'_>, new: Pin<'_>) -> Result<Out> {
    core.connection.on_anchor(Again::IfRefused, |anchor| {
        Ok(core.call(|module| module.set_pin(anchor.session, given(old), given(new)))?)
    })?;
    let kept = given(new).map(|pin| Zeroizing::new(pin.to_vec()));
    core.connection.pin_changed(kept);
    Ok(Out::Done)
}

fn log_in(core: &Core, slot: SlotNumber, role: Role, name: &[u8], pin: Pin<'_>) -> Result<Out> {
    let credentials = Credentials {
        role,
        name,
        pin: given(pin),
    };
    core.connection.log_in(slot, &credentials).map(done)
}

/// For the operation that has just begun in this session of ours: in the vendor's session where it is.
fn authenticate(core: &Core, cx: &CallCx, pin: Pin<'_>) -> Result<Out> {
    let lease = match core.connection.pool.newest(cx.session) {
        Some(lease) => lease,
        // The vendor says what is wrong.
        None => core.connection.lease(cx, Need::Shared)?,
    };
    let answer = core.call(|module| module.login(lease.session, ck::CKU_CONTEXT_SPECIFIC, given(pin)));
    core.connection.give_back(&lease, Fate::Clean);
    Ok(answer.map(done)?)
}

// ---- objects

fn with_object<T>(
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

fn find(core: &Core, cx: &CallCx, template: &Template) -> Result<Out> {
    core.connection
        .run(cx, Repeat::Always, |lease| {
            let attributes = Attributes::new(template);
            let handles = core.call(|module| module.find(lease.session, &attributes))?;
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

fn attributes(core: &Core, cx: &CallCx, object: ObjectId, wanted: &[ck::CK_ATTRIBUTE_TYPE]) -> Result<Out> {
    let read = core.connection.run(cx, Repeat::Always, |lease| {
        let (handle, _) = core.handle(lease, object, Rv::ObjectHandleInvalid)?;
        core.read(lease.session, handle, wanted)
    })?;
    let values = read.into_iter().map(|(_, value)| value);
    Ok(Out::Attributes(values.collect()))
}

fn set(core: &Core, cx: &CallCx, object: ObjectId, template: &Template) -> Result<Out> {
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

fn destroy(core: &Core, cx: &CallCx, object: ObjectId) -> Result<Out> {
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
fn forget_private(core: &Core) {
    for (id, handle) in core.objects().owned() {
        let read = core.connection.on_anchor(Again::Always, |anchor| {
            Ok(core.read(anchor.session, handle, &[ck::CKA_PRIVATE])?)
        });
        if read.is_err() {
            forget(core, id);
        }
    }
}

/// What was made, with the template that says whether it is a token object; `None` where the object itself is asked.
type Made<'a> = Vec<(Handle, Option<&'a Template>)>;

/// Makes objects, and takes note of them.
fn make<'a>(
    core: &Core,
    cx: &CallCx,
    mut work: impl FnMut(&Lease) -> Answer<Made<'a>>,
) -> Result<Vec<ObjectId>> {
    let making = core.connection.pool.begin_making(cx.session);
    let (made, lease) = core
        .connection
        .run_keeping(cx, Need::Alone, Repeat::IfRefused, |lease| {
            work(lease).map(|made| (made, true))
        })?;
    let lease = lease.ok_or(Rv::GeneralError)?;
    let ids = made
        .into_iter()
        .map(|(handle, template)| note_made(core, &making, cx, &lease, handle, template));
    let ids: Vec<_> = ids.collect();
    core.connection.give_back(&lease, Fate::Clean);
    ids.into_iter().collect()
}

/// # Errors
/// `CKR_SESSION_CLOSED` for a session object of a session that was closed meanwhile: it is destroyed.
fn note_made(
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

/// Destroys a session object whose handle nobody knows.
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

fn one(ids: Vec<ObjectId>) -> Result<Out> {
    match ids[..] {
        [id] => Ok(Out::Object(id)),
        _ => Err(Rv::GeneralError.into()),
    }
}

fn copy(core: &Core, cx: &CallCx, object: ObjectId, template: &Template) -> Result<Out> {
    let said = template.get(ck::CKA_TOKEN).map(|_| template);
    make(core, cx, |lease| {
        let (source, _) = core.handle(lease, object, Rv::ObjectHandleInvalid)?;
        core.call(|module| module.copy(lease.session, source, &Attributes::new(template)))
            .map(|handle| vec![(handle, said)])
    })
    .and_then(one)
}

// ---- keys

fn generate_pair(
    core: &Core,
    cx: &CallCx,
    mechanism: &Mechanism,
    public: &Template,
    private: &Template,
) -> Result<Out> {
    let made = make(core, cx, |lease| {
        let parameter = translated(core, lease, mechanism);
        let (one, other) = (Attributes::new(public), Attributes::new(private));
        let mech = mech(mechanism, &parameter);
        core.call(|module| module.generate_pair(lease.session, mech, &one, &other))
            .map(|(one, other)| vec![(one, Some(public)), (other, Some(private))])
    })?;
    match made[..] {
        [public, private] => Ok(Out::Pair { public, private }),
        _ => Err(Rv::GeneralError.into()),
    }
}

fn derive(
    core: &Core,
    cx: &CallCx,
    mechanism: &Mechanism,
    base: ObjectId,
    template: &Template,
    has_handle: bool,
) -> Result<Out> {
    // What the vendor has written to the parameter, other keys that it has made among it.
    let mut written = Vec::new();
    let made = make(core, cx, |lease| {
        let (key, _) = core.handle(lease, base, Rv::KeyHandleInvalid)?;
        let parameter = translated(core, lease, mechanism);
        let (mech, attributes) = (mech(mechanism, &parameter), Attributes::new(template));
        let made = core.call(|module| module.derive(lease.session, mech, key, &attributes, has_handle));
        written = parameter.written();
        let first = has_handle.then_some((made?, Some(template)));
        let others = written.iter().filter_map(|written| Some((written.made()?, None)));
        Ok(first.into_iter().chain(others).collect())
    });
    let ids = match made {
        Ok(ids) => ids,
        Err(error) => {
            // Which handles are none says which template was wrong.
            let none = written.iter().filter(|written| written.is_no_handle());
            none.for_each(Written::hand_back);
            return Err(error);
        }
    };
    let mut ids = ids.into_iter();
    let first = if has_handle { ids.next() } else { None };
    for (written, id) in written
        .iter_mut()
        .filter(|written| written.made().is_some())
        .zip(ids)
    {
        written.rename(id.0);
    }
    written.iter().for_each(Written::hand_back);
    Ok(first.map_or(Out::Done, Out::Object))
}

/// Wraps into `out`; how long the result is.
fn wrap(core: &Core, cx: &CallCx, what: &Wrapping<'_>, mut out: Option<&mut [u8]>) -> Result<usize> {
    core.connection.run(cx, Repeat::Always, |lease| {
        let (wrapping, _) = core.handle(lease, what.wrapping, Rv::WrappingKeyHandleInvalid)?;
        let (key, _) = core.handle(lease, what.key, Rv::KeyHandleInvalid)?;
        let parameter = translated(core, lease, what.mechanism);
        let (mech, session) = (mech(what.mechanism, &parameter), lease.session);
        let out = out.as_deref_mut();
        core.call(|module| match what.associated {
            None => module.wrap(session, mech, wrapping, key, out),
            Some(with) => module.wrap_authenticated(session, mech, wrapping, key, with, out),
        })
    })
}

/// A result with room that mostly does, or else with as much as it says.
fn with_room(mut call: impl FnMut(Option<&mut [u8]>) -> Result<usize>) -> Result<Zeroizing<Vec<u8>>> {
    let mut room = Zeroizing::new(vec![0; ROOM]);
    let len = match call(Some(&mut room)) {
        Err(error) if error.rv() == Rv::BufferTooSmall => {
            let len = call(None)?;
            room = Zeroizing::new(vec![0; len]);
            call(Some(&mut room))?
        }
        len => len?,
    };
    room.truncate(len);
    Ok(room)
}

fn encapsulate_len(core: &Core, cx: &CallCx, what: &Encapsulation<'_>) -> Result<usize> {
    core.connection.run(cx, Repeat::Always, |lease| {
        let (key, _) = core.handle(lease, what.public, Rv::KeyHandleInvalid)?;
        let parameter = translated(core, lease, what.mechanism);
        let (mech, attributes) = (mech(what.mechanism, &parameter), Attributes::new(what.template));
        core.call(|module| module.encapsulate(lease.session, mech, key, &attributes, None))
            .map(|(len, _)| len)
    })
}

fn encapsulate(core: &Core, cx: &CallCx, what: &Encapsulation<'_>) -> Result<Out> {
    let mut ciphertext = Vec::new();
    let made = make(core, cx, |lease| {
        let (key, _) = core.handle(lease, what.public, Rv::KeyHandleInvalid)?;
        let parameter = translated(core, lease, what.mechanism);
        let (mech, attributes) = (mech(what.mechanism, &parameter), Attributes::new(what.template));
        let mut room = vec![0; ROOM];
        let (len, made) =
            core.call(|module| module.encapsulate(lease.session, mech, key, &attributes, Some(&mut room)))?;
        room.truncate(len);
        ciphertext = room;
        Ok(vec![(made, Some(what.template))])
    })?;
    match made[..] {
        [key] => Ok(Out::Encapsulated { ciphertext, key }),
        _ => Err(Error::from(Rv::GeneralError)),
    }
}
