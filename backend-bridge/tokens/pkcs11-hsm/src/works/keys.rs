// SPDX-License-Identifier: MIT
//! Keys that are made together, wrapped, derived and encapsulated.

use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::Mechanism;
use keyenclave_model::template::Template;
use keyenclave_model::token::{CallCx, Encapsulation, ObjectId, Out, Wrapping};
use zeroize::Zeroizing;

use super::objects::make;
use crate::core::Core;
use crate::given::{mech, translated};
use crate::heal::Repeat;
use crate::params::Written;
use crate::template::Attributes;

/// Room that most wrapped keys and ciphertexts fit in, in bytes.
const ROOM: usize = 8192;

pub(super) fn generate_pair(
    core: &Core,
    cx: &CallCx,
    mechanism: &Mechanism,
    public: &Template,
    private: &Template,
) -> Result<Out> {
    let made = make(core, cx, |lease| {
        let parameter = translated(core, lease, mechanism)?;
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

pub(super) fn derive(
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
        let parameter = translated(core, lease, mechanism)?;
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
pub(super) fn wrap(
    core: &Core,
    cx: &CallCx,
    what: &Wrapping<'_>,
    mut out: Option<&mut [u8]>,
) -> Result<usize> {
    core.connection.run(cx, Repeat::Always, |lease| {
        let (wrapping, _) = core.handle(lease, what.wrapping, Rv::WrappingKeyHandleInvalid)?;
        let (key, _) = core.handle(lease, what.key, Rv::KeyHandleInvalid)?;
        let parameter = translated(core, lease, what.mechanism)?;
        let (mech, session) = (mech(what.mechanism, &parameter), lease.session);
        let out = out.as_deref_mut();
        core.call(|module| match what.associated {
            None => module.wrap(session, mech, wrapping, key, out),
            Some(with) => module.wrap_authenticated(session, mech, wrapping, key, with, out),
        })
    })
}

/// A result with room that mostly does, or else with as much as it says.
pub(super) fn with_room(
    mut call: impl FnMut(Option<&mut [u8]>) -> Result<usize>,
) -> Result<Zeroizing<Vec<u8>>> {
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

pub(super) fn encapsulate_len(core: &Core, cx: &CallCx, what: &Encapsulation<'_>) -> Result<usize> {
    core.connection.run(cx, Repeat::Always, |lease| {
        let (key, _) = core.handle(lease, what.public, Rv::KeyHandleInvalid)?;
        let parameter = translated(core, lease, what.mechanism)?;
        let (mech, attributes) = (mech(what.mechanism, &parameter), Attributes::new(what.template));
        core.call(|module| module.encapsulate(lease.session, mech, key, &attributes, None))
            .map(|(len, _)| len)
    })
}

pub(super) fn encapsulate(core: &Core, cx: &CallCx, what: &Encapsulation<'_>) -> Result<Out> {
    let mut ciphertext = Vec::new();
    let made = make(core, cx, |lease| {
        let (key, _) = core.handle(lease, what.public, Rv::KeyHandleInvalid)?;
        let parameter = translated(core, lease, what.mechanism)?;
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
