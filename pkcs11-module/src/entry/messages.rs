// SPDX-License-Identifier: MIT
//! Operations on messages (PKCS#11 3.2, sections 5.9, 5.11, 5.14 and 5.16): many messages with one key and mechanism,
//! each whole or in parts.
//!
//! The rules stand here, once for the four classes: the operation is taken out of the session, run with no lock held,
//! and put back whatever becomes of the message. A message that fails is over; the operation goes on until its `Final`.

use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::token::{
    CallCx, Message, MessageEnd, MessageStep, Messages, ObjectId, OperationClass, Out, Processed, SessionId,
    Work,
};

use super::taken::Taken;
use super::unexpected;
use crate::abi::values::{Input, MessageParameter, Output, RawMechanism};
use crate::library::Library;
use crate::session::activity::Activity;
use crate::session::operation::{Active, Next};

/// `C_MessageEncryptInit` and its kind. A null mechanism ends the operation that is active.
pub fn init(
    lib: &Library,
    session: SessionId,
    class: OperationClass,
    mechanism: RawMechanism<'_>,
    key: ObjectId,
) -> Result<()> {
    let caller = lib.session(session)?;
    let activity = Activity::Messages(class);
    if mechanism.is_null() {
        let ended = caller.session.operations.lock().cancel(activity)?;
        drop(ended);
        return Ok(());
    }
    let login = caller.slot.login_number();
    let place = Taken::reserve(&caller, activity)?;
    let work = Work::BeginMessages {
        class,
        mechanism: &caller.mechanism_for_messages(&mechanism)?,
        key,
    };
    let Out::Messages(messages) = caller.run(work)? else {
        return Err(unexpected());
    };
    place.put_back(Active::on_messages(messages, login))
}

/// What the application gave for a message, beside what becomes of it.
pub struct Given<'a> {
    /// The class of the operation.
    pub class: OperationClass,
    /// The mechanism's parameter for this message.
    pub parameter: MessageParameter<'a>,
    /// What is authenticated with it.
    pub associated: Option<Input<'a>>,
    /// The data.
    pub data: Option<Input<'a>>,
}

/// What the application gave for a message.
pub fn given<'a>(
    class: OperationClass,
    parameter: MessageParameter<'a>,
    associated: Option<Input<'a>>,
    data: Option<Input<'a>>,
) -> Given<'a> {
    Given {
        class,
        parameter,
        associated,
        data,
    }
}

impl Given<'_> {
    /// Has the operation process this, unless it comes at the wrong time.
    fn process(
        &mut self,
        active: &mut Active,
        cx: &CallCx,
        step: MessageStep,
        end: MessageEnd<'_>,
    ) -> Result<Processed> {
        let Next::Messages(messages) = &mut active.work else {
            return Err(unexpected());
        };
        match (step, active.started) {
            (MessageStep::Whole | MessageStep::Begin, true) => {
                return Err(Error::new(
                    Rv::OperationActive,
                    "a message has begun and not ended: its parts come first",
                ));
            }
            (MessageStep::Next { .. }, false) => return Err(Rv::OperationNotInitialized.into()),
            _ => {}
        }
        let processed = self.hand_on(messages.as_mut(), cx, step, end);
        active.started = match (&processed, step) {
            (Ok(Processed::Needs(_)), _) => active.started,
            (Ok(_), MessageStep::Begin | MessageStep::Next { last: false }) => true,
            _ => false,
        };
        processed
    }
}

impl Given<'_> {
    /// Has the operation process this, with the parameter as it wants it.
    fn hand_on(
        &mut self,
        messages: &mut dyn Messages,
        cx: &CallCx,
        step: MessageStep,
        end: MessageEnd<'_>,
    ) -> Result<Processed> {
        let shape = messages.shape();
        let opens = matches!(self.class, OperationClass::Decrypt | OperationClass::Verify);
        let mut read = shape.map(|shape| self.parameter.read(shape, opens)).transpose()?;
        let processed = messages.process(
            cx,
            Message {
                step,
                parameter: if shape.is_none() {
                    self.parameter.given()?
                } else {
                    &mut []
                },
                read: read.as_mut(),
                associated: self.associated.as_ref().map_or(Ok(&[][..]), Input::bytes)?,
                input: self.data.as_ref().map_or(Ok(&[][..]), Input::bytes)?,
                end,
            },
        )?;
        if let (Processed::Written(_), Some(shape), Some(made), false) = (processed, shape, read, opens) {
            self.parameter.answer(shape, &made);
        }
        Ok(processed)
    }
}

