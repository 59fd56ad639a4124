// SPDX-License-Identifier: MIT
//! The soft engine's state, and how it keeps up with the store.
//!
//! # Locks
//! Each is held only for the length of a table look-up: `login`, `index`, the one inside [`SessionObjects`], and the
//! one around a login's blinded columns. No two are ever held at once, and none is held during cryptography, key
//! derivation, key generation or a call of the store. What a call needs it takes out by reference count, works, and
//! puts the result back if what it worked from is still there.
//!
//! # Keeping up
//! Every call that looks at token objects first compares the store's stamp with the one of the last look
//! ([`Engine::refresh`]), which takes nanoseconds, and fetches what has changed if they differ.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::RsaSizes;
use keyenclave_model::token::HandleSource;
use parking_lot::RwLock;

use crate::error::from_store;
use crate::index::Index;
use crate::login::{Login, Sealers};
use crate::operation::Waiting;
use crate::session::SessionObjects;
use crate::store::{Changes, Identity, Incarnation, Revision, Stamp, Store, StoreError};

/// How often something is tried again that another process or thread has got in the way of.
pub(crate) const ATTEMPTS: usize = 16;

/// See the module.
pub(crate) struct Engine<S, K> {
    pub(crate) store: S,
    pub(crate) sealers: K,
    pub(crate) handles: Arc<HandleSource>,
    /// The RSA keys that are made, taken in and used.
    pub(crate) rsa: RsaSizes,
    pub(crate) session: SessionObjects,
    /// Operations that ask for a PIN.
    pub(crate) waiting: Waiting,
    pub(crate) index: RwLock<Index>,
    login: RwLock<Option<Arc<Login>>>,
    /// The last epoch that was told.
    epoch: AtomicU64,
}

impl<S: Store, K: Sealers> Engine<S, K> {
    pub(crate) fn new(store: S, sealers: K, handles: Arc<HandleSource>, rsa: RsaSizes) -> Self {
        Self {
            store,
            sealers,
            handles,
            rsa,
            session: SessionObjects::default(),
            waiting: Waiting::default(),
            index: RwLock::new(Index::new()),
            login: RwLock::new(None),
            epoch: AtomicU64::new(0),
        }
    }

    /// Who is logged in.
    pub(crate) fn login(&self) -> Option<Arc<Login>> {
        self.login.read().clone()
    }

    /// Somebody logs in, or out.
    pub(crate) fn set_login(&self, login: Option<Arc<Login>>) {
        let is_logout = login.is_none();
        let before = std::mem::replace(&mut *self.login.write(), login);
        drop(before);
        if is_logout {
            self.index.write().forget_private();
            self.session.forget_private();
        } else {
            self.index.write().forget_unverified();
        }
    }

    /// The token was replaced: everything that is known of the old one goes.
    pub(crate) fn forget_all(&self) {
        self.index.write().clear(None);
        self.set_login(None);
    }

    /// A number that changes with the token's incarnation; 0 where there is none. While a writer is at work, and
    /// when the store cannot be asked, it is the last one that was known.
    pub(crate) fn epoch(&self) -> u64 {
        let known = self.epoch.load(Ordering::Relaxed);
        let epoch = match self.store.stamp() {
            Ok(Stamp::Settled { incarnation, .. }) => epoch_of(incarnation),
            Ok(Stamp::Unsettled) if known == 0 => match self.store.header() {
                Ok(header) => epoch_of(header.map(|header| header.incarnation)),
                Err(_) => known,
            },
            Ok(Stamp::Unsettled) | Err(_) => known,
        };
        self.epoch.store(epoch, Ordering::Relaxed);
        epoch
    }

    /// Brings the index up to date.
    ///
    /// # Errors
    /// What the store reports. That there is no token is not an error: the index is empty then.
    pub(crate) fn refresh(&self) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let stamp = self.store.stamp().map_err(from_store)?;
            let (is_current, base) = {
                let index = self.index.read();
                (index.is_current(stamp), index.revision())
            };
            if is_current || self.catch_up(stamp, base)? {
                return Ok(());
            }
        }
        // Others keep changing it faster than we look: what we know is of a moment ago, as any answer is.
        Ok(())
    }

    /// Fetches what has changed since `base`. False if the index has moved on meanwhile or the token has changed.
    fn catch_up(&self, stamp: Stamp, base: Option<Revision>) -> Result<bool> {
        let (changes, identity) = match self.changes(base) {
            Ok(Some(changes)) => changes,
            Ok(None) => return Ok(false),
            Err(StoreError::Missing { .. }) => {
                self.leave(base, stamp);
                return Ok(true);
            }
            Err(error) => return Err(from_store(error)),
        };
        let incarnation = changes.revision.incarnation;
        let other_token = base.is_some_and(|base| base.incarnation != incarnation);
        let applied = {
            let mut index = self.index.write();
            let unmoved = index.revision() == base;
            if unmoved {
                if other_token {
                    index.clear(None);
                }
                index.apply(changes, identity, stamp);
            }
            unmoved
        };
        if self.login().is_some_and(|login| login.incarnation != incarnation) {
            log::warn!("the token was initialised anew or restored by another process: the login has ended");
            self.set_login(None);
        }
        Ok(applied)
    }

    /// What has changed, and the identity of the token that it has changed in. `None` if that token went meanwhile.
    fn changes(&self, base: Option<Revision>) -> Result<Option<(Changes, Identity)>, StoreError> {
        let changes = self.store.changes_since(base)?;
        let incarnation = changes.revision.incarnation;
        let known = {
            let index = self.index.read();
            index.identity().filter(|_| {
                index
                    .revision()
                    .is_some_and(|revision| revision.incarnation == incarnation)
            })
        };
        if let Some(identity) = known {
            return Ok(Some((changes, identity)));
        }
        let header = self
            .store
            .header()?
            .filter(|header| header.incarnation == incarnation);
        Ok(header.map(|header| (changes, header.identity)))
    }

    /// There is no token, perhaps no longer.
    fn leave(&self, base: Option<Revision>, stamp: Stamp) {
        let mut index = self.index.write();
        if index.revision() == base {
            index.clear(Some(stamp));
        }
        drop(index);
        if self.login().is_some() {
            log::warn!("the token's store is gone: the login has ended");
            self.set_login(None);
        }
    }

    /// The revision that a commit is based on, and the token's identity.
    ///
    /// # Errors
    /// `CKR_TOKEN_NOT_INITIALIZED`.
    pub(crate) fn base(&self) -> Result<(Revision, Identity)> {
        self.refresh()?;
        let index = self.index.read();
        index.revision().zip(index.identity()).ok_or_else(|| {
            Error::new(
                Rv::TokenNotInitialized,
                "there is no token to keep the object on: initialise one (C_InitToken, `keyenclave token init`)",
            )
        })
    }
}

fn epoch_of(incarnation: Option<Incarnation>) -> u64 {
    incarnation.map_or(0, |Incarnation(bytes)| {
        let [a, b, c, d, e, f, g, h, ..] = bytes;
        u64::from_le_bytes([a, b, c, d, e, f, g, h]).max(1)
    })
}
