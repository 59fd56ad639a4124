// SPDX-License-Identifier: MIT
//! An object that was read or made, and its key.

use std::sync::Arc;

use once_cell::sync::OnceCell;

use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::object::Object;

use crate::keys::Key;
use crate::vault::Attestation;

/// An object that was read, and its key once that was needed.
pub(crate) struct Opened {
    /// The object.
    pub(crate) object: Arc<Object>,
    /// How far it can be trusted.
    pub(crate) attestation: Attestation,
    key: OnceCell<Arc<Key>>,
}

impl Opened {
    pub(crate) fn new(object: Object, attestation: Attestation, key: Option<Key>) -> Self {
        Self {
            object: Arc::new(object),
            attestation,
            key: key.map_or_else(OnceCell::new, |key| OnceCell::from(Arc::new(key))),
        }
    }

    /// The same key in an object with other attributes.
    pub(crate) fn changed(&self, object: Object, attestation: Attestation) -> Self {
        Self {
            object: Arc::new(object),
            attestation,
            key: self.key.clone(),
        }
    }

    /// The key, parsed at the first call.
    pub(crate) fn key(&self) -> Result<Arc<Key>> {
        if let Some(key) = self.key.get() {
            return Ok(Arc::clone(key));
        }
        let parsed = Arc::new(Key::parse(&self.object)?);
        Ok(Arc::clone(self.key.get_or_init(|| parsed)))
    }
    /// The key for use: what the store kept is no application's fault.
    ///
    /// # Errors
    /// `CKR_DEVICE_ERROR`.
    pub(crate) fn ready_key(&self) -> Result<Arc<Key>> {
        self.key().map_err(|error| {
            let detail = error.detail().unwrap_or("it is not a key");
            Error::new(
                Rv::DeviceError,
                format!("the stored key cannot be used: {detail}"),
            )
        })
    }
}
