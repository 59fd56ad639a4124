// SPDX-License-Identifier: MIT
//! Between objects and records: sealing what is to be stored, opening what was.

use std::sync::Arc;

use cryptoki_sys as ck;
use keyenclave_model::attribute::Value;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::object::Object;

use crate::codec;
use crate::engine::Engine;
use crate::error::{from_store, from_vault};
use crate::index::Found;
use crate::login::{Login, Sealers};
use crate::objects::needs_user;
use crate::opened::Opened;
use crate::store::{BODY_LIMIT, Columns, Identity, Record, RecordId, Revision, Store, Summary};
use crate::vault::{Attestation, PlainRecord, PublicVault, SEAL_LEN, VaultError};

/// The largest object that is taken, in bytes: far more than any key or certificate, far less than memory.
const MAX_OBJECT: usize = BODY_LIMIT - SEAL_LEN;

impl<S: Store, K: Sealers> Engine<S, K> {
    /// The record of an object.
    pub(crate) fn seal(
        &self,
        id: RecordId,
        object: &Object,
        identity: Identity,
        base: Revision,
    ) -> Result<(Record, Attestation)> {
        let plain = PlainRecord {
            id,
            private: needs_user(object),
            columns: columns(object),
            body: codec::encode(object),
        };
        if plain.body.len() > MAX_OBJECT {
            return Err(Error::new(
                Rv::DeviceMemory,
                format!("an object has {MAX_OBJECT} bytes at the most"),
            ));
        }
        match self.login().filter(|login| login.incarnation == base.incarnation) {
            Some(login) => login
                .vault
                .seal(&plain)
                .map(|record| (record, Attestation::Attested)),
            None => PublicVault::new(identity)
                .seal(&plain)
                .map(|record| (record, Attestation::Unattested)),
        }
        .map_err(from_vault)
    }

    /// A stored object, opened and remembered. `None` if it is gone.
    pub(crate) fn open(&self, found: &Found) -> Result<Option<Arc<Opened>>, Unopened> {
        if let Some(opened) = &found.opened {
            return Ok(Some(Arc::clone(opened)));
        }
        let Some(record) = self.store.read(found.id).map_err(from_store)? else {
            return Ok(None);
        };
        let login = self.login();
        let opened = Arc::new(self.unseal(&record, login.as_deref())?);
        self.index.write().opened(found.id, found.revision, &opened);
        self.close_after(login.as_ref(), found.id);
        Ok(Some(opened))
    }

    /// Closes an object that was put into the index if somebody has logged in or out since `login` was: what they
    /// closed must not stay open because of us.
    pub(crate) fn close_after(&self, login: Option<&Arc<Login>>, id: RecordId) {
        if self.login().as_ref().map(Arc::as_ptr) != login.map(Arc::as_ptr) {
            self.index.write().close(id);
        }
    }

    /// The object in a record.
    fn unseal(&self, record: &Record, login: Option<&Login>) -> Result<Opened, Unopened> {
        let identity = self.index.read().identity();
        let identity = identity.ok_or_else(|| Error::from(Rv::ObjectHandleInvalid))?;
        let (body, attestation) = match login {
            Some(login) => match login.vault.open(record)? {
                (_, attestation) if login.attested_only && attestation != Attestation::Attested => {
                    return Err(VaultError::Tampered(record.id).into());
                }
                opened => opened,
            },
            None => PublicVault::new(identity).open(record)?,
        };
        let object = codec::decode(&body).filter(|object| is_sound(record, object));
        let mut object = object.ok_or(VaultError::Tampered(record.id))?;
        object.put(ck::CKA_UNIQUE_ID, unique_id(record.id));
        if attestation != Attestation::Attested && object.is_true(ck::CKA_TRUSTED) {
            object.put(ck::CKA_TRUSTED, Value::Bool(false));
        }
        Ok(Opened::new(object, attestation, None))
    }
}

/// Why an object could not be opened.
pub(crate) enum Unopened {
    Vault(VaultError),
    Other(Error),
}

impl From<VaultError> for Unopened {
    fn from(error: VaultError) -> Self {
        Self::Vault(error)
    }
}

impl From<Error> for Unopened {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<Unopened> for Error {
    fn from(unopened: Unopened) -> Self {
        match unopened {
            Unopened::Vault(error) => from_vault(error),
            Unopened::Other(error) => error,
        }
    }
}

/// Whether an object is one that we would have put into this record. Who can write to the file can put anything into
/// a public one; that its columns are those of its body is all that can be asked of it before a login.
fn is_sound(record: &Record, object: &Object) -> bool {
    object.is_token()
        && needs_user(object) == record.private
        && object.kind().is_some()
        && (record.private || record.columns == columns(object))
}

/// `CKA_UNIQUE_ID`: the name of the record, in hexadecimal digits.
pub(crate) fn unique_id(RecordId(bytes): RecordId) -> Value {
    Value::bytes(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// What an object is found by.
fn columns(object: &Object) -> Columns {
    let bytes = |id| object.bytes(id).unwrap_or_default().to_vec();
    Columns {
        class: class_column(object.class()),
        label: bytes(ck::CKA_LABEL),
        key_id: bytes(ck::CKA_ID),
    }
}

pub(crate) fn class_column(class: Option<ck::CK_OBJECT_CLASS>) -> Vec<u8> {
    class
        .map(|class| class.to_le_bytes().to_vec())
        .unwrap_or_default()
}

/// What the index is told of a record; the revision is known after the commit.
pub(crate) fn summary(record: &Record) -> Summary {
    Summary {
        id: record.id,
        revision: 0,
        private: record.private,
        columns: record.columns.clone(),
    }
}
