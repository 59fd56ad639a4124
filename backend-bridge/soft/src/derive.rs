// SPDX-License-Identifier: MIT
//! `C_DeriveKey`: secret keys made from other keys.
//!
//! What a mechanism computes is its own file's business; the rules that hold for all of them stand here: what the new key
//! is when the template says nothing, how long it is, and what it inherits.

mod combine;
pub(crate) mod ecdh;
mod encryption;

use std::sync::Arc;

use cryptoki_sys as ck;
use keyenclave_model::access::{check_making, demanded};
use keyenclave_model::attribute::Value;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::{Algorithm, Mechanism, Params};
use keyenclave_model::object::{Ancestry, Object, Origin};
use keyenclave_model::template::Template;
use keyenclave_model::token::{CallCx, ObjectId};
use zeroize::Zeroizing;

use crate::engine::Engine;
use crate::keys::Key;
use crate::login::Sealers;
use crate::opened::Opened;
use crate::store::Store;
use crate::{material, objects};

/// What a key is derived from: found, and allowed for it.
struct Source<'a> {
    mechanism: &'a Mechanism,
    /// The base key, then the key that the parameter names, if it names one.
    keys: Vec<Arc<Opened>>,
    /// How many bytes the new key has, if the template says so.
    wanted: Option<usize>,
    /// The type of the new key.
    key_type: Option<ck::CK_KEY_TYPE>,
}

/// A key that has been admitted and waits for its value.
pub(crate) struct Planned {
    object: Object,
    origin: Origin,
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
        let keys = self.sources(cx, mechanism, base)?;
        let template = match keys.first() {
            Some(base) => demanded(&base.object, ck::CKA_DERIVE_TEMPLATE, &complete(template))?,
            None => complete(template),
        };
        let source = Source {
            mechanism,
            keys,
            wanted: wanted(&template)?,
            key_type: template.ulong(ck::CKA_KEY_TYPE),
        };
        let planned = source.plan(cx, &template)?;
        let ticket = self.session.ticket(cx.session);
        let (object, key) = planned.fill(source.compute()?)?;
        let [handle] = self.add(&ticket, [(object, Some(key))])?;
        Ok(handle)
    }

    /// The base key and whatever other keys the mechanism's parameter names.
    fn sources(&self, cx: &CallCx, mechanism: &Mechanism, base: ObjectId) -> Result<Vec<Arc<Opened>>> {
        let other = match mechanism.params() {
            Params::Key(other) => Some(*other),
            _ => None,
        };
        let usable = |id| {
            let key = self.key(cx.access, id)?;
            check_making(&key.object, ck::CKA_DERIVE, mechanism)?;
            Ok(key)
        };
        std::iter::once(base).chain(other).map(usable).collect()
    }
}

impl Source<'_> {
    /// The value of the new key: one arm a family of mechanisms.
    fn compute(&self) -> Result<Zeroizing<Vec<u8>>> {
        match self.mechanism.algorithm() {
            Algorithm::Combine(how) => combine::combine(how, self),
            Algorithm::AesEncryptData { .. } => encryption::encrypt(self),
            Algorithm::Ecdh { .. } => ecdh::derive(self),
            _ => Err(Rv::MechanismInvalid.into()),
        }
    }

    /// Whether the bits of the keys come back in the new one, which is then no more open than they are (PKCS#11 3.2,
    /// simple key derivation). What comes out of a one-way function is as open as the template says.
    fn is_transparent(&self) -> bool {
        matches!(self.mechanism.algorithm(), Algorithm::Combine(_))
    }

    /// A key that this session may make of these keys.
    fn plan(&self, cx: &CallCx, template: &Template) -> Result<Planned> {
        let ancestry = self
            .keys
            .iter()
            .fold(Ancestry::NONE, |all, key| all.and(&key.object));
        let origin = Origin::Derive(ancestry);
        let mut object = Object::admit(origin, None, template, cx.access.login)?;
        if self.is_transparent() {
            self.keys
                .iter()
                .for_each(|parent| inherit(&mut object, &parent.object));
        }
        objects::check_new(cx.access, &object)?;
        Ok(Planned { object, origin })
    }

    /// The value of the base key, or of the key that the parameter names.
    fn value(&self, index: usize) -> &[u8] {
        let key = self.keys.get(index);
        key.and_then(|key| key.object.bytes(ck::CKA_VALUE))
            .unwrap_or_default()
    }
}

impl Planned {
    /// An admitted key.
    pub(crate) fn new(object: Object, origin: Origin) -> Self {
        Self { object, origin }
    }

    /// The object that is going to be.
    pub(crate) fn object(&self) -> &Object {
        &self.object
    }

    /// The key with its value.
    pub(crate) fn fill(self, value: Zeroizing<Vec<u8>>) -> Result<(Object, Key)> {
        let mut object = self.object;
        material::put_secret(&mut object, value)?;
        let key = Key::parse(&object)?;
        material::put_secret_check_value(&mut object, &key)?;
        object.conclude(self.origin);
        Ok((object, key))
    }
}

/// A generic secret, unless the template says otherwise.
pub(crate) fn complete(template: &Template) -> Template {
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
