// SPDX-License-Identifier: MIT
//! A vendor's module in this process: loaded once for all slots that name it, initialised when the first of them needs
//! it, finalised when the last of them is gone, and never unloaded.
//!
//! A child process has to initialise it anew: [`Library::call`] refuses to touch what a parent left.

mod inside;
mod past;

pub(crate) use inside::refuse_inside;

use std::collections::HashMap;
use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_sys::fork;
use parking_lot::{Mutex, RwLock};

use crate::core::Core;
use crate::ffi::{Answer, LoadError, Module, own_file};
use crate::quirks::{Quirk, Quirks};
use crate::select::{Candidate, TokenChoice, text};
use inside::Inside;
use past::{INITIALISED, LEFT, forget, is_known, remember};

/// The vendors' modules of one initialisation of ours (`C_Initialize` to `C_Finalize`). All slots share one.
#[derive(Default)]
pub struct Libraries {
    /// By identity ([`Module::identity`]).
    known: Mutex<HashMap<usize, Place>>,
    /// How many slots use them.
    slots: AtomicUsize,
    /// Whether the last of those has left.
    over: AtomicBool,
    forbid_threads: bool,
}

/// A module's, which is locked while it starts.
type Place = Arc<Mutex<Weak<Library>>>;

/// A module and how it is to be used.
pub(crate) struct Library {
    path: PathBuf,
    init: Option<CString>,
    module: Module,
    quirks: Quirks,
    /// The fork generation that it was initialised in.
    generation: u64,
    /// Whether it was initialised here, and not by the application or another library beside us.
    ours: AtomicBool,
    /// Whether this process initialised it through us before: what is found in it may be left from then.
    was_ours: bool,
    /// How many calls are in it.
    calls: AtomicUsize,
    /// Whether it was left behind with calls in it that hang: nothing more is asked of it through this.
    left: AtomicBool,
    /// Held while it is initialised again.
    starting: Mutex<()>,
    /// Counts when that begins and when it ends.
    starts: AtomicU64,
    /// When it was restarted last.
    restarted: Mutex<Option<Instant>>,
    /// Held by all calls into a module that is restarted at times, or where logins are alone: `C_Finalize`, or they, must
    /// find nobody inside.
    inside: Option<RwLock<()>>,
    /// Held by each call into a module for one thread.
    single: Option<Mutex<()>>,
    /// The tokens that slots show, so that slots with the same token share it.
    pub cores: Mutex<Vec<Weak<Core>>>,
    #[cfg(test)]
    pub faults: crate::faults::Faults,
}

/// How long a restart and the end wait for those inside.
const PATIENCE: Duration = Duration::from_secs(2);
/// The least time between two restarts.
const RESTARTS_APART: Duration = Duration::from_secs(1);

impl Libraries {
    /// For an application that forbids threads, or does not (`CKF_LIBRARY_CANT_CREATE_OS_THREADS`). Where it does there
    /// are no asynchronous sessions.
    pub fn new(forbid_threads: bool) -> Self {
        Self {
            known: Mutex::default(),
            slots: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            forbid_threads,
        }
    }

    /// Whether the application forbids threads.
    pub(crate) fn forbid_threads(&self) -> bool {
        self.forbid_threads
    }

    /// The module at `path`, loaded and initialised.
    ///
    /// # Errors
    /// `CKR_TOKEN_NOT_PRESENT` with what is wrong: it cannot be loaded, is this product itself, is in use with another
    /// init-argument string, or does not initialise.
    pub(crate) fn open(&self, path: &Path, init: Option<&str>, quirks: &[Quirk]) -> Result<Arc<Library>> {
        let refused = |what: &str| Error::new(Rv::TokenNotPresent, format!("{}: {what}", path.display()));
        fork::watch();
        let init = match init.map(CString::new) {
            Some(Ok(init)) => Some(init),
            Some(Err(_)) => return Err(refused("the init-argument string has a zero byte in it")),
            None => None,
        };
        if is_ourselves(path) {
            return Err(refused(OURSELVES));
        }
        let inside = Inside::enter()?;
        let module = Module::load(path).map_err(|error| match error {
            LoadError::Loader(message) => refused(&format!("the module cannot be loaded: {message}")),
            LoadError::NoFunctions => refused("this is no PKCS#11 module: it offers no function list"),
            LoadError::Ourselves => refused(OURSELVES),
        })?;
        let place = Arc::clone(self.known.lock().entry(module.identity()).or_default());
        // Held while this module starts: no other waits for it.
        let mut known = place.lock();
        if let Some(library) = known.upgrade() {
            return if library.init == init {
                Ok(library)
            } else {
                Err(refused(
                    "another slot uses this module with another init-argument string",
                ))
            };
        }
        let library = Arc::new(Library::start(path, init, module, quirks)?);
        drop(inside);
        *known = Arc::downgrade(&library);
        drop(known);
        if self.over.load(SeqCst) {
            // It took so long that nobody waited for it.
            library.leave();
        }
        Ok(library)
    }

