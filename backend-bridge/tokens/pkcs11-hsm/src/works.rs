// SPDX-License-Identifier: MIT
//! Each piece of work, in the vendor's terms.

mod keys;
mod objects;

pub(crate) use objects::discard;

use std::sync::Arc;

use cryptoki_sys as ck;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::Mechanism;
use keyenclave_model::token::OperationClass::Verify;
use keyenclave_model::token::{CallCx, ObjectId, Out, Pin, Role, Work, with_signature};
use zeroize::Zeroizing;

use crate::core::Core;
use crate::deadline::{is_late, too_late};
use crate::given::{mech, translated};
use crate::heal::Repeat;
use crate::login::{Credentials, SlotNumber};
use crate::messages::VendorMessages;
use crate::operation::VendorOperation;
use crate::pool::{Fate, Need};
use crate::template::Attributes;
use keys::{derive, encapsulate, encapsulate_len, generate_pair, with_room, wrap};
use objects::{attributes, copy, destroy, find, forget_private, make, one, set, with_object};

/// Does work for one of our slots, on this thread.
///
/// # Errors
/// The vendor's.
pub(crate) fn do_work(core: &Arc<Core>, slot: SlotNumber, cx: &CallCx, work: Work<'_>) -> Result<Out> {
    match work {
        Work::Begin {
            class,
            mechanism,
            key,
        } => VendorOperation::begin(core, cx, class, mechanism, key, None).map(|begun| Out::Operation(begun)),
        work => do_rarer(core, slot, cx, work),
    }
}

/// What is not done for each operation: apart, since all that stands beside what is done costs that time.
#[inline(never)]
fn do_rarer(core: &Arc<Core>, slot: SlotNumber, cx: &CallCx, work: Work<'_>) -> Result<Out> {
    let connection = &core.connection;
    match work {
        Work::InitToken { so_pin, label } => init_token(core, cx, so_pin, &label),
        Work::InitPin(pin) => connection
            .on_anchor(Repeat::IfRefused, cx.deadline, |anchor| {
                Ok(core.call(|module| module.init_pin(anchor.session, given(pin)))?)
            })
            .map(done),
        Work::SetPin { old, new } => set_pin(core, cx, old, new),
        Work::Login { role, pin } => log_in(core, slot, cx, (role, &[]), pin),
        Work::LoginUser { role, name, pin } => log_in(core, slot, cx, (role, name), pin),
        Work::Authenticate(pin) => authenticate(core, cx, pin),
        Work::Logout => {
            if connection.log_out(slot, cx.deadline)? {
                forget_private(core);
            }
            Ok(Out::Done)
        }
        Work::Find(template) => find(core, cx, template),
        // The one is done already, the other is not for vendors' tokens.
        Work::Begin { .. } | Work::View(_) => Err(Rv::FunctionNotSupported.into()),
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
            let parameter = translated(core, lease, mechanism)?;
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
            let parameter = translated(core, lease, mechanism)?;
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
            let parameter = translated(core, lease, mechanism)?;
            let (mech, attributes) = (mech(mechanism, &parameter), Attributes::new(template));
            core.call(|module| module.decapsulate(lease.session, mech, key, ciphertext, &attributes))
                .map(|handle| vec![(handle, Some(template))])
        })
        .and_then(one),
        Work::BeginVerifySignature {
            mechanism,
            key,
            signature,
        } => begin_with_signature(core, cx, mechanism, key, signature),
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

/// As the vendor does it from version 3.2 on. To one that does not, the signature is given at the end.
fn begin_with_signature(
    core: &Arc<Core>,
    cx: &CallCx,
    mechanism: &Mechanism,
    key: ObjectId,
    signature: &[u8],
) -> Result<Out> {
    let begin = |signature| VendorOperation::begin(core, cx, Verify, mechanism, Some(key), signature);
    match begin(Some(signature)) {
        Err(error) if error.rv() == Rv::FunctionNotSupported => {
            let operation = begin(None)?;
            Ok(Out::Operation(with_signature(operation, signature)))
        }
        begun => Ok(Out::Operation(begun?)),
    }
}

fn done((): ()) -> Out {
    Out::Done
}

/// A PIN, unless the token has a keypad of its own and the application gave none.
fn given(pin: Pin<'_>) -> Option<&[u8]> {
    Some(pin.0).filter(|pin| !pin.is_empty())
}

fn init_token(core: &Core, cx: &CallCx, so_pin: Pin<'_>, label: &[u8; 32]) -> Result<Out> {
    let device = core.device();
    if core.has_sessions() {
        return Err(Error::new(
            Rv::SessionExists,
            "another slot that shows this token has sessions: close them first",
        ));
    }
    crate::connection::Device::locate(device)?;
    core.connection.disconnect(cx.deadline)?;
    core.call(|module| module.init_token(device.slot(), given(so_pin), label))?;
    core.objects().clear();
    core.connection.renewed();
    device.renew()?;
    Ok(Out::Done)
}

fn set_pin(core: &Core, cx: &CallCx, old: Pin<'_>, new: Pin<'_>) -> Result<Out> {
    core.connection
        .on_anchor(Repeat::IfRefused, cx.deadline, |anchor| {
            core.call(|module| module.set_pin(anchor.session, given(old), given(new)))?;
            let kept = given(new).map(|pin| Zeroizing::new(pin.to_vec()));
            core.connection.pin_changed(kept);
            Ok(Out::Done)
        })
}

fn log_in(
    core: &Core,
    slot: SlotNumber,
    cx: &CallCx,
    (role, name): (Role, &[u8]),
    pin: Pin<'_>,
) -> Result<Out> {
    let credentials = Credentials {
        role,
        name,
        pin: given(pin),
    };
    core.connection.log_in(slot, &credentials, cx.deadline).map(done)
}

/// For the operation that has just begun in this session of ours: in the vendor's session where it is.
fn authenticate(core: &Core, cx: &CallCx, pin: Pin<'_>) -> Result<Out> {
    // It may be another one.
    if is_late(cx.deadline) {
        return too_late();
    }
    let lease = match core.connection.pool.newest(cx.session) {
        Some(lease) => lease,
        // The vendor says what is wrong.
        None => core.connection.lease(cx, Need::Shared)?,
    };
    let answer = core.connection.ask(&lease, |lease| {
        core.device()
            .library
            .call_to_log_in(|module| module.login(lease.session, ck::CKU_CONTEXT_SPECIFIC, given(pin)))
    });
    core.connection.give_back(&lease, Fate::Clean);
    Ok(answer.map(done)?)
}
