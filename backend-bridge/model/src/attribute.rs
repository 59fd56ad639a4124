// SPDX-License-Identifier: MIT
//! The attribute table, and attribute values.
//!
//! One row an attribute: its number, its name, and what its value is. Which objects have it, and who may set it when,
//! is the [`schema`](crate::schema)'s business.

use std::borrow::Cow;
use std::ops::Deref;

use cryptoki_sys as ck;
use zeroize::Zeroizing;

use crate::error::{Result, Rv};
use crate::template::{RawData, Template};
use crate::vendor::constants;

/// What the value of an attribute is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `CK_BBOOL`: one byte.
    Bool,
    /// `CK_ULONG` in the machine's own form.
    Ulong,
    /// Bytes, any number.
    Bytes,
    /// A whole number, most significant byte first; leading zeros do not count in comparisons.
    BigInteger,
    /// Nothing, or eight digits `YYYYMMDD` (`CK_DATE`).
    Date,
    /// Numbers of mechanisms.
    Mechanisms,
    /// A template.
    Template,
}

/// A row of [`ATTRIBUTES`].
#[derive(Debug)]
pub struct AttributeRow {
    /// The constant.
    pub id: ck::CK_ATTRIBUTE_TYPE,
    /// The constant's name.
    pub name: &'static str,
    /// What the value is.
    pub kind: Kind,
}

/// Reads like the table that it makes: kind, then the constants of that kind.
macro_rules! attributes {
    ($($kind:ident: $($constant:ident)*;)*) => {
        /// Every attribute that is known, one row each.
        pub const ATTRIBUTES: &[AttributeRow] = &[$($(
            AttributeRow { id: constants::$constant, name: stringify!($constant), kind: Kind::$kind },
        )*)*];
    };
}

attributes! {
    Bool: CKA_TOKEN CKA_PRIVATE CKA_MODIFIABLE CKA_COPYABLE CKA_DESTROYABLE CKA_TRUSTED CKA_SENSITIVE CKA_ENCRYPT
        CKA_DECRYPT CKA_WRAP CKA_UNWRAP CKA_SIGN CKA_SIGN_RECOVER CKA_VERIFY CKA_VERIFY_RECOVER CKA_DERIVE
        CKA_EXTRACTABLE CKA_LOCAL CKA_NEVER_EXTRACTABLE CKA_ALWAYS_SENSITIVE CKA_WRAP_WITH_TRUSTED
        CKA_ALWAYS_AUTHENTICATE CKA_ENCAPSULATE CKA_DECAPSULATE;
    Ulong: CKA_CLASS CKA_CERTIFICATE_TYPE CKA_CERTIFICATE_CATEGORY CKA_JAVA_MIDP_SECURITY_DOMAIN
        CKA_NAME_HASH_ALGORITHM CKA_KEY_TYPE CKA_MODULUS_BITS CKA_VALUE_LEN CKA_KEY_GEN_MECHANISM
        CKA_PARAMETER_SET CKA_PROFILE_ID CKA_MECHANISM_TYPE;
    Bytes: CKA_LABEL CKA_UNIQUE_ID CKA_APPLICATION CKA_OBJECT_ID CKA_VALUE CKA_SUBJECT CKA_ID CKA_ISSUER
        CKA_SERIAL_NUMBER CKA_URL CKA_HASH_OF_SUBJECT_PUBLIC_KEY CKA_HASH_OF_ISSUER_PUBLIC_KEY CKA_CHECK_VALUE
        CKA_PUBLIC_KEY_INFO CKA_EC_PARAMS CKA_EC_POINT CKA_SEED CKA_KEYENCLAVE_REMOTE_NAME;
    BigInteger: CKA_MODULUS CKA_PUBLIC_EXPONENT CKA_PRIVATE_EXPONENT CKA_PRIME_1 CKA_PRIME_2 CKA_EXPONENT_1
        CKA_EXPONENT_2 CKA_COEFFICIENT;
    Date: CKA_START_DATE CKA_END_DATE;
    Mechanisms: CKA_ALLOWED_MECHANISMS;
    Template: CKA_WRAP_TEMPLATE CKA_UNWRAP_TEMPLATE CKA_DERIVE_TEMPLATE CKA_ENCAPSULATE_TEMPLATE
        CKA_DECAPSULATE_TEMPLATE;
}

/// What the value of this attribute is; bytes where the attribute is unknown.
pub fn kind(id: ck::CK_ATTRIBUTE_TYPE) -> Kind {
    ATTRIBUTES
        .iter()
        .find(|row| row.id == id)
        .map_or(Kind::Bytes, |row| row.kind)
}

/// The name of an attribute for messages: the constant's, or its number.
pub fn name(id: ck::CK_ATTRIBUTE_TYPE) -> Cow<'static, str> {
    match ATTRIBUTES.iter().find(|row| row.id == id) {
        Some(row) => row.name.into(),
        None => format!("attribute 0x{id:08x}").into(),
    }
}

/// The value of an attribute. No `Debug`: it may be a key.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// A truth value.
    Bool(bool),
    /// A number.
    Ulong(ck::CK_ULONG),
    /// Bytes, whole numbers and dates; zeroized, because they may be a key.
    Bytes(Zeroizing<Vec<u8>>),
    /// Numbers of mechanisms.
    Mechanisms(Vec<ck::CK_MECHANISM_TYPE>),
    /// A template.
    Template(Template),
}

