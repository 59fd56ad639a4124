// SPDX-License-Identifier: MIT
//! RSA private keys: making, importing, exporting, signing and decrypting.

use super::components::RsaComponents;
use super::oaep::Oaep;
use super::public::{RsaPublicKey, check_digest_len, salt};
use super::unpad::{Lengths, unpad};
use super::x931;
use super::{
    MAX_BYTES, PKCS1_OVERHEAD, RSA_MAX_BITS, RSA_MIN_BITS, bits, check_size, left_padded, modulus_len, rsa,
};
use crate::error::{Error, Result, check, checked, room};
use crate::hash::{digest, evp_md, nid};
use crate::hmac::HmacKey;
use crate::number::{Number, minimal_be, write_padded};
use crate::pkey::{self, Pkey, PrivateKey};
use crate::ptr::Owned;
use aws_lc_sys as sys;
use keyenclave_model::algorithm::Hash;
use once_cell::sync::OnceCell;
use std::ffi::c_int;
use std::ptr::null_mut;
use zeroize::Zeroizing;

/// The smallest modulus that is made with the primes of ANSI X9.31, in bits: the neighbours of shorter primes have no room
/// for their large factors.
const MIN_X931_BITS: u32 = 1024;
/// New moduli are a multiple of this many bits.
const NEW_BITS_STEP: u32 = 128;
/// The smallest and the longest public exponent of a new key, in bits (FIPS 186-5, appendix A.1.1: above 2^16).
const NEW_EXPONENT_BITS: std::ops::RangeInclusive<u32> = 17..=32;

/// An RSA private key with all its numbers. Any number of threads may use it at once.
pub struct RsaPrivateKey {
    key: Pkey,
    /// HMAC-SHA-256 keyed with the hash of d, made when first needed; see [`Self::decrypt_pkcs1`].
    rejection: OnceCell<HmacKey>,
}

impl RsaPrivateKey {
    /// Makes a key of 512 to 16384 bits, a multiple of 128, with an odd public exponent (big-endian) between 2^16
    /// and 2^32. [`Error::Unsupported`] for other sizes, [`Error::InvalidInput`] for other exponents. Below 2048 bits it is
    /// no longer safe (FIPS 186-5, section 5.1), above 8192 it takes minutes.
    pub fn generate(bits: u32, public_exponent: &[u8]) -> Result<Self> {
        let e = new_exponent(bits, public_exponent)?;
        let bits = c_int::try_from(bits).map_err(|_| Error::Unsupported)?;
        let rsa = Owned::<sys::RSA>::new()?;
        // SAFETY: a live key of ours alone; the exponent is copied; no progress callback.
        checked(unsafe { sys::RSA_generate_key_ex(rsa.as_ptr(), bits, e.as_ptr(), null_mut()) })?;
        Self::from_pkey(pkey::from_rsa(&rsa)?)
    }

    /// The same with primes as ANSI X9.31 wants them: p - 1 and p + 1 have each a large prime factor (FIPS 186-4,
    /// appendix B.3.6), of at least 1024 bits. It takes longer, and its time depends on the key; it is done once.
    pub fn generate_x931(bits: u32, public_exponent: &[u8]) -> Result<Self> {
        if bits < MIN_X931_BITS {
            return Err(Error::Unsupported);
        }
        let e = new_exponent(bits, public_exponent)?;
        Self::from_pkey(pkey::from_rsa(&x931::generate(bits, &e)?)?)
    }

    /// The key with these numbers; those that are missing are computed. [`Error::InvalidKey`] if they contradict
    /// each other, [`Error::Unsupported`] if the modulus is not of 512 to 16384 bits or the exponent is over 33 bits.
    ///
    /// Finding the primes from d takes some milliseconds, once, and its time depends on the key.
    pub fn from_components<B: AsRef<[u8]>>(components: &RsaComponents<B>) -> Result<Self> {
        Self::from_pkey(pkey::from_rsa(&components.to_rsa()?)?)
    }

