// SPDX-License-Identifier: MIT
//! The soft engine beside a remote token: session objects, and everything that is done with public keys.
//!
//! Two engines without a store. One has the application's session objects. The other has the public halves of the
//! service's keys, each as long as the catalogue knows the key, so that verifying and encrypting are the soft token's
//! own code and no search finds these copies.

use std::sync::Arc;

use cryptoki_sys as ck;
use keyenclave_model::access::Access;
use keyenclave_model::attribute::Value;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::Mechanism;
use keyenclave_model::object::Object;
use keyenclave_model::template::Template;
use keyenclave_model::token::{
    CallCx, HandleSource, ObjectId, Operation, OperationClass, Out, Role, SessionId, Step, Token, Work,
};
use keyenclave_soft::sealer::{PinCost, PinSealer, Sealer};
use keyenclave_soft::store::{
    Attempts, Change, Changes, Header, Incarnation, InsteadOf, NewToken, Record, RecordId, Revision,
    SealerRecord, Stamp, Store, StoreError,
};
use keyenclave_soft::{Sealers, SoftToken};

/// A soft token that has nothing but session objects.
pub(super) fn session_engine(handles: &Arc<HandleSource>) -> Arc<dyn Token> {
    Arc::new(engine(Arc::clone(handles)))
}

fn engine(handles: Arc<HandleSource>) -> SoftToken<NoStore, NoSealers> {
    SoftToken::with(NoStore, NoSealers, b"session objects", handles)
}

/// The public halves of the service's keys.
pub(super) struct PublicKeys {
    engine: SoftToken<NoStore, NoSealers>,
}

/// A public key that can be used here, until it is dropped.
pub(super) struct LocalKey {
    keys: Arc<PublicKeys>,
    handle: ObjectId,
}

/// A call of nobody's: the session that no application has, and everything is allowed.
const OURS: CallCx = CallCx {
    session: SessionId(ck::CK_INVALID_HANDLE),
    access: Access {
        writable: true,
        login: Some(Role::User),
    },
    deadline: None,
    may_pend: false,
};

impl PublicKeys {
    pub(super) fn new() -> Arc<Self> {
        // Handles of these never leave, so they need not be unique in the module.
        Arc::new(Self {
            engine: engine(Arc::new(HandleSource::starting_at(1))),
        })
    }

    /// Takes a public key in.
    pub(super) fn add(self: &Arc<Self>, public: &Object) -> Result<LocalKey> {
        let needed = match public.key_type() {
            Some(ck::CKK_RSA) => &[ck::CKA_MODULUS, ck::CKA_PUBLIC_EXPONENT][..],
            _ => &[ck::CKA_EC_PARAMS, ck::CKA_EC_POINT][..],
        };
        let material = needed
            .iter()
            .filter_map(|id| public.get(*id).map(|value| (*id, value.clone())));
        let rest = [
            (ck::CKA_CLASS, Value::Ulong(ck::CKO_PUBLIC_KEY)),
            (
                ck::CKA_KEY_TYPE,
                Value::Ulong(public.key_type().unwrap_or_default()),
            ),
            (ck::CKA_ENCRYPT, Value::Bool(true)),
            (ck::CKA_VERIFY, Value::Bool(true)),
        ];
        let template: Template = rest.into_iter().chain(material).collect();
        match self.engine.submit(&OURS, Work::Create(&template)) {
            Step::Ready(Ok(Out::Object(handle))) => Ok(LocalKey {
                keys: Arc::clone(self),
                handle,
            }),
            Step::Ready(Err(error)) => Err(error),
            _ => Err(unexpected()),
        }
    }
}

impl LocalKey {
    /// Begins an operation with the key.
    pub(super) fn begin(&self, class: OperationClass, mechanism: &Mechanism) -> Result<Box<dyn Operation>> {
        let work = Work::Begin {
            class,
            mechanism,
            key: Some(self.handle),
        };
        match self.keys.engine.submit(&OURS, work) {
            Step::Ready(Ok(Out::Operation(operation))) => Ok(operation),
            Step::Ready(Err(error)) => Err(error),
            _ => Err(unexpected()),
        }
    }
}

impl Drop for LocalKey {
    fn drop(&mut self) {
        // It was made by `add` and is destroyed here alone, so there is nothing to report.
        drop(self.keys.engine.submit(&OURS, Work::Destroy(self.handle)));
    }
}

/// An answer that the work cannot have.
pub(super) fn unexpected() -> Error {
    Error::new(
        Rv::GeneralError,
        "a token answered with something that was not asked for",
    )
}

/// A store that has no token and takes none.
struct NoStore;

impl NoStore {
    const fn missing() -> StoreError {
        StoreError::Missing {
            path: std::path::PathBuf::new(),
        }
    }
}

impl Store for NoStore {
    fn header(&self) -> Result<Option<Header>, StoreError> {
        Ok(None)
    }

    fn initialise(&self, _token: &NewToken, _replaces: Option<Incarnation>) -> Result<(), StoreError> {
        Err(Self::missing())
    }

    fn sealer(&self, _role: keyenclave_soft::store::Role) -> Result<Option<SealerRecord>, StoreError> {
        Ok(None)
    }

    fn put_sealer(
        &self,
        _role: keyenclave_soft::store::Role,
        _record: &SealerRecord,
        _of: Incarnation,
        _instead: InsteadOf<'_>,
    ) -> Result<(), StoreError> {
        Err(Self::missing())
    }

    fn count_attempt(&self, role: keyenclave_soft::store::Role) -> Result<Attempts, StoreError> {
        Err(StoreError::NoSealer(role))
    }

    fn clear_attempts(
        &self,
        _role: keyenclave_soft::store::Role,
        _of: Incarnation,
        _opened: &SealerRecord,
    ) -> Result<(), StoreError> {
        Err(Self::missing())
    }

    fn commit(&self, _changes: &[Change], _base: Revision) -> Result<Revision, StoreError> {
        Err(Self::missing())
    }

    fn changes_since(&self, _base: Option<Revision>) -> Result<Changes, StoreError> {
        Err(Self::missing())
    }

    fn read(&self, _id: RecordId) -> Result<Option<Record>, StoreError> {
        Ok(None)
    }

    fn stamp(&self) -> Result<Stamp, StoreError> {
        Ok(Stamp::Settled {
            incarnation: None,
            count: [0; 2],
        })
    }
}

/// There is nothing to seal.
struct NoSealers;

impl Sealers for NoSealers {
    fn sealer<'a>(&'a self, pin: &'a [u8]) -> Box<dyn Sealer + 'a> {
        Box::new(PinSealer {
            pin,
            cost: PinCost::DEFAULT,
            limit: 1,
        })
    }
}
