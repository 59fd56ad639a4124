// SPDX-License-Identifier: MIT
//! The store beside a slot of a remote service: certificates, data objects and public keys, which such services do not
//! keep, what applications set on the service's keys and no tag holds ([`Note`]), and wrong PINs ([`Sidecar::count`]).
//!
//! It is the soft engine over the SQLite store, without PINs: the root key is wrapped by a key in a file of its own
//! ([`KIND_KEY_FILE`]), and whoever may read that is logged in. Private and secret keys are refused. Nothing is on disk
//! before the first object, and whoever only looks makes nothing. Layout and reasons: `docs/adr/0014-sidecar.md`.

mod attempts;
mod key_file;
mod notes;

pub use key_file::KIND_KEY_FILE;
pub use notes::{Note, Notes};

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cryptoki_sys as ck;
use keyenclave_crypto::digest;
use keyenclave_model::algorithm::Hash;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::MechanismInfo;
use keyenclave_model::object::{Object, Origin};
use keyenclave_model::schema::holds_secret;
use keyenclave_model::template::Template;
use keyenclave_model::token::{
    CallCx, HandleSource, ObjectId, Out, Role, SessionId, Step, Token, TokenInfo, Work,
};
use parking_lot::Mutex;

use crate::engine::Engine;
use crate::error::{from_sealer, from_store, from_vault, from_writing};
use crate::login::{Login, PinSealers, new_header};
use crate::objects::check_new;
use crate::sealer::{Binding, Sealer};
use crate::store::{self, Header, NewToken, SqliteStore, Stamp, Store, StoreError};
use crate::token::SoftToken;
use crate::vault::{RootKey, Vault};
use key_file::KeyFile;
use notes::Known;

/// The files in a sidecar's directory.
const STORE_FILE: &str = "sidecar.db";
const KEY_FILE: &str = "sidecar.key";

/// A sidecar in a directory. See the [module](self).
///
/// # Behaviour
/// - Constructing it, and looking into one that is not there, does not write; the first object makes the directory
///   (0700) and the files (0600). Several processes may do so at once.
/// - A directory that cannot be used is `CKR_TOKEN_WRITE_PROTECTED` or `CKR_DEVICE_ERROR` to who writes. To who
///   searches it is empty, if it cannot be read, and told to the log once; a damaged one is `CKR_DEVICE_ERROR`.
/// - Private objects are seen by who may see private objects, whatever the file's key opens.
pub struct Sidecar {
    key_file: PathBuf,
    token: SoftToken<SqliteStore, PinSealers>,
    known: Mutex<Known>,
    none: Arc<Notes>,
    warned: AtomicBool,
}

/// What an opening is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Reading,
    Writing,
}

/// A sidecar in a directory that is its own. Does no I/O.
pub fn sidecar(directory: &Path, handles: Arc<HandleSource>) -> Sidecar {
    let store = SqliteStore::new(&directory.join(STORE_FILE));
    let place = digest(Hash::Sha256, store.path().as_os_str().as_encoded_bytes());
    Sidecar {
        key_file: store.path().with_file_name(KEY_FILE),
        token: SoftToken::with(store, PinSealers::default(), &place, handles),
        known: Mutex::default(),
        none: Arc::new(HashMap::new()),
        warned: AtomicBool::new(false),
    }
}

impl Sidecar {
    fn engine(&self) -> &Engine<SqliteStore, PinSealers> {
        &self.token.engine
    }

