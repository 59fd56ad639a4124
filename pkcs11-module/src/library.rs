// SPDX-License-Identifier: MIT
//! The module between `C_Initialize` and `C_Finalize`: everything that is not constant hangs off one [`Library`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cryptoki_sys as ck;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::Mechanism;
use keyenclave_model::template::Template;
use keyenclave_model::token::{CallCx, HandleSource, Out, SessionId, Work};
use parking_lot::{Condvar, Mutex};

use crate::abi::boundary;
use crate::abi::values::{RawMechanism, RawTemplate};
use crate::assemble::{self, Assembly, Remote};
use crate::config;
use crate::session::table::{Session, SessionTable};
use crate::slot::Slot;

/// What `C_Initialize` is told, and what it needs from before.
#[derive(Clone, Copy, Debug)]
pub struct InitArgs {
    /// `CKF_LIBRARY_CANT_CREATE_OS_THREADS`.
    pub cannot_create_threads: bool,
    /// The first handle: larger than any that this process, or the one that it was forked from, has given out.
    pub first_handle: ck::CK_ULONG,
}

/// The module, initialised.
pub struct Library {
    /// The slots, in the order in which they are listed. It never changes, so a slot's place is its name inside.
    slots: Vec<Slot>,
    sessions: SessionTable,
    handles: Arc<HandleSource>,
    remote: Remote,
    reinitialise_after_fork: bool,
    closing: AtomicBool,
    waiting: Mutex<()>,
    closed: Condvar,
}

impl Library {
    /// Reads the configuration and makes the slots. Opens nothing, starts nothing and sends nothing.
    ///
    /// # Errors
    /// `CKR_FUNCTION_FAILED` for a configuration that is wrong: the log says file, line and what to do. The
    /// specification has no return value for it. `CKR_NEED_TO_CREATE_THREADS` where threads are forbidden and a slot's
    /// keys are with a service.
    pub fn open(args: &InitArgs) -> Result<Self> {
        let config = config::load().map_err(|error| {
            config::logging::init_after(&error);
            Error::new(
                Rv::FunctionFailed,
                "the configuration cannot be used; the lines before this one say why",
            )
        })?;
        config::logging::init(&config);
        config
            .warnings()
            .iter()
            .for_each(|warning| log::warn!("{warning}"));
        let refuses = config.threads == config::ThreadPolicy::Strict;
        let forbid_threads = args.cannot_create_threads && refuses;
        if forbid_threads && config.needs_threads() {
            return Err(Error::new(
                Rv::NeedToCreateThreads,
                "the application forbids threads (CKF_LIBRARY_CANT_CREATE_OS_THREADS), and the configuration has slots \
                 of remote services, whose calls need them; `threads = \"always\"` starts them all the same",
            ));
        }
        let handles = Arc::new(HandleSource::starting_at(args.first_handle));
        let Assembly { slots, remote } = assemble::assemble(&config, &handles, forbid_threads);
        Ok(Self {
            remote,
            reinitialise_after_fork: config.fork == config::ForkPolicy::Auto,
            ..Self::with_slots(slots, handles)
        })
    }

    /// A library with these slots.
    pub fn with_slots(slots: Vec<Slot>, handles: Arc<HandleSource>) -> Self {
        Self {
            slots,
            sessions: SessionTable::default(),
            handles,
            remote: Remote::default(),
            reinitialise_after_fork: false,
            closing: AtomicBool::new(false),
            waiting: Mutex::new(()),
            closed: Condvar::new(),
        }
    }

    /// The module is about to end: whoever waits for an event or for a service stops waiting, sessions end, and then
    /// the threads of remote calls, within two seconds. Called before it is dropped.
    pub fn close(&self) {
        let waiting = self.waiting.lock();
        self.closing.store(true, Ordering::Release);
        self.closed.notify_all();
        drop(waiting);
        for place in 0..self.slots.len() {
            for session in self.sessions.remove_all(place) {
                let ended = session.operations.lock().close();
                drop(ended);
            }
        }
        self.remote.close();
    }

    /// Waits until the module ends, or for about as long as is said. Whether it has ended.
    pub fn wait_for_close(&self, at_most: Option<Duration>) -> bool {
        let is_closing = || self.closing.load(Ordering::Acquire);
        let mut waiting = self.waiting.lock();
        match at_most {
            Some(time) if !is_closing() => {
                self.closed.wait_for(&mut waiting, time);
            }
            Some(_) => {}
            None => self.closed.wait_while(&mut waiting, |()| !is_closing()),
        }
        is_closing()
    }

