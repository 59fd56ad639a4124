// SPDX-License-Identifier: MIT
//! Copies of parameters with all that they point to.

use std::cell::Cell;

use cryptoki_sys as ck;
use keyenclave_model::attribute::ULONG;
use keyenclave_model::mechanism::ChaChaPolyParams;
use smallvec::SmallVec;
use zeroize::{Zeroize, Zeroizing};

use super::shapes::{Behind, Field, Len, Shape, Structure, message_shape, shape};
use super::{number, put};
use crate::ffi::{append, differs, follow, hand_back};
use crate::owned::memory;

/// A parameter with all that it points to. Many operations begin with one: what is usual takes two pieces of memory.
pub(crate) struct OwnParameter {
    /// The parameter, whose pointers lead to the rest.
    flat: Zeroizing<Vec<u8>>,
    /// The bytes right behind them.
    behind: Block,
    /// What is behind pointers of structures there, and these structures.
    blocks: Vec<Block>,
    outputs: SmallVec<[Output; 1]>,
}

/// Memory that the vendor may write to while it is lent.
struct Block(Vec<Cell<u8>>);

/// A place that the vendor writes to.
struct Output {
    /// In which of the blocks; `None` for the bytes right behind the parameter.
    block: Option<usize>,
    at: usize,
    len: usize,
    /// Where the application has it.
    to: usize,
    made: bool,
}

/// Stands where a handle is to be written, and still does where the vendor has not done so.
const UNTOUCHED: ck::CK_OBJECT_HANDLE = ck::CK_OBJECT_HANDLE::MAX;

/// What the vendor has written.
pub(crate) struct Written {
    to: usize,
    bytes: Zeroizing<Vec<u8>>,
    /// Whether it is the handle of an object that it has made.
    made: bool,
}

impl Written {
    /// The handle of what was made; `None` where it is something else, or nothing.
    pub fn made(&self) -> Option<ck::CK_OBJECT_HANDLE> {
        let handle = self.handle()?;
        let is_none = [ck::CK_INVALID_HANDLE, UNTOUCHED].contains(&handle);
        (!is_none).then_some(handle)
    }

    /// Whether the vendor has said that there is no handle.
    pub fn is_no_handle(&self) -> bool {
        self.handle() == Some(ck::CK_INVALID_HANDLE)
    }

    fn handle(&self) -> Option<ck::CK_OBJECT_HANDLE> {
        if self.made { number(&self.bytes, 0) } else { None }
    }

    /// With this handle in the place of the vendor's.
    pub fn rename(&mut self, handle: ck::CK_OBJECT_HANDLE) {
        put(&mut self.bytes, 0, handle);
    }

    /// Whether the vendor has written something else than is where the parameter that was copied has it. To be called
    /// inside of the application's call.
    fn is_news(&self) -> bool {
        self.handle() != Some(UNTOUCHED) && differs(self.to, self.bytes.iter().copied())
    }

    /// Writes it to there, unless that is what is there: it may be memory that can only be read. To be called inside of
    /// the application's call.
    pub fn hand_back(&self) {
        if self.is_news() {
            hand_back(self.to, &self.bytes);
        }
    }
}

/// More than this behind one pointer is a mistake of the application's, in bytes.
const MAX_INPUT: usize = 1 << 30;

/// What becomes of a handle in a copy.
type Translate<'a> = &'a mut dyn FnMut(ck::CK_OBJECT_HANDLE) -> ck::CK_OBJECT_HANDLE;

impl OwnParameter {
    /// A copy; `None` if the structure is not known, or is one that only the application's own memory will do for.
    /// To be called inside of the application's call.
    pub fn copy(id: ck::CK_MECHANISM_TYPE, parameter: &[u8]) -> Option<Self> {
        Self::of(shape(id, parameter.len())?, parameter, &mut |handle| handle)
    }

    /// The same with other handles: the vendor's in the place of ours.
    pub fn translated(id: ck::CK_MECHANISM_TYPE, parameter: &[u8], translate: Translate<'_>) -> Option<Self> {
        Self::of(shape(id, parameter.len())?, parameter, translate)
    }

