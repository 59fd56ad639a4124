// SPDX-License-Identifier: MIT
//! What the engine's parts report, in PKCS#11's words. Return values for their failures are chosen here alone.

use keyenclave_crypto as crypto;
use keyenclave_model::error::{Error, Rv};

use crate::sealer::SealerError;
use crate::store::{Role, StoreError};
use crate::vault::VaultError;

/// What was being done with the cryptography that failed: the same failure means something else each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Taking in key material that an application gave.
    Importing,
    /// Signing, encrypting or digesting.
    Producing,
    /// Decrypting.
    Decrypting,
    /// Verifying.
    Verifying,
    /// Something that cannot fail unless the system or the store does.
    Internal,
}

impl Doing {
    /// The return value for a failure of the cryptography.
    pub(crate) fn failed(self, error: crypto::Error) -> Error {
        use crypto::Error as E;
        let rv = match (self, error) {
            (Self::Importing, E::InvalidKey | E::InvalidInput | E::InputLength | E::Unsupported) => {
                Rv::AttributeValueInvalid
            }
            (Self::Producing, E::InputLength) => Rv::DataLenRange,
            (Self::Producing | Self::Verifying | Self::Decrypting, E::InvalidInput) => {
                Rv::MechanismParamInvalid
            }
            (Self::Decrypting, E::InputLength) => Rv::EncryptedDataLenRange,
            (Self::Decrypting, E::Decryption | E::Verification) => Rv::EncryptedDataInvalid,
            (Self::Verifying, E::InputLength) => Rv::SignatureLenRange,
            (Self::Verifying, E::Verification) => Rv::SignatureInvalid,
            // What a caller can do something about says all in its name, and is too common to be put in words.
            _ => return Error::new(Rv::FunctionFailed, format!("cryptography: {error}")),
        };
        match self {
            Self::Importing => Error::new(rv, format!("key material: {error}")),
            _ => rv.into(),
        }
    }
}

/// The return value for a failure of a store.
pub(crate) fn from_store(error: StoreError) -> Error {
    let rv = match &error {
        StoreError::Locked(_) => Rv::PinLocked,
        StoreError::SealerChanged(_) => Rv::PinIncorrect,
        StoreError::NoSealer(Role::User) => Rv::UserPinNotInitialized,
        StoreError::NoSealer(Role::So | Role::Machine) | StoreError::Missing { .. } => {
            Rv::TokenNotInitialized
        }
        StoreError::Conflict(_) | StoreError::TokenChanged | StoreError::Busy { .. } => Rv::FunctionFailed,
        StoreError::Newer { .. } => Rv::TokenNotRecognized,
        StoreError::Damaged { .. } | StoreError::Permission { .. } | StoreError::ForkRefused { .. } => {
            Rv::DeviceError
        }
        StoreError::Io { source, .. } if is_full(source.as_ref()) => Rv::DeviceMemory,
        StoreError::Io { .. } => Rv::DeviceError,
    };
    Error::new(rv, error.to_string())
}

/// The return value for a failure to write to a store that can be read.
pub(crate) fn from_writing(error: StoreError) -> Error {
    match error {
        StoreError::Permission { .. } => Error::new(Rv::TokenWriteProtected, error.to_string()),
        other => from_store(other),
    }
}

/// Whether a system's failure is a full disk or quota.
fn is_full(source: &(dyn std::error::Error + 'static)) -> bool {
    if let Some(io) = source.downcast_ref::<std::io::Error>() {
        return matches!(
            io.kind(),
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
        );
    }
    matches!(
        source
            .downcast_ref::<rusqlite::Error>()
            .and_then(rusqlite::Error::sqlite_error_code),
        Some(rusqlite::ErrorCode::DiskFull)
    )
}

/// The return value for a failure of a vault.
pub(crate) fn from_vault(error: VaultError) -> Error {
    let rv = match &error {
        VaultError::Tampered(_) => Rv::DeviceError,
        VaultError::Sealed(_) => Rv::UserNotLoggedIn,
        VaultError::Crypto(_) => Rv::FunctionFailed,
        VaultError::Memory(_) => Rv::HostMemory,
    };
    Error::new(rv, error.to_string())
}

/// The return value for a failure of a sealer.
pub(crate) fn from_sealer(error: SealerError) -> Error {
    match error {
        SealerError::WrongPin => Error::new(Rv::PinIncorrect, "the PIN is wrong"),
        SealerError::Damaged(_) | SealerError::Kind(_) => Error::new(Rv::DeviceError, error.to_string()),
        SealerError::Vault(error) => from_vault(error),
        SealerError::Store(error) => from_writing(error),
    }
}
