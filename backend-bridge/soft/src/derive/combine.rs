// SPDX-License-Identifier: MIT
//! Keys from the bytes of other keys (PKCS#11 3.2, miscellaneous simple key derivation mechanisms).
//!
//! Whoever may cut a key short may guess it byte by byte. So a result holds all of a key, or as much of it as nobody
//! guesses, or nothing.

use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::{Combination, Params};
use zeroize::Zeroizing;

use super::Source;

/// So many bytes are not guessed: 112 bits.
const UNGUESSABLE: usize = 14;

/// Combines keys, the base key first, and data.
///
/// # Errors
/// `CKR_KEY_SIZE_RANGE` where there are not as many bytes as wanted, or too few of a key; `CKR_TEMPLATE_INCOMPLETE` where
/// the template has to say how many.
pub(super) fn combine(how: Combination, source: &Source<'_>) -> Result<Zeroizing<Vec<u8>>> {
    let (base, params, wanted) = (source.value(0), source.mechanism.params(), source.wanted);
    let data = match params {
        Params::Data(data) => data.as_slice(),
        _ => source.value(1),
    };
    // What each piece of the result is of: a key, or data.
    let pieces = match how {
        Combination::BaseAndKey => vec![(base, true), (data, true)],
        Combination::BaseAndData => vec![(base, true), (data, false)],
        Combination::DataAndBase => vec![(data, false), (base, true)],
        Combination::Xor => return xor(base, data, wanted),
        Combination::Extract => return extract(base, params, wanted),
    };
    let all: usize = pieces.iter().map(|(piece, _)| piece.len()).sum();
    let len = wanted.unwrap_or(all);
    let mut value = Zeroizing::new(Vec::with_capacity(all));
    for (piece, is_key) in pieces {
        let room = len.saturating_sub(value.len());
        let part = piece.get(..room).unwrap_or(piece);
        if is_key {
            check_part(part.len(), piece.len())?;
        }
        value.extend_from_slice(part);
    }
    exactly(value, len)
}

fn xor(base: &[u8], data: &[u8], wanted: Option<usize>) -> Result<Zeroizing<Vec<u8>>> {
    let len = wanted.unwrap_or(base.len().min(data.len()));
    let mixed = base.iter().zip(data).map(|(one, other)| one ^ other).take(len);
    let value = Zeroizing::new(mixed.collect::<Vec<_>>());
    check_part(value.len(), base.len())?;
    exactly(value, len)
}

/// Bits from a position on, around the end.
fn extract(base: &[u8], params: &Params, wanted: Option<usize>) -> Result<Zeroizing<Vec<u8>>> {
    let Params::Bit(position) = params else {
        return Err(Rv::MechanismParamInvalid.into());
    };
    let len = wanted.ok_or_else(|| {
        Error::new(
            Rv::TemplateIncomplete,
            "CKA_VALUE_LEN is missing: it says how much of the key is extracted",
        )
    })?;
    if *position >= base.len().saturating_mul(8) {
        return Err(Rv::MechanismParamInvalid.into());
    }
    if len > base.len() {
        return Err(too_short(len));
    }
    check_part(len, base.len())?;
    check_whole(len)?;
    let (first, shift) = (position / 8, position % 8);
    let byte = |index: usize| base.get(index % base.len()).copied().unwrap_or_default();
    let piece = |index: usize| {
        let pair = u16::from_be_bytes([byte(index), byte(index.saturating_add(1))]);
        let [_, low] = (pair >> (8 - shift)).to_be_bytes();
        low
    };
    let value = (0..len).map(|index| piece(first.saturating_add(index)));
    Ok(Zeroizing::new(value.collect()))
}

fn exactly(value: Zeroizing<Vec<u8>>, len: usize) -> Result<Zeroizing<Vec<u8>>> {
    if value.len() == len {
        check_whole(len)?;
        Ok(value)
    } else {
        Err(too_short(len))
    }
}

fn too_short(len: usize) -> Error {
    Error::new(
        Rv::KeySizeRange,
        format!("the keys and data have fewer than the {len} bytes that CKA_VALUE_LEN wants"),
    )
}

/// Whatever it is made of: a key as short as that is found by trying.
fn check_whole(len: usize) -> Result<()> {
    if len >= UNGUESSABLE {
        return Ok(());
    }
    Err(Error::new(
        Rv::KeySizeRange,
        format!("a key of {len} bytes could be guessed: make it at least {UNGUESSABLE} bytes long"),
    ))
}

fn check_part(part: usize, whole: usize) -> Result<()> {
    if part == 0 || part == whole || part >= UNGUESSABLE {
        return Ok(());
    }
    Err(Error::new(
        Rv::KeySizeRange,
        format!(
            "{part} bytes of a key could be guessed: take all of it, at least {UNGUESSABLE} bytes, or none"
        ),
    ))
}
