// SPDX-License-Identifier: MIT
//! The open sessions by handle.
//!
//! Found by many threads at once and changed rarely. A session that somebody has found stays alive until they are
//! done, even if it is closed meanwhile.

use std::collections::HashMap;
use std::sync::Arc;

use keyenclave_model::error::{Result, Rv};
use keyenclave_model::token::SessionId;
use parking_lot::{Mutex, RwLock};

use super::operation::Operations;

/// An open session.
pub struct Session {
    /// Its handle.
    pub id: SessionId,
    /// The place of its slot in the library's list.
    pub slot: usize,
    /// Whether it is a read/write session.
    pub writable: bool,
    /// What it has under way. Held for moments, never across a call to a token.
    pub operations: Mutex<Operations>,
}

/// All open sessions.
#[derive(Default)]
pub struct SessionTable(RwLock<HashMap<SessionId, Arc<Session>>>);

impl SessionTable {
    /// A new session.
    pub fn insert(&self, id: SessionId, slot: usize, writable: bool) {
        let session = Session {
            id,
            slot,
            writable,
            operations: Mutex::default(),
        };
        self.0.write().insert(id, Arc::new(session));
    }

    /// The session of a handle.
    ///
    /// # Errors
    /// `CKR_SESSION_HANDLE_INVALID`.
    pub fn find(&self, id: SessionId) -> Result<Arc<Session>> {
        self.0
            .read()
            .get(&id)
            .cloned()
            .ok_or(Rv::SessionHandleInvalid.into())
    }

    /// Takes a session out: whoever gets it closes it.
    ///
    /// # Errors
    /// `CKR_SESSION_HANDLE_INVALID`.
    pub fn remove(&self, id: SessionId) -> Result<Arc<Session>> {
        self.0.write().remove(&id).ok_or(Rv::SessionHandleInvalid.into())
    }

    /// Takes all sessions of a slot out: whoever gets them closes them.
    pub fn remove_all(&self, slot: usize) -> Vec<Arc<Session>> {
        self.0
            .write()
            .extract_if(|_, session| session.slot == slot)
            .map(|(_, session)| session)
            .collect()
    }
}
