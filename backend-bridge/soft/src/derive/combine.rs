// SPDX-License-Identifier: MIT
//! Keys from the bytes of other keys (PKCS#11 3.2, miscellaneous simple key derivation mechanisms).
//!
//! Whoever may cut a key short may guess it byte by byte. So a result holds all of a key that is closed, or nothing, or as
//! much of it as nobody guesses; and the last only of a key that the token generated. Of another one nobody knows how many
//! of its bytes somebody has put there: a key with known bytes appended to it, cut a second time, tells its last byte.
//!
//! A key that can be read anyway is cut as anybody likes.

use cryptoki_sys as ck;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::{Combination, Params};
use zeroize::Zeroizing;

use super::Source;
use crate::material::UNGUESSABLE;

/// Combines keys, the base key first, and data.
///
/// # Errors
/// `CKR_KEY_SIZE_RANGE` where there are not as many bytes as wanted, or too few of a key; `CKR_KEY_FUNCTION_NOT_PERMITTED`
/// for a part of a key that is taken as a whole only; `CKR_TEMPLATE_INCOMPLETE` where the template has to say how many.
pub(super) fn combine(how: Combination, source: &Source<'_>) -> Result<Zeroizing<Vec<u8>>> {
    let (base, params, wanted) = (source.value(0), source.mechanism.params(), source.wanted);
    let data = match params {
        Params::Data(data) => data.as_slice(),
        _ => source.value(1),
    };
    // What each piece of the result is of: a key, by its place among the keys, or data.
    let pieces = match how {
        Combination::BaseAndKey => vec![(base, Some(0)), (data, Some(1))],
        Combination::BaseAndData => vec![(base, Some(0)), (data, None)],
        Combination::DataAndBase => vec![(data, None), (base, Some(0))],
        Combination::Xor => return xor(source, base, data),
        Combination::Extract => return extract(source, base, params),
    };
    let all: usize = pieces.iter().map(|(piece, _)| piece.len()).sum();
    let len = wanted.unwrap_or(all);
    let mut value = Zeroizing::new(Vec::with_capacity(all));
    for (piece, key) in pieces {
        let room = len.saturating_sub(value.len());
        let part = piece.get(..room).unwrap_or(piece);
        if let Some(key) = key {
            check_part(source, key, part.len(), piece.len())?;
        }
        value.extend_from_slice(part);
    }
    exactly(value, len)
}

fn xor(source: &Source<'_>, base: &[u8], data: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let len = source.wanted.unwrap_or(base.len().min(data.len()));
    let mixed = base.iter().zip(data).map(|(one, other)| one ^ other).take(len);
    let value = Zeroizing::new(mixed.collect::<Vec<_>>());
    check_part(source, 0, value.len(), base.len())?;
    exactly(value, len)
}

/// Bits from a position on, around the end.
fn extract(source: &Source<'_>, base: &[u8], params: &Params) -> Result<Zeroizing<Vec<u8>>> {
    let Params::Bit(position) = params else {
        return Err(Rv::MechanismParamInvalid.into());
    };
    let len = source.wanted.ok_or_else(|| {
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
    check_part(source, 0, len, base.len())?;
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

fn check_part(source: &Source<'_>, key: usize, part: usize, whole: usize) -> Result<()> {
    let object = source.keys.get(key).map(|key| &key.object);
    if part == 0 || part == whole || object.is_some_and(|object| object.is_open()) {
        return Ok(());
    }
    if !object.is_some_and(|object| object.is_true(ck::CKA_LOCAL)) {
        return Err(Error::new(
            Rv::KeyFunctionNotPermitted,
            "the token has not generated the key, and some of its bytes may be known: a part of it could be guessed",
        ));
    }
    if part >= UNGUESSABLE {
        return Ok(());
    }
    Err(Error::new(
        Rv::KeySizeRange,
        format!(
            "{part} bytes of a key could be guessed: take all of it, at least {UNGUESSABLE} bytes, or none"
        ),
    ))
}
