// SPDX-License-Identifier: MIT
//! Which objects have which attributes, and who may set them when.
//!
//! The rules are the footnotes of PKCS#11 3.2's attribute tables (section 4, "Objects"; table "Common footnotes for
//! object attribute tables"), one row an attribute of a group; a kind of object is a list of groups. Defaults are the
//! specification's, but for two: usage flags that a template leaves out are true where the key type allows the use,
//! because real clients rely on it, and a secret key is sensitive like a private one, because it is the safer side.

use cryptoki_sys as ck;

use crate::attribute::Value;

/// When an attribute may, must or must not be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules(u16);

impl Rules {
    /// May be given whenever an object is made, and never changes.
    pub const FREE: Self = Self(0);
    /// Must be given to `C_CreateObject` (footnote 1).
    pub const NEEDED_CREATE: Self = Self(1 << 0);
    /// Must not be given to `C_CreateObject` (footnote 2).
    pub const BARRED_CREATE: Self = Self(1 << 1);
    /// Must be given when a key is generated (footnote 3).
    pub const NEEDED_GENERATE: Self = Self(1 << 2);
    /// Must not be given when a key is generated (footnote 4).
    pub const BARRED_GENERATE: Self = Self(1 << 3);
    /// Must not be given when a key is unwrapped (footnote 6).
    pub const BARRED_UNWRAP: Self = Self(1 << 4);
    /// Cannot be revealed if the key is sensitive or not extractable (footnote 7).
    pub const SECRET: Self = Self(1 << 5);
    /// May be changed with `C_SetAttributeValue`, and while copying (footnote 8).
    pub const SETTABLE: Self = Self(1 << 6);
    /// May be changed while copying only.
    pub const COPY_SETTABLE: Self = Self(1 << 7);
    /// Only the security officer sets it to true (footnote 10).
    pub const SO_ONLY: Self = Self(1 << 8);
    /// Once true, it stays true (footnote 11).
    pub const STAYS_TRUE: Self = Self(1 << 9);
    /// Once false, it stays false (footnote 12).
    pub const STAYS_FALSE: Self = Self(1 << 10);
    /// Given by the token, never by an application.
    pub const TOKEN_GIVEN: Self = Self(1 << 11);

    /// Both sets of rules.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are among these.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What an attribute is when nobody gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initial {
    /// The object does not have it.
    Absent,
    /// It is there and empty.
    Empty,
    /// A truth value.
    Bool(bool),
    /// A number.
    Ulong(ck::CK_ULONG),
}

impl Initial {
    /// The value, if there is one.
    pub fn value(self) -> Option<Value> {
        match self {
            Self::Absent => None,
            Self::Empty => Some(Value::bytes([])),
            Self::Bool(value) => Some(Value::Bool(value)),
            Self::Ulong(value) => Some(Value::Ulong(value)),
        }
    }
}

/// A row: an attribute of a group.
#[derive(Debug)]
pub struct Rule {
    /// The attribute.
    pub id: ck::CK_ATTRIBUTE_TYPE,
    /// Who may set it when.
    pub rules: Rules,
    /// What it is otherwise.
    pub default: Initial,
}

const fn rule(id: ck::CK_ATTRIBUTE_TYPE, rules: Rules, default: Initial) -> Rule {
    Rule { id, rules, default }
}

const FREE: Rules = Rules::FREE;
const SETTABLE: Rules = Rules::SETTABLE;
const COPY: Rules = Rules::COPY_SETTABLE;
const CREATE: Rules = Rules::NEEDED_CREATE;
const TOKEN_GIVEN: Rules = Rules::TOKEN_GIVEN;
const SO_ONLY: Rules = Rules::SO_ONLY.and(SETTABLE);
/// Key material: comes with `C_CreateObject`, is made by the token otherwise.
const MATERIAL: Rules = Rules::BARRED_GENERATE.and(Rules::BARRED_UNWRAP);
const SECRET: Rules = MATERIAL.and(Rules::SECRET);
const YES: Initial = Initial::Bool(true);
const NO: Initial = Initial::Bool(false);
use Initial::{Absent, Empty};

