// SPDX-License-Identifier: MIT
//! From `C_Initialize` to `C_Finalize`, and across `fork`.
//!
//! Everything mutable hangs from one root (`abi::root`). Initialising and finalising take turns; calls do not: they find
//! the library or get `CKR_CRYPTOKI_NOT_INITIALIZED`. A forked child finds nothing, because what it inherited holds
//! locks of threads that it does not have and files that its parent uses: that tree is left alone and never freed.
//! The child is initialised again by its own `C_Initialize`, or, if the configuration says `fork = "auto"`, by its
//! first call. Handles are never given out twice, over all of this.
//!
//! Nothing here starts a thread, opens a file or registers anything that runs when the process ends.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::time::Duration;

use cryptoki_sys as ck;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_sys::fork;

use crate::abi::bootstrap::InitializeArgs;
use crate::abi::boundary;
use crate::abi::root::{Entered, Root};
use crate::library::{InitArgs, Library};

/// How long `C_Finalize` waits for calls that are still inside.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long whoever waits for their turn rests between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(1);
/// Handles of one run of the library start at its number shifted by this much.
const RUN_SHIFT: u32 = ck::CK_ULONG::BITS / 8 * 5;

/// The only mutable static of the module's own state.
static LIFE: Life<Library> = Life::new(Some(|| LIFE.forked()));

/// `C_Initialize`.
///
/// # Errors
/// `CKR_CRYPTOKI_ALREADY_INITIALIZED`; what [`InitializeArgs::cannot_create_threads`] and [`Library::open`] refuse.
pub(crate) fn initialise(args: InitializeArgs<'_>) -> Result<()> {
    boundary::install_panic_hook();
    // A copy that was made without the C library's knowledge (`clone`, `_Fork`) is noticed here.
    fork::check();
    LIFE.initialise(args.cannot_create_threads()?)?;
    #[cfg(feature = "secret-heap")]
    warn_of_dumps();
    Ok(())
}

/// Says so if a core dump may show what this library exists to hide.
#[cfg(feature = "secret-heap")]
fn warn_of_dumps() {
    let reason = if !keyenclave_sys::heap::is_kept_from_dumps() {
        "the system has no address space for a heap that is left out (see `ulimit -v`), or cannot leave memory out"
    } else if !keyenclave_crypto::memory::is_in_secret_heap() {
        "the program that has loaded this library allocates for its cryptography (it defines `OPENSSL_memory_alloc`)"
    } else {
        return;
    };
    log::warn!("keys in use may appear in a core dump of this process: {reason}");
}

/// `C_Finalize`.
///
/// # Errors
/// `CKR_ARGUMENTS_BAD` if `pReserved` is not null; `CKR_CRYPTOKI_NOT_INITIALIZED`.
pub(crate) fn finalise(reserved_is_null: bool) -> Result<()> {
    if !reserved_is_null {
        return Err(Rv::ArgumentsBad.into());
    }
    fork::check();
    LIFE.finalise(PATIENCE)
}

/// The library, for the length of one call.
///
/// # Errors
/// `CKR_CRYPTOKI_NOT_INITIALIZED`; in a child that initialises by itself, what [`Library::open`] refuses.
pub(crate) fn enter() -> Result<Entered<'static, Library>> {
    LIFE.enter()
}

/// What lives from `C_Initialize` to `C_Finalize`.
trait Tree: Send + Sync + Sized {
    fn open(args: &InitArgs) -> Result<Self>;
    /// Has calls that wait for something come back.
    fn close(&self);
    fn reinitialise_after_fork(&self) -> bool;
}

impl Tree for Library {
    fn open(args: &InitArgs) -> Result<Self> {
        Library::open(args)
    }

    fn close(&self) {
        Library::close(self);
    }

    fn reinitialise_after_fork(&self) -> bool {
        Library::reinitialise_after_fork(self)
    }
}

/// The root, and what has to be remembered while nothing hangs from it.
struct Life<T> {
    root: Root<T>,
    /// Whether somebody is initialising or finalising. Not a mutex: the child of a fork has to be able to free it.
    turn: AtomicBool,
    /// How often the library was opened: the number of the next run.
    runs: AtomicU32,
    /// An [`Inheritance`]: what a child does at its first call.
    inheritance: AtomicU8,
    /// Whether `on_fork` is registered.
    watching: AtomicBool,
    on_fork: Option<fn()>,
}

/// What a forked child does if it goes on without `C_Initialize`, as its parent was initialised.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inheritance {
    /// It gets `CKR_CRYPTOKI_NOT_INITIALIZED`.
    Nothing = 0,
    /// Its first call initialises.
    Auto = 1,
    /// Its first call initialises, and no threads may be started.
    AutoWithoutThreads = 2,
}

