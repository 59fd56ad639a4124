// SPDX-License-Identifier: MIT
//! Key derivation (RFC 5869).

use crate::{Error, Result};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};

/// The number of bytes that are wanted from HKDF.
struct Wanted(usize);

impl KeyType for Wanted {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF with SHA-256: fills `out`, at most 8160 bytes ([`Error::InputLength`] beyond), from the keying material
/// `ikm`, the `salt` (may be empty) and the context `info`.
pub fn hkdf_sha256(ikm: &[u8], salt: &[u8], info: &[u8], out: &mut [u8]) -> Result<()> {
    let wanted = Wanted(out.len());
    let keying = Salt::new(HKDF_SHA256, salt).extract(ikm);
    let info = [info];
    let stream = keying.expand(&info, wanted).map_err(|_| Error::InputLength)?;
    stream.fill(out).map_err(|_| Error::library())
}