    /// A slot uses them from now on, until it [leaves](Self::leave).
    pub(crate) fn enter(&self) {
        self.slots.fetch_add(1, SeqCst);
        self.over.store(false, SeqCst);
    }

    /// Whether but one slot uses them.
    pub(crate) fn are_one_slots(&self) -> bool {
        self.slots.load(SeqCst) == 1
    }

    /// A slot ends. With the last one our initialisation is over: whoever has a module then, beyond what the slot itself
    /// has as its `own`, is a worker that was given up. See [`Library::leave`].
    pub(crate) fn leave(&self, own: Option<&Library>) {
        if self.slots.fetch_sub(1, SeqCst) > 1 {
            return;
        }
        self.over.store(true, SeqCst);
        let places: Vec<_> = self.known.lock().values().cloned().collect();
        for place in places {
            // Where a module is just being opened, its C_Initialize hangs.
            let library = place.try_lock().and_then(|known| known.upgrade());
            if let Some(library) = library
                && !own.is_some_and(|own| std::ptr::eq(own, &raw const *library))
            {
                library.leave();
            }
        }
    }
}

const OURSELVES: &str =
    "this is KeyEnclave itself, which cannot stand behind itself: name the vendor's module";

/// Whether the file is the one that this code was loaded from.
fn is_ourselves(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let number = |path: &Path| path.metadata().ok().map(|file| (file.dev(), file.ino()));
    let own = own_file().and_then(|own| number(&own));
    own.is_some() && own == number(path)
}

impl Library {
    fn start(path: &Path, init: Option<CString>, module: Module, given: &[Quirk]) -> Result<Self> {
        let mut quirks = given
            .iter()
            .fold(Quirks::of_file(path), |quirks, quirk| quirks.with(*quirk));
        if init.is_some() && !quirks.takes_init_string {
            log::info!(
                "{}: an init-argument string for a module that is not known to take one",
                path.display()
            );
        }
        let was_ours = is_known(&module);
        let (ours, threads) = initialise(&module, init.as_ref(), &quirks).map_err(|rv| {
            let hint = if quirks.takes_init_string && init.is_none() {
                "; it takes an init-argument string, and the configuration has none"
            } else {
                ""
            };
            let path = path.display();
            Error::new(
                Rv::TokenNotPresent,
                format!("{path}: C_Initialize answers {}{hint}", rv.name()),
            )
        })?;
        if let Ok(info) = module.info() {
            let (maker, what) = (text(&info.manufacturerID), text(&info.libraryDescription));
            quirks = quirks.and_of_maker(&maker, &what);
            let (major, minor) = module.version();
            log::info!(
                "{}: {what} of {maker}, function list {major}.{minor}{}",
                path.display(),
                if ours {
                    ""
                } else {
                    ", initialised already by somebody else in this process"
                },
            );
        }
        Ok(Self {
            path: path.to_owned(),
            init,
            module,
            quirks,
            generation: fork::generation(),
            ours: AtomicBool::new(ours),
            was_ours,
            calls: AtomicUsize::new(0),
            left: AtomicBool::new(false),
            starting: Mutex::new(()),
            starts: AtomicU64::new(0),
            restarted: Mutex::new(None),
            inside: (quirks.finalize_to_recover || quirks.logs_in_alone).then(RwLock::default),
            single: (quirks.single_threaded || !threads).then(Mutex::default),
            cores: Mutex::default(),
            #[cfg(test)]
            faults: crate::faults::Faults::default(),
        })
    }

    /// What is special about it.
    pub fn quirks(&self) -> Quirks {
        self.quirks
    }

    /// Calls the module.
    ///
    /// # Errors
    /// The module's. `CKR_CRYPTOKI_NOT_INITIALIZED` in a child of the process that initialised it;
    /// `CKR_FUNCTION_FAILED` where the module itself has called us.
    pub fn call<T>(&self, work: impl FnOnce(&Module) -> Answer<T>) -> Answer<T> {
        self.call_beside(|inside| Ok(inside.read()), work)
    }