impl Inheritance {
    fn of(tree: &impl Tree, cannot_create_threads: bool) -> Self {
        match (tree.reinitialise_after_fork(), cannot_create_threads) {
            (false, _) => Self::Nothing,
            (true, false) => Self::Auto,
            (true, true) => Self::AutoWithoutThreads,
        }
    }
}

impl<T: Tree> Life<T> {
    /// `on_fork` runs in every child, inside `fork`, and calls [`Self::forked`]. Without it there must be no fork.
    const fn new(on_fork: Option<fn()>) -> Self {
        Self {
            root: Root::new(),
            turn: AtomicBool::new(false),
            runs: AtomicU32::new(0),
            inheritance: AtomicU8::new(Inheritance::Nothing as u8),
            watching: AtomicBool::new(false),
            on_fork,
        }
    }

    fn initialise(&self, cannot_create_threads: bool) -> Result<()> {
        let _turn = self.take_turn();
        self.open(cannot_create_threads)
    }

    /// Opens the library. The turn is the caller's.
    fn open(&self, cannot_create_threads: bool) -> Result<()> {
        if self.root.enter().is_some() {
            return Err(Rv::CryptokiAlreadyInitialized.into());
        }
        self.watch_forks()?;
        let run = self.runs.fetch_add(1, Ordering::SeqCst);
        let tree = T::open(&InitArgs {
            cannot_create_threads,
            first_handle: first_handle(run),
        })?;
        let inheritance = Inheritance::of(&tree, cannot_create_threads);
        self.root.plant(Box::new(tree));
        self.inheritance.store(inheritance as u8, Ordering::SeqCst);
        Ok(())
    }

    fn finalise(&self, patience: Duration) -> Result<()> {
        let _turn = self.take_turn();
        self.inheritance
            .store(Inheritance::Nothing as u8, Ordering::SeqCst);
        let tree = self.root.uproot().ok_or(Rv::CryptokiNotInitialized)?;
        tree.close();
        if !tree.drop_within(patience) {
            log::warn!("C_Finalize: calls are still running; their memory is left to the end of the process");
        }
        Ok(())
    }

    fn enter(&self) -> Result<Entered<'_, T>> {
        match self.root.enter() {
            Some(tree) => Ok(tree),
            None => self.enter_child(),
        }
    }

    /// Nothing hangs from the root: perhaps because this is a child that has to initialise by itself.
    #[cold]
    fn enter_child(&self) -> Result<Entered<'_, T>> {
        if self.inheritance() != Inheritance::Nothing {
            let _turn = self.take_turn();
            match self.inheritance() {
                _ if self.root.enter().is_some() => {}
                Inheritance::Nothing => {}
                Inheritance::Auto => self.open(false)?,
                Inheritance::AutoWithoutThreads => self.open(true)?,
            }
        }
        self.root.enter().ok_or_else(|| Rv::CryptokiNotInitialized.into())
    }

    fn inheritance(&self) -> Inheritance {
        let known = [Inheritance::Auto, Inheritance::AutoWithoutThreads];
        let stored = self.inheritance.load(Ordering::SeqCst);
        known
            .into_iter()
            .find(|known| *known as u8 == stored)
            .unwrap_or(Inheritance::Nothing)
    }

    /// What a child does, inside `fork`: atomic stores and nothing else. Whoever had the turn is not here.
    fn forked(&self) {
        self.root.abandon();
        self.turn.store(false, Ordering::SeqCst);
    }

    /// Registers with `fork`, once. The turn is the caller's.
    fn watch_forks(&self) -> Result<()> {
        let Some(on_fork) = self.on_fork.filter(|_| !self.watching.load(Ordering::SeqCst)) else {
            return Ok(());
        };
        fork::on_child(on_fork)
            .map_err(|error| Error::new(Rv::GeneralError, format!("cannot watch for forks: {error:?}")))?;
        self.watching.store(true, Ordering::SeqCst);
        Ok(())
    }

    fn take_turn(&self) -> Turn<'_> {
        while self.turn.swap(true, Ordering::SeqCst) {
            std::thread::sleep(LOOK_AGAIN);
        }
        Turn(&self.turn)
    }
}

/// The right to initialise or finalise, until it is dropped.
struct Turn<'a>(&'a AtomicBool);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// The first handle of a run: 1 in the first, and so far above in each later one that no handle is seen twice, in
/// this process or in one that is forked from it.
fn first_handle(run: u32) -> ck::CK_ULONG {
    (ck::CK_ULONG::from(run) << RUN_SHIFT) | 1
}

#[cfg(test)]
mod tests;
