// SPDX-License-Identifier: MIT
//! A mechanism as the application gave it, on its way to the vendor.

use std::borrow::Cow;

use keyenclave_model::mechanism::{Mechanism, Params};
use keyenclave_model::token::ObjectId;

use crate::core::Core;
use crate::ffi::Mech;
use crate::params::{OwnParameter, has_handles, translate};
use crate::pool::Lease;

/// The parameter, flat; `None` where there is none.
pub(crate) fn parameter(mechanism: &Mechanism) -> Option<&[u8]> {
    match mechanism.params() {
        Params::Given(bytes) => Some(bytes),
        _ => None,
    }
}

/// With the vendor's handles in the place of ours.
pub(crate) fn translated<'a>(core: &Core, lease: &Lease, mechanism: &'a Mechanism) -> Option<Cow<'a, [u8]>> {
    let given = parameter(mechanism)?;
    if !has_handles(mechanism.id(), given) {
        return Some(Cow::Borrowed(given));
    }
    let mut flat = given.to_vec();
    let objects = core.objects();
    translate(mechanism.id(), &mut flat, |ours| {
        objects.peek(ObjectId(ours), lease)
    });
    Some(Cow::Owned(flat))
}

/// What the vendor takes.
pub(crate) fn mech<'a>(mechanism: &Mechanism, parameter: &'a Option<Cow<'a, [u8]>>) -> Mech<'a> {
    Mech {
        id: mechanism.id(),
        parameter: parameter.as_deref(),
    }
}

/// A mechanism that may be used after the application's call: it owns all that it points to.
pub(crate) struct Kept {
    pub mechanism: Mechanism,
    _parameter: Option<OwnParameter>,
}

impl Kept {
    /// A copy; `None` where there can be none. To be called inside of the application's call.
    pub fn copy(mechanism: &Mechanism) -> Option<Self> {
        let Some(flat) = parameter(mechanism) else {
            return Some(Self {
                mechanism: mechanism.clone(),
                _parameter: None,
            });
        };
        let own = OwnParameter::copy(mechanism.id(), flat)?;
        Some(Self {
            mechanism: Mechanism::given(mechanism.id(), Some(own.bytes().to_vec())),
            _parameter: Some(own),
        })
    }
}
