// SPDX-License-Identifier: MIT
//! Objects: attributes in order, and the rules for making, reading, changing and copying them.
//!
//! Every token makes its objects here, so that the rules are the same whoever holds the keys. Key material is the
//! engine's: it is put in between [`Object::admit`] and [`Object::conclude`].

use cryptoki_sys as ck;

use crate::attribute::{self, Value};
use crate::error::{Error, Result, Rv};
use crate::schema::{ObjectKind, Rule, Rules};
use crate::template::Template;
use crate::token::Role;

/// How an object comes to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `C_CreateObject`.
    Create,
    /// `C_GenerateKey` or `C_GenerateKeyPair`, by this mechanism.
    Generate(ck::CK_MECHANISM_TYPE),
    /// `C_UnwrapKey`, `C_UnwrapKeyAuthenticated`.
    Unwrap,
    /// `C_DeriveKey`, `C_EncapsulateKey`, `C_DecapsulateKey`.
    Derive(Ancestry),
}

/// What a key's history says of the keys that are made from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ancestry {
    /// Whether all keys that it comes from were never but sensitive (`CKA_ALWAYS_SENSITIVE`).
    pub always_sensitive: bool,
    /// Whether all keys that it comes from could never be extracted (`CKA_NEVER_EXTRACTABLE`).
    pub never_extractable: bool,
}

impl Ancestry {
    /// What somebody else knows as well: an encapsulated secret (PKCS#11 3.2, C_EncapsulateKey).
    pub const SHARED: Self = Self {
        always_sensitive: false,
        never_extractable: false,
    };

    /// What nobody knows of before now: an agreed secret.
    pub const NONE: Self = Self {
        always_sensitive: true,
        never_extractable: true,
    };

    /// The history of a key that is made from this and from `object`.
    pub fn and(self, object: &Object) -> Self {
        Self {
            always_sensitive: self.always_sensitive && object.is_true(ck::CKA_ALWAYS_SENSITIVE),
            never_extractable: self.never_extractable && object.is_true(ck::CKA_NEVER_EXTRACTABLE),
        }
    }
}

/// An object: its attributes, each once, ordered by number. No `Debug`: it may hold a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Object(Vec<(ck::CK_ATTRIBUTE_TYPE, Value)>);

impl Object {
    /// An object as a store kept it. It was admitted when it was made.
    pub fn restore(mut attributes: Vec<(ck::CK_ATTRIBUTE_TYPE, Value)>) -> Self {
        attributes.sort_by_key(|(id, _)| *id);
        Self(attributes)
    }

    /// A new object after the rules of its kind: the template's attributes, completed with defaults.
    ///
    /// `fixed` says what the function already knows (the class and key type that a mechanism makes). `role` is who is
    /// logged in.
    ///
    /// # Errors
    /// `CKR_TEMPLATE_INCOMPLETE`, `CKR_TEMPLATE_INCONSISTENT`, `CKR_ATTRIBUTE_TYPE_INVALID`,
    /// `CKR_ATTRIBUTE_VALUE_INVALID` or `CKR_ATTRIBUTE_READ_ONLY`, as PKCS#11 3.2 section 4.1.1 orders.
    pub fn admit(
        origin: Origin,
        fixed: Option<(ck::CK_OBJECT_CLASS, ck::CK_KEY_TYPE)>,
        template: &Template,
        role: Option<Role>,
    ) -> Result<Self> {
        template.check_unique()?;
        let kind = kind_of(fixed, template)?;
        for (id, value) in template.iter() {
            let rule = kind
                .rule(id)
                .ok_or_else(|| complain(Rv::AttributeTypeInvalid, id, "is not of this object"))?;
            check_given(origin, rule, value, role)?;
        }
        let mut object = Self(Vec::with_capacity(32));
        for rule in kind.rules() {
            match template.get(rule.id) {
                Some(value) => object.put(rule.id, value.clone()),
                None if is_needed(origin, rule) => {
                    return Err(complain(Rv::TemplateIncomplete, rule.id, "is missing"));
                }
                None => rule
                    .default
                    .value()
                    .into_iter()
                    .for_each(|value| object.put(rule.id, value)),
            }
        }
        object.put(ck::CKA_CLASS, Value::Ulong(kind.class));
        object.part_uses(template);
        if let (Some(id), Some(subtype)) = (ObjectKind::subtype_attribute(kind.class), kind.subtype) {
            object.put(id, Value::Ulong(subtype));
        }
        if object.get(ck::CKA_PRIVATE).is_none() {
            object.put(ck::CKA_PRIVATE, Value::Bool(kind.private));
        }
        Ok(object)
    }

