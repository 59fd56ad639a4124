// SPDX-License-Identifier: MIT
//! The root key of a token: all that a sealer wraps, and all that a vault is made from.

use super::VaultError;
use keyenclave_sys::secret::SecretBuf;
use zeroize::Zeroizing;

/// Length of a root key, in bytes.
pub const ROOT_KEY_LEN: usize = 32;

/// 32 random bytes in locked memory.
pub struct RootKey(SecretBuf);

impl RootKey {
    /// A new one, at `C_InitToken`.
    ///
    /// # Errors
    /// No memory, no random bytes.
    pub fn generate() -> Result<Self, VaultError> {
        let mut bytes = Zeroizing::new([0; ROOT_KEY_LEN]);
        keyenclave_crypto::rand::fill(bytes.as_mut_slice())?;
        Self::from_bytes(&bytes)
    }

    /// One that a sealer has unwrapped.
    ///
    /// # Errors
    /// No memory.
    pub fn from_bytes(bytes: &[u8; ROOT_KEY_LEN]) -> Result<Self, VaultError> {
        Ok(Self(SecretBuf::copy_of(bytes)?))
    }

    /// The bytes, for a sealer to wrap.
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }
}
