// SPDX-License-Identifier: MIT
//! Digests, of data and of secret keys' values.

use std::sync::Arc;

use cryptoki_sys as ck;
use keyenclave_crypto::{self as crypto, Digest};
use keyenclave_model::algorithm::Hash;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::object::Object;
use keyenclave_model::token::{CallCx, End, ObjectId, Operation, OutputLen, Part, Step};
use zeroize::Zeroizing;

use super::{mismatch, output, ready, written};

/// Where `C_DigestKey` finds its key.
pub(crate) trait SecretValues: Send + Sync {
    /// The object with a handle.
    ///
    /// # Errors
    /// `CKR_KEY_HANDLE_INVALID`.
    fn key_object(&self, cx: &CallCx, id: ObjectId) -> Result<Arc<Object>>;
}

/// A running digest.
pub(crate) struct Digesting {
    hash: Hash,
    running: Option<Digest>,
    keys: Arc<dyn SecretValues>,
    /// Whether a key's value went in: the state then tells of it, and up to a block of it is there in the clear.
    has_key: bool,
}

impl Digesting {
    /// Starts a digest.
    pub(crate) fn new(hash: Hash, keys: Arc<dyn SecretValues>) -> Self {
        Self {
            hash,
            running: None,
            keys,
            has_key: false,
        }
    }

    /// Goes on with a digest that was saved.
    ///
    /// # Errors
    /// `CKR_SAVED_STATE_INVALID`.
    pub(crate) fn restore(state: &[u8], keys: Arc<dyn SecretValues>) -> Result<Self> {
        let running = Digest::restore(state).map_err(|error| {
            Error::new(
                Rv::SavedStateInvalid,
                format!("the saved digest cannot be restored: {error}"),
            )
        })?;
        Ok(Self {
            hash: running.hash(),
            running: Some(running),
            keys,
            has_key: false,
        })
    }

    fn running(&mut self) -> &mut Digest {
        let hash = self.hash;
        self.running.get_or_insert_with(|| Digest::new(hash))
    }
}

impl Operation for Digesting {
    fn output_len(&self, part: Part) -> Result<OutputLen> {
        Ok(super::signature_len(part, self.hash.output_len()))
    }

    fn single(mut self: Box<Self>, _cx: &CallCx, input: &[u8], end: End<'_>) -> Step {
        let value = match self.running.take() {
            None => crypto::digest(self.hash, input),
            // It has been restored.
            Some(mut running) => {
                running.update(input);
                running.value()
            }
        };
        ready(written(output(end).and_then(|out| copy(&value, out))))
    }

    fn update(&mut self, _cx: &CallCx, input: &[u8], _out: &mut [u8]) -> Result<usize> {
        self.running().update(input);
        Ok(0)
    }

    fn finish(mut self: Box<Self>, _cx: &CallCx, end: End<'_>) -> Step {
        let hash = self.hash;
        let value = self.running.take().unwrap_or_else(|| Digest::new(hash)).value();
        ready(written(output(end).and_then(|out| copy(&value, out))))
    }

    fn digest_key(&mut self, cx: &CallCx, key: ObjectId) -> Result<()> {
        let object = self.keys.key_object(cx, key)?;
        if object.class() != Some(ck::CKO_SECRET_KEY) {
            return Err(Error::new(
                Rv::KeyIndigestible,
                "only the value of a secret key can be digested",
            ));
        }
        if !object.allows(self.hash.row().mechanism) {
            return Err(Error::new(
                Rv::KeyIndigestible,
                "the key's CKA_ALLOWED_MECHANISMS leave this digest out",
            ));
        }
        self.has_key = true;
        self.running()
            .update(object.bytes(ck::CKA_VALUE).unwrap_or_default());
        Ok(())
    }

    fn state(&self) -> Result<Zeroizing<Vec<u8>>> {
        if self.has_key {
            return Err(Error::new(
                Rv::StateUnsaveable,
                "a key's value went into the digest, so its state does not leave the token",
            ));
        }
        let fresh;
        let running = match &self.running {
            Some(running) => running,
            None => {
                fresh = Digest::new(self.hash);
                &fresh
            }
        };
        running.save().map_err(|_| Rv::StateUnsaveable.into())
    }
}

fn copy(value: &[u8], out: &mut [u8]) -> Result<usize> {
    out.get_mut(..value.len())
        .ok_or_else(mismatch)?
        .copy_from_slice(value);
    Ok(value.len())
}
