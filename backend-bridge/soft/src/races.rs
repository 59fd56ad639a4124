// SPDX-License-Identifier: MIT
//! Tests of what others do in the middle of a call: a store that lets them, at a chosen point.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;
use std::sync::{Arc, Weak};

use cryptoki_sys as ck;
use keyenclave_model::access::Access;
use keyenclave_model::attribute::Value;
use keyenclave_model::error::Rv;
use keyenclave_model::mechanism::RsaSizes;
use keyenclave_model::object::{Object, Origin};
use keyenclave_model::template::Template;
use keyenclave_model::token::{CallCx, HandleSource, ObjectId, Pin, Role, SessionId};
use parking_lot::Mutex;

use crate::engine::Engine;
use crate::login::PinSealers;
use crate::sealer::PinCost;
use crate::store::{self, *};

/// When somebody else gets his turn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// After an object was committed.
    Committed,
    /// After the attempts of a right PIN were forgotten, as the last step at the store.
    PinWasRight,
    /// Before a sealer is written.
    NewPin,
}

type Other = Box<dyn FnOnce() + Send>;

/// A store in which others act at a moment, once.
struct Shared {
    store: SqliteStore,
    other: Mutex<Option<(Moment, Other)>>,
}

impl Shared {
    fn reached(&self, moment: Moment) {
        let mut other = self.other.lock();
        if other.as_ref().is_some_and(|(when, _)| *when == moment) {
            let turn = other.take();
            drop(other);
            turn.unwrap().1();
        }
    }
}

impl Store for Shared {
    fn header(&self) -> Result<Option<Header>, StoreError> {
        self.store.header()
    }
    fn initialise(&self, token: &NewToken, replaces: Option<Incarnation>) -> Result<(), StoreError> {
        self.store.initialise(token, replaces)
    }
    fn sealer(&self, role: store::Role) -> Result<Option<SealerRecord>, StoreError> {
        self.store.sealer(role)
    }
    fn put_sealer(
        &self,
        role: store::Role,
        record: &SealerRecord,
        of: Incarnation,
        instead: InsteadOf<'_>,
    ) -> Result<(), StoreError> {
        self.reached(Moment::NewPin);
        self.store.put_sealer(role, record, of, instead)
    }
    fn count_attempt(&self, role: store::Role) -> Result<Attempts, StoreError> {
        self.store.count_attempt(role)
    }
    fn clear_attempts(
        &self,
        role: store::Role,
        of: Incarnation,
        opened: &SealerRecord,
    ) -> Result<(), StoreError> {
        let cleared = self.store.clear_attempts(role, of, opened);
        self.reached(Moment::PinWasRight);
        cleared
    }
    fn commit(&self, changes: &[Change], base: Revision) -> Result<Revision, StoreError> {
        let committed = self.store.commit(changes, base);
        self.reached(Moment::Committed);
        committed
    }
    fn changes_since(&self, base: Option<Revision>) -> Result<Changes, StoreError> {
        self.store.changes_since(base)
    }
    fn read(&self, id: RecordId) -> Result<Option<Record>, StoreError> {
        self.store.read(id)
    }
    fn stamp(&self) -> Result<Stamp, StoreError> {
        self.store.stamp()
    }
}

type Tested = Engine<Shared, PinSealers>;

const SO_PIN: Pin<'static> = Pin(b"so-pin");
const USER_PIN: Pin<'static> = Pin(b"user-pin");
const USER: CallCx = CallCx {
    session: SessionId(1),
    access: Access {
        writable: true,
        login: Some(Role::User),
    },
    deadline: None,
    may_pend: false,
};

fn engine(directory: &Path) -> Arc<Tested> {
    let store = Shared {
        store: SqliteStore::new(&directory.join("token.db")),
        other: Mutex::new(None),
    };
    let sealers = PinSealers {
        cost: PinCost::FLOOR,
        limit: 3,
    };
    Arc::new(Engine::new(
        store,
        sealers,
        Arc::new(HandleSource::starting_at(1)),
        RsaSizes::Usual,
    ))
}

/// An initialised token with both PINs set.
fn token(directory: &Path) -> Arc<Tested> {
    let engine = engine(directory);
    engine.init_token(SO_PIN, [b' '; 32]).unwrap();
    engine.log_in(Role::So, SO_PIN).unwrap();
    engine.init_pin(USER_PIN).unwrap();
    engine.set_login(None);
    engine
}

/// What another thread or process does to the token at a moment.
fn meanwhile(engine: &Arc<Tested>, moment: Moment, other: impl FnOnce(&Tested) + Send + 'static) {
    let weak: Weak<Tested> = Arc::downgrade(engine);
    let turn = Box::new(move || other(&weak.upgrade().unwrap()));
    *engine.store.other.lock() = Some((moment, turn));
}

fn private_object(token: bool) -> Template {
    [
        (ck::CKA_CLASS, Value::Ulong(ck::CKO_DATA)),
        (ck::CKA_TOKEN, Value::Bool(token)),
        (ck::CKA_PRIVATE, Value::Bool(true)),
    ]
    .into_iter()
    .collect()
}

fn is_open(engine: &Tested, handle: ObjectId) -> bool {
    let found = engine.index.read().by_handle(handle);
    found.is_some_and(|found| found.opened.is_some())
}

