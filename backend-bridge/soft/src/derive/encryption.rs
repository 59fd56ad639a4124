// SPDX-License-Identifier: MIT
//! Keys that are data encrypted with another key (PKCS#11 3.2, key derivation by data encryption).

use keyenclave_crypto::{AES_BLOCK_LEN, AesKey, BlockMode, Direction, Padding};
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::Params;
use zeroize::Zeroizing;

use super::Source;
use crate::error::Doing;

/// Encrypts the data of the parameter, and takes as much of the front as wanted.
///
/// # Errors
/// `CKR_KEY_SIZE_RANGE` where more is wanted than there is data.
pub(super) fn encrypt(source: &Source<'_>) -> Result<Zeroizing<Vec<u8>>> {
    let (mode, data): (_, &[u8]) = match source.mechanism.params() {
        Params::Data(data) => (BlockMode::Ecb, data),
        Params::ChainedData(chained) => (BlockMode::Cbc { iv: &chained.iv }, &chained.data),
        _ => return Err(Rv::MechanismParamInvalid.into()),
    };
    if data.is_empty() || !data.len().is_multiple_of(AES_BLOCK_LEN) {
        return Err(Rv::MechanismParamInvalid.into());
    }
    let mut value = Zeroizing::new(vec![0; data.len()]);
    AesKey::new(source.value(0))
        .and_then(|key| key.cipher(mode, Direction::Encrypt, Padding::None))
        .and_then(|mut cipher| cipher.update(data, &mut value))
        .map_err(|error| Doing::Internal.failed(error))?;
    let len = source.wanted.unwrap_or(value.len());
    if len > value.len() {
        return Err(Error::new(
            Rv::KeySizeRange,
            format!("{} bytes of data make no key of {len}", value.len()),
        ));
    }
    value.truncate(len);
    Ok(value)
}
