// SPDX-License-Identifier: MIT
//! What the module's functions are given and write to, made from slices and values. Pointers are made here and never
//! followed.
#![forbid(unsafe_code)]

use std::ptr::null_mut;

use cryptoki_sys as ck;

use super::refusal::{Refusal, Returned};

/// The most items of a list, or bytes of an attribute, that a module is believed to have.
pub(super) const ITEMS_MAX: usize = 1 << 24;

/// An attribute for a template, or from an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// `CKA_…`.
    pub kind: ck::CK_ATTRIBUTE_TYPE,
    /// The value, as PKCS#11 encodes it.
    pub value: Vec<u8>,
}

/// A mechanism and its parameter.
#[derive(Clone, Copy, Debug)]
pub struct Mechanism {
    /// `CKM_…`.
    pub kind: ck::CK_MECHANISM_TYPE,
    /// What it needs beside that.
    pub parameter: Parameter,
}

/// A mechanism's parameter.
#[derive(Clone, Copy, Debug)]
pub enum Parameter {
    /// None.
    None,
    /// For PSS.
    Pss(ck::CK_RSA_PKCS_PSS_PARAMS),
    /// For EdDSA: no context, and the message is hashed before.
    Prehash,
}

/// Output of a C function, for which there is room for `room` bytes.
pub(super) fn output(
    room: usize,
    fill: impl FnOnce(*mut u8, *mut ck::CK_ULONG) -> Returned<()>,
) -> Returned<Vec<u8>> {
    let mut bytes = vec![0; room];
    let mut len = to_ulong(room);
    fill(bytes.as_mut_ptr(), &raw mut len)?;
    bytes.truncate(to_usize(len));
    Ok(bytes)
}

/// Input for a C function, whose prototypes lack `const`.
pub(super) fn input(bytes: &[u8]) -> (*mut u8, ck::CK_ULONG) {
    (bytes.as_ptr().cast_mut(), to_ulong(bytes.len()))
}

/// The C form of a template; it points into the template and must not outlive it.
pub(super) fn raw(template: &[Attribute]) -> (Vec<ck::CK_ATTRIBUTE>, ck::CK_ULONG) {
    let attributes = template.iter().map(|Attribute { kind, value }| {
        let (pointer, len) = input(value);
        ck::CK_ATTRIBUTE {
            type_: *kind,
            pValue: pointer.cast(),
            ulValueLen: len,
        }
    });
    (attributes.collect(), to_ulong(template.len()))
}

/// The C form of a parameter.
pub(super) enum Raw {
    None,
    Pss(ck::CK_RSA_PKCS_PSS_PARAMS),
    Eddsa(ck::CK_EDDSA_PARAMS),
}

impl From<Parameter> for Raw {
    fn from(parameter: Parameter) -> Self {
        match parameter {
            Parameter::None => Self::None,
            Parameter::Pss(pss) => Self::Pss(pss),
            Parameter::Prehash => Self::Eddsa(ck::CK_EDDSA_PARAMS {
                phFlag: ck::CK_TRUE,
                ulContextDataLen: 0,
                pContextData: null_mut(),
            }),
        }
    }
}

/// The C form of a mechanism; it points at the parameter and must not outlive it.
pub(super) fn raw_mechanism(kind: ck::CK_MECHANISM_TYPE, parameter: &mut Raw) -> ck::CK_MECHANISM {
    let (parameter, len) = match parameter {
        Raw::None => (null_mut(), 0),
        Raw::Pss(pss) => (std::ptr::from_mut(pss).cast(), size_of_val(pss)),
        Raw::Eddsa(eddsa) => (std::ptr::from_mut(eddsa).cast(), size_of_val(eddsa)),
    };
    ck::CK_MECHANISM {
        mechanism: kind,
        pParameter: parameter,
        ulParameterLen: to_ulong(len),
    }
}

/// Memory for as many items as a module says it has.
///
/// # Errors
/// `CKR_HOST_MEMORY` for more than any token holds: a broken module must not end this program.
pub(super) fn room<T: Clone + Default>(function: &'static str, count: ck::CK_ULONG) -> Returned<Vec<T>> {
    let rv = ck::CKR_HOST_MEMORY;
    match to_usize(count) {
        count if count <= ITEMS_MAX => Ok(vec![T::default(); count]),
        _ => Err(Refusal::bare(function, rv)),
    }
}

/// A length that the module reported. One that does not fit is as good as the largest.
pub(super) fn to_usize(len: ck::CK_ULONG) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}

/// A length of memory, which always fits.
pub(super) fn to_ulong(len: usize) -> ck::CK_ULONG {
    ck::CK_ULONG::try_from(len).unwrap_or(ck::CK_ULONG::MAX)
}
