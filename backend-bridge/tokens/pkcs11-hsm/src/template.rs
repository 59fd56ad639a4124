// SPDX-License-Identifier: MIT
//! Templates on their way to the vendor, and attributes on their way back.
//!
//! Both are arrays of `CK_ATTRIBUTE` whose pointers lead to memory that the array's owner holds: into the template it
//! was made of, or into buffers of its own. Nothing outside of this file can put another pointer there.

use std::marker::PhantomData;
use std::ptr::null_mut;

use cryptoki_sys as ck;
use keyenclave_model::attribute::{Kind, ULONG, Value, kind};
use keyenclave_model::error::Rv;
use keyenclave_model::template::{RawData, Template};
use zeroize::Zeroizing;

/// A template in C's form. It points into the template that it was made of.
pub(crate) struct Attributes<'a> {
    raw: Vec<ck::CK_ATTRIBUTE>,
    /// The arrays that templates within the template point to.
    _nested: Vec<Attributes<'a>>,
    _template: PhantomData<&'a Template>,
}

impl<'a> Attributes<'a> {
    /// The same attributes in the same order. Nothing is copied but pointers.
    pub fn new(template: &'a Template) -> Self {
        let mut nested = Vec::new();
        let mut attribute = |(id, value): (ck::CK_ATTRIBUTE_TYPE, &'a Value)| match value {
            Value::Bool(value) => entry(id, std::ptr::from_ref(value).cast(), 1),
            Value::Ulong(value) => entry(id, std::ptr::from_ref(value).cast(), ULONG),
            Value::Bytes(value) => entry(id, value.as_ptr(), value.len()),
            Value::Mechanisms(value) => entry(id, value.as_ptr().cast(), value.len() * ULONG),
            Value::Template(value) => {
                let inner = Attributes::new(value);
                let made = entry(id, inner.raw.as_ptr().cast(), size_of_val(inner.raw.as_slice()));
                nested.push(inner);
                made
            }
        };
        let raw = template.iter().map(&mut attribute).collect();
        Self {
            raw,
            _nested: nested,
            _template: PhantomData,
        }
    }

    /// What a C function takes. No function writes to a template that is given.
    pub fn raw(&self) -> (ck::CK_ATTRIBUTE_PTR, ck::CK_ULONG) {
        (self.raw.as_ptr().cast_mut(), self.raw.len() as ck::CK_ULONG)
    }
}

fn entry(id: ck::CK_ATTRIBUTE_TYPE, value: *const u8, len: usize) -> ck::CK_ATTRIBUTE {
    ck::CK_ATTRIBUTE {
        type_: id,
        pValue: value.cast_mut().cast(),
        ulValueLen: len as ck::CK_ULONG,
    }
}

/// Attributes that are asked for, with the memory that they are written to.
pub(crate) struct Reading {
    raw: Vec<ck::CK_ATTRIBUTE>,
    memory: Vec<Memory>,
}

/// Where one attribute goes.
enum Memory {
    /// Nowhere: only its length is asked for.
    None,
    /// Here.
    Bytes(Zeroizing<Vec<u8>>),
    /// A template within.
    Nested(Reading),
}

impl Memory {
    fn of(len: usize) -> Self {
        Self::Bytes(Zeroizing::new(vec![0; len]))
    }

    fn place(&mut self) -> (*mut u8, usize) {
        match self {
            Self::None => (null_mut(), 0),
            Self::Bytes(bytes) => (bytes.as_mut_ptr(), bytes.len()),
            Self::Nested(inner) => (inner.raw.as_mut_ptr().cast(), size_of_val(inner.raw.as_slice())),
        }
    }
}

impl Reading {
    fn new(wanted: impl IntoIterator<Item = (ck::CK_ATTRIBUTE_TYPE, Memory)>) -> Self {
        let mut this = Self {
            raw: Vec::new(),
            memory: Vec::new(),
        };
        for (id, mut memory) in wanted {
            let (place, len) = memory.place();
            this.raw.push(entry(id, place, len));
            this.memory.push(memory);
        }
        this
    }

