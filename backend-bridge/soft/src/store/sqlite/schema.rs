// SPDX-License-Identifier: MIT
//! Store format 1 as SQL. The format is described in `docs/adr/0003-store-format.md` and never changes: a new one
//! gets a new number and a step that turns the older one into it.

/// "KeEn": says that a SQLite file is a store of ours.
pub(super) const APPLICATION_ID: i32 = i32::from_be_bytes(*b"KeEn");

/// Every table and index: kind, name, and the statement exactly as SQLite keeps it, so that a store whose schema was
/// edited is noticed.
pub(super) const SCHEMA: &[(&str, &str, &str)] = &[
    (
        "table",
        "token",
        "CREATE TABLE token (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    identity BLOB NOT NULL CHECK (length(identity) = 16),
    incarnation BLOB NOT NULL CHECK (length(incarnation) = 16),
    label BLOB NOT NULL CHECK (length(label) = 32),
    serial BLOB NOT NULL CHECK (length(serial) = 16),
    created INTEGER NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 0),
    pruned INTEGER NOT NULL CHECK (pruned >= 0)
) STRICT",
    ),
    (
        "table",
        "sealers",
        "CREATE TABLE sealers (
    role INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    params BLOB NOT NULL,
    wrapped BLOB NOT NULL,
    failed INTEGER NOT NULL CHECK (failed >= 0),
    attempts INTEGER NOT NULL CHECK (attempts > 0)
) STRICT",
    ),
    (
        "table",
        "objects",
        "CREATE TABLE objects (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    revision INTEGER NOT NULL CHECK (revision > 0),
    private INTEGER NOT NULL CHECK (private IN (0, 1)),
    class BLOB NOT NULL,
    label BLOB NOT NULL,
    key_id BLOB NOT NULL,
    mac BLOB NOT NULL,
    body BLOB NOT NULL
) STRICT",
    ),
    (
        "index",
        "objects_by_revision",
        "CREATE INDEX objects_by_revision ON objects (revision, id, private, class, label, key_id)",
    ),
    (
        "table",
        "tombstones",
        "CREATE TABLE tombstones (
    revision INTEGER NOT NULL CHECK (revision > 0),
    id BLOB NOT NULL CHECK (length(id) = 16),
    PRIMARY KEY (revision, id)
) STRICT, WITHOUT ROWID",
    ),
];
