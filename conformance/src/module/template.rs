// SPDX-License-Identifier: MIT
//! Templates: attributes that own their bytes, lent to C for one call.

use super::buffer::length;
use cryptoki_sys::*;
use std::ptr::null_mut;

/// One attribute of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attr {
    /// The `CKA_`.
    pub kind: CK_ATTRIBUTE_TYPE,
    value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Bytes(Vec<u8>),
    /// A template, word for word.
    Template(Vec<CK_ULONG>),
    Null(CK_ULONG),
    Huge,
}

/// An attribute with these bytes.
pub fn bytes(kind: CK_ATTRIBUTE_TYPE, value: impl Into<Vec<u8>>) -> Attr {
    Attr {
        kind,
        value: Value::Bytes(value.into()),
    }
}

/// A `CK_BBOOL`.
pub fn flag(kind: CK_ATTRIBUTE_TYPE, value: bool) -> Attr {
    bytes(kind, [u8::from(value)])
}

/// A `CK_ULONG`, in the machine's order.
pub fn number(kind: CK_ATTRIBUTE_TYPE, value: CK_ULONG) -> Attr {
    bytes(kind, value.to_ne_bytes())
}

/// A template of `CK_BBOOL`s in a template.
pub fn flags(kind: CK_ATTRIBUTE_TYPE, attrs: &[(CK_ATTRIBUTE_TYPE, bool)]) -> Attr {
    static VALUES: [CK_BBOOL; 2] = [CK_FALSE, CK_TRUE];
    let words = attrs.iter().flat_map(|(kind, value)| {
        let place = (&raw const VALUES[usize::from(*value)]).expose_provenance();
        [*kind, place as CK_ULONG, 1]
    });
    Attr {
        kind,
        value: Value::Template(words.collect()),
    }
}

/// A hostile one: a null pointer with this length.
pub fn null(kind: CK_ATTRIBUTE_TYPE, length: CK_ULONG) -> Attr {
    Attr {
        kind,
        value: Value::Null(length),
    }
}

/// A hostile one: a valid pointer with the largest length.
pub fn huge(kind: CK_ATTRIBUTE_TYPE) -> Attr {
    Attr {
        kind,
        value: Value::Huge,
    }
}

/// The attributes as C takes them; valid while `attrs` lives and stays unchanged.
pub(super) fn raw(attrs: &[Attr]) -> Vec<CK_ATTRIBUTE> {
    let one = |attr: &Attr| {
        let (pointer, length) = match &attr.value {
            Value::Bytes(bytes) => (bytes.as_ptr().cast_mut(), length(bytes)),
            Value::Template(words) => {
                let length = length(words) * size_of::<CK_ULONG>() as CK_ULONG;
                (words.as_ptr().cast_mut().cast(), length)
            }
            Value::Null(length) => (null_mut(), *length),
            Value::Huge => ((&raw const attr.kind).cast_mut().cast(), CK_ULONG::MAX),
        };
        CK_ATTRIBUTE {
            type_: attr.kind,
            pValue: pointer.cast(),
            ulValueLen: length,
        }
    };
    attrs.iter().map(one).collect()
}

/// One attribute that `C_GetAttributeValue` is asked for.
#[derive(Clone, Debug)]
pub struct Want {
    /// The `CKA_`.
    pub kind: CK_ATTRIBUTE_TYPE,
    /// Room for the value; `None` asks for its length.
    pub room: Option<Vec<u8>>,
    /// `ulValueLen` afterwards.
    pub len: CK_ULONG,
}

impl Want {
    /// Asks for the length.
    pub fn length(kind: CK_ATTRIBUTE_TYPE) -> Self {
        Self {
            kind,
            room: None,
            len: 0,
        }
    }

    /// Asks for the value, with `room` bytes of room.
    pub fn value(kind: CK_ATTRIBUTE_TYPE, room: usize) -> Self {
        Self {
            kind,
            room: Some(vec![0; room]),
            len: 0,
        }
    }

    pub(super) fn raw(&mut self) -> CK_ATTRIBUTE {
        let (pointer, length) = match &mut self.room {
            Some(room) => (room.as_mut_ptr(), length(room)),
            None => (null_mut(), 0),
        };
        CK_ATTRIBUTE {
            type_: self.kind,
            pValue: pointer.cast(),
            ulValueLen: length,
        }
    }
}
