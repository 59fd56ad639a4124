// SPDX-License-Identifier: MIT
//! Asynchronous function management (PKCS#11 3.2, section 5.21), and what functions of an asynchronous session leave
//! behind when their work takes long.
//!
//! A function hands its work to the token as in any session. If the token does not answer at once, the work stays in
//! the session and the function answers `CKR_PENDING`. Nothing happens behind the application's back after that:
//! `C_AsyncComplete` asks for the answer and writes the result, and whatever ends an operation cancels the work. The
//! result is written under the session's lock, so that nothing is written once another thread's `C_SessionCancel`,
//! `C_Logout` or `C_CloseSession` has returned.

use std::time::Instant;

use cryptoki_sys as ck;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::token::OperationClass::{Decrypt, Encrypt, Sign};
use keyenclave_model::token::{Out, SessionId, Step, Work};

use super::taken::Taken;
use super::unexpected;
use crate::abi::values::{Completion, KeptOutput, Name, OutputBytes, Place};
use crate::library::{Caller, Library};
use crate::session::activity::Activity;
use crate::session::operation::{Active, Ending};
use crate::session::table::Session;
use crate::session::waiting::{Look, Refused, Waiting};
use crate::slot::too_late;

/// A function that may answer `CKR_PENDING`.
pub struct Function {
    /// Its name.
    pub name: &'static str,
    activity: Activity,
    ending: Ending,
}

/// All of them. Every other function answers when it is done.
pub const FUNCTIONS: [Function; 8] = [
    Function::new("C_Encrypt", Activity::Operation(Encrypt), Ending::Single),
    Function::new("C_EncryptFinal", Activity::Operation(Encrypt), Ending::Finish),
    Function::new("C_Decrypt", Activity::Operation(Decrypt), Ending::Single),
    Function::new("C_DecryptFinal", Activity::Operation(Decrypt), Ending::Finish),
    Function::new("C_Sign", Activity::Operation(Sign), Ending::Single),
    Function::new("C_SignFinal", Activity::Operation(Sign), Ending::Finish),
    Function::new("C_GenerateKey", Activity::GenerateKey, Ending::Single),
    Function::new("C_GenerateKeyPair", Activity::GenerateKeyPair, Ending::Single),
];

impl Function {
    const fn new(name: &'static str, activity: Activity, ending: Ending) -> Self {
        Self {
            name,
            activity,
            ending,
        }
    }

    /// Whether it takes a buffer for its result.
    fn has_output(&self) -> bool {
        matches!(self.activity, Activity::Operation(_))
    }

    /// The function of this name; `CKR_OPERATION_NOT_INITIALIZED` for a name that never has work under way.
    fn named(name: &Name<'_>) -> Result<&'static Self> {
        let found = FUNCTIONS
            .iter()
            .find(|function| name.is(function.name.as_bytes()));
        found.ok_or_else(|| Rv::OperationNotInitialized.into())
    }
}

/// `C_AsyncComplete`. With every error but `CKR_PENDING` the structure names the function's buffer, where it is known:
/// see `Failed`.
pub fn async_complete(
    lib: &Library,
    session: SessionId,
    function: Name<'_>,
    mut result: Completion<'_>,
) -> Result<()> {
    let Err(Failed { error, memory }) = complete(lib, session, &function, &mut result) else {
        return Ok(());
    };
    if error.rv() != Rv::Pending {
        result.failed(memory.as_ref());
    }
    Err(error)
}

fn complete(
    lib: &Library,
    session: SessionId,
    function: &Name<'_>,
    result: &mut Completion<'_>,
) -> Result<(), Failed> {
    let caller = lib.session(session)?;
    function.check()?;
    let function = Function::named(function)?;
    result.check()?;
    let (looking, mut look) = Looking::begin(&caller, function)?;
    match look.poll() {
        Some(answer) => looking.conclude(answer, result),
        None if look.is_late(Instant::now()) => {
            // Cancels the work.
            drop(look);
            looking.conclude(Err(too_late()), result)
        }
        None => Err(looking.look_away(look).into()),
    }
}

/// `C_AsyncGetID`. No work has a name by which it could be found again after the session.
pub fn async_get_id(
    lib: &Library,
    session: SessionId,
    function: Name<'_>,
    id: Place<'_, ck::CK_ULONG>,
) -> Result<()> {
    let caller = lib.session(session)?;
    function.check()?;
    id.check()?;
    let Function { activity, ending, .. } = *Function::named(&function)?;
    let login = caller.slot.login_number();
    let waits = caller
        .session
        .operations
        .lock()
        .is_waiting(activity, ending, login);
    Err(if waits {
        Rv::StateUnsaveable
    } else {
        Rv::OperationNotInitialized
    }
    .into())
}

/// `C_AsyncJoin`. Since `C_AsyncGetID` gives no identifiers, there is none that it could know.
pub fn async_join(
    lib: &Library,
    session: SessionId,
    function: Name<'_>,
    _id: ck::CK_ULONG,
    mut data: OutputBytes<'_>,
) -> Result<()> {
    lib.check_session(session)?;
    function.check()?;
    // Where there is no output, what is said about memory for it is not looked at.
    if Function::named(&function).is_ok_and(Function::has_output) {
        data.buffer()?;
    }
    Err(Rv::SavedStateInvalid.into())
}

/// Whether the end of an operation may be left for later in this session.
pub(super) fn may_pend(session: &Session, activity: impl Into<Activity>, ending: Ending) -> bool {
    let activity = activity.into();
    let listed = |function: &Function| function.activity == activity && function.ending == ending;
    session.asynchronous && FUNCTIONS.iter().any(listed)
}

/// Leaves work in its session for `C_AsyncComplete`: `CKR_PENDING`, unless the session does not want it any more.
pub(super) fn leave<T>(place: Taken<'_>, waiting: Waiting, login: Option<u64>) -> Result<T> {
    place.put_back(Active::waits(waiting, login))?;
    Err(Rv::Pending.into())
}

/// Has the token make a key. In an asynchronous session it may be left for later.
pub(super) fn generate(caller: &Caller<'_>, activity: Activity, work: Work<'_>) -> Result<Out> {
    if !may_pend(&caller.session, activity, Ending::Single) {
        return caller.run(work);
    }
    let login = caller.slot.login_number();
    let place = Taken::reserve(caller, activity)?;
    let cx = caller.call();
    match caller.slot.token.submit(&cx, work) {
        Step::Ready(result) => result,
        Step::Pending(work) => {
            let waiting = Waiting::new(work, cx.deadline, Ending::Single, None);
            leave(place, waiting, Some(login))
        }
    }
}

/// Why `C_AsyncComplete` has no result, and the function's buffer as long as that is known: while the work is in the
/// session. Whoever has ended it otherwise has had the buffer back, so it is not named a second time.
struct Failed {
    error: Error,
    memory: Option<KeptOutput>,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { error, memory: None }
    }
}

