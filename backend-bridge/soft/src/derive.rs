// SPDX-License-Identifier: MIT
//! `C_DeriveKey`: keys made from other keys.
//!
//! What a mechanism computes is its own file's business; the rules that hold for all of them stand here: what a new key
//! is when the template says nothing, how long it is, and what it inherits.

mod combine;
pub(crate) mod ecdh;
mod encryption;
mod hkdf;
mod sp800_108;
pub(crate) mod tls;

use std::sync::Arc;

use cryptoki_sys as ck;
use keyenclave_model::access::{check_making, demanded};
use keyenclave_model::attribute::{self, Value};
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::{
    Algorithm, HkdfParams, HkdfSalt, Iteration, Mechanism, Params, PrfInput, Sp800108Params, TlsKeysParams,
};
use keyenclave_model::object::{Ancestry, Object, Origin};
use keyenclave_model::template::Template;
use keyenclave_model::token::{Answer, CallCx, ObjectId, Out};
use zeroize::Zeroizing;

use crate::engine::Engine;
use crate::keys::Key;
use crate::login::Sealers;
use crate::material::UNGUESSABLE;
use crate::opened::Opened;
use crate::store::Store;
use crate::{material, objects};

/// What a key is derived from: found, and allowed for it.
struct Source<'a> {
    mechanism: &'a Mechanism,
    /// The base key, then the keys that the parameter names, as often as it names them.
    keys: Vec<Arc<Opened>>,
    /// How many bytes the new key has, if the template or its type says so.
    wanted: Option<usize>,
    /// The type of the new key.
    key_type: Option<ck::CK_KEY_TYPE>,
    /// Whether the new key is a generic secret, which may have any length.
    is_generic: bool,
}

/// An object that has been admitted and waits for its value.
pub(crate) struct Planned {
    object: Object,
    origin: Origin,
    /// The least length of its value, in bytes.
    least: usize,
}

impl<S: Store, K: Sealers> Engine<S, K> {
    /// `C_DeriveKey`.
    pub(crate) fn derive(
        &self,
        cx: &CallCx,
        mechanism: &Mechanism,
        base: ObjectId,
        template: &Template,
        has_handle: bool,
    ) -> Result<Out> {
        if mechanism.row().flags & ck::CKF_DERIVE == 0 {
            return Err(Rv::MechanismInvalid.into());
        }
        let keys = self.sources(cx, mechanism, base)?;
        let (mut source, template) = Source::new(mechanism, keys, template)?;
        if let (Algorithm::TlsKeys { with_ivs }, Params::TlsKeys(params)) =
            (mechanism.algorithm(), mechanism.params())
        {
            return self.connection(cx, &mut source, &template, params, with_ivs);
        }
        if !has_handle {
            let detail = "there is no place for the handle of the key";
            return Err(Error::new(Rv::ArgumentsBad, detail));
        }
        if let (Algorithm::Sp800108(mode), Params::Sp800108(params)) =
            (mechanism.algorithm(), mechanism.params())
        {
            return self.several(cx, &source, &template, mode, params);
        }
        self.single(cx, &source, &template)
    }

    /// One key.
    fn single(&self, cx: &CallCx, source: &Source<'_>, template: &Template) -> Result<Out> {
        let planned = source.plan(cx, template)?;
        let ticket = self.session.ticket(cx.session);
        let made = planned.fill(source.compute()?)?;
        let [key] = self.add(&ticket, [made])?;
        let version = match source.mechanism.algorithm() {
            Algorithm::TlsMaster { .. } => tls::version(source)?,
            _ => None,
        };
        Ok(version.map_or(Out::Object(key), |version| Out::Derived {
            key: Some(key),
            answer: Answer::Version(version),
        }))
    }

    /// The key that the application asked for, and those that the parameter describes.
    fn several(
        &self,
        cx: &CallCx,
        source: &Source<'_>,
        template: &Template,
        mode: Iteration,
        params: &Sp800108Params,
    ) -> Result<Out> {
        let first = (source.plan(cx, template)?, source.needed()?);
        let mut planned = vec![first];
        for (index, template) in params.additional.0.iter().enumerate() {
            match source.plan_additional(cx, template) {
                Ok(key) => planned.push(key),
                Err(error) => return Ok(refused(index, error)),
            }
        }
        let ticket = self.session.ticket(cx.session);
        let lens: Vec<_> = planned.iter().map(|(_, len)| *len).collect();
        let values = sp800_108::derive(mode, params, source, &lens)?;
        let mut made = Vec::new();
        for (index, ((key, _), value)) in planned.into_iter().zip(values).enumerate() {
            match (key.fill(value), index.checked_sub(1)) {
                (Ok(key), _) => made.push(key),
                (Err(error), Some(additional)) => return Ok(refused(additional, error)),
                (Err(error), None) => return Err(error),
            }
        }
        let mut keys = self.add_all(&ticket, made)?.into_iter();
        let first = keys.next();
        let answer = Answer::Keys(keys.collect());
        Ok(Out::Derived { key: first, answer })
    }