const STORAGE: &[Rule] = &[
    rule(ck::CKA_CLASS, CREATE, Absent),
    rule(ck::CKA_TOKEN, COPY, NO),
    // Absent means: what the kind of object has by default, see `Kind::private`.
    rule(ck::CKA_PRIVATE, COPY, Absent),
    rule(ck::CKA_MODIFIABLE, COPY, YES),
    rule(ck::CKA_LABEL, SETTABLE, Empty),
    rule(ck::CKA_COPYABLE, COPY.and(Rules::STAYS_FALSE), YES),
    rule(ck::CKA_DESTROYABLE, COPY, YES),
    rule(ck::CKA_UNIQUE_ID, TOKEN_GIVEN, Absent),
];

const DATA: &[Rule] = &[
    rule(ck::CKA_APPLICATION, SETTABLE, Empty),
    rule(ck::CKA_OBJECT_ID, SETTABLE, Empty),
    rule(ck::CKA_VALUE, SETTABLE, Empty),
];

const CERTIFICATE: &[Rule] = &[
    rule(ck::CKA_CERTIFICATE_TYPE, CREATE, Absent),
    rule(ck::CKA_TRUSTED, SO_ONLY, NO),
    rule(
        ck::CKA_CERTIFICATE_CATEGORY,
        FREE,
        Initial::Ulong(ck::CK_CERTIFICATE_CATEGORY_UNSPECIFIED),
    ),
    rule(ck::CKA_CHECK_VALUE, FREE, Absent),
    rule(ck::CKA_START_DATE, FREE, Empty),
    rule(ck::CKA_END_DATE, FREE, Empty),
    rule(ck::CKA_PUBLIC_KEY_INFO, FREE, Empty),
    rule(ck::CKA_SUBJECT, CREATE, Absent),
    rule(ck::CKA_ID, SETTABLE, Empty),
    rule(ck::CKA_ISSUER, SETTABLE, Empty),
    rule(ck::CKA_SERIAL_NUMBER, SETTABLE, Empty),
    rule(ck::CKA_VALUE, CREATE, Absent),
    rule(ck::CKA_URL, FREE, Empty),
    rule(ck::CKA_HASH_OF_SUBJECT_PUBLIC_KEY, FREE, Empty),
    rule(ck::CKA_HASH_OF_ISSUER_PUBLIC_KEY, FREE, Empty),
    rule(ck::CKA_JAVA_MIDP_SECURITY_DOMAIN, FREE, Initial::Ulong(0)),
    rule(ck::CKA_NAME_HASH_ALGORITHM, FREE, Absent),
];

const KEY: &[Rule] = &[
    rule(ck::CKA_KEY_TYPE, CREATE, Absent),
    rule(ck::CKA_ID, SETTABLE, Empty),
    rule(ck::CKA_START_DATE, SETTABLE, Empty),
    rule(ck::CKA_END_DATE, SETTABLE, Empty),
    rule(ck::CKA_DERIVE, SETTABLE, NO),
    rule(ck::CKA_LOCAL, TOKEN_GIVEN, NO),
    rule(
        ck::CKA_KEY_GEN_MECHANISM,
        TOKEN_GIVEN,
        Initial::Ulong(ck::CK_UNAVAILABLE_INFORMATION),
    ),
    rule(ck::CKA_ALLOWED_MECHANISMS, FREE, Absent),
];

const PUBLIC_KEY: &[Rule] = &[
    rule(ck::CKA_SUBJECT, SETTABLE, Empty),
    rule(ck::CKA_TRUSTED, SO_ONLY, NO),
    rule(ck::CKA_WRAP_TEMPLATE, FREE, Absent),
    rule(ck::CKA_PUBLIC_KEY_INFO, TOKEN_GIVEN, Absent),
];

