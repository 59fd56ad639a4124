// SPDX-License-Identifier: MIT
//! Templates as the application gives them: arrays of `CK_ATTRIBUTE`, read for their values or filled with them.
//!
//! Apart from the other values because an attribute is memory that points to memory, and a template may itself be an
//! attribute's value (`CKA_WRAP_TEMPLATE` and the like), one level deep. Array elements and numbers are copied out
//! byte by byte, wherever they stand.

use std::marker::PhantomData;

use cryptoki_sys as ck;
use keyenclave_model::attribute::{self, Kind};
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::template::{RawAttribute, RawData, Template};

use super::values::{length, read, slice, ulong, write, write_all};

/// The longest template that is believed. Each attribute stands in it once at the most, so this is generous.
const ATTRIBUTES_MAX: usize = 4096;
/// The longest value of an attribute that is believed, in bytes.
const VALUE_MAX: usize = 1 << 28;
const ATTRIBUTE: usize = size_of::<ck::CK_ATTRIBUTE>();

/// A template that says something: `C_CreateObject`, `C_FindObjectsInit`, …
pub struct RawTemplate<'a>(Attributes<'a>);

impl RawTemplate<'_> {
    /// `count` attributes at `ptr`.
    ///
    /// # Safety
    /// A `ptr` that is not null can be read for `count` attributes during `'a`, and so can each value that is not
    /// null, for its length; with templates that are values it is the same. Nobody writes there meanwhile.
    pub unsafe fn new(ptr: *const ck::CK_ATTRIBUTE, count: ck::CK_ULONG) -> Self {
        Self(Attributes {
            ptr: ptr.cast_mut(),
            count,
            memory: PhantomData,
        })
    }

    /// The attributes and their values.
    ///
    /// # Errors
    /// `CKR_ARGUMENTS_BAD` for null with a count, or an absurd count; `CKR_ATTRIBUTE_VALUE_INVALID` as
    /// [`Template::parse`].
    pub fn parse(&self) -> Result<Template> {
        Template::parse(&self.read()?)
    }

    /// The attributes and their values, whatever they are.
    ///
    /// # Errors
    /// As [`Self::parse`], but for memory alone.
    pub fn given(&self) -> Result<Template> {
        self.read().map(|raw| Template::given(&raw))
    }

    fn read(&self) -> Result<Vec<RawAttribute<'_>>> {
        self.0.check()?;
        let places = self.0.iter();
        places
            .map(|place| raw_attribute(&place, Nesting::Allowed))
            .collect()
    }
}

/// Whether a value may be a template.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nesting {
    Allowed,
    Refused,
}

fn raw_attribute<'a>(place: &AttributeBuffer<'a>, nesting: Nesting) -> Result<RawAttribute<'a>> {
    let id = place.id();
    let data = match attribute::kind(id) {
        Kind::Template if nesting == Nesting::Refused => return invalid(id, "is nested too deeply"),
        Kind::Template => RawData::Nested(nested(place)?),
        _ => RawData::Bytes(value(place)?),
    };
    Ok(RawAttribute { id, data })
}

fn nested<'a>(place: &AttributeBuffer<'a>) -> Result<Vec<RawAttribute<'a>>> {
    match place.elements() {
        Some(inner) if inner.check().is_ok() => inner
            .iter()
            .map(|place| raw_attribute(&place, Nesting::Refused))
            .collect(),
        _ => invalid(place.id(), "is not an array of attributes"),
    }
}

fn value<'a>(place: &AttributeBuffer<'a>) -> Result<&'a [u8]> {
    if length(place.raw.ulValueLen).is_none_or(|len| len > VALUE_MAX) {
        return invalid(place.id(), "has a length that no value has");
    }
    // SAFETY: a value can be read for its length, as promised to `RawTemplate::new`, from which `place` comes.
    let bytes = unsafe { slice(place.raw.pValue.cast(), place.raw.ulValueLen) };
    bytes.map_or_else(|| invalid(place.id(), "has a length but no value"), Ok)
}

fn invalid<T>(id: ck::CK_ATTRIBUTE_TYPE, what: &str) -> Result<T> {
    Err(Error::new(
        Rv::AttributeValueInvalid,
        format!("{} {what}", attribute::name(id)),
    ))
}

/// A template that is to be filled: `C_GetAttributeValue`.
pub struct AttributeBuffers<'a>(Attributes<'a>);

impl<'a> AttributeBuffers<'a> {
    /// `count` attributes at `ptr`.
    ///
    /// # Safety
    /// A `ptr` that is not null can be read and written for `count` attributes during `'a`, and each value that is
    /// not null can be written for its length; with templates that are values it is the same, and they can be read.
    /// Nobody else uses any of it meanwhile.
    pub unsafe fn new(ptr: *mut ck::CK_ATTRIBUTE, count: ck::CK_ULONG) -> Self {
        Self(Attributes {
            ptr,
            count,
            memory: PhantomData,
        })
    }

    /// Whether there is a template.
    ///
    /// # Errors
    /// `CKR_ARGUMENTS_BAD` for null with a count, or an absurd count.
    pub fn check(&self) -> Result<()> {
        self.0.check()
    }

    /// The attributes, one after the other; none where [`Self::check`] would have failed.
    pub fn iter(&mut self) -> impl Iterator<Item = AttributeBuffer<'a>> + use<'a> {
        self.0.iter()
    }
}