    /// Sees to a store that is open and whose root key is known. False if there is none to be read.
    fn open(&self, purpose: Purpose) -> Result<bool> {
        let engine = self.engine();
        if let Ok(Stamp::Settled { incarnation, .. }) = engine.store.stamp() {
            let login = engine.login().map(|login| login.incarnation);
            if incarnation.is_some() && incarnation == login {
                return Ok(true);
            }
            if incarnation.is_none() && purpose == Purpose::Reading {
                return Ok(false);
            }
        }
        match (engine.store.header(), purpose) {
            (Ok(Some(header)), _) => self.unlock(header).map(|()| true),
            (Ok(None), Purpose::Reading) => Ok(false),
            (Ok(None), Purpose::Writing) => {
                let header = self.initialise().map_err(from_writing)?;
                self.unlock(header).map(|()| true)
            }
            (Err(error @ StoreError::Permission { .. }), Purpose::Reading) => {
                if !self.warned.swap(true, Ordering::Relaxed) {
                    log::warn!("{error}; certificates and data objects of this slot are not seen");
                }
                Ok(false)
            }
            (Err(error), Purpose::Reading) => Err(from_store(error)),
            (Err(error), Purpose::Writing) => Err(from_writing(error)),
        }
    }

    /// Sees to a store that can be written to.
    ///
    /// # Errors
    /// What keeps it from being made or written.
    pub fn prepare(&self) -> Result<()> {
        self.open(Purpose::Writing).map(drop)
    }

    /// Makes the files. Whoever is second takes what the first has made.
    fn initialise(&self) -> Result<Header, StoreError> {
        let store = &self.engine().store;
        let key = KeyFile::read_or_make(&self.key_file)?;
        let io = |doing, what: String| StoreError::Io {
            path: store.path().into(),
            doing,
            source: what.into(),
        };
        let mut label = [b' '; 32];
        label
            .iter_mut()
            .zip(*b"sidecar")
            .for_each(|(to, from)| *to = from);
        let header = new_header(label).map_err(|error| io("drawing random bytes", error.to_string()))?;
        let sealed = RootKey::generate()
            .map_err(Into::into)
            .and_then(|root| key.wrap(binding(&header), &root))
            .map_err(|error| io("wrapping the root key", error.to_string()))?;
        let token = NewToken {
            header,
            sealers: vec![(store::Role::Machine, sealed)],
        };
        match store.initialise(&token, None) {
            Ok(()) | Err(StoreError::TokenChanged) => {}
            Err(error) => return Err(error),
        }
        store.header()?.ok_or_else(|| StoreError::Missing {
            path: store.path().into(),
        })
    }

    /// Takes the root key out with the key in the file.
    fn unlock(&self, header: Header) -> Result<()> {
        let engine = self.engine();
        let damaged = |what: &str| {
            from_store(StoreError::Damaged {
                path: engine.store.path().into(),
                what: what.into(),
            })
        };
        let record = engine
            .store
            .sealer(store::Role::Machine)
            .map_err(from_store)?
            .ok_or_else(|| damaged("it is not a sidecar's: no key file opens it"))?;
        let key = KeyFile::read(&self.key_file).map_err(from_store)?;
        let key = key.ok_or_else(|| {
            let what = format!("its key file {} is gone", self.key_file.display());
            damaged(&what)
        })?;
        let root = key.unwrap(binding(&header), &record).map_err(from_sealer)?;
        let vault = Vault::new(root, header.identity).map_err(from_vault)?;
        let mut login = Login::new(Role::User, header.incarnation, vault);
        login.attested_only = true;
        engine.set_login(Some(Arc::new(login)));
        Ok(())
    }

    /// Takes in an object that was made elsewhere, `CKA_TOKEN` true (`C_CopyObject`).
    ///
    /// # Errors
    /// As `C_CreateObject`.
    pub fn adopt(&self, cx: &CallCx, object: Object) -> Result<ObjectId> {
        check_class(object.class())?;
        notes::check_not_a_note(object.bytes(ck::CKA_APPLICATION))?;
        check_new(cx.access, &object)?;
        self.open(Purpose::Writing)?;
        let ticket = self.engine().session.ticket(cx.session);
        let [handle] = self.engine().add(&ticket, [(object, None)])?;
        Ok(handle)
    }

