// SPDX-License-Identifier: MIT
//! PKCS #1 v1.5 decryption that never tells whether the padding was right.
//!
//! A caller that learns this can decrypt anything (Bleichenbacher 1998), and an error code, a length or a
//! microsecond is enough to learn it. So bad padding gives a message too: one that depends on the key and the
//! ciphertext only, looks random, and cannot be told from a real one ("implicit rejection",
//! draft-irtf-cfrg-rsa-guidance, section 7; OpenSSL does the same since 3.2, with the same bytes).

use super::{MAX_BYTES, PKCS1_OVERHEAD};
use crate::error::Result;
use crate::hmac::HmacKey;
use keyenclave_model::algorithm::Hash;
use std::hint::black_box;
use zeroize::Zeroizing;

/// How many lengths are drawn for the substitute; that none is usable has a chance below 2^-128.
const LENGTH_CANDIDATES: usize = 128;

/// A block type of 2 is followed by at least eight bytes of padding, so a separator stands here or later.
const FIRST_SEPARATOR: usize = 2 + 8;

/// Which messages are good, so that whoever looks at the length of what came out learns nothing of the padding.
#[derive(Clone, Copy)]
pub(super) enum Lengths<'a> {
    /// Any.
    Any,
    /// A key of any length but 0.
    Key,
    /// A key of one of these lengths, in bytes.
    KeyOf(&'a [usize]),
}

/// Takes the message out of a padded block, or the substitute, in time that depends on the block's length, on what
/// lengths are good and on the length of what is returned. Writes to the front of `out`, which is as long as the block.
///
/// `secret` is the HMAC key made of the private exponent.
pub(super) fn unpad(
    block: &[u8],
    ciphertext: &[u8],
    secret: &HmacKey,
    lengths: Lengths<'_>,
    out: &mut [u8],
) -> Result<usize> {
    let key = HmacKey::new(Hash::Sha256, &Zeroizing::new(secret.sign(ciphertext)?))?;
    let mut room = Zeroizing::new([0; MAX_BYTES]);
    let substitute = room.get_mut(..block.len()).unwrap_or_default();
    expand(&key, b"message", substitute)?;
    let substitute_start = narrow(block.len()).wrapping_sub(lengths.draw(&key, block.len())?);

    let (good, message_start) = separator(block);
    let good = good & lengths.has(narrow(block.len()).wrapping_sub(message_start));
    let start = choose(good, message_start, substitute_start) as usize;
    let mask = good.to_le_bytes()[0];
    let mut len = 0;
    let chosen = block.iter().zip(substitute.iter()).skip(start);
    for (to, (real, fake)) in out.iter_mut().zip(chosen) {
        *to = (real & mask) | (fake & !mask);
        len += 1;
    }
    Ok(len)
}

/// Whether the block is `00 02 padding 00 message` (all ones for yes, 0 for no), and where the message starts.
fn separator(block: &[u8]) -> (u32, u32) {
    let (mut good, mut found, mut start) = (u32::MAX, 0, 0);
    for (at, byte) in (0u32..).zip(block) {
        let byte = u32::from(*byte);
        match at {
            0 => good &= is_zero(byte),
            1 => good &= is_zero(byte ^ 2),
            _ => {
                let first = is_zero(byte) & !found;
                found |= first;
                start = choose(first, at.wrapping_add(1), start);
            }
        }
    }
    good &= found & !less(start, narrow(FIRST_SEPARATOR + 1));
    (black_box(good), start)
}