    /// Notes where a key comes from: `CKA_LOCAL`, `CKA_KEY_GEN_MECHANISM`, `CKA_ALWAYS_SENSITIVE` and
    /// `CKA_NEVER_EXTRACTABLE`. Call it once the key material is in; for other objects it does nothing.
    pub fn conclude(&mut self, origin: Origin) {
        let Some(kind) = self.kind() else { return };
        let unknown = Ancestry {
            always_sensitive: false,
            never_extractable: false,
        };
        let (local, mechanism, ancestry) = match origin {
            Origin::Generate(mechanism) => (true, mechanism, Ancestry::NONE),
            Origin::Derive(ancestry) => (false, ck::CK_UNAVAILABLE_INFORMATION, ancestry),
            Origin::Create | Origin::Unwrap => (false, ck::CK_UNAVAILABLE_INFORMATION, unknown),
        };
        let always_sensitive = ancestry.always_sensitive && self.is_true(ck::CKA_SENSITIVE);
        let never_extractable = ancestry.never_extractable && !self.is_true(ck::CKA_EXTRACTABLE);
        for (id, value) in [
            (ck::CKA_LOCAL, Value::Bool(local)),
            (ck::CKA_KEY_GEN_MECHANISM, Value::Ulong(mechanism)),
            (ck::CKA_ALWAYS_SENSITIVE, Value::Bool(always_sensitive)),
            (ck::CKA_NEVER_EXTRACTABLE, Value::Bool(never_extractable)),
        ] {
            if kind.rule(id).is_some() {
                self.put(id, value);
            }
        }
    }

    /// The object with other values (`C_SetAttributeValue`).
    ///
    /// # Errors
    /// `CKR_ACTION_PROHIBITED` if it is not modifiable, `CKR_ATTRIBUTE_TYPE_INVALID`, `CKR_ATTRIBUTE_READ_ONLY`.
    pub fn with(&self, template: &Template, role: Option<Role>) -> Result<Self> {
        if !self.is_true(ck::CKA_MODIFIABLE) {
            return Err(Error::new(
                Rv::ActionProhibited,
                "the object is not modifiable (CKA_MODIFIABLE)",
            ));
        }
        self.changed(template, Rules::SETTABLE, role)
    }

    /// A copy with other values (`C_CopyObject`). It has no `CKA_UNIQUE_ID` yet.
    ///
    /// # Errors
    /// `CKR_ACTION_PROHIBITED` if it may not be copied, `CKR_ATTRIBUTE_TYPE_INVALID`, `CKR_ATTRIBUTE_READ_ONLY`, and
    /// `CKR_TEMPLATE_INCONSISTENT` for a public copy of a private object.
    pub fn copied(&self, template: &Template, role: Option<Role>) -> Result<Self> {
        if !self.is_true(ck::CKA_COPYABLE) {
            return Err(Error::new(
                Rv::ActionProhibited,
                "the object may not be copied (CKA_COPYABLE)",
            ));
        }
        if self.is_private() && template.bool(ck::CKA_PRIVATE) == Some(false) {
            return Err(complain(
                Rv::TemplateInconsistent,
                ck::CKA_PRIVATE,
                "of a private object's copy stays true",
            ));
        }
        let mut copy = self.changed(template, Rules::COPY_SETTABLE, role)?;
        copy.0.retain(|(id, _)| *id != ck::CKA_UNIQUE_ID);
        Ok(copy)
    }

    /// The value of an attribute, whoever asks: for engines.
    pub fn get(&self, id: ck::CK_ATTRIBUTE_TYPE) -> Option<&Value> {
        let index = self.0.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        self.0.get(index).map(|(_, value)| value)
    }

    /// The value of an attribute for an application, as [`Shown::reveal`].
    ///
    /// # Errors
    /// The same.
    pub fn reveal(&self, id: ck::CK_ATTRIBUTE_TYPE) -> Result<&Value, Rv> {
        self.shown().reveal(id)
    }

