// SPDX-License-Identifier: MIT
//! AES in the two modes that steal ciphertext so that the data need not be whole blocks: CBC-CS1 (NIST SP 800-38A,
//! addendum) and XTS (IEEE 1619, NIST SP 800-38E). Both take one block at least.
//!
//! aws-lc has XTS for keys of 256 bits only, and in one piece; here it is ECB between two additions of the tweak.

use super::{AES_BLOCK_LEN, AesKey, Ciphers, Context, Direction, update};
use crate::error::{Error, Result, room};
use aws_lc_sys as sys;
use std::ptr::null;
use zeroize::Zeroizing;

const ECB: Ciphers = [sys::EVP_aes_128_ecb, sys::EVP_aes_192_ecb, sys::EVP_aes_256_ecb];
const CBC: Ciphers = [sys::EVP_aes_128_cbc, sys::EVP_aes_192_cbc, sys::EVP_aes_256_cbc];

/// What stays back until the end comes: more than one block, two at the most.
const HELD: usize = 2 * AES_BLOCK_LEN;
/// The longest data unit of XTS, in bytes (SP 800-38E, section 4).
const XTS_MOST: usize = AES_BLOCK_LEN << 20;
/// How many blocks of XTS go through ECB together.
const TOGETHER: usize = 64;

type Block = [u8; AES_BLOCK_LEN];

/// A key for XTS: one AES key for the data and another for the tweak.
pub struct AesXtsKey {
    data: AesKey,
    tweak: AesKey,
}

/// A running encryption or decryption with ciphertext stealing.
pub struct AesStealing {
    chain: Chain,
    direction: Direction,
    held: Zeroizing<Vec<u8>>,
    /// How many bytes may still come.
    left: usize,
}

/// How whole blocks are processed.
enum Chain {
    Cbc {
        context: Context,
        /// Decrypts a block for itself.
        block: Context,
    },
    Xts {
        context: Context,
        tweak: Tweak,
    },
}

impl AesKey {
    /// Starts to encrypt or decrypt in CBC-CS1.
    pub fn cbc_stealing(&self, iv: &Block, direction: Direction) -> Result<AesStealing> {
        // SAFETY: CBC takes an initialisation vector of one block, which `iv` is.
        let context = unsafe { self.keyed(CBC, iv.as_ptr(), direction)? };
        let context = unpadded(context);
        let block = self.block(direction)?;
        Ok(AesStealing::new(
            Chain::Cbc { context, block },
            direction,
            usize::MAX,
        ))
    }

    /// ECB, for whole blocks.
    fn block(&self, direction: Direction) -> Result<Context> {
        // SAFETY: ECB takes no initialisation vector.
        let context = unsafe { self.keyed(ECB, null(), direction)? };
        Ok(unpadded(context))
    }
}

impl AesXtsKey {
    /// The key with these 32 or 64 bytes; [`Error::InvalidKey`] for other lengths, and for two halves that are equal
    /// (SP 800-38E by FIPS 140-3 IG C.I).
    pub fn new(key: &[u8]) -> Result<Self> {
        let (data, tweak) = match key.len() {
            32 | 64 => key.split_at_checked(key.len() / 2),
            _ => None,
        }
        .filter(|(data, tweak)| !crate::ct_eq(data, tweak))
        .ok_or(Error::InvalidKey)?;
        Ok(Self {
            data: AesKey::new(data)?,
            tweak: AesKey::new(tweak)?,
        })
    }

    /// The half that encrypts the data.
    pub fn data(&self) -> &AesKey {
        &self.data
    }

    /// Starts to encrypt or decrypt the data unit with this number, the first byte the lowest.
    pub fn data_unit(&self, number: &Block, direction: Direction) -> Result<AesStealing> {
        let mut first = [0; AES_BLOCK_LEN];
        through(&mut self.tweak.block(Direction::Encrypt)?, number, &mut first)?;
        let chain = Chain::Xts {
            context: self.data.block(direction)?,
            tweak: Tweak(u128::from_le_bytes(first)),
        };
        Ok(AesStealing::new(chain, direction, XTS_MOST))
    }
}