    /// What `C_GetAttributeValue` takes. It writes the values, and the lengths over the room there was.
    pub fn raw(&mut self) -> (ck::CK_ATTRIBUTE_PTR, ck::CK_ULONG) {
        (self.raw.as_mut_ptr(), self.raw.len() as ck::CK_ULONG)
    }

    /// The first attribute's length in bytes.
    fn len(&self) -> Option<usize> {
        believed(self.raw.first()?)
    }

    /// Memory for those of which only the length was asked for.
    ///
    /// # Errors
    /// `CKR_ATTRIBUTE_TYPE_INVALID` where one has none that can be believed.
    fn unread(&self) -> Result<Vec<(ck::CK_ATTRIBUTE_TYPE, Memory)>, Rv> {
        let all = self.raw.iter().zip(&self.memory);
        let unread = all.filter(|(_, memory)| matches!(memory, Memory::None));
        unread
            .map(|(raw, _)| {
                let len = believed(raw).ok_or(Rv::AttributeTypeInvalid)?;
                Ok((raw.type_, Memory::of(len)))
            })
            .collect()
    }

    /// Those that the module says it has no value of (PKCS#11 3.2, section 5.7.5).
    fn marked(&self) -> Vec<ck::CK_ATTRIBUTE_TYPE> {
        let unavailable = |raw: &&ck::CK_ATTRIBUTE| raw.ulValueLen == ck::CK_UNAVAILABLE_INFORMATION;
        self.raw.iter().filter(unavailable).map(|raw| raw.type_).collect()
    }

    /// Whether anything can be written to it.
    fn has_room(&self) -> bool {
        self.raw.iter().any(|raw| raw.ulValueLen > 0)
    }

    /// What was written, if it fits the memory there was.
    fn values(self) -> impl Iterator<Item = (ck::CK_ATTRIBUTE_TYPE, Option<Value>)> {
        self.raw.into_iter().zip(self.memory).map(|(raw, memory)| {
            let len = usize::try_from(raw.ulValueLen).ok();
            let value = match memory {
                Memory::None => None,
                Memory::Bytes(mut bytes) => len.filter(|len| *len <= bytes.len()).map(|len| {
                    bytes.truncate(len);
                    shaped(raw.type_, bytes)
                }),
                Memory::Nested(inner) => {
                    let inner: Option<Template> =
                        inner.values().map(|(id, value)| Some((id, value?))).collect();
                    inner.map(Value::Template)
                }
            };
            (raw.type_, value)
        })
    }
}

/// The length in bytes that an attribute has now.
fn believed(raw: &ck::CK_ATTRIBUTE) -> Option<usize> {
    let len = usize::try_from(raw.ulValueLen).ok()?;
    // What is unavailable is longer.
    (len <= MAX_VALUE).then_some(len)
}

/// Bytes as the value of an attribute; those that are not of its kind stay bytes, and it is the reader's to judge.
fn shaped(id: ck::CK_ATTRIBUTE_TYPE, bytes: Zeroizing<Vec<u8>>) -> Value {
    match kind(id) {
        Kind::Bool | Kind::Ulong | Kind::Mechanisms => {
            Value::parse(id, &RawData::Bytes(&bytes)).unwrap_or(Value::Bytes(bytes))
        }
        Kind::Bytes | Kind::BigInteger | Kind::Date | Kind::Template => Value::Bytes(bytes),
    }
}

/// An attribute that was asked for: its value, or why there is none.
pub(crate) type Attribute = (ck::CK_ATTRIBUTE_TYPE, Result<Value, Rv>);