    /// Calls the module to log somebody in or out: beside no other call where it does not bear that.
    ///
    /// # Errors
    /// Those of [`Library::call`]; `CKR_DEVICE_ERROR` where the other calls did not end in time.
    pub fn call_to_log_in<T>(&self, work: impl FnOnce(&Module) -> Answer<T>) -> Answer<T> {
        if !self.quirks.logs_in_alone {
            return self.call(work);
        }
        self.call_beside(
            |inside| inside.try_write_for(PATIENCE).ok_or(Rv::DeviceError),
            work,
        )
    }

    fn call_beside<'a, T, Held>(
        &'a self,
        hold: impl FnOnce(&'a RwLock<()>) -> Answer<Held>,
        work: impl FnOnce(&Module) -> Answer<T>,
    ) -> Answer<T> {
        if fork::generation() != self.generation {
            return Err(Rv::CryptokiNotInitialized);
        }
        let _inside = Inside::enter()?;
        let _call = Call::of(self)?;
        let _held = self.inside.as_ref().map(hold).transpose()?;
        let _one = self.single.as_ref().map(Mutex::lock);
        #[cfg(test)]
        self.faults.strike(&self.module)?;
        match work(&self.module) {
            Err(Rv::FunctionFailed) if self.quirks.failure_is_loss => Err(Rv::DeviceError),
            answer => answer,
        }
    }

    /// Initialises it again, after somebody finalised it or, with `finalize_first`, to bring a lost device back.
    pub fn revive(&self, finalize_first: bool) -> Answer<()> {
        if fork::generation() != self.generation || self.left.load(SeqCst) {
            return Err(Rv::CryptokiNotInitialized);
        }
        let _starting = self.starting.lock();
        let mut _alone = None;
        if finalize_first && self.ours.load(SeqCst) {
            let inside = self.inside.as_ref();
            _alone = inside.and_then(|inside| inside.try_write_for(PATIENCE));
            if _alone.is_none() {
                // A call hangs in there.
                return Err(Rv::DeviceError);
            }
            self.module.finalize()?;
            // Unless somebody else is faster now.
            self.ours.store(false, SeqCst);
        }
        self.starts.fetch_add(1, SeqCst);
        let initialized = self.module.initialize(self.single.is_none(), self.init.as_ref());
        self.starts.fetch_add(1, SeqCst);
        match initialized {
            Ok(()) => {
                self.ours.store(true, SeqCst);
                Ok(())
            }
            // Another of our tokens was faster, or whoever finalised it.
            Err(Rv::CryptokiAlreadyInitialized) => Ok(()),
            Err(rv) => Err(rv),
        }
    }

    /// Another number whenever the module may have forgotten all sessions, and gives their handles to others.
    pub fn starts(&self) -> u64 {
        self.starts.load(SeqCst)
    }

    /// Finalises and initialises it where only that shows what has changed at the device; `false` where it does not, or
    /// where others would lose their sessions by it. At most once in a while, because it is slow.
    /// Others are tokens beyond the caller's `own`: it has one, or none yet.
    pub fn restart(&self, own: usize) -> Answer<bool> {
        let others = self
            .cores
            .lock()
            .iter()
            .filter(|core| core.strong_count() > 0)
            .count();
        if !self.quirks.finalize_to_recover || !self.is_ours() || others > own {
            return Ok(false);
        }
        let mut last = self.restarted.lock();
        if last.is_some_and(|last| last.elapsed() < RESTARTS_APART) {
            return Ok(false);
        }
        *last = Some(Instant::now());
        self.revive(true).map(|()| true)
    }

    /// Our initialisation is over. While calls hang in the module it cannot be finalised, nor when a worker that was given
    /// up is done with it, which may be in the midst of our next initialisation: that takes it over as it is.
    fn leave(&self) {
        if self.left.swap(true, SeqCst) {
            return;
        }
        if self.ours.swap(false, SeqCst) {
            log::warn!(
                "{}: calls hang in it or are not done, so it is not finalised",
                self.path.display()
            );
            remember(&LEFT, &self.module);
        }
    }

    /// Whether this process is a child of the one that initialised it.
    pub fn is_inherited(&self) -> bool {
        fork::generation() != self.generation
    }

    /// Whether a login that is found in it may be one of ours.
    pub fn may_have_our_login(&self) -> bool {
        self.was_ours || self.is_ours()
    }

    /// Whether it was initialised here.
    pub fn is_ours(&self) -> bool {
        self.ours.load(SeqCst)
    }

