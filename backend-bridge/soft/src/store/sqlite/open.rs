// SPDX-License-Identifier: MIT
//! Opening a store file, and making one.
//!
//! We never open the database file ourselves while SQLite may have it open: closing any descriptor of a file drops
//! all of the process's locks on it (POSIX), SQLite's too. So the file is judged by its metadata and through SQLite.

use super::failure::Failure;
use super::schema::{APPLICATION_ID, SCHEMA};
use super::{OpenFile, sealers, token};
use crate::store::{FORMAT_VERSION, NewToken, StoreError};
use keyenclave_sys::filesystem::is_network_fs;
use keyenclave_sys::page::Owner;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::fs::{self, DirBuilder, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Cached statements: more than there are.
const STATEMENTS: usize = 32;
/// How long SQLite itself waits where a try cannot be given up in the middle: rollback journals only.
const ROLLBACK_JOURNAL_WAIT: Duration = Duration::from_secs(5);

/// The metadata of the store file, or `None` when there is none. Refuses what we should not trust.
pub(super) fn inspect(path: &Path) -> Result<Option<Metadata>, StoreError> {
    let meta = match fs::metadata(path) {
        Ok(meta) => meta,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(StoreError::io(path, "looking at the file", error)),
    };
    if !meta.is_file() {
        return Err(damaged(path, "it is not a regular file"));
    }
    if meta.mode() & 0o022 != 0 {
        let what = "others than its owner may write to it; run `chmod go-w` on it, and look who did".into();
        return Err(StoreError::Permission {
            path: path.into(),
            what,
        });
    }
    check_directory(directory(path))?;
    if meta.len() == 0 {
        return Err(damaged(path, "it is empty"));
    }
    Ok(Some(meta))
}

/// Refuses a directory in which everybody may replace files.
fn check_directory(dir: &Path) -> Result<(), StoreError> {
    let mode = fs::metadata(dir)
        .map_err(|error| StoreError::io(dir, "looking at the directory", error))?
        .mode();
    if mode & 0o002 == 0 || mode & 0o1000 != 0 {
        return Ok(());
    }
    let what = "everybody may replace files in this directory; run `chmod o-w` on it".into();
    Err(StoreError::Permission {
        path: dir.into(),
        what,
    })
}

/// Refuses what somebody else has laid beside a store whose directory he may write to: SQLite would take a log of
/// his for the store's own. SQLite gives its files the store's owner.
fn check_companions(path: &Path, meta: &Metadata) -> Result<(), StoreError> {
    for suffix in ["-wal", "-shm", "-journal"] {
        let path = beside(path, suffix);
        let is_ours =
            |beside: Metadata| beside.is_file() && beside.uid() == meta.uid() && beside.mode() & 0o022 == 0;
        match fs::symlink_metadata(&path).map(is_ours) {
            Ok(true) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Ok(false) => {
                let what =
                    "it does not belong to the store's owner alone; look who made it, and move it away"
                        .into();
                return Err(StoreError::Permission { path, what });
            }
            Err(error) => return Err(StoreError::io(path, "looking at the file", error)),
        }
    }
    Ok(())
}

/// Opens the store file, which exists, and checks that it is one of ours. Changes nothing in it.
pub(super) fn connect(path: &Path, meta: &Metadata) -> Result<(Connection, OpenFile), Failure> {
    let real = fs::canonicalize(path).map_err(|error| StoreError::io(path, "resolving the name", error))?;
    // Behind a symbolic link there is another directory than the one that was looked at.
    check_directory(directory(&real))?;
    check_companions(&real, meta)?;
    let connection = Connection::open_with_flags(path, flags())?;
    configure(&connection)?;
    verify(path, &connection)?;
    if ends_inside_a_page(&real, meta, &connection)? {
        return Err(damaged(path, "it was cut off").into());
    }
    if connection.is_readonly("main")? {
        let what = "the file is read-only; give this user the right to write to it".into();
        return Err(StoreError::Permission {
            path: path.into(),
            what,
        }
        .into());
    }
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    let mut mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    if mode == "wal" && is_network_fs(path).unwrap_or(true) {
        // It was copied here from a local disk. SQLite's WAL needs shared memory, which does not reach other machines.
        mode = connection.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get(0))?;
    }
    let shares_memory = mode == "wal";
    if !shares_memory {
        connection.busy_timeout(ROLLBACK_JOURNAL_WAIT)?;
    }
    Ok((
        connection,
        OpenFile {
            path: real,
            device: meta.dev(),
            inode: meta.ino(),
            owner: Owner {
                user: meta.uid(),
                group: meta.gid(),
            },
            shares_memory,
        },
    ))
}

