// SPDX-License-Identifier: MIT
//! What the fork tests share: a child that runs a closure and reports by its exit code, and a store to work on.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, missing_docs)]

use keyenclave_soft::store::*;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard};

/// One forking test at a time: a fork copies only its own thread, and the others' locks with it.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

pub struct Process(libc::pid_t);

impl Process {
    /// Waits for the end; panics unless the closure returned true.
    pub fn must_succeed(self) {
        let mut status = 0;
        // SAFETY: `status` is writable, and the process is our child.
        let waited = unsafe { libc::waitpid(self.0, &raw mut status, 0) };
        assert_eq!(waited, self.0);
        assert_eq!(status, 0, "the child failed (wait status {status:#x})");
    }

    pub fn id(&self) -> libc::pid_t {
        self.0
    }
}

/// Forks. The child runs `work`, and is killed if it takes more than five minutes.
pub fn fork(work: impl FnOnce() -> bool) -> Process {
    // SAFETY: the child runs only `work` and ends with `_exit`; tests take care of what it may touch.
    let process = unsafe { libc::fork() };
    assert!(process >= 0);
    if process == 0 {
        end(work);
    }
    Process(process)
}

/// A child made behind the handlers' back.
pub fn raw_clone(work: impl FnOnce() -> bool) -> Process {
    // SAFETY: like fork, without the handlers; null stack means a copy of this one.
    let process = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
    assert!(process >= 0);
    if process == 0 {
        end(work);
    }
    Process(process.try_into().unwrap())
}

fn end(work: impl FnOnce() -> bool) -> ! {
    // SAFETY: only sets a timer of this process.
    unsafe { libc::alarm(300) };
    let done = catch_unwind(AssertUnwindSafe(work)).unwrap_or(false);
    // SAFETY: ends the process without running anybody's exit handlers.
    unsafe { libc::_exit(i32::from(!done)) }
}

/// A pipe to tell another process to go on.
pub struct Signal {
    read: std::fs::File,
    write: std::fs::File,
}

impl Signal {
    pub fn new() -> Self {
        let mut ends = [0; 2];
        // SAFETY: room for two descriptors.
        assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
        // SAFETY: a descriptor that was just made and belongs to nobody else.
        let read = unsafe { std::fs::File::from_raw_fd(ends[0]) };
        // SAFETY: as above.
        let write = unsafe { std::fs::File::from_raw_fd(ends[1]) };
        assert!(read.as_raw_fd() >= 0);
        Self { read, write }
    }

    pub fn send(&self) {
        (&self.write).write_all(b"!").unwrap();
    }

    pub fn wait(&self) {
        (&self.read).read_exact(&mut [0]).unwrap();
    }
}

/// A directory with a store in it, and who wrote what.
pub struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    pub fn ready() -> (Self, SqliteStore) {
        let place = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let store = place.store();
        let header = Header {
            identity: Identity([1; 16]),
            incarnation: Incarnation([2; 16]),
            label: [b' '; 32],
            serial: [b' '; 16],
            created: 0,
        };
        store
            .initialise(
                &NewToken {
                    header,
                    sealers: Vec::new(),
                },
                None,
            )
            .unwrap();
        (place, store)
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("store.db")
    }

    pub fn store(&self) -> SqliteStore {
        SqliteStore::new(&self.path())
    }

    /// Everything that is committed, as a process that has never seen the file finds it.
    pub fn labels(&self) -> Vec<String> {
        let file = self.path();
        let check = "PRAGMA integrity_check; SELECT cast(label AS TEXT) FROM objects ORDER BY 1;";
        let script = format!(
            "import sqlite3,sys\nc=sqlite3.connect(sys.argv[1],timeout=20)\nfor s in {check:?}.split(';')[:-1]:\n for r in c.execute(s): print(r[0])"
        );
        let output = std::process::Command::new("python3")
            .arg("-c")
            .arg(script)
            .arg(file)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout).unwrap();
        let mut lines = text.lines().map(str::to_owned);
        assert_eq!(lines.next().as_deref(), Some("ok"));
        lines.collect()
    }
}

pub fn record(label: &str) -> Record {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let unique = u128::from(COUNT.fetch_add(1, SeqCst)) | u128::from(std::process::id()) << 64;
    let columns = Columns {
        class: vec![0],
        label: label.into(),
        key_id: Vec::new(),
    };
    let body = label.repeat(50).into_bytes();
    Record {
        id: RecordId(unique.to_be_bytes()),
        private: false,
        columns,
        body,
        mac: Vec::new(),
    }
}

pub fn now(store: &SqliteStore) -> Revision {
    store.changes_since(None).unwrap().revision
}

/// Commits one object.
pub fn put(store: &SqliteStore, label: &str) {
    store
        .commit(&[Change::Create(record(label))], now(store))
        .unwrap();
}

pub fn put_many(store: &SqliteStore, who: &str, count: usize) {
    for n in 0..count {
        put(store, &format!("{who} {n:03}"));
    }
}

pub fn expected(parts: &[(&str, usize)]) -> Vec<String> {
    let mut all: Vec<_> = parts
        .iter()
        .flat_map(|(who, count)| (0..*count).map(move |n| format!("{who} {n:03}")))
        .collect();
    all.sort();
    all
}
