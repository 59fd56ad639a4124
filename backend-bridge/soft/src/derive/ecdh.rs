// SPDX-License-Identifier: MIT
//! Elliptic curve Diffie-Hellman (PKCS#11 3.2, Elliptic Curve Diffie-Hellman key derivation).
//!
//! The new key is as open as its template says, and only its history follows from the base key: that is the
//! specification's rule, and what every client counts on that reads the secret itself (TLS in Java does).

use keyenclave_crypto::{one_step_kdf, x963_kdf};
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::{Kdf, Params};
use zeroize::Zeroizing;

use super::Source;
use crate::error::Doing;
use crate::keys::{self, Key};
use crate::material::{self, UNGUESSABLE};

/// The value of the new key.
///
/// # Errors
/// `CKR_MECHANISM_PARAM_INVALID` for a public key that is none, or is on another curve, or makes the secret known to
/// everybody; `CKR_KEY_SIZE_RANGE` for a length that the secret does not have, or that could be guessed.
pub(super) fn derive(source: &Source<'_>) -> Result<Zeroizing<Vec<u8>>> {
    let (Params::Ecdh(params), Some(base)) = (source.mechanism.params(), source.keys.first()) else {
        return Err(Rv::MechanismParamInvalid.into());
    };
    let secret = shared_secret(&*base.ready_key()?, &params.public)?;
    let most = match params.kdf {
        Kdf::Null => secret.len(),
        Kdf::X963(hash) | Kdf::Sp800(hash) => hash.output_len(),
    };
    let len = match (source.wanted, material::lengths(source.key_type)) {
        (Some(wanted), _) => wanted,
        (None, None) => most,
        (None, Some(fit)) => {
            let longest = fit
                .iter()
                .rev()
                .find(|len| params.kdf != Kdf::Null || **len <= most);
            longest.copied().unwrap_or(most)
        }
    };
    // Each byte more that is derived would tell the next one.
    if len < UNGUESSABLE {
        return Err(Error::new(
            Rv::KeySizeRange,
            format!("{len} bytes of a shared secret could be guessed: take at least {UNGUESSABLE}"),
        ));
    }
    if params.kdf != Kdf::Null {
        return expanded(params.kdf, &secret, &params.shared, len);
    }
    // The specification cuts off the beginning.
    let start = secret.len().checked_sub(len).ok_or_else(|| {
        let detail = format!(
            "the shared secret has {} bytes, and {len} are wanted",
            secret.len()
        );
        Error::new(Rv::KeySizeRange, detail)
    })?;
    Ok(Zeroizing::new(secret.get(start..).unwrap_or_default().to_vec()))
}

/// What a private key shares with the owner of a public key, which is bare or a DER OCTET STRING.
///
/// # Errors
/// `CKR_MECHANISM_PARAM_INVALID` for a public key that does not go with the private one.
pub(crate) fn shared_secret(key: &Key, public: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let no_key = |_| {
        Error::new(
            Rv::MechanismParamInvalid,
            "the public data is no public key for this key",
        )
    };
    let agreed = match key {
        Key::EcPrivate(key) => key.agree(&keys::point(key.curve(), public).map_err(no_key)?),
        Key::X25519Private(key) => key.agree(&keys::x25519_point(public).map_err(no_key)?),
        _ => return Err(Rv::KeyFunctionNotPermitted.into()),
    };
    agreed.map_err(|error| match error {
        keyenclave_crypto::Error::InvalidKey => Error::new(
            Rv::MechanismParamInvalid,
            "the public key is of small order: the secret would be known to everybody",
        ),
        error => Doing::Internal.failed(error),
    })
}

/// So many bytes made of a secret; the first ones of it where there is no function.
///
/// # Errors
/// `CKR_KEY_SIZE_RANGE` where the secret is shorter.
pub(crate) fn expanded(kdf: Kdf, secret: &[u8], shared: &[u8], len: usize) -> Result<Zeroizing<Vec<u8>>> {
    let mut out = Zeroizing::new(vec![0; len]);
    let done = match kdf {
        Kdf::Null => {
            let first = secret.get(..len).ok_or(Rv::KeySizeRange)?;
            out.copy_from_slice(first);
            Ok(())
        }
        Kdf::X963(hash) => x963_kdf(hash, secret, shared, &mut out),
        Kdf::Sp800(hash) => one_step_kdf(hash, secret, shared, &mut out),
    };
    done.map_err(|_| Error::from(Rv::KeySizeRange))?;
    Ok(out)
}