    /// Reads a DER PKCS #8 PrivateKeyInfo that holds an RSA key.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self> {
        match PrivateKey::from_pkcs8_der(der)? {
            PrivateKey::Rsa(key) => Ok(key),
            _ => Err(Error::InvalidKey),
        }
    }

    pub(crate) fn from_pkey(key: Pkey) -> Result<Self> {
        check_size(&key)?;
        let key = Self {
            key,
            rejection: OnceCell::new(),
        };
        // A d beyond the modulus would not fit where its length is taken for granted.
        let d = key.number(sys::RSA_get0_d);
        if d.is_null() {
            return Err(Error::InvalidKey);
        }
        // SAFETY: two numbers of a live key, only read.
        let order = unsafe { sys::BN_cmp(d, key.number(sys::RSA_get0_n)) };
        if order < 0 {
            Ok(key)
        } else {
            Err(Error::InvalidKey)
        }
    }

    /// The key as a DER PKCS #8 PrivateKeyInfo.
    pub fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>> {
        pkey::pkcs8_der(&self.key)
    }

    /// All numbers of the key.
    pub fn components(&self) -> RsaComponents<Zeroizing<Vec<u8>>> {
        RsaComponents {
            modulus: self.bytes(sys::RSA_get0_n),
            public_exponent: self.bytes(sys::RSA_get0_e),
            private_exponent: self.bytes(sys::RSA_get0_d),
            prime_1: self.bytes(sys::RSA_get0_p),
            prime_2: self.bytes(sys::RSA_get0_q),
            exponent_1: self.bytes(sys::RSA_get0_dmp1),
            exponent_2: self.bytes(sys::RSA_get0_dmq1),
            coefficient: self.bytes(sys::RSA_get0_iqmp),
        }
    }

    /// The public half.
    pub fn public(&self) -> Result<RsaPublicKey> {
        RsaPublicKey::from_components(&self.bytes(sys::RSA_get0_n), &self.bytes(sys::RSA_get0_e))
    }

    /// The length of the modulus, in bits.
    pub fn bits(&self) -> u32 {
        bits(&self.key)
    }

    /// The length of the modulus, a signature and a ciphertext, in bytes.
    pub fn modulus_len(&self) -> usize {
        modulus_len(&self.key)
    }

    /// Signs a block of the caller's own making with PKCS #1 v1.5 padding of type 1 around it: usually a DER
    /// `DigestInfo`, any data up to [`Self::modulus_len`] - 11 bytes. Returns the length of the signature.
    pub fn sign_pkcs1_raw(&self, block: &[u8], out: &mut [u8]) -> Result<usize> {
        let out = room(out, self.modulus_len())?;
        if block.len() > self.modulus_len().saturating_sub(PKCS1_OVERHEAD) {
            return Err(Error::InputLength);
        }
        let (key, padding, mut len) = (rsa(&self.key), sys::RSA_PKCS1_PADDING, 0);
        let (to, room, from) = (out.as_mut_ptr(), out.len(), block.as_ptr());
        // SAFETY: a live key, whose cached state is under its own lock, so threads may share it; pointers and lengths
        // describe the two slices.
        checked(unsafe { sys::RSA_sign_raw(key, &mut len, to, room, from, block.len(), padding) })?;
        Ok(len)
    }

    /// RSASSA-PKCS1-v1_5 over a digest. Returns the length of the signature.
    pub fn sign_pkcs1(&self, hash: Hash, digest: &[u8], out: &mut [u8]) -> Result<usize> {
        let out = room(out, self.modulus_len())?;
        check_digest_len(hash, digest)?;
        let (from, to, key, mut len) = (digest.as_ptr(), out.as_mut_ptr(), rsa(&self.key), 0);
        // SAFETY: as in `sign_pkcs1_raw`; the function writes as many bytes as the modulus has, for which there is
        // room.
        checked(unsafe { sys::RSA_sign(nid(hash), from, digest.len(), to, &mut len, key) })?;
        usize::try_from(len).map_err(|_| Error::Library(0))
    }

    /// RSASSA-PSS over a digest, with `salt_len` random bytes of salt. Returns the length of the signature;
    /// [`Error::InvalidInput`] if the modulus has no room for hash and salt.
    pub fn sign_pss(
        &self,
        hash: Hash,
        mgf: Hash,
        salt_len: usize,
        digest: &[u8],
        out: &mut [u8],
    ) -> Result<usize> {
        let out = room(out, self.modulus_len())?;
        check_digest_len(hash, digest)?;
        let encoded_bits = usize::try_from(self.bits()).unwrap_or_default().saturating_sub(1);
        if hash.output_len().saturating_add(salt_len).saturating_add(2) > encoded_bits.div_ceil(8) {
            return Err(Error::InvalidInput);
        }
        let salt_len = salt(salt_len)?;
        let (key, hash, mgf, mut len) = (rsa(&self.key), evp_md(hash), evp_md(mgf), 0);
        let (to, room, from, size) = (out.as_mut_ptr(), out.len(), digest.as_ptr(), digest.len());
        // SAFETY: as in `sign_pkcs1_raw`; the hashes are statics.
        checked(unsafe { sys::RSA_sign_pss_mgf1(key, &mut len, to, room, from, size, hash, mgf, salt_len) })?;
        Ok(len)
    }

    /// RSAES-PKCS1-v1_5. `out` has room for [`Self::modulus_len`] bytes; returns the length of the message.
    ///
    /// # Implicit rejection
    ///
    /// Bad padding is no error: the caller then gets a message that looks random but is always the same for the same
    /// key and ciphertext, and it takes the same time. Its key is HMAC-SHA-256, keyed with SHA-256(d), of the
    /// ciphertext; from that come 128 candidates for the length and the bytes (draft-irtf-cfrg-rsa-guidance, section
    /// 7). The only failures are [`Error::InputLength`] and [`Error::Decryption`] for a ciphertext that is no number
    /// between 2 and n - 2, which everybody can see.
    pub fn decrypt_pkcs1(&self, ciphertext: &[u8], out: &mut [u8]) -> Result<usize> {
        self.decrypt_pkcs1_as(ciphertext, Lengths::Any, out)
    }

    /// The same for a key, which has one of `lengths` (in bytes; none means any but 0): a message of another length is
    /// replaced like one with bad padding, by a substitute of one of these lengths. So an unwrapped key always fits,
    /// and nobody learns the padding by giving garbage to be unwrapped. [`Error::InputLength`] also for a length that
    /// no message has.
    pub fn decrypt_pkcs1_key(&self, ciphertext: &[u8], lengths: &[usize], out: &mut [u8]) -> Result<usize> {
        let longest = self.modulus_len().saturating_sub(PKCS1_OVERHEAD);
        if lengths.iter().any(|length| *length > longest) {
            return Err(Error::InputLength);
        }
        let lengths = match lengths {
            [] => Lengths::Key,
            lengths => Lengths::KeyOf(lengths),
        };
        self.decrypt_pkcs1_as(ciphertext, lengths, out)
    }

    fn decrypt_pkcs1_as(&self, ciphertext: &[u8], lengths: Lengths<'_>, out: &mut [u8]) -> Result<usize> {
        let out = room(out, self.modulus_len())?;
        self.check_ciphertext_len(ciphertext)?;
        let mut room = Zeroizing::new([0; MAX_BYTES]);
        let (key, padding, mut len) = (rsa(&self.key), sys::RSA_NO_PADDING, 0);
        let (to, from) = (room.as_mut_ptr(), ciphertext.as_ptr());
        // SAFETY: as in `sign_pkcs1_raw`, the destination being an array of `MAX_BYTES`.
        let code = unsafe { sys::RSA_decrypt(key, &mut len, to, MAX_BYTES, from, ciphertext.len(), padding) };
        check(code, Error::Decryption)?;
        let block = room.get(..len).ok_or(Error::Library(0))?;
        unpad(block, ciphertext, self.rejection()?, lengths, out)
    }

    /// The bare function (RSADP, RSASP1): a number of at most [`Self::modulus_len`] bytes to the power of d.
    /// [`Error::InputLength`] for a longer one, [`Error::InvalidInput`] for one that is not below the modulus. Returns
    /// the length of the result, which is that of the modulus.
    pub fn raise(&self, number: &[u8], out: &mut [u8]) -> Result<usize> {
        let out = room(out, self.modulus_len())?;
        let block = Zeroizing::new(left_padded(number, out.len())?);
        let (key, padding, mut len) = (rsa(&self.key), sys::RSA_NO_PADDING, 0);
        let (to, room, from) = (out.as_mut_ptr(), out.len(), block.as_ptr());
        // SAFETY: as in `sign_pkcs1_raw`.
        let code = unsafe { sys::RSA_sign_raw(key, &mut len, to, room, from, block.len(), padding) };
        check(code, Error::InvalidInput)?;
        Ok(len)
    }

    /// RSAES-OAEP. `out` has room for [`Self::modulus_len`] bytes; returns the length of the message.
    pub fn decrypt_oaep(
        &self,
        hash: Hash,
        mgf: Hash,
        label: &[u8],
        ciphertext: &[u8],
        out: &mut [u8],
    ) -> Result<usize> {
        let out = room(out, self.modulus_len())?;
        self.check_ciphertext_len(ciphertext)?;
        Oaep { hash, mgf, label }.decrypt(&self.key, ciphertext, out)
    }

    fn check_ciphertext_len(&self, ciphertext: &[u8]) -> Result<()> {
        if ciphertext.len() == self.modulus_len() {
            Ok(())
        } else {
            Err(Error::InputLength)
        }
    }

    /// The HMAC key that makes substitutes for badly padded messages.
    fn rejection(&self) -> Result<&HmacKey> {
        if let Some(key) = self.rejection.get() {
            return Ok(key);
        }
        let mut d = Zeroizing::new([0; MAX_BYTES]);
        let d = room(&mut *d, self.modulus_len())?;
        // SAFETY: a number of a live key, which nobody writes to.
        unsafe { write_padded(self.number(sys::RSA_get0_d), d)? };
        let hashed = Zeroizing::new(digest(Hash::Sha256, d));
        let made = HmacKey::new(Hash::Sha256, &hashed)?;
        Ok(self.rejection.get_or_init(|| made))
    }

    fn number(
        &self,
        which: unsafe extern "C" fn(*const sys::RSA) -> *const sys::BIGNUM,
    ) -> *const sys::BIGNUM {
        // SAFETY: a live RSA key, as every constructor sees to; `which` is one of aws-lc's accessors.
        unsafe { which(rsa(&self.key)) }
    }

    fn bytes(
        &self,
        which: unsafe extern "C" fn(*const sys::RSA) -> *const sys::BIGNUM,
    ) -> Zeroizing<Vec<u8>> {
        // SAFETY: null or a number of a live key, which nobody writes to.
        unsafe { minimal_be(self.number(which)) }
    }
}

/// The public exponent of a new key of a size.
fn new_exponent(bits: u32, public_exponent: &[u8]) -> Result<Number> {
    if !(RSA_MIN_BITS..=RSA_MAX_BITS).contains(&bits) || !bits.is_multiple_of(NEW_BITS_STEP) {
        return Err(Error::Unsupported);
    }
    if public_exponent.len() > MAX_BYTES {
        return Err(Error::InvalidInput);
    }
    let e = Number::from_be(public_exponent)?;
    if e.is_odd() && NEW_EXPONENT_BITS.contains(&e.bits()) {
        Ok(e)
    } else {
        Err(Error::InvalidInput)
    }
}
