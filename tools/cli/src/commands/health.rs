// SPDX-License-Identifier: MIT
//! `keyenclave health`: whether the module and its tokens can be used, and if not, whether that is the
//! configuration's, the connection's, the provider's or a permission's fault.

use std::fmt;
use std::path::{Path, PathBuf};

use cryptoki_sys as ck;
use serde::Serialize;

use crate::answer::Answer;
use crate::args::Health;
use crate::failure::{Failure, Kind};
use crate::pin::{self, Pin};
use crate::token::{Running, Slot, TokenInfo, text};

#[derive(Serialize)]
struct Report {
    healthy: bool,
    module: PathBuf,
    library: String,
    slots: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    id: u64,
    label: Option<String>,
    state: State,
    reason: Option<&'static str>,
    message: Option<String>,
    request_id: Option<String>,
    help: Option<String>,
    #[serde(skip)]
    kind: Option<Kind>,
}

/// How a slot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// It works.
    Ok,
    /// It works, and has no token yet.
    Uninitialised,
    /// It does not work.
    Failed,
}

/// Runs it.
///
/// # Errors
/// When the module cannot be started at all; what is wrong with a token is in the report.
pub fn run(module: Option<&Path>, args: &Health) -> Result<Answer, Failure> {
    let pin = pin::given(&args.pin)?;
    let running = Running::start(module)?;
    let info = running.module().info()?;
    let slots = look_at_all(&running, pin.as_ref())?;
    let none = || Failure::new(Kind::Configuration, "the module has no slots", "configure one");
    let trouble = slots.iter().find_map(|row| row.kind);
    if slots.is_empty() {
        return Err(none());
    }
    let report = Report {
        healthy: trouble.is_none(),
        module: running.module().path.clone(),
        library: format!(
            "{}, {}",
            text(&info.libraryDescription),
            text(&info.manufacturerID)
        ),
        slots,
    };
    Ok(Answer::new(&report)?.with_trouble(trouble))
}

/// Looks at all slots, side by side where the module allows it: one that does not answer holds up no other.
fn look_at_all(running: &Running, pin: Option<&Pin>) -> Result<Vec<Row>, Failure> {
    let slots = running.slots()?;
    if !running.may_thread() {
        return Ok(slots.into_iter().map(|slot| look(running, slot, pin)).collect());
    }
    let ended = |_| {
        Failure::new(
            Kind::Other,
            "looking at a slot failed inside",
            "please report this as a bug",
        )
    };
    std::thread::scope(|scope| {
        let looks: Vec<_> = slots
            .into_iter()
            .map(|slot| scope.spawn(move || look(running, slot, pin)))
            .collect();
        looks.into_iter().map(|look| look.join().map_err(ended)).collect()
    })
}

/// Looks at one slot.
fn look(running: &Running, slot: Slot, pin: Option<&Pin>) -> Row {
    let label = slot
        .token
        .as_ref()
        .ok()
        .filter(|token| token.is_initialised())
        .map(|token| token.label.clone());
    let outcome = slot
        .token
        .and_then(|token| try_token(running, slot.id, &token, pin));
    let (state, failure) = match outcome {
        Ok(state) => (state, None),
        Err(failure) => (State::Failed, Some(failure)),
    };
    let kind = failure.as_ref().map(|failure| failure.kind);
    let request_id = failure.as_ref().and_then(Failure::request_id).map(str::to_owned);
    let (message, help) = failure.map(|failure| (failure.message, failure.help)).unzip();
    Row {
        id: slot.id,
        label,
        state,
        reason: kind.map(Kind::name),
        message,
        request_id,
        help,
        kind,
    }
}

/// Asks what is behind the token, opens a session, has it make random bytes, and logs in if there is a PIN.
fn try_token(running: &Running, id: u64, token: &TokenInfo, pin: Option<&Pin>) -> Result<State, Failure> {
    if !token.is_initialised() {
        return Ok(State::Uninitialised);
    }
    if token.flags & ck::CKF_USER_PIN_LOCKED != 0 {
        let help = "the security officer can set a new user PIN";
        return Err(Failure::new(Kind::Permission, "the user's PIN is locked", help));
    }
    if let Some(answer) = running.module().check_slot(id) {
        answer?;
    }
    let session = running.session(id, 0)?;
    if token.flags & ck::CKF_RNG != 0 {
        running.module().random(session.handle, &mut [0; 16])?;
    }
    if let Some(pin) = pin.filter(|_| token.flags & ck::CKF_LOGIN_REQUIRED != 0) {
        session.login(ck::CKU_USER, pin)?;
    }
    Ok(State::Ok)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "module {}: {}", self.module.display(), self.library)?;
        for Row {
            id,
            label,
            state,
            reason,
            message,
            help,
            request_id: _,
            kind: _,
        } in &self.slots
        {
            let name = label
                .as_ref()
                .map(|label| format!(" `{label}`"))
                .unwrap_or_default();
            match state {
                State::Ok => writeln!(f, "slot {id}{name}: ok")?,
                State::Uninitialised => writeln!(f, "slot {id}: works, not initialised yet")?,
                State::Failed => {
                    let [reason, message, help] = [reason.as_deref(), message.as_deref(), help.as_deref()]
                        .map(Option::unwrap_or_default);
                    writeln!(f, "slot {id}{name}: {reason}: {message}\n  {help}")?;
                }
            }
        }
        Ok(())
    }
}