    /// The keys of a TLS connection. They are no more open than the master secret.
    fn connection(
        &self,
        cx: &CallCx,
        source: &mut Source<'_>,
        template: &Template,
        params: &TlsKeysParams,
        with_ivs: bool,
    ) -> Result<Out> {
        let [for_mac, for_cipher] = tls::connection_templates(template, params)?;
        let block = tls::key_block(params, with_ivs, source)?;
        let ticket = self.session.ticket(cx.session);
        let (mut made, mut has) = (Vec::new(), [false; 4]);
        for ((value, has), index) in block.keys.into_iter().zip(&mut has).zip(0..) {
            let template = if index < 2 { &for_mac } else { &for_cipher };
            let Some(value) = value else { continue };
            *has = true;
            made.push(source.plan(cx, template)?.fill(value)?);
        }
        let mut handles = self.add_all(&ticket, made)?.into_iter();
        let keys = has.map(|has| if has { handles.next() } else { None });
        let answer = Answer::Connection { keys, ivs: block.ivs };
        Ok(Out::Derived { key: None, answer })
    }

    /// The base key and whatever other keys the mechanism's parameter names.
    fn sources(&self, cx: &CallCx, mechanism: &Mechanism, base: ObjectId) -> Result<Vec<Arc<Opened>>> {
        let usable = |id| {
            let key = self.key(cx.access, id)?;
            check_making(&key.object, ck::CKA_DERIVE, mechanism)?;
            Ok(key)
        };
        let base = match mechanism.params() {
            Params::Hkdf(HkdfParams { extract: Some(_), .. }) => {
                self.data(cx, base).map_or_else(|| usable(base), Ok)
            }
            _ => usable(base),
        };
        let others = others(mechanism.params()).into_iter().map(usable);
        std::iter::once(base).chain(others).collect()
    }

    /// A data object, of which HKDF extracts a key (PKCS#11 3.2, HKDF derive).
    fn data(&self, cx: &CallCx, id: ObjectId) -> Option<Arc<Opened>> {
        let held = self.look_up(cx.access, id).ok()?;
        let opened = held.opened();
        (opened.object.class() == Some(ck::CKO_DATA)).then(|| Arc::clone(opened))
    }
}

/// The keys that a parameter names.
fn others(params: &Params) -> Vec<ObjectId> {
    match params {
        Params::Key(other) => vec![*other],
        Params::Hkdf(HkdfParams {
            extract: Some(HkdfSalt::Key(salt)),
            ..
        }) => vec![*salt],
        Params::Sp800108(params) => {
            let named = params.input.iter().filter_map(|piece| match piece {
                PrfInput::Key(key) => Some(*key),
                _ => None,
            });
            named.collect()
        }
        _ => Vec::new(),
    }
}

fn refused(index: usize, error: Error) -> Out {
    Out::Derived {
        key: None,
        answer: Answer::Refused { index, error },
    }
}

impl<'a> Source<'a> {
    /// What the keys and the template come to: with it, the template with all that the mechanism and the base key say.
    fn new(
        mechanism: &'a Mechanism,
        keys: Vec<Arc<Opened>>,
        template: &Template,
    ) -> Result<(Self, Template)> {
        let mut source = Self {
            mechanism,
            keys,
            wanted: None,
            key_type: None,
            is_generic: false,
        };
        let template = source.completed(template)?;
        source.wanted = wanted(&template)?;
        source.key_type = template.ulong(ck::CKA_KEY_TYPE);
        source.is_generic = source.key_type == Some(ck::CKK_GENERIC_SECRET);
        Ok((source, template))
    }

    /// The value of a single new key: one arm a family of mechanisms.
    fn compute(&self) -> Result<Zeroizing<Vec<u8>>> {
        match (self.mechanism.algorithm(), self.mechanism.params()) {
            (Algorithm::Combine(how), _) => combine::combine(how, self),
            (Algorithm::AesEncryptData { .. }, _) => encryption::encrypt(self),
            (Algorithm::Ecdh { .. }, _) => ecdh::derive(self),
            (Algorithm::Hkdf { .. }, _) => hkdf::hkdf(self),
            (Algorithm::HashedKey(hash), _) => hkdf::hashed(hash, self),
            (Algorithm::TlsMaster { extended, agreed }, _) => tls::master(extended, agreed, self),
            (Algorithm::TlsKdf, Params::TlsKdf(params)) => tls::exported(params, self),
            _ => Err(Rv::MechanismInvalid.into()),
        }
    }

