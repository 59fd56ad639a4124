// SPDX-License-Identifier: MIT
//! Secret keys out of RSA encryption that says nothing of their length: PKCS #1 v1.5, and none at all.
//!
//! # Bad padding
//! Whoever learns whether the padding of PKCS #1 v1.5 was right can decrypt anything, and an unwrapping that fails says
//! so. So for secret keys none fails: bad padding, and a message of a length that the new key cannot have, give a key as
//! well, of a length that it can have and with a value that follows from the private key and the wrapped one alone
//! (implicit rejection). Whoever uses it finds that it is not the key that was meant, and nothing else. A private key
//! is unwrapped only if it parses, which garbage does not: there bad padding and bad content give one and the same error.
//!
//! Of a bare number an error tells too, and so does the end of it, which can be shifted from outside until but a byte of the
//! key is left. So a key whose unwrapped keys stay closed unwraps none in this way.

use cryptoki_sys as ck;
use keyenclave_crypto::{RsaPrivateKey, ct_eq};
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::object::Object;
use zeroize::Zeroizing;

use crate::error::Doing;
use crate::material;

/// The value of a secret key that was wrapped with PKCS #1 v1.5.
///
/// # Errors
/// `CKR_WRAPPED_KEY_LEN_RANGE`, `CKR_WRAPPED_KEY_INVALID` for what is no ciphertext at all; as [`fitting`].
pub(super) fn unpadded(key: &RsaPrivateKey, wrapped: &[u8], object: &Object) -> Result<Zeroizing<Vec<u8>>> {
    let lengths = fitting(object)?;
    let mut out = Zeroizing::new(vec![0; key.modulus_len()]);
    let len = key
        .decrypt_pkcs1_key(wrapped, &lengths, &mut out)
        .map_err(|error| match error {
            keyenclave_crypto::Error::InputLength => Error::from(Rv::WrappedKeyLenRange),
            keyenclave_crypto::Error::Decryption => Error::from(Rv::WrappedKeyInvalid),
            error => Doing::Internal.failed(error),
        })?;
    out.truncate(len);
    Ok(out)
}

/// The value of a secret key that stands at the end of a bare number, with nothing before it.
///
/// # Errors
/// `CKR_TEMPLATE_INCOMPLETE` where neither template nor type say how long the key is, `CKR_WRAPPED_KEY_INVALID` for a longer
/// one; as [`fitting`].
pub(super) fn tail(number: &[u8], object: &Object) -> Result<Zeroizing<Vec<u8>>> {
    let [len] = fitting(object)?[..] else {
        return Err(Error::new(
            Rv::TemplateIncomplete,
            "CKA_VALUE_LEN is missing: the mechanism does not say how long the key is",
        ));
    };
    let before = number.len().checked_sub(len);
    let (before, value) = before
        .and_then(|before| number.split_at_checked(before))
        .ok_or(Rv::WrappedKeyLenRange)?;
    if !ct_eq(before, &vec![0; before.len()]) {
        return Err(Error::new(
            Rv::WrappedKeyInvalid,
            "the wrapped key is longer than CKA_VALUE_LEN says",
        ));
    }
    Ok(Zeroizing::new(value.to_vec()))
}

/// The lengths that the new key may have, in bytes; none where any will do.
///
/// # Errors
/// `CKR_WRAPPED_KEY_LEN_RANGE` for a length that a key of this type does not have.
fn fitting(object: &Object) -> Result<Vec<usize>> {
    let of_type = material::lengths(object.key_type());
    let Some(wanted) = object.ulong(ck::CKA_VALUE_LEN) else {
        return Ok(of_type.unwrap_or_default().to_vec());
    };
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    if wanted == 0 || of_type.is_some_and(|lengths| !lengths.contains(&wanted)) {
        let detail = format!("CKA_VALUE_LEN is {wanted} bytes, which a key of this type cannot have");
        return Err(Error::new(Rv::WrappedKeyLenRange, detail));
    }
    Ok(vec![wanted])
}
