// SPDX-License-Identifier: MIT
//! What can go wrong inside one try, and how SQLite's codes become messages for people.

use crate::store::StoreError;
use keyenclave_sys::sqlite::LockError;
use rusqlite::{Connection, ErrorCode};
use std::path::Path;

/// Why one try at the store ended.
pub(super) enum Failure {
    /// Somebody else is at it: try again.
    Busy,
    /// SQLite finds the file malformed, and says where.
    Malformed(String),
    /// SQLite says so.
    Sql(rusqlite::Error),
    /// We say so.
    Store(StoreError),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed,
            ) => Self::Busy,
            _ => Self::Sql(error),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Has SQLite look closer at a file that it found malformed, so that the message says where.
pub(super) fn examine(connection: &Connection, failure: Failure) -> Failure {
    match failure {
        Failure::Sql(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
            let found = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
            Failure::Malformed(found.unwrap_or_else(|_| error.to_string()))
        }
        other => other,
    }
}

/// The lock's refusal as a store's.
pub(super) fn lock_error(path: &Path, error: LockError) -> StoreError {
    match error {
        LockError::Refused => StoreError::ForkRefused { path: path.into() },
        LockError::Busy => StoreError::Busy { path: path.into() },
    }
}

/// What SQLite's error means for the store at `path`.
pub(super) fn describe(path: &Path, error: rusqlite::Error) -> StoreError {
    let path = path.to_path_buf();
    let damaged = |what: String| StoreError::Damaged {
        path: path.clone(),
        what,
    };
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => damaged("it is not a SQLite database".into()),
        Some(ErrorCode::DatabaseCorrupt) => damaged(format!("SQLite finds it malformed ({error})")),
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            let what =
                format!("{error}; give this user the right to read and write the file and its directory");
            StoreError::Permission { path, what }
        }
        Some(ErrorCode::DiskFull) => StoreError::Io {
            path,
            doing: "writing (the disk is full)",
            source: Box::new(error),
        },
        Some(ErrorCode::SystemIoFailure | ErrorCode::OutOfMemory) => StoreError::Io {
            path,
            doing: "input or output",
            source: Box::new(error),
        },
        // Everything else means that tables or rows are not as we made them.
        _ => damaged(format!("its tables were edited ({error})")),
    }
}