    /// The object as applications see it.
    pub fn shown(&self) -> Shown<'_> {
        let guarded =
            self.is_true(ck::CKA_SENSITIVE) || self.get(ck::CKA_EXTRACTABLE) == Some(&Value::Bool(false));
        Shown {
            object: self,
            guarded: if guarded { self.kind() } else { None },
        }
    }

    /// Whether every attribute of the template is the object's. A concealed attribute matches nothing.
    pub fn matches(&self, template: &Template) -> bool {
        let shown = self.shown();
        template
            .iter()
            .all(|(id, wanted)| shown.reveal(id).is_ok_and(|value| value.matches(id, wanted)))
    }

    /// Whether every attribute of the template is the object's, concealed or not: for what keys demand of each other.
    pub fn has(&self, template: &Template) -> bool {
        let mut wanted = template.iter();
        wanted.all(|(id, wanted)| self.get(id).is_some_and(|value| value.matches(id, wanted)))
    }

    /// Puts an attribute in, in place of the one that was there.
    pub fn put(&mut self, id: ck::CK_ATTRIBUTE_TYPE, value: Value) {
        match self.0.binary_search_by_key(&id, |(id, _)| *id) {
            Ok(index) => {
                if let Some(entry) = self.0.get_mut(index) {
                    entry.1 = value;
                }
            }
            Err(index) => self.0.insert(index, (id, value)),
        }
    }

    /// All attributes, secrets included: for stores.
    pub fn iter(&self) -> impl Iterator<Item = (ck::CK_ATTRIBUTE_TYPE, &Value)> {
        self.0.iter().map(|(id, value)| (*id, value))
    }

    /// Its kind, if it is a known one.
    pub fn kind(&self) -> Option<&'static ObjectKind> {
        let class = self.class()?;
        ObjectKind::find(
            class,
            ObjectKind::subtype_attribute(class).and_then(|id| self.ulong(id)),
        )
    }

    /// `CKA_CLASS`.
    pub fn class(&self) -> Option<ck::CK_OBJECT_CLASS> {
        self.ulong(ck::CKA_CLASS)
    }

    /// `CKA_KEY_TYPE`.
    pub fn key_type(&self) -> Option<ck::CK_KEY_TYPE> {
        self.ulong(ck::CKA_KEY_TYPE)
    }

    /// A number.
    pub fn ulong(&self, id: ck::CK_ATTRIBUTE_TYPE) -> Option<ck::CK_ULONG> {
        match self.get(id) {
            Some(Value::Ulong(value)) => Some(*value),
            _ => None,
        }
    }

    /// Bytes.
    pub fn bytes(&self, id: ck::CK_ATTRIBUTE_TYPE) -> Option<&[u8]> {
        self.get(id).and_then(Value::as_bytes)
    }

    /// Whether a truth value is there and true.
    pub fn is_true(&self, id: ck::CK_ATTRIBUTE_TYPE) -> bool {
        self.get(id) == Some(&Value::Bool(true))
    }

    /// Whether it is a token object.
    pub fn is_token(&self) -> bool {
        self.is_true(ck::CKA_TOKEN)
    }

    /// Whether an application can read the key in it, so that there is nothing to protect from whoever uses it.
    pub fn is_open(&self) -> bool {
        self.get(ck::CKA_SENSITIVE) == Some(&Value::Bool(false)) && self.is_true(ck::CKA_EXTRACTABLE)
    }

    /// Whether it is a private object. One that does not say so is: fail closed.
    pub fn is_private(&self) -> bool {
        self.get(ck::CKA_PRIVATE) != Some(&Value::Bool(false))
    }

    /// Whether a key may be used with a mechanism, as far as `CKA_ALLOWED_MECHANISMS` says.
    pub fn allows(&self, mechanism: ck::CK_MECHANISM_TYPE) -> bool {
        match self.get(ck::CKA_ALLOWED_MECHANISMS) {
            Some(Value::Mechanisms(allowed)) => allowed.is_empty() || allowed.contains(&mechanism),
            _ => true,
        }
    }

    /// The object with the template's values, each of which needs one of the rules `allowed` or `SETTABLE`.
    fn changed(&self, template: &Template, allowed: Rules, role: Option<Role>) -> Result<Self> {
        let kind = self
            .kind()
            .ok_or(Error::new(Rv::GeneralError, "an object of an unknown kind"))?;
        template.check_unique()?;
        let mut changed = self.clone();
        for (id, value) in template.iter() {
            let rule = kind
                .rule(id)
                .ok_or_else(|| complain(Rv::AttributeTypeInvalid, id, "is not of this object"))?;
            let may_change = rule.rules.has(allowed) || rule.rules.has(Rules::SETTABLE);
            if self.get(id) == Some(value) && may_change {
                continue;
            }
            if !may_change || self.is_stuck(rule, value) {
                return Err(complain(Rv::AttributeReadOnly, id, "cannot be changed so"));
            }
            check_role(rule, value, role)?;
            // Nor may anybody else take back what only the officer gives: the key could do more afterwards.
            if rule.rules.has(Rules::SO_ONLY) && self.is_true(id) && role != Some(Role::So) {
                return Err(complain(
                    Rv::AttributeReadOnly,
                    id,
                    "is for the security officer to set",
                ));
            }
            changed.put(id, value.clone());
        }
        self.check_uses(&changed, template)?;
        Ok(changed)
    }

    /// No secret key wraps, and opens what is wrapped, unless both were asked for: with one that does, every key that it
    /// may wrap can be read. Where nobody asks for either, it encrypts and decrypts: more clients count on that than on
    /// wrapping.
    fn part_uses(&mut self, template: &Template) {
        if !OPENING.iter().any(|usage| self.wraps_and(*usage)) || asks_for_both(template, ck::CKA_DECRYPT) {
            return;
        }
        if template.bool(ck::CKA_WRAP) != Some(true) {
            return self.put(ck::CKA_WRAP, Value::Bool(false));
        }
        for usage in OPENING {
            if template.bool(usage) != Some(true) {
                self.put(usage, Value::Bool(false));
            }
        }
    }

    /// Nor does it learn the one after the other.
    fn check_uses(&self, changed: &Self, template: &Template) -> Result<()> {
        let is_news =
            |usage| changed.wraps_and(usage) && !self.wraps_and(usage) && !asks_for_both(template, usage);
        let hides_nothing = self.wraps_and(ck::CKA_DECRYPT) || asks_for_both(template, ck::CKA_DECRYPT);
        if hides_nothing || !OPENING.into_iter().any(is_news) {
            return Ok(());
        }
        Err(Error::new(
            Rv::TemplateInconsistent,
            "a secret key wraps and encrypts, decrypts or derives only if one template asks for both (CKA_WRAP, \
             CKA_ENCRYPT, CKA_DECRYPT, CKA_DERIVE)",
        ))
    }

    fn wraps_and(&self, usage: ck::CK_ATTRIBUTE_TYPE) -> bool {
        let is_secret = self.class() == Some(ck::CKO_SECRET_KEY);
        is_secret && self.is_true(ck::CKA_WRAP) && self.is_true(usage)
    }

    /// Whether a truth value has arrived where it must stay.
    fn is_stuck(&self, rule: &Rule, value: &Value) -> bool {
        let is = |truth| self.get(rule.id) == Some(&Value::Bool(truth)) && *value != Value::Bool(truth);
        (rule.rules.has(Rules::STAYS_TRUE) && is(true)) || (rule.rules.has(Rules::STAYS_FALSE) && is(false))
    }
}

