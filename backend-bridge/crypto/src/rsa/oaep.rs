// SPDX-License-Identifier: MIT
//! RSAES-OAEP (RFC 8017, section 7.1) with its hash, its mask generation hash and its label chosen apart.

use crate::error::{Error, Result, checked, clear_queue};
use crate::hash::evp_md;
use crate::pkey::Pkey;
use crate::ptr::Owned;
use aws_lc_sys as sys;
use keyenclave_model::algorithm::Hash;
use std::ffi::c_int;
use std::ptr::null_mut;

type Init = unsafe extern "C" fn(*mut sys::EVP_PKEY_CTX) -> c_int;
type Transform = unsafe extern "C" fn(*mut sys::EVP_PKEY_CTX, *mut u8, *mut usize, *const u8, usize) -> c_int;

/// The parameters of OAEP.
pub(super) struct Oaep<'a> {
    pub(super) hash: Hash,
    pub(super) mgf: Hash,
    pub(super) label: &'a [u8],
}

impl Oaep<'_> {
    /// Encrypts into `out`, which is as long as the modulus.
    pub(super) fn encrypt(&self, key: &Pkey, message: &[u8], out: &mut [u8]) -> Result<usize> {
        let operation = self.prepare(key, sys::EVP_PKEY_encrypt_init)?;
        transform(&operation, sys::EVP_PKEY_encrypt, message, out).ok_or_else(Error::library)
    }

    /// Decrypts into `out`, which is as long as the modulus. Constant time up to the one answer.
    pub(super) fn decrypt(&self, key: &Pkey, ciphertext: &[u8], out: &mut [u8]) -> Result<usize> {
        let operation = self.prepare(key, sys::EVP_PKEY_decrypt_init)?;
        transform(&operation, sys::EVP_PKEY_decrypt, ciphertext, out).ok_or_else(|| {
            clear_queue();
            Error::Decryption
        })
    }

    fn prepare(&self, key: &Pkey, init: Init) -> Result<Owned<sys::EVP_PKEY_CTX>> {
        // SAFETY: a live key, to which the operation takes a counted reference; no engine.
        let raw = unsafe { sys::EVP_PKEY_CTX_new(key.as_ptr(), null_mut()) };
        // SAFETY: null or a new operation.
        let operation = unsafe { Owned::adopt(raw)? };
        let raw = operation.as_ptr();
        // SAFETY: a live operation of ours alone; `init` is one of aws-lc's two.
        checked(unsafe { init(raw) })?;
        // SAFETY: a live operation of ours alone.
        checked(unsafe { sys::EVP_PKEY_CTX_set_rsa_padding(raw, sys::RSA_PKCS1_OAEP_PADDING) })?;
        // SAFETY: as above; the hash is a static.
        checked(unsafe { sys::EVP_PKEY_CTX_set_rsa_oaep_md(raw, evp_md(self.hash)) })?;
        // SAFETY: as above; the hash is a static.
        checked(unsafe { sys::EVP_PKEY_CTX_set_rsa_mgf1_md(raw, evp_md(self.mgf)) })?;
        self.set_label(&operation)?;
        Ok(operation)
    }

    fn set_label(&self, operation: &Owned<sys::EVP_PKEY_CTX>) -> Result<()> {
        if self.label.is_empty() {
            return Ok(());
        }
        // SAFETY: pointer and length describe `label`.
        let copy = unsafe { sys::OPENSSL_memdup(self.label.as_ptr().cast(), self.label.len()) };
        if copy.is_null() {
            return Err(Error::library());
        }
        let len = self.label.len();
        // SAFETY: a live RSA operation set to OAEP, the only condition on which this could fail and not take the
        // ownership of `copy`, which comes from aws-lc's allocator.
        checked(unsafe { sys::EVP_PKEY_CTX_set0_rsa_oaep_label(operation.as_ptr(), copy.cast(), len) })
    }
}

fn transform(
    operation: &Owned<sys::EVP_PKEY_CTX>,
    run: Transform,
    input: &[u8],
    out: &mut [u8],
) -> Option<usize> {
    let mut len = out.len();
    let (to, from) = (out.as_mut_ptr(), input.as_ptr());
    // SAFETY: a live operation of ours alone; pointers and lengths describe the two slices. Threads that share the
    // key are kept apart by its lock.
    let code = unsafe { run(operation.as_ptr(), to, &mut len, from, input.len()) };
    (code == 1).then_some(len)
}