/// Reads attributes: all together where that works, then together those that the module has not marked as refused, since
/// each call may cost as much as a search; what is left one by one, since modules differ in what they leave behind for the
/// others.
///
/// A module is given room for a value only when it has said how long the value is, unless the kind of value tells, or
/// the module is known to look at the room (`checks_room`): some (NSS's softokn) write the whole value wherever it goes.
///
/// # Errors
/// What `call` answers beyond what is said of single attributes.
pub(crate) fn read_attributes(
    wanted: &[ck::CK_ATTRIBUTE_TYPE],
    checks_room: bool,
    mut call: impl FnMut(&mut Reading) -> Result<(), Rv>,
) -> Result<Vec<Attribute>, Rv> {
    let mut refusal = None;
    if wanted.iter().all(|id| kind(*id) != Kind::Template) {
        match read_together(wanted, checks_room, &mut call) {
            Ok(read) => return Ok(read),
            Err(refused) => refusal = Some(refused.of_single_attributes()?),
        }
    }
    let others = match &refusal {
        Some(refusal) => read_others(wanted, refusal, checks_room, &mut call)?,
        None => None,
    };
    // Where all others were read, the answer to all together is the one that it has for this one.
    let known = refusal.filter(|refusal| others.is_some() && refusal.rv != Rv::BufferTooSmall);
    let known = known.and_then(|refusal| match refusal.marked[..] {
        [only] => Some((only, refusal.rv)),
        _ => None,
    });
    let mut others = others.into_iter().flatten().peekable();
    let mut read = |id: &ck::CK_ATTRIBUTE_TYPE| match (others.next_if(|(of, _)| of == id), known) {
        (Some(read), _) => Ok(read),
        (None, Some((only, rv))) if only == *id => Ok((*id, Err(rv))),
        (None, _) => match read_one(*id, &mut call) {
            Ok(value) => Ok((*id, Ok(value))),
            Err(rv) if is_of_one_attribute(rv) => Ok((*id, Err(rv))),
            Err(rv) => Err(rv),
        },
    };
    wanted.iter().map(&mut read).collect()
}

/// Why attributes could not be read together.
struct Refusal {
    rv: Rv,
    /// Those that the module says it has no value of.
    marked: Vec<ck::CK_ATTRIBUTE_TYPE>,
}

impl Refusal {
    /// One that leaves the others readable.
    ///
    /// # Errors
    /// The module's answer, where it is about more than single attributes.
    fn of_single_attributes(self) -> Result<Self, Rv> {
        if is_of_one_attribute(self.rv) {
            Ok(self)
        } else {
            Err(self.rv)
        }
    }
}

impl From<Rv> for Refusal {
    fn from(rv: Rv) -> Self {
        let marked = Vec::new();
        Self { rv, marked }
    }
}

/// Those that are not marked, in their order; `None` where that does not work either, or where nothing is left.
fn read_others(
    wanted: &[ck::CK_ATTRIBUTE_TYPE],
    refusal: &Refusal,
    checks_room: bool,
    call: &mut impl FnMut(&mut Reading) -> Result<(), Rv>,
) -> Result<Option<Vec<Attribute>>, Rv> {
    let others = wanted.iter().filter(|id| !refusal.marked.contains(id));
    let others: Vec<_> = others.copied().collect();
    if others.is_empty() || others.len() == wanted.len() {
        return Ok(None);
    }
    match read_together(&others, checks_room, call) {
        Ok(read) => Ok(Some(read)),
        Err(refusal) => refusal.of_single_attributes().map(|_| None),
    }
}

fn present((id, value): (ck::CK_ATTRIBUTE_TYPE, Option<Value>)) -> Attribute {
    (id, value.ok_or(Rv::AttributeTypeInvalid))
}

fn is_of_one_attribute(rv: Rv) -> bool {
    matches!(
        rv,
        Rv::AttributeSensitive | Rv::AttributeTypeInvalid | Rv::BufferTooSmall
    )
}

