// SPDX-License-Identifier: MIT
//! The state of a running hash as bytes.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | the version of this layout, 1 |
//! | 1 | the hash, see [`CODES`] |
//! | 8 | how much has been added, in bytes, big-endian |
//! | 16, 20, 32 or 64 | the chaining value, its words big-endian |
//! | 0 to 127 | what has been added since the last whole block |
//!
//! Nothing is said twice, so nothing can contradict itself: how long the last field is follows from the length that
//! has been added. Whether a chaining value is one that a message leads to cannot be told, except before the first
//! whole block, when it has to be the initial one; another is as good as any to this code.

use super::{Context, Digest, Running};
use crate::error::{Error, Result};
use keyenclave_model::algorithm::Hash;
use zeroize::Zeroizing;

const VERSION: u8 = 1;

/// The hashes' numbers in a saved state. They never change.
const CODES: [(u8, Hash); 8] = [
    (1, Hash::Sha1),
    (2, Hash::Sha224),
    (3, Hash::Sha256),
    (4, Hash::Sha384),
    (5, Hash::Sha512),
    (6, Hash::Sha512_224),
    (7, Hash::Sha512_256),
    (8, Hash::Md5),
];

/// How far a hash has come.
pub(super) struct Progress<'a> {
    /// What has been added, in bits.
    pub(super) bits: u128,
    /// The words of the chaining value, big-endian.
    pub(super) chaining: Zeroizing<Vec<u8>>,
    /// In a context: the room for an incomplete block, of which the first part is in use. In a saved state: that part.
    pub(super) block: &'a [u8],
}

impl Digest {
    /// The state as bytes, from which [`Self::restore`] goes on.
    ///
    /// # Errors
    /// [`Error::InputLength`] after 2^64 bytes, [`Error::Unsupported`] for SHA-3.
    pub fn save(&self) -> Result<Zeroizing<Vec<u8>>> {
        let Running::Chained(context) = &self.0 else {
            return Err(Error::Unsupported);
        };
        let progress = context.progress();
        let added = u64::try_from(progress.bits / 8).map_err(|_| Error::InputLength)?;
        let (code, _) = CODES
            .iter()
            .find(|(_, hash)| *hash == self.hash())
            .ok_or(Error::Unsupported)?;
        let block = pending(added, progress.block.len())
            .and_then(|len| progress.block.get(..len))
            .ok_or(Error::InputLength)?;
        // All at once, so that no shorter copy is left behind unwiped.
        let fields = [
            &[VERSION, *code],
            &added.to_be_bytes()[..],
            &progress.chaining,
            block,
        ];
        Ok(Zeroizing::new(fields.concat()))
    }

    /// Goes on from a saved state. The bytes may come from anywhere.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for bytes that [`Self::save`] does not write.
    pub fn restore(state: &[u8]) -> Result<Self> {
        parse(state).ok_or(Error::InvalidInput)
    }
}

fn parse(state: &[u8]) -> Option<Digest> {
    let ([VERSION, code], state) = state.split_first_chunk()? else {
        return None;
    };
    let (added, state) = state.split_first_chunk()?;
    let added = u64::from_be_bytes(*added);
    let (_, hash) = CODES.iter().find(|(known, _)| known == code)?;
    let mut context = Box::new(Context::new(*hash)?);
    let initial = context.progress();
    let (chaining, block) = state.split_at_checked(initial.chaining.len())?;
    let block_len = initial.block.len();
    let is_first = usize::try_from(added).is_ok_and(|added| added < block_len);
    if block.len() != pending(added, block_len)? || (is_first && chaining != initial.chaining.as_slice()) {
        return None;
    }
    let progress = Progress {
        bits: u128::from(added) * 8,
        chaining: Zeroizing::new(chaining.to_vec()),
        block,
    };
    context
        .go_on(&progress)
        .then(|| Digest(Running::Chained(context)))
}

/// How much of a block is incomplete after so many bytes.
fn pending(added: u64, block_len: usize) -> Option<usize> {
    let block_len = u64::try_from(block_len).ok()?;
    usize::try_from(added.checked_rem(block_len)?).ok()
}
