// SPDX-License-Identifier: MIT
//! Between objects and records: seals, blinds, attests and checks, with keys made from the token's root key.
//!
//! A private object's body is encrypted under a key of its own and bound to the format, the store, the object's id
//! and its columns, which are blinded. A public object is plain and carries a MAC over all of that; one that was
//! written without a login carries a plain hash, and says so. Layouts: `docs/adr/0003-store-format.md`.

mod frame;
mod root;

pub(crate) use frame::Frame;
pub use root::{ROOT_KEY_LEN, RootKey};

use crate::store::{Columns, Identity, Record, RecordId};
use keyenclave_crypto::aead::{self, KEY_LEN, NONCE_LEN, TAG_LEN};
use keyenclave_crypto::kdf::hkdf_sha256;
use keyenclave_crypto::{HmacKey, ct_eq, digest};
use keyenclave_model::algorithm::Hash;
use keyenclave_sys::secret::SecretBuf;
use std::fmt;
use zeroize::Zeroizing;

/// Length of a blinded column, in bytes.
pub const BLINDED_LEN: usize = 16;

/// How much longer a body gets by being sealed, in bytes.
pub(crate) const SEAL_LEN: usize = NONCE_LEN + TAG_LEN;

/// First byte of the `mac` column: what follows is a hash that anybody can make.
const HASHED: u8 = 0;
/// First byte of the `mac` column: what follows is a MAC under the token's key.
const KEYED: u8 = 1;

/// An object as the engine knows it: columns and body in clear. No `Debug`: the body may hold a key.
pub struct PlainRecord {
    /// Its name.
    pub id: RecordId,
    /// `CKA_PRIVATE`.
    pub private: bool,
    /// What it is found by.
    pub columns: Columns,
    /// Its attributes, encoded by the engine.
    pub body: Zeroizing<Vec<u8>>,
}

/// How far the content of a record can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attestation {
    /// Written by somebody who was logged in, unchanged since.
    Attested,
    /// Written without a login, or rewritten by who can write to the file. Not swapped by accident.
    Unattested,
    /// It has a MAC, which cannot be checked before a login.
    Unverified,
}

/// Why a record cannot be made or opened.
#[derive(Debug)]
pub enum VaultError {
    /// The record is not what was written: damaged, edited, or moved here from another object or store.
    Tampered(RecordId),
    /// The record is private, and nobody is logged in.
    Sealed(RecordId),
    /// The crypto library failed.
    Crypto(keyenclave_crypto::Error),
    /// No memory for a secret.
    Memory(std::io::Error),
}

impl fmt::Display for VaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |id: &RecordId| u128::from_be_bytes(id.0);
        match self {
            Self::Tampered(id) => write!(
                f,
                "object {:032x} is not what was stored: its row was damaged or edited; restore a backup or delete it",
                name(id)
            ),
            Self::Sealed(id) => write!(f, "object {:032x} is private: log in first", name(id)),
            Self::Crypto(error) => write!(f, "the crypto library failed on a stored object: {error}"),
            Self::Memory(error) => write!(f, "no memory for a key: {error}; see `ulimit -v`"),
        }
    }
}

impl std::error::Error for VaultError {}

impl From<keyenclave_crypto::Error> for VaultError {
    fn from(error: keyenclave_crypto::Error) -> Self {
        Self::Crypto(error)
    }
}

impl From<std::io::Error> for VaultError {
    fn from(error: std::io::Error) -> Self {
        Self::Memory(error)
    }
}

/// What can be done with records without a login.
#[derive(Clone, Copy)]
pub struct PublicVault {
    identity: Identity,
}

impl PublicVault {
    /// For the token with this identity.
    pub const fn new(identity: Identity) -> Self {
        Self { identity }
    }

    /// A public object, unattested.
    ///
    /// # Errors
    /// [`VaultError::Sealed`] for a private one.
    pub fn seal(&self, plain: &PlainRecord) -> Result<Record, VaultError> {
        if plain.private {
            return Err(VaultError::Sealed(plain.id));
        }
        Ok(public_record(
            plain,
            HASHED,
            &digest(Hash::Sha256, whole(self.identity, plain).bytes()),
        ))
    }

    /// A public object's body.
    ///
    /// # Errors
    /// [`VaultError::Sealed`] for a private one, [`VaultError::Tampered`].
    pub fn open(&self, record: &Record) -> Result<(Zeroizing<Vec<u8>>, Attestation), VaultError> {
        if record.private {
            return Err(VaultError::Sealed(record.id));
        }
        match record.mac.split_first() {
            Some((&KEYED, mac)) if mac.len() == Hash::Sha256.output_len() => {
                Ok((body(record), Attestation::Unverified))
            }
            Some((&HASHED, hash))
                if ct_eq(hash, &digest(Hash::Sha256, framed(self.identity, record).bytes())) =>
            {
                Ok((body(record), Attestation::Unattested))
            }
            _ => Err(VaultError::Tampered(record.id)),
        }
    }
}

/// What can be done with records once the root key is known. Holds it until dropped, at logout.
pub struct Vault {
    identity: Identity,
    root: RootKey,
    sealing: SecretBuf,
    attesting: HmacKey,
    blinding: HmacKey,
}

