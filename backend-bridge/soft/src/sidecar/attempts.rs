// SPDX-License-Identifier: MIT
//! Wrong PINs of the slot, counted durably: the PIN itself is in the configuration, or wherever, but not here.

use keyenclave_model::error::{Error, Result, Rv};

use super::{Purpose, Sidecar};
use crate::error::{from_store, from_writing};
use crate::store::{Attempts, Incarnation, InsteadOf, Role, SealerRecord, Store, StoreError};

/// [`SealerRecord::kind`] of a row that wraps nothing and only counts. Its parameters say which PIN is counted for.
pub const KIND_COUNTER: u32 = 3;

impl Sidecar {
    /// Where the counter of a PIN stands; `None` if it has never been tried. `pin` says which PIN: something that is
    /// another one when the PIN is changed, and not the PIN. Writes nothing.
    ///
    /// # Errors
    /// What keeps the store from being read.
    pub fn attempts(&self, pin: &[u8]) -> Result<Option<Attempts>> {
        if !self.open(Purpose::Reading)? {
            return Ok(None);
        }
        let record = self.counter()?.filter(|record| record.params == pin);
        Ok(record.map(|record| record.attempts()))
    }

    /// Counts a try at a PIN, durably, before the PIN is looked at. A PIN that was not counted for before starts anew,
    /// with this `limit`.
    ///
    /// # Errors
    /// `CKR_PIN_LOCKED` when none is left. `CKR_TOKEN_WRITE_PROTECTED` only where there is no store and none may be
    /// made: nothing was ever counted there. A store that is there and cannot be counted in is `CKR_DEVICE_ERROR`.
    pub fn count(&self, pin: &[u8], limit: u32) -> Result<Attempts> {
        self.count_in_store(pin, limit)
            .map_err(|error| self.refuse_uncounted(error))
    }

    /// Whoever may not write to a store that is there must not be taken for one who has no store: its count may stand
    /// at the limit.
    fn refuse_uncounted(&self, error: Error) -> Error {
        let store = &self.engine().store;
        if error.rv() != Rv::TokenWriteProtected || matches!(store.header(), Ok(None)) {
            return error;
        }
        let detail = format!(
            "no PIN is tried, because wrong ones are counted in {} and it cannot be written to: {error}; make it \
             writable again",
            store.path().display()
        );
        Error::new(Rv::DeviceError, detail)
    }

    fn count_in_store(&self, pin: &[u8], limit: u32) -> Result<Attempts> {
        self.open(Purpose::Writing)?;
        let before = self.counter()?;
        if before.as_ref().is_none_or(|record| record.params != pin) {
            let store = &self.engine().store;
            let header = store.header().map_err(from_store)?;
            let life = header
                .ok_or_else(|| from_store(StoreError::TokenChanged))?
                .incarnation;
            let fresh = SealerRecord {
                kind: KIND_COUNTER,
                params: pin.to_vec(),
                wrapped: Vec::new(),
                failed: 0,
                limit,
            };
            // Never over what another process has counted meanwhile.
            let instead = before.as_ref().map_or(InsteadOf::Nothing, InsteadOf::This);
            match store.put_sealer(Role::User, &fresh, life, instead) {
                // Somebody else has done the same.
                Ok(()) | Err(StoreError::SealerChanged(_)) => {}
                Err(error) => return Err(from_writing(error)),
            }
        }
        self.engine()
            .store
            .count_attempt(Role::User)
            .map_err(from_writing)
    }

    /// Forgets the wrong tries: the PIN was right.
    ///
    /// # Errors
    /// What keeps the store from being written.
    pub fn clear(&self, pin: &[u8]) -> Result<()> {
        self.with_counter(pin, |life, record| {
            self.engine().store.clear_attempts(Role::User, life, record)
        })
    }

    /// Takes one try back that came to no verdict on the PIN.
    ///
    /// # Errors
    /// As [`Self::clear`].
    pub fn take_back(&self, pin: &[u8]) -> Result<()> {
        self.with_counter(pin, |life, record| {
            self.engine().store.take_back_attempt(Role::User, life, record)
        })
    }

    /// Does something to the counter of a PIN, if that is the PIN that is counted for.
    fn with_counter(
        &self,
        pin: &[u8],
        act: impl FnOnce(Incarnation, &SealerRecord) -> std::result::Result<(), StoreError>,
    ) -> Result<()> {
        let header = self.engine().store.header().map_err(from_store)?;
        match (self.counter()?, header) {
            (Some(record), Some(header)) if record.params == pin => {
                act(header.incarnation, &record).map_err(|error| self.refuse_uncounted(from_writing(error)))
            }
            _ => Ok(()),
        }
    }

    fn counter(&self) -> Result<Option<SealerRecord>> {
        let record = self.engine().store.sealer(Role::User).map_err(from_store)?;
        Ok(record.filter(|record| record.kind == KIND_COUNTER))
    }
}