#[test]
fn a_private_object_that_is_committed_during_a_logout_does_not_stay_open() {
    let directory = tempfile::tempdir().unwrap();
    let engine = token(directory.path());
    engine.log_in(Role::User, USER_PIN).unwrap();
    let quiet = engine.create(&USER, &private_object(true)).unwrap();
    assert!(is_open(&engine, quiet));
    meanwhile(&engine, Moment::Committed, |engine| engine.set_login(None));
    let handle = engine.create(&USER, &private_object(true)).unwrap();
    assert!(!is_open(&engine, handle));
}

#[test]
fn a_session_that_is_closed_during_the_commit_leaves_all_objects_of_the_call_or_none() {
    let directory = tempfile::tempdir().unwrap();
    let engine = token(directory.path());
    engine.log_in(Role::User, USER_PIN).unwrap();
    let object =
        |token| Object::admit(Origin::Create, None, &private_object(token), Some(Role::User)).unwrap();
    meanwhile(&engine, Moment::Committed, |engine| {
        engine.session.close(USER.session)
    });
    let ticket = engine.session.ticket(USER.session);
    let added = engine.add(&ticket, [(object(true), None), (object(false), None)]);
    let stored = engine.find(USER.access, &private_object(true)).unwrap();
    assert_eq!(stored.len(), usize::from(added.is_ok()));
}

#[test]
fn a_token_that_is_gone_leaves_nothing_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let engine = engine(directory.path());
    let ticket = engine.session.ticket(USER.session);
    let public = [(ck::CKA_CLASS, Value::Ulong(ck::CKO_DATA))];
    let template = |token| {
        public
            .iter()
            .cloned()
            .chain([(ck::CKA_TOKEN, Value::Bool(token))])
            .collect()
    };
    let object = |token| Object::admit(Origin::Create, None, &template(token), None).unwrap();
    let added = engine.add(&ticket, [(object(false), None), (object(true), None)]);
    assert_eq!(added.unwrap_err().rv(), Rv::TokenNotInitialized);
    assert!(engine.find(USER.access, &template(false)).unwrap().is_empty());
}

#[test]
fn a_private_object_that_is_changed_during_a_logout_does_not_stay_open() {
    let directory = tempfile::tempdir().unwrap();
    let engine = token(directory.path());
    engine.log_in(Role::User, USER_PIN).unwrap();
    let handle = engine.create(&USER, &private_object(true)).unwrap();
    let label = [(ck::CKA_LABEL, Value::bytes(*b"new"))].into_iter().collect();
    meanwhile(&engine, Moment::Committed, |engine| engine.set_login(None));
    engine.set(&USER, handle, &label).unwrap();
    let index = engine.index.read();
    assert!(
        index
            .candidates(true, &Default::default())
            .iter()
            .all(|found| found.opened.is_none())
    );
}

#[test]
fn a_login_to_a_token_that_is_initialised_anew_meanwhile_does_not_last() {
    let directory = tempfile::tempdir().unwrap();
    let engine = token(directory.path());
    let other = self::engine(directory.path());
    meanwhile(&engine, Moment::PinWasRight, move |engine| {
        other.init_token(SO_PIN, [b' '; 32]).unwrap();
        // Another thread looks at the new token before the login is entered.
        engine.refresh().unwrap();
    });
    assert_eq!(
        engine.log_in(Role::User, USER_PIN).unwrap_err().rv(),
        Rv::FunctionFailed
    );
    assert!(engine.login().is_none());
}

#[test]
fn a_pin_that_the_so_sets_is_not_overwritten_by_who_knew_the_old_one() {
    let directory = tempfile::tempdir().unwrap();
    let engine = token(directory.path());
    let other = self::engine(directory.path());
    meanwhile(&engine, Moment::NewPin, move |_| {
        other.log_in(Role::So, SO_PIN).unwrap();
        other.init_pin(Pin(b"reset-pin")).unwrap();
    });
    let public = CallCx {
        access: Access {
            writable: true,
            login: None,
        },
        ..USER
    };
    let error = engine.set_pin(&public, USER_PIN, Pin(b"my-own-pin")).unwrap_err();
    assert_eq!(error.rv(), Rv::PinIncorrect);
    engine.log_in(Role::User, Pin(b"reset-pin")).unwrap();
}

#[test]
fn an_old_pin_that_is_being_tried_neither_opens_nor_resets_the_counter_of_the_new_one() {
    let directory = tempfile::tempdir().unwrap();
    let engine = token(directory.path());
    let store = &engine.store.store;
    let life = store.header().unwrap().unwrap().incarnation;
    let old = store.sealer(store::Role::User).unwrap().unwrap();
    engine.log_in(Role::So, SO_PIN).unwrap();
    engine.init_pin(Pin(b"new-pin")).unwrap();
    store.count_attempt(store::Role::User).unwrap();
    let refused = store.clear_attempts(store::Role::User, life, &old);
    assert!(matches!(
        refused,
        Err(StoreError::SealerChanged(store::Role::User))
    ));
    assert_eq!(store.sealer(store::Role::User).unwrap().unwrap().failed, 1);
}