impl Vault {
    /// For the token with this identity and root key.
    ///
    /// # Errors
    /// No memory, a failure of the crypto library.
    pub fn new(root: RootKey, identity: Identity) -> Result<Self, VaultError> {
        let derive = |label: &str| {
            let mut key = SecretBuf::zeroed(KEY_LEN)?;
            hkdf_sha256(
                root.expose(),
                &identity.0,
                Frame::new(label, identity).bytes(),
                key.expose_mut(),
            )?;
            Ok::<_, VaultError>(key)
        };
        let sealing = derive("KeyEnclave seal")?;
        let attesting = HmacKey::new(Hash::Sha256, derive("KeyEnclave attest")?.expose())?;
        let blinding = HmacKey::new(Hash::Sha256, derive("KeyEnclave blind")?.expose())?;
        Ok(Self {
            identity,
            root,
            sealing,
            attesting,
            blinding,
        })
    }

    /// The root key, to be wrapped under a new PIN.
    pub const fn root(&self) -> &RootKey {
        &self.root
    }

    /// Whose vault it is.
    pub const fn identity(&self) -> Identity {
        self.identity
    }

    /// The columns of a private object that has these plain ones: also what to look for in the index.
    ///
    /// # Errors
    /// A failure of the crypto library.
    pub fn blind(&self, plain: &Columns) -> Result<Columns, VaultError> {
        let blind = |name: &str, value: &[u8]| {
            let frame = Frame::new(name, self.identity).field(value);
            let mut column = self.blinding.sign(frame.bytes())?.to_vec();
            column.truncate(BLINDED_LEN);
            Ok::<_, VaultError>(column)
        };
        Ok(Columns {
            class: blind("KeyEnclave class", &plain.class)?,
            label: blind("KeyEnclave label", &plain.label)?,
            key_id: blind("KeyEnclave id", &plain.key_id)?,
        })
    }

    /// The record of an object: sealed if private, else attested.
    ///
    /// # Errors
    /// A failure of the crypto library.
    pub fn seal(&self, plain: &PlainRecord) -> Result<Record, VaultError> {
        if !plain.private {
            return Ok(public_record(
                plain,
                KEYED,
                &self.attesting.sign(whole(self.identity, plain).bytes())?,
            ));
        }
        let columns = self.blind(&plain.columns)?;
        let mut nonce = [0; NONCE_LEN];
        keyenclave_crypto::rand::fill(&mut nonce)?;
        let bound = bound(self.identity, plain.id, true, &columns);
        let sealed = aead::seal(&*self.object_key(plain.id)?, &nonce, bound.bytes(), &plain.body)?;
        let body = [nonce.as_slice(), &sealed].concat();
        Ok(Record {
            id: plain.id,
            private: true,
            columns,
            body,
            mac: Vec::new(),
        })
    }

    /// An object's body, and how far it can be trusted.
    ///
    /// # Errors
    /// [`VaultError::Tampered`].
    pub fn open(&self, record: &Record) -> Result<(Zeroizing<Vec<u8>>, Attestation), VaultError> {
        if record.private {
            return Ok((self.open_private(record)?, Attestation::Attested));
        }
        match record.mac.split_first() {
            Some((&KEYED, mac)) => {
                let message = framed(self.identity, record);
                self.attesting
                    .verify(message.bytes(), mac)
                    .map_err(|_| VaultError::Tampered(record.id))?;
                Ok((body(record), Attestation::Attested))
            }
            _ => PublicVault::new(self.identity).open(record),
        }
    }

    fn open_private(&self, record: &Record) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let tampered = || VaultError::Tampered(record.id);
        let (nonce, sealed) = record
            .body
            .split_first_chunk::<NONCE_LEN>()
            .ok_or_else(tampered)?;
        if !record.mac.is_empty() {
            return Err(tampered());
        }
        let bound = bound(self.identity, record.id, true, &record.columns);
        aead::open(&*self.object_key(record.id)?, nonce, bound.bytes(), sealed).map_err(|_| tampered())
    }

    fn object_key(&self, id: RecordId) -> Result<Zeroizing<[u8; KEY_LEN]>, VaultError> {
        let mut key = Zeroizing::new([0; KEY_LEN]);
        let info = Frame::new("KeyEnclave object key", self.identity).field(&id.0);
        hkdf_sha256(self.sealing.expose(), &[], info.bytes(), key.as_mut_slice())?;
        Ok(key)
    }
}

/// What every record is bound to.
fn bound(identity: Identity, id: RecordId, private: bool, columns: &Columns) -> Frame {
    Frame::new("KeyEnclave object", identity)
        .field(&id.0)
        .field(&[u8::from(private)])
        .field(&columns.class)
        .field(&columns.label)
        .field(&columns.key_id)
}

fn framed(identity: Identity, record: &Record) -> Frame {
    bound(identity, record.id, record.private, &record.columns).field(&record.body)
}

fn whole(identity: Identity, plain: &PlainRecord) -> Frame {
    bound(identity, plain.id, plain.private, &plain.columns).field(&plain.body)
}

fn public_record(plain: &PlainRecord, kind: u8, proof: &[u8]) -> Record {
    Record {
        id: plain.id,
        private: false,
        columns: plain.columns.clone(),
        body: plain.body.to_vec(),
        mac: [&[kind], proof].concat(),
    }
}

fn body(record: &Record) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(record.body.clone())
}
