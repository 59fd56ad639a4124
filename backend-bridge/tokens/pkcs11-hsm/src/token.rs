// SPDX-License-Identifier: MIT
//! [`Pkcs11Token`]: a vendor's token as a token of ours.

use std::path::PathBuf;
use std::sync::atomic::{
    AtomicBool, AtomicU64, AtomicUsize, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed,
};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use cryptoki_sys as ck;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::MechanismInfo;
use keyenclave_model::token::{
    CallCx, Device, HandleSource, Out, Pending, SessionId, Step, Token, TokenInfo, Work,
};
use once_cell::sync::OnceCell;
use parking_lot::Mutex;

use crate::core::{Core, Identity};
use crate::deadline::{is_for_worker, too_late, wait};
use crate::heal::{Repeat, loss, outward};
use crate::library::{Libraries, refuse_inside};
use crate::login::{PinSource, SlotNumber};
use crate::owned::OwnWork;
use crate::params::Written;
use crate::pool::Fate;
use crate::quirks::Quirk;
use crate::select::{TokenChoice, text};
use crate::workers::Workers;
use crate::works::{discard, do_work};

/// Which token of which module a slot shows, and how.
#[derive(Clone)]
pub struct HsmOptions {
    /// The vendor's shared library.
    pub module: PathBuf,
    /// The init-argument string, for modules that take one (NSS softokn: `configdir='…' …`).
    pub init: Option<String>,
    /// Which of its tokens.
    pub token: TokenChoice,
    /// What is special about the module beyond what is known of it.
    pub quirks: Vec<Quirk>,
    /// A PIN by reference: the user is logged in without the application's doing.
    pub pin: Option<Arc<dyn PinSource>>,
    /// At most so many sessions of the vendor's at a time, beside the one that keeps the login; 64 where nothing is said.
    pub max_sessions: Option<usize>,
    /// How long the vendor may take to tell of its slot and token, where a call has no deadline of its own; `None` as
    /// long as it takes.
    pub timeout: Option<Duration>,
}

impl HsmOptions {
    /// The only token of a module, with nothing special.
    pub fn new(module: impl Into<PathBuf>) -> Self {
        Self {
            module: module.into(),
            init: None,
            token: TokenChoice::default(),
            quirks: Vec::new(),
            pin: None,
            max_sessions: None,
            timeout: None,
        }
    }
}

/// A vendor's token as a token of ours.
///
/// The module is loaded, and the token looked for, when something is first asked of it. As long as it is not there the
/// slot is empty; it is found when it comes.
///
/// # Behaviour
/// - A login holds for all slots that show the same token, as it does in one application of the vendor's.
/// - Without a deadline the vendor's functions are called on the caller's thread. With one, or in an asynchronous
///   session, a worker calls them, and is given up at the deadline.
pub struct Pkcs11Token {
    shown: Arc<Shown>,
    /// For what is asked before there is a token, and about it.
    workers: Workers,
}

/// What a slot shows.
struct Shown {
    options: HsmOptions,
    libraries: Arc<Libraries>,
    handles: Arc<HandleSource>,
    slot: SlotNumber,
    core: OnceCell<Arc<Core>>,
    /// How many sessions the slot has.
    sessions: Arc<AtomicUsize>,
    /// Whether it was said already why there is no token.
    told: AtomicBool,
}

/// Slots are told apart by number, wherever they come from.
static NEXT_SLOT: AtomicU64 = AtomicU64::new(1);

impl Pkcs11Token {
    /// A token that is looked for later. All slots of one initialisation share `libraries`.
    pub fn new(options: HsmOptions, libraries: Arc<Libraries>, handles: Arc<HandleSource>) -> Self {
        libraries.enter();
        Self {
            shown: Arc::new(Shown {
                options,
                libraries,
                handles,
                slot: NEXT_SLOT.fetch_add(1, Relaxed),
                core: OnceCell::new(),
                sessions: Arc::default(),
                told: AtomicBool::new(false),
            }),
            workers: Workers::default(),
        }
    }