    /// A template with what the base key demands, and with what the mechanism makes where it says nothing.
    fn completed(&self, template: &Template) -> Result<Template> {
        let data = matches!(self.mechanism.algorithm(), Algorithm::Hkdf { data: true });
        let defaults: &[_] = if data {
            &[(ck::CKA_CLASS, ck::CKO_DATA)]
        } else {
            &[
                (ck::CKA_CLASS, ck::CKO_SECRET_KEY),
                (ck::CKA_KEY_TYPE, ck::CKK_GENERIC_SECRET),
            ]
        };
        let base = self.keys.first().map(|base| &base.object);
        // What the base key demands is no default, and goes before those.
        let template = match base {
            Some(base) => demanded(base, ck::CKA_DERIVE_TEMPLATE, template)?,
            None => template.clone(),
        };
        let defaults = defaults.iter().map(|(id, value)| (*id, Value::Ulong(*value)));
        let template = with_defaults(&template, defaults);
        let Some(base) = base else {
            return Ok(template);
        };
        Ok(match self.mechanism.algorithm() {
            Algorithm::TlsMaster { .. } => tls::for_master(template),
            Algorithm::Sp800108(_) | Algorithm::TlsKdf | Algorithm::TlsKeys { .. } => {
                let openness = [ck::CKA_SENSITIVE, ck::CKA_EXTRACTABLE];
                let of_base = openness.map(|id| (id, Value::Bool(base.is_true(id))));
                with_defaults(&template, of_base)
            }
            _ => template,
        })
    }

    /// Whether what comes out is no more open than what it comes from: because the bits of the keys come back in it
    /// (PKCS#11 3.2, simple key derivation), or because the specification wants it (TLS). What comes out of another
    /// one-way function is as open as the template says.
    fn is_transparent(&self) -> bool {
        matches!(
            self.mechanism.algorithm(),
            Algorithm::Combine(_) | Algorithm::TlsKdf | Algorithm::TlsKeys { .. }
        )
    }

    /// An object that this session may make of these keys.
    fn plan(&self, cx: &CallCx, template: &Template) -> Result<Planned> {
        let is_data = template.ulong(ck::CKA_CLASS) == Some(ck::CKO_DATA);
        let makes_data = matches!(self.mechanism.algorithm(), Algorithm::Hkdf { data: true });
        let is_secret = template.ulong(ck::CKA_CLASS) == Some(ck::CKO_SECRET_KEY);
        let is_made = if makes_data { is_data } else { is_secret };
        // An object of another class would show what was put into it.
        if !is_made || (is_data && template.get(ck::CKA_VALUE).is_some()) {
            return Err(inconsistent(ck::CKA_CLASS));
        }
        // It says how long the data is, and is no attribute of it.
        let without_len = template
            .iter()
            .filter(|(id, _)| !is_data || *id != ck::CKA_VALUE_LEN);
        let template = without_len.map(|(id, value)| (id, value.clone())).collect();
        let ancestry = self
            .keys
            .iter()
            .fold(Ancestry::NONE, |all, key| all.and(&key.object));
        let origin = Origin::Derive(ancestry);
        let mut object = Object::admit(origin, None, &template, cx.access.login)?;
        if self.is_transparent() {
            self.hand_down(&mut object, &template)?;
        }
        objects::check_new(cx.access, &object)?;
        let least = self.least(&object);
        Ok(Planned {
            object,
            origin,
            least,
        })
    }

    /// How many bytes the new key has at the least. What is closed because its origin is so, and not because the
    /// application wants it, is not made so short that it is found by trying: a longer one would be found byte by byte.
    fn least(&self, object: &Object) -> usize {
        let closes = |base: &Object| {
            base.get(ck::CKA_DERIVE_TEMPLATE).is_some() || (self.is_transparent() && !base.is_open())
        };
        let is_closed = object.class() == Some(ck::CKO_SECRET_KEY) && !object.is_open();
        if is_closed && self.keys.iter().any(|key| closes(&key.object)) {
            UNGUESSABLE
        } else {
            1
        }
    }

    /// A key beside the first one, and its length.
    fn plan_additional(&self, cx: &CallCx, template: &Template) -> Result<(Planned, usize)> {
        let template = self.completed(template)?;
        let len = wanted(&template)?.ok_or_else(no_length)?;
        Ok((self.plan(cx, &template)?, len))
    }

