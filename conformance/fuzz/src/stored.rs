// SPDX-License-Identifier: MIT
//! The body of a stored object, as whoever can write to the file may put it there: decoded, shown, searched, used.

use cryptoki_sys as ck;
use keyenclave_model::access::Access;
use keyenclave_model::mechanism::{Mechanism, Params};
use keyenclave_model::object::Object;
use keyenclave_model::template::Template;
use keyenclave_model::token::{
    CallCx, End, HandleSource, ObjectId, OperationClass, Out, SessionId, Step, Token, Work,
};
use keyenclave_soft::store::{
    Attempts, Change, Changes, Columns, Header, Identity, Incarnation, InsteadOf, NewToken, Record, RecordId,
    Revision, Role, SealerRecord, Stamp, Store, StoreError, Summary,
};
use keyenclave_soft::vault::{PlainRecord, PublicVault};
use keyenclave_soft::{PinSealers, SoftToken, codec};
use std::sync::Arc;

const IDENTITY: Identity = Identity([1; 16]);
const REVISION: Revision = Revision {
    incarnation: Incarnation([2; 16]),
    number: 1,
};
const RECORD: RecordId = RecordId([3; 16]);

/// What a public key that somebody has put there is used for.
const USES: &[(OperationClass, ck::CK_MECHANISM_TYPE)] = &[
    (OperationClass::Verify, ck::CKM_SHA256_RSA_PKCS),
    (OperationClass::Encrypt, ck::CKM_RSA_PKCS),
    (OperationClass::Verify, ck::CKM_ECDSA_SHA256),
    (OperationClass::Verify, ck::CKM_EDDSA),
    (OperationClass::Verify, ck::CKM_ML_DSA),
];

/// Decodes the bytes, and has a token find, show, copy and use the object that they are.
///
/// # Panics
/// If an object is not encoded as the bytes that it came from.
pub fn run(data: &[u8]) {
    let Some(object) = codec::decode(data) else {
        return;
    };
    assert_eq!(*codec::encode(&object), data, "there is one encoding");
    let plain = PlainRecord {
        id: RECORD,
        private: false,
        columns: columns(&object),
        body: data.to_vec().into(),
    };
    let Ok(record) = PublicVault::new(IDENTITY).seal(&plain) else {
        return;
    };
    let handles = Arc::new(HandleSource::starting_at(1));
    let token = SoftToken::with(One(record), PinSealers::default(), b"", handles);
    let cx = CallCx {
        session: SessionId(1),
        access: Access {
            writable: true,
            login: None,
        },
        deadline: None,
        may_pend: false,
    };
    if let Some(Out::Objects(found)) = ready(token.submit(&cx, Work::Find(&Template::default()))) {
        found.into_iter().for_each(|object| handle(&token, &cx, object));
    }
}

fn handle(token: &impl Token, cx: &CallCx, object: ObjectId) {
    if let Some(Out::View(view)) = ready(token.submit(cx, Work::View(object))) {
        for (id, _) in view.iter() {
            let _ = view.reveal(id);
        }
    }
    let _ = token.submit(cx, Work::Size(object));
    let in_session: Template = [(ck::CKA_TOKEN, keyenclave_model::attribute::Value::Bool(false))]
        .into_iter()
        .collect();
    let template = &in_session;
    let _ = token.submit(cx, Work::Copy { object, template });
    for (class, mechanism) in USES {
        let Ok(mechanism) = &Mechanism::new(*mechanism, Params::None) else {
            continue;
        };
        let (class, key) = (*class, Some(object));
        let begun = token.submit(
            cx,
            Work::Begin {
                class,
                mechanism,
                key,
            },
        );
        if let Some(Out::Operation(operation)) = ready(begun) {
            let mut out = [0; 1024];
            let end = if class == OperationClass::Verify {
                End::Signature(&[7; 64])
            } else {
                End::Output(&mut out)
            };
            let _ = operation.single(cx, b"message", end);
        }
    }
}

fn ready(step: Step) -> Option<Out> {
    match step {
        Step::Ready(outcome) => outcome.ok(),
        Step::Pending(_) => None,
    }
}

fn columns(object: &Object) -> Columns {
    let bytes = |id| object.bytes(id).unwrap_or_default().to_vec();
    Columns {
        class: object
            .class()
            .map(|class| class.to_le_bytes().to_vec())
            .unwrap_or_default(),
        label: bytes(ck::CKA_LABEL),
        key_id: bytes(ck::CKA_ID),
    }
}

/// A store with one record, which nobody changes.
struct One(Record);

impl One {
    fn refused<T>() -> Result<T, StoreError> {
        Err(StoreError::TokenChanged)
    }
}

impl Store for One {
    fn header(&self) -> Result<Option<Header>, StoreError> {
        Ok(Some(Header {
            identity: IDENTITY,
            incarnation: REVISION.incarnation,
            label: [b' '; 32],
            serial: [b' '; 16],
            created: 0,
        }))
    }

    fn initialise(&self, _: &NewToken, _: Option<Incarnation>) -> Result<(), StoreError> {
        Self::refused()
    }

    fn sealer(&self, _: Role) -> Result<Option<SealerRecord>, StoreError> {
        Ok(None)
    }

    fn put_sealer(
        &self,
        _: Role,
        _: &SealerRecord,
        _: Incarnation,
        _: InsteadOf<'_>,
    ) -> Result<(), StoreError> {
        Self::refused()
    }

    fn count_attempt(&self, role: Role) -> Result<Attempts, StoreError> {
        Err(StoreError::NoSealer(role))
    }

    fn clear_attempts(&self, _: Role, _: Incarnation, _: &SealerRecord) -> Result<(), StoreError> {
        Self::refused()
    }

    fn commit(&self, _: &[Change], _: Revision) -> Result<Revision, StoreError> {
        Self::refused()
    }

    fn changes_since(&self, base: Option<Revision>) -> Result<Changes, StoreError> {
        let complete = base != Some(REVISION);
        let changed = complete.then(|| Summary {
            id: self.0.id,
            revision: REVISION.number,
            private: self.0.private,
            columns: self.0.columns.clone(),
        });
        Ok(Changes {
            revision: REVISION,
            changed: changed.into_iter().collect(),
            deleted: Vec::new(),
            complete,
        })
    }

    fn read(&self, id: RecordId) -> Result<Option<Record>, StoreError> {
        Ok((id == self.0.id).then(|| self.0.clone()))
    }

    fn stamp(&self) -> Result<Stamp, StoreError> {
        Ok(Stamp::Settled {
            incarnation: Some(REVISION.incarnation),
            count: [1, 0],
        })
    }
}