const PRIVATE_KEY: &[Rule] = &[
    rule(ck::CKA_SUBJECT, SETTABLE, Empty),
    rule(ck::CKA_SENSITIVE, SETTABLE.and(Rules::STAYS_TRUE), YES),
    rule(ck::CKA_EXTRACTABLE, SETTABLE.and(Rules::STAYS_FALSE), NO),
    rule(ck::CKA_ALWAYS_SENSITIVE, TOKEN_GIVEN, NO),
    rule(ck::CKA_NEVER_EXTRACTABLE, TOKEN_GIVEN, NO),
    rule(ck::CKA_WRAP_WITH_TRUSTED, SETTABLE.and(Rules::STAYS_TRUE), NO),
    rule(ck::CKA_UNWRAP_TEMPLATE, FREE, Absent),
    rule(ck::CKA_DERIVE_TEMPLATE, FREE, Absent),
    rule(ck::CKA_ALWAYS_AUTHENTICATE, FREE, NO),
    rule(ck::CKA_PUBLIC_KEY_INFO, FREE, Absent),
];

const SECRET_KEY: &[Rule] = &[
    rule(ck::CKA_SENSITIVE, SETTABLE.and(Rules::STAYS_TRUE), YES),
    rule(ck::CKA_EXTRACTABLE, SETTABLE.and(Rules::STAYS_FALSE), NO),
    rule(ck::CKA_ALWAYS_SENSITIVE, TOKEN_GIVEN, NO),
    rule(ck::CKA_NEVER_EXTRACTABLE, TOKEN_GIVEN, NO),
    rule(ck::CKA_WRAP_WITH_TRUSTED, SETTABLE.and(Rules::STAYS_TRUE), NO),
    rule(ck::CKA_TRUSTED, SO_ONLY, NO),
    rule(ck::CKA_WRAP_TEMPLATE, FREE, Absent),
    rule(ck::CKA_UNWRAP_TEMPLATE, FREE, Absent),
    rule(ck::CKA_DERIVE_TEMPLATE, FREE, Absent),
    rule(ck::CKA_CHECK_VALUE, FREE, Absent),
    rule(ck::CKA_VALUE, SECRET.and(CREATE), Absent),
];

/// Keys of which there are several lengths.
const ANY_LEN: &[Rule] = &[rule(
    ck::CKA_VALUE_LEN,
    Rules::BARRED_CREATE.and(Rules::NEEDED_GENERATE),
    Absent,
)];

/// Keys that are all of one length, so that it need not be said.
const ONE_LEN: &[Rule] = &[rule(ck::CKA_VALUE_LEN, Rules::BARRED_CREATE, Absent)];

const RSA_PUBLIC: &[Rule] = &[
    rule(ck::CKA_ENCRYPT, SETTABLE, YES),
    rule(ck::CKA_VERIFY, SETTABLE, YES),
    rule(ck::CKA_VERIFY_RECOVER, SETTABLE, YES),
    rule(ck::CKA_WRAP, SETTABLE, YES),
    rule(ck::CKA_MODULUS, MATERIAL.and(CREATE), Absent),
    rule(
        ck::CKA_MODULUS_BITS,
        Rules::BARRED_CREATE.and(Rules::NEEDED_GENERATE),
        Absent,
    ),
    rule(ck::CKA_PUBLIC_EXPONENT, CREATE, Absent),
];

const RSA_PRIVATE: &[Rule] = &[
    rule(ck::CKA_DECRYPT, SETTABLE, YES),
    rule(ck::CKA_SIGN, SETTABLE, YES),
    rule(ck::CKA_SIGN_RECOVER, SETTABLE, YES),
    rule(ck::CKA_UNWRAP, SETTABLE, YES),
    rule(ck::CKA_MODULUS, MATERIAL.and(CREATE), Absent),
    rule(ck::CKA_PUBLIC_EXPONENT, MATERIAL, Absent),
    rule(ck::CKA_PRIVATE_EXPONENT, SECRET.and(CREATE), Absent),
    rule(ck::CKA_PRIME_1, SECRET, Absent),
    rule(ck::CKA_PRIME_2, SECRET, Absent),
    rule(ck::CKA_EXPONENT_1, SECRET, Absent),
    rule(ck::CKA_EXPONENT_2, SECRET, Absent),
    rule(ck::CKA_COEFFICIENT, SECRET, Absent),
];