    /// Whether a forked child that goes on without `C_Initialize` is initialised at its first call.
    pub fn reinitialise_after_fork(&self) -> bool {
        self.reinitialise_after_fork
    }

    /// The next handle that nobody has had.
    pub fn next_handle(&self) -> ck::CK_ULONG {
        self.handles.next()
    }

    /// All slots.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// A slot by its number, with its place in the list.
    ///
    /// # Errors
    /// `CKR_SLOT_ID_INVALID`.
    pub fn slot(&self, id: ck::CK_SLOT_ID) -> Result<(usize, &Slot)> {
        let found = self.slots.iter().enumerate().find(|(_, slot)| slot.id == id);
        found.ok_or_else(|| Rv::SlotIdInvalid.into())
    }

    /// The slot of a session.
    ///
    /// # Errors
    /// None while sessions hold places of this library's list.
    pub fn slot_of(&self, session: &Session) -> Result<&Slot> {
        self.slots
            .get(session.slot)
            .ok_or_else(|| Rv::GeneralError.into())
    }

    /// The open sessions.
    pub fn sessions(&self) -> &SessionTable {
        &self.sessions
    }

    /// A session and its slot, ready to be used.
    ///
    /// # Errors
    /// `CKR_SESSION_HANDLE_INVALID`.
    pub fn session(&self, id: SessionId) -> Result<Caller<'_>> {
        let session = self.sessions.find(id)?;
        boundary::on_behalf_of(id);
        let slot = self.slot_of(&session)?;
        slot.check_epoch();
        Ok(Caller { session, slot })
    }

    /// Whether there is such a session: for functions that do nothing else.
    ///
    /// # Errors
    /// `CKR_SESSION_HANDLE_INVALID`.
    pub fn check_session(&self, id: SessionId) -> Result<()> {
        self.sessions.find(id).map(drop)
    }

    /// Whether there is such a slot: for functions that do nothing else.
    ///
    /// # Errors
    /// `CKR_SLOT_ID_INVALID`.
    pub fn check_slot(&self, id: ck::CK_SLOT_ID) -> Result<()> {
        self.slot(id).map(drop)
    }
}

/// A session that calls, and its slot.
pub struct Caller<'a> {
    /// The session.
    pub session: Arc<Session>,
    /// Its slot.
    pub slot: &'a Slot,
}

impl Caller<'_> {
    /// A call on its behalf.
    pub fn call(&self) -> CallCx {
        CallCx {
            may_pend: self.session.asynchronous,
            ..self.slot.call(self.session.id, self.session.writable)
        }
    }

    /// The mechanism that the application gave, read as the slot's token wants it.
    ///
    /// # Errors
    /// As [`RawMechanism::parse`] or [`RawMechanism::given`].
    pub fn mechanism(&self, raw: &RawMechanism<'_>) -> Result<Mechanism> {
        if self.slot.takes_as_given {
            raw.given()
        } else {
            raw.parse()
        }
    }

    /// The mechanism for messages, read as the slot's token wants it.
    ///
    /// # Errors
    /// As [`RawMechanism::for_messages`] or [`RawMechanism::given`].
    pub fn mechanism_for_messages(&self, raw: &RawMechanism<'_>) -> Result<Mechanism> {
        if self.slot.takes_as_given {
            raw.given()
        } else {
            raw.for_messages()
        }
    }

    /// The mechanism for a key that is wrapped, or unwrapped if it `opens`, read as the slot's token wants it.
    ///
    /// # Errors
    /// As [`RawMechanism::for_keys`] or [`RawMechanism::given`].
    pub fn mechanism_for_keys(
        &self,
        raw: &RawMechanism<'_>,
        authenticated: bool,
        opens: bool,
    ) -> Result<Mechanism> {
        if self.slot.takes_as_given {
            raw.given()
        } else {
            raw.for_keys(authenticated, opens)
        }
    }

    /// The template that the application gave, read as the slot's token wants it.
    ///
    /// # Errors
    /// As [`RawTemplate::parse`] or [`RawTemplate::given`].
    pub fn template(&self, raw: &RawTemplate<'_>) -> Result<Template> {
        if self.slot.takes_as_given {
            raw.given()
        } else {
            raw.parse()
        }
    }

    /// Has the token do a piece of work.
    ///
    /// # Errors
    /// The token's own; `CKR_DEVICE_ERROR` when the deadline came first.
    pub fn run(&self, work: Work<'_>) -> Result<Out> {
        self.slot.run(&self.call(), work)
    }
}
