// SPDX-License-Identifier: MIT
//! Keys from one-way functions of a single key: HKDF (RFC 5869) and a plain digest (PKCS#11 3.2, hash-based key
//! derivation).

use keyenclave_crypto::{digest, kdf};
use keyenclave_model::algorithm::Hash;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::{HkdfParams, HkdfSalt, Params};
use zeroize::{Zeroize, Zeroizing};

use super::Source;
use crate::error::Doing;

/// HKDF, one half of it or both.
///
/// # Errors
/// `CKR_TEMPLATE_INCOMPLETE` where the template has to say how long the key is, `CKR_KEY_SIZE_RANGE` for more than HKDF
/// gives.
pub(super) fn hkdf(source: &Source<'_>) -> Result<Zeroizing<Vec<u8>>> {
    let Params::Hkdf(params) = source.mechanism.params() else {
        return Err(Rv::MechanismParamInvalid.into());
    };
    let Some(info) = &params.expand else {
        return exactly(extracted(source, params)?, source.wanted);
    };
    let mut key = Zeroizing::new(vec![0; source.needed()?]);
    if key.len() > params.hash.output_len().saturating_mul(255) {
        return Err(too_long(key.len()));
    }
    let prk = match &params.extract {
        Some(_) => extracted(source, params)?,
        None => Zeroizing::new(source.value(0).to_vec()),
    };
    kdf::hkdf_expand(params.hash, &prk, info, &mut key).map_err(|error| Doing::Internal.failed(error))?;
    Ok(key)
}

/// The digest of a key, or the front of it.
///
/// # Errors
/// As [`hkdf`].
pub(super) fn hashed(hash: Hash, source: &Source<'_>) -> Result<Zeroizing<Vec<u8>>> {
    let len = match source.wanted {
        None if source.is_generic => hash.output_len(),
        _ => source.needed()?,
    };
    let mut value = digest(hash, source.value(0));
    let key = value.get(..len).map(|key| Zeroizing::new(key.to_vec()));
    value.zeroize();
    key.ok_or_else(|| too_long(len))
}

fn extracted(source: &Source<'_>, params: &HkdfParams) -> Result<Zeroizing<Vec<u8>>> {
    let salt = match &params.extract {
        Some(HkdfSalt::Data(salt)) => salt.0.as_slice(),
        Some(HkdfSalt::Key(_)) => source.value(1),
        // Zeros of any length are the same key of an HMAC.
        Some(HkdfSalt::Null) | None => &[],
    };
    let mut prk = kdf::hkdf_extract(params.hash, salt, source.value(0))
        .map_err(|error| Doing::Internal.failed(error))?;
    let kept = Zeroizing::new(prk.to_vec());
    prk.zeroize();
    Ok(kept)
}

fn exactly(key: Zeroizing<Vec<u8>>, wanted: Option<usize>) -> Result<Zeroizing<Vec<u8>>> {
    match wanted {
        Some(len) if len != key.len() => Err(Error::new(
            Rv::KeySizeRange,
            format!(
                "what is extracted has {} bytes, and CKA_VALUE_LEN is {len}",
                key.len()
            ),
        )),
        _ => Ok(key),
    }
}

fn too_long(len: usize) -> Error {
    Error::new(
        Rv::KeySizeRange,
        format!("the mechanism does not give the {len} bytes that CKA_VALUE_LEN wants"),
    )
}