    /// What comes from a sensitive key is sensitive, and what comes from one that is not extractable is not.
    ///
    /// # Errors
    /// `CKR_TEMPLATE_INCONSISTENT` where the specification leaves no choice, and the template makes another.
    fn hand_down(&self, object: &mut Object, template: &Template) -> Result<()> {
        for parent in &self.keys {
            let parent = &parent.object;
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
        if !matches!(self.mechanism.algorithm(), Algorithm::TlsKeys { .. }) {
            return Ok(());
        }
        let base = self.keys.first().map(|base| &base.object);
        let differs = |id: &ck::CK_ATTRIBUTE_TYPE| {
            let wanted = template.bool(*id);
            wanted.is_some() && wanted != base.map(|base| base.is_true(*id))
        };
        match [ck::CKA_SENSITIVE, ck::CKA_EXTRACTABLE].into_iter().find(differs) {
            Some(id) => Err(inconsistent(id)),
            None => Ok(()),
        }
    }

    /// The value of the base key, or of a key that the parameter names.
    fn value(&self, index: usize) -> &[u8] {
        let key = self.keys.get(index);
        key.and_then(|key| key.object.bytes(ck::CKA_VALUE))
            .unwrap_or_default()
    }

    /// The type of the base key.
    fn base_type(&self) -> Option<ck::CK_KEY_TYPE> {
        self.keys.first().and_then(|base| base.object.key_type())
    }

    /// How many bytes the new key has.
    ///
    /// # Errors
    /// `CKR_TEMPLATE_INCOMPLETE` if nothing says so.
    fn needed(&self) -> Result<usize> {
        self.wanted.ok_or_else(no_length)
    }
}

impl Planned {
    /// An admitted key.
    pub(crate) fn new(object: Object, origin: Origin) -> Self {
        Self {
            object,
            origin,
            least: 1,
        }
    }

    /// The object with its value.
    pub(crate) fn fill(self, value: Zeroizing<Vec<u8>>) -> Result<(Object, Option<Key>)> {
        let mut object = self.object;
        if object.class() == Some(ck::CKO_DATA) {
            object.put(ck::CKA_VALUE, Value::Bytes(value));
            return Ok((object, None));
        }
        if value.len() < self.least {
            let (len, least) = (value.len(), self.least);
            let detail =
                format!("a key of {len} bytes could be guessed: make it at least {least} bytes long");
            return Err(Error::new(Rv::KeySizeRange, detail));
        }
        material::put_made_secret(&mut object, value)?;
        let key = Key::parse(&object)?;
        material::put_secret_check_value(&mut object, &key)?;
        object.conclude(self.origin);
        Ok((object, Some(key)))
    }
}

/// A generic secret, unless the template says otherwise.
pub(crate) fn complete(template: &Template) -> Template {
    let defaults = [
        (ck::CKA_CLASS, ck::CKO_SECRET_KEY),
        (ck::CKA_KEY_TYPE, ck::CKK_GENERIC_SECRET),
    ];
    with_defaults(template, defaults.map(|(id, value)| (id, Value::Ulong(value))))
}

fn with_defaults(
    template: &Template,
    defaults: impl IntoIterator<Item = (ck::CK_ATTRIBUTE_TYPE, Value)>,
) -> Template {
    let missing = defaults.into_iter().filter(|(id, _)| template.get(*id).is_none());
    let given = template.iter().map(|(id, value)| (id, value.clone()));
    given.chain(missing).collect()
}

/// How many bytes the new key has, if the template says so, or its type does.
fn wanted(template: &Template) -> Result<Option<usize>> {
    let Some(len) = template.ulong(ck::CKA_VALUE_LEN) else {
        return Ok(match template.ulong(ck::CKA_KEY_TYPE) {
            Some(ck::CKK_DES3) => Some(24),
            Some(ck::CKK_CHACHA20 | ck::CKK_POLY1305) => Some(32),
            _ => None,
        });
    };
    match usize::try_from(len) {
        Ok(len) if (1..=LONGEST).contains(&len) => Ok(Some(len)),
        _ => Err(Error::new(Rv::KeySizeRange, format!("CKA_VALUE_LEN is {len}"))),
    }
}

/// Longer than any key that is derived, in bytes.
const LONGEST: usize = 1 << 20;

fn no_length() -> Error {
    Error::new(
        Rv::TemplateIncomplete,
        "CKA_VALUE_LEN is missing: it says how long the key is",
    )
}

fn inconsistent(id: ck::CK_ATTRIBUTE_TYPE) -> Error {
    let name = attribute::name(id);
    Error::new(
        Rv::TemplateInconsistent,
        format!("{name} is not what the mechanism makes"),
    )
}
