// SPDX-License-Identifier: MIT
//! The token on which the calls are made, and how it is put back.
#![allow(unsafe_code, reason = "what is tried out takes pointers")]
#![allow(clippy::expect_used, reason = "without a token there is nothing to try out")]

use cryptoki_sys::*;
use keyenclave_module::abi::functions::*;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::ptr::null_mut;
use tempfile::TempDir;

/// A store of the first format, with keys of most kinds.
const STORE: &[u8] = include_bytes!("../../../../backend-bridge/soft/tests/formats/1.store");
const USER_PIN: &[u8] = b"user-pin-0";
/// More objects than the store has.
const OBJECTS: usize = 64;

/// A token, and who is logged in to it.
pub(super) struct Place {
    directory: TempDir,
    /// A session of the user; 0 if there is none.
    pub(super) session: u64,
    /// The token's objects.
    pub(super) objects: Vec<u64>,
}

impl Place {
    /// A directory with a configuration, and nothing else yet.
    pub(super) fn new() -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let path = directory.path().display();
        let text = format!(
            "environment = \"development\"\n[log]\nlevel = \"off\"\n[[slot]]\nid = 0\nlabel = \"fuzz\"\nbackend = \"soft\"\n\
             path = \"{path}/token\"\nlegacy_mechanisms = true\n"
        );
        let file = directory.path().join("config.toml");
        fs::write(&file, text).expect("a configuration");
        fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("a configuration of our own");
        // SAFETY: nothing else runs in this process yet that reads its environment.
        unsafe { std::env::set_var("KEYENCLAVE_CONFIG", &file) };
        Self {
            directory,
            session: 0,
            objects: Vec::new(),
        }
    }

    /// Makes the token what it was, if it may be anything else.
    ///
    /// # Panics
    /// If it cannot be.
    pub(super) fn ready(&mut self) {
        if self.session != 0 {
            return;
        }
        // SAFETY: no other call is under way.
        let _ = unsafe { C_Finalize(null_mut()) };
        let store = self.directory.path().join("token");
        let _ = fs::remove_dir_all(&store);
        fs::create_dir(&store).expect("a directory for the store");
        fs::set_permissions(&store, Permissions::from_mode(0o700)).expect("a directory of our own");
        let file = store.join("token.db");
        fs::write(&file, STORE).expect("a store");
        fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("a store of our own");
        // SAFETY: null is allowed.
        assert_eq!(unsafe { C_Initialize(null_mut()) }, CKR_OK);
        crash_on_panic();
        let flags = CKF_SERIAL_SESSION | CKF_RW_SESSION;
        // SAFETY: the session's place can be written.
        let rv = unsafe { C_OpenSession(0, flags, null_mut(), None, &raw mut self.session) };
        assert_eq!(rv, CKR_OK);
        let len = USER_PIN.len() as u64;
        // SAFETY: the PIN can be read.
        let rv = unsafe { C_Login(self.session, CKU_USER, USER_PIN.as_ptr().cast_mut(), len) };
        assert_eq!(rv, CKR_OK);
        self.objects = self.found();
    }

    /// Closes the sessions, and forgets the token if it is no longer what it was.
    pub(super) fn put_back(&mut self, sessions: &[u64], changed: bool) {
        for session in sessions.iter().filter(|session| **session != self.session) {
            // SAFETY: it takes no memory.
            let _ = unsafe { C_CloseSession(*session) };
        }
        let all = CKF_ENCRYPT | CKF_DECRYPT | CKF_DIGEST | CKF_SIGN | CKF_VERIFY | CKF_SIGN_RECOVER;
        let all = all | CKF_VERIFY_RECOVER | CKF_FIND_OBJECTS | CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT;
        let all = all | CKF_MESSAGE_SIGN | CKF_MESSAGE_VERIFY;
        // SAFETY: it takes no memory.
        let _ = unsafe { C_SessionCancel(self.session, all) };
        let mut kept = !changed && self.is_users();
        for object in self.found() {
            if !self.objects.contains(&object) {
                // SAFETY: it takes no memory.
                kept &= unsafe { C_DestroyObject(self.session, object) } == CKR_OK;
            }
        }
        if !kept || self.found() != self.objects {
            self.session = 0;
        }
    }

    fn is_users(&self) -> bool {
        let mut info = CK_SESSION_INFO::default();
        // SAFETY: it can be written.
        let rv = unsafe { C_GetSessionInfo(self.session, &raw mut info) };
        rv == CKR_OK && info.state == CKS_RW_USER_FUNCTIONS
    }

    /// Every object that the session sees, in order.
    fn found(&self) -> Vec<u64> {
        let mut found = vec![0; OBJECTS * 4];
        let mut count = 0;
        // SAFETY: an empty template takes no memory.
        let rv = unsafe { C_FindObjectsInit(self.session, null_mut(), 0) };
        if rv != CKR_OK {
            return Vec::new();
        }
        let most = found.len() as u64;
        // SAFETY: there is room for so many.
        let _ = unsafe { C_FindObjects(self.session, found.as_mut_ptr(), most, &raw mut count) };
        // SAFETY: it takes no memory.
        let _ = unsafe { C_FindObjectsFinal(self.session) };
        found.truncate(usize::try_from(count).unwrap_or_default());
        found.sort_unstable();
        found
    }
}

/// Has every panic end the process, also those that the boundary would make a return value of.
fn crash_on_panic() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            // Not by a macro: what these print in a test is lost with the process.
            let trace = std::backtrace::Backtrace::force_capture();
            let _ = writeln!(std::io::stderr(), "{panic}\n{trace}");
            std::process::abort();
        }));
    });
}
