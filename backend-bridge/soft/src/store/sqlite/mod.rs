// SPDX-License-Identifier: MIT
//! The default store: one SQLite file, used by several processes and threads at once.
//!
//! Every use of SQLite happens under the store's leaf lock (see [`keyenclave_sys::sqlite`]), which is never held
//! while another process is waited for: a try that finds the file locked ends, and is made again.

mod calls;
mod failure;
mod objects;
mod open;
mod schema;
mod sealers;
mod token;

use super::{Incarnation, NewToken, Stamp, StoreError};
use failure::Failure;
use keyenclave_sys::clock::coarse_millis;
use keyenclave_sys::page::{CounterPage, Owner, PageSlot, Reading};
use keyenclave_sys::sqlite::{ConnectionGuard, SharedConnection};
use rusqlite::Connection;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};
use token::Token;

/// How long another process is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// The first and the longest pause between two tries.
const PAUSES: (Duration, Duration) = (Duration::from_micros(500), Duration::from_millis(20));
/// How often it is checked that the files still are the ones that were opened, in milliseconds.
const CHECK_EVERY: u64 = 1_000;

/// What is known of the file that a connection was opened on.
struct OpenFile {
    /// Its name without symbolic links: SQLite puts its other files beside that one.
    path: PathBuf,
    device: u64,
    inode: u64,
    owner: Owner,
    /// Whether the file is in WAL mode: then processes also share a counter page.
    shares_memory: bool,
}

impl OpenFile {
    fn is_at(&self, meta: &Metadata) -> bool {
        (self.device, self.inode) == (meta.dev(), meta.ino())
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        open::beside(&self.path, suffix)
    }
}

/// For how long a look at the file's name holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// [`CHECK_EVERY`]: enough for reading.
    AWhile,
    /// Not at all: before writing, so that no commit goes into a file that was replaced.
    No,
}

type Guard<'a> = ConnectionGuard<'a, OpenFile>;

/// A store in a SQLite file. See [`Store`](super::Store).
pub struct SqliteStore {
    path: PathBuf,
    shared: SharedConnection<OpenFile>,
    page: PageSlot,
    /// When the files were last compared with their names, in coarse milliseconds.
    checked: AtomicU64,
    /// Commits made and connections opened here: where there is no page, these complete `data_version`.
    commits: AtomicU64,
    opened: AtomicU64,
}

