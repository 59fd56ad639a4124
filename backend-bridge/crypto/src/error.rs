// SPDX-License-Identifier: MIT
//! What can go wrong, in few words, and the emptying of aws-lc's error queue.
//!
//! aws-lc keeps a queue of errors for each thread. It is read and emptied where a failure is turned into an
//! [`Error`], so that it never grows and never blames a later call.

use aws_lc_sys as sys;
use std::ffi::{CStr, c_int};
use std::fmt;

/// The result of a cryptographic operation.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure of a cryptographic operation. Says nothing of secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// A key, or a part of one, is malformed, inconsistent or out of range.
    InvalidKey,
    /// A parameter (initialisation vector, tag length, salt length, exponent …) is not allowed.
    InvalidInput,
    /// The data, digest, ciphertext or signature has a length that the algorithm does not take.
    InputLength,
    /// The output slice is too short; nothing was done, the same call with more room may follow.
    OutputLength,
    /// The signature, MAC or tag does not match.
    Verification,
    /// The ciphertext does not decrypt: wrong key, wrong padding, damaged data. Deliberately no more exact.
    Decryption,
    /// A size or an algorithm that is not offered.
    Unsupported,
    /// aws-lc refused for another reason; its packed error code (0 if it gave none).
    Library(u32),
}

impl Error {
    /// The newest error of aws-lc's queue; empties the queue.
    pub(crate) fn library() -> Self {
        // SAFETY: reads the calling thread's own queue; no arguments.
        let code = unsafe { sys::ERR_peek_last_error() };
        clear_queue();
        Self::Library(code)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidKey => "the key is malformed, inconsistent or out of range",
            Self::InvalidInput => "a parameter is not allowed for this algorithm",
            Self::InputLength => "the input has a length that this algorithm does not take",
            Self::OutputLength => "the output buffer is too short",
            Self::Verification => "the signature, MAC or tag does not match",
            Self::Decryption => "the data cannot be decrypted with this key and these parameters",
            Self::Unsupported => "the algorithm or key size is not offered",
            Self::Library(0) => "aws-lc failed and gave no reason",
            Self::Library(code) => return write!(f, "aws-lc failed: {}", text_of(*code)),
        })
    }
}

impl std::error::Error for Error {}

/// aws-lc's text for a packed error code.
fn text_of(code: u32) -> String {
    let mut text = [0u8; 160];
    // SAFETY: the pointer and the length describe `text`; the function writes at most that much, with a NUL.
    unsafe { sys::ERR_error_string_n(code, text.as_mut_ptr().cast(), text.len()) };
    CStr::from_bytes_until_nul(&text)
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

pub(crate) fn clear_queue() {
    // SAFETY: empties the calling thread's own queue; no arguments.
    unsafe { sys::ERR_clear_error() }
}

/// Turns aws-lc's "1 is success" into a result with the given failure.
pub(crate) fn check(code: c_int, failure: Error) -> Result<()> {
    if code == 1 {
        return Ok(());
    }
    clear_queue();
    Err(failure)
}

/// Turns aws-lc's "1 is success" into a result that names aws-lc's own reason.
pub(crate) fn checked(code: c_int) -> Result<()> {
    if code == 1 { Ok(()) } else { Err(Error::library()) }
}

/// The first `len` bytes of `out`, which the operation is about to write.
pub(crate) fn room(out: &mut [u8], len: usize) -> Result<&mut [u8]> {
    out.get_mut(..len).ok_or(Error::OutputLength)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;
    use crate::*;
    use keyenclave_model::algorithm::{Curve, Hash};

    fn queue_is_empty() -> bool {
        // SAFETY: reads the calling thread's own queue; no arguments.
        unsafe { sys::ERR_peek_error() == 0 }
    }

    /// Every kind of failure that reaches aws-lc.
    fn failures() -> Vec<(&'static str, Error)> {
        let rsa = RsaPrivateKey::generate(2048, &[1, 0, 1]).unwrap();
        let public = rsa.public().unwrap();
        let ec = EcPrivateKey::generate(Curve::P256).unwrap().public().unwrap();
        let aes = AesKey::new(&[0; 16]).unwrap();
        let mut out = [0; 256];
        let mut padded = aes
            .cipher(BlockMode::Ecb, Direction::Decrypt, Padding::Pkcs7)
            .unwrap();
        padded.update(&[0; 16], &mut out).unwrap();
        vec![
            ("pkcs8", RsaPrivateKey::from_pkcs8_der(b"junk").err().unwrap()),
            ("spki", PublicKey::from_spki_der(&[0x30, 0]).err().unwrap()),
            (
                "modulus",
                RsaPublicKey::from_components(&[1; 10], &[3]).err().unwrap(),
            ),
            (
                "pkcs1",
                public
                    .verify_pkcs1(Hash::Sha1, &[0; 20], &[1; 256])
                    .err()
                    .unwrap(),
            ),
            ("raw", public.verify_pkcs1_raw(&[0; 20], &[1; 256]).err().unwrap()),
            (
                "pss",
                public
                    .verify_pss(Hash::Sha1, Hash::Sha1, 20, &[0; 20], &[1; 256])
                    .err()
                    .unwrap(),
            ),
            ("range", rsa.decrypt_pkcs1(&[0xff; 256], &mut out).err().unwrap()),
            (
                "oaep",
                rsa.decrypt_oaep(Hash::Sha1, Hash::Sha1, b"l", &[1; 256], &mut out)
                    .err()
                    .unwrap(),
            ),
            (
                "scalar",
                EcPrivateKey::from_scalar(Curve::P256, &[0xff; 32]).err().unwrap(),
            ),
            (
                "point",
                EcPublicKey::from_point(Curve::P256, &[4; 65]).err().unwrap(),
            ),
            ("ecdsa", ec.verify(b"digest", &[1; 64]).err().unwrap()),
            ("zero", ec.verify(b"digest", &[0; 64]).err().unwrap()),
            ("padding", padded.finish(&mut out).err().unwrap()),
            (
                "tag",
                aes.gcm_open(&[0; 12], b"", 16, &[0; 20], &mut out).err().unwrap(),
            ),
            (
                "store",
                aead::open(&[0; 32], &[0; 12], b"", &[0; 20]).err().unwrap(),
            ),
        ]
    }

    #[test]
    fn no_operation_leaves_anything_in_the_queue() {
        assert!(queue_is_empty());
        let failures = failures();
        assert!(queue_is_empty());
        assert!(
            failures
                .iter()
                .all(|(_, error)| !matches!(error, Error::Library(_))),
            "{failures:?}"
        );
    }

    #[test]
    fn a_library_error_names_the_reason_and_empties_the_queue() {
        // SAFETY: a null context is refused with an error, and not used.
        let refused = unsafe { sys::EVP_CipherFinal_ex(std::ptr::null_mut(), std::ptr::null_mut(), &mut 0) };
        let error = checked(refused).err().unwrap();
        assert!(queue_is_empty());
        assert!(error.to_string().to_lowercase().contains("null"), "{error}");
        assert_eq!(Error::library().to_string(), "aws-lc failed and gave no reason");
    }
}
