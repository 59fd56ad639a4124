// SPDX-License-Identifier: MIT
//! The open sessions by handle.
//!
//! Found by many threads at once and changed rarely. A session that somebody has found stays alive until they are
//! done, even if it is closed meanwhile.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use cryptoki_sys as ck;
use keyenclave_model::error::{Result, Rv};
use keyenclave_model::number_map::NumberMap;
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
    /// Whether it is an asynchronous session: what takes long is fetched later (PKCS#11 3.2, section 5.21).
    pub asynchronous: bool,
    /// `ulDeviceError`: what the service or device said of the last call of this session that failed; 0 where it was
    /// not the cause.
    pub device_error: AtomicU32,
    /// What it has under way. Held for moments, never across a call to a token.
    pub operations: Mutex<Operations>,
}

/// All open sessions.
#[derive(Default)]
pub struct SessionTable(RwLock<NumberMap<SessionId, Arc<Session>>>);

impl SessionTable {
    /// A new session, of the kind that the flags of `C_OpenSession` say.
    pub fn insert(&self, id: SessionId, slot: usize, flags: ck::CK_FLAGS) {
        let session = Session {
            id,
            slot,
            writable: flags & ck::CKF_RW_SESSION != 0,
            asynchronous: flags & ck::CKF_ASYNC_SESSION != 0,
            device_error: AtomicU32::new(0),
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
            .ok_or_else(|| Rv::SessionHandleInvalid.into())
    }

    /// Takes a session out: whoever gets it closes it.
    ///
    /// # Errors
    /// `CKR_SESSION_HANDLE_INVALID`.
    pub fn remove(&self, id: SessionId) -> Result<Arc<Session>> {
        self.0
            .write()
            .remove(&id)
            .ok_or_else(|| Rv::SessionHandleInvalid.into())
    }

    /// Takes all sessions of a slot out: whoever gets them closes them.
    pub fn remove_all(&self, slot: usize) -> Vec<Arc<Session>> {
        self.0
            .write()
            .extract_if(|_, session| session.slot == slot)
            .map(|(_, session)| session)
            .collect()
    }

    /// The open sessions of a slot.
    pub fn of_slot(&self, slot: usize) -> Vec<Arc<Session>> {
        let sessions = self.0.read();
        sessions
            .values()
            .filter(|session| session.slot == slot)
            .cloned()
            .collect()
    }
}
