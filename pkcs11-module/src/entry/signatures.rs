// SPDX-License-Identifier: MIT
//! Verification with the signature first (PKCS#11 3.2, sections 5.15.7 to 5.15.10).
//!
//! Apart from the other operations because it begins with more and ends with less. It has the place of a verification
//! in its session: a session has one of the two.

use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::token::{End, ObjectId, OperationClass::Verify, Out, SessionId, Work};

use super::taken::Taken;
use super::unexpected;
use crate::abi::values::{Input, RawMechanism};
use crate::library::Library;
use crate::session::operation::Active;
use crate::slot::complete;

/// `C_VerifySignatureInit`. A null mechanism ends the verification that is active.
pub fn init(
    lib: &Library,
    session: SessionId,
    mechanism: RawMechanism<'_>,
    key: ObjectId,
    signature: Input<'_>,
) -> Result<()> {
    let caller = lib.session(session)?;
    if mechanism.is_null() {
        let ended = caller.session.operations.lock().cancel(Verify)?;
        drop(ended);
        return Ok(());
    }
    let login = caller.slot.login_number();
    let place = Taken::reserve(&caller, Verify)?;
    let (mechanism, signature) = (caller.mechanism(&mechanism)?, signature.bytes()?);
    let begun = caller.run(Work::BeginVerifySignature {
        mechanism: &mechanism,
        key,
        signature,
    })?;
    let Out::Operation(operation) = begun else {
        return Err(unexpected());
    };
    place.put_back(Active::with_signature(operation, login))
}

/// `C_VerifySignature`: the whole in one call.
pub fn single(lib: &Library, session: SessionId, data: Input<'_>) -> Result<()> {
    let caller = lib.session(session)?;
    let (_place, active) = Taken::take_with_signature(&caller)?;
    let data = data.bytes()?;
    // The specification's list for this function has no CKR_OPERATION_ACTIVE, as that of C_Verify has.
    if active.started {
        return Err(Error::new(
            Rv::OperationNotInitialized,
            "the operation has had parts: it ends with C_VerifySignatureFinal",
        ));
    }
    let cx = caller.call();
    let done = active.into_operation()?.single(&cx, data, End::Begun);
    complete(done, cx.deadline).map(drop)
}

/// `C_VerifySignatureUpdate`: a part.
pub fn update(lib: &Library, session: SessionId, part: Input<'_>) -> Result<()> {
    let caller = lib.session(session)?;
    let (place, mut active) = Taken::take_with_signature(&caller)?;
    let part = part.bytes()?;
    active.running()?.update(&caller.call(), part, &mut [])?;
    active.started = true;
    place.put_back(active)
}

/// `C_VerifySignatureFinal`: the end of several parts.
pub fn finish(lib: &Library, session: SessionId) -> Result<()> {
    let caller = lib.session(session)?;
    let (_place, active) = Taken::take_with_signature(&caller)?;
    let cx = caller.call();
    let done = active.into_operation()?.finish(&cx, End::Begun);
    complete(done, cx.deadline).map(drop)
}
