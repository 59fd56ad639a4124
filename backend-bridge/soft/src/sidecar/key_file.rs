// SPDX-License-Identifier: MIT
//! The key beside a sidecar: 32 random bytes in a file that only its owner may read. It wraps the store's root key, so
//! that objects can be attested without a PIN. Who reads this file can forge what the store says; who has the store
//! alone cannot.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use keyenclave_crypto::aead::{self, KEY_LEN, NONCE_LEN};
use keyenclave_crypto::rand;
use keyenclave_sys::filesystem::open_without_waiting;
use keyenclave_sys::privilege::effective_user;
use zeroize::Zeroizing;

use crate::sealer::{Binding, Sealer, SealerError};
use crate::store::{SealerRecord, StoreError};
use crate::vault::{Frame, ROOT_KEY_LEN, RootKey};

/// [`SealerRecord::kind`] of a key in a file with AES-256-GCM.
pub const KIND_KEY_FILE: u32 = 2;

/// The user who may read and write every file.
const ROOT: u32 = 0;

/// The key of a file.
pub(super) struct KeyFile(Zeroizing<[u8; KEY_LEN]>);

impl KeyFile {
    /// The key in a file; `None` if there is no such file.
    ///
    /// # Errors
    /// `Permission` for a file that others own, or may read or write, `Damaged` for one that is no key.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, StoreError> {
        let mut file = match open_without_waiting(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io(path, "opening the key file", error)),
        };
        let failed = |error| StoreError::io(path, "reading the key file", error);
        let meta = file.metadata().map_err(failed)?;
        if let Some(what) = foreign(&meta, effective_user()) {
            return Err(StoreError::Permission {
                path: path.into(),
                what: what.into(),
            });
        }
        if !meta.is_file() || meta.len() != KEY_LEN as u64 {
            return Err(StoreError::Damaged {
                path: path.into(),
                what: format!("it is not a key of {KEY_LEN} bytes"),
            });
        }
        let mut key = Zeroizing::new([0; KEY_LEN]);
        file.read_exact(key.as_mut_slice()).map_err(failed)?;
        Ok(Some(Self(key)))
    }

    /// The key in a file, which is made if it is not there. Processes that do this at the same time get the same key;
    /// the file is never half written.
    ///
    /// # Errors
    /// As [`Self::read`], and what keeps the file from being made.
    pub(super) fn read_or_make(path: &Path) -> Result<Self, StoreError> {
        if let Some(key) = Self::read(path)? {
            return Ok(key);
        }
        let directory = path.parent().unwrap_or(Path::new("/"));
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|error| StoreError::io(directory, "making the directory", error))?;
        let draft = Draft::write(path)?;
        match fs::hard_link(&draft.0, path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            // A file system without links: another process that does the same in this instant may have to try again.
            Err(_) => fs::rename(&draft.0, path)
                .map_err(|error| StoreError::io(path, "making the key file", error))?,
        }
        drop(draft);
        File::open(directory)
            .and_then(|directory| directory.sync_all())
            .map_err(|error| StoreError::io(directory, "syncing the directory", error))?;
        Self::read(path)?.ok_or_else(|| StoreError::Missing { path: path.into() })
    }
}

/// Why somebody else than `user` may know or have chosen what is in a file, if that is so. Root may anyhow.
fn foreign(meta: &Metadata, user: u32) -> Option<&'static str> {
    if ![user, ROOT].contains(&meta.uid()) {
        return Some(
            "the key belongs to another user than this process runs as; look who made it, and run `chown` on it, or \
             this program as its owner",
        );
    }
    (meta.mode() & 0o077 != 0)
        .then_some("others than its owner may use the key; run `chmod 600` on it, and look who did")
}

/// A new key under a name of its own, removed when it has served.
struct Draft(PathBuf);

impl Draft {
    fn write(path: &Path) -> Result<Self, StoreError> {
        let failed = |error| StoreError::io(path, "making the key file", error);
        let no_random = |error: keyenclave_crypto::Error| failed(io::Error::other(error));
        let mut key = Zeroizing::new([0; KEY_LEN]);
        let mut unique = [0; 8];
        rand::fill(key.as_mut_slice()).map_err(no_random)?;
        rand::fill(&mut unique).map_err(no_random)?;
        let mut name = path.as_os_str().to_owned();
        name.push(format!("-new-{:016x}", u64::from_le_bytes(unique)));
        let draft = PathBuf::from(name);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)
            .map_err(failed)?;
        let draft = Self(draft);
        file.write_all(key.as_slice())
            .and_then(|()| file.sync_all())
            .map_err(failed)?;
        Ok(draft)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let _gone_after_a_rename = fs::remove_file(&self.0);
    }
}

/// What the wrapped root key is bound to: the store and its role.
fn bound(binding: Binding) -> Frame {
    Frame::new("KeyEnclave sealer", binding.identity)
        .field(&binding.role.number().to_le_bytes())
        .field(&KIND_KEY_FILE.to_le_bytes())
}

impl Sealer for KeyFile {
    fn wrap(&self, binding: Binding, root: &RootKey) -> Result<SealerRecord, SealerError> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce)?;
        let sealed = aead::seal(&self.0, &nonce, bound(binding).bytes(), root.expose())?;
        Ok(SealerRecord {
            kind: KIND_KEY_FILE,
            params: Vec::new(),
            wrapped: [nonce.as_slice(), &sealed].concat(),
            failed: 0,
            // Nothing is guessed here, so nothing is counted.
            limit: 1,
        })
    }

    fn unwrap(&self, binding: Binding, record: &SealerRecord) -> Result<RootKey, SealerError> {
        if record.kind != KIND_KEY_FILE {
            return Err(SealerError::Kind(record.kind));
        }
        let other = SealerError::Damaged("the key file beside the store does not open it");
        let Some((nonce, sealed)) = record.wrapped.split_first_chunk::<NONCE_LEN>() else {
            return Err(other);
        };
        let Ok(root) = aead::open(&self.0, nonce, bound(binding).bytes(), sealed) else {
            return Err(other);
        };
        match <&[u8; ROOT_KEY_LEN]>::try_from(root.as_slice()) {
            Ok(root) => Ok(RootKey::from_bytes(root)?),
            Err(_) => Err(SealerError::Damaged("the root key has a wrong length")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_of_another_user_is_refused_and_roots_is_not() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let meta = file.as_file().metadata().unwrap();
        let other = meta.uid() + 1;
        assert_eq!(foreign(&meta, meta.uid()), None);
        assert_eq!(foreign(&meta, other).is_none(), meta.uid() == ROOT);
        // Only root can give a file away; everybody else's files have shown above that theirs are refused.
        if std::os::unix::fs::chown(file.path(), Some(65534), None).is_ok() {
            let given = file.as_file().metadata().unwrap();
            assert!(foreign(&given, ROOT).is_some() && foreign(&given, 65534).is_none());
        }
    }
}
