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
