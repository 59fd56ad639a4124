// SPDX-License-Identifier: MIT
//! The wrapped root keys and their attempt counters.

use crate::store::{Attempts, Role, SealerRecord};
use rusqlite::{Connection, OptionalExtension};

/// Sets the sealer of a role.
pub(super) fn put(connection: &Connection, role: Role, record: &SealerRecord) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO sealers (role, kind, params, wrapped, failed, attempts)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute((
            role.number(),
            record.kind,
            &record.params,
            &record.wrapped,
            record.failed,
            record.limit,
        ))?;
    Ok(())
}

/// The sealer of a role.
pub(super) fn get(connection: &Connection, role: Role) -> rusqlite::Result<Option<SealerRecord>> {
    connection
        .prepare_cached("SELECT kind, params, wrapped, failed, attempts FROM sealers WHERE role = ?1")?
        .query_row([role.number()], |row| {
            Ok(SealerRecord {
                kind: row.get(0)?,
                params: row.get(1)?,
                wrapped: row.get(2)?,
                failed: row.get(3)?,
                limit: row.get(4)?,
            })
        })
        .optional()
}

/// Counts one attempt more; `None` when the role has no sealer. Does not count beyond the limit.
pub(super) fn count(connection: &Connection, role: Role) -> rusqlite::Result<Option<Attempts>> {
    connection
        .prepare_cached(
            "UPDATE sealers SET failed = failed + 1 WHERE role = ?1 AND failed < attempts RETURNING failed, attempts",
        )?
        .query_row([role.number()], |row| Ok(Attempts { failed: row.get(0)?, limit: row.get(1)? }))
        .optional()
}

/// Takes one attempt back, if any is counted.
pub(super) fn take_back(connection: &Connection, role: Role) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE sealers SET failed = failed - 1 WHERE role = ?1 AND failed > 0")?
        .execute([role.number()])?;
    Ok(())
}

/// Forgets the attempts of a role.
pub(super) fn clear(connection: &Connection, role: Role) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE sealers SET failed = 0 WHERE role = ?1")?
        .execute([role.number()])?;
    Ok(())
}
