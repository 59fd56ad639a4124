// SPDX-License-Identifier: MIT
//! Why a store could not do what it was asked. Each message says what failed, where to look and what to do.

use super::{FORMAT_VERSION, RecordId, Role};
use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a store could not do what it was asked.
#[derive(Debug)]
pub enum StoreError {
    /// Somebody else changed, deleted or created this object meanwhile. Read again, then try again.
    Conflict(RecordId),
    /// The token was initialised anew or restored meanwhile, or is not what the caller thought it was.
    TokenChanged,
    /// No attempt is left for this role.
    Locked(Role),
    /// The sealer of this role was replaced while the one before it was being opened.
    SealerChanged(Role),
    /// The role has no sealer, so there is nothing to attempt.
    NoSealer(Role),
    /// Another process or thread has kept the store locked for too long.
    Busy {
        /// The store.
        path: PathBuf,
    },
    /// There is no token where one is needed.
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The file is not a store, or no longer a sound one. It was not changed.
    Damaged {
        /// The store.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// The store was written by a newer version.
    Newer {
        /// The store.
        path: PathBuf,
        /// Its format version.
        found: u32,
    },
    /// The system, or we, refuse access.
    Permission {
        /// What may not be used.
        path: PathBuf,
        /// Why not, and what to do.
        what: String,
    },
    /// The process was forked while a store was in use.
    ForkRefused {
        /// The store.
        path: PathBuf,
    },
    /// The system failed.
    Io {
        /// What was worked on.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl StoreError {
    /// A failure of the system, sorted by what a person can do about it.
    pub(crate) fn io(path: impl Into<PathBuf>, doing: &'static str, source: io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::Permission {
                path,
                what: format!("{doing}: {source}; give this user the right to write here"),
            },
            _ => Self::Io {
                path,
                doing,
                source: Box::new(source),
            },
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict(id) => {
                write!(
                    f,
                    "object {:032x} was changed by another process or session",
                    u128::from_be_bytes(id.0)
                )
            }
            Self::TokenChanged => {
                f.write_str("the token was initialised anew or restored by another process")
            }
            Self::Locked(role) => {
                write!(
                    f,
                    "the {role} PIN is locked after too many wrong attempts; {}",
                    unlock_advice(*role)
                )
            }
            Self::SealerChanged(role) => {
                write!(f, "the {role} PIN was changed while the one before it was tried")
            }
            Self::NoSealer(role) => write!(f, "no {role} PIN is set on this token"),
            Self::Busy { path } => write!(
                f,
                "the store {} is busy: another process keeps it locked; see `fuser {0}`",
                path.display()
            ),
            Self::Missing { path } => {
                write!(
                    f,
                    "no token at {}: initialise one (C_InitToken, `keyenclave token init`)",
                    path.display()
                )
            }
            Self::Damaged { path, what } => write!(
                f,
                "the store {} is damaged: {what}; nothing was changed; keep a copy and restore a backup",
                path.display()
            ),
            Self::Newer { path, found } => write!(
                f,
                "the store {} has format {found}, this version knows formats up to {FORMAT_VERSION}; \
                 use a newer KeyEnclave",
                path.display()
            ),
            Self::Permission { path, what } => write!(f, "no access to {}: {what}", path.display()),
            Self::ForkRefused { path } => write!(
                f,
                "the store {} cannot be used in this process: a store was in use for over a second at the fork \
                 that made it; fork again, or fork before the stores are busy",
                path.display()
            ),
            Self::Io { path, doing, source } => {
                write!(
                    f,
                    "{doing} failed for the store {}: {source}; see the system's log",
                    path.display()
                )
            }
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source.as_ref()),
            _ => None,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::So => "security officer's",
            Self::User => "user",
            Self::Machine => "machine's",
        })
    }
}

const fn unlock_advice(role: Role) -> &'static str {
    match role {
        Role::User => "the security officer can set a new one (C_InitPIN)",
        Role::So | Role::Machine => "only a restored backup or a new token helps",
    }
}
