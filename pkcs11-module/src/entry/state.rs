// SPDX-License-Identifier: MIT
//! Saving and restoring an operation (PKCS#11 3.2, sections 5.6.6 and 5.6.7).
//!
//! Apart from the other session management functions because it deals with operations: one is taken out, as by any
//! function that uses it, but put back whatever comes of it.

use cryptoki_sys as ck;
use keyenclave_model::error::{Result, Rv};
use keyenclave_model::token::{ObjectId, OperationClass, Out, SessionId, Work};

use super::taken::Taken;
use super::unexpected;
use crate::abi::values::{Input, Output};
use crate::library::Library;
use crate::session::operation::{Active, Next};
use crate::session::saved::Saved;

/// `C_GetOperationState`. The operation stays active.
pub fn get_operation_state(lib: &Library, session: SessionId, mut output: Output<'_>) -> Result<()> {
    let caller = lib.session(session)?;
    output.check()?;
    let class = caller
        .session
        .operations
        .lock()
        .only(caller.slot.login_number())?;
    let (place, active) = Taken::take(&caller, class)?;
    let started = active.started;
    let state = match &active.work {
        Next::Run(operation) => operation.state(),
        Next::RunWithSignature(_) | Next::Messages(_) | Next::Deliver { .. } | Next::Wait(_) => {
            Err(Rv::StateUnsaveable.into())
        }
    };
    place.put_back(active)?;
    let saved = Saved {
        class,
        started,
        state: &state?,
    }
    .write(&caller.slot.token.info()?);
    output.set_len(saved.len());
    if output.is_query() {
        return Ok(());
    }
    let room = output.buffer().get_mut(..saved.len());
    room.ok_or(Rv::BufferTooSmall)?.copy_from_slice(&saved);
    Ok(())
}

/// `C_SetOperationState`. What the session had under way ends, if the state is good: operations, on messages too, work
/// that is waited for, and a search.
pub fn set_operation_state(
    lib: &Library,
    session: SessionId,
    state: Input<'_>,
    encryption: ObjectId,
    authentication: ObjectId,
) -> Result<()> {
    let caller = lib.session(session)?;
    let bytes = state.bytes()?;
    let login = caller.slot.login_number();
    let saved = Saved::read(bytes, &caller.slot.token.info()?)?;
    let restored = caller.run(Work::Restore {
        class: saved.class,
        state: saved.state,
        keys: [encryption, authentication].map(|key| (key.0 != ck::CK_INVALID_HANDLE).then_some(key)),
    })?;
    let Out::Operation(operation) = restored else {
        return Err(unexpected());
    };
    let mut active = Active::new(
        operation,
        (saved.class != OperationClass::Digest).then_some(login),
    );
    active.started = saved.started;
    let replaced = caller.session.operations.lock().replace(saved.class, active);
    // Operations are dropped, and their keys wiped, outside the lock.
    replaced.map(drop)
}