    /// A copy of the parameter of a message, or of the mechanism of messages.
    pub fn of_message(id: ck::CK_MECHANISM_TYPE, parameter: &[u8]) -> Option<Self> {
        let shape = message_shape(id, parameter.len()).or_else(|| shape(id, parameter.len()))?;
        Self::of(shape, parameter, &mut |handle| handle)
    }

    fn of(shape: &Shape, parameter: &[u8], translate: Translate<'_>) -> Option<Self> {
        let mut total = 0_usize;
        for field in shape.fields {
            if let Some(behind) = field.bytes(parameter) {
                total = total.checked_add(behind.len.of(parameter, parameter)?)?;
            }
        }
        let mut flat = Zeroizing::new(parameter.to_vec());
        let mut copy = Self {
            flat: Zeroizing::default(),
            behind: Block::with_room(total)?,
            blocks: Vec::new(),
            outputs: SmallVec::new(),
        };
        for field in shape.fields {
            copy.field(field, &mut flat, parameter, translate)?;
        }
        copy.flat = flat;
        Some(copy)
    }

    /// In C's form. Its pointers are good as long as `self` is there.
    pub fn bytes(&self) -> &[u8] {
        &self.flat
    }

    /// Whether the vendor writes something that the application wants.
    pub fn has_outputs(&self) -> bool {
        !self.outputs.is_empty()
    }

    /// What is there now of what the vendor writes.
    pub fn written(&self) -> Vec<Written> {
        let read = |output: &Output| {
            let cells = self.cells(output)?.iter().map(Cell::get);
            Some(Written {
                to: output.to,
                bytes: Zeroizing::new(cells.collect()),
                made: output.made,
            })
        };
        self.outputs.iter().filter_map(read).collect()
    }

    /// Whether any of that is something else than is where the parameter that was copied has it. To be called inside of
    /// the application's call.
    pub fn has_news(&self) -> bool {
        let is_news = |output: &Output| {
            let cells = self.cells(output).unwrap_or_default().iter().map(Cell::get);
            let is_untouched = output.made && cells.clone().eq(UNTOUCHED.to_ne_bytes());
            !is_untouched && differs(output.to, cells)
        };
        self.outputs.iter().any(is_news)
    }

    fn cells(&self, output: &Output) -> Option<&[Cell<u8>]> {
        let block = match output.block {
            Some(block) => self.blocks.get(block)?,
            None => &self.behind,
        };
        block.0.get(output.at..)?.get(..output.len)
    }

    /// Copies what a field of `bytes` leads to, and leads it there. `outer` is the parameter.
    fn field(
        &mut self,
        field: &Field,
        bytes: &mut [u8],
        outer: &[u8],
        translate: Translate<'_>,
    ) -> Option<()> {
        match field {
            Field::Handle(at) => put(bytes, *at, translate(number(bytes, *at)?)),
            Field::Key(at, len, kind, is) if number(bytes, *kind)? == *is => {
                let mut handle = [0; ULONG];
                if len.of(bytes, outer)? != ULONG || !follow(pointer(bytes, *at)?, &mut handle) {
                    return None;
                }
                let handle = translate(ck::CK_OBJECT_HANDLE::from_ne_bytes(handle));
                let to = self.block(Block::of(&handle.to_ne_bytes())?);
                put(bytes, *at, to);
            }
            // Its value points to more.
            Field::Value(_, _, kind) if number(bytes, *kind)? & ck::CKF_ARRAY_ATTRIBUTE != 0 => return None,
            Field::Bytes(..) | Field::Wanted(..) | Field::Written(..) | Field::Key(..) | Field::Value(..) => {
                if let Some(behind) = field.bytes(bytes) {
                    self.lead(&behind, bytes, outer)?;
                }
            }
            Field::Structures(at, count, of) => {
                let count = match count {
                    Some(count) => usize::try_from(number(bytes, *count)?).ok()?,
                    None => 1,
                };
                let to = self.structures(pointer(bytes, *at)?, count, of, outer, translate)?;
                put(bytes, *at, to);
            }
            Field::Made(at) => put(bytes, *at, UNTOUCHED),
            Field::Number(_) => {}
            Field::Stay => return None,
        }
        Some(())
    }