    /// Asks something within the time that the configuration gives.
    fn ask<T: Send + 'static>(&self, work: impl Fn(&Arc<Core>) -> Result<T> + Send + 'static) -> Result<T> {
        refuse_inside()?;
        let Some(timeout) = self.shown.options.timeout else {
            return self.shown.ask(work);
        };
        let place = Arc::new(Mutex::new(None));
        let (answer, shown) = (Arc::clone(&place), Arc::clone(&self.shown));
        let mut waiting = self.workers.submit(move || {
            let told = shown.ask(work)?;
            *answer.lock() = Some(told);
            Ok(Out::Done)
        })?;
        waiting
            .wait(Some(Instant::now() + timeout))
            .unwrap_or_else(too_late)?;
        let told = place.lock().take();
        told.ok_or_else(|| Rv::GeneralError.into())
    }

    /// Hands work to a worker, if it can do it alone.
    #[inline(never)]
    fn on_worker(&self, cx: &CallCx, work: Work<'_>) -> Step {
        let Some(own) = OwnWork::copy(&work) else {
            return self.shown.run(cx, work).into();
        };
        let (shown, at) = (Arc::clone(&self.shown), *cx);
        let made_by = Arc::clone(&self.shown);
        let has_outputs = own.has_outputs();
        let written = Arc::new(Mutex::new(Vec::new()));
        let (to, others) = (Arc::clone(&written), Arc::clone(&written));
        let submitted = self.workers.submit_or(
            move || {
                let done = own.run(|work| shown.run(&at, work));
                *to.lock() = own.written();
                done
            },
            move |made| {
                if let Some(core) = made_by.core.get() {
                    discard(core, &made, &others.lock());
                }
            },
        );
        let waiting = match submitted {
            Ok(waiting) => waiting,
            Err(error) => return error.into(),
        };
        if has_outputs {
            // They go to the application's memory, which is there as long as its call lasts.
            let mut waiting = waiting;
            return match waiting.wait(cx.deadline) {
                Some(done) => {
                    written.lock().iter().for_each(Written::hand_back);
                    done.into()
                }
                None => too_late::<Out>().into(),
            };
        }
        match work {
            // The caller takes nothing but what is in its memory.
            Work::Random(room) => wait(waiting, cx)
                .and_then(|out| match out {
                    Out::Bytes(bytes) if bytes.len() == room.len() => {
                        room.copy_from_slice(&bytes);
                        Ok(Out::Done)
                    }
                    _ => Err(Rv::GeneralError.into()),
                })
                .into(),
            _ => Step::Pending(Box::new(waiting)),
        }
    }
}

impl Shown {
    fn run(&self, cx: &CallCx, work: Work<'_>) -> Result<Out> {
        let core = self.core()?;
        do_work(core, self.slot, cx, work).map_err(|error| {
            // The application's own session.
            let ours = error.rv() == Rv::SessionClosed && core.connection.pool.was_closed(cx.session);
            if ours { error } else { outward(error) }
        })
    }

    /// Asks something that needs no session; once more if somebody has finalised the module.
    fn ask<T>(&self, work: impl Fn(&Arc<Core>) -> Result<T>) -> Result<T> {
        let core = self.core()?;
        let told = match work(core) {
            Err(error) if error.rv() == Rv::CryptokiNotInitialized => {
                let revived = core.device().library.revive(false).map_err(Error::from);
                revived.and_then(|()| work(core))
            }
            told => told,
        };
        told.map_err(outward)
    }

    /// The token, looked for if it was not there until now.
    fn core(&self) -> Result<&Arc<Core>> {
        refuse_inside()?;
        let found = self.core.get_or_try_init(|| self.find());
        if let Err(error) = &found
            && !self.told.swap(true, Relaxed)
        {
            log::warn!("a slot of a vendor's module is empty: {error}");
        }
        found.map_err(outward)
    }

    fn find(&self) -> Result<Arc<Core>> {
        let options = &self.options;
        let library = self
            .libraries
            .open(&options.module, options.init.as_deref(), &options.quirks)?;
        let chosen = match library.choose(&options.token) {
            // Somebody has finalised it just now.
            Err(error) if error.rv() == Rv::CryptokiNotInitialized => {
                library.revive(false)?;
                library.choose(&options.token)
            }
            chosen => chosen,
        };
        let found = match chosen {
            // Some modules look for tokens only when they are initialised. One that others use is not disturbed.
            Err(_) if library.restart(0)? => library.choose(&options.token)?,
            found => found?,
        };
        let identity = Identity::of(found.slot_id, &found.token);
        let mut cores = library.cores.lock();
        cores.retain(|core| core.strong_count() > 0);
        let known = cores.iter().filter_map(Weak::upgrade);
        let known = known.into_iter().find(|core| core.device().is(&identity));
        let core = known.unwrap_or_else(|| {
            let handles = Arc::clone(&self.handles);
            let core = Core::new(Arc::clone(&library), &found, options.max_sessions, handles);
            let core = Arc::new(core);
            cores.push(Arc::downgrade(&core));
            core
        });
        core.connection
            .with_login(|login| login.configure(options.pin.clone()));
        core.shown_by(&self.sessions);
        Ok(core)
    }
}