impl AesStealing {
    fn new(chain: Chain, direction: Direction, left: usize) -> Self {
        Self {
            chain,
            direction,
            held: Zeroizing::new(Vec::with_capacity(HELD)),
            left,
        }
    }

    /// Exactly how many bytes [`Self::update`] will write for `input_len` more bytes.
    pub fn update_len(&self, input_len: usize) -> usize {
        let total = self.held.len().saturating_add(input_len);
        let ready = total.saturating_sub(AES_BLOCK_LEN + 1);
        ready - ready % AES_BLOCK_LEN
    }

    /// Exactly how many bytes [`Self::finish`] will write.
    pub fn finish_len(&self) -> usize {
        self.held.len()
    }

    /// Adds data and writes what is ready to the front of `out`; returns its length. [`Error::InputLength`] for more
    /// than a data unit takes. When `out` is too short nothing happens, and the call can be repeated.
    pub fn update(&mut self, input: &[u8], out: &mut [u8]) -> Result<usize> {
        let left = self.left.checked_sub(input.len()).ok_or(Error::InputLength)?;
        let ready = self.update_len(input.len());
        let out = room(out, ready)?;
        if self.held.is_empty() {
            self.absorb(input, out)?;
        } else {
            let mut all = std::mem::take(&mut self.held);
            all.extend_from_slice(input);
            self.absorb(&all, out)?;
        }
        self.left = left;
        Ok(ready)
    }

    /// Processes as many bytes as `out` has, and keeps the rest.
    fn absorb(&mut self, input: &[u8], out: &mut [u8]) -> Result<()> {
        let (ready, rest) = input.split_at_checked(out.len()).ok_or(Error::InputLength)?;
        self.chain.blocks(ready, out)?;
        self.held.clear();
        self.held.extend_from_slice(rest);
        Ok(())
    }

    /// Ends the operation and writes the rest to the front of `out`; returns its length. [`Error::InputLength`] for
    /// less than a block.
    pub fn finish(&mut self, out: &mut [u8]) -> Result<usize> {
        let held = std::mem::take(&mut self.held);
        let Some((whole, part)) = held.split_first_chunk::<AES_BLOCK_LEN>() else {
            return Err(Error::InputLength);
        };
        let out = room(out, held.len())?;
        match (part.len(), &mut self.chain) {
            (0 | AES_BLOCK_LEN, chain) => chain.blocks(&held, out)?,
            (_, Chain::Cbc { context, block }) => match self.direction {
                Direction::Encrypt => cbc_encrypt(context, &held, out)?,
                Direction::Decrypt => cbc_decrypt(context, block, &held, out)?,
            },
            (_, Chain::Xts { context, tweak }) => {
                let mut tweaks = [tweak.0, tweak.next().0];
                if self.direction == Direction::Decrypt {
                    tweaks.reverse();
                }
                xts_end(context, tweaks, whole, part, out)?;
            }
        }
        Ok(held.len())
    }
}

impl Chain {
    /// Whole blocks, that are not the last ones.
    fn blocks(&mut self, input: &[u8], out: &mut [u8]) -> Result<()> {
        match self {
            Self::Cbc { context, .. } => through(context, input, out),
            Self::Xts { context, tweak } => {
                let pieces = input.chunks(TOGETHER * AES_BLOCK_LEN);
                for (input, out) in pieces.zip(out.chunks_mut(TOGETHER * AES_BLOCK_LEN)) {
                    let mut mixed = Zeroizing::new([0; TOGETHER * AES_BLOCK_LEN]);
                    let mixed = room(&mut *mixed, input.len())?;
                    mixed.copy_from_slice(input);
                    let after = tweak.mix(mixed);
                    through(context, mixed, out)?;
                    tweak.mix(out);
                    *tweak = after;
                }
                Ok(())
            }
        }
    }
}

/// What blocks of XTS are mixed with: an element of GF(2^128).
#[derive(Clone, Copy)]
struct Tweak(u128);

