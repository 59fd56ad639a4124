// SPDX-License-Identifier: MIT
//! What an operation began with, and its beginning in a vendor's session.

use std::sync::Arc;

use cryptoki_sys as ck;
use keyenclave_model::error::Rv;
use keyenclave_model::mechanism::Mechanism;
use keyenclave_model::token::{ObjectId, OperationClass};

use crate::core::Core;
use crate::ffi::{Answer, Handle};
use crate::given::{mech, parameter, translated};
use crate::objects::Entry;
use crate::params::{OwnParameter, Written};
use crate::pool::Lease;

pub(super) struct Begun {
    pub(super) id: ck::CK_MECHANISM_TYPE,
    pub(super) parameter: Option<OwnParameter>,
    pub(super) key: Option<ObjectId>,
    pub(super) signature: Option<Vec<u8>>,
    /// Whether it would not begin alike a second time: the vendor has written to the parameter, an IV of its own.
    pub(super) has_news: bool,
}

impl Begun {
    /// A copy; `None` where there can be none. To be called inside of the application's call.
    pub(super) fn copy(
        mechanism: &Mechanism,
        key: Option<ObjectId>,
        signature: Option<&[u8]>,
    ) -> Option<Self> {
        let id = mechanism.id();
        let parameter = match parameter(mechanism) {
            Some(flat) => Some(OwnParameter::copy(id, flat)?),
            None => None,
        };
        let signature = signature.map(<[u8]>::to_vec);
        Some(Self {
            id,
            parameter,
            key,
            signature,
            has_news: false,
        })
    }

    /// Takes note of what the vendor has written as the operation began. If it was `ours` to write to, it goes to where
    /// the mechanism that was copied has it. To be called where that may be followed.
    pub(super) fn note_news(&mut self, ours: bool) {
        let news = self.parameter.as_ref().filter(|parameter| parameter.has_news());
        self.has_news = news.is_some();
        if let Some(parameter) = news.filter(|_| ours) {
            parameter.written().iter().for_each(Written::hand_back);
        }
    }

    pub(super) fn mechanism(&self) -> Mechanism {
        let parameter = self.parameter.as_ref();
        Mechanism::given(self.id, parameter.map(|parameter| parameter.bytes().to_vec()))
    }
}

pub(super) fn begin_in(
    core: &Core,
    lease: &Lease,
    class: OperationClass,
    (mechanism, key, signature): (&Mechanism, Option<ObjectId>, Option<&[u8]>),
) -> Answer<Option<Arc<Entry>>> {
    let (handle, entry) = match key {
        Some(key) => {
            let (handle, entry) = core.handle(lease, key, Rv::KeyHandleInvalid)?;
            (handle, Some(entry))
        }
        None => (ck::CK_INVALID_HANDLE as Handle, None),
    };
    let parameter = translated(core, lease, mechanism)?;
    let (session, mech) = (lease.session, mech(mechanism, &parameter));
    core.call(|module| match signature {
        Some(signature) => module.begin_with_signature(session, mech, handle, signature),
        None => module.begin(session, class, mech, handle),
    })?;
    core.connection.pool.note_begun(lease);
    Ok(entry)
}