const EC_PUBLIC: &[Rule] = &[
    rule(ck::CKA_ENCRYPT, SETTABLE, NO),
    rule(ck::CKA_VERIFY, SETTABLE, YES),
    rule(ck::CKA_VERIFY_RECOVER, SETTABLE, NO),
    rule(ck::CKA_WRAP, SETTABLE, NO),
    rule(ck::CKA_EC_PARAMS, CREATE.and(Rules::NEEDED_GENERATE), Absent),
    rule(ck::CKA_EC_POINT, CREATE.and(Rules::BARRED_GENERATE), Absent),
];

const EC_PRIVATE: &[Rule] = &[
    rule(ck::CKA_DECRYPT, SETTABLE, NO),
    rule(ck::CKA_SIGN, SETTABLE, YES),
    rule(ck::CKA_SIGN_RECOVER, SETTABLE, NO),
    rule(ck::CKA_UNWRAP, SETTABLE, NO),
    rule(ck::CKA_EC_PARAMS, MATERIAL.and(CREATE), Absent),
    // Not in the specification's table, but what several clients write beside the private value.
    rule(ck::CKA_EC_POINT, MATERIAL, Absent),
    rule(ck::CKA_VALUE, SECRET.and(CREATE), Absent),
];

/// Keys that agree on secrets and do nothing else.
const MONTGOMERY_PUBLIC: &[Rule] = &[
    rule(ck::CKA_ENCRYPT, SETTABLE, NO),
    rule(ck::CKA_VERIFY, SETTABLE, NO),
    rule(ck::CKA_VERIFY_RECOVER, SETTABLE, NO),
    rule(ck::CKA_WRAP, SETTABLE, NO),
    rule(ck::CKA_EC_PARAMS, CREATE.and(Rules::NEEDED_GENERATE), Absent),
    rule(ck::CKA_EC_POINT, CREATE.and(Rules::BARRED_GENERATE), Absent),
];

const MONTGOMERY_PRIVATE: &[Rule] = &[
    rule(ck::CKA_DECRYPT, SETTABLE, NO),
    rule(ck::CKA_SIGN, SETTABLE, NO),
    rule(ck::CKA_SIGN_RECOVER, SETTABLE, NO),
    rule(ck::CKA_UNWRAP, SETTABLE, NO),
    rule(ck::CKA_EC_PARAMS, MATERIAL.and(CREATE), Absent),
    // Beside the specification's, as for the other curves.
    rule(ck::CKA_EC_POINT, MATERIAL, Absent),
    rule(ck::CKA_VALUE, SECRET.and(CREATE), Absent),
];

const ML_DSA_PUBLIC: &[Rule] = &[
    rule(ck::CKA_ENCRYPT, SETTABLE, NO),
    rule(ck::CKA_VERIFY, SETTABLE, YES),
    rule(ck::CKA_VERIFY_RECOVER, SETTABLE, NO),
    rule(ck::CKA_WRAP, SETTABLE, NO),
    rule(ck::CKA_ENCAPSULATE, SETTABLE, NO),
];

const ML_DSA_PRIVATE: &[Rule] = &[
    rule(ck::CKA_DECRYPT, SETTABLE, NO),
    rule(ck::CKA_SIGN, SETTABLE, YES),
    rule(ck::CKA_SIGN_RECOVER, SETTABLE, NO),
    rule(ck::CKA_UNWRAP, SETTABLE, NO),
    rule(ck::CKA_DECAPSULATE, SETTABLE, NO),
];

const ML_KEM_PUBLIC: &[Rule] = &[
    rule(ck::CKA_ENCRYPT, SETTABLE, NO),
    rule(ck::CKA_VERIFY, SETTABLE, NO),
    rule(ck::CKA_VERIFY_RECOVER, SETTABLE, NO),
    rule(ck::CKA_WRAP, SETTABLE, NO),
    rule(ck::CKA_ENCAPSULATE, SETTABLE, YES),
    rule(ck::CKA_ENCAPSULATE_TEMPLATE, FREE, Absent),
];