    fn create(&self, cx: &CallCx, template: &Template) -> Result<Out> {
        check_class(template.ulong(ck::CKA_CLASS))?;
        notes::check_not_a_note(template.bytes(ck::CKA_APPLICATION))?;
        // What is wrong with the template or the session shall not leave an empty store behind.
        let object = Object::admit(Origin::Create, None, template, cx.access.login)?;
        check_new(cx.access, &object)?;
        self.open(Purpose::Writing)?;
        self.engine().create(cx, template).map(Out::Object)
    }

    fn find(&self, cx: &CallCx, template: &Template) -> Result<Out> {
        if template.bool(ck::CKA_TOKEN) == Some(false) && !self.has_session_objects() {
            return Ok(Out::Objects(Vec::new()));
        }
        if !self.open(Purpose::Reading)? {
            return Ok(Out::Objects(Vec::new()));
        }
        let mut found = self.engine().find(cx.access, template)?;
        let notes = self.note_handles()?;
        found.retain(|handle| !notes.contains(handle));
        Ok(Out::Objects(found))
    }

    /// Copies of the store's objects may live in a session only.
    fn has_session_objects(&self) -> bool {
        !self.engine().session.find(|_| true).is_empty()
    }

    fn work(&self, cx: &CallCx, work: Work<'_>) -> Result<Step> {
        let object = match &work {
            Work::Find(template) => return self.find(cx, template).map(|out| Step::Ready(Ok(out))),
            Work::Create(template) => return self.create(cx, template).map(|out| Step::Ready(Ok(out))),
            Work::Begin {
                key: Some(object), ..
            } => *object,
            Work::View(object)
            | Work::Size(object)
            | Work::Destroy(object)
            | Work::Copy { object, .. }
            | Work::Set { object, .. } => *object,
            _ => return Err(Rv::FunctionNotSupported.into()),
        };
        // A handle was found or made before, so that the store is open; it may have been replaced since.
        self.open(Purpose::Reading)?;
        self.check_held(cx, object)
            .map_err(|error| match (&work, error.rv()) {
                (Work::Begin { .. }, Rv::ObjectHandleInvalid) => Rv::KeyHandleInvalid.into(),
                _ => error,
            })?;
        if let Work::Copy { template, .. } | Work::Set { template, .. } = &work {
            notes::check_not_a_note(template.bytes(ck::CKA_APPLICATION))?;
        }
        Ok(self.token.submit(cx, work))
    }

    /// Whether there is such an object that applications may see.
    fn check_held(&self, cx: &CallCx, object: ObjectId) -> Result<()> {
        let held = self.engine().look_up(cx.access, object)?;
        if notes::is_note(&held.opened().object) {
            return Err(Rv::ObjectHandleInvalid.into());
        }
        Ok(())
    }
}

impl Token for Sidecar {
    fn info(&self) -> Result<TokenInfo> {
        self.token.info()
    }

    fn mechanisms(&self) -> Result<Vec<MechanismInfo>> {
        self.token.mechanisms()
    }

    fn epoch(&self) -> u64 {
        self.token.epoch()
    }

    fn submit(&self, cx: &CallCx, work: Work<'_>) -> Step {
        self.work(cx, work).unwrap_or_else(Step::from)
    }

    fn close_session(&self, session: SessionId) {
        self.token.close_session(session);
    }
}

fn binding(header: &Header) -> Binding {
    Binding {
        identity: header.identity,
        role: store::Role::Machine,
    }
}

/// Refuses what is a secret: here it would be as safe as a file.
fn check_class(class: Option<ck::CK_OBJECT_CLASS>) -> Result<()> {
    if !class.is_some_and(holds_secret) {
        return Ok(());
    }
    Err(Error::new(
        Rv::TemplateInconsistent,
        "this slot's own store keeps no private or secret keys (CKA_TOKEN with this CKA_CLASS): have the service \
         generate the key, set CKA_TOKEN to false, or use a soft slot",
    ))
}
