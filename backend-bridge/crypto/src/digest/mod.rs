// SPDX-License-Identifier: MIT
//! A hash that is fed in parts (FIPS 180-4, FIPS 202); the state of those of FIPS 180-4 can be saved and restored.
//!
//! Those are over the plain `SHA*_Init`, `_Update` and `_Final`, because their contexts are public structures; the safe
//! API has no way to the state inside. The context is on the heap, so that moving a digest leaves no copy behind, and
//! it is wiped when it goes. SHA-3 has a [`sponge`].

mod sponge;
mod state;

use crate::error::{Result, room};
use crate::hash::HashValue;
use aws_lc_sys as sys;
use keyenclave_model::algorithm::Hash;
use sponge::Sponge;
use std::mem::MaybeUninit;
use zeroize::{Zeroize, Zeroizing};

/// A hash that is fed in parts.
#[derive(Clone)]
pub struct Digest(Running);

#[derive(Clone)]
enum Running {
    Chained(Box<Context>),
    Sponge(Sponge),
}

impl Digest {
    /// Starts a hash.
    pub fn new(hash: Hash) -> Self {
        Self(match Context::new(hash) {
            Some(context) => Running::Chained(Box::new(context)),
            None => Running::Sponge(Sponge::new(hash)),
        })
    }

    /// Which hash it is.
    pub fn hash(&self) -> Hash {
        match &self.0 {
            Running::Chained(context) => context.hash(),
            Running::Sponge(sponge) => sponge.hash(),
        }
    }

    /// Adds data.
    pub fn update(&mut self, data: &[u8]) {
        match &mut self.0 {
            Running::Chained(context) => context.update(data),
            Running::Sponge(sponge) => sponge.update(data),
        }
    }

    /// The hash of everything that was added.
    pub fn value(mut self) -> HashValue {
        let len = self.hash().output_len();
        HashValue::written_by(len, |out| match &mut self.0 {
            Running::Chained(context) => context.finish(out),
            Running::Sponge(sponge) => sponge.finish(out),
        })
    }

    /// Writes the hash to the front of `out` and returns its length in bytes.
    pub fn finish(self, out: &mut [u8]) -> Result<usize> {
        let len = self.hash().output_len();
        room(out, len)?.copy_from_slice(&self.value());
        Ok(len)
    }
}

/// One row a hash: its context, the type of the words in it, the field with the incomplete block, and its functions.
///
/// `Sha1: SHA_CTX, u32, data, SHA1_Init, SHA1_Update, SHA1_Final;` gives the variant `Context::Sha1(SHA_CTX)` and an
/// arm in each function.
macro_rules! contexts {
    ($($hash:ident: $context:ident, $word:ty, $block:ident, $init:ident, $update:ident, $finish:ident;)+) => {
        /// The context of a running hash.
        #[derive(Clone)]
        enum Context {
            $($hash(sys::$context),)+
        }

        impl Context {
            /// `None` for a hash without such a context.
            fn new(hash: Hash) -> Option<Self> {
                match hash {
                    $(Hash::$hash => {
                        let mut context = MaybeUninit::<sys::$context>::zeroed();
                        // SAFETY: writes a context of its own type to memory of that type; it cannot fail.
                        unsafe { sys::$init(context.as_mut_ptr()) };
                        // SAFETY: numbers and arrays of numbers, all of which have been written at least once.
                        Some(Self::$hash(unsafe { context.assume_init() }))
                    })+
                    _ => None,
                }
            }

            fn hash(&self) -> Hash {
                match self {
                    $(Self::$hash(_) => Hash::$hash,)+
                }
            }

            fn update(&mut self, data: &[u8]) {
                match self {
                    $(Self::$hash(context) => {
                        // SAFETY: a started context of this hash; pointer and length describe `data`. It cannot fail.
                        unsafe { sys::$update(context, data.as_ptr().cast(), data.len()) };
                    })+
                }
            }

            /// Writes the value; the context is of no further use.
            fn finish(&mut self, out: &mut [u8; HashValue::CAPACITY]) {
                match self {
                    $(Self::$hash(context) => {
                        // SAFETY: a started context of this hash; `out` has room for the longest value.
                        unsafe { sys::$finish(out.as_mut_ptr(), context) };
                    })+
                }
            }

            /// What has been added so far, to be written down.
            fn progress(&self) -> state::Progress<'_> {
                match self {
                    $(Self::$hash(context) => state::Progress {
                        bits: u128::from(context.Nh) << <$word>::BITS | u128::from(context.Nl),
                        chaining: Zeroizing::new(context.h.map(<$word>::to_be_bytes).concat()),
                        block: &context.$block,
                    },)+
                }
            }

            /// Goes on from there. False, and nothing is changed, if this hash cannot have come there.
            fn go_on(&mut self, from: &state::Progress<'_>) -> bool {
                match self {
                    $(Self::$hash(context) => {
                        let low = <$word>::try_from(from.bits & u128::from(<$word>::MAX));
                        let high = <$word>::try_from(from.bits >> <$word>::BITS);
                        let num = std::ffi::c_uint::try_from(from.block.len());
                        let (Ok(low), Ok(high), Ok(num)) = (low, high, num) else {
                            return false;
                        };
                        let Some(block) = context.$block.get_mut(..from.block.len()) else {
                            return false;
                        };
                        block.copy_from_slice(from.block);
                        let (words, _) = from.chaining.as_chunks();
                        for (word, bytes) in context.h.iter_mut().zip(words) {
                            *word = <$word>::from_be_bytes(*bytes);
                        }
                        context.Nl = low;
                        context.Nh = high;
                        context.num = num;
                        true
                    })+
                }
            }
        }

        impl Drop for Context {
            fn drop(&mut self) {
                match self {
                    $(Self::$hash(context) => {
                        context.h.zeroize();
                        context.$block.zeroize();
                    })+
                }
            }
        }
    };
}

contexts! {
    Sha1: SHA_CTX, u32, data, SHA1_Init, SHA1_Update, SHA1_Final;
    Sha224: SHA256_CTX, u32, data, SHA224_Init, SHA224_Update, SHA224_Final;
    Sha256: SHA256_CTX, u32, data, SHA256_Init, SHA256_Update, SHA256_Final;
    Sha384: SHA512_CTX, u64, p, SHA384_Init, SHA384_Update, SHA384_Final;
    Sha512: SHA512_CTX, u64, p, SHA512_Init, SHA512_Update, SHA512_Final;
    Sha512_224: SHA512_CTX, u64, p, SHA512_224_Init, SHA512_224_Update, SHA512_224_Final;
    Sha512_256: SHA512_CTX, u64, p, SHA512_256_Init, SHA512_256_Update, SHA512_256_Final;
    Md5: MD5_CTX, u32, data, MD5_Init, MD5_Update, MD5_Final;
}
