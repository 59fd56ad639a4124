// SPDX-License-Identifier: MIT
//! The calls of [`Store`], each one try or one transaction on the open file.

use super::failure::Failure;
use super::token::{self, Token};
use super::{CHECK_EVERY, SqliteStore, Trust, objects, of_page, sealers};
use crate::store::{
    Attempts, Change, Changes, Header, Incarnation, InsteadOf, NewToken, Record, RecordId, Revision, Role,
    SealerRecord, Stamp, Store, StoreError,
};
use keyenclave_sys::clock::coarse_millis;
use rusqlite::Connection;
use std::sync::atomic::Ordering::SeqCst;

/// Refuses to write into another token than the caller meant.
fn same_life(token: &Token, of: Incarnation) -> Result<(), Failure> {
    if token.header.incarnation == of {
        Ok(())
    } else {
        Err(StoreError::TokenChanged.into())
    }
}

/// Refuses to act on a sealer that is not the one that the caller has opened.
fn same_seal(connection: &Connection, role: Role, opened: &SealerRecord) -> Result<(), Failure> {
    match sealers::get(connection, role)? {
        Some(present) if present.is_same_seal(opened) => Ok(()),
        _ => Err(StoreError::SealerChanged(role).into()),
    }
}

fn no_seal(connection: &Connection, role: Role) -> Result<(), Failure> {
    match sealers::get(connection, role)? {
        None => Ok(()),
        Some(_) => Err(StoreError::SealerChanged(role).into()),
    }
}

impl Store for SqliteStore {
    fn header(&self) -> Result<Option<Header>, StoreError> {
        self.with(Trust::AWhile, |connection, _| Ok(self.token(connection)?.header))
    }

    fn initialise(&self, new: &NewToken, replaces: Option<Incarnation>) -> Result<(), StoreError> {
        let replaced = self.write(|connection, token| {
            same_life(token, replaces.ok_or(StoreError::TokenChanged)?)?;
            token::clear(connection)?;
            token::insert(connection, &new.header)?;
            for (role, record) in &new.sealers {
                sealers::put(connection, *role, record)?;
            }
            Ok(())
        })?;
        match (replaced, replaces) {
            (Some(()), _) => Ok(()),
            (None, None) => self.create(new),
            (None, Some(_)) => Err(StoreError::TokenChanged),
        }
    }

    fn sealer(&self, role: Role) -> Result<Option<SealerRecord>, StoreError> {
        self.with(Trust::AWhile, |connection, _| Ok(sealers::get(connection, role)?))
            .map(Option::flatten)
    }

    fn put_sealer(
        &self,
        role: Role,
        record: &SealerRecord,
        of: Incarnation,
        instead: InsteadOf<'_>,
    ) -> Result<(), StoreError> {
        self.write(|connection, token| {
            same_life(token, of)?;
            match instead {
                InsteadOf::Anything => {}
                InsteadOf::Nothing => no_seal(connection, role)?,
                InsteadOf::This(opened) => same_seal(connection, role, opened)?,
            }
            Ok(sealers::put(connection, role, record)?)
        })?
        .ok_or_else(|| self.missing())
    }

    fn count_attempt(&self, role: Role) -> Result<Attempts, StoreError> {
        self.write(|connection, _| {
            if let Some(attempts) = sealers::count(connection, role)? {
                return Ok(attempts);
            }
            let there = sealers::get(connection, role)?.is_some();
            Err(if there {
                StoreError::Locked(role)
            } else {
                StoreError::NoSealer(role)
            }
            .into())
        })?
        .ok_or_else(|| self.missing())
    }

    fn clear_attempts(&self, role: Role, of: Incarnation, opened: &SealerRecord) -> Result<(), StoreError> {
        self.write(|connection, token| {
            same_life(token, of)?;
            same_seal(connection, role, opened)?;
            Ok(sealers::clear(connection, role)?)
        })?
        .ok_or_else(|| self.missing())
    }

    fn take_back_attempt(
        &self,
        role: Role,
        of: Incarnation,
        opened: &SealerRecord,
    ) -> Result<(), StoreError> {
        self.write(|connection, token| {
            same_life(token, of)?;
            same_seal(connection, role, opened)?;
            Ok(sealers::take_back(connection, role)?)
        })?
        .ok_or_else(|| self.missing())
    }

    fn commit(&self, changes: &[Change], base: Revision) -> Result<Revision, StoreError> {
        self.write(|connection, token| {
            same_life(token, base.incarnation)?;
            objects::apply(connection, token, changes, base)
        })?
        .ok_or_else(|| self.missing())
    }

    fn changes_since(&self, base: Option<Revision>) -> Result<Changes, StoreError> {
        self.look(|connection| {
            let token = self.token(connection)?;
            Ok(objects::since(connection, &token, base)?)
        })?
        .ok_or_else(|| self.missing())
    }

    fn read(&self, id: RecordId) -> Result<Option<Record>, StoreError> {
        self.with(Trust::AWhile, |connection, _| Ok(objects::read(connection, id)?))
            .map(Option::flatten)
    }

    fn stamp(&self) -> Result<Stamp, StoreError> {
        let fresh = coarse_millis().wrapping_sub(self.checked.load(SeqCst)) < CHECK_EVERY;
        match self.page.page() {
            Some(page) if fresh => Ok(of_page(page)),
            _ => self.stamp_slowly(),
        }
    }
}
