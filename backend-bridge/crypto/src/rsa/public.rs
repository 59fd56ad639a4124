// SPDX-License-Identifier: MIT
//! RSA public keys: verifying and encrypting.

use super::components::check_public;
use super::oaep::Oaep;
use super::{MAX_BYTES, PKCS1_OVERHEAD, bits, check_size, left_padded, modulus_len, rsa};
use crate::error::{Error, Result, check, checked, room};
use crate::hash::{evp_md, nid};
use crate::number::{Number, minimal_be};
use crate::pkey::{self, Pkey, PublicKey};
use crate::{ct_eq, ptr::Owned};
use aws_lc_sys as sys;
use keyenclave_model::algorithm::Hash;
use std::ffi::c_int;
use zeroize::Zeroizing;

/// An RSA public key. Any number of threads may use it at once.
pub struct RsaPublicKey {
    key: Pkey,
}

impl RsaPublicKey {
    /// The key with a modulus and an exponent, big-endian. The exponent is odd, at least 3 and at most 33 bits long.
    pub fn from_components(modulus: &[u8], exponent: &[u8]) -> Result<Self> {
        if modulus.len().max(exponent.len()) > MAX_BYTES.saturating_mul(2) {
            return Err(Error::Unsupported);
        }
        let (n, e) = (Number::from_be(modulus)?, Number::from_be(exponent)?);
        check_public(&n, &e)?;
        // SAFETY: two live numbers, which are copied.
        let raw = unsafe { sys::RSA_new_public_key(n.as_ptr(), e.as_ptr()) };
        // SAFETY: null or a new key.
        let rsa = unsafe { Owned::adopt(raw) }.map_err(|_| Error::InvalidKey)?;
        Self::from_pkey(pkey::from_rsa(&rsa)?)
    }

    /// Reads a DER SubjectPublicKeyInfo that holds an RSA key.
    pub fn from_spki_der(der: &[u8]) -> Result<Self> {
        match PublicKey::from_spki_der(der)? {
            PublicKey::Rsa(key) => Ok(key),
            _ => Err(Error::InvalidKey),
        }
    }

    pub(crate) fn from_pkey(key: Pkey) -> Result<Self> {
        check_size(&key)?;
        Ok(Self { key })
    }

    /// The key as a DER SubjectPublicKeyInfo.
    pub fn spki_der(&self) -> Result<Vec<u8>> {
        pkey::spki_der(&self.key)
    }

    /// The length of the modulus, in bits.
    pub fn bits(&self) -> u32 {
        bits(&self.key)
    }

    /// The length of the modulus, a signature and a ciphertext, in bytes.
    pub fn modulus_len(&self) -> usize {
        modulus_len(&self.key)
    }

    /// The modulus, big-endian without leading zeros.
    pub fn modulus(&self) -> Vec<u8> {
        // SAFETY: a live RSA key; the number belongs to it.
        let number = unsafe { sys::RSA_get0_n(rsa(&self.key)) };
        // SAFETY: a number of a live key, which nobody writes to.
        std::mem::take(&mut *unsafe { minimal_be(number) })
    }

    /// The public exponent, big-endian without leading zeros.
    pub fn exponent(&self) -> Vec<u8> {
        // SAFETY: a live RSA key; the number belongs to it.
        let number = unsafe { sys::RSA_get0_e(rsa(&self.key)) };
        // SAFETY: a number of a live key, which nobody writes to.
        std::mem::take(&mut *unsafe { minimal_be(number) })
    }

    /// Checks a PKCS #1 v1.5 signature over a block that the signer chose whole (RFC 8017, section 9.2, the T of the
    /// encoding), and not over a digest.
    pub fn verify_pkcs1_raw(&self, block: &[u8], signature: &[u8]) -> Result<()> {
        let mut recovered = [0; MAX_BYTES];
        let len = self.recover_pkcs1(signature, &mut recovered)?;
        if ct_eq(recovered.get(..len).unwrap_or_default(), block) {
            Ok(())
        } else {
            Err(Error::Verification)
        }
    }

    /// The block that a PKCS #1 v1.5 signature was made over. `out` has room for [`Self::modulus_len`] bytes; returns
    /// the length of the block.
    pub fn recover_pkcs1(&self, signature: &[u8], out: &mut [u8]) -> Result<usize> {
        self.check_signature_len(signature)?;
        let out = room(out, self.modulus_len())?;
        let (to, size, from, mut len) = (out.as_mut_ptr(), out.len(), signature.as_ptr(), 0);
        let (key, padding) = (rsa(&self.key), sys::RSA_PKCS1_PADDING);
        // SAFETY: a live key; pointers and lengths describe the two slices.
        let code = unsafe { sys::RSA_verify_raw(key, &mut len, to, size, from, signature.len(), padding) };
        check(code, Error::Verification)?;
        Ok(len)
    }

