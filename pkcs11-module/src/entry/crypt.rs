// SPDX-License-Identifier: MIT
//! Encryption, decryption, digests, signing and verification (PKCS#11 3.2, sections 5.8 to 5.16).
//!
//! The classes differ in their tokens' work, not in their rules, so one handler serves all of them. The rules stand
//! here, once: an operation is taken out of the session, run with no lock held, and put back only by what leaves it
//! active: a successful part, a query for a length, and memory that was too short. Everything else ends it.

use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::token::{
    CallCx, End, ObjectId, Operation, OperationClass, Out, OutputLen, Part, SessionId, Work,
};
use zeroize::Zeroizing;

use super::unexpected;
use crate::abi::values::{Input, Output, RawMechanism};
use crate::library::{Caller, Library};
use crate::session::operation::{Active, Ending, Next};
use crate::session::table::Session;
use crate::slot::complete;

/// `C_EncryptInit` and its kind. A null mechanism ends the operation that is active.
pub fn init(
    lib: &Library,
    session: SessionId,
    class: OperationClass,
    mechanism: RawMechanism<'_>,
    key: Option<ObjectId>,
) -> Result<()> {
    let caller = lib.session(session)?;
    if mechanism.is_null() {
        let ended = caller.session.operations.lock().cancel(class)?;
        drop(ended);
        return Ok(());
    }
    let login = caller.slot.login_number();
    caller.session.operations.lock().reserve(class, login)?;
    let place = Taken {
        session: &caller.session,
        class,
        back: None,
    };
    let mechanism = mechanism.parse()?;
    let begun = caller.run(Work::Begin {
        class,
        mechanism: &mechanism,
        key,
    })?;
    let Out::Operation(operation) = begun else {
        return Err(unexpected());
    };
    place.put_back(Active::new(operation, key.map(|_| login)));
    Ok(())
}

/// `C_Encrypt` and its kind: the whole in one call.
pub fn single(
    lib: &Library,
    session: SessionId,
    class: OperationClass,
    input: Input<'_>,
    mut output: Output<'_>,
) -> Result<()> {
    let caller = lib.session(session)?;
    let (place, active) = take(&caller, class)?;
    let input = input.bytes()?;
    refuse_started(&active)?;
    end_with_output(place, active, &mut output, Ending::Single, input, &caller.call())
}

/// `C_EncryptFinal` and its kind: the end of several parts.
pub fn finish(
    lib: &Library,
    session: SessionId,
    class: OperationClass,
    mut output: Output<'_>,
) -> Result<()> {
    let caller = lib.session(session)?;
    let (place, active) = take(&caller, class)?;
    end_with_output(place, active, &mut output, Ending::Finish, &[], &caller.call())
}

/// `C_EncryptUpdate` and `C_DecryptUpdate`: a part that comes with output.
pub fn update(
    lib: &Library,
    session: SessionId,
    class: OperationClass,
    input: Input<'_>,
    mut output: Output<'_>,
) -> Result<()> {
    let caller = lib.session(session)?;
    let (place, mut active) = take(&caller, class)?;
    output.check()?;
    let input = input.bytes()?;
    let operation = active.running()?;
    let need = operation.output_len(Part::Update(input.len()))?.max();
    if output.is_query() || output.capacity() < need {
        return ask_again(place, active, &mut output, need);
    }
    let written = operation.update(&caller.call(), input, output.buffer())?;
    active.started = true;
    place.put_back(active);
    output.set_len(written);
    Ok(())
}

/// `C_DigestUpdate`, `C_SignUpdate` and `C_VerifyUpdate`: a part that is only taken in.
pub fn absorb(lib: &Library, session: SessionId, class: OperationClass, input: Input<'_>) -> Result<()> {
    let caller = lib.session(session)?;
    let (place, mut active) = take(&caller, class)?;
    let input = input.bytes()?;
    active.running()?.update(&caller.call(), input, &mut [])?;
    active.started = true;
    place.put_back(active);
    Ok(())
}

/// `C_DigestKey`.
pub fn digest_key(lib: &Library, session: SessionId, key: ObjectId) -> Result<()> {
    let caller = lib.session(session)?;
    let (place, mut active) = take(&caller, OperationClass::Digest)?;
    active.running()?.digest_key(&caller.call(), key)?;
    active.started = true;
    place.put_back(active);
    Ok(())
}

/// `C_Verify`.
pub fn verify(lib: &Library, session: SessionId, data: Input<'_>, signature: Input<'_>) -> Result<()> {
    let caller = lib.session(session)?;
    let (_place, active) = take(&caller, OperationClass::Verify)?;
    let (data, signature) = (data.bytes()?, signature.bytes()?);
    refuse_started(&active)?;
    let cx = caller.call();
    complete(
        active
            .into_operation()?
            .single(&cx, data, End::Signature(signature)),
        cx.deadline,
    )
    .map(drop)
}