/// `C_EncryptMessageBegin` and its kind.
pub fn begin(lib: &Library, session: SessionId, given: Given<'_>) -> Result<()> {
    call(lib, session, given, MessageStep::Begin, || {
        Ok(MessageEnd::Nothing)
    })
    .map(drop)
}

/// `C_EncryptMessage`, `C_DecryptMessage` and `C_SignMessage`.
pub fn whole(lib: &Library, session: SessionId, given: Given<'_>, output: Output<'_>) -> Result<()> {
    with_output(lib, session, given, MessageStep::Whole, output)
}

/// `C_EncryptMessageNext` and `C_DecryptMessageNext`.
pub fn next(
    lib: &Library,
    session: SessionId,
    given: Given<'_>,
    output: Output<'_>,
    last: bool,
) -> Result<()> {
    with_output(lib, session, given, MessageStep::Next { last }, output)
}

/// `C_SignMessageNext`: where the signature goes is said with the last part.
pub fn sign_next(lib: &Library, session: SessionId, given: Given<'_>, output: Output<'_>) -> Result<()> {
    if output.is_absent() {
        let step = MessageStep::Next { last: false };
        return call(lib, session, given, step, || Ok(MessageEnd::Nothing)).map(drop);
    }
    with_output(lib, session, given, MessageStep::Next { last: true }, output)
}

/// `C_VerifyMessage`.
pub fn verify(lib: &Library, session: SessionId, given: Given<'_>, signature: Input<'_>) -> Result<()> {
    let end = || signature.bytes().map(MessageEnd::Signature);
    call(lib, session, given, MessageStep::Whole, end).map(drop)
}

/// `C_VerifyMessageNext`: the signature comes with the last part.
pub fn verify_next(lib: &Library, session: SessionId, given: Given<'_>, signature: Input<'_>) -> Result<()> {
    let last = !signature.is_null();
    let end = || match last {
        true => signature.bytes().map(MessageEnd::Signature),
        false => Ok(MessageEnd::Nothing),
    };
    call(lib, session, given, MessageStep::Next { last }, end).map(drop)
}

/// `C_MessageEncryptFinal` and its kind.
pub fn finish(lib: &Library, session: SessionId, class: OperationClass) -> Result<()> {
    let caller = lib.session(session)?;
    let (_place, active) = Taken::take(&caller, Activity::Messages(class))?;
    match active.work {
        Next::Messages(messages) => messages.finish(&caller.call()),
        _ => Err(unexpected()),
    }
}

fn with_output(
    lib: &Library,
    session: SessionId,
    given: Given<'_>,
    step: MessageStep,
    mut output: Output<'_>,
) -> Result<()> {
    let place = &mut output;
    match call(lib, session, given, step, move || output_at(place))? {
        Processed::Written(len) => output.set_len(len),
        Processed::Needs(len) => output.ask_for(len)?,
    }
    Ok(())
}

/// The end of a message that gives output, here.
fn output_at<'a>(output: &'a mut Output<'_>) -> Result<MessageEnd<'a>> {
    output.check()?;
    Ok(match output.is_query() {
        true => MessageEnd::Query,
        false => MessageEnd::Output(output.buffer()),
    })
}

/// Has the session's operation process what was given. Where the message's end goes is looked at once there is one.
fn call<'a>(
    lib: &Library,
    session: SessionId,
    mut given: Given<'_>,
    step: MessageStep,
    end: impl FnOnce() -> Result<MessageEnd<'a>>,
) -> Result<Processed> {
    let caller = lib.session(session)?;
    let (place, mut active) = Taken::take(&caller, Activity::Messages(given.class))?;
    let processed = end().and_then(|end| given.process(&mut active, &caller.call(), step, end));
    place.put_back(active)?;
    processed
}
