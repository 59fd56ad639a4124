// SPDX-License-Identifier: MIT
//! What the store tests share: a token in a directory of its own, plain records, and other processes.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)]

use keyenclave_soft::sealer::{Binding, PinCost, PinSealer, Sealer};
use keyenclave_soft::store::*;
use keyenclave_soft::vault::RootKey;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

pub fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    keyenclave_crypto::rand::fill(&mut bytes).unwrap();
    bytes
}

pub fn id() -> RecordId {
    RecordId(random())
}

pub fn header() -> Header {
    let mut label = [b' '; 32];
    label[..4].copy_from_slice(b"test");
    let (identity, incarnation) = (Identity(random()), Incarnation(random()));
    Header {
        identity,
        incarnation,
        label,
        serial: *b"0123456789abcdef",
        created: 1_700_000_000,
    }
}

pub fn pin(pin: &[u8]) -> PinSealer<'_> {
    PinSealer {
        cost: PinCost::FLOOR,
        ..PinSealer::new(pin)
    }
}

pub fn new_token(root: &RootKey) -> NewToken {
    let header = header();
    let seal = |role, secret| {
        (
            role,
            pin(secret)
                .wrap(
                    Binding {
                        identity: header.identity,
                        role,
                    },
                    root,
                )
                .unwrap(),
        )
    };
    let sealers = vec![
        seal(Role::So, b"so-pin".as_slice()),
        seal(Role::User, b"user-pin"),
    ];
    NewToken { header, sealers }
}

/// A token without sealers: cheap.
pub fn bare_token() -> NewToken {
    NewToken {
        header: header(),
        sealers: Vec::new(),
    }
}

pub struct Place {
    pub dir: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("tokens/store.db")
    }

    pub fn store(&self) -> SqliteStore {
        SqliteStore::new(&self.path())
    }

    /// A store with a bare token in it.
    pub fn ready() -> (Self, SqliteStore) {
        let place = Self::new();
        let store = place.store();
        store.initialise(&bare_token(), None).unwrap();
        (place, store)
    }

    /// Edits the file behind everybody's back.
    pub fn edit(&self, sql: &str) {
        let connection = rusqlite::Connection::open(self.path()).unwrap();
        connection.execute_batch(sql).unwrap();
    }
}

pub fn record(name: &str) -> Record {
    let columns = Columns {
        class: vec![3, 0],
        label: name.into(),
        key_id: b"id".to_vec(),
    };
    Record {
        id: id(),
        private: false,
        columns,
        body: name.repeat(40).into(),
        mac: vec![0; 33],
    }
}

pub fn now(store: &dyn Store) -> Revision {
    store.changes_since(None).unwrap().revision
}

pub fn create(store: &dyn Store, name: &str) -> (RecordId, Revision) {
    let record = record(name);
    let id = record.id;
    (id, store.commit(&[Change::Create(record)], now(store)).unwrap())
}

/// In the environment of another process of a test: the store that it works on.
const STORE: &str = "STORE_UNDER_TEST";

/// Starts the test `test` again as another process, which works on the store at `path`: see [`as_other_process`].
pub fn other_process(test: &str, path: &Path) -> Child {
    again(&std::env::current_exe().unwrap(), test, path)
        .spawn()
        .unwrap()
}

/// The command for [`other_process`], with `program` in the place of this one.
pub fn again(program: &Path, test: &str, path: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .args([test, "--exact", "--nocapture", "--test-threads=1", "--quiet"])
        .env(STORE, path)
        .stdout(Stdio::piped());
    command
}

/// The store to work on, in the other process of a test; `None` in the test itself. A test with another process asks
/// first thing, and plays the other part if there is one.
pub fn as_other_process() -> Option<SqliteStore> {
    std::env::var_os(STORE).map(|path| SqliteStore::new(Path::new(&path)))
}