/// `C_VerifyFinal`.
pub fn verify_final(lib: &Library, session: SessionId, signature: Input<'_>) -> Result<()> {
    let caller = lib.session(session)?;
    let (_place, active) = take(&caller, OperationClass::Verify)?;
    let signature = signature.bytes()?;
    let cx = caller.call();
    complete(
        active.into_operation()?.finish(&cx, End::Signature(signature)),
        cx.deadline,
    )
    .map(drop)
}

/// `C_VerifyRecover`: the signature goes in, the data comes out.
pub fn verify_recover(
    lib: &Library,
    session: SessionId,
    signature: Input<'_>,
    output: Output<'_>,
) -> Result<()> {
    single(lib, session, OperationClass::VerifyRecover, signature, output)
}

/// An operation's place in its session while the operation is out. It goes back empty unless the operation is put
/// back: so every early return ends the operation.
pub(super) struct Taken<'a> {
    session: &'a Session,
    class: OperationClass,
    back: Option<Active>,
}

impl Taken<'_> {
    pub(super) fn put_back(mut self, active: Active) {
        self.back = Some(active);
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let ended = self
            .session
            .operations
            .lock()
            .put_back(self.class, self.back.take());
        // What the session does not want back, because it was closed, is dropped outside its lock.
        drop(ended);
    }
}

/// Takes an operation out of its session.
pub(super) fn take<'a>(caller: &'a Caller<'_>, class: OperationClass) -> Result<(Taken<'a>, Active)> {
    let active = caller
        .session
        .operations
        .lock()
        .take(class, caller.slot.login_number())?;
    Ok((
        Taken {
            session: &caller.session,
            class,
            back: None,
        },
        active,
    ))
}

/// One call for the whole does not go with parts.
fn refuse_started(active: &Active) -> Result<()> {
    if active.started {
        return Err(Error::new(
            Rv::OperationActive,
            "the operation has had parts: it ends with the function for its end",
        ));
    }
    Ok(())
}

/// Ends an operation that gives output, by the two-call rule: a query and a short buffer leave it active, and a result
/// of which the length is known only afterwards is kept until there is room for it.
fn end_with_output(
    place: Taken<'_>,
    mut active: Active,
    output: &mut Output<'_>,
    ending: Ending,
    input: &[u8],
    cx: &CallCx,
) -> Result<()> {
    output.check()?;
    if let Next::Deliver { .. } = active.work {
        return deliver(place, active, output, ending);
    }
    let part = match ending {
        Ending::Single => Part::Single(input.len()),
        Ending::Finish => Part::Finish,
    };
    let need = active.running()?.output_len(part)?;
    let short = output.capacity() < need.max();
    if output.is_query() || (short && matches!(need, OutputLen::Exact(_))) {
        return ask_again(place, active, output, need.max());
    }
    let login = active.login;
    let operation = active.into_operation()?;
    if short {
        let mut lent = Zeroizing::new(vec![0; need.max()]);
        let written = run(operation, ending, input, &mut lent, cx)?;
        lent.truncate(written);
        let held = Active {
            work: Next::Deliver {
                result: lent,
                of: ending,
            },
            started: false,
            login,
        };
        return deliver(place, held, output, ending);
    }
    let written = run(operation, ending, input, output.buffer(), cx)?;
    output.set_len(written);
    Ok(())
}

/// Runs the end of an operation. Returns how many bytes of `memory` were written.
fn run(
    operation: Box<dyn Operation>,
    ending: Ending,
    input: &[u8],
    memory: &mut [u8],
    cx: &CallCx,
) -> Result<usize> {
    let end = End::Output(&mut *memory);
    let step = match ending {
        Ending::Single => operation.single(cx, input, end),
        Ending::Finish => operation.finish(cx, end),
    };
    match complete(step, cx.deadline)? {
        Out::Written(len) => Ok(len),
        Out::Bytes(bytes) => {
            memory
                .get_mut(..bytes.len())
                .ok_or_else(unexpected)?
                .copy_from_slice(&bytes);
            Ok(bytes.len())
        }
        _ => Err(unexpected()),
    }
}

/// Hands a result out that was kept, or keeps it on if there is no room.
fn deliver(place: Taken<'_>, held: Active, output: &mut Output<'_>, ending: Ending) -> Result<()> {
    let Next::Deliver { result, of } = &held.work else {
        return Err(unexpected());
    };
    if *of != ending {
        return Err(Error::new(
            Rv::OperationActive,
            "another function of this operation has a result to hand out",
        ));
    }
    let len = result.len();
    if output.is_query() || output.capacity() < len {
        return ask_again(place, held, output, len);
    }
    if let Some(room) = output.buffer().get_mut(..len) {
        room.copy_from_slice(result);
    }
    output.set_len(len);
    Ok(())
}

/// Leaves the operation active and says how much memory it needs: the answer to a query, or `CKR_BUFFER_TOO_SMALL`.
fn ask_again(place: Taken<'_>, active: Active, output: &mut Output<'_>, need: usize) -> Result<()> {
    place.put_back(active);
    output.set_len(need);
    if output.is_query() {
        Ok(())
    } else {
        Err(Rv::BufferTooSmall.into())
    }
}