/// The uses of a secret key that open what it has wrapped: decrypting; encrypting, with a mechanism that adds a key stream;
/// and deriving, where that is encrypting.
const OPENING: [ck::CK_ATTRIBUTE_TYPE; 3] = [ck::CKA_ENCRYPT, ck::CKA_DECRYPT, ck::CKA_DERIVE];

fn asks_for_both(template: &Template, usage: ck::CK_ATTRIBUTE_TYPE) -> bool {
    [ck::CKA_WRAP, usage]
        .iter()
        .all(|id| template.bool(*id) == Some(true))
}

/// An object as applications see it: what is the same for all its attributes is found out once.
pub struct Shown<'a> {
    object: &'a Object,
    /// The kind of an object that does not give its secrets away.
    guarded: Option<&'static ObjectKind>,
}

impl<'a> Shown<'a> {
    /// The value of an attribute (`C_GetAttributeValue`).
    ///
    /// # Errors
    /// `CKR_ATTRIBUTE_TYPE_INVALID` if there is no such attribute, `CKR_ATTRIBUTE_SENSITIVE` if it is a secret.
    pub fn reveal(&self, id: ck::CK_ATTRIBUTE_TYPE) -> Result<&'a Value, Rv> {
        let rule = self.guarded.and_then(|kind| kind.rule(id));
        if rule.is_some_and(|rule| rule.rules.has(Rules::SECRET)) {
            return Err(Rv::AttributeSensitive);
        }
        self.object.get(id).ok_or(Rv::AttributeTypeInvalid)
    }
}

