// SPDX-License-Identifier: MIT
//! Message authentication codes of AES: CMAC (NIST SP 800-38B, RFC 4493) and GMAC (NIST SP 800-38D).

use super::gcm::{add_aad, tag};
use super::{AES_BLOCK_LEN, AesKey, Ciphers, Context, Direction};
use crate::error::{Result, checked};
use crate::ptr::Owned;
use aws_lc_sys as sys;
use std::ptr::null_mut;

const CBC: Ciphers = [sys::EVP_aes_128_cbc, sys::EVP_aes_192_cbc, sys::EVP_aes_256_cbc];

/// A running CMAC, with AES or another block cipher.
pub struct Cmac(Owned<sys::CMAC_CTX>);

/// A running GMAC.
pub struct AesGmac {
    context: Context,
    tag_len: usize,
}

impl AesKey {
    /// Starts a CMAC.
    pub fn cmac(&self) -> Result<Cmac> {
        // SAFETY: the description is a static of aws-lc's.
        unsafe { Cmac::new(self.describe(CBC), &self.key) }
    }

    /// Starts a GMAC with an initialisation vector of at least a byte, which must never be used twice with a key, and a
    /// tag of 4 to 16 bytes.
    pub fn gmac(&self, iv: &[u8], tag_len: usize) -> Result<AesGmac> {
        let context = self.gcm(iv, &[], tag_len, Direction::Encrypt)?;
        Ok(AesGmac { context, tag_len })
    }
}

impl Cmac {
    /// Starts with a block cipher in CBC mode. A key that is not of its length is refused.
    ///
    /// # Safety
    /// `cipher` must be one of aws-lc's descriptions.
    pub(crate) unsafe fn new(cipher: *const sys::EVP_CIPHER, key: &[u8]) -> Result<Self> {
        let context = Owned::<sys::CMAC_CTX>::new()?;
        let (to, from) = (context.as_ptr(), key.as_ptr().cast());
        // SAFETY: a live context of ours alone; the key has the length that is given; the caller's promise for `cipher`.
        checked(unsafe { sys::CMAC_Init(to, from, key.len(), cipher, null_mut()) })?;
        Ok(Self(context))
    }

    /// More of the message.
    pub fn update(&mut self, input: &[u8]) -> Result<()> {
        // SAFETY: a live context that `&mut self` has for itself; pointer and length describe `input`.
        checked(unsafe { sys::CMAC_Update(self.0.as_ptr(), input.as_ptr(), input.len()) })
    }

    /// The code, a block; what is beyond its length is zero.
    pub fn finish(self) -> Result<[u8; AES_BLOCK_LEN]> {
        let (mut code, mut len) = ([0; AES_BLOCK_LEN], 0);
        // SAFETY: a live context of ours alone; a block is written, and no cipher's are longer.
        checked(unsafe { sys::CMAC_Final(self.0.as_ptr(), code.as_mut_ptr(), &mut len) })?;
        Ok(code)
    }
}

impl AesGmac {
    /// More of the message.
    pub fn update(&mut self, input: &[u8]) -> Result<()> {
        add_aad(&mut self.context, input)
    }

    /// How long the code is, in bytes.
    pub fn tag_len(&self) -> usize {
        self.tag_len
    }

    /// The code; what is beyond its length is zero.
    pub fn finish(self) -> Result<[u8; AES_BLOCK_LEN]> {
        let mut code = [0; AES_BLOCK_LEN];
        tag(&self.context, self.tag_len, &mut code)?;
        Ok(code)
    }
}
