// SPDX-License-Identifier: MIT
//! The rows of objects and of what was deleted.

use super::failure::Failure;
use super::token::{self, Token, unsigned};
use crate::store::{BODY_LIMIT, Change, Changes, Columns, Record, RecordId, Revision, StoreError, Summary};
use rusqlite::{Connection, OptionalExtension, ToSql};

/// How many revisions back a deletion is remembered. Who was away for longer lists everything.
const REMEMBERED: u64 = 10_000;
/// Every how many revisions older deletions are thrown away.
const PRUNE_EVERY: u64 = 1_000;

/// Makes all changes, in the caller's transaction. The new revision.
pub(super) fn apply(
    connection: &Connection,
    token: &Token,
    changes: &[Change],
    base: Revision,
) -> Result<Revision, Failure> {
    let next = Revision {
        number: token.revision.number + 1,
        ..token.revision
    };
    for change in changes {
        let (id, done) = match change {
            Change::Create(record) => (record.id, create(connection, record, next)?),
            Change::Update(record) => (record.id, update(connection, record, next, base)?),
            Change::Delete(id) => (*id, delete(connection, *id, next, base)?),
        };
        if !done {
            return Err(StoreError::Conflict(id).into());
        }
    }
    let pruned = match next.number % PRUNE_EVERY {
        0 => prune(connection, next.number.saturating_sub(REMEMBERED))?.max(token.pruned),
        _ => token.pruned,
    };
    token::advance(connection, next.number, pruned)?;
    Ok(next)
}

fn create(connection: &Connection, record: &Record, next: Revision) -> rusqlite::Result<bool> {
    let sql = "INSERT INTO objects (id, revision, private, class, label, key_id, mac, body)
         VALUES (:id, :revision, :private, :class, :label, :key_id, :mac, :body)
         ON CONFLICT (id) DO NOTHING";
    write(connection, sql, record, next, None)
}

fn update(
    connection: &Connection,
    record: &Record,
    next: Revision,
    base: Revision,
) -> rusqlite::Result<bool> {
    let sql = "UPDATE objects SET revision = :revision, private = :private, class = :class, label = :label,
             key_id = :key_id, mac = :mac, body = :body
         WHERE id = :id AND revision <= :base";
    write(connection, sql, record, next, Some(base))
}

fn write(
    connection: &Connection,
    sql: &str,
    record: &Record,
    next: Revision,
    base: Option<Revision>,
) -> rusqlite::Result<bool> {
    let revision = next.number.cast_signed();
    let base = base.map(|base| base.number.cast_signed());
    let mut values: Vec<(&str, &dyn ToSql)> = vec![
        (":id", &record.id.0),
        (":revision", &revision),
        (":private", &record.private),
        (":class", &record.columns.class),
        (":label", &record.columns.label),
        (":key_id", &record.columns.key_id),
        (":mac", &record.mac),
        (":body", &record.body),
    ];
    if let Some(base) = &base {
        values.push((":base", base));
    }
    let rows = connection.prepare_cached(sql)?.execute(values.as_slice())?;
    Ok(rows == 1)
}

fn delete(connection: &Connection, id: RecordId, next: Revision, base: Revision) -> rusqlite::Result<bool> {
    let rows = connection
        .prepare_cached("DELETE FROM objects WHERE id = ?1 AND revision <= ?2")?
        .execute((id.0, base.number.cast_signed()))?;
    connection
        .prepare_cached("INSERT OR IGNORE INTO tombstones (revision, id) VALUES (?1, ?2)")?
        .execute((next.number.cast_signed(), id.0))?;
    Ok(rows == 1)
}

fn prune(connection: &Connection, up_to: u64) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("DELETE FROM tombstones WHERE revision <= ?1")?
        .execute([up_to.cast_signed()])?;
    Ok(up_to)
}

/// What happened since `base`, in the caller's transaction.
pub(super) fn since(
    connection: &Connection,
    token: &Token,
    base: Option<Revision>,
) -> rusqlite::Result<Changes> {
    let reaches = |base: &Revision| {
        base.incarnation == token.revision.incarnation
            && (token.pruned..=token.revision.number).contains(&base.number)
    };
    let base = base.filter(reaches);
    let after = base.map_or(0, |base| base.number.cast_signed());
    Ok(Changes {
        revision: token.revision,
        changed: changed(connection, after)?,
        deleted: if base.is_some() {
            deleted(connection, after)?
        } else {
            Vec::new()
        },
        complete: base.is_none(),
    })
}

/// One scan of the index alone: bodies are not touched.
fn changed(connection: &Connection, after: i64) -> rusqlite::Result<Vec<Summary>> {
    connection
        .prepare_cached(
            "SELECT id, revision, private, class, label, key_id FROM objects INDEXED BY objects_by_revision
             WHERE revision > ?1 ORDER BY revision",
        )?
        .query_map([after], |row| {
            Ok(Summary {
                id: RecordId(row.get(0)?),
                revision: unsigned(row, 1)?,
                private: row.get(2)?,
                columns: Columns {
                    class: row.get(3)?,
                    label: row.get(4)?,
                    key_id: row.get(5)?,
                },
            })
        })?
        .collect()
}

fn deleted(connection: &Connection, after: i64) -> rusqlite::Result<Vec<RecordId>> {
    connection
        .prepare_cached("SELECT id FROM tombstones WHERE revision > ?1 ORDER BY revision")?
        .query_map([after], |row| row.get(0).map(RecordId))?
        .collect()
}

/// One object. That a body is too long is told from its header, without reading it.
pub(super) fn read(connection: &Connection, id: RecordId) -> rusqlite::Result<Option<Record>> {
    connection
        .prepare_cached(
            "SELECT private, class, label, key_id, mac, CASE WHEN length(body) <= ?2 THEN body ELSE x'' END
             FROM objects WHERE id = ?1",
        )?
        .query_row((id.0, BODY_LIMIT as i64), |row| {
            Ok(Record {
                id,
                private: row.get(0)?,
                columns: Columns {
                    class: row.get(1)?,
                    label: row.get(2)?,
                    key_id: row.get(3)?,
                },
                mac: row.get(4)?,
                body: row.get(5)?,
            })
        })
        .optional()
}