/// Whether a token is there, and does its work.
fn check(core: &Core) -> Result<Out> {
    core.connection.on_anchor(Repeat::Always, None, |anchor| {
        Ok(core.call(|module| module.session_info(anchor.session).map(drop))?)
    })?;
    if core.device().is_in_slot() {
        Ok(Out::Done)
    } else {
        Err(Rv::TokenNotPresent.into())
    }
}

/// Of an operation that nobody can tell of any more, nothing is said to be validated.
fn validation_flags(
    core: &Core,
    session: SessionId,
    kind: ck::CK_SESSION_VALIDATION_FLAGS_TYPE,
) -> Result<ck::CK_FLAGS> {
    if !core.call(|module| Ok(module.has_validation_flags()))? {
        return Err(Rv::FunctionNotSupported.into());
    }
    let pool = &core.connection.pool;
    let Some(lease) = pool.attend(session) else {
        return Ok(0);
    };
    let told = core.connection.ask(&lease, |lease| {
        core.call(|module| module.validation_flags(lease.session, kind))
    });
    let fate = match told {
        Err(rv) if loss(rv, false).is_some() => Fate::Lost,
        _ => Fate::Clean,
    };
    core.connection.give_back(&lease, fate);
    Ok(told?)
}

fn info(core: &Arc<Core>) -> Result<TokenInfo> {
    let slot = core.device().slot();
    let info = core.call(|module| module.token_info(slot))?;
    let logged_in = core.connection.with_login(|login| login.is_by_reference());
    // Nobody has to log in where the configuration does.
    let hidden = if logged_in { ck::CKF_LOGIN_REQUIRED } else { 0 };
    let len = |len: ck::CK_ULONG| usize::try_from(len).unwrap_or(usize::MAX);
    Ok(TokenInfo {
        label: info.label,
        manufacturer: text(&info.manufacturerID).into(),
        model: text(&info.model).into(),
        serial: info.serialNumber,
        flags: info.flags & !hidden,
        min_pin_len: len(info.ulMinPinLen),
        max_pin_len: len(info.ulMaxPinLen),
        device: Some(Device {
            hardware: info.hardwareVersion,
            firmware: info.firmwareVersion,
            public_memory: [info.ulTotalPublicMemory, info.ulFreePublicMemory],
            private_memory: [info.ulTotalPrivateMemory, info.ulFreePrivateMemory],
            utc_time: info.utcTime,
        }),
    })
}

impl Token for Pkcs11Token {
    fn is_present(&self) -> bool {
        self.ask(|core| Ok(core.device().is_in_slot())).unwrap_or(false)
    }

    fn slot_flags(&self) -> ck::CK_FLAGS {
        let told = self.ask(|core| {
            let slot = core.device().slot();
            Ok(core.call(|module| module.slot_info(slot))?)
        });
        told.map_or(ck::CKF_REMOVABLE_DEVICE, |info| {
            info.flags & (ck::CKF_REMOVABLE_DEVICE | ck::CKF_HW_SLOT)
        })
    }

    fn takes_as_given(&self) -> bool {
        true
    }

    fn info(&self) -> Result<TokenInfo> {
        let mut told = self.ask(info)?;
        // The vendor's own asynchronous sessions are not used: workers wait for it.
        told.flags &= !ck::CKF_ASYNC_SESSION_SUPPORTED;
        if !self.shown.libraries.forbid_threads() {
            told.flags |= ck::CKF_ASYNC_SESSION_SUPPORTED;
        }
        Ok(told)
    }

    fn mechanisms(&self) -> Result<Vec<MechanismInfo>> {
        self.ask(|core| Ok(core.mechanisms()?)).or_else(|error| {
            let known = self.shown.core.get().and_then(|core| core.last_mechanisms());
            // They never change while nobody changes the token, and callers cannot do without.
            known.ok_or(error)
        })
    }