const ML_KEM_PRIVATE: &[Rule] = &[
    rule(ck::CKA_DECRYPT, SETTABLE, NO),
    rule(ck::CKA_SIGN, SETTABLE, NO),
    rule(ck::CKA_SIGN_RECOVER, SETTABLE, NO),
    rule(ck::CKA_UNWRAP, SETTABLE, NO),
    rule(ck::CKA_DECAPSULATE, SETTABLE, YES),
    rule(ck::CKA_DECAPSULATE_TEMPLATE, FREE, Absent),
];

const LATTICE_PUBLIC: &[Rule] = &[
    rule(ck::CKA_PARAMETER_SET, CREATE.and(Rules::NEEDED_GENERATE), Absent),
    rule(ck::CKA_VALUE, CREATE.and(Rules::BARRED_GENERATE), Absent),
];

/// One of seed and value is enough, which is not to be said here.
const LATTICE_PRIVATE: &[Rule] = &[
    rule(ck::CKA_PARAMETER_SET, MATERIAL.and(CREATE), Absent),
    rule(ck::CKA_SEED, SECRET, Absent),
    rule(ck::CKA_VALUE, SECRET, Absent),
];

const CIPHER: &[Rule] = &[
    rule(ck::CKA_ENCRYPT, SETTABLE, YES),
    rule(ck::CKA_DECRYPT, SETTABLE, YES),
    rule(ck::CKA_SIGN, SETTABLE, YES),
    rule(ck::CKA_VERIFY, SETTABLE, YES),
    rule(ck::CKA_WRAP, SETTABLE, YES),
    rule(ck::CKA_UNWRAP, SETTABLE, YES),
];

const MAC: &[Rule] = &[
    rule(ck::CKA_ENCRYPT, SETTABLE, NO),
    rule(ck::CKA_DECRYPT, SETTABLE, NO),
    rule(ck::CKA_SIGN, SETTABLE, YES),
    rule(ck::CKA_VERIFY, SETTABLE, YES),
    rule(ck::CKA_WRAP, SETTABLE, NO),
    rule(ck::CKA_UNWRAP, SETTABLE, NO),
];

/// A kind of object: what `CKA_CLASS` and the type attribute that goes with it say.
#[derive(Debug)]
pub struct ObjectKind {
    /// `CKA_CLASS`.
    pub class: ck::CK_OBJECT_CLASS,
    /// `CKA_KEY_TYPE` or `CKA_CERTIFICATE_TYPE`; `None` where there is no such attribute.
    pub subtype: Option<ck::CK_ULONG>,
    /// Whether it is private unless the template says otherwise.
    pub private: bool,
    groups: &'static [&'static [Rule]],
}

const fn kind(
    class: ck::CK_OBJECT_CLASS,
    subtype: Option<ck::CK_ULONG>,
    private: bool,
    groups: &'static [&'static [Rule]],
) -> ObjectKind {
    ObjectKind {
        class,
        subtype,
        private,
        groups,
    }
}

const SECRET_GROUPS: &[&[Rule]] = &[STORAGE, KEY, SECRET_KEY, ANY_LEN, CIPHER];
const ONE_LEN_GROUPS: &[&[Rule]] = &[STORAGE, KEY, SECRET_KEY, ONE_LEN, CIPHER];
const MAC_GROUPS: &[&[Rule]] = &[STORAGE, KEY, SECRET_KEY, ANY_LEN, MAC];

