// SPDX-License-Identifier: MIT
//! Encryption, decryption, digests, signing and verification (PKCS#11 3.2, sections 5.8 to 5.16).
//!
//! The classes differ in their tokens' work, not in their rules, so one handler serves all of them. The rules stand
//! here, once: an operation is taken out of the session, run with no lock held, and put back only by what leaves it
//! active: a successful part, a query for a length, and memory that was too short. Everything else ends it.

use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::token::{
    CallCx, End, ObjectId, Operation, OperationClass, Out, OutputLen, Part, SessionId, Step, Work,
};
use zeroize::Zeroizing;

use super::asynchronous::{leave, may_pend};
use super::taken::Taken;
use super::unexpected;
use crate::abi::values::{Input, Output, RawMechanism};
use crate::library::Library;
use crate::session::operation::{Active, Ending, Next};
use crate::session::waiting::Waiting;
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
    let place = Taken::reserve(&caller, class)?;
    let mechanism = caller.mechanism(&mechanism)?;
    let begun = caller.run(Work::Begin {
        class,
        mechanism: &mechanism,
        key,
    })?;
    let Out::Operation(operation) = begun else {
        return Err(unexpected());
    };
    place.put_back(Active::new(operation, key.map(|_| login)))?;
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
    let (place, active) = Taken::take(&caller, class)?;
    let input = input.bytes()?;
    refuse_started(&active)?;
    let ending = Ending::Single;
    let may_pend = may_pend(&caller.session, class, ending);
    end_with_output(
        place,
        active,
        &mut output,
        &Call {
            ending,
            input,
            may_pend,
            cx: caller.call(),
        },
    )
}

/// `C_EncryptFinal` and its kind: the end of several parts.
pub fn finish(
    lib: &Library,
    session: SessionId,
    class: OperationClass,
    mut output: Output<'_>,
) -> Result<()> {
    let caller = lib.session(session)?;
    let (place, active) = Taken::take(&caller, class)?;
    let ending = Ending::Finish;
    let may_pend = may_pend(&caller.session, class, ending);
    end_with_output(
        place,
        active,
        &mut output,
        &Call {
            ending,
            input: &[],
            may_pend,
            cx: caller.call(),
        },
    )
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
    let (place, mut active) = Taken::take(&caller, class)?;
    output.check()?;
    let input = input.bytes()?;
    let operation = active.running()?;
    let need = operation.output_len(Part::Update(input.len()))?.max();
    if output.is_query() || output.capacity() < need {
        return ask_again(place, active, &mut output, need);
    }
    let written = operation.update(&caller.call(), input, output.buffer())?;
    active.started = true;
    place.put_back(active)?;
    output.set_len(written);
    Ok(())
}

/// `C_DigestUpdate`, `C_SignUpdate` and `C_VerifyUpdate`: a part that is only taken in.
pub fn absorb(lib: &Library, session: SessionId, class: OperationClass, input: Input<'_>) -> Result<()> {
    let caller = lib.session(session)?;
    let (place, mut active) = Taken::take(&caller, class)?;
    let input = input.bytes()?;
    active.running()?.update(&caller.call(), input, &mut [])?;
    active.started = true;
    place.put_back(active)?;
    Ok(())
}

/// `C_DigestKey`.
pub fn digest_key(lib: &Library, session: SessionId, key: ObjectId) -> Result<()> {
    let caller = lib.session(session)?;
    let (place, mut active) = Taken::take(&caller, OperationClass::Digest)?;
    active.running()?.digest_key(&caller.call(), key)?;
    active.started = true;
    place.put_back(active)?;
    Ok(())
}

/// `C_Verify`.
pub fn verify(lib: &Library, session: SessionId, data: Input<'_>, signature: Input<'_>) -> Result<()> {
    let caller = lib.session(session)?;
    let (_place, active) = Taken::take(&caller, OperationClass::Verify)?;
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
    let (_place, active) = Taken::take(&caller, OperationClass::Verify)?;
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

/// A call that ends an operation which gives output.
struct Call<'a> {
    ending: Ending,
    input: &'a [u8],
    /// Whether the work may be left for later.
    may_pend: bool,
    cx: CallCx,
}

impl Call<'_> {
    fn part(&self) -> Part {
        match self.ending {
            Ending::Single => Part::Single(self.input.len()),
            Ending::Finish => Part::Finish,
        }
    }

    fn submit(&self, operation: Box<dyn Operation>, memory: &mut [u8]) -> Step {
        let end = End::Output(memory);
        match self.ending {
            Ending::Single => operation.single(&self.cx, self.input, end),
            Ending::Finish => operation.finish(&self.cx, end),
        }
    }
}

/// Ends an operation that gives output, by the two-call rule: a query and a short buffer leave it active, and a result
/// of which the length is known only afterwards is kept until there is room for it. Where the work may be left for
/// later, the buffer has to have room for the longest result, since it cannot be found too short later.
fn end_with_output(
    place: Taken<'_>,
    mut active: Active,
    output: &mut Output<'_>,
    call: &Call<'_>,
) -> Result<()> {
    output.check()?;
    if let Next::Deliver { .. } = active.work {
        return deliver(place, active, output, call.ending);
    }
    let need = active.running()?.output_len(call.part())?;
    let short = output.capacity() < need.max();
    let exact = call.may_pend || matches!(need, OutputLen::Exact(_));
    if output.is_query() || (short && exact) {
        return ask_again(place, active, output, need.max());
    }
    let login = active.login;
    let operation = active.into_operation()?;
    let held = |result| Active {
        work: Next::Deliver {
            result,
            of: call.ending,
        },
        started: false,
        login,
    };
    if short {
        let mut lent = Zeroizing::new(vec![0; need.max()]);
        let result = match complete(call.submit(operation, &mut lent), call.cx.deadline)? {
            Out::Written(len) => {
                lent.truncate(len);
                lent
            }
            out => bytes(out)?,
        };
        return deliver(place, held(result), output, call.ending);
    }
    let out = match call.submit(operation, output.buffer()) {
        Step::Pending(work) if call.may_pend => {
            let waiting = Waiting::new(work, call.cx.deadline, call.ending, Some(output.keep()));
            return leave(place, waiting, login);
        }
        step => complete(step, call.cx.deadline)?,
    };
    if let Out::Written(len) = out {
        output.set_len(len);
        return Ok(());
    }
    // There may be more than the token said beforehand, and than there is room for.
    deliver(place, held(bytes(out)?), output, call.ending)
}

/// A result that the token has in memory of its own.
fn bytes(out: Out) -> Result<Zeroizing<Vec<u8>>> {
    match out {
        Out::Bytes(bytes) => Ok(bytes),
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
    place.put_back(active)?;
    output.ask_for(need)
}