    /// Every slot with a token in it.
    pub fn candidates(&self) -> Answer<Vec<Candidate>> {
        self.call(|module| {
            let slots = module.slots(true)?;
            let candidates = slots.into_iter().filter_map(|slot_id| {
                let slot = module.slot_info(slot_id).ok()?;
                // A token that is pulled out just now is not there.
                let token = module.token_info(slot_id).ok()?;
                Some(Candidate { slot_id, slot, token })
            });
            Ok(candidates.collect())
        })
    }

    /// The one token that a choice fits. Among several, the only one that is initialised.
    ///
    /// # Errors
    /// `CKR_TOKEN_NOT_PRESENT` where there is none, or where there are several.
    pub fn choose(&self, choice: &TokenChoice) -> Result<Candidate> {
        let mut fitting = self.candidates()?;
        fitting.retain(|candidate| choice.fits(candidate));
        if fitting.len() > 1 {
            let initialised = |one: &Candidate| one.token.flags & cryptoki_sys::CKF_TOKEN_INITIALIZED != 0;
            if fitting.iter().filter(|one| initialised(one)).count() == 1 {
                fitting.retain(initialised);
            }
        }
        let count = fitting.len();
        match fitting.pop() {
            Some(candidate) if count == 1 => Ok(candidate),
            _ => Err(Error::new(
                Rv::TokenNotPresent,
                format!(
                    "{}: {count} tokens with {}; the configuration has to choose one",
                    self.path.display(),
                    choice.describe()
                ),
            )),
        }
    }
}

/// A call is in the module, and ends.
struct Call<'a>(&'a AtomicUsize);

impl<'a> Call<'a> {
    fn of(library: &'a Library) -> Answer<Self> {
        library.calls.fetch_add(1, SeqCst);
        let call = Self(&library.calls);
        if library.left.load(SeqCst) {
            return Err(Rv::CryptokiNotInitialized);
        }
        Ok(call)
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// Whether the module is ours to finalise, and whether it may be called from several threads.
fn initialise(module: &Module, init: Option<&CString>, quirks: &Quirks) -> Answer<(bool, bool)> {
    let inherited = fork::generation() > 1 && is_known(module);
    if inherited && quirks.finalize_in_child {
        let _ = module.finalize();
    }
    let mut threads = !quirks.single_threaded;
    let mut outcome = module.initialize(threads, init);
    if matches!(outcome, Err(Rv::CantLock | Rv::NeedToCreateThreads)) && threads {
        threads = false;
        outcome = module.initialize(threads, init);
    }
    if outcome == Err(Rv::CryptokiAlreadyInitialized) && inherited {
        // What is initialised is the copy of our own in the parent.
        let _ = module.finalize();
        outcome = module.initialize(threads, init);
    }
    match outcome {
        Ok(()) => {
            remember(&INITIALISED, module);
            Ok((true, threads))
        }
        Err(Rv::CryptokiAlreadyInitialized) if forget(&LEFT, module) => {
            // A login is of our earlier initialisation.
            for slot in module.slots(true)? {
                if let Ok(session) = module.open_session(slot, true) {
                    let _ = module.logout(session);
                    let _ = module.close_session(session);
                }
            }
            Ok((true, threads))
        }
        Err(Rv::CryptokiAlreadyInitialized) => Ok((false, threads)),
        Err(rv) => Err(rv),
    }
}

impl Library {
    /// Finalises the module, if that is ours to do, when the last call has left it. One that calls stay in, or that
    /// refuses, is taken over by our next initialisation.
    pub fn end(&self) {
        if !self.ours.swap(false, SeqCst) || fork::generation() != self.generation {
            return;
        }
        let ended = if self.is_left_by_all() {
            self.calls.fetch_add(1, SeqCst);
            let ended = self.module.finalize();
            self.calls.fetch_sub(1, SeqCst);
            ended
        } else {
            Err(Rv::FunctionFailed)
        };
        if let Err(rv) = ended {
            log::debug!("{}: C_Finalize answers {}", self.path.display(), rv.name());
            if rv != Rv::CryptokiNotInitialized {
                remember(&LEFT, &self.module);
            }
        }
    }

    /// Waits for calls that nobody waits for, such as those that close sessions.
    fn is_left_by_all(&self) -> bool {
        let until = Instant::now() + PATIENCE;
        while self.calls.load(SeqCst) > 0 {
            if Instant::now() >= until {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        self.end();
    }
}