/// Every kind of object, one row each.
pub const KINDS: &[ObjectKind] = &[
    kind(ck::CKO_DATA, None, false, &[STORAGE, DATA]),
    kind(
        ck::CKO_CERTIFICATE,
        Some(ck::CKC_X_509),
        false,
        &[STORAGE, CERTIFICATE],
    ),
    kind(
        ck::CKO_PUBLIC_KEY,
        Some(ck::CKK_RSA),
        false,
        &[STORAGE, KEY, PUBLIC_KEY, RSA_PUBLIC],
    ),
    kind(
        ck::CKO_PUBLIC_KEY,
        Some(ck::CKK_EC),
        false,
        &[STORAGE, KEY, PUBLIC_KEY, EC_PUBLIC],
    ),
    kind(
        ck::CKO_PUBLIC_KEY,
        Some(ck::CKK_EC_EDWARDS),
        false,
        &[STORAGE, KEY, PUBLIC_KEY, EC_PUBLIC],
    ),
    kind(
        ck::CKO_PUBLIC_KEY,
        Some(ck::CKK_EC_MONTGOMERY),
        false,
        &[STORAGE, KEY, PUBLIC_KEY, MONTGOMERY_PUBLIC],
    ),
    kind(
        ck::CKO_PRIVATE_KEY,
        Some(ck::CKK_EC_MONTGOMERY),
        true,
        &[STORAGE, KEY, PRIVATE_KEY, MONTGOMERY_PRIVATE],
    ),
    kind(
        ck::CKO_PRIVATE_KEY,
        Some(ck::CKK_RSA),
        true,
        &[STORAGE, KEY, PRIVATE_KEY, RSA_PRIVATE],
    ),
    kind(
        ck::CKO_PRIVATE_KEY,
        Some(ck::CKK_EC),
        true,
        &[STORAGE, KEY, PRIVATE_KEY, EC_PRIVATE],
    ),
    kind(
        ck::CKO_PRIVATE_KEY,
        Some(ck::CKK_EC_EDWARDS),
        true,
        &[STORAGE, KEY, PRIVATE_KEY, EC_PRIVATE],
    ),
    kind(
        ck::CKO_PUBLIC_KEY,
        Some(ck::CKK_ML_DSA),
        false,
        &[STORAGE, KEY, PUBLIC_KEY, ML_DSA_PUBLIC, LATTICE_PUBLIC],
    ),
    kind(
        ck::CKO_PRIVATE_KEY,
        Some(ck::CKK_ML_DSA),
        true,
        &[STORAGE, KEY, PRIVATE_KEY, ML_DSA_PRIVATE, LATTICE_PRIVATE],
    ),
    kind(
        ck::CKO_PUBLIC_KEY,
        Some(ck::CKK_ML_KEM),
        false,
        &[STORAGE, KEY, PUBLIC_KEY, ML_KEM_PUBLIC, LATTICE_PUBLIC],
    ),
    kind(
        ck::CKO_PRIVATE_KEY,
        Some(ck::CKK_ML_KEM),
        true,
        &[STORAGE, KEY, PRIVATE_KEY, ML_KEM_PRIVATE, LATTICE_PRIVATE],
    ),
    kind(ck::CKO_SECRET_KEY, Some(ck::CKK_AES), true, SECRET_GROUPS),
    kind(ck::CKO_SECRET_KEY, Some(ck::CKK_AES_XTS), true, SECRET_GROUPS),
    kind(ck::CKO_SECRET_KEY, Some(ck::CKK_CHACHA20), true, ONE_LEN_GROUPS),
    kind(ck::CKO_SECRET_KEY, Some(ck::CKK_DES3), true, ONE_LEN_GROUPS),
    kind(ck::CKO_SECRET_KEY, Some(ck::CKK_GENERIC_SECRET), true, MAC_GROUPS),
    kind(ck::CKO_SECRET_KEY, Some(ck::CKK_HKDF), true, MAC_GROUPS),
    kind(ck::CKO_SECRET_KEY, Some(ck::CKK_SHA_1_HMAC), true, MAC_GROUPS),
    kind(ck::CKO_SECRET_KEY, Some(ck::CKK_SHA224_HMAC), true, MAC_GROUPS),
    kind(ck::CKO_SECRET_KEY, Some(ck::CKK_SHA256_HMAC), true, MAC_GROUPS),
    kind(ck::CKO_SECRET_KEY, Some(ck::CKK_SHA384_HMAC), true, MAC_GROUPS),
    kind(ck::CKO_SECRET_KEY, Some(ck::CKK_SHA512_HMAC), true, MAC_GROUPS),
    kind(
        ck::CKO_SECRET_KEY,
        Some(ck::CKK_SHA512_224_HMAC),
        true,
        MAC_GROUPS,
    ),
    kind(
        ck::CKO_SECRET_KEY,
        Some(ck::CKK_SHA512_256_HMAC),
        true,
        MAC_GROUPS,
    ),
    kind(ck::CKO_SECRET_KEY, Some(ck::CKK_SHA3_224_HMAC), true, MAC_GROUPS),
    kind(ck::CKO_SECRET_KEY, Some(ck::CKK_SHA3_256_HMAC), true, MAC_GROUPS),
    kind(ck::CKO_SECRET_KEY, Some(ck::CKK_SHA3_384_HMAC), true, MAC_GROUPS),
    kind(ck::CKO_SECRET_KEY, Some(ck::CKK_SHA3_512_HMAC), true, MAC_GROUPS),
];

