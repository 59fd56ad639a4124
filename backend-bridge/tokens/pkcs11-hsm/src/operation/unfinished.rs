// SPDX-License-Identifier: MIT
//! The end of an operation before its time.

use std::sync::Arc;

use keyenclave_model::error::Rv;
use keyenclave_model::token::{OperationClass, Out};
use zeroize::Zeroizing;

use super::{Late, VendorOperation};
use crate::core::Core;
use crate::ffi::{Answer, Session};
use crate::pool::{Fate, Lease};

/// Room for what the last part of an operation gives beside what has gone in: a block, a tag, a digest; in bytes.
const LAST_PART: usize = 256;

impl Drop for VendorOperation {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            self.abandon(lease);
        }
    }
}

impl VendorOperation {
    /// Takes it out of the vendor's session, before its end.
    #[cold]
    fn abandon(&mut self, lease: Lease) {
        if self.late.get() == Some(&Late::Inside) {
            return;
        }
        let (core, what) = (Arc::clone(&self.core), self.unfinished());
        if self.budget.is_none() {
            return cancel(&core, &lease, what);
        }
        let submitted = self.core.workers.submit(move || {
            cancel(&core, &lease, what);
            Ok(Out::Done)
        });
        match submitted {
            Ok(waiting) => waiting.leave(),
            // The device hangs, and the session with it.
            Err(_) => self.core.connection.give_back(&lease, Fate::Lost),
        }
    }
}

/// An operation that is to end before its time.
#[derive(Clone, Copy)]
pub(super) struct Unfinished {
    class: OperationClass,
    has_signature: bool,
    pending: usize,
}

impl VendorOperation {
    pub(super) fn unfinished(&self) -> Unfinished {
        Unfinished {
            class: self.class,
            has_signature: self.has_signature,
            pending: self.pending.unwrap_or_default(),
        }
    }
}

/// Takes it out of a vendor's session.
pub(super) fn cancel(core: &Core, lease: &Lease, what: Unfinished) {
    let cancel = |lease: &Lease| match core.call(|module| module.cancel(lease.session, what.class.flag())) {
        Err(Rv::FunctionNotSupported) => finish_in_vain(core, lease.session, what),
        cancelled => cancelled,
    };
    let cancelled = core.connection.ask(lease, cancel);
    let fate = match cancelled {
        Ok(()) => Fate::Clean,
        Err(Rv::SessionHandleInvalid | Rv::SessionClosed) => Fate::Lost,
        Err(_) => Fate::Dirty,
    };
    core.connection.give_back(lease, fate);
}

/// Ends an operation where none can be cancelled, before version 3.0. A signature that nobody wants is not made: the token
/// may count them, or never make another with the same key.
fn finish_in_vain(core: &Core, session: Session, what: Unfinished) -> Answer<()> {
    let class = what.class;
    let ended = match class {
        OperationClass::Encrypt | OperationClass::Decrypt | OperationClass::Digest => {
            let mut room = Zeroizing::new(vec![0; what.pending.saturating_add(LAST_PART)]);
            core.call(|module| module.finish(session, class, Some(&mut room)).map(drop))
        }
        OperationClass::Verify if what.has_signature => {
            core.call(|module| module.verify_signature_final(session))
        }
        OperationClass::Verify => core.call(|module| module.verify_final(session, &[0])),
        OperationClass::Sign | OperationClass::SignRecover | OperationClass::VerifyRecover => {
            return Err(Rv::FunctionNotSupported);
        }
    };
    match ended {
        // What these say of the data nobody asks, and they are an end.
        Err(
            Rv::DataLenRange
            | Rv::EncryptedDataInvalid
            | Rv::EncryptedDataLenRange
            | Rv::SignatureInvalid
            | Rv::SignatureLenRange
            | Rv::OperationNotInitialized,
        ) => Ok(()),
        ended => ended,
    }
}