    /// Checks an RSASSA-PKCS1-v1_5 signature over a digest.
    pub fn verify_pkcs1(&self, hash: Hash, digest: &[u8], signature: &[u8]) -> Result<()> {
        self.check_signature_len(signature)?;
        check_digest_len(hash, digest)?;
        let (from, sig, key) = (digest.as_ptr(), signature.as_ptr(), rsa(&self.key));
        // SAFETY: a live key; pointers and lengths describe the two slices.
        let code = unsafe { sys::RSA_verify(nid(hash), from, digest.len(), sig, signature.len(), key) };
        check(code, Error::Verification)
    }

    /// Checks an RSASSA-PSS signature over a digest, with exactly `salt_len` bytes of salt.
    pub fn verify_pss(
        &self,
        hash: Hash,
        mgf: Hash,
        salt_len: usize,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<()> {
        self.check_signature_len(signature)?;
        check_digest_len(hash, digest)?;
        let salt_len = salt(salt_len)?;
        let (key, hash, mgf) = (rsa(&self.key), evp_md(hash), evp_md(mgf));
        let (from, len, sig) = (digest.as_ptr(), digest.len(), signature.as_ptr());
        // SAFETY: a live key; pointers and lengths describe the two slices; the hashes are statics.
        let code =
            unsafe { sys::RSA_verify_pss_mgf1(key, from, len, hash, mgf, salt_len, sig, signature.len()) };
        check(code, Error::Verification)
    }

    /// RSAES-PKCS1-v1_5: encrypts at most [`Self::modulus_len`] - 11 bytes into `out`; returns the length.
    pub fn encrypt_pkcs1(&self, message: &[u8], out: &mut [u8]) -> Result<usize> {
        let out = room(out, self.modulus_len())?;
        if message.len() > self.modulus_len().saturating_sub(PKCS1_OVERHEAD) {
            return Err(Error::InputLength);
        }
        let (key, padding, mut len) = (rsa(&self.key), sys::RSA_PKCS1_PADDING, 0);
        let (to, room, from) = (out.as_mut_ptr(), out.len(), message.as_ptr());
        // SAFETY: a live key; pointers and lengths describe the two slices.
        checked(unsafe { sys::RSA_encrypt(key, &mut len, to, room, from, message.len(), padding) })?;
        Ok(len)
    }

    /// RSAES-OAEP: encrypts at most [`Self::modulus_len`] - 2 - 2 × the hash's length bytes into `out`; returns the
    /// length.
    pub fn encrypt_oaep(
        &self,
        hash: Hash,
        mgf: Hash,
        label: &[u8],
        message: &[u8],
        out: &mut [u8],
    ) -> Result<usize> {
        let out = room(out, self.modulus_len())?;
        let overhead = hash.output_len().saturating_mul(2).saturating_add(2);
        match self.modulus_len().checked_sub(overhead) {
            Some(longest) if message.len() <= longest => {
                Oaep { hash, mgf, label }.encrypt(&self.key, message, out)
            }
            _ => Err(Error::InputLength),
        }
    }

    /// The bare function (RSAEP, RSAVP1): a number of at most [`Self::modulus_len`] bytes to the power of e.
    /// [`Error::InputLength`] for a longer one, [`Error::InvalidInput`] for one that is not below the modulus. Returns
    /// the length of the result, which is that of the modulus.
    pub fn raise(&self, number: &[u8], out: &mut [u8]) -> Result<usize> {
        let out = room(out, self.modulus_len())?;
        let block = Zeroizing::new(left_padded(number, out.len())?);
        let (key, padding, mut len) = (rsa(&self.key), sys::RSA_NO_PADDING, 0);
        let (to, room, from) = (out.as_mut_ptr(), out.len(), block.as_ptr());
        // SAFETY: a live key; pointers and lengths describe the two slices.
        let code = unsafe { sys::RSA_encrypt(key, &mut len, to, room, from, block.len(), padding) };
        check(code, Error::InvalidInput)?;
        Ok(len)
    }

    fn check_signature_len(&self, signature: &[u8]) -> Result<()> {
        if signature.len() == self.modulus_len() {
            Ok(())
        } else {
            Err(Error::InputLength)
        }
    }
}

pub(super) fn check_digest_len(hash: Hash, digest: &[u8]) -> Result<()> {
    if digest.len() == hash.output_len() {
        Ok(())
    } else {
        Err(Error::InputLength)
    }
}

/// A salt length for aws-lc, to which negative numbers mean something else.
pub(super) fn salt(len: usize) -> Result<c_int> {
    if len > MAX_BYTES {
        return Err(Error::InvalidInput);
    }
    c_int::try_from(len).map_err(|_| Error::InvalidInput)
}