/// The kind of object that a template asks for.
fn kind_of(
    fixed: Option<(ck::CK_OBJECT_CLASS, ck::CK_KEY_TYPE)>,
    template: &Template,
) -> Result<&'static ObjectKind> {
    let class = agree(
        ck::CKA_CLASS,
        template.ulong(ck::CKA_CLASS),
        fixed.map(|(class, _)| class),
    )?
    .ok_or_else(|| complain(Rv::TemplateIncomplete, ck::CKA_CLASS, "is missing"))?;
    let subtype = match ObjectKind::subtype_attribute(class) {
        None => None,
        Some(id) => Some(
            agree(id, template.ulong(id), fixed.map(|(_, key_type)| key_type))?
                .ok_or_else(|| complain(Rv::TemplateIncomplete, id, "is missing"))?,
        ),
    };
    ObjectKind::find(class, subtype).ok_or_else(|| {
        let id = ObjectKind::subtype_attribute(class).unwrap_or(ck::CKA_CLASS);
        complain(
            Rv::AttributeValueInvalid,
            id,
            "names an object that cannot be made here",
        )
    })
}

/// What the template and the function both say must be the same.
fn agree(id: ck::CK_ATTRIBUTE_TYPE, given: Option<u64>, fixed: Option<u64>) -> Result<Option<u64>> {
    match (given, fixed) {
        (Some(given), Some(fixed)) if given != fixed => Err(complain(
            Rv::TemplateInconsistent,
            id,
            "does not go with the mechanism",
        )),
        (given, fixed) => Ok(given.or(fixed)),
    }
}

/// Whether an attribute may be given when an object is made.
fn check_given(origin: Origin, rule: &Rule, value: &Value, role: Option<Role>) -> Result<()> {
    let barred = match origin {
        Origin::Create => Rules::BARRED_CREATE,
        // What is derived is made by the token, as what is generated.
        Origin::Generate(_) | Origin::Derive(_) => Rules::BARRED_GENERATE,
        Origin::Unwrap => Rules::BARRED_UNWRAP,
    };
    if rule.rules.has(barred) || rule.rules.has(Rules::TOKEN_GIVEN) {
        return Err(complain(Rv::AttributeReadOnly, rule.id, "cannot be given here"));
    }
    check_role(rule, value, role)
}

/// Whether whoever is logged in may give an attribute this value.
fn check_role(rule: &Rule, value: &Value, role: Option<Role>) -> Result<()> {
    if rule.rules.has(Rules::SO_ONLY) && *value == Value::Bool(true) && role != Some(Role::So) {
        return Err(complain(
            Rv::AttributeReadOnly,
            rule.id,
            "is for the security officer to set",
        ));
    }
    Ok(())
}

/// Whether an attribute must be given. The class and type are known otherwise when a key is generated.
fn is_needed(origin: Origin, rule: &Rule) -> bool {
    match origin {
        Origin::Create => rule.rules.has(Rules::NEEDED_CREATE),
        Origin::Generate(_) => rule.rules.has(Rules::NEEDED_GENERATE),
        // The material comes with the wrapped key, or from the key that it is derived from.
        Origin::Unwrap | Origin::Derive(_) => false,
    }
}

fn complain(rv: Rv, id: ck::CK_ATTRIBUTE_TYPE, what: &str) -> Error {
    Error::new(rv, format!("{} {what}", attribute::name(id)))
}