/// One attribute that is to be filled.
pub struct AttributeBuffer<'a> {
    place: *mut ck::CK_ATTRIBUTE,
    raw: ck::CK_ATTRIBUTE,
    memory: PhantomData<&'a mut ck::CK_ATTRIBUTE>,
}

impl<'a> AttributeBuffer<'a> {
    /// Which attribute.
    pub fn id(&self) -> ck::CK_ATTRIBUTE_TYPE {
        self.raw.type_
    }

    /// Whether only the length is asked for.
    pub fn is_query(&self) -> bool {
        self.raw.pValue.is_null()
    }

    /// Size of the application's buffer, in bytes; 0 for a query.
    pub fn capacity(&self) -> usize {
        if self.is_query() {
            0
        } else {
            length(self.raw.ulValueLen).unwrap_or(0)
        }
    }

    /// Writes the value and its length, or answers the query for the length.
    ///
    /// # Errors
    /// `CKR_BUFFER_TOO_SMALL`, when the length has become `CK_UNAVAILABLE_INFORMATION`, as the specification wants it.
    pub fn write(&mut self, value: &[u8]) -> Result<()> {
        self.make_room(value.len())?;
        // SAFETY: not longer than the memory is, as promised to `AttributeBuffers::new`; nothing happens to null.
        unsafe { write_all(self.raw.pValue.cast::<u8>(), value) };
        Ok(())
    }

    /// Writes a template as the value: the elements' types, and their values as [`Self::write`] does.
    ///
    /// # Errors
    /// `CKR_BUFFER_TOO_SMALL` if the array or one of its elements is too small. `CKR_GENERAL_ERROR` for a template
    /// in the template.
    pub fn write_template(&mut self, template: &Template) -> Result<()> {
        self.make_room(template.len().saturating_mul(ATTRIBUTE))?;
        let Some(elements) = self.elements() else {
            return Ok(());
        };
        let mut outcome = Ok(());
        for (mut element, (id, value)) in elements.iter().zip(template.iter()) {
            let value = value
                .encode()
                .ok_or_else(|| Error::new(Rv::GeneralError, "a template in a template"))?;
            element.set_id(id);
            outcome = outcome.and(element.write(&value));
        }
        outcome
    }

    /// Says that there is no value to be had.
    pub fn set_unavailable(&mut self) {
        self.set_raw_len(ck::CK_UNAVAILABLE_INFORMATION);
    }

    /// Says how long the value is, in bytes.
    pub fn set_len(&mut self, len: usize) {
        self.set_raw_len(ulong(len));
    }

    /// Says how long the value is; an error if it does not fit and was asked for.
    fn make_room(&mut self, len: usize) -> Result<()> {
        if self.is_query() || len <= self.capacity() {
            self.set_len(len);
            return Ok(());
        }
        self.set_unavailable();
        Err(Rv::BufferTooSmall.into())
    }

    /// The array that the value is; `None` for a query, and for a length that is not whole attributes.
    fn elements(&self) -> Option<Attributes<'a>> {
        let len = length(self.raw.ulValueLen)?;
        let count = ulong(len / ATTRIBUTE);
        let whole = len % ATTRIBUTE == 0 && (len == 0 || !self.is_query());
        whole.then_some(Attributes {
            ptr: self.raw.pValue.cast(),
            count,
            memory: PhantomData,
        })
    }

    fn set_raw_len(&mut self, len: ck::CK_ULONG) {
        // SAFETY: `place` is an element of the array that was promised to `AttributeBuffers::new`.
        let field = unsafe { &raw mut (*self.place).ulValueLen };
        // SAFETY: likewise; `write` does not mind how it is aligned.
        unsafe { write(field, len) };
    }

    fn set_id(&mut self, id: ck::CK_ATTRIBUTE_TYPE) {
        // SAFETY: `place` is an element of the array that was promised to `AttributeBuffers::new`.
        let field = unsafe { &raw mut (*self.place).type_ };
        // SAFETY: likewise; `write` does not mind how it is aligned.
        unsafe { write(field, id) };
    }
}

/// An array of `CK_ATTRIBUTE`, wherever it stands. Its makers vouch for the memory.
struct Attributes<'a> {
    ptr: *mut ck::CK_ATTRIBUTE,
    count: ck::CK_ULONG,
    memory: PhantomData<&'a mut [ck::CK_ATTRIBUTE]>,
}

impl<'a> Attributes<'a> {
    fn check(&self) -> Result<()> {
        match self.len() {
            Some(_) => Ok(()),
            None => Err(Rv::ArgumentsBad.into()),
        }
    }

    fn len(&self) -> Option<usize> {
        let len = length(self.count).filter(|len| *len <= ATTRIBUTES_MAX)?;
        (len == 0 || !self.ptr.is_null()).then_some(len)
    }

    fn iter(&self) -> impl Iterator<Item = AttributeBuffer<'a>> + use<'a> {
        let start = self.ptr;
        (0..self.len().unwrap_or(0)).filter_map(move |index| {
            let place = start.wrapping_add(index);
            // SAFETY: not null, and an element of the array that the maker vouches for.
            let raw = unsafe { read(place) }?;
            Some(AttributeBuffer {
                place,
                raw,
                memory: PhantomData,
            })
        })
    }
}
