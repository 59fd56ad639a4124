// SPDX-License-Identifier: MIT
//! The one row that says whose store this is and how far its history goes.

use crate::store::{Header, Identity, Incarnation, Revision};
use rusqlite::{Connection, OptionalExtension, Row, named_params};

/// The whole row.
pub(super) struct Token {
    pub(super) header: Header,
    pub(super) revision: Revision,
    /// Deletions up to here are forgotten.
    pub(super) pruned: u64,
}

/// Reads the row; `None` when somebody removed it.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<Option<Token>> {
    connection
        .prepare_cached("SELECT identity, incarnation, label, serial, created, revision, pruned FROM token")?
        .query_row([], from_row)
        .optional()
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Token> {
    let incarnation = Incarnation(row.get(1)?);
    Ok(Token {
        header: Header {
            identity: Identity(row.get(0)?),
            incarnation,
            label: row.get(2)?,
            serial: row.get(3)?,
            created: unsigned(row, 4)?,
        },
        revision: Revision {
            incarnation,
            number: unsigned(row, 5)?,
        },
        pruned: unsigned(row, 6)?,
    })
}

/// A number that we never write negative.
pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

/// Writes the row of a new token.
pub(super) fn insert(connection: &Connection, header: &Header) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO token (one, identity, incarnation, label, serial, created, revision, pruned)
         VALUES (1, :identity, :incarnation, :label, :serial, :created, 0, 0)",
        named_params! {
            ":identity": header.identity.0,
            ":incarnation": header.incarnation.0,
            ":label": header.label,
            ":serial": header.serial,
            ":created": header.created.cast_signed(),
        },
    )?;
    Ok(())
}

/// Takes the history one step on.
pub(super) fn advance(connection: &Connection, number: u64, pruned: u64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE token SET revision = ?1, pruned = ?2")?
        .execute((number.cast_signed(), pruned.cast_signed()))?;
    Ok(())
}

/// Removes everything.
pub(super) fn clear(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .execute_batch("DELETE FROM objects; DELETE FROM tombstones; DELETE FROM sealers; DELETE FROM token;")
}