    fn epoch(&self) -> u64 {
        self.shown.core.get().map_or(0, |core| core.connection.epoch())
    }

    fn submit(&self, cx: &CallCx, work: Work<'_>) -> Step {
        if is_for_worker(cx) {
            return match refuse_inside() {
                Ok(()) => self.on_worker(cx, work),
                Err(error) => error.into(),
            };
        }
        self.shown.run(cx, work).into()
    }

    fn health(&self, cx: &CallCx) -> Step {
        if !is_for_worker(cx) {
            return self.shown.core().and_then(|core| check(core)).into();
        }
        let shown = Arc::clone(&self.shown);
        match self.workers.submit(move || check(shown.core()?)) {
            Ok(waiting) => Step::Pending(Box::new(waiting)),
            Err(error) => error.into(),
        }
    }

    fn validation_flags(
        &self,
        cx: &CallCx,
        kind: ck::CK_SESSION_VALIDATION_FLAGS_TYPE,
    ) -> Result<ck::CK_FLAGS> {
        let session = cx.session;
        self.ask(move |core| validation_flags(core, session, kind))
    }

    fn open_session(&self, _session: SessionId) {
        self.shown.sessions.fetch_add(1, AcqRel);
    }

    fn close_session(&self, session: SessionId) {
        let one_less = |sessions: usize| sessions.checked_sub(1);
        let _ = self.shown.sessions.fetch_update(AcqRel, Acquire, one_less);
        let Some(core) = self.shown.core.get() else {
            return;
        };
        // Before the vendor's sessions end, with which they are not hidden any more.
        core.objects().hide_session(session);
        // In this order: what is noted after the one is refused, and what was noted before is seen by the other.
        let close = core.connection.pool.leave(session);
        core.objects().close_session(session);
        if close.is_empty() {
            return;
        }
        if !self.workers.are_in_use() {
            return close
                .into_iter()
                .for_each(|session| core.connection.close(session));
        }
        let on_worker = Arc::clone(core);
        let submitted = self.workers.submit(move || {
            close
                .into_iter()
                .for_each(|session| on_worker.connection.close(session));
            Ok(Out::Done)
        });
        // Unless the device hangs, it has the sessions for others when this returns.
        if let Ok(mut waiting) = submitted {
            let until = self.shown.options.timeout.map(|timeout| Instant::now() + timeout);
            if waiting.wait(until).is_none() {
                waiting.leave();
            }
        }
    }
}

impl Pkcs11Token {
    /// Whether no worker has anything of the token's any more.
    fn is_left_by_workers(&self) -> bool {
        let last = self.shown.libraries.are_one_slots();
        Arc::strong_count(&self.shown) == 1
            && self.shown.core.get().is_none_or(|core| {
                let slots = if last { 1 } else { core.slots() };
                Arc::strong_count(core) <= slots
            })
    }

    /// Waits for work that nobody waits for, such as what ends operations. In a child there are no workers.
    fn wait_for_workers(&self) {
        let core = self.shown.core.get();
        if self.is_left_by_workers() || core.is_some_and(|core| core.device().library.is_inherited()) {
            return;
        }
        let until = Instant::now() + PATIENCE;
        self.workers.wait_until_idle(until);
        if let Some(core) = core {
            core.workers.wait_until_idle(until);
        }
    }
}

/// How long the end waits for workers.
const PATIENCE: Duration = Duration::from_secs(2);

impl Drop for Pkcs11Token {
    fn drop(&mut self) {
        self.wait_for_workers();
        if let (Some(core), Some(timeout)) = (self.shown.core.get(), self.shown.options.timeout) {
            let core = Arc::clone(core);
            let end = self.workers.submit(move || {
                core.end();
                Ok(Out::Done)
            });
            let _ = end.map(|mut end| end.wait(Some(Instant::now() + timeout)));
        }
        self.workers.close();
        if let Some(core) = self.shown.core.get() {
            core.workers.close();
        }
        let core = self.shown.core.get().filter(|_| self.is_left_by_workers());
        self.shown
            .libraries
            .leave(core.map(|core| &*core.device().library));
    }
}

#[cfg(test)]
mod tests;