impl Value {
    /// Bytes as a value.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Bytes(Zeroizing::new(bytes.into()))
    }

    /// The value of attribute `id` that stands in memory in C's form.
    ///
    /// # Errors
    /// `CKR_ATTRIBUTE_VALUE_INVALID` for a wrong length or an impossible value.
    pub fn parse(id: ck::CK_ATTRIBUTE_TYPE, raw: &RawData<'_>) -> Result<Self> {
        let parsed = match (kind(id), raw) {
            (Kind::Bool, RawData::Bytes([ck::CK_FALSE])) => Some(Self::Bool(false)),
            (Kind::Bool, RawData::Bytes([ck::CK_TRUE])) => Some(Self::Bool(true)),
            (Kind::Ulong, RawData::Bytes(raw)) => <[u8; ULONG]>::try_from(*raw)
                .ok()
                .map(|raw| Self::Ulong(ck::CK_ULONG::from_ne_bytes(raw))),
            (Kind::Bytes | Kind::BigInteger, RawData::Bytes(raw)) => Some(Self::bytes(*raw)),
            (Kind::Date, RawData::Bytes(raw)) => is_date(raw).then(|| Self::bytes(*raw)),
            (Kind::Mechanisms, RawData::Bytes(raw)) => parse_ulongs(raw).map(Self::Mechanisms),
            (Kind::Template, RawData::Nested(raw)) => Some(Self::Template(Template::parse(raw)?)),
            _ => None,
        };
        parsed.ok_or_else(|| Rv::AttributeValueInvalid.into())
    }

    /// The same, but bytes where [`parse`](Self::parse) sees an error, which is then for somebody else to see.
    pub(crate) fn given(id: ck::CK_ATTRIBUTE_TYPE, raw: &RawData<'_>) -> Self {
        match (raw, Self::parse(id, raw)) {
            (RawData::Nested(raw), _) => Self::Template(Template::given(raw)),
            (RawData::Bytes(_), Ok(parsed)) => parsed,
            (RawData::Bytes(raw), Err(_)) => Self::bytes(*raw),
        }
    }

    /// The value in C's form; a template has none of its own, because it holds pointers.
    pub fn encode(&self) -> Option<Encoded<'_>> {
        match self {
            Self::Bool(value) => Some(Encoded::Bool([u8::from(*value)])),
            Self::Ulong(value) => Some(Encoded::Ulong(value.to_ne_bytes())),
            Self::Bytes(value) => Some(Encoded::Bytes(value)),
            Self::Mechanisms(value) => Some(Encoded::Made(
                value.iter().flat_map(|m| m.to_ne_bytes()).collect(),
            )),
            Self::Template(_) => None,
        }
    }

    /// Whether two values of attribute `id` are the same thing.
    pub fn matches(&self, id: ck::CK_ATTRIBUTE_TYPE, other: &Self) -> bool {
        match (kind(id), self, other) {
            (Kind::BigInteger, Self::Bytes(a), Self::Bytes(b)) => without_zeros(a) == without_zeros(b),
            _ => self == other,
        }
    }

    /// The bytes, if it is bytes.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

/// A value in C's form: short ones without memory of their own, because programs ask for them all the time.
pub enum Encoded<'a> {
    /// `CK_BBOOL`.
    Bool([u8; 1]),
    /// `CK_ULONG`.
    Ulong([u8; ULONG]),
    /// Bytes that stand in the value as they are.
    Bytes(&'a [u8]),
    /// Bytes that do not.
    Made(Vec<u8>),
}

impl Deref for Encoded<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Bool(bytes) => bytes,
            Self::Ulong(bytes) => bytes,
            Self::Bytes(bytes) => bytes,
            Self::Made(bytes) => bytes,
        }
    }
}

/// Bytes in a `CK_ULONG`.
pub const ULONG: usize = size_of::<ck::CK_ULONG>();

/// A whole number without its leading zeros.
pub fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

fn is_date(raw: &[u8]) -> bool {
    raw.is_empty() || (raw.len() == 8 && raw.iter().all(u8::is_ascii_digit))
}

fn parse_ulongs(raw: &[u8]) -> Option<Vec<ck::CK_ULONG>> {
    let (chunks, rest) = raw.as_chunks::<ULONG>();
    rest.is_empty().then(|| {
        chunks
            .iter()
            .map(|chunk| ck::CK_ULONG::from_ne_bytes(*chunk))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_attribute_stands_in_the_table_twice() {
        for (index, row) in ATTRIBUTES.iter().enumerate() {
            assert!(
                ATTRIBUTES.iter().skip(index + 1).all(|other| other.id != row.id),
                "{}",
                row.name
            );
        }
    }

    #[test]
    fn a_value_of_the_wrong_length_is_refused() {
        let refused = |id, raw: &[u8]| Value::parse(id, &RawData::Bytes(raw)).is_err();
        assert!(refused(ck::CKA_TOKEN, &[]));
        assert!(refused(ck::CKA_TOKEN, &[1, 0, 0, 0]));
        assert!(refused(ck::CKA_TOKEN, &[2]));
        assert!(refused(ck::CKA_CLASS, &[1, 0, 0, 0]));
        assert!(refused(ck::CKA_START_DATE, b"2026"));
        assert!(refused(ck::CKA_ALLOWED_MECHANISMS, &[0; 9]));
        assert!(refused(ck::CKA_WRAP_TEMPLATE, &[0; 24]));
        assert!(!refused(ck::CKA_START_DATE, b""));
        assert!(!refused(ck::CKA_LABEL, b""));
    }

    #[test]
    fn leading_zeros_of_a_whole_number_do_not_count() {
        let number = |bytes: &[u8]| Value::bytes(bytes);
        assert!(number(&[0, 1, 0]).matches(ck::CKA_MODULUS, &number(&[1, 0])));
        assert!(!number(&[0, 1, 0]).matches(ck::CKA_ID, &number(&[1, 0])));
    }
}