impl From<Refused> for Failed {
    fn from(refused: Refused) -> Self {
        Self {
            error: refused.rv.into(),
            memory: refused.ended.and_then(Active::into_memory),
        }
    }
}

/// Work that is lent out of its session, to ask for its answer. It is over unless it goes back, also if the token
/// panics.
struct Looking<'a> {
    caller: &'a Caller<'a>,
    activity: Activity,
    number: u64,
}

impl<'a> Looking<'a> {
    fn begin(caller: &'a Caller<'a>, function: &Function) -> Result<(Self, Look), Failed> {
        let mut operations = caller.session.operations.lock();
        // Asked for under the lock, as always: what is over is ended, and must not be of a later login.
        let login = caller.slot.login_number();
        let look = operations.look(function.activity, function.ending, login);
        drop(operations);
        let look = look?;
        let looking = Self {
            caller,
            activity: function.activity,
            number: look.number(),
        };
        Ok((looking, look))
    }

    /// Gives the work back, to be asked for again: `CKR_PENDING`, unless somebody has ended it meanwhile.
    fn look_away(&self, look: Look) -> Error {
        let mut operations = self.caller.session.operations.lock();
        let refused = operations.look_away(self.activity, look);
        let gone = operations.gone();
        drop(operations);
        // What nobody wants any more is dropped, and so cancelled, outside the lock.
        refused.map_or(Rv::Pending, |_| gone).into()
    }

    /// Ends the work with its answer, unless somebody has ended it meanwhile.
    fn conclude(&self, answer: Result<Out>, result: &mut Completion<'_>) -> Result<(), Failed> {
        let mut operations = self.caller.session.operations.lock();
        let login = self.caller.slot.login_number();
        let concluded = operations
            .conclude(self.activity, self.number, login)
            // Still under the lock: whoever ends the operation from now on finds it written.
            .map(|waiting| hand_over(answer, waiting.memory, result));
        drop(operations);
        concluded?
    }
}

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        let mut operations = self.caller.session.operations.lock();
        // Nothing, where it went back or was concluded.
        let ended = operations.forget(self.activity, self.number);
        drop(operations);
        // Outside the lock.
        drop(ended);
    }
}

/// Writes what the work has come to.
fn hand_over(
    answer: Result<Out>,
    memory: Option<KeptOutput>,
    result: &mut Completion<'_>,
) -> Result<(), Failed> {
    let written = match (answer, &memory) {
        (Ok(Out::Bytes(bytes)), Some(memory)) => result.bytes(memory, &bytes),
        (Ok(Out::Object(object)), None) => {
            result.objects(object, None);
            Ok(())
        }
        (Ok(Out::Pair { public, private }), None) => {
            result.objects(public, Some(private));
            Ok(())
        }
        (answer, _) => Err(answer.err().unwrap_or_else(unexpected)),
    };
    written.map_err(|error| Failed { error, memory })
}
