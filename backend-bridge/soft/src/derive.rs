// SPDX-License-Identifier: MIT
//! `C_DeriveKey`: secret keys made from other keys.
//!
//! What a mechanism computes is its own file's business; the rules that hold for all of them stand here: what the new key
//! is when the template says nothing, how long it is, and what it inherits.

mod combine;

use cryptoki_sys as ck;
use keyenclave_model::access::{check_making, demanded};
use keyenclave_model::attribute::Value;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::{Algorithm, Mechanism};
use keyenclave_model::object::{Ancestry, Object, Origin};
use keyenclave_model::template::Template;
use keyenclave_model::token::{CallCx, ObjectId};
use zeroize::Zeroizing;

use crate::engine::Engine;
use crate::keys::Key;
use crate::login::Sealers;
use crate::store::Store;
use crate::{material, objects};

/// What a mechanism makes of its keys.
pub(crate) struct Derived {
    /// The value, cut to what was wanted.
    value: Zeroizing<Vec<u8>>,
}

impl<S: Store, K: Sealers> Engine<S, K> {
    /// `C_DeriveKey`.
    pub(crate) fn derive(
        &self,
        cx: &CallCx,
        mechanism: &Mechanism,
        base: ObjectId,
        template: &Template,
    ) -> Result<ObjectId> {
        if mechanism.row().flags & ck::CKF_DERIVE == 0 {
            return Err(Rv::MechanismInvalid.into());
        }
        let base = self.key(cx.access, base)?;
        check_making(&base.object, ck::CKA_DERIVE, mechanism)?;
        let template = demanded(&base.object, ck::CKA_DERIVE_TEMPLATE, &complete(template))?;
        let wanted = wanted(&template)?;
        let (derived, parents) = match mechanism.algorithm() {
            Algorithm::Combine(how) => {
                let other = match mechanism.params() {
                    keyenclave_model::mechanism::Params::Key(other) => {
                        let other = self.key(cx.access, *other)?;
                        check_making(&other.object, ck::CKA_DERIVE, mechanism)?;
                        Some(other)
                    }
                    _ => None,
                };
                let mut parents = vec![&*base.object];
                parents.extend(other.iter().map(|other| &*other.object));
                let derived = combine::combine(how, &parents, mechanism.params(), wanted)?;
                let parents: Vec<_> = std::iter::once(&base)
                    .chain(&other)
                    .map(|key| key.object.clone())
                    .collect();
                (derived, parents)
            }
            _ => return Err(Rv::MechanismInvalid.into()),
        };
        let ancestry = parents
            .iter()
            .fold(Ancestry::NONE, |ancestry, parent| ancestry.and(parent));
        let origin = Origin::Derive(ancestry);
        let mut object = Object::admit(origin, None, &template, cx.access.login)?;
        parents.iter().for_each(|parent| inherit(&mut object, parent));
        objects::check_new(cx.access, &object)?;
        let ticket = self.session.ticket(cx.session);
        material::put_secret(&mut object, derived.value)?;
        let key = Key::parse(&object)?;
        material::put_secret_check_value(&mut object, &key)?;
        object.conclude(origin);
        let [handle] = self.add(&ticket, [(object, Some(key))])?;
        Ok(handle)
    }
}

/// A generic secret, unless the template says otherwise.
fn complete(template: &Template) -> Template {
    let defaults = [
        (ck::CKA_CLASS, ck::CKO_SECRET_KEY),
        (ck::CKA_KEY_TYPE, ck::CKK_GENERIC_SECRET),
    ];
    let missing = defaults
        .into_iter()
        .filter(|(id, _)| template.get(*id).is_none())
        .map(|(id, value)| (id, Value::Ulong(value)));
    let given = template.iter().map(|(id, value)| (id, value.clone()));
    given.chain(missing).collect()
}

/// How many bytes the new key has, if the template says so.
fn wanted(template: &Template) -> Result<Option<usize>> {
    let Some(len) = template.ulong(ck::CKA_VALUE_LEN) else {
        return Ok(None);
    };
    match usize::try_from(len) {
        Ok(len) if len > 0 => Ok(Some(len)),
        _ => Err(Error::new(Rv::KeySizeRange, format!("CKA_VALUE_LEN is {len}"))),
    }
}

/// What comes from a sensitive key is sensitive, and what comes from one that is not extractable is not
/// (PKCS#11 3.2, simple key derivation).
fn inherit(object: &mut Object, parent: &Object) {
    if parent.is_true(ck::CKA_SENSITIVE) {
        object.put(ck::CKA_SENSITIVE, Value::Bool(true));
    }
    if !parent.is_true(ck::CKA_EXTRACTABLE) {
        object.put(ck::CKA_EXTRACTABLE, Value::Bool(false));
    }
    if parent.is_true(ck::CKA_WRAP_WITH_TRUSTED) {
        object.put(ck::CKA_WRAP_WITH_TRUSTED, Value::Bool(true));
    }
}
