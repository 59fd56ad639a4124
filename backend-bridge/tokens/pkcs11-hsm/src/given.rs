// SPDX-License-Identifier: MIT
//! A mechanism as the application gave it, on its way to the vendor.

use std::borrow::Cow;

use cryptoki_sys as ck;
use keyenclave_model::error::Rv;
use keyenclave_model::mechanism::{Mechanism, Params};
use keyenclave_model::token::ObjectId;

use crate::core::Core;
use crate::ffi::{Answer, Handle, Mech};
use crate::params::{Handles, OwnParameter, Written, translate};
use crate::pool::Lease;

/// The parameter, flat; `None` where there is none.
pub(crate) fn parameter(mechanism: &Mechanism) -> Option<&[u8]> {
    match mechanism.params() {
        Params::Given(bytes) => Some(bytes),
        _ => None,
    }
}

/// A parameter on its way to the vendor.
pub(crate) enum Handed<'a> {
    Nothing,
    Flat(Cow<'a, [u8]>),
    Own(OwnParameter),
}

impl Handed<'_> {
    /// What the vendor has written that is not in the application's memory already.
    pub fn written(&self) -> Vec<Written> {
        match self {
            Self::Own(own) => own.written(),
            Self::Nothing | Self::Flat(_) => Vec::new(),
        }
    }
}

/// With the vendor's handles in the place of ours; after a loss, objects are searched for as those of arguments are.
///
/// # Errors
/// What shows that the connection is lost, or why an object cannot be searched for.
pub(crate) fn translated<'a>(core: &Core, lease: &Lease, mechanism: &'a Mechanism) -> Answer<Handed<'a>> {
    let Some(given) = parameter(mechanism) else {
        return Ok(Handed::Nothing);
    };
    let mut failed = None;
    let mut known = |ours| {
        let found = handle_of(core, lease, ObjectId(ours));
        found.unwrap_or_else(|rv| {
            failed.get_or_insert(rv);
            None
        })
    };
    let handed = match Handles::of(mechanism.id(), given) {
        Handles::None => return Ok(Handed::Flat(Cow::Borrowed(given))),
        Handles::Here => None,
        Handles::Behind => {
            let mut theirs = |ours| known(ours).unwrap_or(ck::CK_INVALID_HANDLE);
            OwnParameter::translated(mechanism.id(), given, &mut theirs)
        }
    };
    let handed = handed.map_or_else(
        || {
            let mut flat = given.to_vec();
            translate(mechanism.id(), &mut flat, &mut known);
            Handed::Flat(Cow::Owned(flat))
        },
        Handed::Own,
    );
    failed.map_or(Ok(handed), Err)
}

/// The vendor's handle of an object; `None` where there is no such object. That is no failure: the field may not be in
/// use.
fn handle_of(core: &Core, lease: &Lease, id: ObjectId) -> Answer<Option<Handle>> {
    /// What no vendor's search answers.
    const MISSING: Rv = Rv::KeyNeeded;
    match core.handle(lease, id, MISSING) {
        Ok((handle, _)) => Ok(Some(handle)),
        Err(MISSING) => Ok(None),
        Err(rv) => Err(rv),
    }
}

/// What the vendor takes.
pub(crate) fn mech<'a>(mechanism: &Mechanism, parameter: &'a Handed<'a>) -> Mech<'a> {
    Mech {
        id: mechanism.id(),
        parameter: match parameter {
            Handed::Nothing => None,
            Handed::Flat(flat) => Some(flat),
            Handed::Own(own) => Some(own.bytes()),
        },
    }
}

/// A mechanism that may be used after the application's call: it owns all that it points to.
pub(crate) struct Kept {
    pub mechanism: Mechanism,
    parameter: Option<OwnParameter>,
}

impl Kept {
    /// A copy; `None` where there can be none. To be called inside of the application's call.
    pub fn copy(mechanism: &Mechanism) -> Option<Self> {
        Self::by(mechanism, OwnParameter::copy)
    }

    /// The same for the mechanism of messages.
    pub fn of_messages(mechanism: &Mechanism) -> Option<Self> {
        Self::by(mechanism, OwnParameter::of_message)
    }

    fn by(
        mechanism: &Mechanism,
        copy: fn(ck::CK_MECHANISM_TYPE, &[u8]) -> Option<OwnParameter>,
    ) -> Option<Self> {
        let Some(flat) = parameter(mechanism) else {
            return Some(Self {
                mechanism: mechanism.clone(),
                parameter: None,
            });
        };
        let own = copy(mechanism.id(), flat)?;
        Some(Self {
            mechanism: Mechanism::given(mechanism.id(), Some(own.bytes().to_vec())),
            parameter: Some(own),
        })
    }

    /// Whether the vendor writes something that the application wants.
    pub fn has_outputs(&self) -> bool {
        self.parameter.as_ref().is_some_and(OwnParameter::has_outputs)
    }

    /// What is there now of what the vendor writes.
    pub fn written(&self) -> Vec<Written> {
        self.parameter
            .as_ref()
            .map(OwnParameter::written)
            .unwrap_or_default()
    }
}
