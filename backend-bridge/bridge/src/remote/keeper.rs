// SPDX-License-Identifier: MIT
//! Keeping what applications set on the service's keys: asking the service first, and the sidecar for the rest.

use std::sync::Arc;

use keyenclave_model::error::{Error as ModelError, Result as ModelResult, Rv};
use keyenclave_soft::Sidecar;

use super::catalogue::Catalogue;
use super::kept::Kept;
use crate::bridge::Asker;
use crate::call::UpdateKey;
use crate::error::{Error, ErrorKind, Sent};
use crate::key::KeyName;

/// See the module.
#[derive(Clone)]
pub(super) struct Keeper {
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) sidecar: Option<Arc<Sidecar>>,
}

impl Keeper {
    /// Has the catalogue know what the sidecar says by now.
    pub(super) fn refresh(&self) -> ModelResult<()> {
        if let Some(sidecar) = &self.sidecar {
            self.catalogue.take_notes(&sidecar.notes()?);
        }
        Ok(())
    }

    /// Sees to a sidecar that can be written to, before something is done at the service that cannot be undone.
    pub(super) fn prepare(&self, kept: &Kept) -> ModelResult<()> {
        match &self.sidecar {
            Some(sidecar) if kept.beside.values().any(Option::is_some) => sidecar.prepare(),
            _ => Ok(()),
        }
    }

    /// Keeps what was set on a key.
    pub(super) async fn keep(&self, asker: &Asker, name: &KeyName, mut kept: Kept) -> ModelResult<()> {
        self.prepare(&kept)?;
        // If this ends before its end, the key may be called something else by now.
        let unsure = Unsure(&self.catalogue, name);
        if !kept.is_beside_only() {
            let call = UpdateKey {
                key: name.clone(),
                label: kept.label.clone(),
                tags: kept.tags.clone(),
            };
            match asker.ask(call).await {
                Ok(()) => {}
                Err(error) if self.may_do_instead(&error) => {
                    log::warn!("what is set on {name} is kept in the sidecar: {error}");
                    kept = kept.without_service();
                }
                Err(error) => return Err(self.advised(&error)),
            }
        }
        self.note(name, &kept).await?;
        self.catalogue.changed(name, &kept);
        std::mem::forget(unsure);
        self.refresh()
    }

    /// Whether the sidecar may stand in for a service that has refused to keep something.
    fn may_do_instead(&self, error: &Error) -> bool {
        let refused = matches!(error.kind(), ErrorKind::Denied | ErrorKind::Unsupported);
        refused && self.sidecar.is_some() && error.sent() != Sent::Maybe
    }

    /// Whether a new key may be asked for again without the label and tags that may have been the reason.
    pub(super) fn may_do_without_names(&self, error: &Error, kept: &Kept) -> bool {
        error.kind() == ErrorKind::Denied && !kept.is_beside_only() && self.may_do_instead(error)
    }

    fn advised(&self, error: &Error) -> ModelError {
        let told = ModelError::from(error);
        if error.kind() != ErrorKind::Denied {
            return told;
        }
        let detail = format!(
            "{}; labels, ids, subjects and dates of keys are kept in aliases and tags: where these may not be set, set \
             `sidecar` for this slot",
            told.detail().unwrap_or_default()
        );
        ModelError::new(told.rv(), detail)
    }

    /// Writes to the sidecar what belongs there.
    pub(super) async fn note(&self, name: &KeyName, kept: &Kept) -> ModelResult<()> {
        let Some(sidecar) = self.sidecar.clone() else {
            return Ok(());
        };
        if kept.beside.is_empty() {
            return Ok(());
        }
        let (key, beside) = (name.clone(), kept.beside.clone());
        // It waits for the disk, and perhaps for other processes.
        tokio::task::spawn_blocking(move || sidecar.note(key.as_str(), &beside))
            .await
            .unwrap_or_else(|_| Err(ModelError::new(Rv::FunctionCanceled, "the slot was shut down")))?;
        self.refresh()
    }

    /// Forgets what was noted of a key that is gone.
    pub(super) async fn forget(&self, name: &KeyName) {
        let Some(sidecar) = self.sidecar.clone() else {
            return;
        };
        let key = name.clone();
        let forgotten = tokio::task::spawn_blocking(move || sidecar.forget(key.as_str())).await;
        if let Ok(Err(error)) = forgotten {
            log::warn!("what was noted of {name} is still in the sidecar: {error}");
        }
    }
}

/// Has a key looked at again.
struct Unsure<'a>(&'a Catalogue, &'a KeyName);

impl Drop for Unsure<'_> {
    fn drop(&mut self) {
        self.0.unsure(self.1);
    }
}