/// The values whose length is known with the lengths of the others, then those.
fn read_together(
    wanted: &[ck::CK_ATTRIBUTE_TYPE],
    checks_room: bool,
    call: &mut impl FnMut(&mut Reading) -> Result<(), Rv>,
) -> Result<Vec<Attribute>, Refusal> {
    let room = |id| known_len(id).or_else(|| checks_room.then_some(MOSTLY_ENOUGH));
    let memory = |id| room(id).map_or(Memory::None, Memory::of);
    let mut reading = Reading::new(wanted.iter().map(|id| (*id, memory(*id))));
    call(&mut reading).map_err(|rv| Refusal {
        rv,
        marked: reading.marked(),
    })?;
    let mut rest = Reading::new(reading.unread()?);
    if rest.has_room() {
        call(&mut rest)?;
    }
    let mut rest = rest.values();
    let value = |(id, value): (_, Option<Value>)| match room(id) {
        Some(_) => present((id, value)),
        None => present((id, rest.next().and_then(|(_, value)| value))),
    };
    Ok(reading.values().map(value).collect())
}

/// Its value, where its length is known; otherwise its length first.
fn read_one(
    id: ck::CK_ATTRIBUTE_TYPE,
    call: &mut impl FnMut(&mut Reading) -> Result<(), Rv>,
) -> Result<Value, Rv> {
    if let Some(len) = known_len(id) {
        let mut reading = Reading::new([(id, Memory::of(len))]);
        match call(&mut reading) {
            Ok(()) => {
                let value = reading.values().next().and_then(|(_, value)| value);
                return value.ok_or(Rv::AttributeTypeInvalid);
            }
            // Here it is of another kind.
            Err(Rv::BufferTooSmall) => {}
            Err(rv) => return Err(rv),
        }
    }
    let mut reading = Reading::new([(id, Memory::None)]);
    call(&mut reading)?;
    let len = reading.len().ok_or(Rv::AttributeTypeInvalid)?;
    let memory = if kind(id) == Kind::Template {
        Memory::Nested(read_inner(id, len, call)?)
    } else {
        Memory::of(len)
    };
    let mut reading = Reading::new([(id, memory)]);
    call(&mut reading)?;
    let value = reading.values().next().and_then(|(_, value)| value);
    value.ok_or(Rv::DeviceError)
}

/// Memory for the attributes of a template that has `len` bytes as an array. A template within it is not followed.
fn read_inner(
    id: ck::CK_ATTRIBUTE_TYPE,
    len: usize,
    call: &mut impl FnMut(&mut Reading) -> Result<(), Rv>,
) -> Result<Reading, Rv> {
    let count = len / size_of::<ck::CK_ATTRIBUTE>();
    let empty = Reading::new((0..count).map(|_| (0, Memory::None)));
    let mut outer = Reading::new([(id, Memory::Nested(empty))]);
    call(&mut outer)?;
    let Some(Memory::Nested(inner)) = outer.memory.into_iter().next() else {
        return Err(Rv::DeviceError);
    };
    let room = inner.raw.iter().map(|raw| {
        let len = believed(raw).filter(|_| kind(raw.type_) != Kind::Template);
        (raw.type_, len.map_or(Memory::None, Memory::of))
    });
    Ok(Reading::new(room))
}

/// Room in bytes that most values fit in whose length is not known: an RSA modulus does.
const MOSTLY_ENOUGH: usize = 520;
/// The longest value that is believed, in bytes.
const MAX_VALUE: usize = 1 << 26;

/// The length in bytes of an attribute's values, where it is always the same.
fn known_len(id: ck::CK_ATTRIBUTE_TYPE) -> Option<usize> {
    match kind(id) {
        Kind::Bool => Some(1),
        Kind::Ulong => Some(ULONG),
        Kind::Date => Some(size_of::<ck::CK_DATE>()),
        Kind::Bytes | Kind::BigInteger | Kind::Mechanisms | Kind::Template => None,
    }
}

#[cfg(test)]
mod tests;
