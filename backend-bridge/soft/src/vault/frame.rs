// SPDX-License-Identifier: MIT
//! The one way in which several fields become bytes that a seal or a MAC covers.

use crate::store::{FORMAT_VERSION, Identity};

/// Fields in a row, each behind its length (8 bytes, little-endian), so that no two lists give the same bytes.
/// Opens with what the bytes are for, the format version and the store's identity.
pub(crate) struct Frame(Vec<u8>);

impl Frame {
    /// A frame for one purpose in one store.
    pub(crate) fn new(purpose: &str, identity: Identity) -> Self {
        Self(Vec::with_capacity(256))
            .field(purpose.as_bytes())
            .field(&FORMAT_VERSION.to_le_bytes())
            .field(&identity.0)
    }

    /// With one field more.
    pub(crate) fn field(mut self, bytes: &[u8]) -> Self {
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.0.extend_from_slice(&len.to_le_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}