/// Whether objects of a class hold what nobody may see who is not logged in. A class that is not known is taken for one.
pub const fn holds_secret(class: ck::CK_OBJECT_CLASS) -> bool {
    !matches!(
        class,
        ck::CKO_DATA | ck::CKO_CERTIFICATE | ck::CKO_PUBLIC_KEY | ck::CKO_PROFILE | ck::CKO_MECHANISM
    )
}

impl ObjectKind {
    /// The kind with this class and type.
    pub fn find(class: ck::CK_OBJECT_CLASS, subtype: Option<ck::CK_ULONG>) -> Option<&'static Self> {
        KINDS
            .iter()
            .find(|kind| kind.class == class && kind.subtype == subtype)
    }

    /// The attribute that tells the kinds of one class apart.
    pub fn subtype_attribute(class: ck::CK_OBJECT_CLASS) -> Option<ck::CK_ATTRIBUTE_TYPE> {
        match class {
            ck::CKO_CERTIFICATE => Some(ck::CKA_CERTIFICATE_TYPE),
            ck::CKO_PUBLIC_KEY | ck::CKO_PRIVATE_KEY | ck::CKO_SECRET_KEY => Some(ck::CKA_KEY_TYPE),
            _ => None,
        }
    }

    /// All its attributes.
    pub fn rules(&self) -> impl Iterator<Item = &'static Rule> {
        self.groups.iter().flat_map(|group| group.iter())
    }

    /// One of its attributes.
    pub fn rule(&self, id: ck::CK_ATTRIBUTE_TYPE) -> Option<&'static Rule> {
        self.rules().find(|rule| rule.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_kind_has_an_attribute_twice() {
        for kind in KINDS {
            let ids: Vec<_> = kind.rules().map(|rule| rule.id).collect();
            for (index, id) in ids.iter().enumerate() {
                assert!(
                    !ids.iter().skip(index + 1).any(|other| other == id),
                    "{kind:?} has {id:#x} twice"
                );
            }
        }
    }

    #[test]
    fn what_holds_a_secret_is_private_unless_the_template_says_otherwise() {
        for kind in KINDS {
            assert_eq!(holds_secret(kind.class), kind.private, "{kind:?}");
        }
        assert!(holds_secret(ck::CKO_VENDOR_DEFINED), "a class that is not known");
    }

    #[test]
    fn a_default_has_the_form_of_its_attribute() {
        use crate::attribute::{Kind, kind};
        for rule in KINDS.iter().flat_map(ObjectKind::rules) {
            let fits = match rule.default {
                Initial::Absent => true,
                Initial::Empty => matches!(kind(rule.id), Kind::Bytes | Kind::Date | Kind::BigInteger),
                Initial::Bool(_) => kind(rule.id) == Kind::Bool,
                Initial::Ulong(_) => kind(rule.id) == Kind::Ulong,
            };
            assert!(fits, "{:#x}", rule.id);
        }
    }
}