impl Lengths<'_> {
    /// All ones if a message of this length is good, else 0.
    fn has(self, len: u32) -> u32 {
        match self {
            Self::Any => u32::MAX,
            Self::Key => !is_zero(len),
            Self::KeyOf(lengths) => lengths
                .iter()
                .fold(0, |good, length| good | is_zero(len ^ narrow(*length))),
        }
    }

    /// The length of the substitute.
    fn draw(self, key: &HmacKey, block_len: usize) -> Result<u32> {
        let drawn = substitute_len(key, block_len)?;
        Ok(match self {
            Self::Any => drawn,
            Self::Key => choose(is_zero(drawn), 1, drawn),
            Self::KeyOf(lengths) => {
                // The bits that were drawn for a length choose one of few instead.
                let mut choice = Zeroizing::new([0; 4]);
                expand(key, b"length", &mut *choice)?;
                let choice = u32::from_be_bytes(*choice) % narrow(lengths.len()).max(1);
                (0..).zip(lengths).fold(0, |len, (index, length)| {
                    choose(is_zero(choice ^ index), narrow(*length), len)
                })
            }
        })
    }
}

/// The length of the substitute: the last of the drawn lengths that a real message could have.
fn substitute_len(key: &HmacKey, block_len: usize) -> Result<u32> {
    let mut drawn = Zeroizing::new([0; LENGTH_CANDIDATES * 2]);
    expand(key, b"length", &mut *drawn)?;
    // A message is shorter than this; candidates are cut to the bits that such a number has.
    let end = narrow(block_len.saturating_sub(PKCS1_OVERHEAD - 1));
    let mask = u32::MAX.checked_shr(end.leading_zeros()).unwrap_or_default();
    Ok(drawn.chunks_exact(2).fold(0, |len, pair| {
        let candidate = pair.iter().fold(0, |value, byte| (value << 8) | u32::from(*byte)) & mask;
        choose(less(candidate, end), candidate, len)
    }))
}

/// The generator of the draft: blocks of HMAC-SHA-256 over a counter, a label and the wanted length in bits.
fn expand(key: &HmacKey, label: &[u8], out: &mut [u8]) -> Result<()> {
    let bits = u16::try_from(out.len().saturating_mul(8))
        .unwrap_or(u16::MAX)
        .to_be_bytes();
    for (counter, chunk) in (0u16..).zip(out.chunks_mut(key.output_len())) {
        let mut running = key.start()?;
        for part in [&counter.to_be_bytes(), label, &bits] {
            running.update(part)?;
        }
        for (to, from) in chunk.iter_mut().zip(running.finish()?.iter()) {
            *to = *from;
        }
    }
    Ok(())
}

fn narrow(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// All ones if `value` is 0, else 0.
fn is_zero(value: u32) -> u32 {
    // The top bit of (!v & (v - 1)) is set for 0 alone.
    top_bit(!value & value.wrapping_sub(1))
}

/// All ones if `left < right`, else 0.
fn less(left: u32, right: u32) -> u32 {
    top_bit(left ^ ((left ^ right) | (left.wrapping_sub(right) ^ left)))
}

fn top_bit(value: u32) -> u32 {
    0u32.wrapping_sub(black_box(value >> 31))
}

/// `yes` if the mask is all ones, `no` if it is 0.
fn choose(mask: u32, yes: u32, no: u32) -> u32 {
    (mask & yes) | (!mask & no)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EDGES: [u32; 9] = [0, 1, 2, 255, 256, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, u32::MAX];

    #[test]
    fn masks_agree_with_comparisons() {
        let mask = |condition: bool| if condition { u32::MAX } else { 0 };
        for left in EDGES {
            assert_eq!(is_zero(left), mask(left == 0));
            for right in EDGES {
                assert_eq!(less(left, right), mask(left < right));
                assert_eq!(choose(u32::MAX, left, right), left);
                assert_eq!(choose(0, left, right), right);
            }
        }
    }

    #[test]
    fn the_separator_is_found_at_every_place_that_the_standard_allows() {
        for at in 2..128 {
            let mut block = [0xaa; 128];
            for (index, byte) in block.iter_mut().enumerate() {
                *byte = match index {
                    0 => 0,
                    1 => 2,
                    _ if index == at => 0,
                    _ => 0xaa,
                };
            }
            let (good, start) = separator(&block);
            assert_eq!(good == u32::MAX, at >= FIRST_SEPARATOR);
            assert_eq!(start as usize, at + 1);
        }
    }
}