/// Whether the file was truncated where SQLite itself does not mind: it takes the missing rest of a page for zeros.
/// While there is a log to be replayed, the end of the file means nothing.
fn ends_inside_a_page(path: &Path, meta: &Metadata, connection: &Connection) -> rusqlite::Result<bool> {
    let page: i64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    Ok(!has_log(path) && !meta.len().is_multiple_of(page.cast_unsigned()))
}

/// Whether SQLite keeps commits beside the file that are not in it yet.
pub(super) fn has_log(path: &Path) -> bool {
    is_filled(&beside(path, "-wal"))
}

fn is_filled(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.len() > 0)
}

/// Refuses to make a file beside the log of another one: SQLite would play that into the new one.
fn check_no_log(path: &Path) -> Result<(), StoreError> {
    if !["-wal", "-journal"]
        .iter()
        .any(|suffix| is_filled(&beside(path, suffix)))
    {
        return Ok(());
    }
    let what = "the file is gone, but the log of its last commits lies there (-wal or -journal); put the file back, or \
                move the log away to make a new token";
    Err(damaged(path, what))
}

fn flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.busy_timeout(Duration::ZERO)?;
    for (option, value) in [
        (DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true),
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
    ] {
        connection.set_db_config(option, value)?;
    }
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY; \
         PRAGMA secure_delete = ON;",
    )
}

/// Whether the open database is a store that this version knows, as we made it.
fn verify(path: &Path, connection: &Connection) -> Result<(), Failure> {
    let application: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    if application != APPLICATION_ID {
        return Err(damaged(path, "it is a SQLite database, but not a store").into());
    }
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    match u32::try_from(version) {
        Ok(FORMAT_VERSION) => {}
        Ok(found) if found > FORMAT_VERSION => {
            return Err(StoreError::Newer {
                path: path.into(),
                found,
            }
            .into());
        }
        // No format is older than 1; a later version upgrades older ones here.
        _ => return Err(damaged(path, "its format version is not one that was ever used").into()),
    }
    let sql = "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    let mut statement = connection.prepare(sql)?;
    let found: Vec<(String, String, String)> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    let is_ours =
        |row: &(String, String, String)| SCHEMA.contains(&(row.0.as_str(), row.1.as_str(), row.2.as_str()));
    if found.len() != SCHEMA.len() || !found.iter().all(is_ours) {
        return Err(damaged(path, "its tables were edited").into());
    }
    Ok(())
}

/// Makes a store file with a token in it. False when a file is there already. Another process sees either no file
/// or the whole token: it is made under another name and linked.
pub(super) fn create(path: &Path, new: &NewToken, suffix: &str) -> Result<bool, Failure> {
    let dir = directory(path);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|error| StoreError::io(dir, "making the directory", error))?;
    check_directory(dir)?;
    check_no_log(path)?;
    let draft = Draft(beside(path, suffix));
    write_draft(&draft.0, new)?;
    match fs::hard_link(&draft.0, path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        // A file system without links. Two processes making the first token in the same instant is all that is lost.
        Err(_) if inspect(path)?.is_some() => return Ok(false),
        Err(_) => {
            fs::rename(&draft.0, path).map_err(|error| StoreError::io(path, "making the file", error))?
        }
    }
    drop(draft);
    fs::File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|error| StoreError::io(dir, "syncing the directory", error))?;
    Ok(true)
}

/// A file under a name of its own, removed when it has served.
struct Draft(PathBuf);

impl Drop for Draft {
    fn drop(&mut self) {
        let _gone_after_a_rename = fs::remove_file(&self.0);
    }
}

fn write_draft(draft: &Path, new: &NewToken) -> Result<(), Failure> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(draft)
        .map_err(|error| StoreError::io(draft, "making the file", error))?;
    let connection = Connection::open_with_flags(draft, flags())?;
    // Nobody else knows the file yet; SQLite syncs it when the transaction commits.
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA journal_mode = MEMORY; BEGIN IMMEDIATE;")?;
    for (_, _, statement) in SCHEMA {
        connection.execute_batch(statement)?;
    }
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", FORMAT_VERSION)?;
    token::insert(&connection, &new.header)?;
    for (role, record) in &new.sealers {
        sealers::put(&connection, *role, record)?;
    }
    connection.execute_batch("COMMIT")?;
    let local =
        !is_network_fs(draft).map_err(|error| StoreError::io(draft, "looking at the file system", error))?;
    let mode = if local { "WAL" } else { "DELETE" };
    connection.pragma_update_and_check(None, "journal_mode", mode, |_| Ok(()))?;
    connection.close().map_err(|(_, error)| Failure::Sql(error))
}

/// `path` with something after its name.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn directory(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

pub(super) fn damaged(path: &Path, what: &str) -> StoreError {
    StoreError::Damaged {
        path: path.into(),
        what: what.into(),
    }
}