    /// Copies structures; where they are now.
    fn structures(
        &mut self,
        from: usize,
        count: usize,
        of: &Structure,
        outer: &[u8],
        translate: Translate<'_>,
    ) -> Option<ck::CK_ULONG> {
        let total = of.size.checked_mul(count).filter(|total| *total <= MAX_INPUT)?;
        if total == 0 {
            return Some(from as ck::CK_ULONG);
        }
        if from == 0 {
            // One that nobody wants; several of them are a mistake.
            return (count == 1).then_some(0);
        }
        let mut all = memory(total).ok()?;
        follow(from, &mut all);
        for structure in all.chunks_exact_mut(of.size) {
            for field in of.fields {
                self.field(field, structure, outer, translate)?;
            }
        }
        let to = self.block(Block::of(&all)?);
        for first in (0..total).step_by(of.size) {
            for field in of.fields {
                if let Field::Made(at) | Field::Number(at) = field {
                    let at = first + at;
                    self.outputs.push(Output {
                        block: self.blocks.len().checked_sub(1),
                        at,
                        len: ULONG,
                        to: from + at,
                        made: matches!(field, Field::Made(_)),
                    });
                }
            }
        }
        Some(to)
    }

    /// Copies bytes and leads there: to where there is room for them, else to memory of their own.
    fn lead(&mut self, behind: &Behind, bytes: &mut [u8], outer: &[u8]) -> Option<()> {
        let (from, len) = (pointer(bytes, behind.at)?, behind.len.of(bytes, outer)?);
        if from == 0 {
            return (len == 0).then_some(());
        }
        let block = (!self.behind.has_room(len)).then_some(self.blocks.len());
        if block.is_some() {
            self.blocks.push(Block::with_room(len)?);
        }
        let (to, at) = match block.and_then(|block| self.blocks.get_mut(block)) {
            Some(own) => own.append(from, len),
            None => self.behind.append(from, len),
        };
        put(bytes, behind.at, to as ck::CK_ULONG);
        if behind.is_written {
            self.outputs.push(Output {
                block,
                at,
                len,
                to: from,
                made: false,
            });
        }
        Some(())
    }

    fn block(&mut self, block: Block) -> ck::CK_ULONG {
        let address = block.address();
        self.blocks.push(block);
        address as ck::CK_ULONG
    }
}

impl Block {
    /// `None` where there is no memory.
    fn of(bytes: &[u8]) -> Option<Self> {
        let mut block = Self::with_room(bytes.len())?;
        block.0.extend(bytes.iter().copied().map(Cell::new));
        Some(block)
    }

    /// For so many bytes, none of them there yet; `None` where there is no memory.
    fn with_room(len: usize) -> Option<Self> {
        let mut cells = Vec::new();
        cells.try_reserve_exact(len).ok()?;
        Some(Self(cells))
    }

    fn has_room(&self, len: usize) -> bool {
        self.0.capacity() - self.0.len() >= len
    }

    /// Copies bytes into the room that there is; their address, and how far that is from the beginning.
    fn append(&mut self, from: usize, len: usize) -> (usize, usize) {
        let at = self.0.len();
        append(from, len, &mut self.0);
        (self.address() + at, at)
    }

    fn address(&self) -> usize {
        self.0.as_ptr().expose_provenance()
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(|cell| cell.get_mut().zeroize());
    }
}

impl Len {
    /// In bytes.
    fn of(self, structure: &[u8], outer: &[u8]) -> Option<usize> {
        let len = match self {
            Self::Bytes(at) => usize::try_from(number(structure, at)?).ok()?,
            Self::Bits(at) => usize::try_from(number(structure, at)?).ok()?.div_ceil(8),
            Self::Nonce(at) => usize::try_from(ChaChaPolyParams::nonce_len(number(structure, at)?)).ok()?,
            Self::OuterBits(at) => usize::try_from(number(outer, at)?).ok()?.div_ceil(8),
            Self::Told(at) => {
                let mut told = [0; ULONG];
                if !follow(pointer(structure, at)?, &mut told) {
                    return None;
                }
                usize::from_ne_bytes(told)
            }
            Self::Exactly(len) => len,
        };
        (len <= MAX_INPUT).then_some(len)
    }
}

fn pointer(structure: &[u8], at: usize) -> Option<usize> {
    usize::try_from(number(structure, at)?).ok()
}

#[cfg(test)]
mod tests;