impl SqliteStore {
    /// The store at `path`. Does no I/O; a relative path is taken from the present directory.
    pub fn new(path: &Path) -> Self {
        Self {
            path: std::path::absolute(path).unwrap_or_else(|_| path.into()),
            shared: SharedConnection::new(),
            page: PageSlot::new(),
            checked: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            opened: AtomicU64::new(0),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Tries `work` on the open store until it is not busy. `None` when there is no file.
    fn with<T>(
        &self,
        trust: Trust,
        mut work: impl FnMut(&Connection, &OpenFile) -> Result<T, Failure>,
    ) -> Result<Option<T>, StoreError> {
        self.patiently(|| {
            let mut guard = self
                .shared
                .lock()
                .map_err(|error| failure::lock_error(&self.path, error))?;
            self.make_current(&mut guard, trust)?;
            let Some((connection, file)) = guard.connection() else {
                return Ok(None);
            };
            end_transaction(connection)?;
            let outcome = work(connection, file).map_err(|failure| failure::examine(connection, failure));
            end_transaction(connection)?;
            outcome.map(Some)
        })
    }

    /// Makes one try after the other, with nothing locked between them.
    fn patiently<T>(&self, mut attempt: impl FnMut() -> Result<T, Failure>) -> Result<T, StoreError> {
        let start = Instant::now();
        let (mut pause, longest) = PAUSES;
        loop {
            match attempt() {
                Ok(value) => return Ok(value),
                Err(Failure::Store(error)) => return Err(error),
                Err(Failure::Malformed(what)) => {
                    return Err(open::damaged(
                        &self.path,
                        &format!("SQLite finds it malformed: {what}"),
                    ));
                }
                Err(Failure::Sql(error)) => return Err(failure::describe(&self.path, error)),
                Err(Failure::Busy) if start.elapsed() > PATIENCE => {
                    return Err(StoreError::Busy {
                        path: self.path.clone(),
                    });
                }
                Err(Failure::Busy) => std::thread::sleep(pause),
            }
            pause = longest.min(pause * 2);
        }
    }

    /// Sees to it that the connection is to the file that is at the path now, or that there is none.
    fn make_current(&self, guard: &mut Guard<'_>, trust: Trust) -> Result<(), Failure> {
        let now = coarse_millis();
        let fresh = now.wrapping_sub(self.checked.load(SeqCst)) < CHECK_EVERY;
        if trust == Trust::AWhile && fresh && guard.connection().is_some() {
            return Ok(());
        }
        let Some(meta) = open::inspect(&self.path)? else {
            guard.close();
            self.page.replace(None);
            return Ok(());
        };
        match guard.connection() {
            Some((_, file)) if !file.is_at(&meta) => self.may_follow(file)?,
            Some((_, file)) if !file.shares_memory || self.has_page(file) => {
                self.checked.store(now, SeqCst);
                return Ok(());
            }
            _ => {}
        }
        guard.open(|| {
            let (connection, file) = open::connect(&self.path, &meta)?;
            self.page.replace(self.first_page(&connection, &file)?);
            Ok::<_, Failure>((connection, file))
        })?;
        self.opened.fetch_add(1, SeqCst);
        self.checked.store(now, SeqCst);
        Ok(())
    }

    /// Whether the connection to a file that was replaced may be given up for the new one.
    fn may_follow(&self, old: &OpenFile) -> Result<(), StoreError> {
        if !open::has_log(&old.path) {
            return Ok(());
        }
        // The connection stays as it is: opened anew, SQLite would play the old file's log into the new one.
        let what = "the file was replaced while it was in use, and the log beside it belongs to the old one; stop \
                    the programs that use it, delete the files -wal and -shm, put the backup here again";
        Err(open::damaged(&self.path, what))
    }

    fn has_page(&self, file: &OpenFile) -> bool {
        self.page
            .page()
            .is_some_and(|page| page.is_at(&file.beside("-page")))
    }

    /// Opens the counter page. The caller holds the write lock.
    fn open_page(&self, token: &Token, file: &OpenFile) -> Result<CounterPage, Failure> {
        let mut seed = [0; 8];
        keyenclave_crypto::rand::fill(&mut seed).map_err(|error| self.no_random(error))?;
        let path = file.beside("-page");
        let incarnation = token.header.incarnation.0;
        CounterPage::open(&path, incarnation, u64::from_le_bytes(seed), file.owner)
            .map_err(|error| page_error(&path, error))
    }

    /// Opens the counter page of a file that was just opened. Waits for other writers only if it must be made.
    fn first_page(&self, connection: &Connection, file: &OpenFile) -> Result<Option<CounterPage>, Failure> {
        if !file.shares_memory {
            return Ok(None);
        }
        let path = file.beside("-page");
        let life = self.token(connection)?.header.incarnation.0;
        let found = CounterPage::open_existing(&path, life).map_err(|error| page_error(&path, error))?;
        if found.is_some() {
            return Ok(found);
        }
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let page = self
            .token(connection)
            .and_then(|token| self.open_page(&token, file));
        end_transaction(connection)?;
        page.map(Some)
    }

    fn no_random(&self, error: keyenclave_crypto::Error) -> StoreError {
        StoreError::Io {
            path: self.path.clone(),
            doing: "drawing random bytes",
            source: Box::new(error),
        }
    }

    fn missing(&self) -> StoreError {
        StoreError::Missing {
            path: self.path.clone(),
        }
    }

    /// The token's row; a store always has one.
    fn token(&self, connection: &Connection) -> Result<Token, Failure> {
        token::read(connection)?
            .ok_or_else(|| open::damaged(&self.path, "the row of the token was removed").into())
    }

    /// One durable write transaction. `work` gets the token's row; what it made is undone if it fails ([`Self::with`]).
    fn write<T>(
        &self,
        mut work: impl FnMut(&Connection, &Token) -> Result<T, Failure>,
    ) -> Result<Option<T>, StoreError> {
        self.with(Trust::No, |connection, file| {
            connection.execute_batch("BEGIN IMMEDIATE")?;
            let token = self.token(connection)?;
            let value = work(connection, &token)?;
            self.publish(connection, file, &token)?;
            Ok(value)
        })
    }

    /// Commits, with the count odd while it happens.
    fn publish(&self, connection: &Connection, file: &OpenFile, before: &Token) -> Result<(), Failure> {
        let after = self.token(connection)?.header.incarnation;
        if file.shares_memory && !self.has_page(file) {
            // Somebody deleted it. Under the write lock nobody else can make another one meanwhile.
            self.page.replace(Some(self.open_page(before, file)?));
        }
        let page = self.page.page();
        if let Some(page) = page {
            page.begin();
        }
        let committed = connection.execute_batch("COMMIT");
        if let Some(page) = page {
            let incarnation = if committed.is_ok() {
                after
            } else {
                before.header.incarnation
            };
            page.finish(incarnation.0);
        }
        self.commits.fetch_add(1, SeqCst);
        Ok(committed?)
    }

    /// One consistent look at several tables.
    fn look<T>(&self, work: impl Fn(&Connection) -> Result<T, Failure>) -> Result<Option<T>, StoreError> {
        self.with(Trust::AWhile, |connection, _| {
            connection.execute_batch("BEGIN")?;
            work(connection)
        })
    }

    /// The mark of a store without a page, or whose files have not been looked at for a while.
    fn stamp_slowly(&self) -> Result<Stamp, StoreError> {
        let stamp = self.with(Trust::AWhile, |connection, file| {
            if let (true, Some(page)) = (file.shares_memory, self.page.page()) {
                return Ok(of_page(page));
            }
            let version: i64 = connection
                .prepare_cached("PRAGMA data_version")?
                .query_row([], |row| row.get(0))?;
            let opened = self.opened.load(SeqCst);
            let incarnation = Some(self.token(connection)?.header.incarnation);
            let count = [opened << 32 | version.cast_unsigned(), self.commits.load(SeqCst)];
            Ok(Stamp::Settled { incarnation, count })
        })?;
        Ok(stamp.unwrap_or(Stamp::Settled {
            incarnation: None,
            count: [0; 2],
        }))
    }

    /// Makes the file, with the token in it.
    fn create(&self, token: &NewToken) -> Result<(), StoreError> {
        let mut unique = [0; 8];
        keyenclave_crypto::rand::fill(&mut unique).map_err(|error| self.no_random(error))?;
        let suffix = format!("-new-{:016x}", u64::from_le_bytes(unique));
        let made = self.patiently(|| {
            let guard = self
                .shared
                .lock()
                .map_err(|error| failure::lock_error(&self.path, error))?;
            let made = open::create(&self.path, token, &suffix);
            drop(guard);
            made
        })?;
        if made {
            Ok(())
        } else {
            Err(StoreError::TokenChanged)
        }
    }
}

/// Undoes what a try left open, or one that panicked.
fn end_transaction(connection: &Connection) -> rusqlite::Result<()> {
    if connection.is_autocommit() {
        Ok(())
    } else {
        connection.execute_batch("ROLLBACK")
    }
}

fn page_error(path: &Path, error: std::io::Error) -> Failure {
    StoreError::io(path, "opening the counter page", error).into()
}

fn of_page(page: &CounterPage) -> Stamp {
    match page.read() {
        Reading::Settled { identity, count } => Stamp::Settled {
            incarnation: Some(Incarnation(identity)),
            count: [count, 0],
        },
        Reading::Moving => Stamp::Unsettled,
    }
}