impl Tweak {
    fn next(self) -> Self {
        let carry = self.0 >> 127;
        Self((self.0 << 1) ^ (0u128.wrapping_sub(carry) & 0x87))
    }

    /// Adds the tweaks from this one on; returns the one after.
    fn mix(self, blocks: &mut [u8]) -> Self {
        let mut tweak = self;
        for block in blocks.as_chunks_mut::<AES_BLOCK_LEN>().0 {
            *block = (u128::from_le_bytes(*block) ^ tweak.0).to_le_bytes();
            tweak = tweak.next();
        }
        tweak
    }
}

/// The last block and a part of one: `whole` goes with the first tweak, and what is put together with the second.
fn xts_end(
    context: &mut Context,
    tweaks: [u128; 2],
    whole: &Block,
    part: &[u8],
    out: &mut [u8],
) -> Result<()> {
    let [first, second] = tweaks.map(Tweak);
    let mut block = |tweak: Tweak, mut input: Zeroizing<Block>| {
        let mut output = Zeroizing::new([0; AES_BLOCK_LEN]);
        tweak.mix(&mut *input);
        through(context, &*input, &mut *output)?;
        tweak.mix(&mut *output);
        Ok(output)
    };
    let stolen_from = block(first, Zeroizing::new(*whole))?;
    let mut joined = stolen_from.clone();
    room(&mut *joined, part.len())?.copy_from_slice(part);
    let last = block(second, joined)?;
    put(out, &*last, &*stolen_from)
}

/// The last block and a part of one, which comes out in its middle: part of one block, then a block.
fn cbc_encrypt(context: &mut Context, held: &[u8], out: &mut [u8]) -> Result<()> {
    let (mut input, mut output) = (Zeroizing::new([0; HELD]), Zeroizing::new([0; HELD]));
    room(&mut *input, held.len())?.copy_from_slice(held);
    through(context, &*input, &mut *output)?;
    let (first, second) = output.split_at(AES_BLOCK_LEN);
    let part = held.len() - AES_BLOCK_LEN;
    put(out, first.get(..part).unwrap_or_default(), second)
}

fn cbc_decrypt(context: &mut Context, block: &mut Context, held: &[u8], out: &mut [u8]) -> Result<()> {
    let part = held.len() - AES_BLOCK_LEN;
    let (stolen_from, last) = held.split_at_checked(part).ok_or(Error::InputLength)?;
    let mut mixed = Zeroizing::new([0; AES_BLOCK_LEN]);
    through(block, last, &mut *mixed)?;
    // The end of the block that was stolen from is in the last one.
    let mut whole = mixed.clone();
    room(&mut *whole, part)?.copy_from_slice(stolen_from);
    let mut first = Zeroizing::new([0; AES_BLOCK_LEN]);
    through(context, &*whole, &mut *first)?;
    for (byte, with) in mixed.iter_mut().zip(&*whole) {
        *byte ^= with;
    }
    put(out, &*first, &*mixed)
}

/// Writes `first` and then as much of `second` as there is room for.
fn put(out: &mut [u8], first: &[u8], second: &[u8]) -> Result<()> {
    let (front, back) = out.split_at_mut_checked(first.len()).ok_or(Error::OutputLength)?;
    front.copy_from_slice(first);
    back.copy_from_slice(second.get(..back.len()).ok_or(Error::OutputLength)?);
    Ok(())
}

/// Whole blocks through a context that neither pads nor keeps any back.
fn through(context: &mut Context, input: &[u8], out: &mut [u8]) -> Result<()> {
    if !input.len().is_multiple_of(AES_BLOCK_LEN) {
        return Err(Error::InputLength);
    }
    let out = room(out, input.len())?;
    // SAFETY: for whole blocks ECB and CBC without padding write as many bytes, and `out` has that many.
    unsafe { update(context, input, out) }.map(drop)
}

fn unpadded(context: Context) -> Context {
    // SAFETY: a live context of ours alone. Cannot fail.
    unsafe { sys::EVP_CIPHER_CTX_set_padding(context.as_ptr(), 0) };
    context
}
